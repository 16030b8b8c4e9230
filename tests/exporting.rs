//! Spans on their way to collectors that are down, slow, odd or hostile: every span has its fate, the schedule is
//! untouched, and collectors that are not ours have them all.

mod exported;
mod peers;
mod scripted;
mod support;

use exported::{Collector, Exported, replay, replay_fails};
use peers::rotel::Rotel;
use serde_json::Value;
use support::{folder, inside, text};

/// What each of the three protocols calls itself, and the transport of the peer that speaks it.
const PROTOCOLS: [(&str, &str); 3] = [("grpc", "grpc"), ("http/protobuf", "http"), ("http/json", "http")];

#[test]
fn a_collector_has_every_span_over_each_protocol_plain_and_packed() {
    let folder = folder();
    for (protocol, transport) in PROTOCOLS {
        for packed in ["none", "gzip"] {
            let collector = Collector::start(&folder, transport, &["ok"]);
            let more = ["--otlp-protocol", protocol, "--otlp-compression", packed];
            let run = replay(&folder, &collector.url(), &more);
            run.check(&[("exported", run.requests)]);
            assert_eq!(collector.client_spans(), run.requests, "{protocol} {packed}");
            let request = &collector.requests()[0];
            let coding = if protocol == "grpc" { "grpc-encoding" } else { "content-encoding" };
            // grpcio does not show its own headers; that it understood the message says enough.
            let expected = (packed == "gzip" && protocol != "grpc").then_some("gzip");
            assert_eq!(request["headers"][coding].as_str(), expected, "{request}");
        }
    }
}

#[test]
fn what_a_collector_rejects_is_counted_with_its_words() {
    let folder = folder();
    for (protocol, transport) in PROTOCOLS {
        let collector = Collector::start(&folder, transport, &["reject:3:too old", "warn:soon gone"]);
        // Small batches, so that there are several.
        let run = replay(&folder, &collector.url(), &["--otlp-protocol", protocol, "--otlp-batch-max", "16KiB"]);
        run.check(&[("exported", run.requests - 3), ("rejected.partial_success", 3)]);
        assert_eq!(run.spans()["messages"]["too old"], 1, "{protocol}: {}", run.spans());
        assert!(run.spans()["messages"]["soon gone"].as_u64() >= Some(1), "{protocol}: {}", run.spans());
        assert!(run.said.out.contains("3 rejected (partial_success 3)"), "{}", run.said.out);
        assert!(run.said.out.contains("too old"), "{}", run.said.out);
        // More than it was given, and fewer than none.
        for (nonsense, rejected) in [("reject:999999:all", true), ("reject:-5:none", false)] {
            let collector = Collector::start(&folder, transport, &[nonsense]);
            let run = replay(&folder, &collector.url(), &["--otlp-protocol", protocol]);
            run.check(&[(if rejected { "rejected.partial_success" } else { "exported" }, run.requests)]);
        }
    }
}

#[test]
fn refusals_are_final_or_tried_again_as_otlp_says() {
    let folder = folder();
    for (protocol, transport, refusal, fate) in [
        ("http/protobuf", "http", "code:400", "rejected.http_400"),
        ("http/json", "http", "code:500", "rejected.http_500"),
        ("http/protobuf", "http", "code:307", "rejected.http_307"),
        ("grpc", "grpc", "code:3", "rejected.invalid_argument"),
        ("grpc", "grpc", "code:8", "rejected.resource_exhausted"),
        ("grpc", "grpc", "code:2", "rejected.unknown"),
    ] {
        let collector = Collector::start(&folder, transport, &[refusal]);
        let run = replay(&folder, &collector.url(), &["--otlp-protocol", protocol]);
        run.check(&[(fate, run.requests)]);
        assert!(run.said.err.contains("as I was told"), "{}", run.said.err);
    }
    for (protocol, transport, refusal) in [
        ("http/protobuf", "http", "code:503"),
        ("http/json", "http", "code:429:1"),
        ("http/protobuf", "http", "close"),
        ("grpc", "grpc", "code:14"),
        ("grpc", "grpc", "code:8:0.3"),
    ] {
        let collector = Collector::start(&folder, transport, &[refusal, refusal, "ok"]);
        let run = replay(&folder, &collector.url(), &["--otlp-protocol", protocol]);
        run.check(&[("exported", run.requests)]);
        assert!(collector.distinct_client_spans() >= run.requests, "{refusal}");
    }
}

