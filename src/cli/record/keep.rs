//! Flags of `reenact record` about what is kept of the traffic, and how much of the machine that may take.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use formats::sample::Sample;
use recorder::selection::Filter;

use crate::secret::Reference;
use crate::units;

#[derive(Debug, Args)]
pub(crate) struct KeepArgs {
    /// New directory for the session
    #[arg(long, env = "REENACT_OUT", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// If there is something in --out already: `refuse`, or `beside` records into OUT-2, OUT-3 …, as a service that is restarted needs
    #[arg(long, env = "REENACT_WHEN_TAKEN", value_enum, value_name = "WHAT", default_value_t = WhenTaken::Refuse)]
    pub(crate) when_taken: WhenTaken,
    /// `off` only passes traffic on
    #[arg(long, env = "REENACT_CAPTURE", value_enum, default_value_t = Switch::On)]
    pub(crate) capture: Switch,
    /// What tells users apart, before forwarded and peer addresses: cookie:NAME, header:NAME or claim:NAME of the
    /// JSON Web Token in Authorization: Bearer (repeatable)
    #[arg(long, env = "REENACT_CLIENT_KEY", value_name = "RULE", value_delimiter = ',')]
    pub(crate) client_key: Vec<formats::clients::KeyRule>,
    /// 256-bit key of the pseudonyms, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID [default: random]
    #[arg(long, env = "REENACT_REDACT_KEY", value_name = "REF")]
    pub(crate) redact_key: Option<Reference>,
    /// Share of the clients that are kept, whole ones, the same in every recorder with the same key: 10%
    #[arg(long, env = "REENACT_SAMPLE", value_name = "SHARE")]
    pub(crate) sample: Option<Sample>,
    /// Keep only what one of these describes: 'GET /api/*', '/api/*', host:*.shop or header:NAME=VALUE* (repeatable)
    #[arg(long, env = "REENACT_ONLY", value_name = "FILTER", value_delimiter = ',')]
    pub(crate) only: Vec<Filter>,
    /// Leave out what one of these describes, such as health checks: '/healthz' (repeatable)
    #[arg(long, env = "REENACT_EXCLUDE", value_name = "FILTER", value_delimiter = ',')]
    pub(crate) exclude: Vec<Filter>,
    /// Keep requests that a replay sent, too
    #[arg(long, env = "REENACT_RECORD_REPLAYS")]
    pub(crate) record_replays: bool,
    /// Kept of each body, 0 keeps none; the true length is kept in any case
    #[arg(long, env = "REENACT_BODY_MAX", value_name = "SIZE", default_value = "16MiB", value_parser = units::body_size)]
    pub(crate) body_max: u64,

    /// Memory for traffic that waits to be read; when it is full, traffic goes on and is not captured
    #[arg(long, env = "REENACT_QUEUE_BYTES", value_name = "SIZE", default_value = "64MiB", value_parser = units::size)]
    pub(crate) queue_bytes: u64,
    /// Memory for exchanges that wait to be written; from half of it on they are kept without their bodies
    #[arg(long, env = "REENACT_BACKLOG_BYTES", value_name = "SIZE", default_value = "64MiB", value_parser = units::size)]
    pub(crate) backlog_bytes: u64,
    /// Turn capture off while this process takes more of the processors that it may use, as in 80% [default: never]
    #[arg(long, env = "REENACT_BREAKER_CPU", value_name = "SHARE", value_parser = units::percent)]
    pub(crate) breaker_cpu: Option<u32>,
    /// Turn capture off while this process takes more of the memory that it may use, as in 50% [default: never]
    #[arg(long, env = "REENACT_BREAKER_MEMORY", value_name = "SHARE", value_parser = units::percent)]
    pub(crate) breaker_memory: Option<u32>,
    /// How long capture stays off at least
    #[arg(long, env = "REENACT_BREAKER_PAUSE", value_name = "DURATION", default_value = "30s", value_parser = units::duration)]
    pub(crate) breaker_pause: Duration,

    /// How often what was captured is made durable
    #[arg(long, env = "REENACT_FLUSH_INTERVAL", value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub(crate) flush_interval: Duration,
    /// Whether a flush waits until the disk has it: `flush`, or `never`, when a loss of power may cost more than a second
    #[arg(long, env = "REENACT_FSYNC", value_enum, value_name = "WHEN", default_value_t = Fsync::Flush)]
    pub(crate) fsync: Fsync,
    /// Level of zstd, from 1 (fast) to 22 (small)
    #[arg(long, env = "REENACT_LEVEL", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: i32,
    /// Bytes of exchanges that are compressed together; a flush closes smaller ones
    #[arg(long, env = "REENACT_BLOCK_SIZE", value_name = "SIZE", default_value = "2MiB", value_parser = units::block_size)]
    pub(crate) block_size: u64,
    /// Begin a new segment when this one is larger
    #[arg(long, env = "REENACT_ROTATE_SIZE", value_name = "SIZE", default_value = "1GiB", value_parser = units::size)]
    pub(crate) rotate_size: u64,
    /// Begin a new segment after this
    #[arg(long, env = "REENACT_ROTATE_EVERY", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) rotate_every: Option<Duration>,
    /// Delete the oldest segments when the session is larger; at least --rotate-size
    #[arg(long, env = "REENACT_KEEP_SIZE", value_name = "SIZE", value_parser = units::size)]
    pub(crate) keep_size: Option<u64>,
    /// Delete segments that were closed longer ago; without --rotate-every one is closed after as long
    #[arg(long, env = "REENACT_KEEP_FOR", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) keep_for: Option<Duration>,
    /// Capture nothing while less is free on the disk
    #[arg(long, env = "REENACT_FREE_MIN", value_name = "SIZE", default_value = "256MiB", value_parser = units::size)]
    pub(crate) free_min: u64,
    /// Close the session after this; traffic is passed on
    #[arg(long, env = "REENACT_DURATION", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
    /// Close the session when it is so large; traffic is passed on
    #[arg(long, env = "REENACT_MAX_SIZE", value_name = "SIZE", value_parser = units::size)]
    pub(crate) max_size: Option<u64>,
    /// Close the session after so many exchanges; traffic is passed on
    #[arg(long, env = "REENACT_MAX_EXCHANGES", value_name = "N")]
    pub(crate) max_exchanges: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fsync {
    Flush,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenTaken {
    Refuse,
    Beside,
}
