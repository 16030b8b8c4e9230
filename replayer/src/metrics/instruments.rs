//! Names, units and meanings of all metrics. docs/metrics.md has the same table, and a test holds the two together.

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down, and adds up over shards.
    UpDownCounter,
    /// It goes up and down, and does not add up.
    Gauge,
    /// A distribution with fixed bounds.
    Histogram,
}

impl Kind {
    /// The word used for it in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Instrument {
    /// As OpenTelemetry has it.
    pub name: &'static str,
    /// As Prometheus has it, without `_total`, `_bucket`, `_sum`, `_count`.
    pub prometheus: &'static str,
    /// In UCUM's notation.
    pub unit: &'static str,
    /// See [`Kind`].
    pub kind: Kind,
    /// A sentence.
    pub description: &'static str,
}

/// Names of attributes.
pub(super) mod attribute {
    pub(crate) const ERROR_TYPE: &str = "error.type";
    pub(crate) const METHOD: &str = "http.request.method";
    pub(crate) const STATUS_CODE: &str = "http.response.status_code";
    pub(crate) const DIRECTION: &str = "network.io.direction";
    pub(crate) const OVERFLOW: &str = "otel.metric.overflow";
    pub(crate) const SERVER_ADDRESS: &str = "server.address";
    pub(crate) const SERVER_PORT: &str = "server.port";
    pub(crate) const SHED_REASON: &str = "reenact.shed.reason";
    pub(crate) const SPAN_FATE: &str = "reenact.span.fate";
    pub(crate) const URL_SCHEME: &str = "url.scheme";
    pub(crate) const URL_TEMPLATE: &str = "url.template";
}

/// Makes an instrument whose name for Prometheus follows from the others, and is written out to be found.
const fn of(
    name: &'static str,
    prometheus: &'static str,
    unit: &'static str,
    kind: Kind,
    description: &'static str,
) -> Instrument {
    Instrument { name, prometheus, unit, kind, description }
}

/// All of them.
pub const INSTRUMENTS: &[Instrument] = &[
    of(
        "http.client.request.duration",
        "http_client_request_duration_seconds",
        "s",
        Kind::Histogram,
        "Duration of HTTP client requests.",
    ),
    of(
        "reenact.replay.response.duration",
        "reenact_replay_response_duration_seconds",
        "s",
        Kind::Histogram,
        "From the due instant of a request (in causal and closed loop from its release) to the end of its answer.",
    ),
    of(
        "reenact.replay.lag",
        "reenact_replay_lag_seconds",
        "s",
        Kind::Histogram,
        "From the release of a request to its dispatch: the generator's own lateness.",
    ),
    of(
        "reenact.replay.requests.planned",
        "reenact_replay_requests_planned",
        "{request}",
        Kind::UpDownCounter,
        "Requests in the plan.",
    ),
    of(
        "reenact.replay.requests.due",
        "reenact_replay_requests_due",
        "{request}",
        Kind::Counter,
        "Requests of the plan that were due.",
    ),
    of(
        "reenact.replay.requests.dispatched",
        "reenact_replay_requests_dispatched",
        "{request}",
        Kind::Counter,
        "Requests that have ended and were handed to a socket.",
    ),
    of(
        "reenact.replay.requests.sent",
        "reenact_replay_requests_sent",
        "{request}",
        Kind::Counter,
        "Requests that have ended and of which the kernel took at least a byte.",
    ),
    of(
        "reenact.replay.requests.completed",
        "reenact_replay_requests_completed",
        "{request}",
        Kind::Counter,
        "Requests whose answer came whole.",
    ),
    of(
        "reenact.replay.requests.failed",
        "reenact_replay_requests_failed",
        "{request}",
        Kind::Counter,
        "Requests that failed, by kind.",
    ),
    of(
        "reenact.replay.requests.shed",
        "reenact_replay_requests_shed",
        "{request}",
        Kind::Counter,
        "Requests that were deliberately not sent, by reason.",
    ),
    of(
        "reenact.replay.requests.in_flight",
        "reenact_replay_requests_in_flight",
        "{request}",
        Kind::UpDownCounter,
        "Requests under way.",
    ),
    of(
        "reenact.replay.requests.waiting",
        "reenact_replay_requests_waiting",
        "{request}",
        Kind::UpDownCounter,
        "Requests that wait for an earlier answer, a busy connection, or the end of think time.",
    ),
    of(
        "reenact.replay.connections.open",
        "reenact_replay_connections_open",
        "{connection}",
        Kind::UpDownCounter,
        "Open connections to the targets.",
    ),
    of(
        "reenact.replay.network.io",
        "reenact_replay_network_io_bytes",
        "By",
        Kind::Counter,
        "Bytes of requests that have ended, by direction.",
    ),
    of(
        "reenact.replay.spans",
        "reenact_replay_spans",
        "{span}",
        Kind::Counter,
        "Client spans, by what became of them.",
    ),
    of(
        "reenact.replay.multiplier",
        "reenact_replay_multiplier",
        "{times}",
        Kind::Gauge,
        "How many times the recorded rate is planned; 0 where that changes over the run.",
    ),
    of(
        "reenact.replay.speed",
        "reenact_replay_speed",
        "{times}",
        Kind::Gauge,
        "How fast the time of the plan goes: 1 as planned, 0 during a pause.",
    ),
];
