//! What became of requests, side by side: statuses and errors, of all and of those endpoints where shares changed.

use std::collections::BTreeMap;

use crate::compare::Comparison;
use crate::compare::outcomes::OutcomeChange;
use crate::compared::words::{is_one_run, percent, signed};
use crate::report::text::{NOTHING, count, escape, share};

/// Statuses and errors that are shown, the most frequent first.
const OUTCOMES_MAX: usize = 40;
/// Shares that changed.
const CHANGES_MAX: usize = 60;

/// Requests by what became of them: a status or a kind of error; before and after.
pub(super) struct Totals(BTreeMap<String, [u64; 2]>);

impl Totals {
    pub(super) fn of(of: &Comparison) -> Self {
        let mut totals: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for (side, runs) in [&of.before, &of.after].into_iter().enumerate() {
            let outcomes = runs.iter().flat_map(|run| &run.outcomes).flatten();
            for (outcome, number) in outcomes {
                let counts = match totals.get_mut(outcome) {
                    Some(counts) => counts,
                    None => totals.entry(outcome.clone()).or_default(),
                };
                if let Some(count) = counts.get_mut(side) {
                    *count += number;
                }
            }
        }
        Self(totals)
    }

    pub(super) fn all(&self) -> [u64; 2] {
        self.sum(|_| true)
    }

    /// Those without a whole answer.
    pub(super) fn failed(&self) -> [u64; 2] {
        self.sum(|outcome| !is_status(outcome))
    }

    fn sum(&self, is: impl Fn(&str) -> bool) -> [u64; 2] {
        let counted = self.0.iter().filter(|(outcome, _)| is(outcome)).map(|(_, counts)| *counts);
        counted.fold([0, 0], |[a, b], [before, after]| [a + before, b + after])
    }
}

fn is_status(outcome: &str) -> bool {
    outcome.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn outcomes(of: &Comparison) -> String {
    let totals = Totals::of(of);
    let [all_before, all_after] = totals.all();
    let mut rows: Vec<(&String, &[u64; 2])> = totals.0.iter().collect();
    rows.sort_by_key(|(_, [before, after])| std::cmp::Reverse(before + after));
    let row = |(outcome, [before, after]): &(&String, &[u64; 2])| {
        let kind = if is_status(outcome) { "status " } else { "" };
        let by = match (all_before, all_after) {
            (0, _) | (_, 0) => NOTHING.to_owned(),
            _ => signed(*after as f64 / all_after as f64 - *before as f64 / all_before as f64),
        };
        format!(
            r#"<tr><th scope="row">{kind}{}</th><td>{}</td><td class="share">{}</td><td>{}</td><td class="share">{}</td><td>{by}</td></tr>"#,
            escape(outcome),
            count(*before),
            share(*before, all_before),
            count(*after),
            share(*after, all_after),
        )
    };
    let body: String = rows.iter().take(OUTCOMES_MAX).map(row).collect();
    let more = more(rows.len(), OUTCOMES_MAX, "rarer ones");
    let head = r#"<thead><tr><th scope="col" class="text">What became of it</th><th scope="col" colspan="2">before</th><th scope="col" colspan="2">after</th><th scope="col">difference</th></tr></thead>"#;
    format!(
        r#"<section id="outcomes" aria-labelledby="outcomes-h"><h2 id="outcomes-h">Statuses and errors</h2><div class="scroll" role="region" aria-label="Table of outcomes" tabindex="0"><table class="outcomes named"><caption><span>All requests of both sides, in steady windows.{more}</span></caption>{head}<tbody>{body}</tbody></table></div>{}</section>"#,
        changes(of)
    )
}

/// Shares that changed for sure.
fn changes(of: &Comparison) -> String {
    if of.outcomes.is_empty() {
        let why = match is_one_run(of) {
            true => "With one run a side no share can be said to have changed.".to_owned(),
            false => format!("At no endpoint a share changed by {} for sure.", percent(of.min_change)),
        };
        return format!(r#"<p class="nothing">{why}</p>"#);
    }
    let row = |change: &OutcomeChange| {
        let (low, high) = change.estimate.interval(of.asked.confidence);
        format!(
            r#"<tr><th scope="row">{}</th><td class="bad">▲ {}</td><td>{}</td><td>{}</td><td>{} [{}..{}]</td></tr>"#,
            escape(of.endpoints.get(change.endpoint).map_or("", String::as_str)),
            escape(&change.outcome),
            percent(change.before),
            percent(change.after),
            signed(change.estimate.mean),
            signed(low),
            signed(high)
        )
    };
    let body: String = of.outcomes.iter().take(CHANGES_MAX).map(row).collect();
    let more = more(of.outcomes.len(), CHANGES_MAX, "smaller ones");
    format!(
        r#"<div class="scroll" role="region" aria-label="Table of shares that changed" tabindex="0"><table class="outcomes named"><caption><span>Shares of an endpoint's requests that changed, the largest change first.{more}</span></caption><thead><tr><th scope="col" class="text">Endpoint</th><th scope="col">outcome</th><th scope="col">before</th><th scope="col">after</th><th scope="col">difference</th></tr></thead><tbody>{body}</tbody></table></div>"#
    )
}

fn more(all: usize, shown: usize, what: &str) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!(" {} {what} are in what --json prints.", count(more as u64)),
    }
}
