//! `key=value` pairs parted by `&`: queries and urlencoded forms, and the request target around a query.

use std::borrow::Cow;

use super::json;
use super::pass::{Pass, Verdict};
use super::rule::{Action, KeyPlace};
use crate::head;

impl Pass<'_> {
    /// The start line with the secrets of its target, or of whatever it is, replaced.
    pub(super) fn start_line(&mut self, line: &[u8], look_for_patterns: bool) -> Option<Vec<u8>> {
        if self.part != "request" {
            return look_for_patterns.then(|| self.text("target", b"", line)).flatten();
        }
        let target = match head::request_line(line) {
            Some(found) => found.target,
            // Of what is no request line, all behind the first space may be a target.
            None => line.get(memchr::memchr(b' ', line)? + 1..)?,
        };
        let from = line.len() - line.get(memchr::memchr(b' ', line)? + 1..)?.len();
        let changed = self.target(target, look_for_patterns)?;
        let mut out = line.get(..from).unwrap_or_default().to_vec();
        out.extend_from_slice(&changed);
        out.extend_from_slice(line.get(from + target.len()..).unwrap_or_default());
        Some(out)
    }

    fn target(&mut self, target: &[u8], look_for_patterns: bool) -> Option<Vec<u8>> {
        let question = memchr::memchr(b'?', target).unwrap_or(target.len());
        let (path, rest) = target.split_at(question);
        let query = rest.get(1..).unwrap_or_default();
        let new_query = self.form(KeyPlace::Query, query);
        let new_path = (look_for_patterns || memchr::memchr(b'%', path).is_some())
            .then(|| self.encoded("target", b"", path, false, |byte| b"/:@!$&'()*+,;=".contains(&byte)))
            .flatten();
        if new_query.is_none() && new_path.is_none() {
            return None;
        }
        let mut out = new_path.unwrap_or_else(|| path.to_vec());
        let query = new_query.as_deref().unwrap_or(query);
        if question < target.len() && (!query.is_empty() || rest.len() == 1) {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        Some(out)
    }

    /// The pairs with their secrets replaced; `None` when nothing is.
    pub(super) fn form(&mut self, place: KeyPlace, text: &[u8]) -> Option<Vec<u8>> {
        if text.is_empty() {
            return None;
        }
        let name = if place == KeyPlace::Query { "query" } else { "form" };
        let mut out = Vec::new();
        let (mut any, mut written) = (false, false);
        for pair in text.split(|byte| *byte == b'&') {
            let mark = out.len();
            if written {
                out.push(b'&');
            }
            match self.pair_of(place, name, pair, &mut out) {
                Outcome::AsItWas => written = true,
                Outcome::Changed => (any, written) = (true, true),
                Outcome::Gone => {
                    any = true;
                    out.truncate(mark);
                }
            }
        }
        any.then_some(out)
    }

    fn pair_of(&mut self, place: KeyPlace, name: &'static str, pair: &[u8], out: &mut Vec<u8>) -> Outcome {
        // Some servers part pairs by semicolons, too; to others they are part of the value. So a secret that begins behind
        // one reaches to the end.
        let mut from = 0;
        loop {
            let rest = pair.get(from..).unwrap_or_default();
            let semicolon = memchr::memchr(b';', rest);
            let piece = rest.get(..semicolon.unwrap_or(rest.len())).unwrap_or_default();
            if let Some(equals) = memchr::memchr(b'=', piece) {
                let key = decoded(piece.get(..equals).unwrap_or_default());
                if let Some(verdict) = self.key(place, &key) {
                    let value = rest.get(equals + 1..).unwrap_or_default();
                    return self.value_of(name, &key, verdict, pair, from + equals + 1, value, out);
                }
            }
            match semicolon {
                Some(at) => from += at + 1,
                None => break,
            }
        }
        match self.encoded(name, b"", pair, true, |byte| b"=;*!'(),:@/?$[]".contains(&byte)) {
            Some(changed) => {
                out.extend_from_slice(&changed);
                Outcome::Changed
            }
            None => {
                out.extend_from_slice(pair);
                Outcome::AsItWas
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a pair and its parts")]
    fn value_of(
        &mut self,
        place: &'static str,
        key: &[u8],
        verdict: Verdict,
        pair: &[u8],
        at: usize,
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome {
        match verdict.action {
            Action::Keep => {
                out.extend_from_slice(pair);
                Outcome::AsItWas
            }
            Action::Drop => {
                self.note(place, key, verdict.rule, Action::Drop, value.len());
                Outcome::Gone
            }
            _ => {
                out.extend_from_slice(pair.get(..at).unwrap_or_default());
                match self.put(place, key, verdict, &decoded(value), value, out) {
                    true => Outcome::Changed,
                    false => Outcome::AsItWas,
                }
            }
        }
    }

    /// Percent-encoded text with what patterns find in it, decoded, replaced, and encoded again but for what `is_kept`;
    /// JSON in a pair's value is looked into, too.
    fn encoded(
        &mut self,
        place: &'static str,
        name: &[u8],
        text: &[u8],
        is_pair: bool,
        is_kept: impl Fn(u8) -> bool,
    ) -> Option<Vec<u8>> {
        let split = if is_pair { memchr::memchr(b'=', text).map_or(0, |equals| equals + 1) } else { 0 };
        let (before, value) = text.split_at_checked(split)?;
        let plain = if is_pair { decoded(value) } else { percent_decoded(value) };
        let nested = if is_pair { self.nested(&plain, 0) } else { None };
        let changed = match nested {
            Some(changed) => Some(changed),
            None if self.may_have_pattern(&plain) => self.text(place, name, &plain),
            None => None,
        };
        if let Some(changed) = changed {
            let mut out = before.to_vec();
            // Text without escapes stays readable; with them, what was decoded is encoded again.
            match plain {
                Cow::Borrowed(_) if !json::looks_like(&changed) => out.extend_from_slice(&changed),
                _ => percent_encode(&changed, is_kept, &mut out),
            }
            return Some(out);
        }
        // A secret may also stand across the name, or in it: `?eyJ…` has no value at all.
        let whole = if is_pair { decoded(text) } else { return None };
        if split > 0 && self.may_have_pattern(&whole) {
            let changed = self.text(place, name, &whole)?;
            let mut out = Vec::new();
            percent_encode(&changed, is_kept, &mut out);
            return Some(out);
        }
        None
    }
}

enum Outcome {
    AsItWas,
    Changed,
    Gone,
}

/// A form's text: `+` is a space.
pub(crate) fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let spaces: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_decoded(&spaces).into_owned())
}

fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = digit(0).zip(digit(1)).filter(|_| *byte == b'%');
        match escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()) {
            Some(escaped) => {
                out.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

fn percent_encode(bytes: &[u8], is_kept: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || is_kept(*byte) {
            out.push(*byte);
        } else {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'A' + value - 10 };
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
