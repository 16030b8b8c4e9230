//! Client spans over OTLP: built from outcomes, batched, exported; what cannot be exported is counted by reason.
//!
//! The exporter lives on a thread of its own with a small tokio runtime. The queue to it is bounded: when the collector
//! is slow the spans give way, never the schedule.

mod budget;
mod build;
mod choose;
mod export;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use rtrb::{Producer, RingBuffer};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::{Job, RunFacts};
use crate::result::Spans;
use crate::secret::Secret;
use build::{RunBase, resource, run_spans};
use choose::Chooser;
use export::{Counted, Export};

pub use budget::{HeadBudget, SpanBudget};
pub use build::{RunEnd, SpanBuilder, SpanOptions, resource_attributes};

/// Outcomes that may wait for export.
const QUEUE_SPANS_MAX: usize = 65_536;
/// For one export with its retries.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where spans go.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// `http://127.0.0.1:4317`
    pub endpoint: String,
    /// Headers of every export, with their values as secrets.
    pub headers: Vec<(String, Secret)>,
    /// `deployment.environment.name`
    pub environment: Option<String>,
    /// What they say, and how many there are.
    pub spans: SpanOptions,
}

/// Hands outcomes to the exporter.
pub struct SpanSink {
    queue: Option<Producer<Box<Job>>>,
    thread: Option<std::thread::JoinHandle<Counted>>,
    reason: &'static str,
    dropped: u64,
    chooser: Chooser,
    base: Option<Arc<RunBase>>,
    /// The spans of the run itself, for the exporter's thread, once it is over.
    closing: Arc<OnceLock<Vec<SpanData>>>,
}

impl SpanSink {
    /// No exporter: every span is counted as dropped for that reason.
    #[must_use]
    pub fn none() -> Self {
        Self {
            queue: None,
            thread: None,
            reason: "no_exporter",
            dropped: 0,
            chooser: Chooser::new(None),
            base: None,
            closing: Arc::default(),
        }
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
        exporter.set_resource(&resource(&options.spans, options.environment.as_deref(), &run));
        let (queue, outcomes) = RingBuffer::new(QUEUE_SPANS_MAX);
        let base = Arc::new(RunBase::new(run, clock, start_ns));
        let builder = SpanBuilder::of(Arc::clone(&base), &options.spans);
        let closing = Arc::default();
        let export = Export::new(exporter, outcomes, builder, Arc::clone(&closing), clock);
        let thread = std::thread::Builder::new()
            .name("spans".into())
            .spawn(move || {
                crate::turns::go_last();
                runtime.block_on(export.run())
            })
            .map_err(|source| ReplayError::System { doing: "start the exporter's thread", source })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            reason: "queue_full",
            dropped: 0,
            chooser: Chooser::new(options.spans.budget),
            base: Some(base),
            closing,
        })
    }

    /// Takes one outcome; never waits. What was shed has no span.
    pub fn take(&mut self, job: Box<Job>) {
        let Self { queue, dropped, chooser, .. } = self;
        match job.progress.shed {
            Some(_) => chooser.shed(&job),
            None => chooser.take(job, &mut |job| push(queue, dropped, job)),
        }
    }

    /// Exports what is left, and the spans of the run itself, and says what became of the requests' spans. `end` is what
    /// the run came to; `None`: it broke off.
    #[must_use]
    pub fn finish(mut self, end: Option<&RunEnd<'_>>) -> Spans {
        let Self { queue, dropped, chooser, .. } = &mut self;
        chooser.end(&mut |job| push(queue, dropped, job));
        if let Some(base) = &self.base {
            // Only this sets it, and only once.
            let _ = self.closing.set(run_spans(base, end));
        }
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
        Spans {
            exported: counted.exported,
            dropped,
            sampled_out: self.chooser.sampled_out(),
            kept_at_end: self.chooser.kept_at_end(),
        }
    }
}

fn push(queue: &mut Option<Producer<Box<Job>>>, dropped: &mut u64, job: Box<Job>) {
    let taken = queue.as_mut().is_some_and(|queue| queue.push(job).is_ok());
    *dropped += u64::from(!taken);
}
