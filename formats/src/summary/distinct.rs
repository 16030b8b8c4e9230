//! How many different numbers there were.

use std::collections::BTreeSet;

use super::{Merge, mix};

/// Hashes that are kept.
pub const DISTINCT_MAX: usize = 1_024;

/// Counts different numbers: exactly up to [`DISTINCT_MAX`], and beyond to within 6 % (twice 1/√1,022) by the k-th
/// lowest of their hashes (Bar-Yossef et al., RANDOM 2002).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distinct {
    /// The lowest hashes.
    pub lowest: BTreeSet<u64>,
}

impl Distinct {
    pub(super) fn saw(&mut self, number: u64) {
        self.keep(mix(number));
    }

    fn keep(&mut self, hash: u64) {
        let full = self.lowest.len() >= DISTINCT_MAX;
        if full && self.lowest.last().is_some_and(|last| *last < hash) {
            return;
        }
        if self.lowest.insert(hash) && full {
            self.lowest.pop_last();
        }
    }

    /// Whether [`Self::len`] is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.lowest.len() < DISTINCT_MAX
    }

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lowest.is_empty()
    }

    /// How many there were: with k hashes kept and the largest of them h, (k − 1) · 2^64 / h.
    #[must_use]
    pub fn len(&self) -> u64 {
        let kept = self.lowest.len() as u64;
        match self.lowest.last() {
            Some(largest) if !self.is_exact() => {
                let about = (u128::from(kept - 1) << u64::BITS) / u128::from((*largest).max(1));
                u64::try_from(about).unwrap_or(u64::MAX)
            }
            _ => kept,
        }
    }
}

impl Merge for Distinct {
    fn merge_with(&mut self, other: &Self) {
        other.lowest.iter().for_each(|hash| self.keep(*hash));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_below_the_bound_and_near_beyond_it() {
        let count = |numbers: u64| {
            let mut distinct = Distinct::default();
            (0..numbers).chain(0..numbers / 2).for_each(|number| distinct.saw(number));
            (distinct.len(), distinct.is_exact())
        };
        assert_eq!(count(0), (0, true));
        assert_eq!(count(1_023), (1_023, true));
        for numbers in [1_024, 1_025, 5_000, 100_000] {
            let (about, exact) = count(numbers);
            assert!(!exact && about.abs_diff(numbers) * 100 < numbers * 6, "{about} for {numbers}");
        }
    }
}
