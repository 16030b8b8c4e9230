//! What is hostile in a name stays harmless in every form; what is too much is cut and said.

use std::collections::BTreeMap;

use super::*;
use crate::result::samples::Sample;
use crate::result::thresholds::{Judged, Threshold, ThresholdUnit};
use crate::result::{Endpoint, Quantiles};
use crate::verdict::{Trust, Verdict};

fn threshold(rule: &str, outcome: Judged) -> Threshold {
    Threshold {
        rule: rule.to_owned(),
        outcome,
        unit: ThresholdUnit::Us,
        measured: Some(1_500.0),
        limit: 1_000.0,
        said: format!("{rule} said"),
        ..Threshold::default()
    }
}

fn endpoint(name: &str) -> Endpoint {
    Endpoint {
        endpoint: name.to_owned(),
        completed: 7,
        response_us: Quantiles { count: 7, p50: 1.0, p90: 2.0, p99: 3.0, p999: 4.0, max: 5.5 },
        ..Endpoint::default()
    }
}

fn text(output: Output, result: &RunResult) -> String {
    output.files(result).remove(0).1
}

#[test]
fn a_comment_names_nobody_and_breaks_no_table() {
    let hostile = "GET /@all|`x`</td><img src=x onerror=y>[l](http://e)\n# h\u{202e}\u{1b}[31m";
    let result = RunResult {
        thresholds: vec![Threshold { name: Some(hostile.into()), ..threshold(hostile, Judged::Failed) }],
        endpoints: vec![endpoint(hostile)],
        notices: vec![hostile.into()],
        errors: BTreeMap::from([(hostile.to_owned(), 1)]),
        ..RunResult::default()
    };
    let markdown = text(Output::Markdown, &result);
    for bad in ["\u{202e}", "\u{1b}", "\n# h"] {
        assert!(!markdown.contains(bad), "{bad:?} in {markdown}");
    }
    for line in markdown.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!(matches!(bars, 0 | 7 | 8), "{bars} bars: {line}");
        // Outside of code nothing opens a tag, and nobody is mentioned.
        let outside: String = line.split("``").step_by(2).collect();
        assert!(!outside.replace("\\<", "").contains("<img") && !outside.contains("@all"), "{line}");
        assert!(!outside.contains("](http://"), "{line}");
    }
}

#[test]
fn a_comment_leads_to_traces_that_are_there_and_to_addresses() {
    let id = |digit: &str| digit.repeat(32);
    let sample =
        |digit: &str, sampled| Sample { trace_id: id(digit), span_id: "00ff".into(), sampled, ..Sample::default() };
    let look = |trace: &str, result: &RunResult| {
        let one = Threshold { traces: vec![trace.to_owned()], ..threshold("p99 > 1s", Judged::Failed) };
        let markdown = text(Output::Markdown, &RunResult { thresholds: vec![one], ..result.clone() });
        assert!(markdown.contains(trace), "{markdown}");
        let link = format!("[`{trace}`](<https://t/{trace}>)");
        assert!([0, 2].contains(&markdown.matches(&link).count()), "{markdown}");
        markdown.contains(&link)
    };
    let mut result = RunResult {
        trace_url: Some("https://t/{trace_id}".into()),
        slowest: vec![sample("a", true), sample("b", false)],
        ..RunResult::default()
    };
    result.spans.exported = 9;
    let known = |result: &RunResult| ["a", "b", "c"].map(|digit| look(&id(digit), result));
    assert_eq!(known(&result), [true, false, true], "where all are sampled, so is one that is named nowhere else");
    result.spans.sampled_out = BTreeMap::from([("unsampled".into(), 1)]);
    assert_eq!(known(&result), [true, false, false]);
    assert!(!look("x](http://e)", &result), "what is no id leads nowhere");
    result.trace_url = None;
    assert_eq!(known(&result), [false; 3]);

    let link = |link: &str| {
        let one = Threshold { link: Some(link.to_owned()), ..threshold("p99 > 1s", Judged::Failed) };
        text(Output::Markdown, &RunResult { thresholds: vec![one], ..RunResult::default() })
    };
    assert_eq!(link("https://wiki/cart").matches("<https://wiki/cart>").count(), 2);
    for harmful in ["javascript:x", "https://a>[b](http://c)", "https://a|b"] {
        assert!(!link(harmful).contains(&format!("<{harmful}>")), "{harmful}");
    }
}

