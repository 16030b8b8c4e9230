//! What keeps a replay within bounds, from outside: caps, budgets and rules that stop it, values that mean nothing; and what
//! a target does not move that stands still.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use scripted::{OK, gets, line, ok, read_head, session, target};
use serde_json::Value;
use support::{PATIENCE, Said, folder, inside, reenact_says, run_json, text};

/// A replay that must end with this code.
#[track_caller]
fn replay(session: &Path, to: &str, out: &Path, code: i32, more: &[&str]) -> Said {
    let (session, out) = (text(session), text(out));
    let said = reenact_says(["replay", &session, "--target", to, "--out", &out].iter().chain(more));
    assert_eq!(said.code, code, "{more:?}: {said:?}");
    assert!(!said.err.contains("panicked"), "{said:?}");
    said
}

/// The lines of a run's request log, by due instants.
fn requests(run: &Path) -> Vec<Value> {
    let text = zstd::decode_all(std::fs::File::open(run.join("requests.jsonl.zst")).unwrap()).unwrap();
    let lines = String::from_utf8(text).unwrap();
    let mut all: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    all.sort_by_key(|one| of(one, "due_ns"));
    all
}

fn of(one: &Value, name: &str) -> u64 {
    one[name].as_u64().unwrap_or_else(|| panic!("no {name}: {one}"))
}

/// A target that reads and never answers.
fn silent() -> String {
    format!("http://{}", target(|mut socket: TcpStream| while read_head(&mut socket).is_some() {}))
}

fn prompt() -> String {
    format!("http://{}", target(ok))
}

/// A target that answers each request only when so many have come as this says of its number.
fn waiting(until: impl Fn(u64) -> u64 + Send + Sync + 'static) -> String {
    let came = Arc::new((Mutex::new(0_u64), Condvar::new()));
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            let (count, changed) = &*came;
            let mut count = count.lock().unwrap();
            *count += 1;
            let until = until(*count);
            changed.notify_all();
            let (count, waited) = changed.wait_timeout_while(count, PATIENCE, |count| *count < until).unwrap();
            drop(count);
            if waited.timed_out() || socket.write_all(OK).is_err() {
                return;
            }
        }
    });
    format!("http://{address}")
}

#[test]
fn no_more_requests_are_under_way_than_may_be() {
    let folder = folder();
    let session = gets(folder.path(), "s", 100);
    let out = inside(&folder, "run");
    // Half a second of requests, and nobody answers for longer than that.
    replay(&session, &silent(), &out, 3, &["--max-in-flight", "3", "--timeout", "3s"]);
    let run = run_json(&out);
    assert_eq!(
        (&run["shed"]["max_in_flight"], &run["sent"], &run["errors"]["timeout"]),
        (&97.into(), &3.into(), &3.into())
    );
}

#[test]
fn budgets_of_bytes_and_time_end_a_run() {
    let folder = folder();
    let session = gets(folder.path(), "s", 100);
    let out = inside(&folder, "bytes");
    replay(&session, &prompt(), &out, 3, &["--budget-bytes", "2kB"]);
    let run = run_json(&out);
    let bytes = of(&run["bytes"], "sent") + of(&run["bytes"], "received");
    assert!(bytes >= 2_000 && of(&run["bytes"], "sent") < bytes, "both directions count: {}", run["bytes"]);
    assert_eq!(of(&run["shed"], "budget") + of(&run, "completed"), 100);
    // 20 s, 50 requests a second.
    let lines: Vec<String> = (0..1_000).map(|i| line(i * 20, i % 5 + 1, "GET", "/")).collect();
    let long = scripted::session(folder.path(), "long", &lines);
    let out = inside(&folder, "time");
    replay(&long, &prompt(), &out, 3, &["--budget-time", "500ms"]);
    let run = run_json(&out);
    assert_eq!(of(&run["shed"], "budget") + of(&run, "completed"), 1_000);
    assert!(of(&run, "completed") > 5 && of(&run, "completed") < 500, "{run}");
}

