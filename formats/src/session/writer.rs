//! Writing a session: exchanges gather in a block, a flush makes them durable, an index closes the segment.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::block::{BlockWriter, HEAD_BYTES_MAX, LIST_MAX};
use super::cipher::{Encryption, Sealer};
use super::compress::Compressor;
use super::frame::{self, kind};
use super::header::{BODY_TEMPLATES, ENCRYPTED};
use super::index::{BlockEntry, Index};
use super::{BLOCK_BYTES_MAX, EXCHANGE_BYTES_MAX, SEGMENT_EXTENSION, SessionError, SessionHeader, footer, gap, packed};
use crate::model::{Exchange, Gap, GapReason, Message};
use crate::seal::Recipients;
use crate::summary::{GapRow, Merge as _, Names, Summary};

/// Sizes and bounds of the writer.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// A block is closed when its exchanges take this many bytes, those of bodies that repeat counted once; at most 32 MiB.
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
        Self { block_bytes: 2 << 20, level: 1, segment_bytes_max: 1 << 30, segment_clients_max: 200_000, sync: true }
    }
}

/// What has been written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Exchanges, those in the open block included.
    pub exchanges: u64,
    /// Bytes of heads, trailers and bodies that were kept.
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
    recipients: Option<Recipients>,
    compressor: Compressor,
    /// None when the last one was closed, or failed.
    segment: Option<Segment>,
    block: BlockWriter,
    entry: BlockEntry,
    names: Names,
    written: Written,
    /// Sequence number of the next exchange. One that was lost takes its number with it.
    next_seq: u64,
    /// What was written when a flush last succeeded.
    durable: Written,
    /// The gaps of segments that were deleted while they were written, until they are declared again.
    gaps_lost: BTreeMap<GapReason, GapRow>,
}

struct Segment {
    path: PathBuf,
    file: File,
    bytes: u64,
    index: Index,
    summary: Summary,
    sealer: Option<Sealer>,
    /// What had been written before it.
    before: Written,
}

impl SessionWriter {
    /// Makes the directory (mode 0700) unless it is there and empty, and the first segment (mode 0600) with its header.
    ///
    /// # Errors
    /// When the directory is not empty or the system refuses.
    pub fn create(directory: &Path, header: SessionHeader, options: WriterOptions) -> Result<Self, SessionError> {
        Self::create_for(directory, header, options, None)
    }

