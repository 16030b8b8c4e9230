//! The file of `--learn`: made before anything is read, so that nothing is compared in vain, and never one that is there.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use log::Level;
use replayer::compare::answers::Learned;

use crate::logging::say;
use crate::outcome::Failure;
use crate::units;

/// A new file, and its path.
pub(super) struct New(File, PathBuf);

pub(super) fn create(path: &Path) -> Result<New, Failure> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => Ok(New(file, path.to_owned())),
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
        self.0
            .write_all(learned.text.as_bytes())
            .map_err(|error| Failure::new(format!("--learn: cannot write {}: {error}", self.1.display())))?;
        for refused in &learned.refused {
            say(Level::Warn, &format!("warning: no rule is proposed for {refused}"));
        }
        let count = units::plural(learned.rules as u64, "rule");
        say(Level::Info, &format!("note: {count} proposed in {}", self.1.display()));
        Ok(())
    }

    /// There were no answers to learn from: an empty file would say that there is no noise.
    pub(super) fn nothing(self) -> Failure {
        let _ = std::fs::remove_file(&self.1);
        Failure::new("--learn: no answers were kept").hint("make the runs with --answers all")
    }
}
