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
use crate::job::{Job, RunFacts};
use crate::result::Spans;
use crate::secret::Secret;
use crate::target::Target;

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

/// Hands outcomes to the exporter.
pub struct SpanSink {
    queue: Option<Producer<Box<Job>>>,
    thread: Option<std::thread::JoinHandle<Counted>>,
    reason: &'static str,
    dropped: u64,
    sampled_out: u64,
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
        Self { queue: None, thread: None, reason: "no_exporter", dropped: 0, sampled_out: 0 }
    }

    /// Starts the exporter's thread.
    ///
    /// # Errors
    /// When the endpoint or a header cannot be used.
    pub fn start(
        options: &ExportOptions,
        run: Arc<RunFacts>,
        clock: Clock,
        start_ns: u64,
    ) -> Result<Self, ReplayError> {
        let bad = |why: String| ReplayError::Exporter { endpoint: options.endpoint.clone(), why };
        let mut headers = MetadataMap::new();
        for (name, value) in &options.headers {
            let key: MetadataKey<Ascii> = name.parse().map_err(|_| bad(format!("`{name}` is no header name")))?;
            let value = std::str::from_utf8(value.reveal()).ok().and_then(|value| value.parse().ok());
            let mut value: MetadataValue<Ascii> =
                value.ok_or_else(|| bad(format!("the value for `{name}` has bytes that no header may have")))?;
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
                crate::turns::go_last();
                runtime.block_on(export.run())
            })
            .map_err(|source| ReplayError::System { doing: "start the exporter's thread", source })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), reason: "queue_full", dropped: 0, sampled_out: 0 })
    }

    /// Hands one outcome over; never waits.
    pub fn take(&mut self, job: Box<Job>) {
        if !job.fresh.is_sampled {
            self.sampled_out += 1;
            return;
        }
        let taken = self.queue.as_mut().is_some_and(|queue| queue.push(job).is_ok());
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
        Spans { exported: counted.exported, dropped, sampled_out: self.sampled_out }
    }
}

struct Export {
    exporter: SpanExporter,
    outcomes: Consumer<Box<Job>>,
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

fn resource(options: &ExportOptions, run: &RunFacts) -> Resource {
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
    run: Arc<RunFacts>,
    clock: Clock,
    start_ns: u64,
    scope: InstrumentationScope,
    names: Vec<StringValue>,
    run_context: SpanContext,
    run_id: StringValue,
    /// `server.address` and `server.port` by target.
    addresses: Vec<(StringValue, i64)>,
}

impl SpanBuilder {
    fn new(run: Arc<RunFacts>, clock: Clock, start_ns: u64) -> Self {
        let scope = InstrumentationScope::builder("reenact").with_version(env!("CARGO_PKG_VERSION")).build();
        let names = run.endpoints.iter().map(|name| StringValue::from(Arc::<str>::from(name.as_str()))).collect();
        let (trace_id, span_id) = run.contexts.of_run();
        let run_context = context(trace_id, span_id, false);
        let run_id = StringValue::from(Arc::<str>::from(run.contexts.run_id()));
        let address =
            |target: &Target| (StringValue::from(Arc::<str>::from(target.host.as_str())), i64::from(target.port));
        let addresses = run.targets.iter().map(address).collect();
        Self { run, clock, start_ns, scope, names, run_context, run_id, addresses }
    }

    fn request(&self, job: &Job) -> SpanData {
        let (facts, outcome) = (&job.facts, &job.progress);
        let name = self.names.get(facts.endpoint as usize).cloned().unwrap_or_else(|| StringValue::from("HTTP"));
        let shown = job.shown_head();
        let line = head::request_line(&shown);
        let method = line.map(|line| String::from_utf8_lossy(line.method).into_owned()).unwrap_or_default();
        let (host, port) = self.address(job.target);
        let lag_ns = outcome.dispatched_ns.map_or(0, |at| at.saturating_sub(outcome.released_ns));
        let mut attributes = vec![
            text("http.request.method", method.into()),
            text("server.address", host),
            number("server.port", port),
            text("url.full", self.url(job.target, line.map_or(&b""[..], |line| line.target)).into()),
            text("url.template", StringValue::from(name.as_str().split_once(' ').map_or("", |both| both.1).to_owned())),
            text("network.protocol.name", "http".into()),
            text("user_agent.synthetic.type", "test".into()),
            text("reenact.run_id", self.run_id.clone()),
            number("reenact.copy", i64::from(facts.copy)),
            number("reenact.sequence", facts.seq.cast_signed()),
            number("reenact.lag_ns", lag_ns.cast_signed()),
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
        if let Some(trace) = facts.trace {
            links.links.push(Link::with_context(context(trace.trace_id, trace.parent_id, true)));
        }
        let fresh = &job.fresh;
        SpanData {
            span_context: context(fresh.trace_id, fresh.span_id, false),
            parent_span_id: fresh.parent_span_id.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: name.as_str().to_owned().into(),
            start_time: self.clock.wall(self.start_ns + outcome.dispatched_ns.unwrap_or(job.due_ns)),
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
        let (host, port) = self.address(0);
        let attributes = vec![
            text("reenact.run_id", self.run_id.clone()),
            number("reenact.planned", i64::try_from(self.run.planned).unwrap_or(i64::MAX)),
            KeyValue::new("reenact.multiplier", self.run.multiplier),
            text("server.address", host),
            number("server.port", port),
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

    fn address(&self, target: u16) -> (StringValue, i64) {
        self.addresses.get(usize::from(target)).cloned().unwrap_or_else(|| (StringValue::from(""), 0))
    }

    /// The URL without its query, which may hold what no backend should see.
    fn url(&self, to: u16, target: &[u8]) -> String {
        let target = String::from_utf8_lossy(target);
        let path = target.split('?').next().unwrap_or_default();
        if path.starts_with("http://") || path.starts_with("https://") {
            path.to_owned()
        } else {
            let authority = self.run.targets.get(usize::from(to)).map_or("", |target| target.authority.as_str());
            format!("http://{authority}{path}")
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
