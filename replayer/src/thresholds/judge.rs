//! What came of each threshold: counts and what was seen over time against limits. A pure function.

use std::collections::BTreeMap;

use super::plan::Applied;
use super::rule::{Endpoints, Kind, Metric, Rule, Statuses, TimeOf, Unit, Window, quoted};
use super::series::Seen;
use super::words;
use crate::contexts::hex;
use crate::measure::{Answered, CLASSES, Counted, Distribution, EndpointCount, Tally};
use crate::result::thresholds::{Judged, Threshold, ThresholdUnit};
use crate::result::total;

/// What was measured for one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Measured {
    /// In the unit of the metric, as a fraction; `None` where nothing was measured.
    pub(super) figure: Option<(u64, u64)>,
    /// How many values it was measured from.
    pub(super) values: u64,
    /// How many there must be.
    pub(super) values_min: u64,
}

/// Judges rules by the counts of a run. `seen` is what was seen of each over time, in the order of the rules; where that is
/// missing, rolling windows cannot be told, and nobody knows since when a rule was breached.
#[must_use]
pub fn judge(rules: &[Applied], counted: &Counted, seen: Option<&[Seen]>) -> Vec<Threshold> {
    let nothing = Seen::default();
    let each = rules.iter().enumerate();
    each.map(|(at, rule)| {
        let own = seen.and_then(|seen| seen.get(at));
        threshold(rule, counted, own.unwrap_or(&nothing), own.is_some())
    })
    .collect()
}

/// The same of a run of which not everything is known: of a rule that is about anything else one cannot tell. `knows` is
/// asked for fields of the run's result.
#[must_use]
pub fn judge_known(
    rules: &[Applied],
    counted: &Counted,
    seen: Option<&[Seen]>,
    knows: impl Fn(&str) -> bool,
) -> Vec<Threshold> {
    let mut judged = judge(rules, counted, seen);
    for (one, applied) in judged.iter_mut().zip(rules) {
        let rule = &applied.budget.rule;
        if let Some((field, words)) = rule.metric.read_from().filter(|(field, _)| !knows(field)) {
            *one = Threshold {
                outcome: Judged::CannotTell,
                measured: None,
                excess: None,
                values: 0,
                since_s: None,
                traces: Vec::new(),
                said: format!("{}: cannot tell, since nobody knows {words} ({field})", subject(rule, applied)),
                ..one.clone()
            };
        }
    }
    judged
}

