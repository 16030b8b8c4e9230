//! `METRIC[(SELECTOR)] [in WINDOW] OP VALUE`, read from text.

use std::str::FromStr;

use super::rule::{Endpoints, Kind, Metric, Quantile, Rule, Select, Statuses, TimeOf, Unit, Window};
use crate::rule_text::{Op, Words, column, decimal, nanos, parts_per_million, words};

/// Longest rolling window: its seconds are held in memory.
pub const WINDOW_S_MAX: u64 = 600;
/// Longest rule that is read.
const RULE_BYTES_MAX: usize = 2_000;

/// What is named in errors; the others are spelled in docs/thresholds.md.
const METRICS: &str = "p50, p99, p99.9, max, service_p99, first_byte_p99, lag_p99, error_rate, status_rate, throughput, requests, shed_rate, turned_away_rate";

/// Where a rule stops making sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule `{given}` is wrong at column {column}: {what}")]
pub struct RuleError {
    /// As given.
    pub given: String,
    /// The character, from 1.
    pub column: usize,
    /// What was expected there.
    pub what: String,
}

impl RuleError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "write the condition that fails the run, as in --fail-if 'p99(GET /cart) > 300ms' or 'error_rate in any 10s > 5%'"
    }
}

/// A place and what is wrong with it.
type Fault = (usize, String);

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(given: &str) -> Result<Self, RuleError> {
        let error = |(at, what): Fault| {
            let shown: String = given.chars().take(RULE_BYTES_MAX).collect();
            RuleError { given: shown, column: column(given, at), what }
        };
        if given.len() > RULE_BYTES_MAX {
            return Err(error((RULE_BYTES_MAX, format!("a rule has at most {RULE_BYTES_MAX} bytes"))));
        }
        parse(given).map_err(error)
    }
}

fn parse(given: &str) -> Result<Rule, Fault> {
    let mut words = words(given);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let (at, name) = words.word(is_name);
    let (metric, status) = metric(name).map_err(|what| (at, what))?;
    let (select_at, _) = words.rest();
    let mut select = if words.skip('(') { selector(&mut words)? } else { Select::default() };
    if status.is_some() {
        if select.status.is_some() {
            return Err((select_at, format!("`{name}` names its statuses already")));
        }
        select.status = status;
    }
    fits(metric, &select).map_err(|what| (select_at, what))?;
    let (window_at, window) = window(&mut words)?;
    if matches!(metric, Metric::Share(Kind::TurnedAway) | Metric::Count(Kind::TurnedAway))
        && !matches!(window, Window::Unsaid | Window::Whole)
    {
        return Err((window_at, "turned_away is counted over the whole run only".to_owned()));
    }
    let (at, word) = words.word(|c| matches!(c, '<' | '>' | '=' | '!'));
    let op = Op::of(word).ok_or_else(|| (at, "here stands one of >, >=, <, <=".to_owned()))?;
    let (at, text) = words.rest();
    let text = value(text);
    let limit = match metric.unit() {
        Unit::PartsPerMillion => parts_per_million(&text).ok_or("here stands a share from 0% to 100%, as in 2.5%"),
        Unit::Nanos => nanos(&text).ok_or("here stands a time, as in 250ms or 1.5s"),
        Unit::Requests => text.parse().map_err(|_| "here stands a number of requests"),
        Unit::MilliPerSecond => {
            text.strip_suffix("/s").and_then(|number| decimal(number, 3)).ok_or("here stands a rate, as in 250/s")
        }
    };
    Ok(Rule { metric, select, window, op, limit: limit.map_err(|what| (at, what.to_owned()))? })
}

/// A number and its unit, between which white space may stand.
fn value(text: &str) -> String {
    match text.split_once(char::is_whitespace) {
        // Not between digits, which are two numbers then.
        Some((number, unit)) => match unit.trim_start() {
            unit if unit.starts_with(|c: char| c.is_ascii_digit()) => format!("{number} {unit}?"),
            unit => format!("{number}{unit}"),
        },
        _ => text.to_owned(),
    }
}

/// The metric of a name, and the statuses that are part of the name.
fn metric(name: &str) -> Result<(Metric, Option<Statuses>), String> {
    let kinds = [Kind::Errors, Kind::Status, Kind::Shed, Kind::TurnedAway];
    if let Some(kind) = kinds.into_iter().find(|kind| kind.share_name() == name) {
        return Ok((Metric::Share(kind), None));
    }
    if let Some(kind) = kinds.into_iter().find(|kind| kind.name() == name) {
        return Ok((Metric::Count(kind), None));
    }
    // As --abort-if has it.
    if let Some(class) = name.strip_prefix("status_").and_then(|rest| statuses(rest.strip_suffix("_rate")?)) {
        return Ok((Metric::Share(Kind::Status), Some(class)));
    }
    match name {
        "throughput" => return Ok((Metric::Throughput, None)),
        "requests" => return Ok((Metric::Requests, None)),
        "in_flight" => return Err("in_flight is known while a run goes on only: --abort-if looks at it".to_owned()),
        _ => {}
    }
    let times = [TimeOf::Service, TimeOf::FirstByte, TimeOf::Lag, TimeOf::Held, TimeOf::Busy, TimeOf::Connect];
    let (of, rest) = times
        .into_iter()
        .find_map(|of| Some((of, name.strip_prefix(&of.to_string())?)))
        .unwrap_or((TimeOf::Response, name.strip_prefix("response_").unwrap_or(name)));
    let quantile = quantile(rest).ok_or_else(|| format!("here stands a metric, one of {METRICS}"))?;
    Ok((Metric::Time { of, quantile }, None))
}

