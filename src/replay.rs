//! `reenact replay`: checks, plans, sends, and says what happened.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use replayer::contexts::Contexts;
use replayer::error::ReplayError;
use replayer::job::RunFacts;
use replayer::result::RunResult;
use replayer::run::{self, Live, RunOptions, RunPlan, Running};
use replayer::run_directory::RunDirectory;
use replayer::send::SendOptions;
use replayer::spans::{ExportOptions, Secret};
use replayer::target::Target;

use crate::cli::{Answers, Backend, LoopModel, ReplayArgs, Requests, UnsafeMethods, WhenBusy};
use crate::outcome::{self, Failure, Outcome};
use crate::planning::{Planned, Preparation};
use crate::signals::Signals;
use crate::units;

/// How often the live line is renewed.
const LIVE_EVERY: Duration = Duration::from_millis(250);
const LIGHTSTEP_ENDPOINT: &str = "https://ingest.lightstep.com:443";
const LIGHTSTEP_HEADER: &str = "lightstep-access-token";
/// The environment's word for where spans go (OpenTelemetry, OTLP exporter configuration).
const OTLP_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

pub(crate) fn run(args: ReplayArgs) -> Result<Outcome, Failure> {
    let json = args.json;
    let replay = Replay::check(args)?;
    replay.planned.report_problems();
    let replayed = replay.send()?;
    if json {
        let json = serde_json::to_string(&replayed.result);
        let json = json.map_err(|error| Failure::new(format!("cannot print the result: {error}")))?;
        outcome::print(&format!("{json}\n"));
    } else {
        outcome::print(&summary(&replayed.result, &replayed.out));
    }
    Ok(replayed.outcome())
}

/// A replay that is over.
pub(crate) struct Replayed {
    pub(crate) result: RunResult,
    pub(crate) out: PathBuf,
    /// Whether the sessions were whole.
    sessions: Outcome,
}

impl Replayed {
    fn outcome(&self) -> Outcome {
        match self.result.interrupted {
            true => Outcome::Interrupted,
            false if !self.result.shed.is_empty() => Outcome::Loss,
            false => self.sessions,
        }
    }
}

/// A replay whose every condition is met.
pub(crate) struct Replay {
    args: ReplayArgs,
    targets: Vec<Target>,
    planned: Planned,
    export: Option<ExportOptions>,
}

impl Replay {
    /// Everything that can be refused is refused here, before anything is sent.
    pub(crate) fn check(args: ReplayArgs) -> Result<Self, Failure> {
        refuse_later(&args)?;
        if args.load.target.is_none() && args.load.map.is_empty() {
            return Err(Failure::new("a replay needs --target").hint("as in --target http://127.0.0.1:9000"));
        }
        let export = export(&args)?;
        let preparation = Preparation::check(&args.load)?;
        let given = preparation.rewriter.targets().iter().map(|target| target.given.as_str());
        let targets = given.map(Target::resolve).collect::<Result<Vec<_>, _>>()?;
        targets.iter().try_for_each(|target| target.check_allowed(&args.allow))?;
        let planned = Planned::make(&args.load, preparation, true)?;
        if !args.allow_origin {
            let origins = || planned.spool.summary.origins.iter().map(String::as_str);
            targets.iter().try_for_each(|target| target.check_origin(origins()))?;
        }
        planned.check_empty()?;
        decide_unsafe(args.load.unsafe_methods, &planned)?;
        targets.iter().try_for_each(|target| reach(target, args.connect_timeout))?;
        Ok(Self { args, targets, planned, export })
    }

    pub(crate) fn send(self) -> Result<Replayed, Failure> {
        let sampling = self.args.trace_sample.parse().map_err(Failure::new)?;
        let contexts = Contexts::random()?.sampled(sampling);
        let out = self.args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(contexts.run_id()));
        let directory = RunDirectory::create(&out)?;
        let planned = self.planned;
        directory.write_plan(&planned.json())?;
        let summary = &planned.spool.summary;
        let left_out = summary.left_out.iter().map(|(reason, count)| (reason.name().to_owned(), *count));
        let result = RunResult {
            plan_hash: replayer::contexts::hex(&planned.hash),
            sessions: planned.sessions.clone(),
            seed: planned.seed,
            method: planned.method.clone(),
            left_out: left_out.collect(),
            ..RunResult::default()
        };
        let run_options = RunOptions {
            send: SendOptions {
                address: self.targets.first().map(|target| target.address).ok_or_else(|| Failure::new("no target"))?,
                timeout_ns: units::nanos(self.args.timeout),
                connect_timeout_ns: units::nanos(self.args.connect_timeout),
                in_flight_max: self.args.max_in_flight.unwrap_or(20_000),
            },
            export: self.export,
            log_requests: self.args.requests == Requests::All,
        };
        let whole = planned.outcome();
        let facts = RunFacts {
            contexts,
            endpoints: summary.endpoints.iter().map(|row| row.name.clone()).collect(),
            targets: self.targets,
            planned: summary.requests,
            multiplier: planned.multiplier(),
        };
        let (clients, secrets) = (planned.survey.clients, planned.rewriter.secrets());
        let plan = RunPlan { spool: planned.spool, plan: planned.plan, clients, facts: Arc::new(facts), secrets };
        let running = run::start(plan, run_options, directory, result)?;
        let result = watch(running)?;
        Ok(Replayed { result, out, sessions: whole })
    }
}

