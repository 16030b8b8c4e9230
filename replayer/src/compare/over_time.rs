//! Runs over time: what was read, and what of it rises or falls.

use std::path::PathBuf;

use super::error::CompareError;
use super::judge::{Answer, Asked};
use super::side::{self, Endpoints, Run};
use super::trend::{Trend, drift, over_runs};
use super::{differing, is_session, refuse_twice};

/// Runs that make a trend.
const RUNS_MIN: usize = 3;

/// One long run, or several in the order in which they were started.
pub struct OverTime {
    /// What was asked for.
    pub asked: Asked,
    /// Smallest change of a share of outcomes that matters.
    pub min_change: f64,
    /// The runs.
    pub runs: Vec<Run>,
    /// Names of the endpoints, by their number.
    pub endpoints: Vec<String>,
    /// Requests of each endpoint.
    pub requests: Vec<u64>,
    /// What rises and what falls.
    pub trend: Trend,
    /// What a reader must know first.
    pub notices: Vec<String>,
}

impl OverTime {
    /// Whether response times rise.
    #[must_use]
    pub fn rises(&self) -> bool {
        self.trend.system.iter().chain(self.trend.endpoints.iter().flatten()).any(|row| row.answer == Answer::Slower)
    }

    /// Whether memory or CPU of the target's processes rises.
    #[must_use]
    pub fn target_rises(&self) -> bool {
        self.trend.target.iter().any(|(_, row)| row.answer == Answer::Slower)
    }

    /// Whether it is one run, cut into stretches.
    #[must_use]
    pub fn is_one_run(&self) -> bool {
        self.runs.len() == 1
    }
}

/// Reads runs (or folders of them) and lays lines through what they measured.
///
/// # Errors
/// When a run cannot be read or must not be compared, when there are two, or when one is too short.
pub fn over_time(given: &[PathBuf], asked: Asked, min_change: f64) -> Result<OverTime, CompareError> {
    let paths: Vec<PathBuf> =
        given.iter().map(|path| side::runs_of(path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    if let Some(path) = paths.iter().find(|path| is_session(path)) {
        return Err(CompareError::RecordingInTrend { path: path.clone() });
    }
    refuse_twice(paths.iter())?;
    if paths.len() > 1 && paths.len() < RUNS_MIN {
        return Err(CompareError::NoTrend { runs: paths.len() });
    }
    let mut endpoints = Endpoints::default();
    let mut runs =
        paths.iter().map(|path| Run::read(path, &mut endpoints)).collect::<Result<Vec<_>, CompareError>>()?;
    runs.sort_by(|a, b| a.result.started_at.cmp(&b.result.started_at));
    let trend = match runs.as_slice() {
        [one] => drift(one, &asked, min_change).ok_or_else(|| CompareError::TooShort { path: one.path.clone() })?,
        several => over_runs(several, &asked, min_change),
    };
    let names = endpoints.names().to_vec();
    let count = |endpoint: usize| {
        runs.iter().filter_map(|run| run.latencies.endpoints.get(endpoint)).map(|series| series.len() as u64).sum()
    };
    let requests = (0..names.len()).map(count).collect();
    let notices = super::oddities(&runs.iter().collect::<Vec<_>>());
    let notices = differing(&runs.iter().collect::<Vec<_>>(), "targets", &|run| run.result.target.clone())
        .into_iter()
        .chain(notices)
        .collect();
    Ok(OverTime { asked, min_change, runs, endpoints: names, requests, trend, notices })
}
