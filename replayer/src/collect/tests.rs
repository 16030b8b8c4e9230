//! The view from its sockets: both transports, their bounds, and hostile senders.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use formats::coding::{Coding, encode};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tonic::Code;
use tonic::codec::CompressionEncoding;

use super::*;
use crate::contexts::Contexts;
use crate::job::tests::job;
use crate::result::services::ReceivedMessages;

const MIB: u64 = 1 << 20;

/// A view of its own, and where it listens.
fn view(memory_bytes: u64) -> (Collector, SocketAddr) {
    let run = RunFacts {
        contexts: Contexts::random().unwrap(),
        endpoints: vec!["GET /".to_owned()],
        targets: Vec::new(),
        planned: 1,
        multiplier: 1.0,
    };
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let options = CollectOptions { listeners, memory_bytes, wait: Duration::ZERO };
    let stop = Arc::new(Stop::default());
    (Collector::start(options, &Arc::new(run), Clock::start(), 0, true, stop).unwrap(), address)
}

/// A message with one span of the trace of `job`, below its client span; or with a bad identifier.
fn message(trace: u8, trace_len: usize) -> ExportTraceServiceRequest {
    let span = Span {
        trace_id: vec![trace; trace_len],
        span_id: vec![trace + 1; 8],
        parent_span_id: vec![1; 8],
        name: "GET /".into(),
        kind: 2,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

/// Sends bytes and reads the answer: its status, and everything.
fn talk(address: SocketAddr, request: &[u8]) -> (u16, Vec<u8>) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Whoever refuses early may not read everything.
    let _ = socket.write_all(request);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer)
}

fn post(address: SocketAddr, fields: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    talk(address, &[head.as_bytes(), body].concat())
}

fn body(answer: &[u8]) -> &[u8] {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &answer[at + 4..]
}

const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json; charset=utf-8\r\n";
const GZIP: &str = "Content-Encoding: gzip\r\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    encode(bytes, &[Coding::Gzip]).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn client(address: SocketAddr) -> TraceServiceClient<tonic::transport::Channel> {
    TraceServiceClient::connect(format!("http://{address}")).await.unwrap()
}

#[test]
fn every_transport_and_encoding_is_taken_on_one_address() {
    let (mut collector, address) = view(16 * MIB);
    let mut ended = job(0, 0, b"GET / HTTP/1.1\r\n\r\n");
    ended.progress.dispatched_ns = Some(0);
    ended.progress.done_ns = 1_000_000;
    collector.take(&ended);
    let message = |trace| message(trace, 16);
    let (binary, json) = (message(1).encode_to_vec(), serde_json::to_vec(&message(2)).unwrap());
    assert_eq!(post(address, PROTOBUF, &binary).0, 200);
    let (status, answer) = post(address, JSON, &json);
    assert_eq!((status, body(&answer)), (200, &b"{}"[..]));
    assert_eq!(post(address, &format!("{PROTOBUF}{GZIP}"), &gzip(&message(3).encode_to_vec())).0, 200);
    assert_eq!(post(address, &format!("{JSON}{GZIP}"), &gzip(&serde_json::to_vec(&message(4)).unwrap())).0, 200);
    block_on(async {
        let mut client = client(address).await;
        assert_eq!(client.export(message(5)).await.unwrap().into_inner(), ExportTraceServiceResponse::default());
        let mut client = client.send_compressed(CompressionEncoding::Gzip);
        client.export(message(6)).await.unwrap();
    });
    let services = collector.finish().unwrap();
    assert_eq!(services.messages, ReceivedMessages { taken: 6, ..ReceivedMessages::default() });
    let spans = services.spans;
    assert_eq!((spans.received, spans.kept, spans.of_others, spans.rejected), (6, 1, 5, 0));
    let requests = services.requests;
    assert_eq!((requests.sampled, requests.kept, requests.joined, requests.lost), (1, 1, 1, 0));
    assert_eq!(services.endpoints[0].endpoint, "GET /");
}

#[test]
fn spans_without_valid_identifiers_are_rejected_and_their_senders_told() {
    let (collector, address) = view(16 * MIB);
    let bad = message(1, 8);
    let (status, answer) = post(address, PROTOBUF, &bad.encode_to_vec());
    let told = ExportTraceServiceResponse::decode(body(&answer)).unwrap().partial_success.unwrap();
    assert_eq!((status, told.rejected_spans), (200, 1));
    let (_, answer) = post(address, JSON, &serde_json::to_vec(&bad).unwrap());
    let told: serde_json::Value = serde_json::from_slice(body(&answer)).unwrap();
    assert_eq!(told["partialSuccess"]["rejectedSpans"], "1");
    let told = block_on(async { client(address).await.export(message(0, 16)).await.unwrap().into_inner() });
    assert_eq!(told.partial_success.unwrap().rejected_spans, 1);
    assert_eq!(collector.finish().unwrap().spans.rejected, 3);
}

