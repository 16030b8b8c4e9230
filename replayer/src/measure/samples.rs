//! The few requests that a run names: the slowest, overall and of each endpoint, and some of each kind of failure.
//!
//! Lists are bounded, and what is in them depends on the requests alone and not on the order in which they ended, so that
//! the lists of shards add up to those of the whole. A request that gets into none costs two comparisons.

use std::collections::BTreeMap;

use super::counted::Word;
use crate::contexts::hex;
use crate::job::Job;
use crate::result::samples::ErrorSamples;
use crate::result::{RunResult, add_to, samples};

/// The slowest requests that are kept.
const SLOWEST_MAX: usize = 50;
/// The slowest of each endpoint.
const SLOWEST_OF_ENDPOINT_MAX: usize = 3;
/// Failures of each kind.
const FAILURES_OF_KIND_MAX: usize = 5;
/// From this status on an answer is a failure, unless the recording has the same there.
const FAILED_STATUS: u16 = 400;

/// A request.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    position: u64,
    session: u32,
    seq: u64,
    copy: u32,
    endpoint: u32,
    due_ns: u64,
    response_ns: u64,
    service_ns: Option<u64>,
    status: Option<u16>,
    recorded_status: Option<u16>,
    error: Option<Word>,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

/// Lower is kept; the second part, the position in the plan, is no other request's.
type Rank = (u64, u64);

/// Requests of the lowest ranks, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
struct Lowest(Vec<(Rank, Sample)>);

impl Lowest {
    fn offer(&mut self, most: usize, rank: Rank, sample: impl FnOnce() -> Sample) {
        if self.0.len() >= most && self.0.last().is_some_and(|(last, _)| *last <= rank) {
            return;
        }
        let at = self.0.partition_point(|(other, _)| *other <= rank);
        self.0.insert(at, (rank, sample()));
        self.0.truncate(most);
    }

    fn add(&mut self, most: usize, other: &Self) {
        other.0.iter().for_each(|(rank, sample)| self.offer(most, *rank, || sample.clone()));
    }

    fn samples_mut(&mut self) -> impl Iterator<Item = &mut Sample> {
        self.0.iter_mut().map(|(_, sample)| sample)
    }

    fn named(&self, names: &[String]) -> Vec<samples::Sample> {
        self.0.iter().map(|(_, sample)| sample.named(names)).collect()
    }
}

/// How a request failed. An answer has a status, whose name is text only when it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Error(Word),
    Status(u16),
}

#[derive(Debug, Clone, PartialEq)]
struct Failures {
    count: u64,
    first_ns: u64,
    last_ns: u64,
    some: Lowest,
}

impl Default for Failures {
    fn default() -> Self {
        Self { count: 0, first_ns: u64::MAX, last_ns: 0, some: Lowest::default() }
    }
}

/// The requests that are named. At most 15 kinds of error and 600 statuses are told apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    slowest: Lowest,
    endpoints: Vec<Lowest>,
    failures: BTreeMap<Kind, Failures>,
}

impl Samples {
    pub(super) fn new(endpoints: usize) -> Self {
        Self { endpoints: vec![Lowest::default(); endpoints], ..Self::default() }
    }

    /// Looks at a request that was not shed.
    pub(super) fn take(&mut self, job: &Job, response_ns: u64, service_ns: Option<u64>) {
        let (facts, end) = (&job.facts, &job.progress);
        let sample = || Sample::of(job, response_ns, service_ns);
        let slow = (u64::MAX - response_ns, facts.position);
        self.slowest.offer(SLOWEST_MAX, slow, sample);
        if let Some(endpoint) = self.endpoints.get_mut(facts.endpoint as usize) {
            endpoint.offer(SLOWEST_OF_ENDPOINT_MAX, slow, sample);
        }
        let kind = match (end.error, end.status) {
            (Some(error), _) => Kind::Error(error.name().into()),
            (None, Some(status)) if status >= FAILED_STATUS && facts.status != Some(status) => Kind::Status(status),
            _ => return,
        };
        let failures = self.failures.entry(kind).or_default();
        failures.count += 1;
        failures.first_ns = failures.first_ns.min(end.done_ns);
        failures.last_ns = failures.last_ns.max(end.done_ns);
        failures.some.offer(FAILURES_OF_KIND_MAX, even(facts.position), sample);
    }

    /// Notes that the span of the request at this place of the plan is exported although its trace is not sampled.
    pub(super) fn kept_at_end(&mut self, position: u64) {
        let lists = std::iter::once(&mut self.slowest).chain(&mut self.endpoints);
        let lists = lists.chain(self.failures.values_mut().map(|failures| &mut failures.some));
        let own = lists.flat_map(Lowest::samples_mut).filter(|sample| sample.position == position);
        own.for_each(|sample| sample.sampled = true);
    }

