//! What was not captured, counted by reason since the start. Whoever loses something adds it here; the store writes what is
//! new as gaps, metrics and summary read the sums.

use std::sync::atomic::{AtomicU64, Ordering};

use formats::model::GapReason;

/// The sum of what is missing for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Connections that began to lose something; one that loses again later counts again.
    pub connections: u64,
    /// Exchanges that are missing, or lack their bodies ([`GapReason::BodiesDropped`]); those that are known.
    pub exchanges: u64,
    /// Bytes that were not captured.
    pub bytes: u64,
}

impl Missing {
    /// Whether nothing is.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What was added since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            connections: self.connections.saturating_sub(before.connections),
            exchanges: self.exchanges.saturating_sub(before.exchanges),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

/// Counters of all reasons.
#[derive(Debug, Default)]
pub struct Losses {
    counts: [Count; GapReason::ALL.len()],
}

#[derive(Debug, Default)]
struct Count {
    connections: AtomicU64,
    exchanges: AtomicU64,
    bytes: AtomicU64,
}

impl Losses {
    /// Counts what is missing.
    pub fn add(&self, reason: GapReason, missing: Missing) {
        let Some(count) = self.counts.get(reason as usize) else { return };
        count.connections.fetch_add(missing.connections, Ordering::Relaxed);
        count.exchanges.fetch_add(missing.exchanges, Ordering::Relaxed);
        count.bytes.fetch_add(missing.bytes, Ordering::Relaxed);
    }

    /// Counts bytes.
    pub(crate) fn add_bytes(&self, reason: GapReason, bytes: u64) {
        self.add(reason, Missing { bytes, ..Missing::default() });
    }

    /// Counts exchanges and their bytes.
    pub(crate) fn add_exchanges(&self, reason: GapReason, exchanges: u64, bytes: u64) {
        self.add(reason, Missing { exchanges, bytes, ..Missing::default() });
    }

    /// Counts a connection that began to lose something.
    pub(crate) fn add_connection(&self, reason: GapReason) {
        self.add(reason, Missing { connections: 1, ..Missing::default() });
    }

    /// The sum for one reason.
    #[must_use]
    pub fn of(&self, reason: GapReason) -> Missing {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.counts.get(reason as usize).map_or_else(Missing::default, |count| Missing {
            connections: get(&count.connections),
            exchanges: get(&count.exchanges),
            bytes: get(&count.bytes),
        })
    }

    /// The sums of all reasons for which something is missing.
    pub fn all(&self) -> impl Iterator<Item = (GapReason, Missing)> {
        GapReason::ALL.iter().map(|reason| (*reason, self.of(*reason))).filter(|(_, missing)| !missing.is_nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count() {
        let losses = Losses::default();
        for (number, reason) in GapReason::ALL.iter().enumerate() {
            losses.add_exchanges(*reason, number as u64, 1);
        }
        let counted: Vec<u64> = GapReason::ALL.iter().map(|reason| losses.of(*reason).exchanges).collect();
        assert_eq!(counted, (0..GapReason::ALL.len() as u64).collect::<Vec<_>>());
        assert_eq!(losses.all().count(), GapReason::ALL.len());
    }

    #[test]
    fn what_is_new_is_the_difference() {
        let losses = Losses::default();
        losses.add_bytes(GapReason::QueueFull, 5);
        let before = losses.of(GapReason::QueueFull);
        losses.add_connection(GapReason::QueueFull);
        let new = losses.of(GapReason::QueueFull).since(&before);
        assert_eq!(new, Missing { connections: 1, exchanges: 0, bytes: 0 });
    }
}
