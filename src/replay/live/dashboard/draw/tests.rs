use std::collections::BTreeMap;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use replayer::measure::{EndpointSoFar, SecondSoFar, Totals};
use replayer::result::Quantiles;
use replayer::run::LiveEndpoint;
use replayer::spans::SpansSoFar;

use super::*;

fn facts() -> Facts {
    Facts {
        run_id: "00c0ffee00c0ffee".into(),
        target: "http://127.0.0.1:9000".into(),
        planned: 36_000,
        multiplier: 3.0,
        loop_model: "open",
        out: "runs/x".into(),
    }
}

fn times(p50: f64) -> Quantiles {
    Quantiles { count: 10, p50, p90: 2.0 * p50, p99: 5.0 * p50, p999: 8.0 * p50, max: 9.0 * p50 }
}

fn live(t_s: u64) -> Live {
    let endpoint = |name: &str| LiveEndpoint {
        name: name.into(),
        so_far: EndpointSoFar { completed: 1_200, errors: 3, response_us: times(900.0) },
    };
    Live {
        number: t_s,
        elapsed_ns: t_s * 1_000_000_000 + 20_000_000,
        length_ns: 60_000_000_000,
        planned: 36_000,
        due: 600 * t_s,
        totals: Totals {
            sent: 600 * t_s,
            errors: BTreeMap::from([("timeout".into(), 7)]),
            status: BTreeMap::from([(200, 7_000), (404, 190)]),
            ..Totals::default()
        },
        second: SecondSoFar {
            t_s: t_s - 1,
            planned: 600,
            dispatched: 590 + t_s % 10,
            response_us: times(800.0 + 10.0 * (t_s % 7) as f64),
            ..SecondSoFar::default()
        },
        response_us: times(850.0),
        lag_us: times(40.0),
        in_flight: 12,
        connections: 43,
        endpoints: vec![endpoint("GET /item/{id}"), endpoint("POST /cart\u{1b}[31m")],
        endpoints_known: 2,
        spans: SpansSoFar { is_exporting: true, exported: 7_000, ..SpansSoFar::default() },
        cpu: 0.35,
        rss_bytes: 50 << 20,
        speed: 1.0,
        ..Live::default()
    }
}

fn screen(columns: u16, rows: u16, is_monochrome: bool, asking: Option<&Asking>) -> String {
    let mut history = History::new();
    (1..=30).for_each(|t_s| history.take(&live(t_s)));
    let (facts, live) = (facts(), live(30));
    let view = View { facts: &facts, live: &live, history: &history, message: Some("a word"), asking, is_monochrome };
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, &view)).unwrap();
    if is_monochrome {
        let coloured = terminal.backend().buffer().content().iter().filter(|cell| cell.fg != Color::Reset);
        assert_eq!(coloured.count(), 0);
    }
    // The library prints no screen without columns.
    if columns > 0 { terminal.backend().to_string() } else { String::new() }
}

#[test]
fn everything_is_there_on_a_usual_terminal() {
    let shown = screen(100, 34, true, None);
    for part in [
        "3x  to http://127.0.0.1:9000  open loop  run 00c0ffee00c0ffee",
        "RUNNING",
        "0:30 of 1:00, 0:30 to go",
        "590/s  of 600/s planned",
        "18,000 sent  of 36,000  12 in flight",
        "7  0 not sent  2xx 7,000  4xx 190",
        "p50 850 µs  p90 1.7 ms  p99 4.2 ms  p99.9 6.8 ms  max 7.7 ms",
        "7,000 exported",
        "0.35 CPUs  50.0 MiB  43 connections",
        "⠒ sent  • planned",
        "⠒ p50  • p99",
        "GET /item/{id}",
        "1,203",
        "a word",
        "space pause  +- speed  s type it  d drain  q quit",
    ] {
        assert!(shown.contains(part), "no `{part}`:\n{shown}");
    }
    // Names come from recorded traffic.
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn what_matters_most_stays_on_a_small_terminal() {
    let shown = screen(40, 10, false, None);
    for part in
        ["RUNNING", "0:30 of 1:00", "590/s  of 600/s planned", "18,000 sent", "p50 850 µs  p99 4.2 ms", "q quit"]
    {
        assert!(shown.contains(part), "no `{part}`:\n{shown}");
    }
    assert!(!shown.contains("GET /item"), "{shown}");
    for (columns, asked) in
        [(60, "Quit? y: yes, any other key: no"), (80, "Quit, and give up the answers under way? y")]
    {
        let shown = screen(columns, 4, false, Some(&Asking::Quit));
        assert!(shown.contains(asked), "{shown}");
    }
    for (columns, keys) in
        [(38, "space pause  +- speed  d drain  q quit"), (28, "space pause  d drain  q quit"), (27, "d drain  q quit")]
    {
        let shown = screen(columns, 6, true, None);
        assert!(shown.contains(keys), "no `{keys}`:\n{shown}");
    }
}

#[test]
fn no_size_is_too_small_or_too_large() {
    for columns in [0, 1, 5, 11, 39, 75, 76, 300] {
        for rows in (0..40).chain([200]) {
            screen(columns, rows, rows % 2 == 0, None);
        }
    }
}
