//! Counting in several shards and merging is counting in one; what does not fit together is refused by name.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::job::tests::job;
use crate::job::{ErrorKind, Job, Progress, Shed};
use crate::measure::{Distribution, LoopModel, Measure, MeasureOptions, Window};
use crate::plan::SHARDS_MAX;
use crate::result::SCHEMA;
use crate::run_directory::{MeasureLog, RESULT, RunDirectory};
use crate::thresholds;
use crate::verdict::LagLimit;

const MS: u64 = 1_000_000;
const ENDPOINTS: usize = 3;

/// One request: due, lag, first byte and end after it in milliseconds, endpoint, and how it ended.
#[derive(Debug, Clone)]
struct Request {
    number: u64,
    due_ms: u64,
    lag_us: u64,
    took_us: u64,
    endpoint: u32,
    fate: u8,
}

impl Request {
    fn job(&self) -> Box<Job> {
        let due_ns = self.due_ms * MS;
        let mut job = job(due_ns, 0, b"GET / HTTP/1.1\r\n\r\n");
        (job.facts.position, job.facts.seq, job.facts.endpoint) = (self.number, self.number, self.endpoint);
        job.fresh.trace_id = u128::from(self.number).to_be_bytes();
        job.facts.status = Some(200);
        let released_ns = due_ns + if self.fate == 5 { 3 * MS } else { 0 };
        let dispatched_ns = released_ns + self.lag_us * 1_000;
        let done_ns = dispatched_ns + self.took_us * 1_000;
        let sent = || Progress {
            released_ns,
            dispatched_ns: Some(dispatched_ns),
            first_byte_ns: Some(dispatched_ns + self.took_us * 500),
            done_ns,
            status: Some(200),
            bytes_in: self.took_us,
            bytes_out: 100,
            ..Progress::default()
        };
        let failed = || Progress { first_byte_ns: None, status: None, bytes_in: 0, ..sent() };
        job.progress = match self.fate {
            0 => Progress { error: Some(ErrorKind::Timeout), ..failed() },
            1 => Progress { error: Some(ErrorKind::Refused), dispatched_ns: None, bytes_out: 0, ..failed() },
            2 => Progress { released_ns, done_ns: released_ns, shed: Some(Shed::Busy), ..Progress::default() },
            3 => Progress { status: Some(503), ..sent() },
            4 => Progress { status: Some(401), busy_ns: 2 * MS, connect_ns: self.lag_us * 600, ..sent() },
            5 => Progress { held_by_seq: Some(1), ..sent() },
            _ => sent(),
        };
        job
    }
}

/// A run directory in which these requests were counted.
fn run(into: &Path, requests: &[Request], shard: Option<ShardOf>, closing: bool) -> PathBuf {
    let path = into.join(shard.map_or("whole".to_owned(), |shard| format!("shard-{}", shard.number)));
    let directory = RunDirectory::create(&path).unwrap();
    let mut measure = Measure::new(MeasureOptions {
        endpoints: ENDPOINTS,
        timeout_ns: 1_000 * MS,
        steady: Window { from_ns: 1_000 * MS, to_ns: 6_000 * MS },
        loop_model: LoopModel::Open,
        limits: LagLimit::default(),
    });
    let mut log = MeasureLog::create(&directory, std::time::UNIX_EPOCH).unwrap();
    measure.planned_until(8_000 * MS);
    for request in requests {
        let mut recorded = Distribution::new();
        recorded.record(request.took_us * 900);
        measure.planned_second(request.due_ms / 1_000, 1);
        measure.planned_endpoint(request.endpoint, 1, &recorded);
    }
    for request in requests {
        let job = request.job();
        measure.take(&job);
        if closing {
            log.write(&measure.close(job.progress.done_ns));
        }
    }
    log.write(&measure.close(u64::MAX));
    let counted = measure.finish();
    assert!(log.finish(&counted).is_empty());
    let mut result = RunResult {
        schema: SCHEMA,
        run_id: "0011".into(),
        plan_hash: "abcd".into(),
        target: "t".into(),
        loop_model: "open".into(),
        shard,
        ..RunResult::default()
    };
    counted.fill(&["GET /a", "GET /b", "GET /c"].map(str::to_owned), &mut result);
    result.verdict = verdict::judge(&result);
    directory.write_result(&result).unwrap();
    path
}

