//! Who the replayed requests say they are: one `Authorization` for all, or a row of a table for each life of a client.
//!
//! Values are secrets from the first moment on: they print as `***`, no error repeats them, and a template holds only the
//! place where one belongs ([`crate::rewrite::Mark`]), so that no spool on a disk has them.
//!
//! Not here: where a secret is found (`env:`, `file:`, `exec:`); that is the caller's, who gives a closure.

mod table;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::RwLock;

pub use table::{Column, Credentials};

use crate::secret::Secret;

/// Finds the secret again; the text of the error must not repeat it.
type Resolve = Box<dyn Fn() -> Result<Secret, String> + Send + Sync>;

/// The value of `Authorization`, which may change while the run goes on (tokens are rotated).
///
/// Reading never waits for the source: [`LiveSecret::refresh`] is called by a helper thread, at an interval and after a
/// 401, and the sending side goes on with the last good value until then.
pub struct LiveSecret {
    current: RwLock<Secret>,
    resolve: Resolve,
}

impl LiveSecret {
    /// Begins with a value that was resolved already.
    ///
    /// # Errors
    /// When it cannot be the value of a header.
    pub fn new(
        first: Secret,
        resolve: impl Fn() -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Result<Self, CredentialsError> {
        Ok(Self { current: RwLock::new(checked(first)?), resolve: Box::new(resolve) })
    }

    /// The last good value.
    #[must_use]
    pub fn current(&self) -> Secret {
        // Nothing can panic while the lock is held; a poisoned one still holds a whole value.
        self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Looks at the source again and says whether the value changed. May take as long as the source takes.
    ///
    /// # Errors
    /// When the source fails or gives what cannot be a header; the last good value stays.
    pub fn refresh(&self) -> Result<bool, CredentialsError> {
        let new = checked((self.resolve)().map_err(|why| CredentialsError::Source { why })?)?;
        let mut current = self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = *current != new;
        *current = new;
        Ok(changed)
    }
}

impl std::fmt::Debug for LiveSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveSecret(***)")
    }
}

fn checked(secret: Secret) -> Result<Secret, CredentialsError> {
    if secret.reveal().is_empty() || !is_header_value(secret.reveal()) {
        return Err(CredentialsError::Authorization);
    }
    Ok(secret)
}

/// Whether these bytes can be a header's value in exactly one way (RFC 9110 §5.5): no controls, no white space around.
pub(crate) fn is_header_value(bytes: &[u8]) -> bool {
    let is_control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
    !bytes.iter().any(is_control) && bytes.trim_ascii() == bytes
}

/// Why credentials cannot be used. No value is ever part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read the credentials {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A line of the file is not what it should be.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// There are no rows.
    #[error("{}: no credentials after the header row", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// The value for `Authorization` is no header value.
    #[error("the secret for Authorization is empty, has white space around it, or has control characters in it")]
    Authorization,
    /// The secret cannot be found again.
    #[error("the secret for Authorization could not be read again: {why}")]
    Source {
        /// What its source said.
        why: String,
    },
}

impl CredentialsError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path given with --credentials",
            Self::Line { .. } => {
                "the first row names headers, cookie:NAME or query:NAME; every other row has a value for each of them"
            }
            Self::NoRows { .. } => "give one row for each user",
            Self::Authorization => {
                "the reference gives the whole value of the header on one line, as in `Bearer ` and the token"
            }
            Self::Source { .. } => "the last value that could be read stays in use",
        }
    }
}
