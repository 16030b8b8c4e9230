//! `junit.xml` of a comparison: a test for each question. It fails by `--fail-on`, and is skipped where nothing can be told
//! or where nobody asked.

use super::questions::{Ended, Question, questions};
use super::words::{count, cut};
use super::{Asked, Compared};
use crate::outputs::junit::{Case, Ended as CaseEnded, Suite};

/// Tests at most: CI systems read all of them. Those that fail go first.
const CASES_MAX: usize = 10_000;
/// Of a text from traffic, as much is written.
const TEXT_CHARS_MAX: usize = 2_000;
/// Runs that are named.
const RUNS_MAX: usize = 20;

pub(super) fn junit(of: Compared<'_>, asked: &Asked<'_>) -> String {
    let (mut failed, mut others, mut all) = (Vec::new(), Vec::new(), 0_u64);
    for question in questions(of, asked.fail_on) {
        let list = if question.ended == Ended::Failed { &mut failed } else { &mut others };
        if list.len() < CASES_MAX {
            list.push(case(question));
        }
        all += 1;
    }
    let cases: Vec<Case> = failed.into_iter().chain(others).take(CASES_MAX).collect();
    let mut properties = vec![("fail_on", asked.fail_on.iter().map(|one| one.name()).collect::<Vec<_>>().join(","))];
    if let Some(more) = all.checked_sub(cases.len() as u64).filter(|more| *more > 0) {
        let more = count(more);
        properties.push((
            "left_out",
            format!("{more} more questions have no test, those that failed last; --json has everything"),
        ));
    }
    let runs = of.runs();
    for (side, run) in runs.iter().take(RUNS_MAX) {
        let name = if side.is_empty() { "run" } else { side };
        properties.push((name, format!("{} on {}", run.path.display(), run.result.target)));
    }
    if runs.len() > RUNS_MAX {
        properties.push(("runs_left_out", (runs.len() - RUNS_MAX).to_string()));
    }
    let seconds = runs.iter().map(|(_, run)| run.result.duration_s).sum();
    Suite { name: "reenact compare", failure: "changed", seconds, properties, cases }.xml()
}

fn case(question: Question) -> Case {
    let said = cut(&question.said, TEXT_CHARS_MAX).into_owned();
    let ended = match question.ended {
        Ended::Held => CaseEnded::Passed,
        Ended::Failed => CaseEnded::Failed(said),
        Ended::Open => CaseEnded::Skipped(said),
    };
    Case { class: question.class, name: cut(&question.name, TEXT_CHARS_MAX).into_owned(), ended }
}
