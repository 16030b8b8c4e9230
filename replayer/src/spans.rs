//! Client spans over OTLP: built from outcomes, batched, exported; what cannot be exported is counted by reason.
//!
//! The exporter lives on a thread of its own with a small tokio runtime. The queue to it is bounded: when the collector
//! is slow the spans give way, never the schedule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use formats::head;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};

use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use rtrb::{Consumer, Producer, RingBuffer};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::prepared::Prepared;
use crate::result::Spans;
use crate::send::Outcome;

/// Outcomes that may wait for export.
const QUEUE_SPANS_MAX: usize = 65_536;
/// Spans in one batch: with their attributes well below the collector's usual 4 MiB a message.
const BATCH_SPANS_MAX: usize = 512;
/// How long a batch may wait to become full.
const BATCH_WAIT_NS: u64 = 200_000_000;
/// How often the queue is looked at.
const POLL_NS: u64 = 5_000_000;
/// For one export with its retries.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// For everything that is left when the run has ended.
const FLUSH_NS_MAX: u64 = 10_000_000_000;

/// Where spans go.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// `http://127.0.0.1:4317`
    pub endpoint: String,
    /// Headers of every export, with their values as secrets.
    pub headers: Vec<(String, Secret)>,
    /// `deployment.environment.name`
    pub environment: Option<String>,
}

/// A value that is never printed.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Hands outcomes to the exporter.
pub struct SpanSink {
    queue: Option<Producer<Outcome>>,
    thread: Option<std::thread::JoinHandle<Counted>>,
    reason: &'static str,
    dropped: u64,
}

#[derive(Default)]
struct Counted {
    exported: u64,
    failed: u64,
    late: u64,
}

impl SpanSink {
    /// No exporter: every span is counted as dropped for that reason.
    #[must_use]
    pub fn none() -> Self {
        Self { queue: None, thread: None, reason: "no_exporter", dropped: 0 }
    }

    /// Starts the exporter's thread.
    ///
    /// # Errors
    /// When the endpoint or a header cannot be used.
    pub fn start(
        options: &ExportOptions,
        run: Arc<Prepared>,
        clock: Clock,
        start_ns: u64,
    ) -> Result<Self, ReplayError> {
        let bad = |why: String| ReplayError::Exporter { endpoint: options.endpoint.clone(), why };
        let mut headers = MetadataMap::new();
        for (name, value) in &options.headers {
            let key: MetadataKey<Ascii> = name.parse().map_err(|_| bad(format!("`{name}` is no header name")))?;
            let mut value: MetadataValue<Ascii> = value
                .0
                .parse()
                .map_err(|_| bad(format!("the value for `{name}` has bytes that no header may have")))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| ReplayError::System { doing: "start a runtime", source })?;
        let exporter = {
            let _inside = runtime.enter();
            let builder = SpanExporter::builder().with_tonic().with_endpoint(&options.endpoint);
            builder.with_timeout(EXPORT_TIMEOUT).with_metadata(headers).build()
        };
        let mut exporter = exporter.map_err(|error| bad(error.to_string()))?;
        exporter.set_resource(&resource(options, &run));
        let (queue, outcomes) = RingBuffer::new(QUEUE_SPANS_MAX);
        let builder = SpanBuilder::new(run, clock, start_ns);
        let export = Export { exporter, outcomes, builder, clock, counted: Counted::default() };
        let thread = std::thread::Builder::new()
            .name("spans".into())
            .spawn(move || {
                crate::yield_to_sender();
                runtime.block_on(export.run())
            })
            .map_err(|source| ReplayError::System { doing: "start the exporter's thread", source })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), reason: "queue_full", dropped: 0 })
    }

    /// Hands one outcome over; never waits.
    pub fn take(&mut self, outcome: &Outcome) {
        let taken = self.queue.as_mut().is_some_and(|queue| queue.push(*outcome).is_ok());
        self.dropped += u64::from(!taken);
    }

    /// Exports what is left and says what became of the spans.
    #[must_use]
    pub fn finish(mut self) -> Spans {
        drop(self.queue.take());
        let counted = match self.thread.take().map(std::thread::JoinHandle::join) {
            Some(Ok(counted)) => counted,
            _ => Counted::default(),
        };
        let reasons = [(self.reason, self.dropped), ("export_failed", counted.failed), ("flush_timeout", counted.late)];
        let dropped: BTreeMap<_, _> = reasons
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.to_owned(), count))
            .collect();
        Spans { exported: counted.exported, dropped, sampled_out: 0 }
    }
}

