//! A run from its first due instant to its result: feeding, sending, counting and exporting, each on its own threads.
//!
//! ```text
//! feed ═▶ engines ═▶ count ═▶ spans        (═▶ bounded queue)
//! ```
//!
//! This is the composition root of a run: it starts the threads, gives each what it needs, and puts the result together
//! when they are over. What each does is its own.

mod changed;
mod complete;
mod control;
mod count;
mod live;
mod watch;

use std::sync::Arc;
use std::time::SystemTime;

use formats::redact::RedactionKey;
use rtrb::RingBuffer;
use tokio::sync::watch::{Receiver, channel};

use crate::answers::{AnswerOptions, AnswerSink};
use crate::clock::Clock;
use crate::collect::{CollectOptions, Collector};
use crate::dial::{DialOptions, Dialer};
use crate::error::ReplayError;
use crate::feed::{Feed, Lane, Leaving, Start};
use crate::health::Preflight;
use crate::job::RunFacts;
use crate::measure::{LoopModel, MeasureOptions, Window};
use crate::metrics::{Metrics, MetricsExport, MetricsSink};
use crate::plan::{Client, Plan, Step};
pub use crate::request_log::KeepRequests;
use crate::request_log::RequestLog;
use crate::result::{Endpoint, RunResult, SCHEMA, Steady};
use crate::rewrite::Secrets;
use crate::run_directory::{MeasureLog, RunDirectory};
use crate::safety::{AbortRule, KillFile};
use crate::send::{self, Counters, Engine, EngineParts, KeepAnswers, Pace, SendOptions, Stop};
use crate::spans::{ExportOptions, HeadBudget, RunEnd, SpanSink};
use crate::spool::{EndpointPlan, Spool, Summary};
use crate::tempo::Tempo;
use crate::thresholds::{self, Applied, Series, SeriesOptions};
use crate::verdict::{LagLimit, Verdict};
use crate::watched;

use changed::{in_run, in_run_ns};
use complete::{Known, add_spans, complete};
pub use control::Control;
use count::Count;
use live::Viewer;
pub use live::{LIVE_ENDPOINTS_MAX, Live, LiveEndpoint};
use watch::Watch;

/// Requests on their way to one engine.
const JOBS_MAX: usize = 65_536;
/// The same where they are not made ready ahead of due instants, but of room.
const JOBS_AT_ONCE_MAX: usize = 4_096;
/// Outcomes of one engine that may wait to be counted.
const OUTCOMES_MAX: usize = 131_072;
/// Time to open the first connections before due instant 0.
const LEAD_NS: u64 = 300_000_000;
/// More of it for each connection that is needed at once.
const LEAD_PER_CONNECTION_NS: u64 = 150_000;

/// What is said of a run in closed loop.
const THROTTLES_ITSELF: &str = "closed loop: answers set the pace, so this run throttles itself: a slower target was asked for less, and these times are not those of the recorded load";

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
    /// How connections are made.
    pub dial: DialOptions,
    /// Where spans go; `None`: nowhere.
    pub export: Option<ExportOptions>,
    /// Where services send their spans to, for the trace view; `None`: nowhere.
    pub collect: Option<CollectOptions>,
    /// Which requests get a line in the request log.
    pub requests: KeepRequests,
    /// How answers are redacted, if any are kept (by [`SendOptions::keep_answers`]).
    pub redaction_key: RedactionKey,
    /// Due instants between warm-up and drain.
    pub steady: Window,
    /// From which lag on a run is not to be trusted.
    pub limits: LagLimit,
    /// From when on response times count.
    pub loop_model: LoopModel,
    /// When due instant 0 is; `None`: as soon as everything is ready.
    pub start_at: Option<SystemTime>,
    /// When to stop by the run's own figures.
    pub abort_if: Vec<AbortRule>,
    /// When to stop by somebody else's decision.
    pub kill_file: Option<KillFile>,
    /// Whether metrics are counted, for whoever serves them.
    pub metrics: bool,
    /// Where metrics go over OTLP; `None`: nowhere.
    pub export_metrics: Option<MetricsExport>,
    /// What fails the run, applied to its endpoints.
    pub thresholds: Vec<Applied>,
    /// What was found out about this machine.
    pub preflight: Preflight,
    /// What of the target is looked at while the run goes on.
    pub watched: watched::Targets,
}

