//! What becomes of the plan's instants, and what is said, when the plan's time was changed while the run went on.

use crate::plan::Step;
use crate::tempo::{Change, ChangeKind, View};

/// Changes of the plan that a notice names; `run.json` has all.
const CHANGES_SAID_MAX: usize = 6;

/// An instant of the plan as one of the run; where it never came, after everything.
pub(super) fn in_run_ns(plan_ns: u64, view: &View) -> u64 {
    if plan_ns == u64::MAX { plan_ns } else { view.run_ns(plan_ns).unwrap_or(u64::MAX) }
}

/// The same of a step of the rate.
pub(super) fn in_run(step: Step, view: &View) -> Step {
    Step { start_ns: in_run_ns(step.start_ns, view), end_ns: in_run_ns(step.end_ns, view), ..step }
}

/// That somebody changed the plan, for whoever reads a report.
pub(super) fn said_of(changes: &[Change]) -> Option<String> {
    let said = |change: &Change| {
        let at = humantime::format_duration(std::time::Duration::from_millis(change.at_ns / 1_000_000));
        match change.kind {
            ChangeKind::Pause => format!("paused at {at}"),
            ChangeKind::Resume => format!("went on at {at}"),
            ChangeKind::Scale => format!("scaled at {at}, to {} times the plan's speed", change.factor),
        }
    };
    let mut all: Vec<String> = changes.iter().take(CHANGES_SAID_MAX).map(said).collect();
    if changes.len() > CHANGES_SAID_MAX {
        all.push(format!("and {} more changes", changes.len() - CHANGES_SAID_MAX));
    }
    (!all.is_empty()).then(|| format!("the plan was changed while the run went on: {}", all.join(", ")))
}
