//! Arguments that `plan` and `replay` have in common: what is sent, when, and in which words.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use formats::endpoint::Template;
use formats::filter::Filter;

use crate::secret::Reference;
use crate::units;

/// What `plan` and `replay` have in common.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// Sessions: directories that `record` wrote, or segments; several are merged by their clocks
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    /// TOML file: its tables `plan` and `replay` have these flags as their keys, its tables `rewrite` and `unsafe` are rules
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Plan as a run's plan.json says (or what `plan --json` printed): its options are the defaults of these, and the
    /// result must have its hash
    #[arg(long, env = "REENACT_PLAN", value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,

    /// How many times the recorded rate (3x, 0.25x), requests a second on average (1200/s), or max
    #[arg(
        long,
        env = "REENACT_RATE",
        value_name = "RATE",
        default_value = "1x",
        allow_hyphen_values = true,
        help_heading = "Load"
    )]
    pub(crate) rate: String,
    /// How the rate is multiplied: auto, clone, overlay, compress, warp or poisson
    #[arg(long, env = "REENACT_METHOD", value_name = "METHOD", default_value = "auto", help_heading = "Load")]
    pub(crate) method: String,
    /// Instead of --rate: it goes from one value to another and stays there, as in 1x..10x/10m
    #[arg(
        long,
        env = "REENACT_RAMP",
        value_name = "FROM..TO/DURATION",
        allow_hyphen_values = true,
        help_heading = "Load"
    )]
    pub(crate) ramp: Option<String>,
    /// Instead of --rate, the rate over time: CSV with rows AT,RATE, or (*.toml) tables `stage` and `spike`
    #[arg(long, env = "REENACT_PROFILE", value_name = "FILE", help_heading = "Load")]
    pub(crate) profile: Option<PathBuf>,
    /// Time runs so many times as fast, think times included; multiplies with --rate
    #[arg(
        long,
        env = "REENACT_SPEED",
        value_name = "FACTOR",
        default_value = "1x",
        allow_hyphen_values = true,
        help_heading = "Load"
    )]
    pub(crate) speed: String,
    /// Send the recording so many times, one after the other [default: as often as --duration or the profile needs]
    #[arg(long, env = "REENACT_REPEAT", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Load")]
    pub(crate) repeat: Option<u32>,
    /// Nothing is due at or after this; the recording is repeated until then
    #[arg(long, env = "REENACT_DURATION", value_name = "DURATION", value_parser = units::duration, help_heading = "Load")]
    pub(crate) duration: Option<Duration>,
    /// Only what came from there on: a duration from the recording's start, or a time (RFC 3339)
    #[arg(long, env = "REENACT_FROM", value_name = "WHEN", help_heading = "Load")]
    pub(crate) from: Option<units::When>,
    /// Only what came before
    #[arg(long, env = "REENACT_TO", value_name = "WHEN", help_heading = "Load")]
    pub(crate) to: Option<units::When>,
    /// Only what this filter describes, as in 'method = GET and path like /api/*' (docs/filter.md)
    #[arg(long, env = "REENACT_FILTER", value_name = "FILTER", help_heading = "Load")]
    pub(crate) filter: Option<Filter>,
    /// Names endpoints, as in /users/{name}: for filters, rules, rows of the report and spans (repeatable)
    #[arg(long, env = "REENACT_TEMPLATE", value_name = "PATH", value_delimiter = ' ', help_heading = "Load")]
    pub(crate) template: Vec<Template>,
    /// Learn more such templates from the sessions, as inspect does; reads them once more
    #[arg(long, env = "REENACT_LEARN_TEMPLATES", help_heading = "Load")]
    pub(crate) learn_templates: bool,
    /// Send only this part of the plan; the parts of several machines make up the whole
    #[arg(long, env = "REENACT_SHARD", value_name = "NUMBER/OF", default_value = "1/1", help_heading = "Load")]
    pub(crate) shard: String,
    /// Of every random choice of the plan
    #[arg(long, env = "REENACT_SEED", value_name = "N", default_value_t = 1, help_heading = "Load")]
    pub(crate) seed: u64,
    /// Fail (exit code 1), and send nothing, when the plan's shape is not kept or unknown; `cannot tell` passes
    #[arg(long, env = "REENACT_REQUIRE_SHAPE", help_heading = "Load")]
    pub(crate) require_shape: bool,

    /// What to do with requests that may change state (POST, PUT, PATCH, DELETE …)
    #[arg(long, env = "REENACT_UNSAFE_METHODS", value_enum, value_name = "send|skip|fail", help_heading = "Requests")]
    pub(crate) unsafe_methods: Option<UnsafeMethods>,
    /// Where to send, as in http://127.0.0.1:9000, https://staging or unix:/run/app.sock
    #[arg(long, env = "REENACT_TARGET", value_name = "URL", help_heading = "Requests")]
    pub(crate) target: Option<String>,
    /// Requests recorded for OLD (HOST, HOST:PORT or *) go to NEW (a URL) instead of --target (repeatable)
    #[arg(long, env = "REENACT_MAP", value_name = "OLD=NEW", value_delimiter = ',', help_heading = "Requests")]
    pub(crate) map: Vec<String>,
    /// Send the recorded Host instead of the target's
    #[arg(long, env = "REENACT_KEEP_HOST", help_heading = "Requests")]
    pub(crate) keep_host: bool,
    /// Value of the Authorization field of every request, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_AUTH", value_name = "REF", help_heading = "Requests")]
    pub(crate) auth: Option<Reference>,
    /// CSV with a credential a row (columns: header names, cookie:NAME, query:NAME); each life of a client keeps its row
    #[arg(long, env = "REENACT_CREDENTIALS", value_name = "FILE", help_heading = "Requests")]
    pub(crate) credentials: Option<PathBuf>,

    /// age identities that open the values that were sealed in the sessions, by reference: env:NAME, file:PATH,
    /// exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_IDENTITY", value_name = "REF", help_heading = "Requests")]
    pub(crate) identity: Option<Reference>,

    /// Directory for the spool, if it does not fit into memory [default: the system's temporary folder]
    #[arg(long, env = "REENACT_SPOOL", value_name = "DIR", help_heading = "Resources")]
    pub(crate) spool: Option<PathBuf>,
    /// Bytes that the spool may take; a larger one is refused
    #[arg(long, env = "REENACT_SPOOL_MAX", value_name = "SIZE", default_value = "64GiB", value_parser = units::size, help_heading = "Resources")]
    pub(crate) spool_max: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnsafeMethods {
    Send,
    Skip,
    Fail,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact plan sessions/monday --rate 3x
  reenact plan sessions/monday --rate 3x --require-shape --svg plan.svg
  reenact plan sessions/monday --ramp 1x..10x/10m
  reenact plan sessions/monday --rate 1200/s --show 5
  reenact plan sessions/monday --show 5 --propagators tracecontext,b3
  reenact plan sessions/monday --filter 'method = GET and not path like /admin/*' --template '/users/{name}'
  reenact plan sessions/monday --rate 0.5x --json")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) contexts: super::ContextArgs,
    /// Print the plan's summary as JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// Draw rate and dispersion of recording and plan into this file
    #[arg(long, env = "REENACT_SVG", value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Print the first N requests as they would be sent, instead of the summary
    #[arg(long, env = "REENACT_SHOW", value_name = "N")]
    pub(crate) show: Option<u64>,
}
