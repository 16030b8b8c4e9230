//! The request log counted as the run counted it.

use std::collections::HashMap;
use std::path::Path;

use super::begun::Begun;
use super::lines::{Ending, Line, LogLines};
use super::outcome::blank;
use super::{ENDPOINTS_MAX, OTHERS};
use crate::job::Job;
use crate::measure::{Counted, Distribution, Measure, MeasureOptions};
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
    let mut count = Count::new(begun, budgets)?;
    let ending = lines.each(|line| count.take(line));
    Ok((ending.lines > 0).then(|| count.finish(&ending, begun)))
}

pub(super) struct Count {
    measure: Measure,
    series: Series,
    rules: Vec<Applied>,
    names: Vec<String>,
    by_name: HashMap<String, u32>,
    job: Job,
    taken: u64,
    impossible: u64,
    others: u64,
}

impl Count {
    pub(super) fn new(begun: &Begun, budgets: &[Budget]) -> Result<Self, ApplyError> {
        let names = begun.names();
        let (steady, loop_model) = (begun.steady(), begun.loop_model());
        let rules = apply(budgets, begun.endpoints(), begun.has_steady())?;
        let mut measure = Measure::new(MeasureOptions {
            endpoints: ENDPOINTS_MAX + 1,
            timeout_ns: TIMEOUT_NS,
            steady,
            loop_model,
            limits: begun.result.verdict.limits,
        });
        for row in &begun.result.endpoints {
            measure.planned_endpoint(row.index, row.planned, &Distribution::new());
        }
        let by_name = (0..).zip(&names).map(|(index, name)| (name.clone(), index)).collect();
        let series = Series::new(&rules, SeriesOptions { loop_model, steady, timeout_ns: TIMEOUT_NS });
        Ok(Self { measure, series, rules, names, by_name, job: blank(), taken: 0, impossible: 0, others: 0 })
    }

    pub(super) fn take(&mut self, line: &Line<'_>) {
        if line.latest_ns() > INSTANT_NS_MAX {
            self.impossible += 1;
            return;
        }
        let endpoint = self.endpoint(line.endpoint.as_deref().unwrap_or_default());
        line.fill(endpoint, &mut self.job);
        self.measure.planned_second(line.due_ns / 1_000_000_000, 1);
        self.measure.take(&self.job);
        self.series.take(&self.job);
        self.taken += 1;
        if self.taken.is_multiple_of(CLOSE_EVERY) {
            self.measure.close(self.job.progress.done_ns);
            self.series.close(self.job.progress.done_ns);
        }
    }

    /// The index of an endpoint; of those beyond the bound that of all others.
    fn endpoint(&mut self, name: &str) -> u32 {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        if self.names.len() >= ENDPOINTS_MAX {
            self.others += 1;
            return u32::try_from(ENDPOINTS_MAX).unwrap_or(u32::MAX);
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), index);
        index
    }

    pub(super) fn finish(mut self, ending: &Ending, begun: &Begun) -> Read {
        self.measure.close(u64::MAX);
        let mut notices = Vec::new();
        match &ending.cut {
            None => notices.push(format!("{REQUESTS} has {} requests, to its end", ending.lines)),
            Some(at) => notices.push(format!("{REQUESTS} breaks off after {} requests, in {at}", ending.lines)),
        }
        let unreadable = ending.unreadable + self.impossible;
        if unreadable > 0 {
            notices.push(format!("{unreadable} lines of {REQUESTS} cannot be read, and are in no figure"));
        }
        let missing = begun.result.planned.saturating_sub(self.taken);
        if missing > 0 {
            notices.push(format!("of {missing} planned requests nobody knows whether they were sent"));
        }
        if self.others > 0 {
            notices.push(format!(
                "{} requests are of endpoints beyond the first {ENDPOINTS_MAX}, and count as `{OTHERS}`",
                self.others
            ));
        }
        self.names.resize(ENDPOINTS_MAX, String::new());
        self.names.push(OTHERS.to_owned());
        let (counted, seen) = (self.measure.finish(), self.series.finish());
        Read { counted, names: self.names, rules: self.rules, seen, notices }
    }
}