struct Export {
    exporter: SpanExporter,
    outcomes: Consumer<Outcome>,
    builder: SpanBuilder,
    clock: Clock,
    counted: Counted,
}

impl Export {
    async fn run(mut self) -> Counted {
        let mut batch = Vec::with_capacity(BATCH_SPANS_MAX);
        let mut oldest_ns = 0;
        let mut flush_until = None;
        loop {
            while batch.len() < BATCH_SPANS_MAX
                && let Ok(outcome) = self.outcomes.pop()
            {
                if batch.is_empty() {
                    oldest_ns = self.clock.now_ns();
                }
                batch.push(self.builder.request(&outcome));
            }
            let over = self.outcomes.is_abandoned() && self.outcomes.is_empty();
            let now = self.clock.now_ns();
            let late = *if self.outcomes.is_abandoned() {
                flush_until.get_or_insert(now + FLUSH_NS_MAX)
            } else {
                flush_until.insert(u64::MAX)
            } < now;
            if late {
                self.counted.late += batch.len() as u64 + self.outcomes.slots() as u64;
                return self.counted;
            }
            if batch.len() >= BATCH_SPANS_MAX || (!batch.is_empty() && (over || now >= oldest_ns + BATCH_WAIT_NS)) {
                let count = batch.len() as u64;
                match self.exporter.export(std::mem::take(&mut batch)).await {
                    Ok(()) => self.counted.exported += count,
                    Err(error) => {
                        log::warn!("{count} spans were not exported: {error}");
                        self.counted.failed += count;
                    }
                }
            } else if over {
                // The run's own span ends with the run and is not counted among the requests'.
                if let Err(error) = self.exporter.export(vec![self.builder.run(now)]).await {
                    log::warn!("the run's span was not exported: {error}");
                }
                return self.counted;
            } else {
                let until = self.clock.deadline(now + POLL_NS);
                tokio::time::sleep_until(until.into()).await;
            }
        }
    }
}

fn resource(options: &ExportOptions, run: &Prepared) -> Resource {
    let mut attributes = vec![
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("reenact.run_id", run.contexts.run_id().to_owned()),
    ];
    if let Some(environment) = &options.environment {
        attributes.push(KeyValue::new("deployment.environment.name", environment.clone()));
    }
    Resource::builder_empty().with_service_name("reenact").with_attributes(attributes).build()
}

/// Makes spans of outcomes.
struct SpanBuilder {
    run: Arc<Prepared>,
    clock: Clock,
    start_ns: u64,
    scope: InstrumentationScope,
    names: Vec<StringValue>,
    run_context: SpanContext,
    run_id: StringValue,
    host: StringValue,
}

impl SpanBuilder {
    fn new(run: Arc<Prepared>, clock: Clock, start_ns: u64) -> Self {
        let scope = InstrumentationScope::builder("reenact").with_version(env!("CARGO_PKG_VERSION")).build();
        let names =
            run.recording.endpoints.iter().map(|name| StringValue::from(Arc::<str>::from(name.as_str()))).collect();
        let (trace_id, span_id) = run.contexts.of_run();
        let run_context = context(trace_id, span_id, false);
        let run_id = StringValue::from(Arc::<str>::from(run.contexts.run_id()));
        let host = StringValue::from(Arc::<str>::from(run.target.host.as_str()));
        Self { run, clock, start_ns, scope, names, run_context, run_id, host }
    }

