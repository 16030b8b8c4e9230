//! What each format's headers come to, alone and with each other.

use super::*;

/// `TRACE SPAN DECISION` of a request with these field lines (`-` for what it does not say), or `none`; before it `differs`
/// where the contexts do.
#[track_caller]
fn check(lines: &str, expected: &str) {
    let found = recorded(&head(lines));
    let decision = found.decision.map_or("-".to_owned(), |is_sampled| u8::from(is_sampled).to_string());
    let ids = found.context.map_or("none".to_owned(), |context| {
        let span = context.parent().map_or("-".to_owned(), |id| format!("{:x}", u64::from_be_bytes(id)));
        format!("{:x} {span}", u128::from_be_bytes(context.trace_id))
    });
    let differs = if found.differs { "differs " } else { "" };
    assert_eq!(format!("{differs}{ids} {decision}"), expected, "{lines}");
}

#[test]
fn b3_in_one_header() {
    let of = |value: &str, expected: &str| check(&format!("b3: {value}\r\n"), expected);
    of(&format!("{TRACE}-{SPAN}-1"), &format!("{} {SPAN} 1", &TRACE[1..]));
    of(&format!("{SPAN}-{SPAN}-0"), &format!("{SPAN} {SPAN} 0"));
    of(&format!("{SPAN}-{SPAN}-d"), &format!("{SPAN} {SPAN} 1"));
    of(&format!("{SPAN}-{SPAN}"), &format!("{SPAN} {SPAN} -"));
    of(&format!("{SPAN}-{SPAN}-1-00000000000000ff"), &format!("{SPAN} {SPAN} 1"));
    of(&format!("{SPAN}-{SPAN}-00000000000000ff"), &format!("{SPAN} {SPAN} -"));
    of(&SPAN.to_uppercase().replace(SPAN, ""), "none -");
    of(&format!("{}-{SPAN}-1", SPAN.to_uppercase()), &format!("{SPAN} {SPAN} 1"));
    of("0", "none 0");
    of("1", "none 1");
    of("d", "none 1");
    for bad in [
        "",
        "2",
        "-",
        "0-0-1",
        &format!("0000000000000000-{SPAN}-1"),
        &format!("{SPAN}-0000000000000000-1"),
        &format!("{SPAN}-{SPAN}-2"),
        &format!("{SPAN}-{SPAN}-"),
        &format!("{SPAN}-{SPAN}-1-ff"),
        &format!("{SPAN}-{SPAN}-1-{SPAN}-1"),
        &format!("{SPAN}0-{SPAN}-1"),
    ] {
        of(bad, "none -");
    }
}

#[test]
fn b3_in_many_headers() {
    let of = |lines: &str, expected: &str| {
        let ids = format!("X-B3-TraceId: {SPAN}\r\nx-b3-spanid: 00000000000000ff\r\n");
        check(&format!("{ids}{lines}"), expected);
    };
    of("X-B3-Sampled: 1\r\n", &format!("{SPAN} ff 1"));
    of("X-B3-Sampled: 0\r\nX-B3-ParentSpanId: 00000000000000fe\r\n", &format!("{SPAN} ff 0"));
    of("X-B3-Sampled: TRUE\r\n", &format!("{SPAN} ff 1"));
    of("X-B3-Flags: 1\r\n", &format!("{SPAN} ff 1"));
    of("X-B3-Flags: 0\r\n", &format!("{SPAN} ff -"));
    of("", &format!("{SPAN} ff -"));
    of("X-B3-Sampled: d\r\n", "none -");
    of("X-B3-Sampled: yes\r\n", "none -");
    check("X-B3-Sampled: 0\r\n", "none 0");
    check("X-B3-Flags: 1\r\n", "none 1");
    check(&format!("X-B3-TraceId: {SPAN}\r\n"), "none -");
    check(&format!("X-B3-SpanId: {SPAN}\r\nX-B3-Sampled: 1\r\n"), "none -");
}

