//! `METRIC OP VALUE for DURATION`: what stops a run, read from text. Integers only: a rule means the same everywhere.

use std::str::FromStr;
use std::time::Duration;

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

/// How it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Op {
    pub(super) fn holds(self, left: u128, right: u128) -> bool {
        match self {
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
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
        let fault = |at: usize, what: String| AbortRuleError {
            given: given.to_owned(),
            column: given.get(..at).unwrap_or(given).chars().count() + 1,
            what,
        };
        let mut words = words(given);
        let (at, word) = words.word(|c| c.is_ascii_alphanumeric() || c == '_');
        let metric = METRICS.iter().find(|(name, _)| *name == word).map(|(_, metric)| *metric).ok_or_else(|| {
            let names: Vec<_> = METRICS.iter().map(|(name, _)| *name).collect();
            fault(at, format!("here stands one of {}", names.join(", ")))
        })?;
        let (at, word) = words.word(|c| matches!(c, '<' | '>' | '=' | '!'));
        let op = match word {
            ">" => Op::Greater,
            ">=" => Op::GreaterOrEqual,
            "<" => Op::Less,
            "<=" => Op::LessOrEqual,
            _ => return Err(fault(at, "here stands one of >, >=, <, <=".to_owned())),
        };
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

fn parts_per_million(text: &str) -> Option<u64> {
    let (whole, part) = match text.strip_suffix('%')?.split_once('.') {
        Some((whole, part)) if !part.is_empty() => (whole, part),
        Some(_) => return None,
        None => (text.strip_suffix('%')?, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 4 || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let value = format!("{whole}{part:0<4}").parse().ok()?;
    (value <= 1_000_000).then_some(value)
}

fn nanos(text: &str) -> Option<u64> {
    // Fractions, which humantime does not read, are written in the next smaller unit.
    let time: Duration = humantime::parse_duration(text).ok()?;
    u64::try_from(time.as_nanos()).ok()
}

struct Words<'a> {
    text: &'a str,
    at: usize,
}

fn words(text: &str) -> Words<'_> {
    Words { text, at: 0 }
}

impl<'a> Words<'a> {
    /// The next characters that `is_part` of a word, and where they begin.
    fn word(&mut self, is_part: impl Fn(char) -> bool) -> (usize, &'a str) {
        let (at, rest) = self.rest();
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at = at + len;
        (at, rest.get(..len).unwrap_or_default())
    }

    /// What is left without the white space around it, and where it begins.
    fn rest(&self) -> (usize, &'a str) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        (self.at + rest.len() - trimmed.len(), trimmed.trim_end())
    }
}
