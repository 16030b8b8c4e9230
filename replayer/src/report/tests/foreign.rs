//! Whatever a target, a recording or a file says, the page is text, bounded, and asks for nothing.

use super::*;

#[test]
fn what_comes_from_traffic_cannot_become_markup() {
    let hostile = r#"GET /"><script>alert(1)</script>'&<!--"#;
    let counts = || BTreeMap::from([(hostile.to_owned(), 1)]);
    let foreign = || Sample {
        endpoint: hostile.into(),
        error: Some(hostile.into()),
        trace_id: hostile.into(),
        span_id: hostile.into(),
        sampled: true,
        ..Sample::default()
    };
    let result = RunResult {
        target: hostile.into(),
        run_id: hostile.into(),
        plan_hash: r#""><script>"#.into(),
        started_at: hostile.into(),
        method: hostile.into(),
        notices: vec![hostile.into()],
        sessions: vec![hostile.into()],
        left_out: counts(),
        shed: counts(),
        errors: counts(),
        status: counts(),
        spans: Spans { rejected: counts(), dropped: counts(), messages: counts(), ..Spans::default() },
        endpoints: vec![Endpoint {
            endpoint: hostile.into(),
            status: counts(),
            slowest: vec![foreign()],
            ..Endpoint::default()
        }],
        asked: BTreeMap::from([(hostile.into(), hostile.into())]),
        trace_url: Some("javascript:alert(1)//{trace_id}".into()),
        slowest: vec![foreign()],
        error_samples: BTreeMap::from([(
            hostile.into(),
            ErrorSamples { count: 1, samples: vec![foreign()], ..ErrorSamples::default() },
        )]),
        shape: Some(Shape {
            words: hostile.into(),
            verdict: hostile.into(),
            scales: vec![ShapeScale { words: hostile.into(), plan: Some(1.0), ..ShapeScale::default() }],
            ..Shape::default()
        }),
        ..run(3)
    };
    let page = html(&result);
    assert_eq!(page.matches("<script").count(), 2, "the page's data and its own script");
    assert!(!page.contains(r#"GET /""#), "a quote could close an attribute");
    assert!(!page.contains("<!--") && !page.contains("javascript:"));
    data(&page);
}

#[test]
fn a_name_cannot_turn_its_surroundings_around() {
    assert_eq!(escape("a\u{202e}b\u{7}c"), "a\u{fffd}b\u{fffd}c");
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = html(&run(60));
    for reference in ["http://", "https://", "src=", "url(", "@import", "<link", "fetch(", " style="] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count(), "links lead to the page itself");
    let policy = page.split_once("content=\"").unwrap().1.split_once('"').unwrap().0;
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn endpoints_and_texts_are_bounded() {
    let rows = |number: usize| RunResult { endpoints: vec![Endpoint::default(); number], ..run(1) };
    let shown = |page: &str| page.matches(r#"data-value="-1">"#).count() / 8;
    let (full, over) = (html(&rows(table::ENDPOINTS_MAX)), html(&rows(table::ENDPOINTS_MAX + 1)));
    assert_eq!((shown(&full), full.contains("are left out here")), (table::ENDPOINTS_MAX, false));
    assert_eq!((shown(&over), over.contains("are left out here")), (table::ENDPOINTS_MAX, true));

    assert_eq!(escape(&"é".repeat(SHOWN_CHARS_MAX)), "é".repeat(SHOWN_CHARS_MAX));
    assert_eq!(escape(&"é".repeat(SHOWN_CHARS_MAX + 1)), format!("{}…", "é".repeat(SHOWN_CHARS_MAX)));
}

#[test]
fn the_largest_page_is_below_three_megabytes() {
    let name = || "\"".repeat(2 * SHOWN_CHARS_MAX);
    let slow = || Sample { endpoint: name(), error: Some(name()), ..sample(9_000.0, true) };
    let endpoint = Endpoint {
        endpoint: name(),
        status: (100..1_000).map(|code: u32| (code.to_string(), u64::MAX)).collect(),
        slowest: vec![slow(); 3],
        ..Endpoint::default()
    };
    let failures = ErrorSamples { count: 1, samples: vec![slow(); 5], ..ErrorSamples::default() };
    let curve = || (0..200).map(|at| [f64::from(at) / 201.0, 12_345.678 * f64::from(at)]).collect::<Vec<_>>();
    let largest = RunResult {
        trace_url: Some(format!("https://h/{{trace_id}}?{}", "&".repeat(900))),
        slowest: vec![slow(); 50],
        error_samples: (0..615).map(|kind: u32| (kind.to_string(), failures.clone())).collect(),
        endpoints: vec![endpoint; 2 * table::ENDPOINTS_MAX],
        heat_map: HeatMap {
            width_s: 128,
            columns: (0..300)
                .map(|at: u64| HeatColumn {
                    t_s: at * 128,
                    first: 0,
                    counts: (1..170).map(|count| count * at).collect(),
                })
                .collect(),
        },
        curves: Curves { response_us: curve(), service_us: curve(), lag_us: curve(), recorded_response_us: curve() },
        ..run(38_400)
    };
    let page = html(&largest);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn a_result_that_no_run_writes_is_a_page_too() {
    let column = |first, counts| HeatColumn { t_s: u64::MAX, first, counts };
    let far = HeatMap { width_s: 1, columns: vec![column(u64::MAX, vec![u64::MAX; 2]), column(0, vec![1])] };
    let full = HeatColumn { t_s: 0, first: 3, counts: vec![u64::MAX; 1_000] };
    for heat_map in [far, HeatMap { width_s: 1, columns: vec![full.clone(), full] }] {
        let curve = (0..10_000).map(|at| [f64::from(at) - 5_000.0, f64::MAX]).collect();
        let curves = Curves { response_us: curve, lag_us: vec![[0.5, -1.0]], ..Curves::default() };
        let page = html(&RunResult { heat_map, curves, slowest: vec![sample(f64::MAX, true); 9_999], ..run(5) });
        assert!(page.len() < 300_000 && !page.contains("NaN"), "{} bytes", page.len());
    }
}

#[test]
fn a_timeline_to_the_end_of_time_is_drawn() {
    let page = html(&RunResult { timeline: vec![second(0), second(u64::MAX)], ..run(0) });
    assert!(page.len() < 500_000);
    let _ = html(&RunResult { timeline: vec![second(u64::MAX)], ..run(0) });
}
