//! Bad places of a segment, and what they cost (docs/SPEC.md §12): often known only from what stands around them.

use std::path::{Path, PathBuf};

use super::Event;

/// Bytes of a file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// The first bad byte.
    pub at: u64,
    /// How many bytes are bad.
    pub len: u64,
    /// What is wrong with them.
    pub what: String,
    /// How many exchanges they held, as far as the blocks around them tell.
    pub exchanges: Option<u64>,
    /// Whether they are the write upon which the end of the last segment came. Then they are no loss of their own: the gap in
    /// [`Event::Unfinished`], which follows, has them among its bytes.
    pub is_tail: bool,
}

impl Damage {
    /// Whether it may be the last thing that was written of a file that is `len` bytes long.
    fn may_be_tail(&self, len: u64) -> bool {
        self.exchanges.is_none() && self.len > 0 && self.at + self.len == len
    }
}

/// Bad places that wait until it is known what they cost.
pub(super) struct Damages {
    path: PathBuf,
    bad: Vec<Bad>,
}

/// A bad place.
struct Bad {
    at: u64,
    len: u64,
    what: String,
    /// How many exchanges it cost by what it says itself.
    known: u64,
    /// Whether some of it says nothing, so that only the numbers around it tell.
    is_open: bool,
}

impl Damages {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), bad: Vec::new() }
    }

    /// Joins bad places that touch each other. What they cost is often known only from the blocks around them.
    pub(super) fn note(&mut self, at: u64, len: u64, what: String, cost: Option<u64>) {
        let (known, is_open) = (cost.unwrap_or(0), cost.is_none());
        match self.bad.last_mut() {
            Some(bad) if bad.at + bad.len == at => {
                bad.len += len;
                bad.known += known;
                bad.is_open |= is_open;
            }
            _ => self.bad.push(Bad { at, len, what, known, is_open }),
        }
    }

    /// Whether there is a bad place that may have cost anything.
    pub(super) fn is_open(&self) -> bool {
        self.bad.iter().any(|bad| bad.is_open)
    }

    /// Notes what no bad place explains: records that are not there.
    pub(super) fn note_missing(&mut self, at: u64, what: &str) {
        if !self.is_open() {
            self.note(at, 0, what.to_owned(), None);
        }
    }

    /// The bad places so far, which are forgotten; those that do not say it themselves cost `missing` exchanges together.
    pub(super) fn tell(&mut self, missing: Option<u64>) -> Vec<Event> {
        let is_known = missing == Some(0) || self.bad.iter().filter(|bad| bad.is_open).count() == 1;
        let missing = missing.filter(|_| is_known);
        let damage = |Bad { at, len, what, known, is_open }| {
            let exchanges = if is_open { missing.map(|missing| known.saturating_add(missing)) } else { Some(known) };
            Event::Damage(Damage { path: self.path.clone(), at, len, what, exchanges, is_tail: false })
        };
        self.bad.drain(..).map(damage).collect()
    }

    /// The bad places at the end of a segment of `len` bytes that has none, and how many of its last bytes are a write that
    /// was cut off with it.
    pub(super) fn tell_cut_off(&mut self, len: u64) -> (Vec<Event>, u64) {
        let mut told = self.tell(None);
        match told.last_mut() {
            Some(Event::Damage(damage)) if damage.may_be_tail(len) => {
                damage.is_tail = true;
                let bytes = damage.len;
                (told, bytes)
            }
            _ => (told, 0),
        }
    }

    /// The bad places before the sequence number `to`, and how many exchanges are missing; `None` where that cannot be known.
    pub(super) fn jump(&mut self, at: u64, expected: Option<u64>, to: u64) -> (Vec<Event>, Option<u64>) {
        let missing = expected.and_then(|expected| to.checked_sub(expected));
        if missing.is_some_and(|missing| missing > 0) {
            self.note_missing(at, "exchanges before this place are missing");
        }
        (self.tell(missing), missing)
    }
}
