//! How the time of a plan goes: as on the clock, or, when somebody said so while the run went on, faster, slower, or not at
//! all. The one place that turns instants of the plan into instants of the run (docs/adr/0008).
//!
//! Both count nanoseconds from due instant 0. Between two changes they differ by a shift and a factor; a request that is due
//! at instant p of the plan is due at [`View::run_ns`] of p. A change takes effect [`LEAD_NS`] after it was asked for, so
//! that every thread has taken note of it before: nobody sends by a view that was changed meanwhile. In a run without
//! changes a view costs a comparison. No clock, socket or file is here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// From asking for a change to its effect: more than twice what any thread sleeps without looking.
pub const LEAD_NS: u64 = 50_000_000;
/// Changes of one run; beyond it only what ends a pause is taken.
pub const CHANGES_MAX: usize = 1_000;
/// The factors that are taken: from a hundredth to a hundred times.
pub const FACTORS: (f64, f64) = (0.01, 100.0);

/// A factor of 1.
const ONE: u64 = 1_000_000;

/// A change of how the time of the plan goes, as `run.json` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When it took effect, from due instant 0.
    pub at_ns: u64,
    /// The same instant on the plan's time.
    pub plan_ns: u64,
    /// What was changed.
    pub kind: ChangeKind,
    /// How fast time goes from then on: 1 as planned, 0 in a pause.
    pub factor: f64,
    /// Who said so: `key`, `control`.
    pub by: String,
}

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Time stands still.
    Pause,
    /// It goes on.
    Resume,
    /// It goes on at another rate.
    Scale,
}

impl ChangeKind {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Scale => "scale",
        }
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asked {
    /// Let time stand still.
    Pause,
    /// Let it go on as before the pause.
    Resume,
    /// Let it go so many times as fast as planned; in a pause from its end on.
    Scale(f64),
}

/// Why a change is not made.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Unchanged {
    #[error("the run is paused already")]
    Paused,
    #[error("the run is not paused")]
    NotPaused,
    #[error("a factor is from {} to {}", FACTORS.0, FACTORS.1)]
    Factor,
    #[error("a run has at most {} changes", CHANGES_MAX)]
    TooMany,
    #[error("with --rate max nothing is due at an instant that could be scaled")]
    NoInstants,
    #[error(
        "this run is one shard of several, which together are no longer the plan when one is changed alone; add `alone` to do it all the same"
    )]
    Shard,
    #[error("the run is over or sends nothing more")]
    Over,
}

/// From `run_ns` on the plan's time goes on from `plan_ns`, at so many millionths of the clock's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    run_ns: u64,
    plan_ns: u64,
    millionths: u64,
}

/// How time goes, shared by all threads of a run.
#[derive(Debug)]
pub struct Tempo {
    /// Grows with every change.
    version: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    segments: Arc<[Segment]>,
    changes: Vec<Change>,
    /// Outside pauses.
    millionths: u64,
    is_paused: bool,
}

impl Default for Tempo {
    fn default() -> Self {
        let segments = Arc::new([Segment { run_ns: 0, plan_ns: 0, millionths: ONE }]);
        let state = State { segments, changes: Vec::new(), millionths: ONE, is_paused: false };
        Self { version: AtomicU64::new(0), state: Mutex::new(state) }
    }
}

impl Tempo {
    /// Changes how time goes from `at_ns` since due instant 0 on, [`LEAD_NS`] from now, or from the latest change on if that is
    /// later. Returns what was noted.
    ///
    /// # Errors
    /// When it changes nothing, or may not.
    pub fn change(&self, asked: Asked, at_ns: u64, by: &str) -> Result<Change, Unchanged> {
        let mut state = self.lock();
        let kind = match asked {
            Asked::Pause if state.is_paused => return Err(Unchanged::Paused),
            Asked::Resume if !state.is_paused => return Err(Unchanged::NotPaused),
            Asked::Pause | Asked::Scale(_) if state.changes.len() >= CHANGES_MAX => return Err(Unchanged::TooMany),
            Asked::Pause => ChangeKind::Pause,
            Asked::Resume => ChangeKind::Resume,
            Asked::Scale(factor) => {
                state.millionths = millionths(factor)?;
                ChangeKind::Scale
            }
        };
        state.is_paused = match kind {
            ChangeKind::Pause => true,
            ChangeKind::Resume => false,
            ChangeKind::Scale => state.is_paused,
        };
        let view = View { version: 0, segments: Arc::clone(&state.segments) };
        let run_ns = at_ns.max(view.last().run_ns);
        let segment = Segment {
            run_ns,
            plan_ns: view.plan_ns(run_ns),
            millionths: if state.is_paused { 0 } else { state.millionths },
        };
        state.segments = state.segments.iter().copied().chain([segment]).collect();
        #[expect(clippy::cast_precision_loss, reason = "a factor of at most nine digits")]
        let factor = segment.millionths as f64 / ONE as f64;
        let change = Change { at_ns: run_ns, plan_ns: segment.plan_ns, kind, factor, by: by.to_owned() };
        state.changes.push(change.clone());
        // While the state is locked: whoever sees the version finds the segments.
        self.version.fetch_add(1, Ordering::Release);
        Ok(change)
    }

