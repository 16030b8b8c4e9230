//! What is counted where, when it is final, and that it is bounded.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use proptest::prelude::*;

use super::executed::{Gaps, MoveCount};
use super::*;
use crate::job::tests::job;
use crate::job::{ErrorKind, Shed};
use crate::result::{Fidelity, Quantiles, RunResult, Second};

const MS: u64 = 1_000_000;
const OPTIONS: MeasureOptions = MeasureOptions {
    endpoints: 1,
    timeout_ns: 5_000 * MS,
    steady: Window::ALL,
    loop_model: LoopModel::Open,
    limits: LagLimit { strained_ns: 10 * MS, invalid_ns: 100 * MS },
};

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

fn close_to(us: f64, expected: f64) {
    assert!((us - expected).abs() <= expected * 0.001 + 0.001, "{us} is not {expected}");
}

fn ended(mut measure: Measure) -> RunResult {
    measure.close(u64::MAX);
    let mut result = RunResult::default();
    measure.finish().fill(&["GET /".to_owned()], &mut result);
    result
}

/// An interval log with a line of its first second for each of these tags, which counts as much as a file can say.
pub(crate) fn log_of_largest_counts<const N: usize>(tags: [&str; N]) -> String {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    // In a file a count has a sign: three of them are more than fits into one in memory.
    [1_000, 2_000, 3_000].into_iter().for_each(|value| histogram.record_n(value, i64::MAX.unsigned_abs()).unwrap());
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
    let text = STANDARD.encode(bytes);
    tags.iter().map(|tag| format!("Tag={tag},0.000,1.000,0.003,{text}\n")).collect()
}

fn counted(options: MeasureOptions, jobs: &[Job]) -> RunResult {
    let mut measure = Measure::new(options);
    jobs.iter().for_each(|job| measure.take(job));
    ended(measure)
}

#[test]
fn response_counts_from_due_and_lag_from_released() {
    let result = counted(OPTIONS, &[with(outcome(100, Some(130), 180), |one| one.first_byte_ns = Some(150 * MS))]);
    for (us, expected) in [
        (result.response_us.p50, 80_000.0),
        (result.service_us.p50, 50_000.0),
        (result.first_byte_us.p50, 20_000.0),
        (result.lag_us.p50, 30_000.0),
        (result.classes["2xx"].response_us.max, 80_000.0),
        (result.endpoints[0].first_byte_us.max, 20_000.0),
    ] {
        close_to(us, expected);
    }
    assert_eq!((result.held_us.count, result.busy_us.count), (0, 0));
}

#[test]
fn held_and_busy_are_no_lag() {
    let held = with(outcome(100, Some(301), 400), |one| {
        (one.released_ns, one.held_by_seq, one.busy_ns) = (300 * MS, Some(7), 40 * MS);
    });
    let open = counted(OPTIONS, &[with(held, |_| ())]);
    close_to(open.lag_us.max, 1_000.0);
    close_to(open.held_us.max, 200_000.0);
    close_to(open.busy_us.max, 40_000.0);
    close_to(open.response_us.max, 300_000.0);
    assert_eq!((open.fidelity.late_1ms, open.fidelity.late_10ms), (0, 0), "1 ms is not over 1 ms");
    for loop_model in [LoopModel::Causal, LoopModel::Closed] {
        let job = with(outcome(100, Some(301), 400), |one| one.released_ns = 300 * MS);
        close_to(counted(MeasureOptions { loop_model, ..OPTIONS }, &[job]).response_us.max, 100_000.0);
    }
}

