//! An answer as it is compared: the parts of an exchange that matter, in one piece of memory of its own.
//!
//! Exchanges borrow from the block that they were read from; what waits for its partner must not keep whole blocks.

use std::ops::Range;

use bytes::{Buf, Bytes};
use bytes::{BufMut as _, TryGetError};
use formats::head;
use formats::model::{Body, Exchange};

/// Of a request's head, as much is kept.
const REQUEST_HEAD_BYTES_MAX: usize = 16 << 10;
/// Of a request's body, as much is kept.
const REQUEST_BODY_BYTES_MAX: usize = 1 << 10;

/// What was answered to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    bytes: Box<[u8]>,
    /// Where parts end in `bytes`; each begins where the one before ends.
    request_head: u32,
    request_body: u32,
    head: u32,
    trailers: u32,
    body: u32,
    /// Bytes of the request's body as sent.
    request_body_len: u64,
    /// Bytes of the body as sent.
    pub(super) body_len: u64,
    /// The digest of the body as sent.
    pub(super) sha256: Option<[u8; 32]>,
    /// What is known of the body.
    pub(super) kept: Kept,
    /// The status; 0 for no answer.
    pub status: u16,
}

/// What is known of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kept {
    /// All of it, as sent.
    #[default]
    Whole,
    /// All of it, without its codings, with secrets replaced.
    Redacted,
    /// Not all of it.
    Part,
    /// Nothing: redaction dropped it.
    Dropped,
}

impl Kept {
    fn of(body: &Body) -> Self {
        match body {
            Body { dropped: Some(_), .. } => Self::Dropped,
            Body { redacted: Some(_), .. } => Self::Redacted,
            body if body.is_truncated() => Self::Part,
            _ => Self::Whole,
        }
    }
}

impl Answer {
    /// What an exchange says of it.
    #[must_use]
    pub fn of(exchange: &Exchange) -> Self {
        let (head, trailers): (&[u8], &[u8]) =
            exchange.response.as_ref().map_or((b"", b""), |message| (&message.head, &message.trailers));
        let none = Body::default();
        let body = exchange.response.as_ref().map_or(&none, |message| &message.body);
        let request = &exchange.request;
        let request_head = request.head.get(..REQUEST_HEAD_BYTES_MAX).unwrap_or(&request.head);
        let request_body = request.body.bytes.get(..REQUEST_BODY_BYTES_MAX).unwrap_or(&request.body.bytes);
        let parts = [request_head, request_body, head, trailers, &body.bytes];
        let mut ends = [0; 5];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for (part, end) in parts.iter().zip(&mut ends) {
            bytes.extend_from_slice(part);
            // An exchange is at most 64 MiB.
            *end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        }
        let [request_head, request_body, head_end, trailers, body_end] = ends;
        Self {
            bytes: bytes.into_boxed_slice(),
            request_head,
            request_body,
            head: head_end,
            trailers,
            body: body_end,
            request_body_len: request.body.total_len,
            body_len: body.total_len,
            sha256: body.sha256,
            kept: Kept::of(body),
            status: head::status_line(head).map_or(0, |line| line.status),
        }
    }

    fn part(&self, from: u32, to: u32) -> &[u8] {
        let range: Range<usize> = from as usize..to as usize;
        self.bytes.get(range).unwrap_or_default()
    }

    /// The head of the request.
    #[must_use]
    pub fn request_head(&self) -> &[u8] {
        self.part(0, self.request_head)
    }

    /// The body of the request, and whether it is all of it.
    #[must_use]
    pub fn request_body(&self) -> (&[u8], bool) {
        let body = self.part(self.request_head, self.request_body);
        (body, body.len() as u64 == self.request_body_len)
    }

    /// The head of the answer; empty where there was none.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.part(self.request_body, self.head)
    }

    /// The trailer section.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        self.part(self.head, self.trailers)
    }

    /// What was kept of the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.part(self.trailers, self.body)
    }

    /// Whether the body can be looked into.
    #[must_use]
    pub fn has_body(&self) -> bool {
        matches!(self.kept, Kept::Whole | Kept::Redacted)
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }

    /// Appends it to what goes to a file.
    pub fn write(&self, out: &mut Vec<u8>) {
        for number in [self.request_head, self.request_body, self.head, self.trailers, self.body] {
            out.put_u32_le(number);
        }
        out.put_u64_le(self.request_body_len);
        out.put_u64_le(self.body_len);
        out.put_u16_le(self.status);
        out.put_u8(match self.kept {
            Kept::Whole => 0,
            Kept::Redacted => 1,
            Kept::Part => 2,
            Kept::Dropped => 3,
        });
        out.put_u8(u8::from(self.sha256.is_some()));
        out.extend_from_slice(&self.sha256.unwrap_or_default());
        out.extend_from_slice(&self.bytes);
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When bytes are missing.
    pub fn read(mut from: Bytes) -> Result<Self, TryGetError> {
        let mut answer = Self {
            request_head: from.try_get_u32_le()?,
            request_body: from.try_get_u32_le()?,
            head: from.try_get_u32_le()?,
            trailers: from.try_get_u32_le()?,
            body: from.try_get_u32_le()?,
            request_body_len: from.try_get_u64_le()?,
            body_len: from.try_get_u64_le()?,
            status: from.try_get_u16_le()?,
            kept: Kept::Dropped,
            ..Self::default()
        };
        answer.kept = match from.try_get_u8()? {
            0 => Kept::Whole,
            1 => Kept::Redacted,
            2 => Kept::Part,
            _ => Kept::Dropped,
        };
        let has_digest = from.try_get_u8()? == 1;
        let mut digest = [0; 32];
        from.try_copy_to_slice(&mut digest)?;
        answer.sha256 = has_digest.then_some(digest);
        answer.bytes = from.as_ref().into();
        Ok(answer)
    }
}
