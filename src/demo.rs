//! `reenact demo`: the whole story on loopback. A shop, its visitors, a recorder before it, a replay at three times the
//! rate, and a collector that receives everybody's spans. Recording and replaying go through the commands' own code.

mod clock;
mod collector;
mod shop;
mod visitors;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use replayer::result::RunResult;

use crate::cli::{Cli, Command, DemoArgs};
use crate::outcome::{self, Failure, Outcome};
use crate::record::{Config, Ended, Recording};
use crate::replay::{Replay, Replayed, Say};
use crate::units;
use collector::{Collector, Slowest, SpanCounts};
use shop::Shop;
use visitors::Visits;

/// How long visitors come.
const VISITS: Duration = Duration::from_secs(12);
/// Of all that is random about the visitors.
const SEED: u64 = 1;
const RATE: &str = "3x";

pub(crate) fn run(args: DemoArgs) -> Result<Outcome, Failure> {
    let folder = args.out.unwrap_or_else(fresh_folder);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    let collector = runtime.block_on(Collector::start());
    let collector = collector.map_err(|error| Failure::new(format!("cannot start the demo's collector: {error}")))?;
    let shop = runtime.block_on(Shop::start(Some(collector.address()))).map_err(|error| Failure::of(&error))?;
    let otlp = format!("http://{}", collector.address());
    let target = format!("http://{}", shop.address());
    let (session, run) = (folder.join("session"), folder.join("run"));
    say(&format!("A small shop listens on {target}, instrumented with OpenTelemetry.\n"));

    say("1. Record its visitors:");
    let recording = ["record", "--listen", "127.0.0.1:0", "--upstream", &target, "--out", &text(&session)];
    let recording = Recording::start(Config::check(record_args(&recording)?)?, Vec::new(), false)?;
    say(&format!("   {} seconds of visitors, with a rush in the middle …", VISITS.as_secs()));
    let address = recording.address().ok_or_else(|| Failure::new("the demo's recorder has no address"))?;
    let visits = runtime.block_on(visitors::drive(address, SEED, VISITS));
    let recorded = recording.finish();

    say("\n2. Send it back at three times the rate:");
    let before = collector.counts();
    let replay = [
        "replay",
        &text(&session),
        "--target",
        &target,
        "--rate",
        RATE,
        "--allow-origin",
        "--unsafe-methods",
        "send",
        "--otlp-endpoint",
        &otlp,
        "--environment",
        "demo",
        "--out",
        &text(&run),
    ];
    let replayed = Replay::check(replay_args(&replay)?, Say::Nothing)?.send()?;

    runtime.block_on(shop.stop());
    let slowest = collector.slowest();
    let spans = runtime.block_on(collector.stop());
    outcome::print(&story(&visits, &recorded, &replayed, &before, &spans, slowest.as_ref(), &session));
    Ok(verdict(&recorded, &replayed.result, &spans))
}

/// What happened, for somebody who sees it for the first time.
fn story(
    visits: &Visits,
    recorded: &Ended,
    replayed: &Replayed,
    before: &SpanCounts,
    spans: &SpanCounts,
    slowest: Option<&Slowest>,
    session: &Path,
) -> String {
    let result = &replayed.result;
    let exchanges = recorded.exchanges();
    let mut out = "\n3. What happened:\n".to_owned();
    let mut line = |name: &str, value: String| out += &format!("   {name:<16}{value}\n");
    line(
        "recorded",
        format!(
            "{} exchanges of {} visitors, {}",
            units::count(exchanges),
            units::count(visits.visitors),
            match visits.requests.checked_sub(exchanges) {
                Some(0) => "all that there were".to_owned(),
                missing => format!("{missing:?} missing"),
            }
        ),
    );
    line(
        "planned",
        format!("{} requests, {:.2} times as many", units::count(result.planned), ratio(result.planned, exchanges)),
    );
    line("sent", format!("{}, of which {} were answered", units::count(result.sent), units::count(result.completed)));
    line("rate", format!("{:.0}/s planned, {:.0}/s achieved", result.rate.planned, result.rate.achieved));
    line(
        "lag",
        format!(
            "p50 {}, p99 {} behind the planned instant",
            units::micros(result.lag_us.p50),
            units::micros(result.lag_us.p99)
        ),
    );
    line(
        "response time",
        format!(
            "p50 {}, p99 {} (recorded: p50 {}, p99 {})",
            units::micros(result.response_us.p50),
            units::micros(result.response_us.p99),
            units::micros(result.recorded_response_us.p50),
            units::micros(result.recorded_response_us.p99)
        ),
    );
    line(
        "errors",
        match result.errors.values().sum::<u64>() {
            0 => "none".to_owned(),
            some => format!("{} ({:?})", units::count(some), result.errors),
        },
    );
    line(
        "client spans",
        format!(
            "{} arrived at the collector, each in a trace of its own or its page's: {} traces",
            units::count(spans.client),
            units::count(spans.distinct_client_traces)
        ),
    );
    line(
        "server spans",
        format!("{} of the shop's are children of them", units::count(spans.server_children_of_client)),
    );
    if let Some(slowest) = slowest {
        line(
            "slowest",
            format!(
                "{} took {}: trace {}",
                slowest.endpoint,
                units::micros(slowest.duration.as_secs_f64() * 1e6),
                slowest.trace_id
            ),
        );
    }
    line("report", replayed.out.join("report.html").display().to_string());
    line("look inside", format!("reenact inspect {}", session.display()));
    let _ = before;
    out
}

/// Whether everything that the demo promises came true.
fn verdict(recorded: &Ended, result: &RunResult, spans: &SpanCounts) -> Outcome {
    let sent = result.sent == result.planned && result.errors.is_empty() && !result.interrupted;
    let traced = spans.client == result.planned && spans.client_with_server_child == spans.client;
    if recorded.is_complete() && sent && traced { Outcome::Done } else { Outcome::Failed }
}

/// Parses a command as a user would type it, and shows it.
fn parse(arguments: &[&str]) -> Result<Command, Failure> {
    say(&format!("   $ reenact {}", arguments.join(" ")));
    let cli = Cli::try_parse_from(std::iter::once(&"reenact").chain(arguments));
    Ok(cli.map_err(|error| Failure::new(error.to_string()))?.command)
}

fn record_args(arguments: &[&str]) -> Result<crate::cli::RecordArgs, Failure> {
    match parse(arguments)? {
        Command::Record(args) => Ok(*args),
        _ => Err(Failure::new("the demo's command is not `record`")),
    }
}

fn replay_args(arguments: &[&str]) -> Result<crate::cli::ReplayArgs, Failure> {
    match parse(arguments)? {
        Command::Replay(args) => Ok(*args),
        _ => Err(Failure::new("the demo's command is not `replay`")),
    }
}

fn say(text: &str) {
    outcome::print(&format!("{text}\n"));
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn ratio(of: u64, to: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "two digits for people")]
    let ratio = of as f64 / to.max(1) as f64;
    ratio
}

fn fresh_folder() -> PathBuf {
    std::env::temp_dir().join(format!("reenact-demo-{}", std::process::id()))
}
