//! What can be seen of a run while it goes on: a snapshot for each second, made by the thread that counts.
//!
//! A snapshot is a value: whoever shows, writes or serves it takes as long as it likes, and nobody waits for it. Nothing
//! here grows with the length of the run.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::health::Moment;
use crate::job::RunFacts;
use crate::measure::{EndpointSoFar, Measure, SecondSoFar, Totals};
use crate::metrics::{Metrics, Reading, State};
use crate::result::Quantiles;
use crate::send::{Counters, Stop};
use crate::spans::{SpanSink, SpansSoFar};
use crate::spool::Summary;
use crate::tempo::{Tempo, View};

/// Endpoints of a snapshot: those with most requests.
pub const LIVE_ENDPOINTS_MAX: usize = 20;

const SECOND_NS: u64 = 1_000_000_000;
/// How long after the end of a second it is looked at, so that what ended in it has come here.
const AFTER_NS: u64 = 20_000_000;

/// A run as it is.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Snapshots before this one; 0 is the one before all, in which nothing is known.
    pub number: u64,
    /// Until due instant 0.
    pub waiting_ns: u64,
    /// Since due instant 0.
    pub elapsed_ns: u64,
    /// From due instant 0 to the last one of the plan, as far as is known; 0 where due instants are ignored.
    pub length_ns: u64,
    /// Requests in the plan.
    pub planned: u64,
    /// Requests due so far.
    pub due: u64,
    /// What became of them.
    pub totals: Totals,
    /// Over everything so far.
    pub response_us: Quantiles,
    /// Over everything so far.
    pub lag_us: Quantiles,
    /// The last whole second.
    pub second: SecondSoFar,
    /// Requests under way.
    pub in_flight: u64,
    /// Requests that wait for an answer, a busy connection, or the end of a pause.
    pub waiting: u64,
    /// Open connections.
    pub connections: u64,
    /// Those with most requests that have ended, at most [`LIVE_ENDPOINTS_MAX`].
    pub endpoints: Vec<LiveEndpoint>,
    /// How many there are.
    pub endpoints_known: usize,
    /// What became of client spans so far.
    pub spans: SpansSoFar,
    /// CPU of this process over the last second, in CPUs.
    pub cpu: f64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// The plan's time stands still.
    pub is_paused: bool,
    /// How fast the plan's time goes, outside pauses: 1 as planned.
    pub speed: f64,
    /// Nothing more is sent.
    pub is_draining: bool,
    /// Everything is counted; spans may still be on their way.
    pub is_over: bool,
    /// The run's metrics, if they are wanted.
    pub metrics: Option<Arc<Reading>>,
}

/// An endpoint so far.
#[derive(Debug, Clone, Default)]
pub struct LiveEndpoint {
    /// `GET /item/{id}`
    pub name: String,
    /// What became of its requests.
    pub so_far: EndpointSoFar,
}

/// Makes snapshots.
pub(super) struct Viewer {
    summary: Summary,
    facts: Arc<RunFacts>,
    start_ns: u64,
    at_once: bool,
    counters: Arc<Counters>,
    stop: Arc<Stop>,
    tempo: Arc<Tempo>,
    number: u64,
    /// Of the snapshot before.
    dispatched: u64,
}

/// What a snapshot is made of.
pub(super) struct Seen<'a> {
    pub(super) measure: &'a Measure,
    pub(super) spans: &'a SpanSink,
    pub(super) moment: &'a Moment,
    pub(super) metrics: Option<&'a Metrics>,
    /// How the plan's time goes.
    pub(super) view: &'a View,
}

impl Viewer {
    /// `at_once`: due instants are ignored but for their order.
    pub(super) fn new(
        summary: Summary,
        facts: Arc<RunFacts>,
        start_ns: u64,
        at_once: bool,
        counters: Arc<Counters>,
        stop: Arc<Stop>,
        tempo: Arc<Tempo>,
    ) -> Self {
        Self { summary, facts, start_ns, at_once, counters, stop, tempo, number: 0, dispatched: 0 }
    }

    /// Takes note of changes of how the plan's time goes; true if there were some.
    pub(super) fn follow(&self, view: &mut View) -> bool {
        view.follow(&self.tempo)
    }

    /// What is planned.
    pub(super) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whether due instants are ignored.
    pub(super) fn at_once(&self) -> bool {
        self.at_once
    }

    /// When the next snapshot is due: a little after the next whole second of the run.
    pub(super) fn next_ns(&self, now_ns: u64) -> u64 {
        next_ns(self.start_ns, now_ns)
    }

