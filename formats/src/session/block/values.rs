//! Value columns: what fills the holes of templates, those of heads and those of bodies. A writer stores each different value
//! of a column once, and refers to it wherever it comes again.

use std::hash::BuildHasher as _;

use bytes::Bytes;
use foldhash::HashMap;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::super::number;
use super::{REFERENCES_MAX, VALUES_MAX};

/// Each client's latest value or template, by the client's number in the block.
///
/// There is room for the clients up to so many times as far as there were values: a block may name four million clients and as
/// many columns, of which a few bytes reach each, so that room up to the client in each column would be terabytes. So a
/// value takes sixteen bytes of a list, or some twenty of a map, and the columns of a block have [`REFERENCES_MAX`] together.
#[derive(Default)]
pub(super) struct Latest {
    near: Vec<u32>,
    /// Of clients that were further away when they came.
    far: HashMap<u32, u32>,
    sets: usize,
}

/// Room in a list of clients for each value that was put into it.
const ROOM_OF_A_VALUE: usize = 4;

impl Latest {
    pub(super) fn get(&self, client: usize) -> Option<usize> {
        let near = self.near.get(client).and_then(|place| place.checked_sub(1));
        near.or_else(|| self.far.get(&u32::try_from(client).ok()?).copied()).map(|place| place as usize)
    }

    pub(super) fn set(&mut self, client: usize, place: usize) {
        let (Ok(place), Ok(number)) = (u32::try_from(place), u32::try_from(client)) else { return };
        self.sets += 1;
        if self.near.len() <= client {
            if client / ROOM_OF_A_VALUE >= self.sets {
                self.far.insert(number, place);
                return;
            }
            self.near.resize(client + 1, 0);
        }
        if let Some(slot) = self.near.get_mut(client) {
            *slot = place.saturating_add(1);
        }
    }

    pub(super) fn clear(&mut self) {
        self.near.clear();
        self.far.clear();
        self.sets = 0;
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
    /// The hash of each and its place, so that a table that grows looks at no values.
    known: HashTable<(u32, u32)>,
    latest: Latest,
    hasher: RandomState,
}

impl ValueWriter {
    /// The client's latest value and its place.
    pub(super) fn latest(&self, client: usize) -> Option<(usize, &[u8])> {
        let place = self.latest.get(client)?;
        Some((place, at(&self.heap, &self.ends, place)))
    }

    /// Adds `value`, which is the one at `place` where that is told; returns by how many bytes the column grew.
    pub(super) fn put_at(&mut self, client: usize, place: Option<usize>, value: &[u8]) -> usize {
        if place.is_some() && self.latest.get(client) == place {
            self.refs.push(0);
            return 1;
        }
        self.put(client, value)
    }

    /// Adds `value`; returns by how many bytes the column grew.
    pub(super) fn put(&mut self, client: usize, value: &[u8]) -> usize {
        if let Some(latest) = self.latest.get(client)
            && at(&self.heap, &self.ends, latest) == value
        {
            self.refs.push(0);
            return 1;
        }
        let Self { refs, lens, heap, ends, known, latest, hasher } = self;
        let place = ends.len();
        let hash = (hasher.hash_one(value) >> 32) as u32;
        let is_it = |(other, place): &(u32, u32)| *other == hash && at(heap, ends, *place as usize) == value;
        match known.entry(spread(hash), is_it, |(hash, _)| spread(*hash)) {
            Entry::Occupied(known) => {
                let place = known.get().1;
                latest.set(client, place as usize);
                number::put_sum(refs, u64::from(place), 2);
                return 2;
            }
            // A block has fewer exchanges than a u32 counts; a value that is not known is stored again.
            Entry::Vacant(unknown) => {
                if let Ok(place) = u32::try_from(place) {
                    unknown.insert((hash, place));
                }
            }
        }
        heap.extend_from_slice(value);
        ends.push(heap.len());
        latest.set(client, place);
        refs.push(1);
        number::put(lens, value.len() as u64);
        value.len() + 2
    }

    /// The column's three parts as one; returns the length of the last.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> usize {
        number::put(out, self.refs.len() as u64);
        out.extend_from_slice(&self.refs);
        number::put(out, self.lens.len() as u64);
        out.extend_from_slice(&self.lens);
        out.extend_from_slice(&self.heap);
        self.heap.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }

