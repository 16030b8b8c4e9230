//! Rules read and watched; hooks run for real.

use std::future::{pending, ready};
use std::io::{Read, Write};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn rule(text: &str) -> AbortRule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A second in which `errors` of 1,000 requests failed.
fn second(errors: u64) -> SecondFacts {
    SecondFacts { ended: 1_000, errors, response_ns: Some(ResponseNs::default()), ..SecondFacts::default() }
}

/// For each second whether the run must stop after it.
fn watch(rules: &[&str], seconds: &[SecondFacts]) -> Vec<bool> {
    let mut watch = AbortWatch::new(rules.iter().map(|text| rule(text)).collect());
    seconds.iter().map(|facts| watch.second(facts).is_some()).collect()
}

#[test]
fn a_rule_stops_the_run_when_it_has_held_for_its_time() {
    let (bad, good, silent) = (second(51), second(50), SecondFacts::default());
    let check = |rule: &str, seconds: &[SecondFacts], expected: &[bool]| {
        assert_eq!(watch(&[rule], seconds), expected, "{rule}");
    };
    check("error_rate > 5% for 3s", &[bad, bad, bad], &[false, false, true]);
    check("error_rate > 5% for 3s", &[bad, bad, good, bad, bad], &[false; 5]);
    check(
        "error_rate > 5% for 3s",
        &[bad, silent, bad, silent, silent, bad],
        &[false, false, false, false, false, true],
    );
    check("error_rate >= 5% for 1s", &[good], &[true]);
    check("error_rate > 5% for 1s", &[good], &[false]);
    check("error_rate < 5.0001% for 1s", &[bad, good], &[false, true]);
    assert_eq!(watch(&["error_rate > 99% for 1s", "error_rate > 5% for 1s"], &[bad]), [true]);
}

#[test]
fn every_metric_is_its_own() {
    let mut facts = SecondFacts {
        ended: 100,
        errors: 1,
        status_5xx: 2,
        response_ns: Some(ResponseNs { p50: 3_000_000, p90: 4_000_000, p99: 5_000_000, p999: 6_000_000 }),
        lag_p99_ns: Some(7_000_000),
        lag_max_ns: Some(8_000_000),
        in_flight: 9,
    };
    let metrics = [
        ("error_rate", "1%", "0.9999%"),
        ("status_5xx_rate", "2%", "1.9999%"),
        ("p50", "3ms", "2999us"),
        ("p90", "4ms", "3999us"),
        ("p99", "5ms", "4999us"),
        ("p999", "6ms", "5999us"),
        ("lag_p99", "7ms", "6999us"),
        ("lag_max", "8ms", "7999us"),
        ("in_flight", "9", "8"),
    ];
    for (name, at, below) in metrics {
        let holds = |op: &str, value: &str, facts| watch(&[&format!("{name} {op} {value} for 1s")], &[facts])[0];
        assert!(!holds(">", at, facts) && holds(">=", at, facts) && holds(">", below, facts), "{name}");
        assert!(!holds("<", at, facts) && holds("<=", at, facts) && !holds("<", below, facts), "{name}");
    }
    // Nothing ended and nothing left: only what is known always decides.
    facts = SecondFacts { in_flight: 9, ..SecondFacts::default() };
    for (name, _, _) in metrics {
        let value = if name.ends_with("rate") {
            "0%"
        } else if name == "in_flight" {
            "0"
        } else {
            "0s"
        };
        assert_eq!(watch(&[&format!("{name} >= {value} for 1s")], &[facts]), [name == "in_flight"], "{name}");
    }
}

