//! Joins through real exporters over TCP, and the tally's bounds.

use std::time::UNIX_EPOCH;

use opentelemetry::trace::{Link, SpanContext, SpanKind, Status, TraceState};
use opentelemetry::{InstrumentationScope, SpanId, TraceFlags, TraceId};
use opentelemetry_otlp::{Compression, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as WireScope;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as WireKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::demo::shop::Shop;

fn exporter(collector: &Collector, service: &'static str) -> SpanExporter {
    let mut exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://{}", collector.address()))
        .with_compression(Compression::Gzip)
        .build()
        .unwrap();
    exporter.set_resource(&Resource::builder_empty().with_service_name(service).build());
    exporter
}

fn span(kind: SpanKind, trace: u128, span: u64, parent: u64, duration_ms: u64) -> SpanData {
    let context =
        |span| SpanContext::new(TraceId::from(trace), SpanId::from(span), TraceFlags::SAMPLED, false, TraceState::NONE);
    let mut links = SpanLinks::default();
    links.links.push(Link::with_context(context(99)));
    SpanData {
        span_context: context(span),
        parent_span_id: SpanId::from(parent),
        parent_span_is_remote: parent != 0,
        span_kind: kind,
        name: format!("GET /{span}").into(),
        start_time: UNIX_EPOCH,
        end_time: UNIX_EPOCH + Duration::from_millis(duration_ms),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("any").build(),
    }
}

#[tokio::test]
async fn spans_of_two_services_are_joined_in_either_order() {
    let collector = Collector::start().await.unwrap();
    let (ours, theirs) = (exporter(&collector, "reenact"), exporter(&collector, "shop"));
    // Trace 1: the client first. Trace 2: the server first. Trace 3: the same span id as in trace 1, but another trace.
    // Trace 4: slowest of all, and nobody answered.
    ours.export(vec![span(SpanKind::Client, 1, 11, 10, 20), span(SpanKind::Internal, 1, 10, 0, 50)]).await.unwrap();
    theirs.export(vec![span(SpanKind::Server, 1, 12, 11, 10), span(SpanKind::Server, 2, 22, 21, 10)]).await.unwrap();
    theirs.export(vec![span(SpanKind::Server, 3, 32, 11, 10), span(SpanKind::Client, 1, 13, 12, 10)]).await.unwrap();
    ours.export(vec![span(SpanKind::Client, 2, 21, 0, 30), span(SpanKind::Client, 4, 41, 0, 90)]).await.unwrap();
    // A retry of what had arrived.
    ours.export(vec![span(SpanKind::Client, 2, 21, 0, 30)]).await.unwrap();

    let expected = SpanCounts {
        client: 3,
        server: 3,
        server_children_of_client: 2,
        client_with_server_child: 2,
        run_spans: 1,
        other: 1,
        links: 3,
        distinct_client_traces: 3,
        repeated: 1,
        refused: 0,
        not_kept: 0,
    };
    assert_eq!(collector.counts(), expected);
    let slowest = Slowest {
        trace_id: "00000000000000000000000000000002".into(),
        endpoint: "GET /21".into(),
        duration: Duration::from_millis(30),
    };
    assert_eq!(collector.slowest(), Some(slowest));
    // The exporters still hold their connections.
    let begin = now();
    assert_eq!(collector.stop().await, expected);
    assert!(now() - begin < STOP_TIMEOUT, "they are told to go, and do");
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_up_the_end() {
    let collector = Collector::start().await.unwrap();
    let silent = tokio::net::TcpStream::connect(collector.address()).await.unwrap();
    // Answered by the server after it has taken the silent connection, which came before.
    exporter(&collector, "reenact").export(vec![span(SpanKind::Client, 1, 1, 0, 1)]).await.unwrap();
    let stopped = timeout_at(now() + STOP_TIMEOUT * 2, collector.stop()).await;
    assert_eq!(stopped.expect("an end within the deadline").client, 1);
    drop(silent);
}

#[tokio::test]
async fn a_request_to_the_shop_is_joined_to_the_span_that_it_names() {
    let collector = Collector::start().await.unwrap();
    let shop = Shop::start(Some(collector.address())).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(shop.address()).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\
        traceparent: 00-0000000000000000000000000000000a-000000000000000b-03\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    assert_eq!(shop.stop().await.spans_exported, 1);
    assert_eq!((collector.counts().server, collector.counts().server_children_of_client), (1, 0));
    exporter(&collector, "reenact").export(vec![span(SpanKind::Client, 10, 11, 0, 1)]).await.unwrap();
    assert_eq!(collector.counts().server_children_of_client, 1);
}

fn wire_span(kind: WireKind, trace: u8, span: u8, parent: u8) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![span; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        kind: kind.into(),
        ..Span::default()
    }
}

/// Spans of the replayer by their scope, without a resource.
fn message(scope: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = WireScope { name: scope.into(), ..WireScope::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

#[tokio::test]
async fn spans_without_identifiers_are_refused_and_their_sender_is_told() {
    let collector = Collector::start().await.unwrap();
    let mut client = TraceServiceClient::connect(format!("http://{}", collector.address())).await.unwrap();
    let short = Span { trace_id: vec![1; 15], span_id: vec![1; 8], ..Span::default() };
    let spans = vec![
        short,
        wire_span(WireKind::Client, 0, 1, 0),
        wire_span(WireKind::Client, 1, 0, 0),
        wire_span(WireKind::Client, 1, 1, 0),
    ];
    let answer = client.export(message("reenact", spans)).await.unwrap().into_inner();
    assert_eq!(answer.partial_success.map(|partial| partial.rejected_spans), Some(3));
    assert_eq!((collector.counts().refused, collector.counts().client), (3, 1));
    let answer =
        client.export(message("reenact", vec![wire_span(WireKind::Client, 1, 2, 0)])).await.unwrap().into_inner();
    assert_eq!(answer.partial_success, None);
}

#[test]
fn at_the_limit_spans_are_kept_and_past_it_counted() {
    let mut tally = Tally::keeping(2);
    let mut add = |scope, span| {
        tally.add(&message(scope, vec![span]));
        (tally.counts().not_kept, tally.counts().server_children_of_client)
    };
    assert_eq!(add("reenact", wire_span(WireKind::Client, 1, 1, 0)), (0, 0));
    assert_eq!(add("shop", wire_span(WireKind::Server, 2, 3, 2)), (0, 0), "at the limit");
    assert_eq!(add("shop", wire_span(WireKind::Server, 4, 5, 4)), (1, 0), "a parent past it");
    assert_eq!(add("reenact", wire_span(WireKind::Client, 6, 6, 0)), (2, 0), "a client past it");
    assert_eq!(add("shop", wire_span(WireKind::Server, 1, 7, 1)), (2, 1), "a child needs no place");
    assert_eq!(add("reenact", wire_span(WireKind::Client, 2, 2, 0)), (2, 2), "it takes its child's place");
    assert_eq!(add("shop", wire_span(WireKind::Server, 9, 9, 0)), (2, 2), "a root needs no place");
    assert_eq!((tally.counts().client, tally.counts().server), (3, 4), "all are counted");
}
