//! Keys of secrets in what is JSON, or nearly: found without reading it, so that what has none need not be read.
//!
//! A no is certain; a yes costs a closer look.

use super::json::has_ascii_escape;
use super::keys::STEM_WORDS;
use super::pass::Pass;
use super::rule::KeyPlace;

/// Bytes before a colon that are looked at for a name: of longer ones the end counts.
const NAME_BYTES_MAX: usize = 64;

thread_local! {
    /// A text in lower case, kept so that looking allocates nothing.
    static LOWER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Pass<'_> {
    /// Whether a key of a default rule may be there, quoted in any way or not at all. Keys with escaped letters are not
    /// found.
    pub(super) fn may_have_key(&self, text: &[u8]) -> bool {
        LOWER.with_borrow_mut(|lower| {
            lower.clear();
            lower.extend_from_slice(text);
            lower.make_ascii_lowercase();
            let mut from = 0;
            // Behind the last quote that was looked at.
            let mut quoted = 0;
            while let Some(at) = STEM_WORDS.find(lower, from) {
                let word = lower.get(at..).unwrap_or_default().iter().take_while(|byte| is_name(**byte)).count();
                from = at + word.max(1);
                if self.is_bare_key(lower, at, from) {
                    return true;
                }
                if at < quoted {
                    continue;
                }
                let end = memchr::memchr(b'"', lower.get(at..).unwrap_or_default()).map_or(lower.len(), |end| at + end);
                quoted = end;
                if self.is_quoted_key(lower, at, end) {
                    return true;
                }
            }
            false
        })
    }

    /// Whether the key with a stem at `at` and its closing quote at `end` is a rule's.
    fn is_quoted_key(&self, lower: &[u8], at: usize, end: usize) -> bool {
        let begin = memchr::memrchr(b'"', lower.get(..at).unwrap_or_default()).map_or(0, |quote| quote + 1);
        let key = lower.get(begin..end).unwrap_or_default();
        if memchr::memchr(b'\\', key).is_some() {
            return end < lower.len();
        }
        let after = lower.get(end + 1..).unwrap_or_default().trim_ascii_start();
        after.first() == Some(&b':') && self.key(KeyPlace::Json, key).is_some()
    }

    /// Whether the word with a stem at `at` that ends at `end` is a rule's key, without quotes or in single ones.
    fn is_bare_key(&self, lower: &[u8], at: usize, end: usize) -> bool {
        let after = lower.get(end..).unwrap_or_default();
        let after = after.strip_prefix(b"'").unwrap_or(after).trim_ascii_start();
        if after.first() != Some(&b':') {
            return false;
        }
        let before = lower.get(at.saturating_sub(NAME_BYTES_MAX)..at).unwrap_or_default();
        let word = before.iter().rev().take_while(|byte| is_name(**byte)).count();
        self.key(KeyPlace::Json, lower.get(at - word..end).unwrap_or_default()).is_some()
    }

    /// Whether a key of any rule stands there, however it is quoted or escaped; without quotes, only in an object. Slower,
    /// and sees more.
    pub(super) fn has_key(&self, text: &[u8]) -> bool {
        let is_object = text.trim_ascii_start().starts_with(b"{");
        let is_key = |colon: usize| {
            let before = text.get(..colon).unwrap_or_default().trim_ascii_end();
            let quotes = before.iter().rev().take_while(|byte| matches!(byte, b'"' | b'\'' | b'\\')).count();
            let before = before.get(..before.len() - quotes).unwrap_or_default();
            let is_bare = quotes == 0;
            if is_bare && !is_object {
                return false;
            }
            let is_end = |byte: &&u8| {
                matches!(byte, b'"' | b'\'' | b'\\' | b'{' | b',' | b'\n') || (is_bare && byte.is_ascii_whitespace())
            };
            let length = before.iter().rev().take(NAME_BYTES_MAX).take_while(|byte| !is_end(byte)).count();
            self.key(KeyPlace::Json, before.get(before.len() - length..).unwrap_or_default()).is_some()
        };
        has_ascii_escape(text) || memchr::memchr_iter(b':', text).any(is_key)
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_-.$".contains(&byte)
}
