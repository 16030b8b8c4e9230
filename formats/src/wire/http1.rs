//! Both directions of one HTTP/1 connection: requests paired with their responses, pipelining included (RFC 9112 §9.3).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::message::{Kind, MessageReader, ResponseTo, Step};
use super::{Direction, Ending, WireError};
use crate::head;
use crate::model::{Body, ClientKey, End, Exchange, Framing, Instants, KeySource, Message, Protocol};

/// What one connection may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes kept of each body; the rest is counted.
    pub body_bytes_max: usize,
    /// Requests that may wait for their answers.
    pub pending_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 16 << 20, pending_max: 1024 }
    }
}

/// Why a connection is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blind {
    /// The bytes were not understood.
    NotUnderstood(WireError),
    /// The connection was upgraded or became a tunnel.
    Upgraded,
    /// The caller said so ([`Http1::give_up`]).
    GivenUp,
}

/// One connection.
#[derive(Debug)]
pub struct Http1 {
    connection: u64,
    limits: Limits,
    connected: Option<u64>,
    requests: MessageReader,
    responses: MessageReader,
    /// Exchanges in the order of their requests. The request of the last one may be unfinished.
    pending: VecDeque<Pending>,
    /// The first byte of a head that has not ended yet.
    request_start: u64,
    response_start: u64,
    request_open: bool,
    first_ended: Option<Direction>,
    blind: Option<Blind>,
    held_bytes: usize,
}

#[derive(Debug)]
struct Pending {
    protocol: Protocol,
    to: ResponseTo,
    request: Part,
    informational: Vec<Bytes>,
    response: Option<Part>,
    instants: Instants,
}

#[derive(Debug, Default)]
struct Part {
    head: Bytes,
    framing: Framing,
    body: BytesMut,
    total_len: u64,
    chunks: Vec<u64>,
    chunk_count: usize,
    trailers: Bytes,
}

/// Chunk sizes that are kept of a body; of a body with more, none are.
const CHUNKS_MAX: usize = 65_536;

impl Http1 {
    /// A connection from its first byte.
    #[must_use]
    pub fn new(connection: u64, limits: Limits) -> Self {
        Self {
            connection,
            limits,
            connected: None,
            requests: MessageReader::new(Kind::Request),
            responses: MessageReader::new(Kind::Response),
            pending: VecDeque::new(),
            request_start: 0,
            response_start: 0,
            request_open: false,
            first_ended: None,
            blind: None,
            held_bytes: 0,
        }
    }

    /// The upstream connection is there.
    pub fn connected(&mut self, at_ns: u64) {
        self.connected = Some(at_ns);
    }

    /// Why nothing more is read, if so.
    #[must_use]
    pub fn blind(&self) -> Option<Blind> {
        self.blind
    }

