//! Arguments of `replay` about watching it while it goes on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::units;

#[derive(Debug, Clone, Args)]
pub(crate) struct LiveArgs {
    /// How the run is shown on standard error: a dashboard, a line now and then, or neither; auto: a dashboard on a
    /// terminal, else lines
    #[arg(long, env = "REENACT_PROGRESS", value_enum, default_value_t = Progress::Auto, help_heading = "Watching")]
    pub(crate) progress: Progress,
    /// Between two lines of --progress line
    #[arg(long, env = "REENACT_PROGRESS_EVERY", value_name = "DURATION", default_value = "10s", value_parser = every, help_heading = "Watching")]
    pub(crate) progress_every: Duration,
    /// Write a line of JSON for each second of the run into this new file or pipe; - is standard output, which then has
    /// nothing else
    #[arg(long, env = "REENACT_JSON_STREAM", value_name = "FILE", help_heading = "Watching")]
    pub(crate) json_stream: Option<PathBuf>,
    /// Serve the run's metrics for Prometheus here, at /metrics; PORT alone is on loopback, port 0 is any that is free
    #[arg(long, env = "REENACT_PROMETHEUS", value_name = "[ADDR:]PORT", value_parser = address, help_heading = "Watching")]
    pub(crate) prometheus: Option<SocketAddr>,
    /// Take orders on this Unix socket, which only its owner may use: pause, resume, scale FACTOR, drain, quit, status
    #[arg(long, env = "REENACT_CONTROL", value_name = "SOCKET", help_heading = "Watching")]
    pub(crate) control: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    Auto,
    Dashboard,
    Line,
    None,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let bad = |_| format!("`{text}` is no address; write it as in 127.0.0.1:9464, [::1]:9464 or 9464");
    match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse().map_err(bad),
    }
}

fn every(text: &str) -> Result<Duration, String> {
    let every = units::duration(text)?;
    if every < Duration::from_secs(1) { Err("a line comes once a second at most".to_owned()) } else { Ok(every) }
}