/// A run that goes on.
pub struct Running {
    live: Receiver<Arc<Live>>,
    control: Control,
    thread: std::thread::JoinHandle<Result<RunResult, ReplayError>>,
}

impl Running {
    /// How it goes, once a second; closed when [`Self::join`] would return at once.
    #[must_use]
    pub fn live(&self) -> Receiver<Arc<Live>> {
        self.live.clone()
    }

    /// With this the run can be changed and stopped early.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits for the end and returns the result, which is also in the run directory.
    ///
    /// # Errors
    /// When the run failed as a whole.
    pub fn join(self) -> Result<RunResult, ReplayError> {
        self.thread.join().map_err(|_| panicked())?
    }
}

/// Time before due instant 0 in which the first connections are opened.
fn lead_ns(summary: &Summary) -> u64 {
    LEAD_NS + summary.open.first().copied().unwrap_or(0) * LEAD_PER_CONNECTION_NS
}

/// The reading of the clock at `at`, if there is so much time left before it.
fn starts_at(clock: Clock, at: SystemTime, lead_ns: u64) -> Result<u64, ReplayError> {
    clock.at(at).filter(|start_ns| *start_ns >= clock.now_ns() + lead_ns).ok_or(ReplayError::TooLate { at, lead_ns })
}

/// Whether a run could still begin at `at`: what [`start`] will ask, for whoever has more to do before it. Without a plan
/// only what every run needs is known.
///
/// # Errors
/// When it is too late.
pub fn can_start_at(at: SystemTime, plan: Option<&Summary>) -> Result<(), ReplayError> {
    starts_at(Clock::start(), at, plan.map_or(LEAD_NS, lead_ns)).map(drop)
}

