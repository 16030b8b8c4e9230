//! The redaction key: where it comes from, and the keyed hashes that are derived from it, one for each purpose.
//!
//! Deliberately not here: writing the key anywhere. What may be published is [`RedactionKey::key_id`].

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Why there is no redaction key.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The secret is not a key.
    #[error(
        "a redaction key is 64 hexadecimal digits or the base64 of 32 bytes, and this secret of {len} characters is \
         neither: make one with `openssl rand -hex 32`"
    )]
    NotAKey {
        /// Length of the secret, without the white space around it.
        len: usize,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes for a redaction key")]
    NoRandomness(#[source] getrandom::Error),
}

/// The 256-bit key of pseudonyms and client keys. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactionKey([u8; 32]);

/// A keyed hash with its key taken in: cloning it costs no hashing.
pub(crate) type KeyedHash = Hmac<Sha256>;

impl RedactionKey {
    /// Reads a key: 64 hexadecimal digits, or 32 bytes in base64 (either alphabet, with or without padding).
    ///
    /// # Errors
    /// When the text, apart from the white space around it, is neither.
    pub fn from_secret(text: &[u8]) -> Result<Self, RedactError> {
        let text = text.trim_ascii();
        from_hex(text).or_else(|| from_base64(text)).map(Self).ok_or(RedactError::NotAKey { len: text.len() })
    }

    /// A new random key, which is never written anywhere.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, RedactError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(RedactError::NoRandomness)?;
        Ok(Self(key))
    }

    /// A key for what is thrown away at once: everybody knows it.
    pub(crate) const fn of_no_secret() -> Self {
        Self([0; 32])
    }

    /// Sixteen hexadecimal digits that tell keys apart and are safe to publish.
    #[must_use]
    pub fn key_id(&self) -> String {
        format!("{:016x}", hash_u64(self.keyed_hash("reenact key id v1")))
    }

    /// The keyed hash for one purpose. No two purposes have a hash in common.
    pub(crate) fn keyed_hash(&self, purpose: &str) -> KeyedHash {
        let mut derivation = keyed(&self.0);
        derivation.update(purpose.as_bytes());
        keyed(&derivation.finalize().into_bytes().into())
    }
}

impl fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The first 64 bits of a hash.
pub(crate) fn hash_u64(hash: KeyedHash) -> u64 {
    let hash: [u8; 32] = hash.finalize().into_bytes().into();
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

fn keyed(key: &[u8; 32]) -> KeyedHash {
    // HMAC pads a short key with zeros to the hash's block (RFC 2104 §2); given a whole block, there is no length to refuse.
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    KeyedHash::new(&block.into())
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(text.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(key)
}

fn from_base64(text: &[u8]) -> Option<[u8; 32]> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE].iter().find_map(|alphabet| {
        let bytes = GeneralPurpose::new(alphabet, config).decode(text).ok()?;
        <[u8; 32]>::try_from(bytes).ok()
    })
}
