//! What the raw sink kept of each request, a client that sends bytes as it is told, and looking for bytes on disk.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Receiver, base64};

/// Between the requests of a connection: an answer of the sink takes far less, also on a busy machine.
const PAUSE: Duration = Duration::from_millis(100);

/// A request as its bytes came.
#[derive(Debug)]
pub(crate) struct Kept {
    connection: u64,
    /// With the empty line that ends it.
    pub(crate) head: String,
    /// With its framing.
    pub(crate) body: Vec<u8>,
}

impl Kept {
    /// `/a?b`
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

/// The requests that a sink kept, exactly `count`.
#[track_caller]
pub(crate) fn kept(sink: &Receiver, count: usize) -> Vec<Kept> {
    let of = |line: &Value| Kept {
        connection: line["connection"].as_u64().unwrap(),
        head: String::from_utf8(base64(&line["head"])).unwrap(),
        body: base64(&line["body"]),
    };
    sink.received(count).iter().map(of).collect()
}

/// The targets of each connection in the order in which they came.
pub(crate) fn by_connection(kept: &[Kept]) -> Vec<Vec<&str>> {
    let mut connections = BTreeMap::<u64, Vec<&str>>::new();
    for one in kept {
        connections.entry(one.connection).or_default().push(one.target());
    }
    let mut lists: Vec<_> = connections.into_values().collect();
    lists.sort_unstable();
    lists
}

/// A connection on which bytes go out in the pieces in which they are given.
pub(crate) struct RawClient(TcpStream);

impl RawClient {
    pub(crate) fn connect(address: &str) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    /// Sends a request and reads the sink's answer.
    #[expect(clippy::disallowed_methods, reason = "people pause between requests, and pieces arrive apart")]
    pub(crate) fn request(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.0.write_all(piece.as_bytes()).unwrap();
            std::thread::sleep(PAUSE / 10);
        }
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Everything in the files of a folder: their bytes, and what their zstd frames hold.
pub(crate) fn on_disk(folder: &Path) -> Vec<u8> {
    const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let mut all = Vec::new();
    for file in crate::support::files(folder) {
        let bytes = std::fs::read(file).unwrap();
        for at in (0..bytes.len()).filter(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(&FRAME))) {
            let frame = zstd::stream::read::Decoder::with_buffer(bytes.get(at..).unwrap());
            // These four bytes may stand anywhere; then they begin no frame.
            let _ = frame.map(|frame| frame.single_frame().read_to_end(&mut all));
        }
        all.extend_from_slice(&bytes);
    }
    all
}

/// Whether `bytes` has `text` in it.
pub(crate) fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
