//! What becomes of a secret.
//!
//! Not here: which values are secrets, and where in a message they stand.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;

use super::key::{KeyedHash, RedactionKey};
use super::rule::Action;
use super::shape::{Shape, is_made_here};
use crate::seal::{self, Sealer};

/// Stands for a secret that could be guessed.
const MASK: &[u8] = b"***";
/// Begins every pseudonym.
const PSEUDONYM_PREFIX: &[u8] = b"redacted-";
/// 128 bits in base64url.
const PSEUDONYM_DIGITS: usize = 22;
/// A secret with fewer possibilities could be found by trying them all with a stolen key.
const POSSIBILITIES_MIN: u128 = 1 << 40;

/// Replaces values.
#[derive(Clone)]
pub(super) struct Values {
    hash: KeyedHash,
    shape_hash: KeyedHash,
    sealer: Option<Arc<Sealer>>,
}

/// What putting a value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It stands there as it was: empty, or made by an earlier redaction.
    AsItWas,
    /// It was replaced by this action, which may be another than was asked for: what could be guessed is masked.
    By(Action),
}

impl Values {
    pub(super) fn new(key: &RedactionKey) -> Self {
        let hash = key.keyed_hash("reenact pseudonym v1");
        Self { hash, shape_hash: key.keyed_hash("reenact pseudonym shape v1"), sealer: None }
    }

    pub(super) fn seal_with(&mut self, sealer: Arc<Sealer>) {
        self.sealer = Some(sealer);
    }

    pub(super) fn can_seal(&self) -> bool {
        self.sealer.is_some()
    }

    /// Appends what may be known of `secret`, which stands there as `raw`: with its escapes.
    pub(super) fn put(&self, action: Action, secret: &[u8], raw: &[u8], out: &mut Vec<u8>) -> Put {
        if secret.is_empty() || action == Action::Keep || is_replacement(secret) {
            out.extend_from_slice(raw);
            return Put::AsItWas;
        }
        match action {
            Action::Drop => Put::By(Action::Drop),
            Action::Seal => match self.sealer.as_ref().map(|sealer| sealer.seal(raw)) {
                Some(Ok(text)) => {
                    out.extend_from_slice(text.as_bytes());
                    Put::By(Action::Seal)
                }
                // Too long to be sealed, or nobody to seal for, which the rules' check refuses.
                _ => mask(out),
            },
            Action::Pseudonym | Action::Shape => match Shape::of(secret) {
                // Code that takes a UUID takes nothing else, so that it stays one wherever it stands.
                Some(shape) if action == Action::Shape || shape == Shape::Uuid => self.shaped(shape, secret, out),
                _ if is_guessable(secret) => mask(out),
                _ => {
                    self.pseudonym(secret, out);
                    Put::By(Action::Pseudonym)
                }
            },
            _ => mask(out),
        }
    }

    fn shaped(&self, shape: Shape, secret: &[u8], out: &mut Vec<u8>) -> Put {
        if shape.is_guessable(secret) {
            return mask(out);
        }
        shape.write(first_128_bits(&self.shape_hash, secret), secret, out);
        Put::By(Action::Shape)
    }

    fn pseudonym(&self, secret: &[u8], out: &mut Vec<u8>) {
        let mut text = [0; PSEUDONYM_DIGITS];
        // Sixteen bytes are 22 digits; were they not, the pseudonym would be NULs, and never the secret.
        let _ = URL_SAFE_NO_PAD.encode_slice(first_128_bits(&self.hash, secret), &mut text);
        out.extend_from_slice(PSEUDONYM_PREFIX);
        out.extend_from_slice(&text);
    }
}

fn first_128_bits(hash: &KeyedHash, secret: &[u8]) -> [u8; 16] {
    let mut hash = hash.clone();
    hash.update(secret);
    let hash: [u8; 32] = hash.finalize().into_bytes().into();
    hash.first_chunk().copied().unwrap_or_default()
}

fn mask(out: &mut Vec<u8>) -> Put {
    out.extend_from_slice(MASK);
    Put::By(Action::Mask)
}

/// Whether a value is what an earlier redaction made: doing it again would only make equal secrets differ.
#[must_use]
pub fn is_replacement(value: &[u8]) -> bool {
    let is_pseudonym = |digits: &[u8]| {
        digits.len() == PSEUDONYM_DIGITS
            && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_sealed = || seal::find(value).next().is_some_and(|at| at == (0..value.len())) && value.ends_with(b".");
    value == MASK
        || is_made_here(value)
        || value.strip_prefix(PSEUDONYM_PREFIX).is_some_and(is_pseudonym)
        || is_sealed()
}

/// Text in which everything that an earlier redaction put there is the same mask: texts that were redacted under different
/// keys can then be held against each other.
///
/// ```
/// # use formats::redact::masked;
/// assert_eq!(&*masked(b"sid=redacted-0123456789abcdefghijkl; Path=/"), b"sid=***; Path=/");
/// ```
#[must_use]
pub fn masked(text: &[u8]) -> Cow<'_, [u8]> {
    if is_made_here(text) {
        return Cow::Borrowed(MASK);
    }
    let mut made: Vec<Range<usize>> = seal::find(text).collect();
    for at in memchr::memmem::find_iter(text, PSEUDONYM_PREFIX) {
        let end = at + PSEUDONYM_PREFIX.len() + PSEUDONYM_DIGITS;
        if text.get(at..end).is_some_and(is_replacement) {
            made.push(at..end);
        }
    }
    if made.is_empty() {
        return Cow::Borrowed(text);
    }
    made.sort_by_key(|range| range.start);
    let (mut out, mut copied) = (Vec::with_capacity(text.len()), 0);
    for range in made {
        if range.start >= copied {
            out.extend_from_slice(text.get(copied..range.start).unwrap_or_default());
            out.extend_from_slice(MASK);
            copied = range.end;
        }
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// A value without the pair of double quotes around it, if there is one.
pub(crate) fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Whether a secret has fewer than 2⁴⁰ possibilities, counting the characters of the kinds that it uses.
pub(super) fn is_guessable(secret: &[u8]) -> bool {
    let count = |is: fn(&u8) -> bool, size: u128| if secret.iter().any(is) { size } else { 0 };
    let is_hex = |lower: bool| {
        secret
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() && !(byte.is_ascii_alphabetic() && byte.is_ascii_lowercase() != lower))
    };
    let alphabet = if secret.iter().all(u8::is_ascii_digit) {
        10
    } else if is_hex(true) || is_hex(false) {
        16
    } else {
        count(u8::is_ascii_digit, 10)
            + count(u8::is_ascii_lowercase, 26)
            + count(u8::is_ascii_uppercase, 26)
            + count(|byte| byte.is_ascii_punctuation() || *byte == b' ', 33)
            + count(|byte| !byte.is_ascii() || byte.is_ascii_control(), 128)
    };
    let length = u32::try_from(secret.len()).unwrap_or(u32::MAX);
    u128::saturating_pow(alphabet, length) < POSSIBILITIES_MIN
}
