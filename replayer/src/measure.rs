//! Counting what became of the requests: HDR histograms overall, by endpoint and by second.
//!
//! Nothing is averaged and nothing is left out: a request that failed counts with its full age.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::job::Job;
use crate::result::{Bytes, Endpoint, Quantiles, Second};
use crate::spool::Summary;

/// Significant digits of every histogram.
const DIGITS: u8 = 3;
/// Largest value that is told apart: an hour, in nanoseconds.
const VALUE_NS_MAX: u64 = 3_600_000_000_000;
/// Seconds whose histograms are kept open beyond the longest possible answer.
const OPEN_SECONDS_MARGIN: u64 = 2;

/// A distribution of nanoseconds.
pub struct Distribution(Histogram<u32>);

impl Distribution {
    /// An empty one; it grows with its largest value.
    #[must_use]
    pub fn new() -> Self {
        // Three digits are within what the library accepts; it says so by its type only at run time.
        Self(Histogram::new(DIGITS).unwrap_or_else(|_| Self::smallest()))
    }

    #[expect(clippy::expect_used, reason = "one digit is the least that the library accepts")]
    fn smallest() -> Histogram<u32> {
        Histogram::new(1).expect("one significant digit")
    }

    /// Counts a value.
    pub fn record(&mut self, nanos: u64) {
        // In range by the clamp, and the histogram resizes itself.
        let _ = self.0.record(nanos.clamp(1, VALUE_NS_MAX));
    }

    /// Quantiles in microseconds.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        if self.0.is_empty() {
            return Quantiles::default();
        }
        let us = |quantile: f64| micros(self.0.value_at_quantile(quantile));
        Quantiles {
            count: self.0.len(),
            p50: us(0.5),
            p90: us(0.9),
            p99: us(0.99),
            p999: us(0.999),
            max: micros(self.0.max()),
        }
    }

    /// The histogram itself, for the interval log.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u32> {
        &self.0
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_precision_loss, reason = "an hour of nanoseconds is far below 2^53")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

/// Response, service time and lag together.
#[derive(Default)]
pub struct Times {
    /// done − due
    pub response: Distribution,
    /// done − dispatched
    pub service: Distribution,
    /// dispatched − released
    pub lag: Distribution,
}

/// A second whose numbers no longer change.
pub struct ClosedSecond {
    /// Which one, counted from due instant 0.
    pub second: u64,
    /// Its distributions.
    pub times: Times,
}

/// Everything that is counted during a run.
pub struct Measure {
    /// Over the whole run.
    pub times: Times,
    /// Rows by endpoint index.
    pub endpoints: Vec<EndpointCount>,
    /// Rows by second.
    pub seconds: Vec<Second>,
    /// Requests of which a byte was taken by the kernel.
    pub sent: u64,
    /// Whole answers.
    pub completed: u64,
    /// By kind.
    pub errors: BTreeMap<String, u64>,
    /// By reason.
    pub shed: BTreeMap<String, u64>,
    /// By code.
    pub status: BTreeMap<String, u64>,
    /// On the wire.
    pub bytes: Bytes,
    /// Answers that were 2xx in the recording, and how many of these are now 401, 403 or a redirect to a login.
    pub recorded_2xx: u64,
    /// See above.
    pub turned_away: u64,
    /// Latest end of an answer.
    pub last_done_ns: u64,
    /// Latest dispatch.
    pub last_dispatched_ns: u64,
    open: BTreeMap<u64, Times>,
    open_seconds: u64,
}

/// What is counted for one endpoint.
#[derive(Default)]
pub struct EndpointCount {
    planned: u64,
    completed: u64,
    errors: u64,
    status: BTreeMap<String, u64>,
    response: Distribution,
    service: Distribution,
    recorded: Distribution,
}

impl Measure {
    /// For a run with `endpoints` endpoints in which no answer takes longer than `timeout_ns`.
    #[must_use]
    pub fn new(endpoints: usize, timeout_ns: u64) -> Self {
        Self {
            times: Times::default(),
            endpoints: (0..endpoints).map(|_| EndpointCount::default()).collect(),
            seconds: Vec::new(),
            sent: 0,
            completed: 0,
            errors: BTreeMap::new(),
            shed: BTreeMap::new(),
            status: BTreeMap::new(),
            bytes: Bytes::default(),
            recorded_2xx: 0,
            turned_away: 0,
            last_done_ns: 0,
            last_dispatched_ns: 0,
            open: BTreeMap::new(),
            open_seconds: timeout_ns / 1_000_000_000 + OPEN_SECONDS_MARGIN,
        }
    }

