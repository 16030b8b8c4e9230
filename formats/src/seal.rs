//! Sealed values: secrets encrypted to age recipients, which whoever holds an identity can put back.
//!
//! A session's header says in [`Sealing`] how values are opened. A sealed value is text that can stand wherever a secret
//! stood: in a header, a cookie, a query, a form, a JSON string. What is sealed are the bytes exactly as they stood there,
//! escapes included, so that opening needs to know nothing of the place. Deliberately not here: which values are sealed,
//! and where identities come from.
//!
//! ```text
//! header field  sealing = {"version": 1, "key": KEY}
//! KEY           base64 (RFC 4648 §4, padded) of an age file (age-encryption.org/v1, binary) of 32 random bytes: the
//!               data key, for one or more recipients
//! cipher key    HMAC-SHA-256(data key, "reenact seal cipher v1")
//! nonce key     HMAC-SHA-256(data key, "reenact seal nonce v1")
//!
//! sealed value  = "reenact-sealed-" version "." TEXT "."
//! version       1 to 4 decimal digits; here "1"
//! TEXT          base64url (RFC 4648 §5, not padded) of nonce (24), ciphertext (as long as the secret), tag (16)
//! nonce         the first 24 bytes of HMAC-SHA-256(nonce key, secret)
//! ciphertext,   XChaCha20-Poly1305 of the secret under cipher key and nonce, with the additional data
//! tag           "reenact sealed value v1"
//! ```
//! Why a derived nonce: equal secrets of a session become equal text, so that clients can still be told apart; different
//! secrets have different nonces but with a chance of 2⁻⁹⁶ for a pair. Why the dot at the end: a value ends there whatever
//! stands behind it, and one that was cut off is known by it.
//!
//! ```
//! use formats::seal::{Identities, Opener, Sealer, find};
//!
//! # let identity = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
//! # let recipient = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
//! let sealer = Sealer::new(&[recipient])?;
//! let header = format!("Bearer {}", sealer.seal(b"token")?);
//! let opener = Opener::new(&Identities::parse(identity.as_bytes())?, sealer.sealing())?;
//! let at = find(header.as_bytes()).next().unwrap();
//! assert_eq!(opener.open(&header.as_bytes()[at])?, b"token");
//! # Ok::<_, formats::seal::SealError>(())
//! ```

mod error;
mod key;
mod value;

use std::fmt;
use std::io::{Read, Write};

use age::{Decryptor, Encryptor, IdentityFile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use error::SealError;
pub(crate) use key::hmac;
use key::{DataKey, Keys};
pub use value::{VALUE_BYTES_MAX, find, opened_len};

/// The version of what is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Longest [`Sealing::key`]: some hundreds of recipients.
const KEY_TEXT_BYTES_MAX: usize = 64 << 10;
/// Longest text of identities: some hundreds of them.
const IDENTITIES_BYTES_MAX: usize = 64 << 10;

/// How a session's values were sealed: a field of its header. Safe to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealing {
    /// The version of this and of the values.
    pub version: u32,
    /// Base64 of an age file that holds the data key.
    pub key: String,
}

/// Seals values for a session.
pub struct Sealer {
    keys: Keys,
    sealing: Sealing,
}

impl Sealer {
    /// Makes a new random data key, for these recipients (`age1…`).
    ///
    /// # Errors
    /// When there is no recipient, one is none, or the system gives no random bytes.
    pub fn new(recipients: &[&str]) -> Result<Self, SealError> {
        Self::of(&Recipients::parse(recipients)?)
    }

    /// As [`Self::new`], for recipients that were read before.
    ///
    /// # Errors
    /// When there are too many, or the system gives no random bytes.
    pub fn of(recipients: &Recipients) -> Result<Self, SealError> {
        let data_key = DataKey::random()?;
        let sealing = Sealing { version: VERSION, key: recipients.wrap(data_key.bytes())? };
        Ok(Self { keys: data_key.keys(), sealing })
    }

    /// What belongs into the session's header.
    #[must_use]
    pub fn sealing(&self) -> &Sealing {
        &self.sealing
    }

    /// Seals a value: equal ones become equal text.
    ///
    /// # Errors
    /// When it is longer than [`VALUE_BYTES_MAX`].
    pub fn seal(&self, secret: &[u8]) -> Result<String, SealError> {
        value::seal(&self.keys, secret)
    }
}

/// Opens the values of one session. The same secret is opened anew each time: nothing is remembered.
pub struct Opener {
    keys: Keys,
}

