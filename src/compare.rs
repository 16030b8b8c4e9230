//! `reenact compare`: what changed between the runs of two sides, and whether that is real.

mod text;
mod trend;

use std::slice;

use replayer::compare::error::CompareError;
use replayer::compare::judge::{Answer, Asked};
use replayer::compare::repeats::Design;
use replayer::compare::{Comparison, compare, json, over_time, over_time_json};

use crate::cli::{CompareArgs, FailOn, JudgeArgs};
use crate::outcome::{self, Failure, Outcome};

pub(crate) fn run(args: &CompareArgs) -> Result<Outcome, Failure> {
    check(&args.judge, args.runs.len())?;
    let [before, after] = args.runs.as_slice() else {
        return over_time(args);
    };
    let design = if args.paired { Design::Paired } else { Design::Unpaired };
    let asked = Asked { min_effect: args.judge.min_effect, design, ..Asked::default() };
    let (before, after) = (slice::from_ref(before), slice::from_ref(after));
    let compared = compare(before, after, asked, args.judge.min_change).map_err(|error| failure(&error))?;
    say(&compared, &args.judge, args.json);
    Ok(verdict(&compared, &args.judge.fail_on))
}

/// One run, or three and more.
fn over_time(args: &CompareArgs) -> Result<Outcome, Failure> {
    if args.paired {
        return Err(Failure::new("--paired needs two sides").hint("give a folder of runs for each, or leave it out"));
    }
    let asked = Asked { min_effect: args.judge.min_effect, ..Asked::default() };
    let found = over_time::over_time(&args.runs, asked, args.judge.min_change).map_err(|error| failure(&error))?;
    if args.json {
        outcome::print(&format!("{}\n", over_time_json(&found)));
    } else {
        outcome::print(&trend::text(&found, args.judge.top));
    }
    let fails = |what: &FailOn| match what {
        FailOn::Slower => found.rises(),
        FailOn::Status => found.trend.errors.is_some_and(|estimate| estimate.mean > 0.0),
        FailOn::Target => found.target_rises(),
        FailOn::None => false,
    };
    Ok(if args.judge.fail_on.iter().any(fails) { Outcome::Failed } else { Outcome::Done })
}

/// What contradicts itself.
pub(crate) fn check(args: &JudgeArgs, sides: usize) -> Result<(), Failure> {
    if args.fail_on.contains(&FailOn::Target) && sides != 1 {
        return Err(Failure::new("--fail-on target is for one long run").hint("give one run, or leave it out"));
    }
    if args.fail_on.contains(&FailOn::None) && args.fail_on.len() > 1 {
        return Err(Failure::new("--fail-on none goes with nothing else").hint("leave the others out, or none"));
    }
    Ok(())
}

/// Prints it, for a person or for a program.
pub(crate) fn say(compared: &Comparison, args: &JudgeArgs, as_json: bool) {
    if as_json {
        outcome::print(&format!("{}\n", json(compared)));
    } else {
        outcome::print(&text::text(compared, args.top));
    }
}

pub(crate) fn failure(error: &CompareError) -> Failure {
    let mut failure = Failure::of(error);
    if matches!(error, CompareError::Invalid { .. }) {
        failure.code = Outcome::Invalid as u8;
    }
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Whether something is there that `--fail-on` names.
pub(crate) fn verdict(of: &Comparison, fail_on: &[FailOn]) -> Outcome {
    let rows = || of.judged.system.iter().chain(of.judged.endpoints.iter().flatten());
    let fails = |what: &FailOn| match what {
        FailOn::Slower => rows().any(|row| row.answer == Answer::Slower),
        FailOn::Status => !of.outcomes.is_empty(),
        // Of two sides nothing is said about it.
        FailOn::Target | FailOn::None => false,
    };
    if fail_on.iter().any(fails) { Outcome::Failed } else { Outcome::Done }
}
