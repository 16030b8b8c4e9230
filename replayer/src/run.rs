//! A run from its first due instant to its result: preparation, sending, counting and exporting, each on its own thread.
//!
//! ```text
//! feed ═▶ engine ═▶ count ═▶ spans        (═▶ bounded queue)
//! ```

use std::sync::{Arc, Mutex};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use rtrb::{Consumer, RingBuffer};

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::feed::{Feed, Lane, Start};
use crate::job::{Job, RunFacts};
use crate::measure::{ClosedSecond, Measure};
use crate::plan::{Client, Plan};
use crate::result::{Connections, Quantiles, Rate, RunResult, SCHEMA};
use crate::rewrite::Secrets;
use crate::run_directory::{RequestLog, RunDirectory};
use crate::send::{Counters, Engine, SendOptions, Stop};
use crate::spans::{ExportOptions, SpanSink};
use crate::spool::{Spool, Summary};

/// Requests that are prepared ahead of their due instant.
const JOBS_MAX: usize = 65_536;
/// Outcomes that may wait to be counted.
const OUTCOMES_MAX: usize = 131_072;
/// Time to open the first connections before due instant 0.
const LEAD_NS: u64 = 300_000_000;
/// More of it for each connection that is needed at once.
const LEAD_PER_CONNECTION_NS: u64 = 150_000;
/// How often a helper that has nothing to do looks again.
const HELPER_POLL_NS: u64 = 1_000_000;
/// How often the live view is renewed.
const LIVE_NS: u64 = 250_000_000;
/// Answers that must be there before it is said that the target turns the replay away.
const TURNED_AWAY_MIN: u64 = 10;

/// What is sent: everything that is known before the first request.
pub struct RunPlan {
    /// The requests.
    pub spool: Spool,
    /// When they are due.
    pub plan: Arc<Plan>,
    /// The clients by number.
    pub clients: Vec<Client>,
    /// What all requests have in common.
    pub facts: Arc<RunFacts>,
    /// What is filled into requests.
    pub secrets: Secrets,
}

/// What a run needs besides its plan.
pub struct RunOptions {
    /// How to send.
    pub send: SendOptions,
    /// Where spans go; `None`: nowhere.
    pub export: Option<ExportOptions>,
    /// Whether every request gets a line in the request log.
    pub log_requests: bool,
}

/// What a person sees while a run goes on.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Since due instant 0.
    pub elapsed_ns: u64,
    /// Requests due so far.
    pub planned: u64,
    /// Dispatched so far.
    pub sent: u64,
    /// Requests a second over the last whole second, by the plan and in fact.
    pub rate: (u64, u64),
    /// Over everything so far.
    pub response_us: Quantiles,
    /// Over everything so far.
    pub lag_us: Quantiles,
    /// Requests that failed.
    pub errors: u64,
    /// Whether the run is over.
    pub over: bool,
}

/// A run that goes on.
pub struct Running {
    live: Arc<Mutex<Live>>,
    stop: Arc<Stop>,
    thread: std::thread::JoinHandle<Result<RunResult, ReplayError>>,
}

impl Running {
    /// How it goes.
    #[must_use]
    pub fn live(&self) -> Live {
        self.live.lock().map(|live| live.clone()).unwrap_or_default()
    }

    /// With this the run can be stopped early.
    #[must_use]
    pub fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop)
    }

    /// Whether [`Self::join`] would return at once.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end and returns the result, which is also in the run directory.
    ///
    /// # Errors
    /// When the run failed as a whole.
    pub fn join(self) -> Result<RunResult, ReplayError> {
        let lost =
            || ReplayError::System { doing: "finish the run", source: std::io::Error::other("a thread panicked") };
        self.thread.join().map_err(|_| lost())?
    }
}

