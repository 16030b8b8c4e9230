//! What was counted is counted again from what a run left, cut anywhere; any bytes at all come to an end.

use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::*;
use crate::job::tests::job;
use crate::job::{ErrorKind, Job, Progress, Shed};
use crate::measure::{Distribution, LoopModel, Measure, MeasureOptions, Window};
use crate::request_log::{KeepRequests, Lines, RequestLog};
use crate::result::{Endpoint, SCHEMA, Steady};
use crate::run_directory::{BEGUN, LATENCY, MeasureLog, PLAN, RESULT, RunDirectory};
use crate::thresholds::{self, Applied};
use crate::verdict::LagLimit;

const MS: u64 = 1_000_000;
const NAMES: [&str; 3] = ["GET /a", "GET /\"b\"", "POST /c"];
const RULE: &str = "status_rate(5xx, GET /a) > 1%";

fn request(number: u64) -> Box<Job> {
    let due_ns = number * 7 * MS;
    let mut job = job(due_ns, 0, b"GET / HTTP/1.1\r\n\r\n");
    (job.facts.seq, job.facts.endpoint) = (number, u32::try_from(number % 3).unwrap());
    job.fresh.trace_id = u128::from(number).to_be_bytes();
    let dispatched_ns = due_ns + number % 5 * 100_000;
    let sent = Progress {
        released_ns: due_ns,
        dispatched_ns: Some(dispatched_ns),
        first_byte_ns: Some(dispatched_ns + MS),
        done_ns: dispatched_ns + number % 11 * MS,
        status: Some(if number.is_multiple_of(9) { 503 } else { 200 }),
        bytes_in: number,
        bytes_out: 50,
        ..Progress::default()
    };
    job.progress = match number % 13 {
        1 => Progress { error: Some(ErrorKind::Timeout), status: None, first_byte_ns: None, ..sent },
        2 => Progress { released_ns: due_ns, done_ns: due_ns, shed: Some(Shed::Busy), ..Progress::default() },
        3 => Progress { held_by_seq: Some(1), released_ns: due_ns + MS / 10, ..sent },
        4 => Progress { busy_ns: MS, ..sent },
        5 => Progress { connecting_ns: Some(due_ns), connect_ns: 70_000, ..sent },
        _ => sent,
    };
    job
}

const STEADY: Window = Window { from_ns: 500 * MS, to_ns: 5_000 * MS };

fn rules() -> Vec<Applied> {
    let budget = thresholds::Budget::from(RULE.parse::<thresholds::Rule>().unwrap());
    thresholds::apply(&[budget], (0..).zip(NAMES), true).unwrap()
}

/// A run of so many requests that left everything.
fn run(into: &Path, requests: u64) -> RunResult {
    let directory = RunDirectory::create(into).unwrap();
    let names = NAMES.map(str::to_owned);
    let options = MeasureOptions {
        endpoints: NAMES.len(),
        timeout_ns: 1_000 * MS,
        steady: STEADY,
        loop_model: LoopModel::Causal,
        limits: LagLimit { strained_ns: 7, invalid_ns: u64::MAX },
    };
    let mut measure = Measure::new(options);
    let mut log = MeasureLog::create(&directory, std::time::UNIX_EPOCH).unwrap();
    let mut lines = RequestLog::create(&directory, &names, KeepRequests::All).unwrap().unwrap();
    for number in 0..requests {
        let job = request(number);
        let mut recorded = Distribution::new();
        recorded.record(number * 1_000 + 1);
        measure.planned_second(job.due_ns / 1_000 / MS, 1);
        measure.planned_endpoint(job.facts.endpoint, 1, &recorded);
        measure.take(&job);
        lines.write(&job).unwrap();
    }
    lines.finish().unwrap();
    log.write(&measure.close(u64::MAX));
    let counted = measure.finish();
    assert!(log.finish(&counted).is_empty());
    let known =
        RunResult { schema: SCHEMA, run_id: "0011".into(), loop_model: "causal".into(), ..RunResult::default() };
    let mut result = known.clone();
    counted.fill(&names, &mut result);
    result.verdict = verdict::judge(&result);
    directory.write_result(&result).unwrap();
    let mut begun = RunResult { planned: requests, thresholds: thresholds::unjudged(&rules()), ..known };
    begun.verdict.limits = options.limits;
    begun.steady = Steady { from_ns: STEADY.from_ns, to_ns: STEADY.to_ns, ..Steady::default() };
    let row = |row: &Endpoint| Endpoint {
        index: row.index,
        endpoint: row.endpoint.clone(),
        planned: row.planned,
        ..Endpoint::default()
    };
    begun.endpoints = result.endpoints.iter().map(row).collect();
    directory.write_begun(&begun).unwrap();
    std::fs::remove_file(into.join(RESULT)).unwrap();
    result
}

