//! A run's metrics: `http.client.request.duration` as the HTTP semantic conventions 1.42 have it, and our own
//! (`reenact.replay.*`). What they are called and mean is in `instruments.rs`; docs/metrics.md says it to people.
//!
//! They are counted by the thread that counts everything else, and read once a second into a value that whoever serves or
//! exports them keeps as long as it likes. Counting a request allocates nothing but the first of its series, of which there
//! are at most [`SERIES_MAX`].

mod export;
mod histogram;
mod instruments;
mod otlp;
mod prometheus;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

pub use export::{MetricsExport, MetricsSink};
pub use histogram::{DURATION_BOUNDS_S, Histogram, LAG_BOUNDS_S};
pub use instruments::{INSTRUMENTS, Instrument, Kind};
pub use otlp::Temporality;
pub use prometheus::{Format, text};

use crate::endpoints::{OTHER_METHOD, parts};
use crate::job::{ErrorKind, Job, RunFacts};
use crate::measure::Totals;
use crate::spans::{Methods, SpansSoFar, scheme};
use crate::target::{Place, Target};
use instruments::attribute as key;

/// Series of `http.client.request.duration`; what would be one more counts into one that is marked
/// `otel.metric.overflow`.
pub const SERIES_MAX: usize = 2_000;

const SPANS: &str = "reenact.replay.spans";

/// What is counted of a run besides what is known of it anyway.
pub struct Metrics {
    requests: HashMap<Series, Histogram>,
    overflow: Histogram,
    response: Histogram,
    lag: Histogram,
    endpoints: Vec<EndpointName>,
    servers: Vec<Server>,
    is_open_loop: bool,
}

/// What tells requests apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Series {
    target: u16,
    endpoint: u32,
    status: Option<u16>,
    error: Option<ErrorKind>,
}

struct EndpointName {
    method: Arc<str>,
    template: Option<Arc<str>>,
}

struct Server {
    scheme: Arc<str>,
    address: Arc<str>,
    port: Option<u16>,
}

/// What is known of the run anyway.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    /// Requests in the plan.
    pub planned: u64,
    /// Due so far.
    pub due: u64,
    /// What became of them.
    pub totals: &'a Totals,
    /// Under way.
    pub in_flight: u64,
    /// Held or queued.
    pub waiting: u64,
    /// Open connections.
    pub connections: u64,
    /// Client spans.
    pub spans: SpansSoFar,
    /// How many times the recorded rate was planned.
    pub multiplier: f64,
    /// How fast the plan's time goes: 1 as planned, 0 during a pause.
    pub speed: f64,
}

/// All metrics at an instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The instant, on the run's clock.
    pub at_ns: u64,
    /// One for each of [`INSTRUMENTS`] that has points.
    pub families: Vec<Family>,
}

/// All series of one instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Which one.
    pub instrument: &'static Instrument,
    /// Its series.
    pub points: Vec<Point>,
}

/// The value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// By name.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// See above.
    pub value: Value,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// Text.
    Text(Arc<str>),
    /// A whole number.
    Number(u16),
    /// Yes.
    True,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A number.
    Number(f64),
    /// A distribution.
    Histogram(Box<Histogram>),
}

impl Reading {
    /// The same at a later instant, with what became of spans in the end.
    #[must_use]
    pub fn with_spans(mut self, now_ns: u64, spans: SpansSoFar) -> Self {
        self.at_ns = now_ns;
        for family in self.families.iter_mut().filter(|family| family.instrument.name == SPANS) {
            family.points = fates(spans);
        }
        self
    }
}

impl Metrics {
    /// Nothing counted yet. `known_methods` replaces the conventions' list; `is_open_loop`: response times count from the
    /// due instant, and not from the release.
    #[must_use]
    pub fn new(facts: &RunFacts, known_methods: Option<&[String]>, is_open_loop: bool) -> Self {
        let methods = Methods::new(known_methods);
        Self {
            requests: HashMap::new(),
            overflow: Histogram::new(DURATION_BOUNDS_S),
            response: Histogram::new(DURATION_BOUNDS_S),
            lag: Histogram::new(LAG_BOUNDS_S),
            endpoints: facts.endpoints.iter().map(|name| EndpointName::of(name, &methods)).collect(),
            servers: facts.targets.iter().map(Server::of).collect(),
            is_open_loop,
        }
    }

