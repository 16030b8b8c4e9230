//! Why answers cannot be compared.

use formats::session::SessionError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswersError {
    /// A session of answers, or a recording, cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The operating system refused.
    #[error("cannot {doing}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Its answer.
        source: std::io::Error,
    },
    /// A reader came to an end that it must not come to.
    #[error("reading answers panicked")]
    Panicked,
}

impl AnswersError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Session(error) => error.hint(),
            Self::Io { .. } => Some("what does not fit into memory goes to a file in --spool: check its free space"),
            Self::Panicked => None,
        }
    }
}
