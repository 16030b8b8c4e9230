//! What a run left when it left no result: everything that its files still say, counted again and put together.
//!
//! The request log is read line by line, also when it breaks off in the middle of a line or a frame; without it, what was
//! written by second and at the end is read; without that too, what was planned. What nobody can know any more is named.
//! Memory is bounded by the endpoints, of which [`ENDPOINTS_MAX`] are told apart, and by the time that answers took, not by the
//! length of the log.

mod ahead;
mod begun;
mod count;
mod follow;
mod logs;
mod names;
mod outcome;
#[cfg(test)]
mod tests;
mod unknown;

use std::path::{Path, PathBuf};

use begun::Begun;
pub use follow::follow;

use crate::measure::Counted;
use crate::result::RunResult;
use crate::result::recounted::Recounted;
use crate::run_directory::{HISTOGRAMS, LATENCY, REQUESTS};
use crate::thresholds::{Budget, apply, judge_known};
use crate::verdict::{self, Trust, Verdict};

/// Endpoints that are told apart; a plan names half as many.
pub const ENDPOINTS_MAX: usize = 1_000;
/// The endpoint of all others.
pub(crate) const OTHERS: &str = "other endpoints";
/// Rows that are counted: those, that of all others, and one without a name, of histograms of which nobody knows whose
/// they are.
const ROWS: usize = ENDPOINTS_MAX + 2;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecountError {
    /// No file of a run is there, or none can be read.
    #[error("{} holds nothing that a run leaves", path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
    /// Rules that do not apply.
    #[error(transparent)]
    Apply(#[from] crate::thresholds::ApplyError),
}

/// Counts again what a run left in its directory, as its `run.json` would have said it, as far as anybody knows. `why` says
/// what is wrong with its `run.json`; `rules` replace its own.
///
/// # Errors
/// When nothing is known of it, not even what was planned, or when rules are about an endpoint that is not there.
pub fn recount(directory: &Path, why: &str, rules: &[Budget]) -> Result<RunResult, RecountError> {
    let begun = Begun::read(directory);
    let budgets = if rules.is_empty() { begun.budgets() } else { rules.to_vec() };
    let mut notices = vec![format!("{why}: this is what the other files of the run still say")];
    if let Some(missing) = &begun.missing {
        notices.push(missing.clone());
    }
    let from_log = count::count(directory, &begun, &budgets)?;
    let (mut counted, names, rules, seen, from, has_seconds) = match from_log {
        Some(read) => {
            notices.extend(read.notices);
            (read.counted, read.names, read.rules, Some(read.seen), Some(REQUESTS), false)
        }
        None => {
            let read = logs::counted(directory, &begun);
            notices.push(match (read.from, begun.known_from) {
                (Some(said), _) => format!("{REQUESTS} is missing or cannot be read: times are those of {said}, and of requests only their number is known"),
                (None, Some(said)) => format!("{REQUESTS}, {HISTOGRAMS} and {LATENCY} are missing, empty or cannot be read: what was planned is known from {said}; whether anything was sent, and what came of it, nobody knows"),
                (None, None) => return Err(RecountError::Nothing { path: directory.to_owned() }),
            });
            let rules = apply(&budgets, begun.endpoints(), begun.has_steady())?;
            // Without anything counted by endpoint what was planned is right in any order.
            let names = if begun.has_order || read.from.is_none() { begun.names() } else { Vec::new() };
            (read.counted, names, rules, None, read.from, read.has_seconds)
        }
    };
    let has_recorded = logs::recorded(directory, begun.has_order, &mut counted);
    if has_recorded {
        notices.push(format!("the recording's response times are those of {HISTOGRAMS}"));
    }
    notices.push(
        "what nobody knows any more: connections, spans, the generator's health, what services said, what the recording answered, and who was turned away".to_owned(),
    );
    let mut result = begun.result.clone();
    counted.fill(&names, &mut result);
    add_plan(&begun, &counted, from, &mut result);
    notices.append(&mut result.notices);
    result.notices = notices;
    let files = unknown::files(from, has_seconds, has_recorded, &begun);
    result.recounted = Some(Recounted { from: files, unknown: unknown::fields(from, &begun, &result) });
    result.verdict = verdict(&result, from);
    result.thresholds = judge_known(&rules, &counted, seen.as_deref(), |field| result.knows(field));
    Ok(result)
}

/// The plan says how much was to be sent, and how fast; what was counted ends where the run did.
fn add_plan(begun: &Begun, counted: &Counted, from: Option<&str>, result: &mut RunResult) {
    result.planned = begun.result.planned.max(result.settled);
    let is_cut = result.settled < result.planned;
    // What was written at the end says that there was one.
    result.interrupted = is_cut && from != Some(HISTOGRAMS);
    if is_cut || from != Some(REQUESTS) {
        result.rate.planned = begun.planned_per_s;
    }
    result.duration_s = nanos(counted.last.done);
    let sent_s = nanos(counted.last.dispatched);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let dispatched = result.dispatched as f64;
    result.rate.achieved = if sent_s > 0.0 { dispatched / sent_s } else { 0.0 };
}

/// Judged by what was counted, whose plan ends there.
fn verdict(result: &RunResult, from: Option<&str>) -> Verdict {
    let mut verdict = verdict::judge(&RunResult { interrupted: true, ..result.clone() });
    let lateness_only =
        "which requests were answered and which failed, nobody knows: only how late they left is judged";
    match from {
        Some(REQUESTS) => {}
        Some(_) => verdict.reasons.push(lateness_only.to_owned()),
        // Neither that it kept up nor that it did not.
        None => {
            verdict.outcome = Trust::Invalid;
            verdict.reasons =
                vec!["nothing that was sent can be counted: this says nothing about the target".to_owned()];
        }
    }
    verdict
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn nanos(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
