//! `reenact inspect`: what is in a session, for a person or as JSON.

mod clients;
mod contents;
mod endpoints;
mod json;
mod made;
mod secrets;
mod tables;
mod text;

use contents::Contents;
use endpoints::Endpoints;

use crate::cli::InspectArgs;
use crate::names;
use crate::outcome::{self, Failure, Outcome};
use crate::read::{self, Problems};
use crate::terminal::{self, Paint};

pub(crate) fn run(args: &InspectArgs) -> Result<Outcome, Failure> {
    if args.secrets {
        return secrets::run(args);
    }
    let templates = names::given(&args.template)?;
    let mut problems = Problems::default();
    let mut reports = Vec::new();
    for session in &read::open(&args.sessions, args.identity.as_ref())? {
        let contents = Contents::of(session, args.scan, &mut problems)?;
        let endpoints = Endpoints::of(&contents.summary, &templates);
        if args.json {
            reports.push(json::report(&contents, &endpoints, session));
        } else {
            let (columns, paint) = (terminal::columns(), Paint::of_output());
            outcome::print_painted(&text::report(&contents, &endpoints, session, columns, paint));
        }
    }
    if args.json {
        outcome::print(&format!("{}\n", serde_json::Value::from(reports)));
    }
    Ok(problems.outcome())
}

/// Thousandths of a quantile and its name.
const QUANTILES: [(u64, &str); 4] = [(500, "p50"), (900, "p90"), (990, "p99"), (999, "p99.9")];
