//! Blocks of constant rate, or nearly so (`trend.rs` says how copies are placed in them).
//!
//! Counts of instants in n equal cells are cut into blocks such that the penalised likelihood of a Poisson process with
//! one rate for each block is largest (*Bayesian blocks*: Scargle, Norris, Jackson and Chiang, ApJ 764:167, 2013):
//!
//! ```text
//! minimise over cuts   Σ over blocks [ −fit(m, w) + p ]      fit(m, w) = m·ln(m/w), 0 for m = 0      p = 2·ln n
//! ```
//!
//! where m is a block's count and w its width in cells (other units, and the −m of the Poisson likelihood, add the same to
//! every cut). The optimum is exact, by dynamic programming over the cells with the pruning of PELT (Killick, Fearnhead
//! and Eckley, JASA 107:1590, 2012): a cut from which even an unpenalised block is worse than the best now can never be
//! the last cut again. Cost: O(instants + n²) at worst, which is flat traffic, where nothing can be pruned.

use super::draw::Draw;
use super::levels::{ALONE, levels};
use super::trend::{place, trend};

/// Cells at most.
const CELLS_MAX: u64 = 10_000;
/// Width of a cell at least (unless the whole recording is shorter).
const CELL_NS_MIN: u64 = 50_000_000;
/// Counts whose x·ln x is looked up rather than computed anew.
const TABLE_MAX: u64 = 1 << 20;

/// Counts of instants in equal cells of a recording, in any order.
pub(super) struct Cells {
    duration_ns: u64,
    /// One more than there are cells; the first stays 0.
    counts: Vec<u64>,
}

impl Cells {
    /// No instants in 0..=`duration_ns` yet.
    pub(super) fn new(duration_ns: u64) -> Self {
        let cells = (duration_ns / CELL_NS_MIN).clamp(1, CELLS_MAX);
        Self { duration_ns, counts: vec![0; usize::try_from(cells).unwrap_or(0).saturating_add(1)] }
    }

    /// Counts an instant.
    pub(super) fn add(&mut self, time_ns: u64) {
        let cells = self.cells();
        // The last instant of the recording belongs to the last cell.
        let cell = scale(time_ns, cells, self.duration_ns).min(cells - 1);
        if let Some(count) = self.counts.get_mut(usize::try_from(cell).unwrap_or(usize::MAX).saturating_add(1)) {
            *count += 1;
        }
    }

    fn cells(&self) -> u64 {
        (self.counts.len() as u64).saturating_sub(1).max(1)
    }

    /// The blocks, from 0 to `duration_ns`; none when nothing was counted.
    pub(super) fn blocks(self) -> Blocks {
        let (cells, counts) = (self.cells(), self.counts.get(1..).unwrap_or_default());
        let mut sums = self.counts.clone();
        let mut sum = 0;
        for count in &mut sums {
            sum += *count;
            *count = sum;
        }
        if sum == 0 {
            return Blocks::default();
        }
        let cuts = cuts(&sums);
        let of_block = |(from, to): (&u32, &u32)| trend(counts.get(*from as usize..*to as usize).unwrap_or_default());
        let trends: Vec<i32> = cuts.iter().zip(cuts.iter().skip(1)).map(of_block).collect();
        let edges_ns = cuts.iter().map(|cell| edge_ns(*cell, cells, self.duration_ns)).collect();
        Blocks { levels: levels(&cuts, &trends, &sums), trends, edges_ns, spans: Vec::new() }.with_spans()
    }
}

/// Blocks of a recording, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    /// From 0 to the recording's end; none without blocks.
    pub(super) edges_ns: Vec<u64>,
    /// The trend of each block; 0 for those that have none here.
    pub(super) trends: Vec<i32>,
    /// The level of each block that shares one with others.
    levels: Vec<u32>,
    /// The blocks of each level.
    spans: Vec<Vec<Span>>,
}

/// A block of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first_ns: u64,
    /// The lengths of the level's blocks up to and with this one.
    end_ns: u64,
}

/// One block: its first and last instant, both included, its trend, and the level that it shares with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    pub(super) trend: i32,
    pub(super) level: u32,
}

