//! One scale of the comparison: its figures, their errors, and what they amount to.

use super::check::{Doubt, Obstacle, Verdict};
use super::counts::Counts;
use super::dispersion::{TENTHS, Tenths, jackknife};
use super::owners::Owned;
use super::{ShapeFacts, TAUS_NS, compare, windows};

/// Windows below which a dispersion is not worth a number.
const WINDOWS_MIN: u64 = 4;
/// Windows below which it is not worth an error: each tenth must have one.
const JUDGED_WINDOWS_MIN: u64 = TENTHS as u64;
/// Windows below which nothing is called kept: the dispersion of n windows is itself only known to a standard error of
/// √(2/n), of which two are to be within [`TOLD_WITHIN`]. Otherwise a recording that is untypical by chance would be
/// called kept although its traffic is not.
const KEPT_WINDOWS_MIN: u64 = 116;
/// A plan is kept within this factor of its target …
const KEPT_WITHIN: f64 = 1.15;
/// … and nothing can be told where two standard errors are wider than this one.
const TOLD_WITHIN: f64 = 1.3;
/// Clients that are not known to be users, live long and carry together over one part in so many of the recording are pools.
const LONG_LIVED_PARTS: u64 = 20;
/// More than one exchange in so many counted without its client is too many.
const FORGOTTEN_PARTS: u64 = 100;

/// Recording and plan at one scale. The figures are `None` where there is nothing to compute them from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapeRow {
    /// Width of the windows, one of [`TAUS_NS`].
    pub tau_ns: u64,
    /// Whole windows in the recording.
    pub windows: u64,
    /// Dispersion of the recording, I.
    pub recording: Option<f64>,
    /// The part of it that its clients have each by itself, D.
    pub clients_alone: Option<f64>,
    /// What the plan is to have, I + (k − 1)·(I − D).
    pub target: Option<f64>,
    /// Its standard error.
    pub target_error: Option<f64>,
    /// Dispersion of the plan.
    pub plan: Option<f64>,
    /// Its standard error.
    pub plan_error: Option<f64>,
    /// Plan over target; `None` also of a target that is not above 0.
    pub ratio: Option<f64>,
    /// Standard error of the natural logarithm of `ratio`, and so about that of the ratio as a share of it. The larger of two:
    /// how much the ratio differs between the tenths, and how much what the target adds to the recording would differ had other clients come at
    /// the same rate.
    pub ratio_error: Option<f64>,
    /// What that amounts to.
    pub verdict: Verdict,
}

/// All that was counted.
pub(super) struct Pair<'a> {
    pub(super) duration_ns: u64,
    pub(super) bin_ns: u64,
    pub(super) recorded: &'a Counts,
    pub(super) planned: &'a Counts,
    pub(super) owned: &'a Owned,
}

