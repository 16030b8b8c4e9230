//! What `report` prints.

use std::path::{Path, PathBuf};

use replayer::result::{Quantiles, RunResult};

use crate::outcome::{self, Failure};
use crate::{thresholds, units};

/// Prints the result, or what a person reads of it and where the rest is.
pub(super) fn say(result: &RunResult, page: &Path, files: &[PathBuf], json: bool) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string(result);
        let text = text.map_err(|error| Failure::new(format!("cannot print the result: {error}")))?;
        outcome::print(&format!("{text}\n"));
    } else {
        outcome::print(&summary(result, page, files));
    }
    Ok(())
}

fn summary(result: &RunResult, page: &Path, files: &[PathBuf]) -> String {
    let incomplete = result.recounted.iter().map(|one| format!("INCOMPLETE: {}\n", one.said()));
    let mut text: String = incomplete.collect();
    text.extend(result.notices.iter().map(|notice| format!("NOTE: {notice}\n")));
    let mut line = |name: &str, value: &str| text += &format!("  {name:<11}{value}\n");
    line("verdict", result.verdict.outcome.name());
    result.verdict.reasons.iter().for_each(|reason| line("", reason));
    if let Some(first) = result.shards.first() {
        line("merged", &format!("{} of {} shards", result.shards.len(), first.shard.of));
    }
    // What nobody knows of a run that left no result is a dash: a zero would be a count.
    let known = |field: &str, said: String| if result.knows(field) { said } else { "–".to_owned() };
    let [planned, sent, answered] =
        [("planned", result.planned), ("sent", result.sent), ("completed", result.completed)]
            .map(|(field, count)| known(field, units::count(count)));
    line("requests", &format!("{planned} planned, {sent} sent, {answered} answered"));
    for (name, counts) in [("errors", &result.errors), ("not sent", &result.shed)] {
        if !counts.is_empty() {
            line(name, &units::by_name(counts));
        }
    }
    let [planned, achieved] = [("rate.planned", result.rate.planned), ("rate.achieved", result.rate.achieved)]
        .map(|(field, per_s)| known(field, format!("{per_s:.1}/s")));
    line("rate", &format!("{planned} planned, {achieved} achieved"));
    line("response", &quantiles(&result.response_us));
    line("lag", &quantiles(&result.lag_us));
    for (number, said) in thresholds::lines(result).iter().enumerate() {
        line(if number == 0 { "thresholds" } else { "" }, said);
    }
    line("report", &page.display().to_string());
    for file in files {
        line("", &file.display().to_string());
    }
    text
}

fn quantiles(of: &Quantiles) -> String {
    if of.count == 0 {
        return "–".to_owned();
    }
    let [p50, p99, p999, max] = [of.p50, of.p99, of.p999, of.max].map(units::micros);
    format!("p50 {p50}  p99 {p99}  p99.9 {p999}  max {max}")
}
