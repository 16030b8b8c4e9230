//! One sealed value: made, found in text, opened.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};
use memchr::memmem::Finder;

use super::key::Keys;
use super::{SealError, VERSION};

/// Longest secret that is sealed: as long as a body may be.
pub const VALUE_BYTES_MAX: usize = 32 << 20;

const PREFIX: &str = "reenact-sealed-";
const VERSION_DIGITS_MAX: usize = 4;
const END: u8 = b'.';
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Longest text of one.
const TEXT_BYTES_MAX: usize = (VALUE_BYTES_MAX + NONCE_BYTES + TAG_BYTES).div_ceil(3) * 4;
const DOMAIN: &[u8] = b"reenact sealed value v1";

pub(super) fn seal(keys: &Keys, secret: &[u8]) -> Result<String, SealError> {
    let too_long = SealError::TooLong { bytes: secret.len() };
    if secret.len() > VALUE_BYTES_MAX {
        return Err(too_long);
    }
    let nonce = keys.nonce(secret);
    let payload = Payload { msg: secret, aad: DOMAIN };
    let ciphertext = keys.cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| too_long)?;
    let mut bytes = Vec::with_capacity(NONCE_BYTES + ciphertext.len());
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&ciphertext);
    Ok(format!("{PREFIX}{VERSION}.{}.", URL_SAFE_NO_PAD.encode(bytes)))
}

pub(super) fn open(keys: &Keys, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (version, text) = parts(sealed).ok_or(SealError::ValueDamaged)?;
    if version != VERSION {
        return Err(SealError::ValueVersion { found: version });
    }
    let text = text.strip_suffix(&[END]).filter(|text| text.len() <= TEXT_BYTES_MAX).ok_or(SealError::ValueDamaged)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::ValueDamaged)?;
    let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(SealError::ValueDamaged)?;
    let payload = Payload { msg: ciphertext, aad: DOMAIN };
    keys.cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| SealError::ValueDamaged)
}

/// How many bytes a sealed value has when it is opened; 0 where it is too short to be one.
#[must_use]
pub fn opened_len(sealed: &[u8]) -> usize {
    let Some((_, text)) = parts(sealed) else { return 0 };
    let text = text.strip_suffix(&[END]).unwrap_or(text);
    (text.len() / 4 * 3 + (text.len() % 4 * 3) / 4).saturating_sub(NONCE_BYTES + TAG_BYTES)
}

/// Finds the sealed values in a text, of any version, in order. One that was cut off is found, too, so that it does not
/// pass for what it is not.
pub fn find(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(from..)?;
            let at = from + FINDER.find(rest)?;
            let candidate = text.get(at..)?;
            let Some(len) = len(candidate) else {
                from = at + PREFIX.len();
                continue;
            };
            from = at + len;
            return Some(at..from);
        }
    })
}

/// The length of the value that begins here, its last dot included if it is there; `None` where none begins.
fn len(text: &[u8]) -> Option<usize> {
    let (_, rest) = parts(text)?;
    let chars = rest.iter().take_while(|byte| is_base64url(**byte)).count();
    let end = usize::from(chars > 0 && rest.get(chars) == Some(&END));
    (chars > 0).then_some(text.len() - rest.len() + chars + end)
}

/// Version, and what stands behind it.
fn parts(text: &[u8]) -> Option<(u32, &[u8])> {
    let rest = text.strip_prefix(PREFIX.as_bytes())?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (version, rest) = rest.split_at_checked(digits).filter(|_| (1..=VERSION_DIGITS_MAX).contains(&digits))?;
    let version = std::str::from_utf8(version).ok()?.parse().ok()?;
    Some((version, rest.strip_prefix(&[END])?))
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
