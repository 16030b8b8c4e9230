//! Which part of the sessions is planned, and what tells that choice from others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use formats::endpoint::{Learner, Templates};
use formats::head;
use formats::session::{Event, Session};
use replayer::survey::{Beyond, Selection, Survey};

use super::{Planned, seconds};
use crate::cli::LoadArgs;
use crate::outcome::Failure;
use crate::plan_file;
use crate::read;
use crate::units;

/// The sessions of a plan; what is given twice would be sent twice.
pub(super) fn sessions(args: &LoadArgs) -> Result<Vec<Session>, Failure> {
    let sessions = read::open(&args.sessions, args.identity.as_ref())?;
    let mut seen = BTreeSet::new();
    for session in &sessions {
        for file in session.segments() {
            if !seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
                let session = session.path().display();
                return Err(Failure::new(format!("{session} is given twice, and would be sent twice"))
                    .hint("a larger --rate sends more, with the recorded shape; --repeat N sends it again"));
            }
        }
    }
    Ok(sessions)
}

/// `--from`, `--to` and `--filter`, with the names that the filter may ask for.
pub(super) fn selection(args: &LoadArgs, sessions: &[Session], given: Templates) -> Result<Selection, Failure> {
    let start = sessions.iter().map(|session| session.header().started_unix_ns).min().unwrap_or(0);
    // From the recording's start on is everything.
    let from = args.from.filter(|from| *from != units::When::After(Duration::ZERO));
    let (from_ns, to_ns) = (from.map(|when| when.after(start)), args.to.map(|when| when.after(start)));
    if from_ns.unwrap_or(0) >= to_ns.unwrap_or(u64::MAX) {
        return Err(Failure::new("--from is not before --to").hint("nothing of the recording lies between them"));
    }
    let templates = if args.learn_templates { learn(sessions, given)? } else { given };
    Ok(Selection { from_ns, to_ns, filter: args.filter.clone(), templates: Arc::new(templates) })
}

/// The given templates, and those that the whole sessions show, whatever is chosen of them: names do not change with it.
fn learn(sessions: &[Session], given: Templates) -> Result<Templates, Failure> {
    let mut learner = Learner::new(given);
    for session in sessions {
        for event in session.events() {
            if let Event::Exchange(exchange) = event?
                && let Some(line) = head::request_line(&exchange.request.head)
            {
                learner.see(line.target);
            }
        }
    }
    Ok(learner.into_templates())
}

/// The exchanges that no map and no target is for, told from others by their places in their sessions.
#[derive(Default)]
pub(super) struct Unmapped {
    count: u64,
    mark: u64,
}

impl Unmapped {
    /// In the order of their sessions.
    pub(super) fn add(&mut self, session: u32, seq: u64) {
        self.count += 1;
        let place = seq ^ u64::from(session) << 40;
        self.mark = (self.mark ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    }
}

/// What tells this choice of exchanges from others.
pub(super) fn identity(
    sessions: &[Session],
    args: &LoadArgs,
    selection: &Selection,
    survey: &Survey,
    rules: &str,
    unmapped: &Unmapped,
) -> String {
    let ids: Vec<&str> = sessions.iter().map(|session| session.header().session_id.as_str()).collect();
    let Selection { from_ns, to_ns, .. } = selection;
    let mut identity = format!("{ids:?} {} {from_ns:?} {to_ns:?} {:?} {rules}", survey.exchanges, args.unsafe_methods);
    // Plans without these keep the hash that they always had.
    if let Some(filter) = &args.filter {
        identity += &format!("\nfilter {filter}");
    }
    if !args.template.is_empty() || args.learn_templates {
        identity += &format!("\ntemplates {} {}", args.learn_templates, plan_file::templates(args));
    }
    if unmapped.count > 0 {
        identity += &format!("\nwithout {} {:016x}", unmapped.count, unmapped.mark);
    }
    identity
}

impl Planned {
    /// Where less is planned than `--from` and `--to` ask for, since no more was recorded.
    pub(crate) fn part_notices(&self) -> impl Iterator<Item = String> {
        let Beyond { first_ns, last_ns } = self.survey.beyond;
        let said = |end_ns: Option<u64>, flag: &str, which: &str, does: &str| {
            end_ns.map(|end_ns| {
                let at = units::seconds(seconds(end_ns));
                format!(
                    "{flag} lies {which} recorded request, with which the plan {does}: {at} from the recording's start"
                )
            })
        };
        let first = said(first_ns, "--from", "before the first", "begins");
        first.into_iter().chain(said(last_ns, "--to", "behind the last", "ends"))
    }
}
