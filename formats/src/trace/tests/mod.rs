//! Contexts are read, replays are known, headers are removed; the cases of W3C's suite stand in `w3c.rs`.

mod vendors;
mod w3c;

use proptest::prelude::*;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn head(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

#[test]
fn replays_are_known_by_any_mark() {
    let check = |lines: &str, expected: bool| assert_eq!(is_replay(&head(lines)), expected, "{lines}");
    check("tracestate: reenact=r1\r\n", true);
    check("TraceState: a=1,\treenact=r1 , b=2\r\n", true);
    check("tracestate: a=1\r\ntracestate: b=2,,reenact=r\r\n", true);
    check("tracestate: junk, =, ==, reenact =x\r\n", true);
    check("tracestate: reenacted=1, x-reenact=1, reenact@tenant=1\r\n", false);
    check("tracestate: a=reenact, b=reenact=1\r\n", false);
    check("tracestate: reenact\r\n", false);
    check("baggage: reenact=1\r\n", false);
    check("baggage: reenact.run_id\r\n", false);
    check("Baggage: user=7, reenact.run_id=00ff;ttl=1\r\n", true);
    check("baggage: a=reenact.run_id=1\r\n", false);
    check("User-Agent: curl/8 reenact/0.1.0\r\n", true);
    check("user-agent: reenact/0.1.0\r\n", true);
    check("User-Agent: reenact/0.1.0 curl/8\r\n", false);
    check("User-Agent: curl/8 unreenact/1\r\n", false);
    check("X-User-Agent: reenact/0.1.0\r\n", false);
    check("", false);
    let many: String = (0..32).map(|n| format!("k{n}=v,")).collect();
    check(&format!("tracestate: {many}reenact=1\r\n"), true);
}

#[test]
fn trace_headers_of_every_vendor_and_nothing_else() {
    for name in [
        "traceparent",
        "TraceState",
        "Baggage",
        "b3",
        "X-B3-TraceId",
        "X-B3-Flags",
        "uber-trace-id",
        "uberctx-user",
        "ot-tracer-spanid",
        "ot-baggage-x",
        "X-Amzn-Trace-Id",
        "X-Cloud-Trace-Context",
        "grpc-trace-bin",
        "x-datadog-parent-id",
        "X-dynaTrace",
        "X-dynaTrace-Test",
        "x-dtc",
        "newrelic",
        "X-NewRelic-Transaction",
        "X-INSTANA-T",
        "X-INSTANA-S",
        "X-INSTANA-L",
        "sw8",
        "sw8-correlation",
        "sw8-x",
        "sentry-trace",
        "Elastic-Apm-Traceparent",
        "x-ot-span-context",
        "Request-Context",
        "MS-CV",
        "Pinpoint-pAppName",
        "ECID-Context",
        "X-CAT-ROOT-CHILD-ID",
    ] {
        assert!(is_trace_header(name.as_bytes()), "{name}");
    }
    for name in [
        "x-request-id",
        "x-request-start",
        "x-correlation-id",
        "request-id",
        "traceparents",
        "x-b3",
        "b33",
        "x-datadog",
        "host",
        "",
        "cookie",
        "x-amzn-requestid",
        "sw9",
        "trace",
        "x-category",
    ] {
        assert!(!is_trace_header(name.as_bytes()), "{name}");
    }
    let check = |name: &str, value: &str, expected: bool| {
        assert_eq!(is_trace_field(name.as_bytes(), value.as_bytes()), expected, "{name}: {value}");
    };
    check("Request-Id", "|4bf92f3577b34da6a3ce929d0e0e4736.00f067aa0ba902b7.", true);
    check("Request-Id", "7f1c", false);
    check("X-Request-Id", "|a.b.", false);
    check("b3", "0", true);
}

#[test]
fn contexts_are_of_one_trace_as_far_as_their_ids_tell() {
    let of = |id: u128| TraceContext { trace_id: id.to_be_bytes(), parent_id: [1; 8], flags: 0 };
    let check = |a: u128, b: u128, expected: bool| {
        assert_eq!((of(a).is_of_trace(&of(b)), of(b).is_of_trace(&of(a))), (expected, expected), "{a:x} {b:x}");
        if expected {
            assert_eq!(of(a).group(), of(b).group());
        }
    };
    check(7, 7, true);
    check(7, 8, false);
    check(5 << 64 | 7, 7, true);
    check(5 << 64 | 7, 5 << 64 | 7, true);
    check(5 << 64 | 7, 6 << 64 | 7, false);
    assert_eq!(of(5 << 64).group(), 5_u64.to_be_bytes());
}

proptest! {
    #[test]
    fn what_is_displayed_is_read_back(trace_id in 1u128.., parent_id in 1u64.., flags in 0u8..4) {
        let context = TraceContext { trace_id: trace_id.to_be_bytes(), parent_id: parent_id.to_be_bytes(), flags };
        prop_assert_eq!(parse_traceparent(context.to_string().as_bytes()), Some(context));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
        let _ = (parse_traceparent(&bytes), recorded(&bytes), is_replay(&bytes), is_trace_header(&bytes));
    }

    #[test]
    fn arbitrary_values_do_not_panic_and_ids_are_never_zero(
        lines in proptest::collection::vec((0..NAMES.len(), "[0-9a-fdD:;=,./%|\\- RootPaenSmpld?]{0,60}"), 0..6)
    ) {
        let lines: String = lines.iter().map(|(name, value)| format!("{}: {value}\r\n", NAMES[*name])).collect();
        let found = recorded(&head(&lines));
        prop_assert!(found.context.is_none_or(|context| context.trace_id != [0; 16]));
        prop_assert_eq!(found.context.is_some(), found.format.is_some());
    }
}

const NAMES: [&str; 16] = [
    "traceparent",
    "b3",
    "X-B3-TraceId",
    "X-B3-SpanId",
    "X-B3-Sampled",
    "X-B3-Flags",
    "uber-trace-id",
    "ot-tracer-traceid",
    "ot-tracer-spanid",
    "ot-tracer-sampled",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "X-Cloud-Trace-Context",
    "X-Amzn-Trace-Id",
];
