//! A comparison in a sentence, for those who read one.

use super::questions::{Concern, fails};
use super::words::{self, Said, Thing, change, count, quantile, rows};
use super::{Compared, Sides, answers};
use crate::compare::answers::findings::Finding;
use crate::compare::judge::{Answer, Row};
use crate::compare::over_time::OverTime;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing changed for the worse, and the whole system's median can be told.
    Passed,
    /// Something that a person should look at.
    Open,
    /// Something that `--fail-on` names.
    Failed,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// How bad it is.
    pub tone: Tone,
    /// What was found: parts of a sentence.
    pub parts: Vec<String>,
}

impl Headline {
    /// The sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{}.", self.parts.join("; "))
    }
}

/// The verdict on a comparison.
#[must_use]
pub fn headline(of: Compared<'_>, fail_on: &[Concern]) -> Headline {
    let (mut found, is_only_better, median, rest) = match of {
        Compared::Sides(sides) => (of_sides(sides), is_only_faster(sides), sides.of.judged.system.first(), open(sides)),
        Compared::OverTime(of) => (over_time(of), only_falls(of), of.trend.system.first(), still(of)),
    };
    let is_decided = median.is_some_and(|row| row.answer.is_found() || row.answer == Answer::Same);
    let tone = match fails(of, fail_on) {
        true => Tone::Failed,
        false if is_only_better && is_decided => Tone::Passed,
        false => Tone::Open,
    };
    if found.is_empty() && !matches!(of, Compared::Sides(sides) if words::is_one_run(sides.of)) {
        found.push(nothing(of));
    }
    found.extend(rest);
    if let Some(first) = found.first_mut() {
        *first = words::capitalized(first);
    }
    Headline { tone, parts: found }
}

fn nothing(of: Compared<'_>) -> String {
    match of {
        Compared::Sides(_) => "nothing changed that can be told from noise".to_owned(),
        Compared::OverTime(of) => words::nothing_rises(of),
    }
}

fn of_sides(sides: Sides<'_>) -> Vec<String> {
    let of = sides.of;
    let rows: Vec<(Thing<'_>, &Row)> = rows(&of.judged.system, &of.endpoints, &of.judged.endpoints).collect();
    let mut parts = Vec::new();
    parts.extend(most(&rows, Answer::Slower, "is slower", of.asked.confidence));
    parts.extend(most(&rows, Answer::Faster, "is faster", of.asked.confidence));
    let statuses = words::statuses(&sides);
    if let Some(first) = statuses.first() {
        parts.push(format!("{}{}", words::status(of, first), more(statuses.len())));
    }
    let causes: Vec<&Finding> =
        sides.answers.iter().flat_map(|answers| &answers.findings).filter(|one| one.word.is_change()).collect();
    if let Some(first) = causes.first() {
        parts.push(format!("answers differ: {}{}", answers::finding(first).text, more(causes.len())));
    }
    parts
}

/// Whether all that changed is that something is faster.
fn is_only_faster(sides: Sides<'_>) -> bool {
    let mut rows = rows(&sides.of.judged.system, &sides.of.endpoints, &sides.of.judged.endpoints);
    let mut findings = sides.answers.iter().flat_map(|answers| &answers.findings);
    let is_slower = rows.any(|(_, row)| row.answer == Answer::Slower);
    !is_slower && sides.of.outcomes.is_empty() && !findings.any(|finding| finding.word.is_change())
}

fn only_falls(of: &OverTime) -> bool {
    words::rises(of).iter().all(|said| said.word == "FALLS")
}

/// The largest change of this kind, and how many other things changed so.
fn most(rows: &[(Thing<'_>, &Row)], answer: Answer, is: &str, confidence: f64) -> Option<String> {
    let found: Vec<&(Thing<'_>, &Row)> = rows.iter().filter(|(_, row)| row.answer == answer).collect();
    // Of several that are as large, the first.
    let size = |row: &Row| row.relative.map_or(0.0, |estimate| estimate.mean.abs());
    let (thing, row) = found.iter().rev().copied().max_by(|a, b| size(a.1).total_cmp(&size(b.1)))?;
    let mut names: Vec<_> = found.iter().map(|(thing, _)| thing.name()).collect();
    names.dedup();
    let by = change(row.relative.as_ref()?, confidence);
    Some(format!("{} {is} ({} {by}){}", thing.name(), quantile(row.quantile), more(names.len())))
}

/// ` and 3 more`
fn more(all: usize) -> String {
    if all > 1 { format!(" and {} more", count(all as u64 - 1)) } else { String::new() }
}

/// What cannot be told.
fn open(sides: Sides<'_>) -> Option<String> {
    let of = sides.of;
    if words::is_one_run(of) {
        return Some("no verdict on times, as with one run a side nobody knows how much runs differ".to_owned());
    }
    let undecided = words::undecided(of).count();
    (undecided > 0).then(|| {
        let all = of.endpoints.len() as u64;
        format!("of {} of {} endpoints the median cannot be told yet", count(undecided as u64), count(all))
    })
}

fn over_time(of: &OverTime) -> Vec<String> {
    let said = words::rises(of);
    let mut parts = Vec::new();
    for (word, verb) in [("RISES", "rises"), ("FALLS", "falls")] {
        let found: Vec<&Said> = said.iter().filter(|one| one.word == word).collect();
        if let Some(first) = found.first() {
            parts.push(format!("{verb}: {}{}", first.text, more(found.len())));
        }
    }
    parts
}

/// Of how many lines nothing can be said, where there are any.
fn still(of: &OverTime) -> Option<String> {
    let medians = of.trend.endpoints.iter().filter_map(|rows| rows.first());
    let open = medians.filter(|row| matches!(row.answer, Answer::CannotTell { .. } | Answer::OneRun)).count();
    (open > 0 && of.trend.has_lines()).then(|| {
        let all = count(of.endpoints.len() as u64);
        format!("of {} of {all} endpoints the line of the median cannot be told yet", count(open as u64))
    })
}
