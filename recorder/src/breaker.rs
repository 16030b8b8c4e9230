//! When capturing gives way to the traffic: a breaker on this process's share of processors and memory.
//!
//! The decision is pure; what the process takes is read in [`usage`].

pub mod usage;

/// How often it is looked at.
pub const OBSERVE_INTERVAL_NS: u64 = 1_000_000_000;
/// Observations in a row above a bound that open the breaker: a single second says little.
const ABOVE_IN_A_ROW: u32 = 3;
/// A breaker that opens again within this after it closed stays open twice as long as before.
const RELAPSE_NS: u64 = 60_000_000_000;
/// It stays open at most this long.
const PAUSE_MAX_NS: u64 = 600_000_000_000;

/// Bounds, in hundredths of what the process may use; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Of processor time.
    pub cpu_percent_max: Option<u32>,
    /// Of memory.
    pub memory_percent_max: Option<u32>,
    /// How long it stays open at least.
    pub pause_ns: u64,
}

/// What the process takes, in hundredths of what it may use; `None` where that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since the last look.
    pub cpu_percent: Option<u32>,
    /// Memory now.
    pub memory_percent: Option<u32>,
}

/// The breaker. Open means that nothing is captured.
#[derive(Debug, Clone, Copy)]
pub struct Breaker {
    options: BreakerOptions,
    above: u32,
    open_until_ns: Option<u64>,
    closed_ns: Option<u64>,
    pause_ns: u64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(options: BreakerOptions) -> Self {
        Self { options, above: 0, open_until_ns: None, closed_ns: None, pause_ns: options.pause_ns }
    }

    /// Whether there is any bound.
    #[must_use]
    pub fn has_bounds(&self) -> bool {
        self.options.cpu_percent_max.is_some() || self.options.memory_percent_max.is_some()
    }

    /// Takes an observation; says whether the breaker opened (`true`) or closed (`false`) by it.
    pub fn observe(&mut self, now_ns: u64, usage: Usage) -> Option<bool> {
        let exceeds = |used: Option<u32>, bound: Option<u32>| used.zip(bound).is_some_and(|(used, bound)| used > bound);
        let is_above = exceeds(usage.cpu_percent, self.options.cpu_percent_max)
            || exceeds(usage.memory_percent, self.options.memory_percent_max);
        self.above = if is_above { self.above.saturating_add(1) } else { 0 };
        match self.open_until_ns {
            Some(until) if now_ns >= until && !is_above => {
                self.open_until_ns = None;
                self.closed_ns = Some(now_ns);
                Some(false)
            }
            None if self.above >= ABOVE_IN_A_ROW => {
                let is_relapse = self.closed_ns.is_some_and(|closed| now_ns.saturating_sub(closed) <= RELAPSE_NS);
                self.pause_ns =
                    if is_relapse { self.pause_ns.saturating_mul(2).min(PAUSE_MAX_NS) } else { self.options.pause_ns };
                self.open_until_ns = Some(now_ns.saturating_add(self.pause_ns));
                Some(true)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Observations of processor time, one a second; at which seconds the breaker opened and closed.
    fn turns(observations: impl IntoIterator<Item = u32>) -> Vec<(u64, bool)> {
        let options = BreakerOptions { cpu_percent_max: Some(50), memory_percent_max: None, pause_ns: 10 * SECOND };
        let mut breaker = Breaker::new(options);
        let observe = |(second, cpu)| {
            let usage = Usage { cpu_percent: Some(cpu), memory_percent: Some(100) };
            breaker.observe(second * SECOND, usage).map(|opened| (second, opened))
        };
        (0..).zip(observations).filter_map(observe).collect()
    }

    #[test]
    fn it_opens_after_three_seconds_above_the_bound_and_not_at_it() {
        assert_eq!(turns([51, 51, 50, 51, 51]), []);
        assert_eq!(turns([51, 51, 51]), [(2, true)]);
    }

    #[test]
    fn it_closes_after_the_pause_unless_there_is_still_too_much() {
        let calm = [51, 51, 51].into_iter().chain(std::iter::repeat_n(0, 10));
        assert_eq!(turns(calm), [(2, true), (12, false)]);
        let busy = [51; 20].into_iter().chain([0, 0]);
        assert_eq!(turns(busy), [(2, true), (20, false)]);
    }

    #[test]
    fn a_relapse_doubles_the_pause() {
        let again = [51, 51, 51].into_iter().chain(std::iter::repeat_n(0, 10)).chain([51, 51, 51]);
        let again = again.chain(std::iter::repeat_n(0, 30));
        assert_eq!(turns(again), [(2, true), (12, false), (15, true), (35, false)]);
        let later = [51, 51, 51].into_iter().chain(std::iter::repeat_n(0, 80)).chain([51, 51, 51]);
        let later = later.chain(std::iter::repeat_n(0, 30));
        assert_eq!(turns(later), [(2, true), (12, false), (85, true), (95, false)]);
    }

    #[test]
    fn memory_counts_by_itself_and_what_is_not_known_does_not() {
        let options = BreakerOptions { cpu_percent_max: Some(50), memory_percent_max: Some(80), pause_ns: SECOND };
        let mut breaker = Breaker::new(options);
        assert!(breaker.has_bounds() && !Breaker::new(BreakerOptions::default()).has_bounds());
        let unknown = Usage::default();
        assert!((0..9).all(|second| breaker.observe(second * SECOND, unknown).is_none()));
        let full = Usage { cpu_percent: None, memory_percent: Some(81) };
        let seen: Vec<_> = (9..12).map(|second| breaker.observe(second * SECOND, full)).collect();
        assert_eq!(seen, [None, None, Some(true)]);
    }
}
