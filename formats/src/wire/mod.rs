//! HTTP/1 understood from bytes: sans-IO, two byte streams with instants in, exchanges out.
//!
//! [`MessageReader`] reads one direction and knows nothing of the other; the replayer reads its answers with it.
//! [`Http1`] pairs both directions of one connection; the recorder feeds it from the tap.
//!
//! What is ambiguous (two lengths, folded lines, a coding that is not chunked) is never read one way or the other: it is
//! an error, after which the connection counts as not understood. Its bytes have long been passed on by then.

mod http1;
mod message;

pub use http1::{Blind, Http1, Limits};
pub use message::{Kind, MessageReader, ResponseTo, Step};

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
    /// A field line without a name, with white space in the name, or folded.
    #[error("a field line is malformed or folded")]
    FieldLine,
    /// A head or trailer section longer than the limit.
    #[error("the head is longer than {0} bytes")]
    HeadTooLong(usize),
    /// Content-Length is not one number, or stands beside Transfer-Encoding.
    #[error("the length of the body is ambiguous")]
    AmbiguousLength,
    /// A transfer coding other than a single `chunked`.
    #[error("the transfer coding is not `chunked`")]
    TransferCoding,
    /// A chunk-size line or the end of a chunk is malformed.
    #[error("a chunk is malformed")]
    Chunk,
    /// Bytes from the upstream while no request waits for an answer.
    #[error("a response came without a request")]
    Unsolicited,
    /// More pipelined requests than the limit.
    #[error("more than {0} requests wait for their answers")]
    TooManyPending(usize),
}

#[cfg(test)]
mod tests;
