//! What a session is made of, in memory: exchanges, messages, instants, gaps.
//!
//! Nothing here knows how it is laid out in a file (see [`crate::session`]) or on the wire (see [`crate::wire`]).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

mod stream;
mod times;

pub use stream::{Ambiguity, Flow, Frame, PIECES_MAX, Piece, Tunnel};

/// One request and its response, as it was seen on the client's connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// Position in the session, given by the session writer in the order of writing (which is the order of completion).
    pub seq: u64,
    /// The user to whom the exchange is attributed.
    pub client: ClientKey,
    /// The client's connection, unique within the session.
    pub connection: u64,
    /// The protocol that the request's head named.
    pub protocol: Protocol,
    /// The request, always with a complete head.
    pub request: Message,
    /// Heads of the 1xx responses that came before the final one, in order.
    pub informational: Vec<Bytes>,
    /// The final response; `None` when none was seen.
    pub response: Option<Message>,
    /// When each part was seen.
    pub instants: Instants,
    /// How the exchange ended.
    pub end: End,
    /// The exchange that a replay sent again with this one; `None` in recordings.
    pub replay_of: Option<ReplayOf>,
    /// Why one of its messages cannot be read in exactly one way. What is kept of that message is what stood before the
    /// place of doubt; nothing after it was read.
    pub ambiguous: Option<Ambiguity>,
    /// Whether it was read after bytes of its connection had been lost, so that its request may have been some other
    /// message's content.
    pub resynchronised: bool,
    /// Whether its heads were put together from a source that knew neither their order nor their case.
    pub rebuilt: bool,
    /// What passed after the connection left HTTP with this exchange.
    pub tunnel: Option<Tunnel>,
    /// What is known of the connection besides (TLS, how it came): a JSON object, see the registry of docs/SPEC.md §14.
    pub facts: Option<Arc<str>>,
}

/// Which exchange was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplayOf {
    /// Number of its session, from 0, in the order in which the run was given them.
    pub session: u32,
    /// Its sequence number there.
    pub seq: u64,
    /// Which life of its client this was; 0 is the original.
    pub copy: u32,
}

/// One HTTP message: head, body and trailers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Start line and header fields exactly as sent, with the empty line that ends them.
    pub head: Bytes,
    /// How the message said where its body ends (RFC 9112 §6).
    pub framing: Framing,
    /// The content, without chunk framing.
    pub body: Body,
    /// The trailer section's field lines exactly as sent, without the empty line that ends it; empty when there is none.
    pub trailers: Bytes,
    /// When the content arrived, where it came in pieces; their lengths add up to its own. At most [`PIECES_MAX`]: what
    /// came after that many is in the last of them.
    pub pieces: Vec<Piece>,
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// The bytes that were kept: all of them, a prefix when `total_len` is larger, or what redaction made of them.
    pub bytes: Bytes,
    /// How many bytes there were as sent, before any coding was undone and anything redacted.
    pub total_len: u64,
    /// Sizes of the chunks as sent, when the framing is chunked and they are no more than 65,536.
    pub chunks: Vec<u64>,
    /// SHA-256 of the whole content, where it was kept instead of bytes that are not here.
    pub sha256: Option<[u8; 32]>,
    /// Set where redaction changed the content: `bytes` are it without any coding, and these are the codings that were
    /// undone, by the names of [`crate::coding::Coding`], in the order of Content-Encoding; none where there was none.
    pub redacted: Option<Vec<String>>,
    /// Why nothing of the body was kept, where that was decided.
    pub dropped: Option<Dropped>,
}

impl Body {
    /// Whether less was kept than was sent. A body that was redacted is there, however long it is now.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.dropped.is_some() || (self.redacted.is_none() && (self.bytes.len() as u64) < self.total_len)
    }

    /// Keeps nothing of it but its lengths.
    pub fn drop_for(&mut self, why: Dropped) {
        self.bytes = Bytes::new();
        self.redacted = None;
        self.dropped = Some(why);
    }
}

/// Why a body is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dropped {
    /// Capturing could not keep up.
    Behind,
    /// A rule might apply to it, and it could not be decoded or read.
    Undecodable,
    /// A rule might apply to it, and only a part of it was there.
    Truncated,
    /// A rule says so.
    Rule,
    /// The part of the file that held it is damaged.
    Damaged,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection's end is the body's end.
    UntilClose,
}

/// The protocol of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2; a head is one line for each field, pseudo-fields among them.
    Http2,
    /// HTTP/3, likewise.
    Http3,
}

/// Instants in nanoseconds since the session's origin (the wall-clock anchor in its header).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Instants {
    /// First byte of the request.
    pub request_start: u64,
    /// End of the request's head.
    pub request_head: u64,
    /// Last byte of the request, if it was complete.
    pub request_end: Option<u64>,
    /// When the connection to the upstream was there.
    pub connected: Option<u64>,
    /// First byte of the final response.
    pub response_start: Option<u64>,
    /// End of the final response's head.
    pub response_head: Option<u64>,
    /// Last byte of the response, if it was complete.
    pub response_end: Option<u64>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum End {
    /// Request and response are both whole.
    #[default]
    Complete,
    /// The client closed before the response was whole.
    ClientGone,
    /// The upstream closed before the response was whole.
    UpstreamGone,
    /// The recorder was stopped while the exchange was under way.
    RecordingStopped,
    /// The rest was lost between the relay and the writer (a gap says how much).
    CaptureLost,
    /// Whoever recorded it waited no longer.
    Timeout,
}

