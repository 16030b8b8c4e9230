//! Clocks that disagree: estimated for each pair of processes from the calls between them, and taken out.
//!
//! A call's server span [cs, ce] happened within its client span [ps, pe]. An offset θ added to the server's clock is
//! possible when ps ≤ cs + θ and ce + θ ≤ pe, so when θ is in [ps − cs, pe − ce]. The less a call lasts beyond its server
//! span, the narrower that is; so, as in NTP (RFC 5905 §10, the sample of least delay), the narrowest call of a pair
//! decides, and its middle is taken: as if the ways there and back took equally long.
//!
//! A pair is corrected only where most of its calls cannot have happened as the clocks say: what is merely asynchronous does
//! not look like a clock.

use std::collections::HashMap;

/// Which process our own client spans are of.
pub(super) const US: u32 = u32::MAX;
/// By how much a child may lie outside of its parent without a clock being wrong: clocks are read at different moments, and
/// some tell milliseconds only.
pub(super) const TOLERANCE_NS: i64 = 1_000_000;
/// Pairs that are remembered; those beyond are not corrected.
pub(super) const PAIRS_MAX: usize = 8_192;

/// A stretch of time, nanoseconds from some instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Stretch {
    /// A span's, from `origin` on. Instants that are centuries apart are as far apart as can be told.
    pub(super) fn since(origin_unix_ns: u64, start_unix_ns: u64, end_unix_ns: u64) -> Self {
        let since = |at: u64| bounded(i128::from(at) - i128::from(origin_unix_ns));
        let start = since(start_unix_ns);
        // A span that ends before it starts took no time.
        Self { start, end: since(end_unix_ns).max(start) }
    }

    /// The same by another clock.
    pub(super) fn shifted(self, by: i64) -> Self {
        let shift = |at: i64| bounded(i128::from(at) + i128::from(by));
        Self { start: shift(self.start), end: shift(self.end) }
    }

    /// Whether it lies outside of another one by more than clocks may.
    pub(super) fn is_outside(self, parent: Self) -> bool {
        parent.start - self.start > TOLERANCE_NS || self.end - parent.end > TOLERANCE_NS
    }
}

/// Far enough from the ends of 64 bits that a few of them can be added: 36 years.
pub(super) fn bounded(nanos: i128) -> i64 {
    const MOST: i64 = 1 << 60;
    i64::try_from(nanos.clamp(-i128::from(MOST), MOST.into())).unwrap_or(0)
}

/// The calls of one pair.
#[derive(Debug, Clone, Copy)]
struct Pair {
    calls: u64,
    outside: u64,
    /// How much the narrowest call lasts beyond its server span, and the middle of its possible offsets.
    narrowest: Option<(i64, i64)>,
}

/// What is known of the clocks.
#[derive(Default)]
pub(super) struct Clocks {
    pairs: HashMap<(u32, u32), Pair>,
    /// Pairs that were too many.
    pub(super) left_out: u64,
}

impl Clocks {
    /// A call from a process to another, each by its own clock.
    pub(super) fn see(&mut self, from: u32, to: u32, client: Stretch, server: Stretch) {
        if self.pairs.len() >= PAIRS_MAX && !self.pairs.contains_key(&(from, to)) {
            self.left_out += 1;
            return;
        }
        let pair = self.pairs.entry((from, to)).or_insert(Pair { calls: 0, outside: 0, narrowest: None });
        pair.calls += 1;
        pair.outside += u64::from(server.is_outside(client));
        let (least, most) = (client.start - server.start, client.end - server.end);
        let width = most - least;
        // One that lasts longer than the call was not waited for, and tells nothing.
        if width >= 0 && pair.narrowest.is_none_or(|(known, _)| width < known) {
            pair.narrowest = Some((width, bounded((i128::from(least) + i128::from(most)) / 2)));
        }
    }

    /// What to add to the clock of `to` so that it fits the clock of `from`.
    pub(super) fn offset(&self, from: u32, to: u32) -> i64 {
        if from == to { 0 } else { self.pairs.get(&(from, to)).map_or(0, |pair| pair.offset()) }
    }

    /// The pairs that are corrected: from, to, what is added, calls.
    pub(super) fn corrected(&self) -> impl Iterator<Item = (u32, u32, i64, u64)> {
        let pairs = self.pairs.iter().map(|((from, to), pair)| (*from, *to, pair.offset(), pair.calls));
        pairs.filter(|(_, _, offset, _)| *offset != 0)
    }
}

impl Pair {
    fn offset(&self) -> i64 {
        match self.narrowest {
            Some((_, middle)) if self.outside * 2 > self.calls => middle,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;
    const MS: i64 = 1_000_000;

    fn at(start: i64, end: i64) -> Stretch {
        Stretch { start, end }
    }

    #[test]
    fn hours_of_skew_are_found_from_the_narrowest_call() {
        let mut clocks = Clocks::default();
        // The server is five hours behind; its way there takes 2 ms, its way back 3 ms, and some calls wait on the way.
        for wait in [40, 7, 0, 90] {
            let server = at((2 + wait) * MS - 5 * HOUR, (12 + wait) * MS - 5 * HOUR);
            clocks.see(1, 2, at(0, (15 + wait) * MS), server);
        }
        let offset = clocks.offset(1, 2);
        assert!((offset - 5 * HOUR).abs() <= MS, "{offset}");
        assert_eq!((clocks.offset(2, 1), clocks.offset(1, 1)), (0, 0));
        assert_eq!(clocks.corrected().collect::<Vec<_>>(), [(1, 2, offset, 4)]);
    }

    #[test]
    fn what_is_only_seldom_outside_or_within_tolerance_is_left_alone() {
        let mut clocks = Clocks::default();
        clocks.see(1, 2, at(0, 10 * MS), at(-MS, 9 * MS));
        clocks.see(1, 2, at(0, 10 * MS), at(MS, 9 * MS));
        clocks.see(1, 2, at(0, 10 * MS), at(5 * MS, 500 * MS));
        assert_eq!((clocks.offset(1, 2), clocks.corrected().count()), (0, 0));
    }

    #[test]
    fn instants_at_the_ends_of_time_do_not_overflow() {
        let ends =
            [Stretch::since(u64::MAX, 0, u64::MAX), Stretch::since(0, u64::MAX, 0), Stretch::since(0, 0, u64::MAX)];
        let mut clocks = Clocks::default();
        for client in ends {
            for server in ends {
                clocks.see(1, 2, client, server.shifted(i64::MIN).shifted(i64::MAX));
            }
        }
        let _ = clocks.offset(1, 2);
    }

    #[test]
    fn one_pair_past_the_limit_is_left_out_and_counted() {
        let mut clocks = Clocks::default();
        let pairs = u32::try_from(PAIRS_MAX).unwrap();
        (0..=pairs).for_each(|to| clocks.see(pairs + 1, to, at(0, 9 * MS), at(-9 * MS, -MS)));
        assert_eq!((clocks.left_out, clocks.corrected().count()), (1, PAIRS_MAX));
    }
}