#[test]
fn the_reason_is_in_words() {
    let reason = |text: &str, facts: SecondFacts| AbortWatch::new(vec![rule(text)]).second(&facts).unwrap();
    assert_eq!(
        reason("  error_rate>5% for 1s ", second(51)),
        "--abort-if `error_rate>5% for 1s` has held for 1 s; error_rate was 5.10% in the last second"
    );
    let slow = SecondFacts { response_ns: Some(ResponseNs { p99: 812_345_678, ..ResponseNs::default() }), ..second(0) };
    assert_eq!(
        reason("p99 > 800ms for 1s", slow),
        "--abort-if `p99 > 800ms for 1s` has held for 1 s; p99 was 812ms 345us in the last second"
    );
}

#[test]
fn bad_rules_point_at_the_column() {
    let check = |text: &str, column: usize, what: &str| {
        let error = text.parse::<AbortRule>().expect_err(text);
        assert_eq!(error.column, column, "{error}");
        assert!(error.what.contains(what), "{error}");
    };
    check("", 1, "error_rate, status_5xx_rate, p50");
    check("latency > 5ms for 1s", 1, "one of error_rate");
    check("  p95 > 5ms for 1s", 3, "one of error_rate");
    check("p99 = 5ms for 1s", 5, ">, >=, <, <=");
    check("p99 => 5ms for 1s", 5, ">, >=, <, <=");
    check("p99 > 5% for 1s", 7, "a time");
    check("p99 > -5ms for 1s", 7, "a time");
    check("error_rate > 5 for 1s", 14, "a share");
    check("error_rate > 101% for 1s", 14, "a share");
    check("error_rate > 5.% for 1s", 14, "a share");
    check("error_rate > 0.00001% for 1s", 14, "a share");
    check("in_flight > 1.5 for 1s", 13, "a number");
    check("p99 > 5ms", 10, "`for`");
    check("p99 > 5ms während 1s", 11, "`for`");
    check("p99 > 5ms for", 14, "whole seconds");
    check("p99 > 5ms for 500ms", 15, "whole seconds");
    check("p99 > 5ms for 1500ms", 15, "whole seconds");
    check("p99 > 5ms for 0s", 15, "whole seconds");
    check("\u{3000}p95 > 5ms for 1s", 2, "one of error_rate");
    check("p99 > 5ms for 10s please", 15, "whole seconds");
    assert_eq!(
        rule("error_rate>=0.0001% for 1m30s"),
        AbortRule { given: "error_rate>=0.0001% for 1m30s".into(), ..rule("error_rate >= 0.0001% for 90s") }
    );
}

proptest! {
    #[test]
    fn no_text_panics_and_no_column_is_outside(text in "(error_rate|p99|ä| |>|=|5|%|ms|for|s|\\PC){0,9}") {
        if let Err(error) = text.parse::<AbortRule>() {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
        }
    }

    /// A run stops exactly when the last `n` seconds that say anything all held.
    #[test]
    fn the_watch_is_its_definition(kinds in proptest::collection::vec(0u8..3, 0..40), n in 1usize..5) {
        let seconds: Vec<_> = kinds.iter().map(|kind| match kind {
            0 => SecondFacts::default(),
            1 => second(0),
            _ => second(100),
        }).collect();
        let got = watch(&[&format!("error_rate > 5% for {n}s")], &seconds);
        for (at, stopped) in got.into_iter().enumerate() {
            let telling: Vec<_> = kinds[..=at].iter().rev().filter(|kind| **kind > 0).take(n).collect();
            prop_assert_eq!(stopped, telling.len() == n && telling.iter().all(|kind| **kind == 2));
        }
    }
}

#[test]
fn a_kill_file_stops_before_and_while() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stop");
    let kill: KillFile = path.to_str().unwrap().parse().unwrap();
    assert!(!kill.is_there());
    assert!(kill.may_start(false).is_ok() && kill.must_stop(false).is_none());
    std::fs::write(&path, "").unwrap();
    assert!(kill.is_there());
    assert!(kill.may_start(true).unwrap_err().to_string().ends_with("stop is there already"));
    assert!(kill.must_stop(true).unwrap().ends_with("stop appeared"));
    // A file is no folder: what is below it cannot be looked at.
    let below: KillFile = format!("{}/below", path.display()).parse().unwrap();
    assert!(below.is_there());
    assert!("".parse::<KillFile>().is_err());
}

