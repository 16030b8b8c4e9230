//! The flags of `reenact record`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::secret::Reference;
use crate::units;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact record --listen 0.0.0.0:8080 --upstream http://127.0.0.1:9000 --out sessions/monday
  reenact record --listen 127.0.0.1:0 --upstream http://127.0.0.1:9000 --out s --client-key cookie:sid
  reenact record … --redact-key file:/run/secrets/redact   (pseudonyms that several recorders share)
  reenact record … --seal age1…                            (secrets that a replay with --identity puts back)
  reenact record --explain-redaction sessions/monday --config reenact.toml

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
    /// Encrypt secrets to this age recipient (age1…, or file:PATH, env:NAME with one a line; repeatable) instead of
    /// replacing them: a replay with the identity puts them back
    #[arg(long, env = "REENACT_SEAL", value_name = "RECIPIENT", value_delimiter = ',')]
    pub(crate) seal: Vec<String>,
    /// Record nothing: say which rule would change what in a session or a file of `reenact cat`, never with a value
    #[arg(long, env = "REENACT_EXPLAIN_REDACTION", value_name = "SESSION|FILE")]
    pub(crate) explain_redaction: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// TOML file whose table `record` has these flags as its keys, with rules in [[redact]]
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}
