//! Thresholds over time: each second of a run by itself, and rolling windows over them.
//!
//! A second is closed when nothing can end in it any more; then it is compared and forgotten, so that memory grows with
//! the rules and with the seconds that answers may take, not with the length of the run. What a rule comes to over the
//! whole run or its steady window is read from the counts (`judge.rs`), not from here.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::plan::Applied;
use super::rule::{Kind, Metric, Rule, TimeOf, Window};
use crate::job::{Job, Progress};
use crate::measure::{self, Distribution, LoopModel};
use crate::rule_text::Op;

const SECOND_NS: u64 = 1_000_000_000;
/// Seconds of a run that are told apart: 31 days. What comes later is in none.
const SECONDS_MAX: u64 = 31 * 24 * 3600;
/// Seconds that stay open beyond the longest possible answer.
const OPEN_SECONDS_MARGIN: u64 = 2;
/// Requests that are kept as examples of each rule.
const EXAMPLES: usize = 3;

/// What following rules depends on.
#[derive(Debug, Clone, Copy)]
pub struct SeriesOptions {
    /// From when on response times count.
    pub loop_model: LoopModel,
    /// Due instants between warm-up and drain.
    pub steady: measure::Window,
    /// No answer takes longer, connecting included.
    pub timeout_ns: u64,
}

/// Follows rules through a run.
pub struct Series {
    options: SeriesOptions,
    rules: Vec<Followed>,
    /// Rules that look at every request, and those that look at one endpoint's.
    everywhere: Vec<usize>,
    by_endpoint: HashMap<u32, Vec<usize>, foldhash::fast::FixedState>,
    /// The latest due instant and end.
    last_due_ns: u64,
    last_done_ns: u64,
}

/// What was seen of a rule over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The first second that breached it, or where the first such window begins.
    pub(super) since_s: Option<u64>,
    pub(super) breached_s: u64,
    pub(super) decided_s: u64,
    /// Of a rolling window, the worst.
    pub(super) worst: Option<Worst>,
    /// Traces of the requests that stand out most.
    pub(super) traces: Vec<[u8; 16]>,
}

/// The worst rolling window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worst {
    /// In the unit of the metric, as a fraction: divided by the other.
    pub(super) measured: (u64, u64),
    pub(super) values: u64,
}

/// One second of one rule.
#[derive(Debug, Clone, Default)]
struct Second {
    /// Requests that are looked at, or values.
    of: u64,
    /// Those of them that are of the kind, or beyond the limit.
    part: u64,
    /// The values, for rolling quantiles.
    times: Distribution,
}

struct Followed {
    rule: Rule,
    window: Window,
    open: BTreeMap<u64, Second>,
    /// The first second that is not closed.
    next_s: u64,
    /// Closed seconds of a rolling window, and their sum.
    ring: VecDeque<Second>,
    sum: Second,
    /// Of counts, how many so far.
    total: u64,
    seen: Seen,
    /// Values with their traces, the largest first.
    examples: Vec<(u64, [u8; 16])>,
}

impl Series {
    /// Follows these rules.
    #[must_use]
    pub fn new(rules: &[Applied], options: SeriesOptions) -> Self {
        let (mut everywhere, mut by_endpoint) = (Vec::new(), HashMap::<u32, Vec<usize>, _>::default());
        for (number, rule) in rules.iter().enumerate() {
            match &rule.endpoint {
                Some((index, _)) => by_endpoint.entry(*index).or_default().push(number),
                None => everywhere.push(number),
            }
        }
        let rules = rules.iter().map(Followed::new).collect();
        Self { options, rules, everywhere, by_endpoint, last_due_ns: 0, last_done_ns: 0 }
    }

    /// The steady window is another one from now on, since the plan's time goes another way.
    pub fn retime(&mut self, steady: measure::Window) {
        self.options.steady = steady;
    }

    /// Takes an outcome.
    pub fn take(&mut self, job: &Job) {
        if self.rules.is_empty() {
            return;
        }
        self.last_due_ns = self.last_due_ns.max(self.options.loop_model.place_ns(job));
        self.last_done_ns = self.last_done_ns.max(job.progress.done_ns);
        let own = self.by_endpoint.get(&job.facts.endpoint);
        for number in self.everywhere.iter().chain(own.into_iter().flatten()) {
            if let Some(rule) = self.rules.get_mut(*number) {
                rule.take(job, &self.options);
            }
        }
    }

    /// Looks at the seconds that can no longer change at `now_ns`.
    pub fn close(&mut self, now_ns: u64) {
        let open_ns = self.options.timeout_ns.saturating_add(OPEN_SECONDS_MARGIN * SECOND_NS);
        let limit_s = now_ns.saturating_sub(open_ns) / SECOND_NS;
        self.rules.iter_mut().for_each(|rule| rule.close(limit_s, u64::MAX));
    }

