//! Lines put together from their parts, in the order that `known.rs` knows.

use std::fs::File;
use std::io::{BufWriter, Write};

use formats::head;

use crate::contexts::append_hex;
use crate::error::ReplayError;
use crate::job::Job;
use crate::run_directory::{REQUESTS, REQUESTS_SAMPLED, RunDirectory};

/// Level of compression: it is done while the run goes on.
const LOG_LEVEL: i32 = 1;

/// One request in so many is in a sampled log.
const SAMPLED_ONE_IN: u64 = 100;

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepRequests {
    /// Each.
    #[default]
    All,
    /// One in a hundred, chosen by its place in the plan, and each that failed or was shed. The file has another name: nothing
    /// can be counted from it.
    Sampled,
    /// None.
    None,
}

impl KeepRequests {
    /// Whether this one has a line.
    fn takes(self, job: &Job) -> bool {
        let is_chosen = || {
            // Spread evenly whatever comes at even distances in the plan (Fibonacci hashing).
            let mixed = job.facts.position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            mixed.is_multiple_of(SAMPLED_ONE_IN)
        };
        self == Self::All || job.progress.error.is_some() || job.progress.shed.is_some() || is_chosen()
    }
}

/// The log of a run that goes on.
pub(crate) struct RequestLog {
    out: zstd::stream::Encoder<'static, BufWriter<File>>,
    /// Endpoints as JSON strings.
    endpoints: Vec<String>,
    line: Vec<u8>,
    keep: KeepRequests,
    name: &'static str,
}

impl RequestLog {
    /// Begins the log of a run with these endpoints, if there is to be one.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn create(
        directory: &RunDirectory,
        endpoints: &[String],
        keep: KeepRequests,
    ) -> Result<Option<Self>, ReplayError> {
        let name = match keep {
            KeepRequests::All => REQUESTS,
            KeepRequests::Sampled => REQUESTS_SAMPLED,
            KeepRequests::None => return Ok(None),
        };
        let file = directory.file(name)?;
        let out = zstd::stream::Encoder::new(file, LOG_LEVEL);
        let out = out.map_err(|source| directory.failed(name, source))?;
        let json = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        Ok(Some(Self { out, endpoints: endpoints.iter().map(json).collect(), line: Vec::new(), keep, name }))
    }

    /// The file's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Adds the line of a request, if it has one.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn write(&mut self, job: &Job) -> std::io::Result<()> {
        if !self.keep.takes(job) {
            return Ok(());
        }
        let endpoint = self.endpoints.get(job.facts.endpoint as usize).map_or("null", String::as_str);
        self.line.clear();
        put(job, endpoint, &mut self.line);
        self.out.write_all(&self.line)
    }

    /// Hands everything so far to the system, so that a killed run loses little.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn finish(self) -> std::io::Result<()> {
        self.out.finish()?.flush()
    }
}

/// Appends the line of a request; `endpoint` is the name of its endpoint as JSON.
pub(super) fn put(job: &Job, endpoint: &str, line: &mut Vec<u8>) {
    let (facts, outcome) = (&job.facts, &job.progress);
    let method = head::request_line(&job.head).map_or(&b""[..], |line| line.method);
    // A method is a token (RFC 9110 §5.6.2), which needs no escaping; anything else is not repeated.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let method = if method.iter().all(is_plain) { method } else { b"" };
    let mut line = Line(line);
    line.text(b"{\"seq\":").number(Some(facts.seq));
    line.text(b",\"session\":").number(Some(facts.session.into()));
    line.text(b",\"client\":\"").text(facts.client.source.name().as_bytes());
    line.text(b"-").hex(&facts.client.id.to_be_bytes());
    line.text(b"\",\"copy\":").number(Some(facts.copy.into()));
    line.text(b",\"due_ns\":").number(Some(job.due_ns));
    line.text(b",\"released_ns\":").number(Some(outcome.released_ns));
    line.text(b",\"held_by_seq\":").number(outcome.held_by_seq);
    line.text(b",\"busy_ns\":").number(Some(outcome.busy_ns));
    line.text(b",\"connect_ns\":").number(Some(outcome.connect_ns));
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
