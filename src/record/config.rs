//! What a recording needs, checked: everything that can be refused is refused here, before a connection is accepted.

use std::path::PathBuf;
use std::time::Duration;

use recorder::listen::{Endpoint, RelayConfig};

use super::keep::{Keep, Secrecy};
use super::pairs::{self, Pair};
use crate::cli::RecordArgs;
use crate::outcome::Failure;

/// Longer than any connection lives.
const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What a recording needs, checked.
pub(crate) struct Config {
    pub(super) relay: RelayConfig,
    pub(super) pairs: Vec<Pair>,
    pub(super) keep: Option<Keep>,
    pub(super) admin: Option<Endpoint>,
    pub(super) handover: Option<PathBuf>,
    pub(super) drain: Option<Duration>,
    pub(super) drain_max: Duration,
}

impl Config {
    /// Everything that can be refused is refused here, before a connection is accepted.
    pub(crate) fn check(args: RecordArgs) -> Result<Self, Failure> {
        let pairs = pairs::all(args.pair, args.config.as_deref())?;
        if args.threads == 0 || args.handshake_timeout.is_zero() || args.connect_timeout.is_zero() {
            return Err(Failure::new("--threads, --handshake-timeout and --connect-timeout must be above zero"));
        }
        if args.idle_timeout > IDLE_TIMEOUT_MAX {
            return Err(Failure::new("--idle-timeout is at most 365days").hint("0s never closes an idle connection"));
        }
        let secrecy = Secrecy { seal: &args.seal, encrypt_to: &args.encrypt_to };
        Ok(Self {
            relay: RelayConfig {
                pairs: pairs.iter().map(|pair| pair.config.clone()).collect(),
                threads: args.threads,
                connect_timeout: args.connect_timeout,
                handshake_timeout: args.handshake_timeout,
                idle_timeout: Some(args.idle_timeout).filter(|longest| !longest.is_zero()),
            },
            pairs,
            keep: Keep::check(args.keep, secrecy, args.config.as_deref(), None)?,
            admin: args.operate.admin,
            handover: args.operate.handover,
            drain: args.operate.drain,
            drain_max: args.operate.drain_max,
        })
    }
}
