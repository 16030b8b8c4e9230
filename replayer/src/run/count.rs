//! The counting thread: takes every outcome, counts it, logs it, and hands it on to the spans.

use std::sync::{Arc, Mutex};

use rtrb::Consumer;

use super::Live;
use super::watch::Watch;
use crate::answers::AnswerSink;
use crate::clock::Clock;
use crate::collect::Collector;
use crate::error::ReplayError;
use crate::health::{Generator, Machine, Sampler};
use crate::job::Job;
use crate::measure::{Closed, Counted, Measure, MeasureOptions};
use crate::result::Answers;
use crate::result::services::Services;
use crate::run_directory::{MeasureLog, RequestLog, RunDirectory};
use crate::spans::SpanSink;
use crate::spool::Summary;
use crate::thresholds::{Seen, Series};

/// How often a helper that has nothing to do looks again.
const POLL_NS: u64 = 1_000_000;
/// How often the live view is renewed.
const LIVE_NS: u64 = 250_000_000;
/// How often the generator's own health is looked at, and the rules by which a run stops itself.
const SECOND_NS: u64 = 1_000_000_000;

/// Everything that counting leaves.
pub(super) struct Ended {
    pub(super) counted: Counted,
    /// To be finished when the verdict is known.
    pub(super) spans: SpanSink,
    pub(super) services: Option<Services>,
    pub(super) answers: Option<Answers>,
    pub(super) generator: Generator,
    /// Of each threshold, over time.
    pub(super) seen: Vec<Seen>,
    /// Why the run stopped itself.
    pub(super) aborted: Option<String>,
}

/// Counts outcomes until the engines are gone.
pub(super) struct Count {
    summary: Summary,
    clock: Clock,
    start_ns: u64,
    /// Due instants are ignored but for their order.
    at_once: bool,
    live: Arc<Mutex<Live>>,
}

impl Count {
    pub(super) fn new(summary: Summary, clock: Clock, start_ns: u64, at_once: bool, live: Arc<Mutex<Live>>) -> Self {
        Self { summary, clock, start_ns, at_once, live }
    }

    #[expect(clippy::too_many_arguments, reason = "the composition root hands each part over once")]
    pub(super) fn run(
        self,
        options: MeasureOptions,
        mut outcomes: Vec<Consumer<Box<Job>>>,
        mut spans: SpanSink,
        mut collector: Collector,
        mut answers: AnswerSink,
        mut log: Option<RequestLog>,
        mut intervals: MeasureLog,
        mut watch: Watch,
        mut series: Series,
        directory: &RunDirectory,
    ) -> Result<Ended, ReplayError> {
        let mut measure = Measure::new(options);
        self.note_plan(&mut measure);
        let mut sampler = Sampler::new(Machine::this());
        let mut failed = None;
        let mut write_closed = |closed: Closed, failed: &mut Option<std::io::Error>| {
            if let Err(error) = intervals.write(&closed) {
                failed.get_or_insert(error);
            }
        };
        let (mut live_at, mut second_at) = (0, 0);
        loop {
            let over = outcomes.iter().all(Consumer::is_abandoned);
            for queue in &mut outcomes {
                while let Ok(mut job) = queue.pop() {
                    if self.at_once {
                        // Without due instants a request is due when it may leave.
                        job.due_ns = job.progress.released_ns;
                        measure.planned_second(job.due_ns / SECOND_NS, 1);
                    }
                    measure.take(&job);
                    watch.take(&job);
                    series.take(&job);
                    if let Some(writer) = &mut log
                        && let Err(error) = writer.write(&job)
                    {
                        // The numbers go on without the log; the run ends with the error.
                        failed.get_or_insert(error);
                        log = None;
                    }
                    answers.take(&mut job);
                    collector.take(&job);
                    spans.take(job);
                }
            }
            spans.kept_at_end().for_each(|position| measure.kept_at_end(position));
            let now = self.clock.now_ns();
            if now >= live_at {
                live_at = now + LIVE_NS;
                let elapsed = now.saturating_sub(self.start_ns);
                write_closed(measure.close(elapsed), &mut failed);
                self.show(&measure, now);
            }
            if now >= second_at {
                second_at = now + SECOND_NS;
                sampler.sample(now, self.start_ns);
                watch.second(now.saturating_sub(self.start_ns));
                series.close(now.saturating_sub(self.start_ns));
                if let Some(writer) = &mut log
                    && let Err(error) = writer.flush()
                {
                    failed.get_or_insert(error);
                    log = None;
                }
            }
            if over {
                break;
            }
            self.clock.sleep_until(now + POLL_NS);
        }
        write_closed(measure.close(u64::MAX), &mut failed);
        if let Some(log) = log.take()
            && let Err(error) = log.finish()
        {
            failed.get_or_insert(error);
        }
        spans.settle();
        spans.kept_at_end().for_each(|position| measure.kept_at_end(position));
        let answers = answers.finish();
        let services = collector.finish();
        let counted = measure.finish();
        let failed = match (intervals.finish(&counted), failed) {
            (Err(source), _) => Some(directory.failed("latency.hlog", source)),
            (Ok(()), failed) => failed.map(|source| directory.failed("requests.jsonl.zst", source)),
        };
        match failed {
            Some(error) => {
                // Nobody will read what became of them, but what was measured is with the backend.
                let _ = spans.finish(None);
                Err(error)
            }
            None => {
                let (seen, generator, aborted) = (series.finish(), sampler.generator(), watch.finish());
                Ok(Ended { counted, spans, services, answers, generator, seen, aborted })
            }
        }
    }

    /// Tells what is planned to whoever counts.
    fn note_plan(&self, measure: &mut Measure) {
        if !self.at_once {
            for (second, requests) in (0..).zip(&self.summary.seconds) {
                measure.planned_second(second, *requests);
            }
            measure.planned_until(self.summary.last_due_ns);
        }
        for (endpoint, row) in (0..).zip(&self.summary.endpoints) {
            measure.planned_endpoint(endpoint, row.planned, &row.response);
        }
    }

    fn show(&self, measure: &Measure, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.start_ns);
        let timeline = measure.timeline();
        let last = (elapsed_ns / SECOND_NS).checked_sub(1).and_then(|last| timeline.get(last));
        let so_far = measure.so_far();
        let seconds = usize::try_from(elapsed_ns / SECOND_NS).unwrap_or(usize::MAX);
        let live = Live {
            elapsed_ns,
            waiting_ns: self.start_ns.saturating_sub(now_ns),
            planned: if self.at_once { self.summary.requests } else { self.summary.seconds.iter().take(seconds).sum() },
            sent: so_far.sent,
            rate: last.map_or((0, 0), |row| (row.planned / timeline.width_s(), row.sent / timeline.width_s())),
            response_us: so_far.response_us,
            lag_us: so_far.lag_us,
            errors: so_far.errors,
            over: false,
        };
        if let Ok(mut shown) = self.live.lock() {
            *shown = live;
        }
    }
}
