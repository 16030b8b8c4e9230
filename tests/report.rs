//! `reenact report` from outside: a page written again, shards merged, and what does not fit together refused by name.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::path::{Path, PathBuf};

use scripted::{gets, ok, target};
use support::{Said, folder, inside, reenact_says, run_json, text};

#[track_caller]
fn check(arguments: &[&str], code: i32, says: &[&str]) -> Said {
    let said = reenact_says(arguments);
    assert_eq!(said.code, code, "{arguments:?}: {said:?}");
    for text in says {
        assert!(said.err.contains(text) || said.out.contains(text), "{arguments:?} does not say `{text}`: {said:?}");
    }
    said
}

/// Runs of one plan of 20 requests.
fn runs(folder: &tempfile::TempDir, names: &[&str]) -> Vec<PathBuf> {
    let session = text(&gets(folder.path(), "s", 20));
    let to = format!("http://{}", target(ok));
    let run = |name: &&str| {
        let out = inside(folder, name);
        check(&["replay", &session, "--target", &to, "--out", &text(&out)], 0, &[]);
        out
    };
    names.iter().map(run).collect()
}

fn edit(run: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = run_json(run);
    change(&mut value);
    std::fs::write(run.join("run.json"), value.to_string()).unwrap();
}

#[test]
fn a_page_is_written_again_from_the_result() {
    let folder = folder();
    let run = runs(&folder, &["run"]).remove(0);
    let page = std::fs::read(run.join("report.html")).unwrap();
    std::fs::remove_file(run.join("report.html")).unwrap();
    check(&["report", &text(&run)], 0, &["20 planned, 20 sent, 20 answered", "report.html"]);
    assert!(std::fs::read(run.join("report.html")).unwrap() == page, "the same page");
    let json = check(&["report", &text(&run), "--json"], 0, &[]).out;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), run_json(&run));
    check(&["report", &inside(&folder, "none").display().to_string()], 2, &["cannot read", "run.json", "hint: "]);
    check(&["report", &text(&run), "--partial"], 2, &["--partial says nothing without --out"]);
    check(&["report", &text(&run), "--out", &text(&inside(&folder, "x"))], 2, &["is no shard"]);
    edit(&run, |run| run["schema"] = 1.into());
    check(&["report", &text(&run)], 2, &["has schema 1, and this version reads schema 2"]);
}

#[test]
fn shards_are_merged_or_refused_by_name() {
    let folder = folder();
    let runs = runs(&folder, &["one", "two"]);
    for (number, run) in [(1, &runs[0]), (2, &runs[1])] {
        edit(run, |run| run["shard"] = serde_json::json!({"number": number, "of": 2}));
    }
    let [one, two] = [0, 1].map(|at| text(&runs[at]));
    let out = |name: &str| text(&inside(&folder, name));
    check(&["report", &one, &two], 2, &["a new directory, which is missing", "--out runs/whole"]);
    check(&["report", &one, "--out", &out("half")], 2, &["of 2 shards these are missing: 2", "--partial"]);
    check(
        &["report", &one, "--out", &out("half"), "--partial"],
        3,
        &["shard 2 is missing: this is not the whole plan"],
    );
    check(&["report", &one, &one, "--out", &out("twice")], 2, &["shard 1 is there twice"]);
    check(&["report", &two, &one, "--out", &out("whole")], 0, &["2 of 2 shards", "40 planned, 40 sent, 40 answered"]);
    let whole = run_json(&inside(&folder, "whole"));
    assert_eq!((&whole["response_us"]["count"], &whole["endpoints"][0]["planned"]), (&40.into(), &40.into()));
    assert!(
        std::fs::read_to_string(inside(&folder, "whole").join("report.html")).unwrap().contains("Merged from 2 of 2")
    );
    check(&["report", &one, &two, "--out", &out("whole")], 2, &["is not empty"]);
    edit(&runs[0], |run| run["dispatched"] = 0.into());
    check(&["report", &one, &two, "--out", &out("invalid")], 4, &["invalid", "only 50 % of what was due was sent"]);
    edit(&runs[0], |run| run["plan_hash"] = "00".into());
    check(&["report", &one, &two, "--out", &out("other")], 2, &["are runs of different plans"]);
}