/// Starts a run; `result` holds what is known already (sessions, seed, method …) and is completed by the run.
///
/// # Errors
/// When a thread, the exporter or a file cannot be set up, or the time to start is over; nothing has been sent then.
pub fn start(
    mut run: RunPlan,
    options: RunOptions,
    directory: RunDirectory,
    mut result: RunResult,
) -> Result<Running, ReplayError> {
    crate::raise_descriptor_limit();
    if options.loop_model == LoopModel::Closed {
        result.notices.push(THROTTLES_ITSELF.to_owned());
    }
    let facts = Arc::clone(&run.facts);
    let summary = std::mem::take(&mut run.spool.summary);
    let clock = Clock::start();
    let lead_ns = lead_ns(&summary);
    let start_ns = match options.start_at {
        None => lead_ns,
        Some(at) => starts_at(clock, at, lead_ns)?,
    };
    directory.write_begun(&begun(&result, &facts, &summary, &options, clock.wall(start_ns)))?;
    let stop = Arc::new(Stop::default());
    let counters = Arc::new(Counters::default());
    let tempo = Arc::new(Tempo::default());
    let (live_in, live) = channel(Arc::<Live>::default());
    let live_in = Arc::new(live_in);

    let spans = match &options.export {
        Some(export) => SpanSink::start(export, Arc::clone(&facts), clock, start_ns)?,
        None => SpanSink::none(),
    };
    let collector = match options.collect {
        Some(collect) => {
            let from_due = options.loop_model == LoopModel::Open;
            Collector::start(collect, &facts, clock, start_ns, from_due, Arc::clone(&stop))?
        }
        None => Collector::none(),
    };
    let answers = match options.send.keep_answers {
        KeepAnswers::None => AnswerSink::none(),
        keep => {
            let kept = AnswerOptions { keep, key: options.redaction_key, secrets: run.secrets.clone() };
            let target = facts.targets.first().map(|target| target.given.clone()).unwrap_or_default();
            AnswerSink::start(&kept, directory.path(), target, clock, start_ns)?
        }
    };
    let log = RequestLog::create(&directory, &facts.endpoints, options.requests)?;
    let intervals = MeasureLog::create(&directory, clock.wall(start_ns))?;
    let watch = Watch::new(
        options.abort_if,
        options.loop_model,
        options.kill_file,
        run.secrets.clone(),
        clock,
        Arc::clone(&stop),
        Arc::clone(&counters),
    )?;

    let target = watched::Watch::start(options.watched, clock, start_ns)?;
    let metrics_sink = match options.export_metrics {
        Some(export) => Some(MetricsSink::start(export, &facts, clock, start_ns)?),
        None => None,
    };

    let at_once = options.send.pace == Pace::Max;
    let threads = options.send.threads.get();
    let connect_timeout = options.dial.connect_timeout;
    let handles = Dialer::start(facts.targets.clone(), DialOptions { clock, ..options.dial }, threads)?;
    let dials: Vec<_> = handles.first().map(|handle| handle.counters()).into_iter().collect();
    let (mut lanes, mut outcomes, mut engines) = (Vec::new(), Vec::new(), Vec::new());
    for (index, dial) in handles.into_iter().enumerate() {
        let jobs_max = if at_once { JOBS_AT_ONCE_MAX } else { JOBS_MAX };
        let (jobs_in, jobs) = RingBuffer::new(jobs_max);
        let (news_in, news) = RingBuffer::new(jobs_max);
        let (outcomes_in, outcomes_out) = RingBuffer::new(OUTCOMES_MAX);
        lanes.push(Lane { jobs: jobs_in, news: news_in });
        outcomes.push(outcomes_out);
        let parts = EngineParts {
            index,
            clock,
            start_ns,
            options: options.send,
            jobs,
            news,
            outcomes: outcomes_in,
            dial,
            counters: Arc::clone(&counters),
            stop: Arc::clone(&stop),
            tempo: Arc::clone(&tempo),
            authorization: run.secrets.authorization.clone(),
        };
        let name = if threads == 1 { "send".to_owned() } else { format!("send-{index}") };
        // Made on its own thread: what it asks of the kernel is for the thread that asks.
        engines.push(spawn(&name, move || Engine::new(parts)?.run())?);
    }
    let steps = run.plan.profile().steps(run.plan.timing().end_ns);
    let feed = {
        let (stop, place) = (Arc::clone(&stop), run.spool.place().to_owned());
        let budget = options.export.as_ref().and_then(|export| export.spans.budget).map(HeadBudget::new);
        let feed = Feed::new(run.spool, run.plan, run.clients, run.facts, run.secrets, lanes);
        let feed = feed.within(budget).at(Arc::clone(&tempo));
        let leaving = match (options.send.pace, options.send.loop_model) {
            (Pace::Max, _) => Leaving::AtOnce,
            (Pace::Recorded, send::LoopModel::Closed) => Leaving::AfterAnswers,
            (Pace::Recorded, _) => Leaving::WhenDue,
        };
        let start = Start { clock, at_ns: start_ns, leaving };
        spawn("feed", move || {
            use std::io::ErrorKind::{InvalidData, UnexpectedEof};
            feed.run(start, &stop).map_err(|source| match source.kind() {
                InvalidData | UnexpectedEof => ReplayError::SpoolDamaged { place, source },
                _ => ReplayError::Spool { doing: "read", directory: place, source },
            })
        })?
    };
    let measure = MeasureOptions {
        endpoints: facts.endpoints.len(),
        timeout_ns: options.send.timeout_ns.saturating_add(nanos(connect_timeout)),
        steady: options.steady,
        loop_model: options.loop_model,
        limits: options.limits,
    };
    let metrics = (options.metrics || metrics_sink.is_some()).then(|| {
        let known = options.export.as_ref().and_then(|export| export.spans.known_methods.as_deref());
        Metrics::new(&facts, known, options.loop_model == LoopModel::Open)
    });
    let viewer = Viewer::new(
        summary,
        Arc::clone(&facts),
        start_ns,
        at_once,
        Arc::clone(&counters),
        Arc::clone(&stop),
        Arc::clone(&tempo),
    );
    let count = Count::new(clock, start_ns, viewer, Arc::clone(&live_in), metrics, metrics_sink);
    let followed =
        SeriesOptions { loop_model: measure.loop_model, steady: measure.steady, timeout_ns: measure.timeout_ns };
    let series = Series::new(&options.thresholds, followed);
    let steady = (options.steady.from_ns, options.steady.to_ns);
    let is_shard = result.shard.is_some();
    let control = Control { tempo: Arc::clone(&tempo), stop: Arc::clone(&stop), clock, start_ns, at_once, is_shard };
    let known = Known {
        result,
        facts,
        loop_model: options.loop_model,
        preflight: options.preflight,
        watched: Vec::new(),
        thresholds: options.thresholds,
    };
    let thread = {
        let stop = Arc::clone(&stop);
        spawn("count", move || {
            crate::turns::go_last();
            let mut ended = count.run(measure, outcomes, spans, collector, answers, log, intervals, watch, series);
            let joined =
                |handle: std::thread::JoinHandle<Result<(), ReplayError>>| handle.join().map_err(|_| panicked())?;
            let sent: Result<(), ReplayError> = engines.into_iter().try_for_each(joined);
            let fed = joined(feed);
            let mut known = Known { watched: target.finish(), ..known };
            if let Err(error) = &fed {
                known.result.notices.insert(0, format!("not everything was sent: {error}"));
            }
            let (metrics, last) = (ended.metrics_sink.take(), ended.last_reading.take());
            let (mut result, spans) =
                complete(known, ended, &counters, &dials, clock.wall(start_ns), &stop, tempo.changes());
            let view = tempo.view();
            let steps: Vec<Step> = steps.into_iter().map(|step| in_run(step, &view)).collect();
            let steady = (in_run_ns(steady.0, &view), in_run_ns(steady.1, &view));
            let spans = spans.finish(Some(&RunEnd { result: &result, steps: &steps, steady }));
            add_spans(&mut result, spans, &counters);
            if let Some(metrics) = metrics {
                result.notices.extend(metrics.finish(last.as_deref(), &result.spans, clock.now_ns()));
            }
            directory.write_what_can_be(&mut result);
            // Who watches waits for this.
            drop(live_in);
            sent.and(fed).map(|()| result)
        })?
    };
    Ok(Running { live, control, thread })
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>, ReplayError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|source| ReplayError::System { doing: "start a thread", source })
}

