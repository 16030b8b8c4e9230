//! A generator that stands still for a time is late, and whoever reads its figures is told so.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; instants are checked"
)]

mod scripted;
mod support;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use scripted::arrivals::Arrivals;
use scripted::faults::number;
use scripted::{OK, line, read_head, session, target};
use serde_json::Value;
use support::{Process, Said, folder, inside, reenact, run_json, text};

/// For how long it stands still.
const STOP: Duration = Duration::from_millis(1_500);
/// What a busy machine may add to that, and what the first of the requests that wait may lack of it.
const SLACK_US: f64 = 1e6;
const LACK_US: f64 = 200e3;

/// A replay of so many requests, 10 ms apart, that stands still once 100 of them have come; for how long it did, and what came.
fn stopped(folder: &Path, requests: u64, out: &Path, more: &[&str]) -> (Said, Duration, Arrivals) {
    let arrivals = Arrivals::default();
    let noted = arrivals.clone();
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            noted.note(number(&head), &socket);
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    let one = |at: u64| line(at * 10, at % 40 + 1, "GET", &format!("/{at}")).replace("peer-", "named-");
    let session = text(&session(folder, "s", &(0..requests).map(one).collect::<Vec<_>>()));
    let mut command = reenact(["replay", &session, "--target", &format!("http://{address}"), "--out", &text(out)]);
    // Lateness counts here.
    let mut replay = Process::start(command.env_remove("REENACT_LAG_LIMIT").args(more));
    support::wait_for("a hundred requests", || (arrivals.count() >= 100).then_some(()));
    assert!(replay.is_running(), "{}", replay.err());
    let from = Instant::now();
    replay.signal("STOP");
    support::wait_for("the stop to be over", || (from.elapsed() >= STOP).then_some(()));
    replay.signal("CONT");
    let stood_still = from.elapsed();
    (replay.finish(), stood_still, arrivals)
}

/// The lag is the time for which it stood still.
#[track_caller]
fn has_that_lag(run: &Value, stood_still: Duration) {
    let (max, stop) = (run["lag_us"]["max"].as_f64().unwrap(), stood_still.as_secs_f64() * 1e6);
    assert!(max > stop - LACK_US && max < stop + SLACK_US, "{} of {stood_still:?}", run["lag_us"]);
}

#[test]
fn a_generator_that_stood_still_is_late_and_its_run_invalid() {
    let folder = folder();
    let out = inside(&folder, "run");
    let (said, stood_still, arrivals) = stopped(folder.path(), 400, &out, &[]);
    let run = run_json(&out);
    assert_eq!((said.code, &run["verdict"]["outcome"]), (4, &"invalid".into()), "{said:?}");
    assert!(run["verdict"]["reasons"].to_string().contains("late"), "{}", run["verdict"]);
    assert!(said.out.contains("INVALID"), "{said:?}");
    has_that_lag(&run, stood_still);
    // Nothing was left out, or made up for by sending it again.
    assert_eq!(arrivals.numbers(), Vec::from_iter(0..400), "each arrives once");
    assert_eq!((&run["completed"], &run["errors"]), (&400.into(), &serde_json::json!({})));
    // Who waited for the generator has waited: no response time is shorter than the lateness in it.
    let log = zstd::decode_all(std::fs::File::open(out.join("requests.jsonl.zst")).unwrap()).unwrap();
    let log: Vec<Value> =
        String::from_utf8(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |one: &Value, name: &str| one[name].as_u64().unwrap();
    let mut late = 0;
    for one in &log {
        let lag = of(one, "dispatched_ns") - of(one, "released_ns");
        assert_eq!(one["released_ns"], one["due_ns"], "{one}");
        assert!(of(one, "done_ns") - of(one, "due_ns") >= lag, "{one}");
        late += u128::from(lag > 100_000_000);
    }
    let due = stood_still.as_millis() / 10;
    assert!(log.len() == 400 && late >= due - 40, "{late} late, and {due} were due");
    for quantile in ["p90", "p99", "max"] {
        let us = |name: &str| run[name][quantile].as_f64().unwrap();
        assert!(us("response_us") >= us("lag_us") * 0.99, "{quantile}: {run}");
    }
}

#[test]
fn a_rule_about_lag_stops_a_generator_that_stood_still() {
    let folder = folder();
    let out = inside(&folder, "run");
    let rule = "lag_max > 500ms for 1s";
    let (said, stood_still, arrivals) = stopped(folder.path(), 1_000, &out, &["--abort-if", rule]);
    let run = run_json(&out);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(run["aborted"].as_str().unwrap().contains(rule), "{run}");
    has_that_lag(&run, stood_still);
    assert!(arrivals.count() < 900 && run["shed"]["stopped"].as_u64().unwrap() > 0, "{}", run["shed"]);
}
