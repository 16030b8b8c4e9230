//! A file that stops a run by being there, for people who have no terminal with the run in it.

use std::path::{Path, PathBuf};

/// The path of such a file; what is in it does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillFile {
    path: PathBuf,
}

/// It is there before the run is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kill file {} is there already", path.display())]
pub struct KillFileError {
    /// The file.
    pub path: PathBuf,
}

impl KillFileError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "somebody wants no load now; remove the file when that is over"
    }
}

impl std::str::FromStr for KillFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        if path.is_empty() {
            return Err("the kill file has no path".to_owned());
        }
        Ok(Self { path: PathBuf::from(path) })
    }
}

impl KillFile {
    /// Whether it is there. A path that cannot be looked at counts as there: who forbids looking wants no load either.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.path.try_exists().unwrap_or(true)
    }

    /// Where it would be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a run may begin, given whether the file is there.
    ///
    /// # Errors
    /// When it is.
    pub fn may_start(&self, is_there: bool) -> Result<(), KillFileError> {
        if is_there { Err(KillFileError { path: self.path.clone() }) } else { Ok(()) }
    }

    /// Why a run must stop, given whether the file is there.
    #[must_use]
    pub fn must_stop(&self, is_there: bool) -> Option<String> {
        is_there.then(|| format!("the kill file {} appeared", self.path.display()))
    }
}
