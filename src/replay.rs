//! `reenact replay`: checks, plans, sends, and says what happened.

mod asked;
mod backend;
mod bounds;
mod collect;
mod connect;
mod export;
mod idle;
mod live;
mod safety;
mod summary;

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use formats::redact::RedactionKey;
use formats::visible;
use log::Level;
use replayer::collect::CollectOptions;
use replayer::dial::DialOptions;
use replayer::error::ReplayError;
use replayer::health::{Demand, Machine, Preflight, preflight};
use replayer::job::RunFacts;
use replayer::measure::{self, Window};
use replayer::metrics::MetricsExport;
use replayer::outputs::{self, Output};
use replayer::plan::Shard;
use replayer::result::{RunResult, ShardOf};
use replayer::run::{self, KeepRequests, RunOptions, RunPlan};
use replayer::run_directory::{Made, RunDirectory, note_unwritten};
use replayer::send::{self, Budget, KeepAnswers, Pace, SendOptions};
use replayer::spans::ExportOptions;
use replayer::target::Target;
use replayer::thresholds::Applied;
use replayer::verdict::{LagLimit, Trust};
use replayer::watched::Targets;

use crate::cli::{Answers, LoopModel, ReplayArgs, Requests, UnsafeMethods, WhenBusy};
use crate::logging::say;
use crate::outcome::{self, Failure, Outcome};
use crate::planning::{Planned, Preparation, Propagation};
use crate::signals::Interrupts;
use crate::{secret, thresholds, units};
pub(crate) use connect::resolve_of_each;
use live::Watchers;
use safety::Safety;

/// How long this machine's timers are measured before a run.
const PREFLIGHT_NS: u64 = 300_000_000;

pub(crate) fn run(args: ReplayArgs) -> Result<Outcome, Failure> {
    let json = args.results.json;
    // Standard output is the stream's alone then.
    let is_streamed = args.live.json_stream.as_deref() == Some(Path::new("-"));
    let replayed = Replay::check(args, Say::Problems)?.send()?;
    if json {
        let json = serde_json::to_string(&replayed.result);
        let json = json.map_err(|error| Failure::new(format!("cannot print the result: {error}")))?;
        outcome::print(&format!("{json}\n"));
    } else if !is_streamed {
        outcome::print(&summary::summary(&replayed.result, &replayed.out));
    }
    Ok(replayed.outcome())
}

/// A replay that is over.
pub(crate) struct Replayed {
    pub(crate) result: RunResult,
    pub(crate) out: PathBuf,
    /// Whether the sessions were whole.
    sessions: Outcome,
    /// Whether everybody was told of the end.
    all_told: bool,
}

impl Replayed {
    fn outcome(&self) -> Outcome {
        let result = &self.result;
        match result.verdict.outcome {
            _ if result.interrupted || !self.all_told => Outcome::Interrupted,
            _ if result.aborted.is_some() => Outcome::Failed,
            Trust::Invalid => Outcome::Invalid,
            _ if thresholds::failed(result) => Outcome::Failed,
            _ if !result.shed.is_empty() || lost_answers(result) || !result.unwritten.is_empty() => Outcome::Loss,
            _ => self.sessions,
        }
    }
}

/// What a check says besides its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// What is wrong with sessions, rules and maps.
    Problems,
    /// Nothing: it was said before, or nobody asked.
    Nothing,
}

/// A replay whose every condition is met.
pub(crate) struct Replay {
    args: ReplayArgs,
    targets: Vec<Target>,
    planned: Planned,
    /// Which part of the plan the loop model is not for.
    loop_notice: Option<String>,
    export: Option<ExportOptions>,
    export_metrics: Option<MetricsExport>,
    collect: Option<CollectOptions>,
    dial: DialOptions,
    safety: Safety,
    limits: LagLimit,
    propagation: Propagation,
    preflight: Preflight,
    redaction_key: RedactionKey,
    watched: Targets,
    thresholds: Vec<Applied>,
    steady: Window,
}

