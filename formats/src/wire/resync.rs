//! Finding the way back into a connection of which bytes were lost.
//!
//! A body may hold what looks like a request. So a connection is taken up again only where both directions were quiet, a
//! request head follows, and a status line answers it; what is read from there on is marked all the same.

use super::Direction;
use super::framing::is_token;

/// How long both directions must have been quiet before a request is tried, in nanoseconds.
pub const RESYNC_QUIET_NS: u64 = 1_000_000_000;

/// Whether the parser knows where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sync {
    /// Nothing was lost.
    #[default]
    Steady,
    /// Waits for quiet; the last byte, or the loss of one, was then.
    Lost { last_ns: u64 },
    /// Reads what may be a request; so many bytes are thrown away if it is none.
    Trial { bytes: u64 },
    /// The request was answered.
    Resumed,
}

impl Sync {
    /// Bytes arrive: whether they are to be read.
    pub(super) fn reads(&mut self, from: Direction, at_ns: u64, bytes: &[u8]) -> bool {
        let len = bytes.len() as u64;
        match self {
            Self::Steady | Self::Resumed => true,
            Self::Trial { bytes } => {
                *bytes = bytes.saturating_add(len);
                true
            }
            Self::Lost { last_ns } => {
                let is_quiet = at_ns.saturating_sub(*last_ns) >= RESYNC_QUIET_NS;
                let is_request = from == Direction::Request && bytes.first().is_some_and(|byte| is_token(*byte));
                if is_quiet && is_request {
                    *self = Self::Trial { bytes: len };
                    return true;
                }
                *last_ns = at_ns.max(*last_ns);
                false
            }
        }
    }
}
