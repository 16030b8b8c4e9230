//! What became of spans: each is counted once, by reason, and nothing else is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Different messages of a backend that are kept.
const MESSAGES_MAX: usize = 16;
/// For all further ones.
const OTHER_MESSAGES: &str = "(other messages)";

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Taken, but for `rejected` of its spans; with what the backend said about it, if anything.
    Exported { rejected: u64, said: String },
    /// Refused as a whole.
    Rejected { reason: String, said: String },
    /// Lost on our side of the backend's decision.
    Dropped { reason: &'static str, said: String },
}

/// Spans that were taken off the queue, by what became of them.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) exported: u64,
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) dropped: BTreeMap<&'static str, u64>,
    /// What the backend said about spans that it rejected, or took with a remark: how many answers by message.
    pub(super) messages: BTreeMap<String, u64>,
    shown: Arc<Sums>,
}

/// The same as sums, for whoever looks while the exporter works.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) exported: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Batches are made no faster than the backend takes them.
    pub(super) backend_is_slow: AtomicBool,
}

impl Account {
    /// An empty one whose sums others see.
    pub(super) fn shown_in(shown: Arc<Sums>) -> Self {
        Self { shown, ..Self::default() }
    }

    /// Tells whether as many batches are on their way as may be.
    pub(super) fn all_on_their_way(&self, are: bool) {
        self.shown.backend_is_slow.store(are, Relaxed);
    }

    /// Counts a batch of so many spans.
    pub(super) fn settle(&mut self, spans: u64, fate: Fate) {
        match fate {
            Fate::Exported { rejected, said } => {
                // No backend can reject more than it was given.
                let rejected = rejected.min(spans);
                self.exported += spans - rejected;
                self.shown.exported.fetch_add(spans - rejected, Relaxed);
                self.shown.rejected.fetch_add(rejected, Relaxed);
                add(&mut self.rejected, "partial_success", rejected);
                self.note(said);
            }
            Fate::Rejected { reason, said } => {
                self.shown.rejected.fetch_add(spans, Relaxed);
                add(&mut self.rejected, &reason, spans);
                self.note(said);
            }
            Fate::Dropped { reason, .. } => self.drop_spans(reason, spans),
        }
    }

    /// Counts spans that were lost on our side.
    pub(super) fn drop_spans(&mut self, reason: &'static str, spans: u64) {
        if spans > 0 {
            *self.dropped.entry(reason).or_default() += spans;
            self.shown.dropped.fetch_add(spans, Relaxed);
        }
    }

    /// All that were counted.
    pub(super) fn total(&self) -> u64 {
        self.exported + self.rejected.values().sum::<u64>() + self.dropped.values().sum::<u64>()
    }

    fn note(&mut self, said: String) {
        if said.is_empty() {
            return;
        }
        let known = self.messages.len() < MESSAGES_MAX || self.messages.contains_key(&said);
        let message = if known { said } else { OTHER_MESSAGES.to_owned() };
        *self.messages.entry(message).or_default() += 1;
    }
}

fn add(counts: &mut BTreeMap<String, u64>, reason: &str, spans: u64) {
    if spans > 0 {
        *counts.entry(reason.to_owned()).or_default() += spans;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fate() -> impl Strategy<Value = Fate> {
        let said = "[a-z]{0,2}";
        prop_oneof![
            (any::<u64>(), said).prop_map(|(rejected, said)| Fate::Exported { rejected, said }),
            (0_u64..9, said).prop_map(|(rejected, said)| Fate::Exported { rejected, said }),
            ("[a-z]{1,2}", said).prop_map(|(reason, said)| Fate::Rejected { reason, said }),
            (prop_oneof![Just("timeout"), Just("unreachable")], said)
                .prop_map(|(reason, said)| Fate::Dropped { reason, said }),
        ]
    }

    proptest! {
        #[test]
        fn every_span_is_counted_once(batches in prop::collection::vec((0_u64..1_000, fate()), 0..60)) {
            let mut account = Account::default();
            let spans: u64 = batches.iter().map(|(spans, _)| spans).sum();
            for (spans, fate) in batches {
                account.settle(spans, fate);
            }
            prop_assert_eq!(account.total(), spans);
            let shown = [&account.shown.exported, &account.shown.rejected, &account.shown.dropped];
            prop_assert_eq!(shown.map(|sum| sum.load(Relaxed)).iter().sum::<u64>(), spans);
            prop_assert!(account.messages.len() <= MESSAGES_MAX + 1);
        }
    }
}
