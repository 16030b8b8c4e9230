//! `METRIC OP VALUE for DURATION`: what stops a run, read from text. Integers only: a rule means the same everywhere.

use std::str::FromStr;

use crate::rule_text::{Op, column, nanos, parts_per_million, words};

/// One condition that stops a run when it has held for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortRule {
    pub(super) metric: Metric,
    pub(super) op: Op,
    /// Parts per million of a rate, nanoseconds of a time, a number of requests.
    pub(super) value: u64,
    /// Whole seconds, at least one.
    pub(super) seconds: u64,
    /// As given, for messages.
    pub(super) given: String,
}

/// What is looked at, once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    ErrorRate,
    Status5xxRate,
    P50,
    P90,
    P99,
    P999,
    LagP99,
    LagMax,
    InFlight,
}

/// What its value is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    PartsPerMillion,
    Nanos,
    Requests,
}

const METRICS: [(&str, Metric); 9] = [
    ("error_rate", Metric::ErrorRate),
    ("status_5xx_rate", Metric::Status5xxRate),
    ("p50", Metric::P50),
    ("p90", Metric::P90),
    ("p99", Metric::P99),
    ("p999", Metric::P999),
    ("lag_p99", Metric::LagP99),
    ("lag_max", Metric::LagMax),
    ("in_flight", Metric::InFlight),
];

impl Metric {
    pub(super) fn name(self) -> &'static str {
        METRICS.iter().find(|(_, metric)| *metric == self).map_or("", |(name, _)| *name)
    }

    pub(super) const fn unit(self) -> Unit {
        match self {
            Self::ErrorRate | Self::Status5xxRate => Unit::PartsPerMillion,
            Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::LagP99 | Self::LagMax => Unit::Nanos,
            Self::InFlight => Unit::Requests,
        }
    }
}

/// Where such a rule stops making sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule `{given}` is wrong at column {column}: {what}")]
pub struct AbortRuleError {
    /// As given.
    pub given: String,
    /// The character, from 1.
    pub column: usize,
    /// What was expected there.
    pub what: String,
}

impl AbortRuleError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "write it as in --abort-if 'error_rate > 5% for 10s' or 'p99 > 800ms for 30s'"
    }
}

impl FromStr for AbortRule {
    type Err = AbortRuleError;

    fn from_str(given: &str) -> Result<Self, AbortRuleError> {
        let fault =
            |at: usize, what: String| AbortRuleError { given: given.to_owned(), column: column(given, at), what };
        let mut words = words(given);
        let (at, word) = words.word(|c| c.is_ascii_alphanumeric() || c == '_');
        let metric = METRICS.iter().find(|(name, _)| *name == word).map(|(_, metric)| *metric).ok_or_else(|| {
            let names: Vec<_> = METRICS.iter().map(|(name, _)| *name).collect();
            fault(at, format!("here stands one of {}", names.join(", ")))
        })?;
        let (at, word) = words.word(|c| matches!(c, '<' | '>' | '=' | '!'));
        let op = Op::of(word).ok_or_else(|| fault(at, "here stands one of >, >=, <, <=".to_owned()))?;
        let (at, word) = words.word(|c| !c.is_whitespace());
        let value = match metric.unit() {
            Unit::PartsPerMillion => parts_per_million(word).ok_or("here stands a share from 0% to 100%, as in 2.5%"),
            Unit::Nanos => nanos(word).ok_or("here stands a time, as in 250ms or 2s"),
            Unit::Requests => word.parse().map_err(|_| "here stands a number of requests"),
        };
        let value = value.map_err(|what| fault(at, what.to_owned()))?;
        let (at, word) = words.word(|c| !c.is_whitespace());
        if word != "for" {
            return Err(fault(at, "here stands `for` and how long it must hold".to_owned()));
        }
        let (at, rest) = words.rest();
        let duration = humantime::parse_duration(rest).ok().filter(|time| time.subsec_nanos() == 0);
        let seconds = duration.map(|time| time.as_secs()).filter(|seconds| *seconds > 0);
        let seconds = seconds.ok_or_else(|| fault(at, "here stands a time in whole seconds, as in 10s".to_owned()))?;
        Ok(Self { metric, op, value, seconds, given: given.trim().to_owned() })
    }
}
