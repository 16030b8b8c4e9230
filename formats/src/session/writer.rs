//! Writing a session: exchanges gather in a block, a flush makes them durable, an index closes the segment.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frame::{self, kind};
use super::index::{BlockEntry, Index};
use super::{PAYLOAD_BYTES_MAX, SEGMENT_EXTENSION, SessionError, SessionHeader, record};
use crate::model::{Exchange, Gap};

/// Sizes and bounds of the writer.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// A block is closed when its exchanges take this many bytes.
    pub block_bytes: usize,
    /// zstd level.
    pub level: i32,
    /// A new segment begins when this one is larger.
    pub segment_bytes_max: u64,
    /// A new segment begins when this one has more clients: their index is held in memory.
    pub segment_clients_max: usize,
    /// Whether a flush waits until the bytes are on the disk, so that they survive a loss of power.
    pub sync: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { block_bytes: 1 << 20, level: 1, segment_bytes_max: 1 << 30, segment_clients_max: 200_000, sync: true }
    }
}

/// What has been written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Exchanges, those in the open block included.
    pub exchanges: u64,
    /// Encoded bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of all segments.
    pub file_bytes: u64,
    /// Segments, the open one included.
    pub segments: u64,
}

/// Writes one session into a directory of its own.
pub struct SessionWriter {
    directory: PathBuf,
    header: SessionHeader,
    options: WriterOptions,
    compressor: zstd::bulk::Compressor<'static>,
    segment: Segment,
    block: Block,
    written: Written,
    failed: bool,
}

struct Segment {
    path: PathBuf,
    file: File,
    bytes: u64,
    index: Index,
}

#[derive(Default)]
struct Block {
    raw: Vec<u8>,
    entry: BlockEntry,
}

impl SessionWriter {
    /// Makes the directory (mode 0700) unless it is there and empty, and the first segment (mode 0600) with its header.
    ///
    /// # Errors
    /// When the directory is not empty or the system refuses.
    pub fn create(directory: &Path, header: SessionHeader, options: WriterOptions) -> Result<Self, SessionError> {
        let io = |doing: &'static str| {
            let path = directory.to_owned();
            move |source| SessionError::Io { doing, path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io("create"))?;
        if fs::read_dir(directory).map_err(io("read"))?.next().is_some() {
            return Err(SessionError::NotEmpty { path: directory.to_owned() });
        }
        let compressor = zstd::bulk::Compressor::new(options.level).map_err(io("prepare compression for"))?;
        let header = SessionHeader { segment: 1, ..header };
        let segment = Segment::create(directory, &header)?;
        let written = Written { segments: 1, file_bytes: segment.bytes, ..Written::default() };
        let directory = directory.to_owned();
        Ok(Self { directory, header, options, compressor, segment, block: Block::default(), written, failed: false })
    }

    /// Adds an exchange and returns the sequence number that it got. It is on disk after the next [`Self::flush`].
    ///
    /// # Errors
    /// When a block was full and could not be written, or an earlier write failed.
    pub fn append(&mut self, exchange: &mut Exchange) -> Result<u64, SessionError> {
        self.check()?;
        exchange.seq = self.written.exchanges;
        let (before, earliest, latest) = (self.block.raw.len(), exchange.instants.request_start, latest(exchange));
        record::append_exchange(exchange, &mut self.block.raw);
        let bytes = self.block.raw.len() - before;
        if bytes > PAYLOAD_BYTES_MAX / 2 {
            self.block.raw.truncate(before);
            return Err(SessionError::ExchangeTooLarge { bytes });
        }
        let entry = &mut self.block.entry;
        if entry.exchanges == 0 {
            *entry = BlockEntry { first_seq: exchange.seq, from_ns: earliest, to_ns: latest, ..BlockEntry::default() };
        }
        entry.exchanges += 1;
        entry.from_ns = entry.from_ns.min(earliest);
        entry.to_ns = entry.to_ns.max(latest);
        self.segment.index.count(exchange);
        self.written.exchanges += 1;
        self.written.raw_bytes += bytes as u64;
        if self.block.raw.len() >= self.options.block_bytes {
            self.close_block()?;
        }
        Ok(exchange.seq)
    }

    /// Writes a gap record.
    ///
    /// # Errors
    /// When the system refuses, or an earlier write failed.
    pub fn gap(&mut self, gap: &Gap) -> Result<(), SessionError> {
        self.check()?;
        self.write(kind::GAP, &record::encode_gap(gap))
    }

    /// Closes the open block and hands everything to the disk.
    ///
    /// # Errors
    /// When the system refuses, or an earlier write failed.
    pub fn flush(&mut self) -> Result<(), SessionError> {
        self.check()?;
        self.close_block()?;
        self.sync()
    }

