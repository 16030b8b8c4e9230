//! One side of a comparison: its runs, read from their directories.
//!
//! Of each run `run.json` says whether it can be trusted, and `requests.jsonl.zst` what became of every request; the rest
//! of the directory is not read. Requests outside the steady window, and those that were deliberately not sent, are left
//! out, and counted.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::error::CompareError;
use super::latency::RunLatencies;
use super::recording::{self, Recording};
use crate::measure::LoopModel;
use crate::merge;
use crate::request_log::Line;
use crate::result::RunResult;
use crate::run_directory::{REQUESTS, RESULT};
use crate::verdict::Trust;

/// Seconds of a window in which endpoints are held against each other.
const WINDOW_NS: u64 = 5_000_000_000;
/// Longest line of a request log that is read: an endpoint's name is the only thing in it that may be long.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Requests of all runs together: four bytes each are held.
pub const REQUESTS_MAX: u64 = 100_000_000;
/// Endpoints of all runs together.
pub const ENDPOINTS_MAX: usize = 100_000;

/// A run that can be compared.
#[derive(Debug)]
pub struct Run {
    /// Its directory.
    pub path: PathBuf,
    /// What `run.json` says.
    pub result: RunResult,
    /// What was measured.
    pub latencies: RunLatencies,
    /// Requests of each endpoint by what became of them: a status code or a kind of error.
    pub outcomes: Vec<BTreeMap<String, u64>>,
    /// Requests in the steady window that were not sent on purpose.
    pub shed: u64,
    /// Lines that could not be read, if the log is cut off or damaged.
    pub damaged: Option<String>,
    /// Where it is no run: what was recorded.
    pub recording: Option<Recording>,
}

/// The endpoints of all runs, numbered alike.
#[derive(Debug, Default)]
pub struct Endpoints {
    numbers: HashMap<String, usize, foldhash::fast::RandomState>,
    names: Vec<String>,
    requests: u64,
}

impl Endpoints {
    /// By number.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Takes in those of other runs; which number each of them has here.
    ///
    /// # Errors
    /// When together they are too many.
    pub(super) fn take_in(&mut self, others: Self) -> Result<Vec<usize>, CompareError> {
        self.requests += others.requests;
        if self.requests > REQUESTS_MAX {
            return Err(CompareError::TooMany { what: "requests", limit: REQUESTS_MAX });
        }
        let too_many = || CompareError::TooMany { what: "endpoints", limit: ENDPOINTS_MAX as u64 };
        others.names.iter().map(|name| self.number(name).ok_or_else(too_many)).collect()
    }

    fn number(&mut self, name: &str) -> Option<usize> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        if self.names.len() >= ENDPOINTS_MAX {
            return None;
        }
        let number = self.names.len();
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        Some(number)
    }
}

/// The run directories behind what was given: a run, or a folder of runs, in the order in which they were started.
///
/// # Errors
/// When there is none.
pub fn runs_of(given: &Path) -> Result<Vec<PathBuf>, CompareError> {
    if given.join(RESULT).is_file() || recording::is_session(given) {
        return Ok(vec![given.to_owned()]);
    }
    let read = |source| CompareError::Read { path: given.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(given).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.join(RESULT).is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(CompareError::NoRun { path: given.to_owned() });
    }
    found.sort();
    Ok(found)
}

