//! One connection and the requests that are on it: writing them in order, reading their answers in the same order.
//!
//! Nothing here decides what follows from an end: that is `answers`.

use std::collections::VecDeque;
use std::io::IoSlice;

use formats::head;
use formats::wire::{Kind, MessageReader, Step};
use rustix::io::Errno;

use super::capture::Capture;
use crate::clock::Clock;
use crate::dial::{Failure, Peer, Sent, Transport};
use crate::job::{ErrorKind, Job};

/// Most that is written in one go, so that an upload delays no due request.
const WRITE_BYTES_MAX: usize = 256 * 1024;
/// How long a body waits for a 100 that does not come (RFC 9110 §10.1.1 leaves it to the client).
pub(super) const CONTINUE_NS: u64 = 1_000_000_000;

/// A connection and what it is doing.
pub(super) struct Connection {
    pub(super) transport: Transport,
    /// Whom it leads to.
    pub(super) peer: Option<Peer>,
    pub(super) slot: u64,
    pub(super) token: u64,
    /// Requests whose answers are not whole yet, in order.
    pub(super) exchanges: VecDeque<Exchange>,
    /// How many of these are written.
    written: usize,
    reader: MessageReader,
    /// Whether everything that had come was read when it was read last.
    pub(super) is_dry: bool,
    /// When the last bytes arrived, by the run.
    pub(super) arrived_ns: u64,
    /// Whether the poll tells when it can be written to.
    pub(super) watches_out: bool,
    /// Whether something is left to be written to it.
    pub(super) unwritten: bool,
    /// When it is looked at for a timeout; 0: not at all.
    pub(super) looked_at_ns: u64,
    /// Writing failed: only what was answered before that may still be read.
    pub(super) broken: Option<ErrorKind>,
    /// It carried a request to its end, be that a failure.
    pub(super) served: bool,
}

/// A request on a connection.
pub(super) struct Exchange {
    pub(super) job: Box<Job>,
    pub(super) capture: Option<Box<Capture>>,
    pub(super) body: HeldBody,
    close_after: bool,
    /// Answers that came before the final one.
    informational: usize,
}

/// Informational answers before a final one; a recorder understands as many.
const INFORMATIONAL_MAX: usize = 64;

/// Whether the body may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBody {
    /// It may.
    No,
    /// Not before a 100 came.
    Yes,
    /// Not before a 100 came, or this instant.
    Until(u64),
    /// Not any more: the answer came first.
    Dropped,
}

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// All that may be written.
    All,
    /// More is to be written when the socket takes it.
    Part,
    /// All, and the body waits for a 100 until this instant.
    Held(u64),
}

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// The answer goes on.
    More,
    /// The body may be written now.
    Continue,
    /// The answer is whole; whether the connection can carry another request, and if not, whether the target said so.
    Whole { reusable: bool, said_close: bool },
    /// It cannot be read, or nobody asked for it.
    Unreadable,
}

impl Exchange {
    pub(super) fn new(job: Box<Job>, capture: Option<Box<Capture>>) -> Self {
        let body = if job.expects_continue && !job.body.is_empty() { HeldBody::Yes } else { HeldBody::No };
        Self { job, capture, body, close_after: false, informational: 0 }
    }

    /// The parts that are still to be written and may be.
    fn left(&self) -> [&[u8]; 2] {
        let (head, done) = (&self.job.head, usize::try_from(self.job.progress.bytes_out).unwrap_or(usize::MAX));
        let body = match self.body {
            HeldBody::No => self.job.body.get(done.saturating_sub(head.len())..).unwrap_or_default(),
            _ => &[],
        };
        [head.get(done..).unwrap_or_default(), body]
    }
}

impl Connection {
    pub(super) fn new(transport: Transport, peer: Option<Peer>, slot: u64, token: u64) -> Self {
        Self {
            transport,
            peer,
            slot,
            token,
            exchanges: VecDeque::new(),
            written: 0,
            reader: MessageReader::new(Kind::Response),
            is_dry: true,
            arrived_ns: 0,
            watches_out: false,
            unwritten: false,
            looked_at_ns: 0,
            broken: None,
            served: false,
        }
    }