/// Where a client key was taken from: the first of these that an exchange has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum KeySource {
    /// A cookie, header or claim that the user named.
    Named,
    /// The forwarded address together with the User-Agent.
    Forwarded,
    /// The peer's address together with the User-Agent.
    Peer,
    /// The connection alone.
    #[default]
    Connection,
}

/// Pseudonym of a client: stable within a session (and across sessions with the same redaction key), and not reversible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ClientKey {
    /// What the key was made from.
    pub source: KeySource,
    /// Keyed hash of it.
    pub id: u64,
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.source.name(), self.id)
    }
}

impl std::str::FromStr for ClientKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || format!("client key `{text}` is not SOURCE-HEX, as in peer-00000000000000ff");
        let (source, id) = text.split_once('-').ok_or_else(bad)?;
        let source = KeySource::from_name(source).ok_or_else(bad)?;
        if id.is_empty() || id.len() > 16 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let id = u64::from_str_radix(id, 16).map_err(|_| bad())?;
        Ok(Self { source, id })
    }
}

/// A place in a session where exchanges are known to be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// From when, nanoseconds since the session's origin.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// How many connections lost something.
    pub connections: u64,
    /// How many exchanges are missing, as far as is known (0 when only bytes are known).
    pub exchanges: u64,
    /// How many bytes were not captured.
    pub bytes: u64,
}

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GapReason {
    /// The queue between relay and writer was full.
    QueueFull,
    /// The bytes were not HTTP/1 as the parser understands it.
    NotUnderstood,
    /// The connection left HTTP after an upgrade or CONNECT.
    Upgraded,
    /// A block of the file is damaged (found when reading).
    DamagedBlock,
    /// Writing failed (disk full, directory gone).
    WriteFailed,
    /// The parser held as much as it may for exchanges under way.
    ParserFull,
    /// Encoding or the disk was behind: exchanges were kept without their bodies.
    BodiesDropped,
    /// Encoding or the disk was so far behind that exchanges were dropped.
    BacklogFull,
    /// The machine had too little processor time or memory to spare.
    Breaker,
    /// The disk had less free space than is to be left.
    DiskFloor,
    /// Bytes of a connection that was not taken up again yet after others were lost.
    Unsynchronised,
    /// A defect in the capture path; what was under way was let go.
    Panicked,
    /// The connection spoke HTTP/2.
    Http2,
    /// The session has no end, and nobody writes it: what came after its writer's last flush (found when reading).
    Unfinished,
    /// A reason that this version does not know.
    Other,
}

/// Gives names, both ways, to the small enums of this module.
macro_rules! names {
    ($type:ty { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// The word used for it in files and on screens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// All values, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value that [`Self::name`] names.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

names!(Framing { None = "none", Length = "length", Chunked = "chunked", UntilClose = "until_close" });
names!(Protocol { Http10 = "HTTP/1.0", Http11 = "HTTP/1.1", Http2 = "HTTP/2", Http3 = "HTTP/3" });
names!(End {
    Complete = "complete",
    ClientGone = "client_gone",
    UpstreamGone = "upstream_gone",
    RecordingStopped = "recording_stopped",
    CaptureLost = "capture_lost",
    Timeout = "timeout",
});
names!(Dropped { Behind = "behind", Undecodable = "undecodable", Truncated = "truncated", Rule = "rule", Damaged = "damaged" });
names!(KeySource { Named = "named", Forwarded = "forwarded", Peer = "peer", Connection = "connection" });
names!(GapReason {
    QueueFull = "queue_full",
    NotUnderstood = "not_understood",
    Upgraded = "upgraded",
    DamagedBlock = "damaged_block",
    WriteFailed = "write_failed",
    ParserFull = "parser_full",
    BodiesDropped = "bodies_dropped",
    BacklogFull = "backlog_full",
    Breaker = "breaker",
    DiskFloor = "disk_floor",
    Unsynchronised = "unsynchronised",
    Panicked = "panicked",
    Http2 = "http2",
    Unfinished = "unfinished",
    Other = "other",
});
names!(Ambiguity {
    BothLengths = "both_lengths",
    LengthsDiffer = "lengths_differ",
    BadLength = "bad_length",
    OddTransferCoding = "odd_transfer_coding",
    BadChunk = "bad_chunk",
    BareLf = "bare_lf",
    BareCr = "bare_cr",
    ObsFold = "obs_fold",
    SpaceBeforeColon = "space_before_colon",
    BadFieldLine = "bad_field_line",
    Nul = "nul",
    BadStartLine = "bad_start_line",
    UnaskedUpgrade = "unasked_upgrade",
});