#[test]
fn rules_about_errors_times_and_requests_under_way_stop_a_run() {
    let folder = folder();
    let lines: Vec<String> = (0..1_000).map(|i| line(i * 20, i % 5 + 1, "GET", "/")).collect();
    let session = session(folder.path(), "long", &lines);
    let closes = format!("http://{}", target(|mut socket| drop(read_head(&mut socket))));
    for (name, to, rule) in [
        ("error_rate", closes, "error_rate > 50% for 2s"),
        ("p99", prompt(), "p99 > 1us for 1s"),
        ("in_flight", silent(), "in_flight > 3 for 1s"),
    ] {
        let out = inside(&folder, name);
        replay(&session, &to, &out, 1, &["--abort-if", rule, "--timeout", "5s"]);
        let run = run_json(&out);
        assert!(run["aborted"].as_str().unwrap().contains(rule), "{run}");
        assert!(of(&run["shed"], "stopped") > 0 && of(&run, "sent") < 900, "{run}");
    }
    let short = gets(folder.path(), "short", 300);
    replay(&short, &prompt(), &inside(&folder, "goes-on"), 0, &["--abort-if", "p99 > 1h for 1s"]);
}

#[test]
fn at_the_highest_pace_requests_wait_for_connections() {
    let folder = folder();
    // Seven clients, each with a connection of its own that it needs to the end.
    let session = gets(folder.path(), "s", 300);
    for (name, more) in [("2", &["--max-connections", "2"][..]), ("3", &["--max-connections", "3", "--threads", "2"])] {
        let out = inside(&folder, name);
        replay(&session, &prompt(), &out, 0, &[&["--rate", "max"], more].concat());
        let run = run_json(&out);
        assert_eq!((&run["completed"], &run["shed"]), (&300.into(), &serde_json::json!({})));
        assert!(of(&run["connections"], "peak") <= name.parse().unwrap(), "{}", run["connections"]);
        let mut clients = std::collections::BTreeMap::<String, Vec<Value>>::new();
        for one in requests(&out) {
            clients.entry(one["client"].to_string()).or_default().push(one);
        }
        for requests in clients.values_mut() {
            requests.sort_by_key(|one| of(one, "seq"));
            assert!(requests.is_sorted_by_key(|one| of(one, "dispatched_ns")), "{requests:?}");
        }
    }
}

#[test]
fn the_machine_is_asked_only_for_what_may_be_open() {
    let folder = folder();
    // 300 connections in a second, and a process that may have 200 descriptors: all are open at once, or one after the other.
    let at_once = (0..600).map(|i| line(i * 3, i % 300 + 1, "GET", "/"));
    let in_turn = (0..300).map(|i| line(i * 3, i + 1, "GET", "/"));
    let at_once = text(&session(folder.path(), "at-once", &at_once.collect::<Vec<_>>()));
    let in_turn = text(&session(folder.path(), "in-turn", &in_turn.collect::<Vec<_>>()));
    let to = prompt();
    let run = |session: &str, name: &str, more: &[&str]| {
        let out = text(&inside(&folder, name));
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_reenact")]);
        command.args(["replay", session, "--target", &to, "--out", &out, "--lag-limit", "strained=1h,invalid=1h"]);
        support::run(command.args(more))
    };
    let said = run(&at_once, "refused", &[]);
    assert!(said.code == 2 && said.err.contains("descriptors at once"), "{said:?}");
    assert!(said.err.contains("hint: ") && said.err.contains("--max-connections"), "{said:?}");
    let said = run(&at_once, "bounded", &["--max-connections", "50"]);
    assert!([0, 3].contains(&said.code), "{said:?}");
    let said = run(&in_turn, "max", &["--rate", "max"]);
    assert_eq!((said.code, &run_json(&inside(&folder, "max"))["completed"]), (0, &300.into()), "{said:?}");
    // At the highest pace those that only wait for a later request give way.
    let said = run(&at_once, "all-max", &["--rate", "max"]);
    let result = run_json(&inside(&folder, "all-max"));
    assert_eq!((said.code, &result["completed"]), (0, &600.into()), "{said:?}");
    assert!(of(&result["connections"], "peak") <= 136, "{}", result["connections"]);
    // That they may meet is said and refused by nobody.
    let said = run(&in_turn, "in-turn-run", &[]);
    let result = run_json(&inside(&folder, "in-turn-run"));
    assert_eq!((said.code, &result["completed"]), (0, &300.into()), "{said:?}");
    assert!(said.out.contains("of the 200 descriptors that this process may have"), "{said:?}");
}

