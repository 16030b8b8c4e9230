//! Two texts of JSON, walked in step: what is equal byte by byte is only passed over, and nothing is built of it.
//!
//! The spelling of numbers and strings, white space and the order of members make no difference. `members` and `elements`
//! are where the two no longer stand at the same key or at equal elements. Several values in a row, as in JSON lines, are
//! read, too.

mod digest;
mod elements;
mod members;
mod same;
mod scalars;
mod scan;

use std::borrow::Cow;

use super::found::{Differences, Kind};
use super::place::Path;
use same::Same;
use scan::{Bad, DEPTH_MAX, Next, Type};

pub(super) use scan::Bad as NotJson;

/// Members by which elements of arrays are told apart, by the array's place; where none is named, `id` is tried.
pub(super) type ElementKeys<'k> = &'k dyn Fn(&str) -> Option<String>;

/// Which side cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    Before(Bad),
    After(Bad),
}

/// Where both are.
type At = (usize, usize);

/// Notes how two texts differ. Where one is no JSON, what was noted before that place stays noted.
pub(super) fn diff(
    before: &[u8],
    after: &[u8],
    keys: ElementKeys<'_>,
    differences: &mut Differences,
) -> Result<(), Unread> {
    Walk { before, after, path: Path::default(), keys, differences, same: Same::new(before, after) }.values()
}

/// Where a text stops being JSON; `None` if it is some to its end.
pub(super) fn check(text: &[u8]) -> Option<Bad> {
    let mut at = scan::space(text, start(text));
    loop {
        match scan::skip(text, at, 0) {
            Err(bad) => return Some(bad),
            Ok(end) => at = scan::space(text, end),
        }
        if at >= text.len() {
            return None;
        }
    }
}

