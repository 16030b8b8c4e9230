//! The seconds of a run as the points that the charts draw: at most [`POINTS_MAX`], whatever the length of the run.

use super::text::float;
use crate::result::{Quantiles, Second};

/// Points that are drawn at most; neighbouring seconds are merged beyond that.
pub(super) const POINTS_MAX: u64 = 600;

/// The points of a run, at equal distances and without a hole.
pub(super) struct Timeline {
    /// Seconds that each point stands for (the last one perhaps for fewer).
    pub(super) width_s: u64,
    /// In the order of time.
    pub(super) points: Vec<Point>,
}

/// One second, or several merged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// Start of its first second.
    pub(super) t_s: u64,
    /// Mean over its seconds, requests a second.
    pub(super) planned_per_s: f64,
    /// Likewise, of what was dispatched.
    pub(super) sent_per_s: f64,
    /// Likewise, of what failed.
    pub(super) failed_per_s: f64,
    /// For each percentile the largest of the seconds, since percentiles cannot be averaged.
    pub(super) response_us: Quantiles,
    /// Likewise.
    pub(super) lag_us: Quantiles,
}

impl Timeline {
    /// Merges the rows of a result.
    pub(super) fn of(seconds: &[Second]) -> Self {
        let first_s = seconds.iter().map(|second| second.t_s).min();
        let last_s = seconds.iter().map(|second| second.t_s).max();
        let (Some(first_s), Some(last_s)) = (first_s, last_s) else { return Self { width_s: 1, points: Vec::new() } };
        // By time and not by row: a second without a row is one in which nothing happened.
        let length_s = (last_s - first_s).saturating_add(1);
        let width_s = length_s.div_ceil(POINTS_MAX);
        let starts = (0..length_s.div_ceil(width_s)).map(|number| number * width_s);
        let mut points: Vec<Point> = starts.map(|start_s| Point::at(first_s + start_s)).collect();
        for second in seconds {
            let number = (second.t_s - first_s) / width_s;
            let merged_s = width_s.min(length_s - number * width_s);
            if let Some(point) = usize::try_from(number).ok().and_then(|number| points.get_mut(number)) {
                point.add(second, float(merged_s));
            }
        }
        Self { width_s, points }
    }
}

impl Point {
    fn at(t_s: u64) -> Self {
        let nothing = Quantiles::default();
        let [planned_per_s, sent_per_s, failed_per_s] = [0.0; 3];
        Self { t_s, planned_per_s, sent_per_s, failed_per_s, response_us: nothing, lag_us: nothing }
    }

    fn add(&mut self, second: &Second, of_s: f64) {
        self.planned_per_s += float(second.planned) / of_s;
        self.sent_per_s += float(second.sent) / of_s;
        self.failed_per_s += float(second.errors) / of_s;
        self.response_us = largest(self.response_us, second.response_us);
        self.lag_us = largest(self.lag_us, second.lag_us);
    }
}

fn largest(a: Quantiles, b: Quantiles) -> Quantiles {
    // A second in which nothing was counted has zeros that mean nothing; being smallest they cannot win.
    Quantiles {
        count: a.count.saturating_add(b.count),
        p50: a.p50.max(b.p50),
        p90: a.p90.max(b.p90),
        p99: a.p99.max(b.p99),
        p999: a.p999.max(b.p999),
        max: a.max.max(b.max),
    }
}