#[test]
fn waiting_for_a_connection_to_be_made_is_no_lag_and_is_part_of_the_response_time() {
    let slow = |lag_ms: u64| with(outcome(100, Some(2_100 + lag_ms), 2_200), |one| one.connect_ns = 2_000 * MS);
    let refused = with(outcome(100, None, 500), |one| {
        (one.status, one.error, one.connect_ns, one.bytes_out) = (None, Some(ErrorKind::Refused), 400 * MS, 0);
    });
    let result = counted(OPTIONS, &[slow(0), refused]);
    assert_eq!((result.lag_us.count, result.connect_us.count), (1, 2));
    assert!(result.lag_us.max <= 0.001, "the smallest time that is counted: {:?}", result.lag_us);
    close_to(result.connect_us.max, 2_000_000.0);
    close_to(result.response_us.max, 2_100_000.0);
    close_to(result.steady.connect_us.max, 2_000_000.0);
    assert_eq!((result.fidelity.late_1ms, result.verdict.late_strained, result.verdict.late_invalid), (0, 0, 0));
    // What the generator took besides is its own.
    let late = counted(OPTIONS, &[slow(50)]);
    close_to(late.lag_us.max, 50_000.0);
    assert_eq!((late.verdict.late_strained, late.verdict.late_invalid), (1, 0));
}

#[test]
fn failures_count_with_their_full_age() {
    let failed = with(outcome(0, Some(10), 30_000), |one| (one.status, one.error) = (None, Some(ErrorKind::Timeout)));
    let result = counted(OPTIONS, &[failed, outcome(0, Some(0), 1)]);
    assert_eq!((result.completed, result.errors["timeout"], result.response_us.count), (1, 1, 2));
    close_to(result.response_us.max, 30_000_000.0);
    close_to(result.classes["none"].service_us.max, 29_990_000.0);
    assert_eq!((result.endpoints[0].errors, result.endpoints[0].completed), (1, 1));
}

#[test]
fn what_was_shed_is_counted_apart() {
    let shed = with(outcome(0, None, 0), |one| (one.shed, one.bytes_out) = (Some(Shed::MaxInFlight), 0));
    let result = counted(OPTIONS, &[shed]);
    assert_eq!((result.shed["max_in_flight"], result.settled, result.response_us.count), (1, 1, 0));
    assert_eq!((result.dispatched, result.sent, result.completed), (0, 0, 0));
}

#[test]
fn the_steady_window_is_of_due_instants_and_ends_before_its_end() {
    let steady = Window { from_ns: 100 * MS, to_ns: 200 * MS };
    let jobs = [99, 100, 199, 200].map(|due| outcome(due, Some(due + 5), 300));
    let result = counted(MeasureOptions { steady, ..OPTIONS }, &jobs);
    assert_eq!((result.settled, result.completed, result.lag_us.count), (4, 4, 4));
    assert_eq!((result.steady.settled, result.steady.completed, result.steady.lag_us.count), (2, 2, 2));
    assert_eq!((result.endpoints[0].completed, result.endpoints[0].steady.completed), (4, 2));
    assert_eq!((result.steady.from_ns, result.steady.to_ns), (100 * MS, 200 * MS));
    let whole = counted(OPTIONS, &[outcome(7, Some(7), 9)]).steady;
    assert_eq!((whole.from_ns, whole.to_ns), (0, 7 * MS + 1), "without warm-up and drain: the plan");
}

#[test]
fn seconds_count_by_their_own_instants_and_close_when_nothing_can_come() {
    let mut measure = Measure::new(OPTIONS);
    measure.planned_second(0, 1);
    let mut recorded = Distribution::new();
    recorded.record(7 * MS);
    measure.planned_endpoint(0, 1, &recorded);
    measure.take(&outcome(900, Some(1_100), 2_200));
    let rows: Vec<_> = measure.timeline().rows().iter().map(|row| (row.planned, row.sent, row.completed)).collect();
    assert_eq!(rows, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]);
    assert!(measure.close(7_900 * MS).seconds.is_empty());
    let closed: Vec<u64> = measure.close(9_000 * MS).seconds.iter().map(|one| one.second).collect();
    assert_eq!(closed, [1]);
    close_to(measure.timeline().rows()[1].lag_us.p50, 200_000.0);
    assert_eq!(measure.close(u64::MAX).seconds.len(), 1);
    close_to(measure.timeline().rows()[2].response_us.p50, 1_300_000.0);
    let result = ended(measure);
    close_to(result.recorded_response_us.p50, 7_000.0);
    assert_eq!((result.last_ns.due, result.last_ns.dispatched), (900 * MS, 1_100 * MS));
}

