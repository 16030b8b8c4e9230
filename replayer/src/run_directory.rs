//! The files that a run leaves behind (design §7).

mod until_it_fails;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::answers;
use crate::error::ReplayError;
use crate::measure::{Closed, Counted, LogWriter};
use crate::report;
use crate::result::RunResult;
pub(crate) use until_it_fails::{UntilItFails, Unwritten};

/// Response, service time and lag by second, as an interval log.
pub const LATENCY: &str = "latency.hlog";
/// Everything that was counted in histograms, over the whole run, as an interval log of one interval.
pub const HISTOGRAMS: &str = "histograms.hlog";
/// Requests that left in another bucket of time than they were due in, by second.
pub const MOVES: &str = "moves.jsonl";
/// A line for each planned request.
pub const REQUESTS: &str = "requests.jsonl.zst";
/// Lines of some requests, from which nothing is counted.
pub const REQUESTS_SAMPLED: &str = "requests-sampled.jsonl.zst";
/// The result.
pub const RESULT: &str = "run.json";
/// The same for people.
const REPORT: &str = "report.html";
/// What was planned.
pub const PLAN: &str = "plan.json";
/// What is known of a run that goes on; gone when its result is there.
pub const BEGUN: &str = "begun.json";

/// Every file of a run until it is over; answers have a directory of their own.
const FILES: [&str; 9] = [PLAN, BEGUN, REQUESTS, REQUESTS_SAMPLED, LATENCY, MOVES, HISTOGRAMS, RESULT, REPORT];

/// A directory that is being filled.
pub struct RunDirectory {
    path: PathBuf,
    was_there: bool,
}

/// What was made for a run, for whoever takes it back when nothing comes of it.
#[derive(Debug)]
pub struct Made {
    path: PathBuf,
    was_there: bool,
    /// What others put there before the run began, whatever its name.
    others: BTreeSet<OsString>,
}

impl Made {
    /// What is there now besides the plan is not the run's: hooks may have put it there, and keep it.
    pub fn note_others(&mut self) {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        self.others = entries.map(|entry| entry.file_name()).filter(|name| name != PLAN).collect();
    }

    /// Removes the files of a run, and the directory if it was made for the run and nothing else is in it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take_back(self) -> Result<(), ReplayError> {
        self.remove().map_err(|source| ReplayError::RunDirectory { doing: "remove", path: self.path, source })
    }

    fn remove(&self) -> std::io::Result<()> {
        let is_own = |name: &&str| !self.others.contains(OsStr::new(name));
        for name in FILES.iter().copied().filter(is_own) {
            gone(fs::remove_file(self.path.join(name)))?;
        }
        if is_own(&answers::DIRECTORY) {
            gone(fs::remove_dir_all(self.path.join(answers::DIRECTORY)))?;
        }
        if fs::read_dir(&self.path)?.next().is_some() {
            log::warn!("{} stays: what is in it is not of this run", self.path.display());
            return Ok(());
        }
        if self.was_there { Ok(()) } else { fs::remove_dir(&self.path) }
    }
}

/// What was never there is gone, too.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

impl RunDirectory {
    /// Makes the directory, which must not hold anything yet.
    ///
    /// # Errors
    /// When it is not empty or the system refuses.
    pub fn create(path: &Path) -> Result<Self, ReplayError> {
        let failed = |doing, source| ReplayError::RunDirectory { doing, path: path.to_owned(), source };
        let was_there = path.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed("create", error))?;
        if fs::read_dir(path).map_err(|error| failed("read", error))?.next().is_some() {
            let source = std::io::Error::new(ErrorKind::AlreadyExists, "it is not empty");
            return Err(failed("write into", source));
        }
        Ok(Self { path: path.to_owned(), was_there })
    }

    /// What there would be to take back.
    #[must_use]
    pub fn made(&self) -> Made {
        Made { path: self.path.clone(), was_there: self.was_there, others: BTreeSet::new() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file of the directory, readable by its owner only.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn file(&self, name: &str) -> Result<BufWriter<File>, ReplayError> {
        let path = self.path.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        Ok(BufWriter::new(file.map_err(|source| ReplayError::RunDirectory { doing: "create", path, source })?))
    }

    /// Writes `plan.json`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_plan(&self, plan: &serde_json::Value) -> Result<(), ReplayError> {
        self.write(PLAN, &pretty(plan))
    }

    /// Writes `begun.json`, for whoever finds a run that was killed: a result in which nothing is counted yet.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_begun(&self, result: &RunResult) -> Result<(), ReplayError> {
        self.write(BEGUN, &pretty(result))
    }

    /// Writes `run.json` and `report.html`, and removes `begun.json`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_result(&self, result: &RunResult) -> Result<(), ReplayError> {
        self.write(RESULT, &pretty(result))?;
        self.write(REPORT, report::html(result).as_bytes())?;
        self.end()
    }

    /// The same as far as the system lets it: what cannot be written is noted in the result. Without a `run.json` the run is
    /// one that was killed, for whoever finds it.
    pub fn write_what_can_be(&self, result: &mut RunResult) {
        let written = self.write(RESULT, &pretty(result));
        let ended = if written.is_ok() { self.end() } else { Ok(()) };
        let page = self.write(REPORT, report::html(result).as_bytes());
        let failed: Vec<ReplayError> = [written, page, ended].into_iter().filter_map(Result::err).collect();
        note_unwritten(&self.path, result, &failed);
    }

    /// Removes `begun.json`.
    fn end(&self) -> Result<(), ReplayError> {
        match fs::remove_file(self.path.join(BEGUN)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(BEGUN, error)),
            _ => Ok(()),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ReplayError> {
        let mut file = self.file(name)?;
        file.write_all(bytes).and_then(|()| file.flush()).map_err(|source| {
            // Half of it would be read as something else, and takes room that others may need.
            let _ = fs::remove_file(self.path.join(name));
            self.failed(name, source)
        })
    }

    /// The error of a file of this directory.
    #[must_use]
    pub fn failed(&self, name: &str, source: std::io::Error) -> ReplayError {
        ReplayError::RunDirectory { doing: "write", path: self.path.join(name), source }
    }
}