#[test]
fn jaeger() {
    let of = |value: &str, expected: &str| check(&format!("uber-trace-id: {value}\r\n"), expected);
    of(&format!("{TRACE}:{SPAN}:0:1"), &format!("{} {SPAN} 1", &TRACE[1..]));
    of("deadbeef:7:6:0", "deadbeef 7 0");
    of("deadbeef:7:6:00", "deadbeef 7 0");
    of("deadbeef:7:6:2", "deadbeef 7 1");
    of("deadbeef:7:6:03", "deadbeef 7 1");
    of("deadbeef:7:6:8", "deadbeef 7 0");
    of("deadbeef%3A7%3a0%3A1", "deadbeef 7 1");
    of("deadbeef:7::1", "deadbeef 7 1");
    for bad in [
        "",
        "0:7:0:1",
        "7:0:0:1",
        "7:7:1",
        "7:7:0:1:1",
        "7:7:0:1:",
        "7:7:x:1",
        "7:7:0:",
        "7:7:0:100",
        "7:g:0:1",
        "7%3B7:0:1",
    ] {
        of(bad, "none -");
    }
    of(&format!("{TRACE}0:7:0:1"), "none -");
}

#[test]
fn ot_trace() {
    let of = |trace: &str, span: &str, sampled: &str, expected: &str| {
        let sampled = if sampled.is_empty() { String::new() } else { format!("ot-tracer-sampled: {sampled}\r\n") };
        check(&format!("ot-tracer-traceid: {trace}\r\not-tracer-spanid: {span}\r\n{sampled}"), expected);
    };
    of(SPAN, SPAN, "true", &format!("{SPAN} {SPAN} 1"));
    of(SPAN, SPAN, "false", &format!("{SPAN} {SPAN} 0"));
    of(SPAN, "7", "", &format!("{SPAN} 7 -"));
    of(TRACE, "7", "", &format!("{} 7 -", &TRACE[1..]));
    of("0", "7", "true", "none -");
    of("7", "0", "true", "none -");
    of("7", "7", "1", "none -");
    check("ot-tracer-sampled: true\r\n", "none -");
}

#[test]
fn datadog() {
    let of = |lines: &str, expected: &str| check(&format!("x-datadog-trace-id: 255\r\n{lines}"), expected);
    of("x-datadog-parent-id: 16\r\nx-datadog-sampling-priority: 1\r\n", "ff 10 1");
    of("x-datadog-sampling-priority: 2\r\n", "ff - 1");
    of("x-datadog-sampling-priority: 0\r\n", "ff - 0");
    of("x-datadog-sampling-priority: -1\r\n", "ff - 0");
    of("x-datadog-parent-id: 0\r\n", "ff - -");
    of("x-datadog-tags: _dd.p.dm=-1,_dd.p.tid=640cfd8d00000000\r\n", "640cfd8d0000000000000000000000ff - -");
    of("x-datadog-tags: _dd.p.tid=malformed\r\n", "ff - -");
    of("x-datadog-sampling-priority: high\r\n", "none -");
    of("x-datadog-parent-id: 0x10\r\n", "none -");
    check("x-datadog-sampling-priority: 1\r\n", "none 1");
    check("x-datadog-trace-id: 0\r\n", "none -");
    check("x-datadog-trace-id: 18446744073709551615\r\n", "ffffffffffffffff - -");
    check("x-datadog-trace-id: 18446744073709551616\r\n", "none -");
    check("x-datadog-trace-id: +1\r\n", "none -");
}

#[test]
fn cloud_trace() {
    let of = |value: &str, expected: &str| check(&format!("X-Cloud-Trace-Context: {value}\r\n"), expected);
    let short = &TRACE[1..];
    of(&format!("{TRACE}/255;o=1"), &format!("{short} ff 1"));
    of(&format!("{TRACE}/255;o=0"), &format!("{short} ff 0"));
    of(&format!("{TRACE}/255;o=3"), &format!("{short} ff 1"));
    of(&format!("{TRACE}/255"), &format!("{short} ff -"));
    of(&format!("{TRACE}/255;o="), &format!("{short} ff -"));
    of(&format!("{TRACE}/;o=1"), &format!("{short} - 1"));
    of(&format!("{TRACE};o=1"), &format!("{short} - 1"));
    of(TRACE, &format!("{short} - -"));
    for bad in ["", "/1;o=1", "105445aa7843bc8bf206b120001000/1", &format!("{TRACE}/x"), &format!("{TRACE}/1;x=1")] {
        of(bad, "none -");
    }
    of(&format!("{}/1", "0".repeat(32)), "none -");
}

