//! The flags of `reenact record`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

pub(crate) use pair::{PairArgs, ProxyInChoice, ProxyOutChoice};

use crate::secret::Reference;
use crate::units;

mod pair;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact record --listen 0.0.0.0:8080 --upstream http://127.0.0.1:9000 --out sessions/monday
  reenact record --listen 127.0.0.1:0 --upstream http://127.0.0.1:9000 --out s --client-key cookie:sid
  reenact record --listen 0.0.0.0:8443 --tls-cert site.pem --tls-key site.key --upstream https://shop.internal --out s
  reenact record --mode mirror --listen 0.0.0.0:8080 --out s       (what Envoy or nginx mirrors here is recorded)
  reenact record … --redact-key file:/run/secrets/redact   (pseudonyms that several recorders share)

SIGINT and SIGTERM close the session within two seconds; traffic goes on being passed until the last
connection ends or --drain is over.")]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub(crate) pair: PairArgs,
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
    /// For a client's PROXY header and TLS handshake together, and for the upstream's TLS handshake
    #[arg(long, env = "REENACT_HANDSHAKE_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = units::duration)]
    pub(crate) handshake_timeout: Duration,
    /// Close a connection on which no byte moved for so long; 0s never does
    #[arg(long, env = "REENACT_IDLE_TIMEOUT", value_name = "DURATION", default_value = "1h", value_parser = units::duration)]
    pub(crate) idle_timeout: Duration,
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
    /// Encrypt values to an age recipient: not built yet
    #[arg(long, env = "REENACT_SEAL", value_name = "RECIPIENT", hide = true)]
    pub(crate) seal: Option<String>,
    /// Print the summary as JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// TOML file whose table `record` has these flags as its keys, and `[[pair]]` tables more listeners and upstreams
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}
