//! The gaps between instants that follow each other, in a histogram of bounded size, and how far two of them differ.

use libm::fabs;

/// Bits of a gap below its leading one that are told apart: classes of a width of 1/32.
const FINE_BITS: u32 = 5;
/// Classes: gaps below 32 ns have their own, then 32 for each power of two.
const CLASSES: usize = (64 - FINE_BITS as usize + 1) << FINE_BITS;

/// How many gaps there were of each length.
#[derive(Debug)]
pub(super) struct Gaps {
    classes: Vec<u64>,
    count: u64,
    last_ns: Option<u64>,
    unsorted: bool,
}

impl Gaps {
    pub(super) fn new() -> Self {
        Self { classes: vec![0; CLASSES], count: 0, last_ns: None, unsorted: false }
    }

    /// Counts the gap from the instant before to this one. The first step back ends the counting for good.
    pub(super) fn add(&mut self, at_ns: u64) {
        let Some(last_ns) = self.last_ns.replace(at_ns) else { return };
        let Some(gap_ns) = at_ns.checked_sub(last_ns) else {
            self.unsorted = true;
            return;
        };
        if let Some(count) = self.classes.get_mut(class(gap_ns)) {
            *count = count.saturating_add(1);
            self.count = self.count.saturating_add(1);
        }
    }

    /// The next instant follows none: whatever lies between is no gap.
    pub(super) fn forget_last(&mut self) {
        self.last_ns = None;
    }

    /// Whether the instants came in order.
    pub(super) fn is_sorted(&self) -> bool {
        !self.unsorted
    }

    /// The Kolmogorov–Smirnov distance of two samples, D = max over x of |F(x) − G(x)| with F and G their shares of gaps
    /// of at most x, where x runs over the upper ends of the classes. `None` of a sample without gaps.
    pub(super) fn distance(&self, other: &Self) -> Option<f64> {
        let of = |count: u64, whole: u64| (whole > 0).then(|| count as f64 / whole as f64);
        let (mut ours, mut theirs, mut most) = (0, 0, 0.0);
        for (one, two) in self.classes.iter().zip(&other.classes) {
            ours += one;
            theirs += two;
            most = f64::max(most, fabs(of(ours, self.count)? - of(theirs, other.count)?));
        }
        Some(most)
    }
}

/// Below 2⁵ the gap itself; then 32 classes for each power of two, by the five bits below the leading one.
fn class(gap_ns: u64) -> usize {
    let shift = (u64::BITS - gap_ns.leading_zeros()).saturating_sub(FINE_BITS + 1);
    let class = (u64::from(shift) << FINE_BITS) + (gap_ns >> shift);
    usize::try_from(class).unwrap_or(usize::MAX)
}
