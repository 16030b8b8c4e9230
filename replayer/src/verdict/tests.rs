//! The verdict at its limits and one past them, and that it names causes.

use std::collections::BTreeMap;

use super::*;
use crate::health::{Thread, Throttle, Used};
use crate::result::Quantiles;

/// 1,000 planned and sent requests, of which so many were late.
fn run(late_strained: u64, late_invalid: u64) -> RunResult {
    RunResult {
        planned: 1_000,
        settled: 1_000,
        dispatched: 1_000,
        verdict: Verdict { late_strained, late_invalid, ..Verdict::default() },
        ..RunResult::default()
    }
}

fn counts(name: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(name.to_owned(), count)])
}

#[track_caller]
fn check(result: &RunResult, outcome: Trust, reason: &str) {
    let verdict = judge(result);
    assert_eq!(verdict.outcome, outcome, "{:?}", verdict.reasons);
    assert!(verdict.reasons.join("\n").contains(reason), "{:?}", verdict.reasons);
    assert_eq!(verdict.reasons.is_empty(), outcome == Trust::Valid);
}

#[test]
fn over_one_percent_late_and_not_one_percent() {
    check(&run(10, 10), Trust::Valid, "");
    check(&run(11, 10), Trust::Strained, "1.10 % of what was sent left more than 10ms late");
    check(&run(11, 11), Trust::Invalid, "1.10 % of what was sent left more than 100ms late");
}

#[test]
fn under_99_percent_sent_and_not_99_percent() {
    let sent = |dispatched| RunResult { dispatched, ..run(0, 0) };
    check(&sent(990), Trust::Valid, "");
    check(&sent(989), Trust::Invalid, "only 99 % of what was due was sent (989 of 1000)");
    check(&RunResult { settled: 900, ..sent(900) }, Trust::Invalid, "(900 of 1000)");
    check(&RunResult { settled: 900, interrupted: true, ..sent(900) }, Trust::Valid, "");
    let aborted = || RunResult { aborted: Some("the kill file is there".into()), ..run(0, 0) };
    check(&RunResult { settled: 90, dispatched: 90, ..aborted() }, Trust::Valid, "");
    check(&RunResult { settled: 90, dispatched: 80, ..aborted() }, Trust::Invalid, "(80 of 90)");
    check(&RunResult { settled: 0, dispatched: 0, ..aborted() }, Trust::Valid, "");
    check(&RunResult { settled: 0, planned: 0, dispatched: 0, ..run(0, 0) }, Trust::Valid, "");
    check(&RunResult { settled: 0, planned: 7, dispatched: 0, ..run(0, 0) }, Trust::Invalid, "no outcome was counted");
}

#[test]
fn what_a_bound_shed_or_the_target_refused_is_left_out() {
    let half = || RunResult { dispatched: 500, ..run(0, 0) };
    check(&RunResult { shed: counts("max_in_flight", 500), ..half() }, Trust::Valid, "");
    // A name that moves to an address that is not allowed is no limit of the generator.
    for kind in ["refused", "connect_timeout", "unreachable", "tls", "not_allowed", "io"] {
        check(&RunResult { errors: counts(kind, 500), ..half() }, Trust::Valid, "");
    }
    // These are the generator's own.
    check(&RunResult { errors: counts("no_descriptors", 500), ..half() }, Trust::Invalid, "(500 of 1000)");
    let reset_after_sending = RunResult { errors: counts("reset", 500), dispatched: 1_000, ..half() };
    check(&reset_after_sending, Trust::Valid, "");
    let both = RunResult { errors: counts("reset", 800), dispatched: 500, settled: 800, ..half() };
    check(&both, Trust::Invalid, "(500 of 700)");
}

#[test]
fn health_is_named_as_the_cause_and_changes_no_verdict() {
    let thread = Thread { name: "send".into(), busiest_share: 0.99, involuntary_per_s: 900.0, ..Thread::default() };
    let generator = Generator {
        steal_share: 0.23,
        machine_busiest_share: 1.0,
        own_share_of_busy: 0.4,
        threads: vec![thread],
        throttle: Throttle { periods: 100, throttled: 50, throttled_s: 2.0 },
        descriptors: Used { peak: 1_024, limit: 1_024 },
        ports: Used { peak: 12, limit: 28_232 },
        ..Generator::default()
    };
    let late = RunResult { generator: generator.clone(), errors: counts("no_descriptors", 12), ..run(500, 0) };
    for reason in [
        "steal took 23 % of the machine",
        "the sending thread `send` was at 99 % of a CPU",
        "all CPUs of the machine were busy (100 % in the busiest second), 40 % of that with this process",
        "stopped this process in 50 % of its periods",
        "was put off its CPU 900 times a second",
        "12 requests found no descriptor or port: at most 1024 of 1024 descriptors and 12 of 28232 ports",
    ] {
        check(&late, Trust::Strained, reason);
    }
    check(&RunResult { generator, ..run(0, 0) }, Trust::Valid, "");
}

#[test]
fn waits_for_connections_are_the_targets_unless_who_makes_them_had_no_time() {
    let run_with = |name: &str, busiest_share: f64, p50: f64, count: u64| {
        let generator = Generator {
            threads: vec![Thread { name: name.into(), busiest_share, ..Thread::default() }],
            ..Generator::default()
        };
        let connect_us = Quantiles { count, p50, p90: p50, p99: 20_000.0, ..Quantiles::default() };
        RunResult { generator, connect_us, ..run(0, 0) }
    };
    let reason =
        "20 % of what was sent waited more than 10ms for a connection while the thread that makes them, `dial-1`";
    check(&run_with("dial-1", 0.95, 20_000.0, 400), Trust::Strained, reason);
    check(&run_with("dial-1", 0.80, 20_000.0, 400), Trust::Valid, "");
    check(&run_with("send", 0.95, 20_000.0, 400), Trust::Valid, "");
    // One in a hundred of those that waited.
    check(&run_with("dial-1", 0.95, 100.0, 400), Trust::Valid, "");
}

#[test]
fn lag_limits_are_read_and_written() {
    let limits = |text: &str| text.parse::<LagLimit>().map(|one| (one.strained_ns, one.invalid_ns));
    for (text, expected) in [
        ("strained=10ms,invalid=100ms", (10_000_000, 100_000_000)),
        ("invalid=1s", (10_000_000, 1_000_000_000)),
        ("strained=1ms", (1_000_000, 100_000_000)),
        ("strained=2s", (2_000_000_000, 2_000_000_000)),
        (" strained = 5us , invalid = 1ms", (5_000, 1_000_000)),
    ] {
        assert_eq!(limits(text), Ok(expected), "{text}");
    }
    for (bad, why) in [
        ("", "without `=`"),
        ("10ms", "without `=`"),
        ("strained=soon", "no duration"),
        ("late=1ms", "neither `strained` nor `invalid`"),
        ("strained=1ms,strained=2ms", "twice"),
        ("strained=1s,invalid=1ms", "before it is strained"),
        ("strained=500000000000d", "too long"),
    ] {
        assert!(limits(bad).is_err_and(|error| error.to_string().contains(why)), "{bad}: {:?}", limits(bad));
    }
    assert_eq!(LagLimit::default().to_string(), "strained=10ms,invalid=100ms");
    assert_eq!(LagLimit::default().to_string().parse(), Ok(LagLimit::default()));
    let other = LagLimit { strained_ns: 1_000_000, invalid_ns: 2_000_000 };
    let verdict = Verdict { limits: other, late_strained: 500, ..Verdict::default() };
    check(&RunResult { verdict, ..run(0, 0) }, Trust::Strained, "more than 1ms late");
}
