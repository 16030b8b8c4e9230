//! Reading the bodies of a block, all of them before the first exchange: what lends them needs no exchanges.

use bytes::Bytes;

use super::super::BODIES_BYTES_MAX;
use super::super::heads::HeadReader;
use super::super::values::ValueColumns;
use super::number_of;
use crate::session::number;

/// Most room that is taken for bodies by template before they are there.
const ROOM_BYTES_MAX: usize = 4 << 20;

/// What a block borrows: where the lender's record was written and with which sequence number it begins, which of the
/// bodies that it keeps, and the body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) struct Lent {
    pub(in super::super::super) offset: u64,
    pub(in super::super::super) first_seq: u64,
    pub(in super::super::super) kept: u64,
    pub(in super::super::super) len: u64,
}

/// A body that a block stores.
struct Own {
    /// Where it ends in the bytes that it is among, and how long it is.
    end: usize,
    len: u32,
    has_template: bool,
    is_kept: bool,
    /// Whether a number named it.
    is_named: bool,
}

/// The bodies of a block being read.
pub(in super::super) struct BodyReader {
    own: Vec<Own>,
    /// Those that are stored as they are, and those that templates made.
    heap: Bytes,
    joined: Bytes,
    /// The first that no number named.
    next: usize,
    /// What it borrows, or its length where the lender is lost.
    borrowed: Vec<Result<Bytes, u64>>,
}

/// A body, or the length of one that is lost.
pub(in super::super) enum Found {
    Bytes(Bytes),
    Lost(u64),
}

impl BodyReader {
    /// Takes the columns of bodies apart: their lengths, the bytes of those that have no template, and the templates.
    pub(in super::super) fn new(
        lens: &[u8],
        heap: &Bytes,
        templates: Option<&Bytes>,
        heads: &HeadReader,
        values: &mut ValueColumns,
    ) -> Option<Self> {
        let (mut lens, mut numbers) = (lens, templates.map(|column| &column[..]));
        let mut own = Vec::new();
        let mut joined = Vec::with_capacity(joined_len(lens, heap).min(ROOM_BYTES_MAX));
        let (mut plain, mut left) = (0_usize, BODIES_BYTES_MAX);
        while !lens.is_empty() {
            let len = number::take_wide(&mut lens)?;
            let (len, is_kept) = (usize::try_from(len >> 1).ok()?, len & 1 == 1);
            left = left.checked_sub(len)?;
            let template = numbers.as_mut().map_or(Some(0), number::take)?;
            let end = match template {
                0 => {
                    plain = plain.checked_add(len)?;
                    plain
                }
                _ => {
                    let mut next = Some(template);
                    let end = joined.len().checked_add(len)?;
                    loop {
                        let template = usize::try_from(next?.checked_sub(1)?).ok()?;
                        heads.join_body(template, end, values, &mut joined)?;
                        if joined.len() == end {
                            break end;
                        }
                        next = numbers.as_mut().and_then(number::take);
                    }
                }
            };
            let len = u32::try_from(len).ok()?;
            let own_body = Own { end, len, has_template: template != 0, is_kept, is_named: false };
            super::super::add(&mut own, own_body)?;
        }
        if plain > heap.len() {
            return None;
        }
        values.forget();
        Some(Self { own, heap: heap.clone(), joined: Bytes::from(joined), next: 0, borrowed: Vec::new() })
    }

    /// What is borrowed, in order.
    pub(in super::super) fn lent(column: &[u8]) -> Option<Vec<Lent>> {
        let mut rest = column;
        let mut all = Vec::new();
        while !rest.is_empty() {
            let mut next = || number::take(&mut rest);
            let lent = Lent { offset: next()?, first_seq: next()?, kept: next()?, len: next()? };
            super::super::add(&mut all, lent)?;
        }
        Some(all)
    }

    pub(in super::super) fn set_borrowed(&mut self, borrowed: Vec<Result<Bytes, u64>>) {
        self.borrowed = borrowed;
    }

    /// The bodies that later blocks may borrow, in order.
    pub(in super::super) fn kept(&self) -> impl Iterator<Item = Bytes> {
        self.own.iter().filter(|own| own.is_kept).map(|own| self.bytes(own))
    }

    fn bytes(&self, own: &Own) -> Bytes {
        let all = if own.has_template { &self.joined } else { &self.heap };
        all.slice(own.end - own.len as usize..own.end)
    }

    pub(in super::super) fn take(&mut self, which: u64) -> Option<Found> {
        match which {
            number_of::NONE => Some(Found::Bytes(Bytes::new())),
            number_of::NEXT => {
                while self.own.get(self.next)?.is_named {
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
        self.own.get_mut(place)?.is_named = true;
        self.own.get(place).map(|own| Found::Bytes(self.bytes(own)))
    }
}

/// How many bytes have the bodies of a right block that are not in its heap.
fn joined_len(mut lens: &[u8], heap: &[u8]) -> usize {
    let lens = std::iter::from_fn(|| number::take(&mut lens));
    let all = lens.fold(0_usize, |all, len| all.saturating_add(usize::try_from(len >> 1).unwrap_or(usize::MAX)));
    all.saturating_sub(heap.len())
}