    /// Whether a pipelined request may be written behind what is there.
    pub(super) fn takes_behind(&self) -> bool {
        let last = self.exchanges.back();
        self.broken.is_none() && last.is_some() && self.exchanges.iter().all(|exchange| !exchange.close_after)
    }

    /// Writes as much as the kernel takes and may be written; `now` is advanced to after the last byte.
    pub(super) fn write(&mut self, clock: Clock, start_ns: u64, now: &mut u64) -> Result<Written, Failure> {
        let mut room = WRITE_BYTES_MAX;
        while let Some(exchange) = self.exchanges.get_mut(self.written) {
            exchange.job.progress.dispatched_ns.get_or_insert(now.saturating_sub(start_ns));
            loop {
                let [head, body] = exchange.left();
                let (head, body) = (clip(head, room), clip(body, room.saturating_sub(head.len())));
                let sent = match (head.is_empty(), body.is_empty()) {
                    (true, true) => break,
                    (_, true) => self.transport.send(&[IoSlice::new(head)])?,
                    _ => self.transport.send(&[IoSlice::new(head), IoSlice::new(body)])?,
                };
                let Sent::Bytes(taken) = sent else { return Ok(Written::Part) };
                exchange.job.progress.bytes_out += taken as u64;
                room = room.saturating_sub(taken);
            }
            if exchange.left().iter().any(|part| !part.is_empty()) || !self.transport.flush()? {
                return Ok(Written::Part);
            }
            *now = clock.now_ns();
            match exchange.body {
                HeldBody::Yes => {
                    exchange.body = HeldBody::Until(*now + CONTINUE_NS);
                    return Ok(Written::Held(*now + CONTINUE_NS));
                }
                HeldBody::Until(at) => return Ok(Written::Held(at)),
                HeldBody::Dropped => return Ok(Written::All),
                HeldBody::No => {}
            }
            exchange.job.progress.written_ns.get_or_insert(now.saturating_sub(start_ns));
            self.written += 1;
        }
        Ok(Written::All)
    }

    /// Reads the answer's next bytes, up to its end. They arrived at `at_ns`, or when the request was written if that was
    /// later: an answer may be there before the call that wrote the request comes back.
    pub(super) fn read(&mut self, bytes: &mut &[u8], at_ns: u64) -> Read {
        let Some(exchange) = self.exchanges.front_mut() else { return Read::Unreadable };
        let progress = &mut exchange.job.progress;
        if progress.dispatched_ns.is_none() {
            return Read::Unreadable;
        }
        let at_ns = at_ns.max(progress.written_ns.or(progress.dispatched_ns).unwrap_or(0));
        if !bytes.is_empty() {
            progress.first_byte_ns.get_or_insert(at_ns);
        }
        let before = bytes.len();
        let read = exchange.read(&mut self.reader, bytes);
        exchange.job.progress.bytes_in += (before - bytes.len()) as u64;
        if matches!(read, Read::Whole { .. }) {
            exchange.job.progress.done_ns = at_ns;
        }
        match read {
            Read::Whole { said_close, .. } if self.broken.is_some() => Read::Whole { reusable: false, said_close },
            read => read,
        }
    }

    /// Takes the first request off, because it has ended.
    pub(super) fn take_first(&mut self) -> Option<Exchange> {
        let first = self.exchanges.pop_front();
        self.written = self.written.saturating_sub(1);
        first
    }

    /// Takes off the last request if nothing of it was handed to the socket.
    pub(super) fn take_unsent(&mut self) -> Option<Exchange> {
        self.exchanges.pop_back_if(|last| last.job.progress.dispatched_ns.is_none())
    }

    /// Whether the end of the stream now is the end of the answer.
    pub(super) fn ends_with_stream(&self) -> bool {
        self.reader.ends_with_stream()
    }
}

