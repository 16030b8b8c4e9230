//! Rules read, printed, applied, followed and judged.

use proptest::prelude::*;

use super::*;
use crate::job::tests::job;
use crate::job::{ErrorKind, Job, Progress, Shed};
use crate::measure::{Counted, LoopModel, Measure, MeasureOptions, Window};
use crate::result::thresholds::{Judged, Threshold, ThresholdUnit};
use crate::verdict::LagLimit;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const NAMES: [&str; 3] = ["GET /cart", "GET /item/{n}", "POST /cart"];

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|error: RuleError| panic!("{error}"))
}

#[track_caller]
fn wrong(text: &str, column: usize, what: &str) {
    let error = text.parse::<Rule>().unwrap_err();
    assert_eq!(error.column, column, "{error}");
    assert!(error.what.contains(what), "{error}");
}

#[test]
fn rules_are_read_and_printed() {
    for (given, printed) in [
        ("p99(GET /cart) > 300ms", "p99(GET /cart) > 300ms"),
        ("  p99( GET /cart )>300 ms ", "p99(GET /cart) > 300ms"),
        ("p99.9 > 1.5s", "p99.9 > 1500ms"),
        ("p999 >= 2s", "p99.9 >= 2s"),
        ("response_p50 < 1m", "p50 < 60s"),
        ("max(*) > 2500µs", "max(*) > 2500µs"),
        ("service_p95(5xx) in steady > 0.5ms", "service_p95(5xx) in steady > 500µs"),
        ("first_byte_p90 in whole <= 7ns", "first_byte_p90 in whole <= 7ns"),
        ("lag_max > 10ms", "lag_max > 10ms"),
        ("connect_p99 > 1s", "connect_p99 > 1s"),
        ("error_rate in any 10s window > 5%", "error_rate in any 10s > 5%"),
        ("status_5xx_rate > 0.25%", "status_rate(5xx) > 0.25%"),
        ("status_rate(GET /cart, 404) > 1%", "status_rate(404, GET /cart) > 1%"),
        ("status(503) >= 3", "status(503) >= 3"),
        ("throughput(2xx) < 87.5/s", "throughput(2xx) < 87.5/s"),
        ("throughput in any 1m < 100/s", "throughput in any 60s < 100/s"),
        ("requests(POST /cart) < 100", "requests(POST /cart) < 100"),
        ("shed_rate > 0%", "shed_rate > 0%"),
        ("turned_away > 0", "turned_away > 0"),
        ("errors(\"GET /a,b)\\\"\") > 0", "errors(\"GET /a,b)\\\"\") > 0"),
        ("p99(\"*\") > 1s", "p99(\"*\") > 1s"),
    ] {
        assert_eq!(rule(given).to_string(), printed, "{given}");
        assert_eq!(rule(printed), rule(given), "{given}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    wrong("", 1, "a metric, one of p50");
    wrong("p100 > 1s", 1, "a metric");
    wrong("p0 > 1s", 1, "a metric");
    wrong("q99 > 1s", 1, "a metric");
    wrong("in_flight > 5", 1, "--abort-if");
    wrong("p99 > 5%", 7, "a time");
    wrong("p99 > 1 0ms", 7, "a time");
    wrong("p99 = 5ms", 5, "one of >, >=");
    wrong("error_rate > 101%", 14, "a share");
    wrong("error_rate > 0.05", 14, "a share");
    wrong("throughput < 100", 14, "a rate");
    wrong("errors > -1", 10, "a number");
    wrong("p99(GET /cart > 300ms", 22, "here stands `)`");
    wrong("p99() > 1s", 5, "an endpoint");
    wrong("p99(GET /a, GET /b) > 1s", 13, "selected already");
    wrong("p99(\"GET /a) > 1s", 5, "no end");
    wrong("status_rate > 1%", 13, "here stands (5xx)");
    wrong("status_5xx_rate(404) > 1%", 16, "already");
    wrong("error_rate(5xx) > 1%", 11, "status_rate");
    wrong("p99(503) > 1s", 4, "by class");
    wrong("p99(5xx, GET /cart) > 1s", 4, "not by both");
    wrong("lag_p99(GET /cart) > 1s", 8, "select nothing");
    wrong("connect_p99(5xx) > 1s", 12, "select nothing");
    wrong("shed(*) > 0", 5, "select nothing");
    wrong("p99 in any 700s > 1s", 12, "up to 600s");
    wrong("p99 in any 1500ms > 1s", 12, "whole seconds");
    wrong("p99 in places > 1s", 8, "`whole`, `steady`");
    wrong("turned_away_rate in any 10s > 1%", 21, "whole run only");
    wrong(&"p".repeat(3_000), 2_001, "at most");
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_prints_as_itself(
        text in "(p99|p50\\.5|error_rate|status|max|lag_|\\(|\\)|\"|\\\\|,|\\*|5xx|404| |in|any|10s|>|<=|5|%|ms|/s|\\PC){0,12}"
    ) {
        match text.parse::<Rule>() {
            Ok(rule) => prop_assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule),
            Err(error) => prop_assert!(error.column <= text.chars().count() + 1, "{}", error),
        }
    }

    #[test]
    fn any_endpoint_is_read_back(name in "\\PC{1,40}", limit in 0..u64::MAX / 1_000) {
        let text = format!("p99(\"{}\") > {limit}ns", name.replace('\\', "\\\\").replace('"', "\\\""));
        let one = rule(&text);
        prop_assert_eq!(rule(&one.to_string()), one.clone());
        let applied = apply(&[one.into()], [(0, name.as_str())].into_iter(), false).unwrap();
        prop_assert_eq!(applied.len(), 1);
    }
}

#[test]
fn budgets_are_read_from_a_file() {
    let text = "[[budget]]\nfail_if = \"error_rate in any 10s > 5%\"\nname = \"bursts\"\nwhy = \"w\"\nlink = \"https://l\"\n\n[endpoint.\"GET /cart\"]\nfail_if = [\"p99 > 300ms\", \"errors > 0\"]\n\n[endpoint.\"*\"]\nfail_if = \"max > 5s\"\n";
    let budgets = budgets(text).unwrap();
    let printed: Vec<String> = budgets.iter().map(|budget| budget.rule.to_string()).collect();
    assert_eq!(printed[0], "error_rate in any 10s > 5%");
    assert_eq!((budgets[0].name.as_deref(), budgets[0].why.as_deref()), (Some("bursts"), Some("w")));
    for one in ["p99(GET /cart) > 300ms", "errors(GET /cart) > 0", "max(*) > 5s"] {
        assert!(printed.iter().any(|printed| printed == one), "{printed:?}");
    }
}

#[test]
fn a_wrong_file_of_budgets_is_refused_by_its_line() {
    for (text, line, what) in [
        ("", 1, "no budget"),
        ("[[budget]]\nfail_if = 5\n", 2, "a rule, or a list"),
        ("[[budget]]\nfail_if = []\n", 2, "has no rule"),
        ("\n[[budget]]\nname = \"x\"\n", 2, "fail_if"),
        ("[[budget]]\nfail_if = \"p99 > 1\"\n", 2, "wrong at column 7"),
        ("[[budget]]\nfail_if = \"p99 > 1s\"\nfail = 1\n", 3, "unknown field"),
        ("[endpoint.\"GET /a\"]\nfail_if = \"p99(GET /b) > 1s\"\n", 2, "stands in the table"),
        ("[endpoint.\"GET /a\"]\nfail_if = \"lag_p99 > 1s\"\n", 2, "select nothing"),
        ("[[budget]\n", 1, ""),
    ] {
        let error = budgets(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(error.what.contains(what), "{text:?}: {error}");
    }
}

fn endpoints() -> impl Iterator<Item = (u32, &'static str)> + Clone {
    (0..).zip(NAMES)
}

fn applied(rules: &[&str]) -> Vec<Applied> {
    let budgets: Vec<Budget> = rules.iter().map(|text| rule(text).into()).collect();
    apply(&budgets, endpoints(), false).unwrap()
}

#[test]
fn rules_apply_to_endpoints_that_are_there() {
    assert_eq!(applied(&["p99(*) > 1s", "p99(GET /cart) > 1s", "p99 > 1s"]).len(), 5);
    let error = apply(&[rule("p99(GET /carts) > 1s").into()], endpoints(), false).unwrap_err();
    assert!(error.hint().starts_with("names like it: `GET /cart`, "), "{}", error.hint());
    let many: Vec<String> = (0..=RULES_MAX).map(|number| format!("GET /{number}")).collect();
    let names = || (0..).zip(many.iter().map(String::as_str));
    let each = [rule("p99(*) > 1s").into()];
    assert!(apply(&each, names().take(RULES_MAX), false).is_ok());
    assert_eq!(apply(&each, names(), false), Err(ApplyError::TooMany { count: RULES_MAX + 1 }));
    let rolling = [rule("p99(*) in any 10s > 1s").into()];
    assert!(apply(&rolling, names().take(ROLLING_MAX), false).is_ok());
    let count = ROLLING_MAX + 1;
    assert_eq!(apply(&rolling, names().take(count), false), Err(ApplyError::TooManyRolling { count }));
}

/// One request: due, how long it took, of which endpoint, and its status (0: a timeout; 1: shed).
type Request = (u64, u64, u32, u16);

fn outcome((due_ns, took_ns, endpoint, status): Request) -> Box<Job> {
    let mut job = job(due_ns, 0, b"GET / HTTP/1.1\r\n\r\n");
    job.facts.endpoint = endpoint;
    job.fresh.trace_id = u128::from(due_ns + took_ns).to_be_bytes();
    let sent =
        Progress { released_ns: due_ns, dispatched_ns: Some(due_ns), done_ns: due_ns + took_ns, ..Progress::default() };
    job.progress = match status {
        0 => Progress { error: Some(ErrorKind::Timeout), ..sent },
        1 => Progress { shed: Some(Shed::Budget), dispatched_ns: None, done_ns: due_ns, ..sent },
        status => Progress { status: Some(status), first_byte_ns: Some(due_ns + took_ns / 2), ..sent },
    };
    job
}

const STEADY: Window = Window { from_ns: S, to_ns: 4 * S };

/// What rules come to over these requests, with seconds closed as the run goes on or only at its end.
fn judged(rules: &[Applied], requests: &[Request], closing: bool) -> Vec<Threshold> {
    let timeout_ns = 100 * MS;
    let options = SeriesOptions { loop_model: LoopModel::Open, steady: STEADY, timeout_ns };
    let (mut measure, mut series) = (measure(), Series::new(rules, options));
    for request in requests {
        let job = outcome(*request);
        measure.take(&job);
        series.take(&job);
        if closing {
            series.close(job.progress.done_ns);
        }
    }
    measure.close(u64::MAX);
    judge(rules, &counted(measure), Some(&series.finish()))
}

fn measure() -> Measure {
    let limits = LagLimit::default();
    let loop_model = LoopModel::Open;
    Measure::new(MeasureOptions { endpoints: NAMES.len(), timeout_ns: 100 * MS, steady: STEADY, loop_model, limits })
}

fn counted(measure: Measure) -> Counted {
    measure.finish()
}

#[track_caller]
fn check(text: &str, requests: &[Request], outcome: Judged, says: &[&str]) -> Threshold {
    let rules = applied(&[text]);
    let found = judged(&rules, requests, true);
    assert_eq!(found, judged(&rules, requests, false), "closing late changes nothing");
    let one = found.into_iter().next().unwrap();
    assert_eq!(one.outcome, outcome, "{one:?}");
    for text in says {
        assert!(one.said.contains(text), "`{text}` is not in {one:?}");
    }
    one
}

/// Five seconds of 100 requests each, from the third on slow, every tenth of another endpoint.
fn slow_from_3s() -> Vec<Request> {
    let one = |number: u64| {
        let took = if number >= 300 { 80 * MS } else { 5 * MS };
        (number * 10 * MS, took, u32::from(number.is_multiple_of(10)), 200)
    };
    (0..500).map(one).collect()
}

#[test]
fn times_are_judged_with_by_how_much_and_since_when() {
    let requests = slow_from_3s();
    let one = check("p50 < 1ms", &requests, Judged::Held, &["p50 was 5 ms (limit 1 ms)"]);
    assert_eq!((one.unit, one.limit, one.values, one.excess), (ThresholdUnit::Us, 1_000.0, 500, None));
    // What is due in the last second ends in the one after it, too.
    let said = ["p99(GET /cart) was 80 ms, 60 % above the limit of 50 ms; since 3 s, in 3 of 6 seconds"];
    let one = check("p99(GET /cart) > 50ms", &requests, Judged::Failed, &said);
    assert_eq!((one.since_s, one.breached_s, one.decided_s, one.values), (Some(3), 3, 6, 450));
    assert_eq!(one.traces.len(), 3);
    let one = check("max in steady > 50ms", &requests, Judged::Failed, &["in the steady window", "since 3 s, in "]);
    assert_eq!(one.values, 300);
    check("p50 > 5.1ms", &requests, Judged::Held, &[]);
    check("p50 < 6ms", &requests, Judged::Failed, &["below the limit of 6 ms"]);
    check("p99(POST /cart) > 1ms", &requests, Judged::CannotTell, &["cannot tell from 0 values, which takes 100"]);
    check("p99.9 > 1ms", &requests, Judged::CannotTell, &["from 500 values, which takes 1000"]);
    check("lag_max > 0ns", &requests, Judged::Failed, &["lag_max was"]);
}

#[test]
fn rolling_windows_are_judged_by_their_worst() {
    let requests = slow_from_3s();
    let one = check(
        "p50 in any 2s > 60ms",
        &requests,
        Judged::Failed,
        &["in the worst 2s", "the window from 3 s on, in 2 of 5"],
    );
    assert_eq!((one.since_s, one.breached_s, one.decided_s), (Some(3), 2, 5));
    check("p50 in any 3s > 79ms", &requests, Judged::Failed, &["from 2 s on, in 2 of 4"]);
    check("p90 in any 5s > 90ms", &requests, Judged::Held, &["was 80 ms in the worst 5s"]);
    check("p50 in any 7s > 1ms", &requests, Judged::CannotTell, &["no whole stretch of 7s had the 2 values"]);
    check("error_rate in any 7s > 1%", &requests, Judged::CannotTell, &["no whole stretch of 7s had a value"]);
    check("p99.9 in any 2s > 1ms", &requests, Judged::CannotTell, &["no whole stretch of 2s had the 1000 values"]);
    // The slow ones of the end are answered when nothing is due any more.
    check("throughput in any 2s < 95/s", &requests, Judged::Held, &["was 96/s in the worst 2s (limit 95/s)"]);
    let with_a_hole: Vec<Request> = requests.iter().copied().filter(|one| !(S..2 * S).contains(&one.0)).collect();
    let said = ["throughput was 0/s in the worst 1s, 100 % below the limit of 50/s; first in the window from 1 s on"];
    check("throughput in any 1s < 50/s", &with_a_hole, Judged::Failed, &said);
    let (rules, nobody_followed) = (applied(&["p50 in any 2s > 60ms"]), None);
    let mut measure = measure();
    requests.iter().for_each(|one| measure.take(&outcome(*one)));
    let found = judge(&rules, &counted(measure), nobody_followed);
    assert!(found[0].said.contains("no request log"), "{found:?}");
}

#[test]
fn shares_counts_and_rates_are_judged() {
    // A second of 100 requests: 4 time out, 6 are answered 503, 10 are shed.
    let status = |number: u64| match number {
        10..14 => 0,
        20..26 => 503,
        30..40 => 1,
        _ => 200,
    };
    let requests: Vec<Request> = (0..100).map(|number| (number * 10 * MS, MS, 0, status(number))).collect();
    let one =
        check("error_rate > 4%", &requests, Judged::Failed, &["error_rate was 4.44 %, 11.1 % above the limit of 4 %"]);
    assert_eq!((one.values, one.traces.len(), one.unit), (90, 3, ThresholdUnit::Share));
    check("error_rate > 4.5%", &requests, Judged::Held, &[]);
    check("error_rate(GET /cart) >= 4.4444%", &requests, Judged::Failed, &["error_rate(GET /cart)"]);
    check("error_rate(POST /cart) > 0%", &requests, Judged::CannotTell, &["from 0 values"]);
    check("status_rate(5xx, GET /cart) > 6%", &requests, Judged::Failed, &["status_rate(5xx, GET /cart) was 6.67 %"]);
    check("status(503) > 5", &requests, Judged::Failed, &["status(503) was 6, 20 % above the limit of 5"]);
    check("status(404) > 0", &requests, Judged::Held, &["status(404) was 0 (limit 0)"]);
    check("errors > 0", &requests, Judged::Failed, &["errors was 4, above the limit of 0"]);
    check("shed_rate > 9%", &requests, Judged::Failed, &["shed_rate was 10 %"]);
    check("shed in any 1s >= 10", &requests, Judged::Failed, &["shed was 10 in the worst 1s, at the limit of 10"]);
    check("requests < 90", &requests, Judged::Held, &["requests was 90"]);
    check("requests(POST /cart) < 1", &requests, Judged::Failed, &["was 0, 100 % below the limit of 1"]);
    check("throughput < 87/s", &requests, Judged::Failed, &["throughput was 86.8/s"]);
    check("p50(5xx) > 900µs", &requests, Judged::Failed, &["p50(5xx) was"]);
    check("p50(4xx) > 1ms", &requests, Judged::CannotTell, &[]);
    check("turned_away > 0", &requests, Judged::Held, &[]);
    check("turned_away_rate > 0%", &requests, Judged::CannotTell, &[]);
}

#[test]
fn an_instant_beyond_every_run_ends_no_test_late() {
    let far = u64::MAX - S;
    for text in ["p50 in any 2s > 1ms", "throughput < 1/s", "p50 > 1ms"] {
        let found = judged(&applied(&[text]), &[(0, MS, 0, 200), (far, MS, 0, 200)], true);
        assert_eq!(found.len(), 1);
    }
}
