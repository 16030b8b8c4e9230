//! `reenact inspect --secrets`: what in a session looks like a credential or like personal data, by kind and place, and
//! never its value.

use std::collections::BTreeMap;

use formats::scan::{Found, Scanner};
use formats::session::{Event, Session};
use serde_json::{Value, json};

use crate::cli::InspectArgs;
use crate::outcome::{self, Failure, Outcome};
use crate::read::{self, Problems};
use crate::units;

/// Places that are told apart in a session; what stands in others is counted by kind only.
const PLACES_MAX: usize = 10_000;
/// Exchanges that are named for each place.
const SEQS_SHOWN: usize = 5;
/// Rows that a person is shown.
const ROWS_SHOWN: usize = 200;

pub(super) fn run(args: &InspectArgs) -> Result<Outcome, Failure> {
    let sessions = read::open_with(&args.sessions, args.identity.as_ref())?;
    let scanner = Scanner::new();
    let mut problems = Problems::default();
    let (mut reports, mut any) = (Vec::new(), false);
    for session in &sessions {
        let mut secrets = Secrets::default();
        for event in session.events() {
            if let Some(Event::Exchange(exchange)) = problems.note(event)? {
                let seq = exchange.seq;
                let scanned = scanner.scan(*exchange);
                secrets.exchanges += 1;
                secrets.unread += scanned.unread;
                scanned.found.into_iter().for_each(|found| secrets.found(seq, found));
            }
        }
        any |= !secrets.places.is_empty();
        if args.json {
            reports.push(secrets.json(session));
        } else {
            outcome::print(&secrets.text(session));
        }
    }
    if args.json {
        outcome::print(&format!("{}\n", Value::from(reports)));
    }
    if any { Ok(Outcome::Failed) } else { Ok(problems.outcome()) }
}

/// What was found in one session.
#[derive(Default)]
struct Secrets {
    exchanges: u64,
    /// Bodies that could not be looked into.
    unread: u64,
    /// By kind, message and place.
    places: BTreeMap<(String, &'static str, String), Row>,
}

#[derive(Default)]
struct Row {
    count: u64,
    exchanges: u64,
    /// The first exchanges.
    seqs: Vec<u64>,
    last_seq: Option<u64>,
}

impl Secrets {
    fn found(&mut self, seq: u64, found: Found) {
        let Found { kind, message, place, count } = found;
        let mut key = (kind, message, place);
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(&key) {
            key.2 = "(other places)".to_owned();
        }
        let row = self.places.entry(key).or_default();
        row.count += count;
        if row.last_seq != Some(seq) {
            row.last_seq = Some(seq);
            row.exchanges += 1;
            if row.seqs.len() < SEQS_SHOWN {
                row.seqs.push(seq);
            }
        }
    }

    /// The most frequent first.
    fn rows(&self) -> Vec<(&(String, &'static str, String), &Row)> {
        let mut rows: Vec<_> = self.places.iter().collect();
        rows.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        rows
    }

    fn text(&self, session: &Session) -> String {
        let mut out = format!("session  {}\n", session.path().display());
        let exchanges = units::count(self.exchanges);
        if self.places.is_empty() {
            out += &format!("  nothing found in {exchanges} exchanges\n");
        } else {
            let total = self.places.values().map(|row| row.count).sum();
            out += &format!("  {} found in {exchanges} exchanges\n\n", units::count(total));
            out += &format!("  {:>9}  {:<16} {:<44} {}\n", "count", "kind", "place", "exchanges");
        }
        let rows = self.rows();
        for ((kind, message, place), row) in rows.iter().take(ROWS_SHOWN) {
            let seqs: Vec<String> = row.seqs.iter().map(u64::to_string).collect();
            let more = if row.exchanges > row.seqs.len() as u64 { ", \u{2026}" } else { "" };
            let place = format!("{message} {place}");
            out += &format!("  {:>9}  {kind:<16} {place:<44} {}{more}\n", units::count(row.count), seqs.join(", "));
        }
        if rows.len() > ROWS_SHOWN {
            out += &format!("  \u{2026} and {} more places (--json has all)\n", rows.len() - ROWS_SHOWN);
        }
        if self.unread > 0 {
            out += &format!("  {} bodies could not be looked into as what they are\n", units::count(self.unread));
        }
        out
    }

    fn json(&self, session: &Session) -> Value {
        let row = |((kind, message, place), row): (&(String, &str, String), &Row)| {
            json!({"kind": kind, "message": message, "place": place, "count": row.count, "exchanges": row.exchanges,
                "first_seqs": row.seqs})
        };
        let found: Vec<Value> = self.rows().into_iter().map(row).collect();
        json!({"session": session.path(), "exchanges": self.exchanges, "found": found, "unread_bodies": self.unread})
    }
}
