//! The report as a person has it: opened in headless Chromium, read with the keyboard alone, checked by axe-core.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod page;
mod scripted;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use page::{HOSTILE, every_chart_is_read_with_the_keyboard, every_column_sorts, look, nothing_is_wrong};
use scripted::telling::Telling;
use scripted::{OK, line, nobody, session};
use serde_json::{Value, json};
use support::{folder, inside, reenact_says, run_json, text};

/// Answers with 200, with 503 where the path says so, and not at all where it says so.
fn moody(head: &str) -> Option<&'static [u8]> {
    match head {
        head if head.contains("/gone") => None,
        head if head.contains("/busy") => Some(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
        _ => Some(OK),
    }
}

/// A run in which everything happened that a report shows, with foreign text wherever there may be some.
fn eventful(folder: &tempfile::TempDir) -> PathBuf {
    let paths = ["/item/1", "/busy", "/gone", "/item/2", "/other"];
    let lines: Vec<String> = (0..150).map(|at| line(at * 20, at % 7 + 1, "GET", paths[(at % 5) as usize])).collect();
    let session = text(&session(folder.path(), "s", &lines));
    let (collector, out) = (nobody(), inside(folder, "run"));
    let (to, _) = Telling { answer: moody, ..Telling::new("shop", Some(collector)) }.start();
    let link = "https://traces.invalid/t/{trace_id}?span={span_id}&from={start_ms}&to={end_ms}";
    let (spans, out_text) = (text(&inside(folder, "spans.jsonl")), text(&out));
    let said = reenact_says([
        "replay",
        &session,
        "--target",
        &to,
        "--out",
        &out_text,
        "--warm-up",
        "500ms",
        "--drain",
        "500ms",
        "--trace-url",
        link,
        "--otlp-file",
        &spans,
        "--trace-sample",
        "0.5",
        "--collect",
        &collector.to_string(),
        "--collect-wait",
        "0s",
        "--fail-if",
        "status_rate(5xx) > 1%",
        "--fail-if",
        "max > 1h",
        "--fail-if",
        "p99.9 > 1ms",
    ]);
    assert_eq!(said.code, 1, "{said:?}");
    out
}

/// Puts foreign text wherever a target or a recording could have put some.
fn poison(run: &Path) {
    let mut result = run_json(run);
    for row in result["endpoints"].as_array_mut().unwrap() {
        let name = format!("{} {HOSTILE}", row["endpoint"].as_str().unwrap());
        row["endpoint"] = name.into();
    }
    result["target"] = HOSTILE.into();
    result["notices"] = json!([HOSTILE]);
    result["errors"][HOSTILE] = 3.into();
    let mut failures = result["error_samples"]["closed"].clone();
    failures["samples"][0]["error"] = HOSTILE.into();
    failures["samples"][0]["trace_id"] = "javascript:alert(3)".into();
    result["error_samples"][HOSTILE] = failures;
    result["slowest"][0]["endpoint"] = HOSTILE.into();
    result["asked"][HOSTILE] = HOSTILE.into();
    for name in ["name", "why", "said"] {
        result["thresholds"][0][name] = HOSTILE.into();
    }
    result["thresholds"][0]["link"] = format!("javascript:alert(4)//{HOSTILE}").into();
    let viewed = &mut result["services"]["endpoints"][0];
    viewed["endpoint"] = HOSTILE.into();
    for step in viewed["steps"].as_array_mut().unwrap() {
        (step["service"], step["operation"]) = (HOSTILE.into(), HOSTILE.into());
    }
    let change = |at_ms: u64, kind: &str, factor: f64| json!({"at_ns": at_ms * 1_000_000, "plan_ns": 0, "kind": kind, "factor": factor, "by": HOSTILE});
    result["changes"] = json!([
        change(1_000, "pause", 0.0),
        change(1_100, "resume", 1.0),
        change(2_200, "scale", 2.5),
        change(2_300, "scale", 1e300)
    ]);
    std::fs::write(run.join("run.json"), result.to_string()).unwrap();
    let said = reenact_says(["report", &text(run)]);
    assert_eq!(said.code, 1, "a threshold failed: {said:?}");
}

/// Parts of the page, in their order, and what each says of the run.
const PARTS: [(&str, &[&str]); 15] = [
    ("thresholds", &["1 of 3 held", "▲ failed", "cannot tell", "max was ", "javascript:alert(4)//"]),
    ("rate", &["planned", "achieved"]),
    ("heat", &["every one", "first failure"]),
    ("response", &["p99"]),
    ("curve", &["recorded response", "99 %"]),
    ("endpoints", &["503 × 30"]),
    ("slowest", &["GET /busy", "not sampled"]),
    ("failures", &["closed", "503"]),
    ("times", &["Service"]),
    ("services", &["kept requests are joined with", "Slow tail", "network"]),
    ("lag", &["Lag"]),
    ("shape", &["recording", "target of the plan"]),
    ("outcomes", &["Client spans", "exported", "sampled out: head"]),
    ("asked", &["fail_if", "status_rate(5xx) > 1%", "trace_sample", "seed"]),
    ("words", &["Due"]),
];

#[test]
fn a_browser_finds_nothing_wrong_with_the_page() {
    let folder = folder();
    let run = eventful(&folder);
    poison(&run);
    let said = look(&run.join("report.html"));
    nothing_is_wrong(&said);
    let parts = said["parts"].as_object().unwrap();
    let there: BTreeSet<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(there, PARTS.iter().map(|(id, _)| *id).collect(), "parts of the page");
    let says = |id: &str, part: &str| parts[id].as_str().unwrap().contains(part);
    let missing =
        PARTS.iter().flat_map(|(id, all)| all.iter().filter(|part| !says(id, part)).map(move |part| (id, part)));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "{missing:?} in {parts:#?}");
    for id in ["thresholds", "services", "endpoints", "slowest", "failures", "outcomes", "asked"] {
        assert!(parts[id].as_str().unwrap().contains(HOSTILE), "{id} shows foreign text as it is: {}", parts[id]);
    }

    let names: Vec<&str> = said["named"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        names.iter().any(|name| name.starts_with("GET ") && name.ends_with(HOSTILE)),
        "names as they are: {names:?}"
    );
    let links: Vec<&str> = said["links"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(links.len() > 20, "{links:?}");
    assert!(links.iter().all(|link| link.starts_with("https://traces.invalid/t/")), "{links:?}");

    every_chart_is_read_with_the_keyboard(&said, &["rate", "heat", "response", "curve", "lag", "health", "shape"]);
    // Endpoints, slowest, statuses.
    every_column_sorts(&said, 3);
}

#[test]
fn a_run_of_nothing_is_a_page_too() {
    let folder = folder();
    let run = eventful(&folder);
    let mut result = run_json(&run);
    for name in ["timeline", "endpoints", "slowest", "notices", "sessions"] {
        result[name] = json!([]);
    }
    for name in ["errors", "shed", "status", "error_samples", "asked", "classes", "left_out"] {
        result[name] = json!({});
    }
    result["heat_map"]["columns"] = json!([]);
    result["shape"] = Value::Null;
    for curve in result["curves"].as_object_mut().unwrap().values_mut() {
        *curve = json!([]);
    }
    std::fs::write(run.join("run.json"), result.to_string()).unwrap();
    assert_eq!(reenact_says(["report", &text(&run)]).code, 1, "a threshold failed all the same");
    let said = look(&run.join("report.html"));
    assert_eq!((&said["errors"], &said["requests"]), (&json!([]), &json!([])));
    assert!(said["axe"].as_object().unwrap().values().all(|found| found == &json!([])), "{}", said["axe"]);
}
