//! Where answers come from: the session that a run kept of them, or a recording; read on a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use formats::session::{Event, Session};

use super::error::AnswersError;
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

/// A session to be read.
pub(super) struct Source {
    pub(super) path: PathBuf,
    session: Session,
    what: What,
    /// How many exchanges there are, if it says.
    pub(super) total: Option<u64>,
    /// The key of its pseudonyms; `None` where nothing was redacted.
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
        let session = Session::open(path)?;
        let mut total = Some(0);
        for index in session.indexes() {
            let exchanges = index?.map(|index| index.blocks.iter().map(|block| block.exchanges).sum::<u64>());
            total = total.zip(exchanges).map(|(sum, more)| sum + more);
        }
        let key_id = session.header().redaction.as_ref().map(|redaction| redaction.key_id.clone());
        Ok(Self { path: path.to_owned(), session, what, total, key_id })
    }

    /// Starts to read; ends early when nobody takes any more.
    pub(super) fn start(self) -> Result<Reader, AnswersError> {
        let (sender, batches) = sync_channel(BATCHES_MAX);
        let spawned = std::thread::Builder::new().name("answers".into()).spawn(move || self.read(&sender));
        let thread = spawned.map_err(|source| AnswersError::Io { doing: "start a thread", source })?;
        Ok(Reader { batches, thread })
    }

    fn read(self, to: &SyncSender<Batch>) -> Result<Read, AnswersError> {
        let mut read = Read::default();
        let (mut batch, mut bytes) = (Vec::with_capacity(BATCH_ANSWERS_MAX), 0);
        let path = self.path.display();
        let (mut damages, mut missing) = (0_u64, 0);
        for event in self.session.events() {
            let exchange = match event? {
                Event::Exchange(exchange) => exchange,
                Event::Damage(_) => {
                    damages += 1;
                    continue;
                }
                Event::Gap(gap) => {
                    missing += gap.exchanges;
                    continue;
                }
                Event::Unfinished { .. } => {
                    read.notices.push(format!("{path} ends without its index: its writer was killed"));
                    continue;
                }
                Event::Index(_) | Event::Ended { .. } => continue,
            };
            let key = match (self.what, exchange.replay_of) {
                (What::Recording(session), _) => Key { session, seq: exchange.seq, copy: 0 },
                (What::Run | What::Originals, None) => continue,
                (what, Some(of)) => {
                    if what == What::Originals && of.copy != 0 {
                        read.copies += 1;
                        continue;
                    }
                    Key { session: of.session, seq: of.seq, copy: of.copy }
                }
            };
            let answer = Answer::of(&exchange);
            bytes += answer.size();
            batch.push((key, answer));
            if batch.len() >= BATCH_ANSWERS_MAX || bytes >= BATCH_BYTES_MAX {
                bytes = 0;
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ANSWERS_MAX));
                if to.send(full).is_err() {
                    return Ok(read);
                }
            }
        }
        // Whoever took the batches has gone if this fails, and wants no more.
        let _ = to.send(batch);
        if damages > 0 {
            read.notices.push(format!("{path} is damaged at {damages} places: what can be read is compared"));
        }
        if missing > 0 {
            read.notices.push(format!("{path} says that {missing} exchanges are missing in it"));
        }
        Ok(read)
    }
}

impl Reader {
    /// What reading came to, once its batches are taken.
    pub(super) fn finish(self) -> Result<Read, AnswersError> {
        drop(self.batches);
        self.thread.join().unwrap_or(Err(AnswersError::Panicked))
    }
}
