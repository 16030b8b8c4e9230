//! Which page is needed when: entries sorted by due instant outside of memory, and merged as they are read.
//!
//! Entries gather in a buffer; a full one is sorted and written out as a run. Reading merges the runs, so that no pass
//! over all of them is made before the first request can be sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::kept;
use super::limit::{Limit, SpillError};
use super::store::nameless;

/// Entries that are sorted in memory at once: 40 MB.
const BUFFER_ENTRIES: usize = 1 << 20;
/// Entries that stay in memory when there are no more.
const MEMORY_ENTRIES_MAX: usize = 200_000;
/// Bytes of an entry in a run.
pub(super) const ENTRY_BYTES: usize = 40;
/// Entries of a run that are read at once.
const READ_ENTRIES: usize = 1_024;

/// A page that is needed for one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry {
    /// When its first request is due, or before.
    pub due_ns: u64,
    /// Where the page is.
    pub page_at: u64,
    /// The life's number among those of the client.
    pub copy: u32,
    /// How long the page is.
    pub page_len: u32,
    /// Whose page it is.
    pub client: u32,
    /// From recording time to unrolled recording time; unused for clients that are warped.
    pub shift_ns: i64,
}

impl DueEntry {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let parts = self.due_ns.to_le_bytes().into_iter().chain(self.page_at.to_le_bytes());
        let parts = parts.chain(self.shift_ns.to_le_bytes());
        let parts = parts.chain([self.copy, self.page_len, self.client].into_iter().flat_map(u32::to_le_bytes));
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let long =
            |at: usize| bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes);
        let word =
            |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
        Self {
            due_ns: long(0),
            page_at: long(8),
            shift_ns: long(16).cast_signed(),
            copy: word(24),
            page_len: word(28),
            client: word(32),
        }
    }
}

/// Sorts entries as they come.
pub(super) struct DueSorter {
    limit: Arc<Limit>,
    buffer: Vec<DueEntry>,
    runs: Vec<Run>,
    file: Option<Arc<File>>,
    written: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) at: u64,
    pub(super) entries: u64,
}

impl DueSorter {
    pub(super) fn new(limit: &Arc<Limit>) -> Self {
        Self { limit: Arc::clone(limit), buffer: Vec::new(), runs: Vec::new(), file: None, written: 0 }
    }

    pub(super) fn push(&mut self, entry: DueEntry) -> Result<(), SpillError> {
        self.buffer.push(entry);
        if self.buffer.len() >= BUFFER_ENTRIES { self.spill() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<DueList, SpillError> {
        if !self.runs.is_empty() || self.buffer.len() > MEMORY_ENTRIES_MAX {
            self.spill()?;
            self.buffer = Vec::new();
        }
        self.buffer.sort_unstable();
        self.buffer.shrink_to_fit();
        Ok(DueList { memory: self.buffer.into(), runs: self.runs, file: self.file })
    }

    fn spill(&mut self) -> Result<(), SpillError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.limit.spill((self.buffer.len() * ENTRY_BYTES) as u64)?;
        self.buffer.sort_unstable();
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(nameless(&self.limit.directory)?))),
        };
        self.runs.push(Run { at: self.written, entries: self.buffer.len() as u64 });
        let mut bytes = Vec::with_capacity(READ_ENTRIES * ENTRY_BYTES);
        for some in self.buffer.chunks(READ_ENTRIES) {
            bytes.clear();
            some.iter().for_each(|entry| bytes.extend_from_slice(&entry.to_bytes()));
            file.write_all_at(&bytes, self.written)?;
            self.written += bytes.len() as u64;
        }
        self.buffer.clear();
        Ok(())
    }
}

/// A sorted list of entries.
pub struct DueList {
    memory: Arc<[DueEntry]>,
    runs: Vec<Run>,
    file: Option<Arc<File>>,
}

impl DueList {
    /// What was saved, to be read.
    pub(super) fn of(file: File, runs: Vec<Run>) -> Self {
        Self { memory: Arc::new([]), runs, file: Some(Arc::new(file)) }
    }

