//! A segment's index: its clients and its blocks, so that a plan needs no second read.

use std::collections::BTreeMap;

use prost::Message as _;

use crate::model::{ClientKey, KeySource};

/// What the end of a segment says about the rest of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// The clients by key.
    pub clients: BTreeMap<ClientKey, ClientEntry>,
    /// The blocks in the order of the file.
    pub blocks: Vec<BlockEntry>,
}

/// One client of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientEntry {
    /// First byte of its first request.
    pub first_ns: u64,
    /// First byte of its last request.
    pub last_ns: u64,
    /// Its exchanges.
    pub exchanges: u64,
}

/// One block of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockEntry {
    /// Where its record begins in the file.
    pub offset: u64,
    /// Sequence number of its first exchange.
    pub first_seq: u64,
    /// How many exchanges it holds.
    pub exchanges: u64,
    /// Earliest instant in it.
    pub from_ns: u64,
    /// Latest instant in it.
    pub to_ns: u64,
}

impl Index {
    /// Notes an exchange of `client` that began at `at_ns`.
    pub(super) fn count(&mut self, client: ClientKey, at_ns: u64) {
        let entry = self.clients.entry(client).or_insert(ClientEntry { first_ns: at_ns, last_ns: at_ns, exchanges: 0 });
        entry.first_ns = entry.first_ns.min(at_ns);
        entry.last_ns = entry.last_ns.max(at_ns);
        entry.exchanges += 1;
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let clients = self.clients.iter().map(|(key, entry)| WireClient {
            source: key.source.name().to_owned(),
            id: key.id,
            first_ns: entry.first_ns,
            last_ns: entry.last_ns,
            exchanges: entry.exchanges,
        });
        let blocks = self.blocks.iter().map(|block| WireBlock {
            offset: block.offset,
            first_seq: block.first_seq,
            exchanges: block.exchanges,
            from_ns: block.from_ns,
            to_ns: block.to_ns,
        });
        WireIndex { clients: clients.collect(), blocks: blocks.collect() }.encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let wire = WireIndex::decode(bytes)?;
        let client = |client: WireClient| {
            let source = KeySource::from_name(&client.source).unwrap_or_default();
            let entry = ClientEntry { first_ns: client.first_ns, last_ns: client.last_ns, exchanges: client.exchanges };
            (ClientKey { source, id: client.id }, entry)
        };
        let block = |block: WireBlock| BlockEntry {
            offset: block.offset,
            first_seq: block.first_seq,
            exchanges: block.exchanges,
            from_ns: block.from_ns,
            to_ns: block.to_ns,
        };
        Ok(Self {
            clients: wire.clients.into_iter().map(client).collect(),
            blocks: wire.blocks.into_iter().map(block).collect(),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireIndex {
    #[prost(message, repeated, tag = "1")]
    clients: Vec<WireClient>,
    #[prost(message, repeated, tag = "2")]
    blocks: Vec<WireBlock>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireClient {
    #[prost(string, tag = "1")]
    source: String,
    #[prost(fixed64, tag = "2")]
    id: u64,
    #[prost(uint64, tag = "3")]
    first_ns: u64,
    #[prost(uint64, tag = "4")]
    last_ns: u64,
    #[prost(uint64, tag = "5")]
    exchanges: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireBlock {
    #[prost(uint64, tag = "1")]
    offset: u64,
    #[prost(uint64, tag = "2")]
    first_seq: u64,
    #[prost(uint64, tag = "3")]
    exchanges: u64,
    #[prost(uint64, tag = "4")]
    from_ns: u64,
    #[prost(uint64, tag = "5")]
    to_ns: u64,
}
