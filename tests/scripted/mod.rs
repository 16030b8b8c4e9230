//! Targets and upstreams that do exactly what a test says, on threads and a port of their own; and sessions made by hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::{Said, reenact_says, text};

pub(crate) mod arrivals;
pub(crate) mod faults;
pub(crate) mod proxy;
pub(crate) mod telling;
pub(crate) mod tls;

/// A whole answer, after which the connection goes on.
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Serves every connection with `serve`, each on a thread of its own.
pub(crate) fn target(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(socket.unwrap()));
        }
    });
    address
}

/// Answers every request without a body with 200.
pub(crate) fn ok(mut socket: TcpStream) {
    while read_head(&mut socket).is_some() {
        if socket.write_all(OK).is_err() {
            break;
        }
    }
}

/// One head; `None` at the end of the stream.
pub(crate) fn read_head(socket: &mut impl Read) -> Option<Vec<u8>> {
    read_up_to(socket, b"\r\n\r\n")
}

/// Everything up to these bytes, and nothing behind them; `None` at the end of the stream.
pub(crate) fn read_up_to(socket: &mut impl Read, end: &[u8]) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(end) {
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.extend_from_slice(&byte);
    }
    Some(head)
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A line of JSONL: one exchange that was answered with 200.
pub(crate) fn line(at_ms: u64, client: u64, method: &str, path: &str) -> String {
    let at = at_ms * 1_000_000;
    serde_json::json!({
        "type": "exchange",
        "client": format!("peer-{client:016x}"),
        "connection": client,
        "instants_ns": {"request_start": at, "request_head": at, "request_end": at, "response_start": at + 1, "response_head": at + 1, "response_end": at + 1},
        "request": {"method": method, "target": path, "version": "HTTP/1.1", "headers": [["Host", "recorded.invalid"]]},
        "response": {"version": "HTTP/1.1", "status": 200, "reason": "OK", "headers": [["Content-Length", "0"]], "framing": "length"},
    })
    .to_string()
}

/// Imports lines into a session.
pub(crate) fn session(folder: &Path, name: &str, lines: &[String]) -> PathBuf {
    let (file, session) = (folder.join(format!("{name}.jsonl")), folder.join(name));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let said: Said = reenact_says(["import", "--format", "jsonl", &text(&file), "-o", &text(&session)]);
    assert_eq!(said.code, 0, "{said:?}");
    session
}

/// A session of `count` GETs by several clients, one every 5 ms.
pub(crate) fn gets(folder: &Path, name: &str, count: u64) -> PathBuf {
    let lines: Vec<String> = (0..count).map(|i| line(i * 5, i % 7 + 1, "GET", &format!("/item/{i}"))).collect();
    session(folder, name, &lines)
}

/// The only segment of a session.
pub(crate) fn segment(session: &Path) -> PathBuf {
    session.join("00000001.reenact")
}
