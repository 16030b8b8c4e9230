//! A comparison for a person on a terminal: the findings in sentences, then the figures behind them.

use replayer::compare::judge::Row;
use replayer::compare::side::Run;
use replayer::compared::Sides;
use replayer::compared::answers::has_changes;
use replayer::compared::links::Links;
use replayer::compared::words::{cell, changes, design, is_found, is_one_run, open, percent, quantile, whole_percent};

use super::answers;
use crate::units::count;

/// Columns of an endpoint's name.
const NAME_COLUMNS: usize = 36;
/// Columns of one quantile.
const CELL_COLUMNS: usize = 22;

pub(super) fn text(sides: &Sides<'_>, links: &Links<'_>, top: usize) -> String {
    let of = sides.of;
    let answers = answers::text(sides, links, top);
    let mut out = String::new();
    let notes = answers.iter().flat_map(|said| &said.notes);
    for notice in of.notices.iter().chain(notes) {
        out += &format!("NOTE: {notice}\n");
    }
    out += &side("before", &of.before);
    out += &side("after", &of.after);
    let has_repeats = !is_one_run(of);
    if has_repeats {
        out += &format!(
            "  repeats    {} a side, {}; intervals of {}, changes below {} do not matter\n",
            of.before.len().min(of.after.len()),
            design(of.asked.design),
            whole_percent(of.asked.confidence),
            percent(of.asked.min_effect),
        );
    }
    out += answers.as_ref().map_or("", |said| said.line.as_str());
    out.push('\n');
    let of_answers = answers.as_ref().map_or("", |said| said.findings.as_str());
    let changes = changes(sides);
    let has_more = !changes.is_empty() || (has_repeats && sides.answers.is_some_and(has_changes));
    let sentences = changes.iter().map(ToString::to_string).chain(open(of, has_more));
    sentences.for_each(|sentence| out += &format!("{sentence}\n"));
    out += of_answers;
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
        out += &format!("  {:<CELL_COLUMNS$}", quantile(row.quantile));
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
    let places = order.iter().enumerate();
    let shown: Vec<usize> = places
        .filter(|(place, number)| *place < top || is_found(of.rows, **number))
        .map(|(_, number)| *number)
        .collect();
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
