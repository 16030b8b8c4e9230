//! Whether a run must stop by its own figures: a pure function of one second after the other.
//!
//! A rule stops the run when it has held for its duration: that many seconds, one after the other, in which it could be
//! decided. A second in which it cannot (no request ended, so that there is no rate and no response time; no request left,
//! so that there is no lag) counts neither way: it neither adds to the time nor ends it. `in_flight` is known always, and
//! is what notices a target that no longer answers before the timeouts do.

use super::abort_rule::{AbortRule, Metric, Unit};

/// What one second of a run showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecondFacts {
    /// Requests that ended in it, whether with an answer or an error.
    pub ended: u64,
    /// Those of them that ended without a whole answer: refused, reset, timed out …
    pub errors: u64,
    /// Those of them that were answered with 500 to 599.
    pub status_5xx: u64,
    /// Response times of those that ended, errors at their full age; `None` when none did.
    pub response_ns: Option<ResponseNs>,
    /// 99th percentile of the lag of what left in it; `None` when nothing did.
    pub lag_p99_ns: Option<u64>,
    /// Largest lag of what left in it; `None` when nothing did.
    pub lag_max_ns: Option<u64>,
    /// Requests under way at its end.
    pub in_flight: u64,
}

/// Quantiles of the response time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseNs {
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
}

/// All rules of a run, and for how long each has held.
#[derive(Debug)]
pub struct AbortWatch {
    rules: Vec<(AbortRule, u64)>,
}

impl AbortWatch {
    /// Rules of which none has held yet.
    #[must_use]
    pub fn new(rules: Vec<AbortRule>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, 0)).collect() }
    }

    /// Takes the next second, and says in words why the run must stop, if it must.
    pub fn second(&mut self, facts: &SecondFacts) -> Option<String> {
        let mut reason = None;
        for (rule, held) in &mut self.rules {
            match rule.holds(facts) {
                Some(true) => *held += 1,
                Some(false) => *held = 0,
                None => {}
            }
            if *held >= rule.seconds {
                reason.get_or_insert_with(|| rule.reason(facts));
            }
        }
        reason
    }
}

impl AbortRule {
    /// `None` when this second does not say.
    fn holds(&self, facts: &SecondFacts) -> Option<bool> {
        let (value, per) = self.metric.of(facts)?;
        // value / per against the limit, without a division: rates are shares of `per` requests.
        let scale = if self.metric.unit() == Unit::PartsPerMillion { 1_000_000 } else { 1 };
        Some(self.op.holds(u128::from(value) * scale, u128::from(self.value) * u128::from(per)))
    }

    fn reason(&self, facts: &SecondFacts) -> String {
        let name = self.metric.name();
        let last = match (self.metric.of(facts), self.metric.unit()) {
            (None, _) => String::new(),
            (Some((value, per)), Unit::PartsPerMillion) => {
                let basis_points = u128::from(value) * 10_000 / u128::from(per.max(1));
                format!("; {name} was {}.{:02}% in the last second", basis_points / 100, basis_points % 100)
            }
            (Some((value, _)), Unit::Nanos) => {
                // Whole microseconds: what comes after them says nothing.
                let time = std::time::Duration::from_micros(value / 1_000);
                format!("; {name} was {} in the last second", humantime::format_duration(time))
            }
            (Some((value, _)), Unit::Requests) => format!("; {name} was {value} in the last second"),
        };
        format!("--abort-if `{}` has held for {} s{last}", self.given, self.seconds)
    }
}

impl Metric {
    /// The value in a second, and how many it is a share of.
    fn of(self, facts: &SecondFacts) -> Option<(u64, u64)> {
        let share = |part: u64| (facts.ended > 0).then_some((part, facts.ended));
        let response = |pick: fn(&ResponseNs) -> u64| facts.response_ns.as_ref().map(|response| (pick(response), 1));
        match self {
            Self::ErrorRate => share(facts.errors),
            Self::Status5xxRate => share(facts.status_5xx),
            Self::P50 => response(|response| response.p50),
            Self::P90 => response(|response| response.p90),
            Self::P99 => response(|response| response.p99),
            Self::P999 => response(|response| response.p999),
            Self::LagP99 => facts.lag_p99_ns.map(|lag| (lag, 1)),
            Self::LagMax => facts.lag_max_ns.map(|lag| (lag, 1)),
            Self::InFlight => Some((facts.in_flight, 1)),
        }
    }
}
