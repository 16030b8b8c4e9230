//! Arguments of `replay` about the built-in trace view.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use crate::units;

#[derive(Debug, Clone, Args)]
pub(crate) struct CollectArgs {
    /// Receive the spans of the services under test here (OTLP over gRPC and HTTP), and say whose time the requests took;
    /// PORT alone is on loopback, port 0 is any that is free (repeatable, as in --collect 4317 --collect 4318)
    #[arg(long, env = "REENACT_COLLECT", value_name = "[ADDR:]PORT", value_delimiter = ',', value_parser = address, help_heading = "Traces")]
    pub(crate) collect: Vec<SocketAddr>,
    /// Memory for the spans that --collect keeps, and for messages while they are read
    #[arg(long, env = "REENACT_COLLECT_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = memory, help_heading = "Traces")]
    pub(crate) collect_memory: u64,
    /// How long --collect waits for late spans when the run is over
    #[arg(long, env = "REENACT_COLLECT_WAIT", value_name = "DURATION", default_value = "10s", value_parser = units::timeout, help_heading = "Traces")]
    pub(crate) collect_wait: Duration,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let bad = |_| format!("`{text}` is no address; write it as in 127.0.0.1:4317, [::1]:4317 or 4317");
    match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse().map_err(bad),
    }
}

fn memory(text: &str) -> Result<u64, String> {
    let bytes = units::size(text)?;
    let least = replayer::collect::MEMORY_BYTES_MIN;
    if bytes < least {
        return Err(format!("the trace view needs at least {}", units::bytes(least)));
    }
    Ok(bytes)
}
