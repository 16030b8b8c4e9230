//! Deleting what a session may no longer keep: its oldest segments, by size and by age.

use std::fs;
use std::path::Path;

use super::{SessionError, reader};

/// What may stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all segments together, the one being written included.
    pub bytes_max: Option<u64>,
    /// Segments with lower numbers are too old. Who writes them knows when each was closed; the times of files are those of
    /// a clock that may be set.
    pub segment_min: Option<u64>,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Deletes the oldest segments of the session in `directory` until `retention` holds. The newest one always stays, since it
/// is the one that is written.
///
/// # Errors
/// When the directory cannot be read or a segment cannot be deleted.
pub fn prune(directory: &Path, retention: &Retention) -> Result<Pruned, SessionError> {
    let io = |doing: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| SessionError::Io { doing, path, source }
    };
    let mut segments = Vec::new();
    let mut total = 0;
    for path in reader::segments(directory)? {
        let bytes = fs::metadata(&path).map_err(io("read", &path))?.len();
        total += bytes;
        segments.push((path, bytes));
    }
    segments.pop();
    let mut pruned = Pruned::default();
    for (path, bytes) in segments {
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let too_old = number.zip(retention.segment_min).is_some_and(|(number, least)| number < least);
        if !too_old && retention.bytes_max.is_none_or(|bytes_max| total <= bytes_max) {
            break;
        }
        fs::remove_file(&path).map_err(io("delete", &path))?;
        total -= bytes;
        pruned.segments += 1;
        pruned.bytes += bytes;
    }
    Ok(pruned)
}
