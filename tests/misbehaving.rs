//! Targets that misbehave towards some clients: the schedule keeps its time, for these clients and for all others, and each
//! misbehaviour is called by its name.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use scripted::arrivals::Arrivals;
use scripted::faults::{CLIENTS, Fault, GIGABYTE, REQUESTS, SPACING, UPLOAD_BYTES, is_hit, number, numbered};
use scripted::{read_head, target};
use serde_json::{Value, json};
use support::{Process, folder, inside, reenact, run, run_json};

/// Of a replayer that is sent anything but what it expects.
const MEMORY_BYTES_MAX: u64 = 200 << 20;
/// Of a tenth of them at most, on a machine that does other things as well.
const LATE_NS: u64 = 250_000_000;

/// A replay, not started yet.
fn replay(session: &Path, to: &str, out: &Path, more: &[&str]) -> Command {
    let mut command = reenact(["replay", "--target", to, "--out"]);
    command.arg(out).arg(session).args(more);
    command
}

/// The run's own figures: this went wrong, and none of it counts as the generator's lateness.
#[track_caller]
fn blames(result: &Value, errors: &Value) {
    assert_eq!(&result["errors"], errors, "{result:#}");
    let failed: u64 = errors.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((&result["planned"], &result["shed"]), (&REQUESTS.into(), &json!({})));
    assert_eq!(result["completed"], REQUESTS - failed);
    for (quantile, limit_us) in [("p50", 20_000.0), ("p90", 250_000.0)] {
        assert!(result["lag_us"][quantile].as_f64().unwrap() < limit_us, "{}", result["lag_us"]);
    }
}

/// The schedule is kept when a part of the requests meets a fault, by these as well.
#[track_caller]
fn keeps_its_time(fault: Fault, more: &[&str], errors: &Value, response_s: Range<f64>) -> Run {
    let folder = folder();
    let ((to, arrivals), out) = (fault.target(), inside(&folder, "run"));
    let said = Process::start(&mut replay(&fault.session(folder.path()), &to, &out, more)).finish();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(arrivals.numbers(), Vec::from_iter(0..REQUESTS), "each arrives once");
    arrivals.check(CLIENTS, SPACING, |number| !fault.meets(number));
    arrivals.check(CLIENTS, SPACING, |number| fault.meets(number));
    let result = run_json(&out);
    blames(&result, errors);
    let longest = result["response_us"]["p90"].as_f64().unwrap() / 1e6;
    assert!(response_s.contains(&longest), "{longest} s: {}", result["response_us"]);
    let memory = result["generator"]["rss_peak_bytes"].as_u64().unwrap();
    assert!(memory < MEMORY_BYTES_MAX, "{memory} bytes");
    Run { result, requests: requests(&out, fault) }
}

/// What became of it: its result, and the lines of its request log about requests that met the fault.
struct Run {
    result: Value,
    requests: Vec<Value>,
}

/// Those that met the fault; all others were answered with 200, and nearly none of them left late.
#[track_caller]
fn requests(run: &Path, fault: Fault) -> Vec<Value> {
    let text = zstd::decode_all(std::fs::File::open(run.join("requests.jsonl.zst")).unwrap()).unwrap();
    let all = String::from_utf8(text).unwrap();
    let all = all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |one: &Value, name: &str| one[name].as_u64().unwrap();
    // As imported, the sequence numbers are those of the requests.
    let (met, others): (Vec<_>, Vec<_>) = all.partition(|one| fault.meets(of(one, "seq")));
    let late = |one: &&Value| of(one, "dispatched_ns") - of(one, "released_ns") > LATE_NS;
    assert_eq!((met.len() + others.len()) as u64, REQUESTS);
    assert!(others.iter().all(|one| one["status"] == 200 && one["error"].is_null()), "{others:?}");
    assert!(others.iter().filter(late).count() * 10 < others.len(), "{others:?}");
    met
}

#[test]
fn a_target_slow_for_some_clients_delays_no_request() {
    keeps_its_time(Fault::Slow, &[], &json!({}), 1.99..2.9);
}

#[test]
fn a_target_that_hangs_for_some_clients_delays_no_request() {
    keeps_its_time(Fault::Hangs, &["--timeout", "1s"], &json!({"timeout": 200}), 0.99..1.9);
}

#[test]
fn a_target_that_closes_on_some_clients_delays_no_request() {
    keeps_its_time(Fault::Closes, &[], &json!({"closed": 200}), 0.0..1.0);
}

