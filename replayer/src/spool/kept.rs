//! A spool that outlives its run, for the next run of the same plan: its files with names, and what else is known of it.
//!
//! It lies in a directory of its own that appears as a whole or not at all. What decides the requests is in the key, so
//! that another recording, plan, target, rule or version never finds it. Whoever keeps spools also removes them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::due::{DueList, ENTRY_BYTES, Run};
use super::store::Store;
use super::{Spool, Summary};
use crate::scratch::Scratch;

/// The layout of the files; spools of another one are not found.
const LAYOUT: &str = concat!("reenact spool 6 ", env!("CARGO_PKG_VERSION"));
const PAGES: &str = "pages";
const DUE: &str = "due";
const FACTS: &str = "spool.json";
/// What a folder's name begins with until everything is in it.
const UNFINISHED: &str = ".reenact-spool-making-";
/// Bytes that are copied in one go where a file without a name cannot get one.
const COPY_BYTES: usize = 1 << 20;

/// What decides a spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolKey(String);

impl SpoolKey {
    /// Of everything that decides which requests are in it, and how they look.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in [LAYOUT].iter().chain(parts) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(crate::contexts::hex(&<[u8; 32]>::from(hash.finalize())))
    }

    fn directory(&self, spools: &Path) -> PathBuf {
        spools.join(format!("reenact-spool-{}", self.0))
    }
}

#[derive(Serialize, Deserialize)]
struct Facts<S, T> {
    pages_bytes: u64,
    /// Where each run of the list begins, and how many entries it has.
    runs: Vec<(u64, u64)>,
    summary: S,
    more: T,
}

