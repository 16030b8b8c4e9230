//! When connections are to be looked at again: at most one entry each for answers, set rarely and checked lazily.
//!
//! A request does not set a deadline of its own: an entry that fires before its connection's present deadline is set
//! again by whoever looks. So the heap is as large as the number of connections of the last `--timeout`, not of requests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Connections by the instant at which they are to be looked at.
#[derive(Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(u64, u64)>>);

impl Deadlines {
    /// The connection with this token is to be looked at then.
    pub(super) fn set(&mut self, at_ns: u64, token: u64) {
        self.0.push(Reverse((at_ns, token)));
    }

    /// The earliest instant.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.0.peek().map(|entry| entry.0.0)
    }

    /// A connection that is to be looked at now, and the instant that was set for it.
    pub(super) fn due(&mut self, now: u64) -> Option<(u64, u64)> {
        if self.next_ns()? > now {
            return None;
        }
        self.0.pop().map(|entry| entry.0)
    }
}
