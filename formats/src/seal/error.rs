//! Why something cannot be sealed or opened. No secret is ever part of it.

use super::{VALUE_BYTES_MAX, VERSION};

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is nobody to seal for.
    #[error("there is no recipient to seal for")]
    NoRecipients,
    /// Not a recipient.
    #[error("recipient {number} is no age recipient: {why}")]
    Recipient {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The data key could not be encrypted.
    #[error("cannot encrypt the key of sealed values: {why}")]
    Encrypt {
        /// What is wrong.
        why: String,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes for the key of sealed values")]
    NoRandomness,
    /// The value is too long to be sealed.
    #[error("a value of {bytes} bytes is too long to be sealed (at most {VALUE_BYTES_MAX})")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not a text of identities.
    #[error("this is no age identity file: {why}")]
    Identities {
        /// What is wrong.
        why: String,
    },
    /// The identities are not those of a recipient of the session.
    #[error("the session's values were sealed for other recipients: none of the identities opens them")]
    WrongIdentity,
    /// The header's field is of another version.
    #[error("the session's values are sealed as of version {found}, and this reenact reads version {VERSION}")]
    HeaderVersion {
        /// Its version.
        found: u32,
    },
    /// The header's field holds no data key.
    #[error("the key of sealed values in the session's header is damaged")]
    HeaderDamaged,
    /// The header has no such field.
    #[error("the session's header has no key of sealed values")]
    NoKey,
    /// A value of another version.
    #[error("the sealed value is of version {found}, and this reenact reads version {VERSION}")]
    ValueVersion {
        /// Its version.
        found: u32,
    },
    /// A value that was changed or cut off, or is of another session.
    #[error("the sealed value is damaged, or was sealed in another session")]
    ValueDamaged,
}

impl SealError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoRecipients | Self::Recipient { .. } => {
                "recipients are what `age-keygen` prints after `Public key:`"
            }
            Self::Encrypt { .. } | Self::NoRandomness | Self::TooLong { .. } => return None,
            Self::Identities { .. } => {
                "the reference gives what `age-keygen` writes: AGE-SECRET-KEY-1… on a line each, comments after #"
            }
            Self::WrongIdentity => "give the identity of one of the recipients that the session was sealed for",
            Self::HeaderVersion { .. } | Self::ValueVersion { .. } => {
                "read it with the reenact that wrote it, or a newer one"
            }
            Self::HeaderDamaged | Self::NoKey => {
                "without --identity sealed values are sent as they are; --auth, --credentials and rules can replace them"
            }
            Self::ValueDamaged => {
                "replace the place with a rule, --auth or --credentials, or leave --identity out to send values sealed"
            }
        })
    }
}
