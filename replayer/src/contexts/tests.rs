//! Contexts are fresh, grouped, sampled as was asked, and read back from what is written.

use formats::trace::{Format, Recorded, is_replay, recorded};
use proptest::prelude::*;

use super::*;

fn origin(position: u64, copy: u32, trace: Option<u8>, first_in_trace: bool) -> Origin {
    let recorded = trace.map(|byte| TraceContext { trace_id: [byte; 16], parent_id: [1; 8], flags: 1 });
    Origin { position, copy, recorded, decision: Some(true), generation: 0, first_in_trace }
}

#[test]
fn requests_of_a_recorded_trace_share_the_new_one_within_a_copy() {
    let contexts = Contexts::random().unwrap();
    let first = contexts.of(&origin(1, 0, Some(7), true));
    let second = contexts.of(&origin(2, 0, Some(7), false));
    let other_copy = contexts.of(&origin(3, 1, Some(7), true));
    let other_trace = contexts.of(&origin(4, 0, Some(8), true));
    assert_eq!((second.trace_id, second.parent_span_id), (first.trace_id, Some(first.span_id)));
    assert_ne!(second.span_id, first.span_id);
    assert_ne!(other_copy.trace_id, first.trace_id);
    assert_ne!(other_trace.trace_id, first.trace_id);
    assert_ne!(first.trace_id, [7; 16]);
}

#[test]
fn every_request_and_every_run_differs() {
    let (a, b) = (Contexts::random().unwrap(), Contexts::random().unwrap());
    let ids: std::collections::HashSet<_> = (0..1000)
        .flat_map(|at| [a.of(&origin(at, 0, None, false)), b.of(&origin(at, 0, None, false))])
        .map(|f| f.trace_id)
        .collect();
    assert_eq!(ids.len(), 2000);
    assert_ne!(a.run_id(), b.run_id());
}

#[test]
fn a_share_of_traces_is_sampled_whole() {
    let sampled = |sampling: &str, decision: Option<bool>| {
        let contexts = Contexts::random().unwrap().sampled(sampling.parse().unwrap());
        (0..4_000)
            .filter(|at| {
                let is_traced = at % 2 == 0;
                let one = origin(*at, 0, is_traced.then_some(7), false);
                contexts.of(&Origin { decision: decision.filter(|_| is_traced), ..one }).is_sampled
            })
            .count()
    };
    assert_eq!((sampled("1", Some(false)), sampled("0", Some(true))), (4_000, 0));
    assert_eq!((sampled("recorded", Some(true)), sampled("recorded", Some(false))), (2_000, 0));
    // Nobody said that it was recorded.
    assert_eq!(sampled("recorded", None), 0);
    // Half of the requests share one trace, which is sampled whole or not at all.
    let some = sampled("0.25", None) % 2_000;
    assert!((400..600).contains(&some), "{some}");
    for bad in ["", "1.1", "-0.1", "NaN", "all"] {
        assert!(bad.parse::<Sampling>().is_err(), "{bad}");
    }
}

#[test]
fn requests_that_named_their_trace_in_64_and_in_128_bits_share_the_new_one() {
    let contexts = Contexts::random().unwrap();
    let of = |trace_id: u128| {
        let recorded = Some(TraceContext { trace_id: trace_id.to_be_bytes(), parent_id: [1; 8], flags: 1 });
        contexts.of(&Origin { recorded, ..origin(1, 0, None, false) }).trace_id
    };
    assert_eq!(of(5 << 64 | 7), of(7));
    assert_ne!(of(5 << 64 | 7), of(5 << 64 | 8));
}

/// A run at a time of its own, and what it writes for one request.
#[track_caller]
fn written(propagators: &str, bits: Option<TraceIdBits>, sampling: &str, position: u64) -> (Contexts, Fresh, Vec<u8>) {
    let wire = Wire::new(propagators.parse().unwrap(), bits).unwrap();
    let begins = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_999);
    let contexts = Contexts::random().unwrap().sampled(sampling.parse().unwrap()).written_for(&wire, begins);
    let fresh = contexts.of(&origin(position, 0, None, false));
    let start = b"GET / HTTP/1.1\r\n";
    let mut head = Vec::with_capacity(start.len() + contexts.fields_len_max());
    head.extend_from_slice(start);
    let (room, place) = (head.capacity(), head.as_ptr());
    contexts.append_fields(&fresh, &mut head);
    assert_eq!((head.capacity(), head.as_ptr()), (room, place), "{propagators}: it was written without moving it");
    assert!(room - head.len() <= usize::from(propagators.contains("ottrace")), "{propagators}: all room was needed");
    assert!(head.ends_with(b"\r\n\r\n"));
    (contexts, fresh, head)
}

