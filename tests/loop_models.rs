//! What requests wait for besides their due instants (`--loop-model`), and whom that is for.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scripted::{OK, gets, line, ok, read_head, session, target};
use serde_json::Value;
use support::{Said, folder, inside, reenact_says, run_json, text};

const MS: u64 = 1_000_000;

/// The lines of a run's request log, in the order of the recording.
fn requests(run: &Path) -> Vec<Value> {
    let text = zstd::decode_all(std::fs::File::open(run.join("requests.jsonl.zst")).unwrap()).unwrap();
    let mut all: Vec<Value> =
        String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    all.sort_by_key(|one| one["seq"].as_u64());
    all
}

fn replay(session: &Path, out: &Path, more: &[&str]) -> Said {
    let to = format!("http://{}", target(ok));
    let (session, out) = (text(session), text(out));
    reenact_says(["replay", &session, "--target", &to, "--out", &out].iter().chain(more))
}

/// One user, twenty requests, each answered after half a second in the recording, with 10 ms of thinking in between;
/// `connection` says which connection each is on.
fn slowly_answered(folder: &Path, name: &str, connection: impl Fn(u64) -> u64) -> PathBuf {
    let one = |number: u64| {
        let mut one: Value = serde_json::from_str(&line(number * 510, 1, "GET", &format!("/{number}"))).unwrap();
        one["client"] = "named-0000000000000001".into();
        one["connection"] = connection(number).into();
        for end in ["response_start", "response_head", "response_end"] {
            one["instants_ns"][end] = ((number * 510 + 500) * MS).into();
        }
        one.to_string()
    };
    session(folder, name, &(0..20).map(one).collect::<Vec<_>>())
}

#[test]
fn closed_loop_follows_a_target_that_is_faster_than_the_recorded_one() {
    let folder = folder();
    let of = |one: &Value, name: &str| one[name].as_u64().unwrap();
    for (name, connection) in [("one", (|_| 1) as fn(u64) -> u64), ("each", |number| number + 1)] {
        let (session, out) =
            (slowly_answered(folder.path(), name, connection), inside(&folder, &format!("{name}-run")));
        let said = replay(&session, &out, &["--loop-model", "closed"]);
        assert_eq!(said.code, 0, "{said:?}");
        let (all, run) = (requests(&out), run_json(&out));
        assert_eq!(all.len(), 20);
        for (before, one) in all.iter().zip(all.iter().skip(1)) {
            // The recorded pause, and nothing else: the request was there before it was over.
            assert_eq!(of(one, "released_ns"), of(before, "done_ns") + 10 * MS, "{before} {one}");
            assert!(of(one, "dispatched_ns") >= of(one, "released_ns"), "{one}");
        }
        // Recorded it took 9.7 s; what is gained is more than requests are made ready ahead of their due instants in open loop.
        let (last, due) = (of(&all[19], "done_ns"), of(&all[19], "due_ns"));
        assert!(due == 9_690 * MS && last < 5_000 * MS, "{last} of {due}");
        let p50 = |what: &str| run[what]["p50"].as_f64().unwrap();
        assert!(p50("lag_us") < 100_000.0 && p50("response_us") < 250_000.0, "{run}");
        // What the run came to is told by what it did, and not by when it was due.
        let (took, rate) = (run["duration_s"].as_f64().unwrap(), &run["rate"]);
        assert!((took - last as f64 / 1e9).abs() < 0.001, "{took} {last}");
        assert!(rate["achieved"].as_f64().unwrap() > 1.5 * rate["planned"].as_f64().unwrap(), "{rate}");
        // Connections were made ahead, while the user was thinking.
        assert!(run["connections"]["not_ahead"].as_u64().unwrap() < 10, "{}", run["connections"]);
        assert!(!run["notices"].to_string().contains("feed waited"), "{}", run["notices"]);
    }
}

#[test]
fn requests_that_left_before_they_were_due_are_compared() {
    let folder = folder();
    let session = slowly_answered(folder.path(), "s", |_| 1);
    let runs = ["before", "after"].map(|name| {
        let out = inside(&folder, name);
        assert_eq!(replay(&session, &out, &["--loop-model", "closed"]).code, 0);
        text(&out)
    });
    let said = reenact_says(["compare", &runs[0], &runs[1], "--fail-on", "none"]);
    let all: Vec<&str> = said.out.lines().filter(|line| line.contains(", 20 requests")).collect();
    assert_eq!(all.len(), 2, "{said:?}");
}

#[test]
fn pauses_shrink_with_time() {
    let folder = folder();
    let session = slowly_answered(folder.path(), "s", |_| 1);
    let of = |one: &Value, name: &str| one[name].as_u64().unwrap();
    for (options, pause_ns) in [
        (&["--loop-model", "closed", "--speed", "2x"][..], 5 * MS),
        (&["--loop-model", "closed", "--method", "compress", "--rate", "0.5x"], 20 * MS),
        (&["--loop-model", "causal", "--think-min", "1s", "--speed", "100x"], MS / 10),
    ] {
        let out = inside(&folder, &options.join(""));
        let said = replay(&session, &out, options);
        assert_eq!(said.code, 0, "{said:?}");
        let all = requests(&out);
        for (before, one) in all.iter().zip(all.iter().skip(1)) {
            let released = of(before, "done_ns") + pause_ns;
            // In causal loop a request is also not before its due instant.
            assert_eq!(
                of(one, "released_ns"),
                released.max(if options[1] == "causal" { of(one, "due_ns") } else { 0 }),
                "{one}"
            );
        }
    }
}

