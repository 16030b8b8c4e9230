//! The demo's clock: the only place of the demo that reads the time.
//!
//! Waiting is tokio's `sleep_until` and `timeout_at` with instants of this clock, so delays never add up.

use std::time::SystemTime;

use tokio::time::Instant;

/// A monotonic clock with a wall-clock anchor that is read once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
    origin_wall: SystemTime,
}

impl Clock {
    /// A clock whose wall-clock anchor is now.
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now(), origin_wall: SystemTime::now() }
    }

    /// The wall-clock time of an instant: monotonic within one clock, also when the system's time is set.
    pub(crate) fn wall(&self, at: Instant) -> SystemTime {
        self.origin_wall + at.saturating_duration_since(self.origin)
    }
}

/// Now.
pub(crate) fn now() -> Instant {
    Instant::now()
}
