//! `reenact compare`: what changed between the runs of two sides, and whether that is real.

mod answers;
mod learned;
mod text;
mod trend;
mod written;

use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

use replayer::compare::answers::{Answers, Asked as AnswersAsked, compare as answers_of};
use replayer::compare::error::CompareError;
use replayer::compare::judge::Asked;
use replayer::compare::repeats::Design;
use replayer::compare::rules::{self, Rules};
use replayer::compare::{Comparison, compare, is_session, json, over_time, over_time_json};
use replayer::compared::links::Links;
use replayer::compared::questions::{Concern, fails};
use replayer::compared::{Compared, Sides};
use replayer::report::TraceUrl;

use crate::cli::{CompareArgs, FailOn, JudgeArgs};
use crate::outcome::{self, Failure, Outcome};
use crate::read;

pub(crate) use written::{Written, options};

pub(crate) fn run(args: &CompareArgs) -> Result<Outcome, Failure> {
    if args.answers.print_rules {
        outcome::print(rules::DEFAULT);
        return Ok(Outcome::Done);
    }
    if args.runs.is_empty() {
        return Err(Failure::new("there is nothing to compare").hint("as in reenact compare runs/before runs/after"));
    }
    check(&args.judge, args.runs.len())?;
    let written = Written::check(args)?;
    let Some((before, after)) = sides(&args.runs) else {
        return over_time(args, written.as_ref());
    };
    let identities = read::identities(args.answers.identity.as_ref())?.map(Arc::new);
    let rules = rules(&args.judge)?;
    let learned = args.answers.learn.as_deref().map(learned::create).transpose()?;
    let design = if args.paired { Design::Paired } else { Design::Unpaired };
    let asked = Asked { min_effect: args.judge.min_effect, design, ..Asked::default() };
    let compared = compare(before, after, asked, args.judge.min_change, identities.as_ref());
    let mut compared = compared.map_err(|error| failure(&error))?;
    let answers = compare_answers(&mut compared, rules, args.answers.spool.as_deref())?;
    let sides = Sides { of: &compared, answers: answers.as_ref() };
    if args.json {
        outcome::print(&format!("{}\n", json(&compared, answers.as_ref())));
    } else {
        say(sides, &args.judge, args.answers.trace_url.as_ref());
    }
    let asked = options::of_compare(args);
    written.as_ref().map_or(Ok(()), |written| written.write(Compared::Sides(sides), asked))?;
    match (learned, &answers) {
        (Some(file), Some(answers)) => {
            file.write(&answers.learned)?;
            Ok(Outcome::Done)
        }
        (Some(_), None) => Err(learned::nothing()),
        (None, _) => Ok(verdict(Compared::Sides(sides), &args.judge)),
    }
}

/// Before and after: two, or the sessions that a run sent together and the run.
fn sides(given: &[PathBuf]) -> Option<(&[PathBuf], &[PathBuf])> {
    let (after, before) = given.split_last()?;
    let are_recorded = || before.iter().all(|path| is_session(path)) && !is_session(after);
    (before.len() == 1 || (before.len() > 1 && are_recorded())).then_some((before, slice::from_ref(after)))
}

/// The rules that hold.
pub(crate) fn rules(args: &JudgeArgs) -> Result<Rules, Failure> {
    Rules::read(args.rules.as_deref()).map_err(|error| Failure::of(&error).hint(error.hint()))
}

/// What the answers say; `None` where a side kept none, which a notice then says.
pub(crate) fn compare_answers(
    compared: &mut Comparison,
    rules: Rules,
    spool: Option<&Path>,
) -> Result<Option<Answers>, Failure> {
    let spool = spool.map_or_else(std::env::temp_dir, Path::to_owned);
    match answers_of(&compared.before, &compared.after, AnswersAsked { rules, spool }) {
        Ok(Ok(answers)) => Ok(Some(answers)),
        Ok(Err(why)) => {
            compared.notices.push(why);
            Ok(None)
        }
        Err(error) => Err(match error.hint() {
            Some(hint) => Failure::of(&error).hint(hint),
            None => Failure::of(&error),
        }),
    }
}

/// One run, or three and more.
fn over_time(args: &CompareArgs, written: Option<&Written>) -> Result<Outcome, Failure> {
    if args.paired {
        return Err(Failure::new("--paired needs two sides").hint("give a folder of runs for each, or leave it out"));
    }
    let about_answers = args.judge.fail_on.iter().any(|what| matches!(what, FailOn::Body | FailOn::Header));
    let of_answers = &args.answers;
    // Not --spool: it says where, if room is needed, and none is.
    if about_answers
        || args.judge.rules.is_some()
        || of_answers.learn.is_some()
        || of_answers.identity.is_some()
        || of_answers.trace_url.is_some()
    {
        return Err(Failure::new("--rules, --learn, --identity, --trace-url and --fail-on body,header need two sides")
            .hint("answers, and the traces of their requests, are shown against those of another side: give two, or leave these out"));
    }
    let asked = Asked { min_effect: args.judge.min_effect, ..Asked::default() };
    let found = over_time::over_time(&args.runs, asked, args.judge.min_change).map_err(|error| failure(&error))?;
    if args.json {
        outcome::print(&format!("{}\n", over_time_json(&found)));
    } else {
        outcome::print(&trend::text(&found, args.judge.top));
    }
    written.map_or(Ok(()), |written| written.write(Compared::OverTime(&found), options::of_compare(args)))?;
    Ok(verdict(Compared::OverTime(&found), &args.judge))
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

/// Prints it for a person.
pub(crate) fn say(sides: Sides<'_>, args: &JudgeArgs, trace_url: Option<&TraceUrl>) {
    let links = Links::of(&sides.of.before, &sides.of.after, trace_url);
    outcome::print(&text::text(&sides, &links, args.top));
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
pub(crate) fn verdict(of: Compared<'_>, args: &JudgeArgs) -> Outcome {
    if fails(of, &concerns(args)) { Outcome::Failed } else { Outcome::Done }
}

/// What `--fail-on` names.
pub(crate) fn concerns(args: &JudgeArgs) -> Vec<Concern> {
    args.fail_on.iter().filter_map(|what| what.concern()).collect()
}
