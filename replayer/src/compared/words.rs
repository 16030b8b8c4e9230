//! What a comparison of times and outcomes says, in sentences: the same on a terminal, on a page, and in a pull request.
//!
//! Names of endpoints stand in them as traffic wrote them; whoever prints them makes them harmless.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Sides, answers};
use crate::compare::Comparison;
use crate::compare::judge::{Answer, Row};
use crate::compare::outcomes::OutcomeChange;
use crate::compare::over_time::OverTime;
use crate::compare::repeats::{Design, Estimate};
pub(crate) use crate::report::text::count;
use crate::report::text::time;

/// Characters of a name from traffic that stand in a sentence.
const NAME_CHARS_MAX: usize = 160;
/// And of a kind of error.
const OUTCOME_CHARS_MAX: usize = 60;

/// What is said where no line can be laid.
pub(crate) const TOO_FEW_POINTS: &str = "too few points";

/// A sentence that begins with a word in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `SLOWER`, `STATUS`, …
    pub word: &'static str,
    /// The rest.
    pub text: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}  {}", self.word, self.text)
    }
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing<'a> {
    /// All endpoints together.
    System,
    /// One of them.
    Endpoint(&'a str),
}

impl<'a> Thing<'a> {
    /// Its name, of a length that leaves room for what is said of it.
    #[must_use]
    pub fn name(self) -> Cow<'a, str> {
        match self {
            Self::System => Cow::Borrowed("the whole system"),
            Self::Endpoint(name) => cut(name, NAME_CHARS_MAX),
        }
    }
}

/// All rows of a comparison, each with what it is about.
pub fn rows<'a>(
    system: &'a [Row],
    names: &'a [String],
    endpoints: &'a [Vec<Row>],
) -> impl Iterator<Item = (Thing<'a>, &'a Row)> {
    let of_system = system.iter().map(|row| (Thing::System, row));
    let of_endpoint =
        |(name, rows): (&'a String, &'a Vec<Row>)| rows.iter().map(move |row| (Thing::Endpoint(name), row));
    of_system.chain(names.iter().zip(endpoints).flat_map(of_endpoint))
}

/// What is slower, faster, and answered with other statuses.
#[must_use]
pub fn changes(sides: &Sides<'_>) -> Vec<Said> {
    let of = sides.of;
    let rows = rows(&of.judged.system, &of.endpoints, &of.judged.endpoints);
    let mut said: Vec<Said> = rows.filter_map(|(thing, row)| slower(thing, row, of.asked.confidence)).collect();
    said.extend(statuses(sides).into_iter().map(|change| Said { word: "STATUS", text: status(of, change) }));
    said
}

/// Shares of statuses and errors that changed, each told once: not again where the answers tell it, and not the one that only
/// makes room for another.
pub(super) fn statuses<'a>(sides: &Sides<'a>) -> Vec<&'a OutcomeChange> {
    let of = sides.of;
    let told = sides.answers.map(answers::statuses).unwrap_or_default();
    let is_told = |change: &OutcomeChange| {
        let endpoint = of.endpoints.get(change.endpoint).map_or("", String::as_str);
        told.contains(&(endpoint, change.outcome.clone()))
    };
    // What is rarer only makes room where it is said what the endpoint's requests came to instead.
    let grow: HashSet<usize> =
        of.outcomes.iter().filter(|change| change.estimate.mean > 0.0).map(|change| change.endpoint).collect();
    let makes_room = |change: &OutcomeChange| change.estimate.mean < 0.0 && grow.contains(&change.endpoint);
    of.outcomes.iter().filter(|change| !makes_room(change) && !is_told(change)).collect()
}

/// `SLOWER  GET /cart: p50 +14.1 % [+9.9..+18.4] relative to the rest (81.2 ms, 71.0 ms before)`; `None` where nothing was
/// found.
#[must_use]
pub fn slower(thing: Thing<'_>, row: &Row, confidence: f64) -> Option<Said> {
    let word = match row.answer {
        Answer::Slower => "SLOWER",
        Answer::Faster => "FASTER",
        _ => return None,
    };
    let by = format!("{}: {} {}", thing.name(), quantile(row.quantile), change(row.relative.as_ref()?, confidence));
    let text = match (thing, row.before, row.after) {
        (Thing::Endpoint(_), Some(before), Some(after)) => {
            format!("{by} relative to the rest ({}, {} before)", of_log(after), of_log(before))
        }
        (Thing::Endpoint(_), ..) => format!("{by} relative to the rest"),
        (Thing::System, ..) => by,
    };
    Some(Said { word, text })
}