/// The field lines of one request, with its ids as `TRACE`, `LOW`, `TIME`, `REST`, `SPAN` and `RUN`.
#[track_caller]
fn lines(propagators: &str, bits: Option<TraceIdBits>, sampling: &str) -> String {
    let (contexts, fresh, head) = written(propagators, bits, sampling, 1);
    let (trace, span) = (hex(&fresh.trace_id), hex(&fresh.span_id));
    let text = String::from_utf8(head).unwrap();
    let timed = format!("{}-{}", &trace[..8], &trace[8..]);
    let text = text.split_once("\r\n").unwrap().1.trim_end().replace(&timed, "TIME-REST").replace(&trace, "TRACE");
    let text = text.replace(&trace[16..], "LOW").replace(&span, "SPAN").replace(contexts.run_id(), "RUN");
    text.replace("\r\n", "\n")
}

#[test]
fn each_propagator_writes_what_its_document_says_and_a_mark_is_always_there() {
    let check = |propagators: &str, sampling: &str, bits: Option<TraceIdBits>, expected: &str| {
        assert_eq!(lines(propagators, bits, sampling), expected, "{propagators} {sampling} {bits:?}");
    };
    let (long, short) = (Some(TraceIdBits::Long), Some(TraceIdBits::Short));
    let mark = "tracestate: reenact=RUN";
    let baggage = "baggage: synthetic_request=true,reenact.run_id=RUN";
    check("tracecontext,baggage", "1", None, &format!("traceparent: 00-TRACE-SPAN-03\n{mark}\n{baggage}"));
    check("tracecontext", "0", long, &format!("traceparent: 00-TRACE-SPAN-02\n{mark}"));
    check("tracecontext", "1", short, &format!("traceparent: 00-TRACE-SPAN-03\n{mark}"));
    check("baggage", "1", None, &format!("{mark}\n{baggage}"));
    check("none", "1", None, mark);
    check("b3", "1", None, &format!("{mark}\nb3: TRACE-SPAN-1"));
    check("b3", "0", short, &format!("{mark}\nb3: LOW-SPAN-0"));
    let multi = |trace: &str, sampled: &str| {
        format!("{mark}\nX-B3-TraceId: {trace}\nX-B3-SpanId: SPAN\nX-B3-Sampled: {sampled}")
    };
    check("b3multi", "1", None, &multi("TRACE", "1"));
    check("b3multi", "0", short, &multi("LOW", "0"));
    check("jaeger", "1", None, &format!("{mark}\nuber-trace-id: TRACE:SPAN:0:1"));
    check("jaeger", "0", short, &format!("{mark}\nuber-trace-id: LOW:SPAN:0:0"));
    check("xray", "1", None, &format!("{mark}\nX-Amzn-Trace-Id: Root=1-TIME-REST;Parent=SPAN;Sampled=1"));
    check("xray", "0", long, &format!("{mark}\nX-Amzn-Trace-Id: Root=1-TIME-REST;Parent=SPAN;Sampled=0"));
    let ot =
        |sampled: &str| format!("{mark}\not-tracer-traceid: LOW\not-tracer-spanid: SPAN\not-tracer-sampled: {sampled}");
    check("ottrace", "1", None, &ot("true"));
    check("ottrace", "0", short, &ot("false"));
    // One order, whatever order they were chosen in.
    let all =
        format!("traceparent: 00-TRACE-SPAN-03\n{mark}\n{baggage}\nb3: TRACE-SPAN-1\nuber-trace-id: TRACE:SPAN:0:1");
    check("jaeger, b3,baggage,tracecontext,b3", "1", None, &all);
}

