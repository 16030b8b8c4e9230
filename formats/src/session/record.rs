//! Exchanges and gaps as protobuf messages: the wire types, apart from the model.

use bytes::Bytes;
use prost::Message as _;

use self::stream::WireTunnel;
use crate::model::{
    Ambiguity, Body, ClientKey, Dropped, End, Exchange, Framing, Gap, GapReason, Instants, KeySource, Message,
    Protocol, ReplayOf,
};

mod stream;

/// Appends `exchange` with its length before it.
pub(super) fn append_exchange(exchange: &Exchange, out: &mut Vec<u8>) {
    // Appending to a Vec cannot fail: the only error is a lack of room.
    let _ = WireExchange::from(exchange).encode_length_delimited(out);
}

/// Takes the next exchange from the front of `bytes`.
pub(super) fn take_exchange(bytes: &mut Bytes) -> Result<Exchange, String> {
    let wire = WireExchange::decode_length_delimited(bytes).map_err(|error| error.to_string())?;
    wire.into_model()
}

pub(super) fn encode_gap(gap: &Gap) -> Vec<u8> {
    WireGap {
        reason: gap.reason.name().to_owned(),
        from_ns: gap.from_ns,
        to_ns: gap.to_ns,
        connections: gap.connections,
        exchanges: gap.exchanges,
        bytes: gap.bytes,
    }
    .encode_to_vec()
}