    /// As [`Self::create`]; with recipients, every segment is encrypted for them under a key of its own, and nothing that
    /// this writer holds opens what it has written.
    ///
    /// # Errors
    /// Also when there are no random bytes.
    pub fn create_for(
        directory: &Path,
        header: SessionHeader,
        options: WriterOptions,
        recipients: Option<Recipients>,
    ) -> Result<Self, SessionError> {
        let io = |doing: &'static str| {
            let path = directory.to_owned();
            move |source| SessionError::Io { doing, path, source }
        };
        make_directory(directory)?;
        if fs::read_dir(directory).map_err(io("read"))?.next().is_some() {
            return Err(SessionError::NotEmpty { path: directory.to_owned() });
        }
        let compressor = Compressor::new(options.level).map_err(io("prepare compression for"))?;
        let block_bytes_max = usize::try_from(BLOCK_BYTES_MAX).unwrap_or(usize::MAX);
        // What a reader must know is this writer's to say, whatever the session was made of.
        let features_required = vec![BODY_TEMPLATES.to_owned()];
        let mut writer = Self {
            directory: directory.to_owned(),
            header: SessionHeader { segment: 0, features_required, ..header },
            options: WriterOptions { block_bytes: options.block_bytes.min(block_bytes_max), ..options },
            recipients,
            compressor,
            segment: None,
            block: BlockWriter::new().map_err(io("take random bytes for"))?,
            entry: BlockEntry::default(),
            names: Names::default(),
            written: Written::default(),
            next_seq: 0,
            durable: Written::default(),
            gaps_lost: BTreeMap::new(),
        };
        writer.open_segment()?;
        writer.durable = writer.written;
        Ok(writer)
    }

    /// Adds an exchange and returns the sequence number that it got. It is on disk after the next [`Self::flush`].
    ///
    /// # Errors
    /// When a block was full and could not be written, or an earlier write failed.
    pub fn append(&mut self, exchange: &mut Exchange) -> Result<u64, SessionError> {
        let raw_bytes = check_sizes(exchange)?;
        let Some(segment) = &mut self.segment else { return Err(self.failed()) };
        exchange.seq = self.next_seq;
        let (earliest, latest) = (exchange.instants.request_start, exchange.last_ns());
        let entry = &mut self.entry;
        if entry.exchanges == 0 {
            *entry = BlockEntry { first_seq: exchange.seq, from_ns: earliest, to_ns: latest, ..BlockEntry::default() };
        }
        entry.exchanges += 1;
        entry.from_ns = entry.from_ns.min(earliest);
        entry.to_ns = entry.to_ns.max(latest);
        self.block.append(exchange);
        segment.index.count(exchange);
        segment.summary.count_with(exchange, &mut self.names);
        self.next_seq += 1;
        self.written.exchanges += 1;
        self.written.raw_bytes += raw_bytes as u64;
        if self.block.size() >= self.options.block_bytes {
            self.close_block()?;
        }
        Ok(exchange.seq)
    }

    /// Writes a gap record.
    ///
    /// # Errors
    /// When the system refuses, or an earlier write failed.
    pub fn gap(&mut self, gap: &Gap) -> Result<(), SessionError> {
        self.write(kind::GAP, &gap::encode(gap))?;
        self.segment.iter_mut().for_each(|segment| segment.summary.count_gap(gap));
        Ok(())
    }

    /// Closes the open block and hands everything to the disk.
    ///
    /// # Errors
    /// When the system refuses, the segment's file was deleted, or an earlier write failed.
    pub fn flush(&mut self) -> Result<(), SessionError> {
        self.close_block()?;
        self.sync()?;
        self.durable = self.written;
        Ok(())
    }

    /// What has been written so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written
    }

    /// What of it a flush has made durable; the rest is lost if no segment takes anything any more. What stood in a segment
    /// that was deleted while it was written is not there.
    #[must_use]
    pub fn durable(&self) -> Written {
        self.durable
    }

    /// Where the session is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Number of the newest segment, from 1.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.header.segment
    }

    /// Closes the segment and begins the next one.
    ///
    /// # Errors
    /// When the system refuses, or an earlier write failed.
    pub fn rotate(&mut self) -> Result<(), SessionError> {
        self.end(false)?;
        self.open_segment()
    }

    /// Closes the segment; [`Self::reopen`] begins the next one.
    ///
    /// # Errors
    /// When the system refuses, or an earlier write failed.
    pub fn close(&mut self) -> Result<(), SessionError> {
        self.end(false)
    }

    fn end(&mut self, is_last: bool) -> Result<(), SessionError> {
        self.close_block()?;
        self.close_segment(is_last)?;
        self.segment = None;
        self.durable = self.written;
        Ok(())
    }

    /// Begins the next segment, after [`Self::close`] or after an error; makes the directory again if it is gone. What was
    /// flushed before stays readable, but for a segment that was deleted. Exchanges that were given to the writer since then
    /// may be lost: they are added to `gap`, which is the segment's first record if anything is missing, do not count as written any more, and
    /// their sequence numbers are not given again. So are those of a segment that was deleted; its gaps are declared again.
    ///
    /// # Errors
    /// When the system refuses; another attempt may follow.
    pub fn reopen(&mut self, mut gap: Gap) -> Result<Gap, SessionError> {
        make_directory(&self.directory)?;
        self.segment = None;
        self.open_segment()?;
        gap.exchanges += self.written.exchanges - self.durable.exchanges;
        // Where nothing was lost, there is no gap, and no number is missing.
        if !gap.is_nothing() {
            self.gap(&gap)?;
        }
        let lost = std::mem::take(&mut self.gaps_lost);
        for (reason, row) in &lost {
            let declared = self.gap(&row.as_gap(*reason));
            if declared.is_err() {
                self.gaps_lost = lost;
                return declared.map(|()| gap);
            }
        }
        self.written = Written { exchanges: self.durable.exchanges, raw_bytes: self.durable.raw_bytes, ..self.written };
        self.durable = self.written;
        Ok(gap)
    }

    /// Writes what is left, the index and the end of the segment.
    ///
    /// # Errors
    /// When the system refuses, or an earlier write failed. What was flushed before stays readable.
    pub fn finish(mut self) -> Result<Written, SessionError> {
        // What was closed is whole; after an error it is not.
        if self.segment.is_some() {
            self.end(true)?;
        }
        if self.written == self.durable { Ok(self.written) } else { Err(self.failed()) }
    }

    fn close_block(&mut self) -> Result<(), SessionError> {
        if self.entry.exchanges == 0 {
            return Ok(());
        }
        let mut entry = std::mem::take(&mut self.entry);
        let segment = self.segment.as_ref();
        let offset = |block: usize| segment.and_then(|segment| Some(segment.index.blocks.get(block)?.offset));
        let content = self.block.finish(entry.from_ns, offset);
        // One large exchange makes more room than a block usually needs.
        self.block.next_block(self.options.block_bytes * 4);
        let payload = packed::pack(&content, &entry, &mut self.compressor);
        let payload = payload.map_err(|source| self.fail("compress a block of", source))?;
        entry.offset = self.write(kind::BLOCK, &payload)?;
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.index.blocks.push(entry);
        let full = segment.bytes >= self.options.segment_bytes_max
            || segment.index.clients.len() >= self.options.segment_clients_max;
        if full { self.rotate() } else { Ok(()) }
    }

    fn open_segment(&mut self) -> Result<(), SessionError> {
        let header = SessionHeader { segment: self.header.segment + 1, ..self.header.clone() };
        let sealed =
            self.recipients.as_ref().map(|recipients| Sealer::new(recipients, &header.session_id, header.segment));
        let path = &self.directory;
        let sealed = sealed.transpose().map_err(|source| SessionError::Unencrypted { path: path.clone(), source })?;
        let segment = Segment::create(&self.directory, &header, sealed)?;
        self.block.next_segment();
        self.entry = BlockEntry::default();
        self.header = header;
        self.written.segments += 1;
        self.written.file_bytes += segment.bytes;
        self.segment = Some(Segment { before: self.durable, ..segment });
        Ok(())
    }

    fn close_segment(&mut self, is_last: bool) -> Result<(), SessionError> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let (mut index, mut summary) = (Vec::new(), Vec::new());
        let (all, json) = (segment.index.encode(), footer::encode(&segment.summary));
        let packed = self.compressor.compress(&all, &[], &mut index);
        packed.map_err(|source| self.fail("compress the index of", source))?;
        let packed = json.and_then(|json| self.compressor.compress(&json, &[], &mut summary));
        packed.map_err(|source| self.fail("compress the summary of", source))?;
        let index_at = self.write(kind::INDEX, &index)?;
        let summary_at = self.write(kind::SUMMARY, &summary)?;
        let end: Vec<u8> = [index_at, summary_at, u64::from(is_last)].into_iter().flat_map(u64::to_le_bytes).collect();
        self.write(kind::END, &end)?;
        self.sync()
    }

    /// Appends a record and returns where it begins.
    fn write(&mut self, kind: u8, payload: &[u8]) -> Result<u64, SessionError> {
        let Some(segment) = &mut self.segment else {
            return Err(self.failed());
        };
        let offset = segment.bytes;
        match segment.write(kind, payload) {
            Ok(bytes) => {
                self.written.file_bytes += bytes;
                Ok(offset)
            }
            Err(source) => Err(self.fail("write", source)),
        }
    }

    fn sync(&mut self) -> Result<(), SessionError> {
        let Some(segment) = &self.segment else {
            return Err(self.failed());
        };
        // A file that was deleted takes bytes gladly, and nobody will ever read them.
        let is_deleted = segment.file.metadata().map(|metadata| metadata.nlink() == 0);
        let synced = match is_deleted {
            Ok(true) => {
                self.durable = Written {
                    exchanges: segment.before.exchanges,
                    raw_bytes: segment.before.raw_bytes,
                    ..self.durable
                };
                self.gaps_lost.merge_with(&segment.summary.gaps);
                Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the file was deleted"))
            }
            Ok(false) if self.options.sync => segment.file.sync_data(),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        synced.map_err(|source| self.fail("sync", source))
    }

    fn failed(&self) -> SessionError {
        SessionError::Failed { path: self.directory.clone() }
    }

    /// No segment takes anything after an error: who knows what of it is on the disk.
    fn fail(&mut self, doing: &'static str, source: std::io::Error) -> SessionError {
        let path = self.segment.take().map_or_else(|| self.directory.clone(), |segment| segment.path);
        SessionError::Io { doing, path, source }
    }
}

