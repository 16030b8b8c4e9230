//! Reading a session: every exchange and gap in the order of the files, and every damage by place.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::frame::{self, FileHead, Found, Record, Scanner, kind};
use super::header::FEATURES;
use super::{Index, PAYLOAD_BYTES_MAX, SEGMENT_EXTENSION, SessionError, SessionHeader, record};
use crate::model::{Exchange, Gap, GapReason};

/// A session that can be read.
#[derive(Debug, Clone)]
pub struct Session {
    path: PathBuf,
    segments: Vec<PathBuf>,
    header: SessionHeader,
}

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

impl Session {
    /// Opens a directory of segments or a single segment, and reads the first header.
    ///
    /// # Errors
    /// When there is none, it is not a session, or it is newer than this reader.
    pub fn open(path: &Path) -> Result<Self, SessionError> {
        let segments = segments(path)?;
        let mut header = None;
        for segment in &segments {
            let found = read_header(segment)?;
            header = header.or(found);
        }
        // A session without any intact header can still be read: its instants count from an unknown origin.
        let header = header.unwrap_or_default();
        Ok(Self { path: path.to_owned(), segments, header })
    }

    /// What the session says about itself; all defaults if no header survived.
    #[must_use]
    pub fn header(&self) -> &SessionHeader {
        &self.header
    }

    /// What was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The segment files in order.
    #[must_use]
    pub fn segments(&self) -> &[PathBuf] {
        &self.segments
    }

    /// The indexes of the segments in order, read from their ends, one at a time; `None` for a segment that has none that
    /// is intact (its writer was killed or is still at work) or one without the facts about clients.
    pub fn indexes(&self) -> impl Iterator<Item = Result<Option<Index>, SessionError>> {
        self.segments.iter().map(|path| {
            let file = File::open(path).map_err(io("open", path))?;
            let payload = Scanner::new(file).index_at_end().map_err(io("read", path))?;
            Ok(payload.and_then(|payload| decode_index(&payload).ok()).filter(|index| index.has_facts))
        })
    }

    /// Reads everything from the start, in bounded memory (one block).
    #[must_use]
    pub fn events(&self) -> Events {
        // Where older segments were deleted, or one is read alone, any number may be the first.
        let next_seq = (self.header.segment <= 1).then_some(0);
        Events { segments: self.segments.clone().into(), current: None, ready: VecDeque::new(), next_seq }
    }
}

/// Iterator over a session.
pub struct Events {
    segments: VecDeque<PathBuf>,
    current: Option<Current>,
    ready: VecDeque<Event>,
    /// The sequence number that the next block should begin with.
    next_seq: Option<u64>,
}

struct Current {
    path: PathBuf,
    scanner: Scanner,
    ended: bool,
    /// The block being handed out.
    block: Bytes,
    block_left: u64,
    block_at: u64,
    damaged: Option<Damage>,
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
                match Current::open(path, &mut self.ready) {
                    Ok(current) => self.current = Some(current),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            if current.block_left > 0 {
                return Some(Ok(current.next_exchange(&mut self.next_seq)));
            }
            if let Err(error) = self.advance() {
                self.current = None;
                return Some(Err(error));
            }
        }
    }
}

