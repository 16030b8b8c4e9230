//! Bodies that repeat: stored once in a block, and once in a segment where they are seen in several blocks.
//!
//! A writer keeps no bodies of earlier blocks, only their hashes. A fast hash tells that a body may have been there before;
//! what is borrowed is decided by Poly1305 under a random key, which gives two different bodies of 30 MiB the same value
//! with a chance of less than 2⁻⁸², whoever chose them. It is computed for bodies that come a second time only, so that
//! bodies which never repeat do not pay for it.

mod json;
mod read;
mod templates;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::ops::Range;

use bytes::Bytes;
use foldhash::HashMap;
use foldhash::fast::RandomState;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;

pub(in super::super) use read::Lent;
pub(super) use read::{BodyReader, Found};
pub(super) use templates::BODY_BYTES_MAX as TEMPLATE_BODY_BYTES_MAX;

use super::super::number;
use super::values::ValueWriter;
use templates::Templates;

/// Kept bodies of a segment that may lie between one that is borrowed and its borrower.
pub(crate) const BORROWED_BYTES_MAX: u64 = 32 << 20;
/// Shorter bodies are not borrowed: pointing to them costs as much.
const BORROWED_LEN_MIN: usize = 64;
/// Different bodies of earlier blocks that are remembered.
const REMEMBERED_MAX: usize = 32_768;
/// A body takes at least such a part of its length from a block, so that what is short in a file does not get long in
/// memory.
const LEN_COUNTED: usize = 2;

/// What a body's number says in the columns (docs/SPEC.md §6).
mod number_of {
    pub(super) const NONE: u64 = 0;
    pub(super) const NEXT: u64 = 1;
    pub(super) const OWN: u64 = 2;
    pub(super) const BORROWED: u64 = 3;
}

/// Where a kept body is: where its block's record begins in the segment, the block's first sequence number, and its own
/// number among those that the block keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    block: u32,
    first_seq: u64,
    kept: u32,
}

/// A body that was seen in this segment.
#[derive(Clone, Copy)]
struct Seen {
    /// Its certain hash and where it is, once it came a second time.
    kept: Option<([u8; 16], Place)>,
    /// What had been kept in the segment when it was.
    at_bytes: u64,
}

/// A body of this block.
struct Own {
    at: Range<usize>,
    /// Which heap it stands in.
    has_template: bool,
}

/// The bodies of a block, and what is known of those before it.
pub(super) struct BodyWriter {
    lens: Vec<u8>,
    /// Those that are stored as they are.
    heap: Vec<u8>,
    /// Those that are stored by templates: one that comes again is compared.
    by_template: Vec<u8>,
    own: Vec<Own>,
    templates: Templates,
    /// For each body the templates of its parts, from 1, or 0 where it is stored as it is.
    parts: Vec<u32>,
    own_known: HashMap<u64, u32>,
    kept_in_block: u32,
    /// Each with its length, which is all that is left of it if the lender is lost.
    borrowed: Vec<(Place, usize)>,
    borrowed_known: HashMap<Place, u32>,
    block: u32,
    first_seq: u64,
    seen: HashMap<u64, Seen>,
    /// The keys of `seen` in the order in which they came.
    order: VecDeque<u64>,
    kept_bytes: u64,
    hasher: RandomState,
    key: poly1305::Key,
}