fn recounted(directory: &Path) -> RunResult {
    recount(directory, "run.json is missing", &[]).unwrap()
}

#[test]
fn a_whole_log_says_what_the_result_said() {
    let folder = tempfile::tempdir().unwrap();
    let expected = run(folder.path(), 1_000);
    let found = recounted(folder.path());
    crate::result::tests::is_valid(&serde_json::to_value(&found).unwrap());
    assert!(found.notices[0].starts_with("run.json is missing: "), "{:?}", found.notices);
    assert!(found.notices[1].contains("has 1000 requests, to its end"), "{:?}", found.notices);
    assert_eq!((found.thresholds.len(), found.thresholds[0].rule.as_str()), (1, RULE));
    assert!(found.thresholds[0].since_s.is_some(), "{:?}", found.thresholds);
    // Field by field: whatever is added to the result is compared, unless it is named here.
    let mut expected = serde_json::to_value(&expected).unwrap();
    let mut found = serde_json::to_value(&found).unwrap();
    for one in [&mut expected, &mut found] {
        for name in ["notices", "thresholds", "recorded_2xx", "turned_away", "recounted"] {
            one[name].take();
        }
        // Gaps are told apart as finely as the longest answer lets them.
        for name in ["gap_ks", "gap_resolution_us"] {
            one["fidelity"][name].take();
        }
        one["rate"]["achieved"].take();
        // Which spans were exported, and the place in the plan, no log says.
        ["slowest", "error_samples", "endpoints"].into_iter().for_each(|name| forget(&mut one[name], "sampled"));
    }
    let (expected, found) = (expected.as_object().unwrap(), found.as_object().unwrap());
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(value), "{name}");
    }
    assert_eq!(found.len(), expected.len());
}

/// Takes a field out wherever it is.
fn forget(value: &mut serde_json::Value, field: &str) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.remove(field);
            fields.values_mut().for_each(|value| forget(value, field));
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| forget(value, field)),
        _ => {}
    }
}

#[test]
fn a_log_that_is_cut_anywhere_is_counted_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 400);
    let log = folder.path().join(REQUESTS);
    let whole = std::fs::read(&log).unwrap();
    let text = zstd::decode_all(&whole[..]).unwrap();
    // As a run that was killed leaves it: flushed now and then, and without an end.
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    for some in text.chunks(1_500) {
        encoder.write_all(some).unwrap();
        encoder.flush().unwrap();
    }
    let flushed = encoder.get_ref().clone();
    let mut before = 0;
    for len in (0..flushed.len()).step_by(97) {
        std::fs::write(&log, &flushed[..len]).unwrap();
        let found = recount(folder.path(), "run.json is cut", &[]).unwrap();
        assert!(
            found.settled >= before || found.notices.iter().any(|said| said.contains("is missing or cannot be read"))
        );
        if let Some(said) = found.notices.iter().find(|said| said.contains("breaks off after")) {
            assert!(said.contains(&format!("after {} requests", found.settled)), "{said}");
            assert_eq!((found.interrupted, found.planned), (true, 400));
            before = found.settled;
        }
    }
    assert!(before > 350, "{before}");
    // Bits that flip are damage, not a panic.
    for at in (0..whole.len()).step_by(31) {
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        std::fs::write(&log, &bad).unwrap();
        recount(folder.path(), "run.json is cut", &[]).unwrap();
    }
}

