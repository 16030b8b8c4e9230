//! What the dialer did so far; readable at any time from any thread.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::DialErrorKind;

/// Counters of all helpers.
#[derive(Debug, Default)]
pub struct DialCounters {
    opened: AtomicU64,
    resumed: AtomicU64,
    failed: [AtomicU64; DialErrorKind::ALL.len()],
    next_address: AtomicU64,
    lookups: AtomicU64,
    lookups_failed: AtomicU64,
    addresses_refused: AtomicU64,
}

impl DialCounters {
    /// Connections handed over.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Of those, TLS connections that resumed an earlier session.
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.resumed.load(Ordering::Relaxed)
    }

    /// Connections that failed, by kind, without the kinds that did not occur.
    pub fn failed(&self) -> impl Iterator<Item = (DialErrorKind, u64)> {
        let counts = DialErrorKind::ALL.into_iter().zip(&self.failed);
        counts.map(|(kind, count)| (kind, count.load(Ordering::Relaxed))).filter(|(_, count)| *count > 0)
    }

    /// Attempts that failed at one address and went on at the next.
    #[must_use]
    pub fn next_address(&self) -> u64 {
        self.next_address.load(Ordering::Relaxed)
    }

    /// Lookups during the run that had an answer.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }

    /// Lookups during the run that failed; the earlier addresses stayed in use.
    #[must_use]
    pub fn lookups_failed(&self) -> u64 {
        self.lookups_failed.load(Ordering::Relaxed)
    }

    /// Addresses that a name led to during the run and that may not be connected to, at each lookup.
    #[must_use]
    pub fn addresses_refused(&self) -> u64 {
        self.addresses_refused.load(Ordering::Relaxed)
    }

    pub(super) fn count_opened(&self, resumed: bool) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.resumed.fetch_add(u64::from(resumed), Ordering::Relaxed);
    }

    pub(super) fn count_failed(&self, kind: DialErrorKind) {
        let found = DialErrorKind::ALL.iter().zip(&self.failed).find(|(one, _)| **one == kind);
        if let Some((_, count)) = found {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_next_address(&self) {
        self.next_address.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_lookup(&self, answered: bool) {
        let counter = if answered { &self.lookups } else { &self.lookups_failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self, addresses: usize) {
        self.addresses_refused.fetch_add(addresses as u64, Ordering::Relaxed);
    }
}
