//! The files that a run leaves behind (design §7).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formats::head;

use crate::contexts::append_hex;
use crate::error::ReplayError;
use crate::job::Job;
use crate::measure::{Closed, Counted, LogWriter};
use crate::report;
use crate::result::RunResult;

/// Response, service time and lag by second, as an interval log.
pub const LATENCY: &str = "latency.hlog";
/// Everything that was counted in histograms, over the whole run, as an interval log of one interval.
pub const HISTOGRAMS: &str = "histograms.hlog";
/// Requests that left in another bucket of time than they were due in, by second.
pub const MOVES: &str = "moves.jsonl";
/// A line for each planned request.
pub const REQUESTS: &str = "requests.jsonl.zst";
/// The result.
pub const RESULT: &str = "run.json";
/// What was planned.
pub const PLAN: &str = "plan.json";
/// What is known of a run that goes on; gone when its result is there.
pub const BEGUN: &str = "begun.json";

/// Level of the request log: it is written while the run goes on.
const LOG_LEVEL: i32 = 1;

/// A directory that is being filled.
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory, which must not hold anything yet.
    ///
    /// # Errors
    /// When it is not empty or the system refuses.
    pub fn create(path: &Path) -> Result<Self, ReplayError> {
        let failed = |doing, source| ReplayError::RunDirectory { doing, path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed("create", error))?;
        if fs::read_dir(path).map_err(|error| failed("read", error))?.next().is_some() {
            let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it is not empty");
            return Err(failed("write into", source));
        }
        Ok(Self { path: path.to_owned() })
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
        self.write("report.html", report::html(result).as_bytes())?;
        match fs::remove_file(self.path.join(BEGUN)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed(BEGUN, error)),
            _ => Ok(()),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ReplayError> {
        let mut file = self.file(name)?;
        file.write_all(bytes).and_then(|()| file.flush()).map_err(|source| self.failed(name, source))
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
    replace(directory, "report.html", report::html(result).as_bytes())
}

/// Writes a file of a run that is over, in place of the one that is there.
///
/// # Errors
/// When the system refuses.
pub fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, ReplayError> {
    let (path, unfinished) = (directory.join(name), directory.join(format!(".{name}.unfinished")));
    let failed = |source| ReplayError::RunDirectory { doing: "write", path: path.clone(), source };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let written = file.as_mut().map_err(|error| std::io::Error::new(error.kind(), error.to_string()));
    written.and_then(|file| file.write_all(bytes)).map_err(failed)?;
    fs::rename(&unfinished, &path).map_err(failed)?;
    Ok(path)
}

/// What is counted by second, written while the run goes on, and at its end everything that was counted.
pub struct MeasureLog {
    latency: LogWriter<BufWriter<File>>,
    moves: BufWriter<File>,
    histograms: LogWriter<BufWriter<File>>,
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
            latency: begin(LATENCY, "reenact: response, service and lag by second")?,
            moves: directory.file(MOVES)?,
            histograms: begin(HISTOGRAMS, "reenact: everything counted, over the whole run")?,
        })
    }

    /// Adds what no longer changes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&mut self, closed: &Closed) -> std::io::Result<()> {
        for second in &closed.seconds {
            let times = &second.times;
            for (tag, one) in [("response", &times.response), ("service", &times.service), ("lag", &times.lag)] {
                self.latency.write(tag, second.second, 1, one)?;
            }
        }
        for second in &closed.moves {
            serde_json::to_writer(&mut self.moves, second)?;
            self.moves.write_all(b"\n")?;
        }
        // A killed run has what was closed.
        if closed.seconds.is_empty() { Ok(()) } else { self.latency.flush() }
    }

    /// Ends the files with everything that was counted.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn finish(mut self, counted: &Counted) -> std::io::Result<()> {
        let length_s = (counted.last.done.max(counted.last.due) / 1_000_000_000).saturating_add(1);
        counted.histograms(|tag, one| self.histograms.write(tag, 0, length_s, one))?;
        self.latency.finish()?;
        self.histograms.finish()?;
        self.moves.flush()
    }
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// `requests.jsonl.zst`: one line for each planned request, in the order in which they ended.
pub struct RequestLog {
    out: zstd::stream::Encoder<'static, BufWriter<File>>,
    /// Endpoints as JSON strings.
    endpoints: Vec<String>,
    line: Vec<u8>,
}