#[test]
fn without_a_log_of_requests_times_are_those_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let expected = run(folder.path(), 500);
    std::fs::remove_file(folder.path().join(REQUESTS)).unwrap();
    let found = recounted(folder.path());
    assert!(
        found.notices.iter().any(|said| said.contains("times are those of histograms.hlog")),
        "{:?}",
        found.notices
    );
    assert_eq!(
        (found.response_us, found.lag_us, found.steady.service_us),
        (expected.response_us, expected.lag_us, expected.steady.service_us)
    );
    assert_eq!(found.endpoints[0].response_us, expected.endpoints[0].response_us);
    let unknown =
        |found: &RunResult, field: &str| found.recounted.iter().any(|one| one.unknown.iter().any(|one| one == field));
    assert!(["sent", "errors", "spans"].iter().all(|field| unknown(&found, field)), "{:?}", found.recounted);
    assert!(!unknown(&found, "steady") && found.steady.settled == found.steady.response_us.count);
    // A lag of 7 ns is late here: which were, the histogram knows as well as the log.
    assert_eq!(found.verdict.outcome, expected.verdict.outcome);
    assert_eq!(found.thresholds[0].outcome, crate::result::thresholds::Judged::CannotTell, "{:?}", found.thresholds);
    assert_eq!(found.recorded_response_us, expected.recorded_response_us);
    std::fs::remove_file(folder.path().join(HISTOGRAMS)).unwrap();
    let found = recounted(folder.path());
    assert!(found.notices.iter().any(|said| said.contains("times are those of latency.hlog")), "{:?}", found.notices);
    assert_eq!((found.response_us, found.lag_us), (expected.response_us, expected.lag_us));
    assert!(unknown(&found, "steady") && unknown(&found, "held_us"), "{:?}", found.recounted);
    // `interrupted` is not known either, and what is not known is not there.
    let metrics = &crate::outputs::Output::OpenMetrics.files(&found)[0].1;
    assert!(!metrics.contains("reenact_run_interrupted") && metrics.contains("reenact_run_multiplier"), "{metrics}");
}

#[test]
fn only_files_that_were_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 100);
    let from = || recounted(folder.path()).recounted.unwrap().from;
    assert_eq!(from(), [BEGUN, REQUESTS, HISTOGRAMS]);
    std::fs::remove_file(folder.path().join(REQUESTS)).unwrap();
    assert_eq!(from(), [BEGUN, HISTOGRAMS, LATENCY]);
    std::fs::write(folder.path().join(LATENCY), "#\n").unwrap();
    assert_eq!(from(), [BEGUN, HISTOGRAMS]);
    std::fs::remove_file(folder.path().join(HISTOGRAMS)).unwrap();
    assert_eq!(from(), [BEGUN]);
}

#[test]
fn plans_and_logs_that_count_more_than_can_be_counted_are_counted_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 100);
    std::fs::remove_file(folder.path().join(REQUESTS)).unwrap();
    let path = folder.path().join(BEGUN);
    let mut begun: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for row in begun["endpoints"].as_array_mut().unwrap() {
        row["planned"] = u64::MAX.into();
    }
    begun["endpoints"][1]["index"] = begun["endpoints"][0]["index"].clone();
    std::fs::write(&path, begun.to_string()).unwrap();
    let lines = crate::measure::tests::log_of_largest_counts(["response", "lag", "lag"]);
    std::fs::write(folder.path().join(LATENCY), lines).unwrap();
    let found = recounted(folder.path());
    assert_eq!(found.timeline[0].sent, u64::MAX);
    assert!(found.endpoints.iter().any(|row| row.planned == u64::MAX), "{:?}", found.endpoints);
}

