//! What a session amounts to: told by the ends of its segments, and counted where an end says nothing.

use std::path::Path;

use formats::model::{Exchange, Gap};
use formats::session::{Event, Events, Index, Session};
use formats::summary::{Names, Summary};

use super::clients::Clients;
use crate::outcome::Failure;
use crate::read::Problems;

#[derive(Default)]
pub(super) struct Contents {
    pub(super) summary: Summary,
    /// Which summaries do not tell one by one.
    pub(super) clients: Clients,
    /// Segments of which nothing but the ends was read.
    pub(super) told: u64,
    /// Segments of which everything was read.
    pub(super) scanned: u64,
    names: Names,
    /// The latest instant so far.
    last_ns: u64,
}

impl Contents {
    /// With `scan` everything is read, whatever the ends say.
    pub(super) fn of(session: &Session, scan: bool, problems: &mut Problems) -> Result<Self, Failure> {
        let mut contents = Self::default();
        if scan {
            contents.scanned = session.segments().len() as u64;
            contents.scan(session.events(), problems)?;
            return Ok(contents);
        }
        let ends = session.indexes().zip(session.summaries());
        for (path, (index, summary)) in session.segments().iter().zip(ends) {
            match index?.zip(summary?).filter(|(index, summary)| index.agrees_with(summary)) {
                Some((index, summary)) => contents.end(&index, &summary),
                None => contents.segment(session, path, problems)?,
            }
        }
        Ok(contents)
    }

    fn end(&mut self, index: &Index, summary: &Summary) {
        self.told += 1;
        self.summary.merge(summary);
        self.clients.index(index);
        let instants = index.blocks.iter().map(|block| block.to_ns).chain(summary.gaps.values().map(|row| row.to_ns));
        self.last_ns = instants.fold(self.last_ns, u64::max);
    }

    fn segment(&mut self, session: &Session, path: &Path, problems: &mut Problems) -> Result<(), Failure> {
        self.scanned += 1;
        self.scan(session.events_of(path, self.last_ns), problems)
    }

    fn scan(&mut self, mut events: Events, problems: &mut Problems) -> Result<(), Failure> {
        for event in events.by_ref() {
            match problems.note(event)? {
                Some(Event::Exchange(exchange)) => self.exchange(&exchange),
                Some(Event::Gap(gap)) => self.gap(&gap),
                _ => {}
            }
        }
        self.last_ns = self.last_ns.max(events.last_ns());
        Ok(())
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.summary.count_with(exchange, &mut self.names);
        self.clients.exchange(exchange);
    }

    fn gap(&mut self, gap: &Gap) {
        self.summary.count_gap(gap);
    }
}
