//! The parts of a run over time: what came before its first request, warm-up, steps of its rate, steady, drain. Pure.

use crate::plan::Step;

/// Spans of steps at most; when a profile has more, neighbours are merged, and each span says how many it stands for.
pub(super) const STEPS_MAX: usize = 64;

/// What is known of a run's time when it is over. Nanoseconds, from due instant 0.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// From the start of the replayer's clock to due instant 0.
    pub(super) lead_ns: u64,
    /// First due instant that counts into the steady window.
    pub(super) steady_from_ns: u64,
    /// The one after the last; [`u64::MAX`] where nothing is left out at the end.
    pub(super) steady_to_ns: u64,
    /// The latest dispatch.
    pub(super) dispatched_ns: u64,
    /// When everything had ended.
    pub(super) ended_ns: u64,
}

/// A part of a run, from and to nanoseconds after due instant 0; the lead is before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) from_ns: i128,
    pub(super) to_ns: i128,
    /// The step of the rate, and how many of the profile it stands for.
    pub(super) step: Option<(Step, usize)>,
}

impl Timeline {
    /// The phases in the order in which they begin, without those that never came.
    pub(super) fn phases(&self, steps: &[Step]) -> Vec<Phase> {
        let (ended, steady_from) = (i128::from(self.ended_ns), i128::from(self.steady_from_ns));
        // Without a window of its own, draining is waiting for the last answers.
        let steady_to = i128::from(self.steady_to_ns.min(self.dispatched_ns)).clamp(steady_from.min(ended), ended);
        let plain = |name, from_ns, to_ns| Phase { name, from_ns, to_ns, step: None };
        let parts = [
            plain("lead", -i128::from(self.lead_ns), 0),
            plain("warm-up", 0, steady_from.min(ended)),
            plain("steady", steady_from.min(ended), steady_to),
            plain("drain", steady_to, ended),
        ];
        let steps = merged(steps).into_iter().map(|(step, count)| Phase {
            name: "step",
            from_ns: i128::from(step.start_ns).min(ended),
            to_ns: i128::from(step.end_ns).min(ended),
            step: Some((step, count)),
        });
        let mut phases: Vec<_> = parts.into_iter().chain(steps).filter(|phase| phase.to_ns > phase.from_ns).collect();
        phases.sort_by_key(|phase| phase.from_ns);
        phases
    }
}

/// At most [`STEPS_MAX`] steps, each with how many it stands for.
fn merged(steps: &[Step]) -> Vec<(Step, usize)> {
    let each = steps.len().div_ceil(STEPS_MAX).max(1);
    let merge = |group: &[Step]| {
        let (first, last) = (group.first()?, group.last()?);
        Some((Step { end_ns: last.end_ns, to: last.to, ..*first }, group.len()))
    };
    steps.chunks(each).filter_map(merge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn step(start_s: u64, end_s: u64, from: f64, to: f64) -> Step {
        Step { start_ns: start_s * S, end_ns: end_s * S, from, to }
    }

    fn named(timeline: &Timeline, steps: &[Step]) -> Vec<(&'static str, i128, i128)> {
        let seconds = |ns: i128| ns / i128::from(S);
        let phases = timeline.phases(steps);
        phases.iter().map(|phase| (phase.name, seconds(phase.from_ns), seconds(phase.to_ns))).collect()
    }

    fn whole() -> Timeline {
        Timeline {
            lead_ns: 2 * S,
            steady_from_ns: 10 * S,
            steady_to_ns: 50 * S,
            dispatched_ns: 59 * S,
            ended_ns: 61 * S,
        }
    }

    #[test]
    fn a_run_is_parted_by_what_counts_and_by_its_steps() {
        let steps = [step(0, 20, 1.0, 2.0), step(20, 60, 2.0, 2.0)];
        let expected = [("lead", -2, 0), ("warm-up", 0, 10), ("step", 0, 20)];
        let rest = [("steady", 10, 50), ("step", 20, 60), ("drain", 50, 61)];
        assert_eq!(named(&whole(), &steps), [&expected[..], &rest].concat());
    }

    #[test]
    fn a_run_without_windows_is_steady_until_its_last_request() {
        let run = Timeline { steady_from_ns: 0, steady_to_ns: u64::MAX, ..whole() };
        assert_eq!(named(&run, &[]), [("lead", -2, 0), ("steady", 0, 59), ("drain", 59, 61)]);
    }

    #[test]
    fn what_an_interrupted_run_did_not_come_to_has_no_phase() {
        let steps = [step(0, 4, 1.0, 2.0), step(4, 60, 2.0, 2.0), step(60, 70, 3.0, 3.0)];
        let run = Timeline { dispatched_ns: 5 * S, ended_ns: 6 * S, ..whole() };
        let expected = [("lead", -2, 0), ("warm-up", 0, 6), ("step", 0, 4), ("step", 4, 6)];
        assert_eq!(named(&run, &steps), expected);
    }

    #[test]
    fn too_many_steps_are_merged_with_their_neighbours() {
        let steps =
            |count: u64| -> Vec<_> { (0..count).map(|at| step(at, at + 1, at as f64, at as f64 + 1.0)).collect() };
        let at_the_limit = merged(&steps(STEPS_MAX as u64));
        assert!(at_the_limit.len() == STEPS_MAX && at_the_limit.iter().all(|(_, count)| *count == 1));
        let beyond = merged(&steps(STEPS_MAX as u64 + 1));
        assert!(beyond.len() <= STEPS_MAX);
        assert_eq!(beyond.iter().map(|(_, count)| count).sum::<usize>(), STEPS_MAX + 1);
        assert_eq!(beyond[0], (step(0, 2, 0.0, 2.0), 2));
        assert_eq!(beyond.last().map(|(step, _)| step.end_ns), Some((STEPS_MAX as u64 + 1) * S));
    }
}
