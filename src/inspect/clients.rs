//! The clients of a session, and which of them are pools of many users.

use std::collections::HashMap;

use formats::clients::Conduct;
use formats::model::{ClientKey, Exchange};
use formats::session::{ClientEntry, Index};
use serde_json::{Value, json};

/// Pools that a person is shown.
const POOLS_SHOWN: usize = 5;

#[derive(Default)]
pub(super) struct Clients {
    entries: HashMap<ClientKey, ClientEntry>,
    exchanges: u64,
}

/// What looks like a client and carries many users.
pub(super) struct Pool {
    key: ClientKey,
    entry: ClientEntry,
    /// Of all exchanges, in thousandths.
    share: u64,
}

impl Clients {
    pub(super) fn exchange(&mut self, exchange: &Exchange) {
        self.add(exchange.client, ClientEntry::of(exchange));
    }

    /// The clients of a segment; segments come in their order.
    pub(super) fn index(&mut self, index: &Index) {
        index.clients.iter().for_each(|(key, entry)| self.add(*key, *entry));
    }

    fn add(&mut self, client: ClientKey, later: ClientEntry) {
        self.exchanges = self.exchanges.saturating_add(later.exchanges);
        self.entries.entry(client).and_modify(|entry| entry.merge(&later)).or_insert(later);
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// The pools, busiest first, in a recording that lasted so long.
    pub(super) fn pools(&self, duration_ns: u64) -> Vec<Pool> {
        let is_pool = |key: &ClientKey, entry: &ClientEntry| {
            let conduct = Conduct {
                source: key.source,
                life_ns: entry.last_ns.saturating_sub(entry.first_ns),
                exchanges: entry.exchanges,
                user_agents: entry.user_agents.count,
                forwarded: entry.forwarded.count,
            };
            conduct.is_pool(duration_ns, self.exchanges)
        };
        let pool = |(key, entry): (&ClientKey, &ClientEntry)| Pool {
            key: *key,
            entry: *entry,
            share: entry.exchanges.saturating_mul(1_000) / self.exchanges.max(1),
        };
        let mut pools: Vec<Pool> = self.entries.iter().filter(|(key, entry)| is_pool(key, entry)).map(pool).collect();
        pools.sort_by_key(|pool| (std::cmp::Reverse(pool.entry.exchanges), pool.key));
        pools
    }

    /// A line about the pools, `None` without any.
    pub(super) fn pools_text(&self, duration_ns: u64) -> Option<String> {
        let pools = self.pools(duration_ns);
        let share: u64 = pools.iter().map(|pool| pool.share).sum();
        let names: Vec<String> = pools.iter().take(POOLS_SHOWN).map(Pool::text).collect();
        let more = pools.len().saturating_sub(POOLS_SHOWN);
        (!pools.is_empty()).then(|| {
            format!(
                "{} with {}.{} % of the exchanges carry many users each: {}{}; --client-key could tell them apart",
                pools.len(),
                share / 10,
                share % 10,
                names.join(", "),
                if more > 0 { format!(" and {more} more") } else { String::new() }
            )
        })
    }
}

impl Pool {
    fn text(&self) -> String {
        let why = if self.entry.user_agents.count > 1 {
            "several User-Agents"
        } else if self.entry.forwarded.count > 1 {
            "several forwarded addresses"
        } else {
            "long and busy"
        };
        format!("{} ({}.{} %, {why})", self.key, self.share / 10, self.share % 10)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "client": self.key.to_string(),
            "exchanges": self.entry.exchanges,
            "user_agents": self.entry.user_agents.count,
            "forwarded": self.entry.forwarded.count,
        })
    }
}
