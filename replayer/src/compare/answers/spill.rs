//! Answers whose partners are far away, on disk: in parts by their keys, each of which fits into memory.

use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bytes::{Buf as _, BufMut as _, Bytes};

use super::source::Key;
use crate::differ::Answer;
use crate::spool::nameless;

/// Files.
const PARTS: usize = 64;
const BUFFER_BYTES: usize = 64 << 10;
/// Key and run before an answer.
const KEY_BYTES: usize = 18;
/// A go has at least so many bytes: each reads its whole file.
const GO_BYTES_MIN: u64 = 16 << 10;
/// Nothing that was written is longer: an exchange has its limit.
const RECORD_BYTES_MAX: u32 = 256 << 20;

/// What was put aside.
pub(super) struct Spill {
    parts: Vec<Part>,
    buffer: Vec<u8>,
    pub(super) answers: u64,
}

struct Part {
    file: BufWriter<File>,
    bytes: u64,
}

impl Spill {
    /// Files without names in a directory.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let part = |_| Ok(Part { file: BufWriter::with_capacity(BUFFER_BYTES, nameless(directory)?), bytes: 0 });
        Ok(Self { parts: (0..PARTS).map(part).collect::<io::Result<_>>()?, buffer: Vec::new(), answers: 0 })
    }

    pub(super) fn put(&mut self, key: Key, run: u16, answer: &Answer) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.put_u32_le(key.session);
        self.buffer.put_u64_le(key.seq);
        self.buffer.put_u32_le(key.copy);
        self.buffer.put_u16_le(run);
        answer.write(&mut self.buffer);
        let len = u32::try_from(self.buffer.len()).map_err(io::Error::other)?;
        let at = usize::try_from(hash(key) % PARTS as u64).unwrap_or(0);
        if let Some(part) = self.parts.get_mut(at) {
            part.file.write_all(&len.to_le_bytes())?;
            part.file.write_all(&self.buffer)?;
            part.bytes += u64::from(len) + 4;
        }
        self.answers += 1;
        Ok(())
    }

    /// Gives back everything, so that all answers to a request come in one go: `end_of_go` is called after each, and none has
    /// more than about `bytes_max` bytes, as far as keys can be told apart.
    pub(super) fn drain<E: From<io::Error>>(
        self,
        bytes_max: u64,
        mut give: impl FnMut(Key, u16, Answer) -> Result<(), E>,
        mut end_of_go: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        for part in self.parts {
            let goes = part.bytes.div_ceil(bytes_max.max(GO_BYTES_MIN)).max(1);
            let mut file = part.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            for go in 0..goes {
                file.seek(SeekFrom::Start(0))?;
                let mut reader = BufReader::with_capacity(BUFFER_BYTES, &file);
                while let Some((key, run, answer)) = read(&mut reader, |key| hash(key) / PARTS as u64 % goes == go)? {
                    give(key, run, answer)?;
                }
                end_of_go()?;
            }
        }
        Ok(())
    }
}

fn hash(key: Key) -> u64 {
    foldhash::quality::FixedState::default().hash_one(key)
}

/// The next record whose key is wanted.
fn read(reader: &mut impl Read, wanted: impl Fn(Key) -> bool) -> io::Result<Option<(Key, u16, Answer)>> {
    loop {
        let mut len = [0; 4];
        match reader.read_exact(&mut len) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let len = u32::from_le_bytes(len);
        if len > RECORD_BYTES_MAX || (len as usize) < KEY_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of an impossible length"));
        }
        let mut bytes = vec![0; len as usize];
        reader.read_exact(&mut bytes)?;
        let mut bytes = Bytes::from(bytes);
        let key = Key { session: bytes.get_u32_le(), seq: bytes.get_u64_le(), copy: bytes.get_u32_le() };
        let run = bytes.get_u16_le();
        if wanted(key) {
            return Ok(Some((key, run, Answer::read(bytes).map_err(io::Error::other)?)));
        }
    }
}
