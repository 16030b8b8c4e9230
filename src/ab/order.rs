//! Which repeats there are, and in which order.
//!
//! In every two pairs each side comes first once, by chance in the first or in the second: what the first run of a pair
//! does to the other (warm caches, a tired disk) is then on no side more than on the other.

use std::path::{Path, PathBuf};

/// Which of the two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// What pairs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The system before with itself.
    Noise,
    /// Before with after.
    Pairs,
}

impl Phase {
    /// Folders of the two sides, in the experiment's directory.
    pub(super) fn folders(self, out: &Path) -> [PathBuf; 2] {
        match self {
            Self::Noise => [out.join("aa/before"), out.join("aa/again")],
            Self::Pairs => [out.join("before"), out.join("after")],
        }
    }

    /// As a person calls one pair of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Noise => "A/A pair",
            Self::Pairs => "pair",
        }
    }

    /// As files call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Noise => "aa",
            Self::Pairs => "pairs",
        }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repeat {
    /// The system that it is sent to.
    pub(super) to: Side,
    /// Its run directory.
    pub(super) out: PathBuf,
}

/// The two repeats of a pair, numbered from 1, in the order in which they are made.
pub(super) fn pair(phase: Phase, number: u32, seed: u64, out: &Path) -> [Repeat; 2] {
    let [first, second] = phase.folders(out).map(|folder| folder.join(number.to_string()));
    let other = match phase {
        Phase::Noise => Side::Before,
        Phase::Pairs => Side::After,
    };
    let (one, two) = (Repeat { to: Side::Before, out: first }, Repeat { to: other, out: second });
    if is_turned(phase, number, seed) { [two, one] } else { [one, two] }
}

fn is_turned(phase: Phase, number: u32, seed: u64) -> bool {
    let index = u64::from(number.saturating_sub(1));
    let salt = match phase {
        Phase::Noise => 1_u64 << 32,
        Phase::Pairs => 0,
    };
    let drawn = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt ^ (index / 2)).bool();
    drawn ^ !index.is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_comes_first_once_in_two_pairs_and_by_chance() {
        let first = |seed: u64| (1..=16).map(|number| is_turned(Phase::Pairs, number, seed)).collect::<Vec<_>>();
        let mut ways = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let first = first(seed);
            assert!(first.chunks(2).all(|two| two[0] != two[1]), "{first:?}");
            ways.insert(first);
        }
        // Of the 256 ways there are.
        assert!(ways.len() > 100, "{}", ways.len());
        assert_eq!(first(7), first(7));
    }

    #[test]
    fn the_noise_phase_sends_to_the_system_before_only() {
        let repeats = pair(Phase::Noise, 1, 3, Path::new("x"));
        assert!(repeats.iter().all(|repeat| repeat.to == Side::Before));
        let mut folders: Vec<_> = repeats.iter().map(|repeat| repeat.out.clone()).collect();
        folders.sort();
        assert_eq!(folders, [PathBuf::from("x/aa/again/1"), PathBuf::from("x/aa/before/1")]);
    }
}