/// Starts a run; `result` holds what is known already (sessions, seed, method …) and is completed by the run.
///
/// # Errors
/// When a thread, the exporter or a file cannot be set up; nothing has been sent then.
pub fn start(
    mut run: RunPlan,
    options: RunOptions,
    directory: RunDirectory,
    result: RunResult,
) -> Result<Running, ReplayError> {
    crate::raise_descriptor_limit();
    let facts = Arc::clone(&run.facts);
    let summary = std::mem::take(&mut run.spool.summary);
    let clock = Clock::start();
    let soon = summary.open.first().copied().unwrap_or(0);
    let start_ns = LEAD_NS + soon * LEAD_PER_CONNECTION_NS;
    let stop = Arc::new(Stop::default());
    let counters = Arc::new(Counters::default());
    let live = Arc::new(Mutex::new(Live::default()));
    let (jobs_in, jobs) = RingBuffer::new(JOBS_MAX);
    let (opens_in, opens) = RingBuffer::new(JOBS_MAX);
    let (outcomes_in, outcomes) = RingBuffer::new(OUTCOMES_MAX);

    let spans = match &options.export {
        Some(export) => SpanSink::start(export, Arc::clone(&facts), clock, start_ns)?,
        None => SpanSink::none(),
    };
    let log = if options.log_requests { Some(RequestLog::create(&directory, &facts.endpoints)?) } else { None };
    let interval_log = directory.file("latency.hlog")?;

    let feed = {
        let stop = Arc::clone(&stop);
        let lanes = vec![Lane { jobs: jobs_in, opens: opens_in }];
        let feed = Feed::new(run.spool, run.plan, run.clients, run.facts, run.secrets, lanes);
        let start = Start { clock, at_ns: start_ns, at_once: false };
        spawn("feed", move || {
            let spool = |source| ReplayError::Spool { doing: "read", directory: std::env::temp_dir(), source };
            feed.run(start, &stop).map_err(spool)
        })?
    };
    let engine = {
        let (stop, counters) = (Arc::clone(&stop), Arc::clone(&counters));
        let send = options.send;
        spawn("send", move || Engine::new(clock, start_ns, send, opens, jobs, outcomes_in, counters, stop)?.run())?
    };
    let live_in = Arc::clone(&live);
    let count = Count { facts, summary, clock, start_ns, outcomes, spans, log, live: live_in };
    let timeout_ns = options.send.timeout_ns.saturating_add(options.send.connect_timeout_ns);
    let finish = {
        let (stop, counters, live) = (Arc::clone(&stop), Arc::clone(&counters), Arc::clone(&live));
        spawn("count", move || {
            crate::yield_to_sender();
            let started = clock.wall(start_ns);
            let (known, planned, last_due_ns) =
                (Arc::clone(&count.facts), count.summary.requests, count.summary.last_due_ns);
            let counted = count.run(timeout_ns, interval_log, started, &directory);
            let joined = |handle: std::thread::JoinHandle<Result<(), ReplayError>>| {
                let panicked = std::io::Error::other("a thread panicked");
                handle.join().map_err(|_| ReplayError::System { doing: "finish the run", source: panicked })?
            };
            let engine = joined(engine);
            let feed = joined(feed);
            let result = counted.map(|(measure, spans)| {
                let over = Over { planned, last_due_ns, started, interrupted: stop.is_draining() };
                complete(result, &known, measure, spans, &counters, &over)
            });
            if let Ok(mut live) = live.lock() {
                live.over = true;
            }
            let result = result?;
            directory.write_result(&result)?;
            engine.and(feed).map(|()| result)
        })?
    };
    Ok(Running { live, stop, thread: finish })
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>, ReplayError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|source| ReplayError::System { doing: "start a thread", source })
}

struct Count {
    facts: Arc<RunFacts>,
    summary: Summary,
    clock: Clock,
    start_ns: u64,
    outcomes: Consumer<Box<Job>>,
    spans: SpanSink,
    log: Option<RequestLog>,
    live: Arc<Mutex<Live>>,
}

impl Count {
    /// Counts outcomes until the engine is gone.
    fn run(
        mut self,
        timeout_ns: u64,
        mut interval_log: impl std::io::Write,
        started: std::time::SystemTime,
        directory: &RunDirectory,
    ) -> Result<(Measure, crate::result::Spans), ReplayError> {
        let mut measure = Measure::new(self.facts.endpoints.len(), timeout_ns);
        measure.planned(&mut self.summary);
        let mut serializer = V2DeflateSerializer::new();
        let mut failed = None;
        let mut intervals = IntervalLogWriterBuilder::new()
            .add_comment("reenact: response, service and lag by second; values in nanoseconds, maxima in milliseconds")
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(1_000_000.0)
            .begin_log_with(&mut interval_log, &mut serializer)
            .map_err(|source| directory.failed("latency.hlog", source))?;
        let mut write_closed = |closed: Vec<ClosedSecond>, failed: &mut Option<std::io::Error>| {
            for second in closed {
                let (start, length) =
                    (std::time::Duration::from_secs(second.second), std::time::Duration::from_secs(1));
                let times = &second.times;
                for (tag, one) in [("response", &times.response), ("service", &times.service), ("lag", &times.lag)] {
                    let written = intervals.write_histogram(one.histogram(), start, length, Tag::new(tag));
                    if let Err(error) = written {
                        failed.get_or_insert(std::io::Error::other(format!("{error:?}")));
                    }
                }
            }
        };
        let mut live_at = 0;
        loop {
            let over = self.outcomes.is_abandoned();
            while let Ok(outcome) = self.outcomes.pop() {
                measure.take(&outcome);
                if let Some(log) = &mut self.log
                    && let Err(error) = log.write(&outcome)
                {
                    // The numbers go on without the log; the run ends with the error.
                    failed.get_or_insert(error);
                    self.log = None;
                }
                if outcome.progress.shed.is_none() {
                    self.spans.take(outcome);
                }
            }
            let now = self.clock.now_ns();
            if now >= live_at {
                live_at = now + LIVE_NS;
                let elapsed = now.saturating_sub(self.start_ns);
                write_closed(measure.close_seconds(elapsed), &mut failed);
                self.show(&measure, elapsed);
            }
            if over {
                break;
            }
            self.clock.sleep_until(now + HELPER_POLL_NS);
        }
        write_closed(measure.close_seconds(u64::MAX), &mut failed);
        if let Some(log) = self.log.take()
            && let Err(error) = log.finish()
        {
            failed.get_or_insert(error);
        }
        let spans = self.spans.finish();
        interval_log.flush().map_err(|source| directory.failed("latency.hlog", source))?;
        match failed {
            Some(source) => Err(directory.failed("requests.jsonl.zst", source)),
            None => Ok((measure, spans)),
        }
    }

