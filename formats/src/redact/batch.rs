//! A message in a message (`application/http`), as the parts of a batch are: head and content are redacted as others are.

use super::body::Unreadable;
use super::kind::Kind;
use super::multipart::head_len;
use super::pass::Pass;
use crate::{coding, head};

impl Pass<'_> {
    /// The message with its secrets replaced; `None` when there are none.
    pub(super) fn message(&mut self, text: &[u8], within: usize) -> Result<Option<Vec<u8>>, Unreadable> {
        let (head, content) = text.split_at(head_len(text).unwrap_or(text.len()));
        let new_content = if content.is_empty() {
            None
        } else {
            let field = |name| head::value(head, name).unwrap_or_default();
            let content_type = field("content-type");
            let kind = Kind::of(content_type, content);
            if kind != Kind::Binary && coding::codings(field("content-encoding")).map_or(true, |all| !all.is_empty()) {
                return Err(Unreadable);
            }
            self.content(kind, content_type, content, within + 1)?
        };
        let new_head = self.section(head, true);
        if new_head.is_none() && new_content.is_none() {
            return Ok(None);
        }
        let mut out = new_head.unwrap_or_else(|| head.to_vec());
        out.extend_from_slice(new_content.as_deref().unwrap_or(content));
        Ok(Some(out))
    }
}
