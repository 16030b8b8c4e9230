//! The counting thread: takes every outcome, counts it, logs it, and hands it on to the spans.

use std::sync::Arc;

use rtrb::Consumer;
use tokio::sync::watch::Sender;

use super::live::{Live, Seen, Viewer};
use super::watch::Watch;
use crate::answers::AnswerSink;
use crate::clock::Clock;
use crate::collect::Collector;
use crate::health::{Generator, Machine, Sampler};
use crate::job::Job;
use crate::measure::{Counted, Measure, MeasureOptions, PlannedSeconds};
use crate::metrics::{Metrics, MetricsSink, Reading};
use crate::request_log::RequestLog;
use crate::result::Answers;
use crate::result::services::Services;
use crate::run_directory::{MeasureLog, UntilItFails, Unwritten};
use crate::spans::SpanSink;
use crate::tempo::View;
use crate::thresholds::{self, Series};

/// How often a helper that has nothing to do looks again: the more it finds then, the less a request costs. The queue has room
/// for a hundred times what comes in between at the highest pace.
const POLL_NS: u64 = 5_000_000;
/// How often the generator's own health is looked at, and the rules by which a run stops itself.
const SECOND_NS: u64 = 1_000_000_000;
/// Outcomes after which it is looked at how far the threads behind this one are.
const LOOK_EVERY: u32 = 64;

/// Everything that counting leaves.
pub(super) struct Ended {
    pub(super) counted: Counted,
    /// To be finished when the verdict is known.
    pub(super) spans: SpanSink,
    pub(super) services: Option<Services>,
    pub(super) answers: Option<Answers>,
    pub(super) generator: Generator,
    /// Of each threshold, over time.
    pub(super) seen: Vec<thresholds::Seen>,
    /// Why the run stopped itself.
    pub(super) aborted: Option<String>,
    /// Files that could not be written.
    pub(super) unwritten: Unwritten,
    /// To be finished when it is known what became of the spans.
    pub(super) metrics_sink: Option<MetricsSink>,
    pub(super) last_reading: Option<Arc<Reading>>,
}

/// Counts outcomes until the engines are gone.
pub(super) struct Count {
    clock: Clock,
    start_ns: u64,
    viewer: Viewer,
    live: Arc<Sender<Arc<Live>>>,
    metrics: Option<Metrics>,
    metrics_sink: Option<MetricsSink>,
    last_reading: Option<Arc<Reading>>,
}

impl Count {
    pub(super) fn new(
        clock: Clock,
        start_ns: u64,
        viewer: Viewer,
        live: Arc<Sender<Arc<Live>>>,
        metrics: Option<Metrics>,
        metrics_sink: Option<MetricsSink>,
    ) -> Self {
        Self { clock, start_ns, viewer, live, metrics, metrics_sink, last_reading: None }
    }

    #[expect(clippy::too_many_arguments, reason = "the composition root hands each part over once")]
    pub(super) fn run(
        mut self,
        options: MeasureOptions,
        mut outcomes: Vec<Consumer<Box<Job>>>,
        mut spans: SpanSink,
        mut collector: Collector,
        mut answers: AnswerSink,
        log: Option<RequestLog>,
        mut intervals: MeasureLog,
        mut watch: Watch,
        mut series: Series,
    ) -> Ended {
        let mut measure = Measure::new(options);
        self.note_plan(&mut measure);
        let mut sampler = Sampler::new(Machine::this());
        let mut log = log.map(|log| UntilItFails::new(log.name(), log));
        let (mut live_at, mut second_at, mut taken) = (0, 0, 0_u32);
        let at_once = self.viewer.at_once();
        let mut view = View::default();
        loop {
            let over = outcomes.iter().all(Consumer::is_abandoned);
            // Before any outcome that a change concerns: it takes effect a little later.
            if self.viewer.follow(&mut view) && !at_once {
                let summary = self.viewer.summary();
                measure.retime(&view, &PlannedSeconds::new(&summary.seconds, summary.last_due_ns));
                series.retime(measure.steady());
            }
            for queue in &mut outcomes {
                while let Ok(mut job) = queue.pop() {
                    if at_once {
                        // Without due instants a request is due when it may leave.
                        job.due_ns = job.progress.released_ns;
                        measure.planned_second(job.due_ns / SECOND_NS, 1);
                    }
                    measure.take(&job);
                    watch.take(&job);
                    if let Some(metrics) = &mut self.metrics {
                        metrics.take(&job);
                    }
                    series.take(&job);
                    if let Some(log) = &mut log {
                        log.with(|log| log.write(&job));
                    }
                    answers.take(&mut job);
                    collector.take(&job);
                    spans.take(job);
                    taken = taken.wrapping_add(1);
                    if taken.is_multiple_of(LOOK_EVERY) {
                        self.viewer.note_behind(answers.behind_permille(), spans.behind_permille());
                    }
                }
            }
            self.viewer.note_behind(answers.behind_permille(), spans.behind_permille());
            spans.kept_at_end().for_each(|position| measure.kept_at_end(position));
            if over && let Some(lost) = self.viewer.lost_by_stop() {
                measure.stopped(lost);
            }
            let now = self.clock.now_ns();
            if now >= second_at {
                second_at = now + SECOND_NS;
                sampler.sample(now, self.start_ns);
                watch.second(now.saturating_sub(self.start_ns));
                series.close(now.saturating_sub(self.start_ns));
                if let Some(log) = &mut log {
                    log.with(RequestLog::flush);
                }
            }
            if now >= live_at || over {
                live_at = self.viewer.next_ns(now);
                intervals.write(&measure.close(now.saturating_sub(self.start_ns)));
                self.show(now, &measure, &spans, &sampler, &view, over);
            }
            if over {
                break;
            }
            self.clock.sleep_until(now + POLL_NS);
        }
        intervals.write(&measure.close(u64::MAX));
        spans.settle();
        spans.kept_at_end().for_each(|position| measure.kept_at_end(position));
        let answers = answers.finish();
        let services = collector.finish();
        let counted = measure.finish();
        let mut unwritten = intervals.finish(&counted);
        if let Some(log) = log {
            log.finish(RequestLog::finish, &mut unwritten);
        }
        Ended {
            counted,
            spans,
            services,
            answers,
            generator: sampler.generator(),
            seen: series.finish(),
            aborted: watch.finish(),
            unwritten,
            metrics_sink: self.metrics_sink,
            last_reading: self.last_reading,
        }
    }

    /// Tells what is planned to whoever counts.
    fn note_plan(&self, measure: &mut Measure) {
        let summary = self.viewer.summary();
        if !self.viewer.at_once() {
            for (second, requests) in (0..).zip(&summary.seconds) {
                measure.planned_second(second, *requests);
            }
            measure.planned_until(summary.last_due_ns);
        }
        for (endpoint, row) in (0..).zip(&summary.endpoints) {
            measure.planned_endpoint(endpoint, row.planned, &row.response);
        }
    }

    /// Tells whoever looks; nobody is waited for.
    fn show(
        &mut self,
        now_ns: u64,
        measure: &Measure,
        spans: &SpanSink,
        sampler: &Sampler,
        view: &View,
        is_over: bool,
    ) {
        let seen = Seen { measure, spans, moment: sampler.latest(), metrics: self.metrics.as_ref(), view };
        let live = self.viewer.view(now_ns, &seen, is_over);
        if let (Some(sink), Some(reading)) = (&self.metrics_sink, &live.metrics) {
            sink.offer(Arc::clone(reading));
            self.last_reading = Some(Arc::clone(reading));
        }
        self.live.send_replace(Arc::new(live));
    }
}
