//! `reenact verify`: whether every byte of a session is as it was written.

use formats::session::{Event, Session};
use serde_json::json;

use crate::cli::VerifyArgs;
use crate::outcome::{self, Failure, Outcome};
use crate::{edit, read, units};

pub(crate) fn run(args: &VerifyArgs) -> Result<Outcome, Failure> {
    let mut failed = false;
    let mut reports = Vec::new();
    for session in read::open(&args.sessions, args.identity.as_ref())? {
        let verified = verify(&session)?;
        failed |= !verified.is_intact();
        if args.json {
            reports.push(verified.json(&session));
        } else {
            outcome::print(&verified.text(&session));
        }
    }
    if args.json {
        outcome::print(&format!("{}\n", serde_json::Value::from(reports)));
    }
    if let Some(out) = &args.repair {
        edit::repair(args, out)?;
    }
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

#[derive(Default)]
struct Verified {
    exchanges: u64,
    indexed: u64,
    gaps: u64,
    damage: Vec<formats::session::Damage>,
    unfinished: Vec<(std::path::PathBuf, bool)>,
    /// Segments whose index and summary speak of different exchanges.
    contradictions: Vec<std::path::PathBuf>,
    /// Whether the last segment says that the session ends with it.
    is_ended: bool,
}

fn verify(session: &Session) -> Result<Verified, Failure> {
    let mut verified = Verified::default();
    for (path, (index, summary)) in session.segments().iter().zip(session.indexes().zip(session.summaries())) {
        if index?.zip(summary?).is_some_and(|(index, summary)| !index.agrees_with(&summary)) {
            verified.contradictions.push(path.clone());
        }
    }
    for event in session.events() {
        match event? {
            Event::Exchange(_) => verified.exchanges += 1,
            Event::Gap(_) => verified.gaps += 1,
            Event::Damage(damage) => verified.damage.push(damage),
            Event::Unfinished { path, writing, .. } => verified.unfinished.push((path, writing)),
            Event::Ended { is_last } => verified.is_ended = is_last,
            Event::Index(index) => {
                verified.indexed += index.clients.values().map(|client| client.exchanges).sum::<u64>()
            }
        }
    }
    Ok(verified)
}

impl Verified {
    /// A session that is still being written is as good as it can be.
    fn is_intact(&self) -> bool {
        self.damage.is_empty()
            && self.contradictions.is_empty()
            && self.unfinished.iter().all(|(_, writing)| *writing)
            && self.index_fits()
    }

    /// Where every segment has its index, they count exactly what was read.
    fn index_fits(&self) -> bool {
        !self.unfinished.is_empty() || !self.damage.is_empty() || self.indexed == self.exchanges
    }

    fn text(&self, session: &Session) -> String {
        let mut out = String::new();
        for damage in &self.damage {
            out += &format!("damaged: {}\n", read::damage_text(damage));
        }
        for (path, writing) in &self.unfinished {
            let why = if *writing {
                "is being written"
            } else {
                "the end is missing: its recorder was killed before it could close it"
            };
            out += &format!("{}: {}: {why}\n", if *writing { "note" } else { "unfinished" }, path.display());
        }
        if !self.index_fits() {
            out +=
                &format!("damaged: the index counts {} exchanges, the blocks hold {}\n", self.indexed, self.exchanges);
        }
        for path in &self.contradictions {
            out += &format!("damaged: {}: its index and its summary contradict each other\n", path.display());
        }
        if self.unfinished.is_empty() && !self.is_ended {
            out += "note: the last segment does not say that the session ends with it: later ones may be missing\n";
        }
        let verdict = if self.is_intact() { "intact" } else { "NOT intact" };
        out + &format!(
            "{}: {verdict}: {} exchanges in {} segments, {} declared gaps\n",
            session.path().display(),
            units::count(self.exchanges),
            session.segments().len(),
            self.gaps
        )
    }

    fn json(&self, session: &Session) -> serde_json::Value {
        let damage = |damage: &formats::session::Damage| json!({"file": damage.path, "byte": damage.at, "bytes": damage.len, "what": damage.what, "exchanges_lost": damage.exchanges});
        let unfinished = |(path, writing): &(std::path::PathBuf, bool)| json!({"file": path, "being_written": writing});
        json!({
            "session": session.path(),
            "intact": self.is_intact(),
            "exchanges": self.exchanges,
            "segments": session.segments().len(),
            "gaps": self.gaps,
            "ended": self.is_ended,
            "contradictions": self.contradictions,
            "damage": self.damage.iter().map(damage).collect::<Vec<_>>(),
            "unfinished": self.unfinished.iter().map(unfinished).collect::<Vec<_>>(),
        })
    }
}
