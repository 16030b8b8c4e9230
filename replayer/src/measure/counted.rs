//! What was counted, as values that add up: over a whole run, or over its parts after they were read back.
//!
//! Everything here but `gap_ks` of the result is a sum, a maximum or a histogram, so that the parts of a run add up to
//! what one run that counted all would say. Nothing here is on the way of a request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::distribution::Distribution;
use super::executed::Moved;
use super::heat::Heat;
use super::samples::Samples;
use super::timeline::Timeline;
use crate::result::drawn::Curves;
use crate::result::{
    Bytes, Class, Endpoint, EndpointSteady, Fidelity, LastInstants, Rate, RunResult, Steady, add_to, total,
};
use crate::verdict::LagLimit;

/// Classes of a status, by its first digit; the first is for what ended without a status.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The word for a kind of error or a reason of a shed: the run's own, or one that was read back.
pub type Word = Cow<'static, str>;

/// Response and service time, and the time to the first byte.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answered {
    /// done − due (or − released)
    pub response: Distribution,
    /// done − dispatched
    pub service: Distribution,
    /// first byte − dispatched
    pub first_byte: Distribution,
}

impl Answered {
    fn add(&mut self, other: &Self) {
        self.response.add(&other.response);
        self.service.add(&other.service);
        self.first_byte.add(&other.first_byte);
    }

    fn share(&mut self) {
        [&mut self.response, &mut self.service, &mut self.first_byte].into_iter().for_each(Distribution::share);
    }
}

/// How long a request waited before it was handed to its socket, by whose doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Waited {
    /// released to dispatched, without the wait for a connection to be made: the generator's
    pub lag: Distribution,
    /// released − due of what was held for an answer: the loop model's
    pub held: Distribution,
    /// for its connection, which was in use: the target's
    pub busy: Distribution,
    /// for a connection to be made: the target's
    pub connect: Distribution,
}

/// What is counted of one endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EndpointCount {
    /// Whole answers.
    pub completed: u64,
    /// Failures.
    pub errors: u64,
    /// Answers by code.
    pub status: BTreeMap<u16, u64>,
    /// Their times.
    pub times: Answered,
    /// How late they left, by the generator's doing.
    pub lag: Distribution,
}

/// What is counted over one window of due instants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Requests whose end was counted.
    pub settled: u64,
    /// Handed to a socket.
    pub dispatched: u64,
    /// The kernel took a byte of them.
    pub sent: u64,
    /// Whole answers.
    pub completed: u64,
    /// By kind.
    pub errors: BTreeMap<Word, u64>,
    /// By reason.
    pub shed: BTreeMap<Word, u64>,
    /// By code.
    pub status: BTreeMap<u16, u64>,
    /// On the wire.
    pub bytes: Bytes,
    /// Over everything.
    pub times: Answered,
    /// Over everything.
    pub waited: Waited,
    /// By class of the status.
    pub classes: [Answered; CLASSES.len()],
    /// By endpoint.
    pub endpoints: Vec<EndpointCount>,
}

impl Tally {
    pub(super) fn new(endpoints: usize) -> Self {
        Self { endpoints: vec![EndpointCount::default(); endpoints], ..Self::default() }
    }

    /// From now on sums share its memory, as long as neither counts on.
    pub(super) fn share(&mut self) {
        let Waited { lag, held, busy, connect } = &mut self.waited;
        [lag, held, busy, connect].into_iter().for_each(Distribution::share);
        self.endpoints.iter_mut().for_each(|row| row.lag.share());
        let endpoints = self.endpoints.iter_mut().map(|row| &mut row.times);
        std::iter::once(&mut self.times).chain(&mut self.classes).chain(endpoints).for_each(Answered::share);
    }

