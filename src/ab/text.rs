//! What an experiment says while it goes on, on standard error, and in which words it ends.

use log::Level;
use replayer::compare::Comparison;
use replayer::compare::judge::Row;
use replayer::result::RunResult;

use super::log::Log;
use super::make::Ended;
use super::order::{Phase, Repeat, Side};
use crate::logging::say;
use crate::units;

/// A repeat that is over.
pub(super) fn repeat(phase: Phase, number: u32, repeat: &Repeat, result: &RunResult) {
    let side = match repeat.to {
        Side::Before => "before",
        Side::After => "after",
    };
    say(
        Level::Info,
        &format!(
            "{} {number}, {side}: {} requests, response p50 {} p99 {}, {}",
            phase.name(),
            units::count(result.settled),
            units::micros(result.response_us.p50),
            units::micros(result.response_us.p99),
            result.verdict.outcome.name(),
        ),
    );
}

/// How much noise there is, and what that means for the pairs to come.
pub(super) fn noise(of: &Comparison) {
    let limit = of.asked.min_effect;
    let median = |rows: &Vec<Row>| rows.first().copied();
    let needs = |row: Row| {
        let estimate = row.relative?;
        Some(estimate.repeats as u64 + u64::from(estimate.more_repeats(limit.ln_1p(), of.asked.confidence)))
    };
    if let Some(row) = median(&of.judged.system)
        && let (Some(estimate), Some(pairs)) = (row.relative, needs(row))
    {
        say(
            Level::Info,
            &format!(
                "noise: medians of the whole system differ by {:.1} % between two runs of the same (one standard deviation); about {pairs} pairs tell a change of {} %",
                estimate.spread.exp_m1() * 100.0,
                limit * 100.0,
            ),
        );
    }
    let all: Vec<u64> = of.judged.endpoints.iter().filter_map(median).filter_map(needs).collect();
    if let (Some(least), Some(most)) = (all.iter().min(), all.iter().max()) {
        say(Level::Info, &format!("noise: of single endpoints, about {least} to {most} pairs tell as much"));
    }
    let findings = of.judged.endpoints.iter().chain(std::iter::once(&of.judged.system)).flatten();
    let findings = findings.filter(|row| row.answer.is_found()).count();
    if findings + of.outcomes.len() > 0 {
        say(
            Level::Warn,
            &format!(
                "warning: the system differs from itself ({} of latency, {} of status): runs are not repeats of each other; is --reset missing?",
                units::plural(findings as u64, "finding"),
                units::plural(of.outcomes.len() as u64, "finding"),
            ),
        );
    }
}

/// A look.
pub(super) fn look(pairs: u32, most: u32, undecided: usize, found: bool) {
    let found = if found { "something was found" } else { "nothing was found" };
    let rest = match undecided {
        0 => "all medians are decided".to_owned(),
        some => format!("{} cannot be told yet", units::plural(some as u64, "median")),
    };
    say(Level::Info, &format!("look after {pairs} of at most {most} pairs: {found}, {rest}"));
}

/// How it ended, for whoever reads the comparison.
pub(super) fn ended(ended: &Ended, pairs: u32, log: &Log) -> String {
    let looks = match log.looks.len() {
        0 => String::new(),
        some => format!("; intervals are as wide as {} need them", units::plural(some as u64, "early look")),
    };
    format!("the experiment ended after {}: {ended}{looks}", units::plural(pairs.into(), "pair"))
}
