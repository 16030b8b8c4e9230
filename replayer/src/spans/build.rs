//! Spans of outcomes, by the stable HTTP semantic conventions and with our own attributes (docs/traces.md).
//!
//! Whatever comes again from request to request is made once. What is exported and when is decided elsewhere.

mod ending;
mod interned;
mod keys;
mod method;
mod phases;
mod resource;
mod run;
mod url;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use formats::head;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use self::ending::Endings;
use self::interned::Interned;
use super::SpanBudget;
use crate::clock::Clock;
use crate::dial::Peer;
use crate::endpoints::{OTHER_METHOD, parts};
use crate::job::{Budgeted, Job, Progress, RunFacts};
use crate::target::{Place, Target};

pub(crate) use keys::SCHEMA_URL;
pub(crate) use method::Methods;
pub(crate) use resource::resource;
pub use resource::resource_attributes;
pub use run::RunEnd;
pub(super) use run::spans as run_spans;
pub(crate) use url::scheme;

/// Attributes that a request's span has at most.
const ATTRIBUTES_MAX: usize = 36;
/// Longer User-Agents are cut there, and end in `…`.
const AGENT_BYTES_MAX: usize = 1_024;
/// The trace id is random (Trace Context level 2).
const RANDOM: u8 = 0x02;

/// What spans say, and how many there are.
#[derive(Debug, Clone, Default)]
pub struct SpanOptions {
    /// How many a second; `None`: all that are sampled.
    pub budget: Option<SpanBudget>,
    /// Methods that are named in spans; `None`: those that the conventions list.
    pub known_methods: Option<Vec<String>>,
    /// More attributes of the resource ([`resource_attributes`]).
    pub resource: Vec<(String, String)>,
}

/// What all spans of a run have in common.
pub(super) struct RunBase {
    run: Arc<RunFacts>,
    clock: Clock,
    start_ns: u64,
    scope: InstrumentationScope,
    /// Of the run's own span.
    context: SpanContext,
    run_id: StringValue,
    servers: Vec<Server>,
}

/// A target, as its spans name it.
struct Server {
    scheme: StringValue,
    origin: String,
    address: StringValue,
    port: Option<i64>,
    transport: StringValue,
}

/// An endpoint, as its spans name it.
struct Endpoint {
    name: String,
    template: Option<StringValue>,
}

/// Makes spans of outcomes.
pub struct SpanBuilder {
    base: Arc<RunBase>,
    endpoints: Vec<Endpoint>,
    methods: Methods,
    endings: Endings,
    agents: Interned<Vec<u8>>,
    addresses: Interned<SocketAddr>,
    paths: Interned<Arc<Path>>,
}

impl RunBase {
    pub(super) fn new(run: Arc<RunFacts>, clock: Clock, start_ns: u64) -> Self {
        let scope = InstrumentationScope::builder("reenact").with_version(env!("CARGO_PKG_VERSION"));
        let (trace_id, span_id) = run.contexts.of_run();
        Self {
            clock,
            start_ns,
            scope: scope.with_schema_url(keys::SCHEMA_URL).build(),
            context: context(trace_id, span_id, TraceFlags::SAMPLED.to_u8() | RANDOM, false),
            run_id: shared(run.contexts.run_id()),
            servers: run.targets.iter().map(Server::of).collect(),
            run,
        }
    }
}

impl Server {
    fn of(target: &Target) -> Self {
        let (address, port, transport) = match &target.place {
            Place::Unix(path) => (shared(&path.to_string_lossy()), None, "unix"),
            Place::Network(_) => (shared(&target.host), Some(i64::from(target.port)), "tcp"),
        };
        let scheme = url::scheme(target).into();
        Self { scheme, origin: url::origin(target), address, port, transport: transport.into() }
    }
}

impl Endpoint {
    /// From `GET /users/{id}`. A method that is not known is no part of a span's name, nor is a template that is not.
    fn of(name: &str, methods: &Methods) -> Self {
        let (method, template) = parts(name);
        let method = if methods.known(method.as_bytes()).is_some() { method } else { "HTTP" };
        match template {
            Some(template) => Self { name: format!("{method} {template}"), template: Some(shared(template)) },
            None => Self { name: method.to_owned(), template: None },
        }
    }
}

