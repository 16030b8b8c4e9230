//! When a session is complete: by time, exchanges or bytes.

use formats::session::Written;

/// The first bound that is reached ends the session; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Nanoseconds since the session began.
    pub elapsed_ns: Option<u64>,
    /// Exchanges.
    pub exchanges: Option<u64>,
    /// Bytes of its segments.
    pub file_bytes: Option<u64>,
}

impl Budget {
    /// Whether any bound is reached.
    #[must_use]
    pub fn is_used(&self, written: &Written, elapsed_ns: u64) -> bool {
        let reached = |bound: Option<u64>, value: u64| bound.is_some_and(|bound| value >= bound);
        reached(self.elapsed_ns, elapsed_ns)
            || reached(self.exchanges, written.exchanges)
            || reached(self.file_bytes, written.file_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bound_counts() {
        let written = Written { exchanges: 5, file_bytes: 100, ..Written::default() };
        let is_used =
            |elapsed_ns, exchanges, file_bytes| Budget { elapsed_ns, exchanges, file_bytes }.is_used(&written, 10);
        assert!(!is_used(None, None, None));
        assert!(!is_used(Some(11), Some(6), Some(101)));
        assert!(is_used(Some(10), Some(6), Some(101)));
        assert!(is_used(Some(11), Some(5), Some(101)));
        assert!(is_used(Some(11), Some(6), Some(100)));
    }
}
