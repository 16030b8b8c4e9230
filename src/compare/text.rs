//! A comparison for a person: the findings in sentences, then the figures behind them.

use replayer::compare::Comparison;
use replayer::compare::judge::{Answer, Row};
use replayer::compare::repeats::{Design, Estimate};
use replayer::compare::side::Run;

use super::answers::Said;
use crate::units::{count, micros};

/// Columns of an endpoint's name.
const NAME_COLUMNS: usize = 36;
/// Columns of one quantile.
const CELL_COLUMNS: usize = 22;

pub(super) fn text(of: &Comparison, answers: Option<Said>, top: usize) -> String {
    let mut out = String::new();
    let notes = answers.iter().flat_map(|said| &said.notes);
    for notice in of.notices.iter().chain(notes) {
        out += &format!("NOTE: {notice}\n");
    }
    out += &side("before", &of.before);
    out += &side("after", &of.after);
    let how = match of.asked.design {
        Design::Paired => "in pairs",
        Design::Unpaired => "each side by itself",
    };
    let repeats = of.before.len().min(of.after.len());
    if repeats > 1 {
        out += &format!(
            "  repeats    {repeats} a side, {how}; intervals of {} %, changes below {} do not matter\n",
            (of.asked.confidence * 1e4).round() / 1e2,
            percent(of.asked.min_effect),
        );
    }
    out += answers.as_ref().map_or("", |said| said.line.as_str());
    out.push('\n');
    let said = answers.as_ref().map_or("", |said| said.findings.as_str());
    for sentence in findings(of, !said.is_empty()) {
        out += &format!("{sentence}\n");
    }
    out += said;
    let figures = Figures {
        endpoints: &of.endpoints,
        requests: &of.requests,
        system: &of.judged.system,
        rows: &of.judged.endpoints,
    };
    out + &table(&figures, top, |row| cell(row, of.asked.confidence))
}

fn side(name: &str, runs: &[Run]) -> String {
    let requests: usize = runs.iter().flat_map(|run| &run.latencies.endpoints).map(|series| series.len()).sum();
    let target = runs.first().map_or("", |run| run.result.target.as_str());
    let is_recording = runs.iter().any(|run| run.recording.is_some());
    let of = match runs.len() {
        _ if is_recording => "recorded".to_owned(),
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    let first = runs.first().map(|run| run.path.display().to_string()).unwrap_or_default();
    let more = if runs.len() > 1 { " …" } else { "" };
    format!("  {name:<10} {of} on {target}, {} requests ({first}{more})\n", count(requests as u64))
}

/// What holds, in sentences; what cannot be told, once. Whether there are findings besides decides what is said of none.
fn findings(of: &Comparison, has_more: bool) -> Vec<String> {
    let confidence = of.asked.confidence;
    let mut said = Vec::new();
    let words = |answer: Answer| match answer {
        Answer::Slower => Some("SLOWER"),
        Answer::Faster => Some("FASTER"),
        _ => None,
    };
    for row in &of.judged.system {
        if let (Some(word), Some(estimate)) = (words(row.answer), &row.relative) {
            said.push(format!("{word}  the whole system: {} {}", name(row.quantile), change(estimate, confidence)));
        }
    }
    let endpoints = of.endpoints.iter().zip(&of.judged.endpoints);
    for (endpoint, rows) in endpoints.clone() {
        for row in rows {
            if let (Some(word), Some(estimate)) = (words(row.answer), &row.relative) {
                let (name, change) = (name(row.quantile), change(estimate, confidence));
                said.push(format!("{word}  {endpoint}: {name} {change} relative to the rest{}", values(row)));
            }
        }
    }
    for found in &of.outcomes {
        let endpoint = of.endpoints.get(found.endpoint).map_or("", String::as_str);
        let (low, high) = found.estimate.interval(confidence);
        said.push(format!(
            "STATUS  {endpoint}: {} in {} of its requests, {} before (difference {}..{})",
            found.outcome,
            percent(found.after),
            percent(found.before),
            signed(low),
            signed(high),
        ));
    }
    let one_run = of.judged.system.iter().any(|row| row.answer == Answer::OneRun);
    if said.is_empty() && one_run {
        said.push(
            "No verdict on times: with one run a side nobody knows how much runs differ from one another.".to_owned(),
        );
    } else if said.is_empty() && !has_more {
        said.push("Nothing changed that can be told from noise.".to_owned());
    }
    let more = endpoints.filter_map(|(_, rows)| match rows.first()?.answer {
        Answer::CannotTell { more_repeats } => Some(more_repeats),
        _ => None,
    });
    let more: Vec<u32> = more.collect();
    if let Some(most) = more.iter().max() {
        said.push(format!(
            "Of {} endpoints the median cannot be told: needs about {most} more repeats a side.",
            count(more.len() as u64)
        ));
    }
    said
}

/// What a table shows.
pub(super) struct Figures<'a> {
    pub(super) endpoints: &'a [String],
    pub(super) requests: &'a [u64],
    pub(super) system: &'a [Row],
    pub(super) rows: &'a [Vec<Row>],
}

