//! The head of the page: what was held against what, the verdict, what a reader must know first, and a few figures.

use super::outcomes::Totals;
use crate::compare::Comparison;
use crate::compare::judge::{Answer, Asked as Judge, Row};
use crate::compare::over_time::OverTime;
use crate::compare::repeats::Estimate;
use crate::compare::side::Run;
use crate::compared::headline::{Tone, headline};
use crate::compared::words::{
    TOO_FEW_POINTS, cell_over_time, change, design, marked, of_log, percent, quantile, signed, whole_percent,
};
use crate::compared::{Asked, Compared, Sides};
use crate::report::text::{NOTHING, count, escape, escape_whole, rate, share};
use crate::verdict::Trust;

/// Notices that are shown.
const NOTICES_MAX: usize = 40;

/// Of the document, harmless.
pub(super) fn title(of: Compared<'_>) -> String {
    match of {
        Compared::Sides(sides) => {
            format!("reenact: {} against {}", target(&sides.of.after), target(&sides.of.before))
        }
        Compared::OverTime(of) => format!("reenact: {} over time", target(&of.runs)),
    }
}

/// Where runs were sent to.
fn target(runs: &[Run]) -> String {
    escape(runs.first().map_or(NOTHING, |run| run.result.target.as_str()))
}

pub(super) fn header(of: Compared<'_>, asked: &Asked<'_>) -> String {
    let heading = match of {
        Compared::Sides(sides) => format!(
            r#"<span class="target">{}</span> against <span class="target">{}</span>"#,
            target(&sides.of.after),
            target(&sides.of.before)
        ),
        Compared::OverTime(of) if of.is_one_run() => {
            format!(r#"A run against <span class="target">{}</span>, over time"#, target(&of.runs))
        }
        Compared::OverTime(of) => format!(
            r#"{} runs against <span class="target">{}</span>, over time"#,
            count(of.runs.len() as u64),
            target(&of.runs)
        ),
    };
    let facts: String =
        facts(of).iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value))).collect();
    format!(
        r#"<header><p class="brand">reenact <span>comparison</span></p><h1>{heading}</h1>{}<dl class="facts">{facts}</dl>{}</header>"#,
        verdict(of, asked),
        notices(&of.notices()),
    )
}

fn verdict(of: Compared<'_>, asked: &Asked<'_>) -> String {
    let headline = headline(of, asked.fail_on);
    let named = asked.fail_on.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    let named = if named.is_empty() { "nothing".to_owned() } else { named };
    let (class, word) = match headline.tone {
        Tone::Passed => ("valid", "✓ passed"),
        Tone::Open => ("strained", "? open"),
        Tone::Failed => ("invalid", "▲ failed"),
    };
    let strained = of.runs().iter().filter(|(_, run)| run.result.verdict.outcome == Trust::Strained).count();
    let strained = match strained {
        0 => String::new(),
        some => format!(
            "<dd>The generator was strained in {} of the runs: doubt the tail of their times.</dd>",
            count(some as u64)
        ),
    };
    format!(
        r#"<dl class="verdict {class}" aria-label="Verdict"><dt>{word}<span>fails on: {named}</span></dt><dd class="sentence">{}</dd>{strained}</dl>"#,
        escape_whole(&headline.sentence())
    )
}

fn facts(of: Compared<'_>) -> Vec<(&'static str, String)> {
    let judged = |asked: &Judge, min_change: f64| {
        vec![
            ("Intervals", whole_percent(asked.confidence)),
            ("Times matter from", percent(asked.min_effect)),
            ("Shares matter from", percent(min_change)),
        ]
    };
    let first = of.runs().first().map(|(_, run)| *run);
    let seed = first.map_or_else(String::new, |run| run.result.seed.to_string());
    let mut facts = match of {
        Compared::Sides(Sides { of, .. }) => {
            let design = design(of.asked.design);
            let repeats = format!("{} before, {} after, {design}", of.before.len(), of.after.len());
            [vec![("Runs", repeats)], judged(&of.asked, of.min_change)].concat()
        }
        Compared::OverTime(of) => {
            let points = if of.is_one_run() { "stretches of one run" } else { "runs" };
            [vec![("Points", format!("{} {points}", of.trend.points))], judged(&of.asked, of.min_change)].concat()
        }
    };
    facts.push(("Seed", seed));
    facts.push(("Since", first.map_or_else(String::new, |run| run.result.started_at.clone())));
    facts
}

