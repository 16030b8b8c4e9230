//! What a stream looks like in time: pieces of bodies, and the two flows of a connection that left HTTP.
//!
//! The rules by which pieces are told apart are the parser's ([`crate::wire`]).

use bytes::Bytes;

use super::Exchange;
use crate::head;

/// Pieces that are kept of one body or flow; what comes later is added to the last of them.
pub const PIECES_MAX: usize = 65_536;

/// A part of a stream that arrived without a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// When its first byte arrived, in nanoseconds since the session's origin.
    pub at_ns: u64,
    /// Bytes of content.
    pub len: u64,
}

/// One direction of a [`Tunnel`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flow {
    /// How many bytes passed.
    pub bytes: u64,
    /// When the first of them did, in nanoseconds since the session's origin; `None` when there were none.
    pub first_ns: Option<u64>,
    /// When the last of them did.
    pub last_ns: Option<u64>,
    /// Its pieces, as those of [`super::Message::pieces`]; empty when the bytes came without a pause.
    pub pieces: Vec<Piece>,
    /// The frames of a WebSocket connection, at most [`PIECES_MAX`]; empty where nothing was told apart.
    pub frames: Vec<Frame>,
    /// What was kept of the frames' payloads, unmasked, one behind the other.
    pub content: Bytes,
}

/// One frame of a WebSocket connection (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When its first byte arrived, in nanoseconds since the session's origin.
    pub at_ns: u64,
    /// The opcode, plus 128 for the last frame of a message.
    pub kind: u8,
    /// Bytes of its payload.
    pub len: u64,
}

/// What passed after an upgrade or CONNECT: how much and when, without the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tunnel {
    /// From the client.
    pub to_upstream: Flow,
    /// From the upstream.
    pub to_client: Flow,
}

/// Why HTTP implementations could read a message in more than one way (RFC 9112 §11.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ambiguity {
    /// Content-Length and Transfer-Encoding.
    BothLengths,
    /// Two Content-Lengths that are not the same number.
    LengthsDiffer,
    /// A Content-Length that is no decimal number, or one too large.
    BadLength,
    /// A Transfer-Encoding that is not known codings with one `chunked` as the last, or one in HTTP/1.0.
    OddTransferCoding,
    /// A chunk's size or end that is not as it must be.
    BadChunk,
    /// A line of the chunked coding or of the trailers that ends in LF alone.
    BareLf,
    /// A CR inside a line.
    BareCr,
    /// A field line that begins with white space: a folded line, or one that hides behind the start line.
    ObsFold,
    /// White space between a field's name and its colon.
    SpaceBeforeColon,
    /// A field line without a colon, or whose name is no token.
    BadFieldLine,
    /// A NUL in a head or trailer section.
    Nul,
    /// A start line with white space or control characters in its target.
    BadStartLine,
    /// A 101 that nobody asked for.
    UnaskedUpgrade,
}

impl Exchange {
    /// What the connection became: the upgrade's name, or `CONNECT`; `None` when it did not leave HTTP.
    #[must_use]
    pub fn tunnel_protocol(&self) -> Option<&[u8]> {
        self.tunnel.as_ref()?;
        let line = head::request_line(&self.request.head)?;
        if line.method == b"CONNECT" {
            return Some(b"CONNECT");
        }
        let answered = self.response.as_ref().and_then(|response| head::value(&response.head, "upgrade"));
        answered.or_else(|| head::value(&self.request.head, "upgrade"))
    }
}
