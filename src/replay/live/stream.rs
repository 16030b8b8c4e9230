//! A run as lines of JSON: `begin`, one `second` for each snapshot, `end`. docs/live.md says what is in them, and
//! docs/live.schema.json says it to machines.
//!
//! Lines are written by a thread of their own. A reader that is slow loses whole lines, which are counted in the next one;
//! as every line has the sums of everything so far, nothing is missed for good.

mod sink;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use log::Level;
use replayer::measure::Totals;
use replayer::result::{Bytes, Quantiles, RunResult};
use replayer::run::Live;
use serde::Serialize;

use super::{Facts, seconds, state};
use crate::logging::say;
use crate::outcome::Failure;
use crate::signals::Interrupts;

/// Version of what the lines say.
const SCHEMA: u32 = 1;
/// Lines that may wait for a slow reader: about a minute of a run.
const LINES_MAX: usize = 64;
/// How long the end of a run waits for a reader.
const END_WAIT: Duration = Duration::from_secs(5);

/// A stream that is open.
pub(super) struct Stream {
    lines: SyncSender<String>,
    /// Says that the writer is gone, for whatever reason.
    written: Receiver<std::io::Result<()>>,
    lost: u64,
    /// A writer that failed is spoken of once.
    has_failed: Arc<AtomicBool>,
    /// The file, if it is new.
    made: Option<PathBuf>,
}

#[derive(Serialize)]
struct Begin<'a> {
    r#type: &'static str,
    schema: u32,
    run_id: &'a str,
    target: &'a str,
    planned: u64,
    multiplier: f64,
    loop_model: &'a str,
    out: String,
}

#[derive(Serialize)]
struct Second<'a> {
    r#type: &'static str,
    number: u64,
    state: &'static str,
    speed: f64,
    waiting_s: f64,
    elapsed_s: f64,
    length_s: f64,
    planned: u64,
    due: u64,
    totals: Counts<'a>,
    second: LastSecond,
    response_us: Quantiles,
    lag_us: Quantiles,
    in_flight: u64,
    waiting: u64,
    connections: u64,
    endpoints: Vec<EndpointRow<'a>>,
    endpoints_known: usize,
    spans: Spans,
    cpu: f64,
    rss_bytes: u64,
    lost: u64,
}

#[derive(Serialize)]
struct Counts<'a> {
    settled: u64,
    dispatched: u64,
    sent: u64,
    completed: u64,
    errors: BTreeMap<&'a str, u64>,
    shed: BTreeMap<&'a str, u64>,
    status: BTreeMap<String, u64>,
    bytes: Bytes,
}

#[derive(Serialize)]
struct LastSecond {
    t_s: u64,
    planned: u64,
    dispatched: u64,
    completed: u64,
    errors: u64,
    response_us: Quantiles,
    lag_us: Quantiles,
}

#[derive(Serialize)]
struct EndpointRow<'a> {
    endpoint: &'a str,
    completed: u64,
    errors: u64,
    response_us: Quantiles,
}

#[derive(Serialize)]
struct Spans {
    exported: u64,
    rejected: u64,
    dropped: u64,
    sampled_out: u64,
}

#[derive(Serialize)]
struct End<'a> {
    r#type: &'static str,
    run_id: &'a str,
    verdict: Option<&'static str>,
    interrupted: bool,
    aborted: Option<&'a str>,
    error: Option<String>,
    planned: u64,
    settled: u64,
    dispatched: u64,
    sent: u64,
    completed: u64,
    errors: BTreeMap<&'a str, u64>,
    shed: BTreeMap<&'a str, u64>,
    duration_s: f64,
    response_us: Quantiles,
    lag_us: Quantiles,
    out: String,
    lost: u64,
}

impl Stream {
    /// Makes the file, or takes a pipe or standard output, and starts the writer. A pipe needs a reader, which is waited for
    /// until a signal comes.
    pub(super) fn open(path: &Path, interrupts: &mut Interrupts) -> Result<Self, Failure> {
        let failed = |error| sink::failed(path, &error);
        let (out, made) = sink::open(path, interrupts)?;
        let (lines, waiting) = sync_channel(LINES_MAX);
        let (done, written) = sync_channel(1);
        let has_failed = Arc::new(AtomicBool::new(false));
        let said = Arc::clone(&has_failed);
        let writer = std::thread::Builder::new().name("stream".into());
        let writer = writer.spawn(move || {
            let end = write_all(out, &waiting);
            said.store(end.is_err(), Relaxed);
            // Nobody may wait any more.
            let _ = done.send(end);
        });
        let stream = Self { lines, written, lost: 0, has_failed, made };
        match writer {
            Ok(_) => Ok(stream),
            Err(error) => {
                stream.take_back();
                Err(failed(error))
            }
        }
    }

    /// Of a run that did not begin: removes the file that was made for it.
    pub(super) fn take_back(self) {
        if let Some(path) = self.made
            && let Err(error) = std::fs::remove_file(&path)
        {
            say(Level::Warn, &format!("warning: cannot remove {}: {error}", path.display()));
        }
    }

