//! Reading JSON without building it: where a value ends, and what kind it is.
//!
//! Structure is checked; of numbers and strings only what is needed to find their ends.

use formats::json_string;

/// Deeper is not read: no parser takes more than some hundreds, and a stack has an end.
pub(super) const DEPTH_MAX: usize = 128;
const _: () = assert!(DEPTH_MAX <= 128, "skip() has a bit for each");

/// What is looked for at once where there is white space.
const INDENT: &[u8; 4] = b"    ";

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

#[inline]
pub(super) fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
        // Indents.
        while text.get(at..).and_then(|rest| rest.first_chunk()) == Some(INDENT) {
            at += INDENT.len();
        }
    }
    at
}

/// The next member of an object, from behind `{` or behind the last value.
#[inline(always)]
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
#[inline]
pub(super) fn element(text: &[u8], at: usize, first: bool) -> Result<Next, Bad> {
    next(text, at, first, b']', "a comma or ]")
}

#[inline(always)]
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
#[inline(always)]
pub(super) fn string(text: &[u8], at: usize) -> Result<usize, Bad> {
    let end = json_string::end(text, at + 1);
    end.map(|end| end + 1).ok_or(Bad { at, what: "a string that ends" })
}

/// Whether a number goes on with this byte.
#[inline]
pub(super) fn is_of_number(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))
}

/// What comes after the string, number or word at `at`.
#[inline]
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

pub(super) fn too_deep(at: usize) -> Bad {
    Bad { at, what: "fewer values inside each other" }
}

/// What comes after the value at `at`, inside of `depth` others.
pub(super) fn skip(text: &[u8], at: usize, depth: usize) -> Result<usize, Bad> {
    let is_container = |at: usize| matches!(text.get(at), Some(b'{' | b'['));
    if !is_container(at) {
        return scalar(text, at);
    }
    // A bit for each that is open, the innermost lowest: whether it is an object. There are no more than fit.
    let (mut open, mut level, mut at, mut is_new) = (0_u128, 0, at, true);
    loop {
        if is_new {
            if depth + level >= DEPTH_MAX {
                return Err(too_deep(at));
            }
            (open, level) = (open << 1 | u128::from(text.get(at) == Some(&b'{')), level + 1);
            at += 1;
        }
        let next = if open & 1 == 1 { member(text, at, is_new)? } else { element(text, at, is_new)? };
        match next {
            Next::End(end) if level == 1 => return Ok(end),
            Next::End(end) => (open, level, at, is_new) = (open >> 1, level - 1, end, false),
            Next::Value { at: value, .. } if is_container(value) => (at, is_new) = (value, true),
            Next::Value { at: value, .. } => (at, is_new) = (scalar(text, value)?, false),
        }
    }
}
