//! The endpoints of a session by the names that they are to have: given templates, and those that its endpoints show.
//!
//! Rows are renamed, and added up where they get the same name; no exchange is read again. What a summary does not tell
//! apart stays apart from all rows.

use std::collections::BTreeMap;

use formats::endpoint::{Learned, Learner, Templates};
use formats::summary::{EndpointRow, Merge, Summary};

pub(super) struct Endpoints {
    /// By name, busiest first.
    pub(super) rows: Vec<(String, EndpointRow)>,
    /// Of all endpoints that the summary does not tell apart.
    pub(super) other: EndpointRow,
    /// What is in the other row, as far as the sample tells: about how many exchanges by name, most first. A name can have
    /// a row, too.
    pub(super) others: Vec<(String, u64)>,
    /// The templates that were learned, in an order of their own.
    pub(super) learned: Vec<Learned>,
    /// Whether there were more endpoints than the templates could be learned from.
    pub(super) forgot: bool,
}

impl Endpoints {
    pub(super) fn of(summary: &Summary, given: &Templates) -> Self {
        let mut learner = Learner::new(given.clone());
        summary.endpoints.largest(|row| row.exchanges).iter().for_each(|(name, row)| {
            learner.see_endpoint(name, row.exchanges);
        });
        if summary.endpoints.other.exchanges > 0 {
            learner.forget_some();
        }
        let (learned, forgot) = (learner.learned(), learner.forgot());
        let templates = learner.into_templates();
        let mut by_name: BTreeMap<String, EndpointRow> = BTreeMap::new();
        for (ranked, row) in &summary.endpoints.rows {
            by_name.entry(templates.rename(ranked.name())).or_default().merge_with(row);
        }
        let mut rows: Vec<_> = by_name.into_iter().collect();
        rows.sort_by(|a, b| b.1.exchanges.cmp(&a.1.exchanges).then_with(|| a.0.cmp(&b.0)));
        let other = summary.endpoints.other.clone();
        Self { rows, others: others(summary, &templates), other, learned, forgot }
    }

    /// The placeholders that were learned with how many values there were, busiest first.
    pub(super) fn placeholders(&self) -> Vec<(&Learned, u64)> {
        let mut all: Vec<_> = self.learned.iter().filter_map(|one| Some((one, one.values?))).collect();
        all.sort_by_key(|(one, _)| std::cmp::Reverse(one.exchanges));
        all
    }
}

fn others(summary: &Summary, templates: &Templates) -> Vec<(String, u64)> {
    let told: std::collections::HashSet<&str> = summary.endpoints.rows.keys().map(|ranked| ranked.name()).collect();
    let is_hidden = |name: &str| !told.contains(name);
    let drawn = summary.sample.drawn.values().filter(|name| is_hidden(name)).count() as u64;
    // Of so many exchanges as were drawn these are the draws themselves: nothing is rounded before they are added up.
    let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
    for (name, draws) in summary.sample.about(drawn, is_hidden) {
        by_name.entry(templates.rename(name)).or_default().merge_with(&draws);
    }
    let about = |draws: u64| {
        let about = u128::from(draws) * u128::from(summary.endpoints.other.exchanges) / u128::from(drawn.max(1));
        u64::try_from(about).unwrap_or(u64::MAX)
    };
    by_name.values_mut().for_each(|draws| *draws = about(*draws));
    let mut others: Vec<_> = by_name.into_iter().collect();
    others.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    others
}