    /// Counts an outcome; what was shed is in [`Totals`] only.
    pub fn take(&mut self, job: &Job) {
        let end = &job.progress;
        if end.shed.is_some() {
            return;
        }
        let series = Series { target: job.target, endpoint: job.facts.endpoint, status: end.status, error: end.error };
        let duration_ns = end.done_ns.saturating_sub(end.began_ns());
        let has_room = self.requests.len() < SERIES_MAX;
        let histogram = match self.requests.entry(series) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(first) if has_room => first.insert(Histogram::new(DURATION_BOUNDS_S)),
            Entry::Vacant(_) => &mut self.overflow,
        };
        histogram.record(duration_ns);
        let from_ns = if self.is_open_loop { job.due_ns } else { end.released_ns };
        self.response.record(end.done_ns.saturating_sub(from_ns));
        if let Some(lag) = end.lag_ns() {
            self.lag.record(lag);
        }
    }

    /// Everything at `now_ns` of the run's clock.
    #[must_use]
    pub fn read(&self, now_ns: u64, state: &State<'_>) -> Reading {
        let of = |instrument: &'static Instrument| Family { instrument, points: self.points(instrument.name, state) };
        let families = INSTRUMENTS.iter().map(of).filter(|family| !family.points.is_empty()).collect();
        Reading { at_ns: now_ns, families }
    }

    fn points(&self, name: &str, state: &State<'_>) -> Vec<Point> {
        let totals = state.totals;
        let one = |value| vec![Point { attributes: Vec::new(), value }];
        let count = |count| one(Value::Count(count));
        let histogram = |histogram: &Histogram| one(Value::Histogram(Box::new(histogram.clone())));
        match name {
            "http.client.request.duration" => self.requests(),
            "reenact.replay.response.duration" => histogram(&self.response),
            "reenact.replay.lag" => histogram(&self.lag),
            "reenact.replay.requests.planned" => count(state.planned),
            "reenact.replay.requests.due" => count(state.due),
            "reenact.replay.requests.dispatched" => count(totals.dispatched),
            "reenact.replay.requests.sent" => count(totals.sent),
            "reenact.replay.requests.completed" => count(totals.completed),
            "reenact.replay.requests.failed" => each(key::ERROR_TYPE, &totals.errors),
            "reenact.replay.requests.shed" => each(key::SHED_REASON, &totals.shed),
            "reenact.replay.requests.in_flight" => count(state.in_flight),
            "reenact.replay.requests.waiting" => count(state.waiting),
            "reenact.replay.connections.open" => count(state.connections),
            "reenact.replay.network.io" => {
                each(key::DIRECTION, [(&"transmit", &totals.bytes.sent), (&"receive", &totals.bytes.received)])
            }
            SPANS => fates(state.spans),
            "reenact.replay.multiplier" => one(Value::Number(state.multiplier)),
            "reenact.replay.speed" => one(Value::Number(state.speed)),
            _ => Vec::new(),
        }
    }

    fn requests(&self) -> Vec<Point> {
        let mut series: Vec<_> = self.requests.iter().collect();
        series.sort_unstable_by_key(|(series, _)| **series);
        let known = series.into_iter().map(|(series, histogram)| Point {
            attributes: self.attributes(series),
            value: Value::Histogram(Box::new(histogram.clone())),
        });
        let overflow = (self.overflow.count() > 0).then(|| Point {
            attributes: vec![(key::OVERFLOW, Attribute::True)],
            value: Value::Histogram(Box::new(self.overflow.clone())),
        });
        known.chain(overflow).collect()
    }

    fn attributes(&self, series: &Series) -> Vec<(&'static str, Attribute)> {
        let text = |text: &Arc<str>| Attribute::Text(Arc::clone(text));
        let mut attributes = Vec::with_capacity(8);
        if let Some(endpoint) = self.endpoints.get(series.endpoint as usize) {
            attributes.push((key::METHOD, text(&endpoint.method)));
            attributes.extend(endpoint.template.iter().map(|template| (key::URL_TEMPLATE, text(template))));
        }
        if let Some(server) = self.servers.get(usize::from(series.target)) {
            attributes.push((key::SERVER_ADDRESS, text(&server.address)));
            attributes.extend(server.port.map(|port| (key::SERVER_PORT, Attribute::Number(port))));
            attributes.push((key::URL_SCHEME, text(&server.scheme)));
        }
        attributes.extend(series.status.map(|status| (key::STATUS_CODE, Attribute::Number(status))));
        let error = match (series.error, series.status) {
            (Some(kind), _) => Some(kind.name().into()),
            (None, Some(status)) if status >= 400 => Some(status.to_string().into()),
            _ => None,
        };
        attributes.extend(error.map(|error| (key::ERROR_TYPE, Attribute::Text(error))));
        attributes
    }
}

impl EndpointName {
    /// From `GET /users/{id}`.
    fn of(name: &str, methods: &Methods) -> Self {
        let (method, template) = parts(name);
        let method = if methods.known(method.as_bytes()).is_some() { method } else { OTHER_METHOD };
        Self { method: method.into(), template: template.map(Into::into) }
    }
}

impl Server {
    fn of(target: &Target) -> Self {
        let (address, port): (Arc<str>, _) = match &target.place {
            Place::Unix(path) => (path.to_string_lossy().as_ref().into(), None),
            Place::Network(_) => (target.host.as_str().into(), Some(target.port)),
        };
        Self { scheme: scheme(target).into(), address, port }
    }
}

fn fates(spans: SpansSoFar) -> Vec<Point> {
    let fates = [
        (&"exported", &spans.exported),
        (&"rejected", &spans.rejected),
        (&"dropped", &spans.dropped),
        (&"sampled_out", &spans.sampled_out),
    ];
    each(key::SPAN_FATE, fates)
}

fn each<'a, N: AsRef<str> + 'a>(
    attribute: &'static str,
    counts: impl IntoIterator<Item = (&'a N, &'a u64)>,
) -> Vec<Point> {
    let point = |(name, count): (&N, &u64)| Point {
        attributes: vec![(attribute, Attribute::Text(name.as_ref().into()))],
        value: Value::Count(*count),
    };
    counts.into_iter().map(point).collect()
}
