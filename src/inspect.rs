//! `reenact inspect`: what is in a session, for a person or as JSON.

use formats::model::{Exchange, Gap};
use formats::session::Event;
use formats::summary::Summary;

mod clients;
mod json;
mod secrets;
mod text;

use clients::Clients;

use crate::cli::InspectArgs;
use crate::outcome::{self, Failure, Outcome};
use crate::read::{self, Problems};
use crate::terminal::{self, Paint};

pub(crate) fn run(args: &InspectArgs) -> Result<Outcome, Failure> {
    if args.secrets {
        return secrets::run(args);
    }
    let sessions = read::open(&args.sessions, args.identity.as_ref())?;
    let mut problems = Problems::default();
    let mut reports = Vec::new();
    for session in &sessions {
        let mut contents = Contents::default();
        for event in session.events() {
            match problems.note(event)? {
                Some(Event::Exchange(exchange)) => contents.exchange(&exchange),
                Some(Event::Gap(gap)) => contents.gap(&gap),
                Some(Event::Index(_)) => contents.segment_ended(),
                _ => {}
            }
        }
        contents.segment_ended();
        if args.json {
            reports.push(json::report(&contents, session));
        } else {
            outcome::print_painted(&text::report(&contents, session, terminal::columns(), Paint::of_output()));
        }
    }
    if args.json {
        outcome::print(&format!("{}\n", serde_json::Value::from(reports)));
    }
    Ok(problems.outcome())
}

/// What a session amounts to: filled from exchanges and gaps, summed up segment by segment.
#[derive(Default)]
struct Contents {
    /// Of the segments that ended.
    summary: Summary,
    /// Of the one being read.
    segment: Summary,
    /// Which summaries do not tell one by one.
    clients: Clients,
}

impl Contents {
    fn exchange(&mut self, exchange: &Exchange) {
        self.segment.count(exchange);
        self.clients.exchange(exchange);
    }

    fn gap(&mut self, gap: &Gap) {
        self.segment.count_gap(gap);
    }

    /// Everything of a segment was read.
    fn segment_ended(&mut self) {
        self.summary.merge(&std::mem::take(&mut self.segment));
    }
}

/// The rows of the endpoints that have none of their own and yet are busy, as the sample tells: with about how many
/// exchanges each.
fn about_others(summary: &Summary) -> Vec<(&str, u64)> {
    let has_row = |name: &str| summary.endpoints.rows.keys().any(|ranked| ranked.name() == name);
    if summary.endpoints.other.exchanges == 0 {
        return Vec::new();
    }
    summary.sample.about(summary.exchanges).into_iter().filter(|(name, _)| !has_row(name)).collect()
}

/// Thousandths of a quantile and its name.
const QUANTILES: [(u64, &str); 4] = [(500, "p50"), (900, "p90"), (990, "p99"), (999, "p99.9")];
