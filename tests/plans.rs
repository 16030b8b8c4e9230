//! A plan that is made again: from another run's plan.json, on another machine, for another shard.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::path::Path;

use scripted::{gets, line, ok, session, target};
use serde_json::Value;
use support::{Said, folder, inside, reenact_says, run_json, text};

fn plan(session: &Path, more: &[&str]) -> Said {
    let session = text(session);
    reenact_says(["plan", &session, "--json"].iter().chain(more))
}

fn hash(said: &Said) -> String {
    assert_eq!(said.code, 0, "{said:?}");
    let json: Value = serde_json::from_str(&said.out).unwrap();
    json["plan_hash"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_file_alone_makes_the_same_plan_again() {
    let folder = folder();
    let session = gets(folder.path(), "s", 300);
    let (csv, file) = (inside(&folder, "profile.csv"), text(&inside(&folder, "plan.json")));
    std::fs::write(&csv, "0s,1x\n2s,4x\n").unwrap();
    let csv_path = text(&csv);
    for options in [
        &["--rate", "2.5x", "--seed", "77"][..],
        &["--ramp", "1x..5x/3s", "--method", "overlay"],
        &["--profile", &csv_path, "--repeat", "2"],
        &["--rate", "900/s", "--from", "200ms", "--to", "1s", "--duration", "3s"],
        &["--speed", "2x", "--unsafe-methods", "skip"],
    ] {
        let first = plan(&session, options);
        std::fs::write(&file, &first.out).unwrap();
        assert_eq!(hash(&plan(&session, &["--plan", &file])), hash(&first), "{options:?}");
        let shard = plan(&session, &["--plan", &file, "--shard", "2/3"]);
        assert_eq!(hash(&shard), hash(&first), "{options:?}");
    }
    // The profile's text is in the plan: its file is not needed again.
    let first = plan(&session, &["--profile", &csv_path]);
    std::fs::write(&file, &first.out).unwrap();
    std::fs::remove_file(&csv).unwrap();
    assert_eq!(hash(&plan(&session, &["--plan", &file])), hash(&first));
}

#[test]
fn what_is_not_the_same_plan_is_refused_before_anything_is_sent() {
    let folder = folder();
    let (session, other) = (gets(folder.path(), "s", 100), gets(folder.path(), "t", 101));
    let to = format!("http://{}", target(ok));
    let out = inside(&folder, "run");
    let replay = |session: &Path, out: &Path, more: &[&str]| {
        let (session, out) = (text(session), text(out));
        reenact_says(["replay", &session, "--target", &to, "--out", &out].iter().chain(more))
    };
    let first = replay(&session, &out, &["--rate", "2x", "--seed", "5"]);
    assert_eq!(first.code, 0, "{first:?}");
    let file = text(&out.join("plan.json"));
    let again = inside(&folder, "again");
    let second = replay(&session, &again, &["--plan", &file]);
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(run_json(&out)["plan_hash"], run_json(&again)["plan_hash"]);

    let refused = inside(&folder, "refused");
    for (session, more) in [(&other, &[][..]), (&session, &["--seed", "6"]), (&session, &["--rate", "3x"])] {
        let said = replay(session, &refused, &[&["--plan", &file], more].concat());
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("hash") && said.err.contains("plan.json"), "{said:?}");
        assert!(!refused.exists());
    }
    for (content, expected) in [("{", "is no plan"), ("{}", "is no plan"), ("\u{fffd}", "is no plan")] {
        let bad = inside(&folder, "bad.json");
        std::fs::write(&bad, content).unwrap();
        let said = replay(&session, &refused, &["--plan", &text(&bad)]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(expected) && said.err.contains("bad.json"), "{said:?}");
    }
    let unknown = inside(&folder, "unknown.json");
    std::fs::write(&unknown, r#"{"plan_hash": "0", "options": {"colour": "red"}}"#).unwrap();
    let said = replay(&session, &refused, &["--plan", &text(&unknown)]);
    assert!(said.code == 2 && said.err.contains("colour"), "{said:?}");
    let nowhere = replay(&session, &refused, &["--plan", "/nowhere/plan.json"]);
    assert!(nowhere.code == 2 && nowhere.err.contains("/nowhere/plan.json"), "{nowhere:?}");
}

#[test]
fn decisions_on_unsafe_methods_go_with_the_plan() {
    let folder = folder();
    let lines: Vec<String> = (0..10).map(|i| line(i * 5, 1, "POST", &format!("/{i}"))).collect();
    let session = session(folder.path(), "s", &lines);
    let first = plan(&session, &["--unsafe-methods", "send"]);
    let file = inside(&folder, "plan.json");
    std::fs::write(&file, &first.out).unwrap();
    let (session, file) = (text(&session), text(&file));
    let (to, out) = (format!("http://{}", target(ok)), text(&inside(&folder, "run")));
    let said = reenact_says(["replay", &session, "--target", &to, "--out", &out, "--plan", &file]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn think_times_are_kept_by_copies_of_users_and_by_nothing_else() {
    let folder = folder();
    let lines: Vec<String> = (0..300_u64).map(|i| line(i * 5, i % 7, "GET", "/").replace("peer-", "named-")).collect();
    let session = session(folder.path(), "s", &lines);
    for (options, expected) in [
        (&["--rate", "3x"][..], Some(1.0)),
        (&["--rate", "2x", "--speed", "4x"], Some(0.25)),
        (&["--ramp", "1x..3x/2s"], Some(1.0)),
        (&["--rate", "3x", "--method", "warp"], None),
    ] {
        let said = plan(&session, options);
        let json: Value = serde_json::from_str(&said.out).unwrap();
        let ratio = json["shape"]["think_time_ratio"].as_f64();
        let close = |expected: f64| ratio.is_some_and(|ratio| (ratio - expected).abs() < 1e-3);
        assert!(expected.map_or(ratio.is_none(), close), "{options:?}: {ratio:?}");
    }
}
