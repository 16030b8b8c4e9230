//! The life of each client: from its first request to its last, and its longest pause.

use super::{Arrival, Client, PlanError};

/// Arrivals that can be told apart by an index of 32 bits.
const ARRIVALS_MAX: usize = u32::MAX as usize;

/// When a client was there, in recording time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    /// Longest time between two of its requests that follow each other; 0 with fewer than two.
    pub(super) pause_ns: u64,
    pub(super) exchanges: u64,
}

impl Life {
    /// From its first request to its last.
    pub(super) fn length_ns(&self) -> u64 {
        self.last_ns.saturating_sub(self.first_ns)
    }

    fn saw(&mut self, at_ns: u64) {
        if self.exchanges == 0 {
            self.first_ns = at_ns;
        } else {
            self.pause_ns = self.pause_ns.max(at_ns.saturating_sub(self.last_ns));
        }
        self.last_ns = at_ns;
        self.exchanges = self.exchanges.saturating_add(1);
    }
}

/// The life of each client, and the length of the recording.
pub(super) fn lives(clients: &[Client], arrivals: &[Arrival]) -> Result<(Vec<Life>, u64), PlanError> {
    if arrivals.len() > ARRIVALS_MAX {
        return Err(PlanError::TooManyArrivals { got: arrivals.len(), arrivals_max: ARRIVALS_MAX });
    }
    let mut lives = vec![Life::default(); clients.len()];
    let start = arrivals.first().map_or(0, |first| first.at_ns);
    let mut before = start;
    for (index, arrival) in arrivals.iter().enumerate() {
        if arrival.at_ns < before {
            return Err(PlanError::Unsorted { arrival: index });
        }
        before = arrival.at_ns;
        lives
            .get_mut(arrival.client as usize)
            .ok_or(PlanError::UnknownClient { arrival: index, client: arrival.client, clients: clients.len() })?
            .saw(arrival.at_ns - start);
    }
    Ok((lives, before - start))
}
