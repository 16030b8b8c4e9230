//! Trace contexts on the wire: reading those of every fleet, knowing every header that carries one, and telling a replay
//! apart. What each format looks like, and which comes first, is told in docs/traces.md.
//!
//! What is deliberately not here: making and writing new contexts (the replayer does that), and correlation ids that
//! belong to the application, such as `X-Request-Id` or a home-made `X-Trace-Id`; those are re-sent like any other header.

mod mark;
mod recorded;
mod removed;
mod vendors;
mod w3c;

use std::fmt;

pub use mark::{REPLAY_BAGGAGE_KEY, REPLAY_PRODUCT, REPLAY_TRACESTATE_KEY, is_replay};
pub use recorded::{Format, Recorded, recorded};
pub use removed::{is_trace_field, is_trace_header};
pub use w3c::parse_traceparent;

/// The flag of W3C Trace Context by which a caller says that it may have recorded the trace.
const SAMPLED: u8 = 0b01;

/// A trace, a span in it, and flags, as `traceparent` carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The whole trace; never all zero when read from a header. One of 64 bits has a high half of zero.
    pub trace_id: [u8; 16],
    /// The span that sent the request; all zero where the header names none, as load balancers do.
    pub parent_id: [u8; 8],
    /// Bit 0: sampled; bit 1: the trace id is random, which only W3C's header says.
    pub flags: u8,
}

impl TraceContext {
    /// The value of a version 00 `traceparent` header.
    ///
    /// ```
    /// let context = formats::trace::TraceContext { trace_id: [0xab; 16], parent_id: [1; 8], flags: 1 };
    /// assert_eq!(context.to_traceparent(), "00-abababababababababababababababab-0101010101010101-01");
    /// ```
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        self.to_string()
    }

    /// Whether the caller said that it may have recorded the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED == SAMPLED
    }

    /// The span that sent the request, if the header names one.
    #[must_use]
    pub fn parent(&self) -> Option<[u8; 8]> {
        Some(self.parent_id).filter(|id| *id != [0; 8])
    }

    /// What is the same in every header of a trace: the low half of its id, which is all that formats of 64 bits carry of
    /// it; the high half where the low one is zero.
    #[must_use]
    pub fn group(&self) -> [u8; 8] {
        let (high, low) = self.halves();
        if low == 0 { high.to_be_bytes() } else { low.to_be_bytes() }
    }

    /// Whether both are of one trace, as far as an id of 64 bits tells.
    #[must_use]
    pub fn is_of_trace(&self, other: &Self) -> bool {
        let ((high, low), (other_high, other_low)) = (self.halves(), other.halves());
        low == other_low && (high == other_high || high == 0 || other_high == 0)
    }

    fn halves(&self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.trace_id;
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p]))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, parent_id) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.parent_id));
        write!(f, "00-{trace_id:032x}-{parent_id:016x}-{:02x}", self.flags)
    }
}

#[cfg(test)]
mod tests;