/// `GET /help: 500 in 2.1 % of its requests, 0 % before (difference +1.8 %..+2.4 %)`
#[must_use]
pub fn status(of: &Comparison, change: &OutcomeChange) -> String {
    let endpoint = of.endpoints.get(change.endpoint).map_or(Cow::Borrowed(""), |name| cut(name, NAME_CHARS_MAX));
    let (low, high) = change.estimate.interval(of.asked.confidence);
    format!(
        "{endpoint}: {} in {} of its requests, {} before (difference {}..{})",
        cut(&change.outcome, OUTCOME_CHARS_MAX),
        percent(change.after),
        percent(change.before),
        signed(low),
        signed(high),
    )
}

/// What rises and falls.
#[must_use]
pub fn rises(of: &OverTime) -> Vec<Said> {
    let confidence = of.asked.confidence;
    let rows = rows(&of.trend.system, &of.endpoints, &of.trend.endpoints);
    let mut said: Vec<Said> = rows.filter_map(|(thing, row)| rise(thing, row, of)).collect();
    let of_target = of.trend.target.iter().filter_map(|(what, row)| {
        let by = change(row.relative.as_ref()?, confidence);
        Some(Said { word: rising(row.answer)?, text: format!("{what}: {by} {}", span(of)) })
    });
    said.extend(of_target);
    said.extend(of.trend.errors.as_ref().map(|errors| errors_rise(of, errors)));
    said
}

fn rise(thing: Thing<'_>, row: &Row, of: &OverTime) -> Option<Said> {
    let word = rising(row.answer)?;
    let between = match (row.before, row.after) {
        (Some(from), Some(to)) => format!(" ({} to {})", of_log(from), of_log(to)),
        _ => String::new(),
    };
    let by = change(row.relative.as_ref()?, of.asked.confidence);
    Some(Said { word, text: format!("{}: {} {by} {}{between}", thing.name(), quantile(row.quantile), span(of)) })
}

/// The share of requests that failed.
#[must_use]
pub fn errors_rise(of: &OverTime, errors: &Estimate) -> Said {
    let (low, high) = errors.interval(of.asked.confidence);
    let word = if errors.mean > 0.0 { "RISES" } else { "FALLS" };
    let by = format!("{} of all requests [{}..{}]", signed(errors.mean), signed(low), signed(high));
    Said { word, text: format!("errors: {by} {}", span(of)) }
}

/// The word for a line.
#[must_use]
pub const fn rising(answer: Answer) -> Option<&'static str> {
    match answer {
        Answer::Slower => Some("RISES"),
        Answer::Faster => Some("FALLS"),
        _ => None,
    }
}

/// What is said where nothing rises or falls.
#[must_use]
pub fn nothing_rises(of: &OverTime) -> String {
    match of.trend.has_lines() {
        true => "nothing rises or falls that can be told from noise".to_owned(),
        false => format!("no verdict: {TOO_FEW_POINTS} for a line"),
    }
}

/// As at the beginning of a sentence.
#[must_use]
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    first + letters.as_str()
}

/// From where to where.
#[must_use]
pub fn span(of: &OverTime) -> &'static str {
    if of.is_one_run() { "during the run" } else { "from the first run to the last" }
}

/// What is said where nothing was found, and of what cannot be told. `has_more`: something was found elsewhere.
#[must_use]
pub fn open(of: &Comparison, has_more: bool) -> Vec<String> {
    let mut said = Vec::new();
    if !has_more && is_one_run(of) {
        said.push(
            "No verdict on times: with one run a side nobody knows how much runs differ from one another.".to_owned(),
        );
    } else if !has_more {
        said.push("Nothing changed that can be told from noise.".to_owned());
    }
    let more: Vec<u32> = undecided(of).collect();
    if let Some(most) = more.iter().max() {
        said.push(format!(
            "Of {} endpoints the median cannot be told: needs about {most} more repeats a side.",
            count(more.len() as u64)
        ));
    }
    said
}

/// Whether repeats are pairs.
#[must_use]
pub const fn design(of: Design) -> &'static str {
    match of {
        Design::Paired => "in pairs",
        Design::Unpaired => "each side by itself",
    }
}

