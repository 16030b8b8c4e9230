//! Where answers come from: the session that a run kept of them, or a recording; read on a thread of its own.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use formats::session::{Event, Session};

use super::error::AnswersError;
use crate::compare::Recording;
use crate::differ::Answer;

/// Answers that go from a reader to the pairing at once, and their bytes.
const BATCH_ANSWERS_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Batches that may wait.
const BATCHES_MAX: usize = 4;

/// What a request is known by on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Number of its session.
    pub session: u32,
    /// Sequence number of the recorded exchange.
    pub seq: u64,
    /// Which life of its client.
    pub copy: u32,
}

/// Which exchanges are read, and what they are the answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Answers of a run.
    Run,
    /// The same, without copies of recorded clients.
    Originals,
    /// A recording that was the session of this number.
    Recording(u32),
}

/// A session to be read, or the sessions of a recording, one after the other.
pub(super) struct Source {
    sessions: Vec<(Session, What)>,
    /// How many exchanges there are, if it says.
    pub(super) total: Option<u64>,
    /// The key of its pseudonyms; `None` where nothing was redacted. Of sessions with different keys it is none of them.
    pub(super) key_id: Option<String>,
}

pub(super) type Batch = Vec<(Key, Answer)>;

/// What reading came to.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Copies that were left out.
    pub(super) copies: u64,
    /// What is damaged or missing, in words.
    pub(super) notices: Vec<String>,
}

/// A reader at work.
pub(super) struct Reader {
    pub(super) batches: Receiver<Batch>,
    thread: JoinHandle<Result<Read, AnswersError>>,
}

impl Source {
    pub(super) fn open(path: &Path, what: What) -> Result<Self, AnswersError> {
        Self::of(vec![(Session::open(path)?, what)])
    }

    /// Of a recording.
    pub(super) fn recording(recording: &Recording) -> Result<Self, AnswersError> {
        let sessions = recording.sessions.iter();
        Self::of(sessions.map(|one| (one.session.clone(), What::Recording(one.number))).collect())
    }

    fn of(sessions: Vec<(Session, What)>) -> Result<Self, AnswersError> {
        let mut total = Some(0);
        for index in sessions.iter().flat_map(|(session, _)| session.indexes()) {
            let exchanges = index?.map(|index| index.blocks.iter().map(|block| block.exchanges).sum::<u64>());
            total = total.zip(exchanges).map(|(sum, more)| sum + more);
        }
        let key_of = |(session, _): &(Session, What)| {
            session.header().redaction.as_ref().map(|redaction| redaction.key_id.clone())
        };
        let mut keys: Vec<Option<String>> = sessions.iter().map(key_of).collect();
        keys.dedup();
        let key_id = match keys.as_slice() {
            [one] => one.clone(),
            several => Some(several.iter().map(|key| key.as_deref().unwrap_or("none")).collect::<Vec<_>>().join(" + ")),
        };
        Ok(Self { sessions, total, key_id })
    }

    /// Starts to read; ends early when nobody takes any more.
    pub(super) fn start(self) -> Result<Reader, AnswersError> {
        let (sender, batches) = sync_channel(BATCHES_MAX);
        let spawned = std::thread::Builder::new().name("answers".into()).spawn(move || self.read(&sender));
        let thread = spawned.map_err(|source| AnswersError::Io { doing: "start a thread", source })?;
        Ok(Reader { batches, thread })
    }

    fn read(self, to: &SyncSender<Batch>) -> Result<Read, AnswersError> {
        let mut out = Out { to, read: Read::default(), batch: Vec::with_capacity(BATCH_ANSWERS_MAX), bytes: 0 };
        for (session, what) in &self.sessions {
            if !out.take_all(session, *what)? {
                return Ok(out.read);
            }
        }
        // Whoever took the batches has gone if this fails, and wants no more.
        let _ = to.send(out.batch);
        Ok(out.read)
    }
}

/// Answers on their way out.
struct Out<'a> {
    to: &'a SyncSender<Batch>,
    read: Read,
    batch: Batch,
    bytes: usize,
}

impl Out<'_> {
    /// Hands everything of a session over; false when nobody takes any more.
    fn take_all(&mut self, session: &Session, what: What) -> Result<bool, AnswersError> {
        let path = session.path().display();
        let (mut damages, mut gaps, mut missing) = (0_u64, 0_u64, 0_u64);
        for event in session.events() {
            let exchange = match event? {
                Event::Exchange(exchange) => exchange,
                Event::Damage(_) => {
                    damages += 1;
                    continue;
                }
                Event::Gap(gap) => {
                    gaps += u64::from(gap.exchanges == 0);
                    missing = missing.saturating_add(gap.exchanges);
                    continue;
                }
                Event::Unfinished { .. } => {
                    self.read.notices.push(format!("{path} ends without its index: its writer was killed"));
                    continue;
                }
                Event::Index(_) | Event::Ended { .. } => continue,
            };
            let key = match (what, exchange.replay_of) {
                (What::Recording(session), _) => Key { session, seq: exchange.seq, copy: 0 },
                (What::Run | What::Originals, None) => continue,
                (what, Some(of)) => {
                    if what == What::Originals && of.copy != 0 {
                        self.read.copies += 1;
                        continue;
                    }
                    Key { session: of.session, seq: of.seq, copy: of.copy }
                }
            };
            if !self.take(key, Answer::of(&exchange)) {
                return Ok(false);
            }
        }
        if damages > 0 {
            self.read.notices.push(format!("{path} is damaged at {damages} places: what can be read is compared"));
        }
        if missing > 0 {
            self.read.notices.push(format!("{path} says that {missing} exchanges are missing in it"));
        }
        if gaps > 0 {
            let notice = format!("{path} has {gaps} gaps in which an unknown number of exchanges is missing");
            self.read.notices.push(notice);
        }
        Ok(true)
    }

    fn take(&mut self, key: Key, answer: Answer) -> bool {
        self.bytes += answer.size();
        self.batch.push((key, answer));
        if self.batch.len() < BATCH_ANSWERS_MAX && self.bytes < BATCH_BYTES_MAX {
            return true;
        }
        self.bytes = 0;
        let full = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_ANSWERS_MAX));
        self.to.send(full).is_ok()
    }
}

impl Reader {
    /// What reading came to, once its batches are taken.
    pub(super) fn finish(self) -> Result<Read, AnswersError> {
        drop(self.batches);
        self.thread.join().unwrap_or(Err(AnswersError::Panicked))
    }
}
