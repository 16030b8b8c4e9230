//! Blocks of the clients' starts, where the recording began in the middle of clients' lives.
//!
//! The first request of a client that came within its own longest pause of the beginning is not its start: it was there
//! before. Of those that did start at s, the share F(s) is told from these, F being the distribution of longest pauses
//! (of clients that came after the first tenth of the recording). So clients that started are counted, each as 1/F(s)
//! (inverse probability weighting: Horvitz and Thompson, JASA 47:663, 1952), from the median pause on; before it the rate is
//! taken for that after it.

use super::Client;
use super::blocks::{Blocks, Cells};

/// Fractions of a client that are counted.
const UNIT: u64 = 1 << 20;

/// Whether a client was there when the recording began, as far as its own longest pause tells.
pub(super) fn was_there(client: &Client) -> bool {
    client.first_ns < client.pause_ns
}

/// The blocks, from 0 to `duration_ns`; none without clients. Where nobody was seen to start there is one block.
pub(super) fn blocks<'a>(users: impl Iterator<Item = &'a Client> + Clone, duration_ns: u64) -> Blocks {
    let (tenth_ns, any) = (duration_ns / 10, users.clone().next().is_some());
    let late = users.clone().filter(|client| client.first_ns >= tenth_ns);
    let mut pauses: Vec<u64> = late.map(|client| client.pause_ns).collect();
    pauses.sort_unstable();
    let median = pauses.get(pauses.len().saturating_sub(1) / 2).copied();
    let zone_ns = median.unwrap_or(0).min(tenth_ns);
    let mut starts: Vec<u64> =
        users.filter(|client| client.first_ns >= zone_ns && !was_there(client)).map(|client| client.first_ns).collect();
    starts.sort_unstable();
    let mut cells = Cells::new(duration_ns.saturating_sub(zone_ns));
    let (all, mut told, mut part) = (pauses.len() as u64, 0, 0);
    for start in starts {
        while pauses.get(told).is_some_and(|pause| *pause <= start) {
            told += 1;
        }
        part += if told == 0 { UNIT } else { all.saturating_mul(UNIT) / told as u64 };
        while part >= UNIT {
            part -= UNIT;
            cells.add(start - zone_ns);
        }
    }
    let blocks = cells.blocks();
    if blocks.edges_ns.is_empty() && any {
        return Blocks::level(vec![0, duration_ns]);
    }
    blocks.after(zone_ns)
}
