//! Batches against the messages that opentelemetry-proto makes of the same spans, and the account of whole exporters.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::prelude::*;
use prost::Message as _;

use super::batch::{Batch, Encoding, Message, Pushed};
use super::*;
use crate::contexts::Contexts;
use crate::job;
use crate::secret::Secret;

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("reenact")
        .with_version("1")
        .with_schema_url("https://opentelemetry.io/\"schemas\"/1")
        .build()
}

/// One for all: each that is built has its attributes in an order of its own.
static RESOURCE: LazyLock<Resource> = LazyLock::new(|| {
    let attributes = [KeyValue::new("a", true)];
    Resource::builder_empty().with_service_name("reenact").with_schema_url(attributes, "https://x/1").build()
});

fn resource() -> Resource {
    RESOURCE.clone()
}

fn span(number: u64, name: String) -> SpanData {
    let context = |number: u64| {
        let ids = (TraceId::from(u128::from(number) + 1), SpanId::from(number + 1));
        SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, number.is_multiple_of(2), TraceState::NONE)
    };
    let mut links = SpanLinks::default();
    links.links.push(Link::with_context(context(number + 7)));
    SpanData {
        span_context: context(number),
        parent_span_id: if number.is_multiple_of(3) { SpanId::INVALID } else { SpanId::from(number) },
        parent_span_is_remote: false,
        span_kind: SpanKind::Client,
        name: name.into(),
        start_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(number),
        end_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(number + 5),
        attributes: vec![KeyValue::new("n", number.cast_signed()), KeyValue::new("x", 0.5), KeyValue::new("t", "ü\"")],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status: if number.is_multiple_of(4) { Status::error("") } else { Status::Unset },
        instrumentation_scope: scope(),
    }
}

/// Of every span.
const TRACE_STATE: &str = "reenact=0123456789abcdef";

/// What opentelemetry-otlp would send for these spans, if they had the run's `tracestate`.
fn expected(spans: Vec<SpanData>) -> ExportTraceServiceRequest {
    let resource = ResourceAttributesWithSchema::from(&resource());
    let mut resource_spans = group_spans_by_resource_and_scope(spans, &resource);
    let scopes = resource_spans.iter_mut().flat_map(|one| &mut one.scope_spans);
    scopes.flat_map(|one| &mut one.spans).for_each(|span| TRACE_STATE.clone_into(&mut span.trace_state));
    ExportTraceServiceRequest { resource_spans }
}

fn decoded(encoding: Encoding, message: &Message) -> ExportTraceServiceRequest {
    match encoding {
        Encoding::Protobuf => ExportTraceServiceRequest::decode(message.bytes.clone()).unwrap(),
        Encoding::Json => serde_json::from_slice(&message.bytes).unwrap(),
    }
}

/// Everything that comes of these spans, and how many were too large.
fn batched(encoding: Encoding, bytes_max: usize, spans: &[SpanData]) -> (Vec<Message>, usize) {
    let mut batch = Batch::new(encoding, bytes_max, &resource(), &scope(), TRACE_STATE.to_owned());
    let (mut messages, mut too_large) = (Vec::new(), 0);
    for span in spans {
        match batch.push(span.clone()) {
            Pushed::Kept => {}
            Pushed::Began(message) => messages.push(message),
            Pushed::TooLarge => too_large += 1,
        }
    }
    messages.extend(batch.finish());
    assert!(batch.finish().is_none(), "a batch is empty when it is finished");
    (messages, too_large)
}

