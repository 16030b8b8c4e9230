//! `reenact report`: the page and the other outputs of a run written again, or the runs of a plan's shards merged into one
//! result; judged by the thresholds that the run was judged by, or by others.

use std::path::{Path, PathBuf};

use replayer::measure::Counted;
use replayer::merge::{self, MergeError};
use replayer::outputs::{self, Output};
use replayer::recount::{self, RecountError};
use replayer::result::RunResult;
use replayer::result::thresholds::Judged;
use replayer::run_directory::{self, RESULT, RunDirectory};
use replayer::thresholds::{Budget, judge};
use replayer::verdict::Trust;

mod text;

use crate::cli::ReportArgs;
use crate::outcome::{Failure, Outcome};
use crate::thresholds;

pub(crate) fn run(args: &ReportArgs) -> Result<Outcome, Failure> {
    let budgets = thresholds::check(&args.thresholds)?;
    let runs: Vec<PathBuf> = args.runs.iter().map(|run| directory(run).to_owned()).collect();
    match (runs.as_slice(), &args.out) {
        ([run], None) if !args.partial => again(args, run, &budgets),
        (_, Some(out)) => merged(args, &runs, out, budgets),
        ([_], None) => Err(Failure::new("--partial says nothing without --out")
            .hint("give the directory for the result of the whole plan, as in --out runs/whole")),
        (_, None) => Err(Failure::new("several runs are merged into a new directory, which is missing")
            .hint("name it with --out, as in --out runs/whole")),
    }
}

/// The directory of a run: also of its `run.json`, if that is what was given.
fn directory(run: &Path) -> &Path {
    let is_result = run.file_name().is_some_and(|name| name == RESULT) && !run.is_dir();
    match run.parent().filter(|_| is_result) {
        Some(parent) if parent == Path::new("") => Path::new("."),
        Some(parent) => parent,
        None => run,
    }
}

/// The outputs of one run, from what its `run.json` says.
fn again(args: &ReportArgs, run: &Path, budgets: &[Budget]) -> Result<Outcome, Failure> {
    let mut result = match merge::read(run) {
        Ok(result) => with_links(result, args),
        Err(error) if error.is_recountable() => return unfinished(args, run, &error, budgets),
        Err(error) => return Err(error.into()),
    };
    if !budgets.is_empty() {
        // Rules that are given replace those of the run: on the page and in the outputs, not in its run.json.
        result.thresholds.clear();
        let counted = merge::counted(run, &result)?;
        judged(&mut result, &counted, &[run], budgets)?;
    }
    let page = run_directory::write_report(run, &result)?;
    let files = write(run, &result, &asked(args))?;
    text::say(&result, &page, &files, args.json)?;
    // A page is about a run that ended before: only what is asked of this command decides how it ends.
    Ok(match result.verdict.outcome {
        _ if !thresholds::failed(&result) => Outcome::Done,
        Trust::Invalid => Outcome::Invalid,
        _ => Outcome::Failed,
    })
}

/// What a run that left no result still says. Its directory keeps what it left; only outputs are written.
fn unfinished(args: &ReportArgs, run: &Path, error: &MergeError, budgets: &[Budget]) -> Result<Outcome, Failure> {
    let why = Failure::of(error).message().to_owned();
    let result = recount::recount(run, &why, budgets).map_err(|recount| match recount {
        RecountError::Nothing { .. } => Failure::of(error).hint("give a directory that `reenact replay` wrote"),
        RecountError::Apply(error) => Failure::of(&error).hint(error.hint()),
        other => Failure::of(&other),
    })?;
    let result = with_links(result, args);
    let page = run_directory::write_report(run, &result)?;
    let outputs = write(run, &result, &[asked(args), vec![Output::Markdown]].concat())?;
    text::say(&result, &page, &outputs, args.json)?;
    Ok(Outcome::Loss)
}

fn merged(args: &ReportArgs, runs: &[PathBuf], out: &Path, budgets: Vec<Budget>) -> Result<Outcome, Failure> {
    let (result, counted) = merge::merge_counted(runs, args.partial)?;
    let mut result = with_links(result, args);
    let budgets = if budgets.is_empty() { thresholds::of(&result)? } else { budgets };
    result.thresholds.clear();
    let directories: Vec<&Path> = runs.iter().map(PathBuf::as_path).collect();
    judged(&mut result, &counted, &directories, &budgets)?;
    let directory = RunDirectory::create(out)?;
    directory.write_result(&result)?;
    let files = write(out, &result, &asked(args))?;
    text::say(&result, &out.join("report.html"), &files, args.json)?;
    let of = result.shards.first().map_or(0, |part| part.shard.of);
    Ok(match result.verdict.outcome {
        _ if result.interrupted => Outcome::Interrupted,
        _ if result.aborted.is_some() => Outcome::Failed,
        Trust::Invalid => Outcome::Invalid,
        _ if thresholds::failed(&result) => Outcome::Failed,
        _ if result.shards.len() < of as usize || !result.shed.is_empty() => Outcome::Loss,
        _ => Outcome::Done,
    })
}

/// Writes every output that can be; the first that cannot is the error.
fn write(directory: &Path, result: &RunResult, asked: &[Output]) -> Result<Vec<PathBuf>, Failure> {
    let (files, failed) = outputs::write(directory, result, asked);
    failed.into_iter().next().map_or(Ok(files), |error| Err(error.into()))
}

/// With other links to traces, where some were asked for.
fn with_links(result: RunResult, args: &ReportArgs) -> RunResult {
    let trace_url = args.trace_url.as_ref().map(ToString::to_string).or_else(|| result.trace_url.clone());
    RunResult { trace_url, ..result }
}

/// Judges a run by these rules. Its request logs are read only where they must be: for rolling windows, and to know since
/// when what failed did.
fn judged(result: &mut RunResult, counted: &Counted, directories: &[&Path], budgets: &[Budget]) -> Result<(), Failure> {
    let endpoints = result.endpoints.iter().map(|row| (row.index, row.endpoint.as_str()));
    let has_steady = result.steady.from_ns > 0 || result.steady.settled < result.settled;
    let rules = thresholds::applied(budgets, endpoints, has_steady)?;
    let mut found = judge(&rules, counted, None);
    if found.iter().any(|one| one.outcome == Judged::Failed) || rules.iter().any(|rule| rule.is_rolling()) {
        let seen = recount::follow(directories, &rules, result);
        found = judge(&rules, counted, seen.as_deref());
    }
    result.thresholds = found;
    Ok(())
}

fn asked(args: &ReportArgs) -> Vec<Output> {
    args.output.iter().filter_map(|form| form.of_run()).collect()
}
