//! Arguments of `replay` about watching the target.

use clap::Args;
use replayer::watched::Source;

#[derive(Debug, Clone, Args)]
pub(crate) struct WatchArgs {
    /// Watch memory and CPU of this process of the target, on this machine (repeatable)
    #[arg(long, env = "REENACT_WATCH_PID", value_name = "PID", value_delimiter = ',', help_heading = "Target")]
    pub(crate) watch_pid: Vec<u32>,
    /// The same of a service that says it to Prometheus, as in http://staging:9000/metrics (repeatable)
    #[arg(long, env = "REENACT_WATCH_PROMETHEUS", value_name = "URL", value_delimiter = ',', value_parser = Source::page, help_heading = "Target")]
    pub(crate) watch_prometheus: Vec<Source>,
}

impl WatchArgs {
    pub(crate) fn sources(&self) -> Vec<Source> {
        let processes = self.watch_pid.iter().map(|id| Source::Process(*id));
        processes.chain(self.watch_prometheus.iter().cloned()).collect()
    }
}
