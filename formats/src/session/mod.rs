//! Session files: write, read, recover. The layout is known here and nowhere else.
//!
//! `docs/SPEC.md` is the specification; this is its writer and its reader:
//!
//! ```text
//! writer ─▶ block (exchanges ⇄ columns) ─▶ frame (records, checksums) ◀─ cipher
//! reader ─▶ events ─▶ block, kept (bodies that blocks borrow), gap, index
//! ```

mod block;
mod cipher;
mod compress;
mod damage;
mod events;
mod footer;
mod frame;
mod gap;
mod header;
mod history;
mod index;
mod kept;
mod number;
mod packed;
mod reader;
mod retention;
mod writer;

use std::path::PathBuf;

use crate::seal::SealError;

pub use cipher::Encryption;
pub use damage::Damage;
pub use events::{Event, Events, Wanted};
pub use header::{Redaction, SessionHeader};
pub use history::{Edit, Source, derived_id};
pub use index::{BlockEntry, ClientEntry, Distinct, Index};
pub use reader::Session;
pub use retention::{Pruned, Retention, prune};
pub use writer::{SessionWriter, WriterOptions, Written};

/// Version of the layout that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 2;
/// Ending of a segment's file name, without the dot.
pub const SEGMENT_EXTENSION: &str = "reenact";
/// Largest payload of a record, and largest decompressed block.
pub const PAYLOAD_BYTES_MAX: usize = 128 << 20;
/// Smallest blocks that a writer is asked for: smaller ones are all head and no content.
pub const BLOCK_BYTES_MIN: u64 = 4 << 10;
/// Largest blocks that a writer is asked for; the exchange that closes one may make it larger.
pub const BLOCK_BYTES_MAX: u64 = 32 << 20;
/// Largest exchange.
pub const EXCHANGE_BYTES_MAX: usize = 64 << 20;

/// Most that is kept of a body: a block holds both bodies of an exchange.
pub const BODY_BYTES_MAX: u64 = 30 << 20;

/// Why a session cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The operating system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// `open`, `write`, …
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Its answer.
        source: std::io::Error,
    },
    /// There is no such session.
    #[error("there is no session at {}", path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// A directory without segments, or a file that is none.
    #[error("{} is no session: {why}", path.display())]
    NotASession {
        /// What was asked for.
        path: PathBuf,
        /// What it lacks.
        why: &'static str,
    },
    /// Written in another version of the format.
    #[error("{} has format version {found}; this reenact reads version {FORMAT_VERSION}", path.display())]
    OtherVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Written with something that must be understood.
    #[error("{} needs the feature `{feature}`, which this reenact does not have", path.display())]
    UnknownFeature {
        /// The segment.
        path: PathBuf,
        /// Its name.
        feature: String,
    },
    /// Encrypted, and nothing was given that could open it.
    #[error("{} is encrypted", path.display())]
    Encrypted {
        /// The segment.
        path: PathBuf,
    },
    /// Encrypted, and what was given does not open it.
    #[error("{} does not open", path.display())]
    Unsealable {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: SealError,
    },
    /// Its key could not be made or encrypted.
    #[error("a segment in {} cannot be encrypted", path.display())]
    Unencrypted {
        /// The session.
        path: PathBuf,
        /// Why.
        source: SealError,
    },
    /// The directory for a new session is not empty.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// An exchange, or a part of it, that is larger than it may be.
    #[error("{what} of an exchange is {got}, more than {limit}")]
    ExchangeTooLarge {
        /// `a head`, …
        what: &'static str,
        /// Its size.
        got: usize,
        /// How large it may be.
        limit: usize,
    },
    /// An earlier write failed.
    #[error("an earlier write to {} failed", path.display())]
    Failed {
        /// The segment.
        path: PathBuf,
    },
}

impl SessionError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { .. } | Self::Failed { .. } => Some("check the path, its permissions and the free space"),
            Self::Missing { .. } => {
                Some("give the directory that `reenact record --out` wrote, or one of its segments")
            }
            Self::NotASession { .. } => Some("a session is a directory with *.reenact segments, or one such file"),
            Self::OtherVersion { .. } | Self::UnknownFeature { .. } => Some(
                "read it with the reenact that wrote it; `cat` there and `import --format jsonl` here carry it over",
            ),
            Self::Encrypted { .. } | Self::Unsealable { .. } => {
                Some("give the identity that opens it: --identity file:PATH (or env:NAME)")
            }
            Self::Unencrypted { .. } => Some("check the recipients: age1…"),
            Self::NotEmpty { .. } => Some("give a new directory; an existing session is never written over"),
            Self::ExchangeTooLarge { .. } => Some("record with a smaller --body-max"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
