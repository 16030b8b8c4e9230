//! Whether two values say the same, found in one walk over both: nothing is noted, and nothing is built of them.
//!
//! Most of what is held against each other is the same, though one side may be indented and have its members in another
//! order. What this finds the same needs no second look; what differs is looked at by those who note how.

use std::borrow::Cow;

use super::scan::{self, Next, Type};
use super::{At, name, part, scalars};

/// How often all bytes of both may be walked over in all. One walk is enough, and one more for each array that something
/// differs in and for each object around it whose members are in another order; an answer made to take longer is told
/// apart more slowly and less finely instead.
const WALKS_MAX: usize = 32;

pub(super) struct Same<'t> {
    before: &'t [u8],
    after: &'t [u8],
    /// Bytes that may still be walked over.
    bytes_left: usize,
    /// Members of the objects that are being looked at, of the inner ones behind those of the outer ones.
    members: Vec<Member<'t>>,
}

/// A member after: what its key says, however that is written, and where its value begins.
struct Member<'t> {
    key: Cow<'t, [u8]>,
    /// The first bytes of the key, which nearly always tell it from others.
    begins: u64,
    value: usize,
    is_taken: bool,
}

impl Member<'_> {
    fn order(&self) -> (u64, &[u8]) {
        (self.begins, &self.key)
    }
}