    /// Adds what was counted elsewhere, endpoint by endpoint.
    pub fn add(&mut self, other: &Self) {
        add_to(&mut self.settled, other.settled);
        add_to(&mut self.dispatched, other.dispatched);
        add_to(&mut self.sent, other.sent);
        add_to(&mut self.completed, other.completed);
        self.bytes.add(&other.bytes);
        add_counts(&mut self.errors, &other.errors);
        add_counts(&mut self.shed, &other.shed);
        add_counts(&mut self.status, &other.status);
        self.times.add(&other.times);
        self.waited.lag.add(&other.waited.lag);
        self.waited.held.add(&other.waited.held);
        self.waited.busy.add(&other.waited.busy);
        self.waited.connect.add(&other.waited.connect);
        self.classes.iter_mut().zip(&other.classes).for_each(|(own, other)| own.add(other));
        if self.endpoints.len() < other.endpoints.len() {
            self.endpoints.resize_with(other.endpoints.len(), EndpointCount::default);
        }
        for (own, other) in self.endpoints.iter_mut().zip(&other.endpoints) {
            add_to(&mut own.completed, other.completed);
            add_to(&mut own.errors, other.errors);
            add_counts(&mut own.status, &other.status);
            own.times.add(&other.times);
            own.lag.add(&other.lag);
        }
    }

    fn classes(&self) -> BTreeMap<String, Class> {
        let rows = CLASSES.iter().zip(&self.classes).filter(|(_, times)| times.response.count() > 0);
        let quantiles =
            |times: &Answered| Class { response_us: times.response.quantiles(), service_us: times.service.quantiles() };
        rows.map(|(name, times)| ((*name).to_owned(), quantiles(times))).collect()
    }
}

pub(crate) fn add_counts<K: Ord + Clone>(own: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, count) in other {
        add_to(own.entry(key.clone()).or_default(), *count);
    }
}

/// What the plan holds of one endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlannedEndpoint {
    /// Requests.
    pub planned: u64,
    /// Their response times in the recording.
    pub recorded: Distribution,
}

/// Requests later than a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Late {
    /// Than 1 ms.
    pub by_1ms: u64,
    /// Than 10 ms.
    pub by_10ms: u64,
    /// Than the limit of a strained run.
    pub strained: u64,
    /// Than the limit of an invalid run.
    pub invalid: u64,
}

/// Everything that was counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Over the whole run.
    pub whole: Tally,
    /// Over the steady window.
    pub steady: Tally,
    /// The steady window, nanoseconds.
    pub steady_ns: (u64, u64),
    /// By endpoint.
    pub planned: Vec<PlannedEndpoint>,
    /// Answered 2xx in the recording, and answered now.
    pub recorded_2xx: u64,
    /// Of these, turned away now.
    pub turned_away: u64,
    /// The latest instants.
    pub last: LastInstants,
    /// Over time.
    pub timeline: Timeline,
    /// Response times over time.
    pub heat: Heat,
    /// Requests by name.
    pub samples: Samples,
    /// Late requests.
    pub late: Late,
    /// By which limits.
    pub limits: LagLimit,
    /// Requests that left in another bucket than they were due in.
    pub moved: Moved,
    /// Distance of gaps, its resolution, and what is in no gap.
    pub gap: (Option<f64>, u64, u64),
}