    /// What has been written so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written
    }

    /// Writes what is left, the index and the end of the segment.
    ///
    /// # Errors
    /// When the system refuses, or an earlier write failed. What was flushed before stays readable.
    pub fn finish(mut self) -> Result<Written, SessionError> {
        self.check()?;
        self.close_block()?;
        self.close_segment()?;
        Ok(self.written)
    }

    fn check(&self) -> Result<(), SessionError> {
        if self.failed { Err(SessionError::Failed { path: self.segment.path.clone() }) } else { Ok(()) }
    }

    fn close_block(&mut self) -> Result<(), SessionError> {
        if self.block.entry.exchanges == 0 {
            return Ok(());
        }
        let Block { raw, mut entry } = std::mem::take(&mut self.block);
        let frame = self.compressor.compress(&raw).map_err(|source| {
            self.failed = true;
            self.segment.io("compress a block of", source)
        })?;
        let mut payload = Vec::with_capacity(32 + frame.len());
        payload.extend_from_slice(&u32::try_from(raw.len()).unwrap_or(u32::MAX).to_le_bytes());
        payload.extend_from_slice(&u32::try_from(entry.exchanges).unwrap_or(u32::MAX).to_le_bytes());
        for long in [entry.first_seq, entry.from_ns, entry.to_ns] {
            payload.extend_from_slice(&long.to_le_bytes());
        }
        payload.extend_from_slice(&frame);
        entry.offset = self.segment.bytes;
        self.write(kind::BLOCK, &payload)?;
        self.segment.index.blocks.push(entry);
        // The buffer is used again, unless one large exchange made it larger than a block usually is.
        if raw.capacity() <= self.options.block_bytes * 4 {
            self.block.raw = raw;
            self.block.raw.clear();
        }
        let full = self.segment.bytes >= self.options.segment_bytes_max
            || self.segment.index.clients.len() >= self.options.segment_clients_max;
        if full { self.next_segment() } else { Ok(()) }
    }

    fn next_segment(&mut self) -> Result<(), SessionError> {
        self.close_segment()?;
        self.header.segment += 1;
        self.segment = Segment::create(&self.directory, &self.header).inspect_err(|_| self.failed = true)?;
        self.written.segments += 1;
        self.written.file_bytes += self.segment.bytes;
        Ok(())
    }

    fn close_segment(&mut self) -> Result<(), SessionError> {
        let index = self.compressor.compress(&self.segment.index.encode());
        let index = index.map_err(|source| self.segment.io("compress the index of", source))?;
        let offset = self.segment.bytes;
        self.write(kind::INDEX, &index)?;
        self.write(kind::END, &offset.to_le_bytes())?;
        self.sync()
    }

    fn write(&mut self, kind: u8, payload: &[u8]) -> Result<(), SessionError> {
        let bytes = self.segment.write(kind, payload).inspect_err(|_| self.failed = true)?;
        self.written.file_bytes += bytes;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SessionError> {
        if !self.options.sync {
            return Ok(());
        }
        self.segment.file.sync_data().map_err(|source| {
            self.failed = true;
            self.segment.io("sync", source)
        })
    }
}

impl Segment {
    fn create(directory: &Path, header: &SessionHeader) -> Result<Self, SessionError> {
        let path = directory.join(format!("{:08}.{SEGMENT_EXTENSION}", header.segment));
        let io = |source| SessionError::Io { doing: "create", path: path.clone(), source };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        // Held while the file is written, so that a reader can tell "still at work" from "killed".
        file.try_lock().map_err(|error| io(error.into()))?;
        file.write_all(&frame::file_head()).map_err(io)?;
        let json = serde_json::to_vec(header).map_err(|error| io(error.into()))?;
        let mut segment = Self { path: path.clone(), file, bytes: frame::FILE_HEAD_LEN as u64, index: Index::empty() };
        segment.write(kind::HEADER, &json)?;
        Ok(segment)
    }

    fn write(&mut self, kind: u8, payload: &[u8]) -> Result<u64, SessionError> {
        let mut bytes = Vec::with_capacity(frame::RECORD_HEAD_LEN + payload.len());
        bytes.extend_from_slice(&frame::record_head(kind, payload));
        bytes.extend_from_slice(payload);
        self.file.write_all(&bytes).map_err(|source| self.io("write", source))?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len() as u64)
    }

    fn io(&self, doing: &'static str, source: std::io::Error) -> SessionError {
        SessionError::Io { doing, path: self.path.clone(), source }
    }
}

fn latest(exchange: &Exchange) -> u64 {
    let at = &exchange.instants;
    [at.request_end, at.response_start, at.response_end].into_iter().flatten().fold(at.request_head, u64::max)
}
