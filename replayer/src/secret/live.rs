//! The value of a header that may change while a run goes on, since tokens are rotated.

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Secret, is_header_value};

/// Finds the secret again; the text of the error must not repeat it.
type Resolve = Box<dyn Fn() -> Result<Secret, String> + Send + Sync>;

/// The value of a header as it was found last.
///
/// Reading never waits for the source: [`LiveSecret::renew`] is called by a helper thread ([`super::Renewal`]), at an
/// interval and after a 401, and whoever sends goes on with the last good value until then.
pub struct LiveSecret {
    what: &'static str,
    current: RwLock<Secret>,
    /// How often it has changed.
    changes: AtomicU64,
    resolve: Resolve,
}

impl LiveSecret {
    /// Begins with a value that was resolved already; `what` names it in errors, as in `the secret for Authorization`.
    ///
    /// # Errors
    /// When it cannot be the value of a header.
    pub fn new(
        what: &'static str,
        first: Secret,
        resolve: impl Fn() -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Result<Self, SecretError> {
        Ok(Self {
            what,
            current: RwLock::new(checked(what, first)?),
            changes: AtomicU64::new(0),
            resolve: Box::new(resolve),
        })
    }

    /// The last good value.
    #[must_use]
    pub fn current(&self) -> Secret {
        // Nothing can panic while the lock is held; a poisoned one still holds a whole value.
        self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// How often it has changed: whoever asks this first and then [`Self::current`] has that value or a newer one.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Looks at the source again and says whether the value changed. May take as long as the source takes.
    ///
    /// # Errors
    /// When the source fails or gives what cannot be a header; the last good value stays.
    pub fn renew(&self) -> Result<bool, SecretError> {
        let found = (self.resolve)().map_err(|why| SecretError::Source { what: self.what, why })?;
        let new = checked(self.what, found)?;
        let mut current = self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = *current != new;
        *current = new;
        drop(current);
        if changed {
            self.changes.fetch_add(1, Ordering::Release);
        }
        Ok(changed)
    }
}

impl std::fmt::Debug for LiveSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveSecret(***)")
    }
}

fn checked(what: &'static str, secret: Secret) -> Result<Secret, SecretError> {
    if secret.reveal().is_empty() || !is_header_value(secret.reveal()) {
        return Err(SecretError::NoHeaderValue { what });
    }
    Ok(secret)
}

/// Why a secret cannot be used. No value is ever part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The value cannot be that of a header.
    #[error("{what} is empty, has white space around it, or has control characters in it")]
    NoHeaderValue {
        /// What it is for.
        what: &'static str,
    },
    /// The secret cannot be found again.
    #[error("{what} could not be read again: {why}")]
    Source {
        /// What it is for.
        what: &'static str,
        /// What its source said.
        why: String,
    },
}

impl SecretError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoHeaderValue { .. } => "the reference gives the value of a header on one line",
            Self::Source { .. } => "the last value that could be read stays in use",
        }
    }
}
