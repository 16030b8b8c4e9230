//! Damaged copies of sessions: flips, cuts, insertions and removals of bytes, by a seed.

use std::fs;
use std::path::Path;

/// A source of numbers: xorshift64* (Vigna 2016), so that a seed means the same for ever.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % end.max(1)
    }
}

/// Copies a session, and does one to three things to bytes of its segments.
pub(crate) fn damaged(session: &Path, copy: &Path, chance: &mut Chance) {
    fs::create_dir(copy).unwrap();
    let mut segments: Vec<_> = fs::read_dir(session).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let mut files: Vec<Vec<u8>> = segments.iter().map(|segment| fs::read(segment).unwrap()).collect();
    for _ in 0..=chance.below(3) {
        let segment = chance.below(files.len());
        damage(&mut files[segment], chance);
    }
    for (segment, bytes) in segments.iter().zip(files) {
        fs::write(copy.join(segment.file_name().unwrap()), bytes).unwrap();
    }
}

fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let places = records(bytes);
    let at = chance.below(bytes.len());
    let record = |chance: &mut Chance| {
        let which = chance.below(places.len().saturating_sub(1));
        places.get(which).copied().unwrap_or(0)..places.get(which + 1).copied().unwrap_or(bytes.len())
    };
    match chance.below(8) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        2 => bytes.truncate(at),
        3 => {
            let end = (at + 1 + chance.below(40)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => {
            let new: Vec<u8> = (0..=chance.below(40)).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
            bytes.splice(at..at, new);
        }
        // A whole record goes, comes again somewhere, or stands in the place of another's.
        5 => {
            let taken = record(chance);
            bytes.drain(taken);
        }
        6 => {
            let again = bytes[record(chance)].to_vec();
            let at = places[chance.below(places.len())];
            bytes.splice(at..at, again);
        }
        _ => {
            let other = bytes[record(chance)].to_vec();
            let place = record(chance);
            bytes.splice(place, other);
        }
    }
}

/// Where records may begin: every marker, and the end.
fn records(bytes: &[u8]) -> Vec<usize> {
    let found = bytes.windows(4).enumerate().filter(|(_, four)| *four == b"\xaerec");
    let mut places: Vec<usize> = found.map(|(at, _)| at).collect();
    places.push(bytes.len());
    places
}
