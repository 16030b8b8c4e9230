//! How values are distributed: a log-linear histogram that gives up resolution rather than grow.

use super::{Merge, add};

/// Buckets that are kept; with their distances and counts as numbers of variable length about 2 KB.
pub const BUCKETS_MAX: usize = 640;
/// Parts of each power of two at best, as a power of two: 1,024 parts are three significant digits.
pub const RESOLUTION_BITS: u32 = 10;
/// Parts at worst. All powers of two that a `u64` has then take fewer buckets than there may be.
pub(super) const RESOLUTION_BITS_MIN: u32 = 3;

/// Counts of values. A bucket reaches from a value to at most 1/2^`bits` more, `bits` being the most of
/// [`RESOLUTION_BITS`] with which no more than [`BUCKETS_MAX`] buckets are in use: narrow distributions have three
/// significant digits, and the widest that there can be is known to within 13 %.
///
/// With b bits, a value below 2^(b+1) is its own bucket; a larger one v with ⌊log₂ v⌋ = e has bucket
/// (e − b)·2^b + ⌊v / 2^(e−b)⌋. Two neighbours of b bits make one bucket of b − 1 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Parts of each power of two, as a power of two: 3 to 10.
    pub bits: u32,
    /// Numbers of buckets and how many values are in them, ascending, none of them 0.
    pub buckets: Vec<(u16, u64)>,
    /// Sum of the values.
    pub sum: u64,
    /// Largest value.
    pub max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bits: RESOLUTION_BITS, buckets: Vec::new(), sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Adds a value.
    pub fn count(&mut self, value: u64) {
        add(&mut self.sum, value);
        self.max = self.max.max(value);
        self.add(bucket(value, self.bits), 1);
        self.fit();
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The value below or at which a share of `part` in `whole` of the values lies, to within the resolution: the
    /// middle of the bucket of the ⌈n·part/whole⌉-th value. `None` without values.
    #[must_use]
    pub fn quantile(&self, part: u64, whole: u64) -> Option<u64> {
        let rank = (u128::from(self.len()) * u128::from(part)).div_ceil(u128::from(whole.max(1))).max(1);
        let mut seen = 0;
        let found = self.buckets.iter().find(|(_, count)| {
            seen += u128::from(*count);
            seen >= rank
        });
        let (bucket, _) = found.or(self.buckets.last())?;
        let (lowest, width) = reach(*bucket, self.bits);
        Some(lowest.saturating_add((width - 1) / 2).min(self.max))
    }

    fn add(&mut self, bucket: u16, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |known| known.0) {
            Ok(at) => {
                if let Some((_, known)) = self.buckets.get_mut(at) {
                    add(known, count);
                }
            }
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// Gives up resolution until there are no more buckets than there may be.
    fn fit(&mut self) {
        while self.buckets.len() > BUCKETS_MAX && self.bits > RESOLUTION_BITS_MIN {
            self.coarsen(self.bits - 1);
        }
    }

    fn coarsen(&mut self, bits: u32) {
        if bits >= self.bits {
            return;
        }
        let mut coarse: Vec<(u16, u64)> = Vec::with_capacity(self.buckets.len() / 2 + 1);
        for (old, count) in &self.buckets {
            let new = bucket(reach(*old, self.bits).0, bits);
            match coarse.last_mut().filter(|last| last.0 == new) {
                Some(last) => add(&mut last.1, *count),
                None => coarse.push((new, *count)),
            }
        }
        (self.buckets, self.bits) = (coarse, bits);
    }
}

impl Merge for Histogram {
    fn merge_with(&mut self, other: &Self) {
        add(&mut self.sum, other.sum);
        self.max = self.max.max(other.max);
        self.coarsen(other.bits.max(RESOLUTION_BITS_MIN));
        for (theirs, count) in &other.buckets {
            self.add(bucket(reach(*theirs, other.bits).0, self.bits), *count);
        }
        self.fit();
    }
}

/// The bucket of a value.
fn bucket(value: u64, bits: u32) -> u16 {
    let exponent = value.checked_ilog2().unwrap_or(0);
    let shift = exponent.saturating_sub(bits);
    let number = u64::from(shift).checked_shl(bits).unwrap_or(0).saturating_add(value >> shift);
    // At most 53 · 2^10 + 2^11 − 1.
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// The lowest value of a bucket, and how many values it has.
fn reach(bucket: u16, bits: u32) -> (u64, u64) {
    let (bucket, parts) = (u64::from(bucket), 1u64.checked_shl(bits).unwrap_or(1));
    // A file may name a bucket that no value has.
    let shift = (bucket / parts).saturating_sub(1).min(63);
    let lowest = u128::from(bucket - shift * parts) << shift;
    (u64::try_from(lowest).unwrap_or(u64::MAX), 1 << shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_meet_and_reach_from_zero_to_the_end() {
        for bits in RESOLUTION_BITS_MIN..=RESOLUTION_BITS {
            let last = bucket(u64::MAX, bits);
            let mut next = 0u128;
            for number in 0..=last {
                let (lowest, width) = reach(number, bits);
                assert_eq!(u128::from(lowest), next, "bucket {number} of {bits} bits");
                assert_eq!((bucket(lowest, bits), bucket(lowest + (width - 1), bits)), (number, number));
                assert!(width == 1 || width <= lowest >> bits, "bucket {number} of {bits} bits is {width} wide");
                next += u128::from(width);
            }
            assert_eq!(next, 1 << 64);
        }
        assert!(usize::from(bucket(u64::MAX, RESOLUTION_BITS_MIN)) < BUCKETS_MAX);
    }

    #[test]
    fn resolution_is_given_up_one_past_the_bound() {
        let mut histogram = Histogram::default();
        (0..BUCKETS_MAX as u64).for_each(|value| histogram.count(value));
        assert_eq!((histogram.bits, histogram.buckets.len()), (RESOLUTION_BITS, BUCKETS_MAX));
        // Values below 2^bits are buckets of their own until then, and pairs of them follow.
        histogram.count(BUCKETS_MAX as u64);
        assert_eq!((histogram.bits, histogram.len()), (8, BUCKETS_MAX as u64 + 1));
        assert!(histogram.buckets.len() <= BUCKETS_MAX);
    }

    #[test]
    fn three_digits_where_values_are_near_each_other() {
        let mut histogram = Histogram::default();
        (0..100_000u64).for_each(|at| histogram.count(20_000_000 + at * 50));
        assert_eq!((histogram.bits, histogram.len()), (RESOLUTION_BITS, 100_000));
        for (part, exact) in [(50, 22_500_000u64), (99, 24_950_000)] {
            let found = histogram.quantile(part, 100).unwrap();
            assert!(found.abs_diff(exact) * 1_000 < exact, "p{part}: {found} for {exact}");
        }
        assert_eq!(Histogram::default().quantile(50, 100), None);
    }

    proptest! {
        #[test]
        fn quantiles_are_as_near_as_the_resolution_says(mut values in prop::collection::vec(0u64..1 << 40, 1..3_000), part in 0u64..=100) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.count(*value));
            values.sort_unstable();
            let rank = (values.len() as u64 * part).div_ceil(100).max(1) as usize;
            let (exact, found) = (values[rank - 1], histogram.quantile(part, 100).unwrap());
            prop_assert!(found.abs_diff(exact) <= exact >> histogram.bits, "{found} for {exact}");
            prop_assert!(histogram.buckets.len() <= BUCKETS_MAX);
            prop_assert_eq!((histogram.len(), histogram.sum), (values.len() as u64, values.iter().sum()));
        }

        #[test]
        fn what_a_file_may_say_does_no_harm(bits: u32, buckets: Vec<(u16, u64)>, sum: u64, max: u64, part: u64, whole: u64) {
            let mut odd = Histogram { bits, buckets, sum, max };
            let _ = odd.quantile(part, whole);
            odd.merge_with(&odd.clone());
            odd.count(max);
        }
    }
}
