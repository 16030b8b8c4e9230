//! The flags of `reenact record`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

pub(crate) use keep::{Fsync, KeepArgs, Switch, WhenTaken};
pub(crate) use operate::OperateArgs;
pub(crate) use pair::{PairArgs, ProxyInChoice, ProxyOutChoice};

use crate::units;

mod keep;
mod operate;
mod pair;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact record --listen 0.0.0.0:8080 --upstream http://127.0.0.1:9000 --out sessions/monday
  reenact record --listen 127.0.0.1:0 --upstream http://127.0.0.1:9000 --out s --client-key cookie:sid
  reenact record --listen 0.0.0.0:8443 --tls-cert site.pem --tls-key site.key --upstream https://shop.internal --out s
  reenact record --mode mirror --listen 0.0.0.0:8080 --out s       (what Envoy or nginx mirrors here is recorded)
  reenact record … --redact-key file:/run/secrets/redact   (pseudonyms that several recorders share)
  reenact record … --sample 10% --exclude /healthz --rotate-every 1h --keep-size 50GiB
  reenact record … --admin 127.0.0.1:9090   (then: curl -X POST http://127.0.0.1:9090/recording/stop)
  reenact record … --seal age1…                            (secrets that a replay with --identity puts back)
  reenact record … --encrypt-to age1…         (segments that only who has the identity reads: docs/encrypting.md)
  reenact record --explain-redaction sessions/monday --config reenact.toml

SIGINT and SIGTERM close the session within two seconds; traffic goes on being passed until the last
connection ends or --drain is over.")]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub(crate) pair: PairArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) operate: OperateArgs,
    /// Threads that pass traffic
    #[arg(long, env = "REENACT_THREADS", value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Look up the addresses of the upstream's name again after so long; at once when one of them fails
    #[arg(long, env = "REENACT_LOOK_UP_EVERY", value_name = "DURATION", default_value = "30s", value_parser = units::duration)]
    pub(crate) look_up_every: Duration,
    /// To connect to the upstream, all addresses of its name together
    #[arg(long, env = "REENACT_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = units::duration)]
    pub(crate) connect_timeout: Duration,
    /// For a client's PROXY header and TLS handshake together, and for the upstream's TLS handshake
    #[arg(long, env = "REENACT_HANDSHAKE_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = units::duration)]
    pub(crate) handshake_timeout: Duration,
    /// Close a connection on which no byte moved for so long; 0s never does
    #[arg(long, env = "REENACT_IDLE_TIMEOUT", value_name = "DURATION", default_value = "1h", value_parser = units::duration)]
    pub(crate) idle_timeout: Duration,
    /// Encrypt secrets to this age recipient (age1…, or file:PATH, env:NAME with one a line; repeatable) instead of
    /// replacing them: a replay with the identity puts them back
    #[arg(long, env = "REENACT_SEAL", value_name = "RECIPIENT", value_delimiter = ',')]
    pub(crate) seal: Vec<String>,
    /// Encrypt every segment for this age recipient (age1…, or file:PATH, env:NAME with one a line; repeatable): only who
    /// has the identity reads the session
    #[arg(long, env = "REENACT_ENCRYPT_TO", value_name = "RECIPIENT", value_delimiter = ',')]
    pub(crate) encrypt_to: Vec<String>,
    /// Record nothing: say which rule would change what in a session or a file of `reenact cat`, never with a value
    #[arg(long, env = "REENACT_EXPLAIN_REDACTION", value_name = "SESSION|FILE")]
    pub(crate) explain_redaction: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// TOML file whose table `record` has these flags as its keys, with more listeners in `[[pair]]` and rules in `[[redact]]`
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