    /// Adds what another part of the same run names.
    pub fn add(&mut self, other: &Self) {
        self.slowest.add(SLOWEST_MAX, &other.slowest);
        if self.endpoints.len() < other.endpoints.len() {
            self.endpoints.resize_with(other.endpoints.len(), Lowest::default);
        }
        let pairs = self.endpoints.iter_mut().zip(&other.endpoints);
        pairs.for_each(|(own, other)| own.add(SLOWEST_OF_ENDPOINT_MAX, other));
        for (kind, more) in &other.failures {
            let own = self.failures.entry(kind.clone()).or_default();
            add_to(&mut own.count, more.count);
            own.first_ns = own.first_ns.min(more.first_ns);
            own.last_ns = own.last_ns.max(more.last_ns);
            own.some.add(FAILURES_OF_KIND_MAX, &more.some);
        }
    }

    /// Writes them into a result, whose endpoints are there already.
    pub(super) fn fill(&self, names: &[String], result: &mut RunResult) {
        result.slowest = self.slowest.named(names);
        for row in &mut result.endpoints {
            row.slowest = self.endpoints.get(row.index as usize).map(|of| of.named(names)).unwrap_or_default();
        }
        let failures = self.failures.iter().map(|(kind, of)| {
            let kind = match kind {
                Kind::Error(word) => word.to_string(),
                Kind::Status(status) => status.to_string(),
            };
            let (count, first_ns, last_ns) = (of.count, of.first_ns, of.last_ns);
            (kind, ErrorSamples { count, first_ns, last_ns, samples: of.some.named(names) })
        });
        result.error_samples = failures.collect();
    }

    /// Takes over what stands in a result; `None` if nothing here writes such a one.
    #[must_use]
    pub fn of(result: &RunResult, endpoints: usize) -> Option<Self> {
        let indices: BTreeMap<&str, u32> =
            result.endpoints.iter().map(|row| (row.endpoint.as_str(), row.index)).collect();
        let mut all = Self::new(endpoints);
        let slow = |into: &mut Lowest, most: usize, from: &[samples::Sample]| {
            from.iter().try_for_each(|sample| {
                let sample = Sample::read(sample, &indices)?;
                into.offer(most, (u64::MAX - sample.response_ns, sample.position), || sample);
                Some(())
            })
        };
        slow(&mut all.slowest, SLOWEST_MAX, &result.slowest)?;
        for row in &result.endpoints {
            slow(all.endpoints.get_mut(row.index as usize)?, SLOWEST_OF_ENDPOINT_MAX, &row.slowest)?;
        }
        for (name, of) in &result.error_samples {
            let kind = name.parse().map_or_else(|_| Kind::Error(name.clone().into()), Kind::Status);
            let mut some = Lowest::default();
            for sample in &of.samples {
                let sample = Sample::read(sample, &indices)?;
                some.offer(FAILURES_OF_KIND_MAX, even(sample.position), || sample);
            }
            all.failures.insert(kind, Failures { count: of.count, first_ns: of.first_ns, last_ns: of.last_ns, some });
        }
        Some(all)
    }
}

impl Sample {
    fn of(job: &Job, response_ns: u64, service_ns: Option<u64>) -> Self {
        let (facts, end) = (&job.facts, &job.progress);
        Self {
            position: facts.position,
            session: facts.session,
            seq: facts.seq,
            copy: facts.copy,
            endpoint: facts.endpoint,
            due_ns: job.due_ns,
            response_ns,
            service_ns,
            status: end.status,
            recorded_status: facts.status,
            error: end.error.map(|kind| kind.name().into()),
            trace_id: job.fresh.trace_id,
            span_id: job.fresh.span_id,
            sampled: job.fresh.is_sampled,
        }
    }

    fn named(&self, names: &[String]) -> samples::Sample {
        samples::Sample {
            position: self.position,
            session: self.session,
            seq: self.seq,
            copy: self.copy,
            endpoint: names.get(self.endpoint as usize).cloned().unwrap_or_default(),
            due_ns: self.due_ns,
            response_us: micros(self.response_ns),
            service_us: self.service_ns.map(micros),
            status: self.status,
            recorded_status: self.recorded_status,
            error: self.error.as_deref().map(str::to_owned),
            trace_id: hex(&self.trace_id),
            span_id: hex(&self.span_id),
            sampled: self.sampled,
        }
    }

    fn read(from: &samples::Sample, indices: &BTreeMap<&str, u32>) -> Option<Self> {
        Some(Self {
            position: from.position,
            session: from.session,
            seq: from.seq,
            copy: from.copy,
            endpoint: *indices.get(from.endpoint.as_str())?,
            due_ns: from.due_ns,
            response_ns: nanos(from.response_us),
            service_ns: from.service_us.map(nanos),
            status: from.status,
            recorded_status: from.recorded_status,
            error: from.error.clone().map(Into::into),
            trace_id: unhex(&from.trace_id)?,
            span_id: unhex(&from.span_id)?,
            sampled: from.sampled,
        })
    }
}

