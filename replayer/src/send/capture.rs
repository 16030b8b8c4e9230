//! Keeping an answer while it is read: its heads, the beginning of its body, and a digest of all of it.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use formats::model::Framing;
use sha2::{Digest, Sha256};

use super::{Counters, SendOptions};
use crate::job::{Answer, Facts, Held};

/// Informational answers that are kept.
const INFORMATIONAL_MAX: usize = 16;
/// Sizes of chunks that are kept, as in a session.
const CHUNKS_MAX: u64 = 65_536;

/// An answer that is being read.
pub(super) struct Capture {
    answer: Box<Answer>,
    body: BytesMut,
    body_max: u64,
    kept_max: u64,
    chunk_count: u64,
    digest: Sha256,
}

impl Capture {
    /// For one answer; `None` when answers are not kept.
    pub(super) fn new(options: &SendOptions, facts: &Facts, counters: &Counters) -> Option<Box<Self>> {
        let body_max = options.keep_answers.bytes(facts)?;
        let held = Held::of(std::sync::Arc::clone(&counters.kept_bytes));
        Some(Box::new(Self {
            answer: Box::new(Answer { held, ..Answer::default() }),
            body: BytesMut::new(),
            body_max,
            kept_max: options.kept_bytes_max,
            chunk_count: 0,
            digest: Sha256::new(),
        }))
    }

    pub(super) fn head(&mut self, head: Bytes, framing: Framing) {
        (self.answer.head, self.answer.framing) = (head, Some(framing));
    }

    pub(super) fn informational(&mut self, head: Bytes) {
        if self.answer.informational.len() < INFORMATIONAL_MAX {
            self.answer.informational.push(head);
        }
    }

    pub(super) fn chunk(&mut self, size: u64) {
        self.chunk_count += 1;
        if self.chunk_count <= CHUNKS_MAX {
            self.answer.chunks.push(size);
        } else {
            self.answer.chunks = Vec::new();
        }
    }

    pub(super) fn data(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.answer.total_len += bytes.len() as u64;
        let room = usize::try_from(self.body_max).unwrap_or(usize::MAX).saturating_sub(self.body.len());
        let part = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        if part.is_empty() || self.answer.left_out {
            return;
        }
        if self.answer.held.grow(part.len() as u64, self.kept_max) {
            self.body.extend_from_slice(part);
        } else {
            self.answer.left_out = true;
            self.body = BytesMut::new();
            self.answer.held.release();
        }
    }

    pub(super) fn trailers(&mut self, lines: Bytes) {
        self.answer.trailers = lines;
    }

    /// What there is of it, whole or not; `None` if nothing came.
    pub(super) fn finish(mut self, counters: &Counters) -> Option<Box<Answer>> {
        if self.answer.framing.is_none() && self.answer.informational.is_empty() {
            return None;
        }
        if self.answer.left_out {
            counters.bodies_left_out.fetch_add(1, Ordering::Relaxed);
        }
        self.answer.body = self.body.freeze();
        self.answer.sha256 = self.digest.finalize().into();
        Some(self.answer)
    }
}
