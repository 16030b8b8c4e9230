//! Arguments of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use replayer::compared::Output;
use replayer::compared::questions::Concern;
use replayer::report::TraceUrl;

use crate::secret::Reference;
use crate::units;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reenact compare runs/before runs/after             (each a folder of at least two runs of the same plan)
  reenact compare runs/before runs/after --paired    (the first with the first: they were made one after the other)
  reenact compare runs/monday runs/tuesday           (one run a side: differences, and no verdict)
  reenact compare runs/mon runs/tue runs/wed runs/thu   (is it getting slower?)
  reenact compare runs/soak                          (does it get slower while it runs?)
  reenact compare runs/before runs/after --min-effect 10% --fail-on slower --json
  reenact compare sessions/monday runs/monday        (a run and the recording that it sent again)
  reenact compare sessions/eu sessions/us runs/both --identity file:key.txt     (of several sessions, also encrypted ones)
  reenact compare --learn rules.toml runs/one runs/same-again
  reenact compare runs/before runs/after --rules rules.toml --fail-on body,header,status
  reenact compare runs/before runs/after --out compared --output html,markdown,junit

Exit codes: 0 nothing that --fail-on names, or rules that --learn wrote, whatever differs; 1 something that --fail-on names;
2 runs that cannot be compared; 4 one of them is an invalid run (the machine that sent was the limit).")]
pub(crate) struct CompareArgs {
    /// Run directories, or folders of them: two are before and after (before may also be the session that was recorded, or
    /// all sessions that the run sent together); three and more, in the order in which they were started, show a trend; one
    /// long run shows what changes during it
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// TOML file with these options, as the table `compare`
    #[arg(long, env = "REENACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The runs of both sides belong together in pairs, in the order in which they were started
    #[arg(long, env = "REENACT_PAIRED")]
    pub(crate) paired: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
    #[command(flatten)]
    pub(crate) answers: AnswersArgs,
    /// Directory for the page of the comparison (report.html), and for what --output names; files of an earlier comparison
    /// are replaced
    #[arg(long, env = "REENACT_OUT", value_name = "DIR", help_heading = "Results")]
    pub(crate) out: Option<PathBuf>,
    /// What is written into --out: report.html (html), summary.md for a pull request (markdown), junit.xml with a test for
    /// each question (junit) [default: html]
    #[arg(
        long,
        env = "REENACT_OUTPUT",
        value_enum,
        value_name = "FORM",
        value_delimiter = ',',
        help_heading = "Results"
    )]
    pub(crate) output: Vec<ComparisonForm>,
    /// Print everything as JSON (docs/compare.schema.json)
    #[arg(long, env = "REENACT_JSON", help_heading = "Results")]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComparisonForm {
    Html,
    Markdown,
    Junit,
}

impl From<ComparisonForm> for Output {
    fn from(form: ComparisonForm) -> Self {
        match form {
            ComparisonForm::Html => Self::Page,
            ComparisonForm::Markdown => Self::Markdown,
            ComparisonForm::Junit => Self::Junit,
        }
    }
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
    /// Differences between answers that mean nothing, as a TOML file of `rule` tables (docs/comparing.md)
    #[arg(long, env = "REENACT_RULES", value_name = "FILE", help_heading = "Answers")]
    pub(crate) rules: Option<PathBuf>,
    /// Endpoints that are shown; findings always are
    #[arg(long, env = "REENACT_TOP", value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
}

/// What is done with what the answers say.
#[derive(Debug, Args)]
pub(crate) struct AnswersArgs {
    /// Print the rules that hold without --rules, and do nothing else
    #[arg(long, env = "REENACT_PRINT_RULES", help_heading = "Answers")]
    pub(crate) print_rules: bool,
    /// Both sides are the same system: propose rules for what differs all the same, in a new file
    #[arg(long, env = "REENACT_LEARN", value_name = "FILE", help_heading = "Answers")]
    pub(crate) learn: Option<PathBuf>,
    /// age identities that open encrypted sessions, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_IDENTITY", value_name = "REF", help_heading = "Answers")]
    pub(crate) identity: Option<Reference>,
    /// Where traces open: a URL with {trace_id} in it, perhaps {span_id}, {start_ms}, {end_ms} [default: what each run says]
    #[arg(long, env = "REENACT_TRACE_URL", value_name = "TEMPLATE", help_heading = "Answers")]
    pub(crate) trace_url: Option<TraceUrl>,
    /// Directory for answers of two sides that do not fit into memory [default: the system's temporary folder]
    #[arg(long, env = "REENACT_SPOOL", value_name = "DIR", help_heading = "Answers")]
    pub(crate) spool: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// The system or an endpoint is slower
    Slower,
    /// The share of a status or of an error changed, or other requests are answered with it
    Status,
    /// Memory or CPU of the target's processes rises during one long run (--watch-pid, --watch-prometheus of replay)
    Target,
    /// Bodies or trailers of answers differ by more than noise and rules say
    Body,
    /// Header fields or cookies of answers do
    Header,
    /// Nothing
    None,
}

impl FailOn {
    pub(crate) const fn concern(self) -> Option<Concern> {
        match self {
            Self::Slower => Some(Concern::Slower),
            Self::Status => Some(Concern::Status),
            Self::Target => Some(Concern::Target),
            Self::Body => Some(Concern::Body),
            Self::Header => Some(Concern::Header),
            Self::None => None,
        }
    }
}
