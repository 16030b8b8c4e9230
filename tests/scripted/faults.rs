//! A target that misbehaves towards some clients of a session of numbered requests.
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::arrivals::Arrivals;
use super::{OK, line, read_up_to, session, target};

/// Requests of a session of three seconds, one every 5 ms, of clients in turn; of these every third meets a fault.
pub(crate) const REQUESTS: u64 = 600;
pub(crate) const CLIENTS: u64 = 60;
pub(crate) const SPACING: Duration = Duration::from_millis(5);

pub(crate) fn is_hit(number: u64) -> bool {
    number.is_multiple_of(3)
}

/// Three seconds of numbered requests; those that are hit went to a host of their own.
pub(crate) fn numbered(folder: &Path) -> PathBuf {
    session(folder, "numbered", &(0..REQUESTS).map(numbered_line).collect::<Vec<_>>())
}

fn numbered_line(number: u64) -> String {
    let line = line(number * 5, number % CLIENTS + 1, "GET", &format!("/{number}")).replace("peer-", "named-");
    if is_hit(number) { line.replace("recorded.invalid", "hit.invalid") } else { line }
}

/// As many bytes as no sockets of a connection hold.
pub(crate) const UPLOAD_BYTES: usize = 8 << 20;
pub(crate) const GIGABYTE: u64 = 1 << 30;

pub(crate) fn number(head: &[u8]) -> u64 {
    let head = String::from_utf8_lossy(head);
    head.split(' ').nth(1).unwrap().trim_start_matches('/').parse().unwrap()
}

/// What a target does to a request that is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Slow,
    Hangs,
    Closes,
    Resets,
    /// Sends a byte a second.
    Trickles,
    /// Answers what is still being sent, and takes no more of it.
    AnswersEarly,
    EndlessHead,
    /// One 103 after the other.
    EndlessInterim,
    EndlessTrailers,
    /// Chunks whose sizes are none.
    BadChunks,
    /// Says that the same path is elsewhere: there, too, the number would come a second time.
    Redirects,
    Gigabyte,
    /// Chunks of one byte without end.
    TinyChunks,
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

const BAD_SIZES: [&str; 5] = ["-1", "", "0x2", "two", "10000000000000002"];

impl Fault {
    /// Whether a request meets it: all that are hit, but few where one of them keeps a core busy.
    pub(crate) fn meets(self, number: u64) -> bool {
        match self {
            Self::Gigabyte => number == 30,
            Self::AnswersEarly | Self::TinyChunks => number % 150 == 30,
            _ => is_hit(number),
        }
    }

    /// Numbered requests, of which those that meet it are as it needs them.
    pub(crate) fn session(self, folder: &Path) -> PathBuf {
        let one = |number| {
            let line = numbered_line(number);
            if self != Self::AnswersEarly || !self.meets(number) {
                return line;
            }
            let mut line: Value = serde_json::from_str(&line).unwrap();
            let headers = json!([["Host", "hit.invalid"], ["Content-Length", UPLOAD_BYTES.to_string()]]);
            line["request"]["method"] = "POST".into();
            line["request"]["headers"] = headers;
            line["request"]["framing"] = "length".into();
            line["request"]["body"] = json!({"text": "u".repeat(UPLOAD_BYTES)});
            line.to_string()
        };
        session(folder, "numbered", &(0..REQUESTS).map(one).collect::<Vec<_>>())
    }

    /// Whether the connection goes on after that; one byte of the request's head is still unread.
    #[expect(clippy::disallowed_methods, reason = "a slow target is slow")]
    fn strikes(self, number: u64, socket: &mut TcpStream) -> bool {
        match self {
            // Closing before all is read is a reset.
            Self::Resets => return false,
            Self::Hangs => {
                let _ = std::io::copy(socket, &mut std::io::sink());
                return false;
            }
            _ if socket.read_exact(&mut [0]).is_err() => return false,
            Self::Closes => return false,
            Self::Slow => {
                std::thread::sleep(Duration::from_secs(2));
                return socket.write_all(OK).is_ok();
            }
            Self::Redirects => {
                let head = format!("HTTP/1.1 302 Found\r\nLocation: /{number}\r\nContent-Length: 0\r\n\r\n");
                return socket.write_all(head.as_bytes()).is_ok();
            }
            _ => {}
        }
        let mut send = |bytes: &[u8]| socket.write_all(bytes).is_ok();
        let mut for_ever = |first: &[u8], piece: &[u8]| {
            if send(first) {
                while send(piece) {}
            }
        };
        match self {
            Self::Trickles => {
                let _ = send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                while send(b"x") {
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            Self::AnswersEarly => {
                let _ = send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
                std::thread::sleep(Duration::from_secs(1));
            }
            Self::EndlessHead => for_ever(b"HTTP/1.1 200 OK\r\n", &b"x: y\r\n".repeat(2_000)),
            Self::EndlessInterim => for_ever(b"", &b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10)),
            Self::EndlessTrailers => for_ever(&[CHUNKED, b"0\r\n"].concat(), &b"x: y\r\n".repeat(2_000)),
            Self::BadChunks => {
                // One after the other: the numbers that are hit are three apart.
                let size = BAD_SIZES.iter().cycle().nth(number as usize / 3 % BAD_SIZES.len()).unwrap();
                for_ever(CHUNKED, format!("{size}\r\nno\r\n").as_bytes());
            }
            Self::Gigabyte => {
                let piece = vec![b'x'; 1 << 20];
                let _ = send(format!("HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n").as_bytes());
                return (0..GIGABYTE >> 20).all(|_| send(&piece));
            }
            Self::TinyChunks => for_ever(CHUNKED, &b"1\r\nx\r\n".repeat(1_000)),
            _ => {}
        }
        false
    }

    /// A target that meets those requests with it which are hit.
    pub(crate) fn target(self) -> (String, Arrivals) {
        let arrivals = Arrivals::default();
        let noted = arrivals.clone();
        let answer = |socket: &mut TcpStream| socket.read_exact(&mut [0]).is_ok() && socket.write_all(OK).is_ok();
        let address = target(move |mut socket| {
            while let Some(head) = read_up_to(&mut socket, b"\r\n\r") {
                let number = number(&head);
                noted.note(number, &socket);
                let goes_on = if self.meets(number) { self.strikes(number, &mut socket) } else { answer(&mut socket) };
                if !goes_on {
                    break;
                }
            }
        });
        (format!("http://{address}"), arrivals)
    }
}