/// The whole system, the endpoints with most requests, and all others of which something was found.
pub(super) fn table(of: &Figures<'_>, top: usize, cell: impl Fn(&Row) -> String) -> String {
    let mut out = format!("\n  {:<NAME_COLUMNS$} {:>10}", "", "requests");
    for row in of.system {
        out += &format!("  {:<CELL_COLUMNS$}", name(row.quantile));
    }
    out = out.trim_end().to_owned() + "\n";
    let mut line = |title: &str, requests: &str, rows: &[Row]| {
        let title: String = title.chars().take(NAME_COLUMNS).collect();
        let mut text = format!("  {title:<NAME_COLUMNS$} {requests:>10}");
        for row in rows {
            text += &format!("  {:<CELL_COLUMNS$}", cell(row));
        }
        out += text.trim_end();
        out.push('\n');
    };
    line("the whole system", "", of.system);
    let requests = |number: usize| of.requests.get(number).copied().unwrap_or(0);
    let mut order: Vec<usize> = (0..of.endpoints.len()).collect();
    order.sort_by_key(|number| std::cmp::Reverse(requests(*number)));
    let is_found = |number: usize| {
        let rows = of.rows.get(number);
        rows.is_some_and(|rows| rows.iter().any(|row| matches!(row.answer, Answer::Slower | Answer::Faster)))
    };
    let places = order.iter().enumerate();
    let shown: Vec<usize> =
        places.filter(|(place, number)| *place < top || is_found(**number)).map(|(_, number)| *number).collect();
    for number in &shown {
        if let (Some(endpoint), Some(rows)) = (of.endpoints.get(*number), of.rows.get(*number)) {
            line(endpoint, &count(requests(*number)), rows);
        }
    }
    if shown.len() < order.len() {
        out += &format!("  … {} more endpoints (--top, --json)\n", count((order.len() - shown.len()) as u64));
    }
    out
}

/// ` (81.2 ms, 71.0 ms before)`
fn values(row: &Row) -> String {
    let micros_of = |logarithm: f64| micros(logarithm.exp() / 1e3);
    match (row.before, row.after) {
        (Some(before), Some(after)) => format!(" ({}, {} before)", micros_of(after), micros_of(before)),
        _ => String::new(),
    }
}

fn cell(row: &Row, confidence: f64) -> String {
    let difference = || match (row.before, row.after) {
        (Some(before), Some(after)) => signed((after - before).exp_m1()),
        _ => "–".to_owned(),
    };
    marked(row, confidence).unwrap_or_else(difference)
}

/// The change with a mark for the answer; `None` where nobody knows how runs differ.
pub(super) fn marked(row: &Row, confidence: f64) -> Option<String> {
    let mark = match row.answer {
        Answer::Slower => "▲ ",
        Answer::Faster => "▼ ",
        Answer::Same => "= ",
        Answer::CannotTell { .. } => "? ",
        Answer::TooFew => return Some("too few requests".to_owned()),
        Answer::OneRun => return None,
    };
    row.relative.as_ref().map(|estimate| format!("{mark}{}", change(estimate, confidence)))
}

/// `+14 % [9..20]`
pub(super) fn change(estimate: &Estimate, confidence: f64) -> String {
    let (low, high) = estimate.interval(confidence);
    let bare = |change: f64| signed(change).trim_end_matches(" %").to_owned();
    format!("{} [{}..{}]", signed(estimate.mean.exp_m1()), bare(low.exp_m1()), bare(high.exp_m1()))
}

pub(super) fn name(quantile: f64) -> String {
    format!("p{}", (quantile * 1e4).round() / 1e2)
}

/// `5 %`
pub(super) fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    let rounded =
        if hundredths.abs() < 1.0 { (hundredths * 1e3).round() / 1e3 } else { (hundredths * 10.0).round() / 10.0 };
    format!("{rounded} %")
}

/// `+5.1 %`
pub(super) fn signed(change: f64) -> String {
    let hundredths = (change * 1_000.0).round() / 10.0;
    if hundredths > 0.0 { format!("+{hundredths} %") } else { format!("{hundredths} %") }
}
