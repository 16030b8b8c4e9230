//! The run's clock: nanoseconds since its origin, read here and nowhere else.

use std::time::{Duration, Instant, SystemTime};

/// A monotonic clock with a wall-clock anchor that is read once.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    wall: SystemTime,
}

impl Clock {
    /// A clock whose zero is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn start() -> Self {
        Self { origin: Instant::now(), wall: SystemTime::now() }
    }

    /// Nanoseconds since the origin.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(Instant::now().duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The wall-clock time of an instant of this clock.
    #[must_use]
    pub fn wall(&self, at_ns: u64) -> SystemTime {
        self.wall + Duration::from_nanos(at_ns)
    }

    /// This clock's reading at a wall-clock time; `None` when that is before its origin.
    #[must_use]
    pub fn at(&self, time: SystemTime) -> Option<u64> {
        time.duration_since(self.wall).ok().and_then(|since| u64::try_from(since.as_nanos()).ok())
    }

    /// This clock's reading when the system's clock showed `stamp`. It is reckoned back from now, so that steps of the
    /// system's clock before `stamp` do not matter; what lies in the future is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn at_stamp(&self, stamp: SystemTime) -> u64 {
        // In this order: a thread that is stopped in between takes the stamp for later than it was, never for earlier.
        let age = SystemTime::now().duration_since(stamp).unwrap_or_default();
        self.now_ns().saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The instant at `at_ns`, for timers of a runtime.
    #[must_use]
    pub fn deadline(&self, at_ns: u64) -> Instant {
        self.origin + Duration::from_nanos(at_ns)
    }

    /// Blocks the thread until `at_ns`. For helpers only: the sending thread waits in its own loop.
    #[expect(clippy::disallowed_methods, reason = "the clock itself; the deadline is absolute")]
    pub fn sleep_until(&self, at_ns: u64) {
        let left = at_ns.saturating_sub(self.now_ns());
        if left > 0 {
            std::thread::sleep(Duration::from_nanos(left));
        }
    }
}
