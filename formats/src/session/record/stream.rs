//! Pieces of bodies and the flows of tunnels as protobuf.
//!
//! Pieces are two lists of the same length, since packed numbers are a few bytes each where messages would be many: how
//! long each came after the one before it (the first: after the session's origin), and how long it is.

use crate::model::{Flow, Piece, Tunnel};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireTunnel {
    #[prost(message, optional, tag = "1")]
    to_upstream: Option<WireFlow>,
    #[prost(message, optional, tag = "2")]
    to_client: Option<WireFlow>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireFlow {
    #[prost(uint64, tag = "1")]
    bytes: u64,
    #[prost(uint64, optional, tag = "2")]
    first_ns: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    last_ns: Option<u64>,
    #[prost(uint64, repeated, tag = "4")]
    piece_waits_ns: Vec<u64>,
    #[prost(uint64, repeated, tag = "5")]
    piece_lens: Vec<u64>,
}

pub(super) fn waits_ns(pieces: &[Piece]) -> Vec<u64> {
    let before = std::iter::once(0).chain(pieces.iter().map(|piece| piece.at_ns));
    // Wrapping both ways is lossless for every value.
    pieces.iter().zip(before).map(|(piece, before)| piece.at_ns.wrapping_sub(before)).collect()
}

pub(super) fn lens(pieces: &[Piece]) -> Vec<u64> {
    pieces.iter().map(|piece| piece.len).collect()
}

pub(super) fn pieces(waits_ns: &[u64], lens: &[u64]) -> Result<Vec<Piece>, String> {
    if waits_ns.len() != lens.len() {
        return Err(format!("{} instants of {} pieces", waits_ns.len(), lens.len()));
    }
    let mut at_ns = 0_u64;
    let piece = |(wait_ns, len): (&u64, &u64)| {
        at_ns = at_ns.wrapping_add(*wait_ns);
        Piece { at_ns, len: *len }
    };
    Ok(waits_ns.iter().zip(lens).map(piece).collect())
}

impl From<&Tunnel> for WireTunnel {
    fn from(tunnel: &Tunnel) -> Self {
        Self { to_upstream: Some((&tunnel.to_upstream).into()), to_client: Some((&tunnel.to_client).into()) }
    }
}

impl WireTunnel {
    pub(super) fn into_model(self) -> Result<Tunnel, String> {
        let flow = |flow: Option<WireFlow>| flow.map(WireFlow::into_model).transpose().map(Option::unwrap_or_default);
        Ok(Tunnel { to_upstream: flow(self.to_upstream)?, to_client: flow(self.to_client)? })
    }
}

impl From<&Flow> for WireFlow {
    fn from(flow: &Flow) -> Self {
        Self {
            bytes: flow.bytes,
            first_ns: flow.first_ns,
            last_ns: flow.last_ns,
            piece_waits_ns: waits_ns(&flow.pieces),
            piece_lens: lens(&flow.pieces),
        }
    }
}

impl WireFlow {
    fn into_model(self) -> Result<Flow, String> {
        let pieces = pieces(&self.piece_waits_ns, &self.piece_lens)?;
        Ok(Flow { bytes: self.bytes, first_ns: self.first_ns, last_ns: self.last_ns, pieces })
    }
}
