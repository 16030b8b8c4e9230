//! What a collector's answer means for the spans of a batch, whatever the protocol.

use std::time::Duration;

use formats::visible;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

/// Read of an answer; what is longer says nothing that we need.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of what a collector says that are kept.
const SAID_CHARS_MAX: usize = 200;

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Taken, but for `rejected` spans.
    Taken { rejected: u64, said: String },
    /// Refused for good.
    Refused {
        /// `http_400`, `invalid_argument`
        reason: String,
        said: String,
        /// Other credentials may help.
        unauthenticated: bool,
    },
    /// Not taken, and may be sent again.
    Again {
        lost: Lost,
        /// How long the collector asks to wait.
        after: Option<Duration>,
        said: String,
    },
    /// It is no answer of OTLP, so nobody knows whether the spans were taken.
    Unreadable { said: String },
}

/// What to call it when sending again has not helped in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// No connection, or one that ended before the answer did.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The collector asked for another attempt, again and again.
    Unavailable,
}

impl Lost {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Answer {
    /// Of the message that comes with success.
    pub(super) fn partial(partial: Option<ExportTracePartialSuccess>) -> Self {
        let partial = partial.unwrap_or_default();
        // Fewer than none is nonsense, and means none.
        let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
        Self::Taken { rejected, said: said(&partial.error_message) }
    }
}

/// Somebody else's words, made harmless: one line, nothing that steers a terminal, not too long.
pub(super) fn said(text: &str) -> String {
    let shown = visible::line(text);
    match shown.char_indices().nth(SAID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown.into_owned(),
    }
}
