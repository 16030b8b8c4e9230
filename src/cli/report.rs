//! Arguments of `report`.

use std::path::PathBuf;

use clap::Args;
use replayer::report::TraceUrl;

use super::OutputForm;
use crate::thresholds::ThresholdArgs;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact report runs/monday-3x                                  (writes its report.html again)
  reenact report runs/monday-3x --trace-url 'https://jaeger.example/trace/{trace_id}'
  reenact report runs/shard-1 runs/shard-2 --out runs/whole      (run.json and report.html of the whole plan)
  reenact report runs/monday-3x --budgets budgets.toml --output markdown,junit
  reenact report runs/monday-3x --fail-if 'p99(GET /cart) > 300ms'   (judges a run that is over by other rules)

Exit codes: 0 done, 1 a threshold failed or a merged run stopped itself, 2 directories that do not fit together, 3 merged
with shards missing (--partial) or read from what an unfinished run left, 4 merged, and the whole run is invalid,
130 a merged run was interrupted.")]
pub(crate) struct ReportArgs {
    /// Run directories, or the run.json in them: one run, or the shards of one plan
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// New directory for the result of the whole plan
    #[arg(long, env = "REENACT_OUT", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Merge although shards are missing, and say so (exit code 3)
    #[arg(long, env = "REENACT_PARTIAL")]
    pub(crate) partial: bool,
    /// Where a trace opens from the page: a URL with {trace_id} in it, perhaps {span_id}, {start_ms}, {end_ms} [default:
    /// the run's]
    #[arg(long, env = "REENACT_TRACE_URL", value_name = "TEMPLATE")]
    pub(crate) trace_url: Option<TraceUrl>,
    #[command(flatten)]
    pub(crate) thresholds: ThresholdArgs,
    /// Also write the result as summary.md (markdown), junit.xml (junit), endpoints.csv and timeline.csv (csv), metrics.txt
    /// (openmetrics); report.html (html) is written in any case, summary.md and junit.xml wherever there are thresholds, and
    /// summary.md also of a run that left no result
    #[arg(long, env = "REENACT_OUTPUT", value_enum, value_name = "FORM", value_delimiter = ',')]
    pub(crate) output: Vec<OutputForm>,
    /// Print the result (run.json) instead of the summary
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// TOML file whose table `report` has these flags as its keys
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