/// What `begun.json` says: everything that whoever counts the other files again cannot know from them.
fn begun(
    known: &RunResult,
    facts: &RunFacts,
    summary: &Summary,
    options: &RunOptions,
    started: SystemTime,
) -> RunResult {
    let endpoints = (0..).zip(&summary.endpoints).filter(|(_, row)| row.recorded > 0);
    let endpoint = |(index, row): (u32, &EndpointPlan)| Endpoint {
        index,
        endpoint: row.name.clone(),
        planned: row.planned,
        ..Endpoint::default()
    };
    RunResult {
        schema: SCHEMA,
        run_id: facts.contexts.run_id().to_owned(),
        target: facts.targets.first().map(|target| target.given.clone()).unwrap_or_default(),
        started_at: humantime::format_rfc3339_millis(started).to_string(),
        multiplier: facts.multiplier,
        loop_model: options.loop_model.name().to_owned(),
        planned: facts.planned,
        verdict: Verdict { limits: options.limits, ..Verdict::default() },
        steady: Steady { from_ns: options.steady.from_ns, to_ns: options.steady.to_ns, ..Steady::default() },
        endpoints: endpoints.map(endpoint).collect(),
        thresholds: thresholds::unjudged(&options.thresholds),
        ..known.clone()
    }
}

fn panicked() -> ReplayError {
    ReplayError::System { doing: "finish the run", source: std::io::Error::other("a thread panicked") }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
