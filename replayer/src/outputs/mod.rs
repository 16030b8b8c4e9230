//! The result of a run in the forms that other programs read: Markdown for a pull request, JUnit for a CI, CSV for a
//! spreadsheet, OpenMetrics for a monitoring system. Each is a function of the result and of nothing else; the page for
//! people is in `report/`.

pub(crate) mod junit;
pub(crate) mod markdown;
mod openmetrics;
mod tables;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::ReplayError;
use crate::result::RunResult;
use crate::run_directory;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    /// `summary.md`, for a comment on a pull request.
    Markdown,
    /// `junit.xml`: a test for each threshold.
    Junit,
    /// `endpoints.csv` and `timeline.csv`.
    Csv,
    /// `metrics.txt`.
    OpenMetrics,
}

impl Output {
    /// Its files, in full.
    #[must_use]
    pub fn files(self, result: &RunResult) -> Vec<(&'static str, String)> {
        match self {
            Self::Markdown => vec![("summary.md", markdown::markdown(result))],
            Self::Junit => vec![("junit.xml", junit::junit(result))],
            Self::Csv => vec![("endpoints.csv", tables::endpoints(result)), ("timeline.csv", tables::timeline(result))],
            Self::OpenMetrics => vec![("metrics.txt", openmetrics::metrics(result))],
        }
    }
}

/// Writes forms of a result into its directory, in place of those that are there; with thresholds Markdown and JUnit
/// always. Returns the files, and the errors of those that could not be written: one of them keeps no other from being there.
#[must_use]
pub fn write(directory: &Path, result: &RunResult, asked: &[Output]) -> (Vec<PathBuf>, Vec<ReplayError>) {
    let mut outputs = asked.to_vec();
    if !result.thresholds.is_empty() {
        outputs.extend([Output::Markdown, Output::Junit]);
    }
    outputs.sort_unstable();
    outputs.dedup();
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    for (name, text) in outputs.into_iter().flat_map(|output| output.files(result)) {
        match run_directory::replace(directory, name, text.as_bytes()) {
            Ok(file) => files.push(file),
            Err(error) => failed.push(error),
        }
    }
    (files, failed)
}
