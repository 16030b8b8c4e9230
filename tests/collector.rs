//! `deploy/collector`: configurations that keep replays out of production's pipelines, against the spans of a real replay,
//! of a service that OpenTelemetry's own SDK traces, and of other requests to the same service.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use peers::{Receiver, client, venv};
use scripted::gets;
use serde_json::Value;
use support::{folder, inside, reenact_says, run, text};

fn collector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/collector").join(name)
}

/// All configurations that there are.
fn configurations() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(collector("")).unwrap().map(|entry| entry.unwrap().path());
    let mut configurations: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    configurations.sort();
    assert_eq!(configurations.len(), 7, "{configurations:?}");
    configurations
}

/// What is wrong with a configuration; empty when nothing is.
#[track_caller]
fn wrong(configuration: &Path, spans: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/collector/check.py");
    let said = run(Command::new(venv("python")).arg(script).arg(configuration).args(spans));
    assert_eq!(said.code, 0, "{}: {}", configuration.display(), said.err);
    said.out
}

#[test]
fn pipelines_fit_together_and_use_what_is_documented() {
    for configuration in configurations() {
        assert_eq!(wrong(&configuration, &[]), "", "{}", configuration.display());
    }
    let (folder, whole) = (folder(), std::fs::read_to_string(collector("route.yaml")).unwrap());
    for (from, to, said) in [
        ("error_mode: ignore", "eror_mode: ignore", "settings that are not known: {'eror_mode'}"),
        ("receivers: [otlp]", "receivers: [oltp]", "uses oltp, which receivers does not define"),
        ("default_pipelines: [traces/production]", "default_pipelines: [traces/replays]", "take from it"),
    ] {
        let broken = inside(&folder, "broken.yaml");
        std::fs::write(&broken, whole.replace(from, to)).unwrap();
        assert!(wrong(&broken, &[]).contains(said), "{from} for {to}: {}", wrong(&broken, &[]));
    }
}

#[test]
fn every_span_of_a_replay_is_caught_by_its_marks_and_no_other_is() {
    /// Spans of a run besides those of its requests: its own, and those of lead, steady and drain.
    const OF_THE_RUN: usize = 4;
    const REQUESTS: usize = 12;
    let folder = folder();
    let session = gets(folder.path(), "s", REQUESTS as u64);
    let ours = Receiver::start("otlp.py", inside(&folder, "ours"));
    let shop = Receiver::start("traced.py", inside(&folder, "shop"));
    let (endpoint, target) = (format!("http://{}", ours.address), format!("http://{}", shop.address));

    // Others use the service too: without any trace, and with one of another tool that has its own state and baggage.
    let traced = [
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate: vendor=1,reen=act",
        "baggage: user=ann",
    ];
    client("curl", &["--silent", &target]);
    client("curl", &["--silent", "-H", traced[0], "-H", traced[1], "-H", traced[2], &target]);
    let production = shop.received(4);
    let out = inside(&folder, "run");
    let said = reenact_says([
        "replay",
        &text(&session),
        "--target",
        &target,
        "--otlp-endpoint",
        &endpoint,
        "--environment",
        "tests",
        "--out",
        &text(&out),
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    let mut replays = shop.received(4 + 2 * REQUESTS).split_off(4);
    replays.extend(ours.received(REQUESTS + OF_THE_RUN));
    // What services do under a replay has the id of the run, by way of tracestate and of baggage.
    let run_id = &support::run_json(&out)["run_id"];
    for span in replays.iter().filter(|span| span["resource"]["service.name"] == "shop") {
        assert_eq!(span["attributes"]["reenact.run_id"], *run_id, "{span}");
        assert_eq!(span["trace_state"], format!("reenact={}", run_id.as_str().unwrap()), "{span}");
    }

    let write = |name: &str, spans: &[Value]| {
        let lines: Vec<String> = spans.iter().map(ToString::to_string).collect();
        let path = inside(&folder, name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    };
    let (replays, production) = (write("replays", &replays), write("production", &production));
    for configuration in configurations() {
        assert_eq!(wrong(&configuration, &[&replays, &production]), "", "{}", configuration.display());
    }
    // A mark that nothing sends, one that everything has, and one that is missing are found.
    let whole = std::fs::read_to_string(collector("drop.yaml")).unwrap();
    for (from, to, said) in [
        ("synthetic_request", "synthetic", "no span of a replay has attributes[\"synthetic\"]"),
        ("IsMatch(trace_state[\"reenact\"], \".+\")", "trace_state[\"reenact\"] != nil", "catches what is no replay's"),
        ("        - resource.attributes[\"service.name\"] == \"reenact\"\n", "", "taken for production's"),
    ] {
        let broken = inside(&folder, "broken.yaml");
        std::fs::write(&broken, whole.replace(from, to)).unwrap();
        let wrong = wrong(&broken, &[&replays, &production]);
        assert!(wrong.contains(said), "{from} for {to}: {wrong}");
    }
}
