//! Flags of `reenact record` for whoever operates it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use recorder::listen::Endpoint;

use crate::units;

#[derive(Debug, Args)]
pub(crate) struct OperateArgs {
    /// Address of its own for /livez, /readyz, /metrics and, where it is of loopback or a Unix socket, /recording:
    /// 127.0.0.1:9090 or unix:PATH (repeatable)
    #[arg(long, env = "REENACT_ADMIN", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) admin: Vec<Endpoint>,
    /// How long traffic is passed on, and accepted, after a signal [default: 0s after SIGINT; after SIGTERM until the last
    /// connection has ended, at most 30s]
    #[arg(long, env = "REENACT_DRAIN", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) drain: Option<Duration>,
    /// Socket by which a new process takes over the listeners of the one before, so that no connection is refused
    #[arg(long, env = "REENACT_HANDOVER", value_name = "PATH")]
    pub(crate) handover: Option<PathBuf>,
    /// How long connections may go on after another process has taken over
    #[arg(long, env = "REENACT_DRAIN_MAX", value_name = "DURATION", default_value = "1h", value_parser = units::duration)]
    pub(crate) drain_max: Duration,
}
