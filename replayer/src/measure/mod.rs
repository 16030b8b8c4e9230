//! Counting what became of the requests: by endpoint, by class of status, by second, in the steady window and overall.
//!
//! Nothing is averaged and nothing is left out: a request that failed counts with its full age. Counting a request
//! allocates nothing (but a tree's node or a page of counts for the first of its kind) and touches no file; memory grows
//! with the endpoints (500 of them with latencies from 100 µs to 2 s take 37 MB) and the range of the values, not with the
//! length of the run. What is done with the numbers is in `counted.rs`, `merge.rs`, `verdict.rs` and `report/`.

mod counted;
mod counts;
mod distribution;
mod executed;
mod heat;
mod log;
mod retime;
mod samples;
mod so_far;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;

use std::collections::BTreeMap;

pub(crate) use counted::add_counts;
pub use counted::{Answered, CLASSES, Counted, EndpointCount, Late, PlannedEndpoint, Tally, Waited, Word};
pub use distribution::{Distribution, VALUE_NS_MAX};
pub use executed::{Moved, Moves};
pub use heat::{Heat, bucket_ns};
pub use log::{LogLine, LogReader, LogWriter};
pub use retime::PlannedSeconds;
pub use samples::Samples;
pub use so_far::{EndpointSoFar, SecondSoFar, SoFar, Totals};
pub use timeline::{ROWS_MAX, Timeline};

use executed::{Gaps, MoveCount};

use crate::job::{Job, Progress, Shed};
use crate::result::{Bytes, LastInstants, add_to};
use crate::verdict::LagLimit;

const SECOND_NS: u64 = 1_000_000_000;
/// Seconds whose histograms are kept open beyond the longest possible answer.
const OPEN_SECONDS_MARGIN: u64 = 2;

/// A stretch of due instants, from the first to before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first instant.
    pub from_ns: u64,
    /// The instant after it.
    pub to_ns: u64,
}

impl Window {
    /// Everything.
    pub const ALL: Self = Self { from_ns: 0, to_ns: u64::MAX };
}

/// From when on a request's response time counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoopModel {
    /// From its due instant.
    #[default]
    Open,
    /// From its release, which may wait for an answer.
    Causal,
    /// From its release, which follows the answers.
    Closed,
}

impl LoopModel {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Causal => "causal",
            Self::Closed => "closed",
        }
    }

    /// The instant by which a request is placed in its run: its due instant or, in closed loop, the one at which it could leave
    /// (or was shed) if answers came sooner than they were recorded.
    #[must_use]
    pub fn place_ns(self, job: &Job) -> u64 {
        let end = &job.progress;
        self.place(job.due_ns, if end.shed.is_some() { end.done_ns } else { end.released_ns })
    }

    /// The same of a request that could leave, or was shed, at `left_ns`.
    #[must_use]
    pub fn place(self, due_ns: u64, left_ns: u64) -> u64 {
        if self == Self::Closed { due_ns.min(left_ns) } else { due_ns }
    }

    /// A request's response time; what failed has its full age.
    #[must_use]
    pub fn response_ns(self, due_ns: u64, end: &Progress) -> u64 {
        let from_ns = if self == Self::Open { due_ns } else { end.released_ns };
        end.done_ns.saturating_sub(from_ns)
    }

    /// What a word stands for; one that is none stands for open.
    #[must_use]
    pub fn of(name: &str) -> Self {
        [Self::Causal, Self::Closed].into_iter().find(|one| one.name() == name).unwrap_or_default()
    }
}

/// What counting depends on.
#[derive(Debug, Clone, Copy)]
pub struct MeasureOptions {
    /// Endpoints of the recording.
    pub endpoints: usize,
    /// No answer takes longer, connecting included.
    pub timeout_ns: u64,
    /// Due instants between warm-up and drain.
    pub steady: Window,
    /// From when on response times count.
    pub loop_model: LoopModel,
    /// From which lag on a request is late.
    pub limits: LagLimit,
}

/// Response, service time and lag of one second.
#[derive(Default)]
pub struct Times {
    /// Of what ended in it: done − due (or − released)
    pub response: Distribution,
    /// Of what ended in it: done − dispatched
    pub service: Distribution,
    /// Of what was dispatched in it: [`Progress::lag_ns`]
    pub lag: Distribution,
}

/// A second whose numbers no longer change.
pub struct ClosedSecond {
    /// Which one, counted from due instant 0.
    pub second: u64,
    /// Its distributions.
    pub times: Times,
}

/// What no longer changes.
#[derive(Default)]
pub struct Closed {
    /// Upwards.
    pub seconds: Vec<ClosedSecond>,
    /// Upwards; only seconds in which something moved.
    pub moves: Vec<Moves>,
}

