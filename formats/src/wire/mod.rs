//! HTTP/1 understood from bytes: sans-IO, two byte streams with instants in, exchanges out.
//!
//! [`MessageReader`] reads one direction and knows nothing of the other; the replayer reads its answers with it.
//! [`Http1`] pairs both directions of one connection; the recorder feeds it from the tap.
//!
//! What could be read in more than one way is never read one way or the other ([`Ambiguity`] has the kinds, `docs/http1.md`
//! the table): the exchange is kept up to there and says why, and the connection counts as not understood from there on.
//! Its bytes have long been passed on by then. After bytes were lost, a connection is taken up again by [`Http1::lost`].
//!
//! Deliberately not here: HTTP/2 and what passes after an upgrade or CONNECT, which is counted and not read.

mod framing;
mod http1;
mod message;
mod part;
mod pending;
mod pieces;
mod resync;
mod tunnel;

use crate::model::Ambiguity;

pub(crate) use framing::{Coding, transfer_coding};
pub use http1::{Blind, Http1, Limits};
pub use message::{Kind, MessageReader, ResponseTo, Step};
pub use pieces::PIECE_PAUSE_NS;
pub use resync::RESYNC_QUIET_NS;

/// Who sent the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Client to upstream.
    Request,
    /// Upstream to client.
    Response,
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// End of stream: the sender finished.
    Eof,
    /// Reset or another error of the socket.
    Reset,
}

/// Why bytes are not HTTP/1 that can be read in exactly one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first line is no request line or status line of HTTP/1.0 or 1.1.
    #[error("the start line is not one of HTTP/1.0 or HTTP/1.1")]
    StartLine,
    /// The preface of HTTP/2.
    #[error("this is HTTP/2")]
    Http2,
    /// The message can be read in more than one way.
    #[error("the message can be read in more than one way: {}", .0.name())]
    Ambiguous(Ambiguity),
    /// A head or trailer section longer than the limit.
    #[error("the head is longer than {0} bytes")]
    HeadTooLong(usize),
    /// A chunk-size line with its extensions longer than the limit.
    #[error("the line of a chunk is longer than {0} bytes")]
    ChunkLineTooLong(usize),
    /// Bytes from the upstream while no request waits for an answer.
    #[error("a response came without a request")]
    Unsolicited,
    /// More pipelined requests than the limit.
    #[error("more than {0} requests wait for their answers")]
    TooManyPending(usize),
    /// More informational responses to one request than the limit.
    #[error("more than {0} informational responses came before the final one")]
    TooManyInformational(usize),
    /// More bytes after a request that asks to leave HTTP than the limit, before the answer says what they are.
    #[error("more than {0} bytes or 1,024 arrivals wait for the answer to an upgrade or CONNECT")]
    TooMuchEarly(usize),
}

impl From<Ambiguity> for WireError {
    fn from(kind: Ambiguity) -> Self {
        Self::Ambiguous(kind)
    }
}

#[cfg(test)]
mod tests;
