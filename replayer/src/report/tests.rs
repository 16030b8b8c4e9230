//! What the page must hold, whatever the run.

mod foreign;

use std::collections::BTreeMap;

use serde_json::Value;

use super::scale::{Scale, second_marks};
use super::text::{SHOWN_CHARS_MAX, escape, quantile, rate, share, span, time};
use super::timeline::{POINTS_MAX, Timeline};
use super::*;
use crate::health::{Generator, Moment, Used};
use crate::result::drawn::{Curves, HeatColumn, HeatMap};
use crate::result::recounted::Recounted;
use crate::result::samples::{ErrorSamples, Sample};
use crate::result::shape::{Shape, ShapeScale};
use crate::result::{Bytes, Connections, Endpoint, Fidelity, Part, Quantiles, Rate, Second, ShardOf, Spans, Steady};
use crate::verdict::{Trust, Verdict};

fn quantiles(us: f64) -> Quantiles {
    Quantiles { count: 10, p50: us, p90: us * 2.0, p99: us * 4.0, p999: us * 6.0, max: us * 9.0 }
}

fn second(t_s: u64) -> Second {
    let (response_us, lag_us) = (quantiles(1_500.0), quantiles(30.0));
    Second { t_s, planned: 100, sent: 99, completed: 98, errors: 1, response_us, lag_us }
}

/// A run in which every headline is another number.
fn run(seconds: u64) -> RunResult {
    let endpoint =
        Endpoint { endpoint: "GET /item/{n}".into(), response_us: quantiles(2_100.0), ..Endpoint::default() };
    RunResult {
        run_id: "00112233aabbccdd".into(),
        plan_hash: "0123456789abcdef0123".into(),
        target: "the-target:8080".into(),
        started_at: "2026-11-24T12:07:31.402Z".into(),
        duration_s: 60.5,
        multiplier: 2.5,
        planned: 123_456,
        sent: 123_333,
        completed: 122_099,
        errors: BTreeMap::from([("timeout".into(), 1_234)]),
        shed: BTreeMap::from([("max_in_flight".into(), 123)]),
        status: BTreeMap::from([("200".into(), 122_099)]),
        bytes: Bytes { sent: 1, received: 2 },
        rate: Rate { planned: 2_040.0, achieved: 2_031.0 },
        connections: Connections { opened: 88, extra: 7, peak: 66, ..Connections::default() },
        response_us: quantiles(1_500.0),
        lag_us: quantiles(17.0),
        recorded_response_us: quantiles(1_250.0),
        spans: Spans { exported: 77_777, dropped: BTreeMap::from([("queue_full".into(), 4_321)]), ..Spans::default() },
        endpoints: vec![endpoint],
        timeline: (0..seconds).map(second).collect(),
        ..RunResult::default()
    }
}

fn sample(us: f64, sampled: bool) -> Sample {
    Sample {
        seq: 7,
        endpoint: "GET /item/{n}".into(),
        due_ns: 1_500_000_000,
        response_us: us,
        status: Some(503),
        recorded_status: Some(200),
        trace_id: "ab".repeat(16),
        span_id: "cd".repeat(8),
        sampled,
        ..Sample::default()
    }
}

/// A run of which everything is drawn.
fn whole() -> RunResult {
    let curve = || vec![[0.0, 500.0], [0.5, 1_000.0], [0.75, 3_000.0], [1.0, 9_000.0]];
    let scale = |tau_ns| ShapeScale {
        tau_ns,
        recording: Some(1.5),
        target: Some(2.0),
        target_error: Some(0.1),
        plan: Some(2.1),
        verdict: "kept".into(),
        ..ShapeScale::default()
    };
    let failures = |error: Option<&str>| ErrorSamples {
        count: 1_234,
        first_ns: 2_000_000_000,
        last_ns: 50_500_000_000,
        samples: vec![Sample { error: error.map(str::to_owned), ..sample(9_000.0, true) }],
    };
    RunResult {
        heat_map: HeatMap { width_s: 1, columns: vec![HeatColumn { t_s: 3, first: 70, counts: vec![1, 0, 40] }] },
        curves: Curves { response_us: curve(), service_us: curve(), ..Curves::default() },
        slowest: vec![sample(9_000.0, true), sample(8_000.0, false)],
        error_samples: BTreeMap::from([("timeout".into(), failures(Some("timeout"))), ("503".into(), failures(None))]),
        shape: Some(Shape {
            words: "kept at 2 of 2 scales".into(),
            scales: vec![scale(10_000_000), scale(1_000_000_000)],
            ..Shape::default()
        }),
        asked: BTreeMap::from([("rate".into(), "3x".into())]),
        ..run(60)
    }
}

