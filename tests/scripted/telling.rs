//! A service that tells a collector what it did for each request: one server span over OTLP/HTTP, by a clock that may be
//! wrong, and told before it answers, so that nobody has to wait for it.
#![expect(clippy::panic, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{OK, read_head, target};

/// What a request takes.
const WORK: Duration = Duration::from_millis(2);

/// What such a service is like.
pub(crate) struct Telling {
    /// Its `service.name`.
    pub(crate) name: &'static str,
    /// Whom it tells; nobody, and it only remembers.
    pub(crate) collector: Option<SocketAddr>,
    /// How many seconds its clock is ahead at the request of this number.
    pub(crate) ahead_s: fn(i64) -> i64,
    /// Spans that are told with the first one.
    pub(crate) also: Vec<Value>,
    /// What it answers to a head; `None`: it closes the connection.
    pub(crate) answer: fn(&str) -> Option<&'static [u8]>,
}

impl Telling {
    /// One that answers everything, with a clock that is right.
    pub(crate) fn new(name: &'static str, collector: Option<SocketAddr>) -> Self {
        Self { name, collector, ahead_s: |_| 0, also: Vec::new(), answer: |_| Some(OK) }
    }

    /// Starts it: its URL, and the spans that it made so far.
    #[expect(clippy::disallowed_methods, reason = "its work takes time")]
    pub(crate) fn start(self) -> (String, Arc<Mutex<Vec<Value>>>) {
        let spans = Arc::<Mutex<Vec<Value>>>::default();
        let (kept, requests) = (Arc::clone(&spans), AtomicI64::new(0));
        let address = target(move |mut socket| {
            while let Some(head) = read_head(&mut socket) {
                let (head, began) = (String::from_utf8(head).unwrap(), now_ns());
                let number = requests.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(WORK);
                let ahead_ns = (self.ahead_s)(number) * 1_000_000_000;
                let span = span(&head, began.saturating_add_signed(ahead_ns), now_ns().saturating_add_signed(ahead_ns));
                let also = if number == 0 { self.also.as_slice() } else { &[] };
                if let Some(collector) = self.collector {
                    tell(collector, self.name, &[std::slice::from_ref(&span), also].concat());
                }
                kept.lock().unwrap().push(span);
                let Some(answer) = (self.answer)(&head) else { return };
                if socket.write_all(answer).is_err() {
                    return;
                }
            }
        });
        (format!("http://{address}"), spans)
    }
}

/// The server span of a request, below the client's and with its `tracestate`, as an SDK makes it.
fn span(head: &str, start_ns: u64, end_ns: u64) -> Value {
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let context: Vec<&str> = field("traceparent:").split('-').collect();
    let [_, trace_id, parent_id, _] = context.as_slice() else { panic!("no traceparent in {head}") };
    let own_id = !u64::from_str_radix(parent_id, 16).unwrap();
    json!({
        "traceId": trace_id,
        "spanId": format!("{own_id:016x}"),
        "parentSpanId": parent_id,
        "traceState": field("tracestate:"),
        "name": "work",
        "kind": 2,
        "startTimeUnixNano": start_ns.to_string(),
        "endTimeUnixNano": end_ns.to_string(),
    })
}

/// Exports spans as OTLP/HTTP has it, in JSON.
fn tell(collector: SocketAddr, service: &str, spans: &[Value]) {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]});
    let message = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).to_string();
    let mut socket = TcpStream::connect(collector).unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        message.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(message.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[expect(clippy::disallowed_methods, reason = "a service has a clock of its own")]
fn now_ns() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}
