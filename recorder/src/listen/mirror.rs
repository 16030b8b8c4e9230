//! The receiver of mirrored traffic (Envoy's, nginx's, Istio's): every request is answered 204, and the tap sees both.
//!
//! Requests are read only to know where each one ends. HTTP/2 is not spoken: proxies mirror over HTTP/1.1 unless told
//! otherwise.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use formats::head;
use formats::model::Framing;
use formats::wire::{Direction, Ending, Kind, MessageReader, ResponseTo, Step};
use tokio::io::{AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout_at};

use crate::relay::{Duplex, Passed, with_read_buffer};
use crate::tap::ConnectionTap;

const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const NO_CONTENT_AND_CLOSE: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// A 2xx would make a tunnel of the connection, with nobody at its other end.
const NO_TUNNEL: &[u8] = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How a mirrored connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MirrorEnd {
    /// By the client, or as the client asked.
    Over,
    /// Nothing passed for as long as it may.
    Idle,
    /// It was no HTTP/1 that can be read in exactly one way.
    Malformed,
}

/// Answers until the client is done.
pub(super) async fn answer<C: Duplex>(
    client: &mut C,
    tap: Option<&ConnectionTap>,
    passed: &Passed,
    idle_max: Option<Duration>,
) -> MirrorEnd {
    let mut requests = Requests::new();
    loop {
        let turn = async {
            let next = std::future::poll_fn(|cx| requests.read(cx, client, tap, passed)).await;
            write(client, &std::mem::take(&mut requests.answers), tap, passed).await.map(|()| next)
        };
        let turn = match idle_max {
            None => turn.await,
            Some(longest) => match timeout_at(Instant::now() + longest, turn).await {
                Ok(turn) => turn,
                Err(_) => return MirrorEnd::Idle,
            },
        };
        match turn {
            Ok(Next::More) => {}
            Ok(Next::End(end)) => {
                let _ = client.shutdown().await; // the client may be gone before its answer: nobody is left to tell
                if let Some(tap) = tap {
                    tap.ended(Direction::Response, Ending::Eof);
                }
                return end;
            }
            Err(_) => return MirrorEnd::Over,
        }
    }
}

async fn write<C: Duplex>(
    client: &mut C,
    answers: &[u8],
    tap: Option<&ConnectionTap>,
    passed: &Passed,
) -> io::Result<()> {
    if answers.is_empty() {
        return Ok(());
    }
    if let Some(tap) = tap {
        tap.bytes(Direction::Response, answers);
    }
    passed.responses.fetch_add(answers.len() as u64, std::sync::atomic::Ordering::Relaxed);
    client.write_all(answers).await?;
    client.flush().await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    End(MirrorEnd),
}

/// The requests of a connection, and the answers that are due. What one read brings bounds both.
struct Requests {
    reader: MessageReader,
    answers: Vec<u8>,
    /// The request that is being read is the last.
    last: bool,
    /// It waits for `100 Continue` before it sends its body.
    waits: bool,
}

impl Requests {
    fn new() -> Self {
        Self { reader: MessageReader::new(Kind::Request), answers: Vec::new(), last: false, waits: false }
    }

    fn read<C: Duplex>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        tap: Option<&ConnectionTap>,
        passed: &Passed,
    ) -> Poll<Next> {
        with_read_buffer(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let result = ready!(Pin::new(client).poll_read(cx, &mut read));
            let bytes = read.filled();
            if result.is_err() || bytes.is_empty() {
                if let Some(tap) = tap {
                    tap.ended(Direction::Request, if result.is_err() { Ending::Reset } else { Ending::Eof });
                }
                return Poll::Ready(Next::End(MirrorEnd::Over));
            }
            if let Some(tap) = tap {
                tap.bytes(Direction::Request, bytes);
            }
            passed.requests.fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
            Poll::Ready(self.take(bytes))
        })
    }

    /// Reads on in `bytes` and adds the answers that became due.
    fn take(&mut self, mut bytes: &[u8]) -> Next {
        loop {
            match self.reader.step(&mut bytes, ResponseTo::Other) {
                Ok(Step::NeedMore) => {
                    if std::mem::take(&mut self.waits) {
                        self.answers.extend_from_slice(CONTINUE);
                    }
                    return Next::More;
                }
                Ok(Step::Head(head, framing)) => {
                    if head::request_line(&head).is_some_and(|line| line.method == b"CONNECT") {
                        self.answers.extend_from_slice(NO_TUNNEL);
                        return Next::End(MirrorEnd::Over);
                    }
                    self.last = is_last(&head);
                    self.waits = framing != Framing::None && has_token(&head, "expect", b"100-continue");
                }
                Ok(Step::Chunk(_) | Step::Data(_) | Step::Trailers(_)) => self.waits = false,
                Ok(Step::End) => {
                    self.waits = false;
                    if self.last {
                        self.answers.extend_from_slice(NO_CONTENT_AND_CLOSE);
                        return Next::End(MirrorEnd::Over);
                    }
                    self.answers.extend_from_slice(NO_CONTENT);
                }
                Ok(Step::Opaque(_)) | Err(_) => {
                    self.answers.extend_from_slice(BAD_REQUEST);
                    return Next::End(MirrorEnd::Malformed);
                }
            }
        }
    }
}

/// Whether the client expects the connection to end with this request (RFC 9112 §9.3).
fn is_last(head: &[u8]) -> bool {
    let old = head::request_line(head).is_none_or(|line| line.version == b"HTTP/1.0");
    has_token(head, "connection", b"close") || (old && !has_token(head, "connection", b"keep-alive"))
}

fn has_token(head: &[u8], name: &str, token: &[u8]) -> bool {
    let mut values = head::fields(head).filter(|field| field.is(name)).map(|field| field.value);
    values.any(|value| value.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&str], expected: &[&[u8]], end: Next) {
        let mut requests = Requests::new();
        let ends: Vec<Next> = pieces.iter().map(|piece| requests.take(piece.as_bytes())).collect();
        let answers = String::from_utf8_lossy(&requests.answers).into_owned();
        assert_eq!(answers, String::from_utf8_lossy(&expected.concat()));
        assert_eq!(ends.last(), Some(&end));
    }

    #[test]
    fn each_request_has_its_answer() {
        let over = Next::End(MirrorEnd::Over);
        let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        check(&[get], &[NO_CONTENT], Next::More);
        check(&[&get.repeat(3)], &[NO_CONTENT, NO_CONTENT, NO_CONTENT], Next::More);
        check(&["GET / HTTP/1.1\r\nHo", "st: h\r\n\r", "\n"], &[NO_CONTENT], Next::More);
        check(&["PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", "ab", "c"], &[NO_CONTENT], Next::More);
        let chunked = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        check(&[chunked, get], &[NO_CONTENT, NO_CONTENT], Next::More);
        check(&["GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n"], &[NO_CONTENT_AND_CLOSE], over);
        check(&["GET / HTTP/1.0\r\n\r\n"], &[NO_CONTENT_AND_CLOSE], over);
        check(&["CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"], &[NO_TUNNEL], over);
        check(&["no http at all\r\n\r\n"], &[BAD_REQUEST], Next::End(MirrorEnd::Malformed));
    }

    #[test]
    fn a_body_that_waits_is_asked_for() {
        let head = "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        check(&[head, "abc"], &[CONTINUE, NO_CONTENT], Next::More);
        let eager = format!("{head}abc");
        check(&[&eager], &[NO_CONTENT], Next::More);
    }
}
