//! The flags of `reenact edit`.

use std::path::PathBuf;

use clap::Args;
use formats::endpoint::Template;
use formats::filter::Filter;
use formats::sample::Sample;

use crate::edit::{DropBodies, Shift, SplitBy};
use crate::secret::Reference;
use crate::units;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact edit sessions/monday --from 10m --to 20m -o sessions/ten-minutes
  reenact edit sessions/monday --from 2026-11-23T09:00:00Z --sample 10% -o sessions/tenth
  reenact edit sessions/monday --filter 'path like /api/*' --exclude 'method = DELETE' -o sessions/api
  reenact edit sessions/node-a sessions/node-b -o sessions/both            (merged by their clocks)
  reenact edit sessions/monday --split-by client-hash:4 -o sessions/part   (sessions/part-001 … part-004)
  reenact edit sessions/monday --drop-bodies response,request:larger:1MiB -o sessions/light
  reenact edit sessions/monday --redact --config reenact.toml --redact-key file:/run/secrets/redact -o sessions/shared
  reenact edit sessions/monday --rewrite --config rules.toml -o sessions/for-staging
  reenact edit sessions/monday --shift=-24h -o sessions/sunday
  reenact edit sessions/monday --compact -o sessions/archive
  reenact edit sessions/monday --encrypt-to age1… -o sessions/sealed

The inputs are never changed, and OUT is there when all of it is. Exit codes: 0 done, 2 bad usage or input,
3 done, and something in the inputs was damaged or unfinished (OUT declares it as a gap).")]
pub(crate) struct EditArgs {
    /// Sessions: directories or segments; several are merged by their clocks
    #[arg(required = true, value_name = "SESSION")]
    pub(crate) sessions: Vec<PathBuf>,
    /// age identities that open encrypted inputs, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_IDENTITY", value_name = "REF")]
    pub(crate) identity: Option<Reference>,
    /// New directory for the session; with --split-by, OUT-001, OUT-002 …
    #[arg(short, long, env = "REENACT_OUT", value_name = "OUT")]
    pub(crate) out: PathBuf,

    /// Only requests from there on: a duration from the start of the earliest session, or a time (RFC 3339)
    #[arg(long, env = "REENACT_FROM", value_name = "WHEN", help_heading = "What is kept")]
    pub(crate) from: Option<units::When>,
    /// Only requests before
    #[arg(long, env = "REENACT_TO", value_name = "WHEN", help_heading = "What is kept")]
    pub(crate) to: Option<units::When>,
    /// Only exchanges that this filter describes, as in 'status = 5xx and not path like /admin/*' (docs/filter.md)
    #[arg(long, env = "REENACT_FILTER", value_name = "FILTER", help_heading = "What is kept")]
    pub(crate) filter: Option<Filter>,
    /// Leave out exchanges that this filter describes
    #[arg(long, env = "REENACT_EXCLUDE", value_name = "FILTER", help_heading = "What is kept")]
    pub(crate) exclude: Option<Filter>,
    /// Names endpoints for the filters, as in /users/{name} (repeatable)
    #[arg(long, env = "REENACT_TEMPLATE", value_name = "PATH", value_delimiter = ' ', help_heading = "What is kept")]
    pub(crate) template: Vec<Template>,
    /// Share of the clients that are kept, whole ones, the same that `record --sample` keeps: 10%
    #[arg(long, env = "REENACT_SAMPLE", value_name = "SHARE", help_heading = "What is kept")]
    pub(crate) sample: Option<Sample>,
    /// Bodies of which only the lengths are kept: all, request, response, larger:SIZE, type:PATTERN, or request: or
    /// response: before one of these (repeatable)
    #[arg(
        long,
        env = "REENACT_DROP_BODIES",
        value_name = "WHICH",
        value_delimiter = ',',
        help_heading = "What is kept"
    )]
    pub(crate) drop_bodies: Vec<DropBodies>,

    /// Apply the rules of redaction again: the default ones, and the tables `redact` of --config
    #[arg(long, env = "REENACT_REDACT", help_heading = "Redaction")]
    pub(crate) redact: bool,
    /// 256-bit key of the pseudonyms, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID [default: random]
    #[arg(long, env = "REENACT_REDACT_KEY", value_name = "REF", help_heading = "Redaction")]
    pub(crate) redact_key: Option<Reference>,
    /// Encrypt secrets to this age recipient (age1…, or file:PATH, env:NAME with one a line; repeatable) instead of
    /// replacing them
    #[arg(long, env = "REENACT_SEAL", value_name = "RECIPIENT", value_delimiter = ',', help_heading = "Redaction")]
    pub(crate) seal: Vec<String>,

    /// Change requests by the tables `rewrite` of --config, as a replay would (docs/rewriting.md)
    #[arg(long, env = "REENACT_REWRITE", help_heading = "What is changed")]
    pub(crate) rewrite: bool,

    /// Move the session on the wall clock by this: 24h, or -24h for earlier (write --shift=-24h)
    #[arg(long, env = "REENACT_SHIFT", value_name = "DURATION", allow_hyphen_values = true, help_heading = "Time")]
    pub(crate) shift: Option<Shift>,
    /// Move the session on the wall clock so that it starts at this time (RFC 3339)
    #[arg(long, env = "REENACT_START", value_name = "TIME", value_parser = units::time, help_heading = "Time")]
    pub(crate) start: Option<std::time::SystemTime>,

    /// Several sessions instead of one: time:DURATION, size:SIZE (of the files) or client-hash:N (whole clients)
    #[arg(long, env = "REENACT_SPLIT_BY", value_name = "HOW", help_heading = "Files")]
    pub(crate) split_by: Option<SplitBy>,
    /// Smallest files: --level 19 and --block-size 16MiB, unless these say otherwise
    #[arg(long, env = "REENACT_COMPACT", help_heading = "Files")]
    pub(crate) compact: bool,
    /// Bytes of exchanges that are compressed together, and that a reader holds in memory [default: 2MiB]
    #[arg(long, env = "REENACT_BLOCK_SIZE", value_name = "SIZE", value_parser = units::block_size, help_heading = "Files")]
    pub(crate) block_size: Option<u64>,
    /// Level of zstd, from 1 (fast) to 22 (small) [default: 1]
    #[arg(long, env = "REENACT_LEVEL", value_name = "N", value_parser = clap::value_parser!(i32).range(1..=22), help_heading = "Files")]
    pub(crate) level: Option<i32>,

    /// Encrypt the new session for this age recipient (age1…, or file:PATH, env:NAME with one a line; repeatable)
    #[arg(long, env = "REENACT_ENCRYPT_TO", value_name = "RECIPIENT", value_delimiter = ',', help_heading = "Files")]
    pub(crate) encrypt_to: Vec<String>,
    /// Write the new session unencrypted although an input is encrypted
    #[arg(long, env = "REENACT_DECRYPT", help_heading = "Files")]
    pub(crate) decrypt: bool,

    /// Print the summary as JSON on standard output
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// TOML file whose table `edit` has these flags as its keys, with rules of --redact in `[[redact]]` and of
    /// --rewrite in `[[rewrite]]`
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
