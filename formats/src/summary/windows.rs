//! Requests in windows of time, from which burstiness is told: all windows of a short session, some of a long one.

use std::collections::BTreeMap;

use super::{Merge, add, mix};

/// Widths of the windows: 100 ms, 1 s, 10 s.
pub const TAUS_NS: [u64; 3] = [100_000_000, 1_000_000_000, 10_000_000_000];
/// Windows with requests that are kept of each width. Of more, a share drawn by lot gives the dispersion to within a
/// twentieth where counts are near a normal distribution (twice √(2/1,024) is 9 % at worst).
pub const WINDOWS_MAX: usize = 1_024;
/// Fewest windows from which a dispersion is told.
const WINDOWS_MIN: u64 = 10;
/// Windows from the first request to the last that are looked at one by one; of more, the number drawn is reckoned.
const LOOKED_AT_MAX: u64 = 1 << 24;

/// Counts of windows of one width, window i reaching from i·τ to (i+1)·τ. One in 2^`level` windows is kept, drawn by a
/// hash of its number; the level is the least with which no more than [`WINDOWS_MAX`] of them have requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows {
    /// Windows are kept whose hash begins with so many zero bits.
    pub level: u32,
    /// How many requests began in a window, by its number; windows without any are not in it.
    pub counts: BTreeMap<u64, u64>,
}

impl Windows {
    pub(super) fn count(&mut self, at_ns: u64, tau_ns: u64) {
        let window = at_ns.checked_div(tau_ns).unwrap_or(0);
        if is_drawn(window, self.level) {
            add(self.counts.entry(window).or_default(), 1);
            self.fit();
        }
    }

    fn fit(&mut self) {
        while self.counts.len() > WINDOWS_MAX && self.level < u64::BITS {
            self.level += 1;
            self.counts.retain(|window, _| is_drawn(*window, self.level));
        }
    }

    /// I(τ) = (m·ΣN² − (ΣN)²) / (m·ΣN) over the m windows drawn of those that lie wholly between two instants.
    pub(super) fn dispersion(&self, first_ns: u64, last_ns: u64, tau_ns: u64) -> Option<f64> {
        let (from, until) = (first_ns.div_ceil(tau_ns.max(1)), last_ns.checked_div(tau_ns)?);
        let whole = until.checked_sub(from)?;
        let drawn = match (self.level, whole) {
            (0, _) => whole,
            (level, ..=LOOKED_AT_MAX) => (from..until).filter(|window| is_drawn(*window, level)).count() as u64,
            (level, _) => whole.checked_shr(level).unwrap_or(0),
        };
        if drawn < WINDOWS_MIN {
            return None;
        }
        let inside = || self.counts.range(from..until).map(|(_, count)| *count as f64);
        let (windows, sum, squares) =
            (drawn as f64, inside().sum::<f64>(), inside().map(|count| count * count).sum::<f64>());
        (sum > 0.0).then(|| squares / sum - sum / windows)
    }
}

impl Merge for Windows {
    fn merge_with(&mut self, other: &Self) {
        self.level = self.level.max(other.level);
        self.counts.retain(|window, _| is_drawn(*window, self.level));
        for (window, count) in other.counts.iter().filter(|(window, _)| is_drawn(**window, self.level)) {
            add(self.counts.entry(*window).or_default(), *count);
        }
        self.fit();
    }
}

fn is_drawn(window: u64, level: u32) -> bool {
    mix(window).leading_zeros() >= level
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAU: u64 = TAUS_NS[0];

    /// One request in window 0 and one in the last, and between them so many in each window as `count` says.
    fn dispersion(windows: u64, count: impl Fn(u64) -> u64) -> (Windows, Option<f64>) {
        let mut counted = Windows::default();
        for window in 0..windows {
            (0..count(window)).for_each(|request| counted.count(window * TAU + request, TAU));
        }
        let found = counted.dispersion(0, windows * TAU, TAU);
        (counted, found)
    }

    #[test]
    fn known_processes_have_their_dispersion() {
        assert_eq!(dispersion(20, |_| 7).1, Some(0.0), "a clock");
        // Half of the windows with 2n, half with none: variance n², mean n.
        assert_eq!(dispersion(20, |window| window % 2 * 10).1, Some(5.0), "bursts");
        assert_eq!(dispersion(9, |_| 7).1, None, "too few windows");
        assert_eq!(dispersion(20, |_| 0).1, None, "nothing");
    }

    #[test]
    fn a_share_of_the_windows_is_drawn_one_past_the_bound() {
        assert_eq!(dispersion(WINDOWS_MAX as u64, |_| 1).0.level, 0);
        let (counted, _) = dispersion(WINDOWS_MAX as u64 + 1, |_| 1);
        assert!(counted.level == 1 && counted.counts.len() <= WINDOWS_MAX, "{}", counted.level);
        // A recording of an hour that alternates has its dispersion from a share of the windows, whatever their period.
        for period in [2, 8, 600] {
            let (counted, found) = dispersion(36_000, |window| if window % period < period / 2 { 10 } else { 0 });
            let found = found.unwrap();
            assert!(
                counted.level > 3 && (found - 5.0).abs() < 0.6,
                "period {period}: {found} at level {}",
                counted.level
            );
        }
    }

    #[test]
    fn instants_at_the_end_of_time_cost_nothing() {
        let mut counted = Windows { level: 3, ..Windows::default() };
        counted.count(0, 1);
        assert_eq!(counted.dispersion(0, u64::MAX, 1).is_some(), is_drawn(0, 3));
    }
}
