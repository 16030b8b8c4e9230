//! Where in a block copies are placed: as its own instants are spread, also when their rate rises or falls inside it.
//!
//! Blocks are steps, and a rate that changes smoothly is only nearly one. So in each block a line is fitted: the density of
//! instants at the share x of its length is 1 + t·(2x − 1), with t between −1 and 1 told from their mean, whose expectation
//! is 1/2 + t/6. Of n instants of a constant rate t has the variance 3/n; what lies within two standard errors of 0 is taken
//! for chance.

/// Trends are in millionths.
const ONE: i32 = 1_000_000;
/// The square of two standard errors, times n.
const CHANCE: f64 = 4.0 * 3.0;

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

/// The share x of a block's length below which the share `u` of its instants lies: u = x + t·(x² − x), by the solution that
/// does not cancel. Square roots, like sums and products, are the same on every machine (IEEE 754).
pub(super) fn place(trend: i32, u: f64) -> f64 {
    let t = f64::from(trend) / f64::from(ONE);
    let b = 1.0 - t;
    // 0 of 0, at the very beginning of a block that rises from nothing, is the end.
    (2.0 * u / (b + (b * b + 4.0 * t * u).max(0.0).sqrt())).min(1.0)
}