pub(super) fn decode_gap(bytes: &[u8]) -> Result<Gap, String> {
    let wire = WireGap::decode(bytes).map_err(|error| error.to_string())?;
    let reason = GapReason::from_name(&wire.reason).ok_or_else(|| format!("unknown gap reason `{}`", wire.reason))?;
    Ok(Gap {
        reason,
        from_ns: wire.from_ns,
        to_ns: wire.to_ns,
        connections: wire.connections,
        exchanges: wire.exchanges,
        bytes: wire.bytes,
    })
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireExchange {
    #[prost(uint64, tag = "1")]
    seq: u64,
    #[prost(uint32, tag = "2")]
    client_source: u32,
    #[prost(fixed64, tag = "3")]
    client_id: u64,
    #[prost(uint64, tag = "4")]
    connection: u64,
    #[prost(uint32, tag = "5")]
    protocol: u32,
    #[prost(message, optional, tag = "6")]
    request: Option<WireMessage>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    informational: Vec<Bytes>,
    #[prost(message, optional, tag = "8")]
    response: Option<WireMessage>,
    #[prost(message, optional, tag = "9")]
    instants: Option<WireInstants>,
    #[prost(uint32, tag = "10")]
    end: u32,
    #[prost(message, optional, tag = "11")]
    replay_of: Option<WireReplayOf>,
    #[prost(uint32, optional, tag = "12")]
    ambiguous: Option<u32>,
    #[prost(bool, tag = "13")]
    resynchronised: bool,
    #[prost(message, optional, tag = "14")]
    tunnel: Option<WireTunnel>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireReplayOf {
    #[prost(uint32, tag = "1")]
    session: u32,
    #[prost(uint64, tag = "2")]
    seq: u64,
    #[prost(uint32, tag = "3")]
    copy: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireMessage {
    #[prost(bytes = "bytes", tag = "1")]
    head: Bytes,
    #[prost(uint32, tag = "2")]
    framing: u32,
    #[prost(bytes = "bytes", tag = "3")]
    body: Bytes,
    #[prost(uint64, tag = "4")]
    body_total_len: u64,
    #[prost(uint64, repeated, tag = "5")]
    chunks: Vec<u64>,
    #[prost(bytes = "bytes", tag = "6")]
    trailers: Bytes,
    /// Empty or 32 bytes.
    #[prost(bytes = "bytes", tag = "7")]
    body_sha256: Bytes,
    #[prost(message, optional, tag = "8")]
    redacted: Option<WireRedacted>,
    #[prost(uint32, tag = "9")]
    dropped: u32,
    #[prost(uint64, repeated, tag = "16")]
    piece_waits_ns: Vec<u64>,
    #[prost(uint64, repeated, tag = "17")]
    piece_lens: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireRedacted {
    #[prost(string, repeated, tag = "1")]
    codings: Vec<String>,
}

/// Instants after the first are kept as nanoseconds since the first.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireInstants {
    #[prost(uint64, tag = "1")]
    request_start: u64,
    #[prost(uint64, tag = "2")]
    request_head: u64,
    #[prost(uint64, optional, tag = "3")]
    request_end: Option<u64>,
    /// Signed: the connection is usually older than the request.
    #[prost(sint64, optional, tag = "4")]
    connected: Option<i64>,
    #[prost(uint64, optional, tag = "5")]
    response_start: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    response_head: Option<u64>,
    #[prost(uint64, optional, tag = "7")]
    response_end: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireGap {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(uint64, tag = "2")]
    from_ns: u64,
    #[prost(uint64, tag = "3")]
    to_ns: u64,
    #[prost(uint64, tag = "4")]
    connections: u64,
    #[prost(uint64, tag = "5")]
    exchanges: u64,
    #[prost(uint64, tag = "6")]
    bytes: u64,
}

/// The numbers that stand for the small enums in the file; a number never changes its meaning.
macro_rules! numbers {
    ($to:ident, $from:ident, $type:ident { $($variant:ident = $number:literal),+ $(,)? }) => {
        const fn $to(value: $type) -> u32 {
            match value { $($type::$variant => $number),+ }
        }

        fn $from(number: u32) -> Result<$type, String> {
            match number {
                $($number => Ok($type::$variant),)+
                _ => Err(format!(concat!("unknown ", stringify!($type), " {}"), number)),
            }
        }
    };
}

numbers!(source_number, number_source, KeySource { Named = 1, Forwarded = 2, Peer = 3, Connection = 4 });
numbers!(protocol_number, number_protocol, Protocol { Http10 = 1, Http11 = 2 });
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
numbers!(dropped_number, number_dropped, Dropped { Behind = 1, Undecodable = 2, Truncated = 3, Rule = 4 });
numbers!(end_number, number_end, End {
    Complete = 0,
    ClientGone = 1,
    UpstreamGone = 2,
    RecordingStopped = 3,
    CaptureLost = 4,
});

impl From<&Exchange> for WireExchange {
    fn from(exchange: &Exchange) -> Self {
        Self {
            seq: exchange.seq,
            client_source: source_number(exchange.client.source),
            client_id: exchange.client.id,
            connection: exchange.connection,
            protocol: protocol_number(exchange.protocol),
            request: Some((&exchange.request).into()),
            informational: exchange.informational.clone(),
            response: exchange.response.as_ref().map(Into::into),
            instants: Some((&exchange.instants).into()),
            end: end_number(exchange.end),
            replay_of: exchange.replay_of.map(|ReplayOf { session, seq, copy }| WireReplayOf { session, seq, copy }),
            ambiguous: exchange.ambiguous.map(ambiguity_number),
            resynchronised: exchange.resynchronised,
            tunnel: exchange.tunnel.as_ref().map(Into::into),
        }
    }
}

impl WireExchange {
    fn into_model(self) -> Result<Exchange, String> {
        Ok(Exchange {
            seq: self.seq,
            client: ClientKey { source: number_source(self.client_source)?, id: self.client_id },
            connection: self.connection,
            protocol: number_protocol(self.protocol)?,
            request: self.request.ok_or("an exchange without a request")?.into_model()?,
            informational: self.informational,
            response: self.response.map(WireMessage::into_model).transpose()?,
            instants: self.instants.ok_or("an exchange without instants")?.into_model(),
            end: number_end(self.end)?,
            replay_of: self.replay_of.map(|WireReplayOf { session, seq, copy }| ReplayOf { session, seq, copy }),
            ambiguous: self.ambiguous.map(number_ambiguity).transpose()?,
            resynchronised: self.resynchronised,
            tunnel: self.tunnel.map(WireTunnel::into_model).transpose()?,
        })
    }
}

impl From<&Message> for WireMessage {
    fn from(message: &Message) -> Self {
        Self {
            head: message.head.clone(),
            framing: framing_number(message.framing),
            body: message.body.bytes.clone(),
            body_total_len: message.body.total_len,
            chunks: message.body.chunks.clone(),
            trailers: message.trailers.clone(),
            body_sha256: message.body.sha256.map(|digest| Bytes::copy_from_slice(&digest)).unwrap_or_default(),
            piece_waits_ns: stream::waits_ns(&message.pieces),
            piece_lens: stream::lens(&message.pieces),
            redacted: message.body.redacted.clone().map(|codings| WireRedacted { codings }),
            dropped: message.body.dropped.map_or(0, dropped_number),
        }
    }
}

impl WireMessage {
    fn into_model(self) -> Result<Message, String> {
        let sha256 = match self.body_sha256.len() {
            0 => None,
            _ => Some(self.body_sha256[..].try_into().map_err(|_| "a digest that is not 32 bytes long")?),
        };
        let body = Body {
            bytes: self.body,
            total_len: self.body_total_len,
            chunks: self.chunks,
            sha256,
            redacted: self.redacted.map(|redacted| redacted.codings),
            dropped: if self.dropped == 0 { None } else { Some(number_dropped(self.dropped)?) },
        };
        let pieces = stream::pieces(&self.piece_waits_ns, &self.piece_lens)?;
        Ok(Message { head: self.head, framing: number_framing(self.framing)?, body, trailers: self.trailers, pieces })
    }
}

impl From<&Instants> for WireInstants {
    fn from(instants: &Instants) -> Self {
        let start = instants.request_start;
        let since = |at: Option<u64>| at.map(|at| at.wrapping_sub(start));
        Self {
            request_start: start,
            request_head: instants.request_head.wrapping_sub(start),
            request_end: since(instants.request_end),
            connected: instants.connected.map(|at| at.wrapping_sub(start).cast_signed()),
            response_start: since(instants.response_start),
            response_head: since(instants.response_head),
            response_end: since(instants.response_end),
        }
    }
}

impl WireInstants {
    fn into_model(self) -> Instants {
        let start = self.request_start;
        // Wrapping both ways is lossless for every value; that an instant stands before the request is no reason to fail.
        let at = |since: Option<u64>| since.map(|since| start.wrapping_add(since));
        Instants {
            request_start: start,
            request_head: start.wrapping_add(self.request_head),
            request_end: at(self.request_end),
            connected: self.connected.map(|since| start.wrapping_add(since.cast_unsigned())),
            response_start: at(self.response_start),
            response_head: at(self.response_head),
            response_end: at(self.response_end),
        }
    }
}
