//! What passes where a connection has left HTTP, or may be about to: counted, and never read.

use super::pieces::Pieces;
use super::{Direction, WireError};
use crate::model::{End, Flow, Tunnel};

/// Bytes that may wait for the answer that says what they are.
pub(super) const EARLY_BYTES_MAX: usize = 256 * 1024;
/// Arrivals of such bytes.
pub(super) const EARLY_ARRIVALS_MAX: usize = 1_024;

/// Counts both flows of a tunnel.
#[derive(Debug, Default)]
pub(super) struct Meter {
    to_upstream: Counted,
    to_client: Counted,
    /// How it ended, when something else than both ends closing it comes first.
    pub(super) end: Option<End>,
}

#[derive(Debug, Default)]
struct Counted {
    bytes: u64,
    span_ns: Option<(u64, u64)>,
    pieces: Pieces,
}

impl Meter {
    pub(super) fn pass(&mut self, from: Direction, at_ns: u64, len: u64) {
        if len == 0 {
            return;
        }
        let counted = match from {
            Direction::Request => &mut self.to_upstream,
            Direction::Response => &mut self.to_client,
        };
        counted.bytes = counted.bytes.saturating_add(len);
        counted.span_ns = Some((counted.span_ns.map_or(at_ns, |(first_ns, _)| first_ns), at_ns));
        counted.pieces.arrive(at_ns, len);
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.to_upstream.pieces.held_bytes() + self.to_client.pieces.held_bytes()
    }

    pub(super) fn finish(self) -> Tunnel {
        Tunnel { to_upstream: self.to_upstream.finish(), to_client: self.to_client.finish() }
    }
}

impl Counted {
    fn finish(self) -> Flow {
        let (first_ns, last_ns) = self.span_ns.unzip();
        Flow { bytes: self.bytes, first_ns, last_ns, pieces: self.pieces.finish(), ..Flow::default() }
    }
}

/// What a client sent after a request that asks to leave HTTP: the next requests, or already something else.
#[derive(Debug, Default)]
pub(super) struct Early {
    arrivals: Vec<(u64, Vec<u8>)>,
    bytes: usize,
}

impl Early {
    pub(super) fn hold(&mut self, at_ns: u64, bytes: &[u8]) -> Result<(), WireError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.bytes + bytes.len() > EARLY_BYTES_MAX {
            return Err(WireError::TooMuchEarly(EARLY_BYTES_MAX));
        }
        let is_full = self.arrivals.len() >= EARLY_ARRIVALS_MAX;
        match self.arrivals.last_mut() {
            // What has one instant is one arrival, however it was cut.
            Some((last_ns, held)) if *last_ns == at_ns => held.extend_from_slice(bytes),
            _ if is_full => return Err(WireError::TooMuchEarly(EARLY_BYTES_MAX)),
            _ => self.arrivals.push((at_ns, bytes.to_vec())),
        }
        self.bytes += bytes.len();
        Ok(())
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes + self.arrivals.len() * size_of::<(u64, Vec<u8>)>()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn take(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.bytes = 0;
        std::mem::take(&mut self.arrivals)
    }
}