/// Behind a byte order mark.
fn start(text: &[u8]) -> usize {
    if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

struct Walk<'a, 'w> {
    before: &'a [u8],
    after: &'a [u8],
    path: Path<'a>,
    keys: ElementKeys<'w>,
    differences: &'w mut Differences,
    same: Same<'a>,
}

impl<'a> Walk<'a, '_> {
    fn values(&mut self) -> Result<(), Unread> {
        let mut at = (start(self.before), start(self.after));
        loop {
            let here = (scan::space(self.before, at.0), scan::space(self.after, at.1));
            at = self.value(here, 0)?;
            let left = (scan::space(self.before, at.0), scan::space(self.after, at.1));
            match (left.0 < self.before.len(), left.1 < self.after.len()) {
                (false, false) => return Ok(()),
                (true, true) => {}
                // One has more values: all of them must be read, and one difference says so.
                (true, false) => return self.rest(Kind::Missing, left.0),
                (false, true) => return self.rest(Kind::Added, left.1),
            }
        }
    }

    fn rest(&mut self, kind: Kind, from: usize) -> Result<(), Unread> {
        let text = if kind == Kind::Missing { self.before } else { self.after };
        let rest = text.get(from..).unwrap_or_default();
        if let Some(bad) = check(rest) {
            let bad = Bad { at: from + bad.at, ..bad };
            return Err(if kind == Kind::Missing { Unread::Before(bad) } else { Unread::After(bad) });
        }
        self.path.element();
        match kind {
            Kind::Missing => self.note(kind, rest, b""),
            _ => self.note(kind, b"", rest),
        }
        self.path.up();
        Ok(())
    }

    fn note(&mut self, kind: Kind, before: &[u8], after: &[u8]) {
        let path = &self.path;
        self.differences.add(kind, before, after, |out| path.write(out));
    }

    fn value(&mut self, at: At, depth: usize) -> Result<At, Unread> {
        let kinds =
            (Type::of(self.before, at.0).map_err(Unread::Before)?, Type::of(self.after, at.1).map_err(Unread::After)?);
        match kinds {
            (Type::Object, Type::Object) if depth < DEPTH_MAX => self.object(at, depth),
            (Type::Array, Type::Array) if depth < DEPTH_MAX => self.array(at, depth),
            (before, after) if before == after && before.is_scalar() => self.scalar(at, before),
            _ => {
                let (a, b) = (self.skip_before(at.0, depth)?, self.skip_after(at.1, depth)?);
                self.note(Kind::Type, part(self.before, at.0, a), part(self.after, at.1, b));
                Ok((a, b))
            }
        }
    }

    fn scalar(&mut self, at: At, kind: Type) -> Result<At, Unread> {
        let a = scan::scalar(self.before, at.0).map_err(Unread::Before)?;
        let value = part(self.before, at.0, a);
        let b = at.1 + value.len();
        if self.after.get(at.1..b) == Some(value) && (kind != Type::Number || !scan::is_of_number(self.after.get(b))) {
            return Ok((a, b));
        }
        let b = scan::scalar(self.after, at.1).map_err(Unread::After)?;
        let other = part(self.after, at.1, b);
        if !scalars::say_the_same(kind, value, other) {
            self.note(Kind::Value, value, other);
        }
        Ok((a, b))
    }

    fn object(&mut self, at: At, depth: usize) -> Result<At, Unread> {
        let (mut at, mut first) = ((at.0 + 1, at.1 + 1), true);
        loop {
            let a = scan::member(self.before, at.0, first).map_err(Unread::Before)?;
            let (key, key_end, a_at, b_at) = match a {
                Next::Value { key, key_end, at: value } => {
                    // Comma, key and colon at once.
                    let len = value - at.0;
                    let is_same = self.after.get(at.1..at.1 + len) == self.before.get(at.0..value);
                    match is_same {
                        true => (key, key_end, value, scan::space(self.after, at.1 + len)),
                        false => match scan::member(self.after, at.1, first).map_err(Unread::After)? {
                            Next::Value { key: other, key_end: other_end, at: b_at }
                                if part(self.after, other, other_end) == part(self.before, key, key_end) =>
                            {
                                (key, key_end, value, b_at)
                            }
                            _ => return self.members(at, first, depth),
                        },
                    }
                }
                Next::End(a) => match scan::member(self.after, at.1, first).map_err(Unread::After)? {
                    Next::End(b) => return Ok((a, b)),
                    Next::Value { .. } => return self.members(at, first, depth),
                },
            };
            self.path.key(name(part(self.before, key, key_end)));
            at = self.value((a_at, b_at), depth + 1)?;
            self.path.up();
            first = false;
        }
    }

    fn array(&mut self, at: At, depth: usize) -> Result<At, Unread> {
        let whole = at;
        let (mut at, mut first) = ((at.0 + 1, at.1 + 1), true);
        loop {
            let a = scan::element(self.before, at.0, first).map_err(Unread::Before)?;
            let b = scan::element(self.after, at.1, first).map_err(Unread::After)?;
            match (a, b) {
                (Next::End(a), Next::End(b)) => return Ok((a, b)),
                (Next::Value { at: a_at, .. }, Next::Value { at: b_at, .. }) => {
                    if let Some(ends) = self.same.ends((a_at, b_at), depth + 1) {
                        (at, first) = (ends, false);
                        continue;
                    }
                }
                _ => {}
            }
            return self.elements(whole, at, first, depth);
        }
    }

    fn skip_before(&self, at: usize, depth: usize) -> Result<usize, Unread> {
        scan::skip(self.before, at, depth).map_err(Unread::Before)
    }

    fn skip_after(&self, at: usize, depth: usize) -> Result<usize, Unread> {
        scan::skip(self.after, at, depth).map_err(Unread::After)
    }
}

fn part(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or_default()
}

/// What a string says; one with an escape that is none says its own text.
fn name(quoted: &[u8]) -> Cow<'_, [u8]> {
    let raw = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    formats::redact::unescaped(raw).unwrap_or(Cow::Borrowed(raw))
}

#[cfg(test)]
mod tests;
