//! A distribution of nanoseconds: the buckets of an HDR histogram with three significant digits, whose counts take little
//! memory (`counts.rs`). What is read from it, the library reads from a histogram made of them.
//!
//! Distributions add up exactly: the sum of two is what one that counted all would be. Nothing here is averaged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer as HistogramReader, Serializer as _, V2Serializer};
use hdrhistogram::{Counter, Histogram};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::counts::Counts;
use crate::result::Quantiles;

/// Significant digits of every histogram.
const DIGITS: u8 = 3;
/// Values below are told apart; above, each doubling has half as many buckets (as in the library, with these digits).
const EXACT: u64 = 2_048;
/// Shares of a curve from one halving of what is left to the next.
const CURVE_STEPS: u32 = 4;
/// Largest value that is told apart: an hour, in nanoseconds. What is longer counts as an hour.
pub const VALUE_NS_MAX: u64 = 3_600_000_000_000;

/// A distribution of nanoseconds from 1 ns to [`VALUE_NS_MAX`]; one bucket counts up to 2³² − 1 values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution(Counts);

impl Distribution {
    /// An empty one; it takes nothing, and about 1.2 KiB for each doubling in which values are, 4.3 KiB at most.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a value.
    pub fn record(&mut self, nanos: u64) {
        self.record_n(nanos, 1);
    }

    /// Counts a value that came several times.
    pub fn record_n(&mut self, nanos: u64, times: u32) {
        self.0.add(place(nanos), times.into());
    }

    /// Counts everything that the other one counted.
    pub fn add(&mut self, other: &Self) {
        self.0.add_all(&other.0);
    }

    /// Takes away what was added before.
    pub(crate) fn remove(&mut self, other: &Self) {
        self.0.remove_all(&other.0);
    }

    /// From now on sums share its memory, as long as neither counts on.
    pub(super) fn share(&mut self) {
        self.0.share();
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.total()
    }

    /// The value in nanoseconds that this share of the values is at or below; 0 of nothing.
    #[must_use]
    pub fn value_ns(&self, quantile: f64) -> u64 {
        self.histogram().value_at_quantile(quantile)
    }

    /// Quantiles in microseconds.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        if self.count() == 0 {
            return Quantiles::default();
        }
        let histogram = self.histogram();
        let us = |quantile: f64| micros(histogram.value_at_quantile(quantile));
        Quantiles {
            count: self.count(),
            p50: us(0.5),
            p90: us(0.9),
            p99: us(0.99),
            p999: us(0.999),
            max: micros(histogram.max()),
        }
    }

    /// The counts with the smallest value of their bucket, upwards.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.recorded().map(|(bucket, times)| (least_of(bucket), times))
    }

    /// Pairs of a share and the microseconds that it is at or below, for [`crate::result::drawn::Curves`].
    #[must_use]
    pub fn curve(&self) -> Vec<[f64; 2]> {
        let Some(halvings) = self.count().checked_ilog2() else { return Vec::new() };
        let histogram = self.histogram();
        let left = |halving: u32, step: u32| {
            f64::from(2 * CURVE_STEPS - step) / f64::from(2 * CURVE_STEPS) * 0.5f64.powi(halving.cast_signed())
        };
        let shares = (0..=halvings).flat_map(|halving| (0..CURVE_STEPS).map(move |step| 1.0 - left(halving, step)));
        shares.chain([1.0]).map(|share| [share, micros(histogram.value_at_quantile(share))]).collect()
    }

    /// Kolmogorov–Smirnov distance `max |F(x) − G(x)|` between the two distributions, at the resolution of the
    /// histograms (0.1 % of a value); `None` where one of them is empty.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of counts, read to three digits")]
    pub fn distance(&self, other: &Self) -> Option<f64> {
        if self.count() == 0 || other.count() == 0 {
            return None;
        }
        let (mut ours, mut theirs) = (self.0.recorded().peekable(), other.0.recorded().peekable());
        let (mut below, mut below_other, mut distance) = (0u64, 0u64, 0f64);
        loop {
            let next = [ours.peek(), theirs.peek()].into_iter().flatten().map(|step| step.0).min();
            let Some(bucket) = next else { return Some(distance) };
            below += ours.next_if(|step| step.0 == bucket).map_or(0, |step| u64::from(step.1));
            below_other += theirs.next_if(|step| step.0 == bucket).map_or(0, |step| u64::from(step.1));
            let (share, other_share) = (below as f64 / self.count() as f64, below_other as f64 / other.count() as f64);
            distance = distance.max((share - other_share).abs());
        }
    }

    /// As a histogram of the library, which takes 8 KiB and 4 KiB more for each doubling of its largest value.
    #[must_use]
    pub fn histogram(&self) -> Histogram<u32> {
        // Three digits are within what the library accepts; it says so by its type only at run time.
        let mut histogram = Histogram::new(DIGITS).unwrap_or_else(|_| Self::smallest());
        // Downwards, so that it grows once.
        for (bucket, times) in self.0.recorded().rev() {
            // In range, and the histogram resizes itself.
            let _ = histogram.record_n(least_of(bucket), times);
        }
        histogram
    }

    #[expect(clippy::expect_used, reason = "one digit is the least that the library accepts")]
    fn smallest() -> Histogram<u32> {
        Histogram::new(1).expect("one significant digit")
    }

    /// Bytes on the heap, but for those that were seen before.
    #[cfg(test)]
    pub(super) fn bytes(&self, seen: &mut std::collections::HashSet<usize>) -> usize {
        self.0.bytes(seen)
    }

    /// Takes a histogram over that was read from an interval log.
    #[must_use]
    pub fn of<T: Counter>(histogram: &Histogram<T>) -> Self {
        let mut all = Self::new();
        for step in histogram.iter_recorded() {
            all.0.add(place(step.value_iterated_to()), step.count_at_value().as_u64());
        }
        all
    }
}

/// As the base64 text that interval logs have.
impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.histogram(), &mut bytes).map_err(serde::ser::Error::custom)?;
        to.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let bytes = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
        let histogram: Histogram<u32> =
            HistogramReader::new().deserialize(&mut &bytes[..]).map_err(D::Error::custom)?;
        Ok(Self::of(&histogram))
    }
}

/// The bucket that a value counts into, however long it is.
fn place(nanos: u64) -> usize {
    bucket(nanos.clamp(1, VALUE_NS_MAX))
}

/// The bucket of a value: half of [`EXACT`] for each doubling, and the value within it by that many steps.
fn bucket(nanos: u64) -> usize {
    let doublings = (nanos | (EXACT - 1)).ilog2() - (EXACT - 1).ilog2();
    usize::try_from(u64::from(doublings) * (EXACT / 2) + (nanos >> doublings)).unwrap_or(usize::MAX)
}

/// The smallest value of a bucket.
fn least_of(bucket: usize) -> u64 {
    let (bucket, half) = (bucket as u64, EXACT / 2);
    let doublings = (bucket / half).saturating_sub(1);
    (bucket - doublings * half) << doublings
}

#[expect(clippy::cast_precision_loss, reason = "an hour of nanoseconds is far below 2^53")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}
