//! Contexts of every format, from outside: OpenTelemetry's Python SDK reads what a replay writes, and a replay groups what
//! every fleet wrote.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use peers::Receiver;
use serde_json::{Value, json};
use support::{Said, folder, inside, reenact, reenact_says, run, run_json, text};

/// Spans of a run besides those of its requests: its own, and those of lead, steady and drain.
const OF_THE_RUN: usize = 4;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPANS: [&str; 2] = ["b7ad6b7169203331", "00f067aa0ba902b7"];

/// The fields by which a span with this id is named as the parent.
type Fields = fn(&str) -> Vec<(&'static str, String)>;

/// Two requests of one trace in each format, by the formats' names; whether they were sampled.
const FLEETS: [(&str, bool, Fields); 8] = [
    ("w3c", true, |span| vec![("traceparent", format!("00-{TRACE}-{span}-01"))]),
    ("b3", false, |span| vec![("b3", format!("{}1-{span}-0", &TRACE[..31]))]),
    ("b3multi", true, |span| {
        vec![("X-B3-TraceId", format!("2{}", &TRACE[17..])), ("X-B3-SpanId", span.into()), ("X-B3-Flags", "1".into())]
    }),
    ("jaeger", true, |span| vec![("uber-trace-id", format!("3{}:{span}:0:1", &TRACE[18..]))]),
    ("ottrace", false, |span| {
        let sampled = ("ot-tracer-sampled", "false".into());
        vec![("ot-tracer-traceid", format!("4{}", &TRACE[17..])), ("ot-tracer-spanid", span.into()), sampled]
    }),
    ("datadog", true, |span| {
        let parent = u64::from_str_radix(span, 16).unwrap().to_string();
        let priority = ("x-datadog-sampling-priority", "2".into());
        vec![("x-datadog-trace-id", "5000000000000000005".into()), ("x-datadog-parent-id", parent), priority]
    }),
    ("cloud", true, |span| {
        let span = u64::from_str_radix(span, 16).unwrap();
        vec![("X-Cloud-Trace-Context", format!("6{}/{span};o=1", &TRACE[1..].replace('9', "8")))]
    }),
    // Left open, as load balancers do.
    ("xray", false, |_| vec![("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793".into())]),
];

/// Requests of every fleet, `/FLEET/0` and `/FLEET/1` in one trace; `/none` in none, `/two` in two at once.
fn recorded(folder: &Path) -> PathBuf {
    let mut at_ms = 0;
    let mut line = |path: &str, fields: &[(&str, String)]| {
        at_ms += 5;
        let mut line: Value = serde_json::from_str(&scripted::line(at_ms, 1, "GET", path)).unwrap();
        let headers = line["request"]["headers"].as_array_mut().unwrap();
        headers.extend(fields.iter().map(|(name, value)| json!([name, value])));
        headers.push(json!(["tracestate", "vendor=1"]));
        headers.push(json!(["baggage", "user=7"]));
        line.to_string()
    };
    let mut lines = Vec::new();
    for (name, _, fields) in FLEETS {
        lines.extend((0..2).map(|at| line(&format!("/{name}/{at}"), &fields(SPANS[at]))));
    }
    lines.push(line("/none", &[]));
    let (w3c, cloud) = (FLEETS[0].2(SPANS[0]), FLEETS[6].2(SPANS[0]));
    lines.push(line("/two", &[w3c, cloud].concat()));
    scripted::session(folder, "session", &lines)
}

/// Requests in it.
const COUNT: usize = 2 * FLEETS.len() + 2;

fn replay(session: &Path, target: &str, out: &Path, more: &[&str]) -> Said {
    let (session, target, out) = (text(session), format!("http://{target}"), text(out));
    run(reenact(["replay", &session, "--target", &target, "--out", &out]).args(more))
}

/// Lines of the run's own log, by target of the request.
fn logged(run: &Path, seqs: &BTreeMap<u64, String>) -> BTreeMap<String, Value> {
    let file = std::fs::File::open(run.join("requests.jsonl.zst")).unwrap();
    let lines = String::from_utf8(zstd::decode_all(file).unwrap()).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (seqs[&line["seq"].as_u64().unwrap()].clone(), line)
    };
    lines.lines().map(line).collect()
}