    fn show(&self, measure: &Measure, elapsed_ns: u64) {
        let now = usize::try_from(elapsed_ns / 1_000_000_000).unwrap_or(usize::MAX);
        let last = now.checked_sub(1).and_then(|last| measure.seconds.get(last));
        let live = Live {
            elapsed_ns,
            planned: self.summary.seconds.iter().take(now).sum(),
            sent: measure.sent,
            rate: last.map_or((0, 0), |second| (second.planned, second.sent)),
            response_us: measure.times.response.quantiles(),
            lag_us: measure.times.lag.quantiles(),
            errors: measure.errors.values().sum(),
            over: false,
        };
        if let Ok(mut shown) = self.live.lock() {
            *shown = live;
        }
    }
}

/// How a run ended.
struct Over {
    planned: u64,
    last_due_ns: u64,
    started: std::time::SystemTime,
    interrupted: bool,
}

fn complete(
    known: RunResult,
    facts: &RunFacts,
    measure: Measure,
    spans: crate::result::Spans,
    counters: &Counters,
    over: &Over,
) -> RunResult {
    use std::sync::atomic::Ordering::Relaxed;
    let planned = over.planned;
    let due_s = seconds(over.last_due_ns);
    let duration_s = seconds(measure.last_done_ns).max(due_s);
    let dispatched: u64 = measure.seconds.iter().map(|second| second.sent).sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let per_second = |count: u64, over: f64| if over > 0.0 { count as f64 / over } else { 0.0 };
    // When everything left in time, both rates are over the same span.
    let sent_over = seconds(measure.last_dispatched_ns).max(due_s);
    let mut notices = known.notices.clone();
    if measure.turned_away >= TURNED_AWAY_MIN.min(measure.recorded_2xx.max(1))
        && measure.turned_away * 2 > measure.recorded_2xx
    {
        let (away, of) = (measure.turned_away, measure.recorded_2xx);
        notices.insert(
            0,
            format!("the target turned the replay away: {away} of {of} requests that were answered 2xx in the recording got 401, 403 or a redirect to a login; the load did not reach what it was recorded on"),
        );
    }
    let lost = counters.outcomes_lost.load(Relaxed);
    if lost > 0 {
        notices.push(format!("{lost} outcomes could not be counted: this machine was too slow for its own results"));
    }
    RunResult {
        schema: SCHEMA,
        run_id: facts.contexts.run_id().to_owned(),
        target: facts.targets.first().map(|target| target.given.clone()).unwrap_or_default(),
        started_at: humantime::format_rfc3339_millis(over.started).to_string(),
        duration_s,
        multiplier: facts.multiplier,
        interrupted: over.interrupted,
        notices,
        planned,
        sent: measure.sent,
        completed: measure.completed,
        bytes: measure.bytes,
        rate: Rate { planned: per_second(planned, due_s), achieved: per_second(dispatched, sent_over) },
        connections: Connections {
            opened: counters.opened.load(Relaxed),
            extra: counters.extra.load(Relaxed),
            peak: counters.peak.load(Relaxed),
        },
        lag_us: measure.times.lag.quantiles(),
        response_us: measure.times.response.quantiles(),
        service_us: measure.times.service.quantiles(),
        recorded_response_us: measure.recorded(),
        endpoints: measure.endpoint_rows(&facts.endpoints),
        shed: measure.shed,
        errors: measure.errors,
        status: measure.status,
        timeline: measure.seconds,
        spans,
        ..known
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