proptest! {
    #[test]
    fn batches_are_what_was_put_in_and_no_longer_than_they_may_be(
        lengths in prop::collection::vec(prop_oneof![9 => 0_usize..300, 1 => 0_usize..3_000], 1..40),
        bytes_max in 600_usize..5_000,
        is_json: bool,
    ) {
        let encoding = if is_json { Encoding::Json } else { Encoding::Protobuf };
        let spans: Vec<_> = lengths.iter().zip(0..).map(|(len, number)| span(number, "n".repeat(*len))).collect();
        let (messages, too_large) = batched(encoding, bytes_max, &spans);
        let fits = |span: &&SpanData| batched(encoding, bytes_max, std::slice::from_ref(*span)).1 == 0;
        let fitting: Vec<_> = spans.iter().filter(fits).cloned().collect();
        prop_assert_eq!(fitting.len() + too_large, spans.len());
        let mut rest = fitting.as_slice();
        for (at, message) in messages.iter().enumerate() {
            prop_assert!(message.bytes.len() <= bytes_max, "{} of {}", message.bytes.len(), bytes_max);
            let (these, others) = rest.split_at(usize::try_from(message.spans).unwrap());
            prop_assert_eq!(decoded(encoding, message), expected(these.to_vec()));
            // It ended because the next span did not fit, to the byte.
            if at + 1 < messages.len() {
                let with_next: Vec<_> = these.iter().chain(others.first()).cloned().collect();
                let (more, _) = batched(encoding, usize::MAX, &with_next);
                prop_assert!(more[0].bytes.len() > bytes_max);
            }
            rest = others;
        }
        prop_assert!(rest.is_empty());
    }
}

#[test]
fn a_message_of_protobuf_is_the_one_of_opentelemetry_to_the_byte() {
    let spans: Vec<_> = (0..40).map(|number| span(number, format!("GET /{number}"))).collect();
    let (messages, _) = batched(Encoding::Protobuf, usize::MAX, &spans);
    assert_eq!(messages[0].bytes, expected(spans).encode_to_vec());
}

/// Of everything that a span may have, something.
fn any_span() -> impl Strategy<Value = SpanData> {
    let value = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("a number", |one| !one.is_nan()).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-zü]{0,200}".prop_map(Value::from),
    ];
    let attributes = || {
        let pair = ("[a-z.]{0,140}", value.clone());
        prop::collection::vec(pair.prop_map(|(key, value)| KeyValue::new(key, value)), 0..6)
    };
    let context =
        (any::<u64>(), any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(ids, flags, remote, has_state)| {
            let state = if has_state {
                TraceState::from_key_value([("a", "1"), ("b", "x")]).unwrap()
            } else {
                TraceState::NONE
            };
            let ids = (TraceId::from(u128::from(ids) << 7), SpanId::from(ids));
            SpanContext::new(ids.0, ids.1, TraceFlags::new(flags), remote, state)
        });
    let link = (context.clone(), attributes(), 0..3_u32);
    let links = prop::collection::vec(link.prop_map(|(context, all, dropped)| Link::new(context, all, dropped)), 0..3);
    let status = prop_oneof![Just(Status::Unset), Just(Status::Ok), "[a-z]{0,9}".prop_map(Status::error)];
    let times = (any::<u32>(), any::<u32>());
    (context, 0..5_usize, any::<u64>(), any::<bool>(), attributes(), links, status, times, any::<[u32; 2]>()).prop_map(
        |(context, kind, parent, remote, attributes, all, status, times, dropped)| {
            let at = |ns: u32| SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from(ns));
            let kinds =
                [SpanKind::Client, SpanKind::Server, SpanKind::Producer, SpanKind::Consumer, SpanKind::Internal];
            let mut links = SpanLinks::default();
            (links.links, links.dropped_count) = (all, dropped[0]);
            SpanData {
                span_context: context,
                parent_span_id: SpanId::from(parent),
                parent_span_is_remote: remote,
                span_kind: kinds[kind].clone(),
                start_time: at(times.0),
                end_time: at(times.1),
                attributes,
                dropped_attributes_count: dropped[1],
                links,
                status,
                ..span(1, "GET /any".into())
            }
        },
    )
}

proptest! {
    #[test]
    fn any_span_is_the_one_of_opentelemetry_to_the_byte(spans in prop::collection::vec(any_span(), 1..4)) {
        let (messages, _) = batched(Encoding::Protobuf, usize::MAX, &spans);
        prop_assert_eq!(&messages[0].bytes[..], &expected(spans).encode_to_vec()[..]);
    }
}

