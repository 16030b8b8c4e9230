//! What a session may take of the disk: rotation, retention, and the space that is left to others.

use std::path::Path;
use std::time::Duration;

use formats::session::{Pruned, Retention, SessionError, prune};

use crate::clock::Clock;

/// A new segment needs some room even when nothing is to be left: without it every attempt would fail at once.
const SEGMENT_ROOM_BYTES: u64 = 1 << 20;

/// Bounds on the disk. Sizes of segments are the writer's ([`formats::session::WriterOptions`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskOptions {
    /// A new segment begins after this.
    pub rotate_interval_ns: Option<u64>,
    /// The oldest segments are deleted when all together are larger.
    pub keep_bytes_max: Option<u64>,
    /// Segments that were last written longer ago are deleted.
    pub keep_for: Option<Duration>,
    /// Capturing stops when less is free on the disk, and goes on when there is room again.
    pub free_bytes_min: u64,
}

impl DiskOptions {
    /// Whether enough is free where the session is. Where that cannot be asked, writing will tell.
    pub(super) fn has_room(&self, directory: &Path) -> bool {
        free_bytes(directory).is_none_or(|free| free >= self.free_bytes_min.max(SEGMENT_ROOM_BYTES))
    }

    pub(super) fn prune(&self, directory: &Path, clock: &Clock) -> Result<Pruned, SessionError> {
        if self.keep_bytes_max.is_none() && self.keep_for.is_none() {
            return Ok(Pruned::default());
        }
        let not_before = self.keep_for.and_then(|age| clock.wall_time().checked_sub(age));
        prune(directory, &Retention { bytes_max: self.keep_bytes_max, not_before })
    }
}

/// Bytes that this user may still write where `directory` is, or will be.
#[must_use]
pub fn free_bytes(directory: &Path) -> Option<u64> {
    let existing = directory.ancestors().find(|path| path.exists())?;
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let stat = rustix::fs::statvfs(existing).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
