//! The command line: raw arguments as clap reads them. What they mean is checked where they are used.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use formats::endpoint::Template;
use formats::filter::Filter;

use crate::secret::Reference;
use crate::units;

#[cfg(feature = "replay")]
mod ab;
#[cfg(feature = "replay")]
mod compare;
mod edit;
#[cfg(feature = "replay")]
mod load;
#[cfg(feature = "record")]
mod record;
#[cfg(feature = "replay")]
mod replay;
#[cfg(feature = "replay")]
mod report;

#[cfg(feature = "replay")]
pub(crate) use ab::{AbArgs, EndWhen};
#[cfg(feature = "replay")]
pub(crate) use compare::{CompareArgs, FailOn, JudgeArgs};
pub(crate) use edit::EditArgs;
#[cfg(feature = "replay")]
pub(crate) use load::{LoadArgs, PlanArgs, UnsafeMethods};
#[cfg(feature = "record")]
pub(crate) use record::{
    Fsync, KeepArgs, OperateArgs, PairArgs, ProxyInChoice, ProxyOutChoice, RecordArgs, Switch, WhenTaken,
};
#[cfg(feature = "replay")]
pub(crate) use replay::{
    Answers, Backend, CollectArgs, ContextArgs, IdBits, LiveArgs, LoopModel, OutputForm, Progress, ReplayArgs,
    Requests, ResultArgs, TraceArgs, WhenBusy,
};
#[cfg(feature = "replay")]
pub(crate) use report::ReportArgs;

