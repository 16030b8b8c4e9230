//! Session files: write, read, recover. The layout is known here and nowhere else.
//!
//! A session is a directory of segments `00000001.reenact`, `00000002.reenact`, …, or one segment file. All integers are
//! little-endian.
//!
//! ```text
//! segment  = file head, record*
//! file head (16) = magic "\x89REN\r\n\x1a\n", version u32, CRC-32 of these 12 bytes u32
//! record   = record head (20), payload
//! record head (20) = marker "\xAErec", kind u8, zero [3], payload length u32, CRC-32 of the payload u32,
//!                    CRC-32 of these 16 bytes u32
//! kinds    : 1 header  JSON, first in every segment
//!            2 block   raw length u32, exchanges u32, first sequence number u64, earliest and latest instant u64 u64,
//!                      then one zstd frame: exchanges as length-delimited protobuf messages (see `record.rs`)
//!            3 gap     protobuf
//!            4 index   zstd frame of protobuf: clients, blocks; last but one
//!            5 end     offset of the index record u64; last
//! ```
//! Why a marker and a checksum of the head: after a damaged record the reader looks for the next place where both fit, so
//! that damage costs only the record that it hit. Unknown kinds are skipped. A segment without an end record is one whose
//! writer was killed or is still at work; everything up to its last flush is there.

mod frame;
mod header;
mod history;
mod index;
mod reader;
mod record;
mod retention;
mod writer;

use std::path::PathBuf;

pub use header::{Redaction, SessionHeader};
pub use history::{Edit, Source, derived_id};
pub use index::{BlockEntry, ClientEntry, Distinct, Index};
pub use reader::{Damage, Event, Events, Session};
pub use retention::{Pruned, Retention, prune};
pub use writer::{SessionWriter, WriterOptions, Written};

/// Version of the layout that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;
/// Ending of a segment's file name, without the dot.
pub const SEGMENT_EXTENSION: &str = "reenact";
/// Largest payload of a record, and largest decompressed block.
pub const PAYLOAD_BYTES_MAX: usize = 128 << 20;

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
    /// Written by a newer version.
    #[error("{} has format version {found}; this reenact reads up to version {FORMAT_VERSION}", path.display())]
    NewerVersion {
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
    /// The directory for a new session is not empty.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// An exchange that is larger than a block may be.
    #[error("an exchange of {bytes} bytes is larger than a block may be ({PAYLOAD_BYTES_MAX} bytes)")]
    ExchangeTooLarge {
        /// Its encoded size.
        bytes: usize,
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
            Self::NewerVersion { .. } | Self::UnknownFeature { .. } => {
                Some("read it with the reenact that wrote it, or a newer one")
            }
            Self::NotEmpty { .. } => Some("give a new directory; an existing session is never written over"),
            Self::ExchangeTooLarge { .. } => Some("record with a smaller --body-max"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
