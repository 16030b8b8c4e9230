//! Client spans over OTLP: built from outcomes, batched, exported; what becomes of each is counted by reason.
//!
//! The exporter lives on a thread of its own with a small tokio runtime. The queue to it is bounded: when the collector
//! is slow the spans give way, never the schedule.
//!
//! ```text
//! take ─▶ choose ═▶ build ─▶ batch ─▶ deliver (back-off, headers) ─▶ transport ─▶ grpc │ http ─▶ answer
//!                              └──▶ file                                                  └─▶ account
//! ```

mod account;
mod answer;
mod backoff;
mod batch;
mod budget;
mod build;
mod choose;
mod complaints;
mod deliver;
mod endpoint;
mod export;
mod file;
mod grpc;
mod headers;
mod http;
mod options;
mod pieces;
mod transport;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use formats::trace::REPLAY_TRACESTATE_KEY;
use opentelemetry_sdk::trace::SpanData;
use rtrb::{Producer, RingBuffer};

pub(crate) use account::Fate;
pub(crate) use batch::Message;
pub use budget::{HeadBudget, SpanBudget};
pub(crate) use build::{Methods, SCHEMA_URL, resource, scheme};
pub use build::{RunEnd, SpanBuilder, SpanOptions, resource_attributes};
pub(crate) use deliver::Courier;
pub use endpoint::{Endpoint, PathRule};
pub use headers::{ExportHeader, parse_list};
pub use options::{
    BATCH_BYTES_LEAST, BATCH_BYTES_MOST, Compression, Destination, ExportOptions, OtlpOptions, Protocol,
};

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::{Budgeted, Job, RunFacts};
use crate::result::Spans;
use account::{Account, Sums};
use batch::{Batch, Encoding};
use build::{RunBase, run_spans};
use choose::Chooser;
use export::{Export, Way};
use file::LineFile;

/// Outcomes that may wait for export.
const QUEUE_SPANS_MAX: usize = 65_536;

/// Hands outcomes to the exporter.
pub struct SpanSink {
    queue: Option<Producer<Box<Job>>>,
    thread: Option<std::thread::JoinHandle<Account>>,
    /// Why what the queue does not take is dropped.
    reason: &'static str,
    /// Handed to the exporter.
    taken: u64,
    dropped: u64,
    chooser: Chooser,
    /// Places in the plan of requests that were kept at their end, until somebody asks.
    kept: Vec<u64>,
    base: Option<Arc<RunBase>>,
    /// The spans of the run itself, for the exporter's thread, once it is over.
    closing: Arc<OnceLock<Vec<SpanData>>>,
    /// What the exporter's thread has counted.
    sums: Arc<Sums>,
}

/// What became of client spans so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpansSoFar {
    /// Whether they go anywhere.
    pub is_exporting: bool,
    /// Taken by the backend.
    pub exported: u64,
    /// Refused by it.
    pub rejected: u64,
    /// Lost on the way.
    pub dropped: u64,
    /// Left out on purpose.
    pub sampled_out: u64,
}

impl SpanSink {
    /// No exporter: every span is counted as dropped for that reason.
    #[must_use]
    pub fn none() -> Self {
        Self {
            queue: None,
            thread: None,
            reason: "no_exporter",
            taken: 0,
            dropped: 0,
            chooser: Chooser::new(None),
            kept: Vec::new(),
            base: None,
            closing: Arc::default(),
            sums: Arc::default(),
        }
    }

