//! A session with more endpoints than are told apart: spans and metrics keep their methods, and it is said what counts together.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

#[path = "watched/mod.rs"]
mod instruments;
mod scripted;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use instruments::python_command;
use scripted::{line, ok, session, target};
use serde_json::Value;
use support::{Process, folder, inside, reenact_says, run_json, text, wait_for};

/// Endpoints that have a row of their own.
const BOUND: u64 = 500;
/// The bound, and beyond it GETs, POSTs, and one of a method that the conventions do not know, each of its own endpoint.
const BEYOND: [(&str, u64); 3] = [("GET", 12), ("POST", 5), ("PROPFIND", 1)];

fn many(folder: &Path) -> String {
    let beyond = BEYOND.iter().flat_map(|(method, count)| (0..*count).map(|_| *method));
    let methods = (0..BOUND).map(|_| "GET").chain(beyond);
    let lines = (0..).zip(methods).map(|(at, method)| line(at * 2, at % 9 + 1, method, &format!("/word-{at}x")));
    text(&session(folder, "many", &lines.collect::<Vec<_>>()))
}

fn attribute<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    let all = of["attributes"].as_array().unwrap();
    all.iter().find(|one| one["key"] == name).and_then(|one| one["value"]["stringValue"].as_str())
}

#[test]
fn spans_and_metrics_of_endpoints_beyond_the_bound_have_their_method_and_no_template() {
    let folder = folder();
    let session = many(folder.path());
    let collector = Process::start(&mut python_command("collect.py", &["0"]));
    let said = wait_for("the collector", || collector.out().lines().next().map(str::to_owned));
    let metrics = format!("http://127.0.0.1:{}", said.split_whitespace().nth(1).unwrap());
    let (to, out, spans) = (format!("http://{}", target(ok)), inside(&folder, "run"), inside(&folder, "spans"));
    let said =
        reenact_says(
            ["replay", &session, "--target", &to, "--out", &text(&out), "--unsafe-methods", "send"]
                .into_iter()
                .chain(["--otlp-file", &text(&spans), "--otlp-metrics-endpoint", &metrics]),
        );
    assert_eq!(said.code, 0, "{said:?}");

    let lines = std::fs::read_to_string(&spans).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    for resource in lines.flat_map(|line| line["resourceSpans"].as_array().unwrap().clone()) {
        let scopes = resource["scopeSpans"].as_array().unwrap().iter();
        let clients = scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).filter(|span| span["kind"] == 3);
        for span in clients {
            let method = attribute(span, "http.request.method").unwrap().to_owned();
            match attribute(span, "url.template") {
                Some(template) => assert_eq!(span["name"], format!("{method} {template}"), "{span}"),
                None => *found.entry((span["name"].as_str().unwrap().to_owned(), method)).or_default() += 1,
            }
        }
    }
    let of = |name: &str, method: &str| (name.to_owned(), method.to_owned());
    assert_eq!(found, BTreeMap::from([(of("GET", "GET"), 12), (of("POST", "POST"), 5), (of("HTTP", "_OTHER"), 1)]));

    let exported = wait_for("the export", || {
        collector.out().lines().last().filter(|line| line.starts_with('{')).map(str::to_owned)
    });
    let exported: Value = serde_json::from_str(&exported).unwrap();
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for metric in exported["request"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap() {
        if metric["name"] == "http.client.request.duration" {
            for point in metric["histogram"]["dataPoints"].as_array().unwrap() {
                let count = point["count"].as_u64().or_else(|| point["count"].as_str()?.parse().ok()).unwrap();
                let template = attribute(point, "url.template");
                assert!(template.is_none_or(|template| template.starts_with("/word-")), "{point}");
                if template.is_none() {
                    *found.entry(attribute(point, "http.request.method").unwrap().to_owned()).or_default() += count;
                }
            }
        }
    }
    assert_eq!(found, BTreeMap::from([("GET".to_owned(), 12), ("POST".to_owned(), 5), ("_OTHER".to_owned(), 1)]));

    // What counts together is said, with what to do.
    let beyond = "18 of 518 requests are of endpoints beyond the first 500 and count together, by method, as `(other endpoints)`";
    let result = run_json(&out);
    let notices = result["notices"].to_string();
    assert!(notices.contains(beyond) && notices.contains("--template /users/{name}"), "{notices}");
    assert!(said.out.contains(&format!("NOTE: {beyond}")), "{said:?}");
    let rows = result["endpoints"].as_array().unwrap();
    let planned = |name: &str| rows.iter().find(|row| row["endpoint"] == name).map(|row| row["planned"].clone());
    assert_eq!(planned("POST (other endpoints)"), Some(5.into()));
    assert_eq!(planned("PROPFIND (other endpoints)"), Some(1.into()));
    assert_eq!(rows.len() as u64, BOUND + BEYOND.len() as u64);
}

