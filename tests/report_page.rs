//! The report as a person has it: opened in headless Chromium, read with the keyboard alone, checked by axe-core.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod page;
mod scripted;
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use page::{HOSTILE, every_chart_is_read_with_the_keyboard, every_column_sorts, look, nothing_is_wrong};
use scripted::{OK, line, read_head, session, target};
use serde_json::{Value, json};
use support::{folder, inside, reenact_says, run_json, text};

/// Answers with 200, with 503 where the path says so, and not at all where it says so.
fn moody(mut socket: TcpStream) {
    while let Some(head) = read_head(&mut socket) {
        let answer = match String::from_utf8_lossy(&head) {
            head if head.contains("/gone") => return,
            head if head.contains("/busy") => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            _ => OK,
        };
        if socket.write_all(answer).is_err() {
            break;
        }
    }
}

/// A run in which everything happened that a report shows, with foreign text wherever there may be some.
fn eventful(folder: &tempfile::TempDir) -> PathBuf {
    let paths = ["/item/1", "/busy", "/gone", "/item/2", "/other"];
    let lines: Vec<String> = (0..150).map(|at| line(at * 20, at % 7 + 1, "GET", paths[(at % 5) as usize])).collect();
    let session = text(&session(folder.path(), "s", &lines));
    let (to, out) = (format!("http://{}", target(moody)), inside(folder, "run"));
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
    ]);
    assert_eq!(said.code, 0, "{said:?}");
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
    let change = |at_ms: u64, kind: &str, factor: f64| json!({"at_ns": at_ms * 1_000_000, "plan_ns": 0, "kind": kind, "factor": factor, "by": HOSTILE});
    result["changes"] = json!([
        change(1_000, "pause", 0.0),
        change(1_100, "resume", 1.0),
        change(2_200, "scale", 2.5),
        change(2_300, "scale", 1e300)
    ]);
    std::fs::write(run.join("run.json"), result.to_string()).unwrap();
    let said = reenact_says(["report", &text(run)]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page() {
    let folder = folder();
    let run = eventful(&folder);
    poison(&run);
    let said = look(&run.join("report.html"));
    nothing_is_wrong(&said);

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
    assert_eq!(reenact_says(["report", &text(&run)]).code, 0);
    let said = look(&run.join("report.html"));
    assert_eq!((&said["errors"], &said["requests"]), (&json!([]), &json!([])));
    assert!(said["axe"].as_object().unwrap().values().all(|found| found == &json!([])), "{}", said["axe"]);
}