/// Writes the page of a run that is over into its directory, in place of the one that is there.
///
/// # Errors
/// When the system refuses.
pub fn write_report(directory: &Path, result: &RunResult) -> Result<PathBuf, ReplayError> {
    replace(directory, REPORT, report::html(result).as_bytes())
}

/// Writes a file of a run that is over, in place of the one that is there.
///
/// # Errors
/// When the system refuses.
pub fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, ReplayError> {
    let (path, unfinished) = (directory.join(name), directory.join(format!(".{name}.unfinished")));
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    match file.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&unfinished, &path)) {
        Ok(()) => Ok(path),
        Err(source) => {
            // A disk that is full has no room for what nobody reads.
            let _ = fs::remove_file(&unfinished);
            Err(ReplayError::RunDirectory { doing: "write", path, source })
        }
    }
}

/// Notes in a result that files of its run could not be written; what is in its directory already says so, too, as far as the
/// system lets it.
pub fn note_unwritten(directory: &Path, result: &mut RunResult, failed: &[ReplayError]) {
    for error in failed {
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let file = match error {
            ReplayError::RunDirectory { path, .. } => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            _ => None,
        };
        result.lacks(file.unwrap_or_else(|| "a file".to_owned()), why);
    }
    // A run.json that comes late would make a run whole that was left as one that was killed.
    if failed.is_empty() || result.unwritten.contains_key(RESULT) {
        return;
    }
    let mut replaced = vec![replace(directory, RESULT, &pretty(result))];
    if !result.unwritten.contains_key(REPORT) {
        replaced.push(write_report(directory, result));
    }
    for error in replaced.into_iter().filter_map(Result::err) {
        log::warn!("what could not be written is not noted everywhere: {error}");
    }
}

/// What is counted by second, written while the run goes on, and at its end everything that was counted.
pub struct MeasureLog {
    latency: UntilItFails<LogWriter<BufWriter<File>>>,
    moves: UntilItFails<BufWriter<File>>,
    histograms: UntilItFails<LogWriter<BufWriter<File>>>,
}

impl MeasureLog {
    /// Begins the files of a run whose due instant 0 is at `started`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(directory: &RunDirectory, started: SystemTime) -> Result<Self, ReplayError> {
        let begin = |name: &str, what| {
            LogWriter::begin(directory.file(name)?, what, started).map_err(|source| directory.failed(name, source))
        };
        Ok(Self {
            latency: UntilItFails::new(LATENCY, begin(LATENCY, "reenact: response, service and lag by second")?),
            moves: UntilItFails::new(MOVES, directory.file(MOVES)?),
            histograms: UntilItFails::new(
                HISTOGRAMS,
                begin(HISTOGRAMS, "reenact: everything counted, over the whole run")?,
            ),
        })
    }

    /// Adds what no longer changes.
    pub fn write(&mut self, closed: &Closed) {
        self.latency.with(|latency| {
            for second in &closed.seconds {
                let times = &second.times;
                for (tag, one) in [("response", &times.response), ("service", &times.service), ("lag", &times.lag)] {
                    latency.write(tag, second.second, 1, one)?;
                }
            }
            // A killed run has what was closed.
            if closed.seconds.is_empty() { Ok(()) } else { latency.flush() }
        });
        self.moves.with(|moves| {
            closed.moves.iter().try_for_each(|second| {
                serde_json::to_writer(&mut *moves, second)?;
                moves.write_all(b"\n")
            })
        });
    }

    /// Ends the files with everything that was counted; returns those that could not be written.
    #[must_use]
    pub fn finish(mut self, counted: &Counted) -> Unwritten {
        let length_s = (counted.last.done.max(counted.last.due) / 1_000_000_000).saturating_add(1);
        self.histograms.with(|histograms| counted.histograms(|tag, one| histograms.write(tag, 0, length_s, one)));
        let mut unwritten = Unwritten::new();
        self.latency.finish(|latency| latency.finish().map(drop), &mut unwritten);
        self.histograms.finish(|histograms| histograms.finish().map(drop), &mut unwritten);
        self.moves.finish(|mut moves| moves.flush(), &mut unwritten);
        unwritten
    }
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
