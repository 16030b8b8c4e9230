//! Bytes that are appended, patched and read back: in memory while they are few, then in a file without a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::kept;
use super::limit::{Limit, SpillError};

/// Bytes that stay in memory.
const MEMORY_BYTES_MAX: u64 = 16 << 20;
/// Bytes gathered before they are written to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// What is kept of what is appended.
pub(super) struct Store {
    limit: Arc<Limit>,
    /// Everything so far, or, once there is a file, what is not written yet.
    tail: Vec<u8>,
    /// Bytes before the tail.
    written: u64,
    file: Option<File>,
    kept: bool,
}

impl Store {
    /// An empty store whose file, if it needs one, is made where `limit` says. Without `kept` only lengths are counted.
    pub(super) fn new(limit: &Arc<Limit>, kept: bool) -> Self {
        Self { limit: Arc::clone(limit), tail: Vec::new(), written: 0, file: None, kept }
    }

    /// What was saved, to be read.
    pub(super) fn of(file: File, bytes: u64, directory: &Path) -> Self {
        let limit = Limit::new(directory, u64::MAX);
        Self { limit, tail: Vec::new(), written: bytes, file: Some(file), kept: true }
    }

    pub(super) fn len(&self) -> u64 {
        self.written + self.tail.len() as u64
    }

    /// Appends and says where.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<u64, SpillError> {
        let at = self.len();
        if !self.kept {
            self.written += bytes.len() as u64;
            return Ok(at);
        }
        self.tail.extend_from_slice(bytes);
        let limit = if self.file.is_some() { BUFFER_BYTES as u64 } else { MEMORY_BYTES_MAX };
        if self.tail.len() as u64 > limit {
            self.spill()?;
        }
        Ok(at)
    }

    /// Writes over bytes that were appended.
    pub(super) fn patch(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if !self.kept {
            return Ok(());
        }
        if let Some(from) = at.checked_sub(self.written).and_then(|from| usize::try_from(from).ok()) {
            self.tail.iter_mut().skip(from).zip(bytes).for_each(|(to, from)| *to = *from);
            return Ok(());
        }
        match &self.file {
            Some(file) => file.write_all_at(bytes, at),
            None => Ok(()),
        }
    }

    /// Nothing more will be appended.
    pub(super) fn complete(&mut self) -> Result<(), SpillError> {
        if self.file.is_some() { self.spill() } else { Ok(()) }
    }

    pub(super) fn read(&self, at: u64, len: u32) -> io::Result<Bytes> {
        let beyond = || io::Error::new(io::ErrorKind::UnexpectedEof, "beyond the end of the spool");
        if let Some(from) = at.checked_sub(self.written).and_then(|from| usize::try_from(from).ok()) {
            let bytes = from.checked_add(len as usize).and_then(|end| self.tail.get(from..end));
            return bytes.map(Bytes::copy_from_slice).ok_or_else(beyond);
        }
        // Before anything of that size is allocated: a list that was kept may say anything.
        if at.saturating_add(u64::from(len)) > self.written {
            return Err(beyond());
        }
        let mut bytes = vec![0; len as usize];
        self.file.as_ref().ok_or_else(beyond)?.read_exact_at(&mut bytes, at)?;
        Ok(Bytes::from(bytes))
    }

    /// Everything into a file with this name.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        match &self.file {
            Some(file) => kept::name(file, self.written, path),
            None => kept::create(path)?.write_all_at(&self.tail, 0),
        }
    }

    fn spill(&mut self) -> Result<(), SpillError> {
        self.limit.spill(self.tail.len() as u64)?;
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(nameless(&self.limit.directory)?),
        };
        file.write_all_at(&self.tail, self.written)?;
        self.written += self.tail.len() as u64;
        // The memory of a store that has outgrown it is given back.
        self.tail = Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 4);
        Ok(())
    }
}

/// A file that is gone with its last descriptor, also after a kill.
pub(crate) fn nameless(directory: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(File::from(file)),
        // Not every file system can make a file without a name: it is made with one that is taken away at once.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let path = directory.join(format!(".reenact-spool-{}", crate::contexts::hex(&random)));
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            let file = open(&path, flags, Mode::RUSR | Mode::WUSR)?;
            std::fs::remove_file(&path)?;
            Ok(File::from(file))
        }
        Err(errno) => Err(errno.into()),
    }
}