impl SpanBuilder {
    /// A builder for the requests of a run whose due instant 0 is at `start_ns` of the clock.
    #[must_use]
    pub fn new(run: Arc<RunFacts>, clock: Clock, start_ns: u64, options: &SpanOptions) -> Self {
        Self::of(Arc::new(RunBase::new(run, clock, start_ns)), options)
    }

    pub(super) fn of(base: Arc<RunBase>, options: &SpanOptions) -> Self {
        let methods = Methods::new(options.known_methods.as_deref());
        Self {
            endpoints: base.run.endpoints.iter().map(|name| Endpoint::of(name, &methods)).collect(),
            base,
            methods,
            endings: Endings::new(),
            agents: Interned::new(),
            addresses: Interned::new(),
            paths: Interned::new(),
        }
    }

    /// Whose spans these are.
    pub(super) fn scope(&self) -> &InstrumentationScope {
        &self.base.scope
    }

    /// The CLIENT span of a request that has ended.
    pub fn request(&mut self, job: &Job) -> SpanData {
        let (end, fresh) = (&job.progress, &job.fresh);
        let endpoint = self.endpoints.get(job.facts.endpoint as usize);
        let name = endpoint.map_or_else(|| "HTTP".to_owned(), |endpoint| endpoint.name.clone());
        let mut attributes = Vec::with_capacity(ATTRIBUTES_MAX);
        self.add_request(job, &mut attributes);
        self.add_peer(end, &mut attributes);
        self.add_own(job, &mut attributes);
        let (error, status) = self.endings.of(end);
        attributes.extend(error.map(|kind| text(keys::ERROR_TYPE, kind)));
        let flags = RANDOM | if fresh.is_sampled { TraceFlags::SAMPLED.to_u8() } else { 0 };
        let wall = |at_ns: u64| self.base.clock.wall(self.base.start_ns.saturating_add(at_ns));
        SpanData {
            span_context: context(fresh.trace_id, fresh.span_id, flags, false),
            parent_span_id: fresh.parent_span_id.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: name.into(),
            start_time: wall(end.began_ns()),
            end_time: wall(end.done_ns),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: self.links(job),
            status,
            instrumentation_scope: self.base.scope.clone(),
        }
    }

    /// What the conventions say of a client's request and its answer.
    fn add_request(&mut self, job: &Job, out: &mut Vec<KeyValue>) {
        let end = &job.progress;
        let shown = job.shown_head();
        let line = head::request_line(&shown);
        let method = line.map_or(&b""[..], |line| line.method);
        match self.methods.known(method) {
            Some(known) => out.push(text(keys::METHOD, known)),
            None => {
                let original = String::from_utf8_lossy(method).into_owned();
                out.push(text(keys::METHOD, OTHER_METHOD.into()));
                out.push(text(keys::METHOD_ORIGINAL, url::cut(original, AGENT_BYTES_MAX).into()));
            }
        }
        if let Some(server) = self.base.servers.get(usize::from(job.target)) {
            let target = line.map_or(&b""[..], |line| line.target);
            out.push(text(keys::URL_FULL, url::full(&server.origin, target).into()));
            out.push(text(keys::URL_SCHEME, server.scheme.clone()));
            out.push(text(keys::SERVER_ADDRESS, server.address.clone()));
            out.extend(server.port.map(|port| number(keys::SERVER_PORT, port)));
            out.push(text(keys::TRANSPORT, server.transport.clone()));
        }
        let template = self.endpoints.get(job.facts.endpoint as usize).and_then(|endpoint| endpoint.template.clone());
        out.extend(template.map(|template| text(keys::URL_TEMPLATE, template)));
        out.push(text(keys::PROTOCOL_NAME, "http".into()));
        let version = match line.map(|line| line.version) {
            Some(b"HTTP/1.1") => Some("1.1"),
            Some(b"HTTP/1.0") => Some("1.0"),
            _ => None,
        };
        out.extend(version.map(|version| text(keys::PROTOCOL_VERSION, version.into())));
        if let Some(agent) = head::value(&shown, "user-agent") {
            // One byte more than is shown tells what is cut from what is not.
            let agent = agent.get(..=AGENT_BYTES_MAX).unwrap_or(agent);
            let make = || url::cut(String::from_utf8_lossy(agent).into_owned(), AGENT_BYTES_MAX);
            out.push(text(keys::USER_AGENT, self.agents.text(agent, make)));
        }
        out.push(text(keys::SYNTHETIC, "test".into()));
        if end.dispatched_ns.is_some() {
            out.push(count(keys::REQUEST_SIZE, end.bytes_out));
        }
        if let Some(status) = end.status {
            out.push(number(keys::STATUS_CODE, i64::from(status)));
            out.push(count(keys::RESPONSE_SIZE, end.bytes_in));
        }
        if end.resent > 0 {
            out.push(number(keys::RESEND_COUNT, i64::from(end.resent)));
        }
    }