fn begins(key: &[u8]) -> u64 {
    match key.first_chunk() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Whether two keys that are written differently say the same. Without an escape in one of them they do not.
fn say_the_same(one: &[u8], other: &[u8]) -> bool {
    (one.contains(&b'\\') || other.contains(&b'\\')) && name(one) == name(other)
}

impl<'t> Same<'t> {
    pub(super) fn new(before: &'t [u8], after: &'t [u8]) -> Self {
        let bytes_left = before.len().saturating_add(after.len()).saturating_mul(WALKS_MAX);
        Self { before, after, bytes_left, members: Vec::new() }
    }

    /// Nothing but the same bytes is the same.
    #[cfg(test)]
    pub(super) fn never(before: &'t [u8], after: &'t [u8]) -> Self {
        Self { bytes_left: 0, ..Self::new(before, after) }
    }

    /// Where both values end, if they say the same; `None` if they do not, or one of them cannot be read.
    pub(super) fn ends(&mut self, at: At, depth: usize) -> Option<At> {
        match (self.before.get(at.0)?, self.after.get(at.1)?) {
            (b'{', b'{') if depth < scan::DEPTH_MAX => self.object(at, depth),
            (b'[', b'[') if depth < scan::DEPTH_MAX => self.array(at, depth),
            (b'{' | b'[', _) | (_, b'{' | b'[') => None,
            _ => self.scalar(at),
        }
    }

    /// Whether two values that are whole say the same.
    pub(super) fn are(&mut self, before: (usize, usize), after: (usize, usize), depth: usize) -> bool {
        part(self.before, before.0, before.1) == part(self.after, after.0, after.1)
            || self.ends((before.0, after.0), depth).is_some()
    }

    fn walked(&mut self, bytes: usize) -> Option<()> {
        self.bytes_left = self.bytes_left.checked_sub(bytes)?;
        Some(())
    }

    fn scalar(&mut self, at: At) -> Option<At> {
        let a = scan::scalar(self.before, at.0).ok()?;
        let value = part(self.before, at.0, a);
        self.walked(value.len())?;
        let b = at.1 + value.len();
        if self.after.get(at.1..b) == Some(value) && !scan::is_of_number(self.after.get(b)) {
            return Some((a, b));
        }
        let kind = Type::of(self.before, at.0).ok()?;
        if Type::of(self.after, at.1).ok()? != kind {
            return None;
        }
        let b = scan::scalar(self.after, at.1).ok()?;
        scalars::say_the_same(kind, value, part(self.after, at.1, b)).then_some((a, b))
    }

    fn array(&mut self, at: At, depth: usize) -> Option<At> {
        let (mut at, mut first) = ((at.0 + 1, at.1 + 1), true);
        loop {
            self.walked(1)?;
            let a = scan::element(self.before, at.0, first).ok()?;
            let b = scan::element(self.after, at.1, first).ok()?;
            at = match (a, b) {
                (Next::Value { at: a, .. }, Next::Value { at: b, .. }) => self.ends((a, b), depth + 1)?,
                (Next::End(a), Next::End(b)) => return Some((a, b)),
                _ => return None,
            };
            first = false;
        }
    }

    fn object(&mut self, at: At, depth: usize) -> Option<At> {
        let (mut at, mut first) = ((at.0 + 1, at.1 + 1), true);
        loop {
            let (a, b) = match scan::member(self.before, at.0, first).ok()? {
                Next::Value { key, key_end, at: value } => {
                    self.walked(value - at.0)?;
                    // Comma, key and colon at once.
                    let end = at.1 + (value - at.0);
                    if self.after.get(at.1..end) == self.before.get(at.0..value) {
                        (value, scan::space(self.after, end))
                    } else {
                        match scan::member(self.after, at.1, first).ok()? {
                            Next::Value { key: other, key_end: other_end, at: b } => {
                                let (key, other) =
                                    (part(self.before, key, key_end), part(self.after, other, other_end));
                                if key != other && !say_the_same(key, other) {
                                    return self.in_any_order(at, first, depth);
                                }
                                (value, b)
                            }
                            Next::End(_) => return None,
                        }
                    }
                }
                Next::End(a) => match scan::member(self.after, at.1, first).ok()? {
                    Next::End(b) => return Some((a, b)),
                    Next::Value { .. } => return None,
                },
            };
            at = self.ends((a, b), depth + 1)?;
            first = false;
        }
    }

    /// The members from here on, found by their keys. A key that is there twice is left to those who note.
    fn in_any_order(&mut self, at: At, first: bool, depth: usize) -> Option<At> {
        let from = self.members.len();
        let ends = self.found_by_key(from, at, first, depth);
        self.members.truncate(from);
        ends
    }

    fn found_by_key(&mut self, from: usize, at: At, first: bool, depth: usize) -> Option<At> {
        let b_end = self.note_members(at.1, first, depth)?;
        let own = self.members.get_mut(from..)?;
        own.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
        let many = own.len();
        if !own.is_sorted_by(|one, other| one.order() < other.order()) {
            return None;
        }
        let (mut at, mut first, mut taken) = (at.0, first, 0);
        loop {
            match scan::member(self.before, at, first).ok()? {
                Next::End(end) => return (taken == many).then_some((end, b_end)),
                Next::Value { key, key_end, at: value } => {
                    self.walked(value - at)?;
                    let key = name(part(self.before, key, key_end));
                    let key = (begins(&key), &*key);
                    let own = self.members.get_mut(from..)?;
                    let place = own.binary_search_by(|member| member.order().cmp(&key)).ok()?;
                    let member = own.get_mut(place).filter(|member| !member.is_taken)?;
                    member.is_taken = true;
                    let b = member.value;
                    at = self.ends((value, b), depth + 1)?.0;
                    taken += 1;
                }
            }
            first = false;
        }
    }

    /// Notes the members after from here on; where the object ends.
    fn note_members(&mut self, mut at: usize, mut first: bool, depth: usize) -> Option<usize> {
        loop {
            match scan::member(self.after, at, first).ok()? {
                Next::End(end) => return Some(end),
                Next::Value { key, key_end, at: value } => {
                    let end = scan::skip(self.after, value, depth + 1).ok()?;
                    self.walked(end - at)?;
                    let key = name(part(self.after, key, key_end));
                    self.members.push(Member { begins: begins(&key), key, value, is_taken: false });
                    at = end;
                }
            }
            first = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_walked_over_is_not_the_same() {
        let (before, after) = (b"[{\"a\":1,\"b\":2}]", b"[{\"b\":2,\"a\":1}]");
        let ends = |bytes_left: usize| {
            let mut same = Same { bytes_left, ..Same::new(before, after) };
            (same.ends((0, 0), 0), same.members.len())
        };
        let enough = (0..64).find(|bytes| ends(*bytes).0.is_some()).unwrap();
        assert!((before.len()..2 * before.len()).contains(&enough), "{enough}");
        assert_eq!((ends(enough), ends(enough - 1)), ((Some((15, 15)), 0), (None, 0)));
    }
}