    /// Takes over what the plan holds, before the run.
    pub fn planned(&mut self, summary: &mut Summary) {
        for (second, count) in (0..).zip(&summary.seconds) {
            self.second(second).planned = *count;
        }
        for (row, plan) in self.endpoints.iter_mut().zip(&mut summary.endpoints) {
            row.planned = plan.planned;
            row.recorded = std::mem::take(&mut plan.response);
        }
    }

    /// Counts an outcome.
    pub fn take(&mut self, job: &Job) {
        let (outcome, endpoint, recorded_status) = (&job.progress, job.facts.endpoint, job.facts.status);
        self.last_done_ns = self.last_done_ns.max(outcome.done_ns);
        self.bytes.sent += outcome.bytes_out;
        self.bytes.received += outcome.bytes_in;
        self.sent += u64::from(outcome.bytes_out > 0);
        if let Some(reason) = outcome.shed {
            *self.shed.entry(reason.name().to_owned()).or_default() += 1;
            return;
        }
        let done_second = outcome.done_ns / 1_000_000_000;
        let response = outcome.done_ns.saturating_sub(job.due_ns);
        let service = outcome.dispatched_ns.map(|dispatched| outcome.done_ns.saturating_sub(dispatched));
        let lag = outcome.dispatched_ns.map(|dispatched| (dispatched, dispatched.saturating_sub(job.due_ns)));

        self.times.response.record(response);
        let open = self.open.entry(done_second).or_default();
        open.response.record(response);
        if let Some(service) = service {
            self.times.service.record(service);
            open.service.record(service);
        }
        if let Some((dispatched, lag)) = lag {
            self.times.lag.record(lag);
            self.last_dispatched_ns = self.last_dispatched_ns.max(dispatched);
            self.open.entry(dispatched / 1_000_000_000).or_default().lag.record(lag);
            self.second(dispatched / 1_000_000_000).sent += 1;
        }
        let second = self.second(done_second);
        match outcome.error {
            None => second.completed += 1,
            Some(_) => second.errors += 1,
        }
        let status = outcome.status.map(|status| status.to_string());
        if let Some(row) = self.endpoints.get_mut(endpoint as usize) {
            row.response.record(response);
            if let Some(service) = service {
                row.service.record(service);
            }
            match outcome.error {
                None => row.completed += 1,
                Some(_) => row.errors += 1,
            }
            if let Some(status) = &status {
                *row.status.entry(status.clone()).or_default() += 1;
            }
        }
        match outcome.error {
            None => self.completed += 1,
            Some(kind) => *self.errors.entry(kind.name().to_owned()).or_default() += 1,
        }
        if let Some(status) = status {
            *self.status.entry(status).or_default() += 1;
        }
        if recorded_status.is_some_and(|status| (200..300).contains(&status)) && outcome.status.is_some() {
            self.recorded_2xx += 1;
            self.turned_away += u64::from(matches!(outcome.status, Some(401 | 403)) || outcome.login);
        }
    }

    /// Seconds that can no longer change at `now_ns`; all of them at the end (`u64::MAX`).
    pub fn close_seconds(&mut self, now_ns: u64) -> Vec<ClosedSecond> {
        let limit = (now_ns / 1_000_000_000).saturating_sub(if now_ns == u64::MAX { 0 } else { self.open_seconds });
        let still_open = self.open.split_off(&limit);
        let closed = std::mem::replace(&mut self.open, still_open);
        let mut out = Vec::with_capacity(closed.len());
        for (second, times) in closed {
            let row = self.second(second);
            row.response_us = times.response.quantiles();
            row.lag_us = times.lag.quantiles();
            out.push(ClosedSecond { second, times });
        }
        out
    }

    /// Rows by endpoint, most requests first.
    #[must_use]
    pub fn endpoint_rows(&self, names: &[String]) -> Vec<Endpoint> {
        let mut rows: Vec<Endpoint> = self
            .endpoints
            .iter()
            .zip(names)
            .filter(|(row, _)| row.planned > 0)
            .map(|(row, name)| Endpoint {
                endpoint: name.clone(),
                planned: row.planned,
                completed: row.completed,
                errors: row.errors,
                status: row.status.clone(),
                response_us: row.response.quantiles(),
                service_us: row.service.quantiles(),
                recorded_response_us: row.recorded.quantiles(),
            })
            .collect();
        rows.sort_by(|a, b| b.planned.cmp(&a.planned).then_with(|| a.endpoint.cmp(&b.endpoint)));
        rows
    }

    /// The recording's response times over everything that was planned.
    #[must_use]
    pub fn recorded(&self) -> Quantiles {
        let mut all = Distribution::new();
        for row in &self.endpoints {
            // Both grow by themselves, so that nothing is out of range.
            let _ = all.0.add(&row.recorded.0);
        }
        all.quantiles()
    }

