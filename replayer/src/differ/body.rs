//! Two bodies: first byte by byte or by their digests, then by what they are.

use std::borrow::Cow;

use formats::coding;
use formats::head;
use sha2::{Digest as _, Sha256};

use super::answer::{Answer, Kept};
use super::found::{Differences, Incomparable, Kind};
use super::json::{self, ElementKeys, Unread};
use super::kind::Media;
use super::{form, lines, markup};

/// Largest content that is looked into, decoded; larger ones are only told apart.
pub const LOOKED_INTO_BYTES_MAX: usize = 8 << 20;

const PLACE: &str = "body";

pub(super) fn bodies(before: &Answer, after: &Answer, keys: ElementKeys<'_>, differences: &mut Differences) {
    if before.kept == after.kept && before.body() == after.body() && before.has_body() && same_coding(before, after) {
        return;
    }
    let at_body = |out: &mut String| out.push_str(PLACE);
    match (before.body_len, after.body_len) {
        (0, 0) => return,
        (0, _) => return differences.add(Kind::Added, b"", length(after).as_bytes(), at_body),
        (_, 0) => return differences.add(Kind::Missing, length(before).as_bytes(), b"", at_body),
        _ => {}
    }
    if !before.has_body() || !after.has_body() {
        return not_kept(before, after, differences);
    }
    let contents = (content(before), content(after));
    let (a, b) = match &contents {
        (Ok(a), Ok(b)) if a == b => return,
        (Ok(a), Ok(b)) => (a.as_ref(), b.as_ref()),
        (a, b) => {
            let why = |one: &Result<Cow<'_, [u8]>, String>| one.as_ref().err().cloned().unwrap_or_default();
            return match (a, b) {
                (Err(_), Err(_)) => by_bytes(before, after, differences),
                _ => differences.add(Kind::Unreadable, why(a).as_bytes(), why(b).as_bytes(), at_body),
            };
        }
    };
    if a.len() > LOOKED_INTO_BYTES_MAX || b.len() > LOOKED_INTO_BYTES_MAX {
        return by_bytes(before, after, differences);
    }
    let media =
        |of: &Answer, content: &[u8]| Media::of(head::value(of.head(), "content-type").unwrap_or_default(), content);
    let medias = (media(before, a), media(after, b));
    if medias.0 != medias.1 {
        return differences.add(Kind::Type, medias.0.name().as_bytes(), medias.1.name().as_bytes(), at_body);
    }
    match medias.0 {
        Media::Json => json_or_lines(a, b, keys, differences),
        Media::Form => form::diff(a, b, differences),
        Media::Xml => markup::xml(a, b, differences),
        Media::Html => markup::html(a, b, differences),
        Media::Text => lines::diff(a, b, differences),
        Media::Binary => by_bytes(before, after, differences),
    }
}

fn json_or_lines(a: &[u8], b: &[u8], keys: ElementKeys<'_>, differences: &mut Differences) {
    let mark = differences.mark();
    let Err(unread) = json::diff(a, b, keys, differences) else { return };
    // What was found before the place that cannot be read says less than that place.
    differences.forget(mark);
    let said = |bad: json::NotJson| format!("no JSON: byte {} is not {}", bad.at, bad.what);
    let (why_a, why_b) = match unread {
        Unread::Before(bad) => (Some(bad), json::check(b)),
        Unread::After(bad) => (json::check(a), Some(bad)),
    };
    match (why_a, why_b) {
        (Some(_), Some(_)) => lines::diff(a, b, differences),
        (one, other) => {
            let (one, other) = (one.map(said).unwrap_or_default(), other.map(said).unwrap_or_default());
            differences.add(Kind::Unreadable, one.as_bytes(), other.as_bytes(), |out| out.push_str(PLACE));
        }
    }
}

/// At least one is not there: digests and lengths are all there is.
fn not_kept(before: &Answer, after: &Answer, differences: &mut Differences) {
    if before.kept == Kept::Dropped || after.kept == Kept::Dropped {
        return differences.cannot(Incomparable::Dropped);
    }
    if let (Some(a), Some(b)) = (digest(before), digest(after)) {
        if a != b {
            by_bytes(before, after, differences);
        }
        return;
    }
    let is_as_sent = |answer: &Answer| answer.kept != Kept::Redacted;
    if before.body_len != after.body_len && is_as_sent(before) && is_as_sent(after) {
        return by_bytes(before, after, differences);
    }
    differences.cannot(Incomparable::NotKept);
}

fn by_bytes(before: &Answer, after: &Answer, differences: &mut Differences) {
    let said = |answer: &Answer| match digest(answer) {
        Some(digest) => format!("{}, SHA-256 {}", length(answer), hex(&digest)),
        None => length(answer),
    };
    let (before, after) = (said(before), said(after));
    differences.add(Kind::Bytes, before.as_bytes(), after.as_bytes(), |out| out.push_str(PLACE));
}

/// Of the body as it was sent, where that is known.
fn digest(answer: &Answer) -> Option<[u8; 32]> {
    let whole = || (answer.kept == Kept::Whole).then(|| Sha256::digest(answer.body()).into());
    answer.sha256.or_else(whole)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).chain(["…".to_owned()]).collect()
}

fn length(answer: &Answer) -> String {
    format!("{} bytes", answer.body_len)
}

fn coding_of(answer: &Answer) -> Vec<&[u8]> {
    head::fields(answer.head()).filter(|field| field.is("content-encoding")).map(|field| field.value).collect()
}

fn same_coding(before: &Answer, after: &Answer) -> bool {
    before.kept == Kept::Redacted || coding_of(before) == coding_of(after)
}

/// Without its codings.
fn content(answer: &Answer) -> Result<Cow<'_, [u8]>, String> {
    if answer.kept == Kept::Redacted {
        return Ok(Cow::Borrowed(answer.body()));
    }
    let codings = coding::codings(&coding_of(answer).join(&b","[..])).map_err(|error| error.to_string())?;
    if codings.is_empty() {
        return Ok(Cow::Borrowed(answer.body()));
    }
    // One byte more than is looked into: so that what is too long is told apart from what is damaged.
    match coding::decode(answer.body(), &codings, LOOKED_INTO_BYTES_MAX + 1) {
        Ok((content, _)) => Ok(Cow::Owned(content)),
        Err(error) => Err(error.to_string()),
    }
}
