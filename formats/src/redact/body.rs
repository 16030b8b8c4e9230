//! Bodies: decoded, looked into by their type, and stored decoded where a rule changed something.
//!
//! It fails closed: what may hold text and cannot be decoded or read, or of which only a part is there, is dropped, with
//! its length and why. Images, sound, video, fonts, archives and messages of RPCs in binary are not looked into.

use std::borrow::Cow;

use bytes::Bytes;

use super::json::{Depth, looks_like};
use super::kind::{Kind, has_wide_charset, is_wide};
use super::pass::{Pass, RuleName};
use super::rule::{Action, KeyPlace};
use crate::coding::{self, Coding};
use crate::head;
use crate::model::{Dropped, Message};
use crate::session::BODY_BYTES_MAX;

/// A body longer than this when it is decoded is dropped: no session keeps longer ones.
#[expect(clippy::cast_possible_truncation, reason = "30 MiB")]
pub(super) const DECODED_BYTES_MAX: usize = BODY_BYTES_MAX as usize;

/// Messages and forms in messages and forms: nobody sends more.
const WITHIN_MAX: usize = 4;

/// A rule may apply, and the content cannot be read as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

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
                // Of several the first that is looked into, since peers differ in which they believe.
                12 if field.is("content-type") && Kind::of(content_type, b"x") == Kind::Binary => {
                    content_type = field.value
                }
                12 if field.is("content-type") && content_type.is_empty() => content_type = field.value,
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
                message.body.sha256 = None;
            }
            return;
        }
        // A body that was redacted before is decoded already.
        let listed = if body.redacted.is_some() { Ok(Vec::new()) } else { coding::codings(&encoding) };
        let is_coded = !matches!(&listed, Ok(list) if list.is_empty());
        let outer = Kind::of(content_type, if is_coded { b"" } else { &body.bytes });
        if outer == Kind::Binary {
            return;
        }
        if (body.is_truncated() || !whole) && !self.scans() {
            return self.drop_body(message, Dropped::Truncated);
        }
        let Ok(listed) = listed else { return self.drop_body(message, Dropped::Undecodable) };
        let Some((content, undone)) = decoded(&body.bytes, listed) else {
            return self.drop_body(message, Dropped::Undecodable);
        };
        let kind = if is_coded || !undone.is_empty() { Kind::of(content_type, &content) } else { outer };
        if kind != Kind::Binary && has_wide_charset(content_type) {
            return self.drop_body(message, Dropped::Undecodable);
        }
        // Where rules hold for some requests only, the same body can be clean here and not there.
        let may_be_known = undone.is_empty() && !self.rules.has.scopes && kind != Kind::Multipart;
        if may_be_known && self.rules.recent.is_clean(kind, &message.body.bytes) {
            return;
        }
        match self.content(kind, content_type, &content, 0) {
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
            Err(Unreadable) => {
                if self.scans() {
                    let _ = self.text("text", b"", &content);
                }
                self.drop_body(message, Dropped::Undecodable);
            }
        }
    }

    /// Content with its secrets replaced; `None` when there are none. `within` counts the messages around it.
    pub(super) fn content(
        &mut self,
        kind: Kind,
        content_type: &[u8],
        text: &[u8],
        within: usize,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        if kind == Kind::Binary {
            return Ok(None);
        }
        if within > WITHIN_MAX || is_wide(text) {
            return Err(Unreadable);
        }
        match kind {
            Kind::Binary => Ok(None),
            Kind::Json => self.json(text, Depth::default()).map_err(|_| Unreadable),
            Kind::Form => Ok(self.form(KeyPlace::Form, text)),
            Kind::Multipart => self.multipart(content_type, text, within),
            Kind::Events => Ok(self.events(text)),
            Kind::Http => self.message(text, within),
            Kind::Text => Ok(self.plain(text)),
        }
    }

    /// Text of a type that says nothing of JSON, and may be some all the same.
    fn plain(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        if looks_like(text) {
            let changes = self.changes_len();
            match self.json(text, Depth::default()) {
                Ok(changed) => return changed,
                Err(_) => self.forget_changes(changes),
            }
        }
        self.may_have_pattern(text).then(|| self.text("text", b"", text)).flatten()
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
        // A digest of what was there could be used to find out what it was.
        message.body.sha256 = None;
    }
}

/// Content without its codings, and which there were: those that a message declares, and those that its content begins
/// with all the same. `None` where it cannot be decoded.
fn decoded(body: &[u8], listed: Vec<Coding>) -> Option<(Cow<'_, [u8]>, Vec<Coding>)> {
    let mut content = Cow::Borrowed(body);
    let mut all: Vec<Coding> = Vec::new();
    let mut next = if listed.is_empty() { undeclared(body) } else { listed };
    while !next.is_empty() {
        if all.len() + next.len() > coding::CODINGS_MAX {
            return None;
        }
        let (plain, undone) = coding::decode(&content, &next, DECODED_BYTES_MAX).ok()?;
        content = Cow::Owned(plain);
        // What is found inside was made before.
        all.splice(0..0, undone);
        next = undeclared(&content);
    }
    Some((content, all))
}

/// Codings that a message does not declare and that its content begins with all the same.
fn undeclared(content: &[u8]) -> Vec<Coding> {
    match content {
        [0x1f, 0x8b, 8, ..] => vec![Coding::Gzip],
        [0x28, 0xb5, 0x2f, 0xfd, ..] => vec![Coding::Zstd],
        _ => Vec::new(),
    }
}