#[test]
fn answers_that_turn_a_replay_away_are_noticed() {
    let cases = [(200, 401, false), (204, 302, true), (200, 302, false), (401, 401, false), (200, 200, false)];
    let jobs = cases.map(|(recorded, status, login)| {
        let mut job = with(outcome(0, Some(0), 1), |one| (one.status, one.login) = (Some(status), login));
        job.facts.status = Some(recorded);
        job
    });
    let result = counted(OPTIONS, &jobs);
    assert_eq!((result.recorded_2xx, result.turned_away), (4, 2));
}

#[test]
fn late_is_over_the_limit_and_not_at_it() {
    let jobs = [1, 2, 10, 11, 100, 101].map(|lag| outcome(0, Some(lag), 200));
    let result = counted(OPTIONS, &jobs);
    assert_eq!((result.fidelity.late_1ms, result.fidelity.late_10ms), (5, 3));
    assert_eq!((result.verdict.late_strained, result.verdict.late_invalid), (3, 1));
}

#[test]
fn moves_between_buckets_are_a_distance_from_0_to_2() {
    let fidelity = |pairs: &[(u64, u64)]| -> Fidelity {
        let jobs: Vec<Job> = pairs.iter().map(|(due, sent)| outcome(*due, Some(*sent), 5_000)).collect();
        counted(OPTIONS, &jobs).fidelity
    };
    let l1 = |of: Fidelity| (of.l1_10ms, of.l1_100ms, of.l1_1s);
    assert_eq!(l1(fidelity(&[(0, 9), (10, 19)])), (0.0, 0.0, 0.0));
    assert_eq!(l1(fidelity(&[(0, 10)])), (2.0, 0.0, 0.0));
    assert_eq!(l1(fidelity(&[(0, 10), (10, 20)])), (1.0, 0.0, 0.0), "the middle one is filled by another");
    assert_eq!(l1(fidelity(&[(990, 1_090), (500, 501)])), (1.0, 1.0, 1.0));
}

#[test]
fn moves_are_forgotten_by_second_and_found_again() {
    let mut count = MoveCount::default();
    count.take(5 * MS, 15 * MS);
    assert!(count.closed().is_empty());
    // Past the bound the first second closes; what comes for it later is counted once more on each scale.
    count.take(4_096_000 * MS, 4_096_015 * MS);
    assert_eq!(count.closed(), [Moves { t_s: 0, moves: vec![(0, 1), (1, -1)] }]);
    count.take(25 * MS, 4_096_025 * MS);
    assert_eq!(count.closed(), [Moves { t_s: 0, moves: vec![(2, 1)] }]);
    count.close_all();
    assert_eq!(count.moved, Moved { by_10ms: 2 + 1 + 3, by_100ms: 1 + 1, by_1s: 1 + 1 });
}

#[test]
fn gaps_are_in_the_order_of_instants_whatever_the_order_of_the_ends() {
    let distance = |pairs: &[(u64, u64)]| {
        let mut gaps = Gaps::new(30_000 * MS);
        assert_eq!(gaps.resolution_ns(), 10_000);
        pairs.iter().for_each(|(due, sent)| gaps.take(due * MS, sent * MS));
        gaps.close(u64::MAX);
        gaps.distance()
    };
    assert_eq!(distance(&[(30, 31), (10, 11), (20, 21)]), Some(0.0), "all equally late");
    assert_eq!(distance(&[(10, 30), (20, 30), (30, 30)]), Some(1.0), "gaps of 10 ms became none");
    assert_eq!(distance(&[(0, 0), (10, 10), (20, 21), (30, 31)]).map(|one| (one * 3.0).round()), Some(1.0));
    assert_eq!(distance(&[(10, 10)]), None);
    let mut gaps = Gaps::new(30_000 * MS);
    gaps.close(1_000 * MS);
    gaps.take(999 * MS, 1_001 * MS);
    assert_eq!(gaps.left_out, 1, "its place in the order is over");
}