#[test]
fn endpoints_decide_before_methods() {
    let tables = "[[unsafe]]\nendpoint = 'POST /search*'\ndecision = 'send'\n\
                  [[unsafe]]\nendpoint = '* /logout'\ndecision = 'skip'\n\
                  [[unsafe]]\nendpoint = 'POST /searches'\ndecision = 'fail'\n";
    let policy = UnsafePolicy::new(Decision::Fail).with_overrides(tables).unwrap();
    let check = |method: &str, path: &str, expected: Decision| {
        assert_eq!(policy.decide(method.as_bytes(), &format!("{method} {path}")), expected, "{method} {path}");
    };
    check("POST", "/search", Decision::Send);
    check("POST", "/searches", Decision::Send);
    check("GET", "/logout", Decision::Skip);
    check("POST", "/orders", Decision::Fail);
    check("get", "/", Decision::Fail);
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        check(method, "/", Decision::Send);
    }
    assert_eq!(policy.unused(), ["[[unsafe]] on line 7: no request is a `POST /searches`"]);
    assert!(policy.failing().is_empty());
    let failing = UnsafePolicy::new(Decision::Send);
    let failing = failing.with_overrides("\n[[unsafe]]\nendpoint = 'POST /cart'\ndecision = 'fail'\n").unwrap();
    assert_eq!(
        (failing.decide(b"POST", "POST /cart"), failing.decide(b"PUT", "PUT /")),
        (Decision::Fail, Decision::Send)
    );
    assert_eq!(failing.failing(), ["[[unsafe]] on line 2 says fail of `POST /cart`"]);
    assert_eq!(UnsafePolicy::new(Decision::Skip).decide(b"PUT", "PUT /"), Decision::Skip);
    for (bad, expected) in
        [("endpoint = 'x'", "missing field `decision`"), ("endpoint = 'x'\ndecision = 'maybe'", "line 3")]
    {
        let error = UnsafePolicy::default().with_overrides(&format!("[[unsafe]]\n{bad}")).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!("send".parse(), Ok(Decision::Send));
    assert!("Send".parse::<Decision>().is_err());
}

const LONG: Duration = Duration::from_secs(30);

fn facts() -> Value {
    json!({ "run_id": "abc", "target": "http://t", "planned": 7, "sessions": ["a"], "odd-key": "x y" })
}

#[test]
fn a_command_gets_the_facts_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let command = format!(
        "echo $REENACT_EVENT $REENACT_RUN_ID $REENACT_TARGET $REENACT_PLANNED $REENACT_ODD_KEY ${{REENACT_SESSIONS-none}} > {0}; cat >> {0}",
        out.display()
    );
    command.parse::<Hook>().unwrap().run(HookEvent::Start, &facts(), LONG, pending()).unwrap();
    let text = std::fs::read_to_string(out).unwrap();
    let (line, json) = text.split_once('\n').unwrap();
    assert_eq!(line, "start abc http://t 7 x y none");
    let mut expected = facts();
    expected["event"] = "start".into();
    assert_eq!(serde_json::from_str::<Value>(json).unwrap(), expected);
}

#[test]
fn a_command_need_not_read_and_its_failure_is_said() {
    let run = |command: &str| command.parse::<Hook>().unwrap().run(HookEvent::End, &large(), LONG, pending());
    run("true").unwrap();
    let error = run("exit 3").unwrap_err();
    assert_eq!(error.to_string(), "the end hook failed: exit status: 3");
    assert!(!error.hint().is_empty());
}

/// More than a pipe holds.
fn large() -> Value {
    json!({ "text": "x".repeat(100_000) })
}

