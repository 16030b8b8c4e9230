//! What the shop exports, seen by a receiver that keeps the spans.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tonic::transport::server::TcpIncoming;

use super::super::spans::Ended;
use super::super::*;
use super::Talk;
use crate::demo::collector::Collector;

#[test]
fn traceparents() {
    let parse = |header: &str| {
        trace_context::parse(header).map(|p| (p.trace_id.to_string(), p.span_id.to_string(), p.flags.to_u8()))
    };
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let good = |flags| Some((trace.to_owned(), span.to_owned(), flags));
    let cases = [
        (format!("00-{trace}-{span}-01"), good(1)),
        (format!("00-{trace}-{span}-00"), good(0)),
        (format!("00-{trace}-{span}-03"), good(3)),
        (format!("cc-{trace}-{span}-01-more"), good(1)),
        (format!("00-{trace}-{span}-01-more"), None),
        (format!("ff-{trace}-{span}-01"), None),
        (format!("0-{trace}-{span}-01"), None),
        (format!("00-{trace}-{span}"), None),
        (format!("00-{trace}-{span}-1"), None),
        (format!("00-{trace}-{span}-+1"), None),
        (format!("00-{}-{span}-01", trace.to_uppercase()), None),
        (format!("00-{}-{span}-01", "0".repeat(32)), None),
        (format!("00-{trace}-{}-01", "0".repeat(16)), None),
        (format!("00-{trace}0-{span}-01"), None),
        (String::new(), None),
    ];
    for (header, expected) in cases {
        assert_eq!(parse(&header), expected, "{header}");
    }
}

/// A receiver that keeps the spans themselves.
#[derive(Clone, Default)]
struct Keep(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Keep {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    span.attributes.iter().map(|kv| (kv.key.clone(), text(kv.value.clone().and_then(|value| value.value)))).collect()
}

#[tokio::test]
async fn spans_continue_the_callers_trace() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let receiver = listener.local_addr().unwrap();
    let keep = Keep::default();
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(keep.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let shop = Shop::start(Some(receiver)).await.unwrap();
    let port = shop.address().port().to_string();
    let mut talk = Talk::with(&shop).await;
    let parent = |flags| format!("traceparent: 00-{:032x}-{:016x}-{flags}\r\n", 10, 11);
    talk.ask("GET /items/5", &parent("03"), "").await;
    talk.ask("GET /search?q=oak", &parent("01"), "").await;
    talk.ask("GET /items", &parent("02"), "").await;
    talk.ask("GET /cart", "traceparent: 00-nonsense\r\n", "").await;
    talk.ask("GET /health", &(parent("01") + &parent("01")), "").await;
    talk.ask("BREW /nothing", "", "").await;
    let summary = shop.stop().await;
    assert_eq!((summary.spans_exported, summary.spans_dropped), (6, 0));

    let spans = std::mem::take(&mut *keep.0.lock().unwrap());
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}"));
    let item = named("GET /items/{id}");
    assert_eq!(
        (item.kind(), item.trace_id.as_slice(), item.parent_span_id.as_slice()),
        (SpanKind::Server, 10_u128.to_be_bytes().as_slice(), 11_u64.to_be_bytes().as_slice())
    );
    assert_eq!(item.flags & 0xff, 3, "the caller's flags");
    let expected = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/items/{id}"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("url.path", "/items/5"),
        ("url.scheme", "http"),
    ];
    assert_eq!(attributes(item), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());

    let (search, database) = (named("GET /search"), named("SELECT items"));
    assert_eq!(
        (database.kind(), &database.trace_id, &database.parent_span_id),
        (SpanKind::Client, &search.trace_id, &search.span_id)
    );
    let lasted_ms = (database.end_time_unix_nano - database.start_time_unix_nano) / 1_000_000;
    assert!((20..1000).contains(&lasted_ms), "{lasted_ms} ms");
    assert!(
        search.start_time_unix_nano <= database.start_time_unix_nano
            && database.end_time_unix_nano <= search.end_time_unix_nano
    );

    assert!(spans.iter().all(|span| span.name != "GET /items"), "the caller asked for no span");
    for name in ["GET /cart", "GET /health", "HTTP"] {
        let root = named(name);
        assert!(root.parent_span_id.is_empty() && root.trace_id != item.trace_id, "{name} has a trace of its own");
    }
    let unknown = attributes(named("HTTP"));
    assert_eq!((unknown["http.request.method"].as_str(), unknown.get("http.route")), ("_OTHER", None));
}

#[tokio::test]
async fn spans_beyond_the_queue_are_dropped_and_counted() {
    let collector = Collector::start().await.unwrap();
    for (made, kept) in [(4, 4), (5, 4)] {
        let (queue, export) = Export::new(collector.address(), 4).unwrap();
        let tracer = Tracer::new(Some(queue), collector.address());
        let ended = || Ended {
            method: &hyper::Method::GET,
            path: "/",
            route: Some("/"),
            status: hyper::StatusCode::SERVICE_UNAVAILABLE,
        };
        for _ in 0..made {
            tracer.close(tracer.open(&hyper::HeaderMap::new()), &ended());
        }
        // Nobody took a span so far: the exporter begins here, and ends with what it finds.
        let (finish, finished) = oneshot::channel();
        drop(finish);
        export.run(finished).await;
        assert_eq!(tracer.counts(), (made, kept));
    }
    assert_eq!(collector.counts().server, 8);
}