fn make_directory(directory: &Path) -> Result<(), SessionError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| SessionError::Io { doing: "create", path: directory.to_owned(), source })
}

impl Segment {
    fn create(
        directory: &Path,
        header: &SessionHeader,
        sealed: Option<(Sealer, Encryption)>,
    ) -> Result<Self, SessionError> {
        let path = directory.join(format!("{:08}.{SEGMENT_EXTENSION}", header.segment));
        let io = |source| SessionError::Io { doing: "create", path: path.clone(), source };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        let mut segment = Self {
            path: path.clone(),
            file,
            bytes: 0,
            index: Index::default(),
            summary: Summary::default(),
            sealer: None,
            before: Written::default(),
        };
        segment.begin(header, sealed).map_err(|source| {
            // An empty file would stand in the way of the next attempt.
            let _ = fs::remove_file(&path);
            io(source)
        })?;
        Ok(segment)
    }

    fn begin(&mut self, header: &SessionHeader, sealed: Option<(Sealer, Encryption)>) -> std::io::Result<()> {
        // Held while the file is written, so that a reader can tell "still at work" from "killed".
        self.file.try_lock()?;
        self.file.write_all(&frame::file_head())?;
        self.bytes = frame::FILE_HEAD_LEN as u64;
        let Some((sealer, encryption)) = sealed else {
            return self.write(kind::HEADER, &serde_json::to_vec(header)?).map(|_| ());
        };
        let public = SessionHeader {
            session_id: header.session_id.clone(),
            segment: header.segment,
            created_by: header.created_by.clone(),
            encryption: Some(encryption),
            features_required: [&[ENCRYPTED.to_owned()], &header.features_required[..]].concat(),
            ..SessionHeader::default()
        };
        self.write(kind::HEADER, &serde_json::to_vec(&public)?)?;
        self.sealer = Some(sealer);
        self.write(kind::PRIVATE_HEADER, &serde_json::to_vec(header)?).map(|_| ())
    }

