//! Records in a file: framing, checksums, and finding the next good record after damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::cipher::{self, Opener};
use super::{FORMAT_VERSION, PAYLOAD_BYTES_MAX};

pub(super) const FILE_HEAD_LEN: usize = 16;
const MAGIC: [u8; 8] = *b"\x89REN\r\n\x1a\n";
const MARKER: [u8; 4] = *b"\xAErec";
pub(super) const RECORD_HEAD_LEN: usize = 20;
/// Bytes of the end record's payload.
pub(super) const END_LEN: usize = 24;
/// Bytes of a payload by which it is decided whether it is wanted.
const SKIP_BYTES: usize = 32;
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
    pub(in super::super) const PRIVATE_HEADER: u8 = 6;
    pub(in super::super) const SUMMARY: u8 = 7;
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

/// The flag of records whose payload is encrypted.
const ENCRYPTED: u8 = 1;

pub(super) fn record_head(kind: u8, is_encrypted: bool, payload: &[u8]) -> [u8; RECORD_HEAD_LEN] {
    let mut head = [0; RECORD_HEAD_LEN];
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let parts = [
        &MARKER[..],
        &[kind, u8::from(is_encrypted) * ENCRYPTED, 0, 0],
        &length.to_le_bytes(),
        &crc32fast::hash(payload).to_le_bytes(),
    ];
    head.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    let crc = crc32fast::hash(head.get(..16).unwrap_or_default()).to_le_bytes();
    head.iter_mut().skip(16).zip(crc).for_each(|(to, from)| *to = from);
    head
}

/// A record whose checksums fit.
pub(super) struct Record {
    pub(super) kind: u8,
    pub(super) at: u64,
    /// Of the whole record.
    pub(super) len: u64,
    pub(super) payload: Vec<u8>,
    /// Whether encrypted records that stood before it are not there.
    pub(super) missing_before: bool,
}

/// Bytes that are no good record.
#[derive(Debug)]
pub(super) struct BadBytes {
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) what: &'static str,
    /// They reach to the end of the file: a write that was cut off, or is still under way.
    pub(super) at_end: bool,
    /// They are a record whose checksums fit, and which may not stand there.
    pub(super) is_record: bool,
}

pub(super) enum Found {
    Record(Record),
    /// A record that is not wanted.
    Left(Left),
    Bad(BadBytes),
    End,
}

/// A record that was passed over.
pub(super) struct Left {
    pub(super) at: u64,
    /// The first bytes of its payload.
    pub(super) begins: Vec<u8>,
}

/// What the first bytes of a file are.
pub(super) enum FileHead {
    Good,
    Other(u32),
    /// Not intact, but records follow.
    Damaged,
    Foreign,
    /// Shorter than a file head, and so far one: its writer was killed before it had written more.
    Begun,
}

/// Reads the records of one file in order.
pub(super) struct Scanner {
    file: File,
    at: u64,
    /// What opens encrypted records; then no record behind the header may be without encryption.
    opener: Option<Opener>,
    /// Which records are not read: asked with the kind, the place and the first bytes of a payload.
    skip: Option<Skip>,
    /// The number that the next encrypted record should have.
    next_number: Option<u64>,
    head_damaged: bool,
}

/// What is to be done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Read,
    /// It is not wanted, whatever it holds.
    Pass,
    /// By its first bytes it is not wanted, which counts only where its checksum says that they are what was written.
    PassIfIntact,
}

/// Says whether a record is wanted.
pub(super) type Skip = Box<dyn Fn(u8, u64, &[u8]) -> Look + Send>;

