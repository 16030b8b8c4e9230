//! One session as it is read for an edit: its exchanges and gaps on the clock of the new session, damage as gaps.
//!
//! Not here: what is kept of it, and the order among several ([`super::merge`]).

use std::collections::VecDeque;

use formats::model::{Exchange, Gap, GapReason};
use formats::session::{Damage, Event, Events, Session};

use crate::outcome::Failure;
use crate::read::Problems;

/// What is read.
#[derive(Debug)]
pub(super) enum Item {
    Exchange(Box<Exchange>),
    /// What the recorder declared.
    Gap(Gap),
    /// What was found missing now.
    Found(Gap),
}

impl Item {
    /// The instant that decides about the order among sessions: when it was over.
    pub(super) fn last_ns(&self) -> u64 {
        match self {
            Self::Exchange(exchange) => exchange.last_ns(),
            Self::Gap(gap) | Self::Found(gap) => gap.to_ns,
        }
    }
}

/// A session being read, in the memory of one of its blocks.
pub(super) struct Input {
    events: Events,
    /// What its instants are moved by.
    move_ns: u64,
    ready: VecDeque<Item>,
    /// The latest instant so far.
    last_ns: u64,
    /// What is missing since then, first what is counted and then what is not; where it ends is known when something follows.
    missing: [Option<Gap>; 2],
    is_over: bool,
}

impl Input {
    pub(super) fn new(session: &Session, move_ns: u64) -> Self {
        Self {
            events: session.events(),
            move_ns,
            ready: VecDeque::new(),
            last_ns: 0,
            missing: [None, None],
            is_over: false,
        }
    }

    /// The next exchange or gap.
    pub(super) fn next(&mut self, problems: &mut Problems) -> Result<Option<Item>, Failure> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.events.next() {
                Some(event) => self.take(event?, problems)?,
                None => {
                    self.is_over = true;
                    self.close(self.last_ns);
                }
            }
        }
    }

    fn take(&mut self, event: Event, problems: &mut Problems) -> Result<(), Failure> {
        // A tail that was cut off is counted by what is said of the end.
        if let Event::Damage(Damage { len, exchanges, is_tail: false, .. }) = &event {
            self.miss(*exchanges, *len);
        }
        let is_found = matches!(event, Event::Unfinished { .. });
        match problems.note(Ok(event))? {
            Some(Event::Exchange(mut exchange)) => {
                exchange.move_by(self.move_ns);
                self.close(exchange.last_ns());
                self.last_ns = self.last_ns.max(exchange.last_ns());
                self.ready.push_back(Item::Exchange(exchange));
            }
            Some(Event::Gap(mut gap)) => {
                gap.move_by(self.move_ns);
                if is_found {
                    self.close(gap.from_ns);
                }
                self.ready.push_back(if is_found { Item::Found(gap) } else { Item::Gap(gap) });
            }
            _ => {}
        }
        Ok(())
    }

    /// A sum of both kinds of gaps would say less than is missing.
    fn miss(&mut self, exchanges: Option<u64>, bytes: u64) {
        let [counted, uncounted] = &mut self.missing;
        let (missing, exchanges) = match exchanges {
            // It cost nothing.
            Some(0) => return,
            Some(exchanges) => (counted, exchanges),
            None => (uncounted, 0),
        };
        let gap = missing.get_or_insert(Gap {
            reason: GapReason::DamagedBlock,
            from_ns: self.last_ns,
            to_ns: self.last_ns,
            connections: 0,
            exchanges: 0,
            bytes: 0,
        });
        gap.exchanges = gap.exchanges.saturating_add(exchanges);
        gap.bytes = gap.bytes.saturating_add(bytes);
    }

    /// Ends what is missing, if something is.
    fn close(&mut self, at_ns: u64) {
        for mut gap in self.missing.iter_mut().filter_map(Option::take) {
            gap.to_ns = gap.to_ns.max(at_ns);
            self.ready.push_back(Item::Found(gap));
        }
    }
}