#[test]
fn xray() {
    let of = |value: &str, expected: &str| check(&format!("X-Amzn-Trace-Id: {value}\r\n"), expected);
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let id = "5759e988bd862e3fe1be46a994272793";
    of(&format!("{root};Parent=53995c3f42cd8ad8;Sampled=1"), &format!("{id} 53995c3f42cd8ad8 1"));
    of(&format!("Sampled=0; Parent=53995c3f42cd8ad8 ;{root}"), &format!("{id} 53995c3f42cd8ad8 0"));
    of(&format!("{root};Sampled=?"), &format!("{id} - -"));
    of(root, &format!("{id} - -"));
    of(&format!("Self=1-67891234-12456789abcdef0123456789;{root}"), &format!("{id} - -"));
    of(&format!("{root};Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2"), &format!("{id} - -"));
    of("Sampled=1", "none 1");
    for bad in [
        "",
        "Root=",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e988bd862e3fe1be46a994272793",
        "Root=1-00000000-000000000000000000000000",
        "Root=1-5759e988-bd862e3fe1be46a99427279;Sampled=1",
        &format!("{root};{root}"),
        &format!("{root};Parent=1"),
        &format!("{root};Sampled=2"),
        &format!("{root};Sampled=1;Sampled=1"),
    ] {
        of(bad, "none -");
    }
}

#[test]
fn one_order_of_formats_and_what_differs_is_said() {
    let w3c = format!("traceparent: 00-{TRACE}-{SPAN}-00\r\n");
    let of_w3c = format!("{} {SPAN} 0", &TRACE[1..]);
    let low = &TRACE[16..];
    // The same trace in other words, also with half of its id, is no other context; the first one's parent counts.
    check(&format!("b3: {TRACE}-00000000000000ff-1\r\n{w3c}"), &of_w3c);
    let decimal = u64::from_str_radix(low, 16).unwrap();
    check(&format!("x-datadog-trace-id: {decimal}\r\nx-datadog-sampling-priority: 2\r\n{w3c}"), &of_w3c);
    // Another trace is said, and the order decides, wherever the headers stand.
    let amazon = "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1\r\n";
    check(&format!("{amazon}{w3c}"), &format!("differs {of_w3c}"));
    check(&format!("{w3c}{amazon}"), &format!("differs {of_w3c}"));
    check(&format!("{amazon}x-cloud-trace-context: {TRACE}\r\n"), &format!("differs {} - -", &TRACE[1..]));
    let names: Vec<_> = Format::ALL.map(Format::name).into();
    assert!(Format::ALL.is_sorted(), "{names:?}");
    // What cannot be read is not there.
    check(&format!("traceparent: 00-{TRACE}-{SPAN}\r\nb3: {low}-{SPAN}-1\r\n"), &format!("{low} {SPAN} 1"));
    // A decision without ids is of whatever trace there is; of another trace it is nobody's.
    check("X-B3-Sampled: 1\r\nx-datadog-trace-id: 255\r\n", "ff - 1");
    check(&format!("x-datadog-trace-id: 255\r\n{amazon}"), "differs ff - -");
    // Headers of one format that contradict each other are not read; the same twice is once.
    check(&format!("b3: {low}-{SPAN}-1\r\nb3: {low}-{SPAN}-0\r\n"), "differs none -");
    check(&format!("b3: {low}-{SPAN}-1\r\nB3: {low}-{SPAN}-1\r\n"), &format!("{low} {SPAN} 1"));
    check(
        &format!("X-B3-TraceId: {SPAN}\r\nX-B3-TraceId: {low}\r\nX-B3-SpanId: {SPAN}\r\nuber-trace-id: 7:7:0:1\r\n"),
        "differs 7 7 1",
    );
    let flags = |lines: &str| recorded(&head(lines)).context.map(|context| context.flags);
    assert_eq!(flags("uber-trace-id: 7:7:0:1\r\n"), Some(1));
    assert_eq!(flags("uber-trace-id: 7:7:0:0\r\n"), Some(0));
    assert_eq!(flags(&format!("traceparent: 00-{TRACE}-{SPAN}-02\r\n")), Some(2));
}