/// Methods that have a row for their endpoints beyond the bound.
const METHODS: u64 = 20;

#[test]
fn endpoints_of_more_methods_than_are_told_apart_count_together() {
    let folder = folder();
    // Beyond the bound each method has two endpoints, and one request more has a method whose row is there.
    let methods = (0..BOUND).map(|_| "GET".to_owned());
    let beyond = (0..2 * (METHODS + 3)).map(|at| format!("M{}", at / 2)).chain(["M0".to_owned()]);
    let lines = (0..).zip(methods.chain(beyond));
    let lines: Vec<String> =
        lines.map(|(at, method)| line(at * 2, at % 9 + 1, &method, &format!("/word-{at}x"))).collect();
    let session = text(&session(folder.path(), "methods", &lines));
    let (to, out) = (format!("http://{}", target(ok)), inside(&folder, "run"));
    let said = reenact_says(["replay", &session, "--target", &to, "--out", &text(&out), "--unsafe-methods", "send"]);
    assert_eq!(said.code, 0, "{said:?}");
    let result = run_json(&out);
    let rows = result["endpoints"].as_array().unwrap();
    let beyond = rows.iter().filter(|row| row["endpoint"].as_str().unwrap().ends_with(" (other endpoints)"));
    let found: BTreeMap<String, u64> =
        beyond.map(|row| (row["endpoint"].as_str().unwrap().to_owned(), row["completed"].as_u64().unwrap())).collect();
    let mut expected: BTreeMap<String, u64> =
        (0..METHODS).map(|number| (format!("M{number} (other endpoints)"), 2)).collect();
    expected.insert("M0 (other endpoints)".to_owned(), 3);
    expected.insert("_OTHER (other endpoints)".to_owned(), 6);
    assert_eq!(found, expected);
    assert_eq!(rows.len() as u64, BOUND + METHODS + 1);
}

#[test]
fn a_threshold_about_an_endpoint_beyond_the_bound_says_that_there_is_one() {
    let folder = folder();
    let session = many(folder.path());
    let (to, out) = (format!("http://{}", target(ok)), inside(&folder, "run"));
    let replay = |more: &[&str]| {
        let arguments = ["replay", &session, "--target", &to, "--out", &text(&out), "--unsafe-methods", "send"];
        reenact_says(arguments.into_iter().chain(more.iter().copied()).map(str::to_owned).collect::<Vec<_>>())
    };
    let said = replay(&["--fail-if", "p99(GET /word-505x) > 1s"]);
    assert_eq!(said.code, 2, "{said:?}");
    for part in [
        "is about an endpoint that has no row of its own: `GET /word-505x`; the first 500 of a recording have one",
        "--template /users/{name}",
    ] {
        assert!(said.err.contains(part), "no `{part}`: {}", said.err);
    }
    assert!(!out.exists(), "nothing was sent");
    let said = reenact_says(["plan", &session]);
    assert!(said.out.contains("endpoints   18 of 518 requests are of endpoints beyond the first 500"), "{said:?}");
    // A template makes one of them all.
    let rules = ["--template", "/{word}", "--fail-if", "p99(GET /{word}) > 60s"];
    let said = replay(&rules);
    assert!(said.code == 0 && !said.out.contains("(other endpoints)"), "{said:?}");
}
