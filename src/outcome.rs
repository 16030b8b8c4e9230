//! How a command ends: exit codes in one place (design §5), and errors printed once.

use std::fmt;
#[cfg(feature = "replay")]
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::sync::OnceLock;

use formats::visible;

/// Exit code of a command that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done = 0,
    /// A verification failed.
    Failed = 1,
    /// Done, but with loss.
    Loss = 3,
    /// The generator, not the target, was the limit of a run.
    #[cfg(feature = "replay")]
    Invalid = 4,
    /// Interrupted; results so far are written.
    #[cfg(feature = "replay")]
    Interrupted = 130,
}

/// Why a command ended before it did anything: bad usage or input (exit code 2), unless its code says otherwise.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: 2 }
    }

    /// A threshold that did not hold: exit code 1.
    #[cfg(feature = "replay")]
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: Outcome::Failed as u8, ..Self::new(message) }
    }

    /// What happened, without what to do about it.
    #[cfg(feature = "replay")]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error with all its sources.
    pub(crate) fn of(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            message = format!("{message}: {inner}");
            source = inner.source();
        }
        Self::new(message)
    }

    /// The same, found in this file.
    #[cfg(feature = "replay")]
    pub(crate) fn in_file(self, path: &std::path::Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), ..self }
    }

    /// A command, format or option of the contract that this version does not have.
    pub(crate) fn not_built(what: &str) -> Self {
        Self::new(format!("{what} is not built yet")).hint("see CHANGELOG.md for what this version can do")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<formats::session::SessionError> for Failure {
    fn from(error: formats::session::SessionError) -> Self {
        let failure = Self::of(&error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(feature = "replay")]
impl From<replayer::error::ReplayError> for Failure {
    fn from(error: replayer::error::ReplayError) -> Self {
        let failure = Self::of(&error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(feature = "replay")]
impl From<replayer::merge::MergeError> for Failure {
    fn from(error: replayer::merge::MergeError) -> Self {
        let failure = Self::of(&error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Prints to standard output, whatever steers a terminal spelled out: much of what is printed was said by traffic or files.
/// A reader that went away ends the output, not the program with a panic.
pub(crate) fn print(text: &str) {
    print_bytes(visible::lines(text).as_bytes());
}

/// Prints what was made harmless piece by piece, and may be coloured.
pub(crate) fn print_painted(text: &str) {
    print_bytes(text.as_bytes());
}

/// Prints bytes from traffic: as they are, but where they would reach a terminal as [`print()`] does.
#[cfg(feature = "replay")]
pub(crate) fn print_traffic(bytes: &[u8]) {
    if std::io::stdout().is_terminal() {
        print_bytes(visible::lines_of_bytes(bytes).as_bytes());
    } else {
        print_bytes(bytes);
    }
}

fn print_bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = NOT_PRINTED.set(error.to_string());
    }
}

/// Why some of what was to be printed was not.
static NOT_PRINTED: OnceLock<String> = OnceLock::new();

/// Why standard output lacks something, unless its reader went away.
pub(crate) fn not_printed() -> Option<&'static str> {
    NOT_PRINTED.get().map(String::as_str)
}
