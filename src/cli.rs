//! The command line: raw arguments as clap reads them. What they mean is checked where they are used.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::secret::Reference;
use crate::units;

#[cfg(feature = "replay")]
mod load;
#[cfg(feature = "replay")]
mod replay;

#[cfg(feature = "replay")]
pub(crate) use load::{LoadArgs, PlanArgs, UnsafeMethods};
#[cfg(feature = "replay")]
pub(crate) use replay::{Answers, Backend, LoopModel, ReplayArgs, Requests, WhenBusy};

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
    #[command(subcommand)]
    pub(crate) command: Command,
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
    /// Make a session of other files
    Import(ImportArgs),
    #[command(hide = true)]
    Edit(NotBuilt),
    #[command(hide = true)]
    Export(NotBuilt),
    #[command(hide = true)]
    Compare(NotBuilt),
    #[command(hide = true)]
    Ab(NotBuilt),
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
  reenact record --listen 0.0.0.0:8080 --upstream http://127.0.0.1:9000 --out sessions/monday
  reenact record --listen 127.0.0.1:0 --upstream http://127.0.0.1:9000 --out s --client-key cookie:sid
  reenact record … --redact-key file:/run/secrets/redact   (pseudonyms that several recorders share)

SIGINT and SIGTERM close the session within two seconds; traffic goes on being passed until the last
connection ends or --drain is over.")]
pub(crate) struct RecordArgs {
    /// Address to accept connections on; port 0 takes a free one and says which
    #[arg(long, env = "REENACT_LISTEN", value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the traffic goes, as in http://127.0.0.1:9000
    #[arg(long, env = "REENACT_UPSTREAM", value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// New directory for the session
    #[arg(long, env = "REENACT_OUT", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What tells users apart, before forwarded and peer addresses: cookie:NAME or header:NAME (repeatable)
    #[arg(long, env = "REENACT_CLIENT_KEY", value_name = "RULE", value_delimiter = ',')]
    pub(crate) client_key: Vec<formats::clients::KeyRule>,
    /// 256-bit key of the pseudonyms, by reference: env:NAME, file:PATH, exec:COMMAND [default: random]
    #[arg(long, env = "REENACT_REDACT_KEY", value_name = "REF")]
    pub(crate) redact_key: Option<Reference>,
    /// How long traffic is passed on after a signal [default: 0s after SIGINT, 30s after SIGTERM]
    #[arg(long, env = "REENACT_DRAIN", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) drain: Option<Duration>,
    /// Threads that pass traffic
    #[arg(long, env = "REENACT_THREADS", value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// To connect to the upstream
    #[arg(long, env = "REENACT_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = units::duration)]
    pub(crate) connect_timeout: Duration,
    /// Memory for traffic that waits to be written; when it is full, traffic goes on and is not captured
    #[arg(long, env = "REENACT_QUEUE_BYTES", value_name = "SIZE", default_value = "64MiB", value_parser = units::size)]
    pub(crate) queue_bytes: u64,
    /// Kept of each body; the true length is kept in any case
    #[arg(long, env = "REENACT_BODY_MAX", value_name = "SIZE", default_value = "16MiB", value_parser = units::body_size)]
    pub(crate) body_max: u64,
    /// How often what was captured is made durable
    #[arg(long, env = "REENACT_FLUSH_INTERVAL", value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub(crate) flush_interval: Duration,
    /// `off` only passes traffic on
    #[arg(long, env = "REENACT_CAPTURE", value_enum, default_value_t = Switch::On)]
    pub(crate) capture: Switch,
    /// Keep requests that a replay sent, too
    #[arg(long, env = "REENACT_RECORD_REPLAYS")]
    pub(crate) record_replays: bool,
    /// How traffic is passed: only `relay` is built
    #[arg(long, env = "REENACT_MODE", value_name = "MODE", default_value = "relay")]
    pub(crate) mode: String,
    /// Encrypt values to an age recipient: not built yet
    #[arg(long, env = "REENACT_SEAL", value_name = "RECIPIENT", hide = true)]
    pub(crate) seal: Option<String>,
    /// Print the summary as JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// TOML file whose table `record` has these flags as its keys
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact report runs/monday-3x                                  (writes its report.html again)
  reenact report runs/shard-1 runs/shard-2 --out runs/whole      (run.json and report.html of the whole plan)

Exit codes: 0 done, 2 directories that do not fit together, 3 merged with shards missing (--partial),
4 merged, and the whole run is invalid.")]
pub(crate) struct ReportArgs {
    /// Run directories: one run, or the shards of one plan
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// New directory for the result of the whole plan
    #[arg(long, env = "REENACT_OUT", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Merge although shards are missing, and say so (exit code 3)
    #[arg(long, env = "REENACT_PARTIAL")]
    pub(crate) partial: bool,
    /// Print the result (run.json) instead of the summary
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// TOML file whose table `report` has these flags as its keys
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Sessions: directories or segments
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    /// Print JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "What cat prints, `reenact import --format jsonl` reads back.")]
pub(crate) struct CatArgs {
    /// Sessions: directories or segments
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    #[arg(long, hide = true)]
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Sessions: directories or segments
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    /// Print JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    #[arg(long, hide = true)]
    pub(crate) repair: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  reenact cat sessions/monday | reenact import --format jsonl - -o sessions/copy")]
pub(crate) struct ImportArgs {
    /// jsonl: what `reenact cat` prints (the other formats of the contract are not built yet)
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
}
