//! What `compare --out` and `ab` write for other programs: Markdown, and JUnit as its schema has it. Both agree with the exit
//! code, whatever `--fail-on` names.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod compared;
mod peers;
mod scripted;
mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use compared::{four_endpoints, hostile_sides, runs, shop, soak};
use peers::venv;
use serde_json::Value;
use support::{Said, folder, inside, reenact_says, run, text};

const HOSTILE: &str = "<img src=x>[l](http://e)`|@all\u{202e}</testcase>]]>&\"'";

/// The tests in a `junit.xml`, as Python's parser reads it by the schema.
#[track_caller]
fn junit(directory: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(venv("python"));
    let python = python.arg(root.join("tests/compared/junit.py")).arg(root.join("tests/outputs/junit.xsd"));
    let said = run(python.arg(directory.join("junit.xml")));
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

/// How the only test ended whose name has all of these parts.
#[track_caller]
fn ended<'a>(junit: &'a Value, parts: &[&str]) -> (&'a str, &'a str) {
    let has = |case: &&Value| parts.iter().all(|part| case["name"].as_str().unwrap().contains(part));
    let found: Vec<&Value> = junit["cases"].as_array().unwrap().iter().filter(has).collect();
    assert_eq!(found.len(), 1, "{parts:?}: {found:?} of {junit}");
    (found[0]["ended"].as_str().unwrap(), found[0]["said"].as_str().unwrap())
}

/// A line of Markdown without its code: between a run of backticks and the next one that is as long.
fn outside_of_code(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(at) = rest.find('`') {
        // One that is escaped opens nothing.
        if rest[..at].ends_with('\\') {
            out += &rest[..=at];
            rest = &rest[at + 1..];
            continue;
        }
        let fence: String = rest[at..].chars().take_while(|c| *c == '`').collect();
        let inside = &rest[at + fence.len()..];
        let runs = inside.match_indices(&fence);
        let is_whole = |at: usize| !inside[at + fence.len()..].starts_with('`') && !inside[..at].ends_with('`');
        let end = runs.map(|(at, _)| at).find(|at| is_whole(*at)).expect("code that is opened ends");
        out += &rest[..at];
        rest = &inside[end + fence.len()..];
    }
    out + rest
}

fn compare(arguments: &[&str]) -> Said {
    reenact_says(std::iter::once("compare").chain(arguments.iter().copied()))
}