/// Everything that is counted during a run.
pub struct Measure {
    options: MeasureOptions,
    /// The steady window on the plan's time.
    planned_steady: Window,
    planned_until_ns: u64,
    /// What is due in the steady window; what is due outside it. Each request is counted in one of the two.
    steady: Tally,
    outside: Tally,
    planned: Vec<PlannedEndpoint>,
    timeline: Timeline,
    heat: Heat,
    samples: Samples,
    recorded_2xx: u64,
    turned_away: u64,
    last: LastInstants,
    /// The run was over before its plan.
    is_cut: bool,
    late: Late,
    moves: MoveCount,
    gaps: Gaps,
    open: BTreeMap<u64, Times>,
}

impl Measure {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(options: MeasureOptions) -> Self {
        let open_ns = options.timeout_ns.saturating_add(OPEN_SECONDS_MARGIN * SECOND_NS);
        Self {
            options,
            planned_steady: options.steady,
            planned_until_ns: 0,
            steady: Tally::new(options.endpoints),
            outside: Tally::new(options.endpoints),
            planned: vec![PlannedEndpoint::default(); options.endpoints],
            timeline: Timeline::default(),
            heat: Heat::default(),
            samples: Samples::new(options.endpoints),
            recorded_2xx: 0,
            turned_away: 0,
            last: LastInstants::default(),
            is_cut: false,
            late: Late::default(),
            moves: MoveCount::default(),
            gaps: Gaps::new(open_ns),
            open: BTreeMap::new(),
        }
    }

    /// Notes how many requests are due in a second; may be called at any time, also bit by bit.
    pub fn planned_second(&mut self, second: u64, requests: u64) {
        add_to(&mut self.timeline.row(second).planned, requests);
    }

    /// Notes how many requests the plan holds of an endpoint, and their response times in the recording; also bit by
    /// bit. An endpoint beyond those announced is not counted.
    pub fn planned_endpoint(&mut self, endpoint: u32, requests: u64, recorded: &Distribution) {
        if let Some(row) = self.planned.get_mut(endpoint as usize) {
            add_to(&mut row.planned, requests);
            row.recorded.add(recorded);
        }
    }

    /// Notes the last due instant of the plan.
    pub fn planned_until(&mut self, due_ns: u64) {
        self.planned_until_ns = self.planned_until_ns.max(due_ns);
    }

    /// The run was stopped and is over: what of the plan it did not come to was not sent for that reason, but for outcomes that
    /// were `lost`. When that was due is not known here: it is in the steady window where everything is.
    pub fn stopped(&mut self, lost: u64) {
        self.is_cut = true;
        let planned: u64 = self.planned.iter().map(|row| row.planned).sum();
        let settled = self.steady.settled + self.outside.settled;
        let left = planned.saturating_sub(settled).saturating_sub(lost);
        let is_all_steady = (self.planned_steady.from_ns, self.planned_steady.to_ns) == (0, u64::MAX);
        let tally = if is_all_steady { &mut self.steady } else { &mut self.outside };
        if left > 0 {
            tally.settled += left;
            *tally.shed.entry(Shed::Stopped.name().into()).or_default() += left;
        }
    }

    /// Counts an outcome.
    pub fn take(&mut self, job: &Job) {
        let (end, due_ns) = (&job.progress, self.options.loop_model.place_ns(job));
        let window = self.options.steady;
        let tally = if (window.from_ns..window.to_ns).contains(&due_ns) { &mut self.steady } else { &mut self.outside };
        tally.settled += 1;
        self.last.due = self.last.due.max(job.due_ns);
        // What was not sent since the run was over is no part of it.
        if end.shed.is_some_and(Shed::is_end) {
            self.is_cut = true;
        } else {
            self.last.placed = self.last.placed.max(due_ns);
            self.last.done = self.last.done.max(end.done_ns);
        }
        if let Some(reason) = end.shed {
            *tally.shed.entry(reason.name().into()).or_default() += 1;
            return;
        }
        let response = self.options.loop_model.response_ns(due_ns, end);
        let service = end.dispatched_ns.map(|dispatched| end.done_ns.saturating_sub(dispatched));
        tally.take(job, response, service);
        self.samples.take(job, response, service);

        let done_s = end.done_ns / SECOND_NS;
        let row = self.timeline.row(done_s);
        row.completed += u64::from(end.error.is_none());
        row.errors += u64::from(end.error.is_some());
        let open = self.open.entry(done_s).or_default();
        open.response.record(response);
        if let Some(service) = service {
            open.service.record(service);
        }
        if let Some((dispatched, lag)) = end.dispatched_ns.zip(end.lag_ns()) {
            self.take_dispatch(due_ns, dispatched, lag);
        }
        let was_2xx = job.facts.status.is_some_and(|status| (200..300).contains(&status));
        if was_2xx && end.status.is_some() {
            self.recorded_2xx += 1;
            self.turned_away += u64::from(matches!(end.status, Some(401 | 403 | 407)) || end.login);
        }
    }

