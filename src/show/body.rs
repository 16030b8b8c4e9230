//! A message's content as a person reads it: codings undone, JSON in lines, forms a field a line, other text as text,
//! and the rest as a hex dump.

use std::borrow::Cow;

use formats::coding::{self, Coding};
use formats::head;
use formats::model::{Body, Dropped, Message};
use formats::visible;
use serde::de::IgnoredAny;

use super::{Look, hex, json};
use crate::terminal::Role;
use crate::units;

/// Bytes of text that are shown, unless somebody says.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// Bytes of what is no text that are shown, unless somebody says.
const BINARY_BYTES_MAX: u64 = 1 << 10;
/// Largest content whose codings are undone.
const DECODED_BYTES_MAX: usize = 64 << 20;

/// What a body is, as its message says and as it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Text,
    Binary,
}

/// The lines of a message's content, with remarks on what became of it; nothing where there was none.
pub(super) fn text(message: &Message, look: Look) -> String {
    let body = &message.body;
    let mut remarks = remarks(body);
    let (content, undone) = decoded(message);
    match undone {
        Ok(codings) if codings.is_empty() => {}
        Ok(codings) => remarks.push(format!("{} undone: {}", names(&codings), units::bytes(content.len() as u64))),
        Err(why) => remarks.push(format!("its coding cannot be undone: {why}")),
    }
    let shown = shown(message, &content, look, &mut remarks);
    let mut out = String::new();
    for remark in &remarks {
        out += &format!("{}\n", look.paint.text(Role::Remark, &format!("({})", visible::line(remark))));
    }
    out += &shown;
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// What became of the content on its way here.
fn remarks(body: &Body) -> Vec<String> {
    let mut out = Vec::new();
    let (kept, sent) = (body.bytes.len() as u64, body.total_len);
    if let Some(why) = body.dropped {
        let why = match why {
            Dropped::Behind => "capturing could not keep up",
            Dropped::Undecodable => "a redaction rule might apply, and it could not be read",
            Dropped::Truncated => "a redaction rule might apply, and only a part of it was there",
            Dropped::Rule => "a rule says so",
            Dropped::Damaged => "the part of the file that held them is damaged",
        };
        out.push(format!("{} were sent, none were kept: {why}", units::bytes(sent)));
    } else if body.is_truncated() && body.sha256.is_none() {
        out.push(format!("truncated: {} of {} were kept", units::bytes(kept), units::bytes(sent)));
    } else if body.is_truncated() {
        out.push(format!("{} of {} were kept", units::bytes(kept), units::bytes(sent)));
    }
    if let Some(codings) = &body.redacted {
        let coded = if codings.is_empty() { String::new() } else { format!(", {} undone", codings.join(", ")) };
        out.push(format!("redacted: {} were sent{coded}", units::bytes(sent)));
    }
    if let Some(digest) = body.sha256 {
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push(format!("SHA-256 of all of it: {digits}"));
    }
    if !body.chunks.is_empty() {
        out.push(format!("in {}", units::plural(body.chunks.len() as u64, "chunk")));
    }
    out
}

fn names(codings: &[Coding]) -> String {
    codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(", ")
}

/// The content without its codings, and which were undone; as it is where that cannot be done.
fn decoded(message: &Message) -> (Cow<'_, [u8]>, Result<Vec<Coding>, String>) {
    let bytes = &message.body.bytes;
    let as_is = |why: Result<Vec<Coding>, String>| (Cow::Borrowed(bytes.as_ref()), why);
    if bytes.is_empty() || message.body.redacted.is_some() {
        return as_is(Ok(Vec::new()));
    }
    let fields: Vec<&[u8]> =
        head::fields(&message.head).filter(|field| field.is("content-encoding")).map(|field| field.value).collect();
    let codings = match coding::codings(&fields.join(&b","[..])) {
        Ok(codings) if codings.is_empty() => return as_is(Ok(codings)),
        Ok(codings) => codings,
        Err(error) => return as_is(Err(error.to_string())),
    };
    match coding::decode(bytes, &codings, DECODED_BYTES_MAX) {
        Ok((content, undone)) => (Cow::Owned(content), Ok(undone)),
        Err(_) if message.body.is_truncated() => as_is(Err(format!("a part of {} is not enough", names(&codings)))),
        Err(error) => as_is(Err(error.to_string())),
    }
}

fn kind(message: &Message, content: &[u8]) -> Kind {
    let media_type = head::value(&message.head, "content-type").unwrap_or_default();
    let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let media_type = String::from_utf8_lossy(media_type).to_ascii_lowercase();
    let is_text = std::str::from_utf8(content).is_ok();
    let says_json = media_type.ends_with("/json") || media_type.ends_with("+json");
    let looks_json = matches!(content.trim_ascii_start().first(), Some(b'{' | b'['));
    if is_text && (says_json || looks_json) && serde_json::from_slice::<IgnoredAny>(content).is_ok() {
        return Kind::Json;
    }
    match media_type.as_str() {
        "application/x-www-form-urlencoded" if is_text => Kind::Form,
        // What calls itself text is shown as text, with what is no UTF-8 spelled out, unless it has bytes that no text
        // has.
        media if media.starts_with("text/") && !content.contains(&0) => Kind::Text,
        _ if is_text && !content.contains(&0) => Kind::Text,
        _ => Kind::Binary,
    }
}

/// The content itself, with a remark where only a part of it is shown.
fn shown(message: &Message, content: &[u8], look: Look, remarks: &mut Vec<String>) -> String {
    let kind = kind(message, content);
    let most = look.bytes_max.unwrap_or(if kind == Kind::Binary { BINARY_BYTES_MAX } else { TEXT_BYTES_MAX });
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let part = |bytes: &[u8]| -> Option<usize> { (bytes.len() > most).then_some(bytes.len()) };
    let (text, cut) = match kind {
        // Laid out as a whole first, so that the part that is shown is laid out, too.
        Kind::Json => {
            let laid_out = json::indented(&String::from_utf8_lossy(content));
            (visible::lines_of_bytes(start(laid_out.as_bytes(), most)), part(laid_out.as_bytes()))
        }
        Kind::Form => {
            let fields = form(content);
            (visible::lines_of_bytes(start(fields.as_bytes(), most)), part(fields.as_bytes()))
        }
        Kind::Text => (visible::lines_of_bytes(start(content, most)), part(content)),
        Kind::Binary => (hex::dump(content.get(..most).unwrap_or(content), look.columns), part(content)),
    };
    if let Some(of) = cut {
        let (most, of) = (units::bytes(most as u64), units::bytes(of as u64));
        remarks.push(format!("the first {most} of {of} are shown; --show-bytes shows more"));
    }
    text
}

/// At most so many bytes, without a part of a character at the end.
fn start(bytes: &[u8], most: usize) -> &[u8] {
    let cut = bytes.get(..most).unwrap_or(bytes);
    let is_whole = cut.len() == bytes.len();
    match std::str::from_utf8(cut) {
        Err(error) if !is_whole && error.error_len().is_none() => cut.get(..error.valid_up_to()).unwrap_or(cut),
        _ => cut,
    }
}

/// `name = value` a line, percent-encoding undone.
fn form(content: &[u8]) -> String {
    let fields = content.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
    let lines = fields.map(|field| {
        let at = field.iter().position(|byte| *byte == b'=');
        let (name, value) = field.split_at(at.unwrap_or(field.len()));
        let value = value.get(1..).unwrap_or_default();
        format!("{} = {}\n", visible::line_of_bytes(&plain(name)), visible::line_of_bytes(&plain(value)))
    });
    lines.collect()
}

/// Percent-encoding and `+` undone; what is no encoding stays.
fn plain(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Paint;

    fn message(fields: &str, bytes: &[u8]) -> Message {
        let mut message = Message { head: format!("X\r\n{fields}\r\n").into(), ..Message::default() };
        (message.body.bytes, message.body.total_len) = (bytes.to_vec().into(), bytes.len() as u64);
        message
    }

    #[track_caller]
    fn check(message: &Message, bytes_max: Option<u64>, expected: &str) {
        let look = Look { columns: 80, paint: Paint::OFF, bytes_max };
        assert_eq!(text(message, look), expected);
    }

    #[test]
    fn every_kind_is_laid_out() {
        check(&message("", b""), None, "");
        check(&message("Content-Type: application/json\r\n", b"{\"a\":[1]}"), None, "{\n  \"a\": [\n    1\n  ]\n}\n");
        check(&message("", b"[\"\xe2\x80\xae\"]"), None, "[\n  \"\\u202e\"\n]\n");
        check(&message("Content-Type: application/json\r\n", b"{\"a\":"), None, "{\"a\":\n");
        let form = "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n";
        check(
            &message(form, b"a=b+c&d=%1b%5b&e&f=%zz&%C3%A9=%ff&"),
            None,
            "a = b c\nd = \\u001b[\ne = \nf = %zz\né = \\xff\n",
        );
        check(&message("Content-Type: text/plain\r\n", b"a\r\n\x1b[2J\xe9"), None, "a\n\\u001b[2J\\xe9\n");
        check(&message("", b"a\0"), None, "00000000  61 00                                            a.\n");
    }

    #[test]
    fn codings_are_undone_and_said() {
        let coded = coding::encode(br#"{"a":1}"#, &[Coding::Gzip, Coding::Brotli]).unwrap();
        let fields = "Content-Encoding: gzip\r\ncontent-encoding: br\r\n";
        let whole = message(fields, &coded);
        check(&whole, None, "(gzip, br undone: 7 B)\n{\n  \"a\": 1\n}\n");
        let mut part = message("Content-Encoding: gzip\r\n", b"\x1f\x8b\x08");
        part.body.total_len = 100;
        let said = "(truncated: 3 B of 100 B were kept)\n(its coding cannot be undone: a part of gzip is not enough)\n";
        check(&part, None, &format!("{said}00000000  1f 8b 08                                         ...\n"));
        let unknown = message("Content-Encoding: \x1b\r\n", b"a");
        check(&unknown, None, "(its coding cannot be undone: the content coding `\\u001b` is not known)\na\n");
        let mut redacted = message("Content-Encoding: gzip\r\n", b"a");
        (redacted.body.redacted, redacted.body.total_len) = (Some(vec!["gzip".into()]), 30);
        check(&redacted, None, "(redacted: 30 B were sent, gzip undone)\na\n");
        let mut dropped = message("", b"");
        (dropped.body.dropped, dropped.body.total_len) = (Some(Dropped::Rule), 3);
        check(&dropped, None, "(3 B were sent, none were kept: a rule says so)\n");
    }

    #[test]
    fn the_bound_is_kept_at_the_limit_and_past_it() {
        check(&message("", "aé".as_bytes()), Some(3), "aé\n");
        check(
            &message("", "aéb".as_bytes()),
            Some(2),
            "(the first 2 B of 4 B are shown; --show-bytes shows more)\na\n",
        );
        let zeroes = |count: usize| {
            text(&message("", &vec![0; count]), Look { columns: 80, paint: Paint::OFF, bytes_max: None })
        };
        assert_eq!(zeroes(1_024).lines().count(), 64);
        assert!(
            zeroes(1_025).starts_with("(the first 1.0 KiB of 1.0 KiB are shown") && zeroes(1_025).lines().count() == 65
        );
    }
}
