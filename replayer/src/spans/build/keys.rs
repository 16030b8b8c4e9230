//! Names of attributes: those of the semantic conventions, and our own. What each means stands in docs/traces.md.
//!
//! A test holds every name and type that is exported against the conventions' registry.

/// The version of the semantic conventions that the names are of.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.42.0";

pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const METHOD: &str = "http.request.method";
pub(super) const METHOD_ORIGINAL: &str = "http.request.method_original";
pub(super) const RESEND_COUNT: &str = "http.request.resend_count";
pub(super) const REQUEST_SIZE: &str = "http.request.size";
pub(super) const RESPONSE_SIZE: &str = "http.response.size";
pub(super) const STATUS_CODE: &str = "http.response.status_code";
pub(super) const PEER_ADDRESS: &str = "network.peer.address";
pub(super) const PEER_PORT: &str = "network.peer.port";
pub(super) const PROTOCOL_NAME: &str = "network.protocol.name";
pub(super) const PROTOCOL_VERSION: &str = "network.protocol.version";
pub(super) const TRANSPORT: &str = "network.transport";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const URL_FULL: &str = "url.full";
pub(super) const URL_SCHEME: &str = "url.scheme";
pub(super) const URL_TEMPLATE: &str = "url.template";
pub(super) const USER_AGENT: &str = "user_agent.original";
pub(super) const SYNTHETIC: &str = "user_agent.synthetic.type";

pub(super) const RUN_ID: &str = "reenact.run_id";
pub(super) const SESSION: &str = "reenact.session";
pub(super) const SEQUENCE: &str = "reenact.sequence";
pub(super) const COPY: &str = "reenact.copy";
pub(super) const MULTIPLIER: &str = "reenact.multiplier";
pub(super) const LAG_NS: &str = "reenact.lag_ns";
pub(super) const HELD_NS: &str = "reenact.held_ns";
pub(super) const BUSY_NS: &str = "reenact.busy_ns";
pub(super) const CONNECT_NS: &str = "reenact.connect_ns";
pub(super) const FIRST_BYTE_NS: &str = "reenact.first_byte_ns";
pub(super) const RECORDED_RESPONSE_NS: &str = "reenact.recorded.response_ns";
pub(super) const RECORDED_STATUS: &str = "reenact.recorded.status_code";
pub(super) const KEPT: &str = "reenact.kept_at_end";
pub(super) const LINK: &str = "reenact.link";

/// Before the name of an option.
pub(super) const ASKED: &str = "reenact.asked.";
pub(super) const METHOD_OF_PLAN: &str = "reenact.method";
pub(super) const LOOP_MODEL: &str = "reenact.loop_model";
pub(super) const SEED: &str = "reenact.seed";
pub(super) const PLAN_HASH: &str = "reenact.plan_hash";
pub(super) const SESSIONS: &str = "reenact.sessions";
pub(super) const SESSIONS_COUNT: &str = "reenact.sessions_count";
pub(super) const SHARD: &str = "reenact.shard";
pub(super) const TARGETS: &str = "reenact.targets";
pub(super) const PLANNED: &str = "reenact.planned";
pub(super) const SENT: &str = "reenact.sent";
pub(super) const COMPLETED: &str = "reenact.completed";
pub(super) const ERRORS: &str = "reenact.errors";
pub(super) const SHED: &str = "reenact.shed";
pub(super) const VERDICT: &str = "reenact.verdict";
pub(super) const REASONS: &str = "reenact.reasons";
pub(super) const INTERRUPTED: &str = "reenact.interrupted";
pub(super) const ABORTED: &str = "reenact.aborted";

pub(super) const PHASE: &str = "reenact.phase.name";
pub(super) const FACTOR_FROM: &str = "reenact.phase.factor_from";
pub(super) const FACTOR_TO: &str = "reenact.phase.factor_to";
pub(super) const CHANGE_FACTOR: &str = "reenact.change.factor";
pub(super) const CHANGE_BY: &str = "reenact.change.by";
pub(super) const STEPS_MERGED: &str = "reenact.phase.steps_merged";