/// A rank that draws evenly from all places of the plan: its place, mixed (the finaliser of SplitMix64; Steele, Lea and
/// Flood, OOPSLA 2014).
fn even(position: u64) -> Rank {
    let mixed = (position ^ (position >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31), position)
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = 16 * digit(*high)? + digit(*low)?;
    }
    Some(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^53 ns")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what micros() made, saturating")]
fn nanos(us: f64) -> u64 {
    (us * 1_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::ErrorKind;
    use crate::job::tests::job;
    use crate::result::Endpoint;

    const REQUESTS: u64 = 400;

    /// A request of this place in the plan: every third fails, every fourth is answered with 404, as every eighth was.
    fn take(samples: &mut Samples, position: u64) {
        let mut job = job(position * 1_000, 0, b"GET / HTTP/1.1\r\n\r\n");
        (job.facts.position, job.facts.endpoint) = (position, u32::try_from(position % 2).unwrap());
        job.facts.status = Some(if position.is_multiple_of(8) { 404 } else { 200 });
        job.progress.done_ns = position * 1_000 + 7;
        job.fresh.is_sampled = position.is_multiple_of(5);
        match position {
            position if position.is_multiple_of(3) => job.progress.error = Some(ErrorKind::Timeout),
            position if position.is_multiple_of(4) => job.progress.status = Some(404),
            _ => job.progress.status = Some(200),
        }
        // Many take as long as others.
        samples.take(&job, position % 37 * 1_000, Some(position));
    }

    fn result(samples: &Samples) -> RunResult {
        let row = |index: u32| Endpoint { index, endpoint: format!("GET /{index}"), ..Endpoint::default() };
        let mut result = RunResult { endpoints: vec![row(0), row(1)], ..RunResult::default() };
        samples.fill(&["GET /0".to_owned(), "GET /1".to_owned()], &mut result);
        result
    }

    #[test]
    fn whatever_the_order_and_the_parts_the_same_are_named() {
        let mut whole = Samples::new(2);
        (0..REQUESTS).for_each(|position| take(&mut whole, position));
        let (mut early, mut late) = (Samples::new(2), Samples::new(2));
        (0..REQUESTS).rev().for_each(|position| take(if position % 7 < 3 { &mut early } else { &mut late }, position));
        let mut read = Samples::of(&result(&late), 2).unwrap();
        read.add(&Samples::of(&result(&early), 2).unwrap());
        assert_eq!(read, whole);
        let result = result(&whole);
        assert_eq!((result.slowest.len(), result.endpoints[1].slowest.len()), (SLOWEST_MAX, SLOWEST_OF_ENDPOINT_MAX));
        assert!(result.slowest.iter().is_sorted_by(|a, b| a.response_us >= b.response_us));
        let failed = |kind: &str| {
            let of = &result.error_samples[kind];
            (of.count, of.samples.len(), of.first_ns, of.last_ns)
        };
        assert_eq!(failed("timeout"), (134, FAILURES_OF_KIND_MAX, 7, 399_007));
        // Of the answers with 404 those that the recording has, too, are no failures.
        let unexpected = (0..REQUESTS).filter(|at| !at.is_multiple_of(3) && at % 8 == 4);
        assert_eq!(failed("404").0, unexpected.count() as u64);
    }

    #[test]
    fn what_is_kept_at_its_end_leads_to_a_trace() {
        let mut samples = Samples::new(2);
        (0..REQUESTS).for_each(|position| take(&mut samples, position));
        let sampled = |samples: &Samples, position| {
            let result = result(samples);
            result.slowest.iter().find(|sample| sample.position == position).map(|sample| sample.sampled)
        };
        assert_eq!(sampled(&samples, 36), Some(false));
        samples.kept_at_end(36);
        assert_eq!((sampled(&samples, 36), sampled(&samples, 73)), (Some(true), Some(false)));
    }

    #[test]
    fn what_nothing_here_writes_is_not_taken_over() {
        let mut whole = Samples::new(2);
        (0..REQUESTS).for_each(|position| take(&mut whole, position));
        let with = |change: fn(&mut RunResult)| {
            let mut result = result(&whole);
            change(&mut result);
            Samples::of(&result, 2)
        };
        assert!(with(|result| result.slowest[0].trace_id = "é".repeat(16)).is_none());
        assert!(with(|result| result.slowest[0].span_id.truncate(15)).is_none());
        assert!(with(|result| result.slowest[0].endpoint = "GET /other".into()).is_none());
        assert!(with(|result| result.slowest[0].response_us = f64::NAN).is_some());
    }
}
