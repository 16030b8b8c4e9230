//! What is kept: requests of a stretch of time, what filters describe, some of the clients.

use formats::filter::{Context, Filter};
use formats::model::{Exchange, Gap};
use formats::sample::Sample;

use super::config::Asked;
use crate::outcome::Failure;

/// The choice, on the clock of the new session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub(super) from_ns: Option<u64>,
    pub(super) to_ns: Option<u64>,
    filter: Option<&'a Filter>,
    exclude: Option<&'a Filter>,
    /// What filters know of an exchange besides itself.
    context: Context<'a>,
    sample: Option<Sample>,
}

/// Which option left an exchange out: the first that would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    Time,
    Filter,
    Exclude,
    Sample,
}

impl LeftOut {
    /// The word used for it on screens.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Filter => "filter",
            Self::Exclude => "exclude",
            Self::Sample => "sample",
        }
    }

    /// The options that do it.
    pub(super) const fn options(self) -> &'static str {
        match self {
            Self::Time => "--from, --to",
            Self::Filter => "--filter",
            Self::Exclude => "--exclude",
            Self::Sample => "--sample",
        }
    }
}

impl<'a> Chosen<'a> {
    /// As asked for, from a start in nanoseconds since 1970.
    pub(super) fn of(asked: &'a Asked, start_unix_ns: u64) -> Result<Self, Failure> {
        let [from_ns, to_ns] = [asked.from, asked.to].map(|when| when.map(|when| when.after(start_unix_ns)));
        if from_ns.unwrap_or(0) >= to_ns.unwrap_or(u64::MAX) {
            return Err(Failure::new("--from is not before --to").hint("nothing of the recording lies between them"));
        }
        let context = Context {
            // Instants are on the clock of all sessions already.
            session_started_unix_ns: start_unix_ns,
            recording_started_unix_ns: start_unix_ns,
            templates: &asked.templates,
        };
        let (filter, exclude) = (asked.filter.as_ref(), asked.exclude.as_ref());
        Ok(Self { from_ns, to_ns, filter, exclude, context, sample: asked.sample })
    }

    /// Why an exchange is left out, if it is. It belongs to the instant at which its request began, as in a replay.
    pub(super) fn leaves_out(&self, exchange: &Exchange) -> Option<LeftOut> {
        let at_ns = exchange.instants.request_start;
        let in_time = self.from_ns.is_none_or(|from| from <= at_ns) && self.to_ns.is_none_or(|to| at_ns < to);
        if !in_time {
            return Some(LeftOut::Time);
        }
        let describes = |filter: &Filter| filter.matches(exchange, &self.context);
        if !self.filter.is_none_or(describes) {
            return Some(LeftOut::Filter);
        }
        if self.exclude.is_some_and(describes) {
            return Some(LeftOut::Exclude);
        }
        let in_sample = self.sample.is_none_or(|sample| sample.contains(exchange.client));
        (!in_sample).then_some(LeftOut::Sample)
    }

    /// Whether a gap reaches into the stretch of time. It stays whole, since nobody knows where in it things are missing.
    pub(super) fn has_gap(&self, gap: &Gap) -> bool {
        self.from_ns.is_none_or(|from| from <= gap.to_ns) && self.to_ns.is_none_or(|to| gap.from_ns < to)
    }
}