impl Spool {
    /// The spool that was kept in `spools` under `key`, with what was kept beside it; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or its files are not as long as they were.
    pub fn find<T: DeserializeOwned>(spools: &Path, key: &SpoolKey) -> io::Result<Option<(Self, T)>> {
        let directory = key.directory(spools);
        let facts = match File::open(directory.join(FACTS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            facts => facts?,
        };
        let facts: Facts<Summary, T> = serde_json::from_reader(BufReader::new(facts)).map_err(|error| {
            let why = format!("{}: {error}: remove {}", directory.join(FACTS).display(), directory.display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        let (pages, due) = (File::open(directory.join(PAGES))?, File::open(directory.join(DUE))?);
        let runs: Vec<Run> = facts.runs.iter().map(|(at, entries)| Run { at: *at, entries: *entries }).collect();
        let due_bytes =
            runs.iter().map(|run| run.entries.saturating_mul(ENTRY_BYTES as u64)).fold(0, u64::saturating_add);
        for (file, bytes) in [(&pages, facts.pages_bytes), (&due, due_bytes)] {
            if file.metadata()?.len() != bytes {
                let why = format!("a file of {} is not as long as it was: remove it", directory.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        let pages = Store::of(pages, facts.pages_bytes, spools);
        let (due, summary) = (DueList::of(due, runs), facts.summary);
        let spool = Self { directory: spools.to_owned(), kept_in: Some(directory), pages, due, summary };
        Ok(Some((spool, facts.more)))
    }

    /// Keeps this spool under `key` beside its files, with `more`, and says where. A spool that is there already stays.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep<T: Serialize>(&self, key: &SpoolKey, more: &T) -> io::Result<PathBuf> {
        let directory = key.directory(&self.directory);
        let unfinished = Scratch::create(&self.directory, UNFINISHED)?;
        self.write(unfinished.path(), more)?;
        match unfinished.keep_as(&directory) {
            Err(_) if directory.join(FACTS).exists() => {}
            kept => kept?,
        }
        Ok(directory)
    }

    fn write<T: Serialize>(&self, directory: &Path, more: &T) -> io::Result<()> {
        self.pages.save(&directory.join(PAGES))?;
        let runs = self.due.save(&directory.join(DUE))?;
        let runs = runs.iter().map(|run| (run.at, run.entries)).collect();
        let facts = Facts { pages_bytes: self.pages.len(), runs, summary: &self.summary, more };
        let mut file = BufWriter::new(create(&directory.join(FACTS))?);
        serde_json::to_writer(&mut file, &facts)?;
        file.flush()
    }
}

/// A new file that only its owner reads.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a file without a name one, or copies its first bytes where the file system cannot.
pub(super) fn name(file: &File, bytes: u64, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    if linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW).is_ok() {
        return Ok(());
    }
    let (to, mut buffer, mut at) = (create(path)?, vec![0; COPY_BYTES], 0);
    while at < bytes {
        let most = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(COPY_BYTES);
        let part = buffer.get_mut(..most).unwrap_or_default();
        file.read_exact_at(part, at)?;
        to.write_all_at(part, at)?;
        at += most as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::spool::DueEntry;
    use crate::spool::due::DueSorter;
    use crate::spool::limit::Limit;

    fn entry(due_ns: u64) -> DueEntry {
        DueEntry { due_ns, page_at: due_ns * 3, copy: 1, page_len: 3, client: 2, shift_ns: -5 }
    }

    /// A spool whose pages are `size` bytes each, so that it is in memory or in files.
    fn spool(directory: &Path, pages: u64, size: usize) -> Spool {
        let limit = Limit::new(directory, u64::MAX);
        let (mut store, mut due) = (Store::new(&limit, true), DueSorter::new(&limit));
        for number in 0..pages {
            let at = store.append(&vec![u8::try_from(number % 251).unwrap(); size]).unwrap();
            due.push(DueEntry { page_at: at, page_len: u32::try_from(size).unwrap(), ..entry(pages - number) })
                .unwrap();
        }
        store.complete().unwrap();
        let mut summary = Summary::default();
        for due_ns in 0..pages {
            summary.plan(3, 1, due_ns * 1_000_000, Some(due_ns + 7));
        }
        summary.origins.insert("http://a".into());
        summary.gaps.push(formats::model::Gap {
            reason: formats::model::GapReason::QueueFull,
            from_ns: 1,
            to_ns: 2,
            connections: 3,
            exchanges: 4,
            bytes: 5,
        });
        let due = due.finish().unwrap();
        Spool { directory: directory.to_owned(), kept_in: None, pages: store, due, summary }
    }

    fn everything(spool: &Spool) -> Vec<(DueEntry, bytes::Bytes)> {
        let mut reader = spool.due().unwrap();
        let mut all = Vec::new();
        while let Some(entry) = reader.take().unwrap() {
            all.push((entry, spool.page(&entry).unwrap()));
        }
        all
    }

    #[test]
    fn a_kept_spool_is_found_as_it_was_and_under_no_other_key() {
        for (pages, size) in [(300, 10), (40, 1 << 20), (250_000, 2)] {
            let folder = tempfile::tempdir().unwrap();
            let (key, other) = (SpoolKey::of(&["a", "b"]), SpoolKey::of(&["ab", ""]));
            let made = spool(folder.path(), pages, size);
            assert!(Spool::find::<u32>(folder.path(), &key).unwrap().is_none());
            let killed = folder.path().join(format!("{UNFINISHED}0123456789abcdef"));
            fs::create_dir(&killed).unwrap();
            let at = made.keep(&key, &77_u32).unwrap();
            assert_eq!(made.keep(&key, &78_u32).unwrap(), at, "the first one stays");
            let (found, more) = Spool::find::<u32>(folder.path(), &key).unwrap().unwrap();
            assert_eq!(more, 77);
            assert!(everything(&found) == everything(&made), "{pages} pages of {size} bytes");
            let facts = |spool: &Spool| serde_json::to_value(&spool.summary).unwrap();
            assert_eq!(facts(&found), facts(&made));
            assert_eq!((found.summary.gaps.clone(), found.bytes()), (made.summary.gaps.clone(), made.bytes()));
            assert!(Spool::find::<u32>(folder.path(), &other).unwrap().is_none());
            // Only the spool is left behind, and nothing of one that was killed while it kept one.
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            for (name, says) in [(PAGES, "not as long"), (FACTS, "remove ")] {
                OpenOptions::new().write(true).open(at.join(name)).unwrap().set_len(7).unwrap();
                let error = Spool::find::<u32>(folder.path(), &key).err().unwrap().to_string();
                let names = error.contains(&at.display().to_string());
                assert!(names && error.contains(says), "{error}");
            }
        }
    }
}
