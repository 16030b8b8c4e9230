//! Records in a file: framing, checksums, and finding the next good record after damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{FORMAT_VERSION, PAYLOAD_BYTES_MAX};

pub(super) const FILE_HEAD_LEN: usize = 16;
const MAGIC: [u8; 8] = *b"\x89REN\r\n\x1a\n";
const MARKER: [u8; 4] = *b"\xAErec";
pub(super) const RECORD_HEAD_LEN: usize = 20;
const SEARCH_WINDOW: usize = 64 * 1024;
/// How far into a file with a damaged head the first record is looked for.
const HEAD_SEARCH_MAX: u64 = 1 << 20;

/// Kinds of records that this version knows.
pub(super) mod kind {
    pub(in super::super) const HEADER: u8 = 1;
    pub(in super::super) const BLOCK: u8 = 2;
    pub(in super::super) const GAP: u8 = 3;
    pub(in super::super) const INDEX: u8 = 4;
    pub(in super::super) const END: u8 = 5;
}

pub(super) fn file_head() -> [u8; FILE_HEAD_LEN] {
    let mut head = [0; FILE_HEAD_LEN];
    let (magic, rest) = head.split_at_mut(8);
    magic.copy_from_slice(&MAGIC);
    let (version, _) = rest.split_at_mut(4);
    version.copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    let crc = crc32fast::hash(head.get(..12).unwrap_or_default()).to_le_bytes();
    head.iter_mut().skip(12).zip(crc).for_each(|(to, from)| *to = from);
    head
}

pub(super) fn record_head(kind: u8, payload: &[u8]) -> [u8; RECORD_HEAD_LEN] {
    let mut head = [0; RECORD_HEAD_LEN];
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let parts = [&MARKER[..], &[kind, 0, 0, 0], &length.to_le_bytes(), &crc32fast::hash(payload).to_le_bytes()];
    head.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    let crc = crc32fast::hash(head.get(..16).unwrap_or_default()).to_le_bytes();
    head.iter_mut().skip(16).zip(crc).for_each(|(to, from)| *to = from);
    head
}

/// A record whose checksums fit.
pub(super) struct Record {
    pub(super) kind: u8,
    pub(super) at: u64,
    pub(super) payload: Vec<u8>,
}

/// Bytes that are no good record.
#[derive(Debug)]
pub(super) struct BadBytes {
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) what: &'static str,
    /// They reach to the end of the file: a write that was cut off, or is still under way.
    pub(super) at_end: bool,
}

pub(super) enum Found {
    Record(Record),
    Bad(BadBytes),
    End,
}

/// What the first bytes of a file are.
pub(super) enum FileHead {
    Good,
    Newer(u32),
    /// Not intact, but records follow.
    Damaged,
    Foreign,
}

/// Reads the records of one file in order.
pub(super) struct Scanner {
    file: File,
    at: u64,
}

impl Scanner {
    pub(super) fn new(file: File) -> Self {
        Self { file, at: 0 }
    }

    /// Reads the head of the file; records follow.
    pub(super) fn file_head(&mut self) -> io::Result<FileHead> {
        let head = self.read(0, FILE_HEAD_LEN)?;
        let version = word(&head, 8);
        if head.len() == FILE_HEAD_LEN
            && word(&head, 12) == crc32fast::hash(head.get(..12).unwrap_or_default())
            && head.starts_with(&MAGIC)
        {
            self.at = FILE_HEAD_LEN as u64;
            return Ok(if version > FORMAT_VERSION { FileHead::Newer(version) } else { FileHead::Good });
        }
        match self.search(0, HEAD_SEARCH_MAX)? {
            Some(at) => {
                self.at = at;
                Ok(FileHead::Damaged)
            }
            None => Ok(FileHead::Foreign),
        }
    }

    /// The payload of the index that the end record points to, if both are intact.
    pub(super) fn index_at_end(&mut self) -> io::Result<Option<Vec<u8>>> {
        const END_LEN: u64 = RECORD_HEAD_LEN as u64 + 8;
        let Some(at) = self.file.metadata()?.len().checked_sub(END_LEN) else { return Ok(None) };
        self.at = at;
        let Found::Record(Record { kind: kind::END, payload, .. }) = self.next()? else { return Ok(None) };
        self.at = long(&payload, 0);
        match self.next()? {
            Found::Record(Record { kind: kind::INDEX, payload, .. }) => Ok(Some(payload)),
            _ => Ok(None),
        }
    }

    /// The next record, or what stands in its place. Reads what has been appended since, too.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        let at = self.at;
        let head = self.read(at, RECORD_HEAD_LEN)?;
        if head.is_empty() {
            return Ok(Found::End);
        }
        let Some((kind, length, crc)) = parse_head(&head) else {
            let short = head.len() < RECORD_HEAD_LEN;
            return self.skip_bad(at, if short { "a record head is cut off" } else { "a record head is damaged" });
        };
        let payload = self.read(at + RECORD_HEAD_LEN as u64, length)?;
        if payload.len() < length {
            return self.skip_bad(at, "a record is cut off");
        }
        if crc32fast::hash(&payload) != crc {
            return self.skip_bad(at, "the checksum of a record does not fit");
        }
        self.at = at + (RECORD_HEAD_LEN + length) as u64;
        Ok(Found::Record(Record { kind, at, payload }))
    }

    fn skip_bad(&mut self, at: u64, what: &'static str) -> io::Result<Found> {
        let next = self.search(at + 1, u64::MAX)?;
        let end = match next {
            Some(next) => next,
            None => self.file.metadata()?.len(),
        };
        // Without a next record nothing is skipped: while the file is still written, what is missing may come.
        if next.is_some() {
            self.at = end;
        } else {
            self.at = end.max(at);
        }
        Ok(Found::Bad(BadBytes { at, len: end.saturating_sub(at), what, at_end: next.is_none() }))
    }

    /// Where the next intact record head begins, looking no further than `most` bytes.
    fn search(&self, from: u64, most: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at - from < most {
            let window = self.read(at, SEARCH_WINDOW)?;
            if window.len() < RECORD_HEAD_LEN {
                return Ok(None);
            }
            for found in memchr::memmem::find_iter(&window, &MARKER) {
                if window.get(found..).and_then(parse_head).is_some() {
                    return Ok(Some(at + found as u64));
                }
            }
            at += (window.len() - RECORD_HEAD_LEN + 1) as u64;
        }
        Ok(None)
    }

    /// Up to `len` bytes at `at`; fewer at the end of the file.
    fn read(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        // A length comes from the file: memory is taken only for bytes that are there.
        let there = self.file.metadata()?.len().saturating_sub(at);
        let mut bytes = vec![0; len.min(usize::try_from(there).unwrap_or(usize::MAX))];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }
}

/// Kind, payload length and payload checksum, if the head's own checksum fits.
fn parse_head(bytes: &[u8]) -> Option<(u8, usize, u32)> {
    let head = bytes.get(..RECORD_HEAD_LEN)?;
    let length = usize::try_from(word(head, 8)).ok()?;
    let good =
        head.starts_with(&MARKER) && crc32fast::hash(head.get(..16)?) == word(head, 16) && length <= PAYLOAD_BYTES_MAX;
    good.then_some((*head.get(4)?, length, word(head, 12)))
}

/// Little-endian u32 at `at`; 0 where there is none.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Little-endian u64 at `at`; 0 where there is none.
pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes)
}
