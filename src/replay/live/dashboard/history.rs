//! The last minutes of a run, second by second, for the curves.

use std::collections::VecDeque;

use replayer::run::Live;

/// Seconds that are kept: more than there are points on a curve of any usual terminal.
pub(super) const SECONDS_MAX: usize = 600;

/// One second of the curves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    pub(super) t_s: u64,
    pub(super) planned: u64,
    pub(super) achieved: u64,
    /// Microseconds; `None` where nothing ended.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// A ring of seconds.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
}

impl History {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Notes the last whole second of a snapshot, once.
    pub(super) fn take(&mut self, live: &Live) {
        let second = &live.second;
        let is_whole = live.elapsed_ns >= 1_000_000_000 && !live.is_over;
        if !is_whole || self.points.back().is_some_and(|last| last.t_s >= second.t_s) {
            return;
        }
        if self.points.len() == SECONDS_MAX {
            self.points.pop_front();
        }
        let some = |us: f64| (second.response_us.count > 0).then_some(us);
        self.points.push_back(Point {
            t_s: second.t_s,
            planned: second.planned,
            achieved: second.dispatched,
            p50: some(second.response_us.p50),
            p99: some(second.response_us.p99),
        });
    }

    /// The last so many seconds.
    pub(super) fn last(&self, seconds: usize) -> impl Iterator<Item = &Point> {
        self.points.iter().skip(self.points.len().saturating_sub(seconds))
    }
}

#[cfg(test)]
mod tests {
    use replayer::measure::SecondSoFar;

    use super::*;

    #[test]
    fn each_whole_second_is_noted_once_and_old_ones_are_forgotten() {
        let mut history = History::new();
        let live = |t_s: u64| Live {
            elapsed_ns: (t_s + 1) * 1_000_000_000,
            second: SecondSoFar { t_s, planned: t_s, ..SecondSoFar::default() },
            ..Live::default()
        };
        history.take(&Live::default());
        assert_eq!(history.last(9).count(), 0);
        for second in 0..SECONDS_MAX as u64 + 5 {
            history.take(&live(second));
            history.take(&live(second));
        }
        let last: Vec<u64> = history.last(usize::MAX).map(|point| point.t_s).collect();
        assert_eq!((last.len(), last[0]), (SECONDS_MAX, 5));
        assert_eq!(history.last(2).map(|point| point.planned).collect::<Vec<_>>(), [603, 604]);
    }
}