#[test]
fn a_comment_is_cut_before_it_is_too_long_and_says_so() {
    let many = |count: usize| RunResult {
        thresholds: (0..count).map(|number| threshold(&format!("p99(GET /{number}) > 1s"), Judged::Failed)).collect(),
        ..RunResult::default()
    };
    let long = text(Output::Markdown, &many(5_000));
    assert!(long.chars().count() <= 60_000, "{}", long.chars().count());
    assert!(long.contains("**Cut here**: ") && long.contains("5000 of 5000 thresholds did not hold"));
    let short = text(Output::Markdown, &many(100));
    assert!(!short.contains("**Cut here**") && short.ends_with("of the run directory.</sub>\n"));
    let endpoints = RunResult { endpoints: (0..100).map(|n| endpoint(&format!("GET /{n}"))).collect(), ..many(0) };
    assert!(text(Output::Markdown, &endpoints).contains("\n80 endpoints with fewer requests"));
}

#[test]
fn the_headline_is_the_worst_that_there_is_to_say() {
    let [held, failed, unknown] =
        [Judged::Held, Judged::Failed, Judged::CannotTell].map(|one| threshold("p99 > 1s", one));
    let with = |thresholds: &[&Threshold], outcome: Trust| RunResult {
        thresholds: thresholds.iter().map(|one| (*one).clone()).collect(),
        verdict: Verdict { outcome, reasons: vec!["late".into()], ..Verdict::default() },
        ..RunResult::default()
    };
    let check = |result: RunResult, said: &str| {
        let markdown = text(Output::Markdown, &result);
        assert_eq!(markdown.lines().next().unwrap(), said);
    };
    check(with(&[], Trust::Valid), "### ✅ Replay done");
    check(with(&[], Trust::Strained), "### ⚠️ Replay done, strained: the generator was late for some requests");
    check(with(&[&held], Trust::Valid), "### ✅ Replay passed: all 1 thresholds held");
    check(with(&[&held, &unknown], Trust::Valid), "### ⚠️ Replay passed, but of 1 of 2 thresholds one cannot tell");
    check(with(&[&held, &unknown, &failed], Trust::Valid), "### ❌ Replay failed: 1 of 3 thresholds did not hold");
    let invalid = with(&[&failed], Trust::Invalid);
    check(invalid.clone(), "### ⚠️ Replay invalid: the generator, not the target, was the limit");
    check(RunResult { aborted: Some("x".into()), ..invalid.clone() }, "### ❌ Replay stopped itself");
    check(RunResult { interrupted: true, ..invalid }, "### ⚠️ Replay interrupted before its plan ended");
}

#[test]
fn xml_holds_no_character_that_xml_cannot_hold() {
    let every: String = (0..0x300_u32).chain([0xfffe, 0xffff, 0x1_f600]).filter_map(char::from_u32).collect();
    let result = RunResult {
        thresholds: vec![Threshold { said: every.clone(), ..threshold(&every, Judged::Failed) }],
        target: every,
        ..RunResult::default()
    };
    let xml = text(Output::Junit, &result);
    let is_allowed = |c: char| matches!(c, '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(is_allowed));
    assert!(!xml.contains("\"\"\"") && xml.contains("&lt;&#") | xml.contains("&lt;=&gt;"), "{xml}");
}

#[test]
fn a_run_that_is_not_valid_is_an_error_of_its_own() {
    let end = |result: &RunResult| {
        let xml = text(Output::Junit, result);
        let case = xml.lines().skip_while(|line| !line.contains("the run is valid")).nth(1).unwrap().trim().to_owned();
        case.split_whitespace().next().unwrap().to_owned()
    };
    let valid = RunResult::default();
    let invalid = RunResult { verdict: Verdict { outcome: Trust::Invalid, ..Verdict::default() }, ..valid.clone() };
    assert_eq!(end(&valid), "</testsuite>");
    assert_eq!(end(&invalid), "<error");
    assert_eq!(end(&RunResult { interrupted: true, ..valid.clone() }), "<error");
    assert_eq!(end(&RunResult { aborted: Some("p99 > 1s".into()), ..valid }), "<failure");
}

#[test]
fn a_figure_that_was_not_counted_is_empty_in_a_table() {
    let result = RunResult { endpoints: vec![endpoint("GET /a"), Endpoint::default()], ..RunResult::default() };
    let table = text(Output::Csv, &result);
    let rows: Vec<&str> = table.split("\r\n").collect();
    assert!(rows[1].starts_with("GET /a,0,7,0,0,0,0,0,1,2,3,4,5.5,,,,,,"), "{table}");
    assert_eq!(rows[1].matches(',').count(), rows[0].matches(',').count());
    assert!(rows[2].starts_with(",0,0,0,") && rows[3].is_empty());
}

#[test]
fn metrics_end_as_they_must_and_name_no_more_endpoints_than_they_may() {
    let rows = (0..600).map(|number| endpoint(&format!("GET /{number}"))).collect();
    let metrics = text(Output::OpenMetrics, &RunResult { endpoints: rows, ..RunResult::default() });
    assert!(metrics.ends_with("\n# EOF\n") && metrics.matches("# EOF").count() == 1);
    assert_eq!(metrics.matches("reenact_endpoint_completed_total{").count(), 500);
}
