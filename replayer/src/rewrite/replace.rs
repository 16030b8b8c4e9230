//! Values that rules put in: text with placeholders, and what a regular expression's finds become.

use std::borrow::Cow;

use regex::bytes::{Captures, Regex};

use super::error::RuleFault;
use super::template::Placeholder;
use super::text::{Text, percent_encode, percent_encode_unless};

/// Where a value goes; decides what it may have in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A header's value: no controls.
    Header,
    /// A query's value as a person means it: percent-encoded.
    QueryValue,
    /// Inside a query's value as it is sent: what may not stand there is percent-encoded, `%` stays.
    Query,
    /// Inside a path as it is sent: the same, and `?` and `#` too.
    Path,
    /// A body: anything.
    Body,
}

impl Place {
    fn literal(self, text: &str) -> Result<Vec<u8>, RuleFault> {
        let bytes = text.as_bytes();
        let is_control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
        // RFC 3986 §3.3 and §3.4, with `%` for escapes that are there already.
        let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
        let in_query = |byte: u8| byte != b'&' && (in_path(byte) || byte == b'?');
        match self {
            Self::Header if bytes.iter().any(is_control) => Err(RuleFault::Control),
            Self::Header | Self::Body => Ok(bytes.to_vec()),
            Self::QueryValue => Ok(percent_encode(bytes)),
            Self::Query => Ok(percent_encode_unless(bytes, in_query)),
            Self::Path => Ok(percent_encode_unless(bytes, in_path)),
        }
    }
}

/// Reads a value with `{{copy}}`, `{{client}}`, `{{seq}}` in it.
pub(super) fn value(text: &str, place: Place) -> Result<Text<'static>, RuleFault> {
    let mut out = Text::of(Vec::new());
    for part in placeholders(text) {
        match part? {
            Part::Literal(text) => out.push(&place.literal(text)?),
            Part::Filled(what) => out.push_mark(what),
        }
    }
    Ok(out)
}

/// What is searched, and what each find becomes.
#[derive(Debug)]
pub(super) struct Replace {
    from: Regex,
    to: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Literal(Vec<u8>),
    Group(usize),
    Filled(Placeholder),
}

impl Replace {
    pub(super) fn new(from: &str, to: &str, place: Place) -> Result<Self, RuleFault> {
        let from = Regex::new(from).map_err(|error| RuleFault::Regex(Box::new(error)))?;
        let mut pieces = Vec::new();
        for part in placeholders(to) {
            match part? {
                Part::Literal(text) => groups(text, &from, place, &mut pieces)?,
                Part::Filled(what) => pieces.push(Piece::Filled(what)),
            }
        }
        Ok(Self { from, to: pieces })
    }

    /// Whether something is filled in for each copy.
    pub(super) fn has_placeholder(&self) -> bool {
        self.to.iter().any(|piece| matches!(piece, Piece::Filled(_)))
    }

    /// Replaces every find; `None` when there is none. Where earlier rules put placeholders, the text between them is
    /// searched piece by piece.
    pub(super) fn apply(&self, text: &Text<'_>) -> Option<Text<'static>> {
        let bytes = text.bytes();
        if text.marks().is_empty() && !self.from.is_match(bytes) {
            return None;
        }
        let mut out = Text::of(Vec::with_capacity(bytes.len() + 16));
        let (mut from, mut found) = (0, false);
        for mark in text.marks() {
            found |= self.piece(bytes.get(from..mark.at).unwrap_or_default(), &mut out);
            out.push_mark(mark.what);
            from = mark.at;
        }
        found |= self.piece(bytes.get(from..).unwrap_or_default(), &mut out);
        found.then_some(out)
    }

    fn piece(&self, bytes: &[u8], out: &mut Text<'static>) -> bool {
        let mut from = 0;
        let mut found = false;
        for captures in self.from.captures_iter(bytes) {
            let Some(whole) = captures.get(0) else { continue };
            out.push(bytes.get(from..whole.start()).unwrap_or_default());
            self.push_find(&captures, out);
            from = whole.end();
            found = true;
        }
        out.push(bytes.get(from..).unwrap_or_default());
        found
    }

    fn push_find(&self, captures: &Captures<'_>, out: &mut Text<'static>) {
        for piece in &self.to {
            match piece {
                Piece::Literal(bytes) => out.push(bytes),
                Piece::Group(number) => out.push(captures.get(*number).map_or(&[], |group| group.as_bytes())),
                Piece::Filled(what) => out.push_mark(*what),
            }
        }
    }
}

/// Reads `$1`, `${1}`, `${name}` and `$$`. Digits after `$` end at the first other character, so `$1x` is group 1 and `x`.
fn groups(text: &str, from: &Regex, place: Place, pieces: &mut Vec<Piece>) -> Result<(), RuleFault> {
    let mut parts = text.split('$');
    let mut literal = Cow::Borrowed(parts.next().unwrap_or_default());
    while let Some(part) = parts.next() {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (name, rest) = if let Some((name, rest)) = part.strip_prefix('{').and_then(|part| part.split_once('}')) {
            (name, rest)
        } else if digits > 0 {
            part.split_at(digits)
        } else if part.is_empty()
            && let Some(rest) = parts.next()
        {
            literal.to_mut().push('$');
            literal.to_mut().push_str(rest);
            continue;
        } else {
            return Err(RuleFault::Dollar);
        };
        let number = match name.parse() {
            Ok(number) => Some(number).filter(|number| *number < from.captures_len()),
            Err(_) => from.capture_names().position(|known| known == Some(name)),
        };
        pieces.push(Piece::Literal(place.literal(&literal)?));
        pieces.push(Piece::Group(number.ok_or_else(|| RuleFault::Group { name: name.to_owned() })?));
        literal = Cow::Borrowed(rest);
    }
    pieces.push(Piece::Literal(place.literal(&literal)?));
    Ok(())
}

enum Part<'a> {
    Literal(&'a str),
    Filled(Placeholder),
}

/// Text cut at its placeholders. `{{` always begins one: a mistyped name would otherwise be sent as it stands.
fn placeholders(text: &str) -> impl Iterator<Item = Result<Part<'_>, RuleFault>> {
    let mut parts = text.split("{{");
    let first = parts.next().unwrap_or_default();
    let rest = parts.flat_map(|part| {
        let Some((name, literal)) = part.split_once("}}") else {
            return [Err(RuleFault::Placeholder { name: part.to_owned() }), Ok(Part::Literal(""))];
        };
        let what = match name.trim() {
            "copy" => Ok(Part::Filled(Placeholder::Copy)),
            "client" => Ok(Part::Filled(Placeholder::Client)),
            "seq" => Ok(Part::Filled(Placeholder::Seq)),
            _ => Err(RuleFault::Placeholder { name: name.to_owned() }),
        };
        [what, Ok(Part::Literal(literal))]
    });
    std::iter::once(Ok(Part::Literal(first))).chain(rest)
}
