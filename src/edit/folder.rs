//! Where an edit puts what it makes: beside OUT until all of it is there, so that what stands at OUT is whole.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use formats::session::{Session, SessionError};

use super::origin::distinct;
use crate::outcome::Failure;

/// What is at work on OUT, in a directory of its own that goes when the edit fails.
pub(super) struct Folder {
    parent: PathBuf,
    name: String,
    partial: PathBuf,
}

impl Folder {
    /// Checks that OUT is free and apart from the inputs, and makes the directory beside it.
    pub(super) fn create(out: &Path, is_split: bool, sessions: &[Session]) -> Result<Self, Failure> {
        let shown = out.display();
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| Failure::new(format!("--out {shown} names no directory")))?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        refuse_inside(out, parent, sessions)?;
        let taken = if is_split { taken_part(parent, &name) } else { is_taken(out).then(|| out.to_owned()) };
        if let Some(path) = taken {
            return Err(SessionError::NotEmpty { path }.into());
        }
        let partial = parent.join(format!("{name}.partial"));
        let made = DirBuilder::new().recursive(true).create(parent);
        let made = made.and_then(|()| DirBuilder::new().mode(0o700).create(&partial));
        made.map_err(|error| {
            let failure = Failure::new(format!("cannot create {}: {error}", partial.display()));
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    failure.hint("another edit is at work there, or one was ended before it was done: then remove it")
                }
                _ => failure.hint("check the path, its permissions and the free space"),
            }
        })?;
        Ok(Self { parent: parent.to_owned(), name, partial })
    }

    /// Where the part with this number is made.
    pub(super) fn part(&self, number: u64) -> PathBuf {
        self.partial.join(number.to_string())
    }

    /// Puts a part that is complete where it was asked for: OUT, or OUT-001 for the first of several.
    pub(super) fn put(&self, number: u64, position: Option<usize>) -> Result<PathBuf, Failure> {
        let name = position.map_or_else(|| self.name.clone(), |position| format!("{}-{position:03}", self.name));
        let (from, to) = (self.part(number), self.parent.join(name));
        fs::rename(&from, &to).map_err(|error| Failure::new(format!("cannot create {}: {error}", to.display())))?;
        Ok(to)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Empty after an edit that was done. Whoever finds it after a failure is told at the next attempt.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

/// Refuses one segment given twice: its exchanges would be there twice, as if they had been recorded so.
pub(super) fn refuse_twice(sessions: &[Session]) -> Result<(), Failure> {
    let all = sessions.iter().flat_map(Session::segments).map(|path| fs::canonicalize(path).unwrap_or(path.clone()));
    let mut all: Vec<PathBuf> = all.collect();
    all.sort_unstable();
    let twice = all.windows(2).find_map(|pair| if let [a, b] = pair { (a == b).then_some(a) } else { None });
    match twice {
        Some(path) => Err(Failure::new(format!("{} is given twice", path.display())).hint("name each session once")),
        None => Ok(()),
    }
}

fn refuse_inside(out: &Path, parent: &Path, sessions: &[Session]) -> Result<(), Failure> {
    // Of what is not there yet, the part that is.
    let there = std::iter::once(out).chain(parent.ancestors()).find_map(|path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::canonicalize(path).ok()
    });
    let Some(there) = there else { return Ok(()) };
    let directories = sessions.iter().map(Session::path).filter(|path| path.is_dir());
    for directory in distinct(directories) {
        if fs::canonicalize(directory).is_ok_and(|directory| there.starts_with(&directory)) {
            return Err(Failure::new(format!("--out {} is inside {}", out.display(), directory.display()))
                .hint("a session is never changed: give a directory beside it"));
        }
    }
    Ok(())
}

fn is_taken(path: &Path) -> bool {
    fs::read_dir(path).map_or(path.exists(), |mut entries| entries.next().is_some())
}

/// A directory that a part could need, in the way.
fn taken_part(parent: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(parent).ok()?.flatten().map(|entry| entry.path()).find(|path| {
        let number = path.file_name().and_then(|found| found.to_str()?.strip_prefix(name)?.strip_prefix('-'));
        let is_part = |number: &str| number.len() >= 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        number.is_some_and(is_part) && is_taken(path)
    })
}