#[test]
fn without_anything_counted_what_was_planned_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let expected = run(folder.path(), 390);
    for (name, left) in [(REQUESTS, 5), (HISTOGRAMS, 0), (LATENCY, 20)] {
        let path = folder.path().join(name);
        std::fs::write(&path, &std::fs::read(&path).unwrap()[..left]).unwrap();
    }
    let plan = r#"{"plan_hash":"ab","seed":7,"shard":"1/1","shard_requests":390,"duration_s":3.0,"endpoints":[{"endpoint":"GET /a","requests":130}],"left_out":{"connect":4}}"#;
    std::fs::write(folder.path().join(PLAN), plan).unwrap();
    let found = recounted(folder.path());
    crate::result::tests::is_valid(&serde_json::to_value(&found).unwrap());
    let said = found.notices.iter().find(|said| said.contains("nobody knows")).unwrap();
    assert!(said.contains("what was planned is known from begun.json"), "{said}");
    assert_eq!((found.planned, found.settled, found.interrupted, found.rate.planned), (390, 0, true, 130.0));
    let planned = |result: &RunResult| -> Vec<(String, u64)> {
        result.endpoints.iter().map(|row| (row.endpoint.clone(), row.planned)).collect()
    };
    assert_eq!(planned(&found), planned(&expected));
    assert_eq!(found.thresholds[0].outcome, crate::result::thresholds::Judged::CannotTell);
    // Neither that the generator kept up nor that it was the limit.
    assert_eq!(found.verdict.reasons, ["nothing that was sent can be counted: this says nothing about the target"]);
    let page = crate::report::html(&found);
    for part in [
        "▲ invalid<span>nothing was counted; this says",
        "390 requests were planned, and nobody knows what",
        "▲ Incomplete: counted again from begun.json, since",
    ] {
        assert!(page.contains(part), "no `{part}`");
    }

    std::fs::write(folder.path().join(BEGUN), "{").unwrap();
    let found = recounted(folder.path());
    assert!(found.notices.iter().any(|said| said.contains("known from plan.json")), "{:?}", found.notices);
    assert_eq!((found.planned, found.rate.planned, found.left_out["connect"]), (390, 130.0, 4));
    for other in ["{}", "[]", "{\"plan_hash\":\"ab\""] {
        std::fs::write(folder.path().join(PLAN), other).unwrap();
        let error = recount(folder.path(), "run.json is missing", &[]).unwrap_err();
        assert!(matches!(error, RecountError::Nothing { .. }), "{other}: {error}");
    }
}

#[test]
fn without_what_was_known_at_the_beginning_it_is_said_what_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 100);
    std::fs::write(folder.path().join(BEGUN), b"{\"schema\":").unwrap();
    let plan = r#"{"plan_hash":"ab","seed":7,"shard":"2/3","shard_requests":120,"endpoints":[{"endpoint":"GET /a","requests":70}]}"#;
    std::fs::write(folder.path().join(PLAN), plan).unwrap();
    let found = recounted(folder.path());
    assert!(found.notices[1].contains("begun.json is missing or cannot be read: the loop is taken for an open one"));
    assert_eq!((found.plan_hash.as_str(), found.seed, found.planned, found.settled), ("ab", 7, 120, 100));
    assert_eq!(found.shard.map(|shard| (shard.number, shard.of)), Some((2, 3)));
    assert_eq!((found.endpoints.len(), found.endpoints[0].planned), (3, 70));
}

