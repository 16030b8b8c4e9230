use super::text::time;
use super::*;
use crate::result::{Rate, Spans};

fn quantiles(us: f64) -> Quantiles {
    Quantiles { count: 10, p50: us, p90: us * 2.0, p99: us * 4.0, p999: us * 6.0, max: us * 9.0 }
}

fn run(seconds: u64) -> RunResult {
    let second = |t_s| Second {
        t_s,
        planned: 100,
        sent: 99,
        completed: 99,
        errors: 1,
        response_us: quantiles(1_500.0),
        lag_us: quantiles(30.0),
    };
    RunResult {
        target: "http://127.0.0.1:9".into(),
        planned: 123_456,
        sent: 123_455,
        completed: 123_454,
        multiplier: 3.0,
        rate: Rate { planned: 100.0, achieved: 99.5 },
        errors: BTreeMap::from([("timeout".into(), 1_234)]),
        response_us: quantiles(1_500.0),
        spans: Spans { exported: 77_777, ..Spans::default() },
        timeline: (0..seconds).map(second).collect(),
        ..RunResult::default()
    }
}

#[test]
fn the_headline_figures_are_on_the_page() {
    let page = html(&run(60));
    for figure in
        ["123,456", "123,455", "123,454", "1,234", "1.50 ms", "6.00 ms", "77,777", "at 99.5/s", "3 × the recording"]
    {
        assert!(page.contains(figure), "{figure} is missing");
    }
}

#[test]
fn what_comes_from_traffic_cannot_become_markup() {
    let hostile = r#"GET /"><script>alert(1)</script>'&"#;
    let result = RunResult {
        target: hostile.into(),
        notices: vec![hostile.into()],
        sessions: vec![hostile.into()],
        errors: BTreeMap::from([(hostile.into(), 1)]),
        endpoints: vec![Endpoint {
            endpoint: hostile.into(),
            status: BTreeMap::from([(hostile.into(), 1)]),
            ..Endpoint::default()
        }],
        ..run(3)
    };
    let page = html(&result);
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains(r#"GET /">"#));
    assert_eq!(page.matches("<script").count(), 4, "three charts' data and the page's own script");
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = html(&RunResult { target: String::new(), ..run(10) });
    for reference in ["http://", "https://", "src=", "url(", "@import", "<link"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn nothing_counted_is_a_dash_and_never_a_zero() {
    let page = html(&RunResult { endpoints: vec![Endpoint::default()], ..RunResult::default() });
    assert!(page.contains("<dt>response time p50</dt><dd>–"));
    assert!(!page.contains("0.00 µs"));
    let _ = html(&run(1));
}

/// How many points the first chart draws.
fn points(page: &str) -> usize {
    let data = page.split(r#"<script type="application/json">"#).nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str::<serde_json::Value>(data).unwrap()["points"].as_array().unwrap().len()
}

#[test]
fn long_runs_are_merged_and_say_so() {
    for (seconds, expected, said) in [(600, 600, false), (601, 301, true), (30_000, 600, true)] {
        let page = html(&run(seconds));
        assert_eq!(points(&page), expected, "{seconds} s");
        assert_eq!(page.contains("percentiles cannot be averaged"), said, "{seconds} s");
        assert!(page.len() < 1_000_000, "{seconds} s: {} bytes", page.len());
    }
}

#[test]
fn merged_percentiles_keep_their_largest_and_rates_their_mean() {
    let mut result = run(1_200);
    result.timeline[7].response_us.max = 5_000_000.0;
    result.timeline[7].planned = 300;
    let page = html(&result);
    assert!(page.contains("max 5.00 s"));
    assert!(page.contains("6 s: planned 200/s"));
}

#[test]
fn numbers_for_people() {
    for (us, expected) in
        [(0.5, "0.50 µs"), (12.4, "12 µs"), (3_412.0, "3.41 ms"), (56_700.0, "56.7 ms"), (12_700_000.0, "12.7 s")]
    {
        assert_eq!(time(us), expected);
    }
}