    /// Tells the sending threads how full the queues behind the outcomes are, in thousandths.
    pub(super) fn note_behind(&self, answers: u64, spans: u64) {
        self.counters.answers_permille.store(answers, Relaxed);
        self.counters.behind_permille.store(answers.max(spans), Relaxed);
    }

    /// A snapshot.
    pub(super) fn view(&mut self, now_ns: u64, seen: &Seen<'_>, is_over: bool) -> Live {
        self.number += 1;
        let Seen { measure, spans, moment, metrics, view } = *seen;
        let elapsed_ns = now_ns.saturating_sub(self.start_ns);
        let so_far = measure.so_far();
        // What waits for its answer has not been counted, but has left.
        let dispatched = self.counters.dispatched.load(Relaxed);
        let second = SecondSoFar {
            dispatched: dispatched.saturating_sub(std::mem::replace(&mut self.dispatched, dispatched)),
            ..measure.second((elapsed_ns / SECOND_NS).saturating_sub(1))
        };
        let mut live = Live {
            number: self.number,
            waiting_ns: self.start_ns.saturating_sub(now_ns),
            elapsed_ns,
            length_ns: if self.at_once { 0 } else { view.run_ns_at_best(self.summary.last_due_ns, elapsed_ns) },
            planned: self.summary.requests,
            due: self.due(view.plan_ns(elapsed_ns), so_far.totals.settled, is_over),
            totals: so_far.totals,
            response_us: so_far.response_us,
            lag_us: so_far.lag_us,
            second,
            in_flight: self.counters.in_flight.load(Relaxed),
            waiting: self.counters.parked.load(Relaxed),
            connections: self.counters.open.load(Relaxed),
            endpoints: self.endpoints(measure),
            endpoints_known: self.facts.endpoints.len(),
            spans: spans.so_far(),
            cpu: moment.cpu,
            rss_bytes: moment.rss_bytes,
            is_paused: view.is_paused(elapsed_ns),
            speed: self.tempo.speed().1,
            is_draining: self.stop.is_draining(),
            is_over,
            metrics: None,
        };
        live.metrics = metrics.map(|metrics| Arc::new(metrics.read(now_ns, &self.state(&live))));
        live
    }

    /// Of a run that ends before its plan does by somebody's decision: how many outcomes were lost.
    pub(super) fn lost_by_stop(&self) -> Option<u64> {
        self.stop.is_draining().then(|| self.counters.outcomes_lost.load(Relaxed))
    }

    fn state<'a>(&self, live: &'a Live) -> State<'a> {
        State {
            planned: live.planned,
            due: live.due,
            totals: &live.totals,
            in_flight: live.in_flight,
            waiting: live.waiting,
            connections: live.connections,
            spans: live.spans,
            multiplier: self.facts.multiplier,
            speed: if live.is_paused { 0.0 } else { live.speed },
        }
    }

    /// Requests due so far, by whole seconds of the plan.
    fn due(&self, plan_ns: u64, settled: u64, is_over: bool) -> u64 {
        if self.at_once {
            return settled;
        }
        if is_over && !self.stop.is_draining() {
            return self.summary.requests;
        }
        let seconds = usize::try_from(plan_ns / SECOND_NS).unwrap_or(usize::MAX);
        self.summary.seconds.iter().take(seconds).sum()
    }

    fn endpoints(&self, measure: &Measure) -> Vec<LiveEndpoint> {
        let name = |index: usize| self.facts.endpoints.get(index).cloned().unwrap_or_default();
        let top = measure.top_endpoints(LIVE_ENDPOINTS_MAX);
        top.into_iter().map(|(index, so_far)| LiveEndpoint { name: name(index), so_far }).collect()
    }
}

fn next_ns(start_ns: u64, now_ns: u64) -> u64 {
    let zero = start_ns.saturating_add(AFTER_NS);
    match now_ns.checked_sub(zero) {
        Some(since) => zero.saturating_add((since / SECOND_NS + 1).saturating_mul(SECOND_NS)),
        None => now_ns + 1 + (zero - now_ns - 1) % SECOND_NS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_comes_a_little_after_each_whole_second_of_the_run() {
        let start = 2_300 * 1_000_000;
        let (mut at, mut seen) = (0, Vec::new());
        for _ in 0..6 {
            at = next_ns(start, at);
            seen.push((i128::from(at) - i128::from(start)) / 1_000_000);
        }
        assert_eq!(seen, [-1_980, -980, 20, 1_020, 2_020, 3_020]);
        assert_eq!(next_ns(start, start + 1_020 * 1_000_000 - 1), start + 1_020 * 1_000_000);
    }
}