impl Replay {
    /// Everything that can be refused is refused here, before anything is sent.
    pub(crate) fn check(args: ReplayArgs, says: Say) -> Result<Self, Failure> {
        if let Some(at) = args.start_at {
            run::can_start_at(at, None)?;
        }
        bounds::check(&args)?;
        if args.load.target.is_none() && args.load.map.is_empty() {
            return Err(Failure::new("a replay needs --target").hint("as in --target http://127.0.0.1:9000"));
        }
        let propagation = Propagation::check(&args.traces.contexts)?;
        let limits = match &args.lag_limit {
            Some(text) => text.parse().map_err(|error: replayer::verdict::LagLimitError| Failure::of(&error))?,
            None => LagLimit::default(),
        };
        if args.reuse_spool && args.load.spool.is_none() {
            return Err(Failure::new("--reuse-spool needs --spool")
                .hint("name the directory in which spools are kept; whoever keeps them removes them"));
        }
        idle::refuse(&args)?;
        let export = export::export(&args.traces)?;
        let export_metrics = export::metrics(&args.traces, export.as_ref())?;
        let redaction_key = secret::redaction_key(args.results.redact_key.as_ref())?;
        let safety = Safety::check(&args)?;
        let budgets = thresholds::check(&args.thresholds)?;
        let preparation = Preparation::check(&args.load)?;
        let mut targets = connect::targets(&args, &preparation.rewriter)?;
        let dial = connect::dial(&args);
        let planned = match args.reuse_spool {
            true => Planned::find_or_make(&args.load, preparation)?,
            false => Planned::make(&args.load, preparation, true)?.0,
        };
        // Before what may follow from them: a map that nothing matches, say, leaves its requests to another target.
        if says == Say::Problems {
            planned.report_problems();
            if let Some(notice) = idle::notice(&args, &targets) {
                say(Level::Info, &format!("note: {notice}"));
            }
        }
        if !args.allow_origin {
            let origins = || planned.spool.summary.origins.iter().map(String::as_str);
            targets.iter_mut().try_for_each(|target| target.check_origin(origins()))?;
        }
        planned.check_empty()?;
        let loop_notice = planned.check_loop_model(args.loop_model)?;
        if let Some(notice) = loop_notice.as_ref().filter(|_| says == Say::Problems) {
            say(Level::Info, &format!("note: {notice}"));
        }
        let steady = bounds::steady(&args, planned.plan.timing().end_ns)?;
        let rows = (0..).zip(&planned.spool.summary.endpoints).filter(|(_, row)| row.recorded > 0);
        let endpoints = rows.map(|(index, row)| (index, row.name.as_str()));
        let has_steady = !args.warm_up.is_zero() || !args.drain.is_zero();
        let thresholds = thresholds::applied(&budgets, endpoints, has_steady)?;
        if planned.outcome_with_shape(args.load.require_shape) == Outcome::Failed {
            let words = &planned.found.shape_words;
            return Err(Failure::failed(format!("the plan's shape is not the recording's: {words}"))
                .hint("look at it with `reenact plan`; send it all the same without --require-shape"));
        }
        decide_unsafe(args.load.unsafe_methods, &planned)?;
        connect::probe(&targets, &planned.spool.summary.targets, &dial)?;
        let summary = &planned.spool.summary;
        let demand =
            demand(&args, summary.surely_open, summary.peak_open(), connect::ways(&targets, &summary.targets, &dial));
        let preflight = preflight(&Machine::this(), &dial.clock, PREFLIGHT_NS, &demand)
            .map_err(|error| Failure::of(&error).hint(error.hint()))?;
        // The last of what can be refused, so that services are not told to send what nobody will take.
        let collect = collect::listen(&args.collect)?;
        let watched = Targets::find(&args.watch.sources())?;
        Ok(Self {
            args,
            targets,
            planned,
            loop_notice,
            export,
            export_metrics,
            collect,
            dial,
            safety,
            limits,
            propagation,
            preflight,
            redaction_key,
            watched,
            thresholds,
            steady,
        })
    }

    /// Of what is to be sent.
    pub(crate) fn plan_hash(&self) -> &str {
        &self.planned.found.hash
    }