impl Opener {
    /// Takes the data key out of a header's field.
    ///
    /// # Errors
    /// When none of the identities fits, the field is damaged, or its version is another one.
    pub fn new(identities: &Identities, sealing: &Sealing) -> Result<Self, SealError> {
        if sealing.version != VERSION {
            return Err(SealError::HeaderVersion { found: sealing.version });
        }
        let bytes = identities.unwrap(&sealing.key)?;
        Ok(Self { keys: DataKey::of(&bytes[..]).ok_or(SealError::HeaderDamaged)?.keys() })
    }

    /// Opens one value, from its prefix to its last dot: a range that [`find`] gave.
    ///
    /// # Errors
    /// When it is damaged, was sealed under another key, or its version is another one.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        value::open(&self.keys, sealed)
    }
}

/// For whom the keys of sessions are encrypted.
#[derive(Clone)]
pub struct Recipients(Vec<age::x25519::Recipient>);

impl Recipients {
    /// Reads recipients (`age1…`).
    ///
    /// # Errors
    /// When there is none, or one is something else, with its number only.
    pub fn parse(recipients: &[&str]) -> Result<Self, SealError> {
        let parse = |(number, text): (usize, &&str)| {
            let parsed = text.trim().parse::<age::x25519::Recipient>();
            // The text is not repeated: it may be an identity, given by mistake.
            parsed.map_err(|why| SealError::Recipient { number: number + 1, why })
        };
        let recipients = recipients.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() { Err(SealError::NoRecipients) } else { Ok(Self(recipients)) }
    }

    /// Base64 of an age file that holds `key`.
    pub(crate) fn wrap(&self, key: &[u8]) -> Result<String, SealError> {
        let encrypt = |error: &dyn std::error::Error| SealError::Encrypt { why: error.to_string() };
        let all = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(all).map_err(|error| encrypt(&error))?;
        let mut file = Vec::new();
        let write = |file: &mut Vec<u8>| {
            let mut writer = encryptor.wrap_output(file)?;
            writer.write_all(key)?;
            writer.finish().map(drop)
        };
        write(&mut file).map_err(|error| encrypt(&error))?;
        let text = STANDARD.encode(file);
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(SealError::Encrypt { why: "there are too many recipients".to_owned() });
        }
        Ok(text)
    }
}

/// What opens the data keys of sessions.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl Identities {
    /// Reads the text of an identity file: `AGE-SECRET-KEY-1…` on a line each, comments after `#`.
    ///
    /// # Errors
    /// When a line is something else, with its number only, or there is none.
    pub fn parse(text: &[u8]) -> Result<Self, SealError> {
        if text.len() > IDENTITIES_BYTES_MAX {
            return Err(SealError::Identities { why: format!("it is longer than {IDENTITIES_BYTES_MAX} bytes") });
        }
        let wrong = |why: String| SealError::Identities { why };
        // What age says of a line names its number and repeats nothing of it.
        let file = IdentityFile::from_buffer(text).map_err(|error| wrong(error.to_string()))?;
        let identities = file.into_identities().map_err(|error| wrong(error.to_string()))?;
        if identities.is_empty() {
            return Err(wrong("it holds no identity".to_owned()));
        }
        Ok(Self(identities))
    }

    /// The key in what [`Recipients::wrap`] made.
    pub(crate) fn unwrap(&self, text: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(SealError::HeaderDamaged);
        }
        let file = STANDARD.decode(text).map_err(|_| SealError::HeaderDamaged)?;
        let decryptor = Decryptor::new_buffered(&file[..]).map_err(|_| SealError::HeaderDamaged)?;
        let all = self.0.iter().map(|identity| &**identity as &dyn age::Identity);
        let reader = decryptor.decrypt(all).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => SealError::WrongIdentity,
            _ => SealError::HeaderDamaged,
        })?;
        // One byte more than a key has tells a longer one.
        let mut bytes = Zeroizing::new(Vec::with_capacity(33));
        reader.take(33).read_to_end(&mut bytes).map_err(|_| SealError::HeaderDamaged)?;
        let key: [u8; 32] = bytes[..].try_into().map_err(|_| SealError::HeaderDamaged)?;
        Ok(Zeroizing::new(key))
    }
}

macro_rules! masked {
    ($($type:ident),+) => {
        $(impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(***)"))
            }
        })+
    };
}

masked!(Sealer, Opener, Identities, Recipients);

#[cfg(test)]
mod tests;
