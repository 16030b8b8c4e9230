//! The situations of W3C's trace-context test suite (levels 1 and 2), as tables of our own: what a recorded request with
//! these headers comes to. A replay always begins a new trace and never passes a recorded `tracestate` on, so of the cases
//! about `tracestate` it is the context beside it that must not be disturbed, and whether a replay is known.

use super::*;

/// The recorded context of a request with these field lines, as `traceparent` would carry it.
#[track_caller]
fn check(lines: &str, expected: Option<&str>) {
    let found = recorded(&head(lines)).context.map(|context| context.to_traceparent());
    assert_eq!(found.as_deref(), expected, "{lines:?}");
}

#[test]
fn values_of_traceparent() {
    let check = |value: String, flags: Option<u8>| {
        assert_eq!(parse_traceparent(value.as_bytes()).map(|context| context.flags), flags, "{value:?}");
    };
    let (long, longer, zeros) = (format!("{TRACE}a"), format!("{SPAN}a"), "0".repeat(32));
    let bad_trace = |at: usize| format!("{}.{}", &TRACE[..at], &TRACE[at + 1..]);
    let bad_span = |at: usize| format!("{}.{}", &SPAN[..at], &SPAN[at + 1..]);
    // Flags: those that level 2 knows, those that it does not.
    for (flags, read) in [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("04", 0), ("ff", 3), ("fc", 0)] {
        check(format!("00-{TRACE}-{SPAN}-{flags}"), Some(read));
    }
    for flags in [".0", "0.", "001", "1", "", "0A", "+1", "0x"] {
        check(format!("00-{TRACE}-{SPAN}-{flags}"), None);
    }
    // Versions: 00 has nothing behind the flags, ff is forbidden, later ones may go on behind a dash.
    for (value, read) in [
        ("00-T-S-01-", None),
        ("00-T-S-01.", None),
        ("00-T-S-01-what-the-future-brings", None),
        ("cc-T-S-01", Some(1)),
        ("cc-T-S-01-", Some(1)),
        ("cc-T-S-01-what-the-future-brings", Some(1)),
        ("cc-T-S-01.what", None),
        ("fe-T-S-03", Some(3)),
        ("ff-T-S-01", None),
        ("FF-T-S-01", None),
        ("CC-T-S-01", None),
        (".0-T-S-01", None),
        ("0.-T-S-01", None),
        ("0g-T-S-01", None),
        ("000-T-S-01", None),
        ("0000-T-S-01", None),
        ("0-T-S-01", None),
        ("-T-S-01", None),
    ] {
        check(value.replace('T', TRACE).replace('S', SPAN), read);
    }
    // Ids: their lengths, their digits, their case, and zero.
    for (trace, span) in [
        (zeros.as_str(), SPAN),
        (TRACE, "0000000000000000"),
        (&long, SPAN),
        (&TRACE[1..], SPAN),
        (TRACE, &longer),
        (TRACE, &SPAN[1..]),
        (&bad_trace(0), SPAN),
        (&bad_trace(31), SPAN),
        (TRACE, &bad_span(0)),
        (TRACE, &bad_span(15)),
        (&TRACE.to_uppercase(), SPAN),
        (TRACE, &SPAN.to_uppercase()),
        ("", SPAN),
        (TRACE, ""),
    ] {
        check(format!("00-{trace}-{span}-01"), None);
    }
    for value in [
        format!("00_{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}x{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}x01"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}"),
        format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        String::new(),
        "00-".to_owned(),
    ] {
        check(value, None);
    }
}

