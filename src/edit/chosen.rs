//! What is kept: requests of a stretch of time, of some clients.

use formats::model::{Exchange, Gap};
use formats::sample::Sample;

use super::config::Asked;
use crate::outcome::Failure;

/// The choice, on the clock of the new session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chosen {
    pub(super) from_ns: Option<u64>,
    pub(super) to_ns: Option<u64>,
    pub(super) sample: Option<Sample>,
}

/// Which option left an exchange out: the first that would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    Time,
    Sample,
}

impl LeftOut {
    /// The word used for it on screens.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Sample => "sample",
        }
    }

    /// The options that do it.
    pub(super) const fn options(self) -> &'static str {
        match self {
            Self::Time => "--from, --to",
            Self::Sample => "--sample",
        }
    }
}

impl Chosen {
    /// As asked for, from a start in nanoseconds since 1970.
    pub(super) fn of(asked: &Asked, start_unix_ns: u64) -> Result<Self, Failure> {
        let [from_ns, to_ns] = [asked.from, asked.to].map(|when| when.map(|when| when.after(start_unix_ns)));
        if from_ns.unwrap_or(0) >= to_ns.unwrap_or(u64::MAX) {
            return Err(Failure::new("--from is not before --to").hint("nothing of the recording lies between them"));
        }
        Ok(Self { from_ns, to_ns, sample: asked.sample })
    }

    /// Why an exchange is left out, if it is. It belongs to the instant at which its request began, as in a replay.
    pub(super) fn leaves_out(&self, exchange: &Exchange) -> Option<LeftOut> {
        let at_ns = exchange.instants.request_start;
        let in_time = self.from_ns.is_none_or(|from| from <= at_ns) && self.to_ns.is_none_or(|to| at_ns < to);
        if !in_time {
            return Some(LeftOut::Time);
        }
        let in_sample = self.sample.is_none_or(|sample| sample.contains(exchange.client));
        (!in_sample).then_some(LeftOut::Sample)
    }

    /// Whether a gap reaches into the stretch of time. It stays whole, since nobody knows where in it things are missing.
    pub(super) fn has_gap(&self, gap: &Gap) -> bool {
        self.from_ns.is_none_or(|from| from <= gap.to_ns) && self.to_ns.is_none_or(|to| gap.from_ns < to)
    }
}