/// Targets by sequence number.
fn targets(session: &Path) -> BTreeMap<u64, String> {
    let target = |one: Value| (one["seq"].as_u64().unwrap(), one["request"]["target"].as_str().unwrap().to_owned());
    support::exchanges(session).into_iter().map(target).collect()
}

/// OpenTelemetry's SDK, with these propagators, reads of each request the ids of the span that is exported for it.
#[track_caller]
fn check(folder: &tempfile::TempDir, session: &Path, name: &str, options: &[&str], read_by: &str) {
    let context = format!("{name}: {options:?} read by {read_by}");
    let server =
        Receiver::start_in("extract.py", &[("OTEL_PROPAGATORS", read_by)], inside(folder, &format!("{name}.jsonl")));
    let collector = Receiver::start("otlp.py", inside(folder, &format!("{name}-spans.jsonl")));
    let (out, otlp) = (inside(folder, &format!("{name}-run")), format!("http://{}", collector.address));
    let said = replay(session, &server.address, &out, &[options, &["--otlp-endpoint", &otlp]].concat());
    assert_eq!(said.code, 0, "{context}: {said:?}");
    let (run, requests) = (run_json(&out), logged(&out, &targets(session)));
    let run_id = run["run_id"].as_str().unwrap();
    let exported = run["spans"]["exported"].as_u64().unwrap();
    let spans = collector.received(usize::try_from(exported).unwrap() + OF_THE_RUN);
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span["span_id"].as_str().unwrap(), span)).collect();
    for arrival in server.received(COUNT) {
        let target = arrival["target"].as_str().unwrap();
        let request = &requests[target];
        let ids = |of: &Value| [of["trace_id"].clone(), of["span_id"].clone()];
        assert!(arrival["remote"] == true && ids(&arrival) == ids(request), "{context}: {arrival} {request}");
        assert_eq!(arrival["server_trace_id"], arrival["trace_id"], "{context}: {arrival}");
        // What the target may export has an exported parent, and the other way round.
        let span = by_id.get(arrival["span_id"].as_str().unwrap());
        assert_eq!(arrival["sampled"], span.is_some(), "{context}: {arrival}");
        assert_eq!(arrival["server_is_recording"], span.is_some(), "{context}: {arrival}");
        assert!(span.is_none_or(|span| ids(span) == ids(&arrival)), "{context}: {span:?} {arrival}");
        // A replay by any choice, and nothing of the recorded trace beside it.
        let head = arrival["head"].as_str().unwrap();
        assert!(formats::trace::is_replay(head.as_bytes()), "{context}: {head}");
        assert!(
            head.contains(&format!("\r\ntracestate: reenact={run_id}\r\n")) && !head.contains("vendor=1"),
            "{head}"
        );
        assert!(!head.contains("user=7") && !head.contains(&TRACE[17..]), "{context}: {head}");
        let has_baggage = read_by.contains("baggage") && head.contains("\r\nbaggage: ");
        let marks = json!({"synthetic_request": "true", "reenact.run_id": run_id});
        assert_eq!(arrival["baggage"], if has_baggage { marks } else { json!({}) }, "{context}: {arrival}");
    }
    check_groups(&context, &requests);
    let notices = run["notices"].to_string();
    assert!(notices.contains("1 recorded requests carry two different trace contexts"), "{context}: {notices}");
}

