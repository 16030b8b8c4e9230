//! The difference of each quantile with its interval: a dot and its whiskers, the smallest change that matters shaded.

use crate::compare::Comparison;
use crate::compare::judge::{Answer, Asked, Row};
use crate::compare::over_time::OverTime;
use crate::compared::words::{cell, cell_over_time, of_log, percent, quantile, shown, signed, span};
use crate::report::text::{count, escape};

/// Endpoints that are shown: those of which something was found, then those with the most requests.
const ENDPOINTS_MAX: usize = 120;
/// The axis reaches at least so many times as far as the smallest change that matters, and at most to this factor.
const AXIS_EFFECTS: f64 = 2.5;
const AXIS_FACTOR_MAX: f64 = 4.0;
/// It reaches somewhere where nothing differs at all.
const AXIS_LEAST: f64 = 1e-3;
/// Of the intervals, the share whose ends are on the axis.
const AXIS_SHARE: f64 = 0.9;
/// What sorts below all changes.
const NO_CHANGE: f64 = -9.0;

/// What a table is made of.
struct Table<'a> {
    system: &'a [Row],
    names: &'a [String],
    rows: &'a [Vec<Row>],
    requests: &'a [u64],
    asked: &'a Asked,
    /// What a cell says where there is no interval.
    cell: &'a dyn Fn(&Row) -> String,
    title: &'a str,
    what: String,
    /// Between the values of both ends.
    between: &'a str,
}

pub(super) fn of_sides(of: &Comparison) -> String {
    let effect = percent(of.asked.min_effect);
    let table = Table {
        system: &of.judged.system,
        names: &of.endpoints,
        rows: &of.judged.endpoints,
        requests: &of.requests,
        asked: &of.asked,
        cell: &|row| cell(row, of.asked.confidence),
        title: "Differences",
        what: format!(
            "After less before, each endpoint relative to the rest, with its interval; below it the times of both sides. Shaded: changes below {effect}, which do not matter."
        ),
        between: "→",
    };
    table.html()
}

pub(super) fn over_time(of: &OverTime) -> String {
    let effect = percent(of.asked.min_effect);
    let table = Table {
        system: &of.trend.system,
        names: &of.endpoints,
        rows: &of.trend.endpoints,
        requests: &of.requests,
        asked: &of.asked,
        cell: &|row| cell_over_time(row, of.asked.confidence),
        title: "What each line rises by",
        what: format!(
            "By how much each line rises {}, with its interval; below it where it begins and ends. Shaded: changes below {effect}, which do not matter.",
            span(of)
        ),
        between: "to",
    };
    table.html()
}