    /// Everything into a file with this name; says where its runs are.
    pub(super) fn save(&self, path: &Path) -> io::Result<Vec<Run>> {
        if let Some(file) = &self.file {
            kept::name(file, self.bytes(), path)?;
            return Ok(self.runs.clone());
        }
        let bytes: Vec<u8> = self.memory.iter().flat_map(|entry| entry.to_bytes()).collect();
        kept::create(path)?.write_all_at(&bytes, 0)?;
        Ok(vec![Run { at: 0, entries: self.memory.len() as u64 }])
    }

    pub(super) fn bytes(&self) -> u64 {
        let on_disk: u64 = self.runs.iter().map(|run| run.entries).sum();
        (on_disk + self.memory.len() as u64) * ENTRY_BYTES as u64
    }

    pub(super) fn read(&self) -> io::Result<DueReader> {
        let mut reader = DueReader { memory: Arc::clone(&self.memory), at: 0, heap: BinaryHeap::new() };
        for run in &self.runs {
            let Some(file) = &self.file else { continue };
            let mut cursor =
                Cursor { file: Arc::clone(file), next_at: run.at, left: run.entries, buffer: Vec::new(), at: 0 };
            if let Some(first) = cursor.next()? {
                reader.heap.push(Reverse(Head { entry: first, cursor }));
            }
        }
        Ok(reader)
    }
}

/// Reads a list in order.
pub struct DueReader {
    memory: Arc<[DueEntry]>,
    at: usize,
    heap: BinaryHeap<Reverse<Head>>,
}

impl DueReader {
    /// The next entry, without taking it.
    #[must_use]
    pub fn peek(&self) -> Option<&DueEntry> {
        match self.heap.peek() {
            Some(Reverse(head)) => Some(&head.entry),
            None => self.memory.get(self.at),
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When a run cannot be read.
    pub fn take(&mut self) -> io::Result<Option<DueEntry>> {
        let Some(mut top) = self.heap.peek_mut() else {
            let entry = self.memory.get(self.at).copied();
            self.at += 1;
            return Ok(entry);
        };
        let entry = top.0.entry;
        match top.0.cursor.next()? {
            Some(next) => top.0.entry = next,
            None => {
                PeekMut::pop(top);
            }
        }
        Ok(Some(entry))
    }
}

struct Cursor {
    file: Arc<File>,
    next_at: u64,
    left: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Cursor {
    fn next(&mut self) -> io::Result<Option<DueEntry>> {
        if self.at >= self.buffer.len() {
            if self.left == 0 {
                return Ok(None);
            }
            let entries = usize::try_from(self.left).unwrap_or(usize::MAX).min(READ_ENTRIES);
            self.buffer.resize(entries * ENTRY_BYTES, 0);
            self.file.read_exact_at(&mut self.buffer, self.next_at)?;
            self.next_at += self.buffer.len() as u64;
            self.left -= entries as u64;
            self.at = 0;
        }
        let bytes = self.buffer.get(self.at..).and_then(<[u8]>::first_chunk::<ENTRY_BYTES>);
        self.at += ENTRY_BYTES;
        Ok(bytes.map(DueEntry::from_bytes))
    }
}

struct Head {
    entry: DueEntry,
    cursor: Cursor,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.entry.cmp(&other.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(due_ns: u64, page_at: u64) -> DueEntry {
        DueEntry { due_ns, page_at, copy: 3, page_len: 4, client: 5, shift_ns: -6 }
    }

    #[test]
    fn entries_come_back_in_order_from_memory_and_from_runs() {
        let folder = tempfile::tempdir().unwrap();
        for spills in [0, 1, 3] {
            let mut sorter = DueSorter::new(&Limit::new(folder.path(), u64::MAX));
            let mut expected = Vec::new();
            for i in 0..5_000_u64 {
                let one = entry(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50, i);
                expected.push(one);
                sorter.push(one).unwrap();
                if spills > 0 && i % 1_500 == 0 && sorter.runs.len() < spills {
                    sorter.spill().unwrap();
                }
            }
            expected.sort_unstable();
            let list = sorter.finish().unwrap();
            for _ in 0..2 {
                let mut reader = list.read().unwrap();
                let mut got = Vec::new();
                while let Some(peeked) = reader.peek().copied() {
                    assert_eq!(reader.take().unwrap(), Some(peeked));
                    got.push(peeked);
                }
                assert!(got == expected, "{spills} spills");
                assert_eq!(reader.take().unwrap(), None);
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file has a name");
    }
}