#[test]
fn what_is_no_answer_is_no_success() {
    let folder = folder();
    for (protocol, transport, behaviour) in [
        ("grpc", "grpc", "nonsense"),
        ("grpc", "grpc", "gigabytes"),
        ("http/protobuf", "http", "nonsense"),
        ("http/json", "http", "html"),
        ("http/protobuf", "http", "gigabytes"),
    ] {
        let collector = Collector::start(&folder, transport, &[behaviour]);
        let run = replay(&folder, &collector.url(), &["--otlp-protocol", protocol]);
        run.check(&[("dropped.unreadable_answer", run.requests)]);
        assert!(run.memory_bytes() < 300_000_000, "{behaviour}: {}", run.memory_bytes());
    }
}

#[test]
fn a_collector_that_hangs_or_is_slow_costs_spans_and_no_request() {
    let folder = folder();
    for (protocol, transport) in [("grpc", "grpc"), ("http/protobuf", "http")] {
        let collector = Collector::start(&folder, transport, &["hang"]);
        let limits = ["--otlp-protocol", protocol, "--otlp-timeout", "300ms", "--otlp-flush", "1s"];
        let run = replay(&folder, &collector.url(), &limits);
        run.check(&[("dropped.timeout", run.requests)]);
        // Slow, but within its time: all arrive.
        let collector = Collector::start(&folder, transport, &["slow:0.5"]);
        let run = replay(&folder, &collector.url(), &["--otlp-protocol", protocol]);
        run.check(&[("exported", run.requests)]);
    }
}

#[test]
fn a_collector_that_restarts_in_the_middle_of_a_run_gets_everything() {
    let folder = folder();
    for (protocol, transport) in [("grpc", "grpc"), ("http/json", "http")] {
        let first = Collector::start(&folder, transport, &["ok"]);
        let run = Exported::start(&folder, &first.url(), &["--otlp-protocol", protocol, "--otlp-batch-max", "16KiB"]);
        first.wait_for_spans();
        let again = first.restart();
        let run = run.finish();
        run.check(&[("exported", run.requests)]);
        assert_eq!(again.distinct_client_spans(), run.requests, "{protocol}");
    }
}

#[test]
fn a_token_is_rotated_without_a_restart_and_is_never_shown() {
    let folder = folder();
    for (protocol, transport) in [("grpc", "grpc"), ("http/protobuf", "http")] {
        let (at_backend, ours) = (inside(&folder, "backend-token"), inside(&folder, "our-token"));
        std::fs::write(&at_backend, "new-s3cret").unwrap();
        std::fs::write(&ours, "old-s3cret\n").unwrap();
        let collector = Collector::start(&folder, transport, &[&format!("token:{}", text(&at_backend))]);
        let header = format!("X-Token=file:{}", text(&ours));
        let more = ["--otlp-protocol", protocol, "--otlp-header", &header, "--log-level", "debug"];
        // The source is rotated while the collector refuses the old value.
        let run = Exported::start(&folder, &collector.url(), &[&more[..], &["--start-at", &exported::soon()]].concat());
        // At once, as whoever rotates secrets does: a file that is written over is empty for a moment.
        let next = inside(&folder, "next-token");
        std::fs::write(&next, "new-s3cret\n").unwrap();
        std::fs::rename(&next, &ours).unwrap();
        let run = run.finish();
        run.check(&[("exported", run.requests)]);
        run.shows_nothing_of("s3cret");
        // Without another value a refusal is final, also when the backend repeats the token.
        std::fs::write(&ours, "wrong-s3cret").unwrap();
        let code = if transport == "grpc" { "16" } else { "401" };
        let collector = Collector::start(&folder, transport, &[&format!("echo:{code}")]);
        let run = replay(&folder, &collector.url(), &more);
        let fate = if transport == "grpc" { "rejected.unauthenticated" } else { "rejected.http_401" };
        run.check(&[(fate, run.requests)]);
        run.shows_nothing_of("s3cret");
        assert!(run.said.err.contains("bad token ***"), "{}", run.said.err);
    }
}