/// Shows how the run goes and passes signals on, until it is over.
fn watch(running: Running) -> Result<RunResult, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    let stop = running.stop();
    let shown = std::io::stderr().is_terminal();
    let interactive: Result<(), Failure> = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut ticks = tokio::time::interval(LIVE_EVERY);
        while !running.is_over() {
            tokio::select! {
                _ = ticks.tick() => if shown { show(&running.live()) },
                _ = signals.next() => {
                    if stop.is_draining() {
                        stop.abort();
                    } else {
                        eprintln!("\ninterrupted: waiting for the answers under way; once more to give them up");
                        stop.drain();
                    }
                }
            }
        }
        Ok(())
    });
    if shown {
        eprint!("\r\x1b[K");
    }
    interactive?;
    Ok(running.join()?)
}

fn show(live: &Live) {
    let elapsed = live.elapsed_ns / 1_000_000_000;
    eprint!(
        "\r\x1b[K{elapsed:>4} s  {} of {} sent  {}/s of {}/s  response p50 {} p99 {}  lag p99 {}  errors {}",
        units::count(live.sent),
        units::count(live.planned),
        units::count(live.rate.1),
        units::count(live.rate.0),
        units::micros(live.response_us.p50),
        units::micros(live.response_us.p99),
        units::micros(live.lag_us.p99),
        units::count(live.errors),
    );
    let _ = std::io::stderr().flush();
}

/// The dozen lines that a run ends with.
fn summary(result: &RunResult, out: &std::path::Path) -> String {
    let mut text = String::new();
    for notice in &result.notices {
        text += &format!("NOTE: {notice}\n");
    }
    let mut line = |name: &str, value: String| text += &format!("  {name:<11}{value}\n");
    let total = |counts: &std::collections::BTreeMap<String, u64>| counts.values().sum::<u64>();
    let each = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| format!("{name} {}", units::count(*count))).collect::<Vec<_>>().join(", ")
    };
    line(
        "requests",
        format!(
            "{} planned, {} sent, {} answered",
            units::count(result.planned),
            units::count(result.sent),
            units::count(result.completed)
        ),
    );
    if !result.errors.is_empty() {
        line("errors", format!("{}: {}", units::count(total(&result.errors)), each(&result.errors)));
    }
    if !result.shed.is_empty() {
        line("not sent", format!("{}: {}", units::count(total(&result.shed)), each(&result.shed)));
    }
    if !result.left_out.is_empty() {
        line(
            "left out",
            format!("{} recorded exchanges: {}", units::count(total(&result.left_out)), each(&result.left_out)),
        );
    }
    line("status", if result.status.is_empty() { "–".into() } else { each(&result.status) });
    line(
        "rate",
        format!(
            "{:.1}/s planned, {:.1}/s achieved, for {}",
            result.rate.planned,
            result.rate.achieved,
            units::seconds(result.duration_s)
        ),
    );
    let quantiles = |one: &replayer::result::Quantiles| match one.count {
        0 => "–".to_owned(),
        _ => format!(
            "p50 {}  p99 {}  p99.9 {}  max {}",
            units::micros(one.p50),
            units::micros(one.p99),
            units::micros(one.p999),
            units::micros(one.max)
        ),
    };
    line("response", quantiles(&result.response_us));
    line("recorded", quantiles(&result.recorded_response_us));
    line("lag", quantiles(&result.lag_us));
    let dropped = match total(&result.spans.dropped) {
        0 => String::new(),
        some => format!(", {} dropped ({})", units::count(some), each(&result.spans.dropped)),
    };
    let no_exporter = result.spans.dropped.contains_key("no_exporter");
    line(
        "spans",
        match no_exporter {
            true => "none exported: no --otlp-endpoint was given".to_owned(),
            false => format!("{} exported{dropped}", units::count(result.spans.exported)),
        },
    );
    line("report", out.join("report.html").display().to_string());
    text
}