impl Counted {
    /// Writes everything that was counted into a result; `names` are those of the endpoints.
    pub fn fill(&self, names: &[String], result: &mut RunResult) {
        let whole = &self.whole;
        result.planned = total(self.planned.iter().map(|row| &row.planned));
        (result.settled, result.dispatched) = (whole.settled, whole.dispatched);
        (result.sent, result.completed, result.bytes) = (whole.sent, whole.completed, whole.bytes);
        (result.shed, result.errors, result.status) = (named(&whole.shed), named(&whole.errors), named(&whole.status));
        (result.recorded_2xx, result.turned_away) = (self.recorded_2xx, self.turned_away);
        let (due_s, placed_s) = (seconds(self.last.due), seconds(self.last.placed_ns()));
        result.last_ns = self.last;
        result.duration_s = seconds(self.last.done).max(placed_s);
        // When everything left in time, both rates are over the same span.
        let sent_over = seconds(self.last.dispatched).max(placed_s);
        result.rate = Rate { planned: ratio(result.planned, due_s), achieved: ratio(whole.dispatched, sent_over) };
        result.lag_us = whole.waited.lag.quantiles();
        result.held_us = whole.waited.held.quantiles();
        result.busy_us = whole.waited.busy.quantiles();
        result.connect_us = whole.waited.connect.quantiles();
        result.response_us = whole.times.response.quantiles();
        result.service_us = whole.times.service.quantiles();
        result.first_byte_us = whole.times.first_byte.quantiles();
        let recorded = self.recorded();
        result.recorded_response_us = recorded.quantiles();
        result.curves = Curves {
            response_us: whole.times.response.curve(),
            service_us: whole.times.service.curve(),
            lag_us: whole.waited.lag.curve(),
            recorded_response_us: recorded.curve(),
        };
        result.classes = whole.classes();
        result.steady = self.steady();
        result.fidelity = self.fidelity();
        result.endpoints = self.endpoints(names);
        result.timeline_s = self.timeline.width_s();
        result.timeline = self.timeline.rows().to_vec();
        result.heat_map = self.heat.map();
        self.samples.fill(names, result);
        result.verdict.limits = self.limits;
        (result.verdict.late_strained, result.verdict.late_invalid) = (self.late.strained, self.late.invalid);
    }

    fn recorded(&self) -> Distribution {
        let mut all = Distribution::new();
        self.planned.iter().for_each(|row| all.add(&row.recorded));
        all
    }

    fn steady(&self) -> Steady {
        let of = &self.steady;
        Steady {
            from_ns: self.steady_ns.0,
            to_ns: self.steady_ns.1,
            settled: of.settled,
            dispatched: of.dispatched,
            sent: of.sent,
            completed: of.completed,
            shed: named(&of.shed),
            errors: named(&of.errors),
            status: named(&of.status),
            bytes: of.bytes,
            lag_us: of.waited.lag.quantiles(),
            held_us: of.waited.held.quantiles(),
            busy_us: of.waited.busy.quantiles(),
            connect_us: of.waited.connect.quantiles(),
            response_us: of.times.response.quantiles(),
            service_us: of.times.service.quantiles(),
            first_byte_us: of.times.first_byte.quantiles(),
            classes: of.classes(),
        }
    }

    fn fidelity(&self) -> Fidelity {
        #[expect(clippy::cast_precision_loss, reason = "a share, read to a few digits")]
        let share = |part: u64| part as f64 / self.whole.dispatched.max(1) as f64;
        #[expect(clippy::cast_precision_loss, reason = "a resolution of a few microseconds")]
        let gap_resolution_us = self.gap.1 as f64 / 1_000.0;
        Fidelity {
            late_1ms: self.late.by_1ms,
            late_10ms: self.late.by_10ms,
            late_1ms_share: share(self.late.by_1ms),
            late_10ms_share: share(self.late.by_10ms),
            moved_10ms: self.moved.by_10ms,
            moved_100ms: self.moved.by_100ms,
            moved_1s: self.moved.by_1s,
            l1_10ms: share(self.moved.by_10ms),
            l1_100ms: share(self.moved.by_100ms),
            l1_1s: share(self.moved.by_1s),
            gap_ks: self.gap.0,
            gap_resolution_us,
            gap_left_out: self.gap.2,
        }
    }

    /// Rows by endpoint, most requests first.
    fn endpoints(&self, names: &[String]) -> Vec<Endpoint> {
        let counts = self.whole.endpoints.iter().zip(&self.steady.endpoints);
        let mut rows: Vec<Endpoint> = (0..)
            .zip(self.planned.iter().zip(names).zip(counts))
            .filter(|(_, ((planned, _), (whole, _)))| planned.planned > 0 || whole.completed > 0 || whole.errors > 0)
            .map(|(index, ((planned, name), (whole, steady)))| Endpoint {
                index,
                endpoint: name.clone(),
                planned: planned.planned,
                completed: whole.completed,
                errors: whole.errors,
                status: named(&whole.status),
                lag_us: whole.lag.quantiles(),
                response_us: whole.times.response.quantiles(),
                service_us: whole.times.service.quantiles(),
                first_byte_us: whole.times.first_byte.quantiles(),
                recorded_response_us: planned.recorded.quantiles(),
                slowest: Vec::new(),
                steady: EndpointSteady {
                    completed: steady.completed,
                    errors: steady.errors,
                    status: named(&steady.status),
                    lag_us: steady.lag.quantiles(),
                    response_us: steady.times.response.quantiles(),
                    service_us: steady.times.service.quantiles(),
                    first_byte_us: steady.times.first_byte.quantiles(),
                },
            })
            .collect();
        rows.sort_by(|a, b| b.planned.cmp(&a.planned).then_with(|| a.endpoint.cmp(&b.endpoint)));
        rows
    }