/// The JSON that the page holds.
fn data(page: &str) -> Value {
    let from = page.split_once(r#"<script type="application/json" id="data">"#).unwrap().1;
    serde_json::from_str(from.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn every_headline_is_on_the_page() {
    let page = html(&run(60));
    let said = [
        ("when", "2026-11-24 12:07:31 UTC"),
        ("multiplier and target", r#"2.5× the recording against <span class="target">the-target:8080"#),
        ("plan, short", "<dd>0123456789ab</dd>"),
        ("run", "<dd>00112233aabbccdd</dd>"),
        ("planned", "<dt>Planned</dt><dd>123,456<small>2,040/s"),
        ("sent", "<dt>Sent</dt><dd>123,333<small>▲ 123 shed"),
        ("completed", "<dt>Completed</dt><dd>122,099<small>98.9 % of planned"),
        ("failed", "<dt>Failed</dt><dd>1,234<small>▲ 1.00 % of planned"),
        ("rate", "<dt>Rate achieved</dt><dd>2,031/s<small>planned 2,040/s"),
        ("p50", "<dt>Response time p50</dt><dd>1.50 ms<small>recorded 1.25 ms (now 1.20×)"),
        ("p99", "<dt>Response time p99</dt><dd>6.00 ms<small>recorded 5.00 ms (now 1.20×)"),
        ("lag", "<dt>Lag p99</dt><dd>68.0 µs<small>max 153 µs"),
        ("spans", "<dt>Spans exported</dt><dd>77,777<small>▲ 4,321 dropped"),
        ("connections", "<dt>Connections</dt><dd>88<small>peak 66"),
    ];
    for (what, text) in said {
        assert!(page.contains(text), "{what}: {text} is missing");
    }
}

#[test]
fn the_page_is_in_the_order_of_its_readers() {
    let page = html(&whole());
    let parts = [
        "<header>",
        "Headline figures",
        r#"<figure id="rate""#,
        r#"<figure id="heat""#,
        r#"<figure id="response""#,
        r#"<figure id="curve""#,
        r#"<section id="endpoints""#,
        r#"<section id="slowest""#,
        r#"<section id="failures""#,
        r#"<section id="times""#,
        r#"<figure id="lag""#,
        r#"<section id="generator""#,
        r#"<figure id="shape""#,
        "Errors by kind",
        r#"<section id="asked""#,
        r#"<section id="words""#,
    ];
    let places: Vec<usize> = parts.iter().map(|part| page.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    let sections = page.matches("<section id").count() + page.matches("<figure id").count();
    // Machine and services: the generator's entry leads to the one, and nothing was collected of the other.
    assert_eq!(page.matches("<li><a href=\"#").count(), sections - 2, "parts that the contents do not have");
}

#[test]
fn interruption_and_notices_stand_in_the_header() {
    let page = html(&RunResult { interrupted: true, notices: vec!["answers are mostly 401".into()], ..run(3) });
    let header = page.split_once("</header>").unwrap().0;
    assert!(header.contains("<li>Interrupted"));
    assert!(header.contains("<li>answers are mostly 401</li>"));
    assert!(!html(&run(3)).contains("class=\"notices\""));
}

#[test]
fn the_verdict_stands_first_with_its_reasons() {
    let verdict = |outcome, reason: &str| Verdict { outcome, reasons: vec![reason.into()], ..Verdict::default() };
    for (outcome, said) in [
        (Trust::Valid, r#"<dl class="verdict valid" aria-label="Verdict"><dt>✓ valid<span>the generator kept up"#),
        (
            Trust::Strained,
            r#"<dl class="verdict strained" aria-label="Verdict"><dt>▲ strained<span>the generator was late"#,
        ),
        (
            Trust::Invalid,
            r#"<dl class="verdict invalid" aria-label="Verdict"><dt>▲ invalid<span>the generator, not the"#,
        ),
    ] {
        let page = html(&RunResult { verdict: verdict(outcome, "steal took <23 %>"), ..run(3) });
        let header = page.split_once("<dl class=\"facts\"").unwrap().0;
        assert!(header.contains(said), "{outcome:?}");
        assert!(header.contains("<dd>steal took &lt;23 %&gt;</dd>"));
    }
    let shard = ShardOf { number: 1, of: 3 };
    let part = Part { run_id: "x".into(), shard, verdict: Verdict::default(), services: false };
    let page = html(&RunResult { shards: vec![part], ..run(3) });
    assert!(page.contains("Merged from 1 of 3 shards.") && !page.contains("Whose time it was"));
}

#[test]
fn that_nothing_came_of_any_request_is_not_that_nobody_knows() {
    let invalid = Verdict { outcome: Trust::Invalid, ..Verdict::default() };
    let result = RunResult { planned: 7, verdict: invalid, ..RunResult::default() };
    let page = html(&result);
    assert!(page.contains("7 requests were planned, and nothing came of any.") && !page.contains("nobody knows"));
    let unknown = vec!["settled".to_owned()];
    let page = html(&RunResult { recounted: Some(Recounted { unknown, ..Recounted::default() }), ..result });
    assert!(page.contains("7 requests were planned, and nobody knows what came of them."));
}

#[test]
fn held_busy_and_lag_stand_apart_beside_the_steady_window() {
    let steady = Steady { settled: 5, to_ns: 2_500_000_000, held_us: quantiles(7_000.0), ..Steady::default() };
    let (busy_us, connect_us) = (quantiles(11_000.0), quantiles(13_000.0));
    let result = RunResult { held_us: quantiles(9_000.0), busy_us, connect_us, steady, ..run(3) };
    let page = html(&result);
    let row = |name: &str| {
        page.split_once(&format!(r#"<tr><th scope="row">{name}<small>"#)).unwrap().1.split_once("</tr>").unwrap().0
    };
    assert!(page.contains("holds the 5 requests of 0 s to 2.50 s"));
    assert_eq!(row("Held").matches("<td>9.00 ms</td>").count() + row("Held").matches("<td>7.00 ms</td>").count(), 2);
    assert!(row("Busy").contains("<td>11.0 ms</td>") && row("Busy").contains("<td>–</td>"));
    assert!(row("Connecting").contains("<td>13.0 ms</td>") && row("Connecting").contains("<td>–</td>"));
    assert!(row("Lag").contains("<td>17.0 µs</td>"));
}

#[test]
fn fidelity_and_health_are_on_the_page() {
    let moment = |t_s| Moment { t_s, sender_share: 0.5, machine_share: 0.75, ..Moment::default() };
    let generator = Generator {
        cpus: 2,
        steal_share: 0.23,
        descriptors: Used { peak: 1_000, limit: 4_096 },
        unread: vec!["/proc/<x>".into()],
        timeline_s: 2,
        timeline: vec![moment(0), moment(2)],
        ..Generator::default()
    };
    let fidelity = Fidelity { l1_10ms: 0.125, gap_ks: Some(0.5), late_1ms_share: 0.031, ..Fidelity::default() };
    let page = html(&RunResult { generator, fidelity, dispatched: 100, ..run(5) });
    for said in [
        "<td>0.1250</td>",
        "<td>0.5000</td>",
        "<td>3.10 %</td>",
        "<td>23.0 %</td>",
        "<td>1,000 of 4,096</td>",
        "/proc/&lt;x&gt;",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let charts = &data(&page)["charts"];
    assert_eq!(charts[3]["unit"], "percent");
    assert_eq!(charts[3]["series"][0]["values"], serde_json::json!([50.0, 50.0, 50.0, 50.0, null]));
    assert!(html(&run(5)).contains("Nothing to draw: nothing was counted."), "nobody looked at the machine");
}

#[test]
fn rows_of_several_seconds_keep_their_rate() {
    let rows = (0..4).map(|row| Second { t_s: row * 8, planned: 80, ..Second::default() }).collect();
    let timeline = Timeline::of(&RunResult { timeline_s: 8, timeline: rows, ..RunResult::default() });
    assert_eq!((timeline.width_s, timeline.points.len()), (8, 4));
    assert!(timeline.points.iter().all(|point| point.planned_per_s == 10.0));
}

#[test]
fn rows_lead_to_their_traces_where_there_are_some() {
    let (sampled, id) = ("ab".repeat(16), "class=\"id\"");
    let page = html(&whole());
    assert!(page.contains(&format!("<code {id}>{sampled}</code>")) && page.contains("not sampled"));
    assert!(page.contains("--trace-url TEMPLATE"));
    let url = Some("https://traces.example/t/{trace_id}?s={span_id}&x".to_owned());
    let page = html(&RunResult { trace_url: url, ..whole() });
    let link = format!("href=\"https://traces.example/t/{sampled}?s={}&amp;x\" target", "cd".repeat(8));
    assert!(page.contains("<code class=\"id\">"), "of what was not sampled");
    assert_eq!(page.matches(&link).count(), 3, "the slowest sampled one, and one of each kind of failure");
    assert_eq!(page.matches("<small>not sampled</small>").count(), 1);
}

#[test]
fn failures_are_told_by_kind_with_when_and_where() {
    let page = html(&whole());
    for said in [
        "<b>▲ status 503</b> <span>1,234 times, from 2.00 s to 50.5 s</span>",
        "<b>▲ timeout</b> <span>1,234 times",
        ">seq 7</td>",
        ">first failure</text>",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let mut answered = whole();
    answered.error_samples.remove("timeout");
    let page = html(&answered);
    assert!(page.contains(">first 503</text>") && !page.contains("first failure"));
}

#[test]
fn the_map_and_the_curves_are_drawn_from_the_aggregates() {
    let page = html(&whole());
    let data = data(&page);
    assert_eq!(page.matches("<path class=\"field h").count(), 2, "a path for each colour");
    assert_eq!(data["heat"]["columns"][0]["counts"], serde_json::json!([1, 0, 40]));
    assert_eq!(data["heat"]["buckets"].as_array().unwrap().len(), 4, "three buckets have four edges");
    assert_eq!(data["curves"][0]["heads"], serde_json::json!(["0 %", "50 %", "75 %", "100 %"]));
    assert_eq!(data["curves"][1]["series"][2]["values"], serde_json::json!([2.1, 2.1]));
    assert!(page.contains("Shape <b>kept at 2 of 2 scales</b>"));
}

#[test]
fn nothing_counted_is_a_dash_and_never_a_zero() {
    let page = html(&RunResult { endpoints: vec![Endpoint::default()], ..RunResult::default() });
    assert!(page.contains("<dt>Response time p50</dt><dd>–<small>recorded –"));
    assert!(page.contains("<dt>Lag p99</dt><dd>–<small>max –"));
    assert_eq!(page.matches(r#"data-value="-1">–</td>"#).count(), 8, "all times of the endpoint");
    assert!(!page.contains("0.00 µs") && !page.contains("NaN"));
    assert!(!page.contains("<svg class"), "a chart of nothing");
}

#[test]
fn a_second_without_answers_is_a_hole_in_the_line() {
    let mut result = run(3);
    result.timeline[1].response_us = Quantiles::default();
    let page = html(&result);
    assert_eq!(data(&page)["charts"][1]["series"][3]["values"], serde_json::json!([1500.0, null, 1500.0]));
    let path = page.split_once(r#"<path class="line p50" d="M0.0"#).unwrap().1.split_once('"').unwrap().0;
    assert_eq!(path.matches('M').count(), 1, "one more stretch after the hole: {path}");
}

#[test]
fn one_second_is_drawn_over_its_whole_width() {
    assert!(html(&run(1)).contains(r#"<path class="line achieved" d="M0.0 2.2H500.0H1000.0"/>"#));
}

#[test]
fn long_runs_are_merged_and_say_so() {
    for (seconds, points, said) in [(600, 600, false), (601, 301, true), (30_000, 600, true)] {
        let page = html(&run(seconds));
        assert_eq!(data(&page)["charts"][0]["t_s"].as_array().unwrap().len(), points, "{seconds} s");
        assert_eq!(page.contains("percentiles cannot be averaged"), said, "{seconds} s");
        assert_eq!(page.contains("the mean over"), said, "{seconds} s");
        assert!(page.len() < 500_000, "{seconds} s: {} bytes", page.len());
    }
}

#[test]
fn merged_rates_are_means_and_merged_percentiles_the_largest() {
    let mut seconds: Vec<Second> = (0..POINTS_MAX + 1).map(|number| second(1_000 + number)).collect();
    seconds[0].planned = 300;
    seconds[0].response_us.p50 = 9_000.0;
    seconds[1].response_us.max = 90_000.0;
    // Nothing was due in seconds 4 and 5: they have no row.
    seconds.drain(4..6);
    let timeline = Timeline::of(&RunResult { timeline: seconds, ..RunResult::default() });
    assert_eq!(timeline.width_s, 2);
    let point = |number: usize| timeline.points[number];
    assert_eq!((point(0).t_s, point(0).planned_per_s, point(0).response_us.p50), (1_000, 200.0, 9_000.0));
    assert_eq!((point(0).response_us.max, point(0).response_us.count), (90_000.0, 20));
    assert_eq!((point(2).t_s, point(2).planned_per_s, point(2).response_us.count), (1_004, 0.0, 0));
    // The last one stands for a single second and must not look like half the rate.
    assert_eq!((point(300).t_s, point(300).planned_per_s), (1_600, 100.0));
}

#[test]
fn axes_have_round_marks_and_are_logarithmic_when_the_range_warrants_it() {
    let marks = |values: &[f64]| {
        let scale = Scale::of(values.iter().copied(), true);
        (scale.log, scale.marks())
    };
    assert_eq!(marks(&[]), (false, vec![0.0, 1.0]));
    assert_eq!(marks(&[10.0, 499.0]), (false, vec![0.0, 100.0, 200.0, 300.0, 400.0, 500.0]));
    assert_eq!(marks(&[10.0, 500.0]), (true, vec![10.0, 20.0, 50.0, 100.0, 200.0, 500.0]));
    assert_eq!(marks(&[1.0, 1e5]), (true, vec![1.0, 10.0, 100.0, 1e3, 1e4, 1e5]));
    assert_eq!(marks(&[f64::NAN, f64::INFINITY, 1.0]), (false, vec![0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]));
    assert!(!Scale::of([1.0, 1e6].into_iter(), false).log);
    assert_eq!(second_marks(0, 60), [0, 10, 20, 30, 40, 50, 60]);
    assert_eq!(second_marks(3, 20), [5, 10, 15, 20]);
    assert_eq!(second_marks(0, 30_000), [0, 7_200, 14_400, 21_600, 28_800]);
    assert!(second_marks(0, u64::MAX).len() <= 8);
}

#[test]
fn the_axis_says_that_it_is_logarithmic() {
    let mut result = run(3);
    assert!(!html(&result).contains("logarithmic"));
    result.timeline[1].response_us.max = 75_000.0;
    assert!(html(&result).contains(r#"class="axis">time, logarithmic scale</text>"#));
}

#[test]
fn numbers_are_for_people() {
    let times = [
        (0.5, "0.50 µs"),
        (12.4, "12.4 µs"),
        (999.6, "1.00 ms"),
        (3_412.0, "3.41 ms"),
        (9_996.0, "10.0 ms"),
        (12_700_000.0, "12.7 s"),
        (3_600_000_000.0, "3,600 s"),
    ];
    times.into_iter().for_each(|(us, expected)| assert_eq!(time(us), expected));
    let rates = [(0.0, "0"), (0.254, "0.25"), (45.12, "45.1"), (99.96, "100"), (1_234_567.8, "1,234,568")];
    rates.into_iter().for_each(|(per_s, expected)| assert_eq!(rate(per_s), expected));
    let shares = [
        (0, 0, "–"),
        (0, 9, "0 %"),
        (1, 1_000_000, "under 0.01 %"),
        (1, 80, "1.25 %"),
        (999_999, 1_000_000, "over 99.9 %"),
        (9, 9, "100 %"),
    ];
    shares.into_iter().for_each(|(part, whole, expected)| assert_eq!(share(part, whole), expected));
    let spans = [(0, "0 s"), (45, "45 s"), (150, "2 min 30 s"), (3_600, "1 h")];
    spans.into_iter().for_each(|(seconds, expected)| assert_eq!(span(seconds), expected));
    assert_eq!(quantile(&Quantiles::default(), 0.0), "–");
}