impl Pair<'_> {
    /// The comparison at each scale of [`TAUS_NS`].
    pub(super) fn rows(&self, facts: &ShapeFacts) -> [ShapeRow; TAUS_NS.len()] {
        let obstacle = self.obstacle(facts);
        let mut rows = std::array::from_fn(|scale| {
            let tau_ns = TAUS_NS.get(scale).copied().unwrap_or(u64::MAX);
            let mut row = self.figures(scale, tau_ns, facts.factor);
            row.verdict = obstacle.map_or_else(|| self.verdict(scale, &row), Verdict::Unknown);
            row
        });
        doubt_above_not_kept(&mut rows);
        for row in rows.iter_mut().filter(|row| row.windows < KEPT_WINDOWS_MIN && row.verdict == Verdict::Kept) {
            row.verdict = Verdict::CannotTell(Doubt::FewWindows);
        }
        rows
    }

    /// Correlation of the counts of recording and plan in windows of `tau_ns`.
    pub(super) fn correlation(&self, tau_ns: u64) -> Option<f64> {
        let windows = self.judged_windows(tau_ns)?;
        let recorded = self.recorded.windows(tau_ns, windows);
        let pairs: Vec<_> = recorded.zip(self.planned.windows(tau_ns, windows)).collect();
        compare::correlation(pairs.into_iter())
    }

    fn judged_windows(&self, tau_ns: u64) -> Option<u64> {
        let windows = windows(self.duration_ns, tau_ns);
        (windows >= WINDOWS_MIN && tau_ns >= self.bin_ns).then_some(windows)
    }

    /// Everything but the verdict.
    fn figures(&self, scale: usize, tau_ns: u64, factor: f64) -> ShapeRow {
        let mut row = ShapeRow {
            tau_ns,
            windows: windows(self.duration_ns, tau_ns),
            recording: None,
            clients_alone: None,
            target: None,
            target_error: None,
            plan: None,
            plan_error: None,
            ratio: None,
            ratio_error: None,
            verdict: Verdict::CannotTell(Doubt::Nothing),
        };
        let Some(windows) = self.judged_windows(tau_ns) else { return row };
        let recorded = Tenths::of(self.recorded.windows(tau_ns, windows), windows);
        let planned = Tenths::of(self.planned.windows(tau_ns, windows), windows);

        let recording = |without| recorded.without(without).dispersion();
        let plan = |without| planned.without(without).dispersion();
        let alone = |without: Option<usize>| {
            let whole = if without.is_some() { 1.0 - 1.0 / TENTHS as f64 } else { 1.0 };
            let windows = self.duration_ns as f64 / tau_ns as f64 * whole;
            let sum = recorded.without(without).sum;
            let squares = self.owned.squares(scale, without);
            (sum > 0).then(|| squares as f64 / sum as f64 - self.owned.company(without) / windows)
        };
        let target = |without| {
            let (all, alone) = (recording(without)?, alone(without)?);
            Some(all + (factor - 1.0) * (all - alone))
        };
        let ratio = |without| Some(plan(without)? / target(without).filter(|target| *target > 0.0)?);

        row.recording = recording(None);
        row.clients_alone = alone(None);
        row.target = target(None);
        row.plan = plan(None);
        row.ratio = ratio(None);
        if windows >= JUDGED_WINDOWS_MIN {
            row.target_error = jackknife(target);
            row.plan_error = jackknife(plan);
            row.ratio_error = jackknife(|without| ratio(without).map(libm::log)).and_then(|together| {
                let recorded = recorded.without(None).error_at_this_rate(alone(None)?)?;
                Some(together.max(libm::fabs(factor - 1.0) * recorded / target(None)?))
            });
        }
        row
    }

    /// Why the dispersion of the whole recording says nothing about its users.
    fn obstacle(&self, facts: &ShapeFacts) -> Option<Obstacle> {
        if facts.obstacle.is_some() {
            return facts.obstacle;
        }
        if self.owned.long_lived.saturating_mul(LONG_LIVED_PARTS) > self.recorded.total {
            return Some(Obstacle::LongLived { share: self.owned.long_lived as f64 / self.recorded.total as f64 });
        }
        None
    }

    fn verdict(&self, scale: usize, row: &ShapeRow) -> Verdict {
        if row.tau_ns < self.bin_ns {
            return Verdict::CannotTell(Doubt::WideBins { bin_ns: self.bin_ns });
        }
        if row.windows < JUDGED_WINDOWS_MIN {
            return Verdict::CannotTell(Doubt::FewWindows);
        }
        if row.recording.is_none() || row.plan.is_none() {
            return Verdict::CannotTell(Doubt::Nothing);
        }
        let forgotten = self.owned.forgotten.get(scale).copied().unwrap_or(0);
        if forgotten.saturating_mul(FORGOTTEN_PARTS) > self.recorded.total {
            let share = forgotten as f64 / self.recorded.total as f64;
            return Verdict::CannotTell(Doubt::OutOfOrder { share });
        }
        match (row.ratio, row.ratio_error) {
            (Some(ratio), Some(error)) => judge(ratio, error),
            _ => Verdict::CannotTell(Doubt::NoError),
        }
    }
}

/// Kept: within 1.15, and known to within 1.3. Not kept: outside 1.15 by more than two standard errors. Between them there
/// is nothing to tell, for a plan that has its shape is often enough a little outside by chance.
pub(super) fn judge(ratio: f64, error: f64) -> Verdict {
    let off = libm::fabs(libm::log(ratio));
    let (width, kept, told) = (2.0 * error, libm::log(KEPT_WITHIN), libm::log(TOLD_WITHIN));
    if off - width > kept {
        Verdict::NotKept
    } else if width > told || off > kept {
        Verdict::CannotTell(Doubt::Wide { factor: libm::exp(width) })
    } else {
        Verdict::Kept
    }
}

/// What is not kept at a short scale goes on into all longer ones, in the plan and in the target: with a connection taken
/// for a client, plan and target miss the truth at 60 s by the same factor 2.5, and only the short scales show it. So
/// nothing is kept above a scale that is not.
fn doubt_above_not_kept(rows: &mut [ShapeRow]) {
    let mut not_kept = None;
    for row in rows {
        match (row.verdict, not_kept) {
            (Verdict::NotKept, None) => not_kept = Some(row.tau_ns),
            (Verdict::Kept, Some(tau_ns)) => row.verdict = Verdict::CannotTell(Doubt::NotKeptBelow { tau_ns }),
            _ => {}
        }
    }
}
