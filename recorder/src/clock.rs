//! The session's clock: nanoseconds since its origin, and the wall-clock time of that origin, read here and nowhere else.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Further away than any process lives.
const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A monotonic clock with a wall-clock anchor that is read once.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    started_unix_ns: u64,
}

impl Clock {
    /// A clock whose zero is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: Instant::now(), started_unix_ns: u64::try_from(wall.as_nanos()).unwrap_or(0) }
    }

    /// Nanoseconds since the origin.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn now_ns(&self) -> u64 {
        self.at_ns(Instant::now())
    }

    /// Nanoseconds from the origin to an instant that was read already.
    #[must_use]
    pub fn at_ns(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Wall-clock time of the origin, nanoseconds since 1970.
    #[must_use]
    pub fn started_unix_ns(&self) -> u64 {
        self.started_unix_ns
    }

    /// The same by the wall clock as it is set now: it differs by what it was set since the start.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn origin_unix_ns(&self) -> u64 {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(wall.as_nanos()).unwrap_or(0).saturating_sub(self.now_ns())
    }

    /// The instant at `at_ns`, for timers of a runtime.
    #[must_use]
    pub fn deadline(&self, at_ns: u64) -> Instant {
        self.origin + Duration::from_nanos(at_ns)
    }

    /// The instant that is `longest` from now, for timeouts.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    pub fn deadline_after(&self, longest: Duration) -> Instant {
        let now = Instant::now();
        now.checked_add(longest).unwrap_or(now + FAR)
    }

    /// Blocks the thread until `at_ns`.
    #[expect(clippy::disallowed_methods, reason = "the clock itself; the deadline is absolute")]
    pub fn sleep_until(&self, at_ns: u64) {
        let left = at_ns.saturating_sub(self.now_ns());
        if left > 0 {
            std::thread::sleep(Duration::from_nanos(left));
        }
    }
}