    fn write(&mut self, kind: u8, payload: &[u8]) -> std::io::Result<u64> {
        let sealed = match &mut self.sealer {
            Some(sealer) => {
                let sealed = sealer.seal(kind, payload);
                Some(sealed.ok_or_else(|| std::io::Error::other("a record is too long to be encrypted"))?)
            }
            None => None,
        };
        let payload = sealed.as_deref().unwrap_or(payload);
        let mut bytes = Vec::with_capacity(frame::RECORD_HEAD_LEN + payload.len());
        bytes.extend_from_slice(&frame::record_head(kind, self.sealer.is_some(), payload));
        bytes.extend_from_slice(payload);
        self.file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len() as u64)
    }
}

/// The bytes of heads, trailers and bodies, if no part is larger than it may be.
fn check_sizes(exchange: &Exchange) -> Result<usize, SessionError> {
    let within = |what: &'static str, got: usize, limit: usize| match got <= limit {
        true => Ok(got),
        false => Err(SessionError::ExchangeTooLarge { what, got, limit }),
    };
    let mut bytes = 0;
    for head in &exchange.informational {
        bytes += within("a head", head.len(), HEAD_BYTES_MAX)?;
    }
    within("the number of informational responses", exchange.informational.len(), LIST_MAX)?;
    for Message { head, body, trailers, pieces, .. } in
        [Some(&exchange.request), exchange.response.as_ref()].into_iter().flatten()
    {
        bytes += within("a head", head.len(), HEAD_BYTES_MAX)?;
        bytes += within("a trailer section", trailers.len(), HEAD_BYTES_MAX)? + body.bytes.len();
        within("the number of chunks", body.chunks.len(), LIST_MAX)?;
        within("the number of pieces", pieces.len(), LIST_MAX)?;
        within("the number of codings", body.redacted.as_ref().map_or(0, Vec::len), LIST_MAX)?;
    }
    for flow in exchange.tunnel.iter().flat_map(|tunnel| [&tunnel.to_upstream, &tunnel.to_client]) {
        bytes += flow.content.len();
        within("the number of pieces", flow.pieces.len(), LIST_MAX)?;
        within("the number of frames", flow.frames.len(), LIST_MAX)?;
    }
    within("the size", bytes + exchange.facts.as_ref().map_or(0, |facts| facts.len()), EXCHANGE_BYTES_MAX)
}