    fn add_peer(&mut self, end: &Progress, out: &mut Vec<KeyValue>) {
        match &end.peer {
            Some(Peer::Address(address)) => {
                let make = || address.ip().to_canonical().to_string();
                out.push(text(keys::PEER_ADDRESS, self.addresses.text(address, make)));
                out.push(number(keys::PEER_PORT, i64::from(address.port())));
            }
            Some(Peer::Path(path)) => {
                let make = || path.to_string_lossy().into_owned();
                out.push(text(keys::PEER_ADDRESS, self.paths.text(path, make)));
            }
            None => {}
        }
    }

    /// What only a replay knows. What is nothing is left out.
    fn add_own(&self, job: &Job, out: &mut Vec<KeyValue>) {
        let (facts, end) = (&job.facts, &job.progress);
        out.push(text(keys::RUN_ID, self.base.run_id.clone()));
        out.push(number(keys::SESSION, i64::from(facts.session)));
        out.push(count(keys::SEQUENCE, facts.seq));
        out.push(number(keys::COPY, i64::from(facts.copy)));
        out.push(KeyValue::new(keys::MULTIPLIER, self.base.run.multiplier));
        if let Some((dispatched_ns, lag_ns)) = end.dispatched_ns.zip(end.lag_ns()) {
            out.push(count(keys::LAG_NS, lag_ns));
            let first_byte = end.first_byte_ns.map(|at| at.saturating_sub(dispatched_ns));
            out.extend(first_byte.map(|waited| count(keys::FIRST_BYTE_NS, waited)));
        }
        if end.held_by_seq.is_some() {
            out.push(count(keys::HELD_NS, end.released_ns.saturating_sub(job.due_ns)));
        }
        if end.busy_ns > 0 {
            out.push(count(keys::BUSY_NS, end.busy_ns));
        }
        if end.connecting_ns.is_some() {
            out.push(count(keys::CONNECT_NS, end.connect_ns));
        }
        out.extend(facts.response_ns.map(|recorded| count(keys::RECORDED_RESPONSE_NS, recorded)));
        out.extend(facts.status.map(|recorded| number(keys::RECORDED_STATUS, i64::from(recorded))));
        let kept = match job.budgeted {
            Budgeted::Not | Budgeted::LeftOut => None,
            Budgeted::KeptAsError => Some("error"),
            Budgeted::KeptAsSlow => Some("slow"),
        };
        out.extend(kept.map(|why| text(keys::KEPT, why.into())));
    }

    /// To the run, and to the recorded trace.
    fn links(&self, job: &Job) -> SpanLinks {
        let mut links = SpanLinks::default();
        let recorded = job.facts.trace;
        links.links.reserve_exact(1 + usize::from(recorded.is_some()));
        links.links.push(link(self.base.context.clone(), "run"));
        // A load balancer's context names no span to link to.
        if let Some((trace, parent)) = recorded.and_then(|trace| Some((trace, trace.parent()?))) {
            links.links.push(link(context(trace.trace_id, parent, trace.flags, true), "recorded"));
        }
        links
    }
}

fn link(to: SpanContext, which: &'static str) -> Link {
    Link::new(to, vec![text(keys::LINK, which.into())], 0)
}

fn context(trace_id: [u8; 16], span_id: [u8; 8], flags: u8, remote: bool) -> SpanContext {
    let (trace_id, span_id) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id));
    SpanContext::new(trace_id, span_id, TraceFlags::new(flags), remote, TraceState::NONE)
}

fn shared(text: &str) -> StringValue {
    StringValue::from(Arc::<str>::from(text))
}

fn text(key: &'static str, value: StringValue) -> KeyValue {
    KeyValue::new(key, Value::String(value))
}

fn number(key: &'static str, value: i64) -> KeyValue {
    KeyValue::new(key, value)
}

fn count(key: &'static str, value: u64) -> KeyValue {
    number(key, value.cast_signed())
}
