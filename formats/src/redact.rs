//! Redaction: secrets in heads and trailers become pseudonyms before anything reaches the disk.
//!
//! What counts as a secret is decided by the header's name (`names`); what becomes of a value is in `values`. It fails
//! closed: lines are read raw, so that a folded, unfinished or oddly spaced line of a redacted header hides nothing.
//! Deliberately not here: bodies and request targets, to which no default rule applies, and sealing.

mod key;
mod lines;
mod names;
mod values;

use std::fmt;

use bytes::Bytes;

use crate::model::{Exchange, Message};
use lines::{Line, Lines};
use names::Names;
use values::Values;

pub(crate) use key::{KeyedHash, hash_u64};
pub use key::{RedactError, RedactionKey};
pub(crate) use names::is_token_byte;
pub(crate) use values::unquoted;

/// What was redacted, for the session's header: enough to tell, nothing to recover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// [`RedactionKey::key_id`] of the key.
    pub key_id: String,
    /// Names of the redacted headers in lower case; `*-x` stands for every name that ends in `-x`.
    pub headers: Vec<String>,
}

/// Replaces the secrets of exchanges.
///
/// A secret becomes `redacted-` and 128 bits of HMAC-SHA-256 over it, so equal secrets stay equal wherever they stand;
/// one with fewer than 2⁴⁰ possibilities by alphabet and length becomes `***`; an empty one stays empty.
#[derive(Clone)]
pub struct Redactor {
    key_id: String,
    names: Names,
    values: Values,
}

impl Redactor {
    /// With the default rules: `Authorization`, `Cookie`, `Set-Cookie`, and the headers that carry keys and tokens.
    #[must_use]
    pub fn new(key: &RedactionKey) -> Self {
        Self {
            key_id: key.key_id(),
            names: Names::default_rules(),
            values: Values::new(key.keyed_hash("reenact pseudonym v1")),
        }
    }

    /// Besides these rules, the values of headers with these names.
    #[must_use]
    pub fn with_headers(mut self, names: &[String]) -> Self {
        self.names.add(names);
        self
    }

    /// Redacts every head and trailer section of `exchange`. Those without a redacted header are not touched or copied.
    pub fn redact(&self, exchange: &mut Exchange) {
        self.message(&mut exchange.request);
        for head in &mut exchange.informational {
            self.section(head, true);
        }
        if let Some(response) = &mut exchange.response {
            self.message(response);
        }
    }

    /// The rules, as a session's header publishes them.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy { key_id: self.key_id.clone(), headers: self.names.published() }
    }

    fn message(&self, message: &mut Message) {
        self.section(&mut message.head, true);
        self.section(&mut message.trailers, false);
    }

    fn section(&self, section: &mut Bytes, has_start_line: bool) {
        if section.is_empty() {
            return;
        }
        if let Some(redacted) = self.rebuilt(section, has_start_line) {
            *section = redacted.into();
        }
    }

    /// The section with its secrets replaced; `None` when no rule matched.
    fn rebuilt(&self, section: &[u8], has_start_line: bool) -> Option<Vec<u8>> {
        let mut lines = Lines::new(section);
        if has_start_line {
            lines.next();
        }
        let mut out = Vec::new();
        let mut copied = 0;
        while let Some(line) = lines.next() {
            let Some(found) = self.names.find(line.text) else { continue };
            let mut last = line;
            let mut unfolded = Vec::new();
            while let Some(more) = lines.next_if_continues(&last) {
                if unfolded.is_empty() {
                    unfolded.extend_from_slice(found.value);
                }
                unfolded.push(b' ');
                unfolded.extend_from_slice(more.text.trim_ascii());
                last = more;
            }
            if out.is_empty() {
                out.reserve(section.len() + section.len() / 4);
            }
            let value = if unfolded.is_empty() { found.value } else { &unfolded };
            out.extend_from_slice(section.get(copied..line.at).unwrap_or_default());
            out.extend_from_slice(found.before);
            self.values.replace(found.kind, value, &mut out);
            out.extend_from_slice(last.ending);
            copied = end_of(&last);
        }
        if copied == 0 {
            return None;
        }
        out.extend_from_slice(section.get(copied..).unwrap_or_default());
        Some(out)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

fn end_of(line: &Line<'_>) -> usize {
    line.at + line.text.len() + line.ending.len()
}

#[cfg(test)]
mod tests;
