//! Counts spans and joins the service's SERVER spans to the replayer's CLIENT spans, in whatever order they arrive.
//!
//! Pure: messages in, numbers out. A pair of (trace id, span id) names a client span; a server span names it as its parent.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

/// Identifiers kept at once, of client spans and of parents that have not arrived yet: about 100 MB.
pub(crate) const SPANS_KEPT_MAX: usize = 1_000_000;
/// Names of endpoints kept; they are of low cardinality unless an exporter gets it wrong.
const NAMES_KEPT_MAX: usize = 1_000;
/// A longer name is kept as `other`.
const NAME_BYTES_MAX: usize = 256;
/// The replayer's service and scopes begin with this.
const REPLAYER: &str = "reenact";

/// What has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SpanCounts {
    /// CLIENT spans of the replayer, each counted once: one for every replayed request.
    pub(crate) client: u64,
    /// SERVER spans of anyone.
    pub(crate) server: u64,
    /// SERVER spans whose parent is one of the replayer's CLIENT spans in the same trace.
    pub(crate) server_children_of_client: u64,
    /// CLIENT spans of the replayer with at least one such child.
    pub(crate) client_with_server_child: u64,
    /// Spans of the replayer that are not CLIENT: those of the run itself.
    pub(crate) run_spans: u64,
    /// All other spans.
    pub(crate) other: u64,
    /// Links on the replayer's CLIENT spans: to the run, and to recorded traces.
    pub(crate) links: u64,
    /// Traces with a CLIENT span of the replayer.
    pub(crate) distinct_client_traces: u64,
    /// CLIENT spans of the replayer that arrived again, as retries make them, and were not counted again.
    pub(crate) repeated: u64,
    /// Spans without valid identifiers, which the exporter was told about.
    pub(crate) refused: u64,
    /// Spans that were counted but not kept, since there were too many; they are missing in the joins.
    pub(crate) not_kept: u64,
}

/// The slowest CLIENT span of the replayer that has a SERVER child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slowest {
    /// 32 hex digits, as a tracing backend's search takes them.
    pub(crate) trace_id: String,
    /// The span's name, such as `GET /search`.
    pub(crate) endpoint: String,
    /// From its start to its end.
    pub(crate) duration: Duration,
}

/// The counts and the identifiers behind them.
pub(crate) struct Tally {
    counts: SpanCounts,
    clients: HashMap<Key, Client>,
    /// SERVER spans by the parent that has not arrived.
    waiting: HashMap<Key, u32>,
    traces: HashSet<[u8; 16]>,
    names: HashSet<Arc<str>>,
    kept_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    trace_id: [u8; 16],
    span_id: [u8; 8],
}

struct Client {
    name: Arc<str>,
    duration_ns: u64,
    has_server_child: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self::keeping(SPANS_KEPT_MAX)
    }
}

impl Tally {
    /// A tally that keeps so many identifiers.
    pub(crate) fn keeping(kept_max: usize) -> Self {
        Self {
            counts: SpanCounts::default(),
            clients: HashMap::new(),
            waiting: HashMap::new(),
            traces: HashSet::new(),
            names: HashSet::new(),
            kept_max,
        }
    }

    /// Adds a message, and says how many of its spans were refused.
    pub(crate) fn add(&mut self, message: &ExportTraceServiceRequest) -> u64 {
        let before = self.counts.refused;
        for resource in &message.resource_spans {
            let of_replayer = service_name(resource).is_some_and(is_replayer);
            for scope in &resource.scope_spans {
                let of_replayer = of_replayer || scope_name(scope).is_some_and(is_replayer);
                scope.spans.iter().for_each(|span| self.add_span(span, of_replayer));
            }
        }
        self.counts.refused - before
    }

    pub(crate) fn counts(&self) -> SpanCounts {
        SpanCounts { distinct_client_traces: self.traces.len() as u64, ..self.counts }
    }

    pub(crate) fn slowest(&self) -> Option<Slowest> {
        let joined = self.clients.iter().filter(|(_, client)| client.has_server_child);
        // The identifier decides between equals, so that the answer does not hang on the order of a hash map.
        let (key, client) = joined.max_by_key(|(key, client)| (client.duration_ns, key.trace_id))?;
        Some(Slowest {
            trace_id: format!("{:032x}", u128::from_be_bytes(key.trace_id)),
            endpoint: client.name.to_string(),
            duration: Duration::from_nanos(client.duration_ns),
        })
    }

    fn add_span(&mut self, span: &Span, of_replayer: bool) {
        let Some(key) = Key::of(&span.trace_id, &span.span_id) else {
            self.counts.refused += 1;
            return;
        };
        match span.kind() {
            SpanKind::Client if of_replayer => self.add_client(key, span),
            _ if of_replayer => self.counts.run_spans += 1,
            SpanKind::Server => self.add_server(span),
            _ => self.counts.other += 1,
        }
    }

    fn add_client(&mut self, key: Key, span: &Span) {
        let name = self.name(&span.name);
        let has_room = self.has_room();
        let Entry::Vacant(place) = self.clients.entry(key) else {
            self.counts.repeated += 1;
            return;
        };
        self.counts.client += 1;
        self.counts.links += span.links.len() as u64;
        // Its children give back the place of their parent, so that a client with waiting children always has room.
        let children = self.waiting.remove(&key).unwrap_or(0);
        if children == 0 && !has_room {
            self.counts.not_kept += 1;
            return;
        }
        self.counts.server_children_of_client += u64::from(children);
        self.counts.client_with_server_child += u64::from(children > 0);
        let duration_ns = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
        place.insert(Client { name, duration_ns, has_server_child: children > 0 });
        self.traces.insert(key.trace_id);
    }

    fn add_server(&mut self, span: &Span) {
        self.counts.server += 1;
        // Without a parent it is the root of its trace, and nobody's child.
        let Some(parent) = Key::of(&span.trace_id, &span.parent_span_id) else { return };
        let has_room = self.has_room();
        if let Some(client) = self.clients.get_mut(&parent) {
            self.counts.server_children_of_client += 1;
            self.counts.client_with_server_child += u64::from(!client.has_server_child);
            client.has_server_child = true;
        } else if let Some(siblings) = self.waiting.get_mut(&parent) {
            *siblings = siblings.saturating_add(1);
        } else if has_room {
            self.waiting.insert(parent, 1);
        } else {
            self.counts.not_kept += 1;
        }
    }

    fn has_room(&self) -> bool {
        self.clients.len() + self.waiting.len() < self.kept_max
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let keeps = self.names.len() < NAMES_KEPT_MAX && name.len() <= NAME_BYTES_MAX;
        let new = Arc::from(if keeps { name } else { "other" });
        self.names.insert(Arc::clone(&new));
        new
    }
}

impl Key {
    /// Both of the right length, and neither all zeros.
    fn of(trace_id: &[u8], span_id: &[u8]) -> Option<Self> {
        let (trace_id, span_id) = (trace_id.try_into().ok()?, span_id.try_into().ok()?);
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self { trace_id, span_id })
    }
}

fn is_replayer(name: &str) -> bool {
    name.starts_with(REPLAYER)
}

fn scope_name(scope: &ScopeSpans) -> Option<&str> {
    scope.scope.as_ref().map(|scope| scope.name.as_str())
}

fn service_name(resource: &ResourceSpans) -> Option<&str> {
    let attributes = &resource.resource.as_ref()?.attributes;
    let name = attributes.iter().find(|attribute| attribute.key == "service.name")?;
    match name.value.as_ref()?.value.as_ref()? {
        Value::StringValue(name) => Some(name),
        _ => None,
    }
}
