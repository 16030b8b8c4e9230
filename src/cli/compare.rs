//! Arguments of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::units;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact compare runs/before runs/after             (each a folder of at least two runs of the same plan)
  reenact compare runs/before runs/after --paired    (the first with the first: they were made one after the other)
  reenact compare runs/monday runs/tuesday           (one run a side: differences, and no verdict)
  reenact compare runs/mon runs/tue runs/wed runs/thu   (is it getting slower?)
  reenact compare runs/soak                          (does it get slower while it runs?)
  reenact compare runs/before runs/after --min-effect 10% --fail-on slower --json

Exit codes: 0 nothing that --fail-on names, 1 something of it, 2 runs that cannot be compared, 4 one of them is an
invalid run (the machine that sent was the limit).")]
pub(crate) struct CompareArgs {
    /// Run directories, or folders of them: two are before and after; three and more, in the order in which they were
    /// started, show a trend; one long run shows what changes during it
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// The runs of both sides belong together in pairs, in the order in which they were started
    #[arg(long, env = "REENACT_PAIRED")]
    pub(crate) paired: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
    /// Print everything as JSON
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
}

/// What counts, and what of it is said.
#[derive(Debug, Args)]
pub(crate) struct JudgeArgs {
    /// Smallest change of a response time that matters
    #[arg(long, env = "REENACT_MIN_EFFECT", value_name = "SHARE", default_value = "5%", value_parser = units::share)]
    pub(crate) min_effect: f64,
    /// Smallest change of the share of a status or an error that matters, in parts of all requests of an endpoint
    #[arg(long, env = "REENACT_MIN_CHANGE", value_name = "SHARE", default_value = "0.1%", value_parser = units::share)]
    pub(crate) min_change: f64,
    /// What makes the exit code 1
    #[arg(long, env = "REENACT_FAIL_ON", value_enum, value_name = "WHAT", value_delimiter = ',', default_values_t = [FailOn::Slower, FailOn::Status])]
    pub(crate) fail_on: Vec<FailOn>,
    /// Endpoints that are shown; findings always are
    #[arg(long, env = "REENACT_TOP", value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// The system or an endpoint is slower
    Slower,
    /// The share of a status or of an error changed
    Status,
    /// Memory or CPU of the target's processes rises during one long run (--watch-pid, --watch-prometheus of replay)
    Target,
    /// Nothing
    None,
}