    /// About how many bytes it keeps for the next block.
    pub(super) fn room(&self) -> usize {
        let places = self.ends.capacity() * size_of::<usize>() + self.known.capacity() * size_of::<(u32, u32)>();
        self.refs.capacity() + self.lens.capacity() + self.heap.capacity() + places
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

/// A hash of half the size over all of its bits, as the table wants it.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn at<'a>(heap: &'a [u8], ends: &[usize], place: usize) -> &'a [u8] {
    let start = place.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(place).and_then(|end| heap.get(start..*end)).unwrap_or_default()
}

/// Values for which room is taken before they are there.
const VALUES_AT_ONCE: usize = 1 << 14;
/// How many values a column counts as beside its own: what it takes without any.
const VALUES_OF_A_COLUMN: usize = 8;

/// The value columns of a block by their numbers, which rise and are not believed: memory is taken for those that are there.
#[derive(Default)]
pub(super) struct ValueColumns {
    columns: Vec<(usize, ValueReader)>,
    /// Columns and values together.
    count: usize,
    /// References that were asked for and say what a client's latest value is from then on.
    references: usize,
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

    /// The next value of the column `number`.
    pub(super) fn take(&mut self, number: usize, client: usize) -> Result<&[u8], String> {
        let Self { columns, references, count: _ } = self;
        // A writer leaves out none, so that a column mostly stands where its number says.
        let place = match columns.get(number) {
            Some((found, _)) if *found == number => Some(number),
            _ => columns.binary_search_by_key(&number, |(found, _)| *found).ok(),
        };
        let column = place.and_then(|place| columns.get_mut(place));
        let value = column.and_then(|(_, values)| values.take(client, references));
        if *references > REFERENCES_MAX {
            return Err(format!("the value columns of a block have more than {REFERENCES_MAX} references"));
        }
        value.ok_or_else(|| format!("value column {number} has no such value"))
    }

    /// Forgets which values came last, of bodies: clients ask later.
    pub(super) fn forget(&mut self) {
        self.columns.iter_mut().for_each(|(_, values)| values.latest.clear());
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
        // A length takes a byte mostly.
        let mut values = Vec::with_capacity(lens.len().min(VALUES_AT_ONCE));
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

    /// The next value. Counts the reference, unless it is to the client's latest value, for which no memory is taken.
    fn take(&mut self, client: usize, references: &mut usize) -> Option<&[u8]> {
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
            *references += 1;
            self.latest.set(client, place);
        }
        self.column.get(from..to)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_latest_of_each_client_is_known_in_room_for_what_was_set(
            sets in prop::collection::vec((prop_oneof![0..40_usize, 0..4_000_000_usize], 0..9_usize), 0..80),
        ) {
            let (mut latest, mut expected) = (Latest::default(), std::collections::BTreeMap::new());
            for (number, (client, place)) in sets.iter().enumerate() {
                latest.set(*client, *place);
                expected.insert(*client, *place);
                prop_assert!(latest.near.len() <= ROOM_OF_A_VALUE * (number + 1));
                for (client, place) in &expected {
                    prop_assert_eq!(latest.get(*client), Some(*place));
                }
                prop_assert_eq!(latest.get(4_000_000), None);
            }
            latest.clear();
            prop_assert!(expected.keys().all(|client| latest.get(*client).is_none()));
        }

        #[test]
        fn a_block_grows_by_two_bytes_at_least_for_each_reference_that_is_counted(
            values in prop::collection::vec((0..3_usize, prop::sample::select(vec!["", "a", "b", "longer"])), 0..60),
        ) {
            // That a writer's block does not have more of them than it may leans on this.
            let (mut writer, mut column) = (ValueWriter::default(), Vec::new());
            let grown: usize = values.iter().map(|(client, value)| writer.put(*client, value.as_bytes())).sum();
            writer.finish(&mut column);
            let mut columns = ValueColumns::default();
            columns.push(0, ValueReader::new(column.into()).unwrap()).unwrap();
            for (client, value) in &values {
                prop_assert_eq!(columns.take(0, *client), Ok(value.as_bytes()));
            }
            prop_assert!(grown >= columns.references * 2 + (values.len() - columns.references));
        }
    }
}
