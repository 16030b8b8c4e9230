//! Finding the way back into a connection of which bytes were lost.
//!
//! A body may hold what looks like a request. So a connection is taken up again only where both directions were idle (the
//! last that passed was of the server's, or nothing passed for a while), a request head follows, and a status line answers
//! it. What is read is marked all the same, until no request is left without an answer: an upload that holds requests has
//! one answer only, so whatever it planted stands before that.

use super::Direction;
use super::framing::is_token;

/// How long both directions must have been quiet before a request is tried that does not follow an answer, in nanoseconds.
pub const RESYNC_QUIET_NS: u64 = 1_000_000_000;

/// Whether the parser knows where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sync {
    /// Nothing was lost.
    #[default]
    Steady,
    /// Waits for idleness; the last byte, or the loss of one, was then, and a byte of the server's or not.
    Lost { last_ns: u64, is_answered: bool },
    /// Reads what may be a request; so many bytes are thrown away if it is none.
    Trial { bytes: u64 },
    /// A request was answered; others, which came with it, may not be.
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
            Self::Lost { last_ns, is_answered } => {
                let is_idle = at_ns.saturating_sub(*last_ns) >= RESYNC_QUIET_NS || *is_answered;
                let is_request = from == Direction::Request && bytes.first().is_some_and(|byte| is_token(*byte));
                if is_idle && is_request {
                    *self = Self::Trial { bytes: len };
                    return true;
                }
                *last_ns = at_ns.max(*last_ns);
                *is_answered = from == Direction::Response;
                false
            }
        }
    }
}
