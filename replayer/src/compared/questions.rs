//! A comparison as questions, each of which holds, fails or stays open: is the system slower, is an endpoint, are its
//! statuses the same, does a cause make answers differ. What fails is what `--fail-on` names; the exit code, the page and
//! every other form read the same questions.

use std::collections::BTreeMap;

use super::words::{self, cell, quantile, rows};
use super::{Compared, Sides, answers};
use crate::compare::answers::findings::{Finding, Part, Word};
use crate::compare::judge::{Answer, Row};
use crate::compare::outcomes::OutcomeChange;
use crate::compare::over_time::OverTime;

/// What may fail a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The system or an endpoint is slower, or gets slower.
    Slower,
    /// Other statuses or errors.
    Status,
    /// Memory or CPU of the target's processes rises.
    Target,
    /// Bodies or trailers differ.
    Body,
    /// Header fields differ.
    Header,
}

impl Concern {
    /// As `--fail-on` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slower => "slower",
            Self::Status => "status",
            Self::Target => "target",
            Self::Body => "body",
            Self::Header => "header",
        }
    }

    const fn of(part: Part) -> Self {
        match part {
            Part::Status => Self::Status,
            Part::Body | Part::Trailer => Self::Body,
            Part::Header => Self::Header,
        }
    }
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing speaks against it.
    Held,
    /// It is otherwise, and `--fail-on` names that.
    Failed,
    /// It is otherwise, and nobody asked; or it cannot be told.
    Open,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What kind of question it is: `times`, `status`, `answers`, `target`.
    pub class: &'static str,
    /// As a sentence that is true where it holds.
    pub name: String,
    /// What came of it.
    pub ended: Ended,
    /// What was found.
    pub said: String,
}

/// Whether anything fails.
#[must_use]
pub fn fails(of: Compared<'_>, fail_on: &[Concern]) -> bool {
    questions(of, fail_on).any(|question| question.ended == Ended::Failed)
}

/// All of them: times, statuses, answers.
pub fn questions<'a>(of: Compared<'a>, fail_on: &'a [Concern]) -> Box<dyn Iterator<Item = Question> + 'a> {
    match of {
        Compared::Sides(sides) => Box::new(of_sides(sides, fail_on)),
        Compared::OverTime(of) => Box::new(over_time(of, fail_on)),
    }
}

fn of_sides<'a>(sides: Sides<'a>, fail_on: &'a [Concern]) -> impl Iterator<Item = Question> + 'a {
    let of = sides.of;
    let confidence = of.asked.confidence;
    let rows = rows(&of.judged.system, &of.endpoints, &of.judged.endpoints);
    let times = rows.map(move |(thing, row)| Question {
        class: "times",
        name: format!("{}: {} is no slower", thing.name(), quantile(row.quantile)),
        ended: ended(row.answer, Concern::Slower, fail_on),
        said: words::slower(thing, row, confidence).map_or_else(|| time_said(row, confidence), |said| said.to_string()),
    });
    let mut changes: BTreeMap<usize, Vec<&OutcomeChange>> = BTreeMap::new();
    of.outcomes.iter().for_each(|change| changes.entry(change.endpoint).or_default().push(change));
    let statuses = of.endpoints.iter().enumerate().map(move |(number, name)| {
        let found: Vec<String> = changes.get(&number).into_iter().flatten().map(|one| words::status(of, one)).collect();
        let (ended, said) = match (found.is_empty(), words::is_one_run(of)) {
            (false, _) => (failed_if(fail_on.contains(&Concern::Status)), found.join("; ")),
            (true, true) => (Ended::Open, "one run a side: run-to-run noise unknown".to_owned()),
            (true, false) => (Ended::Held, format!("no share changed by {} for sure", words::percent(of.min_change))),
        };
        Question { class: "status", name: format!("{name}: statuses and errors are as frequent"), ended, said }
    });
    times.chain(statuses).chain(of_answers(sides, fail_on))
}