impl Exchange {
    fn read(&mut self, reader: &mut MessageReader, bytes: &mut &[u8]) -> Read {
        loop {
            let Ok(step) = reader.step(bytes, self.job.to) else { return Read::Unreadable };
            match step {
                Step::NeedMore if begins_an_answer(reader.begun_head()) => return Read::More,
                // Whatever comes, it will be none: nobody waits for its end.
                Step::NeedMore => return Read::Unreadable,
                Step::Head(head, framing) => {
                    let Some(line) = head::status_line(&head) else { return Read::Unreadable };
                    let status = line.status;
                    if (100..200).contains(&status) && status != 101 {
                        self.informational += 1;
                        if self.informational > INFORMATIONAL_MAX {
                            return Read::Unreadable;
                        }
                        if let Some(capture) = &mut self.capture {
                            capture.informational(head);
                        }
                        if status == 100 && matches!(self.body, HeldBody::Yes | HeldBody::Until(_)) {
                            self.body = HeldBody::No;
                            return Read::Continue;
                        }
                        continue;
                    }
                    self.take_head(status, &head, line.version);
                    if let Some(capture) = &mut self.capture {
                        capture.head(head, framing);
                    }
                    if status == 101 {
                        // What follows is another protocol, which nobody here speaks: what was recorded as one is not sent.
                        return Read::Unreadable;
                    }
                }
                Step::End if self.job.progress.status.is_some() => {
                    let reusable = !self.close_after && self.job.progress.written_ns.is_some();
                    return Read::Whole { reusable, said_close: self.close_after };
                }
                Step::Opaque(_) => return Read::Unreadable,
                Step::Chunk(size) => {
                    if let Some(capture) = &mut self.capture {
                        capture.chunk(size);
                    }
                }
                Step::Data(data) => {
                    if let Some(capture) = &mut self.capture {
                        capture.data(data);
                    }
                }
                Step::Trailers(lines) => {
                    if let Some(capture) = &mut self.capture {
                        capture.trailers(lines);
                    }
                }
                Step::End => {}
            }
        }
    }

    fn take_head(&mut self, status: u16, head: &[u8], version: &[u8]) {
        self.job.progress.status = Some(status);
        self.close_after = closes(version, head);
        self.job.progress.login =
            (300..400).contains(&status) && head::value(head, "location").is_some_and(looks_like_login);
        if matches!(self.body, HeldBody::Yes | HeldBody::Until(_)) {
            self.body = HeldBody::Dropped;
        }
    }
}

/// Whether an answer may begin so: with a version that is spoken here and, once its line is there, with a status.
fn begins_an_answer(begun: &[u8]) -> bool {
    const VERSION: &[u8] = b"HTTP/1.";
    let known = begun.len().min(VERSION.len());
    let is_versioned = begun.get(..known) == VERSION.get(..known);
    is_versioned && (!begun.contains(&b'\n') || head::status_line(begun).is_some())
}

fn clip(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// Persistence by RFC 9112 §9.3; several fields are one list (RFC 9110 §5.3).
fn closes(version: &[u8], head: &[u8]) -> bool {
    let has = |option: &str| {
        let mut options = head::values(head, "connection").flat_map(|value| value.split(|byte| *byte == b','));
        options.any(|one| one.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    };
    has("close") || (version == b"HTTP/1.0" && !has("keep-alive"))
}

/// Whether a redirect goes to a page that asks who you are.
fn looks_like_login(location: &[u8]) -> bool {
    let lower = location.to_ascii_lowercase();
    [&b"login"[..], b"signin", b"sign-in", b"sign_in", b"/auth", b"sso", b"oauth"]
        .iter()
        .any(|word| lower.windows(word.len()).any(|window| window == *word))
}

/// What a failure of an open connection is called.
pub(super) fn error_of(failure: &Failure) -> ErrorKind {
    match failure {
        Failure::System(Errno::TIMEDOUT) => ErrorKind::Timeout,
        Failure::System(errno) => (*errno).into(),
        Failure::Tls(_) => ErrorKind::Tls,
    }
}