#[test]
fn the_timeline_is_bounded_and_says_its_width() {
    let mut timeline = Timeline::default();
    for second in [0, 1, ROWS_MAX - 1] {
        timeline.row(second).planned += 1;
    }
    assert_eq!((timeline.width_s(), timeline.rows().len() as u64), (1, ROWS_MAX));
    timeline.row(0).response_us = Quantiles { count: 1, max: 5.0, ..Quantiles::default() };
    timeline.row(1).response_us = Quantiles { count: 2, max: 3.0, ..Quantiles::default() };
    timeline.row(ROWS_MAX).planned += 1;
    assert_eq!((timeline.width_s(), timeline.rows().len() as u64), (2, ROWS_MAX / 2 + 1));
    let first = timeline.rows()[0];
    assert_eq!((first.planned, first.response_us.count, first.response_us.max), (2, 3, 5.0));
    assert_eq!(timeline.rows()[1].t_s, 2);
    timeline.row(u64::MAX).sent += 1;
    assert!(timeline.rows().len() as u64 <= ROWS_MAX);
    assert_eq!(timeline.rows().iter().map(|row: &Second| row.planned).sum::<u64>(), 4);
    assert_eq!(Timeline::of(timeline.width_s(), timeline.rows()), Some(timeline.clone()));
    assert_eq!(Timeline::of(1, &timeline.rows()[1..]), None);
}

#[test]
fn the_librarys_own_reader_reads_the_log() {
    let mut distribution = Distribution::new();
    [5 * MS, 7 * MS, 30_000 * MS].into_iter().for_each(|value| distribution.record(value));
    let mut log = LogWriter::begin(Vec::new(), "test", std::time::UNIX_EPOCH).unwrap();
    log.write("whole/response", 3, 1, &distribution).unwrap();
    let bytes = log.finish().unwrap();
    let intervals: Vec<_> = IntervalLogIterator::new(&bytes).map(Result::unwrap).collect();
    let Some(LogEntry::Interval(interval)) = intervals.last() else { panic!("{intervals:?}") };
    assert_eq!((interval.tag().unwrap().as_str(), interval.start_timestamp().as_secs()), ("whole/response", 3));
    close_to(interval.max(), 30_000.0);
    let line = LogReader::new(&bytes[..]).next().unwrap().unwrap();
    assert_eq!((line.tag.as_str(), line.start_s, line.distribution), ("whole/response", 3, distribution));
    let damaged = String::from_utf8(bytes).unwrap().replace("HIST", "HISX");
    let first = LogReader::new(damaged.as_bytes()).next().unwrap();
    assert!(first.is_err_and(|error| error.to_string().contains("line 5")));
}

/// Bytes of the histograms of endpoints.
fn bytes_of<'a>(tallies: impl IntoIterator<Item = &'a Tally>, planned: &[PlannedEndpoint]) -> usize {
    let mut seen = HashSet::new();
    let rows = tallies.into_iter().flat_map(|tally| &tally.endpoints);
    let answered = rows.flat_map(|row| [&row.times.response, &row.times.service, &row.times.first_byte]);
    answered.chain(planned.iter().map(|row| &row.recorded)).map(|one| one.bytes(&mut seen)).sum()
}