#[test]
fn a_slow_command_is_stopped_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let command = format!("sleep 1000 & echo $! $$ > {}; wait", pids.display());
    let hook: Hook = command.parse().unwrap();
    let limit = Duration::from_secs(1);
    let error = hook.run(HookEvent::Start, &facts(), limit, pending()).unwrap_err();
    assert_eq!(error.to_string(), "the start hook was stopped after 1s");
    all_are_gone(&std::fs::read_to_string(pids).unwrap());
}

#[test]
fn a_command_that_nobody_waits_for_is_stopped_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let command = format!("sleep 1000 & echo $! $$ > {}; wait", pids.display());
    // Given up when both are there.
    let written = async {
        while std::fs::read_to_string(&pids).unwrap_or_default().split_whitespace().count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    let error = command.parse::<Hook>().unwrap().run(HookEvent::End, &facts(), LONG, written).unwrap_err();
    assert_eq!(error.to_string(), "the end hook was stopped by a signal");
    all_are_gone(&std::fs::read_to_string(pids).unwrap());
    let (url, thread) = server("");
    let error = url.parse::<Hook>().unwrap().run(HookEvent::End, &facts(), LONG, ready(())).unwrap_err();
    assert_eq!(error.to_string(), "the end hook was stopped by a signal");
    // It may have been given up before it was connected.
    let _ = std::net::TcpStream::connect(url.trim_start_matches("http://").split('/').next().unwrap());
    thread.join().unwrap();
}

/// Waits until none of these processes is there any more.
fn all_are_gone(pids: &str) {
    let clock = crate::clock::Clock::start();
    for pid in pids.split_whitespace() {
        // Gone, or dead and not yet waited for by whoever adopted it; dying takes a moment.
        let is_gone = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
            matches!(state, None | Some('Z' | 'X'))
        };
        while !is_gone() {
            assert!(clock.now_ns() < 10_000_000_000, "{pid} lives on");
            clock.sleep_until(clock.now_ns() + 1_000_000);
        }
    }
}

/// A server that takes one request, answers with `answer`, and returns what it got.
fn server(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/runs?x=1", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        let mut buffer = [0; 4096];
        while !got.ends_with(b"}") {
            let len = stream.read(&mut buffer).unwrap();
            if len == 0 {
                break;
            }
            got.extend_from_slice(&buffer[..len]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        if answer.is_empty() {
            // Says nothing until the client has had enough.
            assert_eq!(stream.read(&mut buffer).unwrap_or(0), 0);
        }
        String::from_utf8(got).unwrap()
    });
    (url, thread)
}

#[test]
fn a_url_is_posted_to() {
    let (url, thread) = server("HTTP/1.1 204 No Content\r\n\r\n");
    url.parse::<Hook>().unwrap().run(HookEvent::End, &facts(), LONG, pending()).unwrap();
    let got = thread.join().unwrap();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /runs?x=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["event"], "end");
}

#[test]
fn what_a_url_answers_or_does_not_is_said() {
    let run =
        |url: &str, limit| url.parse::<Hook>().unwrap().run(HookEvent::Start, &facts(), limit, pending()).unwrap_err();
    let (url, thread) = server("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(run(&url, LONG).to_string(), "the start hook was answered with 302");
    thread.join().unwrap();
    let (url, thread) = server("");
    assert_eq!(run(&url, Duration::from_millis(200)).to_string(), "the start hook was stopped after 200ms");
    thread.join().unwrap();
    // A port that was free a moment ago, and that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(run(&format!("http://{free}/"), LONG), HookError::Post { .. }));
}

#[test]
fn hooks_that_cannot_be_run_are_refused() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<Hook>().expect_err(text);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains("hunter2"));
    };
    check(" ", "the hook is empty");
    check("https://x/y", "needs TLS");
    check("HTTPS://x/y", "needs TLS");
    check("http://u:hunter2@x/", "credentials");
    check("http://", "no http:// URL");
}
