//! What becomes of the plan's seconds and of the steady window when the plan's time goes another way (`tempo.rs`).

use super::{Measure, SECOND_NS, Window};
use crate::tempo::View;

/// Requests by due instant on the plan's time, second by second.
pub struct PlannedSeconds {
    /// Requests due before each second, and all of them at the end.
    before: Vec<u64>,
    last_due_ns: u64,
}

impl PlannedSeconds {
    /// From the requests of each second, and the last due instant.
    #[must_use]
    pub fn new(seconds: &[u64], last_due_ns: u64) -> Self {
        let mut sum = 0;
        let mut before = vec![0];
        before.extend(seconds.iter().map(|requests| {
            sum += requests;
            sum
        }));
        Self { before, last_due_ns }
    }

    /// Requests due before an instant; inside a second they are taken to come evenly.
    #[must_use]
    pub fn before(&self, plan_ns: u64) -> u64 {
        let all = self.before.last().copied().unwrap_or(0);
        if plan_ns > self.last_due_ns {
            return all;
        }
        let second = usize::try_from(plan_ns / SECOND_NS).unwrap_or(usize::MAX);
        let at = |second: usize| self.before.get(second).copied().unwrap_or(all);
        let (from, to) = (at(second), at(second.saturating_add(1)));
        let part = u128::from(to - from) * u128::from(plan_ns % SECOND_NS) / u128::from(SECOND_NS);
        from + u64::try_from(part).unwrap_or(0)
    }
}

impl Measure {
    /// The steady window, on the run's time.
    #[must_use]
    pub fn steady(&self) -> Window {
        self.options.steady
    }

    /// The plan's time goes like this; instants before the latest change stay as they were.
    pub fn retime(&mut self, view: &View, planned: &PlannedSeconds) {
        let in_run = |plan_ns: u64| if plan_ns == u64::MAX { None } else { view.run_ns(plan_ns) };
        let Window { from_ns, to_ns } = self.planned_steady;
        self.options.steady =
            Window { from_ns: in_run(from_ns).unwrap_or(u64::MAX), to_ns: in_run(to_ns).unwrap_or(u64::MAX) };
        // In a pause nobody knows when the rest is due: nothing more is planned until it ends.
        let until_ns = in_run(planned.last_due_ns);
        self.planned_until_ns = until_ns.unwrap_or(0);
        let until_s = until_ns.unwrap_or_else(|| view.last_change_ns()) / SECOND_NS;
        self.timeline.plan(until_s, |second| planned.before(view.plan_ns(second.saturating_mul(SECOND_NS))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{LoopModel, MeasureOptions};
    use crate::tempo::{Asked, Tempo};
    use crate::verdict::LagLimit;

    const S: u64 = SECOND_NS;

    #[test]
    fn requests_before_an_instant_are_reckoned_inside_seconds_and_are_all_at_the_end() {
        let planned = PlannedSeconds::new(&[10, 0, 5], 2 * S + S / 2);
        let before = [0, S / 2, S, 2 * S, 2 * S + S / 5, 2 * S + S / 2 + 1, 9 * S].map(|at| planned.before(at));
        assert_eq!(before, [0, 5, 10, 10, 11, 15, 15]);
        assert_eq!(PlannedSeconds::new(&[], 0).before(1), 0);
    }

    #[test]
    fn rows_and_window_follow_the_plan_and_nothing_is_planned_twice() {
        let steady = Window { from_ns: S, to_ns: 3 * S };
        let mut measure = Measure::new(MeasureOptions {
            endpoints: 0,
            timeout_ns: S,
            steady,
            loop_model: LoopModel::Open,
            limits: LagLimit::default(),
        });
        let planned = PlannedSeconds::new(&[10, 20, 30, 40], 4 * S - 1);
        let tempo = Tempo::default();
        let rows = |measure: &mut Measure| -> Vec<u64> {
            measure.retime(&tempo.view(), &planned);
            measure.timeline().rows().iter().map(|row| row.planned).collect()
        };
        assert_eq!(rows(&mut measure), [10, 20, 30, 40]);
        tempo.change(Asked::Pause, 2 * S, "test").unwrap();
        assert_eq!(rows(&mut measure), [10, 20, 0, 0]);
        assert_eq!(measure.options.steady, Window { from_ns: S, to_ns: u64::MAX });
        tempo.change(Asked::Resume, 5 * S, "test").unwrap();
        assert_eq!(rows(&mut measure), [10, 20, 0, 0, 0, 30, 40]);
        tempo.change(Asked::Scale(2.0), 5 * S + S / 2, "test").unwrap();
        // Half a second at the plan's rate, half a second at twice as much, and the rest.
        assert_eq!(rows(&mut measure), [10, 20, 0, 0, 0, 15 + 15 + 20, 20]);
        assert_eq!(measure.options.steady, Window { from_ns: S, to_ns: 5 * S + 3 * S / 4 });
        assert_eq!(measure.planned_until_ns, 6 * S + S / 4 - 1);
    }
}