#[test]
fn histograms_are_those_of_the_endpoints_that_the_plan_names_by_index_or_of_none() {
    let folder = tempfile::tempdir().unwrap();
    let expected = run(folder.path(), 500);
    std::fs::remove_file(folder.path().join(BEGUN)).unwrap();
    let log = folder.path().join(REQUESTS);
    let lines = std::fs::read(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    // In an order that is neither that of the indexes nor that of the names.
    let plan = |has_index: bool| {
        let row = |index: usize| {
            let index_of = if has_index { format!("\"index\":{index},") } else { String::new() };
            format!("{{{index_of}\"endpoint\":{:?},\"requests\":{}}}", NAMES[index], 170 - index)
        };
        let rows = [2, 0, 1].map(row).join(",");
        let text = format!("{{\"plan_hash\":\"ab\",\"shard_requests\":500,\"endpoints\":[{rows}]}}");
        std::fs::write(folder.path().join(PLAN), text).unwrap();
    };
    let row = |of: &RunResult, name: &str| of.endpoints.iter().find(|row| row.endpoint == name).cloned().unwrap();
    plan(true);
    let found = recounted(folder.path());
    for name in NAMES {
        let (own, expected) = (row(&found, name), row(&expected, name));
        assert_eq!((own.index, own.response_us), (expected.index, expected.response_us), "{name}");
        assert_eq!(own.recorded_response_us, expected.recorded_response_us, "{name}");
    }
    assert_ne!(row(&expected, NAMES[0]).recorded_response_us, row(&expected, NAMES[2]).recorded_response_us);

    // As versions wrote it that left the index out.
    plan(false);
    let found = recounted(folder.path());
    assert!(found.notices[1].ends_with("nor which endpoint is which in histograms.hlog"), "{:?}", found.notices);
    assert!(found.endpoints.is_empty(), "{:?}", found.endpoints);
    assert_eq!(
        (found.planned, found.response_us, found.recorded_response_us),
        (500, expected.response_us, expected.recorded_response_us)
    );
    // The log names its endpoints itself; what is recorded of each nobody knows.
    std::fs::write(&log, lines).unwrap();
    let found = recounted(folder.path());
    for name in NAMES {
        let (own, expected) = (row(&found, name), row(&expected, name));
        assert_eq!((own.response_us, own.recorded_response_us.count), (expected.response_us, 0), "{name}");
    }
    assert_eq!(found.recorded_response_us, expected.recorded_response_us);
}

#[test]
fn endpoints_beyond_the_bound_count_together() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 1);
    let line = |number: usize| {
        format!(
            "{{\"seq\":{number},\"due_ns\":0,\"released_ns\":0,\"held_by_seq\":null,\"dispatched_ns\":1,\"written_ns\":1,\"first_byte_ns\":1,\"done_ns\":2,\"status\":200,\"error\":null,\"shed\":null,\"endpoint\":\"GET /{number}\",\"trace_id\":\"\",\"span_id\":\"\"}}\n"
        )
    };
    let lines: String = (0..ENDPOINTS_MAX + 500).map(line).collect();
    std::fs::write(folder.path().join(REQUESTS), zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
    let found = recounted(folder.path());
    assert_eq!(found.endpoints.iter().filter(|row| row.completed > 0).count(), ENDPOINTS_MAX);
    let others = found.endpoints.iter().find(|row| row.endpoint == OTHERS).unwrap();
    assert_eq!((others.completed, found.completed), (501, u64::try_from(ENDPOINTS_MAX).unwrap() + 500));
    assert!(
        found.notices.iter().any(|said| said.starts_with("501 requests are of endpoints beyond")),
        "{:?}",
        found.notices
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_lines_come_to_an_end(texts in prop::collection::vec("(\\{|\\}|\"seq\":|\"due_ns\":|18446744073709551615|,|1|null|\\PC|\n){0,12}", 0..9), numbers in prop::collection::vec(any::<u64>(), 5), bytes in u64::MAX / 2 + 1..) {
        let line = |numbers: &[u64], bytes: u64| format!(
            "{{\"seq\":{},\"due_ns\":{},\"released_ns\":{},\"held_by_seq\":null,\"busy_ns\":{bytes},\"dispatched_ns\":{},\"written_ns\":1,\"first_byte_ns\":1,\"done_ns\":{},\"status\":200,\"error\":\"x\",\"shed\":null,\"endpoint\":\"a\",\"bytes_in\":{bytes},\"bytes_out\":{bytes},\"trace_id\":\"zz\",\"span_id\":null}}\n",
            numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
        );
        // Instants that are in no run are not counted; whatever else a good line has is.
        let near: Vec<u64> = numbers.iter().map(|number| number % (1 << 40)).collect();
        let good = [line(&numbers, 1), line(&near, bytes), line(&near, bytes)].concat();
        let text = [texts.join("\n").into_bytes(), b"\n".to_vec(), good.into_bytes()].concat();
        let folder = tempfile::tempdir().unwrap();
        let begun = super::begun::Begun::read(folder.path());
        let read = count::count_lines(Lines::new(Cursor::new(text)), &begun, &[]).unwrap().unwrap();
        let mut result = RunResult::default();
        read.counted.fill(&read.names, &mut result);
        prop_assert!(result.settled >= 2 && result.bytes.received == u64::MAX);
    }
}
