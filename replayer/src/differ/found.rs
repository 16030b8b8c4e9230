//! The differences of one pair of answers, in memory that is used again for the next pair.

use std::ops::Range;

use formats::redact::masked;

/// Differences of one pair that are kept; there may be more.
pub const DIFFERENCES_MAX: usize = 1_000;
/// Bytes that are kept of a value.
pub const VALUE_BYTES_MAX: usize = 2_048;
/// Bytes that are kept of a place.
const PLACE_BYTES_MAX: usize = 300;

/// What kind of difference there is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The status; 0 stands for no answer.
    Status {
        /// Before.
        before: u16,
        /// After.
        after: u16,
    },
    /// It was there before, and is not after.
    Missing,
    /// It is there after, and was not before.
    Added,
    /// What is there after under another name; that name is the value after.
    Renamed,
    /// A value of another type: a number instead of a string, HTML instead of JSON.
    Type,
    /// Another value.
    Value,
    /// The same elements in another order.
    Order,
    /// Other bytes, of which no more is known: only digests or lengths were kept, or it is no text.
    Bytes,
    /// Of a body that can be read on one side only: why not.
    Unreadable,
}

impl Kind {
    /// The word for it in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Renamed => "renamed",
            Self::Type => "type",
            Self::Value => "value",
            Self::Order => "order",
            Self::Bytes => "bytes",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Why a part of two answers cannot be held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Incomparable {
    /// A value was redacted on one side, or on both under different keys.
    Redacted,
    /// A body was not kept on one side, or only a part of it.
    NotKept,
    /// A body was dropped by redaction.
    Dropped,
    /// More differences than are kept of a pair.
    TooMany,
}

impl Incomparable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Redacted, Self::NotKept, Self::Dropped, Self::TooMany];

    /// The word for it in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redacted => "redacted",
            Self::NotKept => "not_kept",
            Self::Dropped => "dropped_by_redaction",
            Self::TooMany => "too_many_differences",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// `status`, `header:x-a`, `trailer:x-b`, `cookie:sid`, `$.items[*].price`, `form:a`, `/html/body/p`, `line:…`, `body`
    pub place: &'a str,
    /// What.
    pub kind: Kind,
    /// The value before, as it stood there, at most [`VALUE_BYTES_MAX`] of it.
    pub before: &'a [u8],
    /// The value after.
    pub after: &'a [u8],
}

/// All differences of a pair.
#[derive(Debug, Default)]
pub struct Differences {
    found: Vec<Found>,
    /// Places and values.
    text: Vec<u8>,
    incomparable: Vec<Incomparable>,
    /// Whether pseudonyms of both sides were made under the same key.
    pub(super) same_key: bool,
}

#[derive(Debug)]
struct Found {
    kind: Kind,
    place: Range<usize>,
    before: Range<usize>,
    after: Range<usize>,
}

impl Differences {
    /// Each of them, in the order in which they stand in the answers.
    pub fn iter(&self) -> impl Iterator<Item = Difference<'_>> {
        let part = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.found.iter().map(move |found| Difference {
            place: std::str::from_utf8(part(&found.place)).unwrap_or_default(),
            kind: found.kind,
            before: part(&found.before),
            after: part(&found.after),
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What could not be compared, each reason once.
    #[must_use]
    pub fn incomparable(&self) -> &[Incomparable] {
        &self.incomparable
    }

    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.text.clear();
        self.incomparable.clear();
    }

    /// How many there are: where to go back to.
    pub(super) fn mark(&self) -> usize {
        self.found.len()
    }

    /// Forgets what came after a mark.
    pub(super) fn forget(&mut self, mark: usize) {
        self.found.truncate(mark);
    }

    pub(super) fn cannot(&mut self, why: Incomparable) {
        if !self.incomparable.contains(&why) {
            self.incomparable.push(why);
        }
    }

    /// Notes a difference, unless it is one of pseudonyms only.
    pub(super) fn add(&mut self, kind: Kind, before: &[u8], after: &[u8], place: impl FnOnce(&mut String)) {
        if self.found.len() >= DIFFERENCES_MAX {
            return self.cannot(Incomparable::TooMany);
        }
        if kind == Kind::Value && !self.same_key && differ_in_pseudonyms_only(before, after) {
            return self.cannot(Incomparable::Redacted);
        }
        let mut text = String::new();
        place(&mut text);
        if text.len() > PLACE_BYTES_MAX {
            text.truncate(text.floor_char_boundary(PLACE_BYTES_MAX));
            text.push('…');
        }
        let mut put = |bytes: &[u8]| {
            let from = self.text.len();
            self.text.extend_from_slice(bytes.get(..VALUE_BYTES_MAX).unwrap_or(bytes));
            from..self.text.len()
        };
        let found = Found { kind, place: put(text.as_bytes()), before: put(before), after: put(after) };
        self.found.push(found);
    }
}

/// Whether what differs are values that a redaction put there: under different keys they say nothing of each other.
fn differ_in_pseudonyms_only(before: &[u8], after: &[u8]) -> bool {
    let (before, after) = (unquoted(before), unquoted(after));
    let is_made = |text: &[u8]| formats::redact::is_replacement(text);
    is_made(before) || is_made(after) || masked(before) == masked(after)
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}
