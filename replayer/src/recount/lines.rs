//! Lines of `requests.jsonl.zst`, read one by one, also of a log that was cut anywhere.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

/// Longest line that is read: an endpoint has at most 800 bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Largest window of a frame that is accepted, as a power of two: what is written has far less.
const WINDOW_LOG_MAX: u32 = 25;
/// What is decompressed at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A line, as far as it is counted.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) session: u32,
    #[serde(default)]
    pub(super) copy: u32,
    pub(crate) due_ns: u64,
    pub(super) released_ns: u64,
    pub(super) held_by_seq: Option<u64>,
    #[serde(default)]
    pub(super) busy_ns: u64,
    pub(super) dispatched_ns: Option<u64>,
    pub(super) written_ns: Option<u64>,
    pub(super) first_byte_ns: Option<u64>,
    pub(crate) done_ns: Option<u64>,
    pub(super) status: Option<u16>,
    #[serde(borrow)]
    pub(super) error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) shed: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) endpoint: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) bytes_in: u64,
    #[serde(default)]
    pub(super) bytes_out: u64,
    #[serde(borrow)]
    pub(super) trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) span_id: Option<Cow<'a, str>>,
}

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

/// Reads a log; memory is that of a line.
pub(crate) struct Lines<R> {
    from: R,
    line: Vec<u8>,
    ending: Ending,
}

/// Of a file.
pub(crate) type LogLines = Lines<BufReader<zstd::stream::read::Decoder<'static, BufReader<File>>>>;

impl LogLines {
    /// Opens the log of a run.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::new(File::open(path)?)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self::new(BufReader::with_capacity(BUFFER_BYTES, decoder)))
    }
}

impl<R: BufRead> Lines<R> {
    /// Reads decompressed lines.
    pub(crate) fn new(from: R) -> Self {
        Self { from, line: Vec::new(), ending: Ending::default() }
    }

    /// Takes each line that can be read, to the end or to where the log breaks off.
    pub(crate) fn each(mut self, mut take: impl FnMut(&Line<'_>)) -> Ending {
        while self.fill() {
            self.parse(&mut take);
        }
        self.ending
    }

    /// The next line that can be read, as `read` understands it; `None` at the end, or where the log breaks off.
    pub(crate) fn next<T>(&mut self, mut read: impl FnMut(&Line<'_>) -> T) -> Option<T> {
        while self.fill() {
            let mut found = None;
            self.parse(|line| found = Some(read(line)));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn parse(&mut self, mut take: impl FnMut(&Line<'_>)) {
        match serde_json::from_slice::<Line<'_>>(&self.line) {
            Ok(line) => {
                self.ending.lines += 1;
                take(&line);
            }
            Err(_) => self.ending.unreadable += 1,
        }
    }

    /// How far it was read.
    pub(crate) fn ending(&self) -> &Ending {
        &self.ending
    }

    fn fill(&mut self) -> bool {
        if self.ending.cut.is_some() {
            return false;
        }
        self.line.clear();
        let read = Read::take(&mut self.from, LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => false,
            Ok(_) if self.line.ends_with(b"\n") => true,
            Ok(read) if read as u64 == LINE_BYTES_MAX => self.cut("a line that is too long to be one of it"),
            Ok(_) => self.cut("the middle of a line"),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.cut("the middle of a frame"),
            Err(error) => self.cut(&format!("damage ({error})")),
        }
    }

    fn cut(&mut self, at: &str) -> bool {
        self.ending.cut = Some(at.to_owned());
        false
    }
}
