//! Lines read one by one, also of a log that was cut anywhere.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use memchr::memchr;

use super::line::Line;

/// Longest line that is read: an endpoint has at most 800 bytes.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Largest window of a frame that is accepted, as a power of two: what is written has far less.
const WINDOW_LOG_MAX: u32 = 25;
/// What is decompressed at once: a block. With more, what stands before damage would be lost with it.
const READ_BYTES_MAX: usize = 128 << 10;
/// Decompressed bytes that are held: with the longest line there is room for a block.
const BUFFER_BYTES: usize = 256 << 10;
/// Why a log is not read on from a line that is longer than any.
const TOO_LONG: &str = "a line that is too long to be one of it";

/// How a log was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Lines that were read.
    pub(crate) lines: u64,
    /// Lines that were none of this log.
    pub(crate) unreadable: u64,
    /// Why it ends early, if it does.
    pub(crate) cut: Option<String>,
}

/// Reads a log; memory is that of a buffer.
pub(crate) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where in it what was not looked at yet begins, and where it ends.
    at: usize,
    end: usize,
    ending: Ending,
}

/// Of a file.
pub(crate) type LogLines = Lines<zstd::stream::read::Decoder<'static, BufReader<File>>>;

impl LogLines {
    /// Opens the log of a run.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::new(File::open(path)?)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self::new(decoder))
    }
}

impl<R: Read> Lines<R> {
    /// Reads decompressed lines.
    pub(crate) fn new(from: R) -> Self {
        Self { from, buffer: vec![0; BUFFER_BYTES], at: 0, end: 0, ending: Ending::default() }
    }

    /// The next line that can be read, as `read` understands it; `None` at the end, or where the log breaks off.
    pub(crate) fn next<T>(&mut self, mut read: impl FnMut(&Line<'_>) -> T) -> Option<T> {
        loop {
            let left = self.buffer.get(self.at..self.end)?;
            let Some(newline) = memchr(b'\n', left) else {
                self.fill().then_some(())?;
                continue;
            };
            if newline >= LINE_BYTES_MAX {
                self.cut(TOO_LONG);
                return None;
            }
            self.at += newline + 1;
            let Some(line) = left.get(..newline).and_then(|text| Line::read(text).ok()) else {
                self.ending.unreadable += 1;
                continue;
            };
            self.ending.lines += 1;
            return Some(read(&line));
        }
    }

    /// How far it was read.
    pub(crate) fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Reads more; whether there is some.
    fn fill(&mut self) -> bool {
        if self.ending.cut.is_some() {
            return false;
        }
        if self.end - self.at >= LINE_BYTES_MAX {
            return self.cut(TOO_LONG);
        }
        self.buffer.copy_within(self.at..self.end, 0);
        (self.at, self.end) = (0, self.end - self.at);
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let len = room.len().min(READ_BYTES_MAX);
        let read = self.from.read(room.get_mut(..len).unwrap_or_default());
        match read {
            Ok(0) if self.end == 0 => false,
            Ok(0) => self.cut("the middle of a line"),
            Ok(read) => {
                self.end += read.min(len);
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.cut("the middle of a frame"),
            Err(error) => self.cut(&format!("damage ({error})")),
        }
    }

    fn cut(&mut self, at: &str) -> bool {
        self.ending.cut = Some(at.to_owned());
        (self.at, self.end) = (0, 0);
        false
    }
}
