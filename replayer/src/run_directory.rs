//! The files that a run leaves behind (design §7).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use formats::head;

use crate::contexts::hex;
use crate::error::ReplayError;
use crate::job::Job;
use crate::report;
use crate::result::RunResult;

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
        self.write("plan.json", &pretty(plan))
    }

    /// Writes `run.json` and `report.html`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_result(&self, result: &RunResult) -> Result<(), ReplayError> {
        self.write("run.json", &pretty(result))?;
        self.write("report.html", report::html(result).as_bytes())
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
    line: String,
}

impl RequestLog {
    /// Begins the log of a run with these endpoints.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(directory: &RunDirectory, endpoints: &[String]) -> Result<Self, ReplayError> {
        let file = directory.file("requests.jsonl.zst")?;
        let out = zstd::stream::Encoder::new(file, LOG_LEVEL);
        let out = out.map_err(|source| directory.failed("requests.jsonl.zst", source))?;
        let json = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        Ok(Self { out, endpoints: endpoints.iter().map(json).collect(), line: String::new() })
    }

    /// Adds one line.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&mut self, job: &Job) -> std::io::Result<()> {
        use std::fmt::Write as _;
        let (facts, outcome) = (&job.facts, &job.progress);
        let endpoint = self.endpoints.get(facts.endpoint as usize).map_or("null", String::as_str);
        let method = head::request_line(&job.head).map_or(&b""[..], |line| line.method);
        // A method is a token (RFC 9110 §5.6.2), which needs no escaping; anything else is not repeated.
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let method =
            std::str::from_utf8(method).ok().filter(|method| method.bytes().all(|byte| is_plain(&byte))).unwrap_or("");
        let line = &mut self.line;
        line.clear();
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            r#"{{"seq":{},"session":{},"client":"{}","copy":{},"due_ns":{},"released_ns":{}"#,
            facts.seq, facts.session, facts.client, facts.copy, job.due_ns, outcome.released_ns,
        );
        let _ = match outcome.held_by_seq {
            Some(seq) => write!(line, r#","held_by_seq":{seq},"busy_ns":{}"#, outcome.busy_ns),
            None => write!(line, r#","held_by_seq":null,"busy_ns":{}"#, outcome.busy_ns),
        };
        let instants = [
            ("dispatched_ns", outcome.dispatched_ns),
            ("written_ns", outcome.written_ns),
            ("first_byte_ns", outcome.first_byte_ns),
            ("done_ns", outcome.shed.is_none().then_some(outcome.done_ns)),
            ("status", outcome.status.map(u64::from)),
        ];
        for (name, value) in instants {
            let _ = match value {
                Some(value) => write!(line, r#","{name}":{value}"#),
                None => write!(line, r#","{name}":null"#),
            };
        }
        let words =
            [("error", outcome.error.map(|kind| kind.name())), ("shed", outcome.shed.map(|reason| reason.name()))];
        for (name, word) in words {
            let _ = match word {
                Some(word) => write!(line, r#","{name}":"{word}""#),
                None => write!(line, r#","{name}":null"#),
            };
        }
        let _ = write!(
            line,
            r#","method":"{method}","endpoint":{endpoint},"bytes_in":{},"bytes_out":{},"trace_id":"{}","span_id":"{}""#,
            outcome.bytes_in,
            outcome.bytes_out,
            hex(&job.fresh.trace_id),
            hex(&job.fresh.span_id),
        );
        let _ = match facts.trace {
            Some(trace) => writeln!(line, r#","recorded_trace_id":"{}"}}"#, hex(&trace.trace_id)),
            None => writeln!(line, r#","recorded_trace_id":null}}"#),
        };
        self.out.write_all(line.as_bytes())
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn finish(self) -> std::io::Result<()> {
        self.out.finish()?.flush()
    }
}
