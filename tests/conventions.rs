//! What a run exports, against the semantic conventions as OpenTelemetry's own package has them: names that there are, and
//! values that an enumeration has.
//!
//! The types of all attributes are held against the registry where spans are built; this is the run itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use peers::venv;
use scripted::{OK, line, read_head, session, target};
use serde_json::Value;
use support::{folder, inside, reenact_says, run, text};

/// Attributes of reenact's spans and resource that the conventions give a list of values, all of which a run has.
const ENUMERATIONS: [&str; 8] = [
    "deployment.environment.name",
    "error.type",
    "host.arch",
    "http.request.method",
    "network.transport",
    "os.type",
    "telemetry.sdk.language",
    "user_agent.synthetic.type",
];

/// Answers 404 where the path says so.
fn moody(mut socket: TcpStream) {
    while let Some(head) = read_head(&mut socket) {
        let is_missing = String::from_utf8_lossy(&head).contains("/missing");
        let answer = if is_missing { b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n" } else { OK };
        if socket.write_all(answer).is_err() {
            break;
        }
    }
}

/// Every name of the conventions, with the members of its enumeration if it is one.
fn conventions() -> BTreeMap<String, Option<Vec<String>>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/conventions.py");
    let said = run(Command::new(venv("python")).arg(script));
    assert_eq!(said.code, 0, "{said:?}");
    let found: BTreeMap<String, Option<Vec<Value>>> = serde_json::from_str(&said.out).unwrap();
    let texts = |members: Vec<Value>| members.into_iter().map(|one| one.as_str().map(str::to_owned)).collect();
    found.into_iter().map(|(name, members)| (name, members.and_then(texts))).collect()
}

/// Attributes in OTLP JSON: the name, the type, the value.
fn attributes(of: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    of["attributes"].as_array().into_iter().flatten().map(|one| {
        let (kind, value) = one["value"].as_object().unwrap().iter().next().unwrap();
        (one["key"].as_str().unwrap(), kind.as_str(), value)
    })
}

#[test]
fn every_name_of_a_run_is_in_the_conventions_and_every_value_of_an_enumeration() {
    let folder = folder();
    // One method that the conventions do not know, and a request of a client that says what it is.
    let agent = line(20, 1, "GET", "/item/2").replace(r#"["Host""#, r#"["User-Agent","Firefox"],["Host""#);
    let lines =
        [line(0, 1, "GET", "/item/1"), line(10, 1, "PROPFIND", "/item/1"), agent, line(30, 2, "GET", "/missing")];
    let session = session(folder.path(), "s", &lines);
    let (to, out) = (format!("http://{}", target(moody)), text(&inside(&folder, "run")));
    let file = inside(&folder, "spans.jsonl");
    let arguments = ["replay", &text(&session), "--target", &to, "--out", &out, "--unsafe-methods", "send"];
    let more = ["--environment", "test", "--otlp-file", &text(&file)];
    let said = reenact_says([&arguments[..], &more].concat());
    assert_eq!(said.code, 0, "{said:?}");

    let conventions = conventions();
    let (mut names, mut enumerations) = (BTreeSet::new(), BTreeSet::new());
    let mut check = |of: &Value| {
        for (name, kind, value) in attributes(of).filter(|(name, ..)| !name.starts_with("reenact.")) {
            let known = conventions.get(name);
            assert!(known.is_some(), "the conventions have no {name}");
            let Some(members) = known.and_then(Option::as_ref) else { continue };
            assert_eq!(kind, "stringValue", "{name}");
            // Lists may be open, as that of `error.type` is: a status is a value of its own.
            let is_status = name == "error.type" && value == "404";
            let is_member = is_status || members.iter().any(|member| member == value);
            assert!(is_member, "{name} is {value}, and may be {members:?}");
            enumerations.insert(name.to_owned());
        }
        names.extend(attributes(of).map(|(name, ..)| name.to_owned()));
    };
    let written = std::fs::read_to_string(file).unwrap();
    for line in written.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for resource in line["resourceSpans"].as_array().unwrap() {
            check(&resource["resource"]);
            let scopes = resource["scopeSpans"].as_array().unwrap();
            scopes.iter().flat_map(|scope| scope["spans"].as_array().unwrap()).for_each(&mut check);
        }
    }
    assert_eq!(enumerations, BTreeSet::from(ENUMERATIONS.map(str::to_owned)));
    for name in ["http.request.method_original", "url.full", "http.response.status_code", "process.pid"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
}
