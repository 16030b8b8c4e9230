//! `reenact report`: the page of a run written again, or the runs of a plan's shards merged into one result.

use std::path::Path;

use replayer::merge;
use replayer::result::{Quantiles, RunResult};
use replayer::run_directory::{self, RunDirectory};
use replayer::verdict::Trust;

use crate::cli::ReportArgs;
use crate::outcome::{self, Failure, Outcome};
use crate::units;

pub(crate) fn run(args: &ReportArgs) -> Result<Outcome, Failure> {
    match (args.runs.as_slice(), &args.out) {
        ([run], None) if !args.partial => again(run, args),
        (_, Some(out)) => merged(args, out),
        ([_], None) => Err(Failure::new("--partial says nothing without --out")
            .hint("give the directory for the result of the whole plan, as in --out runs/whole")),
        (_, None) => Err(Failure::new("several runs are merged into a new directory, which is missing")
            .hint("name it with --out, as in --out runs/whole")),
    }
}

/// The page of one run, from what its `run.json` says.
fn again(run: &Path, args: &ReportArgs) -> Result<Outcome, Failure> {
    let result = with_links(merge::read(run)?, args);
    let page = run_directory::write_report(run, &result)?;
    say(&result, &page, args.json)?;
    Ok(Outcome::Done)
}

fn merged(args: &ReportArgs, out: &Path) -> Result<Outcome, Failure> {
    let result = with_links(merge::merge(&args.runs, args.partial)?, args);
    let directory = RunDirectory::create(out)?;
    directory.write_result(&result)?;
    say(&result, &out.join("report.html"), args.json)?;
    let of = result.shards.first().map_or(0, |part| part.shard.of);
    Ok(match result.verdict.outcome {
        _ if result.interrupted => Outcome::Interrupted,
        Trust::Invalid => Outcome::Invalid,
        _ if result.shards.len() < of as usize || !result.shed.is_empty() => Outcome::Loss,
        _ => Outcome::Done,
    })
}

/// With other links to traces, where some were asked for.
fn with_links(result: RunResult, args: &ReportArgs) -> RunResult {
    let trace_url = args.trace_url.as_ref().map(ToString::to_string).or_else(|| result.trace_url.clone());
    RunResult { trace_url, ..result }
}

fn say(result: &RunResult, page: &Path, json: bool) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string(result);
        let text = text.map_err(|error| Failure::new(format!("cannot print the result: {error}")))?;
        outcome::print(&format!("{text}\n"));
    } else {
        outcome::print(&summary(result, page));
    }
    Ok(())
}

fn summary(result: &RunResult, page: &Path) -> String {
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
    line("report", &page.display().to_string());
    text
}

fn quantiles(of: &Quantiles) -> String {
    if of.count == 0 {
        return "–".to_owned();
    }
    let [p50, p99, p999, max] = [of.p50, of.p99, of.p999, of.max].map(units::micros);
    format!("p50 {p50}  p99 {p99}  p99.9 {p999}  max {max}")
}