    fn second(&mut self, second: u64) -> &mut Second {
        let at = usize::try_from(second).unwrap_or(usize::MAX).min(SECONDS_MAX);
        while self.seconds.len() <= at {
            let t_s = self.seconds.len() as u64;
            self.seconds.push(Second { t_s, ..Second::default() });
        }
        #[expect(clippy::indexing_slicing, reason = "the loop above made the row")]
        &mut self.seconds[at]
    }
}

/// Rows of the timeline: a month. What comes later counts into the last row.
const SECONDS_MAX: usize = 31 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::job;
    use crate::job::{ErrorKind, Progress, Shed};

    const MS: u64 = 1_000_000;

    fn outcome(due_ms: u64, dispatched_ms: Option<u64>, done_ms: u64) -> Job {
        let mut job = job(due_ms * MS, 0, b"GET / HTTP/1.1\r\n\r\n");
        job.progress = Progress {
            released_ns: due_ms * MS,
            dispatched_ns: dispatched_ms.map(|ms| ms * MS),
            done_ns: done_ms * MS,
            status: Some(200),
            bytes_in: 10,
            bytes_out: 5,
            ..Progress::default()
        };
        *job
    }

    fn with(mut job: Job, change: impl FnOnce(&mut Progress)) -> Job {
        change(&mut job.progress);
        job
    }

    fn close_to(got: f64, expected_ms: f64) {
        assert!((got / 1_000.0 - expected_ms).abs() <= expected_ms * 0.002, "{got} µs is not {expected_ms} ms");
    }

    #[test]
    fn a_failure_counts_with_its_full_age() {
        let mut measure = Measure::new(1, 1_000 * MS);
        let failed = with(outcome(100, Some(110), 30_100), |one| {
            (one.error, one.status) = (Some(ErrorKind::Timeout), None);
        });
        measure.take(&outcome(0, Some(5), 20));
        measure.take(&failed);
        let response = measure.times.response.quantiles();
        assert_eq!((response.count, measure.completed, measure.errors.get("timeout")), (2, 1, Some(&1)));
        close_to(response.max, 30_000.0);
        close_to(measure.times.service.quantiles().max, 29_990.0);
        close_to(measure.times.lag.quantiles().max, 10.0);
    }

    #[test]
    fn what_was_shed_is_counted_apart() {
        let mut measure = Measure::new(1, MS);
        measure.take(&with(outcome(0, None, 0), |one| (one.shed, one.bytes_out) = (Some(Shed::MaxInFlight), 0)));
        assert_eq!((measure.shed.get("max_in_flight"), measure.times.response.quantiles().count), (Some(&1), 0));
    }

    #[test]
    fn seconds_count_by_their_own_instants_and_close_when_nothing_can_come() {
        let mut measure = Measure::new(1, 5_000 * MS);
        let mut summary = Summary::default();
        summary.plan(0, 900 * MS, Some(7 * MS));
        measure.planned(&mut summary);
        measure.take(&outcome(900, Some(1_100), 2_200));
        let row = |measure: &Measure, at: usize| {
            let second = measure.seconds[at];
            (second.planned, second.sent, second.completed)
        };
        assert_eq!([row(&measure, 0), row(&measure, 1), row(&measure, 2)], [(1, 0, 0), (0, 1, 0), (0, 0, 1)]);
        assert_eq!((measure.last_dispatched_ns, measure.last_done_ns), (1_100 * MS, 2_200 * MS));
        assert!(measure.close_seconds(7_900 * MS).is_empty());
        let closed: Vec<u64> = measure.close_seconds(9_000 * MS).iter().map(|one| one.second).collect();
        assert_eq!(closed, [1]);
        close_to(measure.seconds[1].lag_us.p50, 200.0);
        assert_eq!(measure.close_seconds(u64::MAX).len(), 1);
        close_to(measure.seconds[2].response_us.p50, 1_300.0);
        close_to(measure.recorded().p50, 7.0);
    }

    #[test]
    fn answers_that_turn_a_replay_away_are_noticed() {
        let mut measure = Measure::new(1, MS);
        for (recorded, status, login) in [
            (Some(200), 401, false),
            (Some(204), 302, true),
            (Some(200), 302, false),
            (Some(401), 401, false),
            (Some(200), 200, false),
        ] {
            let mut job = with(outcome(0, Some(0), 1), |one| (one.status, one.login) = (Some(status), login));
            job.facts.status = recorded;
            measure.take(&job);
        }
        assert_eq!((measure.recorded_2xx, measure.turned_away), (4, 2));
    }
}