impl Scanner {
    pub(super) fn new(file: File) -> Self {
        Self { file, at: 0, opener: None, skip: None, next_number: Some(0), head_damaged: false }
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
            return Ok(if version == FORMAT_VERSION { FileHead::Good } else { FileHead::Other(version) });
        }
        if head.len() < FILE_HEAD_LEN && file_head().starts_with(&head) {
            self.at = head.len() as u64;
            return Ok(FileHead::Begun);
        }
        match self.search(0, HEAD_SEARCH_MAX)? {
            Some(at) => {
                self.at = at;
                self.head_damaged = true;
                Ok(FileHead::Damaged)
            }
            None => Ok(FileHead::Foreign),
        }
    }

    /// Whether the file's head is not intact.
    pub(super) fn is_head_damaged(&self) -> bool {
        self.head_damaged
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.opener.is_some()
    }

    /// Where the next record begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Whether the file is more than the beginning of a head.
    pub(super) fn is_begun(&self) -> bool {
        self.head_damaged || self.at >= FILE_HEAD_LEN as u64
    }

    /// Reads on from a record that was there before any other was read.
    pub(super) fn begin_at(&mut self, at: u64) {
        self.at = at;
        self.next_number = Some(0);
    }

    pub(super) fn set_opener(&mut self, opener: Opener) {
        self.opener = Some(opener);
    }

    pub(super) fn set_skip(&mut self, skip: Skip) {
        self.skip = Some(skip);
    }

    /// The payload of the end record, if the file ends with one that is intact.
    pub(super) fn end(&mut self) -> io::Result<Option<Vec<u8>>> {
        let len = RECORD_HEAD_LEN + END_LEN + if self.opener.is_some() { cipher::MORE_BYTES } else { 0 };
        match self.file.metadata()?.len().checked_sub(len as u64) {
            Some(at) => self.payload_at(at, kind::END),
            None => Ok(None),
        }
    }

    /// The payload of the record that begins at `at`, if it is of this kind and intact.
    pub(super) fn payload_at(&mut self, at: u64, kind: u8) -> io::Result<Option<Vec<u8>>> {
        let (place, skip, number) = (std::mem::replace(&mut self.at, at), self.skip.take(), self.next_number.take());
        let found = self.next();
        (self.at, self.skip, self.next_number) = (place, skip, number);
        match found? {
            Found::Record(record) if record.kind == kind && record.at == at => Ok(Some(record.payload)),
            _ => Ok(None),
        }
    }

    /// The next record that is wanted, or what stands in its place. Reads what has been appended since, too.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        loop {
            let at = self.at;
            let head = self.read(at, RECORD_HEAD_LEN)?;
            if head.is_empty() {
                return Ok(Found::End);
            }
            let Some(Head { kind, flags, length, crc }) = parse_head(&head) else {
                let short = head.len() < RECORD_HEAD_LEN;
                return self.skip_bad(at, if short { "a record head is cut off" } else { "a record head is damaged" });
            };
            let (from, next) = (at + RECORD_HEAD_LEN as u64, at + (RECORD_HEAD_LEN + length) as u64);
            let mut look = Look::Read;
            if let Some(skip) = &self.skip {
                let begins = self.read(from, length.min(SKIP_BYTES))?;
                look = skip(kind, at, &begins);
                if look == Look::Pass && next <= self.file.metadata()?.len() {
                    self.at = next;
                    return Ok(Found::Left(Left { at, begins }));
                }
            }
            let mut payload = self.read(from, length)?;
            if payload.len() < length {
                return self.skip_bad(at, "a record is cut off");
            }
            if crc32fast::hash(&payload) != crc {
                return self.skip_bad(at, "the checksum of a record does not fit");
            }
            self.at = next;
            if look == Look::PassIfIntact {
                payload.truncate(SKIP_BYTES);
                return Ok(Found::Left(Left { at, begins: payload }));
            }
            let is_encrypted = flags & ENCRYPTED != 0;
            let len = (RECORD_HEAD_LEN + length) as u64;
            let bad = |what| Ok(Found::Bad(BadBytes { at, len, what, at_end: false, is_record: true }));
            let Some(opener) = &mut self.opener else {
                if is_encrypted {
                    return bad("a record is encrypted where none should be");
                }
                return Ok(Found::Record(Record { kind, at, len, payload, missing_before: false }));
            };
            if !is_encrypted {
                // Known kinds must be encrypted here: somebody put this one in.
                if (kind::BLOCK..=kind::SUMMARY).contains(&kind) {
                    return bad("a record is not encrypted where all should be");
                }
                continue;
            }
            let Some((number, payload)) = opener.open(kind, at, &payload) else {
                return bad("an encrypted record does not open: it was changed or comes from elsewhere");
            };
            let expected = self.next_number.replace(number + 1);
            if expected.is_some_and(|expected| number < expected) {
                self.next_number = expected;
                return bad("an encrypted record stands where it was not written");
            }
            let missing_before = expected.is_some_and(|expected| number > expected) && self.skip.is_none();
            return Ok(Found::Record(Record { kind, at, len, payload, missing_before }));
        }
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
        let len = end.saturating_sub(at);
        Ok(Found::Bad(BadBytes { at, len, what, at_end: next.is_none(), is_record: false }))
    }

    /// Where the next intact record head begins, looking no further than `most` bytes behind `from`.
    fn search(&self, from: u64, most: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at - from < most {
            let window = self.read(at, SEARCH_WINDOW)?;
            if window.len() < RECORD_HEAD_LEN {
                return Ok(None);
            }
            for found in memchr::memmem::find_iter(&window, &MARKER) {
                if window.get(found..).and_then(parse_head).is_some() {
                    let found = at + found as u64;
                    return Ok(Some(found).filter(|found| found - from <= most));
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

/// The head of a record.
struct Head {
    kind: u8,
    flags: u8,
    /// Of the payload.
    length: usize,
    /// Of the payload.
    crc: u32,
}

/// What a record's head says, if its own checksum fits.
fn parse_head(bytes: &[u8]) -> Option<Head> {
    let head = bytes.get(..RECORD_HEAD_LEN)?;
    let length = usize::try_from(word(head, 8)).ok()?;
    let good =
        head.starts_with(&MARKER) && crc32fast::hash(head.get(..16)?) == word(head, 16) && length <= PAYLOAD_BYTES_MAX;
    let (kind, flags) = (*head.get(4)?, *head.get(5)?);
    let is_plain = flags & !ENCRYPTED == 0 && head.get(6..8)? == [0, 0];
    (good && is_plain).then_some(Head { kind, flags, length, crc: word(head, 12) })
}

/// The content of the zstd frame that `bytes` begin with.
pub(super) fn unpack(bytes: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let len = zstd::zstd_safe::find_frame_compressed_size(bytes)
        .map_err(|code| io::Error::other(zstd::zstd_safe::get_error_name(code)))?;
    let frame = bytes.get(..len).unwrap_or(bytes);
    // What the frame says of its length is checked by what comes out; that it says too much is said clearly.
    if zstd::zstd_safe::get_frame_content_size(frame).is_ok_and(|told| told.is_some_and(|told| told > most as u64)) {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    zstd::bulk::decompress(frame, most)
}

/// Little-endian u32 at `at`; 0 where there is none.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Little-endian u64 at `at`; 0 where there is none.
pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes)
}
