//! `reenact edit`: sessions become a new one, or several: cut, thinned, without bodies, redacted again, merged, split.
//!
//! What is read goes through once, exchange by exchange, in the memory of one block of each input and one of each part
//! that is written. How requests are changed is the replay's business (docs/rewriting.md); here its rules are only called.

mod bodies;
mod chosen;
mod config;
mod folder;
mod input;
mod merge;
mod origin;
mod output;
mod rewriting;
mod said;
mod summary;
mod words;

use std::path::Path;

use formats::model::{Exchange, Gap};
use formats::session::Session;
use log::Level;

use bodies::Bodies;
use chosen::Chosen;
use config::Asked;
use folder::Folder;
use input::Item;
use merge::{Merge, Merged};
use origin::Origin;
use output::Output;
use said::Seen;
use summary::Summary;
pub(crate) use words::{DropBodies, Shift, SplitBy};

use crate::cli::{EditArgs, VerifyArgs};
use crate::command_line::Values;
use crate::logging::say;
use crate::outcome::{self, Failure, Outcome};
use crate::read::{self, Problems};

pub(crate) fn run(args: EditArgs, values: &Values) -> Result<Outcome, Failure> {
    edit(&Asked::check(args, values)?)
}

/// Writes what can be read of sessions into a new one, in which everything else is a gap.
pub(crate) fn repair(args: &VerifyArgs, out: &Path) -> Result<Outcome, Failure> {
    edit(&Asked::repair(args, out)?)
}

fn edit(asked: &Asked) -> Result<Outcome, Failure> {
    let sessions = read::open(&asked.sessions, asked.identity.as_ref())?;
    folder::refuse_twice(&sessions)?;
    let origin = Origin::of(&sessions, asked)?;
    let chosen = Chosen::of(asked, origin.start_unix_ns)?;
    let recipients = asked.encryption.recipients(&sessions)?;
    let folder = Folder::create(&asked.out, asked.split_by.is_some(), &sessions)?;
    let from_ns = chosen.from_ns.unwrap_or(0);
    let mut edit = Edit {
        chosen,
        origin: &origin,
        bodies: Bodies::new(asked.drop_bodies.clone()),
        output: Output::new(folder, &origin, asked.split_by, from_ns, asked.writer, recipients)?,
        asked,
        seen: Seen::default(),
        summary: Summary { bytes_before: bytes(&sessions)?, ..Summary::default() },
    };
    let mut problems = Problems::default();
    let inputs = sessions.iter().zip(&origin.moves_ns).zip(&origin.spaces);
    let inputs = inputs.map(|((session, move_ns), space)| (session, *move_ns, *space));
    let mut merge = Merge::new(inputs, &mut problems)?;
    while let Some(Merged { item, space }) = merge.next(&mut problems)? {
        match item {
            Item::Exchange(exchange) => edit.exchange(*exchange, space)?,
            Item::Gap(gap) => edit.gap(gap, false)?,
            Item::Found(gap) => edit.gap(gap, true)?,
        }
    }
    let summary = edit.finish(&sessions)?;
    for warning in &summary.warnings {
        say(Level::Warn, &format!("warning: {warning}"));
    }
    for note in &summary.notes {
        say(Level::Info, &format!("note: {note}"));
    }
    if asked.json {
        outcome::print(&format!("{}\n", summary.json()));
    } else {
        summary.text().lines().for_each(|line| say(Level::Info, line));
    }
    Ok(problems.outcome())
}

struct Edit<'a> {
    chosen: Chosen<'a>,
    origin: &'a Origin,
    bodies: Bodies,
    output: Output<'a>,
    asked: &'a Asked,
    seen: Seen,
    summary: Summary,
}

impl Edit<'_> {
    fn exchange(&mut self, mut exchange: Exchange, space: u64) -> Result<(), Failure> {
        self.summary.read += 1;
        if let Some(why) = self.chosen.leaves_out(&exchange) {
            *self.summary.left_out.entry(why).or_default() += 1;
            return Ok(());
        }
        self.summary.kept += 1;
        self.seen.exchange(&exchange);
        if let Some(rewriting) = &self.asked.rewriting {
            rewriting.apply(&self.asked.templates, &mut exchange, &mut self.summary.rewritten);
        }
        self.bodies.apply(&mut exchange);
        if let Some(again) = &self.asked.redaction {
            again.redactor.redact(&mut exchange);
        }
        self.origin.adopt(&mut exchange, space)?;
        self.output.exchange(&mut exchange)
    }

    fn gap(&mut self, gap: Gap, is_found: bool) -> Result<(), Failure> {
        if !self.chosen.has_gap(&gap) {
            self.summary.gaps_left_out += 1;
            return Ok(());
        }
        self.summary.gaps_kept += 1;
        self.summary.gaps_found += u64::from(is_found);
        self.seen.gap(&gap);
        self.output.gap(gap)
    }

    fn finish(self, sessions: &[Session]) -> Result<Summary, Failure> {
        let Self { output, mut summary, seen, asked, bodies, .. } = self;
        summary.made = output.finish()?;
        summary.bodies = bodies.dropped;
        seen.say(&mut summary, sessions, asked, &bodies);
        Ok(summary)
    }
}

/// What the sessions take on the disk.
fn bytes(sessions: &[Session]) -> Result<u64, Failure> {
    let mut bytes = 0;
    for path in sessions.iter().flat_map(Session::segments) {
        let metadata = std::fs::metadata(path);
        bytes += metadata.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?.len();
    }
    Ok(bytes)
}
