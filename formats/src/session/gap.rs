//! Gap records: protobuf.

use prost::Message as _;

use crate::model::{Gap, GapReason};

pub(super) fn encode(gap: &Gap) -> Vec<u8> {
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

pub(super) fn decode(bytes: &[u8]) -> Result<Gap, String> {
    let wire = WireGap::decode(bytes).map_err(|error| format!("a gap: {error}"))?;
    Ok(Gap {
        reason: GapReason::from_name(&wire.reason).unwrap_or(GapReason::Other),
        from_ns: wire.from_ns,
        to_ns: wire.to_ns,
        connections: wire.connections,
        exchanges: wire.exchanges,
        bytes: wire.bytes,
    })
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