    /// What was seen of each rule, in their order.
    #[must_use]
    pub fn finish(mut self) -> Vec<Seen> {
        let (due_s, done_s) = (self.last_due_ns / SECOND_NS, self.last_done_ns / SECOND_NS);
        self.rules.iter_mut().for_each(|rule| rule.close(done_s + 1, due_s));
        self.rules.into_iter().map(Followed::finish).collect()
    }
}

impl Followed {
    fn new(applied: &Applied) -> Self {
        Self {
            rule: applied.budget.rule.clone(),
            window: applied.window,
            open: BTreeMap::new(),
            next_s: 0,
            ring: VecDeque::new(),
            sum: Second::default(),
            total: 0,
            seen: Seen::default(),
            examples: Vec::new(),
        }
    }

    fn take(&mut self, job: &Job, options: &SeriesOptions) {
        let steady = options.steady.from_ns..options.steady.to_ns;
        if self.window == Window::Steady && !steady.contains(&options.loop_model.place_ns(job)) {
            return;
        }
        let end = &job.progress;
        let Some((at_ns, is_part, value)) = self.rule.reads(job, options.loop_model) else { return };
        // Of what was never sent there is no trace to look at.
        if is_part && self.rule.op.is_upwards() && end.shed.is_none() {
            keep(&mut self.examples, value.unwrap_or(end.done_ns.saturating_sub(job.due_ns)), job.fresh.trace_id);
        }
        let at_s = at_ns / SECOND_NS;
        if at_s < self.next_s || at_s >= SECONDS_MAX {
            return;
        }
        let second = self.open.entry(at_s).or_default();
        second.of += 1;
        second.part += u64::from(is_part);
        if let (Window::Any(_), Some(value)) = (self.window, value) {
            second.times.record(value);
        }
    }

    /// Closes the seconds before `limit_s`; a rate is not looked at after `due_s`, when nothing is due any more.
    fn close(&mut self, limit_s: u64, due_s: u64) {
        let limit_s = limit_s.min(SECONDS_MAX);
        while self.next_s < limit_s {
            let at_s = self.next_s;
            let second = self.open.remove(&at_s).unwrap_or_default();
            self.next_s += 1;
            // When nothing is due any more there is little of everything, which is nobody's fault.
            let is_late = self.rule.falls_at_the_end() && at_s >= due_s;
            match self.window {
                _ if is_late => {}
                Window::Any(seconds) => self.roll(at_s, second, seconds),
                _ => self.compare(at_s, &second),
            }
        }
    }

    /// Looks at one second by itself.
    fn compare(&mut self, at_s: u64, second: &Second) {
        self.total += second.part;
        let rule = &self.rule;
        let is_breached = match rule.metric {
            Metric::Time { quantile, .. } => (second.of > 0).then(|| {
                // Whether the quantile is beyond the limit: more values are than may be above it.
                let below = quantile.rank(second.of);
                let is_beyond = second.part > second.of - below;
                is_beyond == rule.op.is_upwards()
            }),
            Metric::Share(_) => (second.of > 0).then(|| rule.breaches(second.part, second.of)),
            Metric::Throughput => Some(rule.breaches(second.part, 1)),
            // A count grows: it is too large from some second on, and whether it is too small only the end knows.
            Metric::Count(_) | Metric::Requests => {
                (rule.op.is_upwards() && second.of > 0).then(|| rule.breaches(self.total, 1))
            }
        };
        self.note(at_s, is_breached);
    }

    /// Puts a second into the window that ends with it.
    fn roll(&mut self, at_s: u64, second: Second, seconds: u64) {
        self.sum.add(&second);
        self.ring.push_back(second);
        if self.ring.len() as u64 > seconds
            && let Some(oldest) = self.ring.pop_front()
        {
            self.sum.remove(&oldest);
        }
        if (self.ring.len() as u64) < seconds {
            return;
        }
        let from_s = at_s + 1 - seconds;
        let measured = self.rule.of_window(&self.sum, seconds);
        let is_breached = measured.map(|(measured, of)| self.rule.breaches(measured, of));
        if let Some(measured) = measured {
            let is_worse = self.seen.worst.is_none_or(|worst| self.rule.is_worse(measured, worst.measured));
            if is_worse {
                self.seen.worst = Some(Worst { measured, values: self.sum.of });
            }
        }
        self.note(from_s, is_breached);
    }

    fn note(&mut self, at_s: u64, is_breached: Option<bool>) {
        let Some(is_breached) = is_breached else { return };
        self.seen.decided_s += 1;
        if is_breached {
            self.seen.breached_s += 1;
            self.seen.since_s.get_or_insert(at_s);
        }
    }

