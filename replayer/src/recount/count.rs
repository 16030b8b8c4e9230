//! The request log counted as the run counted it.

use std::io;
use std::path::Path;

use super::ahead;
use super::begun::Begun;
use super::names::Names;
use super::outcome::{Outcome, blank};
use super::{ENDPOINTS_MAX, OTHERS, ROWS};
use crate::job::Job;
use crate::measure::{Counted, Distribution, Measure, MeasureOptions};
use crate::request_log::{Ending, Line, Lines, LogLines};
use crate::run_directory::REQUESTS;
use crate::thresholds::{Applied, ApplyError, Budget, Seen, Series, SeriesOptions, apply};

/// Outcomes after which seconds are closed.
const CLOSE_EVERY: u64 = 4_096;
/// Longest answer that is reckoned with: seconds stay open for so long, with 12 KiB each where requests ended in them.
const TIMEOUT_NS: u64 = 120_000_000_000;
/// Later instants are in no run; a line that has one is damaged.
const INSTANT_NS_MAX: u64 = 366 * 24 * 3_600_000_000_000;

/// What a log said.
pub(super) struct Read {
    pub(super) counted: Counted,
    /// Endpoints by index.
    pub(super) names: Vec<String>,
    /// Its rules, and what was seen of them.
    pub(super) rules: Vec<Applied>,
    pub(super) seen: Vec<Seen>,
    pub(super) notices: Vec<String>,
}

/// Counts the log of a run; `None` where it has no line.
pub(super) fn count(directory: &Path, begun: &Begun, budgets: &[Budget]) -> Result<Option<Read>, ApplyError> {
    let Ok(lines) = LogLines::open(&directory.join(REQUESTS)) else { return Ok(None) };
    count_lines(lines, begun, budgets)
}

/// The same of lines from anywhere.
pub(super) fn count_lines<R: io::Read + Send>(
    lines: Lines<R>,
    begun: &Begun,
    budgets: &[Budget],
) -> Result<Option<Read>, ApplyError> {
    let mut count = Count::new(begun, budgets)?;
    let mut reading = Reading { names: Names::new(begun.names()), impossible: 0 };
    let ending = ahead::each(lines, |line| reading.outcome(line), |outcome| count.take(outcome));
    if ending.lines == 0 {
        return Ok(None);
    }
    let notices = reading.notices(&ending, begun.result.planned.saturating_sub(count.taken));
    let (counted, rules, seen) = count.finish();
    Ok(Some(Read { counted, names: reading.names.all(), rules, seen, notices }))
}

/// What is known of the lines themselves.
struct Reading {
    names: Names,
    /// Lines with instants that are in no run.
    impossible: u64,
}

impl Reading {
    fn outcome(&mut self, line: &Line<'_>) -> Option<Outcome> {
        let instants = [line.done_ns, line.dispatched_ns, line.written_ns, line.first_byte_ns];
        let is_possible = |instant: u64| instant <= INSTANT_NS_MAX;
        if !instants.into_iter().flatten().chain([line.due_ns, line.released_ns]).all(is_possible) {
            self.impossible += 1;
            return None;
        }
        let endpoint = self.names.index(line.endpoint.as_deref().unwrap_or_default());
        Some(Outcome::of(line, endpoint))
    }

    /// `missing` requests of the plan have no line.
    fn notices(&self, ending: &Ending, missing: u64) -> Vec<String> {
        let mut notices = Vec::new();
        match &ending.cut {
            None => notices.push(format!("{REQUESTS} has {} requests, to its end", ending.lines)),
            Some(at) => notices.push(format!("{REQUESTS} breaks off after {} requests, in {at}", ending.lines)),
        }
        let unreadable = ending.unreadable + self.impossible;
        if unreadable > 0 {
            notices.push(format!("{unreadable} lines of {REQUESTS} cannot be read, and are in no figure"));
        }
        if missing > 0 {
            notices.push(format!("of {missing} planned requests nobody knows whether they were sent"));
        }
        let others = self.names.others;
        if others > 0 {
            notices.push(format!(
                "{others} requests are of endpoints beyond the first {ENDPOINTS_MAX}, and count as `{OTHERS}`"
            ));
        }
        notices
    }
}

struct Count {
    measure: Measure,
    series: Series,
    rules: Vec<Applied>,
    job: Job,
    taken: u64,
}

impl Count {
    fn new(begun: &Begun, budgets: &[Budget]) -> Result<Self, ApplyError> {
        let (steady, loop_model) = (begun.steady(), begun.loop_model());
        let rules = apply(budgets, begun.endpoints(), begun.has_steady())?;
        let mut measure = Measure::new(MeasureOptions {
            endpoints: ROWS,
            timeout_ns: TIMEOUT_NS,
            steady,
            loop_model,
            limits: begun.result.verdict.limits,
        });
        for row in &begun.result.endpoints {
            measure.planned_endpoint(row.index, row.planned, &Distribution::new());
        }
        let series = Series::new(&rules, SeriesOptions { loop_model, steady, timeout_ns: TIMEOUT_NS });
        Ok(Self { measure, series, rules, job: blank(), taken: 0 })
    }

    fn take(&mut self, outcome: &Outcome) {
        outcome.fill(&mut self.job);
        self.measure.planned_second(outcome.due_ns / 1_000_000_000, 1);
        self.measure.take(&self.job);
        self.series.take(&self.job);
        self.taken += 1;
        if self.taken.is_multiple_of(CLOSE_EVERY) {
            self.measure.close(self.job.progress.done_ns);
            self.series.close(self.job.progress.done_ns);
        }
    }

    fn finish(mut self) -> (Counted, Vec<Applied>, Vec<Seen>) {
        self.measure.close(u64::MAX);
        (self.measure.finish(), self.rules, self.series.finish())
    }
}