    /// From the first due instant to the end of the plan.
    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.planned.plan.timing().end_ns).as_secs_f64()
    }

    pub(crate) fn send(self) -> Result<Replayed, Failure> {
        // From here on a signal ends the run and not the process: who was told of its beginning is told of its end.
        let mut interrupts = Interrupts::listen()?;
        let args = &self.args;
        let clock = self.dial.clock;
        let contexts = self.propagation.contexts(args.start_at.unwrap_or_else(|| clock.wall(clock.now_ns())))?;
        let out = args.results.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(contexts.run_id()));
        let planned = self.planned;
        let summary = &planned.spool.summary;
        let left_out = summary.left_out.iter().map(|(reason, count)| (reason.name().to_owned(), *count));
        let plan_hash = planned.found.hash.clone();
        let given: Vec<String> = self.targets.iter().map(|target| target.given.clone()).collect();
        let result = RunResult {
            plan_hash: plan_hash.clone(),
            sessions: planned.sessions.clone(),
            seed: planned.seed,
            method: planned.method.clone(),
            shard: (planned.shard != Shard::WHOLE)
                .then_some(ShardOf { number: planned.shard.number, of: planned.shard.of }),
            left_out: left_out.collect(),
            asked: asked::asked(args, &self.propagation),
            shape: planned.found.shape()?,
            trace_url: trace_url(args),
            notices: planned
                .notices()
                .chain(self.loop_notice)
                .chain(self.propagation.notice(&summary.traces))
                .chain(idle::notice(args, &self.targets).or_else(|| self.dial.tls.warning().map(str::to_owned)))
                .collect(),
            ..RunResult::default()
        };
        let loop_model = match args.loop_model {
            LoopModel::Open => measure::LoopModel::Open,
            LoopModel::Causal => measure::LoopModel::Causal,
            LoopModel::Closed => measure::LoopModel::Closed,
        };
        let mut run_options = RunOptions {
            send: send_options(args, self.preflight.connections_max),
            dial: self.dial,
            export: self.export,
            export_metrics: self.export_metrics,
            collect: self.collect,
            requests: match args.results.requests {
                Requests::All => KeepRequests::All,
                Requests::Sampled => KeepRequests::Sampled,
                Requests::None => KeepRequests::None,
            },
            redaction_key: self.redaction_key,
            steady: self.steady,
            limits: self.limits,
            loop_model,
            start_at: args.start_at,
            abort_if: self.safety.abort_if.clone(),
            kill_file: self.safety.kill_file.clone(),
            metrics: false,
            thresholds: self.thresholds,
            preflight: self.preflight,
            watched: self.watched,
        };
        let whole = planned.outcome();
        let facts = RunFacts {
            contexts,
            endpoints: summary.endpoints.iter().map(|row| row.name.clone()).collect(),
            targets: self.targets,
            planned: summary.requests,
            multiplier: planned.multiplier(),
        };
        let shown = live::Facts {
            run_id: facts.contexts.run_id().to_owned(),
            target: given.join(", "),
            planned: summary.requests,
            multiplier: facts.multiplier,
            loop_model: loop_model.name(),
            out: out.clone(),
        };
        let start_facts = safety::start_facts(facts.contexts.run_id(), &plan_hash, facts.planned, &given, &out);
        if let Some(at) = args.start_at {
            run::can_start_at(at, Some(summary))?;
        }
        let (clients, secrets) = (planned.survey.clients, planned.rewriter.secrets());
        let plan = RunPlan { spool: planned.spool, plan: planned.plan, clients, facts: Arc::new(facts), secrets };
        if interrupts.count() > 0 {
            return Err(safety::interrupted(Failure::new("interrupted before anything was sent")));
        }
        // Before the run has a directory: what cannot be watched as asked is not sent.
        let watchers = Watchers::open(&args.live, &mut interrupts)?;
        run_options.metrics = watchers.want_metrics();
        let directory = match RunDirectory::create(&out) {
            Ok(directory) => directory,
            Err(error) => {
                watchers.take_back();
                return Err(error.into());
            }
        };
        let mut made = directory.made();
        if let Err(error) = directory.write_plan(&planned.found.json) {
            take_back(watchers, made);
            return Err(error.into());
        }
        let told = self.safety.tell_start(&start_facts, &mut interrupts);
        made.note_others();
        let begun = told.and_then(|()| run::start(plan, run_options, directory, result).map_err(Failure::from));
        let result = match begun {
            Ok(running) => watchers.watch(running, shown, &mut interrupts),
            Err(failure) => {
                take_back(watchers, made);
                Err(failure)
            }
        };
        // Who was told of the beginning is told of the end, also of a bad one.
        let end_facts = match &result {
            Ok(result) => safety::end_facts(start_facts, result),
            Err(_) => start_facts,
        };
        let all_told = self.safety.tell_end(&end_facts, &mut interrupts);
        let mut result = result?;
        let asked: Vec<Output> = args.results.output.iter().filter_map(|form| form.of_run()).collect();
        let (_, failed) = outputs::write(&out, &result, &asked);
        note_unwritten(&out, &mut result, &failed);
        Ok(Replayed { result, out, sessions: whole, all_told })
    }
}

/// Nothing was sent: what was made for the run goes, so that the same command can be given again.
fn take_back(watchers: Watchers, made: Made) {
    watchers.take_back();
    if let Err(error) = made.take_back() {
        say(Level::Warn, &format!("warning: {}", Failure::of(&error).message()));
    }
}

