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
    let mut text: String = result.notices.iter().map(|notice| format!("NOTE: {notice}\n")).collect();
    let mut line = |name: &str, value: &str| text += &format!("  {name:<11}{value}\n");
    line("verdict", result.verdict.outcome.name());
    result.verdict.reasons.iter().for_each(|reason| line("", reason));
    if let Some(first) = result.shards.first() {
        line("merged", &format!("{} of {} shards", result.shards.len(), first.shard.of));
    }
    let [planned, sent, answered] = [result.planned, result.sent, result.completed].map(units::count);
    line("requests", &format!("{planned} planned, {sent} sent, {answered} answered"));
    line("rate", &format!("{:.1}/s planned, {:.1}/s achieved", result.rate.planned, result.rate.achieved));
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
