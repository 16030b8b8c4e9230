//! What is never shown: a token, a password, a row of credentials; and how a value that is rotated stays fresh.
//!
//! Not here: where a secret is found (`env:`, `file:`, `exec:`, `aws-sm:`); that is the caller's, who gives a closure.

mod live;
mod renewal;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use live::{LiveSecret, SecretError};
pub use renewal::Renewal;

/// Bytes that print as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Takes the bytes as they are.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }

    /// The bytes, for the wire only.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

/// Whether these bytes can be a header's value in exactly one way (RFC 9110 §5.5): no controls, no white space around.
pub(crate) fn is_header_value(bytes: &[u8]) -> bool {
    let is_control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
    !bytes.iter().any(is_control) && bytes.trim_ascii() == bytes
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