#[test]
fn tls_with_an_authority_and_a_certificate_of_our_own() {
    let folder = folder();
    let authority = scripted::tls::Authority::new(inside(&folder, "ca.pem"));
    let [server, server_key, own, own_key] = ["s.pem", "s.key", "c.pem", "c.key"].map(|name| inside(&folder, name));
    authority.write("localhost", &server, &server_key);
    authority.write("client", &own, &own_key);
    let tls = ["--tls", &text(&server), &text(&server_key), &text(&authority.file)];
    let (ca, own, own_key) = (text(&authority.file), text(&own), text(&own_key));
    for (protocol, transport) in PROTOCOLS {
        let collector = Collector::start_with(&folder, transport, &tls, &["ok"]);
        let url = format!("https://localhost:{}", collector.port());
        let flags = ["--otlp-ca", &ca, "--otlp-cert", &own, "--otlp-key", &own_key];
        let run = replay(&folder, &url, &[&["--otlp-protocol", protocol][..], &flags].concat());
        run.check(&[("exported", run.requests)]);
        // The same by the standard variables.
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "nonsense"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", &own),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &own_key),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-a=b%20c,x-d=e"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ];
        let run = Exported::start_with(&folder, None, &[], &variables).finish();
        run.check(&[("exported", run.requests)]);
        let requests = collector.requests();
        let headers = &requests.last().unwrap()["headers"];
        assert_eq!((&headers["x-a"], &headers["x-d"]), (&Value::from("b c"), &Value::from("e")), "{headers}");
        // Who shows no certificate, and who trusts another authority, is told so.
        for flags in [&["--otlp-ca", &ca][..], &["--otlp-cert", &own, "--otlp-key", &own_key]] {
            let more = [&["--otlp-protocol", protocol, "--otlp-flush", "500ms"], flags].concat();
            replay(&folder, &url, &more).check(&[("dropped.unreachable", exported::REQUESTS)]);
        }
    }
}