/// Requests that shared a trace share the new one, the first of them being the parent; `/two` is in that of its `traceparent`.
#[track_caller]
fn check_groups(context: &str, requests: &BTreeMap<String, Value>) {
    let trace = |target: &str| requests[target]["trace_id"].as_str().unwrap();
    for (name, ..) in FLEETS {
        assert_eq!(trace(&format!("/{name}/0")), trace(&format!("/{name}/1")), "{context}: {name}");
    }
    assert_eq!(trace("/two"), trace("/w3c/0"), "{context}");
    let all: BTreeSet<_> = requests.keys().map(|target| trace(target)).collect();
    assert_eq!(all.len(), FLEETS.len() + 1, "{context}: {requests:#?}");
}

#[test]
fn a_real_sdk_reads_every_propagator_as_the_exported_spans_say() {
    let folder = folder();
    let session = recorded(folder.path());
    let check = |name: &str, options: &[&str], read_by: &str| check(&folder, &session, name, options, read_by);
    check("default", &[], "tracecontext,baggage");
    check("short", &["--trace-id-bits", "64", "--trace-sample", "0"], "tracecontext,baggage");
    check("b3", &["--propagators", "b3"], "b3");
    check("b3short", &["--propagators", "b3,baggage", "--trace-id-bits", "64"], "b3,baggage");
    check("b3multi", &["--propagators", "b3multi", "--trace-sample", "0.5"], "b3multi");
    check("b3multishort", &["--propagators", "b3multi", "--trace-id-bits", "64", "--trace-sample", "0"], "b3multi");
    check("jaeger", &["--propagators", "jaeger", "--trace-sample", "0.5"], "jaeger");
    check("jaegershort", &["--propagators", "jaeger", "--trace-id-bits", "64"], "jaeger");
    check("xray", &["--propagators", "xray"], "xray");
    check("xrayunsampled", &["--propagators", "xray,tracecontext", "--trace-sample", "0.5"], "xray");
    check("ottrace", &["--propagators", "ottrace"], "ottrace");
    check("ottraceunsampled", &["--propagators", "ottrace,tracecontext", "--trace-sample", "0.5"], "ottrace");
    let all = "tracecontext,baggage,b3,b3multi,jaeger,xray";
    for (at, read_by) in ["tracecontext", "b3", "jaeger", "xray", all].into_iter().enumerate() {
        check(&format!("all-{at}"), &["--propagators", all], read_by);
    }
}

#[test]
fn sampling_as_recorded_follows_every_fleet_and_a_decision_left_open_is_none() {
    let folder = folder();
    let session = recorded(folder.path());
    let target = scripted::target(scripted::ok).to_string();
    let collector = Receiver::start("otlp.py", inside(&folder, "spans.jsonl"));
    let (out, otlp) = (inside(&folder, "run"), format!("http://{}", collector.address));
    let said = replay(&session, &target, &out, &["--trace-sample", "recorded", "--otlp-endpoint", &otlp]);
    assert_eq!(said.code, 0, "{said:?}");
    let requests = logged(&out, &targets(&session));
    let sampled = FLEETS.iter().filter(|fleet| fleet.1).flat_map(|fleet| [0, 1].map(|at| format!("/{}/{at}", fleet.0)));
    let expected: BTreeSet<String> = sampled.chain(["/two".to_owned()]).collect();
    let spans = collector.received(expected.len() + OF_THE_RUN);
    let exported: BTreeSet<_> = spans.iter().map(|span| span["span_id"].as_str().unwrap()).collect();
    let found = requests
        .iter()
        .filter(|(_, line)| exported.contains(line["span_id"].as_str().unwrap()))
        .map(|(target, _)| target.clone());
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    let notices = run_json(&out)["notices"].to_string();
    assert!(notices.contains("2 recorded requests left it to whom they called"), "{notices}");
    // A context that names no span is linked to by nothing but the run.
    let links = |target: &str| {
        let span = spans.iter().find(|span| span["span_id"] == requests[target]["span_id"]).unwrap();
        span["links"].as_array().unwrap().len()
    };
    assert_eq!(links("/datadog/0"), 2);
    let printed = reenact_says(["cat", &text(&session)]).out;
    let traces: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["trace"].clone()).collect();
    assert!(traces.contains(&json!({"trace_id": "5759e988bd862e3fe1be46a994272793", "parent_id": null, "flags": 0})));
    assert!(traces.contains(
        &json!({"trace_id": format!("{:032x}", 5_000_000_000_000_000_005_u64), "parent_id": SPANS[0], "flags": 1})
    ));
}