    fn take_dispatch(&mut self, due_ns: u64, dispatched: u64, lag: u64) {
        let limits = self.options.limits;
        self.late.by_1ms += u64::from(lag > 1_000_000);
        self.late.by_10ms += u64::from(lag > 10_000_000);
        self.late.strained += u64::from(lag > limits.strained_ns);
        self.late.invalid += u64::from(lag > limits.invalid_ns);
        self.last.dispatched = self.last.dispatched.max(dispatched);
        let second = dispatched / SECOND_NS;
        self.timeline.row(second).sent += 1;
        self.open.entry(second).or_default().lag.record(lag);
        self.moves.take(due_ns, dispatched);
        self.gaps.take(due_ns, dispatched);
    }

    /// Notes that the span of the request at this place of the plan is exported although its trace is not sampled.
    pub fn kept_at_end(&mut self, position: u64) {
        self.samples.kept_at_end(position);
    }

    /// What can no longer change at `now_ns`; everything at the end ([`u64::MAX`]).
    pub fn close(&mut self, now_ns: u64) -> Closed {
        let longest_ns = self.options.timeout_ns.saturating_add(OPEN_SECONDS_MARGIN * SECOND_NS);
        let open_ns = if now_ns == u64::MAX { 0 } else { longest_ns };
        let limit_ns = now_ns.saturating_sub(open_ns);
        self.gaps.close(limit_ns);
        if now_ns == u64::MAX {
            self.moves.close_all();
        }
        let still_open = self.open.split_off(&(limit_ns / SECOND_NS));
        let closed = std::mem::replace(&mut self.open, still_open);
        let mut seconds = Vec::with_capacity(closed.len());
        for (second, times) in closed {
            let row = self.timeline.row(second);
            row.response_us = row.response_us.largest(&times.response.quantiles());
            row.lag_us = row.lag_us.largest(&times.lag.quantiles());
            self.heat.add_second(second, &times.response);
            seconds.push(ClosedSecond { second, times });
        }
        Closed { seconds, moves: self.moves.closed() }
    }

    /// The rows over time, as far as they are known.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Everything, after [`Self::close`] at the end.
    #[must_use]
    pub fn finish(self) -> Counted {
        let Self { options, mut steady, mut outside, mut last, .. } = self;
        last.due = last.due.max(self.planned_until_ns);
        if options.loop_model != LoopModel::Closed && !self.is_cut {
            last.placed = last.due;
        }
        // 0 would say that nobody knows.
        last.placed = last.placed.max(1);
        steady.share();
        outside.add(&steady);
        let end_ns = options.steady.to_ns.min(last.placed.saturating_add(1));
        Counted {
            whole: outside,
            steady,
            steady_ns: (options.steady.from_ns.min(end_ns), end_ns),
            planned: self.planned,
            recorded_2xx: self.recorded_2xx,
            turned_away: self.turned_away,
            last,
            timeline: self.timeline,
            heat: self.heat,
            samples: self.samples,
            late: self.late,
            limits: options.limits,
            moved: self.moves.moved,
            gap: (self.gaps.distance(), self.gaps.resolution_ns(), self.gaps.left_out),
        }
    }
}

impl Tally {
    /// Counts what was not shed.
    fn take(&mut self, job: &Job, response: u64, service: Option<u64>) {
        let end = &job.progress;
        self.bytes.add(&Bytes { sent: end.bytes_out, received: end.bytes_in });
        self.sent += u64::from(end.bytes_out > 0);
        let first_byte = end.first_byte_ns.zip(end.dispatched_ns).map(|(first, from)| first.saturating_sub(from));
        self.times.take(response, service, first_byte);
        match end.error {
            None => self.completed += 1,
            Some(kind) => *self.errors.entry(kind.name().into()).or_default() += 1,
        }
        if let Some(status) = end.status {
            *self.status.entry(status).or_default() += 1;
        }
        let class = usize::from(end.status.map_or(0, |status| status / 100));
        if let Some(times) = self.classes.get_mut(if class < CLASSES.len() { class } else { 0 }) {
            times.take(response, service, first_byte);
        }
        if let Some(lag) = end.lag_ns() {
            self.dispatched += 1;
            self.waited.lag.record(lag);
        }
        if end.held_by_seq.is_some() {
            self.waited.held.record(end.released_ns.saturating_sub(job.due_ns));
        }
        if end.busy_ns > 0 {
            self.waited.busy.record(end.busy_ns);
        }
        if end.connect_ns > 0 {
            self.waited.connect.record(end.connect_ns);
        }
        if let Some(row) = self.endpoints.get_mut(job.facts.endpoint as usize) {
            row.completed += u64::from(end.error.is_none());
            row.errors += u64::from(end.error.is_some());
            if let Some(status) = end.status {
                *row.status.entry(status).or_default() += 1;
            }
            row.times.take(response, service, first_byte);
            if let Some(lag) = end.lag_ns() {
                row.lag.record(lag);
            }
        }
    }
}

impl Answered {
    fn take(&mut self, response: u64, service: Option<u64>, first_byte: Option<u64>) {
        self.response.record(response);
        if let Some(service) = service {
            self.service.record(service);
        }
        if let Some(first_byte) = first_byte {
            self.first_byte.record(first_byte);
        }
    }
}