fn shards(into: &Path, requests: &[Request], of: u32) -> Vec<PathBuf> {
    (1..=of)
        .map(|number| {
            let own = (0..of).cycle().zip(requests).filter(|(turn, _)| turn + 1 == number);
            let own: Vec<Request> = own.map(|(_, request)| request.clone()).collect();
            run(into, &own, Some(ShardOf { number, of }), number % 2 == 0)
        })
        .collect()
}

fn some_requests() -> Vec<Request> {
    (0..60)
        .map(|number| Request {
            number,
            due_ms: number * 130,
            lag_us: number * 700,
            took_us: 800 + number * 37,
            endpoint: u32::try_from(number / 3 % 3).unwrap(),
            fate: u8::try_from(number % 11).unwrap(),
        })
        .collect()
}

#[test]
fn a_file_that_its_run_could_not_write_is_not_read_as_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let paths = shards(folder.path(), &some_requests(), 2);
    let lacking = |file: &str| {
        let mut result = read(&paths[1]).unwrap();
        result.lacks(file.to_owned(), "the disk was full".into());
        std::fs::write(paths[1].join(RESULT), serde_json::to_vec(&result).unwrap()).unwrap();
        merge(&paths, false).map(|whole| (whole.unwritten.len(), whole.notices))
    };
    let (unwritten, notices) = lacking("requests.jsonl.zst").unwrap();
    assert_eq!(unwritten, 0, "it is the shard's");
    assert!(
        notices[0].contains("shard 2/2: requests.jsonl.zst could not be written: the disk was full"),
        "{notices:?}"
    );
    for file in [MOVES, LATENCY, HISTOGRAMS] {
        let error = lacking(file).unwrap_err().to_string();
        assert!(error.contains("is not whole") && error.contains("the disk was full"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn merged_shards_are_the_run_that_counted_all(mut requests in requests(), of in 1u32..4) {
        requests.sort_by_key(|request| request.due_ms);
        (0..).zip(&mut requests).for_each(|(number, request)| request.number = number);
        let folder = tempfile::tempdir().unwrap();
        let whole = read(&run(folder.path(), &requests, None, true)).unwrap();
        let merged = merge(&shards(folder.path(), &requests, of), false).unwrap();
        // Field by field: whatever is added to the result is compared, unless it is named here.
        let mut expected = serde_json::to_value(&whole).unwrap();
        let mut found = serde_json::to_value(&merged).unwrap();
        for one in [&mut expected, &mut found] {
            one["shards"].take();
            one["fidelity"]["gap_ks"].take();
            // A shard's own reasons come after those of the whole.
            one["verdict"]["reasons"].take();
        }
        prop_assert_eq!(found, expected);
        let reasons = &merged.verdict.reasons;
        prop_assert!(reasons.starts_with(&whole.verdict.reasons), "{:?} {:?}", reasons, whole.verdict.reasons);
    }
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let one = (0u64..8_000, 0u64..150_000, 100u64..900_000, 0u32..3, 0u8..14);
    let one = one.prop_map(|(due_ms, lag_us, took_us, endpoint, fate)| Request {
        number: 0,
        due_ms,
        // Most are on time, as in a run.
        lag_us: if fate % 3 == 0 { lag_us } else { lag_us % 100 },
        took_us,
        endpoint,
        fate,
    });
    // More than are named.
    prop::collection::vec(one, 1..70)
}

#[test]
fn every_part_is_named_with_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let merged = merge(&shards(folder.path(), &some_requests(), 2), false).unwrap();
    assert_eq!((merged.shards.len(), merged.shard, merged.settled), (2, None, 60));
    let whole = std::fs::read(run(folder.path(), &some_requests(), None, true).join(RESULT)).unwrap();
    crate::result::tests::is_valid(&serde_json::from_slice(&whole).unwrap());
    crate::result::tests::is_valid(&serde_json::to_value(&merged).unwrap());
    let by_itself = merged.verdict.reasons.iter().filter(|reason| reason.starts_with("shard ")).count();
    assert_eq!(by_itself, 2, "{:?}", merged.verdict.reasons);
    assert!(merged.verdict.reasons.iter().any(|reason| reason.starts_with("shard 2/2 by itself is strained: ")));
}

#[track_caller]
fn refused(paths: &[PathBuf], partial: bool, said: &str) {
    let error = merge(paths, partial).unwrap_err();
    assert!(error.to_string().contains(said), "{error}");
    assert!(error.hint().is_some());
}

fn edit(run: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = run.join(RESULT);
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(&path, value.to_string()).unwrap();
}

type Change = fn(&mut serde_json::Value);

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let paths = shards(folder.path(), &some_requests(), 3);
    let [one, two, three] = [0, 1, 2].map(|at| paths[at].clone());
    refused(&[one.clone(), three.clone()], false, "of 3 shards these are missing: 2");
    let partial = merge(&[three.clone(), one.clone()], true).unwrap();
    assert_eq!((partial.settled, partial.notices[0].as_str()), (40, "shard 2 is missing: this is not the whole plan"));
    refused(&[one.clone(), two.clone(), one.clone()], false, "shard 1 is there twice: ");
    refused(&[run(folder.path(), &some_requests(), None, false)], false, "whole is no shard: it sent its whole plan");
    refused(&[folder.path().join("nowhere")], true, "cannot read ");
    let differing: [(&str, Change); 6] = [
        ("are runs of different plans", |run| run["plan_hash"] = "ffff".into()),
        ("the number of shards", |run| run["shard"]["of"] = 4.into()),
        ("the lag limit", |run| run["verdict"]["limits"]["strained_ns"] = 5.into()),
        ("the loop model", |run| run["loop_model"] = "closed".into()),
        ("the timeline", |run| run["timeline_s"] = 3.into()),
        ("has schema 1, and this version reads schema 2", |run| run["schema"] = 1.into()),
    ];
    let before = std::fs::read(two.join(RESULT)).unwrap();
    for (said, change) in differing {
        edit(&two, change);
        refused(&paths, false, said);
        std::fs::write(two.join(RESULT), &before).unwrap();
    }
    edit(&two, |run| run["endpoints"][0]["endpoint"] = "GET /other".into());
    refused(&paths, false, "endpoint ");
    std::fs::write(two.join(RESULT), &before).unwrap();
    edit(&two, |run| run["endpoints"][0]["index"] = u32::MAX.into());
    refused(&paths, false, "an endpoint with the number 4294967295, and at most 100000 endpoints are read");
    std::fs::write(two.join(RESULT), &before).unwrap();
    for (file, said) in [(HISTOGRAMS, "cannot read"), (LATENCY, "cannot read"), (MOVES, "is not what a run writes")] {
        let kept = std::fs::read(two.join(file)).unwrap();
        std::fs::write(two.join(file), b"garbage\n").unwrap();
        refused(&paths, false, said);
        std::fs::write(two.join(file), kept).unwrap();
    }
    assert!(merge(&paths, false).is_ok());
}

