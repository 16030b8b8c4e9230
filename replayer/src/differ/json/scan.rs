//! Reading JSON without building it: where a value ends, and what kind it is.
//!
//! Structure is checked; of numbers and strings only what is needed to find their ends.

use memchr::memchr2;

/// Deeper is not read: no parser takes more than some hundreds, and a stack has an end.
pub(super) const DEPTH_MAX: usize = 128;

/// A place that is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::differ) struct Bad {
    /// Byte, from 0.
    pub(in crate::differ) at: usize,
    /// What was expected there.
    pub(in crate::differ) what: &'static str,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    Text,
    Number,
    Bool,
    Null,
}

impl Type {
    pub(super) fn of(text: &[u8], at: usize) -> Result<Self, Bad> {
        Ok(match text.get(at) {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::Text,
            Some(b'-' | b'0'..=b'9') => Self::Number,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            _ => return Err(Bad { at, what: "a value" }),
        })
    }

    pub(super) fn is_scalar(self) -> bool {
        !matches!(self, Self::Object | Self::Array)
    }
}

/// What comes next in an object or an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A value begins here; of a member, its key stands between `key` and `key_end`, quotes included.
    Value { key: usize, key_end: usize, at: usize },
    /// What comes after the closing bracket.
    End(usize),
}

pub(super) fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// The next member of an object, from behind `{` or behind the last value.
pub(super) fn member(text: &[u8], at: usize, first: bool) -> Result<Next, Bad> {
    let key = match next(text, at, first, b'}', "a comma or }")? {
        Next::Value { at, .. } => at,
        end @ Next::End(_) => return Ok(end),
    };
    if text.get(key) != Some(&b'"') {
        return Err(Bad { at: key, what: "a key" });
    }
    let key_end = string(text, key)?;
    let colon = space(text, key_end);
    if text.get(colon) != Some(&b':') {
        return Err(Bad { at: colon, what: "a colon" });
    }
    Ok(Next::Value { key, key_end, at: space(text, colon + 1) })
}

/// The next element of an array, from behind `[` or behind the last one.
pub(super) fn element(text: &[u8], at: usize, first: bool) -> Result<Next, Bad> {
    next(text, at, first, b']', "a comma or ]")
}

fn next(text: &[u8], at: usize, first: bool, close: u8, what: &'static str) -> Result<Next, Bad> {
    let at = space(text, at);
    let value = |at: usize| Next::Value { key: at, key_end: at, at };
    match text.get(at) {
        Some(byte) if *byte == close => Ok(Next::End(at + 1)),
        _ if first => Ok(value(at)),
        Some(b',') => Ok(value(space(text, at + 1))),
        _ => Err(Bad { at, what }),
    }
}

/// What comes after the string whose opening quote stands at `at`.
pub(super) fn string(text: &[u8], at: usize) -> Result<usize, Bad> {
    let mut from = at + 1;
    loop {
        let rest = text.get(from..).unwrap_or_default();
        let Some(found) = memchr2(b'"', b'\\', rest) else { return Err(Bad { at, what: "a string that ends" }) };
        if rest.get(found) == Some(&b'"') {
            return Ok(from + found + 1);
        }
        from += found + 2;
    }
}

/// Whether a number goes on with this byte.
pub(super) fn is_of_number(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))
}

/// What comes after the string, number or word at `at`.
pub(super) fn scalar(text: &[u8], at: usize) -> Result<usize, Bad> {
    let word = |word: &[u8]| {
        let end = at + word.len();
        if text.get(at..end) == Some(word) { Ok(end) } else { Err(Bad { at, what: "a value" }) }
    };
    match text.get(at) {
        Some(b'"') => string(text, at),
        Some(b't') => word(b"true"),
        Some(b'f') => word(b"false"),
        Some(b'n') => word(b"null"),
        Some(b'-' | b'0'..=b'9') => {
            let mut end = at + 1;
            while is_of_number(text.get(end)) {
                end += 1;
            }
            Ok(end)
        }
        _ => Err(Bad { at, what: "a value" }),
    }
}

/// What comes after the value at `at`, inside of `depth` others.
pub(super) fn skip(text: &[u8], at: usize, depth: usize) -> Result<usize, Bad> {
    let kind = Type::of(text, at)?;
    if kind.is_scalar() {
        return scalar(text, at);
    }
    if depth >= DEPTH_MAX {
        return Err(Bad { at, what: "fewer values inside each other" });
    }
    let (mut at, mut first) = (at + 1, true);
    loop {
        let next = if kind == Type::Object { member(text, at, first)? } else { element(text, at, first)? };
        match next {
            Next::End(end) => return Ok(end),
            Next::Value { at: value, .. } => at = skip(text, value, depth + 1)?,
        }
        first = false;
    }
}
