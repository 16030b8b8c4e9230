//! Reading a session: every exchange and gap in the order of the files, and every damage by place.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::block::BlockReader;
use super::damage::{Damage, Damages};
use super::frame::{self, FILE_HEAD_LEN, Found, Look, Record, Scanner, kind};
use super::kept::Kept;
use super::packed;
use super::reader::{decode_index, index_at_end, io, is_locked, open_segment};
use super::{BlockEntry, Index, SessionError, SessionHeader, gap};
use crate::model::{ClientKey, Exchange, Gap, GapReason};
use crate::seal::Identities;

/// What reading a session yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An exchange.
    Exchange(Box<Exchange>),
    /// A gap that the recorder declared.
    Gap(Gap),
    /// A place where the file is damaged.
    Damage(Damage),
    /// A segment ends without its index: its writer was killed (`writing` false) or is still at work (`writing` true).
    Unfinished {
        /// The segment.
        path: PathBuf,
        /// Whether its writer holds it.
        writing: bool,
        /// What is missing behind it, where nobody goes on with it: a gap of reason [`GapReason::Unfinished`] that stands
        /// in no file. None where a later segment follows, which begins with what its writer had lost.
        missing: Option<Gap>,
    },
    /// A segment's index.
    Index(Index),
    /// A segment's end; `is_last` where the session ends with it.
    Ended {
        /// Whether no segment follows.
        is_last: bool,
    },
}

/// Which part of a session is wanted. Blocks that cannot hold any of it are not read, and damage inside of them is not met:
/// where a segment has its index, by that; where it has none, by what stands in front of a block's content, which is believed
/// only when the block's checksum fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Requests that began at or after this instant, in nanoseconds since the session's origin.
    pub from_ns: Option<u64>,
    /// Requests that began before this instant.
    pub to_ns: Option<u64>,
    /// Sequence numbers from the first to the last.
    pub seqs: Option<(u64, u64)>,
    /// Exchanges of this client; of use where a segment has its index.
    pub client: Option<ClientKey>,
}

impl Wanted {
    /// Whether only time chooses, so that every block that is not read is known by its numbers.
    fn is_of_time(&self) -> bool {
        self.seqs.is_none() && self.client.is_none()
    }

    pub(super) fn may_be_in(&self, block: &BlockEntry) -> bool {
        let last = block.first_seq.saturating_add(block.exchanges.saturating_sub(1));
        self.from_ns.is_none_or(|from_ns| from_ns <= block.to_ns)
            && self.to_ns.is_none_or(|to_ns| block.from_ns < to_ns)
            && self.seqs.is_none_or(|(first, end)| first <= last && block.first_seq <= end)
    }
}

/// Iterator over a session.
pub struct Events {
    segments: VecDeque<PathBuf>,
    identities: Option<Arc<Identities>>,
    wanted: Wanted,
    current: Option<Current>,
    ready: VecDeque<Event>,
    so_far: SoFar,
    /// Whether segments follow those that are read.
    is_followed: bool,
}

/// What is known by what was read.
#[derive(Debug, Clone, Copy, Default)]
struct SoFar {
    /// The sequence number that the next block should begin with.
    next_seq: Option<u64>,
    /// The latest instant.
    last_ns: u64,
}

impl SoFar {
    fn at(&mut self, instant_ns: u64) {
        self.last_ns = self.last_ns.max(instant_ns);
    }
}

struct Current {
    path: PathBuf,
    scanner: Scanner,
    ended: bool,
    block: Option<Block>,
    /// By their place, those of a segment of which a part is wanted, if it has its index.
    known: Option<Arc<HashMap<u64, BlockEntry>>>,
    kept: Kept,
    /// Bad places since the last block.
    damages: Damages,
}

/// The block being handed out.
struct Block {
    reader: BlockReader,
    next_seq: u64,
    left: u64,
    at: u64,
    len: u64,
}

impl Iterator for Events {
    type Item = Result<Event, SessionError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let Some(current) = &mut self.current else {
                let path = self.segments.pop_front()?;
                match Current::open(path, self.identities.as_deref(), &self.wanted, &mut self.ready) {
                    Ok((current, segment)) => {
                        // Where not all is read, any number may be the first.
                        if segment == Some(1) && self.wanted.is_of_time() {
                            self.so_far.next_seq = Some(0);
                        }
                        self.current = Some(current);
                    }
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            if let Some(event) = current.next_exchange() {
                return Some(Ok(event));
            }
            if let Err(error) = self.advance() {
                self.current = None;
                return Some(Err(error));
            }
        }
    }
}

impl Events {
    pub(super) fn new(segments: Vec<PathBuf>, identities: Option<Arc<Identities>>, wanted: Wanted) -> Self {
        let (segments, ready, so_far) = (segments.into(), VecDeque::new(), SoFar::default());
        Self { segments, identities, wanted, current: None, ready, so_far, is_followed: false }
    }

