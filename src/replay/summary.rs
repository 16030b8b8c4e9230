//! What a person reads when a run is over.

use std::collections::BTreeMap;
use std::path::Path;

use formats::visible;
use replayer::result::{Quantiles, RunResult};
use replayer::verdict::Trust;

use crate::units;

/// The dozen lines that a run ends with.
pub(super) fn summary(result: &RunResult, out: &Path) -> String {
    let mut text = String::new();
    for notice in &result.notices {
        text += &format!("NOTE: {notice}\n");
    }
    let mut line = |name: &str, value: String| text += &format!("  {name:<11}{value}\n");
    let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    line(
        "requests",
        format!(
            "{} planned, {} sent, {} answered",
            units::count(result.planned),
            units::count(result.sent),
            units::count(result.completed)
        ),
    );
    for (name, counts) in [("errors", &result.errors), ("not sent", &result.shed)] {
        if !counts.is_empty() {
            line(name, units::by_name(counts));
        }
    }
    if !result.left_out.is_empty() {
        line(
            "left out",
            format!("{} recorded exchanges: {}", units::count(total(&result.left_out)), units::each(&result.left_out)),
        );
    }
    line("status", if result.status.is_empty() { "–".into() } else { units::each(&result.status) });
    line(
        "rate",
        format!(
            "{:.1}/s planned, {:.1}/s achieved, for {}",
            result.rate.planned,
            result.rate.achieved,
            units::seconds(result.duration_s)
        ),
    );
    let quantiles = |one: &Quantiles| match one.count {
        0 => "–".to_owned(),
        _ => format!(
            "p50 {}  p99 {}  p99.9 {}  max {}",
            units::micros(one.p50),
            units::micros(one.p99),
            units::micros(one.p999),
            units::micros(one.max)
        ),
    };
    line("response", quantiles(&result.response_us));
    line("recorded", quantiles(&result.recorded_response_us));
    line("lag", quantiles(&result.lag_us));
    for (name, waited) in [("held", &result.held_us), ("busy", &result.busy_us), ("connecting", &result.connect_us)] {
        if waited.count > 0 {
            line(name, format!("{} requests  {}", units::count(waited.count), quantiles(waited)));
        }
    }
    if result.steady.from_ns > 0 || result.steady.settled < result.settled {
        line(
            "steady",
            format!("{} requests  {}", units::count(result.steady.settled), quantiles(&result.steady.response_us)),
        );
    }
    let some = |what: &str, counts: &BTreeMap<String, u64>| match total(counts) {
        0 => String::new(),
        some => format!(", {} {what} ({})", units::count(some), units::each(counts)),
    };
    let spans = &result.spans;
    let lost = some("rejected", &spans.rejected) + &some("dropped", &spans.dropped);
    let sampled_out = some("sampled out", &spans.sampled_out);
    let no_exporter = result.spans.dropped.contains_key("no_exporter");
    line(
        "spans",
        match no_exporter {
            true => "none exported: no --otlp-endpoint was given".to_owned(),
            false => format!("{} exported{lost}{sampled_out}", units::count(spans.exported)),
        },
    );
    for (number, said) in result.services.iter().flat_map(super::collect::lines).enumerate() {
        line(if number == 0 { "services" } else { "" }, said);
    }
    for (number, one) in result.watched.iter().enumerate() {
        let (memory, cpu) = (units::bytes(one.rss_peak_bytes), one.cpu_busiest);
        let said =
            format!("{}: {memory} and {cpu:.2} CPUs at most, {:.1} s of CPU", visible::line(&one.source), one.cpu_s);
        line(if number == 0 { "target" } else { "" }, said);
    }
    if let Some(kept) = &result.answers {
        let lost = if kept.lost > 0 { format!(", {} lost", units::count(kept.lost)) } else { String::new() };
        let size = units::bytes(kept.file_bytes);
        line("answers", format!("{} kept ({}, {size}){lost}", units::count(kept.exchanges), kept.kept));
    }
    let verdict = &result.verdict;
    let why = if verdict.reasons.is_empty() { String::new() } else { format!(": {}", verdict.reasons.join("; ")) };
    match verdict.outcome {
        Trust::Valid => line("verdict", format!("valid{why}")),
        Trust::Strained => line("verdict", format!("STRAINED{why}")),
        Trust::Invalid => line("verdict", format!("INVALID{why}")),
    }
    for (number, said) in crate::thresholds::lines(result).into_iter().enumerate() {
        line(if number == 0 { "thresholds" } else { "" }, said);
    }
    line("report", out.join("report.html").display().to_string());
    text
}
