//! Whether a run says something about its target: a pure function of what was counted and of how the generator did.
//!
//! *Strained*: over 1 % of what was dispatched left more than 10 ms late. *Invalid*: over 1 % left more than 100 ms late, or
//! under 99 % of what was due was sent, leaving out what a bound shed or the target refused. Nothing is measured here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::health::{Generator, Thread};
use crate::result::{RunResult, total};

#[cfg(test)]
mod tests;

/// Share of late requests over which a run is strained or invalid, in percent.
const LATE_PERCENT_MAX: u64 = 1;
/// Share of what was due that must have been sent, in percent.
const SENT_PERCENT_MIN: u64 = 99;
/// From these on health is named as a cause.
const STEAL_SHARE_MIN: f64 = 0.02;
const THREAD_SHARE_MIN: f64 = 0.90;
const MACHINE_SHARE_MIN: f64 = 0.95;
const THROTTLED_SHARE_MIN: f64 = 0.01;
/// Involuntary switches of the sending thread a second from which on others are on its CPU.
const SWITCHES_PER_S_MIN: f64 = 200.0;

/// Name of the thread that sends, as the kernel shows it: the engine's threads are `send`, or `send-0`, `send-1` …
const SENDER: &str = "send";
/// Likewise of those that make connections.
const DIALER: &str = "dial";
/// Errors that keep a request from leaving and are the target's doing (or its name's, or its network's), not the generator's:
/// that lacks descriptors and ports, which have a word of their own.
const REFUSED_BY_TARGET: [&str; 9] =
    ["refused", "connect_timeout", "unreachable", "dns", "tls", "proxy", "not_allowed", "reset", "io"];

/// From which lag on a request is late (`--lag-limit strained=10ms,invalid=100ms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagLimit {
    /// Over 1 % later than this: strained. Nanoseconds.
    pub strained_ns: u64,
    /// Over 1 % later than this: invalid. Nanoseconds.
    pub invalid_ns: u64,
}

impl Default for LagLimit {
    fn default() -> Self {
        Self { strained_ns: 10_000_000, invalid_ns: 100_000_000 }
    }
}

/// A `--lag-limit` that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lag limit `{given}` {why}; write it as in strained=10ms,invalid=100ms")]
pub struct LagLimitError {
    given: String,
    why: &'static str,
}

impl FromStr for LagLimit {
    type Err = LagLimitError;

    fn from_str(text: &str) -> Result<Self, LagLimitError> {
        let bad = |why| LagLimitError { given: text.to_owned(), why };
        let (mut strained, mut invalid) = (None, None);
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(|| bad("has a part without `=`"))?;
            let duration =
                humantime::parse_duration(value.trim()).map_err(|_| bad("has a part that is no duration"))?;
            let nanos = u64::try_from(duration.as_nanos()).map_err(|_| bad("is too long"))?;
            let place = match name.trim() {
                "strained" => &mut strained,
                "invalid" => &mut invalid,
                _ => return Err(bad("names neither `strained` nor `invalid`")),
            };
            if place.replace(nanos).is_some() {
                return Err(bad("says the same twice"));
            }
        }
        let given = Self {
            strained_ns: strained.unwrap_or_else(|| Self::default().strained_ns.min(invalid.unwrap_or(u64::MAX))),
            invalid_ns: invalid.unwrap_or_else(|| Self::default().invalid_ns.max(strained.unwrap_or(0))),
        };
        if given.strained_ns > given.invalid_ns {
            return Err(bad("lets a run be invalid before it is strained"));
        }
        Ok(given)
    }
}

impl fmt::Display for LagLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |nanos| humantime::format_duration(Duration::from_nanos(nanos)).to_string().replace(' ', "");
        write!(f, "strained={},invalid={}", said(self.strained_ns), said(self.invalid_ns))
    }
}

/// Whether a run can be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The generator kept up.
    #[default]
    Valid,
    /// The generator was late for some: the tail of the response times is partly its own.
    Strained,
    /// The generator, not the target, was the limit.
    Invalid,
}

impl Trust {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Strained => "strained",
            Self::Invalid => "invalid",
        }
    }
}

/// The verdict of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it is.
    pub outcome: Trust,
    /// Why, in sentences; for a valid run what was noticed without changing the verdict, if anything.
    pub reasons: Vec<String>,
    /// By which limits.
    pub limits: LagLimit,
    /// Requests later than the limit for strained.
    pub late_strained: u64,
    /// Requests later than the limit for invalid.
    pub late_invalid: u64,
}

