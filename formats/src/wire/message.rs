//! One direction of an HTTP/1 connection: bytes in, heads, content and ends out (RFC 9112).

use bytes::Bytes;
use memchr::memchr;

use super::WireError;
use super::framing::{self, Fields, LineEnds, is_token};
use crate::head;
use crate::model::{Ambiguity, Framing};

/// Longest head or trailer section that is understood.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Longest chunk-size line with its extensions.
const CHUNK_LINE_BYTES_MAX: usize = 4 * 1024;

/// What kind of messages a direction carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Requests.
    Request,
    /// Responses.
    Response,
}

/// What a response answers, as far as its framing depends on it (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseTo {
    /// HEAD: no body whatever the fields say.
    Head,
    /// CONNECT: a 2xx turns the connection into a tunnel.
    Connect,
    /// Any other method.
    #[default]
    Other,
}

impl ResponseTo {
    /// For a request with this method.
    #[must_use]
    pub fn method(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What the reader found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// All input is consumed.
    NeedMore,
    /// A whole head, and how its body will end. A 1xx response has [`Framing::None`] and is followed by another head.
    Head(Bytes, Framing),
    /// A chunk of this size begins.
    Chunk(u64),
    /// Content.
    Data(&'a [u8]),
    /// Trailer field lines.
    Trailers(Bytes),
    /// The message is whole.
    End,
    /// After an upgrade or CONNECT: these bytes are no HTTP.
    Opaque(&'a [u8]),
}

/// Reads the messages of one direction.
#[derive(Debug)]
pub struct MessageReader {
    kind: Kind,
    state: State,
    /// Bytes of an unfinished head, line or trailer section.
    partial: Vec<u8>,
    /// Whether the head that was read last asks for an upgrade, or grants one.
    upgrade: bool,
    /// The head that could not be read in one way.
    refused: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// After the CR of an empty line before a request.
    EmptyLine,
    Head,
    Length(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkEnd,
    ChunkEndLf,
    Trailers,
    Whole,
    Opaque,
}

impl MessageReader {
    /// A reader at the start of a connection.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, state: State::Idle, partial: Vec::new(), upgrade: false, refused: Bytes::new() }
    }

    /// Whether the reader stands between two messages.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle | State::EmptyLine)
    }

    /// Whether the end of the stream now is the end of the message.
    #[must_use]
    pub fn ends_with_stream(&self) -> bool {
        self.state == State::UntilClose
    }

    /// What has come of a head that is not whole yet.
    #[must_use]
    pub fn begun_head(&self) -> &[u8] {
        if self.state == State::Head { &self.partial } else { &[] }
    }

    /// Bytes that the reader holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// Whether the head that was read last has an Upgrade field.
    #[must_use]
    pub(super) fn has_upgrade(&self) -> bool {
        self.upgrade
    }

    /// The head because of which [`Self::step`] failed, if it was one.
    pub(super) fn take_refused(&mut self) -> Bytes {
        std::mem::take(&mut self.refused)
    }

    /// Consumes some of `input` and says what it was. `to` matters to responses only, when a head ends.
    ///
    /// # Errors
    /// When the bytes cannot be read in exactly one way; the reader is of no use afterwards.
    pub fn step<'a>(&mut self, input: &mut &'a [u8], to: ResponseTo) -> Result<Step<'a>, WireError> {
        loop {
            match self.state {
                State::Whole => {
                    self.state = State::Idle;
                    return Ok(Step::End);
                }
                _ if input.is_empty() => return Ok(Step::NeedMore),
                State::Idle => {
                    // Empty lines before a request are to be ignored (RFC 9112 §2.2).
                    match input.first() {
                        Some(b'\n') if self.kind == Kind::Request => {
                            take(input, 1);
                        }
                        Some(b'\r') if self.kind == Kind::Request => {
                            take(input, 1);
                            self.state = State::EmptyLine;
                        }
                        _ => self.state = State::Head,
                    }
                }
                State::EmptyLine => {
                    if take(input, 1) != b"\n" {
                        return Err(WireError::StartLine);
                    }
                    self.state = State::Idle;
                }
                State::Head => {
                    let Some(head) = self.take_section(input, section_end)? else { return Ok(Step::NeedMore) };
                    return match self.begin_body(&head, to) {
                        Ok(framing) => Ok(Step::Head(head, framing)),
                        Err(error) => {
                            self.refused = head;
                            Err(error)
                        }
                    };
                }
                State::Length(left) => {
                    let data = take(input, usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::Whole } else { State::Length(left) };
                    return Ok(Step::Data(data));
                }
                State::UntilClose => return Ok(Step::Data(take(input, usize::MAX))),
                State::ChunkLine => {
                    let Some(line) = self.take_line(input)? else { return Ok(Step::NeedMore) };
                    let size = framing::chunk_size(&line)?;
                    self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
                    if size > 0 {
                        return Ok(Step::Chunk(size));
                    }
                }
                State::ChunkData(left) => {
                    let data = take(input, usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    return Ok(Step::Data(data));
                }
                State::ChunkEnd => match take(input, 1) {
                    b"\r" => self.state = State::ChunkEndLf,
                    b"\n" => return Err(Ambiguity::BareLf.into()),
                    _ => return Err(Ambiguity::BadChunk.into()),
                },
                State::ChunkEndLf => match take(input, 1) {
                    b"\n" => self.state = State::ChunkLine,
                    _ => return Err(Ambiguity::BadChunk.into()),
                },
                State::Trailers => {
                    let Some(section) = self.take_section(input, trailers_end)? else { return Ok(Step::NeedMore) };
                    framing::read_lines(&section, LineEnds::Crlf, |_, _| Ok(()))?;
                    self.state = State::Whole;
                    let lines = section.strip_suffix(b"\r\n").unwrap_or(&section);
                    if !lines.is_empty() {
                        return Ok(Step::Trailers(section.slice(..lines.len())));
                    }
                }
                State::Opaque => return Ok(Step::Opaque(take(input, usize::MAX))),
            }
        }
    }

    /// Takes a section whose end `find` finds; looks only at what is new, so that a trickle costs no more than a burst.
    fn take_section(
        &mut self,
        input: &mut &[u8],
        find: fn(&[u8], usize) -> Option<usize>,
    ) -> Result<Option<Bytes>, WireError> {
        if self.partial.is_empty()
            && let Some(end) = find(input, 0)
            && end <= HEAD_BYTES_MAX
        {
            return Ok(Some(Bytes::copy_from_slice(take(input, end))));
        }
        let looked_at = self.partial.len().saturating_sub(3);
        let before = self.partial.len();
        let room = HEAD_BYTES_MAX + 1 - before.min(HEAD_BYTES_MAX + 1);
        self.partial.extend_from_slice(input.get(..input.len().min(room)).unwrap_or_default());
        match find(&self.partial, looked_at) {
            Some(end) if end <= HEAD_BYTES_MAX => {
                take(input, end.saturating_sub(before));
                self.partial.truncate(end);
                Ok(Some(Bytes::from(std::mem::take(&mut self.partial))))
            }
            _ if self.partial.len() > HEAD_BYTES_MAX => Err(WireError::HeadTooLong(HEAD_BYTES_MAX)),
            _ => {
                *input = &[];
                Ok(None)
            }
        }
    }

    fn take_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, WireError> {
        let newline = memchr(b'\n', input);
        let part = take(input, newline.map_or(usize::MAX, |at| at + 1));
        if self.partial.len() + part.len() > CHUNK_LINE_BYTES_MAX {
            return Err(WireError::ChunkLineTooLong(CHUNK_LINE_BYTES_MAX));
        }
        self.partial.extend_from_slice(part);
        Ok(newline.map(|_| std::mem::take(&mut self.partial)))
    }

    fn begin_body(&mut self, head: &[u8], to: ResponseTo) -> Result<Framing, WireError> {
        let (version, bodyless, tunnel) = match self.kind {
            Kind::Request => (request_version(head)?, false, false),
            Kind::Response => {
                let line = head::status_line(head).ok_or(WireError::StartLine)?;
                if let Some(byte) = line.reason.iter().find(|byte| matches!(byte, 0 | b'\r')) {
                    return Err(if *byte == 0 { Ambiguity::Nul } else { Ambiguity::BareCr }.into());
                }
                let bodyless = to == ResponseTo::Head || matches!(line.status, 100..=199 | 204 | 304);
                let tunnel = line.status == 101 || (to == ResponseTo::Connect && matches!(line.status, 200..=299));
                (line.version, bodyless || tunnel, tunnel)
            }
        };
        if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
            return Err(WireError::StartLine);
        }
        let lines = memchr(b'\n', head).and_then(|end| head.get(end + 1..)).unwrap_or_default();
        let Fields { framing, length, upgrade } =
            framing::read_head(lines, version == b"HTTP/1.1", self.kind, bodyless)?;
        self.upgrade = upgrade;
        self.state = match framing {
            _ if tunnel => State::Opaque,
            Framing::None => State::Whole,
            Framing::Length if length == 0 => State::Whole,
            Framing::Length => State::Length(length),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        Ok(framing)
    }
}

/// The version of a request whose start line is one.
fn request_version(head: &[u8]) -> Result<&[u8], WireError> {
    let line = head::request_line(head).ok_or(WireError::StartLine)?;
    if !line.method.iter().all(|byte| is_token(*byte)) {
        return Err(WireError::StartLine);
    }
    if line.version == b"HTTP/2.0" && line.method == b"PRI" {
        return Err(WireError::Http2);
    }
    if line.version.starts_with(b"HTTP/1.") && !line.target.iter().all(|byte| *byte > b' ' && *byte != 0x7f) {
        return Err(Ambiguity::BadStartLine.into());
    }
    Ok(line.version)
}

/// Index after the empty line that ends a head.
fn section_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(newline) = bytes.get(at..).and_then(|rest| memchr(b'\n', rest)) {
        at += newline + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// The same for a trailer section, which may be the empty line alone.
fn trailers_end(bytes: &[u8], from: usize) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => section_end(bytes, from),
    }
}

fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(input.len().min(most));
    *input = rest;
    taken
}
