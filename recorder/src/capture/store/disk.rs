//! What a session may take of the disk: rotation, retention, and the space that is left to others.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use formats::session::{Pruned, Retention, SessionError, prune};

/// A new segment needs some room even when nothing is to be left: without it every attempt would fail at once.
const SEGMENT_ROOM_BYTES: u64 = 1 << 20;

/// Bounds on the disk. Sizes of segments are the writer's ([`formats::session::WriterOptions`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskOptions {
    /// A new segment begins after this.
    pub rotate_interval_ns: Option<u64>,
    /// The oldest segments are deleted when all together are larger.
    pub keep_bytes_max: Option<u64>,
    /// Segments that were closed longer ago are deleted, by a clock that nobody sets.
    pub keep_for: Option<Duration>,
    /// Capturing stops when less is free on the disk, and goes on when there is room again.
    pub free_bytes_min: u64,
}

impl DiskOptions {
    /// Whether enough is free where the session is. Where that cannot be asked, writing will tell.
    pub(super) fn has_room(&self, directory: &Path) -> bool {
        free_bytes(directory).is_none_or(|free| free >= self.free_bytes_min.max(SEGMENT_ROOM_BYTES))
    }

    /// Deletes what may not be kept any longer; `closed` knows when segments were.
    pub(super) fn prune(&self, directory: &Path, closed: &mut Closed, now_ns: u64) -> Result<Pruned, SessionError> {
        if self.keep_bytes_max.is_none() && self.keep_for.is_none() {
            return Ok(Pruned::default());
        }
        let segment_min = self.keep_for.map(|longest| closed.first_kept(now_ns, longest));
        prune(directory, &Retention { bytes_max: self.keep_bytes_max, segment_min })
    }
}

/// When segments were closed, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// The number of the first that is not too old.
    first: u64,
    /// When it and those behind it were closed.
    at_ns: VecDeque<u64>,
}

impl Closed {
    /// The segment of this number is written: those before it are closed.
    pub(super) fn writing(&mut self, segment: u64, now_ns: u64) {
        self.first = self.first.max(1);
        while self.first + (self.at_ns.len() as u64) < segment {
            self.at_ns.push_back(now_ns);
        }
    }

    /// The number of the first segment that was closed less than `longest` ago, or is not closed.
    fn first_kept(&mut self, now_ns: u64, longest: Duration) -> u64 {
        let longest_ns = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        while self.at_ns.front().is_some_and(|at_ns| now_ns.saturating_sub(*at_ns) > longest_ns) {
            self.at_ns.pop_front();
            self.first += 1;
        }
        self.first
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_kept_for_as_long_as_is_asked() {
        let mut closed = Closed::default();
        closed.writing(1, 10);
        let mut first_kept = |now_ns| closed.first_kept(now_ns, Duration::from_nanos(100));
        assert_eq!(first_kept(10_000), 1, "the one that is written is not closed");
        closed.writing(2, 20);
        closed.writing(2, 30);
        closed.writing(4, 40);
        let mut first_kept = |now_ns| closed.first_kept(now_ns, Duration::from_nanos(100));
        assert_eq!([120, 121, 140, 141, 900].map(&mut first_kept), [1, 2, 2, 4, 4]);
        closed.writing(5, 950);
        assert_eq!(closed.first_kept(1_000, Duration::from_nanos(100)), 4);
    }
}