    /// Of a part of a session: the latest instant of what stands before it, and whether segments follow.
    pub(super) fn part(mut self, last_ns: u64, is_followed: bool) -> Self {
        self.so_far.at(last_ns);
        self.is_followed = is_followed;
        self
    }

    /// The latest instant that is known by what was read, in nanoseconds since the session's origin.
    #[must_use]
    pub fn last_ns(&self) -> u64 {
        self.so_far.last_ns
    }

    /// Reads the next record of the current segment.
    fn advance(&mut self) -> Result<(), SessionError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let found = current.scanner.next().map_err(io("read", &current.path))?;
        if !self.wanted.is_of_time() {
            self.so_far.next_seq = None;
        }
        match found {
            Found::Record(record) => {
                let path = current.path.clone();
                current.take(record, &mut self.ready, &mut self.so_far).map_err(io("read", &path))?;
            }
            Found::Left(left) => {
                let entry = current.known_at(left.at).or_else(|| packed::entry(&left.begins, left.at));
                current.pass(entry, &mut self.ready, &mut self.so_far);
            }
            // What is wrong in a block that nobody wants is not met.
            Found::Bad(bad) if current.known_at(bad.at).is_some_and(|entry| !self.wanted.may_be_in(&entry)) => {
                current.pass(current.known_at(bad.at), &mut self.ready, &mut self.so_far);
            }
            Found::Bad(bad) => {
                let cut_off = bad.at_end && is_locked(&current.path);
                if !cut_off {
                    current.damages.note(bad.at, bad.len, bad.what.to_owned(), None);
                }
            }
            Found::End => {
                if current.damages.is_open() {
                    self.so_far.next_seq = None;
                }
                let is_followed = self.is_followed || !self.segments.is_empty();
                self.ready.extend(current.end(self.so_far.last_ns, is_followed));
                self.current = None;
            }
        }
        Ok(())
    }
}

impl Current {
    fn open(
        path: PathBuf,
        identities: Option<&Identities>,
        wanted: &Wanted,
        ready: &mut VecDeque<Event>,
    ) -> Result<(Self, Option<u64>), SessionError> {
        let (mut scanner, header) = open_segment(&path, identities)?;
        if scanner.is_head_damaged() {
            let what = "the head of the file is damaged".to_owned();
            let len = FILE_HEAD_LEN as u64;
            let (exchanges, is_tail) = (Some(0), false);
            ready.push_back(Event::Damage(Damage { path: path.clone(), at: 0, len, what, exchanges, is_tail }));
        }
        let mut known = None;
        if *wanted != Wanted::default() {
            known = set_skip(&mut scanner, wanted).map_err(io("read", &path))?;
        }
        // What is bad of its header is found when it is read again.
        let damages = Damages::of(&path);
        let segment = header.map(|header| header.segment);
        let current = Self { path, scanner, ended: false, block: None, known, kept: Kept::default(), damages };
        Ok((current, segment))
    }

    /// What the index says of the block at a place.
    fn known_at(&self, at: u64) -> Option<BlockEntry> {
        self.known.as_ref()?.get(&at).copied()
    }

    /// Goes past a block that is not wanted.
    fn pass(&mut self, entry: Option<BlockEntry>, ready: &mut VecDeque<Event>, so_far: &mut SoFar) {
        let Some(entry) = entry else {
            so_far.next_seq = None;
            return;
        };
        so_far.at(entry.to_ns);
        let (damages, _) = self.damages.jump(entry.offset, so_far.next_seq, entry.first_seq);
        ready.extend(damages);
        so_far.next_seq = Some(entry.first_seq.saturating_add(entry.exchanges));
    }

    /// What is told at the end of the file.
    fn end(&mut self, last_ns: u64, is_followed: bool) -> Vec<Event> {
        if self.ended {
            return self.damages.tell(None);
        }
        let (path, writing) = (self.path.clone(), is_locked(&self.path));
        if writing || is_followed {
            let mut told = self.damages.tell(None);
            told.push(Event::Unfinished { path, writing, missing: None });
            return told;
        }
        let (mut told, bytes) = self.damages.tell_cut_off(self.scanner.at());
        // How many exchanges, of how many connections, and until when, is known to nobody.
        let reason = GapReason::Unfinished;
        let missing = Gap { reason, from_ns: last_ns, to_ns: last_ns, connections: 0, exchanges: 0, bytes };
        told.push(Event::Unfinished { path, writing, missing: Some(missing) });
        told
    }

