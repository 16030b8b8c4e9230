//! Who moved by itself, and so is no part of the rest: found one after the other, the most certain first.
//!
//! If all were judged at once, one that moved far would be in what all others are held against, and they would seem to
//! have moved the other way. What is looked at are means of winsorised residuals, which are at hand by window; what is
//! said of endpoints comes from their quantiles later.

use super::common::CommonModes;
use super::latency::RunLatencies;
use super::moderate::moderate;
use super::repeats::{Design, Estimate};

/// Chance beyond which the most certain one has not moved, for all endpoints together. One too many left out does little
/// harm, one too few is in what all are held against.
const CHANCE: f64 = 0.2;
/// Endpoints that are left out at most: each is found by looking at all.
const LEFT_OUT_MAX: usize = 256;

/// What all endpoints share, without those that moved by themselves, and who these are. `sides` is the number of runs
/// before.
#[must_use]
pub fn rest(runs: &[&RunLatencies], sides: usize, weights: &[f64], design: Design) -> (CommonModes, Vec<bool>) {
    let mut modes = CommonModes::of(runs);
    let mut moved = vec![false; weights.len()];
    // What more than half of the endpoints do is the rest, whatever it is.
    for _ in 0..(weights.len() / 2).min(LEFT_OUT_MAX) {
        let beyond: Vec<Vec<Option<f64>>> = (0..runs.len()).map(|run| modes.beyond(run)).collect();
        let estimate = |mean: &dyn Fn(usize) -> Option<f64>| {
            let means: Option<Vec<f64>> = (0..runs.len()).map(mean).collect();
            let means = means?;
            let (before, after) = means.split_at_checked(sides)?;
            Estimate::of(before, after, design)
        };
        let of = |endpoint: usize| estimate(&|run| *beyond.get(run)?.get(endpoint)?);
        let mut estimates: Vec<Option<Estimate>> = (0..weights.len()).map(of).collect();
        moderate(&mut estimates, weights);
        let stays = |endpoint: &usize| !moved.get(*endpoint).copied().unwrap_or(true);
        let chances = estimates.iter().enumerate().filter(|(endpoint, _)| stays(endpoint));
        let chances = chances.filter_map(|(endpoint, one)| Some((endpoint, one.as_ref()?.chance_beyond(0.0))));
        let Some((mut first, chance)) = chances.min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        if chance * weights.len() as f64 > CHANCE {
            break;
        }
        let rest: Vec<usize> = (0..weights.len()).filter(stays).collect();
        if let [one, other] = rest[..] {
            // Of two, each has moved as far from the other: it is the one that moved at all.
            let by_itself = |endpoint| estimate(&|run| modes.mean(run, endpoint)).map_or(0.0, |one| one.mean.abs());
            first = if by_itself(other) > by_itself(one) { other } else { one };
        }
        if let Some(moved) = moved.get_mut(first) {
            *moved = true;
        }
        modes.leave_out(first);
    }
    modes.feel();
    (modes, moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::latency::Series;

    /// A run of four endpoints that take these logarithms of nanoseconds, each asked 80 times.
    fn run(endpoints: [f64; 4]) -> RunLatencies {
        let series = |logarithm: f64| {
            let mut series = Series::default();
            for number in 0..80_u64 {
                let noise = (number as f64 * 0.7).sin() * 0.02;
                series.push((logarithm + noise).exp() as u64, number / 20);
            }
            series
        };
        RunLatencies { endpoints: endpoints.map(series).to_vec() }
    }

    /// Three endpoints repeat to a thousandth, the fourth is four times as slow, give or take a fifth: the three must not
    /// seem to have moved together away from it, although they say so with much more certainty.
    #[test]
    fn who_moved_is_the_one_that_moved_however_unsteadily() {
        let unsteady = [0.2, -0.15, 0.05, -0.1];
        let before: Vec<_> = [0.001, 0.0, 0.002, 0.001].map(|noise| run([15.0 + noise, 15.3, 16.0, 15.2])).to_vec();
        let after: Vec<_> =
            unsteady.map(|noise| run([15.0, 15.3 + noise / 200.0, 16.0 - noise / 200.0, 16.55 + noise])).to_vec();
        let runs: Vec<&RunLatencies> = before.iter().chain(&after).collect();
        let (_, moved) = rest(&runs, before.len(), &[640.0; 4], Design::Unpaired);
        assert_eq!(moved, [false, false, false, true]);
        let (_, moved) = rest(&runs, before.len(), &[640.0; 4], Design::Paired);
        assert_eq!(moved, [false, false, false, true]);
    }
}