    /// Whether time stands still, and how fast it goes otherwise.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a factor of at most nine digits")]
    pub fn speed(&self) -> (bool, f64) {
        let state = self.lock();
        (state.is_paused, state.millionths as f64 / ONE as f64)
    }

    /// All changes so far.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.lock().changes.clone()
    }

    /// How time goes as far as it is known.
    #[must_use]
    pub fn view(&self) -> View {
        let state = self.lock();
        View { version: self.version.load(Ordering::Acquire), segments: Arc::clone(&state.segments) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millionths(factor: f64) -> Result<u64, Unchanged> {
    if !(FACTORS.0..=FACTORS.1).contains(&factor) {
        return Err(Unchanged::Factor);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a hundred million")]
    let millionths = (factor * 1e6).round() as u64;
    Ok(millionths)
}

/// How time goes, as one thread knows it.
#[derive(Debug, Clone)]
pub struct View {
    version: u64,
    segments: Arc<[Segment]>,
}

impl Default for View {
    /// Time that goes as planned.
    fn default() -> Self {
        Tempo::default().view()
    }
}

impl View {
    /// Takes note of changes; true if there were some.
    #[inline]
    pub fn follow(&mut self, tempo: &Tempo) -> bool {
        let is_old = tempo.version.load(Ordering::Acquire) != self.version;
        if is_old {
            *self = tempo.view();
        }
        is_old
    }

    /// Whether nothing was ever changed.
    #[inline]
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.segments.len() == 1
    }

    /// When what is due at `plan_ns` of the plan is due in the run; `None` while time stands still before it. What is due
    /// at the very instant of a change is due by how time went before.
    #[inline]
    #[must_use]
    pub fn run_ns(&self, plan_ns: u64) -> Option<u64> {
        if self.is_plain() { Some(plan_ns) } else { self.changed_run_ns(plan_ns) }
    }

    /// The same; during a pause, as if it ended at once.
    #[must_use]
    pub fn run_ns_at_best(&self, plan_ns: u64, now_ns: u64) -> u64 {
        self.run_ns(plan_ns).unwrap_or_else(|| {
            let last = self.last();
            let before = self.segments.iter().rev().map(|one| one.millionths).find(|one| *one > 0).unwrap_or(ONE);
            now_ns.max(last.run_ns).saturating_add(scaled(plan_ns.saturating_sub(last.plan_ns), ONE, before))
        })
    }

    /// The instant of the plan at which the run is at `run_ns`.
    #[inline]
    #[must_use]
    pub fn plan_ns(&self, run_ns: u64) -> u64 {
        if self.is_plain() {
            return run_ns;
        }
        let after = self.segments.partition_point(|one| one.run_ns <= run_ns);
        let Some(one) = after.checked_sub(1).and_then(|at| self.segments.get(at)) else { return 0 };
        one.plan_ns.saturating_add(scaled(run_ns - one.run_ns, one.millionths, ONE))
    }

    /// Whether time stands still at `run_ns`.
    #[must_use]
    pub fn is_paused(&self, run_ns: u64) -> bool {
        let after = self.segments.partition_point(|one| one.run_ns <= run_ns);
        after.checked_sub(1).and_then(|at| self.segments.get(at)).is_some_and(|one| one.millionths == 0)
    }

    /// When time began to go as it does in the end.
    #[must_use]
    pub fn last_change_ns(&self) -> u64 {
        self.last().run_ns
    }

    /// How fast the plan's time goes in the end, in millionths; 0 in a pause.
    #[must_use]
    pub fn millionths(&self) -> u64 {
        self.last().millionths
    }

    fn changed_run_ns(&self, plan_ns: u64) -> Option<u64> {
        let after = self.segments.partition_point(|one| one.plan_ns < plan_ns);
        let one = self.segments.get(after.saturating_sub(1))?;
        let since = plan_ns.saturating_sub(one.plan_ns);
        match one.millionths {
            _ if since == 0 => Some(one.run_ns),
            0 => None,
            millionths => Some(one.run_ns.saturating_add(scaled(since, ONE, millionths))),
        }
    }

    fn last(&self) -> Segment {
        self.segments.last().copied().unwrap_or(Segment { run_ns: 0, plan_ns: 0, millionths: ONE })
    }
}

/// `nanos · numerator / denominator`, rounded down; both stay far below 2³².
fn scaled(nanos: u64, numerator: u64, denominator: u64) -> u64 {
    if numerator == denominator {
        return nanos;
    }
    let product = u128::from(nanos) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