/// Records real traffic and makes it happen again, larger, with a fresh trace for every request.
#[derive(Debug, Parser)]
#[command(
    name = "reenact",
    version,
    arg_required_else_help = true,
    max_term_width = 110,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is on standard error; the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct LogArgs {
    /// How lines on standard error look: `json` writes an object a line, with time, level, target and message
    #[arg(long, global = true, env = "REENACT_LOG_FORMAT", value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Which lines are logged: off, error, warn, info, debug or trace [default: what RUST_LOG says, else warn]
    #[arg(long, global = true, env = "REENACT_LOG_LEVEL", value_name = "LEVEL", value_parser = log_level)]
    pub(crate) log_level: Option<log::LevelFilter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

fn log_level(text: &str) -> Result<log::LevelFilter, String> {
    text.parse().map_err(|_| format!("`{text}` is no level; there are off, error, warn, info, debug and trace"))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole story on loopback in under a minute: record, replay at 3x, look
    #[cfg(all(feature = "record", feature = "replay"))]
    Demo(DemoArgs),
    /// Pass traffic on to an upstream, byte for byte, and record it
    #[cfg(feature = "record")]
    Record(Box<RecordArgs>),
    /// Send sessions to a target, at any multiple of their rate
    #[cfg(feature = "replay")]
    Replay(Box<ReplayArgs>),
    /// Say what a replay would send, and send nothing
    #[cfg(feature = "replay")]
    Plan(Box<PlanArgs>),
    /// Write the page of a run again, or merge the runs of a plan's shards into one result
    #[cfg(feature = "replay")]
    Report(ReportArgs),
    /// Say what is in a session
    Inspect(InspectArgs),
    /// Print a session as JSON, one object a line
    Cat(CatArgs),
    /// Check a session's integrity
    Verify(VerifyArgs),
    /// Cut, thin, merge, split and redact sessions into new ones
    Edit(Box<EditArgs>),
    /// Make a session of other files
    Import(ImportArgs),
    #[command(hide = true)]
    Export(NotBuilt),
    /// Tell what changed between the runs of two sides from noise
    #[cfg(feature = "replay")]
    Compare(CompareArgs),
    /// Replay on two systems in turn, until it can be told what changed
    #[cfg(feature = "replay")]
    Ab(Box<AbArgs>),
}

/// A command of the contract that this version refuses by name.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct NotBuilt {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) rest: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where session and run are kept [default: a new folder in the system's temporary folder]
    #[arg(long, env = "REENACT_OUT", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact inspect sessions/monday
  reenact inspect sessions/monday --template '/users/{name}'
  reenact inspect --scan sessions/monday      (count everything anew: slow, and sees damage)
  reenact inspect --secrets sessions/monday   (is there anything in it that should not be?)

Exit codes: 0 done, 1 --secrets found something, 2 no such session, 3 what was read is damaged or has no end.")]
pub(crate) struct InspectArgs {
    /// Sessions: directories or segments
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    /// age identities that open encrypted sessions, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_IDENTITY", value_name = "REF")]
    pub(crate) identity: Option<Reference>,
    /// Say what looks like a credential or like personal data, and where; never the value (docs/redaction.md)
    #[arg(long)]
    pub(crate) secrets: bool,
    /// Read everything, instead of what the ends of the segments say of it
    #[arg(long)]
    pub(crate) scan: bool,
    /// Names endpoints, as in /users/{name} (repeatable); others are learned. --secrets names none
    #[arg(long, env = "REENACT_TEMPLATE", value_name = "PATH", value_delimiter = ' ')]
    pub(crate) template: Vec<Template>,
    /// Print JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "What cat prints, `reenact import --format jsonl` reads back. Gaps are printed whatever the filter.
See docs/inspecting.md and docs/filter.md.

Examples:
  reenact cat sessions/monday -n 10                     (the first ten exchanges)
  reenact cat sessions/monday --filter 'status = 5xx and duration > 300ms'
  reenact cat sessions/monday --filter 'endpoint = /users/{name}' --template '/users/{name}'
  reenact cat sessions/monday --show 12                 (one exchange, laid out for a person)
  reenact cat sessions/monday --show 3 --show 10..20    (one, and eleven more)

Exit codes: 0 done, 2 a session that cannot be read or an exchange that is not there, 3 damaged sessions."
)]
pub(crate) struct CatArgs {
    /// Sessions: directories or segments
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    /// age identities that open encrypted sessions, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_IDENTITY", value_name = "REF")]
    pub(crate) identity: Option<Reference>,
    /// Print at most N exchanges
    #[arg(short = 'n', long, env = "REENACT_LIMIT", value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Lay out this exchange for a person: a number as `seq` has it, or a range with both its ends as in 10..20; repeatable
    #[arg(long, env = "REENACT_SHOW", value_name = "SEQ", value_delimiter = ',')]
    pub(crate) show: Vec<crate::show::Wanted>,
    /// How much of a body --show shows [default: 64KiB of text, 1KiB of what is none]
    #[arg(long, env = "REENACT_SHOW_BYTES", value_name = "SIZE", value_parser = crate::units::size)]
    pub(crate) show_bytes: Option<u64>,
    /// Only exchanges that this filter describes
    #[arg(long, env = "REENACT_FILTER", value_name = "FILTER")]
    pub(crate) filter: Option<Filter>,
    /// Names endpoints for the filter, as in /users/{name} (repeatable)
    #[arg(long, env = "REENACT_TEMPLATE", value_name = "PATH", value_delimiter = ' ')]
    pub(crate) template: Vec<Template>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact verify sessions/monday
  reenact verify sessions/monday --repair sessions/monday-saved

Exit codes: 0 intact, 1 not intact, 2 no such session.")]
pub(crate) struct VerifyArgs {
    /// Sessions: directories or segments
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    /// age identities that open encrypted sessions, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_IDENTITY", value_name = "REF")]
    pub(crate) identity: Option<Reference>,
    /// Print JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// Write what can be saved into a new session in this directory; what is lost there is declared as gaps
    #[arg(long, env = "REENACT_REPAIR", value_name = "OUT")]
    pub(crate) repair: Option<PathBuf>,
    /// Encrypt the repaired session for this age recipient (age1…, or file:PATH, env:NAME with one a line; repeatable)
    #[arg(long, env = "REENACT_ENCRYPT_TO", value_name = "RECIPIENT", value_delimiter = ',')]
    pub(crate) encrypt_to: Vec<String>,
    /// Write the repaired session unencrypted although the damaged one is encrypted
    #[arg(long, env = "REENACT_DECRYPT")]
    pub(crate) decrypt: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  reenact cat sessions/monday | reenact import --format jsonl - -o sessions/copy")]
pub(crate) struct ImportArgs {
    /// jsonl: what `reenact cat` prints (other formats are not built yet)
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: String,
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// New directory for the session
    #[arg(short, long, value_name = "SESSION")]
    pub(crate) out: PathBuf,
    /// Leave out lines that cannot be read, and say so (exit code 3)
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Bytes of exchanges that are compressed together, and that a reader holds in memory [default: 2MiB]
    #[arg(long, env = "REENACT_BLOCK_SIZE", value_name = "SIZE", value_parser = units::block_size)]
    pub(crate) block_size: Option<u64>,
    /// Level of zstd, from 1 (fast) to 22 (small) [default: 1]
    #[arg(long, env = "REENACT_LEVEL", value_name = "N", value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: Option<i32>,
}
