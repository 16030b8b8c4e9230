//! The rest of two objects whose members are not the same ones in the same order: they are found by their keys.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use super::scan::{self, Bad, Next};
use super::{At, Unread, Walk, name, part};
use crate::differ::found::Kind;

/// Members that are looked through for one that was renamed.
const RENAMED_MAX: usize = 32;
/// A shorter value is the same in two places by chance.
const TELLING_BYTES_MIN: usize = 3;

struct Member<'a> {
    key: Cow<'a, [u8]>,
    value: Range<usize>,
}

impl<'a> Walk<'a, '_> {
    pub(super) fn members(&mut self, at: At, first: bool, depth: usize) -> Result<At, Unread> {
        let (mut a, a_end) = members(self.before, at.0, first, depth).map_err(Unread::Before)?;
        let (mut b, b_end) = members(self.after, at.1, first, depth).map_err(Unread::After)?;
        // Stable: where a key is there twice, the first is held against the first.
        a.sort_by(|one, other| one.key.cmp(&other.key));
        b.sort_by(|one, other| one.key.cmp(&other.key));
        let (mut missing, mut added) = (Vec::new(), Vec::new());
        let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
        loop {
            let order = match (a.peek(), b.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.key.cmp(&b.key),
            };
            match order {
                Ordering::Less => missing.extend(a.next()),
                Ordering::Greater => added.extend(b.next()),
                Ordering::Equal => {
                    let (Some(a), Some(b)) = (a.next(), b.next()) else { break };
                    self.path.key(a.key);
                    self.value((a.value.start, b.value.start), depth + 1)?;
                    self.path.up();
                }
            }
        }
        self.renamed(&mut missing, &mut added, depth + 1);
        for member in missing {
            self.path.key(member.key);
            self.note(Kind::Missing, part(self.before, member.value.start, member.value.end), b"");
            self.path.up();
        }
        for member in added {
            self.path.key(member.key);
            self.note(Kind::Added, b"", part(self.after, member.value.start, member.value.end));
            self.path.up();
        }
        Ok((a_end, b_end))
    }

    /// Takes out members that are missing under one name and there under another, where no other has the same value.
    fn renamed(&mut self, missing: &mut Vec<Member<'a>>, added: &mut Vec<Member<'a>>, depth: usize) {
        if missing.len() > RENAMED_MAX || added.len() > RENAMED_MAX {
            return;
        }
        let is_alone = missing.len() == 1 && added.len() == 1;
        let mut index = 0;
        while let Some(member) = missing.get(index) {
            let value = part(self.before, member.value.start, member.value.end);
            let telling = value.len() >= TELLING_BYTES_MIN && !matches!(value, b"true" | b"false" | b"null");
            let same = |other: &&Member<'_>| part(self.before, other.value.start, other.value.end) == value;
            let is_alone_before = missing.iter().filter(same).count() == 1;
            let ends = |of: &Member<'_>| (of.value.start, of.value.end);
            let from = ends(member);
            let mut found =
                (0..).zip(added.iter()).filter(|(_, other)| self.same.are(from, ends(other), depth)).map(|(at, _)| at);
            let (to, another) = (found.next(), found.next());
            let only = is_alone_before && another.is_none();
            let to = to.filter(|_| only && (telling || is_alone));
            let Some(to) = to else {
                index += 1;
                continue;
            };
            let (from, to) = (missing.remove(index), added.remove(to));
            self.path.key(from.key);
            self.note(Kind::Renamed, part(self.before, from.value.start, from.value.end), &to.key);
            self.path.up();
        }
    }
}

/// All members from here to the end, and what comes after it.
fn members(text: &[u8], mut at: usize, mut first: bool, depth: usize) -> Result<(Vec<Member<'_>>, usize), Bad> {
    let mut found = Vec::new();
    loop {
        match scan::member(text, at, first)? {
            Next::End(end) => return Ok((found, end)),
            Next::Value { key, key_end, at: value } => {
                at = scan::skip(text, value, depth + 1)?;
                found.push(Member { key: name(part(text, key, key_end)), value: value..at });
            }
        }
        first = false;
    }
}