#[test]
fn nonsense_is_answered_as_otlp_says() {
    let (collector, address) = view(16 * MIB);
    let good = message(1, 16).encode_to_vec();
    let (status, answer) = post(address, PROTOBUF, b"GET / HTTP/1.1");
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(body(&answer)).contains("no ExportTraceServiceRequest"));
    let (status, answer) = post(address, JSON, b"{\"resourceSpans\": 7}");
    let told: serde_json::Value = serde_json::from_slice(body(&answer)).unwrap();
    assert!(status == 400 && told["message"].as_str().unwrap().contains("no ExportTraceServiceRequest"));
    assert_eq!(post(address, &format!("{PROTOBUF}{GZIP}"), &good).0, 400);
    assert_eq!(post(address, &format!("{PROTOBUF}Content-Encoding: br\r\n"), &good).0, 415);
    assert_eq!(post(address, "Content-Type: text/plain\r\n", &good).0, 415);
    let asked = |line: &str| {
        talk(address, format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{JSON}\r\n").as_bytes()).0
    };
    assert_eq!((asked("GET /v1/traces"), asked("POST /v1/metrics")), (405, 404));
    let code = block_on(async {
        let mut channel = tonic::client::Grpc::new(
            tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap(),
        );
        channel.ready().await.unwrap();
        let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export".parse().unwrap();
        let codec = tonic_codec();
        channel.unary(tonic::Request::new(message(1, 16)), path, codec).await.unwrap_err().code()
    });
    assert_eq!(code, Code::Unimplemented);
    let refused = collector.finish().unwrap().messages;
    assert_eq!((refused.taken, refused.refused["malformed"], refused.refused["unsupported"]), (0, 3, 5));
}

/// Messages of OpenTelemetry's own structures, as its client writes them.
fn tonic_codec() -> tonic_prost::ProstCodec<ExportTraceServiceRequest, ExportTraceServiceResponse> {
    tonic_prost::ProstCodec::default()
}

#[test]
fn gigabytes_are_refused_early_whether_they_say_so_or_not() {
    let (collector, address) = view(16 * MIB);
    let head = |more: &str| format!("POST /v1/traces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{PROTOBUF}{more}\r\n");
    // Announced, and never begun.
    assert_eq!(talk(address, head("Content-Length: 5000000000\r\n").as_bytes()).0, 413);
    // Not announced: the limit and one byte.
    let most = receive::MESSAGE_BYTES_MAX;
    let chunked = |len: usize| {
        let chunk = format!("{}{len:x}\r\n", head("Transfer-Encoding: chunked\r\n"));
        [chunk.as_bytes(), &vec![0x12; len], b"\r\n0\r\n\r\n"].concat()
    };
    assert_eq!(talk(address, &chunked(most + 1)).0, 413);
    assert_eq!(talk(address, &chunked(most)).0, 400);
    // A bomb: 64 MiB in 64 KiB.
    let bomb = gzip(&vec![0; 64 << 20]);
    assert_eq!(post(address, &format!("{PROTOBUF}{GZIP}"), &bomb).0, 413);
    let mut large = message(1, 16);
    large.resource_spans[0].scope_spans[0].spans[0].name = "n".repeat(most);
    let codes = block_on(async {
        let plain = client(address).await.export(large.clone()).await.unwrap_err().code();
        let mut client = client(address).await.send_compressed(CompressionEncoding::Gzip);
        [plain, client.export(large).await.unwrap_err().code()]
    });
    assert_eq!(codes, [Code::OutOfRange, Code::ResourceExhausted]);
    let messages = collector.finish().unwrap().messages;
    assert_eq!((messages.taken, messages.refused["too_large"], messages.refused["malformed"]), (0, 5, 1));
}

#[test]
fn messages_that_together_are_too_large_are_sent_away_and_may_come_again() {
    // A quarter of it for all messages: one of the largest fits, but not with another one beside it.
    let (collector, address) = view(MEMORY_BYTES_MIN);
    let most = receive::MESSAGE_BYTES_MAX;
    let head =
        format!("POST /v1/traces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{PROTOBUF}Content-Length: {most}\r\n\r\n");
    let begin = || {
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(head.as_bytes()).unwrap();
        // It may be sent away before it has sent everything.
        let _ = slow.write_all(&vec![0; most - 1]);
        slow.set_nonblocking(true).unwrap();
        slow
    };
    let is_waited_for =
        |slow: &TcpStream| slow.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    let mut slow = begin();
    let (status, answer) = loop {
        // Until the slow one has been read that far.
        let (status, answer) = post(address, PROTOBUF, &vec![0; most / 2]);
        if status != 400 {
            break (status, answer);
        }
        // The slow one may itself be sent away: beside the other, which came first, or after its ten seconds.
        if !is_waited_for(&slow) {
            slow = begin();
        }
    };
    assert_eq!(status, 503);
    assert!(String::from_utf8_lossy(&answer).contains("retry-after: 1\r\n"));
    drop(slow);
    while post(address, PROTOBUF, &message(1, 16).encode_to_vec()).0 != 200 {}
    assert!(collector.finish().unwrap().messages.refused["busy"] >= 1);
}

#[test]
fn as_many_connections_as_may_be_and_one_past_it() {
    let (collector, address) = view(16 * MIB);
    let silent: Vec<TcpStream> = (0..receive::CONNECTIONS_MAX).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(talk(address, b"x").0, 0);
    drop(silent);
    while post(address, PROTOBUF, &[]).0 != 200 {}
    assert!(collector.finish().unwrap().messages.connections_refused >= 1);
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let taken = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = taken.addresses()[0];
    let error = Listeners::bind(&[address]).unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
