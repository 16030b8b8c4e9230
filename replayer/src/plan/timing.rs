//! From the time of the recording to the time of the run: rounds, speed and length.

use super::{Factor, PlanError};

/// Times that a recording may be repeated in one run.
const ROUNDS_MAX: u64 = 1_000_000;
/// Where a recording is repeated that has no length of its own.
const PERIOD_NS_MIN: u64 = 1_000_000_000;

/// What the user decides about the length of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Time runs this many times as fast.
    pub speed: Factor,
    /// The recording, this many times one after the other; `None`: as often as the duration asks for.
    pub repeat: Option<u32>,
    /// Nothing is due at or after this instant of the run; the recording is repeated until then.
    pub duration_ns: Option<u64>,
    /// The recording ends where it was cut off, and not with a request.
    pub cut: bool,
}

impl Default for Length {
    fn default() -> Self {
        Self { speed: Factor::ONE, repeat: None, duration_ns: None, cut: false }
    }
}

/// The arithmetic of a run's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the start of the recording to its end; no recorded instant is later.
    pub recording_ns: u64,
    /// From one round to the next: the recording and, unless it was cut out of a longer one, one mean gap, so that its last
    /// request and the next round's first do not coincide.
    pub period_ns: u64,
    /// How often the recording is sent.
    pub rounds: u32,
    /// How many times as fast time runs.
    pub speed: Factor,
    /// Nothing is due at or after this instant of the run.
    pub end_ns: u64,
}

impl Timing {
    /// For a recording of `exchanges` over `recording_ns`; a profile that changes until `profile_ns` is run to its end.
    pub(super) fn new(recording_ns: u64, exchanges: u64, length: &Length, profile_ns: u64) -> Result<Self, PlanError> {
        // A part that was cut out has the pause behind its last request; it ends with the last instant before the cut.
        let mean_ns = || recording_ns.checked_div(exchanges.saturating_sub(1)).unwrap_or(0);
        let gap_ns = if length.cut { 1 } else { mean_ns() };
        let period_ns = recording_ns.saturating_add(gap_ns).max(if recording_ns == 0 { PERIOD_NS_MIN } else { 1 });
        let wanted_ns = length.duration_ns.or((profile_ns > 0).then_some(profile_ns));
        let period_run_ns = length.speed.shrink(period_ns).max(1);
        let rounds = match (length.repeat, wanted_ns) {
            (Some(repeat), _) => u64::from(repeat.max(1)),
            (None, Some(wanted)) => wanted.div_ceil(period_run_ns).max(1),
            (None, None) => 1,
        };
        if rounds > ROUNDS_MAX {
            return Err(PlanError::TooManyRounds { rounds, rounds_max: ROUNDS_MAX });
        }
        let total_ns = period_ns.saturating_mul(rounds - 1).saturating_add(recording_ns);
        let whole_ns = length.speed.shrink(total_ns).saturating_add(1);
        let rounds_ns = length.speed.shrink(period_ns.saturating_mul(rounds));
        let end_ns = match length.duration_ns {
            Some(duration) => duration.min(rounds_ns),
            None if length.repeat.is_none() && rounds > 1 => profile_ns,
            None => whole_ns,
        };
        Ok(Self {
            recording_ns,
            period_ns,
            rounds: u32::try_from(rounds).unwrap_or(u32::MAX),
            speed: length.speed,
            end_ns,
        })
    }

    /// The instant of the run at which `unrolled_ns` (recording time over all rounds) comes, `None` at or after the end.
    #[must_use]
    pub fn run_ns(&self, unrolled_ns: u64) -> Option<u64> {
        // A clock that stepped may make a recording of centuries: its very last instant is still in it.
        Some(self.speed.shrink(unrolled_ns)).filter(|at| *at < self.end_ns || self.end_ns == u64::MAX)
    }

    /// Where a round begins, in unrolled recording time.
    pub(super) fn round_ns(&self, round: u32) -> u64 {
        self.period_ns.saturating_mul(u64::from(round))
    }
}