#[test]
fn five_hundred_endpoints_take_less_than_64_mb_while_counting_and_at_the_end() {
    const ENDPOINTS: u32 = 500;
    let mut measure = Measure::new(MeasureOptions { endpoints: ENDPOINTS as usize, ..OPTIONS });
    assert_eq!(bytes_of([&measure.steady, &measure.outside], &measure.planned), 0);
    // 100 µs to 2 s, each doubling as often as the others.
    let mut state = 7_u64;
    let mut latency = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (100_000.0 * 20_000_f64.powf((state >> 40) as f64 / (1 << 24) as f64)) as u64
    };
    for endpoint in 0..ENDPOINTS {
        let mut recorded = Distribution::new();
        for _ in 0..1_000 {
            let mut one = outcome(0, Some(0), 0);
            one.facts.endpoint = endpoint;
            (one.progress.done_ns, one.progress.first_byte_ns) = (latency(), Some(latency()));
            recorded.record(latency());
            measure.take(&one);
        }
        measure.planned_endpoint(endpoint, 1_000, &recorded);
    }
    let counting = bytes_of([&measure.steady, &measure.outside], &measure.planned);
    let counted = measure.finish();
    let at_the_end = bytes_of([&counted.whole, &counted.steady], &counted.planned);
    println!("{counting} bytes while counting, {at_the_end} at the end");
    assert!(counting < 64_000_000 && at_the_end < 64_000_000, "{counting}, {at_the_end}");
}

#[test]
fn sums_that_share_memory_count_on_apart() {
    let mut one = Distribution::new();
    (0..300).for_each(|_| one.record(5 * MS));
    let (mut sum, mut seen) = (Distribution::new(), HashSet::new());
    one.share();
    sum.add(&one);
    assert!(one.bytes(&mut seen) > sum.bytes(&mut seen) && sum == one);
    sum.record(5 * MS);
    one.record_n(5 * MS, 70_000);
    assert_eq!((sum.count(), one.count()), (301, 70_300));
    assert_eq!((sum.histogram().count_at(5 * MS), one.histogram().count_at(5 * MS)), (301, 70_300));
    one.record_n(5 * MS, u32::MAX);
    assert_eq!(one.histogram().count_at(5 * MS), u32::MAX, "and no further");
}

proptest! {
    #[test]
    fn a_distribution_is_the_librarys_histogram(
        recorded in prop::collection::vec((values(), prop::sample::select(vec![1, 2, 200, 255, 256, 65_535, 65_536, 1 << 20])), 0..4),
        quantiles in prop::collection::vec(0.0..=1.0_f64, 5),
    ) {
        let mut one = Distribution::new();
        let mut histogram = Histogram::<u32>::new(3).unwrap();
        for (values, times) in &recorded {
            for value in values {
                one.record_n(*value, *times);
                histogram.record_n((*value).clamp(1, VALUE_NS_MAX), *times).unwrap();
            }
        }
        let again = one.histogram();
        prop_assert_eq!((&again, again.max(), again.min_nz()), (&histogram, histogram.max(), histogram.min_nz()));
        prop_assert_eq!(one.count(), histogram.len());
        for quantile in quantiles {
            prop_assert_eq!(one.value_ns(quantile), histogram.value_at_quantile(quantile));
        }
        let text = serde_json::to_string(&one).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Distribution>(&text).unwrap(), &one);
        prop_assert_eq!(Distribution::of(&histogram), one);
    }

    #[test]
    fn distributions_add_up_exactly(a in values(), b in values()) {
        let of = |values: &[u64]| {
            let mut one = Distribution::new();
            values.iter().for_each(|value| one.record(*value));
            one
        };
        let mut sum = of(&a);
        sum.add(&of(&b));
        let all = of(&[a, b].concat());
        prop_assert_eq!(sum.quantiles(), all.quantiles());
        prop_assert!(sum == all);
        prop_assert_eq!(all.distance(&sum).unwrap_or(0.0), 0.0);
    }
}

fn values() -> impl Strategy<Value = Vec<u64>> {
    let near_a_power = (0u32..42, 0u64..1_000).prop_map(|(size, more)| (1 << size) + more);
    prop::collection::vec(prop_oneof![near_a_power, 0..VALUE_NS_MAX + 2, 0..5_000_u64], 0..40)
}