    /// Every histogram with the tag that it has in `histograms.hlog`; empty ones are left out.
    pub fn histograms(&self, mut each: impl FnMut(&str, &Distribution) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut every = |tag: &str, one: &Distribution| if one.count() > 0 { each(tag, one) } else { Ok(()) };
        for (window, tally) in [("whole", &self.whole), ("steady", &self.steady)] {
            let Waited { lag, held, busy, connect } = &tally.waited;
            for (name, one) in [("lag", lag), ("held", held), ("busy", busy), ("connect", connect)] {
                every(&format!("{window}/{name}"), one)?;
            }
            let mut answered = |times: &Answered, suffix: &str| -> std::io::Result<()> {
                every(&format!("{window}/response{suffix}"), &times.response)?;
                every(&format!("{window}/service{suffix}"), &times.service)?;
                every(&format!("{window}/first_byte{suffix}"), &times.first_byte)
            };
            answered(&tally.times, "")?;
            for (name, times) in CLASSES.iter().zip(&tally.classes) {
                answered(times, &format!("/class/{name}"))?;
            }
            for (index, row) in tally.endpoints.iter().enumerate() {
                answered(&row.times, &format!("/endpoint/{index}"))?;
            }
            for (index, row) in tally.endpoints.iter().enumerate() {
                every(&format!("{window}/lag/endpoint/{index}"), &row.lag)?;
            }
        }
        for (index, row) in self.planned.iter().enumerate() {
            every(&format!("plan/recorded/endpoint/{index}"), &row.recorded)?;
        }
        Ok(())
    }

    /// The histogram of a tag, `None` for one that is not written by [`Self::histograms`].
    pub fn histogram(&mut self, tag: &str) -> Option<&mut Distribution> {
        let mut parts = tag.split('/');
        let (window, name) = (parts.next()?, parts.next()?);
        let (kind, which) = (parts.next(), parts.next());
        let index = || which.and_then(|which| which.parse::<usize>().ok());
        let tally = match window {
            "whole" => &mut self.whole,
            "steady" => &mut self.steady,
            "plan" if (name, kind) == ("recorded", Some("endpoint")) => {
                return self.planned.get_mut(index()?).map(|row| &mut row.recorded);
            }
            _ => return None,
        };
        let times = match (kind, name) {
            (None, "lag") => return Some(&mut tally.waited.lag),
            (None, "held") => return Some(&mut tally.waited.held),
            (None, "busy") => return Some(&mut tally.waited.busy),
            (None, "connect") => return Some(&mut tally.waited.connect),
            (None, _) => &mut tally.times,
            (Some("class"), _) => {
                let place = CLASSES.iter().position(|class| Some(*class) == which)?;
                tally.classes.get_mut(place)?
            }
            (Some("endpoint"), "lag") => return tally.endpoints.get_mut(index()?).map(|row| &mut row.lag),
            (Some("endpoint"), _) => tally.endpoints.get_mut(index()?).map(|row| &mut row.times)?,
            _ => return None,
        };
        match name {
            "response" => Some(&mut times.response),
            "service" => Some(&mut times.service),
            "first_byte" => Some(&mut times.first_byte),
            _ => None,
        }
    }
}

fn named<K: ToString>(counts: &BTreeMap<K, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(key, count)| (key.to_string(), *count)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn ratio(count: u64, over_s: f64) -> f64 {
    if over_s > 0.0 { count as f64 / over_s } else { 0.0 }
}
