//! OTLP JSON lines in a file, as the OpenTelemetry file exporter specification writes them: one `TracesData` a line.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::account::Fate;
use super::answer::said;
use super::batch::Message;
use crate::error::ReplayError;

/// A new file of lines.
pub(super) struct LineFile {
    file: File,
    path: PathBuf,
    /// After an error nothing more is written: half a line may stand at its end.
    failure: Option<String>,
}

impl LineFile {
    /// Makes the file, which must not be there yet.
    pub(super) fn create(path: &Path) -> Result<Self, ReplayError> {
        let bad = |why: String| ReplayError::ExportFile { path: path.to_owned(), why };
        let file = File::create_new(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => bad("it exists already".to_owned()),
            _ => bad(error.to_string()),
        })?;
        Ok(Self { file, path: path.to_owned(), failure: None })
    }

    /// Writes one line.
    pub(super) fn write(&mut self, message: &Message) -> Fate {
        if let Some(said) = &self.failure {
            return Fate::Dropped { reason: "file_failed", said: said.clone() };
        }
        // One write for the whole line, so that who reads along sees whole lines.
        let line = [&message.bytes[..], b"\n"].concat();
        match self.file.write_all(&line) {
            Ok(()) => Fate::Exported { rejected: 0, said: String::new() },
            Err(error) => {
                let said = said(&error.to_string());
                log::warn!("{} spans, and all that follow, are not in {}: {said}", message.spans, self.path.display());
                self.failure = Some(said.clone());
                Fate::Dropped { reason: "file_failed", said }
            }
        }
    }
}
