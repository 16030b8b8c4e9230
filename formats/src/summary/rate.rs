//! Requests over time, in buckets that grow wider as the session grows longer.

use super::{Merge, add};

/// Buckets from the first request to the last.
pub const RATE_BUCKETS_MAX: usize = 512;
/// Width of the buckets of a short session; every other width is this one doubled.
pub const RATE_WIDTH_NS_MIN: u64 = 1_000_000;

/// Counts in buckets of one width, from the bucket of the first request to that of the last. Bucket i holds the
/// instants from i·width on; the width is the least with which there are no more than [`RATE_BUCKETS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Width of a bucket.
    pub width_ns: u64,
    /// Number of the first bucket.
    pub first: u64,
    /// How many requests began in each.
    pub counts: Vec<u64>,
}

impl Default for Rate {
    fn default() -> Self {
        Self { width_ns: RATE_WIDTH_NS_MIN, first: 0, counts: Vec::new() }
    }
}

impl Rate {
    pub(super) fn count(&mut self, at_ns: u64) {
        let at = at_ns.checked_div(self.width_ns).unwrap_or(0);
        self.add(at, 1);
    }

    /// Adds to a bucket of the present width, which may grow by it.
    fn add(&mut self, mut at: u64, count: u64) {
        if self.counts.is_empty() {
            self.first = at;
        }
        loop {
            let last = self.first.saturating_add(self.counts.len().saturating_sub(1) as u64);
            let (first, last) = (self.first.min(at), last.max(at));
            let Some(len) = usize::try_from(last - first).ok().filter(|len| *len < RATE_BUCKETS_MAX) else {
                self.widen();
                at /= 2;
                continue;
            };
            if first < self.first {
                let before = usize::try_from(self.first - first).unwrap_or(0);
                self.counts.splice(0..0, std::iter::repeat_n(0, before));
                self.first = first;
            }
            self.counts.resize((len + 1).max(self.counts.len()), 0);
            let place = usize::try_from(at - self.first).ok().and_then(|place| self.counts.get_mut(place));
            place.into_iter().for_each(|place| add(place, count));
            return;
        }
    }

    /// Doubles the width.
    fn widen(&mut self) {
        let mut wide = vec![0; self.counts.len() / 2 + 1];
        let odd = self.first % 2;
        for (at, count) in (odd..).zip(&self.counts) {
            if let Some(place) = usize::try_from(at / 2).ok().and_then(|at| wide.get_mut(at)) {
                add(place, *count);
            }
        }
        // The last one is empty where the number of buckets was even and the first one even, too.
        let used = usize::try_from((odd + self.counts.len() as u64).div_ceil(2)).unwrap_or(usize::MAX);
        wide.truncate(used);
        (self.counts, self.first, self.width_ns) = (wide, self.first / 2, self.width_ns.saturating_mul(2));
    }

    /// Counts in at most `columns` columns of equal width, from the first request to the last, and that width.
    #[must_use]
    pub fn columns(&self, columns: usize) -> (u64, Vec<u64>) {
        let together = self.counts.len().div_ceil(columns.max(1)).max(1);
        let sums =
            self.counts.chunks(together).map(|some| some.iter().fold(0u64, |sum, count| sum.saturating_add(*count)));
        (self.width_ns.saturating_mul(together as u64), sums.collect())
    }
}

impl Merge for Rate {
    fn merge_with(&mut self, other: &Self) {
        while self.width_ns < other.width_ns {
            self.widen();
        }
        for (at, count) in (other.first..).zip(&other.counts) {
            // Adding can widen.
            let narrower = self.width_ns.checked_div(other.width_ns).unwrap_or(1).max(1);
            self.add(at / narrower, *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_width_doubles_one_past_the_bound() {
        let ms = RATE_WIDTH_NS_MIN;
        let mut rate = Rate::default();
        (0..RATE_BUCKETS_MAX as u64).for_each(|at| rate.count(at * ms));
        assert_eq!((rate.width_ns, rate.counts.len()), (ms, RATE_BUCKETS_MAX));
        rate.count(RATE_BUCKETS_MAX as u64 * ms);
        assert_eq!((rate.width_ns, rate.counts.len()), (2 * ms, RATE_BUCKETS_MAX / 2 + 1));
        assert_eq!((rate.counts[0], rate.counts[RATE_BUCKETS_MAX / 2]), (2, 1));
        assert_eq!(rate.columns(10), (52 * ms, vec![52, 52, 52, 52, 52, 52, 52, 52, 52, 45]));
        rate.count(u64::MAX);
        assert!(rate.counts.len() <= RATE_BUCKETS_MAX);
        assert_eq!(rate.counts.iter().sum::<u64>(), RATE_BUCKETS_MAX as u64 + 2);
    }

    proptest! {
        #[test]
        fn buckets_hold_what_lies_in_them(first in 0u64..1 << 50, gaps in prop::collection::vec(0u64..1 << 34, 1..200), shuffle: u64) {
            let mut instants: Vec<u64> = gaps.iter().scan(first, |at, gap| { *at += gap; Some(*at) }).collect();
            let (mut rate, mut turned) = (Rate::default(), Rate::default());
            instants.iter().for_each(|at| rate.count(*at));
            instants.rotate_left(shuffle as usize % gaps.len());
            instants.iter().for_each(|at| turned.count(*at));
            prop_assert_eq!(&rate, &turned);
            for (place, count) in rate.counts.iter().enumerate() {
                let number = rate.first + place as u64;
                let there = instants.iter().filter(|at| **at / rate.width_ns == number).count() as u64;
                prop_assert_eq!(*count, there);
            }
            prop_assert!(rate.counts[0] > 0 && rate.counts[rate.counts.len() - 1] > 0 && rate.counts.len() <= RATE_BUCKETS_MAX);
        }

        #[test]
        fn what_a_file_may_say_does_no_harm(width_ns: u64, first: u64, counts: Vec<u64>, at: u64) {
            let mut odd = Rate { width_ns, first, counts };
            let _ = odd.columns(7);
            odd.merge_with(&odd.clone());
            let mut rate = Rate::default();
            rate.count(at);
            rate.merge_with(&odd);
        }
    }
}