#[test]
fn a_pull_request_and_a_ci_read_what_changed() {
    let folder = folder();
    let [before, after] = hostile_sides(folder.path(), HOSTILE).map(|side| text(&side));
    let out = inside(&folder, "compared");
    let (to, all) = (text(&out), ["--output", "markdown,junit", "--min-effect", "50%"]);
    let check = |fail_on: &str, code: i32| {
        let said = compare(&[&[before.as_str(), &after, "--out", &to, "--fail-on", fail_on], &all[..]].concat());
        assert_eq!(said.code, code, "{fail_on}: {said:?}");
        assert!(said.out.contains("summary.md") && said.out.contains("junit.xml"), "{said:?}");
        let (junit, markdown) = (junit(&out), std::fs::read_to_string(out.join("summary.md")).unwrap());
        // The exit code, the suite and the headline say the same.
        assert_eq!(junit["suite"]["@failures"].as_u64() > Some(0), code == 1, "{fail_on}: {junit}");
        let headline = if code == 1 { "### ❌ Comparison failed\n" } else { "### ⚠️ Comparison open\n" };
        assert!(markdown.starts_with(headline), "{fail_on}: {markdown}");
        (junit, markdown)
    };
    let (tests, markdown) = check("slower,status,body,header", 1);
    let times = ["GET /slow: p50 is no slower", "GET /plain: p50 is no slower", "the whole system: p50 is no slower"];
    let [slow, plain, whole] = times.map(|name| ended(&tests, &[name]));
    assert!(slow.0 == "failure" && slow.1.starts_with("SLOWER  GET /slow: p50 +"), "{slow:?}");
    // What all others felt is nothing, and so is what the typical endpoint did.
    assert_eq!([plain.0, whole.0], ["passed", "passed"], "{plain:?} {whole:?}");
    assert_eq!(
        ended(&tests, &["GET /slow: p99.9 is no slower"]),
        ("skipped", "fewer than five requests of a run lie beyond it")
    );
    assert_eq!(ended(&tests, &["GET /busy: statuses and errors"]).0, "failure");
    assert_eq!(ended(&tests, &["GET /plain: statuses and errors"]).0, "passed");
    assert_eq!(ended(&tests, &["not so: ", "$.price"]).0, "failure");
    assert_eq!(ended(&tests, &["not so: ", "header:x-old is gone"]).0, "failure");
    // Numbers of requests differ between any two runs.
    assert_eq!(ended(&tests, &["not so: ", "$.request"]).0, "passed");
    // Each class has tests, and no two have one name.
    let cases = tests["cases"].as_array().unwrap();
    let names: std::collections::BTreeSet<String> =
        cases.iter().map(|case| format!("{}{}", case["class"], case["name"])).collect();
    assert_eq!(names.len(), cases.len());

    for expected in [
        "> ",
        "is strained: ",
        "**SLOWER** GET /slow: p50 +",
        "**STATUS** GET /busy: 503 instead of 200 in ",
        "| the whole system | |",
        "**BODY** ",
        "**HEADER** ",
        "x-old is gone in 100 % of ",
        ", before ",
        "<sub>Runs before: 3 on `http://127.0.0.1:",
    ] {
        assert!(markdown.contains(expected), "{expected}: {markdown}");
    }
    for line in markdown.lines() {
        let outside = outside_of_code(line);
        let harmless =
            outside.replace("\\<", "").replace("\\[", "").replace("\\]", "").replace("<sub>", "").replace("</sub>", "");
        assert!(!harmless.contains("<img") && !harmless.contains("@all") && !harmless.contains("](http"), "{line}");
        assert!(!line.contains('\u{202e}'), "{line}");
    }

    // What nobody named fails nothing, and is seen all the same.
    let (tests, markdown) = check("none", 0);
    assert_eq!(ended(&tests, &["GET /slow: p50 is no slower"]).0, "skipped");
    assert!(markdown.contains("**SLOWER** GET /slow"), "{markdown}");
    for (named, parts) in [
        ("slower", ["GET /slow: p50 is no slower", ""]),
        ("status", ["GET /busy: statuses and errors", ""]),
        ("body", ["not so: ", "$.price"]),
        ("header", ["not so: ", "header:x-old"]),
    ] {
        let (tests, _) = check(named, 1);
        assert_eq!(ended(&tests, &parts).0, "failure", "{named}");
        let classes: std::collections::BTreeSet<&str> = tests["cases"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|case| case["ended"] == "failure")
            .map(|case| case["class"].as_str().unwrap())
            .collect();
        let expected: &[&str] = match named {
            "slower" => &["reenact.times"],
            // Statuses are counted, and held against each other request by request.
            "status" => &["reenact.answers", "reenact.status"],
            _ => &["reenact.answers"],
        };
        assert_eq!(classes.into_iter().collect::<Vec<_>>(), expected, "{named}");
    }

    // One run a side: nothing of times can be told.
    let [one, other] = [&before, &after].map(|side| format!("{side}/0"));
    assert_eq!(compare(&[&one, &other, "--out", &to, "--output", "junit"]).code, 0);
    assert_eq!(ended(&junit(&out), &["GET /slow: p50 is no slower"]).0, "skipped");
}

