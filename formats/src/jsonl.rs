//! Sessions as JSON lines: what `reenact cat` prints and `reenact import --format jsonl` reads back.
//!
//! One object a line, of `"type"` `session`, `exchange` or `gap`. Lossless: a head that its readable fields do not give
//! back to the byte has `head_base64` beside them, which wins on reading. Readable: everything else can be written and
//! edited by hand, and what is left out has a sensible default. What is read can still be sent safely: a head is one
//! head, and a request's body is as long as its head says.
//!
//! Deliberately not here: files, line numbers, and the meaning of the session header, which is any JSON object.

mod fields;
mod head;
mod line;
mod message;
mod read;
mod text;
pub(crate) mod time;
mod write;

use serde_json::Value;

use crate::model::{Exchange, Gap};

pub use time::parse as parse_time;
pub use write::{gap_to_line, session_to_line, to_line};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "almost every line is an exchange, and is taken apart at once")]
pub enum Line {
    /// The session's header, an object.
    Session(Value),
    /// An exchange.
    Exchange(Exchange),
    /// A gap.
    Gap(Gap),
}

/// Why a line cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no JSON.
    #[error("not JSON at column {column}: {why}")]
    Syntax {
        /// Counted in bytes, from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// A field is missing, unknown, of the wrong type, or has a value that it may not have.
    #[error("field `{field}`: {why}")]
    Field {
        /// Path to the field, as in `request.headers[2]`; `.` is the object itself.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads lines in order, and so can place exchanges that tell only their `time`.
///
/// Instants count from the origin that the last session line gave; without one, from that which the first exchange's
/// `time` implies.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    started_unix_ns: Option<u64>,
}

impl Reader {
    /// Before the first line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The origin from which instants count, when a line has told it.
    #[must_use]
    pub fn started_unix_ns(&self) -> Option<u64> {
        self.started_unix_ns
    }

    /// Reads the next line, with or without its line end.
    ///
    /// # Errors
    /// When the line is no JSON object of a known type, or a field of it cannot be; see [`LineError`].
    pub fn line(&mut self, line: &[u8]) -> Result<Line, LineError> {
        read::line(line, Some(&mut self.started_unix_ns))
    }
}

/// Reads one line by itself. An exchange must have `instants_ns.request_start`, since there is no origin to which its
/// `time` could be compared; [`Reader`] knows one.
///
/// ```
/// use formats::jsonl::{Line, from_line};
///
/// let line = br#"{"type":"exchange","instants_ns":{"request_start":5},"request":{"method":"GET","target":"/a"}}"#;
/// let Ok(Line::Exchange(exchange)) = from_line(line) else { unreachable!() };
/// assert_eq!(exchange.request.head, "GET /a HTTP/1.1\r\n\r\n");
/// ```
///
/// # Errors
/// As [`Reader::line`].
pub fn from_line(line: &[u8]) -> Result<Line, LineError> {
    read::line(line, None)
}

#[cfg(test)]
mod tests;
