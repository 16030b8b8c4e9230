//! The exporter's thread: takes outcomes off the queue, batches their spans, exports them, counts what became of them.

use std::sync::{Arc, OnceLock};

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use rtrb::Consumer;

use super::build::SpanBuilder;
use crate::clock::Clock;
use crate::job::Job;

/// Spans in one batch: with their attributes well below the collector's usual 4 MiB a message.
const BATCH_SPANS_MAX: usize = 512;
/// How long a batch may wait to become full.
const BATCH_WAIT_NS: u64 = 200_000_000;
/// How often the queue is looked at.
const POLL_NS: u64 = 5_000_000;
/// For everything that is left when the run has ended.
const FLUSH_NS_MAX: u64 = 10_000_000_000;

/// What became of spans that were taken off the queue.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) exported: u64,
    pub(super) failed: u64,
    pub(super) late: u64,
}

pub(super) struct Export {
    exporter: SpanExporter,
    outcomes: Consumer<Box<Job>>,
    builder: SpanBuilder,
    /// The spans of the run itself, from when it is over.
    closing: Arc<OnceLock<Vec<SpanData>>>,
    clock: Clock,
    counted: Counted,
}

impl Export {
    pub(super) fn new(
        exporter: SpanExporter,
        outcomes: Consumer<Box<Job>>,
        builder: SpanBuilder,
        closing: Arc<OnceLock<Vec<SpanData>>>,
        clock: Clock,
    ) -> Self {
        Self { exporter, outcomes, builder, closing, clock, counted: Counted::default() }
    }

    pub(super) async fn run(mut self) -> Counted {
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
                // The run's own spans end with the run and are not counted among the requests'.
                let closing = self.closing.get().cloned().unwrap_or_default();
                if let Err(error) = self.exporter.export(closing).await {
                    log::warn!("the run's own spans were not exported: {error}");
                }
                return self.counted;
            } else {
                let until = self.clock.deadline(now + POLL_NS);
                tokio::time::sleep_until(until.into()).await;
            }
        }
    }
}
