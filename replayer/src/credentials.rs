//! Who the replayed requests say they are: a row of a table for each life of a client. The other way, one `Authorization`
//! for all, is a [`crate::secret::LiveSecret`].
//!
//! Values are secrets from the first moment on: they print as `***`, no error repeats them, and a template holds only the
//! place where one belongs ([`crate::rewrite::Mark`]), so that no spool on a disk has them.

mod table;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use table::{Column, Credentials};

pub(crate) use crate::secret::is_header_value;

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
        }
    }
}
