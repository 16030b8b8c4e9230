//! What became of requests: the share of each status and kind of error of an endpoint, by repeat.
//!
//! Shares are compared as latencies are, by Student's t over repeats, and what holds must be larger than a smallest
//! change, in parts of all requests of the endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Asked;
use super::repeats::{Estimate, hold};

/// A status or kind of error whose share changed.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeChange {
    /// Number of the endpoint.
    pub endpoint: usize,
    /// `500`, `timeout`, …
    pub outcome: String,
    /// Share of the endpoint's requests, 0 to 1, as a mean over the runs of each side.
    pub before: f64,
    /// The same after.
    pub after: f64,
    /// after − before.
    pub estimate: Estimate,
}

/// What changed for sure, the largest change first. `min_change` is a difference of shares, as in 0.001.
#[must_use]
pub fn changes(
    before: &[&[BTreeMap<String, u64>]],
    after: &[&[BTreeMap<String, u64>]],
    min_change: f64,
    asked: &Asked,
) -> Vec<OutcomeChange> {
    let endpoints = before.iter().chain(after).map(|run| run.len()).max().unwrap_or(0);
    let mut found = Vec::new();
    for endpoint in 0..endpoints {
        let of = |run: &&[BTreeMap<String, u64>]| run.get(endpoint).cloned().unwrap_or_default();
        let (before, after): (Vec<_>, Vec<_>) = (before.iter().map(of).collect(), after.iter().map(of).collect());
        let outcomes: BTreeSet<&String> = before.iter().chain(&after).flat_map(BTreeMap::keys).collect();
        for outcome in outcomes {
            let shares =
                |side: &[BTreeMap<String, u64>]| side.iter().map(|run| share(run, outcome)).collect::<Vec<_>>();
            let (before, after) = (shares(&before), shares(&after));
            if let Some(estimate) = Estimate::of(&before, &after, asked.design) {
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
                let (before, after) = (mean(&before), mean(&after));
                found.push(OutcomeChange { endpoint, outcome: outcome.clone(), before, after, estimate });
            }
        }
    }
    let chances: Vec<f64> = found.iter().map(|change| change.estimate.chance_beyond(0.0)).collect();
    let holds = hold(&chances, asked.false_share);
    let is_beyond = |change: &OutcomeChange| {
        let (low, high) = change.estimate.interval(asked.confidence);
        low > min_change || high < -min_change
    };
    let mut holds = holds.into_iter();
    found.retain(|change| holds.next().unwrap_or(false) && is_beyond(change));
    found.sort_by(|a, b| b.estimate.mean.abs().total_cmp(&a.estimate.mean.abs()));
    found
}

/// The part of a run's requests that ended so.
fn share(run: &BTreeMap<String, u64>, outcome: &str) -> f64 {
    let all: u64 = run.values().sum();
    let these = run.get(outcome).copied().unwrap_or(0);
    if all == 0 { 0.0 } else { these as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ok: u64, failed: u64) -> Vec<BTreeMap<String, u64>> {
        vec![BTreeMap::from([("200".to_owned(), ok), ("500".to_owned(), failed)])]
    }

    fn found(before: &[(u64, u64)], after: &[(u64, u64)]) -> Vec<(String, f64)> {
        let side = |of: &[(u64, u64)]| of.iter().map(|(ok, failed)| run(*ok, *failed)).collect::<Vec<_>>();
        let (before, after) = (side(before), side(after));
        let (before, after): (Vec<&[_]>, Vec<&[_]>) =
            (before.iter().map(Vec::as_slice).collect(), after.iter().map(Vec::as_slice).collect());
        let changes = changes(&before, &after, 0.001, &Asked::default());
        changes.into_iter().map(|change| (change.outcome, change.after - change.before)).collect()
    }

    #[test]
    fn errors_that_are_new_are_found_and_those_that_were_there_are_not() {
        let steady = [(990, 10), (985, 15), (992, 8), (989, 11), (991, 9), (988, 12)];
        assert_eq!(found(&steady, &steady), []);
        let noisy = [(985, 15), (990, 10), (991, 9), (988, 12), (993, 7), (989, 11)];
        assert_eq!(found(&steady, &noisy), []);
        let worse: Vec<(u64, u64)> = steady.iter().map(|(ok, failed)| (ok - 50, failed + 50)).collect();
        let changes = found(&steady, &worse);
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(changes.iter().all(|(_, by)| (by.abs() - 0.05).abs() < 1e-9), "{changes:?}");
        // One run a side says nothing of how runs differ.
        assert_eq!(found(&steady[..1], &worse[..1]), []);
    }
}
