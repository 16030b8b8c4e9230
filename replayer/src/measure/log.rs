//! HdrHistogram interval logs (V2, deflated), written and read line by line: `latency.hlog`, `histograms.hlog`.
//!
//! The library's own writer borrows what it writes to, and its reader wants the whole file in memory; the format is
//! theirs, and tests read what is written here with the library.

use std::io::{self, BufRead, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use super::distribution::Distribution;

/// Longest line that is read: a histogram of three digits over an hour, incompressible, is far below.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Largest histogram that is read, inflated: of one of three digits over an hour, each bucket has up to nine bytes.
const HISTOGRAM_BYTES_MAX: u64 = 512 << 10;
/// How a deflated histogram of the second version begins.
const DEFLATED_COOKIE: [u8; 4] = 0x1c84_9314_u32.to_be_bytes();
/// What stands before its buckets, and where in it their length does.
const HEADER_BYTES: usize = 40;
const LENGTH_AT: usize = 4;

/// Writes an interval log. Values are nanoseconds; the readable maxima in it are milliseconds.
pub struct LogWriter<W> {
    out: W,
    serializer: V2DeflateSerializer,
    bytes: Vec<u8>,
}

impl<W: Write> LogWriter<W> {
    /// Begins the log of a run that started at `started`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn begin(mut out: W, comment: &str, started: SystemTime) -> io::Result<Self> {
        let since = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        writeln!(out, "#{comment}; values in nanoseconds, maxima in milliseconds")?;
        writeln!(out, "#[StartTime: {since:.3} (seconds since epoch)]")?;
        writeln!(out, "#[BaseTime: {since:.3} (seconds since epoch)]")?;
        writeln!(out, "#[MaxValueDivisor: 1000000.000]")?;
        Ok(Self { out, serializer: V2DeflateSerializer::new(), bytes: Vec::new() })
    }

    /// Adds a line: what was counted under `tag` in `length_s` seconds from `start_s` on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&mut self, tag: &str, start_s: u64, length_s: u64, of: &Distribution) -> io::Result<()> {
        self.bytes.clear();
        let histogram = of.histogram();
        let written = self.serializer.serialize(&histogram, &mut self.bytes);
        written.map_err(|error| io::Error::other(format!("a histogram: {error:?}")))?;
        let text = STANDARD.encode(&self.bytes);
        let max_ms = of.quantiles().max / 1_000.0;
        writeln!(self.out, "Tag={tag},{start_s}.000,{length_s}.000,{max_ms:.3},{text}")
    }

    /// Hands everything so far to the system.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// One line of a log.
pub struct LogLine {
    /// Under which name it was counted.
    pub tag: String,
    /// From when on, in whole seconds since due instant 0.
    pub start_s: u64,
    /// What was counted.
    pub distribution: Distribution,
}

/// Reads an interval log line by line; memory is that of one line.
pub struct LogReader<R> {
    lines: R,
    number: u64,
    deserializer: Deserializer,
}

impl<R: BufRead> LogReader<R> {
    /// Reads what [`LogWriter`] wrote.
    pub fn new(lines: R) -> Self {
        Self { lines, number: 0, deserializer: Deserializer::new() }
    }

    fn parse(&mut self, line: &str) -> Option<LogLine> {
        let mut fields = line.trim_end().splitn(5, ',');
        let tag = fields.next()?.strip_prefix("Tag=")?.to_owned();
        let start_s = fields.next()?.split('.').next()?.parse().ok()?;
        let histogram = self.histogram(&STANDARD.decode(fields.nth(2)?).ok()?)?;
        Some(LogLine { tag, start_s, distribution: Distribution::of(&histogram) })
    }

    /// Inflated here, since the library believes a histogram that says how long it is, and makes as much room.
    fn histogram(&mut self, bytes: &[u8]) -> Option<Histogram<u64>> {
        // What it is, and how long.
        let (begin, deflated) = bytes.split_first_chunk::<8>()?;
        if !begin.starts_with(&DEFLATED_COOKIE) {
            return None;
        }
        let mut whole = Vec::new();
        ZlibDecoder::new(deflated).take(HISTOGRAM_BYTES_MAX).read_to_end(&mut whole).ok()?;
        let told = u32::from_be_bytes(*whole.get(LENGTH_AT..)?.first_chunk()?);
        if usize::try_from(told).ok()? > whole.len().checked_sub(HEADER_BYTES)? {
            return None;
        }
        self.deserializer.deserialize(&mut whole.as_slice()).ok()
    }
}

impl<R: BufRead> Iterator for LogReader<R> {
    type Item = io::Result<LogLine>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        loop {
            line.clear();
            self.number += 1;
            match io::Read::take(&mut self.lines, LINE_BYTES_MAX).read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if line.starts_with('#') || line.trim().is_empty() => {}
                Ok(_) => {
                    let bad =
                        || io::Error::new(io::ErrorKind::InvalidData, format!("line {} is no interval", self.number));
                    let bad = bad();
                    return Some(self.parse(&line).ok_or(bad));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
