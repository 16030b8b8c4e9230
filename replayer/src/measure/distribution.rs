//! A distribution of nanoseconds: an HDR histogram with three significant digits that grows with its largest value.
//!
//! Distributions add up exactly: the sum of two is what one that counted all would be. Nothing here is averaged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HistogramReader, Serializer as _, V2Serializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::result::Quantiles;

/// Significant digits of every histogram.
const DIGITS: u8 = 3;
/// Largest value that is told apart: an hour, in nanoseconds. What is longer counts as an hour.
pub const VALUE_NS_MAX: u64 = 3_600_000_000_000;

/// A distribution of nanoseconds from 1 ns to [`VALUE_NS_MAX`]; one bucket counts up to 2³² − 1 values.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution(Histogram<u32>);

impl Distribution {
    /// An empty one; it takes 8 KiB, and 4 KiB more for each doubling of its largest value from 2 µs on.
    #[must_use]
    pub fn new() -> Self {
        // Three digits are within what the library accepts; it says so by its type only at run time.
        Self(Histogram::new(DIGITS).unwrap_or_else(|_| Self::smallest()))
    }

    #[expect(clippy::expect_used, reason = "one digit is the least that the library accepts")]
    fn smallest() -> Histogram<u32> {
        Histogram::new(1).expect("one significant digit")
    }

    /// Counts a value.
    pub fn record(&mut self, nanos: u64) {
        self.record_n(nanos, 1);
    }

    /// Counts a value that came several times.
    pub fn record_n(&mut self, nanos: u64, times: u32) {
        // In range by the clamp, and the histogram resizes itself.
        let _ = self.0.record_n(nanos.clamp(1, VALUE_NS_MAX), times);
    }

    /// Counts everything that the other one counted.
    pub fn add(&mut self, other: &Self) {
        if !other.0.is_empty() {
            // Both grow by themselves, so that nothing is out of range.
            let _ = self.0.add(&other.0);
        }
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value in nanoseconds that this share of the values is at or below; 0 of nothing.
    #[must_use]
    pub fn value_ns(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// Quantiles in microseconds.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        if self.0.is_empty() {
            return Quantiles::default();
        }
        let us = |quantile: f64| micros(self.0.value_at_quantile(quantile));
        Quantiles {
            count: self.0.len(),
            p50: us(0.5),
            p90: us(0.9),
            p99: us(0.99),
            p999: us(0.999),
            max: micros(self.0.max()),
        }
    }

    /// Kolmogorov–Smirnov distance `max |F(x) − G(x)|` between the two distributions, at the resolution of the
    /// histograms (0.1 % of a value); `None` where one of them is empty.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of counts, read to three digits")]
    pub fn distance(&self, other: &Self) -> Option<f64> {
        if self.0.is_empty() || other.0.is_empty() {
            return None;
        }
        let steps = |of: &Self| -> Vec<(u64, u64)> {
            let steps = of.0.iter_recorded();
            steps.map(|step| (step.value_iterated_to(), u64::from(step.count_at_value()))).collect()
        };
        let (ours, theirs) = (steps(self), steps(other));
        let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
        let (mut below, mut below_other, mut distance) = (0u64, 0u64, 0f64);
        loop {
            let next = [ours.peek(), theirs.peek()].into_iter().flatten().map(|step| step.0).min();
            let Some(value) = next else { return Some(distance) };
            below += ours.next_if(|step| step.0 == value).map_or(0, |step| step.1);
            below_other += theirs.next_if(|step| step.0 == value).map_or(0, |step| step.1);
            let (share, other_share) = (below as f64 / self.count() as f64, below_other as f64 / other.count() as f64);
            distance = distance.max((share - other_share).abs());
        }
    }

    /// The histogram itself, for the interval log.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u32> {
        &self.0
    }

    /// Takes a histogram over that was read from an interval log.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let mut all = Self::new();
        for step in histogram.iter_recorded() {
            let mut left = step.count_at_value();
            while left > 0 {
                let now = u32::try_from(left).unwrap_or(u32::MAX);
                all.record_n(step.value_iterated_to(), now);
                left -= u64::from(now);
            }
        }
        all
    }
}

/// As the base64 text that interval logs have.
impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).map_err(serde::ser::Error::custom)?;
        to.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let bytes = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
        let histogram = HistogramReader::new().deserialize(&mut &bytes[..]).map_err(D::Error::custom)?;
        Ok(Self(histogram))
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_precision_loss, reason = "an hour of nanoseconds is far below 2^53")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}