impl Run {
    /// Reads a run; what it measured is added under the numbers of `endpoints`.
    ///
    /// # Errors
    /// When it cannot be read, has no request log, cannot be trusted, or there are too many requests or endpoints.
    pub fn read(path: &Path, endpoints: &mut Endpoints) -> Result<Self, CompareError> {
        let result = merge::read(path)?;
        if result.verdict.outcome == Trust::Invalid {
            let reasons = result.verdict.reasons.join("; ");
            return Err(CompareError::Invalid { path: path.to_owned(), reasons });
        }
        let log = path.join(REQUESTS);
        let file = File::open(&log).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => CompareError::NoRequests { path: path.to_owned() },
            _ => CompareError::Read { path: log.clone(), source },
        })?;
        let decoder = zstd::stream::Decoder::new(file);
        let decoder = decoder.map_err(|source| CompareError::Read { path: log.clone(), source })?;
        let mut run = Self::empty(path, result);
        run.requests(&log, BufReader::with_capacity(1 << 16, decoder), endpoints)?;
        if let Some(why) = run.result.unwritten.get(REQUESTS) {
            // One of which nothing was written has no cut that shows.
            run.damaged.get_or_insert_with(|| format!("{} could not be written: {why}", log.display()));
        }
        Ok(run)
    }

    /// A run of which nothing is known but its result.
    pub(crate) fn empty(path: &Path, result: RunResult) -> Self {
        Self {
            path: path.to_owned(),
            result,
            latencies: RunLatencies::default(),
            outcomes: Vec::new(),
            shed: 0,
            damaged: None,
            recording: None,
        }
    }

    /// Gives endpoints the numbers that they have elsewhere.
    pub(super) fn renumber(&mut self, numbers: &[usize]) {
        let most = numbers.iter().max().map_or(0, |most| most + 1);
        let (latencies, outcomes) = (std::mem::take(&mut self.latencies.endpoints), std::mem::take(&mut self.outcomes));
        self.fill(most);
        for ((number, series), ends) in numbers.iter().zip(latencies).zip(outcomes) {
            if let Some(own) = self.latencies.endpoints.get_mut(*number) {
                *own = series;
            }
            if let Some(own) = self.outcomes.get_mut(*number) {
                *own = ends;
            }
        }
    }

    /// Makes room for so many endpoints.
    pub(crate) fn fill(&mut self, endpoints: usize) {
        let len = self.outcomes.len().max(endpoints);
        self.outcomes.resize_with(len, BTreeMap::new);
        self.latencies.endpoints.resize_with(len, Default::default);
    }

    fn requests(&mut self, log: &Path, mut lines: impl BufRead, endpoints: &mut Endpoints) -> Result<(), CompareError> {
        let mut bytes = Vec::new();
        for number in 1_u64.. {
            bytes.clear();
            let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
            let line = match read {
                Ok(0) => break,
                Ok(_) => Line::read(&bytes).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            // What was good before a cut is kept, and the comparison says that it ends there.
            match line {
                Ok(line) => self.take(&line, endpoints)?,
                Err(error) => {
                    self.damaged = Some(format!("{}: line {number}: {error}", log.display()));
                    break;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &Line<'_>, endpoints: &mut Endpoints) -> Result<(), CompareError> {
        let (from_ns, to_ns) = (self.result.steady.from_ns, self.result.steady.to_ns);
        let left_ns = if line.shed.is_some() { line.done_ns.unwrap_or(line.due_ns) } else { line.released_ns };
        let place_ns = LoopModel::of(&self.result.loop_model).place(line.due_ns, left_ns);
        if !(from_ns..to_ns).contains(&place_ns) {
            return Ok(());
        }
        let Some(done_ns) = line.done_ns.filter(|_| line.shed.is_none()) else {
            self.shed += 1;
            return Ok(());
        };
        let since_start_ns = place_ns.saturating_sub(from_ns);
        let since_ns = if self.result.loop_model == "open" { line.due_ns } else { line.released_ns };
        let mut digits = itoa::Buffer::new();
        let word = match (&line.error, line.status) {
            (Some(kind), _) => &**kind,
            (None, Some(status)) => digits.format(status),
            (None, None) => "no answer",
        };
        let name = line.endpoint.as_deref().unwrap_or("(unknown)");
        self.count(name, since_start_ns, done_ns.saturating_sub(since_ns), word, endpoints)
    }

    /// Counts a request that took so long, and what became of it.
    pub(super) fn count(
        &mut self,
        endpoint: &str,
        since_start_ns: u64,
        took_ns: u64,
        outcome: &str,
        endpoints: &mut Endpoints,
    ) -> Result<(), CompareError> {
        endpoints.requests += 1;
        if endpoints.requests > REQUESTS_MAX {
            return Err(CompareError::TooMany { what: "requests", limit: REQUESTS_MAX });
        }
        let Some(number) = endpoints.number(endpoint) else {
            return Err(CompareError::TooMany { what: "endpoints", limit: ENDPOINTS_MAX as u64 });
        };
        self.fill(number + 1);
        if let Some(series) = self.latencies.endpoints.get_mut(number) {
            series.push(took_ns, since_start_ns / WINDOW_NS);
        }
        if let Some(outcomes) = self.outcomes.get_mut(number) {
            match outcomes.get_mut(outcome) {
                Some(count) => *count += 1,
                None => {
                    outcomes.insert(outcome.to_owned(), 1);
                }
            }
        }
        Ok(())
    }
}
