//! The command `reenact`: parses, hands over to one subcommand, and maps its outcome to an exit code.

#[cfg(feature = "replay")]
mod ab;
mod cat;
mod cli;
mod command_line;
#[cfg(feature = "replay")]
mod compare;
mod config;
#[cfg(all(feature = "record", feature = "replay"))]
mod demo;
mod edit;
mod import;
mod inspect;
mod logging;
mod names;
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
mod redaction;
#[cfg(feature = "replay")]
mod replay;
#[cfg(feature = "replay")]
mod report;
mod secret;
mod show;
mod signals;
mod sockets;
mod terminal;
#[cfg(feature = "replay")]
mod thresholds;
mod together;
mod units;
mod verify;

use std::process::ExitCode;

use cli::Command;
use command_line::{CommandLine, Unread};
use outcome::{Failure, Outcome};

/// Most of what one thread makes another one lets go of, for which glibc's allocator makes them wait for each other, and musl's
/// all threads (docs/adr/0010).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if !cfg!(target_os = "linux") {
        eprintln!("error: reenact runs on Linux only, not on {}", std::env::consts::OS);
        return ExitCode::from(2);
    }
    match run() {
        Ok(outcome) => ExitCode::from(printed(outcome) as u8),
        Err(failure) => {
            logging::say(log::Level::Error, &failure.to_string());
            ExitCode::from(failure.code)
        }
    }
}

/// How a command ended that is not done if its output could not be written.
fn printed(outcome: Outcome) -> Outcome {
    let Some(why) = outcome::not_printed() else { return outcome };
    logging::say(log::Level::Error, &format!("error: cannot write the output: {why}"));
    if outcome == Outcome::Done { Outcome::Loss } else { outcome }
}

fn run() -> Result<Outcome, Failure> {
    let line = match command_line::read() {
        Ok(line) => line,
        // Prints help and version on standard output and usage errors on standard error, and exits with 0 or 2.
        Err(Unread::Usage(error)) => error.exit(),
        Err(Unread::Refused(failure)) => return Err(failure),
    };
    let CommandLine { cli, .. } = line;
    logging::start(cli.log);
    match cli.command {
        #[cfg(all(feature = "record", feature = "replay"))]
        Command::Demo(args) => demo::run(args),
        #[cfg(feature = "record")]
        Command::Record(args) => record::run(*args, line.values),
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
        Command::Edit(args) => edit::run(*args, &line.values),
        Command::Export(args) => not_built("export", &args),
        #[cfg(feature = "replay")]
        Command::Compare(args) => compare::run(&args),
        #[cfg(feature = "replay")]
        Command::Ab(args) => ab::run(*args),
    }
}

fn not_built(name: &str, args: &cli::NotBuilt) -> Result<Outcome, Failure> {
    log::debug!("{name} was called with {} arguments", args.rest.len());
    Err(Failure::not_built(&format!("the command `reenact {name}`")))
}
