//! A few exchanges drawn by lot, to tell what is in the row of the other endpoints.

use std::collections::BTreeMap;

use super::{Merge, mix};
use crate::model::Exchange;

/// Exchanges that are drawn.
pub const SAMPLE_MAX: usize = 256;

/// The endpoints of the exchanges whose hashes are the lowest: every exchange is among them with the same probability.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Names by the hash of their exchange.
    pub drawn: BTreeMap<u64, String>,
}

impl Sample {
    pub(super) fn draw(&mut self, exchange: &Exchange, endpoint: &str) {
        let hash = mix(mix(mix(exchange.seq) ^ exchange.connection) ^ exchange.instants.request_start);
        self.keep(hash, endpoint);
    }

    fn keep(&mut self, hash: u64, endpoint: &str) {
        let full = self.drawn.len() >= SAMPLE_MAX;
        if full && self.drawn.last_key_value().is_some_and(|(last, _)| *last < hash) {
            return;
        }
        match self.drawn.get_mut(&hash) {
            // Two of one hash: the name that comes first in the alphabet stays, whichever came first in time.
            Some(known) if endpoint < known.as_str() => endpoint.clone_into(known),
            Some(_) => {}
            None => {
                self.drawn.insert(hash, endpoint.to_owned());
                if full {
                    self.drawn.pop_last();
                }
            }
        }
    }

    /// About how many of so many exchanges, which are all those of the endpoints that `is_among` names, each of these
    /// endpoints had, the most frequent first.
    #[must_use]
    pub fn about(&self, exchanges: u64, is_among: impl Fn(&str) -> bool) -> Vec<(&str, u64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let drawn = self.drawn.values().filter(|name| is_among(name));
        drawn.for_each(|name| *counts.entry(name).or_default() += 1);
        let drawn = u128::from(counts.values().sum::<u64>().max(1));
        let about = |count: u64| u64::try_from(u128::from(count) * u128::from(exchanges) / drawn).unwrap_or(u64::MAX);
        let mut counts: Vec<_> = counts.into_iter().map(|(name, count)| (name, about(count))).collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        counts
    }
}

impl Merge for Sample {
    fn merge_with(&mut self, other: &Self) {
        other.drawn.iter().for_each(|(hash, name)| self.keep(*hash, name));
    }
}
