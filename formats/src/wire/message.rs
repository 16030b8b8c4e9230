//! One direction of an HTTP/1 connection: bytes in, heads, content and ends out (RFC 9112).

use bytes::Bytes;
use memchr::memchr;

use super::WireError;
use crate::head;
use crate::model::Framing;

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Head,
    Length(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Whole,
    Opaque,
}

impl MessageReader {
    /// A reader at the start of a connection.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, state: State::Idle, partial: Vec::new() }
    }

    /// Whether the reader stands between two messages.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether the end of the stream now is the end of the message.
    #[must_use]
    pub fn ends_with_stream(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Bytes that the reader holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.partial.capacity()
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
                    if self.kind == Kind::Request && matches!(input.first(), Some(b'\r' | b'\n')) {
                        take(input, 1);
                    } else {
                        self.state = State::Head;
                    }
                }
                State::Head => {
                    let Some(head) = self.take_section(input, section_end)? else { return Ok(Step::NeedMore) };
                    let framing = self.begin_body(&head, to)?;
                    return Ok(Step::Head(head, framing));
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
                    let size = chunk_size(&line)?;
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
                State::ChunkEnd => {
                    let Some(line) = self.take_line(input)? else { return Ok(Step::NeedMore) };
                    if !matches!(&line[..], b"\r\n" | b"\n") {
                        return Err(WireError::Chunk);
                    }
                    self.state = State::ChunkLine;
                }
                State::Trailers => {
                    let Some(section) = self.take_section(input, trailers_end)? else { return Ok(Step::NeedMore) };
                    self.state = State::Whole;
                    let lines =
                        section.strip_suffix(b"\r\n").or_else(|| section.strip_suffix(b"\n")).unwrap_or(&section);
                    if !lines.is_empty() {
                        check_fields(lines, |_, _| {})?;
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
            return Err(WireError::Chunk);
        }
        self.partial.extend_from_slice(part);
        Ok(newline.map(|_| std::mem::take(&mut self.partial)))
    }

    fn begin_body(&mut self, head: &[u8], to: ResponseTo) -> Result<Framing, WireError> {
        let said = Said::by(head)?;
        let (version, bodyless, tunnel) = match self.kind {
            Kind::Request => {
                let line = head::request_line(head).ok_or(WireError::StartLine)?;
                if !line.method.iter().all(|byte| is_token(*byte)) || line.target.contains(&b' ') {
                    return Err(WireError::StartLine);
                }
                (line.version, false, false)
            }
            Kind::Response => {
                let line = head::status_line(head).ok_or(WireError::StartLine)?;
                let bodyless = to == ResponseTo::Head || matches!(line.status, 100..=199 | 204 | 304);
                let tunnel = line.status == 101 || (to == ResponseTo::Connect && matches!(line.status, 200..=299));
                (line.version, bodyless, tunnel)
            }
        };
        if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
            return Err(WireError::StartLine);
        }
        if tunnel {
            self.state = State::Opaque;
            return Ok(Framing::None);
        }
        let (framing, length) = said.framing(version, self.kind)?;
        self.state = match framing {
            _ if bodyless => State::Whole,
            Framing::None => State::Whole,
            Framing::Length if length == 0 => State::Whole,
            Framing::Length => State::Length(length),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        Ok(if bodyless { Framing::None } else { framing })
    }
}

/// What the fields of a head say about where the body ends.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    is_chunked: bool,
    /// Of the fields that cannot be read in one way, the first.
    fault: Option<WireError>,
}

impl Said {
    /// Reads a head, all of whose lines have to be fields.
    fn by(head: &[u8]) -> Result<Self, WireError> {
        let mut said = Self::default();
        let start = memchr(b'\n', head).map_or(head.len(), |newline| newline + 1);
        check_fields(head.get(start..).unwrap_or_default(), |name, value| match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => said.content_length(value.trim_ascii()),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => said.transfer_encoding(value.trim_ascii()),
            _ => {}
        })?;
        Ok(said)
    }

    fn content_length(&mut self, value: &[u8]) {
        let number = decimal(value);
        if number.is_none() || self.length.is_some_and(|known| Some(known) != number) {
            self.fault.get_or_insert(WireError::AmbiguousLength);
        }
        self.length = number;
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            self.fault.get_or_insert(WireError::TransferCoding);
        }
        self.is_chunked = true;
    }

    /// How the body ends (RFC 9112 §6.3), refusing whatever could be read in two ways.
    fn framing(self, version: &[u8], kind: Kind) -> Result<(Framing, u64), WireError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match (self.is_chunked, self.length) {
            (true, _) if version != b"HTTP/1.1" => Err(WireError::TransferCoding),
            (true, Some(_)) => Err(WireError::AmbiguousLength),
            (true, None) => Ok((Framing::Chunked, 0)),
            (false, Some(length)) => Ok((Framing::Length, length)),
            (false, None) if kind == Kind::Request => Ok((Framing::None, 0)),
            (false, None) => Ok((Framing::UntilClose, 0)),
        }
    }
}

/// Every line is `name: value` with a token as its name, and `each` sees them, values with the white space around them.
fn check_fields<'a>(section: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) -> Result<(), WireError> {
    let mut rest = section;
    while !rest.is_empty() {
        let line_len = memchr(b'\n', rest).map_or(usize::MAX, |newline| newline + 1);
        let line = take(&mut rest, line_len);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (name, value) = memchr(b':', line).and_then(|at| line.split_at_checked(at)).ok_or(WireError::FieldLine)?;
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || memchr(b'\r', value).is_some() {
            return Err(WireError::FieldLine);
        }
        each(name, value.strip_prefix(b":").unwrap_or(value));
    }
    Ok(())
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    const BYTES: &[u8] = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    #[expect(clippy::indexing_slicing, reason = "computed by the compiler; a byte is below 256")]
    const TOKEN: [bool; 256] = {
        let (mut is_token, mut left) = ([false; 256], BYTES);
        while let [byte, rest @ ..] = left {
            is_token[*byte as usize] = true;
            left = rest;
        }
        is_token
    };
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

fn chunk_size(line: &[u8]) -> Result<u64, WireError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if size.is_empty() || size.len() > 16 || !size.iter().all(u8::is_ascii_hexdigit) {
        return Err(WireError::Chunk);
    }
    let digit = |byte: &u8| u64::from(char::from(*byte).to_digit(16).unwrap_or_default());
    Ok(size.iter().fold(0, |sum, byte| (sum << 4) | digit(byte)))
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