#[test]
fn a_run_that_has_no_descriptors_left_says_so_is_invalid_and_whole() {
    let folder = folder();
    // Five connections, as far as anybody knows before; and then nobody answers for longer than all of it takes.
    let lines: Vec<String> = (0..300).map(|i| line(i * 10, i % 5 + 1, "GET", "/").replace("peer-", "named-")).collect();
    let session = text(&session(folder.path(), "s", &lines));
    let out = inside(&folder, "run");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_reenact")]);
    command.args(["replay", &session, "--target", &silent(), "--when-busy", "extra", "--timeout", "4s", "--out"]);
    let said = support::run(command.arg(&out).args(["--lag-limit", "strained=1h,invalid=1h"]));
    let run = run_json(&out);
    assert_eq!((said.code, &run["verdict"]["outcome"]), (4, &"invalid".into()), "{said:?}");
    let (without, sent) = (of(&run["errors"], "no_descriptors"), of(&run, "sent"));
    assert!(without > 150 && (20..100).contains(&sent), "{without} without, {sent} sent");
    assert_eq!((without + sent, &run["errors"]["timeout"]), (300, &sent.into()), "{}", run["errors"]);
    let why = run["verdict"]["reasons"].to_string();
    assert!(why.contains(&format!("{without} requests found no descriptor or port")), "{why}");
    // Nothing of the run itself wanted for one.
    assert_eq!(run["unwritten"], serde_json::json!({}));
    for file in ["plan.json", "latency.hlog", "histograms.hlog", "moves.jsonl", "report.html", "answers"] {
        assert!(out.join(file).exists(), "{file}");
    }
    assert!(!out.join("begun.json").exists());
    assert_eq!(requests(&out).len(), 300);
    assert_eq!(requests(&out).iter().filter(|one| one["error"] == "no_descriptors").count() as u64, without);
    let answers = reenact_says(["verify", &text(&out.join("answers"))]);
    assert_eq!(answers.code, 0, "{answers:?}");
}

#[test]
fn bounds_that_leave_nothing_are_refused() {
    let folder = folder();
    // 495 ms.
    let session = gets(folder.path(), "s", 100);
    let (to, out) = (prompt(), inside(&folder, "none"));
    let refused = |more: &[&str], says: &[&str]| {
        let said = replay(&session, &to, &out, 2, more);
        assert!(says.iter().all(|text| said.err.contains(text)), "{more:?}: {said:?}");
        assert!(!out.exists(), "{more:?}");
    };
    for (flag, value) in [
        ("--max-in-flight", "0"),
        ("--max-connections", "0"),
        ("--budget-requests", "0"),
        ("--budget-bytes", "0"),
        ("--budget-time", "0s"),
        ("--hook-timeout", "0s"),
    ] {
        refused(&[flag, value], &[&format!("{flag} must be above zero"), "hint: "]);
    }
    for flag in ["--timeout", "--connect-timeout", "--hook-timeout", "--collect-wait"] {
        refused(&[flag, "1000000000000s"], &[flag, "longer than a day"]);
    }
    refused(&["--warm-up", "300ms", "--drain", "250ms"], &["--warm-up 300ms and --drain 250ms leave nothing"]);
    refused(&["--warm-up", "9s"], &["--warm-up 9s", "leave nothing of the plan"]);
    refused(&["--rate", "max", "--drain", "1s"], &["--drain does not go with --rate max"]);
    refused(&["--rate", "max", "--speed", "2x"], &["--speed does nothing with --rate max"]);
    refused(&["--rate", "max", "--threads", "3", "--max-connections", "2"], &["--max-connections 2", "--threads 3"]);
    let paused = ["--rate", "max", "--speed", "2x", "--loop-model", "closed", "--warm-up", "1ms", "--timeout", "1day"];
    let users: Vec<String> = (0..100).map(|i| line(i * 5, i % 7 + 1, "GET", "/").replace("peer-", "named-")).collect();
    let session = scripted::session(folder.path(), "users", &users);
    replay(&session, &to, &inside(&folder, "run"), 0, &paused);
    assert_eq!(run_json(&inside(&folder, "run"))["completed"], 100);
}