impl RequestLog {
    /// Begins the log of a run with these endpoints.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(directory: &RunDirectory, endpoints: &[String]) -> Result<Self, ReplayError> {
        let file = directory.file(REQUESTS)?;
        let out = zstd::stream::Encoder::new(file, LOG_LEVEL);
        let out = out.map_err(|source| directory.failed(REQUESTS, source))?;
        let json = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        Ok(Self { out, endpoints: endpoints.iter().map(json).collect(), line: Vec::new() })
    }

    /// Adds one line.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&mut self, job: &Job) -> std::io::Result<()> {
        let (facts, outcome) = (&job.facts, &job.progress);
        let endpoint = self.endpoints.get(facts.endpoint as usize).map_or("null", String::as_str);
        let method = head::request_line(&job.head).map_or(&b""[..], |line| line.method);
        // A method is a token (RFC 9110 §5.6.2), which needs no escaping; anything else is not repeated.
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let method = if method.iter().all(is_plain) { method } else { b"" };
        let mut line = Line(&mut self.line);
        line.0.clear();
        line.text(b"{\"seq\":").number(Some(facts.seq));
        line.text(b",\"session\":").number(Some(facts.session.into()));
        line.text(b",\"client\":\"").text(facts.client.source.name().as_bytes());
        line.text(b"-").hex(&facts.client.id.to_be_bytes());
        line.text(b"\",\"copy\":").number(Some(facts.copy.into()));
        line.text(b",\"due_ns\":").number(Some(job.due_ns));
        line.text(b",\"released_ns\":").number(Some(outcome.released_ns));
        line.text(b",\"held_by_seq\":").number(outcome.held_by_seq);
        line.text(b",\"busy_ns\":").number(Some(outcome.busy_ns));
        line.text(b",\"dispatched_ns\":").number(outcome.dispatched_ns);
        line.text(b",\"written_ns\":").number(outcome.written_ns);
        line.text(b",\"first_byte_ns\":").number(outcome.first_byte_ns);
        line.text(b",\"done_ns\":").number(outcome.shed.is_none().then_some(outcome.done_ns));
        line.text(b",\"status\":").number(outcome.status.map(u64::from));
        line.text(b",\"error\":").word(outcome.error.map(|kind| kind.name().as_bytes()));
        line.text(b",\"shed\":").word(outcome.shed.map(|reason| reason.name().as_bytes()));
        line.text(b",\"method\":").word(Some(method));
        line.text(b",\"endpoint\":").text(endpoint.as_bytes());
        line.text(b",\"bytes_in\":").number(Some(outcome.bytes_in));
        line.text(b",\"bytes_out\":").number(Some(outcome.bytes_out));
        line.text(b",\"trace_id\":\"").hex(&job.fresh.trace_id);
        line.text(b"\",\"span_id\":\"").hex(&job.fresh.span_id);
        line.text(b"\",\"recorded_trace_id\":");
        match facts.trace {
            Some(trace) => line.text(b"\"").hex(&trace.trace_id).text(b"\"}\n"),
            None => line.text(b"null}\n"),
        };
        self.out.write_all(&self.line)
    }

    /// Hands everything so far to the system, so that a killed run loses little.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn finish(self) -> std::io::Result<()> {
        self.out.finish()?.flush()
    }
}

/// A line of JSON, written without the machinery of formatting, which costs about as much as counting.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn text(&mut self, text: &[u8]) -> &mut Self {
        self.0.extend_from_slice(text);
        self
    }

    fn number(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.text(itoa::Buffer::new().format(number).as_bytes()),
            None => self.text(b"null"),
        }
    }

    /// A word that needs no escaping.
    fn word(&mut self, word: Option<&[u8]>) -> &mut Self {
        match word {
            Some(word) => self.text(b"\"").text(word).text(b"\""),
            None => self.text(b"null"),
        }
    }

    fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        append_hex(bytes, self.0);
        self
    }
}