    /// Starts the exporter's thread.
    ///
    /// # Errors
    /// When certificates cannot be used, or a file cannot be made.
    pub fn start(
        options: &ExportOptions,
        run: Arc<RunFacts>,
        clock: Clock,
        start_ns: u64,
    ) -> Result<Self, ReplayError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| ReplayError::System { doing: "start a runtime", source })?;
        let (encoding, way) = match &options.destination {
            Destination::Otlp(otlp) => {
                let encoding = match otlp.endpoint.protocol() {
                    Protocol::Grpc | Protocol::HttpProtobuf => Encoding::Protobuf,
                    Protocol::HttpJson => Encoding::Json,
                };
                (encoding, Way::Otlp(Arc::new(Courier::new(OtlpOptions::clone(otlp), clock)?)))
            }
            Destination::File(path) => (Encoding::Json, Way::File(LineFile::create(path)?)),
        };
        let bytes_max = options.batch_bytes_max.clamp(BATCH_BYTES_LEAST, BATCH_BYTES_MOST);
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let resource = resource(&options.spans, options.environment.as_deref(), &run);
        let (queue, outcomes) = RingBuffer::new(QUEUE_SPANS_MAX);
        // As it is on the wire.
        let trace_state = format!("{REPLAY_TRACESTATE_KEY}={}", run.contexts.run_id());
        let base = Arc::new(RunBase::new(run, clock, start_ns));
        let builder = SpanBuilder::of(Arc::clone(&base), &options.spans);
        let (closing, sums) = (Arc::default(), Arc::<Sums>::default());
        let batch = Batch::new(encoding, bytes_max, &resource, builder.scope(), trace_state);
        let account = Account::shown_in(Arc::clone(&sums));
        let export =
            Export::new(way, outcomes, builder, Arc::clone(&closing), batch, clock, nanos(options.flush), account);
        let thread = std::thread::Builder::new()
            .name("spans".into())
            .spawn(move || {
                crate::turns::go_last();
                let account = runtime.block_on(export.run());
                // A source of secrets or a resolver that hangs is not waited for.
                runtime.shutdown_background();
                account
            })
            .map_err(|source| ReplayError::System { doing: "start the exporter's thread", source })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            reason: "queue_full",
            taken: 0,
            dropped: 0,
            chooser: Chooser::new(options.spans.budget),
            kept: Vec::new(),
            base: Some(base),
            closing,
            sums,
        })
    }

    /// Takes one outcome; never waits. What was shed has no span.
    pub fn take(&mut self, job: Box<Job>) {
        let Self { queue, taken, dropped, chooser, kept, .. } = self;
        match job.progress.shed {
            Some(_) => chooser.shed(&job),
            None => chooser.take(job, &mut |job| {
                note(kept, &job);
                push(queue, taken, dropped, job);
            }),
        }
    }

    /// Decides about what waits for the end of its second: no more will come.
    pub fn settle(&mut self) {
        let Self { queue, taken, dropped, chooser, kept, .. } = self;
        chooser.end(&mut |job| {
            note(kept, &job);
            push(queue, taken, dropped, job);
        });
    }

    /// The share of the queue, in thousandths, that the exporter has not come to yet; 0 where it waits for the backend.
    pub(crate) fn behind_permille(&self) -> u64 {
        let is_slow = self.sums.backend_is_slow.load(std::sync::atomic::Ordering::Relaxed);
        self.queue.as_ref().filter(|_| !is_slow).map_or(0, crate::turns::full_permille)
    }

    /// Places in the plan of the requests that were kept at their end since this was asked last.
    pub fn kept_at_end(&mut self) -> impl Iterator<Item = u64> {
        self.kept.drain(..)
    }

    /// What became of spans so far; those on their way are in none of the numbers.
    #[must_use]
    pub fn so_far(&self) -> SpansSoFar {
        SpansSoFar {
            is_exporting: self.queue.is_some(),
            exported: self.sums.exported.load(Relaxed),
            rejected: self.sums.rejected.load(Relaxed),
            dropped: self.sums.dropped.load(Relaxed) + self.dropped,
            sampled_out: self.chooser.sampled_out().values().sum(),
        }
    }

    /// Exports what is left, and the spans of the run itself, and says what became of the requests' spans. `end` is what
    /// the run came to; `None`: it broke off.
    #[must_use]
    pub fn finish(mut self, end: Option<&RunEnd<'_>>) -> Spans {
        self.settle();
        if let Some(base) = &self.base {
            // Only this sets it, and only once.
            let _ = self.closing.set(run_spans(base, end));
        }
        drop(self.queue.take());
        let mut account = match self.thread.take().map(std::thread::JoinHandle::join) {
            Some(Ok(account)) => account,
            _ => Account::default(),
        };
        // An exporter that ended before its time leaves nothing out of the account.
        account.drop_spans("exporter_ended", self.taken.saturating_sub(account.total()));
        account.drop_spans(self.reason, self.dropped);
        let dropped: BTreeMap<_, _> =
            account.dropped.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        Spans {
            exported: account.exported,
            rejected: account.rejected,
            dropped,
            sampled_out: self.chooser.sampled_out(),
            kept_at_end: self.chooser.kept_at_end(),
            messages: account.messages,
        }
    }
}

fn note(kept: &mut Vec<u64>, job: &Job) {
    if matches!(job.budgeted, Budgeted::KeptAsError | Budgeted::KeptAsSlow) {
        kept.push(job.facts.position);
    }
}

fn push(queue: &mut Option<Producer<Box<Job>>>, taken: &mut u64, dropped: &mut u64, job: Box<Job>) {
    let is_taken = queue.as_mut().is_some_and(|queue| queue.push(job).is_ok());
    *taken += u64::from(is_taken);
    *dropped += u64::from(!is_taken);
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