#[test]
fn there_are_no_more_shards_than_a_plan_can_have() {
    let folder = tempfile::tempdir().unwrap();
    let one = shards(folder.path(), &some_requests(), 1).remove(0);
    let of = |of: u32| edit(&one, |run| run["shard"]["of"] = of.into());
    of(SHARDS_MAX);
    let merged = merge(std::slice::from_ref(&one), true).unwrap();
    assert!(merged.notices.iter().any(|notice| notice.starts_with("shard 1000 is missing")), "{:?}", merged.notices);
    for many in [SHARDS_MAX + 1, u32::MAX] {
        of(many);
        refused(std::slice::from_ref(&one), true, &format!("shard-1 is of {many} shards, and a plan has at most 1000"));
    }
}

/// What says where something is, and not how much of it there is.
const PLACES: [&str; 9] = ["schema", "number", "of", "index", "t_s", "timeline_s", "width_s", "first", "limits"];

#[test]
fn what_adds_up_to_more_than_can_be_counted_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let paths = shards(folder.path(), &some_requests(), 2);
    let full = crate::result::tests::full();
    for path in &paths {
        let own = read(path).unwrap();
        let more = RunResult {
            generator: full.generator.clone(),
            spans: full.spans.clone(),
            answers: full.answers.clone(),
            recorded_2xx: 1,
            ..own
        };
        let largest = crate::result::tests::largest(&more, &PLACES);
        std::fs::write(path.join(RESULT), serde_json::to_vec(&largest).unwrap()).unwrap();
        std::fs::write(path.join(MOVES), format!("{{\"t_s\":0,\"moves\":[[0,{0}],[1,{0}]]}}\n", i64::MAX)).unwrap();
        let log = crate::measure::tests::log_of_largest_counts(["whole/response", "whole/lag", "whole/lag"]);
        std::fs::write(path.join(HISTOGRAMS), log).unwrap();
    }
    let (merged, counted) = merge_counted(&paths, false).unwrap();
    let bytes = merged.bytes;
    assert_eq!(
        (merged.planned, merged.settled, bytes.sent, merged.turned_away),
        (u64::MAX, u64::MAX, u64::MAX, u64::MAX)
    );
    assert_eq!(
        (merged.spans.exported, merged.connections.peak, merged.fidelity.moved_1s),
        // Moves have a sign.
        (u64::MAX, u64::MAX, i64::MAX.unsigned_abs())
    );
    assert_eq!((merged.generator.rss_bytes, merged.timeline[0].planned), (u64::MAX, u64::MAX));
    let budgets: Vec<thresholds::Budget> = [
        "error_rate > 1%",
        "errors(GET /a) > 1",
        "status_rate(2xx) > 1%",
        "status(503, GET /b) > 1",
        "shed_rate > 1%",
        "turned_away_rate > 1%",
        "requests > 1",
        "requests(GET /a) > 1",
        "throughput > 1/s",
        "p99 > 1s",
    ]
    .iter()
    .map(|text| thresholds::Budget::from(text.parse::<thresholds::Rule>().unwrap()))
    .collect();
    let endpoints = merged.endpoints.iter().map(|row| (row.index, row.endpoint.as_str()));
    let rules = thresholds::apply(&budgets, endpoints, false).unwrap();
    assert_eq!(thresholds::judge(&rules, &counted, None).len(), budgets.len());
}

#[test]
fn what_is_wrong_with_a_result_is_its_version_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(RESULT);
    let check = |text: &str, expected: &str| {
        std::fs::write(&file, text).unwrap();
        let said = read(folder.path()).unwrap_err();
        assert!(said.to_string().contains(expected), "{text}: {said}");
    };
    // A later version may call everything otherwise, an earlier one lack what this one needs.
    check(r#"{"schema": 3}"#, "has schema 3, and this version reads schema 2");
    check(r#"{"run": [], "schema": 1, "more": {"a": []}}"#, "has schema 1");
    check("{}", "has schema 0");
    check("[]", "has schema 0");
    check(r#"{"schema": 2}"#, "is not what a run writes");
    check(r#"{"schema": "two"}"#, "is not what a run writes");
    for text in ["", "{", r#"{"schema": 2, "run_id""#] {
        check(text, "is not what a run writes");
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let said = read(folder.path()).unwrap_err();
    assert!(matches!(said, MergeError::Read { .. }), "{said}");
}
