//! Reading a session: every exchange and gap in the order of the files, and every damage by place.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::block::BlockReader;
use super::frame::{self, FILE_HEAD_LEN, Found, Record, Scanner, kind};
use super::kept::Kept;
use super::reader::{decode_index, index_at_end, io, is_locked, open_segment};
use super::{BlockEntry, Index, PAYLOAD_BYTES_MAX, SessionError, gap};
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
    },
    /// A segment's index.
    Index(Index),
    /// A segment's end; `is_last` where the session ends with it.
    Ended {
        /// Whether no segment follows.
        is_last: bool,
    },
}

/// Bytes of a file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// The first bad byte.
    pub at: u64,
    /// How many bytes are bad.
    pub len: u64,
    /// What is wrong with them.
    pub what: String,
    /// How many exchanges they held, as far as the blocks around them tell.
    pub exchanges: Option<u64>,
}

/// Which part of a session is wanted. Blocks that cannot hold any of it are not read.
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
    fn may_be_in(&self, block: &BlockEntry) -> bool {
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
    /// The sequence number that the next block should begin with.
    next_seq: Option<u64>,
}

struct Current {
    path: PathBuf,
    scanner: Scanner,
    ended: bool,
    block: Option<Block>,
    kept: Kept,
    /// Bad places since the last block, whose cost is not known yet.
    damaged: Vec<Damage>,
    /// What was found wrong behind the last exchange of a block.
    after: Option<Damage>,
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
                    Ok(current) => self.current = Some(current),
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
    pub(super) fn new(
        segments: Vec<PathBuf>,
        identities: Option<Arc<Identities>>,
        first_segment: u64,
        wanted: Wanted,
    ) -> Self {
        // Where older segments were deleted, one is read alone, or not all is read, any number may be the first.
        let next_seq = (first_segment <= 1 && wanted == Wanted::default()).then_some(0);
        Self { segments: segments.into(), identities, wanted, current: None, ready: VecDeque::new(), next_seq }
    }

