//! Bodies: decoded, looked into by their type, and stored decoded where a rule changed something.
//!
//! It fails closed: what may hold text and cannot be decoded or read, or of which only a part is there, is dropped, with
//! its length and why. Images, sound, video, fonts, archives and messages of RPCs in binary are not looked into.

use std::borrow::Cow;

use bytes::Bytes;

use super::json::looks_like;
use super::pass::{Pass, RuleName};
use super::rule::{Action, KeyPlace};
use crate::coding::{self, Coding};
use crate::head;
use crate::model::{Dropped, Message};
use crate::session::BODY_BYTES_MAX;

/// A body longer than this when it is decoded is dropped: no session keeps longer ones.
#[expect(clippy::cast_possible_truncation, reason = "30 MiB")]
pub(super) const DECODED_BYTES_MAX: usize = BODY_BYTES_MAX as usize;

/// What a body is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    Text,
    /// Not looked into.
    Binary,
}

/// A rule may apply, and the content cannot be read as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

#[rustfmt::skip]
const BINARY: &[&str] = &[
    "application/zip", "application/gzip", "application/x-gzip", "application/x-tar", "application/zstd", "application/pdf",
    "application/wasm", "application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf",
    "application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc-web+proto", "application/x-7z-compressed",
    "application/java-archive", "application/vnd.ms-fontobject", "application/x-font-ttf", "application/msgpack",
    "application/x-msgpack", "application/cbor", "application/avro", "application/vnd.apache.parquet",
    "application/ogg", "application/dash+xml", "application/vnd.apple.mpegurl",
];

impl Kind {
    /// By the type that a message names, or, where it says little, by how the content begins.
    pub(super) fn of(content_type: &[u8], content: &[u8]) -> Self {
        let essence = content_type.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default().trim_ascii();
        let essence = String::from_utf8_lossy(essence).to_ascii_lowercase();
        let (family, subtype) = essence.split_once('/').unwrap_or(("", ""));
        match family {
            "image" if subtype.starts_with("svg") => return Self::Text,
            "image" | "video" | "audio" | "font" => return Self::Binary,
            _ => {}
        }
        if BINARY.contains(&essence.as_str()) {
            return Self::Binary;
        }
        if matches!(essence.as_str(), "multipart/form-data" | "multipart/mixed") {
            return Self::Multipart;
        }
        if subtype == "json" || subtype.ends_with("+json") || subtype.contains("json") {
            return Self::Json;
        }
        if essence == "application/x-www-form-urlencoded" {
            // What curl sends as a form without being told otherwise.
            return if looks_like(content) { Self::Json } else { Self::Form };
        }
        let says_little = matches!(essence.as_str(), "" | "text/plain" | "application/octet-stream");
        if says_little && looks_like(content) {
            return Self::Json;
        }
        if matches!(essence.as_str(), "" | "application/octet-stream") && has_nul(content) {
            return Self::Binary;
        }
        if says_little && looks_like_form(content) { Self::Form } else { Self::Text }
    }
}

