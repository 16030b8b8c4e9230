//! Bytes with marks in them: what a part of a request is while rules work on it.

use std::borrow::Cow;
use std::ops::Range;

use super::template::{Mark, Placeholder};

/// Bytes, and the places where something is filled in for each copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text<'a> {
    bytes: Cow<'a, [u8]>,
    /// In the order of their places.
    marks: Vec<Mark>,
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes: Cow::Borrowed(bytes), marks: Vec::new() }
    }
}

impl Text<'static> {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes: Cow::Owned(bytes), marks: Vec::new() }
    }

    pub(super) fn mark(what: Placeholder) -> Self {
        Self { bytes: Cow::Borrowed(&[]), marks: vec![Mark { at: 0, what }] }
    }
}

impl Text<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Whether it is these very bytes, where they stand, and nothing is filled in.
    pub(super) fn is_part(&self, bytes: &[u8]) -> bool {
        matches!(self.bytes, Cow::Borrowed(own) if std::ptr::eq(own, bytes)) && self.marks.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.marks.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Cow::Borrowed(before) = self.bytes {
            // At once with room for both.
            let mut owned = Vec::with_capacity(before.len() + bytes.len());
            owned.extend_from_slice(before);
            self.bytes = Cow::Owned(owned);
        }
        self.bytes.to_mut().extend_from_slice(bytes);
    }

    pub(super) fn push_mark(&mut self, what: Placeholder) {
        self.marks.push(Mark { at: self.bytes.len(), what });
    }

    /// Adds marks, each behind those that are at the same place.
    pub(super) fn add_marks(&mut self, marks: Vec<Mark>) {
        self.marks.extend(marks);
        self.marks.sort_by_key(|mark| mark.at);
    }

    /// How many bytes stay as they are when everything is filled in.
    pub(super) fn fixed_len(&self) -> usize {
        let sealed = self.marks.iter().map(|mark| match mark.what {
            Placeholder::Sealed { len } => len as usize,
            _ => 0,
        });
        self.bytes.len().saturating_sub(sealed.sum())
    }

    pub(super) fn push_text(&mut self, text: &Text<'_>) {
        let before = self.bytes.len();
        self.push(&text.bytes);
        self.marks.extend(text.marks.iter().map(|mark| Mark { at: before + mark.at, what: mark.what }));
    }

    /// A part; marks at both of its edges belong to it (parts are set off from each other by a byte at least).
    pub(super) fn slice(&self, range: Range<usize>) -> Text<'static> {
        let bytes = self.bytes.get(range.clone()).unwrap_or_default().to_vec();
        let inside = |mark: &&Mark| range.start <= mark.at && mark.at <= range.end;
        let marks =
            self.marks.iter().filter(inside).map(|mark| Mark { at: mark.at - range.start, what: mark.what }).collect();
        Text { bytes: Cow::Owned(bytes), marks }
    }

    /// Puts `with` in place of a part; marks inside it and at its edges go.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &Text<'_>) {
        let mut out = Text::default();
        out.push(self.bytes.get(..range.start).unwrap_or_default());
        out.marks.extend(self.marks.iter().filter(|mark| mark.at < range.start).copied());
        out.push_text(with);
        let shift = out.bytes.len();
        out.push(self.bytes.get(range.end..).unwrap_or_default());
        let after = self.marks.iter().filter(|mark| mark.at > range.end);
        out.marks.extend(after.map(|mark| Mark { at: mark.at - range.end + shift, what: mark.what }));
        *self = Self { bytes: Cow::Owned(out.bytes.into_owned()), marks: out.marks };
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<Mark>) {
        (self.bytes.into_owned(), self.marks)
    }
}

/// Percent-encodes everything but the unreserved characters (RFC 3986 §2.3).
pub(crate) fn percent_encode(bytes: &[u8]) -> Vec<u8> {
    percent_encode_unless(bytes, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

pub(super) fn percent_encode_unless(bytes: &[u8], is_kept: impl Fn(u8) -> bool) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if is_kept(*byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}