#[test]
fn lines_over_time_are_tests_too() {
    let folder = folder();
    let plan = four_endpoints(folder.path());
    let all = inside(&folder, "runs");
    runs(&plan, shop(Duration::ZERO, None), &all, 2);
    let [steady, drifts] = ["0", "1"].map(|name| all.join(name));
    soak(&steady, 0.0, false);
    soak(&drifts, 0.2, true);
    let out = inside(&folder, "compared");
    let written = |run: &Path, fail_on: &str, code: i32| {
        let words = [&text(run), "--out", &text(&out), "--output", "markdown,junit", "--fail-on", fail_on];
        let said = compare(&words);
        assert_eq!(said.code, code, "{said:?}");
        (junit(&out), std::fs::read_to_string(out.join("summary.md")).unwrap())
    };
    let (tests, markdown) = written(&drifts, "slower,status,target", 1);
    for (name, end) in [
        ("GET /cart: p50 does not rise during the run", "failure"),
        ("the share of errors does not rise during the run", "failure"),
        ("memory of process 7 (shop) does not rise during the run", "failure"),
        ("CPU of process 7 (shop) does not rise during the run", "passed"),
    ] {
        assert_eq!(ended(&tests, &[name]).0, end, "{name}");
    }
    assert!(markdown.starts_with("### ❌ Comparison failed\n\n**Rises: "), "{markdown}");
    assert!(markdown.contains("**RISES** GET /cart: p50 +") && markdown.contains("24 points"), "{markdown}");
    let (tests, _) = written(&drifts, "target", 1);
    assert_eq!(tests["suite"]["@failures"], 1, "{tests}");
    let (tests, markdown) = written(&steady, "slower,status,target", 0);
    assert_eq!(tests["suite"]["@failures"], 0, "{tests}");
    assert!(markdown.starts_with("### ✅ Comparison passed\n\n**Nothing rises or falls"), "{markdown}");
}

#[test]
fn an_experiment_leaves_its_comparison() {
    let folder = folder();
    let plan = text(&four_endpoints(folder.path()));
    let [before, after] = [None, Some("/help")].map(|fails| format!("http://{}", shop(Duration::ZERO, fails)));
    let out = inside(&folder, "experiment");
    let words =
        ["ab", "--before", &before, "--after", &after, "--out", &text(&out), &plan, "--pairs", "3", "--aa", "0"];
    let more = ["--output", "markdown,junit,html,csv", "--min-effect", "50%", "--lag-limit", "strained=1s,invalid=2s"];
    let said = reenact_says(words.iter().chain(&more));
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(ended(&junit(&out), &["GET /help: statuses and errors"]).0, "failure");
    let markdown = std::fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(markdown.contains("the experiment ended after 3 pairs") && markdown.contains("in pairs"), "{markdown}");
    assert!(out.join("report.html").exists());
    // What is of each repeat stays there, and what is of the comparison does not.
    let repeat = out.join("before/1");
    assert!(repeat.join("endpoints.csv").exists() && !repeat.join("summary.md").exists());
}

#[test]
fn where_it_cannot_be_written_is_said_before_anything_is_compared() {
    let folder = folder();
    let plan = four_endpoints(folder.path());
    let all = inside(&folder, "runs");
    runs(&plan, shop(Duration::ZERO, None), &all, 2);
    let [one, other] = ["0", "1"].map(|name| text(&all.join(name)));
    let check = |more: &[&str], expected: &str| {
        let said = compare(&[&[one.as_str(), &other], more].concat());
        assert!(said.code == 2 && said.err.contains(expected) && said.out.is_empty(), "{more:?}: {said:?}");
    };
    check(&["--output", "markdown"], "--output needs a directory");
    check(&["--out", &one], "it is the directory of a run");
    let file = text(&inside(&folder, "file"));
    std::fs::write(&file, "").unwrap();
    check(&["--out", &file], "cannot create");
    check(&["--out", &text(&inside(&folder, "x")), "--output", "csv"], "invalid value 'csv'");
    check(&["--trace-url", "javascript:alert(1)//{trace_id}"], "no http:// or https:// URL");
    // The page alone, and again in place of itself; JSON has standard output for itself.
    let out = inside(&folder, "compared");
    for _ in 0..2 {
        let said = compare(&[&one, &other, "--out", &text(&out), "--json"]);
        assert!(said.code == 0 && serde_json::from_str::<Value>(&said.out).is_ok(), "{said:?}");
    }
    let names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["report.html"]);
}
