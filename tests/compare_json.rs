//! What `compare --json` and `ab --json` print is what docs/compare.schema.json says, whatever is compared.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod compared;
mod peers;
mod scripted;
mod support;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use compared::{four_endpoints, runs, shop, soak};
use peers::venv;
use scripted::{line, session};
use serde_json::Value;
use support::{folder, inside, reenact_says, run, text};

/// Runs `reenact` with these arguments and `--json`, and keeps what it prints in a file.
#[track_caller]
fn json(out: &Path, code: i32, arguments: &[&OsStr]) -> Value {
    let said = reenact_says(arguments.iter().copied().chain([OsStr::new("--json")]));
    assert_eq!(said.code, code, "{arguments:?}: {said:?}");
    std::fs::write(out, &said.out).unwrap();
    serde_json::from_str(&said.out).unwrap()
}

#[track_caller]
fn compare(out: &Path, code: i32, of: &[&Path]) -> Value {
    json(
        out,
        code,
        &std::iter::once(OsStr::new("compare")).chain(of.iter().map(|path| path.as_os_str())).collect::<Vec<_>>(),
    )
}

/// As Python's validator reads them.
#[track_caller]
fn are_as_the_schema_says(outputs: &[PathBuf]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(venv("python"));
    let said = run(python
        .arg(root.join("tests/compared/as_schema.py"))
        .arg(root.join("docs/compare.schema.json"))
        .args(outputs));
    assert_eq!(said.code, 0, "{said:?}");
    let seen: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(seen["outputs"], outputs.len(), "{seen}");
    assert!(seen["changed"].as_u64() > Some(20), "{seen}");
}

#[test]
fn two_sides_are_printed_as_the_schema_says() {
    let folder = folder();
    let plan = four_endpoints(folder.path());
    let (before, after) = (inside(&folder, "before"), inside(&folder, "after"));
    runs(&plan, shop(Duration::ZERO, None), &before, 4);
    runs(&plan, shop(Duration::from_millis(12), Some("/help")), &after, 4);
    let out = |name: &str| inside(&folder, &format!("{name}.json"));

    let repeats = compare(&out("repeats"), 1, &[&before, &after]);
    assert_eq!(repeats["outcomes"][0]["endpoint"], "GET /help", "{}", repeats["outcomes"]);
    let finding = &repeats["answers"]["findings"][0];
    assert_eq!(
        (&finding["kind"], &finding["word"], &finding["after"]),
        (&"status".into(), &"changed".into(), &500.into())
    );
    assert_eq!(finding["samples"].as_array().unwrap().len(), 3);
    assert!(!repeats["throughput"].is_null());
    let one = compare(&out("one"), 0, &[&before.join("0"), &after.join("0")]);
    assert_eq!((&one["system"][0]["answer"], &one["throughput"]), (&"one_run".into(), &Value::Null));
    assert_eq!(one["answers"]["findings"][0]["word"], "differs", "{}", one["answers"]);
    let paired = json(&out("paired"), 1, &["compare".as_ref(), before.as_ref(), after.as_ref(), "--paired".as_ref()]);
    assert_eq!(paired["design"], "paired");

    // The same system again: what cannot be told says how much is missing. No machine is so quiet that a thousandth is seen.
    let again = inside(&folder, "again");
    runs(&plan, shop(Duration::ZERO, None), &again, 2);
    let again = json(
        &out("again"),
        0,
        &["compare".as_ref(), before.as_ref(), again.as_ref(), "--fail-on=none".as_ref(), "--min-effect=0.1%".as_ref()],
    );
    assert!(again.to_string().contains(r#""answer":"cannot_tell""#), "{again}");

    // A recording before; and runs of different plans.
    let recorded = compare(&out("recorded"), 0, &[&plan, &before.join("0")]);
    assert_eq!(recorded["before"].as_array().unwrap().len(), 1);
    let lines: Vec<String> = (0..100).map(|n| line(n * 5, n % 3, "GET", "/list")).collect();
    let (other_plan, other) = (session(folder.path(), "other", &lines), inside(&folder, "others"));
    runs(&other_plan, shop(Duration::ZERO, None), &other, 1);
    let plans = compare(&out("plans"), 0, &[&before.join("0"), &other.join("0")]);
    assert!(plans["notices"].to_string().contains("2 different plans"), "{plans}");
    // A path need not be Unicode, and JSON is.
    let odd = folder.path().join(OsString::from_vec(b"odd-\xff".to_vec()));
    std::fs::rename(other.join("0"), &odd).unwrap();
    let odd = compare(&out("odd"), 0, &[&before.join("0"), &odd]);
    assert!(odd["after"][0]["path"].as_str().unwrap().ends_with("odd-\u{fffd}"), "{}", odd["after"]);

    let names = ["repeats", "one", "paired", "again", "recorded", "plans", "odd"];
    are_as_the_schema_says(&names.map(out));
}

#[test]
fn what_is_over_time_is_printed_as_the_schema_says() {
    let folder = folder();
    let plan = four_endpoints(folder.path());
    let all = inside(&folder, "runs");
    runs(&plan, shop(Duration::ZERO, None), &all, 6);
    (0..6).for_each(|number| soak(&all.join(number.to_string()), 0.1 * number as f64, number == 5));
    let out = |name: &str| inside(&folder, &format!("{name}.json"));
    let trend = compare(&out("trend"), 1, &[&all]);
    assert_eq!((&trend["points"], &trend["target"]), (&6.into(), &Value::Array(Vec::new())));
    let drift = compare(&out("drift"), 1, &[&all.join("5")]);
    assert_eq!(drift["target"].as_array().unwrap().len(), 2, "{drift}");
    assert!(!drift["errors"].is_null());
    let three = compare(&out("three"), 0, &[&all.join("0"), &all.join("1"), &all.join("2")]);
    assert_eq!(three["system"][0]["answer"], "too_few_points", "{three}");
    are_as_the_schema_says(&["trend", "drift", "three"].map(out));
}

#[test]
fn an_experiment_is_printed_as_the_schema_says() {
    let folder = folder();
    let plan = text(&four_endpoints(folder.path()));
    let [before, after] = [None, Some("/help")].map(|fails| format!("http://{}", shop(Duration::ZERO, fails)));
    let (out, printed) = (text(&inside(&folder, "experiment")), inside(&folder, "ab.json"));
    let words = ["ab", "--before", &before, "--after", &after, "--out", &out, &plan, "--pairs", "3..6", "--aa", "1"];
    let more =
        ["--look-every", "1", "--end-when", "found", "--min-effect", "50%", "--lag-limit", "strained=1s,invalid=2s"];
    let said = json(&printed, 1, &words.iter().chain(&more).map(OsStr::new).collect::<Vec<_>>());
    assert!(said["experiment"]["looks"].as_array().is_some_and(|looks| !looks.is_empty()), "{}", said["experiment"]);
    are_as_the_schema_says(&[printed]);
}
