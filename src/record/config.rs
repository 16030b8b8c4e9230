//! What a recording needs, checked: everything that can be refused is refused here, before a connection is accepted.

use std::path::PathBuf;
use std::time::Duration;

use formats::redact::RedactionKey;
use formats::wire::Limits;
use recorder::listen::RelayConfig;
use recorder::tap::TapLimits;

use super::pairs::{self, Pair};
use crate::cli::{RecordArgs, Switch};
use crate::outcome::Failure;
use crate::{secret, units};

/// Longer than any connection lives.
const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What a recording needs, checked.
pub(crate) struct Config {
    pub(super) relay: RelayConfig,
    pub(super) pairs: Vec<Pair>,
    pub(super) out: Option<PathBuf>,
    pub(super) drain: Option<Duration>,
    pub(super) tap: TapLimits,
    pub(super) limits: Limits,
    pub(super) flush_interval_ns: u64,
    pub(super) record_replays: bool,
    pub(super) key: RedactionKey,
    pub(super) rules: Vec<formats::clients::KeyRule>,
}

impl Config {
    /// Everything that can be refused is refused here, before a connection is accepted.
    pub(crate) fn check(args: RecordArgs) -> Result<Self, Failure> {
        let needs = |flag: &str, example: &str| {
            Failure::new(format!("a recording needs {flag}")).hint(format!("as in {flag} {example}"))
        };
        if args.seal.is_some() {
            return Err(Failure::not_built("--seal"));
        }
        let pairs = pairs::all(args.pair, args.config.as_deref())?;
        let capture = args.capture == Switch::On;
        let out = match (capture, args.out) {
            (true, None) => return Err(needs("--out", "sessions/monday")),
            (true, out) => out,
            (false, _) => None,
        };
        if args.threads == 0 || args.flush_interval.is_zero() {
            return Err(Failure::new("--threads and --flush-interval must be above zero"));
        }
        if args.handshake_timeout.is_zero() || args.connect_timeout.is_zero() {
            return Err(Failure::new("--handshake-timeout and --connect-timeout must be above zero"));
        }
        if args.idle_timeout > IDLE_TIMEOUT_MAX {
            return Err(Failure::new("--idle-timeout is at most 365days").hint("0s never closes an idle connection"));
        }
        let key = secret::redaction_key(args.redact_key.as_ref())?;
        Ok(Self {
            relay: RelayConfig {
                pairs: pairs.iter().map(|pair| pair.config.clone()).collect(),
                threads: args.threads,
                connect_timeout: args.connect_timeout,
                handshake_timeout: args.handshake_timeout,
                idle_timeout: Some(args.idle_timeout).filter(|longest| !longest.is_zero()),
            },
            pairs,
            out,
            drain: args.drain,
            tap: TapLimits { queue_bytes_max: to_usize(args.queue_bytes), ..TapLimits::default() },
            limits: Limits { body_bytes_max: to_usize(args.body_max), ..Limits::default() },
            flush_interval_ns: units::nanos(args.flush_interval),
            record_replays: args.record_replays,
            key,
            rules: args.client_key,
        })
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