    fn finish(self) -> Seen {
        let traces = self.examples.into_iter().map(|(_, trace)| trace).collect();
        Seen { traces, ..self.seen }
    }
}

impl Second {
    fn add(&mut self, other: &Self) {
        self.of += other.of;
        self.part += other.part;
        self.times.add(&other.times);
    }

    fn remove(&mut self, other: &Self) {
        self.of -= other.of;
        self.part -= other.part;
        self.times.remove(&other.times);
    }
}

impl Rule {
    /// Where a request counts, whether it is of the kind or beyond the limit, and its value; `None`: not at all.
    fn reads(&self, job: &Job, loop_model: LoopModel) -> Option<(u64, bool, Option<u64>)> {
        let end = &job.progress;
        let done = Some(end.done_ns);
        let selected = self.select.status.is_none_or(|statuses| end.status.is_some_and(|code| statuses.contains(code)));
        if end.shed.is_some() {
            let is_shed = matches!(self.metric, Metric::Share(Kind::Shed) | Metric::Count(Kind::Shed));
            return is_shed.then_some((end.done_ns, true, None));
        }
        match self.metric {
            Metric::Time { of, .. } => {
                let value = of.of(end, job.due_ns, loop_model).filter(|_| selected)?;
                let at_ns = if of == TimeOf::Lag { end.dispatched_ns? } else { end.done_ns };
                Some((at_ns, self.is_beyond(value), Some(value)))
            }
            Metric::Share(Kind::Errors) | Metric::Count(Kind::Errors) => Some((done?, end.error.is_some(), None)),
            Metric::Share(Kind::Status) | Metric::Count(Kind::Status) => Some((done?, selected, None)),
            Metric::Share(Kind::Shed) | Metric::Count(Kind::Shed) => Some((done?, false, None)),
            // Only the counts know what was answered in the recording.
            Metric::Share(Kind::TurnedAway) | Metric::Count(Kind::TurnedAway) => None,
            Metric::Requests => selected.then_some((end.done_ns, true, None)),
            Metric::Throughput => (selected && end.error.is_none()).then_some((end.done_ns, true, None)),
        }
    }

    /// Whether a value counts as above the limit, when its quantile is compared with it.
    fn is_beyond(&self, value: u64) -> bool {
        match self.op {
            Op::Greater | Op::LessOrEqual => value > self.limit,
            Op::GreaterOrEqual | Op::Less => value >= self.limit,
        }
    }

    /// What a window of so many seconds measured, in the unit of the metric, as a fraction; `None` of too few values.
    fn of_window(&self, sum: &Second, seconds: u64) -> Option<(u64, u64)> {
        match self.metric {
            Metric::Time { quantile, .. } => {
                let enough = sum.of >= quantile.values_min();
                enough.then(|| (sum.times.value_ns(quantile.share()), 1))
            }
            Metric::Share(_) => (sum.of > 0).then_some((sum.part, sum.of)),
            Metric::Count(_) | Metric::Requests => Some((sum.part, 1)),
            Metric::Throughput => Some((sum.part, seconds)),
        }
    }

    /// Which of two figures is further in the direction that fails.
    fn is_worse(&self, one: (u64, u64), other: (u64, u64)) -> bool {
        let [one, other] = [(one.0, other.1), (other.0, one.1)].map(|(a, b)| u128::from(a) * u128::from(b));
        if self.op.is_upwards() { one > other } else { one < other }
    }
}

impl TimeOf {
    /// This time of a request that was not shed, as the counts have it.
    fn of(self, end: &Progress, due_ns: u64, loop_model: LoopModel) -> Option<u64> {
        let since_dispatch = |at: u64| Some(at.saturating_sub(end.dispatched_ns?));
        match self {
            Self::Response => Some(loop_model.response_ns(due_ns, end)),
            Self::Service => since_dispatch(end.done_ns),
            Self::FirstByte => since_dispatch(end.first_byte_ns?),
            Self::Lag => end.lag_ns(),
            Self::Held => end.held_by_seq.map(|_| end.released_ns.saturating_sub(due_ns)),
            Self::Busy => (end.busy_ns > 0).then_some(end.busy_ns),
            Self::Connect => (end.connect_ns > 0).then_some(end.connect_ns),
        }
    }
}

/// Keeps the largest values.
fn keep(examples: &mut Vec<(u64, [u8; 16])>, value: u64, trace: [u8; 16]) {
    if examples.len() >= EXAMPLES && examples.last().is_some_and(|(least, _)| value <= *least) {
        return;
    }
    let at = examples.partition_point(|(other, _)| *other >= value);
    examples.insert(at, (value, trace));
    examples.truncate(EXAMPLES);
}
