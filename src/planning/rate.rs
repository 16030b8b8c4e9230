//! Rates that a plan does not come to, though they were asked for.

use replayer::plan::Rate;

use super::{Planned, seconds};
use crate::units;

/// Share of the rate by which a plan may miss it: clients are taken whole, and never all alike.
const OFF_MAX: f64 = 0.05;
/// A pause from which on a recording is silent for long: one part in so many of it, and so long.
const SILENCE_PARTS: u64 = 10;
const SILENCE_NS_MIN: u64 = 10_000_000_000;
/// In a plan of fewer requests a few decide.
const REQUESTS_MIN: u64 = 100;

impl Planned {
    /// What is to be said of the rate.
    pub(crate) fn rate_notices(&self) -> impl Iterator<Item = String> {
        self.missed_rate().into_iter().chain(self.silence()).chain(self.cut_profile())
    }

    fn missed_rate(&self) -> Option<String> {
        let Rate::PerSecond(millionths) = self.rate else { return None };
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let (asked, planned) = (millionths as f64 / 1e6, self.spool.summary.planned as f64);
        let mean = planned / seconds(self.plan.timing().end_ns).max(f64::MIN_POSITIVE);
        let is_off = (mean / asked - 1.0).abs() > OFF_MAX && self.spool.summary.planned >= REQUESTS_MIN;
        is_off.then(|| {
            format!(
                "the plan sends {mean:.1} requests a second on average, and not the {asked:.1} that were asked for: {}",
                match self.method.as_str() {
                    "warp" | "poisson" => "how many copies there are is partly chance (another --seed has others)",
                    _ => "copies are of whole clients, and some of these carry much of the recording (another --rate or --seed comes nearer)",
                }
            )
        })
    }

    /// A rate that is to be that of the whole recording is much more than that while there is traffic, if there is none for long.
    fn silence(&self) -> Option<String> {
        let Rate::PerSecond(millionths) = self.rate else { return None };
        let (summary, silence_ns) = (&self.spool.summary, self.found.silence_ns);
        let is_long = silence_ns >= SILENCE_NS_MIN && silence_ns > self.survey.recording_ns / SILENCE_PARTS;
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let asked = millionths as f64 / 1e6;
        (is_long && summary.requests >= REQUESTS_MIN).then(|| {
            format!(
                "for {} nothing was recorded, and --rate is the average over that, too: the plan sends up to {} requests a second and \
                 not {asked:.1} while there is traffic (--from and --to leave the silence out)",
                units::seconds(seconds(silence_ns)),
                units::count(summary.peak_per_second())
            )
        })
    }

    fn cut_profile(&self) -> Option<String> {
        let (length_ns, end_ns) = (self.plan.profile().length_ns(), self.plan.timing().end_ns);
        (length_ns > end_ns).then(|| {
            format!(
                "the run ends after {}, before its ramp or profile has come to its end at {}: --duration or --repeat says so",
                units::nanos_text(end_ns),
                units::nanos_text(length_ns)
            )
        })
    }
}
