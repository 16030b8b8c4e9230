//! Sending: one thread waits for each due instant, writes the request itself, and reads the answers in between.
//!
//! Nothing here waits for an answer before it sends, shares a lock, or touches a file. What is late is sent at once and
//! measured as late.

mod connection;
mod engine;
mod poll;
mod slots;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

pub use engine::Engine;

/// The first request of a connection, announced so that the connection can be opened ahead of need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Its slot.
    pub slot: u64,
    /// Index of its target.
    pub target: u16,
    /// When the request is due, nanoseconds since the start of the run.
    pub due_ns: u64,
}

/// How requests are sent.
#[derive(Debug, Clone, Copy)]
pub struct SendOptions {
    /// Where to.
    pub address: SocketAddr,
    /// From dispatch to the last byte of the answer.
    pub timeout_ns: u64,
    /// To establish a connection.
    pub connect_timeout_ns: u64,
    /// Requests that may wait for their answers; a due request beyond that is shed.
    pub in_flight_max: usize,
}

/// Told to the sender while it works.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// Sends nothing more; waits for the answers that are under way.
    pub fn drain(&self) {
        self.0.fetch_max(1, Ordering::Relaxed);
    }

    /// Gives up the answers that are under way, too.
    pub fn abort(&self) {
        self.0.fetch_max(2, Ordering::Relaxed);
    }

    /// Whether [`Self::drain`] or [`Self::abort`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 1
    }

    fn is_aborted(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 2
    }
}

/// Counted while sending, readable at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were opened.
    pub opened: AtomicU64,
    /// Of these, because the client's own connection was busy.
    pub extra: AtomicU64,
    /// Most connections that were open at once.
    pub peak: AtomicU64,
    /// Outcomes that found no room in the queue to the results.
    pub outcomes_lost: AtomicU64,
}

#[cfg(test)]
mod tests;
