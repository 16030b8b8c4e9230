//! Lines of heads in which nothing was found a moment ago: nearly all lines of nearly all heads are the same again and again,
//! and comparing one is ten times cheaper than searching it. A line counts as the same only if every byte of it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places for lines, a power of two; one that comes to a taken place takes it over. With the longest line: 80 KiB.
const PLACES: usize = 512;
const LINE_BYTES_MAX: usize = 160;
/// Bytes of a line's beginning, middle and end that decide its place.
const SAMPLE_BYTES: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Place {
    len: usize,
    bytes: [u8; LINE_BYTES_MAX],
}

impl Place {
    const EMPTY: Self = Self { len: 0, bytes: [0; LINE_BYTES_MAX] };
}

/// Shared by all who use the same rules.
#[derive(Debug, Default)]
pub(super) struct KnownLines(Mutex<Vec<Place>>);

impl Clone for KnownLines {
    /// Whoever is about to change the rules begins with nothing known.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl KnownLines {
    pub(super) fn open(&self) -> Open<'_> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize(PLACES, Place::EMPTY);
        }
        Open(places)
    }
}

/// As long as one head is looked at.
pub(super) struct Open<'k>(MutexGuard<'k, Vec<Place>>);

impl Open<'_> {
    /// Whether nothing is to be found in a line: as it was found before, or as `search` finds out.
    pub(super) fn is_clean(&mut self, line: &[u8], search: impl FnOnce(&[u8]) -> bool) -> bool {
        let fits = (SAMPLE_BYTES..=LINE_BYTES_MAX).contains(&line.len());
        let place = if fits { self.0.get_mut(place_of(line)) } else { None };
        let Some(place) = place else { return search(line) };
        if place.bytes.get(..place.len) == Some(line) {
            return true;
        }
        let is_clean = search(line);
        if is_clean && let Some(bytes) = place.bytes.get_mut(..line.len()) {
            bytes.copy_from_slice(line);
            place.len = line.len();
        }
        is_clean
    }
}

fn place_of(line: &[u8]) -> usize {
    let sample = |from: usize| {
        let bytes = line.get(from..).and_then(|rest| rest.first_chunk::<SAMPLE_BYTES>());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let (first, middle, last) = (sample(0), sample(line.len() / 2), sample(line.len().saturating_sub(SAMPLE_BYTES)));
    let mixed = first ^ middle.rotate_left(23) ^ last.rotate_left(43) ^ line.len() as u64;
    // Fibonacci hashing: the upper bits depend on all.
    let hash = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACES.ilog2());
    usize::try_from(hash).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clean_lines_are_known_and_only_byte_by_byte() {
        let lines = KnownLines::default();
        let searched = |line: &[u8], is_clean: bool| {
            let mut searched = false;
            let search = |_: &[u8]| {
                searched = true;
                is_clean
            };
            assert_eq!(lines.open().is_clean(line, search), !searched || is_clean);
            searched
        };
        assert!(searched(b"Accept: */*", true) && !searched(b"Accept: */*", false));
        assert!(searched(b"Cookie: a=b", false) && searched(b"Cookie: a=b", true) && !searched(b"Cookie: a=b", true));
        // Where no sample is taken.
        let mut other = [b'a'; 100];
        other[20] = b'b';
        assert!(searched(&[b'a'; 100], true) && searched(&other, false));
        for (len, is_kept) in [(7, false), (8, true), (160, true), (161, false)] {
            let line = vec![b'c'; len];
            assert!(searched(&line, true), "{len}");
            assert_eq!(searched(&line, true), !is_kept, "{len}");
        }
    }

    #[test]
    fn a_place_is_for_the_line_that_came_last() {
        let lines = KnownLines::default();
        let all: Vec<String> = (0..10_000).map(|number| format!("X-Number: {number}")).collect();
        let places: std::collections::BTreeSet<_> = all.iter().map(|line| place_of(line.as_bytes())).collect();
        assert_eq!(places.len(), PLACES);
        for line in &all {
            assert!(lines.open().is_clean(line.as_bytes(), |_| true));
        }
        let known = all.iter().filter(|line| lines.open().is_clean(line.as_bytes(), |_| false)).count();
        assert_eq!(known, PLACES);
    }
}
