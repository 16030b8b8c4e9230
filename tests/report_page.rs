//! The report as a person has it: opened in headless Chromium, read with the keyboard alone, checked by axe-core.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use scripted::{OK, line, read_head, session, target};
use serde_json::{Value, json};
use support::{folder, inside, reenact_says, run, run_json, text};

/// What could become markup, an attribute or a script.
const HOSTILE: &str = r#"<img src=x onerror=alert(1)>"><script>alert(2)</script>'&<!--"#;

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
    std::fs::write(run.join("run.json"), result.to_string()).unwrap();
    let said = reenact_says(["report", &text(run)]);
    assert_eq!(said.code, 0, "{said:?}");
}

/// What `look.js` found.
fn look(page: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let axe = built.join("test-page/node_modules/axe-core/axe.min.js");
    assert!(axe.exists(), "{} is missing: `make test` (tools/setup test) installs it", axe.display());
    let mut command = Command::new("node");
    command.arg(root.join("tests/page/look.js")).arg(page).arg(axe);
    // For whoever wants to see it.
    command.args(std::env::var_os("REENACT_PICTURES"));
    let said = run(&mut command);
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page() {
    let folder = folder();
    let run = eventful(&folder);
    poison(&run);
    let said = look(&run.join("report.html"));
    assert_eq!((&said["errors"], &said["requests"]), (&json!([]), &json!([])), "errors, and requests that it made");
    for (screen, found) in said["axe"].as_object().unwrap() {
        assert_eq!(found, &json!([]), "axe-core, {screen}");
    }
    for (screen, pixels) in said["overflow"].as_object().unwrap() {
        assert_eq!(pixels, 0, "the page is wider than its window: {screen}");
    }
    assert_eq!(said["scripts"], 2, "the data and the page's own");
    assert!(said["print_pages"].as_u64().unwrap() >= 1);

    let names: Vec<&str> = said["named"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        names.iter().any(|name| name.starts_with("GET ") && name.ends_with(HOSTILE)),
        "names as they are: {names:?}"
    );
    let links: Vec<&str> = said["links"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(links.len() > 20, "{links:?}");
    assert!(links.iter().all(|link| link.starts_with("https://traces.invalid/t/")), "{links:?}");

    every_chart_is_read_with_the_keyboard(&said);
    every_column_sorts(&said);
}

fn every_chart_is_read_with_the_keyboard(said: &Value) {
    let charts: BTreeSet<&str> = said["charts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        ["rate", "heat", "response", "curve", "lag", "health", "shape"].iter().all(|id| charts.contains(id)),
        "{charts:?}"
    );
    for chart in charts {
        let values: Vec<&str> = said["reads"][chart].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(values.iter().all(|value| value.ends_with("| visible")), "{chart}: {values:?}");
        assert!(values.iter().all(|value| value.contains(": ")), "{chart}: {values:?}");
        assert_ne!(values[0], values[1], "{chart}: End leads to another value");
        assert_eq!(values[0].split(": ").next(), values[4].split(": ").next(), "{chart}: Home leads back");
    }
    let reached = said["reached"].as_array().unwrap();
    assert_eq!(
        reached[0],
        json!({"tag": "a", "role": null, "figure": null, "outlined": true}),
        "the way past the head"
    );
    assert!(reached.iter().all(|one| one["outlined"] == true), "what has the focus is seen: {reached:?}");
}

fn every_column_sorts(said: &Value) {
    let tables = said["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 3, "endpoints, slowest, statuses");
    for table in tables {
        for column in table["columns"].as_array().unwrap() {
            let orders: Vec<(&str, Vec<String>)> = column["orders"].as_array().unwrap().iter().map(order).collect();
            let directions: BTreeSet<&str> = orders.iter().map(|(direction, _)| *direction).collect();
            assert_eq!(directions, BTreeSet::from(["ascending", "descending"]), "{column}");
            let numbers = |keys: &[String]| keys.iter().map(|key| key.parse::<f64>()).collect::<Result<Vec<_>, _>>();
            for (direction, keys) in orders {
                let Ok(mut keys) = numbers(&keys) else { continue };
                if direction == "descending" {
                    keys.reverse();
                }
                assert!(keys.is_sorted(), "{column}");
            }
        }
    }
}

fn order(order: &Value) -> (&str, Vec<String>) {
    let keys = order[1].as_array().unwrap().iter();
    let text = |key: &Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    (order[0].as_str().unwrap(), keys.map(text).collect())
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
