//! Instants that come in any order, and the gaps between them in bounded memory.

use super::gaps::Gaps;

/// The time from the first instant to the last is cut into so many stretches, a power of two.
const STRETCHES: u64 = 4_096;
/// Instants that are held at most: 2 MiB.
const HELD_MAX: usize = 1 << 18;

/// Holds all instants while they are few. When they get too many, every other stretch of time is given up, again and again:
/// what is held is in whole stretches that lie evenly over the time, and only the gap that leads out of one is not known.
/// With 250 instants in each stretch or more that is one gap in 250 at most.
#[derive(Debug)]
pub(super) struct Scattered {
    stretch_ns: u64,
    /// One stretch in so many is held.
    of: u64,
    held: Vec<u64>,
    held_max: usize,
    overflowed: bool,
}

impl Scattered {
    pub(super) fn new(duration_ns: u64) -> Self {
        Self::holding(duration_ns, HELD_MAX)
    }

    fn holding(duration_ns: u64, held_max: usize) -> Self {
        Self { stretch_ns: duration_ns / STRETCHES + 1, of: 1, held: Vec::new(), held_max, overflowed: false }
    }

    pub(super) fn add(&mut self, at_ns: u64) {
        if !self.is_held(at_ns) {
            return;
        }
        while self.held.len() >= self.held_max {
            if self.of >= STRETCHES {
                self.overflowed = true;
                return;
            }
            self.of *= 2;
            let (stretch_ns, of) = (self.stretch_ns, self.of);
            self.held.retain(|at_ns| (at_ns / stretch_ns).is_multiple_of(of));
            if !self.is_held(at_ns) {
                return;
            }
        }
        self.held.push(at_ns);
    }

    fn is_held(&self, at_ns: u64) -> bool {
        (at_ns / self.stretch_ns).is_multiple_of(self.of)
    }

    /// The gaps between instants that follow each other; `None` where one stretch alone has too many.
    pub(super) fn gaps(mut self) -> Option<Gaps> {
        if self.overflowed {
            return None;
        }
        self.held.sort_unstable();
        let mut gaps = Gaps::new();
        let mut last_stretch = None;
        for at_ns in self.held {
            let stretch = at_ns / self.stretch_ns;
            if self.of > 1 && last_stretch.replace(stretch) != Some(stretch) {
                gaps.forget_last();
            }
            gaps.add(at_ns);
        }
        Some(gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Instants with gaps of 1 and 3 ms in turn, in an order that has nothing to do with time.
    fn instants(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(move |at| at * 7_919 % count).map(|at| at / 2 * 4_000_000 + at % 2 * 1_000_000)
    }

    fn distance(of: &Gaps, count: u64) -> f64 {
        let mut all = Gaps::new();
        let mut sorted: Vec<_> = instants(count).collect();
        sorted.sort_unstable();
        sorted.into_iter().for_each(|at_ns| all.add(at_ns));
        all.distance(of).expect("gaps on both sides")
    }

    #[test]
    fn order_does_not_matter() {
        let mut scattered = Scattered::new(20 * SECOND);
        instants(10_000).for_each(|at_ns| scattered.add(at_ns));
        assert_eq!(distance(&scattered.gaps().expect("few"), 10_000), 0.0);
    }

    #[test]
    fn of_many_whole_stretches_are_held_and_their_gaps_are_those_of_all() {
        let count = 1_000_000;
        let mut scattered = Scattered::holding(count * 2_000_000, 100_000);
        instants(count).for_each(|at_ns| scattered.add(at_ns));
        assert!(scattered.held.len() <= 100_000 && scattered.held.len() > 40_000, "{}", scattered.held.len());
        let gaps = scattered.gaps().expect("enough stretches");
        // Stretches of 244 instants; a gap across what was given up would be sixteen stretches long.
        assert!(distance(&gaps, count) < 0.01, "{}", distance(&gaps, count));
    }

    #[test]
    fn what_is_all_in_one_stretch_is_said_to_be_too_much() {
        let mut scattered = Scattered::holding(20 * SECOND, 100);
        (0..101).for_each(|at_ns| scattered.add(at_ns));
        assert!(scattered.gaps().is_none());
    }
}