fn notices(all: &[String]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut shown: String = all.iter().take(NOTICES_MAX).map(|notice| format!("<li>{}</li>", escape(notice))).collect();
    if let Some(more) = all.len().checked_sub(NOTICES_MAX).filter(|more| *more > 0) {
        shown += &format!("<li>{} more notices are in what --json prints.</li>", count(more as u64));
    }
    format!(r#"<ul class="notices" aria-label="Notices">{shown}</ul>"#)
}

/// One figure: what it is now, and what it was.
struct Figure {
    name: String,
    value: String,
    note: String,
    bad: bool,
}

/// A few figures of the whole.
pub(super) fn figures(of: Compared<'_>) -> String {
    let figures = match of {
        Compared::Sides(sides) => of_sides(sides),
        Compared::OverTime(of) => over_time(of),
    };
    let html = |figure: &Figure| {
        let (class, mark) = if figure.bad { (r#" class="bad""#, "▲ ") } else { ("", "") };
        let Figure { name, value, note, .. } = figure;
        format!(r#"<div{class}><dt>{name}</dt><dd>{value}<small>{mark}{note}</small></dd></div>"#)
    };
    let figures: String = figures.iter().map(html).collect();
    format!(r#"<dl class="figures" aria-label="Headline figures">{figures}</dl>"#)
}

fn of_sides(sides: Sides<'_>) -> Vec<Figure> {
    let of = sides.of;
    let mut figures: Vec<Figure> =
        [0, 2].into_iter().filter_map(|number| of.judged.system.get(number)).map(|row| of_row(row, of)).collect();
    let [before, after] = [&of.before, &of.after].map(|runs| mean_rate(runs));
    let by = of
        .throughput
        .as_ref()
        .map_or_else(String::new, |estimate: &Estimate| format!(" ({})", change(estimate, of.asked.confidence)));
    figures.push(Figure {
        name: "Throughput".to_owned(),
        value: format!("{}/s", rate(after)),
        note: format!("before {}/s{by}", rate(before)),
        bad: false,
    });
    let totals = Totals::of(of);
    let ([all_before, all_after], [failed_before, failed_after]) = (totals.all(), totals.failed());
    figures.push(Figure {
        name: "Without an answer".to_owned(),
        value: share(failed_after, all_after),
        note: format!("before {}", share(failed_before, all_before)),
        bad: false,
    });
    figures.push(match sides.answers {
        Some(answers) => Figure {
            name: "Answers that differ".to_owned(),
            value: share(answers.different, answers.pairs),
            note: format!("of {} pairs", count(answers.pairs)),
            bad: false,
        },
        None => Figure {
            name: "Answers that differ".to_owned(),
            value: NOTHING.to_owned(),
            note: "a side kept none".to_owned(),
            bad: false,
        },
    });
    figures
}

fn of_row(row: &Row, of: &Comparison) -> Figure {
    let said = |logarithm: Option<f64>| logarithm.map_or_else(|| NOTHING.to_owned(), of_log);
    let by = match (marked(row, of.asked.confidence), row.before, row.after) {
        (Some(by), ..) => format!(" ({by})"),
        (None, Some(before), Some(after)) => format!(" ({})", signed((after - before).exp_m1())),
        (None, ..) => String::new(),
    };
    Figure {
        name: format!("Response time {}", quantile(row.quantile)),
        value: said(row.after),
        note: format!("before {}{by}", said(row.before)),
        bad: row.answer == Answer::Slower,
    }
}

fn over_time(of: &OverTime) -> Vec<Figure> {
    let said = |logarithm: Option<f64>| logarithm.map_or_else(|| NOTHING.to_owned(), of_log);
    let row = |row: &Row| Figure {
        name: format!("Response time {} at the end", quantile(row.quantile)),
        value: said(row.after),
        note: format!("at the beginning {} ({})", said(row.before), cell_over_time(row, of.asked.confidence)),
        bad: row.answer == Answer::Slower,
    };
    let mut figures: Vec<Figure> = of.trend.system.iter().take(3).map(row).collect();
    let steady = if of.trend.has_lines() { "steady" } else { TOO_FEW_POINTS };
    figures.push(Figure {
        name: "Share of errors".to_owned(),
        value: of.trend.errors.as_ref().map_or_else(|| steady.to_owned(), |errors| signed(errors.mean)),
        note: "by which its line rises".to_owned(),
        bad: of.trend.errors.as_ref().is_some_and(|errors| errors.mean > 0.0),
    });
    figures.push(Figure {
        name: "Requests".to_owned(),
        value: count(of.requests.iter().sum()),
        note: format!("of {} endpoints", count(of.endpoints.len() as u64)),
        bad: false,
    });
    figures
}

fn mean_rate(runs: &[Run]) -> f64 {
    runs.iter().map(|run| run.result.rate.achieved).sum::<f64>() / runs.len().max(1) as f64
}
