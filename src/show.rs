//! `reenact cat --show`: single exchanges, laid out for a person.
//!
//! Everything that traffic said passes through [`formats::visible`] before it is laid out or coloured.

mod body;
mod facts;
mod hex;
mod json;
mod message;
mod timeline;
mod wanted;

use std::collections::VecDeque;
use std::io::Write;

use formats::model::{Exchange, Gap};
use formats::session::{self, Event, Session};
use formats::visible;

pub(crate) use wanted::Wanted;

use crate::outcome::{Failure, Outcome};
use crate::read::Problems;
use crate::terminal::{self, Paint};
use wanted::There;

/// Exchanges that wait for gaps that were written after them.
const WAITING_MAX: usize = 16;
/// Exchanges that are read after the last one asked for, for the sake of such gaps.
const LOOK_AHEAD: u64 = 1_000;

/// Gaps that are remembered: those near an exchange stand near it in the file.
const GAPS_MAX: usize = 1_000;

/// How exchanges are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) columns: usize,
    pub(crate) paint: Paint,
    /// Bytes of a body that are shown; `None` is 64 KiB of text and 1 KiB of what is none.
    pub(crate) bytes_max: Option<u64>,
}

impl Look {
    pub(crate) fn of_output(bytes_max: Option<u64>) -> Self {
        Self { columns: terminal::columns(), paint: Paint::of_output(), bytes_max }
    }
}

/// Prints what is wanted of each session.
pub(crate) fn run(sessions: &[Session], wanted: &[Wanted], look: Look) -> Result<Outcome, Failure> {
    let mut problems = Problems::default();
    let mut found = vec![false; wanted.len()];
    let first = wanted.iter().map(|some| some.first).min().unwrap_or(0);
    let last = wanted.iter().map(|some| some.last).max().unwrap_or(0).saturating_add(LOOK_AHEAD);
    for session in sessions {
        let mut showing = Showing { session, look, waiting: VecDeque::new(), gaps: VecDeque::new(), printed: 0 };
        // Blocks that hold none of these are not read.
        for event in session.wanted(session::Wanted { seqs: Some((first, last)), ..session::Wanted::default() }) {
            match problems.note(event)? {
                Some(Event::Exchange(exchange)) => {
                    let asked = wanted.iter().zip(&mut found).filter(|(some, _)| some.contains(exchange.seq));
                    if asked.map(|(_, found)| *found = true).count() > 0 && !showing.take(*exchange)? {
                        return Ok(problems.outcome());
                    }
                }
                Some(Event::Gap(gap)) => showing.gap(gap),
                _ => {}
            }
        }
        if !showing.end()? {
            return Ok(problems.outcome());
        }
    }
    let missing: Vec<String> =
        wanted.iter().zip(&found).filter(|(_, found)| !**found).map(|(some, _)| some.to_string()).collect();
    if missing.is_empty() {
        return Ok(problems.outcome());
    }
    let there = sessions.iter().map(there).collect::<Result<Vec<_>, _>>()?;
    Err(Failure::new(format!("there is no exchange {}", missing.join(", "))).hint(there.join("; ")))
}

/// Which exchanges a session has.
fn there(session: &Session) -> Result<String, Failure> {
    let mut seen = There::default();
    for event in session.events() {
        if let Event::Exchange(exchange) = event? {
            seen.saw(exchange.seq);
        }
    }
    Ok(format!("{} has {seen}", visible::line(&session.path().display().to_string())))
}

struct Showing<'a> {
    session: &'a Session,
    look: Look,
    waiting: VecDeque<Exchange>,
    /// The newest.
    gaps: VecDeque<Gap>,
    printed: u64,
}

impl Showing<'_> {
    /// False when the reader of our output has gone away.
    fn take(&mut self, exchange: Exchange) -> Result<bool, Failure> {
        self.waiting.push_back(exchange);
        while self.waiting.len() > WAITING_MAX {
            if !self.print_first()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn gap(&mut self, gap: Gap) {
        if self.gaps.len() >= GAPS_MAX {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap);
    }

    fn end(mut self) -> Result<bool, Failure> {
        while !self.waiting.is_empty() {
            if !self.print_first()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn print_first(&mut self) -> Result<bool, Failure> {
        let Some(exchange) = self.waiting.pop_front() else { return Ok(true) };
        let mut text = String::new();
        if self.printed > 0 {
            text.push('\n');
        }
        self.printed += 1;
        text += &exchange_text(&exchange, self.session, &self.gaps, self.look);
        match std::io::stdout().lock().write_all(text.as_bytes()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::new(format!("cannot write the output: {error}"))),
            Ok(()) => Ok(true),
        }
    }
}

fn exchange_text(exchange: &Exchange, session: &Session, gaps: &VecDeque<Gap>, look: Look) -> String {
    let mut out = facts::text(exchange, session, gaps, look);
    out += &timeline::text(exchange, look);
    out += &message::request(exchange, look);
    out += &message::answer(exchange, look);
    out
}
