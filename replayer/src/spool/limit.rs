//! What of a spool goes to disk: how much may, and whether there is room for it. Asked wherever something is written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Space that is left to others.
pub(super) const DISK_RESERVE_BYTES: u64 = 256 << 20;

/// The bounds of everything that is written for one spool.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) directory: PathBuf,
    bytes_max: u64,
    written: AtomicU64,
}

/// Why something is not written.
#[derive(Debug)]
pub(super) enum SpillError {
    Io(io::Error),
    /// It is more than the spool may take.
    TooLarge,
    /// The disk has only so many bytes left, and so many more are needed.
    Disk {
        free_bytes: u64,
        more_bytes: u64,
    },
}

impl From<io::Error> for SpillError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Limit {
    /// For files in `directory` of `bytes_max` together.
    pub(super) fn new(directory: &Path, bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { directory: directory.to_owned(), bytes_max, written: AtomicU64::new(0) })
    }

    /// Asked before so many bytes more are written.
    pub(super) fn spill(&self, bytes: u64) -> Result<(), SpillError> {
        let written = self.written.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.check(written)?;
        let space = rustix::fs::statvfs(&self.directory).map_err(io::Error::from)?;
        let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
        if free_bytes < DISK_RESERVE_BYTES.saturating_add(bytes) {
            return Err(SpillError::Disk { free_bytes, more_bytes: bytes });
        }
        Ok(())
    }

    /// Asked of everything together, in memory or not.
    pub(super) fn check(&self, bytes: u64) -> Result<(), SpillError> {
        if bytes > self.bytes_max { Err(SpillError::TooLarge) } else { Ok(()) }
    }
}