/// Rules as they stand in the result of a run that is not over, each once.
#[must_use]
pub fn unjudged(rules: &[Applied]) -> Vec<Threshold> {
    let mut all: Vec<Threshold> = Vec::new();
    for Applied { budget, window, .. } in rules {
        let one = Threshold {
            rule: budget.rule.to_string(),
            name: budget.name.clone(),
            why: budget.why.clone(),
            link: budget.link.clone(),
            window: window.to_string(),
            outcome: Judged::CannotTell,
            ..Threshold::default()
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn threshold(applied: &Applied, counted: &Counted, seen: &Seen, was_followed: bool) -> Threshold {
    let rule = &applied.budget.rule;
    let measured = match applied.window {
        Window::Any(_) => {
            let worst = seen.worst;
            Measured {
                figure: worst.map(|worst| worst.measured),
                values: worst.map_or(0, |worst| worst.values),
                values_min: rule.values_min(),
            }
        }
        window => rule.measured(counted, window == Window::Steady, applied.endpoint.as_ref().map(|(at, _)| *at)),
    };
    let outcome = match measured.figure {
        Some((figure, of)) if measured.values >= measured.values_min => {
            if rule.breaches(figure, of) {
                Judged::Failed
            } else {
                Judged::Held
            }
        }
        _ => Judged::CannotTell,
    };
    let unit = unit(rule.metric.unit());
    let limit = shown(unit, (rule.limit, 1), rule.metric.unit());
    let figure = measured.figure.map(|(figure, of)| match unit {
        ThresholdUnit::Us => shown(unit, (figure, of), Unit::Nanos),
        _ => fraction(figure, of),
    });
    let has_failed = outcome == Judged::Failed;
    let excess = figure.filter(|_| has_failed && limit > 0.0).map(|figure| ((figure - limit) / limit).abs());
    let mut threshold = Threshold {
        rule: rule.to_string(),
        name: applied.budget.name.clone(),
        why: applied.budget.why.clone(),
        link: applied.budget.link.clone(),
        endpoint: applied.endpoint.as_ref().map(|(_, name)| name.clone()),
        window: applied.window.to_string(),
        outcome,
        unit,
        measured: figure,
        limit,
        excess,
        values: measured.values,
        since_s: seen.since_s.filter(|_| has_failed),
        breached_s: seen.breached_s,
        decided_s: seen.decided_s,
        traces: if has_failed { seen.traces.iter().map(|trace| hex(trace)).collect() } else { Vec::new() },
        said: String::new(),
    };
    threshold.said = words::sentence(&subject(rule, applied), &threshold, &measured, was_followed);
    threshold
}

/// What a rule is about, in its own words: the metric with the endpoint that was looked at.
fn subject(rule: &Rule, applied: &Applied) -> String {
    let status = rule.select.status.map(|status| status.to_string());
    let endpoint = applied.endpoint.as_ref().map(|(_, name)| quoted(name));
    let parts: Vec<String> = status.into_iter().chain(endpoint).collect();
    if parts.is_empty() { rule.metric.to_string() } else { format!("{}({})", rule.metric, parts.join(", ")) }
}

impl Metric {
    /// The field of a result that has what it counts, and what that is; a distribution that is not there is empty.
    fn read_from(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Time { .. } => None,
            Self::Share(kind) | Self::Count(kind) => Some(match kind {
                Kind::Errors => ("errors", "which requests failed"),
                Kind::Status => ("status", "how requests were answered"),
                Kind::Shed => ("shed", "what was not sent"),
                Kind::TurnedAway => ("turned_away", "who was turned away"),
            }),
            Self::Requests | Self::Throughput => Some(("completed", "which requests were answered")),
        }
    }
}

impl Rule {
    /// The metric over the whole run or its steady window.
    fn measured(&self, counted: &Counted, in_steady: bool, endpoint: Option<u32>) -> Measured {
        let tally = if in_steady { &counted.steady } else { &counted.whole };
        let row = endpoint.and_then(|index| tally.endpoints.get(index as usize));
        // An endpoint that was never asked has no row in the counts of a run that was read back.
        let none = EndpointCount::default();
        let row = endpoint.map(|_| row.unwrap_or(&none));
        let shed = total(tally.shed.values());
        let errors = row.map_or_else(|| total(tally.errors.values()), |row| row.errors);
        let ended = row.map_or_else(|| tally.settled.saturating_sub(shed), ended);
        let with_status = |statuses: Statuses| {
            let codes: &BTreeMap<u16, u64> = row.map_or(&tally.status, |row| &row.status);
            total(codes.iter().filter(|(code, _)| statuses.contains(**code)).map(|(_, count)| count))
        };
        let selected = |all: u64| self.select.status.map_or(all, with_status);
        let of = |kind: Kind| match kind {
            Kind::Errors => (errors, ended),
            Kind::Status => (selected(0), ended),
            Kind::Shed => (shed, tally.settled),
            Kind::TurnedAway => (counted.turned_away, counted.recorded_2xx),
        };
        match self.metric {
            Metric::Time { of, quantile } => {
                let values = distribution(of, self.select.status, tally, row);
                Measured {
                    figure: (values.count() > 0).then(|| (values.value_ns(quantile.share()), 1)),
                    values: values.count(),
                    values_min: self.values_min(),
                }
            }
            Metric::Share(kind) => {
                let (part, of) = of(kind);
                Measured { figure: (of > 0).then_some((part, of)), values: of, values_min: self.values_min() }
            }
            Metric::Count(kind) => {
                let (part, of) = of(kind);
                Measured { figure: Some((part, 1)), values: of, values_min: 0 }
            }
            Metric::Requests => Measured { figure: Some((selected(ended), 1)), values: ended, values_min: 0 },
            Metric::Throughput => {
                let completed = row.map_or(tally.completed, |row| row.completed);
                let over_ns = match in_steady {
                    true => counted.steady_ns.1.saturating_sub(counted.steady_ns.0),
                    false => counted.last.done.max(counted.last.placed_ns()),
                };
                // Thousandths of seconds: a run of less has no rate.
                let over_ms = over_ns / 1_000_000;
                let completed = selected(completed);
                let figure = (over_ms > 0).then(|| (completed.saturating_mul(1_000), over_ms));
                Measured { figure, values: completed, values_min: 0 }
            }
        }
    }

    /// How many values must be there to tell.
    fn values_min(&self) -> u64 {
        match self.metric {
            Metric::Time { quantile, .. } => quantile.values_min(),
            Metric::Share(_) => 1,
            Metric::Count(_) | Metric::Requests | Metric::Throughput => 0,
        }
    }

    /// Whether it is about each endpoint by itself.
    #[must_use]
    pub fn is_each(&self) -> bool {
        self.select.endpoint == Endpoints::Each
    }
}

fn ended(row: &EndpointCount) -> u64 {
    row.completed.saturating_add(row.errors)
}

/// The times that a quantile is read from.
fn distribution<'a>(
    of: TimeOf,
    status: Option<Statuses>,
    tally: &'a Tally,
    row: Option<&'a EndpointCount>,
) -> &'a Distribution {
    let class = match status {
        Some(Statuses::Class(class)) => tally.classes.get(usize::from(class)).filter(|_| CLASSES.len() > class.into()),
        _ => None,
    };
    let times: &Answered = class.or(row.map(|row| &row.times)).unwrap_or(&tally.times);
    match of {
        TimeOf::Response => &times.response,
        TimeOf::Service => &times.service,
        TimeOf::FirstByte => &times.first_byte,
        TimeOf::Lag => &tally.waited.lag,
        TimeOf::Held => &tally.waited.held,
        TimeOf::Busy => &tally.waited.busy,
        TimeOf::Connect => &tally.waited.connect,
    }
}

fn unit(unit: Unit) -> ThresholdUnit {
    match unit {
        Unit::Nanos => ThresholdUnit::Us,
        Unit::PartsPerMillion => ThresholdUnit::Share,
        Unit::Requests => ThresholdUnit::Requests,
        Unit::MilliPerSecond => ThresholdUnit::PerS,
    }
}

/// A limit or a time as it stands in the result.
fn shown(to: ThresholdUnit, (value, of): (u64, u64), from: Unit) -> f64 {
    let scale = match (to, from) {
        (ThresholdUnit::Us, _) | (ThresholdUnit::PerS, _) => 1_000,
        (ThresholdUnit::Share, _) => 1_000_000,
        (ThresholdUnit::Requests, _) => 1,
    };
    fraction(value, of.saturating_mul(scale))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people, read to a few digits")]
fn fraction(value: u64, of: u64) -> f64 {
    value as f64 / of.max(1) as f64
}