#[test]
fn the_header_traceparent() {
    let value = format!("00-{TRACE}-{SPAN}-01");
    let read = Some(value.as_str());
    for name in ["traceparent", "TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        check(&format!("{name}: {value}\r\n"), read);
    }
    for name in ["trace-parent", "trace.parent", "xtraceparent", "traceparent-x"] {
        check(&format!("{name}: {value}\r\n"), None);
    }
    // White space around a value is none of it, in any mixture; none at all is as good.
    for (before, after) in [("", ""), (" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")] {
        check(&format!("traceparent:{before}{value}{after}\r\n"), read);
    }
    check("Host: x\r\n", None);
    // Two headers are none, the same or not.
    let other = format!("traceparent: 00-{SPAN}{SPAN}-{SPAN}-01\r\n");
    check(&format!("traceparent: {value}\r\n{other}"), None);
    check(&format!("traceparent: {value}\r\ntraceparent: {value}\r\n"), None);
    check(&format!("traceparent:\r\ntraceparent: {value}\r\n"), None);
    check(&format!("traceparent: {value}\r\ntraceparent: x\r\n"), None);
    let differs = |lines: String| recorded(&head(&lines)).differs;
    assert!(differs(format!("traceparent: {value}\r\n{other}")));
    assert!(!differs(format!("traceparent: {value}\r\ntraceparent: {value}\r\n")));
}

#[test]
fn tracestate_beside_a_traceparent() {
    let value = format!("00-{TRACE}-{SPAN}-00");
    let members =
        |range: std::ops::RangeInclusive<u32>| range.map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",");
    let (key, value_of_all) = ("abcdefghijklmnopqrstuvwxyz0123456789_-*/", (' '..='~').filter(|c| !",=".contains(*c)));
    let all: String = value_of_all.collect();
    // Whatever stands there: names, repetitions, keys and limits, right and wrong.
    let states = [
        vec![],
        vec![String::new()],
        vec!["foo=1".into()],
        vec!["foo=1".into(), String::new()],
        vec![String::new(), "foo=1".into()],
        vec!["foo=1,bar=2".into(), "rojo=1,congo=2".into(), "baz=3".into()],
        vec!["foo=1,foo=1".into()],
        vec!["foo=1".into(), "foo=2".into()],
        vec![format!("{key}={all}")],
        vec![format!("{key}@{key}={all}")],
        vec!["foo=1 \t , \t bar=2, \t baz=3".into()],
        vec!["\t foo=1 \t".into()],
        vec!["foo =1".into()],
        vec!["FOO=1".into()],
        vec!["foo.bar=1".into()],
        vec!["foo@=1,bar=2".into()],
        vec!["@foo=1,bar=2".into()],
        vec!["foo@@bar=1,bar=2".into()],
        vec!["foo@bar@baz=1,bar=2".into()],
        vec![members(1..=10), members(11..=20), members(21..=32)],
        vec![members(1..=10), members(11..=20), members(21..=33)],
        vec!["foo=1".into(), format!("{}=1", "z".repeat(256))],
        vec!["foo=1".into(), format!("{}=1", "z".repeat(257))],
        vec!["foo=1".into(), format!("{}@{}=1", "t".repeat(241), "v".repeat(14))],
        vec!["foo=1".into(), format!("{}@v=1", "t".repeat(242))],
        vec!["foo=1".into(), format!("t@{}=1", "v".repeat(15))],
    ];
    for state in states {
        let lines: String = state.iter().map(|value| format!("tracestate: {value}\r\n")).collect();
        check(&format!("traceparent: {value}\r\n{lines}"), Some(&value));
        // Without a traceparent it is nothing.
        check(&lines, None);
        // It is taken for no replay, and with our member for one, wherever that stands.
        for (lines, expected) in [
            (lines.clone(), false),
            (format!("{lines}tracestate: reenact=00\r\n"), true),
            (format!("TRACESTATE: reenact=00\r\n{lines}"), true),
            (lines.replacen("tracestate: ", "tracestate: reenact=00,", 1), !lines.is_empty()),
        ] {
            assert_eq!(is_replay(&head(&lines)), expected, "{lines:?}");
        }
    }
    for name in ["tracestate", "TraceState", "TrAcEsTaTe", "TRACESTATE"] {
        assert!(is_replay(&head(&format!("{name}: reenact=0\r\n"))) && is_trace_header(name.as_bytes()), "{name}");
    }
    for name in ["trace-state", "trace.state"] {
        assert!(!is_replay(&head(&format!("{name}: reenact=0\r\n"))) && !is_trace_header(name.as_bytes()), "{name}");
    }
}
