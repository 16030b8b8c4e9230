//! Pools: what looks like a client but carries many users. Which they are, and their exchanges taken one by one.
//!
//! Order and pauses within a pool say nothing about any user, so each exchange is multiplied by itself (*warp*): its copies
//! are drawn uniformly from its block of the rate of all such exchanges together.

use formats::model::KeySource;

use super::blocks;
use super::draw::{Draw, Identity, Purpose};
use super::lives::Life;
use super::{Arrival, Client, Factor, Item, Options, since_start};

/// A pool lives longer than one part in so many of the recording …
const LIFE_PARTS: u128 = 10;
/// … and carries more than one part in so many of its exchanges.
const EXCHANGES_PARTS: u128 = 20;

/// Whether `client` is a pool: its key shows several User-Agents or forwarded addresses; or, where the key was made from a
/// peer's address or a connection only, it lives longer than a tenth of the recording and carries over 5 % of the
/// `recorded` exchanges. (A client that is alone in its recording is then a pool, unless it has a name.)
pub(super) fn is_pool(client: &Client, life: &Life, duration_ns: u64, recorded: u64) -> bool {
    if client.user_agents > 1 || client.forwarded > 1 {
        return true;
    }
    match client.key.source {
        KeySource::Named | KeySource::Forwarded => false,
        KeySource::Peer | KeySource::Connection => {
            u128::from(life.length_ns()) * LIFE_PARTS > u128::from(duration_ns)
                && u128::from(life.exchanges) * EXCHANGES_PARTS > u128::from(recorded)
        }
    }
}

/// How the exchanges of pools are warped.
pub(super) struct Pools<'a> {
    edges_ns: Vec<u64>,
    is_warped: &'a [bool],
    identities: &'a [Identity],
    factor: Factor,
    share: Draw,
    instant: Draw,
}

impl<'a> Pools<'a> {
    pub(super) fn new(
        arrivals: &[Arrival],
        is_warped: &'a [bool],
        identities: &'a [Identity],
        duration_ns: u64,
        options: &Options,
    ) -> Self {
        let of_pool = |arrival: &&Arrival| is_warped.get(arrival.client as usize) == Some(&true);
        let mut times = arrivals.iter().filter(of_pool).map(|arrival| since_start(arrivals, arrival)).peekable();
        let edges_ns = if times.peek().is_some() { blocks::edges(times, duration_ns) } else { Vec::new() };
        Self {
            edges_ns,
            is_warped,
            identities,
            factor: options.factor,
            share: Draw::new(options.seed, Purpose::ExchangeShare),
            instant: Draw::new(options.seed, Purpose::ExchangeInstant),
        }
    }

    /// Items that [`Self::plan`] adds.
    pub(super) fn items(&self, arrivals: &[Arrival]) -> u64 {
        self.exchanges(arrivals).map(|exchange| u64::from(exchange.copies)).fold(0, u64::saturating_add)
    }

    pub(super) fn plan(&self, arrivals: &[Arrival], items: &mut Vec<Item>) {
        for exchange in self.exchanges(arrivals) {
            let (first_ns, last_ns) = blocks::around(&self.edges_ns, exchange.at_ns);
            let draw = self.instant.of(exchange.identity).with(exchange.ordinal).with(first_ns);
            items.extend((0..exchange.copies).map(|copy| Item {
                due_ns: if copy == 0 { exchange.at_ns } else { draw.with(u64::from(copy)).within(first_ns, last_ns) },
                arrival: exchange.arrival,
                copy,
            }));
        }
    }

    pub(super) fn into_edges(self) -> Vec<u64> {
        self.edges_ns
    }

    /// The exchanges of pools, in order.
    fn exchanges<'b>(&'b self, arrivals: &'b [Arrival]) -> impl Iterator<Item = Exchange<'b>> {
        let any = if self.edges_ns.is_empty() { 0 } else { self.is_warped.len() };
        let mut ordinals = vec![0_u32; any];
        (0_u32..).zip(arrivals).filter_map(move |(index, arrival)| {
            let client = arrival.client as usize;
            let next = ordinals.get_mut(client).filter(|_| self.is_warped.get(client) == Some(&true))?;
            let ordinal = u64::from(*next);
            *next = next.saturating_add(1);
            let identity = self.identities.get(client)?;
            let copies = self.factor.copies(self.share.of(identity).with(ordinal).bits());
            Some(Exchange { arrival: index, at_ns: since_start(arrivals, arrival), identity, ordinal, copies })
        })
    }
}

/// An exchange of a pool.
struct Exchange<'a> {
    arrival: u32,
    at_ns: u64,
    identity: &'a Identity,
    /// How many exchanges of its client came before it.
    ordinal: u64,
    copies: u32,
}
