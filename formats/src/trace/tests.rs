use proptest::prelude::*;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

#[test]
fn traceparent_by_the_specification() {
    let check = |value: &str, expected: Option<u8>| {
        assert_eq!(parse_traceparent(value.as_bytes()).map(|context| context.flags), expected, "{value}");
    };
    let zeros = "0".repeat(32);
    check(&format!("00-{TRACE}-{SPAN}-01"), Some(1));
    check(&format!("00-{TRACE}-{SPAN}-00"), Some(0));
    check(&format!("00-{TRACE}-{SPAN}-03"), Some(3));
    check(&format!("00-{TRACE}-{SPAN}-ff"), Some(3));
    check(&format!("00-{TRACE}-{SPAN}-01-"), None);
    check(&format!("00-{TRACE}-{SPAN}-01-what"), None);
    check(&format!("00-{TRACE}-{SPAN}-1"), None);
    check(&format!("ff-{TRACE}-{SPAN}-01"), None);
    check(&format!("FF-{TRACE}-{SPAN}-01"), None);
    check(&format!("cc-{TRACE}-{SPAN}-01"), Some(1));
    check(&format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"), Some(1));
    check(&format!("cc-{TRACE}-{SPAN}-01-"), Some(1));
    check(&format!("cc-{TRACE}-{SPAN}-01.what"), None);
    check(&format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None);
    check(&format!("00-{zeros}-{SPAN}-01"), None);
    check(&format!("00-{TRACE}-0000000000000000-01"), None);
    check(&format!("00-{TRACE}x{SPAN}-01"), None);
    check(&format!("00_{TRACE}-{SPAN}-01"), None);
    check(&format!(" 00-{TRACE}-{SPAN}-01"), None);
    check(&format!("0g-{TRACE}-{SPAN}-01"), None);
    check("", None);
    check("00-", None);
}

#[test]
fn the_recorded_context_is_that_of_the_only_header() {
    let one = format!("GET / HTTP/1.1\r\nTraceParent:  00-{TRACE}-{SPAN}-01 \r\n\r\n");
    assert_eq!(recorded(one.as_bytes()).unwrap().to_traceparent(), format!("00-{TRACE}-{SPAN}-01"));
    let two = format!("GET / HTTP/1.1\r\ntraceparent: 00-{TRACE}-{SPAN}-01\r\ntraceparent: x\r\n\r\n");
    assert_eq!(recorded(two.as_bytes()), None);
    assert_eq!(recorded(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), None);
}

#[test]
fn replays_are_known_by_their_tracestate() {
    let check = |lines: &str, expected: bool| {
        let head = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        assert_eq!(is_replay(head.as_bytes()), expected, "{lines}");
    };
    check("tracestate: reenact=r1\r\n", true);
    check("TraceState: a=1,\treenact=r1 , b=2\r\n", true);
    check("tracestate: a=1\r\ntracestate: b=2,,reenact=r\r\n", true);
    check("tracestate: junk, =, ==, reenact =x\r\n", true);
    check("tracestate: reenacted=1, x-reenact=1, reenact@tenant=1\r\n", false);
    check("tracestate: a=reenact, b=reenact=1\r\n", false);
    check("tracestate: reenact\r\n", false);
    check("baggage: reenact=1\r\n", false);
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
    ] {
        assert!(!is_trace_header(name.as_bytes()), "{name}");
    }
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
}
