//! Where in a block copies are placed: as its own instants are spread, also when their rate rises or falls inside it.
//!
//! Blocks are steps, and a rate that changes smoothly is only nearly one. So in each block a line is fitted: the density of
//! instants at the share x of its length is 1 + t·(2x − 1), with t between −1 and 1 told from their mean, whose expectation
//! is 1/2 + t/6. Of n instants of a constant rate t has the variance 3/n; what lies within two standard errors of 0 is taken
//! for chance.

use super::draw::Draw;

/// Trends are in millionths.
const ONE: i32 = 1_000_000;
/// The square of two standard errors, times n.
const CHANCE: f64 = 4.0 * 3.0;

/// Blocks of a recording, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    /// From 0 to the recording's end; none without blocks.
    pub(super) edges_ns: Vec<u64>,
    /// The trend of each block; 0 for those that have none here.
    pub(super) trends: Vec<i32>,
}

/// One block: its first and last instant, both included, and its trend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    pub(super) trend: i32,
}

impl Blocks {
    /// Blocks without a trend.
    pub(super) fn level(edges_ns: Vec<u64>) -> Self {
        Self { edges_ns, trends: Vec::new() }
    }

    /// The block in which `at_ns` lies.
    pub(super) fn around(&self, at_ns: u64) -> Block {
        let edges = &self.edges_ns;
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return Block::only(at_ns) };
        // The last block includes its end.
        let next = if at_ns >= *last { edges.len() - 1 } else { edges.partition_point(|edge| *edge <= at_ns) };
        let index = next.saturating_sub(1);
        let to = edges.get(next).unwrap_or(last);
        Block {
            first_ns: *edges.get(index).unwrap_or(first),
            last_ns: if to == last { *last } else { to.saturating_sub(1) },
            trend: self.trends.get(index).copied().unwrap_or(0),
        }
    }

    /// What a plan's hash has of them.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let lengths = [self.edges_ns.len() as u64, self.trends.len() as u64];
        let trends = self.trends.iter().map(|trend| i64::from(*trend).cast_unsigned());
        lengths.into_iter().chain(self.edges_ns.iter().copied()).chain(trends)
    }
}

impl Block {
    /// A block of one instant.
    pub(super) fn only(at_ns: u64) -> Self {
        Self { first_ns: at_ns, last_ns: at_ns, trend: 0 }
    }

    /// An instant of this block.
    pub(super) fn instant(self, draw: Draw) -> u64 {
        if self.trend == 0 {
            return draw.within(self.first_ns, self.last_ns);
        }
        // The share x of the length where u = x + t·(x² − x), by the solution that does not cancel. Square roots, like sums
        // and products, are the same on every machine (IEEE 754).
        let (t, u) = (f64::from(self.trend) / f64::from(ONE), draw.fraction());
        let b = 1.0 - t;
        let share = 2.0 * u / (b + (b * b + 4.0 * t * u).max(0.0).sqrt());
        let length = self.last_ns.saturating_sub(self.first_ns);
        #[expect(clippy::cast_precision_loss, reason = "an instant of a year to the microsecond is enough here")]
        let offset = share.min(1.0) * (length as f64 + 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; 0 of 0 is the end")]
        let offset = (offset as u64).min(length);
        self.first_ns.saturating_add(offset)
    }
}

/// The trend of counts in equal cells.
pub(super) fn trend(counts: &[u64]) -> i32 {
    let total: u128 = counts.iter().map(|count| u128::from(*count)).sum();
    // Twice the place of each cell's middle.
    let weighted: u128 = (0_u128..).zip(counts).map(|(cell, count)| u128::from(*count) * (2 * cell + 1)).sum();
    if total == 0 {
        return 0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of counts; the same on every machine")]
    let (mean, total) = (weighted as f64 / (2.0 * total as f64 * counts.len() as f64), total as f64);
    let t = (6.0 * (mean - 0.5)).clamp(-1.0, 1.0);
    if t * t * total <= CHANCE {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most a million")]
    let millionths = (t * f64::from(ONE)) as i32;
    millionths
}
