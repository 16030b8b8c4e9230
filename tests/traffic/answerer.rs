//! A target that keeps every request and gives it the answer that its recording had.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use formats::head::value;
use formats::model::{Exchange, Framing, Protocol};

use super::{HANGS_UP, connection_of, framed, id_of};
use crate::scripted::{read_head, target};

/// A request as it came.
pub(crate) struct Arrival {
    pub(crate) connection: usize,
    pub(crate) id: u64,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

pub(crate) type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// What a request is answered with.
struct Answer {
    /// At once, when the request expects it before its body.
    interim: Vec<u8>,
    bytes: Vec<u8>,
    /// So many requests to the same host came on the connection before it ended.
    behind: usize,
    closes: bool,
}

impl Answer {
    fn of(exchange: &Exchange, recorded: &[Exchange]) -> Self {
        let response = exchange.response.as_ref().unwrap();
        let behind = recorded.iter().filter(|other| {
            let instants = (other.instants.request_start, exchange.instants.request_start);
            connection_of(other) == connection_of(exchange)
                && instants.0 > instants.1
                && Some(instants.0) < exchange.instants.response_end
        });
        let connection = value(&response.head, "connection").unwrap_or_default();
        let closes = response.framing == Framing::UntilClose
            || connection == b"x, close"
            || value(&response.head, HANGS_UP).is_some()
            || (exchange.protocol == Protocol::Http10 && connection != b"Keep-Alive");
        let mut interim = exchange.informational.concat();
        let mut bytes = [&response.head[..], &framed(response)].concat();
        if value(&exchange.request.head, "expect").is_none() {
            bytes.splice(0..0, std::mem::take(&mut interim));
        }
        Self { interim, bytes, behind: behind.count(), closes }
    }
}

/// A target that answers each request as its recorded answer was, not before the requests that were pipelined behind it.
pub(crate) fn answerer(recorded: &[Exchange]) -> (SocketAddr, Arrivals) {
    let arrivals = Arrivals::default();
    let (kept, connections) = (Arc::clone(&arrivals), AtomicUsize::new(0));
    let answers: HashMap<u64, Answer> =
        recorded.iter().map(|one| (id_of(&one.request.head), Answer::of(one, recorded))).collect();
    let address = target(move |socket| {
        let _ = serve(socket, connections.fetch_add(1, Ordering::Relaxed), &answers, &kept);
    });
    (address, arrivals)
}

fn serve(mut socket: TcpStream, connection: usize, answers: &HashMap<u64, Answer>, kept: &Arrivals) -> Option<()> {
    let mut waiting = VecDeque::new();
    loop {
        let head = read_head(&mut socket)?;
        let id = id_of(&head);
        if value(&head, "expect").is_some() {
            socket.write_all(&answers[&id].interim).ok()?;
        }
        let body = read_body(&mut socket, &head)?;
        kept.lock().unwrap().push(Arrival { connection, id, head, body });
        waiting.push_back(&answers[&id]);
        while waiting.front().is_some_and(|answer| answer.behind < waiting.len()) {
            let answer: &Answer = waiting.pop_front()?;
            socket.write_all(&answer.bytes).ok()?;
            if answer.closes {
                return None;
            }
        }
    }
}

/// The body with its framing.
fn read_body(socket: &mut TcpStream, head: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if value(head, "transfer-encoding").is_none() {
        let length = value(head, "content-length").map_or("0", |digits| std::str::from_utf8(digits).unwrap());
        body.resize(length.parse().unwrap(), 0);
        socket.read_exact(&mut body).ok()?;
        return Some(body);
    }
    loop {
        let size = read_line(socket, &mut body)?;
        let size = usize::from_str_radix(size.trim_ascii_end(), 16).unwrap();
        if size == 0 {
            break;
        }
        let at = body.len();
        body.resize(at + size + 2, 0);
        socket.read_exact(&mut body[at..]).ok()?;
    }
    while read_line(socket, &mut body)? != "\r\n" {}
    Some(body)
}

fn read_line(socket: &mut TcpStream, out: &mut Vec<u8>) -> Option<String> {
    let (at, mut byte) = (out.len(), [0]);
    while !out[at..].ends_with(b"\n") {
        socket.read_exact(&mut byte).ok()?;
        out.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&out[at..]).into_owned())
}
