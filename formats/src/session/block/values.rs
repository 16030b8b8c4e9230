//! Value columns: what fills the holes of heads, each different value once.

use std::hash::BuildHasher as _;

use bytes::Bytes;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::super::number;
use super::VALUES_MAX;

/// Each client's latest value or template, by the client's number in the block.
#[derive(Default)]
pub(super) struct Latest(Vec<u32>);

impl Latest {
    pub(super) fn get(&self, client: usize) -> Option<usize> {
        self.0.get(client).and_then(|place| place.checked_sub(1)).map(|place| place as usize)
    }

    pub(super) fn set(&mut self, client: usize, place: usize) {
        if self.0.len() <= client {
            self.0.resize(client + 1, 0);
        }
        if let Some(slot) = self.0.get_mut(client) {
            *slot = u32::try_from(place + 1).unwrap_or(0);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A value column being written.
#[derive(Default)]
pub(super) struct ValueWriter {
    refs: Vec<u8>,
    lens: Vec<u8>,
    heap: Vec<u8>,
    /// Where each different value stands in the heap.
    ends: Vec<usize>,
    known: HashTable<u32>,
    latest: Latest,
    hasher: RandomState,
}

impl ValueWriter {
    /// Adds `value`; returns by how many bytes the column grew.
    pub(super) fn put(&mut self, client: usize, value: &[u8]) -> usize {
        if let Some(latest) = self.latest.get(client)
            && at(&self.heap, &self.ends, latest) == value
        {
            self.refs.push(0);
            return 1;
        }
        let Self { refs, lens, heap, ends, known, latest, hasher } = self;
        let hash = hasher.hash_one(value);
        if let Some(place) = known.find(hash, |place| at(heap, ends, *place as usize) == value) {
            latest.set(client, *place as usize);
            number::put_sum(refs, u64::from(*place), 2);
            return 2;
        }
        let place = ends.len();
        heap.extend_from_slice(value);
        ends.push(heap.len());
        // A block has fewer exchanges than a u32 counts; a value that is not known is stored again.
        if let Ok(place) = u32::try_from(place) {
            known.insert_unique(hash, place, |place| hasher.hash_one(at(heap, ends, *place as usize)));
        }
        latest.set(client, place);
        refs.push(1);
        number::put(lens, value.len() as u64);
        value.len() + 2
    }

    /// The column's three parts as one.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        number::put(out, self.refs.len() as u64);
        out.extend_from_slice(&self.refs);
        number::put(out, self.lens.len() as u64);
        out.extend_from_slice(&self.lens);
        out.extend_from_slice(&self.heap);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }

    /// Forgets everything but the room it took.
    pub(super) fn clear(&mut self) {
        self.refs.clear();
        self.lens.clear();
        self.heap.clear();
        self.ends.clear();
        self.known.clear();
        self.latest.clear();
    }
}

fn at<'a>(heap: &'a [u8], ends: &[usize], place: usize) -> &'a [u8] {
    let start = place.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(place).and_then(|end| heap.get(start..*end)).unwrap_or_default()
}

/// How many values a column counts as beside its own: what it takes without any.
const VALUES_OF_A_COLUMN: usize = 8;

/// The value columns of a block by their numbers, which rise and are not believed: memory is taken for those that are there.
#[derive(Default)]
pub(super) struct ValueColumns {
    columns: Vec<(usize, ValueReader)>,
    /// Columns and values together.
    count: usize,
}

impl ValueColumns {
    /// Adds a column whose number is above that of the last one.
    pub(super) fn push(&mut self, number: usize, values: ValueReader) -> Result<(), String> {
        self.count += values.values.len() + VALUES_OF_A_COLUMN;
        if self.count > VALUES_MAX {
            return Err(format!("the value columns of a block hold more than {VALUES_MAX} values"));
        }
        self.columns.push((number, values));
        Ok(())
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut ValueReader> {
        // A writer leaves out none, so that a column mostly stands where its number says.
        let place = match self.columns.get(number) {
            Some((found, _)) if *found == number => number,
            _ => self.columns.binary_search_by_key(&number, |(found, _)| *found).ok()?,
        };
        self.columns.get_mut(place).map(|(_, values)| values)
    }

    /// A column in which numbers are left.
    pub(super) fn left(&self) -> Option<usize> {
        self.columns.iter().find(|(_, values)| !values.is_empty()).map(|(number, _)| *number)
    }
}

/// A value column being read.
#[derive(Default)]
pub(super) struct ValueReader {
    column: Bytes,
    /// Where the numbers that are not read yet stand.
    refs: (usize, usize),
    /// Where the different values stand, those that were not new yet included.
    values: Vec<(usize, usize)>,
    seen: usize,
    latest: Latest,
}

impl ValueReader {
    pub(super) fn new(column: Bytes) -> Option<Self> {
        let mut rest = &column[..];
        let refs_len = number::take(&mut rest)?;
        let refs_at = column.len() - rest.len();
        let refs = number::take_bytes(&mut rest, refs_len)?;
        let refs = (refs_at, refs_at + refs.len());
        let lens_len = number::take(&mut rest)?;
        let mut lens = number::take_bytes(&mut rest, lens_len)?;
        let mut at = column.len() - rest.len();
        let mut values = Vec::new();
        while !lens.is_empty() {
            if values.len() == VALUES_MAX {
                return None;
            }
            let len = number::take(&mut lens)?;
            number::take_bytes(&mut rest, len)?;
            let end = column.len() - rest.len();
            values.push((at, end));
            at = end;
        }
        Some(Self { column, refs, values, seen: 0, latest: Latest::default() })
    }

    /// Whether every number was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.refs.0 == self.refs.1
    }

    /// The next value.
    pub(super) fn take(&mut self, client: usize) -> Option<&[u8]> {
        let mut refs = self.column.get(self.refs.0..self.refs.1)?;
        let which = number::take(&mut refs)?;
        self.refs.0 = self.refs.1 - refs.len();
        let place = match which {
            0 => self.latest.get(client)?,
            1 => {
                self.seen += 1;
                self.seen - 1
            }
            n => usize::try_from(n - 2).ok().filter(|place| *place < self.seen)?,
        };
        let (from, to) = *self.values.get(place)?;
        if which != 0 {
            self.latest.set(client, place);
        }
        self.column.get(from..to)
    }
}
