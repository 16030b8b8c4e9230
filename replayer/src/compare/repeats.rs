//! Inference where the repeat is the unit: a run has a mood, and load wanders, so that requests of one run are no
//! independent witnesses. Student's t over repeats, paired where the repeats are (Student 1908; Welch 1947 where not).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Smallest spread that is believed: what is stored has steps.
const SPREAD_MIN: f64 = 0.000_5;

/// A difference of logarithms, after less before, as far as repeats tell it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean difference.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// Standard deviation of one repeat's difference.
    pub spread: f64,
    /// Repeats a side.
    pub repeats: usize,
}

/// Whether the repeats of both sides belong together in pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// The first of one side with the first of the other, and so on: they were made one after the other.
    Paired,
    /// Each side by itself.
    Unpaired,
}

impl Estimate {
    /// From one value for each repeat; `None` with fewer than two a side, where nothing is known of how repeats differ.
    #[must_use]
    pub fn of(before: &[f64], after: &[f64], design: Design) -> Option<Self> {
        let repeats = before.len().min(after.len());
        if repeats < 2 {
            return None;
        }
        if design == Design::Paired && before.len() == after.len() {
            let differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
            let (mean, variance) = moments(&differences);
            let spread = variance.sqrt().max(SPREAD_MIN);
            let (n, freedom) = (repeats as f64, (repeats - 1) as f64);
            return Some(Self { mean, error: spread / n.sqrt(), freedom, spread, repeats });
        }
        let ((mean_a, var_a), (mean_b, var_b)) = (moments(before), moments(after));
        let (a, b) = (var_a / before.len() as f64, var_b / after.len() as f64);
        let floor = SPREAD_MIN * SPREAD_MIN / repeats as f64;
        let total = (a + b).max(floor);
        let below = a * a / (before.len() - 1) as f64 + b * b / (after.len() - 1) as f64;
        let freedom = if below > 0.0 { (total * total / below).max(1.0) } else { (repeats - 1) as f64 };
        let spread = (total * repeats as f64).sqrt();
        Some(Self { mean: mean_b - mean_a, error: total.sqrt(), freedom, spread, repeats })
    }

    /// The interval that holds the truth in this share of cases, as lower and upper end.
    #[must_use]
    pub fn interval(&self, share: f64) -> (f64, f64) {
        let half = critical(self.freedom, share) * self.error;
        (self.mean - half, self.mean + half)
    }

    /// How likely a difference this far beyond `limit` (or beyond −`limit` downwards) is by chance alone, where the truth is
    /// the limit itself: both directions, hence doubled.
    #[must_use]
    pub fn chance_beyond(&self, limit: f64) -> f64 {
        let beyond = (self.mean.abs() - limit) / self.error;
        StudentsT::new(0.0, 1.0, self.freedom).map_or(1.0, |t| (2.0 * t.sf(beyond)).min(1.0))
    }

    /// How many more repeats a side make the interval about as narrow as ±`limit`; 0 if it is.
    #[must_use]
    pub fn more_repeats(&self, limit: f64, share: f64) -> u32 {
        const TRIED_MAX: u32 = 10_000;
        let have = u32::try_from(self.repeats).unwrap_or(TRIED_MAX);
        let is_enough = |n: u32| critical(f64::from(n - 1), share) * self.spread / f64::from(n).sqrt() <= limit;
        let (mut low, mut high) = (have.max(2), have.max(2));
        while !is_enough(high) && high < TRIED_MAX {
            low = high;
            high = high.saturating_mul(2).min(TRIED_MAX);
        }
        while low + 1 < high {
            let middle = low.midpoint(high);
            if is_enough(middle) { high = middle } else { low = middle }
        }
        high.saturating_sub(have)
    }
}

/// The value that Student's t stays within in this share of cases, by bisection: it falls strictly, and the crate's own
/// inverse was seen not to return for fractions of degrees of freedom.
fn critical(freedom: f64, share: f64) -> f64 {
    let Ok(t) = StudentsT::new(0.0, 1.0, freedom) else { return f64::INFINITY };
    let beyond = (1.0 - share) / 2.0;
    let (mut low, mut high) = (0.0, 2.0);
    while t.sf(high) > beyond && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if t.sf(middle) > beyond { low = middle } else { high = middle }
    }
    high
}

/// Mean and variance (with n − 1).
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    (mean, squares / (n - 1.0).max(1.0))
}