#[test]
fn ids_are_as_long_as_was_asked_and_begin_with_the_time_for_xray() {
    let ids = |propagators: &str, bits: Option<TraceIdBits>| {
        let (contexts, fresh, _) = written(propagators, bits, "1", 9);
        [fresh.trace_id, contexts.of_run().0].map(|id| hex(&id))
    };
    for id in ids("tracecontext,xray,baggage", None) {
        assert!(id.starts_with(&format!("{:08x}", 1_700_000_000)), "{id}");
    }
    for id in ids("b3,ottrace", None).into_iter().chain(ids("tracecontext", Some(TraceIdBits::Short))) {
        assert!(id.starts_with(&"0".repeat(16)) && !id.ends_with(&"0".repeat(16)), "{id}");
    }
    // W3C's random flag speaks of the last 7 bytes: in all forms each of them takes every value.
    for (propagators, bits) in [("xray", None), ("tracecontext", Some(TraceIdBits::Short)), ("tracecontext", None)] {
        let (contexts, ..) = written(propagators, bits, "1", 0);
        let mut seen = vec![[false; 256]; 7];
        for at in 0..10_000 {
            let [.., a, b, c, d, e, f, g] = contexts.of(&origin(at, 0, None, false)).trace_id;
            seen.iter_mut().zip([a, b, c, d, e, f, g]).for_each(|(seen, byte)| seen[usize::from(byte)] = true);
        }
        assert!(seen.concat().iter().all(|seen| *seen), "{propagators} {bits:?}");
    }
}

#[test]
fn choices_that_cannot_be_written_are_refused_by_name() {
    let check = |text: &str, bits: Option<TraceIdBits>, expected: &str| {
        let error = text.parse().and_then(|propagators| Wire::new(propagators, bits)).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("tracecontext,datadog", None, "`datadog` is no propagator");
    check("B3", None, "`B3` is no propagator");
    check("b3,,jaeger", None, "`` is no propagator");
    check("none,b3", None, "`none` stands alone");
    check("xray", Some(TraceIdBits::Short), "64 bits cannot be written for xray");
    check("ottrace", Some(TraceIdBits::Long), "128 bits cannot be written for ottrace");
    check("xray,ottrace", None, "xray and ottrace exclude each other");
    assert_eq!(Propagators::default().to_string(), "tracecontext,baggage");
    for one in Propagator::ALL.map(Propagator::name).into_iter().chain(["none", "b3,jaeger"]) {
        assert_eq!(one.parse::<Propagators>().unwrap().to_string(), one);
    }
}

#[test]
fn the_suffix_of_the_user_agent_is_a_mark_too() {
    let head = format!("GET / HTTP/1.1\r\nUser-Agent: curl{}\r\n\r\n", crate::rewrite::USER_AGENT_SUFFIX);
    assert!(is_replay(head.as_bytes()));
}

proptest! {
    /// What each propagator writes is read back as the same context and the same decision, and known for a replay.
    #[test]
    fn what_is_written_is_read_back(
        chosen in proptest::sample::select(&[
            ("tracecontext", Format::TraceContext),
            ("tracecontext,baggage,b3,b3multi,jaeger,ottrace", Format::TraceContext),
            ("xray,tracecontext", Format::TraceContext),
            ("b3", Format::B3),
            ("b3multi,jaeger", Format::B3Multi),
            ("jaeger,xray", Format::Jaeger),
            ("xray", Format::XRay),
            ("ottrace", Format::OtTrace),
        ][..]),
        is_short: bool,
        is_sampled: bool,
        position: u64,
    ) {
        let (propagators, format) = chosen;
        let bits = (is_short && !propagators.contains("xray")).then_some(TraceIdBits::Short);
        let (_, fresh, head) = written(propagators, bits, if is_sampled { "1" } else { "0" }, position);
        prop_assert_eq!(fresh.is_sampled, is_sampled);
        let random = if format == Format::TraceContext { 2 } else { 0 };
        let context = TraceContext {
            trace_id: fresh.trace_id,
            parent_id: fresh.span_id,
            flags: random | u8::from(is_sampled),
        };
        let decision = Some(is_sampled);
        let expected = Recorded { context: Some(context), format: Some(format), decision, differs: false };
        prop_assert_eq!(recorded(&head), expected);
        prop_assert!(is_replay(&head));
    }
}
