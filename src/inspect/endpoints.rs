//! The endpoints of a session, and the templates that it shows.

use std::collections::HashMap;

use formats::endpoint::{Learned, Learner, Templates};
use formats::head;
use formats::model::Exchange;
use formats::session::{Event, Session};
use serde_json::{Value, json};

use crate::outcome::Failure;
use crate::units;

/// Endpoints that are told apart; the rest is one row.
const ENDPOINTS_MAX: usize = 1_000;
/// Rows that a person is shown.
const ENDPOINTS_SHOWN: usize = 15;
/// Response times that are kept for one endpoint; later ones replace earlier ones evenly.
const TIMES_MAX: usize = 4_096;

#[derive(Default)]
pub(super) struct Endpoints {
    templates: Templates,
    learner: Learner,
    learned: Vec<Learned>,
    rows: HashMap<String, Row>,
}

#[derive(Default)]
struct Row {
    exchanges: u64,
    /// Response times in nanoseconds, for quantiles; bounded by [`TIMES_MAX`].
    times: Vec<u64>,
}

impl Endpoints {
    pub(super) fn new(given: Templates) -> Self {
        Self { learner: Learner::new(given.clone()), templates: given, ..Self::default() }
    }

    pub(super) fn exchange(&mut self, exchange: &Exchange) {
        if let Some(line) = head::request_line(&exchange.request.head) {
            self.learner.see(line.target);
        }
        self.count(exchange);
    }

    fn count(&mut self, exchange: &Exchange) {
        let line = head::request_line(&exchange.request.head);
        let name = line.map(|line| self.templates.endpoint(line.method, line.target));
        let name = name.unwrap_or_else(|| "(unreadable)".to_owned());
        let known = self.rows.len() < ENDPOINTS_MAX || self.rows.contains_key(&name);
        let row = self.rows.entry(if known { name } else { "(other endpoints)".to_owned() }).or_default();
        row.exchanges += 1;
        if let Some(end) = exchange.instants.response_end {
            row.time(end.saturating_sub(exchange.instants.request_start));
        }
    }

    /// Takes the templates that the session shows, once its exchanges, which are so many, have been seen. If there are
    /// any, they are counted again by their new names: not all of the old ones were kept.
    pub(super) fn learn(&mut self, session: &Session, exchanges: u64) -> Result<(), Failure> {
        self.learned = self.learner.learned();
        if self.learned.is_empty() {
            return Ok(());
        }
        for one in &self.learned {
            // More than there may be are named as they were.
            if self.templates.add(&one.template).is_err() {
                break;
            }
        }
        self.rows.clear();
        let mut left = exchanges;
        for event in session.events() {
            // A session that is being written has more by now.
            if left == 0 {
                break;
            }
            if let Event::Exchange(exchange) = event? {
                self.count(&exchange);
                left -= 1;
            }
        }
        Ok(())
    }

    fn rows(&self) -> Vec<(&String, &Row)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|a, b| b.1.exchanges.cmp(&a.1.exchanges).then_with(|| a.0.cmp(b.0)));
        rows
    }

    /// The placeholders that were learned, busiest first.
    fn placeholders(&self) -> Vec<(&Learned, u64)> {
        let mut all: Vec<_> = self.learned.iter().filter_map(|one| Some((one, one.values?))).collect();
        all.sort_by_key(|(one, _)| std::cmp::Reverse(one.exchanges));
        all
    }

    /// Tables for a person.
    pub(super) fn text(&self) -> String {
        let mut out = format!("\n  {:<44} {:>10} {:>10} {:>10}\n", "endpoint", "exchanges", "p50", "p99");
        let rows = self.rows();
        for (name, row) in rows.iter().take(ENDPOINTS_SHOWN) {
            let (p50, p99) = (row.quantile_us(50), row.quantile_us(99));
            let shown = |us: Option<f64>| us.map_or("–".to_owned(), units::micros);
            out += &format!("  {name:<44} {:>10} {:>10} {:>10}\n", units::count(row.exchanges), shown(p50), shown(p99));
        }
        out += &more(rows.len());
        let placeholders = self.placeholders();
        if placeholders.is_empty() {
            return out;
        }
        out += &format!("\n  {:<44} {:>10} {:>10}\n", "learned template", "exchanges", "values");
        for (one, values) in placeholders.iter().take(ENDPOINTS_SHOWN) {
            let template = one.template.to_string();
            out += &format!("  {template:<44} {:>10} {:>10}\n", units::count(one.exchanges), units::count(*values));
        }
        out += &more(placeholders.len());
        if self.learner.forgot() {
            out +=
                "  there are more different paths than are remembered: counts are too low, and places may be missing\n";
        }
        out
    }

    pub(super) fn json(&self) -> Value {
        let row = |(name, row): (&String, &Row)| json!({"endpoint": name, "exchanges": row.exchanges, "response_us": {"p50": row.quantile_us(50), "p99": row.quantile_us(99)}});
        self.rows().into_iter().map(row).collect()
    }

    pub(super) fn templates_json(&self) -> Value {
        let one = |one: &Learned| json!({"template": one.template.to_string(), "exchanges": one.exchanges, "values": one.values});
        json!({"learned": self.learned.iter().map(one).collect::<Vec<_>>(), "forgot_paths": self.learner.forgot()})
    }
}

/// How many rows are not shown.
fn more(rows: usize) -> String {
    match rows.checked_sub(ENDPOINTS_SHOWN) {
        None | Some(0) => String::new(),
        Some(more) => format!("  … and {more} more (--json has all)\n"),
    }
}

impl Row {
    fn time(&mut self, nanos: u64) {
        if self.times.len() < TIMES_MAX {
            self.times.push(nanos);
        } else if let Some(old) = self.times.get_mut(usize::try_from(self.exchanges).unwrap_or(0) % TIMES_MAX) {
            *old = nanos;
        }
    }

    fn quantile_us(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?);
        #[expect(clippy::cast_precision_loss, reason = "three digits for people")]
        sorted.get(at).map(|nanos| *nanos as f64 / 1_000.0)
    }
}