impl Events {
    /// Reads the next record of the current segment.
    fn advance(&mut self) -> Result<(), SessionError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let found = current.scanner.next().map_err(io("read", &current.path))?;
        match found {
            Found::Record(record) => current.take(record, &mut self.ready, &mut self.next_seq),
            Found::Bad(bad) => {
                let cut_off = bad.at_end && is_locked(&current.path);
                if !cut_off {
                    current.note_damage(bad.at, bad.len, bad.what.to_owned());
                }
            }
            Found::End => {
                if let Some(damage) = current.damaged.take() {
                    self.next_seq = None;
                    self.ready.push_back(Event::Damage(damage));
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
    fn open(path: PathBuf, ready: &mut VecDeque<Event>) -> Result<Self, SessionError> {
        let file = File::open(&path).map_err(io("open", &path))?;
        let mut scanner = Scanner::new(file);
        let damaged = !matches!(scanner.file_head().map_err(io("read", &path))?, FileHead::Good);
        if damaged {
            let what = "the head of the file is damaged".to_owned();
            let len = frame::FILE_HEAD_LEN as u64;
            ready.push_back(Event::Damage(Damage { path: path.clone(), at: 0, len, what, exchanges: Some(0) }));
        }
        Ok(Self { path, scanner, ended: false, block: Bytes::new(), block_left: 0, block_at: 0, damaged: None })
    }

    /// Joins neighbouring bad places, since what they held is known only from the blocks around them.
    fn note_damage(&mut self, at: u64, len: u64, what: String) {
        match &mut self.damaged {
            Some(damage) => damage.len = (at + len).saturating_sub(damage.at),
            None => self.damaged = Some(Damage { path: self.path.clone(), at, len, what, exchanges: None }),
        }
    }

    fn take(&mut self, record: Record, ready: &mut VecDeque<Event>, next_seq: &mut Option<u64>) {
        let len = (frame::RECORD_HEAD_LEN + record.payload.len()) as u64;
        match record.kind {
            kind::BLOCK => match open_block(&record.payload) {
                Ok((block, exchanges, first_seq)) => {
                    let missing = next_seq.map(|expected| first_seq.saturating_sub(expected));
                    if let Some(mut damage) = self.damaged.take() {
                        damage.exchanges = missing;
                        ready.push_back(Event::Damage(damage));
                    } else if let Some(missing) = missing.filter(|missing| *missing > 0) {
                        let what = "exchanges before this block are missing".to_owned();
                        let path = self.path.clone();
                        let exchanges = Some(missing);
                        ready.push_back(Event::Damage(Damage { path, at: record.at, len: 0, what, exchanges }));
                    }
                    *next_seq = Some(first_seq + exchanges);
                    (self.block, self.block_left, self.block_at) = (block, exchanges, record.at);
                }
                Err(what) => self.note_damage(record.at, len, what),
            },
            kind::GAP => match record::decode_gap(&record.payload) {
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
                if let Some(mut damage) = self.damaged.take() {
                    // The last blocks before the index are gone: the index knows how many exchanges there were.
                    let index = decode_index(&record.payload).ok();
                    let end = index.and_then(|index| index.blocks.last().map(|last| last.first_seq + last.exchanges));
                    damage.exchanges = end.zip(*next_seq).map(|(end, next)| end.saturating_sub(next));
                    *next_seq = end.or(*next_seq);
                    ready.push_back(Event::Damage(damage));
                }
                match decode_index(&record.payload) {
                    Ok(index) => ready.push_back(Event::Index(index)),
                    Err(what) => self.note_damage(record.at, len, what),
                }
            }
            kind::END => self.ended = true,
            _ => {}
        }
    }

    fn next_exchange(&mut self, next_seq: &mut Option<u64>) -> Event {
        match record::take_exchange(&mut self.block) {
            Ok(exchange) => {
                self.block_left -= 1;
                Event::Exchange(Box::new(exchange))
            }
            Err(what) => {
                // The checksum fitted, so the writer wrote it so; what follows in this block cannot be found.
                let exchanges = Some(std::mem::take(&mut self.block_left));
                let _ = next_seq;
                Event::Damage(Damage { path: self.path.clone(), at: self.block_at, len: 0, what, exchanges })
            }
        }
    }
}

/// The exchanges of a block, how many they are, and the first one's number.
fn open_block(payload: &[u8]) -> Result<(Bytes, u64, u64), String> {
    let frame = payload.get(32..).ok_or("a block is too short")?;
    let raw_len = frame::word(payload, 0) as usize;
    if raw_len > PAYLOAD_BYTES_MAX {
        return Err(format!("a block claims {raw_len} bytes, more than {PAYLOAD_BYTES_MAX}"));
    }
    let raw =
        zstd::bulk::decompress(frame, raw_len).map_err(|error| format!("a block does not decompress: {error}"))?;
    if raw.len() != raw_len {
        return Err(format!("a block has {} bytes instead of {raw_len}", raw.len()));
    }
    let first_seq = frame::long(payload, 8);
    let exchanges = u64::from(frame::word(payload, 4));
    first_seq.checked_add(exchanges).ok_or("a block has an absurd sequence number")?;
    Ok((Bytes::from(raw), exchanges, first_seq))
}

fn decode_index(payload: &[u8]) -> Result<Index, String> {
    let raw = zstd::bulk::decompress(payload, PAYLOAD_BYTES_MAX).map_err(|error| format!("the index: {error}"))?;
    Index::decode(&raw).map_err(|error| format!("the index: {error}"))
}

pub(super) fn segments(path: &Path) -> Result<Vec<PathBuf>, SessionError> {
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => SessionError::Missing { path: path.to_owned() },
        _ => SessionError::Io { doing: "open", path: path.to_owned(), source },
    })?;
    let not = |why| Err(SessionError::NotASession { path: path.to_owned(), why });
    if metadata.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !metadata.is_dir() {
        return not("it is neither a file nor a directory");
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(io("read", path))? {
        let entry = entry.map_err(io("read", path))?.path();
        if entry.extension().is_some_and(|extension| extension == SEGMENT_EXTENSION) && entry.is_file() {
            found.push(entry);
        }
    }
    found.sort();
    if found.is_empty() { not("it has no *.reenact segment") } else { Ok(found) }
}

/// The header of a segment, `None` if it is damaged.
fn read_header(path: &Path) -> Result<Option<SessionHeader>, SessionError> {
    let file = File::open(path).map_err(io("open", path))?;
    let mut scanner = Scanner::new(file);
    match scanner.file_head().map_err(io("read", path))? {
        FileHead::Foreign => {
            return Err(SessionError::NotASession { path: path.to_owned(), why: "it does not begin like a segment" });
        }
        FileHead::Newer(found) => return Err(SessionError::NewerVersion { path: path.to_owned(), found }),
        FileHead::Good | FileHead::Damaged => {}
    }
    let Found::Record(Record { kind: kind::HEADER, payload, .. }) = scanner.next().map_err(io("read", path))? else {
        return Ok(None);
    };
    let Ok(header) = serde_json::from_slice::<SessionHeader>(&payload) else { return Ok(None) };
    match header.features_required.iter().find(|feature| !FEATURES.contains(&feature.as_str())) {
        Some(feature) => Err(SessionError::UnknownFeature { path: path.to_owned(), feature: feature.clone() }),
        None => Ok(Some(header)),
    }
}

/// Whether a writer holds the segment.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SessionError + use<> {
    let path = path.to_owned();
    move |source| SessionError::Io { doing, path, source }
}