fn of_answers<'a>(sides: Sides<'a>, fail_on: &'a [Concern]) -> impl Iterator<Item = Question> + 'a {
    let whole = match sides.answers {
        None => Some((Ended::Open, "a side kept no answers: what they say is not compared".to_owned())),
        Some(answers) if answers.findings.is_empty() => Some((Ended::Held, answers::compared(answers))),
        Some(_) => None,
    };
    let whole = whole.map(|(ended, said)| Question {
        class: "answers",
        name: "answers differ in nothing that no rule silences".to_owned(),
        ended,
        said,
    });
    let findings = sides.answers.into_iter().flat_map(|answers| &answers.findings);
    whole.into_iter().chain(findings.map(move |finding| of_finding(finding, fail_on)))
}

fn of_finding(of: &Finding, fail_on: &[Concern]) -> Question {
    let ended = match of.word {
        Word::Noise => Ended::Held,
        Word::TooFew => Ended::Open,
        // Without a noise floor statuses are judged by their shares alone.
        Word::Differs if of.part() == Part::Status => Ended::Open,
        Word::Changed | Word::Differs => failed_if(fail_on.contains(&Concern::of(of.part()))),
    };
    let word = match of.word {
        Word::Noise => "as frequent within a side: ",
        Word::TooFew => "too few for a verdict: ",
        Word::Changed | Word::Differs => "",
    };
    Question {
        class: "answers",
        name: format!("not so: {}", answers::title(of)),
        ended,
        said: format!("{word}{}", answers::finding(of)),
    }
}

fn over_time<'a>(of: &'a OverTime, fail_on: &'a [Concern]) -> impl Iterator<Item = Question> + 'a {
    let confidence = of.asked.confidence;
    let question = move |class, name: String, row: &Row, concern| {
        let rising = words::rising(row.answer).map_or_else(String::new, |word| format!("{word}  "));
        Question {
            class,
            name,
            ended: ended(row.answer, concern, fail_on),
            said: match row.answer {
                // Between two runs there is a difference at least; of a line without enough points there is nothing.
                Answer::OneRun => words::cell_over_time(row, confidence),
                _ => format!("{rising}{}", time_said(row, confidence)),
            },
        }
    };
    let times = rows(&of.trend.system, &of.endpoints, &of.trend.endpoints).map(move |(thing, row)| {
        let name = format!("{}: {} does not rise {}", thing.name(), quantile(row.quantile), words::span(of));
        question("times", name, row, Concern::Slower)
    });
    let errors = of.trend.errors.as_ref();
    let (ended, said) = match errors {
        Some(errors) if errors.mean > 0.0 => {
            (failed_if(fail_on.contains(&Concern::Status)), words::errors_rise(of, errors).to_string())
        }
        Some(errors) => (Ended::Held, words::errors_rise(of, errors).to_string()),
        None if !of.trend.has_lines() => (Ended::Open, words::TOO_FEW_POINTS.to_owned()),
        None => (Ended::Held, format!("no rise by {} for sure", words::percent(of.min_change))),
    };
    let name = format!("the share of errors does not rise {}", words::span(of));
    let errors = Question { class: "status", name, ended, said };
    let target = of.trend.target.iter().map(move |(what, row)| {
        question("target", format!("{what} does not rise {}", words::span(of)), row, Concern::Target)
    });
    times.chain(std::iter::once(errors)).chain(target)
}

fn ended(answer: Answer, concern: Concern, fail_on: &[Concern]) -> Ended {
    match answer {
        Answer::Slower => failed_if(fail_on.contains(&concern)),
        Answer::Faster | Answer::Same => Ended::Held,
        Answer::CannotTell { .. } | Answer::TooFew | Answer::OneRun => Ended::Open,
    }
}

const fn failed_if(named: bool) -> Ended {
    if named { Ended::Failed } else { Ended::Open }
}

/// What can be said of times that are no finding.
fn time_said(row: &Row, confidence: f64) -> String {
    match row.answer {
        Answer::CannotTell { more_repeats } => {
            format!("cannot be told: {}, needs about {more_repeats} more", cell(row, confidence))
        }
        Answer::OneRun => format!("too few runs to tell noise by: {}", cell(row, confidence)),
        Answer::TooFew => "fewer than five requests of a run lie beyond it".to_owned(),
        Answer::Slower | Answer::Faster | Answer::Same => cell(row, confidence),
    }
}
