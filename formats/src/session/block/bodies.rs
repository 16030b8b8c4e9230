//! Bodies that repeat: stored once in a block, and once in a segment where they are seen in several blocks.
//!
//! A writer keeps no bodies of earlier blocks, only their hashes. A fast hash tells that a body may have been there before;
//! what is borrowed is decided by Poly1305 under a random key, which gives two different bodies of 30 MiB the same value
//! with a chance of less than 2⁻⁸², whoever chose them. It is computed for bodies that come a second time only, so that
//! bodies which never repeat do not pay for it.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use bytes::Bytes;
use foldhash::HashMap;
use foldhash::fast::RandomState;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;

use super::super::number;

/// Kept bodies of a segment that may lie between one that is borrowed and its borrower.
pub(crate) const BORROWED_BYTES_MAX: u64 = 32 << 20;
/// Shorter bodies are not borrowed: pointing to them costs as much.
const BORROWED_LEN_MIN: usize = 64;
/// Different bodies of earlier blocks that are remembered.
const REMEMBERED_MAX: usize = 32_768;

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

/// The bodies of a block, and what is known of those before it.
pub(super) struct BodyWriter {
    lens: Vec<u8>,
    heap: Vec<u8>,
    /// This block's: where each stands, and whether it is kept.
    own: Vec<(usize, usize)>,
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
            own: Vec::new(),
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
            && self.own.get(*own as usize).and_then(|(from, to)| self.heap.get(*from..*to)) == Some(&body[..])
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

    fn borrow(&mut self, place: Place, len: usize) -> u32 {
        let next = u32::try_from(self.borrowed.len()).unwrap_or(u32::MAX);
        let borrowed = &mut self.borrowed;
        *self.borrowed_known.entry(place).or_insert_with(|| {
            borrowed.push((place, len));
            next
        })
    }

    fn store(&mut self, key: u64, body: &Bytes, keep: Option<[u8; 16]>) -> (u64, usize) {
        let from = self.heap.len();
        self.heap.extend_from_slice(body);
        self.own_known.insert(key, u32::try_from(self.own.len()).unwrap_or(u32::MAX));
        self.own.push((from, self.heap.len()));
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
        (number_of::NEXT, body.len() + 3)
    }

    pub(super) fn lens(&self) -> &[u8] {
        &self.lens
    }

    pub(super) fn heap(&self) -> &[u8] {
        &self.heap
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

    /// Begins the next block; what was seen is remembered.
    pub(super) fn next_block(&mut self) {
        self.lens.clear();
        self.heap.clear();
        self.own.clear();
        self.own_known.clear();
        self.kept_in_block = 0;
        self.borrowed.clear();
        self.borrowed_known.clear();
        self.block += 1;
    }

    /// Begins the next segment, in which nothing has been seen.
    pub(super) fn next_segment(&mut self) {
        self.next_block();
        self.block = 0;
        self.seen.clear();
        self.order.clear();
        self.kept_bytes = 0;
    }

    /// Gives back more room than a block usually takes.
    pub(super) fn shrink(&mut self, bytes: usize) {
        if self.heap.capacity() > bytes {
            self.heap = Vec::new();
        }
    }
}

/// What a block borrows: where the lender's record was written and with which sequence number it begins, which of the
/// bodies that it keeps, and the body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Lent {
    pub(in super::super) offset: u64,
    pub(in super::super) first_seq: u64,
    pub(in super::super) kept: u64,
    pub(in super::super) len: u64,
}

/// The bodies of a block being read.
pub(super) struct BodyReader {
    /// Each, and whether it is kept.
    own: Vec<(Bytes, bool)>,
    /// Whether a number named each, and the first that none did.
    named: Vec<bool>,
    next: usize,
    /// What it borrows, or its length where the lender is lost.
    borrowed: Vec<Result<Bytes, u64>>,
}

/// A body, or the length of one that is lost.
pub(super) enum Found {
    Bytes(Bytes),
    Lost(u64),
}

impl BodyReader {
    pub(super) fn new(lens: &[u8], heap: &Bytes) -> Option<Self> {
        let (mut lens, mut at) = (lens, 0_usize);
        let mut own = Vec::new();
        while !lens.is_empty() {
            let len = number::take_wide(&mut lens)?;
            let end = at.checked_add(usize::try_from(len >> 1).ok()?)?;
            if end > heap.len() {
                return None;
            }
            super::add(&mut own, (heap.slice(at..end), len & 1 == 1))?;
            at = end;
        }
        Some(Self { named: vec![false; own.len()], own, next: 0, borrowed: Vec::new() })
    }

    /// What is borrowed, in order.
    pub(super) fn lent(column: &[u8]) -> Option<Vec<Lent>> {
        let mut rest = column;
        let mut all = Vec::new();
        while !rest.is_empty() {
            let mut next = || number::take(&mut rest);
            let lent = Lent { offset: next()?, first_seq: next()?, kept: next()?, len: next()? };
            super::add(&mut all, lent)?;
        }
        Some(all)
    }

    pub(super) fn set_borrowed(&mut self, borrowed: Vec<Result<Bytes, u64>>) {
        self.borrowed = borrowed;
    }

    /// The bodies that later blocks may borrow, in order.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Bytes> {
        self.own.iter().filter(|(_, kept)| *kept).map(|(body, _)| body)
    }

    pub(super) fn take(&mut self, which: u64) -> Option<Found> {
        match which {
            number_of::NONE => Some(Found::Bytes(Bytes::new())),
            number_of::NEXT => {
                while *self.named.get(self.next)? {
                    self.next += 1;
                }
                self.take_own(self.next)
            }
            n if n % 2 == number_of::OWN % 2 => self.take_own(usize::try_from((n - number_of::OWN) / 2).ok()?),
            n => {
                let place = usize::try_from((n - number_of::BORROWED) / 2).ok()?;
                Some(self.borrowed.get(place)?.clone().map_or_else(Found::Lost, Found::Bytes))
            }
        }
    }

    fn take_own(&mut self, place: usize) -> Option<Found> {
        *self.named.get_mut(place)? = true;
        self.own.get(place).map(|(body, _)| Found::Bytes(body.clone()))
    }
}