    fn request(&self, outcome: &Outcome) -> SpanData {
        let item = self.run.plan.items.get(outcome.item as usize);
        let recorded = item.and_then(|item| self.run.recording.requests.get(item.arrival as usize));
        let name = recorded.and_then(|recorded| self.names.get(recorded.endpoint as usize)).cloned();
        let name = name.unwrap_or_else(|| StringValue::from("HTTP"));
        let line = recorded.and_then(|recorded| head::request_line(&recorded.template.head));
        let method = line.map(|line| String::from_utf8_lossy(line.method).into_owned()).unwrap_or_default();
        let mut attributes = vec![
            text("http.request.method", method.into()),
            text("server.address", self.host.clone()),
            number("server.port", i64::from(self.run.target.port)),
            text("url.full", self.url(line.map_or(&b""[..], |line| line.target)).into()),
            text("url.template", StringValue::from(name.as_str().split_once(' ').map_or("", |both| both.1).to_owned())),
            text("network.protocol.name", "http".into()),
            text("user_agent.synthetic.type", "test".into()),
            text("reenact.run_id", self.run_id.clone()),
            number("reenact.copy", item.map_or(0, |item| i64::from(item.copy))),
            number("reenact.sequence", recorded.map_or(0, |recorded| recorded.seq.cast_signed())),
            number(
                "reenact.lag_ns",
                outcome.dispatched_ns.map_or(0, |at| at.saturating_sub(outcome.due_ns)).cast_signed(),
            ),
            KeyValue::new("reenact.multiplier", self.run.multiplier),
        ];
        if let Some(status) = outcome.status {
            attributes.push(number("http.response.status_code", i64::from(status)));
        }
        // Client errors are errors of a client span (HTTP semantic conventions, "Status").
        let error = outcome.error.map(|kind| kind.name().to_owned());
        let error = error.or_else(|| outcome.status.filter(|status| *status >= 400).map(|status| status.to_string()));
        let status = if error.is_some() { Status::error("") } else { Status::Unset };
        if let Some(error) = error {
            attributes.push(text("error.type", error.into()));
        }
        let mut links = SpanLinks::default();
        links.links.push(Link::with_context(self.run_context.clone()));
        if let Some(trace) = recorded.and_then(|recorded| recorded.trace) {
            links.links.push(Link::with_context(context(trace.trace_id, trace.parent_id, true)));
        }
        let fresh = &outcome.fresh;
        SpanData {
            span_context: context(fresh.trace_id, fresh.span_id, false),
            parent_span_id: fresh.parent_span_id.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: name.as_str().to_owned().into(),
            start_time: self.clock.wall(self.start_ns + outcome.dispatched_ns.unwrap_or(outcome.due_ns)),
            end_time: self.clock.wall(self.start_ns + outcome.done_ns),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// The span of the run itself, which every request links to.
    fn run(&self, now_ns: u64) -> SpanData {
        let attributes = vec![
            text("reenact.run_id", self.run_id.clone()),
            number("reenact.planned", i64::try_from(self.run.plan.items.len()).unwrap_or(i64::MAX)),
            KeyValue::new("reenact.multiplier", self.run.multiplier),
            text("server.address", self.host.clone()),
            number("server.port", i64::from(self.run.target.port)),
        ];
        SpanData {
            span_context: self.run_context.clone(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "reenact replay".into(),
            start_time: self.clock.wall(self.start_ns),
            end_time: self.clock.wall(now_ns),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// The URL without its query, which may hold what no backend should see.
    fn url(&self, target: &[u8]) -> String {
        let target = String::from_utf8_lossy(target);
        let path = target.split('?').next().unwrap_or_default();
        if path.starts_with("http://") || path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("http://{}{path}", self.run.target.authority)
        }
    }
}

fn context(trace_id: [u8; 16], span_id: [u8; 8], remote: bool) -> SpanContext {
    let (trace_id, span_id) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id));
    SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, remote, TraceState::NONE)
}

fn text(key: &'static str, value: StringValue) -> KeyValue {
    KeyValue::new(key, Value::String(value))
}

fn number(key: &'static str, value: i64) -> KeyValue {
    KeyValue::new(key, value)
}
