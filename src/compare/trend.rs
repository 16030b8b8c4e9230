//! Runs over time for a person: what rises and falls in sentences, then the figures behind them.

use replayer::compare::judge::{Answer, Row};
use replayer::compare::over_time::OverTime;

use super::text::{Figures, change, marked, name, percent, signed, table};
use crate::units::{count, micros, seconds};

pub(super) fn text(of: &OverTime, top: usize) -> String {
    let mut out: String = of.notices.iter().map(|notice| format!("NOTE: {notice}\n")).collect();
    let requests = count(of.requests.iter().sum());
    if let (true, Some(run)) = (of.is_one_run(), of.runs.first()) {
        let (path, target) = (run.path.display(), &run.result.target);
        let length = seconds(run.result.duration_s);
        out += &format!("  run        {path} on {target}, {length}, {requests} requests\n");
        out += &format!("  stretches  {} of the same length;", of.trend.points);
    } else {
        for run in &of.runs {
            out += &format!("  {}  {} on {}\n", run.result.started_at, run.path.display(), run.result.target);
        }
        out += &format!("  runs       {}, {requests} requests;", of.trend.points);
    }
    out += &format!(
        " intervals of {} %, changes below {} do not matter\n\n",
        (of.asked.confidence * 1e4).round() / 1e2,
        percent(of.asked.min_effect)
    );
    for sentence in findings(of) {
        out += &format!("{sentence}\n");
    }
    let figures = Figures {
        endpoints: &of.endpoints,
        requests: &of.requests,
        system: &of.trend.system,
        rows: &of.trend.endpoints,
    };
    let cell = |row: &Row| marked(row, of.asked.confidence).unwrap_or_else(|| "too few runs".to_owned());
    out += &table(&figures, top, cell);
    for (what, row) in &of.trend.target {
        out += &format!("  {what}  {}\n", cell(row));
    }
    out
}

fn findings(of: &OverTime) -> Vec<String> {
    let whole = if of.is_one_run() { "during the run" } else { "from the first run to the last" };
    let mut said = Vec::new();
    let mut row = |thing: &str, row: &Row| {
        let word = match row.answer {
            Answer::Slower => "RISES",
            Answer::Faster => "FALLS",
            _ => return,
        };
        let Some(estimate) = &row.relative else { return };
        let between = match (row.before, row.after) {
            (Some(from), Some(to)) => {
                let [from, to] = [from, to].map(|logarithm| micros(logarithm.exp() / 1e3));
                format!(" ({from} to {to})")
            }
            _ => String::new(),
        };
        let by = change(estimate, of.asked.confidence);
        said.push(format!("{word}  {thing}: {} {by} {whole}{between}", name(row.quantile)));
    };
    of.trend.system.iter().for_each(|one| row("the whole system", one));
    for (endpoint, rows) in of.endpoints.iter().zip(&of.trend.endpoints) {
        rows.iter().for_each(|one| row(endpoint, one));
    }
    for (what, row) in &of.trend.target {
        let word = match row.answer {
            Answer::Slower => "RISES",
            Answer::Faster => "FALLS",
            _ => continue,
        };
        if let Some(estimate) = &row.relative {
            said.push(format!("{word}  {what}: {} {whole}", change(estimate, of.asked.confidence)));
        }
    }
    if let Some(errors) = &of.trend.errors {
        let (low, high) = errors.interval(of.asked.confidence);
        let word = if errors.mean > 0.0 { "RISES" } else { "FALLS" };
        let by = format!("{} of all requests [{}..{}]", signed(errors.mean), signed(low), signed(high));
        said.push(format!("{word}  errors: {by} {whole}"));
    }
    if said.is_empty() {
        said.push("Nothing rises or falls that can be told from noise.".to_owned());
    }
    said
}
