//! The file of `--learn`: made before anything is read, so that nothing is compared in vain, and never one that is there.
//! Where nothing is written into it, it goes again: an empty one would say that there is no noise.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use log::Level;
use replayer::compare::answers::Learned;

use crate::logging::say;
use crate::outcome::Failure;
use crate::units;

/// A new file, which goes again unless the rules are in it.
pub(super) struct New {
    file: File,
    path: PathBuf,
    is_written: bool,
}

pub(super) fn create(path: &Path) -> Result<New, Failure> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => Ok(New { file, path: path.to_owned(), is_written: false }),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::new(format!("--learn: {} is there already", path.display()))
                .hint("rules are read and changed by people: give a new file"))
        }
        Err(error) => Err(Failure::new(format!("--learn: cannot write {}: {error}", path.display()))
            .hint("check the directory and its permissions")),
    }
}

impl New {
    pub(super) fn write(mut self, learned: &Learned) -> Result<(), Failure> {
        self.file
            .write_all(learned.text.as_bytes())
            .map_err(|error| Failure::new(format!("--learn: cannot write {}: {error}", self.path.display())))?;
        self.is_written = true;
        for refused in &learned.refused {
            say(Level::Warn, &format!("warning: no rule is proposed for {refused}"));
        }
        let count = units::plural(learned.rules as u64, "rule");
        say(Level::Info, &format!("note: {count} proposed in {}", self.path.display()));
        Ok(())
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // The comparison failed, and says why: what cannot be removed either is an empty file, and no second error.
        if !self.is_written {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// There were no answers to learn from.
pub(super) fn nothing() -> Failure {
    Failure::new("--learn: no answers were kept").hint("make the runs with --answers all")
}
