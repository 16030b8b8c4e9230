//! `deploy/collector`: configurations that keep replays out of production's pipelines, against the spans of a real replay,
//! of a service that OpenTelemetry's own SDK traces, and of other requests to the same service.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use peers::{Receiver, client, venv};
use scripted::{line, session};
use serde_json::{Value, json};
use support::{folder, inside, reenact, run, text};

fn collector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/collector").join(name)
}

/// All configurations that there are.
fn configurations() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(collector("")).unwrap().map(|entry| entry.unwrap().path());
    let mut configurations: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    configurations.sort();
    assert_eq!(configurations.len(), 8, "{configurations:?}");
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
        ("pipelines: [traces/replays]", "pipelines: [traces/replay]", "take from it"),
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
    let browsed = |at: u64| {
        let mut line: Value = serde_json::from_str(&line(at * 5, at % 7 + 1, "GET", "/item")).unwrap();
        line["request"]["headers"].as_array_mut().unwrap().push(json!(["User-Agent", "Mozilla/5.0"]));
        line.to_string()
    };
    let session = session(folder.path(), "s", &(0..REQUESTS as u64).map(browsed).collect::<Vec<_>>());
    let ours = Receiver::start("otlp.py", inside(&folder, "ours"));
    let shop = Receiver::start("traced.py", inside(&folder, "shop"));
    // Reads no context that is sent, and names attributes as today's conventions do.
    let alone = [("OTEL_PROPAGATORS", "b3"), ("OTEL_SEMCONV_STABILITY_OPT_IN", "http")];
    let alone = Receiver::start_in("traced.py", &alone, inside(&folder, "alone"));
    let endpoint = format!("http://{}", ours.address);
    let [target, other] = [&shop, &alone].map(|one| format!("http://{}", one.address));

    // Others use the service too: without any trace, and with one of another tool that has its own state and baggage.
    let traced = [
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate: vendor=1,reen=act",
        "baggage: user=ann",
    ];
    client("curl", &["--silent", &target]);
    client("curl", &["--silent", "-H", traced[0], "-H", traced[1], "-H", traced[2], &target]);
    client("curl", &["--silent", &other]);
    let mut production = shop.received(4);
    production.extend(alone.received(2));
    let out = inside(&folder, "run");
    for (target, out) in [(&target, &out), (&other, &inside(&folder, "second"))] {
        let arguments =
            ["replay", &text(&session), "--target", target, "--otlp-endpoint", &endpoint, "--environment", "tests"];
        let said = run(reenact(arguments).args(["--out", &text(out)]).env("OTEL_SERVICE_NAME", "nightly"));
        assert_eq!(said.code, 0, "{said:?}");
    }
    let mut replays = shop.received(4 + 2 * REQUESTS).split_off(4);
    replays.extend(ours.received(2 * (REQUESTS + OF_THE_RUN)));
    // Without context nothing is known of what is below the server's spans.
    let behind = alone.received(2 + 2 * REQUESTS).split_off(2);
    replays.extend(behind.into_iter().filter(|span| span["kind"] == "SERVER"));
    // What services do under a replay has the id of the run, by way of tracestate and of baggage.
    let run_id = &support::run_json(&out)["run_id"];
    for span in replays.iter().filter(|span| span["resource"]["service.name"] == "shop" && span["trace_state"] != "") {
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
    // A mark that nothing sends, one that everything has, and those that are missing are found.
    let of_state = "IsMatch(trace_state[\"reenact\"], \".+\")";
    let missing = |mark: &str| (format!("        - {mark}\n"), "", "taken for production's");
    let broken = |file: &str, changes: &[(String, &str, &str)]| {
        let whole = std::fs::read_to_string(collector(file)).unwrap();
        let text = changes.iter().fold(whole, |text, (from, to, _)| {
            assert!(text.contains(from), "{file} has no {from}");
            text.replace(from, to)
        });
        let path = inside(&folder, "broken.yaml");
        std::fs::write(&path, text).unwrap();
        let wrong = wrong(&path, &[&replays, &production]);
        assert!(changes.iter().any(|(.., said)| wrong.contains(said)), "{changes:?}: {wrong}");
    };
    broken(
        "drop.yaml",
        &[("synthetic_request".into(), "synthetic", "no span of a replay has attributes[\"synthetic\"]")],
    );
    broken("drop.yaml", &[(of_state.into(), "trace_state[\"reenact\"] != nil", "catches what is no replay's")]);
    broken("drop.yaml", &[missing("IsMatch(attributes[\"user_agent.original\"], \"(^| )reenact/\")")]);
    // The run's own spans have two marks, either of which is enough.
    broken("drop.yaml", &[missing(of_state), missing("resource.attributes[\"reenact.run_id\"] != nil")]);
    let is_of_others = " and resource.attributes[\"reenact.run_id\"] == nil";
    broken("view.yaml", &[(is_of_others.into(), "", "of the replayer's own spans come back to it")]);
}
