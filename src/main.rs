//! The command `reenact`: parses, hands over to one subcommand, and maps its outcome to an exit code.

mod cat;
mod cli;
mod config;
#[cfg(all(feature = "record", feature = "replay"))]
mod demo;
mod import;
mod inspect;
mod outcome;
#[cfg(feature = "replay")]
mod plan;
#[cfg(feature = "replay")]
mod plan_file;
#[cfg(feature = "replay")]
mod planning;
mod read;
#[cfg(feature = "record")]
mod record;
#[cfg(feature = "replay")]
mod replay;
#[cfg(feature = "replay")]
mod report;
mod secret;
mod signals;
mod units;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use cli::{Cli, Command};
use outcome::{Failure, Outcome};

fn main() -> ExitCode {
    if !cfg!(target_os = "linux") {
        eprintln!("error: reenact runs on Linux only, not on {}", std::env::consts::OS);
        return ExitCode::from(2);
    }
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,pingora_core=error"))
        .format_timestamp_millis()
        .init();
    match run() {
        Ok(outcome) => ExitCode::from(outcome as u8),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn run() -> Result<Outcome, Failure> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let command = config::apply(Cli::command(), &arguments)?;
    let cli = match command.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        // Prints help and version on standard output and usage errors on standard error, and exits with 0 or 2.
        Err(error) => error.exit(),
    };
    match cli.command {
        #[cfg(all(feature = "record", feature = "replay"))]
        Command::Demo(args) => demo::run(args),
        #[cfg(feature = "record")]
        Command::Record(args) => record::run(*args),
        #[cfg(feature = "replay")]
        Command::Replay(args) => replay::run(*args),
        #[cfg(feature = "replay")]
        Command::Plan(args) => plan::run(*args),
        #[cfg(feature = "replay")]
        Command::Report(args) => report::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Cat(args) => cat::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Edit(args) => not_built("edit", &args),
        Command::Export(args) => not_built("export", &args),
        Command::Compare(args) => not_built("compare", &args),
        Command::Ab(args) => not_built("ab", &args),
    }
}

fn not_built(name: &str, args: &cli::NotBuilt) -> Result<Outcome, Failure> {
    log::debug!("{name} was called with {} arguments", args.rest.len());
    Err(Failure::not_built(&format!("the command `reenact {name}`")))
}