#[test]
fn a_target_that_resets_some_clients_delays_no_request() {
    keeps_its_time(Fault::Resets, &[], &json!({"reset": 200}), 0.0..1.0);
}

#[test]
fn a_target_that_sends_a_byte_a_second_to_some_clients_delays_no_request() {
    keeps_its_time(Fault::Trickles, &["--timeout", "1s"], &json!({"timeout": 200}), 0.99..1.9);
}

#[test]
fn a_target_that_answers_before_a_request_ends_delays_no_request() {
    let run = keeps_its_time(Fault::AnswersEarly, &["--unsafe-methods", "send"], &json!({}), 0.0..1.0);
    assert_eq!(run.result["status"], json!({"200": REQUESTS - 4, "413": 4}));
    for one in run.requests {
        assert!(one["written_ns"].is_null() && one["bytes_out"].as_u64().unwrap() < UPLOAD_BYTES as u64, "{one}");
    }
}

#[test]
fn heads_without_end_delay_no_request() {
    keeps_its_time(Fault::EndlessHead, &[], &json!({"protocol": 200}), 0.0..1.0);
}

#[test]
fn interim_answers_without_end_delay_no_request() {
    keeps_its_time(Fault::EndlessInterim, &[], &json!({"protocol": 200}), 0.0..1.0);
}

#[test]
fn trailers_without_end_delay_no_request() {
    keeps_its_time(Fault::EndlessTrailers, &[], &json!({"protocol": 200}), 0.0..1.0);
}

#[test]
fn wrong_framing_delays_no_request() {
    keeps_its_time(Fault::BadChunks, &[], &json!({"protocol": 200}), 0.0..1.0);
}

#[test]
fn redirects_are_counted_and_not_followed() {
    let run = keeps_its_time(Fault::Redirects, &[], &json!({}), 0.0..1.0);
    assert_eq!(run.result["status"], json!({"200": REQUESTS - 200, "302": 200}));
}

#[test]
fn an_answer_of_a_gigabyte_takes_no_memory_and_delays_no_request() {
    let run = keeps_its_time(Fault::Gigabyte, &[], &json!({}), 0.0..1.0);
    assert_eq!(run.requests.len(), 1);
    assert!(run.requests.iter().all(|one| one["bytes_in"].as_u64().unwrap() > GIGABYTE), "{:?}", run.requests);
}

#[test]
fn chunks_of_a_byte_without_end_delay_no_request() {
    keeps_its_time(Fault::TinyChunks, &["--timeout", "1s"], &json!({"timeout": 4}), 0.0..1.0);
}

#[test]
fn a_target_that_is_gone_for_some_clients_delays_no_request_of_the_others() {
    let folder = folder();
    let (to, arrivals) = Fault::Closes.target();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let map = format!("hit.invalid=http://{}", gone.local_addr().unwrap());
    // It is there when the run looks for it, and not after that.
    std::thread::spawn(move || drop(gone.accept()));
    let out = inside(&folder, "run");
    let said = run(&mut replay(&numbered(folder.path()), &to, &out, &["--map", &map]));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(arrivals.numbers().into_iter().eq((0..REQUESTS).filter(|number| !is_hit(*number))));
    arrivals.check(CLIENTS, SPACING, |_| true);
    blames(&run_json(&out), &json!({"refused": 200}));
}

#[test]
fn a_target_that_turns_half_of_the_connections_away_delays_no_other() {
    let folder = folder();
    let (arrivals, accepted) = (Arrivals::default(), AtomicU64::new(0));
    let noted = arrivals.clone();
    let address = target(move |mut socket| {
        if accepted.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            return;
        }
        // One request each, so that connections are made all the time.
        if let Some(head) = read_head(&mut socket) {
            noted.note(number(&head), &socket);
            let _ = socket.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
    });
    let out = inside(&folder, "run");
    let said = run(&mut replay(&numbered(folder.path()), &format!("http://{address}"), &out, &[]));
    assert_eq!(said.code, 0, "{said:?}");
    let result = run_json(&out);
    arrivals.check(CLIENTS, SPACING, |_| true);
    assert_eq!(result["completed"], arrivals.count());
    assert!(arrivals.count() > 200, "{result:#}");
    blames(&result, &result["errors"]);
    let errors: BTreeSet<&str> = result["errors"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(!errors.is_empty() && errors.is_subset(&["closed", "reset"].into()), "{errors:?}");
}