impl Table<'_> {
    fn html(&self) -> String {
        let shown = shown(self.rows, self.requests, ENDPOINTS_MAX);
        let of_endpoints = shown.iter().filter_map(|number| self.rows.get(*number)).flatten();
        let axis = Axis::of(self.system.iter().chain(of_endpoints), self.asked);
        let heads: String = (2..)
            .zip(self.system)
            .map(|(column, row): (usize, _)| {
                format!(r#"<th scope="col" data-column="{column}">{}</th>"#, quantile(row.quantile))
            })
            .collect();
        let mut body = self.row("the whole system", None, self.system, &axis, "whole");
        for number in &shown {
            if let (Some(name), Some(rows)) = (self.names.get(*number), self.rows.get(*number)) {
                body += &self.row(&escape(name), self.requests.get(*number).copied(), rows, &axis, "");
            }
        }
        let more = match self.names.len().saturating_sub(shown.len()) {
            0 => String::new(),
            more => format!(" {} more endpoints are in what --json prints.", count(more as u64)),
        };
        let (left, right) = axis.ends();
        format!(
            r#"<section id="differences" aria-labelledby="differences-h"><h2 id="differences-h">{}</h2><div class="scroll tall" role="region" aria-label="Table of differences" tabindex="0"><table class="whiskers named sortable"><caption><span>{} The axis goes from {left} to {right}; an arrow points to what lies beyond.{more}</span></caption><thead><tr><th scope="col" class="text" data-column="0">Endpoint</th><th scope="col" data-column="1">requests</th>{heads}</tr></thead><tbody>{body}</tbody></table></div></section>"#,
            self.title, self.what
        )
    }

    fn row(&self, name: &str, requests: Option<u64>, rows: &[Row], axis: &Axis, class: &str) -> String {
        let (key, shown) = requests.map_or((u64::MAX, String::new()), |requests| (requests, count(requests)));
        let cells: String = rows.iter().map(|row| self.difference(row, axis)).collect();
        format!(r#"<tr class="{class}"><th scope="row">{name}</th><td data-value="{key}">{shown}</td>{cells}</tr>"#)
    }

    fn difference(&self, row: &Row, axis: &Axis) -> String {
        let class = match row.answer {
            Answer::Slower => "found",
            Answer::Faster => "found good",
            Answer::Same => "same",
            Answer::CannotTell { .. } | Answer::TooFew | Answer::OneRun => "open",
        };
        let bare = || Some(row.after? - row.before?);
        let key = row.relative.map(|estimate| estimate.mean).or_else(bare).unwrap_or(NO_CHANGE);
        let between = match (row.before, row.after) {
            (Some(before), Some(after)) => {
                format!("<small>{} {} {}</small>", of_log(before), self.between, of_log(after))
            }
            _ => String::new(),
        };
        let drawn = row.relative.map_or_else(String::new, |estimate| {
            let (low, high) = estimate.interval(self.asked.confidence);
            axis.draw(low, estimate.mean, high)
        });
        format!(r#"<td class="{class}" data-value="{key:.6}">{drawn}{}{between}</td>"#, (self.cell)(row))
    }
}

/// Logarithms of factors, the same in every cell.
struct Axis {
    limit: f64,
    effect: f64,
}

impl Axis {
    fn of<'r>(rows: impl Iterator<Item = &'r Row>, asked: &Asked) -> Self {
        let effect = asked.min_effect.ln_1p();
        let reach = |row: &Row| {
            let (low, high) = row.relative?.interval(asked.confidence);
            Some(low.abs().max(high.abs()))
        };
        let mut ends: Vec<f64> = rows.filter_map(reach).collect();
        ends.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let place = (ends.len() as f64 * AXIS_SHARE) as usize;
        let limit = ends.get(place.min(ends.len().saturating_sub(1))).copied().unwrap_or(0.0);
        let least = (effect * AXIS_EFFECTS).max(AXIS_LEAST);
        let limit = limit.max(least).min(AXIS_FACTOR_MAX.ln().max(least));
        Self { limit, effect }
    }

    fn ends(&self) -> (String, String) {
        (signed((-self.limit).exp_m1()), signed(self.limit.exp_m1()))
    }

    /// Of the width, in hundredths.
    fn at(&self, logarithm: f64) -> f64 {
        50.0 + 50.0 * (logarithm / self.limit).clamp(-1.0, 1.0)
    }

    fn draw(&self, low: f64, mean: f64, high: f64) -> String {
        let (from, to) = (self.at(-self.effect), self.at(self.effect));
        let arrow = |beyond: bool, x: &str, points: &str| match beyond {
            true => format!(r#"<svg x="{x}" y="3" width="8" height="12"><path class="dot" d="{points}"/></svg>"#),
            false => String::new(),
        };
        let left = arrow(low < -self.limit, "0", "M7 1L0 6L7 11Z");
        // A nested svg has no negative offset in hundredths of its own width: it lies outside.
        let right = arrow(high > self.limit, "100%", "M0 1L7 6L0 11Z");
        let dot = match mean.abs() <= self.limit {
            true => format!(r#"<circle class="dot" cx="{:.2}%" cy="9" r="4"/>"#, self.at(mean)),
            false => String::new(),
        };
        format!(
            r#"<svg aria-hidden="true"><rect class="band" x="{from:.2}%" width="{:.2}%" y="0" height="18"/><line class="zero" x1="50%" x2="50%" y1="0" y2="18"/><line class="reach" x1="{:.2}%" x2="{:.2}%" y1="9" y2="9"/>{left}{right}{dot}</svg>"#,
            to - from,
            self.at(low),
            self.at(high),
        )
    }
}
