//! What a recording needs, checked: everything that can be refused is refused here, before a connection is accepted.

use std::path::PathBuf;
use std::time::Duration;

use recorder::listen::{Endpoint, RelayConfig};

use super::keep::{Keep, Secrecy};
use super::pairs::{self, Pair};
use crate::cli::RecordArgs;
use crate::outcome::Failure;

/// More than any machine has processors for beside what it serves.
const THREADS_MAX: usize = 256;
/// A resolver is not there for one recorder alone.
const LOOK_UP_EVERY_MIN: Duration = Duration::from_millis(10);
/// Longer than any connection lives.
const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What a recording needs, checked.
pub(crate) struct Config {
    pub(super) relay: RelayConfig,
    pub(super) pairs: Vec<Pair>,
    /// What whoever starts this should know, beside what its pairs say.
    pub(super) warnings: Vec<String>,
    pub(super) keep: Option<Keep>,
    pub(super) admin: Vec<Endpoint>,
    pub(super) handover: Option<PathBuf>,
    pub(super) drain: Option<Duration>,
    pub(super) drain_max: Duration,
}

impl Config {
    /// Everything that can be refused is refused here, before a connection is accepted.
    pub(crate) fn check(args: RecordArgs) -> Result<Self, Failure> {
        let pairs = pairs::all(args.pair, args.config.as_deref())?;
        if !(1..=THREADS_MAX).contains(&args.threads) {
            return Err(Failure::new(format!("--threads {} is not from 1 to {THREADS_MAX}", args.threads)).hint(
                "one passes tens of thousands of requests a second; more than there are processors help nobody",
            ));
        }
        if args.handshake_timeout.is_zero() || args.connect_timeout.is_zero() {
            return Err(Failure::new("--handshake-timeout and --connect-timeout must be above zero"));
        }
        if args.look_up_every < LOOK_UP_EVERY_MIN {
            return Err(Failure::new("--look-up-every is at least 10ms").hint("the default is 30s"));
        }
        if args.idle_timeout > IDLE_TIMEOUT_MAX {
            return Err(Failure::new("--idle-timeout is at most 365days").hint("0s never closes an idle connection"));
        }
        let mut warnings = Vec::new();
        if args.keep.sample.is_some() && args.keep.redact_key.is_none() {
            warnings.push(
                "--sample without --redact-key keeps other clients in each recorder, and after each start; give all \
                 recorders of a service one key, as in --redact-key file:PATH"
                    .to_owned(),
            );
        }
        let secrecy = Secrecy { seal: &args.seal, encrypt_to: &args.encrypt_to };
        Ok(Self {
            relay: RelayConfig {
                pairs: pairs.iter().map(|pair| pair.config.clone()).collect(),
                threads: args.threads,
                connect_timeout: args.connect_timeout,
                handshake_timeout: args.handshake_timeout,
                idle_timeout: Some(args.idle_timeout).filter(|longest| !longest.is_zero()),
                look_up_interval: args.look_up_every,
            },
            pairs,
            warnings,
            keep: Keep::check(args.keep, secrecy, args.config.as_deref(), None)?,
            admin: args.operate.admin,
            handover: args.operate.handover,
            drain: args.operate.drain,
            drain_max: args.operate.drain_max,
        })
    }
}
