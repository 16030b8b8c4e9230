use super::*;

#[test]
fn a_page_of_metrics_gives_both_figures_or_says_which_it_lacks() {
    let page = "# HELP process_cpu_seconds_total Total.\n# TYPE process_cpu_seconds_total counter\n\
                process_cpu_seconds_total 12.47\nprocess_cpu_seconds_total_extra 9\n\
                process_resident_memory_bytes{pid=\"1\",odd=\"a} b\"} 2.5e+07 1700000000\n\
                process_resident_memory_bytes{pid=\"2\"} 5000000\n";
    assert_eq!(prometheus::parse(page), Ok(Seen { cpu_s: 12.47, rss_bytes: 30_000_000 }));
    for bad in ["", "process_cpu_seconds_total NaN\nprocess_resident_memory_bytes 1", "process_cpu_seconds_total 1"] {
        assert!(prometheus::parse(bad).unwrap_err().contains("has not both"), "{bad}");
    }
}

#[test]
fn a_process_is_read_whatever_it_is_called() {
    let stat = "17 (a) b (c) S 1 17 17 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 12345 1000000 256 18446744073709551615";
    assert_eq!(process::parse(stat), Some(("a) b (c", [250, 50, 12345, 256])));
    assert_eq!(process::parse("17 (a) S 1"), None);
    let mut this = Process::new(std::process::id());
    let seen = this.look(LOOK_MAX).unwrap();
    assert!(seen.rss_bytes > 1 << 20, "{seen:?}");
    assert!(this.name().starts_with(&format!("process {} (", std::process::id())), "{}", this.name());
}

#[test]
fn rows_are_bounded_and_keep_the_largest() {
    let mut watched = Watched { timeline_s: 1, ..Watched::default() };
    let mut last = None;
    for second in 0..2_000_u64 {
        let seen = Seen { cpu_s: second as f64 * 0.5, rss_bytes: 1_000 + second };
        watched.take(Ok(seen), second * 1_000_000_000, 0, &mut last);
    }
    watched.take(Err("gone".to_owned()), 2_001_000_000_000, 0, &mut last);
    assert!(watched.timeline.len() <= ROWS_MAX && watched.timeline_s == 4, "{}", watched.timeline.len());
    assert_eq!((watched.looks, watched.missed, watched.rss_peak_bytes), (2_000, 1, 2_999));
    assert_eq!(watched.why.as_deref(), Some("gone"));
    assert!((watched.cpu_s - 1_999.0 * 0.5).abs() < 1e-6 && (watched.cpu_busiest - 0.5).abs() < 1e-9, "{watched:?}");
    let last = watched.timeline.last().unwrap();
    assert_eq!((last.t_s, last.rss_bytes), (1_996, 2_999));
}
