//! Thresholds followed once more, through the request logs of one run or of the shards of one.

use std::collections::HashMap;
use std::path::Path;

use super::outcome::{Outcome, blank};
use crate::job::Job;
use crate::measure::{LoopModel, Window};
use crate::request_log::LogLines;
use crate::result::RunResult;
use crate::run_directory::REQUESTS;
use crate::thresholds::{Applied, Seen, Series, SeriesOptions};

/// Outcomes after which seconds are closed.
const CLOSE_EVERY: u64 = 4_096;

/// Follows rules through the request logs of these directories; `None` where a log is missing, cut or damaged: what it
/// said about when would be half of the truth.
#[must_use]
pub fn follow(directories: &[&Path], rules: &[Applied], result: &RunResult) -> Option<Vec<Seen>> {
    let names: HashMap<&str, u32> = result.endpoints.iter().map(|row| (row.endpoint.as_str(), row.index)).collect();
    let mut series = Series::new(rules, options(result));
    let mut logs: Vec<Log> = directories.iter().map(|path| Log::open(path)).collect::<Option<_>>()?;
    logs.iter_mut().for_each(|log| log.advance(&names));
    let mut taken = 0_u64;
    // Each log is in the order in which requests ended; so is what is taken from all of them.
    while let Some(log) = logs.iter_mut().filter(|log| log.is_there).min_by_key(|log| log.next.progress.done_ns) {
        series.take(&log.next);
        taken += 1;
        if taken.is_multiple_of(CLOSE_EVERY) {
            series.close(log.next.progress.done_ns);
        }
        log.advance(&names);
    }
    let is_whole = logs.iter().all(|log| log.lines.ending().cut.is_none() && log.lines.ending().unreadable == 0);
    is_whole.then(|| series.finish())
}

/// What rules were followed by.
fn options(result: &RunResult) -> SeriesOptions {
    let loop_model = LoopModel::of(&result.loop_model);
    let steady = Window { from_ns: result.steady.from_ns, to_ns: result.steady.to_ns };
    // No request took longer than the longest.
    let timeout_us = result.response_us.max.max(result.service_us.max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an hour at most, saturating")]
    let timeout_ns = (timeout_us * 1_000.0) as u64;
    SeriesOptions { loop_model, steady, timeout_ns }
}

struct Log {
    lines: LogLines,
    next: Job,
    is_there: bool,
}

impl Log {
    fn open(directory: &Path) -> Option<Self> {
        Some(Self { lines: LogLines::open(&directory.join(REQUESTS)).ok()?, next: blank(), is_there: true })
    }

    fn advance(&mut self, names: &HashMap<&str, u32>) {
        let Self { lines, next, is_there } = self;
        let read = lines.next(|line| {
            let endpoint = line.endpoint.as_deref().and_then(|name| names.get(name).copied());
            Outcome::of(line, endpoint.unwrap_or(u32::MAX)).fill(next);
        });
        *is_there = read.is_some();
    }
}
