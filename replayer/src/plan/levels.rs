//! Blocks that are one level of traffic, interrupted: copies of a client that started in one of them are placed in any.
//!
//! Copies keep what chance there is in the number of clients that started in their block, and multiply it: ten copies each in
//! forty seconds between two bursts vary as ten times so few clients do, not as ten times as many. Where such stretches
//! have the same rate, the rate is told from all of them together. Two blocks are taken for one level where
//!
//! - their counts m and widths w differ by no more than chance: twice the logarithm of the likelihood ratio of two rates
//!   against one, 2·[fit(m₁, w₁) + fit(m₂, w₂) − fit(m₁ + m₂, w₁ + w₂)] with fit(m, w) = m·ln(m/w), which has the distribution
//!   χ² with one degree of freedom (Wilks, Annals of Mathematical Statistics 9:60, 1938), is at most that of three
//!   standard errors; and
//! - what lies between is shorter than either. So quiet that a burst interrupts is one level, and two bursts with minutes
//!   between them are two, whose clients may have come for different things.

/// The square of three standard errors.
const CHANCE: f64 = 9.0;

/// Not one of several blocks of a level.
pub(super) const ALONE: u32 = u32::MAX;

/// A level while it is collected.
struct Open {
    count: u64,
    width: u32,
    /// Where its latest block ends, and how wide that is.
    end: u32,
    latest: u32,
    blocks: Vec<usize>,
}

/// The level of each block that is not alone, numbered from 0. `sums` are the counts of cells added up, with a leading 0; blocks
/// with a trend have no level.
pub(super) fn levels(cuts: &[u32], trends: &[i32], sums: &[u64]) -> Vec<u32> {
    let mut open: Vec<Open> = Vec::new();
    let before = |cell: u32| sums.get(cell as usize).copied().unwrap_or(0);
    for (block, ((from, to), trend)) in cuts.iter().zip(cuts.iter().skip(1)).zip(trends).enumerate() {
        let (from, to) = (*from, *to);
        let (count, width) = (before(to).saturating_sub(before(from)), to.saturating_sub(from));
        let goes_on = |level: &&mut Open| {
            let between = from.saturating_sub(level.end);
            between < level.latest.min(width) && excess(level.count, level.width, count, width) <= CHANCE
        };
        match open.iter_mut().rev().find(goes_on).filter(|_| *trend == 0) {
            Some(level) => {
                (level.count, level.width) = (level.count.saturating_add(count), level.width.saturating_add(width));
                (level.end, level.latest) = (to, width);
                level.blocks.push(block);
            }
            None if *trend == 0 => {
                open.push(Open { count, width, end: to, latest: width, blocks: vec![block] });
            }
            None => {}
        }
    }
    let mut levels = vec![ALONE; trends.len()];
    for (level, several) in (0..).zip(open.iter().filter(|level| level.blocks.len() > 1)) {
        for block in &several.blocks {
            levels.get_mut(*block).into_iter().for_each(|entry| *entry = level);
        }
    }
    levels
}

/// What two rates tell better than one.
fn excess(count: u64, width: u32, other_count: u64, other_width: u32) -> f64 {
    let apart = fit(count, width) + fit(other_count, other_width);
    2.0 * (apart - fit(count.saturating_add(other_count), width.saturating_add(other_width)))
}

#[expect(clippy::cast_precision_loss, reason = "counts of starts; the same on every machine")]
fn fit(count: u64, width: u32) -> f64 {
    if count == 0 { 0.0 } else { count as f64 * libm::log(count as f64 / f64::from(width.max(1))) }
}