/// Judges a run by its counts; `verdict.limits`, `late_strained` and `late_invalid` of the result are taken as counted.
#[must_use]
pub fn judge(result: &RunResult) -> Verdict {
    let counted = &result.verdict;
    let (sent, limits) = (result.dispatched, counted.limits);
    let mut verdict = Verdict { outcome: Trust::Valid, reasons: Vec::new(), ..counted.clone() };
    let mut because = |outcome: Trust, reason: String| {
        verdict.outcome = verdict.outcome.max(outcome);
        verdict.reasons.push(reason);
    };
    let over = |part: u64, of: u64| u128::from(part) * 100 > u128::from(of) * u128::from(LATE_PERCENT_MAX);
    let late = |part: u64, nanos: u64| {
        let limit = humantime::format_duration(Duration::from_nanos(nanos));
        format!("{} of what was sent left more than {limit} late", percent(part, sent))
    };
    if over(counted.late_invalid, sent) {
        because(Trust::Invalid, late(counted.late_invalid, limits.invalid_ns));
    } else if over(counted.late_strained, sent) {
        because(Trust::Strained, late(counted.late_strained, limits.strained_ns));
    }
    if let Some(reason) = slow_to_connect(result) {
        because(Trust::Strained, reason);
    }
    let owed = owed(result);
    if u128::from(sent) * 100 < u128::from(owed) * u128::from(SENT_PERCENT_MIN) {
        because(
            Trust::Invalid,
            format!(
                "only {} of what was due was sent ({sent} of {owed}), leaving out what a bound shed or the target refused",
                percent(sent, owed)
            ),
        );
    }
    if result.planned > 0 && result.settled == 0 && !is_stopped(result) {
        because(Trust::Invalid, "no outcome was counted".to_owned());
    }
    if verdict.outcome != Trust::Valid {
        verdict.reasons.extend(causes(&result.generator, result.errors.get("no_descriptors").copied().unwrap_or(0)));
    }
    verdict
}

/// Whether it ended before its plan did, by somebody's decision or its own.
fn is_stopped(result: &RunResult) -> bool {
    result.interrupted || result.aborted.is_some()
}

/// What should have been handed to a socket: what was due, without what a bound shed and what the target refused.
fn owed(result: &RunResult) -> u64 {
    // A run that was stopped owes only what it came to; what was never counted otherwise was lost by the generator.
    let due = if is_stopped(result) { result.settled } else { result.planned.max(result.settled) };
    let shed = total(result.shed.values());
    let never_left = result.settled.saturating_sub(shed).saturating_sub(result.dispatched);
    let refused = total(REFUSED_BY_TARGET.iter().filter_map(|kind| result.errors.get(*kind)));
    due.saturating_sub(shed).saturating_sub(refused.min(never_left))
}

/// Waits for connections count as the target's, unless the thread that makes connections had no time for them.
fn slow_to_connect(result: &RunResult) -> Option<String> {
    let at_its_limit = |thread: &&Thread| thread.name.starts_with(DIALER) && thread.busiest_share >= THREAD_SHARE_MIN;
    let thread = result.generator.threads.iter().find(at_its_limit)?;
    let (waits, limit_ns) = (&result.connect_us, result.verdict.limits.strained_ns);
    let longer =
        [(waits.p50, 50), (waits.p90, 10), (waits.p99, 1)].into_iter().find(|(us, _)| us * 1e3 > limit_ns as f64);
    let (_, percent_of_waits) = longer?;
    let late = waits.count.saturating_mul(percent_of_waits) / 100;
    (u128::from(late) * 100 > u128::from(result.dispatched) * u128::from(LATE_PERCENT_MAX)).then(|| {
        let limit = humantime::format_duration(Duration::from_nanos(limit_ns));
        format!(
            "{} of what was sent waited more than {limit} for a connection while the thread that makes them, `{}`, had no time left",
            percent(late, result.dispatched),
            thread.name
        )
    })
}

/// What health says about why a generator was late, in sentences.
fn causes(health: &Generator, no_descriptors: u64) -> Vec<String> {
    let mut causes = Vec::new();
    if health.steal_share >= STEAL_SHARE_MIN {
        causes.push(format!(
            "steal took {} of the machine: other virtual machines were on its CPUs",
            share(health.steal_share)
        ));
    }
    for thread in health.threads.iter().filter(|thread| thread.busiest_share >= THREAD_SHARE_MIN) {
        let what = if thread.name.starts_with(SENDER) { "the sending thread" } else { "the thread" };
        causes.push(format!(
            "{what} `{}` was at {} of a CPU in its busiest second",
            thread.name,
            share(thread.busiest_share)
        ));
    }
    if health.machine_busiest_share >= MACHINE_SHARE_MIN {
        causes.push(format!(
            "all CPUs of the machine were busy ({} in the busiest second), {} of that with this process over the run",
            share(health.machine_busiest_share),
            share(health.own_share_of_busy)
        ));
    }
    let throttled = health.throttle.throttled_share();
    if throttled >= THROTTLED_SHARE_MIN {
        causes
            .push(format!("the control group's CPU limit stopped this process in {} of its periods", share(throttled)));
    }
    for thread in &health.threads {
        if thread.name.starts_with(SENDER) && thread.involuntary_per_s >= SWITCHES_PER_S_MIN {
            causes.push(format!(
                "the sending thread `{}` was put off its CPU {:.0} times a second",
                thread.name, thread.involuntary_per_s
            ));
        }
    }
    if no_descriptors > 0 {
        causes.push(format!(
            "{no_descriptors} requests found no descriptor or port: at most {} of {} descriptors and {} of {} ports were in use",
            health.descriptors.peak, health.descriptors.limit, health.ports.peak, health.ports.limit
        ));
    }
    causes
}

fn percent(part: u64, of: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits for people")]
    let share_of = part as f64 / of.max(1) as f64;
    share(share_of)
}

fn share(of_one: f64) -> String {
    let percent = of_one * 100.0;
    if percent < 9.95 { format!("{percent:.2} %") } else { format!("{percent:.0} %") }
}
