//! What a run left when it left no result: everything that its files still say, counted again and put together.
//!
//! The request log is read line by line, also when it breaks off in the middle of a line or a frame; without it, what was
//! written by second and at the end is read. What nobody can know any more is named. Memory is bounded by the endpoints,
//! of which [`ENDPOINTS_MAX`] are told apart, and by the time that answers took, not by the length of the log.

mod begun;
mod count;
mod follow;
mod lines;
mod logs;
mod outcome;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use begun::Begun;
pub use follow::follow;

use crate::result::RunResult;
use crate::run_directory::{HISTOGRAMS, REQUESTS};
use crate::thresholds::{Budget, apply, judge};
use crate::verdict;

/// Endpoints that are told apart; a plan names half as many.
pub const ENDPOINTS_MAX: usize = 1_000;
/// The endpoint of all others.
pub(crate) const OTHERS: &str = "other endpoints";

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
/// When there is nothing to count, or when rules are about an endpoint that is not there.
pub fn recount(directory: &Path, why: &str, rules: &[Budget]) -> Result<RunResult, RecountError> {
    let begun = Begun::read(directory);
    let budgets = if rules.is_empty() { begun.budgets() } else { rules.to_vec() };
    let mut notices = vec![format!("{why}: this is what the other files of the run still say")];
    if let Some(missing) = &begun.missing {
        notices.push(missing.clone());
    }
    let from_log = count::count(directory, &begun, &budgets)?;
    let (mut counted, names, rules, seen) = match from_log {
        Some(read) => {
            notices.extend(read.notices);
            (read.counted, read.names, read.rules, Some(read.seen))
        }
        None => {
            let (counted, said) =
                logs::counted(directory, &begun).ok_or_else(|| RecountError::Nothing { path: directory.to_owned() })?;
            notices.push(format!("{REQUESTS} is missing or cannot be read: times are those of {said}, and of requests only their number is known"));
            let rules = apply(&budgets, begun.endpoints(), begun.has_steady())?;
            (counted, begun.names(), rules, None)
        }
    };
    if logs::recorded(directory, &mut counted) {
        notices.push(format!("the recording's response times are those of {HISTOGRAMS}"));
    }
    notices.push(
        "what nobody knows any more: connections, spans, the generator's health, what services said, what the recording answered, and who was turned away".to_owned(),
    );
    let mut result = begun.result;
    let planned = result.planned;
    counted.fill(&names, &mut result);
    // The plan says how much was to be sent; what was counted ends where the run did.
    result.planned = planned.max(result.settled);
    result.duration_s = nanos(counted.last.done);
    let sent_s = nanos(counted.last.dispatched);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let dispatched = result.dispatched as f64;
    result.rate.achieved = if sent_s > 0.0 { dispatched / sent_s } else { 0.0 };
    result.interrupted = result.settled < result.planned;
    notices.append(&mut result.notices);
    result.notices = notices;
    result.verdict = verdict::judge(&result);
    result.thresholds = judge(&rules, &counted, seen.as_deref());
    Ok(result)
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn nanos(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