impl BodyWriter {
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut key = poly1305::Key::default();
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        Ok(Self {
            lens: Vec::new(),
            heap: Vec::new(),
            by_template: Vec::new(),
            own: Vec::new(),
            templates: Templates::default(),
            parts: Vec::new(),
            own_known: HashMap::default(),
            kept_in_block: 0,
            borrowed: Vec::new(),
            borrowed_known: HashMap::default(),
            block: 0,
            first_seq: 0,
            seen: HashMap::default(),
            order: VecDeque::new(),
            kept_bytes: 0,
            hasher: RandomState::default(),
            key,
        })
    }

    /// Tells the sequence number of the block's first exchange.
    pub(super) fn begin(&mut self, first_seq: u64) {
        self.first_seq = first_seq;
    }

    /// Adds a body and returns the number that stands for it, and by how many bytes the columns grew.
    pub(super) fn put(&mut self, body: &Bytes) -> (u64, usize) {
        if body.is_empty() {
            return (number_of::NONE, 0);
        }
        let key = self.hasher.hash_one(&body[..]);
        if let Some(own) = self.own_known.get(&key)
            && self.own.get(*own as usize).and_then(|own| self.own(own)) == Some(&body[..])
        {
            return (number_of::OWN + 2 * u64::from(*own), 2);
        }
        let mut keep = None;
        if body.len() >= BORROWED_LEN_MIN
            && let Some(seen) = self.seen.get(&key).copied()
        {
            let certain: [u8; 16] = Poly1305::new(&self.key).compute_unpadded(body).into();
            match seen.kept {
                Some((hash, place)) if hash == certain && self.kept_bytes - seen.at_bytes <= BORROWED_BYTES_MAX => {
                    return (number_of::BORROWED + 2 * u64::from(self.borrow(place, body.len())), 3);
                }
                _ => keep = Some(certain),
            }
        }
        self.store(key, body, keep)
    }

    fn own(&self, own: &Own) -> Option<&[u8]> {
        let heap = if own.has_template { &self.by_template } else { &self.heap };
        heap.get(own.at.clone())
    }

    fn borrow(&mut self, place: Place, len: usize) -> u32 {
        let next = u32::try_from(self.borrowed.len()).unwrap_or(u32::MAX);
        let borrowed = &mut self.borrowed;
        *self.borrowed_known.entry(place).or_insert_with(|| {
            borrowed.push((place, len));
            next
        })
    }

    fn store(&mut self, key: u64, body: &Bytes, keep: Option<[u8; 16]>) -> (u64, usize) {
        self.own_known.insert(key, u32::try_from(self.own.len()).unwrap_or(u32::MAX));
        let by_template = self.templates.put(body, &mut self.parts);
        let heap = match by_template {
            Some(_) => &mut self.by_template,
            None => {
                self.parts.push(0);
                &mut self.heap
            }
        };
        let from = heap.len();
        heap.extend_from_slice(body);
        self.own.push(Own { at: from..heap.len(), has_template: by_template.is_some() });
        number::put(&mut self.lens, body.len() as u64 * 2 + u64::from(keep.is_some()));
        if body.len() >= BORROWED_LEN_MIN {
            let at_bytes = self.kept_bytes;
            let place = Place { block: self.block, first_seq: self.first_seq, kept: self.kept_in_block };
            let kept = keep.map(|hash| (hash, place));
            if kept.is_some() {
                self.kept_in_block += 1;
                self.kept_bytes += body.len() as u64;
            }
            if self.seen.insert(key, Seen { kept, at_bytes }).is_none() {
                self.order.push_back(key);
            }
            if self.order.len() > REMEMBERED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
        let grown = by_template.map_or(body.len(), |grown| grown.max(body.len() / LEN_COUNTED));
        (number_of::NEXT, grown + 3)
    }

    /// The columns of bodies in the order of their numbers: lengths, bytes, templates. `templates` has those of heads and gets
    /// those of bodies, and value columns from `first_column` on are theirs.
    pub(super) fn columns(&self, heads: usize, first_column: usize, templates: &mut Vec<u8>) -> [Cow<'_, [u8]>; 3] {
        let mut parts = Vec::new();
        // A column of zeros is not written.
        if !self.templates.is_empty() {
            self.templates.encode(first_column, templates);
            let number = |part: &u32| if *part == 0 { 0 } else { heads as u64 + u64::from(*part) };
            self.parts.iter().for_each(|part| number::put(&mut parts, number(part)));
        }
        [Cow::Borrowed(&self.lens), Cow::Borrowed(&self.heap), Cow::Owned(parts)]
    }

    /// The value columns of bodies in order.
    pub(super) fn values(&mut self) -> impl Iterator<Item = (usize, &mut ValueWriter)> {
        self.templates.values()
    }

    /// The borrowed bodies; `offset` is where a block of this segment begins.
    pub(super) fn borrowed(&self, offset: impl Fn(usize) -> Option<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        for (place, len) in &self.borrowed {
            let offset = offset(place.block as usize).unwrap_or(0);
            let entry = [offset, place.first_seq, u64::from(place.kept), *len as u64];
            entry.into_iter().for_each(|part| number::put(&mut out, part));
        }
        out
    }

    /// Begins the next block; what was seen is remembered. Room beyond `keep` bytes is given back.
    pub(super) fn next_block(&mut self, keep: usize) {
        self.lens.clear();
        self.own.clear();
        self.own_known.clear();
        self.templates.clear(keep);
        self.parts.clear();
        self.kept_in_block = 0;
        self.borrowed.clear();
        self.borrowed_known.clear();
        self.block += 1;
        for heap in [&mut self.heap, &mut self.by_template] {
            heap.clear();
            if heap.capacity() > keep {
                *heap = Vec::new();
            }
        }
    }

    /// Begins the next segment, in which nothing has been seen.
    pub(super) fn next_segment(&mut self) {
        self.next_block(0);
        self.block = 0;
        self.seen.clear();
        self.order.clear();
        self.kept_bytes = 0;
    }
}