/// Where traces open from the report.
fn trace_url(args: &ReplayArgs) -> Option<String> {
    let of_backend = || args.traces.backend?.trace_url(args.traces.backend_site.as_deref());
    args.traces.trace_url.as_ref().map(ToString::to_string).or_else(of_backend)
}

/// Whether answers that were to be kept were not.
fn lost_answers(result: &RunResult) -> bool {
    result.answers.as_ref().is_some_and(|kept| kept.lost > 0 || kept.failure.is_some())
}

/// Requests under way with `--rate max`, unless somebody says otherwise.
const IN_FLIGHT_AT_ONCE: usize = 64;
/// The same at the recorded pace: those due beyond that are shed.
const IN_FLIGHT_MAX: usize = 20_000;

fn in_flight_max(args: &ReplayArgs) -> usize {
    args.max_in_flight.unwrap_or(if args.is_at_once() { IN_FLIGHT_AT_ONCE } else { IN_FLIGHT_MAX })
}

/// What a plan that has `peak` connections open in a second asks of this machine.
fn demand(args: &ReplayArgs, surely: u64, about: u64, ways: u64) -> Demand {
    let capped = |open: u64| args.max_connections.map_or(open, |most| open.min(most as u64));
    // In closed loop lives may be over before others begin that overlapped them in the recording.
    let surely = if args.loop_model == LoopModel::Closed { 0 } else { surely };
    // At the highest pace the plan's seconds say nothing: what is not under way gives way.
    let (least, most) = if args.is_at_once() {
        let under_way = capped(surely).min(in_flight_max(args) as u64);
        (under_way, under_way)
    } else {
        (capped(surely), capped(about))
    };
    Demand { connections_least: least, connections_most: most, ways }
}

/// `room`: connections that this machine has room for. At the highest pace a connection that only waits for a later request gives way
/// to one that is needed now, so that none is refused.
fn send_options(args: &ReplayArgs, room: Option<u64>) -> SendOptions {
    // Each thread has one at least.
    let room = room.filter(|_| args.is_at_once()).map(|room| room.max(u64::from(args.threads)));
    SendOptions {
        threads: NonZeroUsize::new(args.threads.into()).unwrap_or(NonZeroUsize::MIN),
        pace: if args.is_at_once() { Pace::Max } else { Pace::Recorded },
        loop_model: match args.loop_model {
            LoopModel::Open => send::LoopModel::Open,
            LoopModel::Causal => send::LoopModel::Causal { think_min_ns: units::nanos(args.think_min) },
            LoopModel::Closed => send::LoopModel::Closed,
        },
        when_busy: match args.when_busy() {
            WhenBusy::Extra => send::WhenBusy::Extra,
            WhenBusy::Queue => send::WhenBusy::Queue,
            WhenBusy::Shed => send::WhenBusy::Shed,
        },
        timeout_ns: units::nanos(args.timeout),
        spin_ns: units::nanos(args.spin),
        real_time: !args.no_real_time,
        in_flight_max: in_flight_max(args),
        connections_max: args.max_connections.map(|most| most as u64).or(room),
        rate_max: args.max_rate,
        budget: Budget {
            requests: args.budget_requests,
            bytes: args.budget_bytes,
            time_ns: args.budget_time.map(units::nanos),
        },
        keep_answers: match args.results.answers {
            Answers::None => KeepAnswers::None,
            Answers::Digest => KeepAnswers::Digest,
            Answers::Sample => KeepAnswers::Sample(args.results.answer_body_max),
            Answers::All => KeepAnswers::All(args.results.answer_body_max),
        },
        ..SendOptions::new()
    }
}

/// Requests that may change the target's state are sent only when somebody said so.
fn decide_unsafe(decision: Option<UnsafeMethods>, planned: &Planned) -> Result<(), Failure> {
    let methods = &planned.found.undecided;
    if methods.is_empty() {
        return Ok(());
    }
    let recorded: u64 = methods.values().sum();
    let error = ReplayError::UnsafeMethods {
        requests: recorded,
        of: planned.spool.summary.recorded,
        methods: methods.keys().cloned().collect::<Vec<_>>().join(", "),
        tables: planned.found.failing.clone(),
        by_default: matches!(decision, None | Some(UnsafeMethods::Fail)),
    };
    // Who wrote `fail` into a table was asked already.
    let ask = decision.is_none() && planned.found.failing.is_empty();
    let ask = ask && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !ask {
        return Err(error.into());
    }
    eprint!("{}. Send them? [y/N] ", visible::line(&error.to_string()));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(error.into()) }
}
