//! Two forms: values by their keys, in any order.

use std::borrow::Cow;

use super::found::{Differences, Kind};

/// Pairs of a form that are looked at.
const PAIRS_MAX: usize = 100_000;

/// Key and value.
type Pair<'t> = (Cow<'t, [u8]>, Cow<'t, [u8]>);

pub(super) fn diff(before: &[u8], after: &[u8], differences: &mut Differences) {
    let (a, b) = (pairs(before), pairs(after));
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    let place = |key: &[u8]| {
        let shown = formats::visible::line_of_bytes(key);
        move |out: &mut String| {
            out.push_str("form:");
            out.push_str(&shown);
        }
    };
    while let Some(order) = match (a.peek(), b.peek()) {
        (None, None) => None,
        (Some(_), None) => Some(std::cmp::Ordering::Less),
        (None, Some(_)) => Some(std::cmp::Ordering::Greater),
        (Some((a, _)), Some((b, _))) => Some(a.cmp(b)),
    } {
        let one = if order.is_le() { a.next() } else { None };
        let other = if order.is_ge() { b.next() } else { None };
        match (one, other) {
            (Some((key, x)), Some((_, y))) if x != y => differences.add(Kind::Value, &x, &y, place(&key)),
            (Some((key, x)), None) => differences.add(Kind::Missing, &x, b"", place(&key)),
            (None, Some((key, y))) => differences.add(Kind::Added, b"", &y, place(&key)),
            _ => {}
        }
    }
}

/// Decoded, sorted by key; of one key in their order.
fn pairs(text: &[u8]) -> Vec<Pair<'_>> {
    let split = |pair: &'_ [u8]| pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    let decoded = |text| percent_encoding::percent_decode(text).into();
    let mut all: Vec<Pair<'_>> = text
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .take(PAIRS_MAX)
        .map(|pair| {
            let at = split(pair);
            (decoded(pair.get(..at).unwrap_or_default()), decoded(pair.get(at + 1..).unwrap_or_default()))
        })
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}
