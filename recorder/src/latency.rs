//! How long the relay keeps bytes: a histogram with fixed bounds, counted without locks.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds, in nanoseconds: 10 µs to 10 s in steps of about √10.
const BOUNDS_NS: [u64; 13] = [
    10_000,
    31_623,
    100_000,
    316_228,
    1_000_000,
    3_162_278,
    10_000_000,
    31_622_777,
    100_000_000,
    316_227_766,
    1_000_000_000,
    3_162_277_660,
    10_000_000_000,
];

/// Counts while the relay works.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// One for each bound, and one for what is above them all.
    counts: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

impl Latencies {
    pub(crate) fn add(&self, ns: u64) {
        let at = BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Latency {
        Latency {
            counts: std::array::from_fn(|at| self.counts.get(at).map_or(0, |count| count.load(Ordering::Relaxed))),
            sum_ns: self.sum_ns.load(Ordering::Relaxed),
        }
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    counts: [u64; BOUNDS_NS.len() + 1],
    sum_ns: u64,
}

impl Latency {
    /// Upper bounds in nanoseconds, each with how many were not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut sum = 0;
        BOUNDS_NS.iter().zip(self.counts).map(move |(bound, count)| {
            sum += count;
            (*bound, sum)
        })
    }

    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in nanoseconds.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let latencies = Latencies::default();
        [10_000, 10_001, 10_000_000_000, 10_000_000_001].iter().for_each(|ns| latencies.add(*ns));
        let latency = latencies.read();
        let upto: Vec<u64> = latency.cumulative().map(|(_, count)| count).collect();
        assert_eq!((upto.first(), upto.get(1), upto.last()), (Some(&1), Some(&2), Some(&3)));
        assert_eq!((latency.count(), latency.sum_ns()), (4, 20_000_020_002));
    }
}
