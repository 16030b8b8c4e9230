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
        let estimate = |mean: &dyn Fn(usize) -> Option<f64>| {
            let means: Option<Vec<f64>> = (0..runs.len()).map(mean).collect();
            let means = means?;
            let (before, after) = means.split_at_checked(sides)?;
            Estimate::of(before, after, design)
        };
        let mut estimates: Vec<Option<Estimate>> =
            (0..weights.len()).map(|endpoint| estimate(&|run| modes.beyond(run, endpoint))).collect();
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
