//! An exchange under way: its request, and what has come of the answer.

use bytes::Bytes;

use super::message::ResponseTo;
use super::part::Part;
use crate::model::{Ambiguity, ClientKey, End, Exchange, Instants, KeySource, Protocol};

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) protocol: Protocol,
    pub(super) to: ResponseTo,
    pub(super) upgrade: bool,
    pub(super) request: Part,
    pub(super) informational: Vec<Bytes>,
    pub(super) response: Option<Part>,
    pub(super) instants: Instants,
    pub(super) ambiguous: Option<Ambiguity>,
}

impl Pending {
    pub(super) fn held_bytes(&self) -> usize {
        let informational: usize = self.informational.iter().map(Bytes::len).sum();
        self.request.held_bytes() + self.response.as_ref().map_or(0, Part::held_bytes) + informational
    }

    /// What it came to.
    pub(super) fn finish(self, connection: u64, end: End) -> Exchange {
        Exchange {
            client: ClientKey { source: KeySource::Connection, id: connection },
            connection,
            protocol: self.protocol,
            request: self.request.finish(),
            informational: self.informational,
            response: self.response.map(Part::finish),
            instants: self.instants,
            end,
            ambiguous: self.ambiguous,
            ..Exchange::default()
        }
    }
}