#[test]
fn events_and_lists_are_the_ones_of_opentelemetry_too() {
    let mut with_list = span(1, "a".into());
    with_list.attributes.push(KeyValue::new("all", Value::Array(vec![1_i64, 2].into())));
    let mut with_event = span(2, "b".into());
    with_event.events.events.push(Event::new("paused", SystemTime::UNIX_EPOCH, vec![KeyValue::new("n", 1)], 0));
    let spans = vec![with_list, with_event];
    let (messages, _) = batched(Encoding::Protobuf, usize::MAX, &spans);
    assert_eq!(messages[0].bytes, expected(spans).encode_to_vec());
}

/// What a span costs here, and in opentelemetry-otlp, which clones a batch for each attempt, groups it and encodes it:
/// `cargo test --profile checked --workspace --exclude formats --exclude recorder --lib -- --ignored --nocapture cost_of_a_span`.
#[test]
#[ignore = "measures"]
fn cost_of_a_span() {
    let spans: Vec<_> = (0..512).map(wide_span).collect();
    let clock = Clock::start();
    let best = |work: &mut dyn FnMut()| {
        let each = |work: &mut dyn FnMut()| {
            let begun = clock.now_ns();
            work();
            clock.now_ns() - begun
        };
        (0..200).map(|_| each(work)).min().unwrap_or_default() / spans.len() as u64
    };
    let resource_of_otlp = ResourceAttributesWithSchema::from(&resource());
    // Cloning stands for building, which both pay: it is taken off.
    let cloned = best(&mut || drop(std::hint::black_box(spans.clone())));
    let otlp = best(&mut || {
        let batch = spans.clone();
        let attempt = group_spans_by_resource_and_scope(batch.clone(), &resource_of_otlp);
        drop(std::hint::black_box(ExportTraceServiceRequest { resource_spans: attempt }.encode_to_vec()));
    });
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let mut batch = Batch::new(encoding, usize::MAX, &resource(), &scope(), TRACE_STATE.to_owned());
        let ours = best(&mut || {
            spans.clone().into_iter().for_each(|span| drop(batch.push(span)));
            drop(std::hint::black_box(batch.finish()));
        });
        println!("{encoding:?}: {} ns a span; opentelemetry-otlp: {} ns", ours - cloned, otlp - cloned);
    }
}

/// With as many attributes as a request's span has.
fn wide_span(number: u64) -> SpanData {
    let mut span = span(number, "GET /item/{n}".into());
    for key in
        ["url.full", "url.template", "server.address", "network.protocol.name", "user_agent.original", "error.type"]
    {
        span.attributes.push(KeyValue::new(key, "http://127.0.0.1:8080/some/path"));
    }
    for key in ["server.port", "http.response.status_code", "reenact.copy", "reenact.lag_ns", "reenact.sequence"] {
        span.attributes.push(KeyValue::new(key, 12_345));
    }
    span
}

fn facts() -> Arc<RunFacts> {
    Arc::new(RunFacts {
        contexts: Contexts::random().unwrap(),
        // The second is longer than any batch of these tests: a span's name is as long as its endpoint's.
        endpoints: vec!["GET /".into(), format!("GET /{}", "x".repeat(20_000))],
        targets: Vec::new(),
        planned: 1,
        multiplier: 1.0,
    })
}

fn options(destination: Destination, flush: Duration) -> ExportOptions {
    ExportOptions {
        destination,
        environment: None,
        spans: SpanOptions::default(),
        batch_bytes_max: BATCH_BYTES_LEAST,
        flush,
    }
}

/// Hands so many outcomes to an exporter, every third of them unsampled, and ends it.
fn exported(options: &ExportOptions, outcomes: u64) -> Spans {
    let mut sink = SpanSink::start(options, facts(), Clock::start(), 0).unwrap();
    for number in 0..outcomes {
        let mut job = job::tests::job(number, number, b"GET / HTTP/1.1\r\n\r\n");
        job.fresh.is_sampled = number % 3 != 0;
        sink.take(job);
    }
    sink.finish(None)
}

