//! `reenact compare`: what changed between the runs of two sides, and whether that is real.

mod answers;
mod curl;
mod learned;
mod text;
mod trend;

use std::path::Path;
use std::slice;

use replayer::compare::answers::findings::{Finding, Part, Word};
use replayer::compare::answers::{Answers, Asked as AnswersAsked, compare as answers_of};
use replayer::compare::error::CompareError;
use replayer::compare::judge::{Answer, Asked};
use replayer::compare::repeats::Design;
use replayer::compare::rules::{self, Rules};
use replayer::compare::{Comparison, compare, json, over_time, over_time_json};

use crate::cli::{CompareArgs, FailOn, JudgeArgs};
use crate::outcome::{self, Failure, Outcome};

pub(crate) fn run(args: &CompareArgs) -> Result<Outcome, Failure> {
    if args.answers.print_rules {
        outcome::print(rules::DEFAULT);
        return Ok(Outcome::Done);
    }
    check(&args.judge, args.runs.len())?;
    let [before, after] = args.runs.as_slice() else {
        return over_time(args);
    };
    let rules = rules(&args.judge)?;
    let learned = args.answers.learn.as_deref().map(learned::create).transpose()?;
    let design = if args.paired { Design::Paired } else { Design::Unpaired };
    let asked = Asked { min_effect: args.judge.min_effect, design, ..Asked::default() };
    let (before, after) = (slice::from_ref(before), slice::from_ref(after));
    let mut compared = compare(before, after, asked, args.judge.min_change).map_err(|error| failure(&error))?;
    let answers = compare_answers(&mut compared, rules, args.answers.spool.as_deref())?;
    if args.json {
        outcome::print(&format!("{}\n", json(&compared, answers.as_ref())));
    } else {
        say(&compared, answers.as_ref(), &args.judge, args.answers.trace_url.as_deref());
    }
    match (learned, &answers) {
        (Some(file), Some(answers)) => {
            file.write(&answers.learned)?;
            Ok(Outcome::Done)
        }
        (Some(file), None) => Err(file.nothing()),
        (None, _) => Ok(verdict(&compared, answers.as_ref(), &args.judge.fail_on)),
    }
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
fn over_time(args: &CompareArgs) -> Result<Outcome, Failure> {
    if args.paired {
        return Err(Failure::new("--paired needs two sides").hint("give a folder of runs for each, or leave it out"));
    }
    let about_answers = args.judge.fail_on.iter().any(|what| matches!(what, FailOn::Body | FailOn::Header));
    if about_answers || args.answers.learn.is_some() || args.judge.rules.is_some() {
        return Err(Failure::new("--rules, --learn and --fail-on body,header need two sides")
            .hint("answers are held against those of another side: give two, or leave these out"));
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
        // One side, or many of them: answers have nothing to be held against.
        FailOn::Body | FailOn::Header | FailOn::None => false,
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

/// Prints it for a person.
pub(crate) fn say(compared: &Comparison, answers: Option<&Answers>, args: &JudgeArgs, trace_url: Option<&str>) {
    let said = answers.map(|answers| answers::text(answers, trace_url, args.top));
    outcome::print(&text::text(compared, said, args.top));
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
pub(crate) fn verdict(of: &Comparison, answers: Option<&Answers>, fail_on: &[FailOn]) -> Outcome {
    let findings = || answers.iter().flat_map(|answers| &answers.findings);
    // Without a noise floor there are only rules to tell noise by: what they leave counts.
    let differs = |parts: &[Part]| {
        findings().any(|one| parts.contains(&one.part()) && matches!(one.word, Word::Changed | Word::Differs))
    };
    let rows = || of.judged.system.iter().chain(of.judged.endpoints.iter().flatten());
    let fails = |what: &FailOn| match what {
        FailOn::Slower => rows().any(|row| row.answer == Answer::Slower),
        FailOn::Status => {
            let is_status = |one: &Finding| one.part() == Part::Status && one.word == Word::Changed;
            !of.outcomes.is_empty() || findings().any(is_status)
        }
        FailOn::Body => differs(&[Part::Body, Part::Trailer]),
        FailOn::Header => differs(&[Part::Header]),
        // Of two sides nothing is said about it.
        FailOn::Target | FailOn::None => false,
    };
    if fail_on.iter().any(fails) { Outcome::Failed } else { Outcome::Done }
}
