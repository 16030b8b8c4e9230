//! A message as it comes together.

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::message::Step;
use super::pieces::Pieces;
use crate::head;
use crate::model::{Body, Framing, Message};

/// Chunk sizes that are kept of a body; of a body with more, none are.
pub(super) const CHUNKS_MAX: usize = 65_536;

/// What is there of a message so far.
#[derive(Debug, Default)]
pub(super) struct Part {
    head: Bytes,
    framing: Framing,
    body: BytesMut,
    total_len: u64,
    /// Of all content, from when not all of it is kept.
    digest: Option<Box<Sha256>>,
    chunks: Vec<u64>,
    chunk_count: usize,
    trailers: Bytes,
    pieces: Pieces,
    is_whole: bool,
}

impl Part {
    pub(super) fn new(head: Bytes, framing: Framing) -> Self {
        Self { head, framing, ..Self::default() }
    }

    /// A response. Of an event stream, every arrival is a piece; what has a length is no stream.
    pub(super) fn response(head: Bytes, framing: Framing) -> Self {
        let mut part = Self::new(head, framing);
        if matches!(framing, Framing::Chunked | Framing::UntilClose)
            && head::value(&part.head, "content-type").is_some_and(is_event_stream)
        {
            part.pieces.every_arrival();
        }
        part
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(super) fn into_head(self) -> Bytes {
        self.head
    }

    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let digest = if self.digest.is_some() { size_of::<Sha256>() } else { 0 };
        let numbers = self.chunks.len() * size_of::<u64>() + self.pieces.held_bytes();
        self.head.len() + self.body.len() + self.trailers.len() + numbers + digest
    }

    /// Takes what arrived.
    pub(super) fn take(&mut self, at_ns: u64, step: Step<'_>, body_bytes_max: usize) {
        match step {
            Step::Data(data) => {
                self.total_len += data.len() as u64;
                self.pieces.arrive(at_ns, data.len() as u64);
                let room = body_bytes_max.saturating_sub(self.body.len());
                let kept = data.get(..data.len().min(room)).unwrap_or_default();
                if kept.len() < data.len() {
                    let so_far = || Box::new(Sha256::new_with_prefix(&self.body));
                    self.digest.get_or_insert_with(so_far).update(data);
                }
                self.body.extend_from_slice(kept);
            }
            Step::Chunk(size) => {
                self.chunk_count += 1;
                if self.chunk_count > CHUNKS_MAX {
                    self.chunks = Vec::new();
                } else {
                    self.chunks.push(size);
                }
            }
            Step::Trailers(lines) => self.trailers = lines,
            Step::End => self.is_whole = true,
            Step::NeedMore | Step::Head(..) | Step::Opaque(_) => {}
        }
    }

    pub(super) fn finish(self) -> Message {
        // The digest of a part would be taken for that of the whole.
        let sha256 = self.digest.filter(|_| self.is_whole).map(|digest| digest.finalize().into());
        let body = Body {
            bytes: self.body.freeze(),
            total_len: self.total_len,
            chunks: self.chunks,
            sha256,
            ..Body::default()
        };
        let (framing, trailers) = (self.framing, self.trailers);
        Message { head: self.head, framing, body, trailers, pieces: self.pieces.finish() }
    }
}

fn is_event_stream(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}