/// `p50`, `p99.9`, `p999` (as --abort-if has it), `max`.
fn quantile(text: &str) -> Option<Quantile> {
    let number = match text {
        "max" => return Some(Quantile::MAX),
        "p999" => "99.9",
        "p9999" => "99.99",
        _ => text.strip_prefix('p')?,
    };
    let thousandths = u32::try_from(decimal(number, 3)?).ok()?;
    (1..Quantile::MAX.0).contains(&thousandths).then_some(Quantile(thousandths))
}

/// `5xx` or `503`.
pub(super) fn statuses(text: &str) -> Option<Statuses> {
    if let Some(class) = text.strip_suffix("xx") {
        let is_class = matches!(class, "1" | "2" | "3" | "4" | "5");
        return class.parse().ok().filter(|_| is_class).map(Statuses::Class);
    }
    let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let code = text.parse().ok().filter(|code| is_code && (100..600).contains(code));
    code.map(Statuses::Code)
}

/// What stands between brackets, of which the first is read already.
fn selector(words: &mut Words<'_>) -> Result<Select, Fault> {
    let mut select = Select::default();
    loop {
        let (at, item, is_quoted) = item(words)?;
        let status = if is_quoted { None } else { statuses(&item) };
        match status {
            Some(status) if select.status.is_none() => select.status = Some(status),
            Some(_) => return Err((at, "statuses are selected already".to_owned())),
            None if select.endpoint != Endpoints::All => {
                return Err((at, "an endpoint is selected already; a name with a comma stands in quotes".to_owned()));
            }
            None if item.is_empty() => {
                return Err((
                    at,
                    "here stands an endpoint as the report names it, *, or a status as in 5xx".to_owned(),
                ));
            }
            None if item == "*" && !is_quoted => select.endpoint = Endpoints::Each,
            None => select.endpoint = Endpoints::Named(item),
        }
        let (at, _) = words.rest();
        match (words.skip(','), words.skip(')')) {
            (true, false) => {}
            (false, true) => return Ok(select),
            _ => return Err((at, "here stands `)`, or a comma and what else is selected".to_owned())),
        }
    }
}

/// One of the things between brackets, where it begins, and whether it stood in quotes.
fn item(words: &mut Words<'_>) -> Result<(usize, String, bool), Fault> {
    let (at, _) = words.rest();
    if !words.skip('"') {
        let (at, text) = words.word(|c| !matches!(c, ',' | ')'));
        return Ok((at, text.trim_end().to_owned(), false));
    }
    let mut text = String::new();
    loop {
        match words.next() {
            None => return Err((at, "these quotes have no end".to_owned())),
            Some('"') => return Ok((at, text, true)),
            Some('\\') => text.extend(words.next()),
            Some(c) => text.push(c),
        }
    }
}

/// Whether such requests are told apart for a metric.
pub(super) fn fits(metric: Metric, select: &Select) -> Result<(), String> {
    let (by_endpoint, status) = (select.endpoint != Endpoints::All, select.status);
    let no = |what: &str| Err(what.to_owned());
    match metric {
        Metric::Time { of: TimeOf::Lag | TimeOf::Held | TimeOf::Busy | TimeOf::Connect, .. }
            if by_endpoint || status.is_some() =>
        {
            no("lag, held, busy and connect are those of all requests together: select nothing")
        }
        Metric::Time { .. } => match status {
            Some(_) if by_endpoint => no("times are kept by endpoint and by class of status, not by both"),
            Some(Statuses::Code(_)) => no("times are kept by class of status, as in 5xx"),
            _ => Ok(()),
        },
        Metric::Share(Kind::Status) | Metric::Count(Kind::Status) if status.is_none() => {
            no("here stands (5xx) or (503), with or without an endpoint as in (5xx, GET /cart)")
        }
        Metric::Share(Kind::Errors) | Metric::Count(Kind::Errors) if status.is_some() => {
            no("what failed has no whole answer: for statuses there is status_rate")
        }
        Metric::Share(Kind::Shed | Kind::TurnedAway) | Metric::Count(Kind::Shed | Kind::TurnedAway)
            if by_endpoint || status.is_some() =>
        {
            no("these are counted over all requests together: select nothing")
        }
        _ => Ok(()),
    }
}

/// `in whole`, `in steady` or `in any 10s`, if a window is said, and where it is.
fn window(words: &mut Words<'_>) -> Result<(usize, Window), Fault> {
    let (at, _) = words.rest();
    let mut ahead = *words;
    if ahead.word(|c| c.is_ascii_alphanumeric()).1 != "in" {
        return Ok((at, Window::Unsaid));
    }
    *words = ahead;
    let (at, word) = words.word(|c| c.is_ascii_alphanumeric());
    let window = match word {
        "whole" => Window::Whole,
        "steady" => Window::Steady,
        "any" => {
            let (at, text) = words.word(|c| c.is_ascii_alphanumeric());
            let time = humantime::parse_duration(text).ok().filter(|time| time.subsec_nanos() == 0);
            let seconds = time.map(|time| time.as_secs()).filter(|seconds| (1..=WINDOW_S_MAX).contains(seconds));
            let what = || (at, format!("here stands a time in whole seconds up to {WINDOW_S_MAX}s, as in 10s"));
            Window::Any(seconds.ok_or_else(what)?)
        }
        _ => return Err((at, "here stands `whole`, `steady` or `any 10s`".to_owned())),
    };
    // `any 10s window` reads well, too.
    let mut ahead = *words;
    if ahead.word(|c| c.is_ascii_alphanumeric()).1 == "window" {
        *words = ahead;
    }
    Ok((at, window))
}