fn total(spans: &Spans) -> u64 {
    let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    spans.exported + sum(&spans.rejected) + sum(&spans.dropped) + sum(&spans.sampled_out)
}

#[test]
fn with_nobody_there_every_span_is_dropped_by_reason_and_handing_over_never_waits() {
    // More than the queue holds, to a port that nobody listens on.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = Endpoint::new(&format!("http://{nobody}"), Protocol::Grpc, PathRule::Append, false).unwrap();
    let otlp = OtlpOptions {
        endpoint,
        headers: Vec::new(),
        compression: Compression::None,
        timeout: Duration::from_secs(1),
        tls: crate::dial::TlsOptions::default(),
    };
    let spans = exported(&options(Destination::Otlp(Box::new(otlp)), Duration::from_millis(500)), 200_000);
    assert_eq!((total(&spans), spans.exported, spans.sampled_out["head"]), (200_000, 0, 66_667), "{spans:?}");
    assert!(spans.rejected.is_empty(), "{spans:?}");
    let reasons: Vec<_> = spans.dropped.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["queue_full", "unreachable"], "{spans:?}");
}

#[test]
fn a_file_has_every_span_as_a_line_of_otlp_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans.jsonl");
    let to_file = options(Destination::File(path.clone()), Duration::from_secs(20));
    let spans = exported(&to_file, 300);
    assert_eq!((total(&spans), spans.exported), (300, 200), "{spans:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<ExportTraceServiceRequest>(line).unwrap());
    let written: Vec<_> = lines.flat_map(|one| one.resource_spans).flat_map(|one| one.scope_spans).collect();
    // 200 spans of requests in several lines, for a line has at most 16 KiB; then the run's own.
    assert!(written.len() > 3 && text.ends_with("}\n"), "{}", written.len());
    assert_eq!(written.iter().map(|scope| scope.spans.len()).sum::<usize>(), 201);
    let again = SpanSink::start(&to_file, facts(), Clock::start(), 0).map(|_| ()).unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
}

#[test]
fn a_span_that_fits_nowhere_is_dropped_alone() {
    let folder = tempfile::tempdir().unwrap();
    let to_file = options(Destination::File(folder.path().join("spans")), Duration::from_secs(20));
    let mut sink = SpanSink::start(&to_file, facts(), Clock::start(), 0).unwrap();
    for endpoint in [0, 1, 0] {
        let mut job = job::tests::job(0, 0, b"GET / HTTP/1.1\r\n\r\n");
        job.facts.endpoint = endpoint;
        sink.take(job);
    }
    let spans = sink.finish(None);
    assert_eq!((spans.exported, spans.dropped.get("too_large")), (2, Some(&1)), "{spans:?}");
}

#[test]
fn headers_are_secrets_and_the_exporters_own_are_refused() {
    let secret = Secret::new(b"Bearer hush-hush");
    let header = ExportHeader::new("Authorization", &secret).unwrap();
    assert_eq!((header.name(), format!("{header:?}").as_str()), ("authorization", "authorization: ***"));
    let live = headers::LiveHeaders::new(&[header], Clock::start());
    assert_eq!(live.mask("bad token hush-hush in Bearer hush-hush"), "bad token *** in ***");
    for (name, value) in [("host", "x"), ("content-type", "x"), ("a b", "x"), ("a", ""), ("a", "x\ny")] {
        let error = ExportHeader::new(name, &Secret::new(value.as_bytes())).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")) && !error.contains("x\ny"), "{error}");
    }
    let pairs = parse_list("a=1, b = x%20y=z ,,").unwrap();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(pairs, [("a", &b"1"[..]), ("b", b"x y=z")]);
    assert_eq!(parse_list("a=1,hush").unwrap_err(), "its entry 2 has no `=`");
}
