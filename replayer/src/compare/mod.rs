//! Before and after: what changed between runs of one plan, told apart from noise.
//!
//! The repeat is the unit ([`repeats`]), noise that all endpoints share is taken out ([`common`]), and words are given
//! only to what holds ([`mod@judge`]). How well intervals keep their promise is measured on worlds whose truth is known
//! (`worlds.rs`, docs/comparing.md). What the answers say is compared in [`answers`], by [`rules`].

pub mod answers;
pub mod common;
pub mod error;
pub mod judge;
pub mod latency;
pub mod looks;
pub mod moderate;
pub mod outcomes;
pub mod over_time;
mod recording;
pub mod repeats;
pub mod rest;
pub mod rules;
pub mod sensitivity;
pub mod side;
pub mod slope;
pub mod trend;
mod wire;
#[cfg(test)]
mod worlds;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use error::CompareError;
use formats::seal::Identities;
use judge::{Asked, Judged, judge};
use latency::RunLatencies;
use outcomes::OutcomeChange;
use repeats::{Design, Estimate};
use side::{Endpoints, Run};

pub use recording::{Recording, is_session};
pub use wire::{json, over_time_json};

/// Runs of both sides, and what can be said of them.
pub struct Comparison {
    /// What was asked for.
    pub asked: Asked,
    /// Smallest change of a share of outcomes that matters.
    pub min_change: f64,
    /// The runs before.
    pub before: Vec<Run>,
    /// The runs after.
    pub after: Vec<Run>,
    /// Names of the endpoints, by their number.
    pub endpoints: Vec<String>,
    /// Requests of each endpoint on both sides.
    pub requests: Vec<u64>,
    /// Latencies.
    pub judged: Judged,
    /// Statuses and errors.
    pub outcomes: Vec<OutcomeChange>,
    /// Logarithm of the achieved rate, after less before.
    pub throughput: Option<Estimate>,
    /// What a reader must know first.
    pub notices: Vec<String>,
}

