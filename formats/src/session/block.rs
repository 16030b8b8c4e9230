//! Blocks: exchanges as columns (docs/SPEC.md §5 and §6), both ways. No files, no compression.

mod bodies;
mod decode;
mod encode;
mod heads;
mod recent;
mod values;

pub(super) use bodies::{BORROWED_BYTES_MAX, Lent};
pub(super) use decode::BlockReader;
pub(super) use encode::{BlockWriter, Content};

use super::BLOCK_BYTES_MAX;

/// Entries of any list of an exchange: chunks, pieces, frames, codings, informational responses.
pub(super) const LIST_MAX: usize = crate::model::PIECES_MAX;
/// Entries of any table of a block, and parts of its templates together; each may stand for more bytes than it takes.
pub(super) const TABLE_ENTRIES_MAX: usize = 1 << 22;
/// Values of the value columns of a block together.
pub(super) const VALUES_MAX: usize = 1 << 23;
/// References of a block's value columns together, those to a client's latest value left out: what the others say is remembered
/// for their clients, in each column.
pub(super) const REFERENCES_MAX: usize = 1 << 25;
// A writer's block has fewer. Each counts two of the bytes with which a block is closed. The exchange that closes it has the heads
// of its informational responses and four more, each of less than so many lines, a target, and four bodies.
const _: () = assert!(
    BLOCK_BYTES_MAX / 2 + ((LIST_MAX + 4) * (heads::LINES_MAX - 1) + 1 + 4 * bodies::TEMPLATE_BODY_BYTES_MAX) as u64
        <= REFERENCES_MAX as u64
);
/// Bodies of a block together, as they were and not as they are stored.
pub(super) const BODIES_BYTES_MAX: usize = 128 << 20;
/// Longest head or trailer section.
pub(super) const HEAD_BYTES_MAX: usize = 8 << 20;

/// The columns by their numbers in the specification.
mod id {
    pub(super) const CLIENTS: u64 = 1;
    pub(super) const CONNECTIONS: u64 = 2;
    pub(super) const STRINGS: u64 = 3;
    pub(super) const TEMPLATES: u64 = 4;
    pub(super) const BODY_LENGTHS: u64 = 5;
    pub(super) const BODIES: u64 = 6;
    pub(super) const BORROWED: u64 = 7;
    pub(super) const BODY_TEMPLATES: u64 = 8;

    pub(super) const CONNECTION: usize = 16;
    pub(super) const CLIENT: usize = 17;
    pub(super) const PROTOCOL: usize = 18;
    pub(super) const END: usize = 19;
    pub(super) const ANSWERED: usize = 20;
    pub(super) const AMBIGUITY: usize = 21;
    pub(super) const MARKS: usize = 22;
    pub(super) const REQUEST_START: usize = 23;
    pub(super) const REQUEST_HEAD: usize = 24;
    pub(super) const REQUEST_END: usize = 25;
    pub(super) const RESPONSE_START: usize = 26;
    pub(super) const RESPONSE_HEAD: usize = 27;
    pub(super) const RESPONSE_END: usize = 28;
    pub(super) const CONNECTED: usize = 29;
    pub(super) const INFORMATIONAL: usize = 30;
    pub(super) const INFORMATIONAL_HEADS: usize = 31;
    pub(super) const FACTS: usize = 32;
    pub(super) const REPLAYED: usize = 33;
    pub(super) const REPLAYED_SEQ: usize = 34;
    pub(super) const REPLAYED_COPY: usize = 35;
    pub(super) const TUNNEL: usize = 36;

    pub(super) const FLOW_BYTES: usize = 40;
    pub(super) const FLOW_FIRST: usize = 41;
    pub(super) const FLOW_LAST: usize = 42;
    pub(super) const FLOW_PIECES: usize = 43;
    pub(super) const FRAMES: usize = 46;
    pub(super) const FRAME_INSTANTS: usize = 47;
    pub(super) const FRAME_KINDS: usize = 48;
    pub(super) const FRAME_LENGTHS: usize = 49;
    pub(super) const FLOW_CONTENT: usize = 50;

    /// Those of messages come twice.
    pub(super) const REQUEST: usize = 64;
    pub(super) const RESPONSE: usize = 96;
    pub(super) const HEAD: usize = 0;
    pub(super) const FRAMING: usize = 1;
    pub(super) const BODY: usize = 2;
    pub(super) const TOTAL_LEN: usize = 3;
    pub(super) const TRAILERS: usize = 4;
    pub(super) const CHUNKS: usize = 5;
    pub(super) const CHUNK_SIZES: usize = 6;
    pub(super) const PIECES: usize = 7;
    pub(super) const DIGEST: usize = 10;
    pub(super) const DIGESTS: usize = 11;
    pub(super) const REDACTED: usize = 12;
    pub(super) const CODINGS: usize = 13;
    pub(super) const DROPPED: usize = 14;

    /// Columns below this hold what their number says, those from it on are the value columns.
    pub(super) const VALUES: usize = 256;
    /// Columns of numbers are below this.
    pub(super) const NUMBERS: usize = 128;

    /// Whether a column of numbers has a meaning; others are not looked at.
    pub(super) const fn is_known(column: usize) -> bool {
        matches!(column, CONNECTION..=TUNNEL | FLOW_BYTES..=FLOW_CONTENT)
            || (column >= REQUEST && (column - REQUEST) % (RESPONSE - REQUEST) <= DROPPED)
    }
}

/// Adds an entry to a table that is read; `None` where there are as many as there may be.
fn add<T>(table: &mut Vec<T>, entry: T) -> Option<()> {
    (table.len() < TABLE_ENTRIES_MAX).then(|| table.push(entry))
}

/// The numbers that stand for the small enums in the file; a number never changes its meaning.
macro_rules! numbers {
    ($to:ident, $from:ident, $type:ident { $($variant:ident = $number:literal),+ $(,)? }) => {
        pub(super) const fn $to(value: $type) -> u32 {
            match value { $($type::$variant => $number),+ }
        }

        pub(super) fn $from(number: u64) -> Result<$type, String> {
            match number {
                $($number => Ok($type::$variant),)+
                _ => Err(format!(concat!("unknown ", stringify!($type), " {}"), number)),
            }
        }
    };
}

use crate::model::{Ambiguity, Dropped, End, Framing, KeySource, Protocol};

numbers!(source_number, number_source, KeySource { Named = 1, Forwarded = 2, Peer = 3, Connection = 4 });
numbers!(protocol_number, number_protocol, Protocol { Http10 = 1, Http11 = 2, Http2 = 3, Http3 = 4 });
numbers!(framing_number, number_framing, Framing { None = 0, Length = 1, Chunked = 2, UntilClose = 3 });
numbers!(ambiguity_number, number_ambiguity, Ambiguity {
    BothLengths = 1,
    LengthsDiffer = 2,
    BadLength = 3,
    OddTransferCoding = 4,
    BadChunk = 5,
    BareLf = 6,
    BareCr = 7,
    ObsFold = 8,
    SpaceBeforeColon = 9,
    BadFieldLine = 10,
    Nul = 11,
    BadStartLine = 12,
    UnaskedUpgrade = 13,
});
numbers!(dropped_number, number_dropped, Dropped {
    Behind = 1,
    Undecodable = 2,
    Truncated = 3,
    Rule = 4,
    Damaged = 5,
});
numbers!(end_number, number_end, End {
    Complete = 0,
    ClientGone = 1,
    UpstreamGone = 2,
    RecordingStopped = 3,
    CaptureLost = 4,
    Timeout = 5,
});