#[test]
fn closed_loop_leaves_what_waits_for_nobody_at_its_due_instant() {
    let folder = folder();
    let out = inside(&folder, "run");
    let lines: Vec<String> =
        (1..=5).map(|user| line(user * 300, user, "GET", "/").replace("peer-", "named-")).collect();
    assert_eq!(replay(&session(folder.path(), "s", &lines), &out, &["--loop-model", "closed"]).code, 0);
    for one in requests(&out) {
        assert!(one["held_by_seq"].is_null() && one["released_ns"] == one["due_ns"], "{one}");
        assert!(one["dispatched_ns"].as_u64() >= one["due_ns"].as_u64(), "{one}");
    }
}

#[test]
fn loop_models_say_for_whom_they_are_not_and_are_refused_where_that_is_everybody() {
    let folder = folder();
    // Every client is the address of a peer with a large part of the traffic: a pool.
    let pools = gets(folder.path(), "pools", 70);
    for model in ["causal", "closed"] {
        let said = replay(&pools, &inside(&folder, "refused"), &["--loop-model", model]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("--loop-model would change nothing") && said.err.contains("hint: "), "{said:?}");
    }
    assert_eq!(replay(&pools, &inside(&folder, "cloned"), &["--loop-model", "closed", "--method", "clone"]).code, 0);

    let of = |i: u64| line(i * 5, i % 4 + 1, "GET", "/").replace("peer-0000000000000001", "named-0000000000000001");
    let mixed = session(folder.path(), "mixed", &(0..80).map(of).collect::<Vec<_>>());
    let expected = "75.0 % of the exchanges, which are of pools and wait for nobody: they are sent open";
    let said = replay(&mixed, &inside(&folder, "run"), &["--loop-model", "closed"]);
    assert!(said.code == 0 && said.out.contains(expected) && said.err.contains(expected), "{said:?}");
    assert!(run_json(&inside(&folder, "run"))["notices"].to_string().contains(expected));
    let mixed_text = text(&mixed);
    assert!(reenact_says(["plan", &mixed_text]).out.contains(expected));
    let json: Value = serde_json::from_str(&reenact_says(["plan", &mixed_text, "--json"]).out).unwrap();
    assert!(json["notices"].to_string().contains(expected), "{json}");
    // In open loop there is nothing to say.
    let said = replay(&mixed, &inside(&folder, "open"), &[]);
    assert!(said.code == 0 && !said.out.contains("sent open") && !said.err.contains("sent open"), "{said:?}");
}

/// In closed loop all of these are made ready before the first one leaves: a token that was put in then would be an old one.
#[test]
#[expect(clippy::disallowed_methods, reason = "a target that takes its time")]
fn a_token_that_is_rotated_is_in_requests_that_were_made_ready_before() {
    let folder = folder();
    let file = inside(&folder, "token");
    std::fs::write(&file, "Bearer one").unwrap();
    let (seen, current) = (Arc::new(Mutex::new(Vec::new())), file.clone());
    let told = Arc::clone(&seen);
    let to = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let expected = std::fs::read_to_string(&current).unwrap();
            let is_new = String::from_utf8(head).unwrap().contains(&format!("Authorization: {expected}\r\n"));
            let mut seen = told.lock().unwrap();
            seen.push(is_new);
            if seen.len() == 30 {
                // At once, as whoever rotates secrets does.
                let next = current.with_extension("next");
                std::fs::write(&next, "Bearer another one").unwrap();
                std::fs::rename(&next, &current).unwrap();
            }
            drop(seen);
            let answer = if is_new { OK } else { b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n" };
            if !is_new {
                // The source is asked within a second.
                std::thread::sleep(Duration::from_millis(100));
            }
            if socket.write_all(answer).is_err() {
                return;
            }
        }
    });
    let lines: Vec<String> =
        (0..100).map(|number| line(number * 20, 1, "GET", "/").replace("peer-", "named-")).collect();
    let (session, out) = (text(&session(folder.path(), "s", &lines)), text(&inside(&folder, "run")));
    let (to, token) = (format!("http://{to}"), format!("file:{}", text(&file)));
    let said =
        reenact_says(["replay", &session, "--target", &to, "--out", &out, "--loop-model", "closed", "--auth", &token]);
    assert_eq!(said.code, 0, "{said:?}");
    let seen = seen.lock().unwrap();
    let refused = seen.iter().filter(|is_new| !**is_new).count();
    assert!(seen.len() == 100 && (1..50).contains(&refused) && seen[99], "{refused} refused: {seen:?}");
}