/// Compares runs; before may be sessions that those after sent again, which `identities` open where they are encrypted.
///
/// # Errors
/// When a run cannot be read or must not be compared.
pub fn compare(
    before: &[PathBuf],
    after: &[PathBuf],
    asked: Asked,
    min_change: f64,
    identities: Option<&Arc<Identities>>,
) -> Result<Comparison, CompareError> {
    let paths = |given: &[PathBuf]| -> Result<Vec<PathBuf>, CompareError> {
        Ok(given.iter().map(|path| side::runs_of(path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    };
    let (before, after) = (paths(before)?, paths(after)?);
    refuse_twice(before.iter().chain(&after))?;
    if asked.design == Design::Paired && before.len() != after.len() {
        return Err(CompareError::NoPairs { before: before.len(), after: after.len() });
    }
    if let Some(path) = after.iter().find(|path| is_session(path)) {
        return Err(CompareError::RecordingAfter { path: path.clone() });
    }
    let (mut before, mut after, endpoints) = sides(&before, &after, identities)?;
    before.iter_mut().chain(&mut after).for_each(|run| run.fill(endpoints.names().len()));
    let judged = judge(&latencies(&before), &latencies(&after), &asked);
    let outcomes = outcomes::changes(&ends(&before), &ends(&after), min_change, &asked);
    let rate = |runs: &[Run]| runs.iter().map(|run| libm::log(run.result.rate.achieved.max(1e-9))).collect::<Vec<_>>();
    let throughput = Estimate::of(&rate(&before), &rate(&after), asked.design);
    let names = endpoints.names().to_vec();
    let count = |endpoint: usize| {
        let series = before.iter().chain(&after).filter_map(|run| run.latencies.endpoints.get(endpoint));
        series.map(|series| series.len() as u64).sum()
    };
    let requests = (0..names.len()).map(count).collect();
    let notices = notices(&before, &after);
    Ok(Comparison {
        asked,
        min_change,
        before,
        after,
        endpoints: names,
        requests,
        judged,
        outcomes,
        throughput,
        notices,
    })
}

/// Reads all runs, whose endpoints have the same numbers on both sides; before may be a recording that those after sent again.
fn sides(
    before: &[PathBuf],
    after: &[PathBuf],
    identities: Option<&Arc<Identities>>,
) -> Result<(Vec<Run>, Vec<Run>, Endpoints), CompareError> {
    let read = |paths: &[PathBuf]| -> Result<(Vec<Run>, Endpoints), CompareError> {
        let mut endpoints = Endpoints::default();
        let mut runs =
            paths.iter().map(|path| Run::read(path, &mut endpoints)).collect::<Result<Vec<_>, CompareError>>()?;
        // Pairs were made one after the other, whatever their directories are called.
        runs.sort_by(|a, b| a.result.started_at.cmp(&b.result.started_at));
        Ok((runs, endpoints))
    };
    if !before.is_empty() && before.iter().all(|path| is_session(path)) {
        let (after, mut endpoints) = read(after)?;
        let recorded = match after.first() {
            Some(like) => vec![recording::read(before, like, identities, &mut endpoints)?],
            None => Vec::new(),
        };
        return Ok((recorded, after, endpoints));
    }
    // Nearly all of the time goes into reading.
    let (before, after) = std::thread::scope(|scope| {
        let after = scope.spawn(|| read(after));
        let before = read(before);
        (before, after.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let ((before, mut endpoints), (mut after, others)) = (before?, after?);
    let numbers = endpoints.take_in(others)?;
    after.iter_mut().for_each(|run| run.renumber(&numbers));
    Ok((before, after, endpoints))
}

fn latencies(runs: &[Run]) -> Vec<&RunLatencies> {
    runs.iter().map(|run| &run.latencies).collect()
}

fn ends(runs: &[Run]) -> Vec<&[BTreeMap<String, u64>]> {
    runs.iter().map(|run| run.outcomes.as_slice()).collect()
}

fn refuse_twice<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), CompareError> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut seen = BTreeSet::new();
    match paths.find(|path| !seen.insert(real(path))) {
        Some(path) => Err(CompareError::Twice { path: path.clone() }),
        None => Ok(()),
    }
}

/// A fact of a run, as it is printed.
type Fact<'a> = &'a dyn Fn(&Run) -> String;

/// What is odd about the runs, and does not keep them from being compared.
fn notices(before: &[Run], after: &[Run]) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(recording) = before.iter().find_map(|run| run.recording.as_ref()) {
        notices.push(
            "before is a recording: its response times are those of whoever asked then, and there is one of it"
                .to_owned(),
        );
        let missing = after.first().map(|run| recording::missing(recording, run)).unwrap_or_default();
        if !missing.is_empty() {
            notices.push(format!(
                "what was recorded in {} is missing before: its requests are counted after only",
                missing.join(" and in ")
            ));
        }
    }
    if before.len() == 1 || after.len() == 1 {
        notices.push("one run a side: run-to-run noise unknown".to_owned());
    }
    notices.extend(oddities(&before.iter().chain(after).collect::<Vec<_>>()));
    notices
}

/// That the runs do not agree about something.
fn differing(runs: &[&Run], what: &str, of: Fact<'_>) -> Option<String> {
    let mut values: Vec<String> = runs.iter().map(|run| of(run)).collect();
    values.sort();
    values.dedup();
    (values.len() > 1).then(|| format!("the runs differ in their {what}: {}", values.join(", ")))
}

/// What is odd about runs, whatever they are compared for.
fn oddities(runs: &[&Run]) -> Vec<String> {
    let mut notices = Vec::new();
    let plans = runs.iter().map(|run| &run.result.plan_hash).collect::<BTreeSet<_>>().len();
    if plans > 1 {
        notices.push(format!(
            "the runs are of {plans} different plans: requests are not the same, and endpoints are compared by their names only"
        ));
        let facts: [(&str, Fact<'_>); 5] = [
            ("sessions", &|run| run.result.sessions.join(" + ")),
            ("multiplier", &|run| run.result.multiplier.to_string()),
            ("seed", &|run| run.result.seed.to_string()),
            ("method", &|run| run.result.method.clone()),
            ("number of planned requests", &|run| run.result.planned.to_string()),
        ];
        notices.extend(facts.iter().filter_map(|(what, of)| differing(runs, what, of)));
    }
    notices.extend(differing(runs, "loop model", &|run| run.result.loop_model.clone()));
    for run in runs {
        let path = run.path.display();
        if run.result.verdict.outcome == crate::verdict::Trust::Strained {
            notices.push(format!("{path} is strained: {}", run.result.verdict.reasons.join("; ")));
        }
        if run.result.interrupted {
            notices.push(format!("{path} was interrupted: what was not sent is missing in it"));
        }
        if let Some(why) = &run.result.aborted {
            notices.push(format!("{path} stopped itself: {why}"));
        }
        if run.shed > 0 {
            notices.push(format!("{path}: {} requests were not sent on purpose, and are left out", run.shed));
        }
        if let Some(why) = &run.damaged {
            notices.push(format!("{why}: what stood before it is compared"));
        }
    }
    notices
}
