//! Both directions of one HTTP/1 connection: requests paired with their responses, pipelining included (RFC 9112 §9.3).

use std::collections::VecDeque;

use super::message::{Kind, MessageReader, ResponseTo, Step};
use super::part::Part;
use super::pending::Pending;
use super::resync::Sync;
use super::tunnel::{Early, Meter};
use super::{Direction, Ending, WireError};
use crate::head;
use crate::model::{Ambiguity, End, Exchange, Instants, Protocol};

/// What one connection may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes kept of each body; the rest is counted, and hashed with what is kept.
    pub body_bytes_max: usize,
    /// Requests that may wait for their answers.
    pub pending_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 16 << 20, pending_max: 1024 }
    }
}

/// Informational responses that are kept of one exchange. More of them is something else than HTTP.
pub(super) const INFORMATIONAL_MAX: usize = 64;

/// Why a connection is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blind {
    /// The bytes were not understood, or could be in more than one way.
    NotUnderstood(WireError),
    /// The connection speaks HTTP/2.
    Http2,
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
    /// Whether the last request asks to leave HTTP and has no answer yet.
    may_leave: bool,
    early: Early,
    /// The connection has left HTTP with the only pending exchange.
    tunnel: Option<Box<Meter>>,
    /// Whether there was a request head.
    has_begun: bool,
    /// How many bytes of a server's first frame of HTTP/2 were seen before the client's preface.
    http2_bytes: usize,
    first_ended: Option<Direction>,
    blind: Option<Blind>,
    sync: Sync,
    held_bytes: usize,
    unread_bytes: u64,
}

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
            may_leave: false,
            early: Early::default(),
            tunnel: None,
            has_begun: false,
            http2_bytes: 0,
            first_ended: None,
            blind: None,
            sync: Sync::Steady,
            held_bytes: 0,
            unread_bytes: 0,
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

    /// Whether the connection has left HTTP: its bytes are counted only, so that [`Self::passed`] does as well as
    /// [`Self::feed`].
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    /// Bytes of heads and bodies held for exchanges under way.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let readers = self.requests.held_bytes() + self.responses.held_bytes();
        let tunnel = self.tunnel.as_ref().map_or(0, |tunnel| tunnel.held_bytes());
        self.held_bytes + readers + tunnel + self.early.held_bytes()
    }

    /// Exchanges under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Bytes that were given to this connection and not read: when it was blind, while it waited to be taken up again, and
    /// what turned out to be no request then.
    #[must_use]
    pub fn unread_bytes(&self) -> u64 {
        self.unread_bytes
    }

    /// Reads bytes of one direction; exchanges that are whole now go to `out`.
    /// Once the connection is blind the bytes are not looked at.
    pub fn feed(&mut self, from: Direction, at_ns: u64, bytes: &[u8], out: &mut Vec<Exchange>) {
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.pass(from, at_ns, bytes.len() as u64);
        }
        if bytes.is_empty() {
            return;
        }
        if self.blind.is_some() || !self.sync.reads(from, at_ns, bytes) {
            self.unread_bytes = self.unread_bytes.saturating_add(bytes.len() as u64);
            return;
        }
        let fed = match from {
            Direction::Request => self.feed_request(at_ns, bytes, out),
            Direction::Response => self.feed_response(at_ns, bytes, out),
        };
        if let Err(error) = fed {
            self.fail(error, from, at_ns, out);
        }
    }

    /// Bytes passed that nobody copied, as the relay does with those of a tunnel. Anywhere else they are lost, and
    /// [`Self::lost`] is what says so.
    pub fn passed(&mut self, from: Direction, at_ns: u64, len: u64) {
        match &mut self.tunnel {
            Some(tunnel) => tunnel.pass(from, at_ns, len),
            None => self.unread_bytes = self.unread_bytes.saturating_add(len),
        }
    }

    /// Bytes of this connection were lost. Exchanges under way end as [`End::CaptureLost`]; what comes is read again from
    /// where both directions were idle and a request is then answered, and is marked until every request has its answer.
    pub fn lost(&mut self, at_ns: u64, out: &mut Vec<Exchange>) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.end = Some(End::CaptureLost);
        } else if self.blind.is_none() {
            self.end_pending(End::CaptureLost, out);
            self.start_again();
            self.sync = Sync::Lost { last_ns: at_ns, is_answered: false };
        }
    }

    /// One direction ended.
    pub fn ended(&mut self, from: Direction, how: Ending, at_ns: u64, out: &mut Vec<Exchange>) {
        if self.blind.is_some() {
            return;
        }
        self.first_ended.get_or_insert(from);
        if let Some(tunnel) = &mut self.tunnel {
            if how == Ending::Reset {
                tunnel.end.get_or_insert(gone(from));
            }
        } else if from == Direction::Response {
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
        let end = match &self.tunnel {
            Some(tunnel) => tunnel.end.unwrap_or(End::Complete),
            None => gone(self.first_ended.unwrap_or(Direction::Request)),
        };
        self.end_pending(end, out);
    }

    /// Stops reading: `end` becomes the end of the exchanges under way.
    pub fn give_up(&mut self, _at_ns: u64, end: End, out: &mut Vec<Exchange>) {
        let end = self.tunnel.as_ref().and_then(|tunnel| tunnel.end).unwrap_or(end);
        self.go_blind(Blind::GivenUp, end, out);
    }

    fn go_blind(&mut self, why: Blind, end: End, out: &mut Vec<Exchange>) {
        self.blind.get_or_insert(why);
        self.end_pending(end, out);
        self.start_again();
    }

    /// Forgets what is half read.
    fn start_again(&mut self) {
        self.requests = MessageReader::new(Kind::Request);
        self.responses = MessageReader::new(Kind::Response);
        self.drop_early();
    }

    fn drop_early(&mut self) {
        self.unread_bytes = self.unread_bytes.saturating_add(self.early.bytes() as u64);
        self.early.take();
        self.may_leave = false;
    }

    /// What could not be read ends the reading, or only the attempt to take the connection up again.
    fn fail(&mut self, error: WireError, from: Direction, at_ns: u64, out: &mut Vec<Exchange>) {
        if matches!(self.sync, Sync::Trial { .. } | Sync::Resumed) {
            self.end_pending(End::CaptureLost, out);
            self.start_again();
            self.sync = Sync::Lost { last_ns: at_ns, is_answered: false };
            return;
        }
        if let WireError::Ambiguous(kind) = error {
            match from {
                Direction::Request => self.ambiguous_request(at_ns, kind),
                Direction::Response => self.ambiguous_response(at_ns, kind),
            }
        }
        let why = if error == WireError::Http2 { Blind::Http2 } else { Blind::NotUnderstood(error) };
        self.go_blind(why, End::CaptureLost, out);
    }

    fn ambiguous_request(&mut self, at_ns: u64, kind: Ambiguity) {
        let head = self.requests.take_refused();
        if !head.is_empty() {
            // A head that cannot be one of an exchange is none; then there is only the gap.
            if self.request_head(at_ns, Part::new(head, Default::default())).is_err() {
                return;
            }
        }
        if let Some(last) = self.pending.back_mut() {
            last.ambiguous = Some(kind);
        }
    }

    fn ambiguous_response(&mut self, at_ns: u64, kind: Ambiguity) {
        let head = self.responses.take_refused();
        let Some(first) = self.pending.front_mut() else { return };
        first.ambiguous = Some(kind);
        if !head.is_empty() {
            first.instants.response_start = Some(self.response_start);
            first.instants.response_head = Some(at_ns);
            self.held_bytes += head.len();
            first.response = Some(Part::response(head, Default::default()));
        }
        if kind == Ambiguity::UnaskedUpgrade {
            // If the server has left HTTP, these were no requests.
            self.pending.iter_mut().for_each(|later| later.ambiguous = Some(kind));
        }
    }

    fn feed_request(&mut self, at_ns: u64, mut input: &[u8], out: &mut Vec<Exchange>) -> Result<(), WireError> {
        loop {
            if self.may_leave && !self.request_open {
                return self.early.hold(at_ns, input);
            }
            if self.requests.is_idle() {
                self.request_start = at_ns;
            }
            match self.requests.step(&mut input, ResponseTo::Other)? {
                Step::NeedMore => return Ok(()),
                Step::Head(head, framing) => {
                    self.request_head(at_ns, Part::new(head, framing))?;
                    self.request_open = true;
                }
                step => {
                    let is_end = step == Step::End;
                    let Some(last) = self.pending.back_mut() else { continue };
                    let before = last.request.held_bytes();
                    last.request.take(at_ns, step, self.limits.body_bytes_max);
                    self.held_bytes = self.held_bytes + last.request.held_bytes() - before;
                    if is_end {
                        self.request_open = false;
                        last.instants.request_end = Some(at_ns);
                        // The answer came before the request was whole: the exchange waited for this end.
                        if last.instants.response_end.is_some() {
                            self.emit(End::Complete, out);
                        }
                    }
                }
            }
        }
    }

    fn request_head(&mut self, at_ns: u64, request: Part) -> Result<(), WireError> {
        if self.pending.len() >= self.limits.pending_max {
            return Err(WireError::TooManyPending(self.limits.pending_max));
        }
        let line = head::request_line(request.head()).ok_or(WireError::StartLine)?;
        let protocol = if line.version == b"HTTP/1.0" { Protocol::Http10 } else { Protocol::Http11 };
        let to = ResponseTo::method(line.method);
        let upgrade = self.requests.has_upgrade();
        self.has_begun = true;
        self.may_leave = upgrade || to == ResponseTo::Connect;
        self.held_bytes += request.held_bytes();
        self.pending.push_back(Pending {
            protocol,
            to,
            upgrade,
            request,
            informational: Vec::new(),
            response: None,
            instants: Instants {
                request_start: self.request_start,
                request_head: at_ns,
                connected: self.connected,
                ..Instants::default()
            },
            ambiguous: None,
        });
        Ok(())
    }

    fn feed_response(&mut self, at_ns: u64, mut input: &[u8], out: &mut Vec<Exchange>) -> Result<(), WireError> {
        loop {
            if let Some(tunnel) = &mut self.tunnel {
                tunnel.pass(Direction::Response, at_ns, input.len() as u64);
                return Ok(());
            }
            if self.responses.is_idle() {
                self.response_start = at_ns;
            }
            let Some(first) = self.pending.front().filter(|first| first.instants.response_end.is_none()) else {
                return if self.has_begun { self.unsolicited(input) } else { self.before_any_request(input) };
            };
            if self.http2_bytes > 0 {
                return Err(WireError::Unsolicited);
            }
            match self.responses.step(&mut input, first.to)? {
                Step::NeedMore => return Ok(()),
                Step::Head(head, framing) => self.response_head(at_ns, Part::response(head, framing), out)?,
                // Only where the connection was not allowed to leave HTTP; then it is blind by now.
                Step::Opaque(_) => return Ok(()),
                step => {
                    let is_end = step == Step::End;
                    if let Some(response) = self.pending.front_mut().and_then(|first| first.response.as_mut()) {
                        let before = response.held_bytes();
                        response.take(at_ns, step, self.limits.body_bytes_max);
                        self.held_bytes = self.held_bytes + response.held_bytes() - before;
                        if is_end {
                            self.response_end(at_ns, out);
                        }
                    }
                }
            }
        }
    }

    /// A step would end the last message or ask for more; anything else has no request to belong to.
    fn unsolicited(&mut self, mut input: &[u8]) -> Result<(), WireError> {
        match self.responses.step(&mut input, ResponseTo::Other) {
            Ok(Step::NeedMore) if self.responses.is_idle() => Ok(()),
            _ => Err(WireError::Unsolicited),
        }
    }

    /// A server of HTTP/2 may speak before the client's preface is there, and begins with a SETTINGS frame on stream 0
    /// (RFC 9113 §3.4): length, type 4, no flags, the stream.
    fn before_any_request(&mut self, input: &[u8]) -> Result<(), WireError> {
        const AFTER_LENGTH: [u8; 6] = [4, 0, 0, 0, 0, 0];
        for byte in input {
            let expected = self.http2_bytes.checked_sub(3).and_then(|at| AFTER_LENGTH.get(at));
            if expected.is_some_and(|expected| expected != byte) {
                return Err(WireError::Unsolicited);
            }
            self.http2_bytes += 1;
            if self.http2_bytes == 3 + AFTER_LENGTH.len() {
                return Err(WireError::Http2);
            }
        }
        Ok(())
    }

    fn response_head(&mut self, at_ns: u64, response: Part, out: &mut Vec<Exchange>) -> Result<(), WireError> {
        let status = head::status_line(response.head()).map_or(0, |line| line.status);
        let Some(first) = self.pending.front_mut() else { return Ok(()) };
        if let Sync::Trial { .. } = self.sync {
            self.sync = Sync::Resumed;
        }
        if matches!(status, 100..=199) && status != 101 {
            if first.informational.len() >= INFORMATIONAL_MAX {
                return Err(WireError::TooManyInformational(INFORMATIONAL_MAX));
            }
            self.held_bytes += response.head().len();
            first.informational.push(response.into_head());
            return Ok(());
        }
        first.instants.response_start = Some(self.response_start);
        first.instants.response_head = Some(at_ns);
        self.held_bytes += response.held_bytes();
        first.response = Some(response);
        let leaves = status == 101 || (first.to == ResponseTo::Connect && matches!(status, 200..=299));
        if leaves {
            if status == 101 && !first.upgrade {
                return Err(Ambiguity::UnaskedUpgrade.into());
            }
            first.instants.response_end = Some(at_ns);
            let mut tunnel = Box::<Meter>::default();
            for (at_ns, bytes) in self.early.take() {
                tunnel.pass(Direction::Request, at_ns, bytes.len() as u64);
            }
            self.tunnel = Some(tunnel);
        } else if self.may_leave && self.pending.len() == 1 {
            // It stays HTTP, and so does what was sent early.
            self.may_leave = false;
            for (at_ns, bytes) in self.early.take() {
                self.feed_request(at_ns, &bytes, out)?;
            }
        }
        Ok(())
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
        if let Sync::Trial { bytes } = self.sync {
            // Nothing answered it, so nothing says that it was a request.
            self.unread_bytes = self.unread_bytes.saturating_add(bytes);
            self.pending.clear();
            self.held_bytes = 0;
        }
        while !self.pending.is_empty() {
            self.emit(end, out);
        }
        self.request_open = false;
    }

    fn emit(&mut self, end: End, out: &mut Vec<Exchange>) {
        let Some(pending) = self.pending.pop_front() else { return };
        self.held_bytes = self.held_bytes.saturating_sub(pending.held_bytes());
        let mut exchange = pending.finish(self.connection, end);
        exchange.resynchronised = self.sync == Sync::Resumed;
        exchange.tunnel = self.tunnel.take().map(|meter| meter.finish());
        out.push(exchange);
        if self.pending.is_empty() && self.sync == Sync::Resumed && end == End::Complete {
            self.sync = Sync::Steady;
        }
    }
}

const fn gone(who: Direction) -> End {
    match who {
        Direction::Request => End::ClientGone,
        Direction::Response => End::UpstreamGone,
    }
}