impl Blocks {
    /// Blocks without a trend.
    pub(super) fn level(edges_ns: Vec<u64>) -> Self {
        Self { edges_ns, ..Self::default() }
    }

    /// The same blocks `zone_ns` later, the first of which takes in the time before it, of which nothing is known. It was told
    /// without that, so it has no trend.
    pub(super) fn after(mut self, zone_ns: u64) -> Self {
        self.edges_ns.iter_mut().skip(1).for_each(|edge| *edge = edge.saturating_add(zone_ns));
        if zone_ns > 0
            && let Some(trend) = self.trends.first_mut()
        {
            *trend = 0;
        }
        self.with_spans()
    }

    fn with_spans(mut self) -> Self {
        self.spans.clear();
        for index in 0..self.levels.len() {
            let (Some(block), Some(level)) = (self.block(index), self.levels.get(index)) else { continue };
            let level = *level as usize;
            if level == ALONE as usize {
                continue;
            }
            self.spans.resize(self.spans.len().max(level.saturating_add(1)), Vec::new());
            let Some(spans) = self.spans.get_mut(level) else { continue };
            let before_ns = spans.last().map_or(0, |span| span.end_ns);
            let length_ns = block.last_ns.saturating_sub(block.first_ns).saturating_add(1);
            spans.push(Span { first_ns: block.first_ns, end_ns: before_ns.saturating_add(length_ns) });
        }
        self
    }

    /// The block in which `at_ns` lies.
    pub(super) fn around(&self, at_ns: u64) -> Block {
        let edges = &self.edges_ns;
        let Some(last) = edges.last() else { return Block::only(at_ns) };
        // The last block includes its end.
        let next = if at_ns >= *last { edges.len() - 1 } else { edges.partition_point(|edge| *edge <= at_ns) };
        self.block(next.saturating_sub(1)).unwrap_or(Block::only(at_ns))
    }

    fn block(&self, index: usize) -> Option<Block> {
        let (first_ns, last) = (*self.edges_ns.get(index)?, self.edges_ns.last()?);
        let to = self.edges_ns.get(index.saturating_add(1)).unwrap_or(last);
        Some(Block {
            first_ns,
            last_ns: if to == last { *last } else { to.saturating_sub(1) },
            trend: self.trends.get(index).copied().unwrap_or(0),
            level: self.levels.get(index).copied().unwrap_or(ALONE),
        })
    }

    /// An instant where a copy of what is in `block` may be.
    pub(super) fn instant(&self, block: Block, draw: Draw) -> u64 {
        let spans = self.spans.get(block.level as usize).map(Vec::as_slice).unwrap_or_default();
        let Some(length_ns) = spans.last().map(|span| span.end_ns) else { return block.instant(draw) };
        let offset_ns = draw.within(0, length_ns.saturating_sub(1));
        let index = spans.partition_point(|span| span.end_ns <= offset_ns);
        let before_ns = index.checked_sub(1).and_then(|before| spans.get(before)).map_or(0, |span| span.end_ns);
        let first_ns = spans.get(index).map_or(block.first_ns, |span| span.first_ns);
        first_ns.saturating_add(offset_ns.saturating_sub(before_ns))
    }

    /// The level of each, if it shares one.
    pub(super) fn levels(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        self.levels.iter().map(|level| (*level != ALONE).then_some(*level))
    }

    /// What a plan's hash has of them.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let lengths = [self.edges_ns.len() as u64, self.trends.len() as u64];
        let trends = self.trends.iter().map(|trend| i64::from(*trend).cast_unsigned());
        let levels = self.levels.iter().map(|level| u64::from(*level));
        lengths.into_iter().chain(self.edges_ns.iter().copied()).chain(trends).chain(levels)
    }
}

impl Block {
    /// A block of one instant.
    pub(super) fn only(at_ns: u64) -> Self {
        Self { first_ns: at_ns, last_ns: at_ns, trend: 0, level: ALONE }
    }