    fn take(&mut self, record: Record, ready: &mut VecDeque<Event>, so_far: &mut SoFar) -> std::io::Result<()> {
        let len = record.len;
        if record.missing_before {
            self.damages.note_missing(record.at, "encrypted records before this one are missing");
        }
        match record.kind {
            kind::BLOCK => match packed::open(&record.payload) {
                Ok((mut reader, entry)) => {
                    let (damages, _) = self.damages.jump(record.at, so_far.next_seq, entry.first_seq);
                    ready.extend(damages);
                    so_far.next_seq = Some(entry.first_seq + entry.exchanges);
                    so_far.at(entry.to_ns);
                    self.kept.lend(entry.first_seq, record.at, &mut reader, &mut self.scanner)?;
                    let (next_seq, left) = (entry.first_seq, entry.exchanges);
                    self.block = Some(Block { reader, next_seq, left, at: record.at, len });
                }
                Err(what) => self.damages.note(record.at, len, what, None),
            },
            kind::GAP => match gap::decode(&record.payload) {
                Ok(gap) => {
                    if matches!(gap.reason, GapReason::WriteFailed | GapReason::Panicked) {
                        // What the writer lost took its sequence numbers with it, and this gap counts it.
                        so_far.next_seq = None;
                    }
                    so_far.at(gap.to_ns);
                    ready.push_back(Event::Gap(gap));
                }
                Err(what) => self.damages.note(record.at, len, what, None),
            },
            kind::INDEX => match decode_index(&record.payload) {
                Ok(index) => {
                    // The index knows how many exchanges there were, also where the last blocks are gone.
                    let end = index.blocks.last().map(|last| last.first_seq.saturating_add(last.exchanges));
                    if let Some(end) = end.or(so_far.next_seq) {
                        let (damages, missing) = self.damages.jump(record.at, so_far.next_seq, end);
                        ready.extend(damages);
                        so_far.next_seq = missing.map(|_| end).or(so_far.next_seq);
                    }
                    ready.extend(self.damages.tell(None));
                    ready.push_back(Event::Index(index));
                }
                Err(what) => self.damages.note(record.at, len, what, None),
            },
            kind::END if record.payload.len() == frame::END_LEN => {
                self.ended = true;
                ready.push_back(Event::Ended { is_last: frame::long(&record.payload, 16) & 1 != 0 });
            }
            kind::END => self.damages.note(record.at, len, "the end of a segment is no such thing".to_owned(), None),
            kind::HEADER | kind::PRIVATE_HEADER => {
                if let Err(error) = serde_json::from_slice::<SessionHeader>(&record.payload) {
                    self.damages.note(record.at, len, format!("a header: {error}"), None);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn next_exchange(&mut self) -> Option<Event> {
        let block = self.block.as_mut().filter(|block| block.left > 0)?;
        let (at, len) = (block.at, block.len);
        match block.reader.take(block.next_seq) {
            Ok(exchange) => {
                block.left -= 1;
                block.next_seq += 1;
                if block.left == 0
                    && let Err(what) = block.reader.check_rest()
                {
                    self.damages.note(at, len, what, Some(0));
                }
                Some(Event::Exchange(Box::new(exchange)))
            }
            Err(what) => {
                // The checksum fitted, so the writer wrote it so; what follows in this block cannot be found.
                let lost = std::mem::take(&mut block.left);
                self.damages.note(at, len, what, Some(lost));
                None
            }
        }
    }
}

/// Makes a scanner leave out blocks that hold nothing wanted, and gives the blocks that the segment's index knows, if it has
/// one.
fn set_skip(scanner: &mut Scanner, wanted: &Wanted) -> std::io::Result<Option<Arc<HashMap<u64, BlockEntry>>>> {
    let index = index_at_end(scanner)?;
    let is_encrypted = scanner.is_encrypted();
    let clients = index.as_ref().zip(wanted.client).map(|(index, client)| {
        let blocks = index.clients.get(&client).map(|entry| entry.blocks);
        let range = blocks.and_then(|(first, last)| index.blocks.get(first as usize..=last as usize));
        range.unwrap_or_default().iter().map(|block| block.offset).collect::<Vec<u64>>()
    });
    let known = index.map(|index| Arc::new(index.blocks.iter().map(|entry| (entry.offset, *entry)).collect()));
    let (wanted, blocks): (Wanted, Option<Arc<HashMap<u64, BlockEntry>>>) = (wanted.clone(), known.clone());
    scanner.set_skip(Box::new(move |kind, at, begins| {
        if kind != kind::BLOCK {
            return Look::Read;
        }
        if clients.as_ref().is_some_and(|offsets| offsets.binary_search(&at).is_err()) {
            return Look::Pass;
        }
        let is_unwanted = |entry: BlockEntry| !wanted.may_be_in(&entry);
        match &blocks {
            Some(blocks) if blocks.get(&at).copied().is_some_and(is_unwanted) => Look::Pass,
            // What stands in front of the content is encrypted, too.
            None if !is_encrypted && packed::entry(begins, at).is_some_and(is_unwanted) => Look::PassIfIntact,
            _ => Look::Read,
        }
    }));
    Ok(known)
}
