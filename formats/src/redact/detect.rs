//! Looking without redacting: what a scan looks for beside the rules, and how it tells where.
//!
//! A scan reads what redaction reads, in the same way, so that what one leaves the other finds. It is lenient where
//! redaction fails closed: of what cannot be read as what it is, it looks at the text.

use regex::bytes::Regex;

use super::pass::Pass;
use super::patterns;

/// Something that redaction leaves alone, found by a pattern and a closer look.
#[derive(Debug, Clone)]
pub(crate) struct Detector {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Finds it, or its group `secret`.
    pub(crate) regex: Regex,
    /// Whether it really is one.
    pub(crate) is_one: fn(&[u8]) -> bool,
}

/// Changes that are told apart in one exchange; the others are told without their place.
pub(super) const CHANGES_MAX: usize = 10_000;
/// Earlier changes that a new one is compared with.
pub(super) const COMPARED_MAX: usize = 64;
/// Steps of a path that are shown.
const STEPS_MAX: usize = 16;
/// Longest name that is shown.
const NAME_BYTES_MAX: usize = 40;
/// Digits that a name may have: more are a number.
const NAME_DIGITS_MAX: usize = 4;

/// A name that peers chose, for people; `*` where it may itself be a secret.
pub(crate) fn shown(name: &[u8]) -> &str {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:$[]".contains(byte);
    let digits = name.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_fine = name.len() <= NAME_BYTES_MAX
        && digits <= NAME_DIGITS_MAX
        && name.iter().all(is_plain)
        && !patterns::may_match(name);
    std::str::from_utf8(name).ok().filter(|_| is_fine).unwrap_or("*")
}

impl Pass<'_> {
    /// Whether this only looks.
    pub(super) fn scans(&self) -> bool {
        !self.rules.detectors.is_empty()
    }

    /// The place in JSON that is looked at.
    pub(super) fn shown_path(&self) -> String {
        let mut path = format!("{} $", self.holder);
        for step in self.steps.iter().take(STEPS_MAX) {
            if step != "[*]" {
                path.push('.');
            }
            path.push_str(step);
        }
        if self.steps.len() > STEPS_MAX {
            path.push_str("...");
        }
        path
    }
}
