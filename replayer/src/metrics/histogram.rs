//! A histogram of durations with fixed bounds, as metrics have them.

/// Buckets at most, the one without an upper bound included.
const BUCKETS_MAX: usize = 16;

/// As the HTTP semantic conventions advise for `http.client.request.duration`, in seconds.
pub const DURATION_BOUNDS_S: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// For the generator's lateness, of which most is far below a millisecond, in seconds.
pub const LAG_BOUNDS_S: &[f64] =
    &[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

/// Counts by bucket: of values up to a bound and above the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    bounds_s: &'static [f64],
    buckets: [u64; BUCKETS_MAX],
    count: u64,
    sum_ns: u128,
}

impl Histogram {
    /// An empty one with at most fifteen bounds, upwards.
    #[must_use]
    pub const fn new(bounds_s: &'static [f64]) -> Self {
        Self { bounds_s, buckets: [0; BUCKETS_MAX], count: 0, sum_ns: 0 }
    }

    /// Counts a value.
    #[expect(clippy::cast_precision_loss, reason = "a duration of a century is known to a tenth of a microsecond")]
    pub fn record(&mut self, nanos: u64) {
        let seconds = nanos as f64 / 1e9;
        let bucket = self.bounds_s.iter().take_while(|bound| seconds > **bound).count();
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_ns += u128::from(nanos);
    }

    /// Upper bounds of all buckets but the last, in seconds.
    #[must_use]
    pub const fn bounds_s(&self) -> &'static [f64] {
        self.bounds_s
    }

    /// Values by bucket, one more than there are bounds.
    #[must_use]
    pub fn buckets(&self) -> &[u64] {
        self.buckets.get(..=self.bounds_s.len()).unwrap_or_default()
    }

    /// Values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a sum is read to fifteen digits")]
    pub fn sum_s(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// What was counted since `before`, which is the same histogram at an earlier instant.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut buckets = self.buckets;
        buckets.iter_mut().zip(before.buckets).for_each(|(now, then)| *now = now.saturating_sub(then));
        Self {
            bounds_s: self.bounds_s,
            buckets,
            count: self.count.saturating_sub(before.count),
            sum_ns: self.sum_ns.saturating_sub(before.sum_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        let mut histogram = Histogram::new(&[0.001, 0.01]);
        [0, 1_000_000, 1_000_001, 10_000_000, 10_000_001, u64::MAX].into_iter().for_each(|ns| histogram.record(ns));
        assert_eq!(histogram.buckets(), [2, 2, 2]);
        assert_eq!((histogram.count(), histogram.buckets().iter().sum::<u64>()), (6, 6));
        let before = histogram.clone();
        histogram.record(5_000_000_000);
        let since = histogram.since(&before);
        assert_eq!((since.buckets(), since.count(), since.sum_s()), (&[0, 0, 1][..], 1, 5.0));
    }

    #[test]
    fn all_bounds_have_a_bucket_and_go_upwards() {
        for bounds in [DURATION_BOUNDS_S, LAG_BOUNDS_S] {
            assert!(bounds.len() < BUCKETS_MAX && bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