/// Which of many findings hold together, when a share of at most `share` of those that hold may be chance (Benjamini and
/// Hochberg 1995). `chances` are those of [`Estimate::chance_beyond`].
#[must_use]
pub fn hold(chances: &[f64], share: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|a, b| chances.get(*a).unwrap_or(&1.0).total_cmp(chances.get(*b).unwrap_or(&1.0)));
    let all = chances.len().max(1) as f64;
    let last = order
        .iter()
        .enumerate()
        .filter(|(rank, index)| chances.get(**index).is_some_and(|chance| *chance <= share * (*rank + 1) as f64 / all));
    let limit = last.last().map(|(rank, _)| rank);
    let mut holds = vec![false; chances.len()];
    for index in order.iter().take(limit.map_or(0, |rank| rank + 1)) {
        if let Some(hold) = holds.get_mut(*index) {
            *hold = true;
        }
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_are_those_of_tables() {
        for (freedom, expected) in [(1.0, 12.706_2), (5.0, 2.570_58), (17.776, 2.102_8), (1e6, 1.959_97), (0.7, 28.9)] {
            let found = critical(freedom, 0.95);
            assert!(
                (found / expected - 1.0).abs() < 0.02 && (freedom < 1.0 || (found - expected).abs() < 1e-3),
                "{freedom}: {found}"
            );
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    /// Student's own data (1908): the additional hours of sleep that two drugs gave ten patients; t = 4.0621, 9 degrees of
    /// freedom, 95 % interval 0.70 to 2.46.
    #[test]
    fn pairs_are_as_student_had_them() {
        let one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let two = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let paired = Estimate::of(&one, &two, Design::Paired).unwrap();
        assert!(close(paired.mean, 1.58) && paired.freedom == 9.0, "{paired:?}");
        assert!((paired.mean / paired.error - 4.0621).abs() < 1e-4, "{paired:?}");
        let (low, high) = paired.interval(0.95);
        assert!((low - 0.7001).abs() < 1e-3 && (high - 2.4599).abs() < 1e-3, "{low} {high}");
        assert!((paired.chance_beyond(0.0) - 0.002_833).abs() < 1e-5);
        // Welch on the same data: t = 1.8608 with 17.776 degrees of freedom.
        let unpaired = Estimate::of(&one, &two, Design::Unpaired).unwrap();
        assert!((unpaired.mean / unpaired.error - 1.8608).abs() < 1e-4, "{unpaired:?}");
        assert!((unpaired.freedom - 17.776).abs() < 1e-3, "{unpaired:?}");
    }

    #[test]
    fn one_repeat_says_nothing_of_how_they_differ() {
        assert_eq!(Estimate::of(&[1.0], &[2.0], Design::Paired), None);
        assert_eq!(Estimate::of(&[], &[2.0, 3.0], Design::Unpaired), None);
        let same = Estimate::of(&[1.0, 1.0], &[1.0, 1.0], Design::Unpaired).unwrap();
        assert!(same.error > 0.0 && same.chance_beyond(0.05) >= 1.0, "{same:?}");
    }

    #[test]
    fn more_repeats_make_an_interval_as_narrow_as_asked() {
        let wide = Estimate { mean: 0.0, error: 0.1, freedom: 5.0, spread: 0.1 * 6_f64.sqrt(), repeats: 6 };
        let more = wide.more_repeats(0.05, 0.95);
        let half = |n: u32| {
            let one = Estimate { freedom: f64::from(n - 1), error: wide.spread / f64::from(n).sqrt(), ..wide };
            one.interval(0.95).1
        };
        assert!(half(6 + more) <= 0.05 && half(5 + more) > 0.05, "{more}");
        assert_eq!(Estimate { spread: 0.000_1, ..wide }.more_repeats(0.05, 0.95), 0);
    }

    /// The example of the paper: of 15 findings, with q = 0.05 the four smallest hold.
    #[test]
    fn benjamini_and_hochberg_keep_four_of_fifteen() {
        let chances = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        let held = hold(&chances, 0.05);
        assert_eq!(held.iter().filter(|holds| **holds).count(), 4);
        assert!(held.iter().take(4).all(|holds| *holds));
        assert!(hold(&[], 0.05).is_empty());
        assert_eq!(hold(&[0.9, 0.001], 0.05), [false, true]);
    }
}
