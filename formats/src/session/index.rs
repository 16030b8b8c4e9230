//! A segment's index: its clients and its blocks, so that a plan needs no second read.

use std::collections::BTreeMap;

use prost::Message as _;

use super::block::{number_source, source_number};
use crate::head;
use crate::model::{ClientKey, Exchange};
use crate::summary::Summary;

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
    /// Longest time from the latest request so far to a later one, in the order of the file; 0 with fewer than two.
    pub pause_ns: u64,
    /// The User-Agents that it showed.
    pub user_agents: Distinct,
    /// The forwarded addresses that it showed (`Forwarded`, else `X-Forwarded-For`).
    pub forwarded: Distinct,
    /// The first and the last of the segment's blocks that hold its exchanges, from 0.
    pub blocks: (u32, u32),
}

/// Different values, counted up to two: more are as good as two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Distinct {
    /// 0, 1, or 2 for two and more.
    pub count: u8,
    /// CRC-32 of the first one.
    pub first: u32,
}

impl Distinct {
    fn saw(&mut self, value: Option<&[u8]>) {
        if let Some(value) = value.filter(|_| self.count < 2) {
            self.merge(&Self { count: 1, first: crc32fast::hash(value) });
        }
    }

    fn merge(&mut self, other: &Self) {
        match (self.count, other.count) {
            (_, 0) => {}
            (0, _) => *self = *other,
            _ if other.count > 1 || self.first != other.first => self.count = 2,
            _ => {}
        }
    }
}

/// What a client shows of itself.
const SHOWN: [&str; 3] = ["user-agent", "forwarded", "x-forwarded-for"];

impl ClientEntry {
    /// The entry of one exchange.
    #[must_use]
    pub fn of(exchange: &Exchange) -> Self {
        let at_ns = exchange.instants.request_start;
        let mut entry = Self { first_ns: at_ns, last_ns: at_ns, exchanges: 1, ..Self::default() };
        // The first of each, in one pass: this is done for every exchange that is written.
        let mut first = SHOWN.map(|_| None);
        for (name, value) in head::fields_by_letter(&exchange.request.head, const { head::letters(&SHOWN) }) {
            let which = SHOWN.iter().position(|shown| name.eq_ignore_ascii_case(shown.as_bytes()));
            if let Some(first) = which.and_then(|which| first.get_mut(which)) {
                first.get_or_insert(value);
            }
        }
        let [user_agent, forwarded, forwarded_for] = first;
        entry.user_agents.saw(user_agent);
        entry.forwarded.saw(forwarded.or(forwarded_for));
        entry
    }

    /// Adds what came later in the order of the files.
    pub fn merge(&mut self, later: &Self) {
        if later.first_ns > self.last_ns {
            self.pause_ns = self.pause_ns.max(later.first_ns - self.last_ns);
        }
        self.pause_ns = self.pause_ns.max(later.pause_ns);
        self.first_ns = self.first_ns.min(later.first_ns);
        self.last_ns = self.last_ns.max(later.last_ns);
        self.exchanges = self.exchanges.saturating_add(later.exchanges);
        self.user_agents.merge(&later.user_agents);
        self.forwarded.merge(&later.forwarded);
        self.blocks.1 = later.blocks.1;
    }
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
    /// Whether blocks, clients and `summary` speak of one and the same number of exchanges: if not, who knows which is right.
    #[must_use]
    pub fn agrees_with(&self, summary: &Summary) -> bool {
        let add = |sum: u64, exchanges: u64| sum.saturating_add(exchanges);
        let of_blocks = self.blocks.iter().map(|block| block.exchanges).fold(0, add);
        let of_clients = self.clients.values().map(|client| client.exchanges).fold(0, add);
        of_blocks == summary.exchanges && of_clients == summary.exchanges
    }

    /// Notes an exchange of the block that is written next, in the order of the file.
    pub fn count(&mut self, exchange: &Exchange) {
        let mut entry = ClientEntry::of(exchange);
        let block = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        entry.blocks = (block, block);
        self.clients.entry(exchange.client).and_modify(|known| known.merge(&entry)).or_insert(entry);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let clients = self.clients.iter().map(|(key, entry)| WireClient {
            source: source_number(key.source),
            id: key.id,
            first_ns: entry.first_ns,
            last_ns: entry.last_ns,
            exchanges: entry.exchanges,
            pause_ns: entry.pause_ns,
            user_agents: entry.user_agents.count.into(),
            user_agent: entry.user_agents.first,
            forwarded: entry.forwarded.count.into(),
            forwarded_first: entry.forwarded.first,
            first_block: entry.blocks.0,
            last_block: entry.blocks.1,
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

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let wire = WireIndex::decode(bytes).map_err(|error| error.to_string())?;
        let client = |client: WireClient| {
            let source = number_source(client.source.into())?;
            let distinct = |count: u32, first| Distinct { count: u8::try_from(count.min(2)).unwrap_or(2), first };
            let entry = ClientEntry {
                first_ns: client.first_ns,
                last_ns: client.last_ns,
                exchanges: client.exchanges,
                pause_ns: client.pause_ns,
                user_agents: distinct(client.user_agents, client.user_agent),
                forwarded: distinct(client.forwarded, client.forwarded_first),
                blocks: (client.first_block, client.last_block),
            };
            Ok::<_, String>((ClientKey { source, id: client.id }, entry))
        };
        let block = |block: WireBlock| BlockEntry {
            offset: block.offset,
            first_seq: block.first_seq,
            exchanges: block.exchanges,
            from_ns: block.from_ns,
            to_ns: block.to_ns,
        };
        Ok(Self {
            clients: wire.clients.into_iter().map(client).collect::<Result<_, _>>()?,
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
    #[prost(uint32, tag = "1")]
    source: u32,
    #[prost(fixed64, tag = "2")]
    id: u64,
    #[prost(uint64, tag = "3")]
    first_ns: u64,
    #[prost(uint64, tag = "4")]
    last_ns: u64,
    #[prost(uint64, tag = "5")]
    exchanges: u64,
    #[prost(uint64, tag = "6")]
    pause_ns: u64,
    #[prost(uint32, tag = "7")]
    user_agents: u32,
    #[prost(fixed32, tag = "8")]
    user_agent: u32,
    #[prost(uint32, tag = "9")]
    forwarded: u32,
    #[prost(fixed32, tag = "10")]
    forwarded_first: u32,
    #[prost(uint32, tag = "11")]
    first_block: u32,
    #[prost(uint32, tag = "12")]
    last_block: u32,
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