#[test]
fn the_table_that_forbids_a_request_is_named() {
    let folder = folder();
    let lines = [line(0, 1, "GET", "/"), line(5, 1, "POST", "/cart"), line(9, 1, "PUT", "/cart")];
    let session = session(folder.path(), "s", &lines);
    let (to, out, config) = (prompt(), inside(&folder, "none"), inside(&folder, "c.toml"));
    std::fs::write(&config, "\n[[unsafe]]\nendpoint = \"POST /cart\"\ndecision = \"fail\"\n").unwrap();
    let config = text(&config);
    let table = "[[unsafe]] on line 2 says fail of `POST /cart`";
    let said = replay(&session, &to, &out, 2, &["--config", &config, "--unsafe-methods", "send"]);
    assert!(said.err.contains("1 of 3 planned requests use POST") && said.err.contains(table), "{said:?}");
    assert!(!said.err.contains("decide with"), "{said:?}");
    let said = replay(&session, &to, &out, 2, &["--config", &config]);
    assert!(said.err.contains(table) && said.err.contains("for all others decide with --unsafe-methods"), "{said:?}");
}

#[test]
fn a_target_that_stands_still_for_five_seconds_moves_no_other_request() {
    let folder = folder();
    // 25 ms apart: from its 10th request on the target answers nobody until the 210th has come, 5 s later.
    let lines: Vec<String> = (0..240).map(|i| line(i * 25, i % 7 + 1, "GET", "/")).collect();
    let session = session(folder.path(), "s", &lines);
    let out = inside(&folder, "run");
    replay(&session, &waiting(|came| if (10..210).contains(&came) { 210 } else { 0 }), &out, 0, &[]);
    let (run, all) = (run_json(&out), requests(&out));
    assert_eq!((&run["completed"], all.len()), (&240.into(), 240));
    assert!(all.iter().all(|one| one["released_ns"] == one["due_ns"] && one["held_by_seq"].is_null()));
    // Whoever waited for answers could not have dispatched one of them before the first of them was answered.
    let held = &all[20..200];
    let answered = held.iter().map(|one| of(one, "done_ns")).min().unwrap();
    assert!(held.iter().all(|one| of(one, "dispatched_ns") < answered), "{held:?}");
    let longest = held.iter().map(|one| of(one, "done_ns") - of(one, "due_ns")).max().unwrap();
    assert!(longest > 4_000_000_000, "the wait is in the response time: {longest}");
}

#[test]
fn a_target_that_slows_down_tenfold_moves_no_request() {
    let folder = folder();
    let session = gets(folder.path(), "s", 300);
    let out = inside(&folder, "run");
    // From its 100th request on each answer takes as long as ten more requests need to come.
    replay(&session, &waiting(|came| if (100..290).contains(&came) { came + 10 } else { 0 }), &out, 0, &[]);
    let (run, all) = (run_json(&out), requests(&out));
    assert_eq!((&run["completed"], &run["errors"]), (&300.into(), &serde_json::json!({})));
    assert!(all.iter().all(|one| one["released_ns"] == one["due_ns"] && one["held_by_seq"].is_null()));
    // Several of one client's requests are on their way at once, as they were due.
    for pair in all[110..280].windows(7) {
        assert!(pair.iter().all(|one| of(one, "dispatched_ns") < of(&pair[0], "done_ns")), "{pair:?}");
    }
}
