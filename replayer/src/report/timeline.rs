//! The seconds of a run as the points that the charts draw: at most [`POINTS_MAX`], whatever the length of the run.

use super::marks::{self, Mark};
use super::text::float;
use crate::health::Moment;
use crate::result::{Quantiles, RunResult};

/// Points that are drawn at most; neighbouring seconds are merged beyond that.
pub(super) const POINTS_MAX: u64 = 600;

/// The points of a run, at equal distances and without a hole.
pub(super) struct Timeline {
    /// Seconds that each point stands for (the last one perhaps for fewer).
    pub(super) width_s: u64,
    /// In the order of time.
    pub(super) points: Vec<Point>,
    /// What happened at which second.
    pub(super) marks: Vec<Mark>,
    /// Changes of the plan that are not among them.
    pub(super) more_changes: usize,
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
    /// Shares of the generator's health, each the largest of the seconds; `None` where nobody looked.
    pub(super) health: Option<Health>,
}

/// Shares of one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Health {
    /// Of a CPU.
    pub(super) sender: f64,
    /// Of the machine.
    pub(super) machine: f64,
    /// Of the machine.
    pub(super) steal: f64,
}

impl Timeline {
    /// Merges the rows of a result.
    pub(super) fn of(result: &RunResult) -> Self {
        let rows = &result.timeline;
        // Rows of a long run stand for several seconds already.
        let row_s = result.timeline_s.max(1);
        let first_s = rows.iter().map(|row| row.t_s).min();
        let last_s = rows.iter().map(|row| row.t_s).max();
        let (Some(first_s), Some(last_s)) = (first_s, last_s) else {
            return Self { width_s: 1, points: Vec::new(), marks: Vec::new(), more_changes: 0 };
        };
        // By time and not by row: a second without a row is one in which nothing happened.
        let length = ((last_s - first_s) / row_s).saturating_add(1);
        let merged = length.div_ceil(POINTS_MAX);
        let width_s = merged.saturating_mul(row_s);
        let starts = (0..length.div_ceil(merged)).map(|number: u64| number.saturating_mul(width_s));
        let points = starts.map(|start_s| Point::at(first_s.saturating_add(start_s))).collect();
        let (marks, more_changes) = marks::of(result);
        let mut timeline = Self { width_s, points, marks, more_changes };
        let number_of = |t_s: u64| (t_s - first_s) / width_s;
        for row in rows {
            let number = number_of(row.t_s);
            let merged_s = merged.min(length - number * merged).saturating_mul(row_s);
            if let Some(point) = timeline.at(number) {
                point.add(row, float(merged_s));
            }
        }
        let looks = result.generator.timeline.iter().filter(|moment| moment.t_s >= first_s);
        for moment in looks {
            // A look that stands for longer than a point is the same for all of these.
            let until_s = moment.t_s.saturating_add(result.generator.timeline_s.max(1) - 1).min(last_s);
            for number in number_of(moment.t_s)..=number_of(until_s.max(moment.t_s)) {
                if let Some(point) = timeline.at(number) {
                    point.look(moment);
                }
            }
        }
        timeline
    }

    fn at(&mut self, number: u64) -> Option<&mut Point> {
        self.points.get_mut(usize::try_from(number).ok()?)
    }
}

impl Point {
    fn at(t_s: u64) -> Self {
        let nothing = Quantiles::default();
        let [planned_per_s, sent_per_s, failed_per_s] = [0.0; 3];
        Self { t_s, planned_per_s, sent_per_s, failed_per_s, response_us: nothing, lag_us: nothing, health: None }
    }

    fn add(&mut self, second: &crate::result::Second, of_s: f64) {
        self.planned_per_s += float(second.planned) / of_s;
        self.sent_per_s += float(second.sent) / of_s;
        self.failed_per_s += float(second.errors) / of_s;
        self.response_us = self.response_us.largest(&second.response_us);
        self.lag_us = self.lag_us.largest(&second.lag_us);
    }

    fn look(&mut self, moment: &Moment) {
        let health = self.health.get_or_insert_default();
        health.sender = health.sender.max(moment.sender_share);
        health.machine = health.machine.max(moment.machine_share);
        health.steal = health.steal.max(moment.steal_share);
    }
}