/// Whether nobody knows how runs differ from one another.
#[must_use]
pub fn is_one_run(of: &Comparison) -> bool {
    of.before.len().min(of.after.len()) < 2
}

/// Of each endpoint of whose median nothing can be said, how many more repeats that would take.
pub fn undecided(of: &Comparison) -> impl Iterator<Item = u32> {
    of.judged.endpoints.iter().filter_map(|rows| match rows.first()?.answer {
        Answer::CannotTell { more_repeats } => Some(more_repeats),
        _ => None,
    })
}

/// The change with a mark for the answer; `None` where nobody knows how runs differ.
#[must_use]
pub fn marked(row: &Row, confidence: f64) -> Option<String> {
    let mark = match row.answer {
        Answer::TooFew => return Some("too few requests".to_owned()),
        answer => mark(answer)?,
    };
    row.relative.as_ref().map(|estimate| format!("{mark} {}", change(estimate, confidence)))
}

/// One sign for an answer, where there is an interval.
#[must_use]
pub const fn mark(answer: Answer) -> Option<&'static str> {
    match answer {
        Answer::Slower => Some("▲"),
        Answer::Faster => Some("▼"),
        Answer::Same => Some("="),
        Answer::CannotTell { .. } => Some("?"),
        Answer::TooFew | Answer::OneRun => None,
    }
}

/// A row's cell in a table: the change with its interval, or the bare difference.
#[must_use]
pub fn cell(row: &Row, confidence: f64) -> String {
    let difference = || match (row.before, row.after) {
        (Some(before), Some(after)) => signed((after - before).exp_m1()),
        _ => "–".to_owned(),
    };
    marked(row, confidence).unwrap_or_else(difference)
}

/// A row's cell in a table over time.
#[must_use]
pub fn cell_over_time(row: &Row, confidence: f64) -> String {
    marked(row, confidence).unwrap_or_else(|| TOO_FEW_POINTS.to_owned())
}

/// `+14 % [9..20]`
#[must_use]
pub fn change(estimate: &Estimate, confidence: f64) -> String {
    let (low, high) = estimate.interval(confidence);
    let bare = |change: f64| signed(change).trim_end_matches(" %").to_owned();
    format!("{} [{}..{}]", signed(estimate.mean.exp_m1()), bare(low.exp_m1()), bare(high.exp_m1()))
}

/// `p99.9`
#[must_use]
pub fn quantile(quantile: f64) -> String {
    format!("p{}", (quantile * 1e4).round() / 1e2)
}

/// `95 %`: a share without more digits than it has.
#[must_use]
pub fn whole_percent(share: f64) -> String {
    format!("{} %", (share * 1e4).round() / 1e2)
}

/// `5 %`
#[must_use]
pub fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    let rounded =
        if hundredths.abs() < 1.0 { (hundredths * 1e3).round() / 1e3 } else { (hundredths * 10.0).round() / 10.0 };
    format!("{rounded} %")
}

/// `+5.1 %`
#[must_use]
pub fn signed(change: f64) -> String {
    // What is rounded up to nothing is a negative nothing, until one is added.
    let hundredths = (change * 1_000.0).round() / 10.0 + 0.0;
    if hundredths > 0.0 { format!("+{hundredths} %") } else { format!("{hundredths} %") }
}

/// As much of a text.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// The time whose nanoseconds have this logarithm.
#[must_use]
pub fn of_log(logarithm: f64) -> String {
    time(logarithm.exp() / 1e3)
}

/// Whether something was found of an endpoint.
#[must_use]
pub fn is_found(rows: &[Vec<Row>], endpoint: usize) -> bool {
    rows.get(endpoint).is_some_and(|rows| rows.iter().any(|row| row.answer.is_found()))
}

/// Which endpoints are shown where there is room for `room`: those of which something was found, then those with the most
/// requests; in the order of their requests.
#[must_use]
pub fn shown(rows: &[Vec<Row>], requests: &[u64], room: usize) -> Vec<usize> {
    let of = |number: usize| requests.get(number).copied().unwrap_or(0);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|number| (!is_found(rows, *number), std::cmp::Reverse(of(*number))));
    order.truncate(room);
    order.sort_by_key(|number| std::cmp::Reverse(of(*number)));
    order
}
