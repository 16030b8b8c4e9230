//! What requests wait for besides their due instants (`--loop-model`), and whom that is for.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::path::{Path, PathBuf};

use scripted::{line, ok, session, target};
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
        // Connections were made ahead, while the user was thinking.
        assert!(run["connections"]["not_ahead"].as_u64().unwrap() < 10, "{}", run["connections"]);
        assert!(!run["notices"].to_string().contains("feed waited"), "{}", run["notices"]);
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