    /// Bytes of heads and bodies held for exchanges under way.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes + self.requests.held_bytes() + self.responses.held_bytes()
    }

    /// Exchanges under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Reads bytes of one direction; exchanges that are whole now go to `out`.
    /// Once the connection is blind the bytes are not looked at.
    pub fn feed(&mut self, from: Direction, at_ns: u64, bytes: &[u8], out: &mut Vec<Exchange>) {
        if self.blind.is_some() {
            return;
        }
        let fed = match from {
            Direction::Request => self.feed_request(at_ns, bytes, out),
            Direction::Response => self.feed_response(at_ns, bytes, out),
        };
        if let Err(error) = fed {
            self.go_blind(Blind::NotUnderstood(error), at_ns, End::CaptureLost, out);
        }
    }

    /// One direction ended.
    pub fn ended(&mut self, from: Direction, how: Ending, at_ns: u64, out: &mut Vec<Exchange>) {
        if self.blind.is_some() {
            return;
        }
        self.first_ended.get_or_insert(from);
        if from == Direction::Response {
            if how == Ending::Eof && self.responses.ends_with_stream() {
                self.response_end(at_ns, out);
            }
            self.end_pending(End::UpstreamGone, out);
        } else if how == Ending::Reset {
            self.end_pending(End::ClientGone, out);
        }
    }

    /// Both directions are over.
    pub fn closed(&mut self, out: &mut Vec<Exchange>) {
        let end = if self.first_ended == Some(Direction::Response) { End::UpstreamGone } else { End::ClientGone };
        self.end_pending(end, out);
    }

    /// Stops reading: `end` becomes the end of the exchanges under way.
    pub fn give_up(&mut self, at_ns: u64, end: End, out: &mut Vec<Exchange>) {
        self.go_blind(Blind::GivenUp, at_ns, end, out);
    }

    fn go_blind(&mut self, why: Blind, _at_ns: u64, end: End, out: &mut Vec<Exchange>) {
        self.blind.get_or_insert(why);
        self.end_pending(end, out);
        self.requests = MessageReader::new(Kind::Request);
        self.responses = MessageReader::new(Kind::Response);
    }

    fn feed_request(&mut self, at_ns: u64, mut input: &[u8], out: &mut Vec<Exchange>) -> Result<(), WireError> {
        loop {
            if self.requests.is_idle() {
                self.request_start = at_ns;
            }
            match self.requests.step(&mut input, ResponseTo::Other)? {
                Step::NeedMore => return Ok(()),
                Step::Head(head, framing) => self.request_head(at_ns, head, framing)?,
                Step::End => {
                    self.request_open = false;
                    if let Some(last) = self.pending.back_mut() {
                        last.instants.request_end = Some(at_ns);
                        // The answer came before the request was whole: the exchange waited for this end.
                        if last.instants.response_end.is_some() {
                            self.emit(End::Complete, out);
                        }
                    }
                }
                step => {
                    if let Some(last) = self.pending.back_mut() {
                        self.held_bytes += last.request.take(step, self.limits.body_bytes_max);
                    }
                }
            }
        }
    }

    fn request_head(&mut self, at_ns: u64, head: Bytes, framing: Framing) -> Result<(), WireError> {
        if self.pending.len() >= self.limits.pending_max {
            return Err(WireError::TooManyPending(self.limits.pending_max));
        }
        let line = head::request_line(&head).ok_or(WireError::StartLine)?;
        let protocol = if line.version == b"HTTP/1.0" { Protocol::Http10 } else { Protocol::Http11 };
        let to = ResponseTo::method(line.method);
        self.held_bytes += head.len();
        self.request_open = true;
        self.pending.push_back(Pending {
            protocol,
            to,
            request: Part { head, framing, ..Part::default() },
            informational: Vec::new(),
            response: None,
            instants: Instants {
                request_start: self.request_start,
                request_head: at_ns,
                connected: self.connected,
                ..Instants::default()
            },
        });
        Ok(())
    }

    fn feed_response(&mut self, at_ns: u64, mut input: &[u8], out: &mut Vec<Exchange>) -> Result<(), WireError> {
        loop {
            if self.responses.is_idle() {
                self.response_start = at_ns;
            }
            let Some(first) = self.pending.front() else {
                // A step would end the last message or ask for more; anything else has no request to belong to.
                return match self.responses.step(&mut input, ResponseTo::Other)? {
                    Step::NeedMore if self.responses.is_idle() => Ok(()),
                    _ => Err(WireError::Unsolicited),
                };
            };
            match self.responses.step(&mut input, first.to)? {
                Step::NeedMore => return Ok(()),
                Step::Head(head, framing) => self.response_head(at_ns, head, framing, out),
                Step::End => self.response_end(at_ns, out),
                Step::Opaque(_) => return Ok(()),
                step => {
                    if let Some(response) = self.pending.front_mut().and_then(|first| first.response.as_mut()) {
                        self.held_bytes += response.take(step, self.limits.body_bytes_max);
                    }
                }
            }
            if self.blind.is_some() {
                return Ok(());
            }
        }
    }

    fn response_head(&mut self, at_ns: u64, head: Bytes, framing: Framing, out: &mut Vec<Exchange>) {
        let status = head::status_line(&head).map_or(0, |line| line.status);
        self.held_bytes += head.len();
        let Some(first) = self.pending.front_mut() else { return };
        if matches!(status, 100..=199) && status != 101 {
            first.informational.push(head);
            return;
        }
        first.instants.response_start = Some(self.response_start);
        first.instants.response_head = Some(at_ns);
        first.response = Some(Part { head, framing, ..Part::default() });
        if status == 101 || (first.to == ResponseTo::Connect && matches!(status, 200..=299)) {
            first.instants.response_end = Some(at_ns);
            first.instants.request_end.get_or_insert(at_ns);
            self.emit(End::Complete, out);
            self.go_blind(Blind::Upgraded, at_ns, End::CaptureLost, out);
        }
    }

    fn response_end(&mut self, at_ns: u64, out: &mut Vec<Exchange>) {
        let Some(first) = self.pending.front_mut() else { return };
        // The end of a 1xx: the final response is still to come.
        if first.response.is_none() {
            return;
        }
        first.instants.response_end = Some(at_ns);
        if !(self.request_open && self.pending.len() == 1) {
            self.emit(End::Complete, out);
        }
    }

    fn end_pending(&mut self, end: End, out: &mut Vec<Exchange>) {
        while !self.pending.is_empty() {
            self.emit(end, out);
        }
        self.request_open = false;
    }

    fn emit(&mut self, end: End, out: &mut Vec<Exchange>) {
        let Some(pending) = self.pending.pop_front() else { return };
        if self.pending.is_empty() {
            self.held_bytes = 0;
        } else {
            self.held_bytes = self.held_bytes.saturating_sub(pending.held_bytes());
        }
        out.push(Exchange {
            seq: 0,
            client: ClientKey { source: KeySource::Connection, id: self.connection },
            connection: self.connection,
            protocol: pending.protocol,
            request: pending.request.finish(),
            informational: pending.informational,
            response: pending.response.map(Part::finish),
            instants: pending.instants,
            end,
            replay_of: None,
        });
    }
}

impl Pending {
    fn held_bytes(&self) -> usize {
        let part = |part: &Part| part.head.len() + part.body.len() + part.chunks.len() * 8 + part.trailers.len();
        part(&self.request)
            + self.response.as_ref().map_or(0, part)
            + self.informational.iter().map(Bytes::len).sum::<usize>()
    }
}

impl Part {
    /// Takes content; returns how many more bytes are held.
    fn take(&mut self, step: Step<'_>, body_bytes_max: usize) -> usize {
        match step {
            Step::Data(data) => {
                self.total_len += data.len() as u64;
                let room = body_bytes_max.saturating_sub(self.body.len());
                let kept = data.get(..data.len().min(room)).unwrap_or_default();
                self.body.extend_from_slice(kept);
                kept.len()
            }
            Step::Chunk(size) => {
                self.chunk_count += 1;
                if self.chunk_count > CHUNKS_MAX {
                    self.chunks = Vec::new();
                    return 0;
                }
                self.chunks.push(size);
                8
            }
            Step::Trailers(lines) => {
                let len = lines.len();
                self.trailers = lines;
                len
            }
            _ => 0,
        }
    }

    fn finish(self) -> Message {
        let body =
            Body { bytes: self.body.freeze(), total_len: self.total_len, chunks: self.chunks, ..Body::default() };
        Message { head: self.head, framing: self.framing, body, trailers: self.trailers }
    }
}
