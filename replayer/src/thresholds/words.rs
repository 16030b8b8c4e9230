//! Thresholds in sentences: what failed, by how much, since when.

use super::judge::Measured;
use crate::result::thresholds::{Judged, Threshold, ThresholdUnit};

/// One sentence that says all of it. `subject` is the metric with what it is about.
pub(super) fn sentence(subject: &str, of: &Threshold, measured: &Measured, was_followed: bool) -> String {
    let place = match of.window.strip_prefix("any ") {
        Some(length) => format!(" in the worst {length}"),
        None if of.window == "steady" => " in the steady window".to_owned(),
        None => String::new(),
    };
    let figure = of.measured.map(|figure| value(of.unit, figure));
    let limit = value(of.unit, of.limit);
    match (of.outcome, figure) {
        (Judged::Held, Some(figure)) => format!("{subject} was {figure}{place} (limit {limit})"),
        (Judged::Failed, Some(figure)) => {
            let distance = distance(of).map(|distance| format!(", {distance}")).unwrap_or_default();
            format!("{subject} was {figure}{place}{distance} the limit of {limit}{}", since(of, was_followed))
        }
        _ if of.window.starts_with("any ") && !was_followed => {
            format!("{subject}: cannot tell, since no request log (requests.jsonl.zst) says what happened when")
        }
        _ if of.window.starts_with("any ") => {
            let length = of.window.trim_start_matches("any ");
            let needed = match measured.values_min {
                0 | 1 => "a value".to_owned(),
                several => format!("the {several} values that it takes"),
            };
            format!("{subject}: cannot tell, since no whole stretch of {length} had {needed}")
        }
        _ => format!(
            "{subject}: cannot tell{place} from {}, which takes {} at least",
            values(of.values),
            measured.values_min.max(1)
        ),
    }
}

/// How far beyond the limit.
fn distance(of: &Threshold) -> Option<String> {
    let (figure, excess) = (of.measured?, of.excess);
    let is_above = figure >= of.limit;
    Some(match excess {
        Some(0.0) => "at".to_owned(),
        Some(excess) if is_above && excess >= 1.0 => format!("{} times", digits(excess + 1.0)),
        Some(excess) => format!("{} {}", share(excess), if is_above { "above" } else { "below" }),
        None => "above".to_owned(),
    })
}

fn since(of: &Threshold, was_followed: bool) -> String {
    let Some(since_s) = of.since_s else {
        return if was_followed { String::new() } else { "; when it began no request log says".to_owned() };
    };
    let since = instant(since_s);
    match of.window.strip_prefix("any ") {
        Some(_) => format!("; first in the window from {since} on, in {} of {}", of.breached_s, of.decided_s),
        None => format!("; since {since}, in {} of {} seconds", of.breached_s, of.decided_s),
    }
}

/// An instant of the run: `12 s`, `2m 5s`.
pub(crate) fn instant(second: u64) -> String {
    match (second / 3_600, second / 60 % 60, second % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h {minutes}m {seconds}s"),
    }
}

fn values(number: u64) -> String {
    if number == 1 { "1 value".to_owned() } else { format!("{number} values") }
}

/// A figure or limit in its unit: `412 ms`, `2.31 %`, `87.5/s`, `12`.
pub(crate) fn value(unit: ThresholdUnit, value: f64) -> String {
    match unit {
        ThresholdUnit::Us if value < 1_000.0 => format!("{} µs", digits(value)),
        ThresholdUnit::Us if value < 1_000_000.0 => format!("{} ms", digits(value / 1_000.0)),
        ThresholdUnit::Us => format!("{} s", digits(value / 1_000_000.0)),
        ThresholdUnit::Share => share(value),
        ThresholdUnit::Requests => format!("{value:.0}"),
        ThresholdUnit::PerS => format!("{}/s", digits(value)),
    }
}

fn share(of_one: f64) -> String {
    format!("{} %", digits(of_one * 100.0))
}

/// Three digits, or as many as stand before the point.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.01 || size == 0.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