#[test]
fn a_file_has_every_span_as_lines_of_otlp_json() {
    let folder = folder();
    let file = inside(&folder, "spans.jsonl");
    let run = Exported::start_with(&folder, None, &["--otlp-file", &text(&file)], &[]).finish();
    run.check(&[("exported", run.requests)]);
    let text_of_file = std::fs::read_to_string(&file).unwrap();
    let lines = text_of_file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let spans: Vec<Value> = lines.flat_map(exported::spans_of_json).collect();
    assert_eq!(spans.len() as u64, run.requests + exported::OF_THE_RUN);
    // The encoding of OTLP: ids in hexadecimal, 64-bit numbers as text, enums as numbers.
    let client = spans.iter().find(|span| span["kind"] == 3).unwrap();
    assert_eq!(client["traceId"].as_str().map(str::len), Some(32), "{client}");
    assert!(client["startTimeUnixNano"].is_string() && client["spanId"].as_str().unwrap().len() == 16, "{client}");
    let said = replay_fails(&folder, &["--otlp-file", &text(&file)], &[]);
    assert!(said.contains("exists already"), "{said}");
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let folder = folder();
    let url = "http://127.0.0.1:4317";
    for (flags, variables, says) in [
        (&["--otlp-endpoint", url, "--otlp-protocol", "thrift"][..], &[][..], &["--otlp-protocol", "thrift"][..]),
        (&["--otlp-endpoint", url, "--otlp-compression", "zstd"], &[], &["--otlp-compression", "zstd"]),
        (&["--otlp-endpoint", "http://127.0.0.1:4317/v1/traces"], &[], &["gRPC has no path"]),
        (&["--otlp-endpoint", url, "--otlp-header", "host=env:PATH"], &[], &["`host`", "itself"]),
        (&["--otlp-endpoint", url, "--otlp-header", "hush"], &[], &["NAME=REF"]),
        (&["--otlp-endpoint", url, "--otlp-header", "api-key=hush"], &[], &["api-key", "by reference"]),
        (&["--otlp-endpoint", url, "--otlp-batch-max", "5MiB"], &[], &["4MiB"]),
        (&["--otlp-endpoint", url, "--otlp-file", "x"], &[], &["--otlp-file"]),
        (&["--otlp-header", "a=env:PATH"], &[], &["--otlp-header", "without an endpoint"]),
        (&["--otlp-endpoint", url], &[("OTEL_EXPORTER_OTLP_COLOUR", "hush")], &["OTEL_EXPORTER_OTLP_COLOUR"]),
        (
            &["--otlp-endpoint", url],
            &[("OTEL_EXPORTER_OTLP_HEADERS", "hush")],
            &["OTEL_EXPORTER_OTLP_HEADERS", "entry 1"],
        ),
        (&["--otlp-endpoint", url], &[("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")], &["OTEL_EXPORTER_OTLP_TIMEOUT", "soon"]),
        (&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")], &["nonsense", "is no URL"]),
        (
            &[],
            &[("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_ENDPOINT", url)],
            &["OTEL_TRACES_EXPORTER", "zipkin", "otlp and none"],
        ),
        (
            &["--otlp-endpoint", "https://127.0.0.1:1"],
            &[("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem")],
            &["/nowhere.pem"],
        ),
        (&["--otlp-endpoint", url], &[("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k.pem")], &["needs its certificate"]),
    ] {
        let said = replay_fails(&folder, flags, variables);
        for text in says {
            assert!(said.contains(text), "{flags:?} {variables:?} does not say `{text}`: {said}");
        }
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn an_environment_that_turns_spans_off_goes_before_its_own_endpoint_and_behind_a_flag() {
    let folder = folder();
    let collector = Collector::start(&folder, "grpc", &["ok"]);
    let url = collector.url();
    let of_environment = ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str());
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let run = Exported::start_with(&folder, None, &[], &[of_environment, off]).finish();
        assert_eq!(collector.requests().len(), 0, "{off:?}: {:?}", run.said);
        assert!(!run.said.err.contains("warning"), "{off:?}: {:?}", run.said);
    }
    // What is for other programs concerns no run that names its own place, nor one that exports nothing.
    for url in [None, Some(url.as_str())] {
        let run = Exported::start_with(&folder, url, &[], &[("OTEL_TRACES_EXPORTER", "console")]).finish();
        assert!(!run.said.err.contains("warning"), "{:?}", run.said);
    }
    let variables = [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_SAMPLER", "always_off")];
    let run = Exported::start_with(&folder, Some(&url), &[], &variables).finish();
    run.check(&[("exported", run.requests)]);
    for warning in ["OTEL_SDK_DISABLED=true, and spans are exported all the same", "OTEL_TRACES_SAMPLER is not used"] {
        assert!(run.said.err.contains(warning), "{:?}", run.said);
    }
}

#[test]
fn a_collector_that_is_not_ours_has_every_span_with_its_parents_and_links() {
    let folder = folder();
    for (protocol, port) in [("grpc", 0), ("http/protobuf", 1), ("http/json", 1)] {
        let behind = Collector::start(&folder, "grpc", &["ok"]);
        let rotel = Rotel::start(folder.path(), &behind.url());
        let more = ["--otlp-protocol", protocol, "--otlp-compression", "gzip"];
        let run = replay(&folder, &rotel.urls[port], &more);
        run.check(&[("exported", run.requests)]);
        let spans = behind.wait_for_all(run.requests + exported::OF_THE_RUN);
        let of_run = spans.iter().find(|span| span["kind"] == 1 && span["parent"] == "").unwrap();
        let ids: Vec<_> = spans.iter().map(|span| &span["span_id"]).collect();
        let (mut children, mut recorded) = (0, 0);
        for span in spans.iter().filter(|span| span["kind"] == 3) {
            assert_eq!(span["links"][0], of_run["trace_id"], "{protocol}: {span}");
            recorded += u64::from(span["links"][1] == exported::RECORDED_TRACE);
            if span["parent"] != "" {
                children += 1;
                assert!(ids.contains(&&span["parent"]), "{protocol}: an orphan: {span}");
            }
        }
        // The requests of the recorded trace share a new one, of which the first is the root.
        assert_eq!((recorded, children), (exported::IN_TRACE, exported::IN_TRACE - 1), "{protocol}");
    }
}