    pub(super) fn begin(&mut self, facts: &Facts) {
        self.push(&Begin {
            r#type: "begin",
            schema: SCHEMA,
            run_id: &facts.run_id,
            target: &facts.target,
            planned: facts.planned,
            multiplier: facts.multiplier,
            loop_model: facts.loop_model,
            out: facts.out.display().to_string(),
        });
    }

    pub(super) fn second(&mut self, live: &Live) {
        let line = second(live, self.lost);
        self.push(&line);
    }

    /// The last line; the reader has some seconds to take all of them.
    pub(super) fn end(self, result: Result<&RunResult, &Failure>, facts: &Facts) {
        let line = end(result, facts, self.lost);
        let line = text(&line);
        let Self { lines, written, .. } = self;
        // A full queue is waited for by the thread that sends, in which nothing else goes on any more.
        let sender = std::thread::Builder::new().name("stream-end".into()).spawn(move || {
            let _ = lines.send(line);
        });
        let end = written.recv_timeout(END_WAIT);
        match (sender, end) {
            (Err(error), _) | (Ok(_), Ok(Err(error))) => {
                say(Level::Warn, &format!("warning: --json-stream is not whole: {error}"));
            }
            (Ok(_), Ok(Ok(()))) => {}
            (Ok(_), Err(_)) => {
                say(Level::Warn, "warning: --json-stream is not whole: nobody read its last lines in time");
            }
        }
    }

    fn push(&mut self, line: &impl Serialize) {
        match self.lines.try_send(text(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.lost += 1,
            Err(TrySendError::Disconnected(_)) => {
                self.lost += 1;
                if self.has_failed.swap(false, Relaxed) {
                    say(Level::Warn, "warning: --json-stream can be written no more; the run goes on without it");
                }
            }
        }
    }
}

fn write_all(mut out: Box<dyn Write + Send>, lines: &Receiver<String>) -> std::io::Result<()> {
    while let Ok(line) = lines.recv() {
        out.write_all(line.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn text(line: &impl Serialize) -> String {
    // Numbers, texts and maps with text keys cannot fail.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}

fn second(live: &Live, lost: u64) -> Second<'_> {
    let row = &live.second;
    Second {
        r#type: "second",
        number: live.number,
        state: state(live),
        speed: if live.is_paused { 0.0 } else { live.speed },
        waiting_s: seconds(live.waiting_ns),
        elapsed_s: seconds(live.elapsed_ns),
        length_s: seconds(live.length_ns),
        planned: live.planned,
        due: live.due,
        totals: counts(&live.totals),
        second: LastSecond {
            t_s: row.t_s,
            planned: row.planned,
            dispatched: row.dispatched,
            completed: row.completed,
            errors: row.errors,
            response_us: row.response_us,
            lag_us: row.lag_us,
        },
        response_us: live.response_us,
        lag_us: live.lag_us,
        in_flight: live.in_flight,
        waiting: live.waiting,
        connections: live.connections,
        endpoints: live
            .endpoints
            .iter()
            .map(|row| EndpointRow {
                endpoint: &row.name,
                completed: row.so_far.completed,
                errors: row.so_far.errors,
                response_us: row.so_far.response_us,
            })
            .collect(),
        endpoints_known: live.endpoints_known,
        spans: Spans {
            exported: live.spans.exported,
            rejected: live.spans.rejected,
            dropped: live.spans.dropped,
            sampled_out: live.spans.sampled_out,
        },
        cpu: live.cpu,
        rss_bytes: live.rss_bytes,
        lost,
    }
}

fn counts(totals: &Totals) -> Counts<'_> {
    Counts {
        settled: totals.settled,
        dispatched: totals.dispatched,
        sent: totals.sent,
        completed: totals.completed,
        errors: totals.errors.iter().map(|(kind, count)| (kind.as_ref(), *count)).collect(),
        shed: totals.shed.iter().map(|(reason, count)| (reason.as_ref(), *count)).collect(),
        status: totals.status.iter().map(|(code, count)| (code.to_string(), *count)).collect(),
        bytes: totals.bytes,
    }
}

fn end<'a>(result: Result<&'a RunResult, &Failure>, facts: &'a Facts, lost: u64) -> End<'a> {
    let nothing = End {
        r#type: "end",
        run_id: &facts.run_id,
        verdict: None,
        interrupted: false,
        aborted: None,
        error: None,
        planned: facts.planned,
        settled: 0,
        dispatched: 0,
        sent: 0,
        completed: 0,
        errors: BTreeMap::new(),
        shed: BTreeMap::new(),
        duration_s: 0.0,
        response_us: Quantiles::default(),
        lag_us: Quantiles::default(),
        out: facts.out.display().to_string(),
        lost,
    };
    let words =
        |counts: &'a BTreeMap<String, u64>| counts.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    match result {
        Err(failure) => End { error: Some(failure.message().to_owned()), ..nothing },
        Ok(result) => End {
            verdict: Some(result.verdict.outcome.name()),
            interrupted: result.interrupted,
            aborted: result.aborted.as_deref(),
            planned: result.planned,
            settled: result.settled,
            dispatched: result.dispatched,
            sent: result.sent,
            completed: result.completed,
            errors: words(&result.errors),
            shed: words(&result.shed),
            duration_s: result.duration_s,
            response_us: result.response_us,
            lag_us: result.lag_us,
            ..nothing
        },
    }
}