    /// Reads the next record of the current segment.
    fn advance(&mut self) -> Result<(), SessionError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let found = current.scanner.next().map_err(io("read", &current.path))?;
        if self.wanted != Wanted::default() {
            self.next_seq = None;
        }
        match found {
            Found::Record(record) => {
                let path = current.path.clone();
                current.take(record, &mut self.ready, &mut self.next_seq).map_err(io("read", &path))?;
            }
            Found::Bad(bad) => {
                let cut_off = bad.at_end && is_locked(&current.path);
                if !cut_off {
                    current.note_damage(bad.at, bad.len, bad.what.to_owned());
                }
            }
            Found::End => {
                if !current.damaged.is_empty() {
                    self.next_seq = None;
                    current.tell_damage(None, &mut self.ready);
                }
                if !current.ended {
                    let path = current.path.clone();
                    let writing = is_locked(&path);
                    self.ready.push_back(Event::Unfinished { path, writing });
                }
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
    ) -> Result<Self, SessionError> {
        let (mut scanner, header) = open_segment(&path, identities)?;
        if scanner.is_head_damaged() {
            let what = "the head of the file is damaged".to_owned();
            let len = FILE_HEAD_LEN as u64;
            ready.push_back(Event::Damage(Damage { path: path.clone(), at: 0, len, what, exchanges: Some(0) }));
        }
        // Its bytes are damage where it could not be read; that is found when they are read again.
        let _ = header;
        if *wanted != Wanted::default() {
            set_skip(&mut scanner, wanted).map_err(io("read", &path))?;
        }
        Ok(Self { path, scanner, ended: false, block: None, kept: Kept::default(), damaged: Vec::new(), after: None })
    }

    /// Joins bad places that touch each other. What they cost is known only from the blocks around them.
    fn note_damage(&mut self, at: u64, len: u64, what: String) {
        match self.damaged.last_mut() {
            Some(damage) if damage.at + damage.len == at => damage.len += len,
            _ => self.damaged.push(Damage { path: self.path.clone(), at, len, what, exchanges: None }),
        }
    }

    /// Tells the bad places so far, which cost `missing` exchanges together.
    fn tell_damage(&mut self, missing: Option<u64>, ready: &mut VecDeque<Event>) {
        let is_known = self.damaged.len() == 1 || missing == Some(0);
        for damage in self.damaged.drain(..) {
            ready.push_back(Event::Damage(Damage { exchanges: missing.filter(|_| is_known), ..damage }));
        }
    }

    fn take(&mut self, record: Record, ready: &mut VecDeque<Event>, next_seq: &mut Option<u64>) -> std::io::Result<()> {
        let len = record.len;
        if record.missing_before && self.damaged.is_empty() {
            self.note_damage(record.at, 0, "encrypted records before this one are missing".to_owned());
        }
        match record.kind {
            kind::BLOCK => match open_block(&record.payload) {
                Ok((mut reader, entry)) => {
                    let missing = next_seq.map(|expected| entry.first_seq.saturating_sub(expected));
                    if self.damaged.is_empty() && missing.is_some_and(|missing| missing > 0) {
                        self.note_damage(record.at, 0, "exchanges before this block are missing".to_owned());
                    }
                    self.tell_damage(missing, ready);
                    *next_seq = Some(entry.first_seq + entry.exchanges);
                    self.kept.lend(entry.first_seq, &mut reader, &mut self.scanner)?;
                    let (next_seq, left) = (entry.first_seq, entry.exchanges);
                    self.block = Some(Block { reader, next_seq, left, at: record.at, len });
                }
                Err(what) => self.note_damage(record.at, len, what),
            },
            kind::GAP => match gap::decode(&record.payload) {
                Ok(gap) => {
                    if matches!(gap.reason, GapReason::WriteFailed | GapReason::Panicked) {
                        // What the writer lost took its sequence numbers with it, and this gap counts it.
                        *next_seq = None;
                    }
                    ready.push_back(Event::Gap(gap));
                }
                Err(what) => self.note_damage(record.at, len, what),
            },
            kind::INDEX => {
                let index = decode_index(&record.payload);
                if !self.damaged.is_empty() {
                    // The last blocks before the index are gone: the index knows how many exchanges there were.
                    let last = index.as_ref().ok().and_then(|index| index.blocks.last());
                    let end = last.map(|last| last.first_seq.saturating_add(last.exchanges));
                    self.tell_damage(end.zip(*next_seq).map(|(end, next)| end.saturating_sub(next)), ready);
                    *next_seq = end.or(*next_seq);
                }
                match index {
                    Ok(index) => ready.push_back(Event::Index(index)),
                    Err(what) => self.note_damage(record.at, len, what),
                }
            }
            kind::END => {
                self.ended = true;
                ready.push_back(Event::Ended { is_last: frame::long(&record.payload, 16) & 1 != 0 });
            }
            _ => {}
        }
        Ok(())
    }

    fn next_exchange(&mut self) -> Option<Event> {
        if let Some(damage) = self.after.take() {
            return Some(Event::Damage(damage));
        }
        let block = self.block.as_mut().filter(|block| block.left > 0)?;
        match block.reader.take(block.next_seq) {
            Ok(exchange) => {
                block.left -= 1;
                block.next_seq += 1;
                if block.left == 0
                    && let Err(what) = block.reader.check_rest()
                {
                    self.after = Some(Damage {
                        path: self.path.clone(),
                        at: block.at,
                        len: block.len,
                        what,
                        exchanges: Some(0),
                    });
                }
                Some(Event::Exchange(Box::new(exchange)))
            }
            Err(what) => {
                // The checksum fitted, so the writer wrote it so; what follows in this block cannot be found.
                let exchanges = Some(std::mem::take(&mut block.left));
                let (at, len) = (block.at, block.len);
                Some(Event::Damage(Damage { path: self.path.clone(), at, len, what, exchanges }))
            }
        }
    }
}

/// Makes a scanner leave out blocks that hold nothing wanted: by what stands before their content, and, where the segment
/// has its index, by that.
fn set_skip(scanner: &mut Scanner, wanted: &Wanted) -> std::io::Result<()> {
    let index = index_at_end(scanner)?;
    let is_encrypted = scanner.is_encrypted();
    let clients = index.as_ref().zip(wanted.client).map(|(index, client)| {
        let blocks = index.clients.get(&client).map(|entry| entry.blocks);
        let range = blocks.and_then(|(first, last)| index.blocks.get(first as usize..=last as usize));
        range.unwrap_or_default().iter().map(|block| block.offset).collect::<Vec<u64>>()
    });
    let known: Option<std::collections::HashMap<u64, BlockEntry>> = is_encrypted
        .then(|| index.map(|index| index.blocks.iter().map(|entry| (entry.offset, *entry)).collect()))
        .flatten();
    let wanted = wanted.clone();
    scanner.set_skip(Box::new(move |kind, at, payload| {
        if kind != kind::BLOCK {
            return false;
        }
        if clients.as_ref().is_some_and(|offsets| offsets.binary_search(&at).is_err()) {
            return true;
        }
        let entry = match is_encrypted {
            true => known.as_ref().and_then(|known| known.get(&at).copied()),
            false => block_entry(payload, at),
        };
        entry.is_some_and(|entry| !wanted.may_be_in(&entry))
    }));
    Ok(())
}

/// Bytes before a block's content.
pub(super) const BLOCK_HEAD_LEN: usize = 32;

/// What stands before a block's content.
fn block_entry(payload: &[u8], offset: u64) -> Option<BlockEntry> {
    let head = payload.get(..BLOCK_HEAD_LEN)?;
    Some(BlockEntry {
        offset,
        first_seq: frame::long(head, 8),
        exchanges: u64::from(frame::word(head, 4)),
        from_ns: frame::long(head, 16),
        to_ns: frame::long(head, 24),
    })
}

/// A block's content, and what stands before it.
pub(super) fn open_block(payload: &[u8]) -> Result<(BlockReader, BlockEntry), String> {
    let entry = block_entry(payload, 0).ok_or("a block is too short")?;
    let frame = payload.get(BLOCK_HEAD_LEN..).ok_or("a block is too short")?;
    let raw_len = frame::word(payload, 0) as usize;
    if raw_len > PAYLOAD_BYTES_MAX {
        return Err(format!("a block claims {raw_len} bytes, more than {PAYLOAD_BYTES_MAX}"));
    }
    let raw =
        zstd::bulk::decompress(frame, raw_len).map_err(|error| format!("a block does not decompress: {error}"))?;
    if raw.len() != raw_len {
        return Err(format!("a block has {} bytes instead of {raw_len}", raw.len()));
    }
    entry.first_seq.checked_add(entry.exchanges).ok_or("a block has an absurd sequence number")?;
    let reader = BlockReader::new(&Bytes::from(raw), entry.from_ns)?;
    Ok((reader, entry))
}
