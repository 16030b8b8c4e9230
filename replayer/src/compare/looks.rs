//! Looking early without losing the promise.
//!
//! An experiment that is looked at after 6, 8 and 10 pairs, and may end at each, has three chances to be wrong. So the
//! error that is permitted is shared out: a look may use what the spending function has added since the look before, and
//! what was not used is left for the last (Lan and DeMets 1983, with the function of O'Brien and Fleming's kind, which
//! gives early looks little and costs the last nearly nothing). The parts add up to the whole: by the union bound the
//! intervals of whichever look was the last hold the truth as often as is said, whatever made it the last.

use statrs::distribution::{ContinuousCDF, Normal};

use super::judge::Asked;

/// How much of the permitted error was used by the looks so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looks {
    /// What is permitted for the whole experiment.
    whole: Asked,
    /// Pairs that there can be at most.
    pairs_max: usize,
    /// Of the permitted error, 0 to 1.
    used: f64,
}

impl Looks {
    /// Of an experiment that promises as a whole what `whole` says of one comparison.
    #[must_use]
    pub const fn new(whole: Asked, pairs_max: usize) -> Self {
        Self { whole, pairs_max, used: 0.0 }
    }

    /// What a look after so many pairs may promise. `is_last`: there will be no other, for a reason that has nothing to do
    /// with what was measured (all pairs are made, or time is up), so that all that is left can be used.
    #[must_use]
    pub fn next(&mut self, pairs: usize, is_last: bool) -> Asked {
        let permitted = 1.0 - self.whole.confidence;
        let spent = if is_last || pairs >= self.pairs_max {
            1.0
        } else {
            spent(permitted, pairs as f64 / self.pairs_max as f64) / permitted
        };
        let part = (spent - self.used).max(0.0);
        self.used = self.used.max(spent);
        Asked { confidence: 1.0 - part * permitted, false_share: part * self.whole.false_share, ..self.whole }
    }
}

/// 2 − 2 Φ(z / √t): the error that may be used up when a share `t` of all pairs is there.
fn spent(permitted: f64, t: f64) -> f64 {
    let Ok(normal) = Normal::new(0.0, 1.0) else { return 0.0 };
    if t <= 0.0 {
        return 0.0;
    }
    2.0 * normal.sf(normal.inverse_cdf(1.0 - permitted / 2.0) / t.min(1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that are printed for this function at five equal looks, in all 0.05.
    #[test]
    fn early_looks_may_use_little() {
        for (t, expected) in [(0.2, 0.000_01), (0.4, 0.001_94), (0.6, 0.011_40), (0.8, 0.028_43), (1.0, 0.05)] {
            assert!((spent(0.05, t) - expected).abs() < 0.000_01, "{t}: {}", spent(0.05, t));
        }
        assert_eq!(spent(0.05, 0.0), 0.0);
    }

    #[test]
    fn the_parts_add_up_to_the_whole_however_it_ends() {
        for (pairs, last) in
            [(vec![6, 8, 10, 12, 14, 16], false), (vec![6, 8, 9], true), (vec![6], true), (vec![16], false)]
        {
            let mut looks = Looks::new(Asked::default(), 16);
            let (mut error, mut chance) = (0.0, 0.0);
            for (at, count) in pairs.iter().enumerate() {
                let asked = looks.next(*count, last && at + 1 == pairs.len());
                assert!(asked.confidence >= 0.95 && asked.false_share <= 0.002);
                error += 1.0 - asked.confidence;
                chance += asked.false_share;
            }
            assert!((error - 0.05).abs() < 1e-12 && (chance - 0.002).abs() < 1e-12, "{pairs:?}: {error} {chance}");
            // Nothing is left for whoever looks once more.
            assert_eq!(looks.next(17, true).false_share, 0.0);
        }
    }
}
