//! The shop's spans, made by hand as an instrumentation library would make them: a SERVER span a request, and a CLIENT span
//! for the database that the shop pretends to have. Attributes are the stable HTTP and database semantic conventions.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, StringValue, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::time::Instant;

use super::export::Queue;
use super::trace_context::{self, Parent};
use crate::demo::clock::{self, Clock};

/// Makes spans and queues those that are sampled.
pub(crate) struct Tracer {
    queue: Option<Queue>,
    clock: Clock,
    ids: Ids,
    scope: InstrumentationScope,
    address: StringValue,
    port: i64,
}

/// A request's span while it is open.
pub(crate) struct Open {
    context: SpanContext,
    parent: Option<SpanId>,
    start: Instant,
}

/// What is known of a request at its end.
pub(crate) struct Ended<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// The path's template, if the shop knows the path.
    pub(crate) route: Option<&'static str>,
    pub(crate) status: StatusCode,
}

impl Tracer {
    pub(crate) fn new(queue: Option<Queue>, address: SocketAddr) -> Self {
        Self {
            queue,
            clock: Clock::start(),
            ids: Ids::new(),
            scope: InstrumentationScope::builder("shop").with_version(env!("CARGO_PKG_VERSION")).build(),
            address: Arc::<str>::from(address.ip().to_string()).into(),
            port: address.port().into(),
        }
    }

    /// Opens the span of a request: in its caller's trace if it brings a valid one, else in a trace of its own.
    pub(crate) fn open(&self, headers: &HeaderMap) -> Open {
        // More than one `traceparent` is as good as none (Trace Context §3.2.1).
        let mut parents = headers.get_all("traceparent").iter();
        let parent = match (parents.next(), parents.next()) {
            (Some(only), None) => only.to_str().ok().and_then(trace_context::parse),
            _ => None,
        };
        let trace = parent.map_or_else(
            || (self.ids.trace_id(), TraceFlags::SAMPLED),
            |Parent { trace_id, flags, .. }| (trace_id, flags),
        );
        Open { context: self.context(trace), parent: parent.map(|parent| parent.span_id), start: clock::now() }
    }

    /// Closes the span of a request.
    pub(crate) fn close(&self, open: Open, ended: &Ended<'_>) {
        if !open.context.is_sampled() {
            return;
        }
        let method = known_method(ended.method);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("url.path", ended.path.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(ended.status.as_u16())),
            KeyValue::new("server.address", self.address.clone()),
            KeyValue::new("server.port", self.port),
        ];
        attributes.extend(ended.route.map(|route| KeyValue::new("http.route", route)));
        let mut status = Status::Unset;
        // A server's span fails with the server, not with a caller that asks for what is not there.
        if ended.status.is_server_error() {
            attributes.push(KeyValue::new("error.type", ended.status.as_str().to_owned()));
            status = Status::error("");
        }
        let method = method.unwrap_or("HTTP");
        let name = ended.route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        let parent = open.parent.map(|span| (span, true));
        self.push(open.context, parent, SpanKind::Server, name, (open.start, clock::now()), attributes, status);
    }

    /// Reports a finished call to the database under the span of a request.
    pub(crate) fn database(&self, request: &Open, start: Instant, operation: &'static str, table: &'static str) {
        if !request.context.is_sampled() {
            return;
        }
        let attributes = vec![
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.operation.name", operation),
            KeyValue::new("db.collection.name", table),
        ];
        let context = self.context((request.context.trace_id(), request.context.trace_flags()));
        let parent = Some((request.context.span_id(), false));
        let name = format!("{operation} {table}");
        self.push(context, parent, SpanKind::Client, name, (start, clock::now()), attributes, Status::Unset);
    }

    /// An identifier that nobody can guess, as a session's must be.
    pub(crate) fn session_id(&self) -> String {
        self.ids.trace_id().to_string()
    }

    /// Spans made, and spans exported.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.queue.as_ref().map(Queue::counts).unwrap_or_default()
    }

    fn context(&self, (trace_id, flags): (TraceId, TraceFlags)) -> SpanContext {
        SpanContext::new(trace_id, self.ids.span_id(), flags, false, TraceState::NONE)
    }

    /// The one place where the SDK's struct is spelled out, since it gains fields between its releases.
    #[expect(clippy::too_many_arguments, reason = "the SDK's struct has as many, and this is its only constructor")]
    fn push(
        &self,
        span_context: SpanContext,
        parent: Option<(SpanId, bool)>,
        span_kind: SpanKind,
        name: String,
        (start, end): (Instant, Instant),
        attributes: Vec<KeyValue>,
        status: Status,
    ) {
        let Some(queue) = &self.queue else { return };
        let (parent_span_id, parent_span_is_remote) = parent.unwrap_or((SpanId::INVALID, false));
        queue.push(SpanData {
            span_context,
            parent_span_id,
            parent_span_is_remote,
            span_kind,
            name: name.into(),
            start_time: self.clock.wall(start),
            end_time: self.clock.wall(end),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// The method as the conventions want it: methods that no standard names are kept out, since callers could make up many.
fn known_method(method: &Method) -> Option<&'static str> {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
        .into_iter()
        .find(|known| *known == method.as_str())
}

/// Random identifiers from the random keys that the standard library has for its hash maps.
struct Ids {
    keys: RandomState,
    drawn: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        Self { keys: RandomState::new(), drawn: AtomicU64::new(0) }
    }

    fn trace_id(&self) -> TraceId {
        TraceId::from((u128::from(self.draw()) << 64) | u128::from(self.draw()))
    }

    fn span_id(&self) -> SpanId {
        SpanId::from(self.draw())
    }

    /// Never zero, which is no identifier.
    fn draw(&self) -> u64 {
        self.keys.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed)).max(1)
    }
}
