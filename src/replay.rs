//! `reenact replay`: checks, plans, sends, and says what happened.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use replayer::contexts::Contexts;
use replayer::error::ReplayError;
use replayer::prepared::Prepared;
use replayer::result::RunResult;
use replayer::rewrite::Rewrite;
use replayer::run::{self, Live, RunOptions, Running};
use replayer::run_directory::RunDirectory;
use replayer::send::SendOptions;
use replayer::spans::{ExportOptions, Secret};
use replayer::target::Target;

use crate::cli::{Backend, LaterArgs, ReplayArgs, Requests, UnsafeMethods};
use crate::outcome::{self, Failure, Outcome};
use crate::plan::Planned;
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
    target: Target,
    planned: Planned,
    export: Option<ExportOptions>,
}

impl Replay {
    /// Everything that can be refused is refused here, before anything is sent.
    pub(crate) fn check(args: ReplayArgs) -> Result<Self, Failure> {
        refuse_later(&args.later)?;
        let given = args
            .target
            .as_deref()
            .ok_or_else(|| Failure::new("a replay needs --target").hint("as in --target http://127.0.0.1:9000"))?;
        let target = Target::resolve(given)?;
        target.check_allowed(&args.allow)?;
        let export = export(&args)?;
        let authority = (!args.keep_host).then(|| target.authority.clone());
        let planned = Planned::make(&args.load, &Rewrite { authority })?;
        if !args.allow_origin {
            target.check_origin(planned.recording.origins.iter().map(String::as_str))?;
        }
        if planned.plan.items.is_empty() {
            let left_out: u64 = planned.recording.left_out.values().sum();
            let why = match (planned.recording.requests.len(), left_out) {
                (0, 0) => "the sessions hold no exchanges".to_owned(),
                (0, some) => format!("all {some} exchanges are left out"),
                _ => "the rate keeps no client".to_owned(),
            };
            return Err(ReplayError::Empty { why }.into());
        }
        decide_unsafe(args.load.unsafe_methods, &planned)?;
        reach(&target, args.connect_timeout)?;
        Ok(Self { args, target, planned, export })
    }

    pub(crate) fn send(self) -> Result<Replayed, Failure> {
        let contexts = Contexts::random()?;
        let out = self.args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(contexts.run_id()));
        let directory = RunDirectory::create(&out)?;
        directory.write_plan(&self.planned.json())?;
        let Planned { plan, options, sessions, .. } = &self.planned;
        let result = RunResult {
            plan_hash: replayer::contexts::hex(&plan.hash),
            sessions: sessions.clone(),
            seed: options.seed,
            method: options.method.to_string(),
            left_out: self
                .planned
                .recording
                .left_out
                .iter()
                .map(|(reason, count)| (reason.name().to_owned(), *count))
                .collect(),
            ..RunResult::default()
        };
        let run_options = RunOptions {
            send: SendOptions {
                address: self.target.address,
                timeout_ns: units::nanos(self.args.timeout),
                connect_timeout_ns: units::nanos(self.args.connect_timeout),
                in_flight_max: self.args.max_in_flight,
            },
            export: self.export,
            log_requests: self.args.requests == Requests::All,
        };
        let whole = self.planned.outcome();
        let Planned { recording, plan, options, .. } = self.planned;
        let prepared = Prepared::new(recording, plan, options.factor.as_f64(), self.target, contexts);
        let running = run::start(prepared, run_options, directory, result)?;
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

fn refuse_later(later: &LaterArgs) -> Result<(), Failure> {
    let options = [
        ("--when-busy", &later.when_busy),
        ("--answers", &later.answers),
        ("--shard", &later.shard),
        ("--start-at", &later.start_at),
        ("--plan", &later.plan),
        ("--identity", &later.identity),
        ("--span-budget", &later.span_budget),
        ("--lag-limit", &later.lag_limit),
        ("--loop-model", &later.loop_model),
    ];
    match options.into_iter().find(|(_, given)| given.is_some()) {
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
    let methods = &planned.recording.unsafe_methods;
    if methods.is_empty() || matches!(decision, Some(UnsafeMethods::Send | UnsafeMethods::Skip)) {
        return Ok(());
    }
    let recorded: u64 = methods.values().sum();
    let error = ReplayError::UnsafeMethods {
        requests: recorded,
        of: planned.recording.requests.len() as u64,
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