/// Options that this version has no room for behind them yet.
fn refuse_later(args: &ReplayArgs) -> Result<(), Failure> {
    let load = &args.load;
    let later = &args.later;
    let given = [
        ("--plan", later.plan.is_some()),
        ("--identity", later.identity.is_some()),
        ("--span-budget", later.span_budget.is_some()),
        ("--rate max", load.rate == "max"),
        ("--loop-model", args.loop_model != LoopModel::Open),
        ("--think-min", !args.think_min.is_zero()),
        ("--when-busy", args.when_busy != WhenBusy::Extra),
        ("--warm-up", !args.warm_up.is_zero()),
        ("--drain", !args.drain.is_zero()),
        ("--start-at", args.start_at.is_some()),
        ("--threads", args.threads != 1),
        ("--spin", !args.spin.is_zero()),
        ("--lag-limit", args.lag_limit.is_some()),
        ("--max-connections", args.max_connections.is_some()),
        ("--max-rate", args.max_rate.is_some()),
        ("--budget-requests", args.budget_requests.is_some()),
        ("--budget-bytes", args.budget_bytes.is_some()),
        ("--budget-time", args.budget_time.is_some()),
        ("--abort-if", !args.abort_if.is_empty()),
        ("--kill-file", args.kill_file.is_some()),
        ("--on-start", !args.on_start.is_empty()),
        ("--on-end", !args.on_end.is_empty()),
        ("--hook-timeout", args.hook_timeout != Duration::from_secs(30)),
        ("--resolve", !args.resolve.is_empty()),
        ("--bind", !args.bind.is_empty()),
        ("--proxy", args.proxy.is_some() || args.proxy_auth.is_some()),
        ("--tls-ca", args.tls_ca.is_some()),
        ("--tls-cert", args.tls_cert.is_some() || args.tls_key.is_some()),
        ("--no-tls-resumption", args.no_tls_resumption),
        ("--insecure", args.insecure),
        ("--answers", args.answers != Answers::None),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::not_built(name)),
        None => Ok(()),
    }
}

fn export(args: &ReplayArgs) -> Result<Option<ExportOptions>, Failure> {
    let variable = || OTLP_VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let given = args.otlp_endpoint.clone().or_else(variable);
    let mut headers = Vec::new();
    let preset = match args.backend {
        Some(Backend::Lightstep) => {
            let token = args.token.as_ref().ok_or_else(|| {
                Failure::new("--backend lightstep needs an access token")
                    .hint("as in --token env:LIGHTSTEP_ACCESS_TOKEN")
            })?;
            headers.push((LIGHTSTEP_HEADER.to_owned(), Secret(token.resolve_text()?)));
            Some(LIGHTSTEP_ENDPOINT.to_owned())
        }
        None if args.token.is_some() => {
            return Err(Failure::new("--token says nothing without --backend")
                .hint("name the backend, as in --backend lightstep"));
        }
        None => None,
    };
    let Some(endpoint) = given.or(preset) else { return Ok(None) };
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(Failure::new(format!("the OTLP endpoint `{endpoint}` is no URL"))
            .hint("write it as in http://127.0.0.1:4317"));
    }
    Ok(Some(ExportOptions { endpoint, headers, environment: args.environment.clone() }))
}

/// Requests that may change the target's state are sent only when somebody said so.
fn decide_unsafe(decision: Option<UnsafeMethods>, planned: &Planned) -> Result<(), Failure> {
    let methods = &planned.undecided;
    if methods.is_empty() {
        return Ok(());
    }
    let recorded: u64 = methods.values().sum();
    let error = ReplayError::UnsafeMethods {
        requests: recorded,
        of: planned.spool.summary.recorded,
        methods: methods.keys().cloned().collect::<Vec<_>>().join(", "),
    };
    let ask = decision.is_none() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !ask {
        return Err(error.into());
    }
    eprint!("{error}. Send them? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(error.into()) }
}

/// A target that nobody listens at is an error of usage, not of every single request.
fn reach(target: &Target, timeout: Duration) -> Result<(), Failure> {
    let connected = std::net::TcpStream::connect_timeout(&target.address, timeout.max(Duration::from_millis(1)));
    match connected {
        Ok(_) => Ok(()),
        Err(source) => Err(ReplayError::Unreachable { target: target.address, source }.into()),
    }
}