impl Pass<'_> {
    /// Redacts the body of a message that was `whole`, or not.
    pub(super) fn body(&mut self, message: &mut Message, whole: bool) {
        let body = &message.body;
        if body.bytes.is_empty() {
            return;
        }
        let (mut content_type, mut encoding): (&[u8], Cow<'_, [u8]>) = (b"", Cow::Borrowed(b""));
        for field in head::fields(&message.head) {
            match field.name.len() {
                12 if field.is("content-type") => content_type = field.value,
                16 if field.is("content-encoding") && encoding.is_empty() => encoding = Cow::Borrowed(field.value),
                16 if field.is("content-encoding") => encoding = [&encoding, &b","[..], field.value].concat().into(),
                _ => {}
            }
        }
        if self.rules.has.bodies
            && let Some(done) = self.whole_body(content_type, body.total_len)
        {
            if let Some(why) = done {
                message.body.drop_for(why);
            }
            return;
        }
        // A body that was redacted before is decoded already.
        let listed = if body.redacted.is_some() { Ok(Vec::new()) } else { coding::codings(&encoding) };
        let is_coded = !matches!(&listed, Ok(list) if list.is_empty());
        if Kind::of(content_type, if is_coded { b"" } else { &body.bytes }) == Kind::Binary {
            return;
        }
        if body.is_truncated() || !whole {
            return self.drop_body(message, Dropped::Truncated);
        }
        let codings = match listed {
            Ok(codings) if codings.is_empty() => undeclared(&body.bytes),
            Ok(codings) => codings,
            Err(_) => return self.drop_body(message, Dropped::Undecodable),
        };
        let (content, undone) = if codings.is_empty() {
            (Cow::Borrowed(&body.bytes[..]), Vec::new())
        } else {
            match coding::decode(&body.bytes, &codings, DECODED_BYTES_MAX) {
                Ok((content, undone)) => (Cow::Owned(content), undone),
                Err(_) => return self.drop_body(message, Dropped::Undecodable),
            }
        };
        let kind = Kind::of(content_type, &content);
        // Where rules hold for some requests only, the same body can be clean here and not there.
        let may_be_known = !is_coded && !self.rules.has.scopes && kind != Kind::Multipart;
        if may_be_known && self.rules.recent.is_clean(kind, &message.body.bytes) {
            return;
        }
        match self.content(kind, content_type, &content) {
            Ok(None) if may_be_known => self.rules.recent.note(kind, &message.body.bytes),
            Ok(None) => {}
            Ok(Some(changed)) => {
                let names = undone.iter().map(|coding| coding.name().to_owned()).collect();
                let body = &mut message.body;
                body.redacted.get_or_insert(names);
                body.bytes = Bytes::from(changed);
                // A digest of what was there could be used to find out what it was.
                body.sha256 = None;
            }
            Err(Unreadable) => self.drop_body(message, Dropped::Undecodable),
        }
    }

    /// Content with its secrets replaced; `None` when there are none.
    pub(super) fn content(
        &mut self,
        kind: Kind,
        content_type: &[u8],
        text: &[u8],
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        match kind {
            Kind::Binary => Ok(None),
            Kind::Json => self.json(text, 0).map_err(|_| Unreadable),
            Kind::Form => Ok(self.form(KeyPlace::Form, text)),
            Kind::Multipart => self.multipart(content_type, text),
            Kind::Text if self.may_have_pattern(text) => Ok(self.text("text", b"", text)),
            Kind::Text => Ok(None),
        }
    }

    /// What a rule for whole bodies decides: `Some(None)` keeps it as it is.
    fn whole_body(&mut self, content_type: &[u8], bytes: u64) -> Option<Option<Dropped>> {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let verdict = self.body_rule(&String::from_utf8_lossy(essence).to_ascii_lowercase())?;
        if verdict.action == Action::Keep {
            return Some(None);
        }
        self.note("body", b"", verdict.rule, Action::Drop, usize::try_from(bytes).unwrap_or(usize::MAX));
        Some(Some(Dropped::Rule))
    }

    fn drop_body(&mut self, message: &mut Message, why: Dropped) {
        self.note(
            "body",
            why.name().as_bytes(),
            RuleName::Default("fail closed"),
            Action::Drop,
            message.body.bytes.len(),
        );
        message.body.drop_for(why);
    }
}

/// Codings that a message does not declare and that its content begins with all the same.
fn undeclared(content: &[u8]) -> Vec<Coding> {
    match content {
        [0x1f, 0x8b, 8, ..] => vec![Coding::Gzip],
        [0x28, 0xb5, 0x2f, 0xfd, ..] => vec![Coding::Zstd],
        _ => Vec::new(),
    }
}

/// Text has none; UTF-16 and most binary formats have many.
fn has_nul(content: &[u8]) -> bool {
    memchr::memchr(0, content.get(..512).unwrap_or(content)).is_some()
}

/// Whether a text of no known type is one line of pairs.
fn looks_like_form(content: &[u8]) -> bool {
    let name = content.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(byte)).count();
    name > 0 && content.get(name) == Some(&b'=') && !content.iter().any(|byte| matches!(byte, b' ' | b'\n' | b'\r'))
}