    /// An instant of this block.
    fn instant(self, draw: Draw) -> u64 {
        if self.trend == 0 {
            return draw.within(self.first_ns, self.last_ns);
        }
        let length = self.last_ns.saturating_sub(self.first_ns);
        #[expect(clippy::cast_precision_loss, reason = "an instant of a year to the microsecond is enough here")]
        let offset = place(self.trend, draw.fraction()) * (length as f64 + 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
        let offset = (offset as u64).min(length);
        self.first_ns.saturating_add(offset)
    }
}

/// ⌊at·cells/duration⌋, 0 for no duration.
fn scale(at_ns: u64, cells: u64, duration_ns: u64) -> u64 {
    let cell = (u128::from(at_ns) * u128::from(cells)).checked_div(u128::from(duration_ns)).unwrap_or(0);
    u64::try_from(cell).unwrap_or(u64::MAX)
}

/// The first instant of a cell: ⌈cell·duration/cells⌉.
fn edge_ns(cell: u32, cells: u64, duration_ns: u64) -> u64 {
    let edge = (u128::from(cell) * u128::from(duration_ns)).div_ceil(u128::from(cells.max(1)));
    u64::try_from(edge).unwrap_or(duration_ns)
}

/// A cell at which the last block may begin.
#[derive(Clone, Copy)]
struct Candidate {
    cell: u32,
    /// Instants before it.
    sum: u64,
    /// Best cost of everything before it.
    cost: f64,
    /// Cost when the last block goes from here to the cell under consideration, without its penalty.
    with_block: f64,
}

/// The best cuts of cells whose counts add up to `sums` (with a leading 0), from 0 to the number of cells.
fn cuts(sums: &[u64]) -> Vec<u32> {
    let cells = sums.len().saturating_sub(1);
    let penalty = 2.0 * libm::log(cells as f64);
    let logarithms = Logarithms::new(cells, sums.last().copied().unwrap_or(0));
    let mut best_cut = vec![0_u32; sums.len()];
    let mut candidates = vec![Candidate { cell: 0, sum: 0, cost: -penalty, with_block: 0.0 }];
    for ((end, sum), best) in (0_u32..).zip(sums).zip(&mut best_cut).skip(1) {
        let (mut cost, mut cut) = (f64::INFINITY, 0);
        for candidate in &mut candidates {
            let fit = logarithms.fit(sum - candidate.sum, end - candidate.cell);
            candidate.with_block = candidate.cost - fit;
            if candidate.with_block < cost {
                (cost, cut) = (candidate.with_block, candidate.cell);
            }
        }
        cost += penalty;
        *best = cut;
        candidates.retain(|candidate| candidate.with_block <= cost);
        candidates.push(Candidate { cell: end, sum: *sum, cost, with_block: 0.0 });
    }
    let mut cuts = vec![u32::try_from(cells).unwrap_or(u32::MAX)];
    while let Some(last) = cuts.last().copied().filter(|cell| *cell > 0) {
        cuts.push(best_cut.get(last as usize).copied().unwrap_or(0));
    }
    cuts.reverse();
    cuts
}

/// ln of widths and x·ln x of counts.
struct Logarithms {
    of_width: Vec<f64>,
    of_count: Vec<f64>,
}

impl Logarithms {
    fn new(cells: usize, total: u64) -> Self {
        let counts = u32::try_from(total.min(TABLE_MAX)).unwrap_or(u32::MAX);
        Self {
            of_width: (0..=cells).map(|width| libm::log(width as f64)).collect(),
            of_count: (0..=counts).map(|count| count_times_log(f64::from(count))).collect(),
        }
    }

    /// m·ln(m/w) = m·ln m − m·ln w.
    fn fit(&self, count: u64, width: u32) -> f64 {
        let of_width = self.of_width.get(width as usize).copied().unwrap_or(0.0);
        let known = usize::try_from(count).ok().and_then(|count| self.of_count.get(count)).copied();
        known.unwrap_or_else(|| count_times_log(count as f64)) - count as f64 * of_width
    }
}

fn count_times_log(count: f64) -> f64 {
    if count > 0.0 { count * libm::log(count) } else { 0.0 }
}
