//! A folder for as long as somebody is at work in it. It is locked meanwhile, so that whoever makes another one beside it can
//! tell those that a killed process left behind, and removes them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::contexts;

/// Random bytes in a name: process ids are the same in all containers.
const RANDOM_BYTES: usize = 8;
/// Folders that are made until one is not taken for a left one between its making and its locking.
const ATTEMPTS_MAX: usize = 16;

/// A folder that is removed with this.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    is_kept: bool,
    /// Locked as long as it is open, where the file system has locks for folders.
    _locked: File,
}

impl Scratch {
    /// A new folder in `parent`, readable by its owner only, whose name begins with `prefix`; those of the same prefix that
    /// nobody is at work in any more are removed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(parent: &Path, prefix: &str) -> io::Result<Self> {
        sweep(parent, prefix);
        for _ in 0..ATTEMPTS_MAX {
            let mut random = [0; RANDOM_BYTES];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let path = parent.join(format!("{prefix}{}", contexts::hex(&random)));
            DirBuilder::new().mode(0o700).create(&path)?;
            if let Some(locked) = lock_new(&path)? {
                return Ok(Self { path, is_kept: false, _locked: locked });
            }
        }
        Err(io::Error::new(ErrorKind::ResourceBusy, "another process removes what is made there"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder another name, under which it stays.
    ///
    /// # Errors
    /// When the system refuses; the folder is removed then.
    pub fn keep_as(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Locks a folder that was just made; `None` when somebody took it for one that was left, and removes it.
fn lock_new(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Ok(None);
    }
    // Where there are no locks, nobody else gets one either, and nothing is removed.
    let is_there =
        fs::symlink_metadata(path).is_ok_and(|there| file.metadata().is_ok_and(|own| own.ino() == there.ino()));
    Ok(is_there.then_some(file))
}

/// Removes folders of this prefix that nobody has locked: with them went who made them.
fn sweep(parent: &Path, prefix: &str) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let is_ours = |name: &str| {
        name.strip_prefix(prefix).is_some_and(|random| {
            random.len() == 2 * RANDOM_BYTES && random.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    for entry in entries {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || !entry.file_name().to_str().is_some_and(is_ours) {
            continue;
        }
        // Those of other users cannot be opened.
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok()
            && let Err(error) = fs::remove_dir_all(entry.path())
            && error.kind() != ErrorKind::NotFound
        {
            log::warn!("cannot remove {}, which a killed process left: {error}", entry.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_removed_and_what_somebody_works_in_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let first = Scratch::create(folder.path(), "x-").unwrap();
        fs::write(first.path().join("page"), "1").unwrap();
        // One of a killed process; what only looks like one; one of another kind; no folder.
        let (left, others) =
            (at("x-0123456789abcdef"), ["x-notes", "x-0123456789abcdefg", "y-0123456789abcdef"].map(at));
        fs::create_dir(&left).unwrap();
        fs::write(left.join("pages"), "half").unwrap();
        others.iter().for_each(|path| fs::create_dir(path).unwrap());
        fs::write(at("x-fedcba9876543210"), "").unwrap();
        let second = Scratch::create(folder.path(), "x-").unwrap();
        assert!(!left.exists() && others.iter().all(|path| path.exists()) && at("x-fedcba9876543210").exists());
        assert!(first.path().join("page").exists() && first.path() != second.path());
        let (gone, kept) = (first.path().to_owned(), at("kept"));
        drop(first);
        second.keep_as(&kept).unwrap();
        assert!(!gone.exists() && kept.exists());
    }

    #[test]
    fn a_new_folder_that_was_taken_for_a_left_one_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::create_dir(&path).unwrap();
        let sweeper = File::open(&path).unwrap();
        sweeper.lock().unwrap();
        assert!(lock_new(&path).unwrap().is_none(), "about to be removed");
        drop(sweeper);
        assert!(lock_new(&path).unwrap().is_some());
        fs::remove_dir(&path).unwrap();
        assert!(lock_new(&path).unwrap().is_none(), "removed");
    }
}
