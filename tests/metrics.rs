//! Metrics of a run over OTLP, from outside: what a collector gets over each protocol, and that it sums to the result.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

#[path = "watched/mod.rs"]
mod instruments;
mod scripted;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use instruments::python_command;
use scripted::{line, nobody, ok, session, target};
use serde_json::Value;
use support::{Process, Said, folder, inside, reenact, reenact_says, run, run_json, text, wait_for};

const DURATION: &str = "http.client.request.duration";
const COMPLETED: &str = "reenact.replay.requests.completed";

/// The collector, and its ports for gRPC and HTTP.
fn collector(refuse: &str) -> (Process, String, String) {
    let process = Process::start(&mut python_command("collect.py", &[refuse]));
    let said = wait_for("the collector", || process.out().lines().next().map(str::to_owned));
    let mut ports = said.split_whitespace().skip(1).map(|port| format!("http://127.0.0.1:{port}"));
    let (grpc, http) = (ports.next().unwrap(), ports.next().unwrap());
    (process, grpc, http)
}

/// Everything that it took, when it has ended.
fn taken(collector: Process) -> Vec<Value> {
    collector.signal("TERM");
    collector.finish().out.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// 100 requests within three seconds, a tenth of them to what is not there.
fn requests(folder: &Path) -> String {
    let get = |at: u64| line(at * 30, at % 5 + 1, "GET", if at.is_multiple_of(10) { "/none" } else { "/item/7" });
    text(&session(folder, "s", &(0..100).map(get).collect::<Vec<_>>()))
}

fn replay(session: &str, out: &Path, more: &[&str], variables: &[(&str, &str)]) -> Said {
    let to = format!("http://{}", target(ok));
    let out = text(out);
    let arguments = ["replay", session, "--target", &to, "--out", &out, "--progress", "none"];
    run(reenact(arguments.iter().chain(more)).envs(variables.iter().copied()))
}

/// The metrics of an export by name.
fn metrics(export: &Value) -> BTreeMap<String, Value> {
    let scope = &export["request"]["resourceMetrics"][0]["scopeMetrics"][0];
    assert_eq!(scope["scope"]["name"], "reenact");
    let metrics = scope["metrics"].as_array().unwrap().iter();
    metrics.map(|metric| (metric["name"].as_str().unwrap().to_owned(), metric.clone())).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// Everything that an instrument counted, over its series.
fn sum(metric: &Value) -> u64 {
    let points = [&metric["sum"], &metric["histogram"], &metric["gauge"]]
        .into_iter()
        .find_map(|data| data["dataPoints"].as_array());
    points.unwrap().iter().map(|point| number(&point["asInt"]) + number(&point["count"])).sum()
}

#[test]
fn the_last_export_over_each_protocol_is_the_result() {
    let folder = folder();
    let session = requests(folder.path());
    for (number, (how, more)) in [
        ("grpc", &["--otlp-protocol", "grpc"][..]),
        ("protobuf", &["--otlp-protocol", "http/protobuf", "--otlp-compression", "gzip"]),
        ("json", &["--otlp-protocol", "http/json"]),
    ]
    .into_iter()
    .enumerate()
    {
        let (collector, grpc, http) = collector("1");
        let out = inside(&folder, &format!("run-{number}"));
        let endpoint = if how == "grpc" { grpc } else { http };
        let header = inside(&folder, "key");
        std::fs::write(&header, "k-1").unwrap();
        let header = format!("api-key=file:{}", text(&header));
        let given = ["--otlp-metrics-endpoint", &endpoint, "--otlp-header", &header, "--environment", "staging"];
        let said = replay(&session, &out, &[&given, more].concat(), &[]);
        assert_eq!(said.code, 0, "{how}: {said:?}");
        let (exports, result) = (taken(collector), run_json(&out));
        // A run of three seconds has no other by default: the first attempt was refused and made again.
        assert_eq!(exports.len(), 1, "{how}: {exports:?}");
        let export = &exports[0];
        assert_eq!((&export["how"], exports[0]["headers"].to_string().contains("k-1")), (&how.into(), true));
        let resource = export["request"]["resourceMetrics"][0]["resource"].to_string();
        for part in ["service.name", "reenact.run_id", result["run_id"].as_str().unwrap(), "staging"] {
            assert!(resource.contains(part), "{how}: no `{part}` in {resource}");
        }
        let metrics = metrics(export);
        assert_eq!(sum(&metrics[COMPLETED]), 100, "{how}");
        assert_eq!(sum(&metrics["reenact.replay.requests.planned"]), 100);
        assert_eq!((sum(&metrics[DURATION]), sum(&metrics["reenact.replay.lag"])), (100, 100), "{how}");
        let duration = &metrics[DURATION];
        assert_eq!(
            (&duration["unit"], &duration["histogram"]["aggregationTemporality"]),
            (&"s".into(), &"AGGREGATION_TEMPORALITY_CUMULATIVE".into())
        );
        let series = duration["histogram"]["dataPoints"].as_array().unwrap();
        assert_eq!(series.len(), 2, "{duration}");
        let attributes = series[0]["attributes"].to_string();
        for part in
            ["http.request.method", "url.template", "server.address", "server.port", "http.response.status_code"]
        {
            assert!(attributes.contains(part), "{how}: no `{part}` in {attributes}");
        }
        let bounds = series[0]["explicitBounds"].as_array().unwrap().len();
        assert_eq!((bounds, series[0]["bucketCounts"].as_array().unwrap().len()), (14, 15));
    }
}

#[test]
fn deltas_add_up_to_the_result_and_the_period_is_kept() {
    let folder = folder();
    let session = requests(folder.path());
    let (collector, grpc, _) = collector("0");
    let out = inside(&folder, "run");
    let variables = [
        ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "DELTA"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", grpc.as_str()),
    ];
    let said = replay(&session, &out, &["--otlp-metrics"], &variables);
    assert_eq!(said.code, 0, "{said:?}");
    let exports: Vec<_> = taken(collector).iter().map(metrics).collect();
    // One a second, of a run that takes three on a machine that has time for it.
    assert!((2..=12).contains(&exports.len()), "{}", exports.len());
    for name in [DURATION, COMPLETED, "reenact.replay.lag", "reenact.replay.requests.sent"] {
        let all: Vec<u64> = exports.iter().filter_map(|export| export.get(name)).map(sum).collect();
        assert_eq!(all.iter().sum::<u64>(), 100, "{name}: {all:?}");
        assert!(all.iter().all(|one| *one < 100), "{name}: {all:?}");
    }
    let completed = exports.last().unwrap()[COMPLETED]["sum"].clone();
    assert_eq!(
        (&completed["aggregationTemporality"], &completed["isMonotonic"]),
        (&"AGGREGATION_TEMPORALITY_DELTA".into(), &true.into())
    );
    // Points follow each other without a gap.
    let times: Vec<(u64, u64)> = exports
        .iter()
        .map(|export| &export[COMPLETED]["sum"]["dataPoints"][0])
        .map(|point| (number(&point["startTimeUnixNano"]), number(&point["timeUnixNano"])))
        .collect();
    assert!(times.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[1].0 < pair[1].1), "{times:?}");
    // What goes up and down is not a difference.
    assert_eq!(sum(&exports.last().unwrap()["reenact.replay.requests.planned"]), 100);
}

#[test]
fn an_environment_that_turns_off_spans_leaves_metrics() {
    let folder = folder();
    let session = requests(folder.path());
    let (collector, grpc, http) = collector("0");
    for (number, (endpoint, protocol)) in
        [(grpc.as_str(), "grpc"), (http.as_str(), "http/json")].into_iter().enumerate()
    {
        let out = inside(&folder, &format!("run-{number}"));
        let variables = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
        let said = replay(&session, &out, &["--otlp-metrics", "--otlp-protocol", protocol], &variables);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(run_json(&out)["spans"]["exported"], 0);
    }
    let exports = taken(collector);
    assert_eq!(exports.len(), 2, "{exports:?}");
    for export in &exports {
        assert_eq!(sum(&metrics(export)[COMPLETED]), 100, "{export}");
    }
}

#[test]
fn a_collector_that_is_away_is_said_and_stops_nothing() {
    let folder = folder();
    let session = requests(folder.path());
    let out = inside(&folder, "run");
    let endpoint = format!("http://{}", nobody());
    let said = replay(&session, &out, &["--otlp-metrics-endpoint", &endpoint, "--otlp-flush", "1s"], &[]);
    let result = run_json(&out);
    assert_eq!((said.code, result["sent"].as_u64()), (0, Some(100)), "{said:?}");
    let notices = result["notices"].to_string();
    assert!(notices.contains("exports of metrics failed, the last one was lost"), "{notices}");
}

#[test]
fn what_says_nothing_or_contradicts_itself_is_refused() {
    let folder = folder();
    let session = requests(folder.path());
    let out = inside(&folder, "run");
    for (more, variables, why) in [
        (&["--otlp-metrics"][..], &[][..], "--otlp-metrics needs an endpoint"),
        (
            &["--otlp-metrics"],
            &[("OTEL_SDK_DISABLED", "true"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")],
            "OTEL_SDK_DISABLED=true turns off what the environment names",
        ),
        (
            &["--otlp-metrics"],
            &[("OTEL_METRICS_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")],
            "OTEL_METRICS_EXPORTER=none turns off what the environment names",
        ),
        (
            &["--otlp-metrics"],
            &[("OTEL_METRICS_EXPORTER", "console"), ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:1")],
            "OTEL_METRICS_EXPORTER: `console` cannot be honoured",
        ),
        (&["--otlp-metrics-every", "5s"], &[], "says nothing without --otlp-metrics"),
        (&["--otlp-metrics-temporality", "delta"], &[], "says nothing without --otlp-metrics"),
        (&["--otlp-metrics-endpoint", "http://127.0.0.1:1", "--otlp-metrics-every", "10ms"], &[], "at least a second"),
        (&["--otlp-metrics-endpoint", "http://127.0.0.1:1", "--otlp-metrics-temporality", "x"], &[], "no temporality"),
        (&["--otlp-metrics-endpoint", "nonsense"], &[], "it is no URL"),
        (
            &["--otlp-metrics", "--otlp-endpoint", "http://127.0.0.1:1/mine", "--otlp-protocol", "http/json"],
            &[],
            "does not tell that of metrics",
        ),
        (
            &["--otlp-metrics-endpoint", "http://127.0.0.1:1"],
            &[("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram")],
            "is not built yet",
        ),
        (
            &["--otlp-metrics-endpoint", "http://127.0.0.1:1"],
            &[("OTEL_METRIC_EXPORT_INTERVAL", "soon")],
            "no number of milliseconds",
        ),
    ] {
        let said = replay(&session, &out, more, variables);
        assert!(said.code == 2 && said.err.contains(why) && !out.exists(), "{more:?}: {said:?}");
    }
    let said = reenact_says(["replay", "--help"]);
    assert!(said.out.contains("REENACT_OTLP_METRICS_EVERY"), "{said:?}");
}