#[test]
fn a_recorder_knows_a_replay_by_whatever_it_carries() {
    let folder = folder();
    let session = recorded(folder.path());
    let upstream = scripted::target(scripted::ok).to_string();
    for propagators in ["none", "b3", "xray", "baggage,jaeger"] {
        let again = inside(&folder, &format!("again-{propagators}"));
        let (recorder, address) = support::recorder(&upstream, &again, &[]);
        let out = inside(&folder, &format!("run-{propagators}"));
        let said = replay(&session, &address, &out, &["--propagators", propagators]);
        assert!(said.code == 0 && run_json(&out)["completed"] == COUNT, "{propagators}: {said:?}");
        recorder.signal("INT");
        assert_eq!(recorder.finish().code, 0);
        assert_eq!(support::exchanges(&again).len(), 0, "{propagators}: a replay was recorded");
    }
}

#[test]
fn what_is_planned_is_shown_and_what_cannot_be_written_is_refused() {
    let folder = folder();
    let session = text(&recorded(folder.path()));
    let plan = |more: &[&str]| reenact_says([&["plan", &session][..], more].concat());
    let shown = plan(&["--show", "1", "--propagators", "b3multi", "--trace-id-bits", "64", "--trace-sample", "0"]).out;
    assert!(shown.contains("X-B3-Sampled: 0\r\n") && !shown.contains("traceparent"), "{shown}");
    let summary = plan(&[]).out;
    for said in ["3 by traceparent", "2 by x-amzn-trace-id", "1 with two different ones", "2 left the decision open"] {
        assert!(summary.contains(said), "{said}: {summary}");
    }
    let json: Value = serde_json::from_str(&plan(&["--json"]).out).unwrap();
    assert_eq!((&json["traces"]["differing"], &json["traces"]["contexts"]["b3"]), (&1.into(), &2.into()), "{json}");
    let two = targets(Path::new(&session)).into_iter().find(|(_, target)| target == "/two").unwrap().0.to_string();
    let shown = reenact_says(["cat", &session, "--show", &two]).out;
    assert!(shown.contains("two different trace contexts; taken: traceparent"), "{shown}");

    let refused = |more: &[&str], variable: Option<&str>, expected: &str| {
        for start in [&["plan", &session][..], &["replay", &session, "--target", "http://127.0.0.1:1"]] {
            let mut command = reenact([start, more].concat());
            if let Some(variable) = variable {
                command.env("OTEL_PROPAGATORS", variable);
            }
            let said = run(&mut command);
            assert!(said.code == 2 && said.err.contains(expected), "{expected}: {said:?}");
        }
    };
    refused(&["--propagators", "tracecontext,zipkin"], None, "--propagators: `zipkin` is no propagator");
    refused(&[], Some("b3,xray-lambda"), "OTEL_PROPAGATORS: `xray-lambda` is no propagator");
    refused(&["--propagators", "none,b3"], None, "`none` stands alone");
    refused(&["--propagators", "xray", "--trace-id-bits", "64"], None, "--trace-id-bits: trace ids of 64 bits cannot");
    refused(&["--trace-id-bits", "128"], Some("ottrace"), "--trace-id-bits: trace ids of 128 bits cannot");
    refused(&["--propagators", "xray,ottrace"], None, "exclude each other");
    // A flag comes before the environment, and an empty variable says nothing.
    for (more, variable) in [(&["--propagators", "b3"][..], "zipkin"), (&[], " ")] {
        let said =
            run(reenact([&["plan", &session, "--show", "1"][..], more].concat()).env("OTEL_PROPAGATORS", variable));
        assert_eq!((said.code, said.out.contains("b3: ")), (0, !more.is_empty()), "{said:?}");
    }
}
