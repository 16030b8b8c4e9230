//! Arguments of `replay` about what it leaves behind.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use replayer::compared;
use replayer::outputs::Output;

use crate::secret::Reference;
use crate::units;

#[derive(Debug, Clone, Args)]
pub(crate) struct ResultArgs {
    /// New directory for the results [default: runs/RUN-ID]
    #[arg(long, env = "REENACT_OUT", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Also write the result as summary.md (markdown), junit.xml (junit), endpoints.csv and timeline.csv (csv), metrics.txt
    /// (openmetrics); report.html (html) is written in any case, summary.md and junit.xml wherever there are thresholds
    #[arg(
        long,
        env = "REENACT_OUTPUT",
        value_enum,
        value_name = "FORM",
        value_delimiter = ',',
        help_heading = "Results"
    )]
    pub(crate) output: Vec<OutputForm>,
    /// Print the result (run.json) instead of the summary
    #[arg(long, env = "REENACT_JSON")]
    pub(crate) json: bool,
    /// Which requests get a line in requests.jsonl.zst; sampled: one in a hundred and all that failed or were shed, in
    /// requests-sampled.jsonl.zst
    #[arg(long, env = "REENACT_REQUESTS", value_enum, default_value_t = Requests::All, help_heading = "Results")]
    pub(crate) requests: Requests,
    /// What is kept of the answers, as a session in RUN/answers: heads with a digest of each body (digest), the same and
    /// one body in a hundred (sample), or all bodies; credentials are redacted as in a recording
    #[arg(long, env = "REENACT_ANSWERS", value_enum, default_value_t = Answers::Digest, help_heading = "Results")]
    pub(crate) answers: Answers,
    /// Kept of each body; its true length and digest are kept in any case
    #[arg(long, env = "REENACT_ANSWER_BODY_MAX", value_name = "SIZE", default_value = "16MiB", value_parser = units::body_size, help_heading = "Results")]
    pub(crate) answer_body_max: u64,
    /// Key of the pseudonyms in kept answers, by reference [default: a new random one]
    #[arg(long, env = "REENACT_REDACT_KEY", value_name = "REF", help_heading = "Results")]
    pub(crate) redact_key: Option<Reference>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    Markdown,
    Junit,
    Csv,
    #[value(name = "openmetrics")]
    OpenMetrics,
    Html,
}

impl OutputForm {
    /// `None` for the page, which every result has.
    pub(crate) const fn of_run(self) -> Option<Output> {
        match self {
            Self::Markdown => Some(Output::Markdown),
            Self::Junit => Some(Output::Junit),
            Self::Csv => Some(Output::Csv),
            Self::OpenMetrics => Some(Output::OpenMetrics),
            Self::Html => None,
        }
    }

    /// `None` for what a comparison has not.
    pub(crate) const fn of_comparison(self) -> Option<compared::Output> {
        match self {
            Self::Markdown => Some(compared::Output::Markdown),
            Self::Junit => Some(compared::Output::Junit),
            Self::Html => Some(compared::Output::Page),
            Self::Csv | Self::OpenMetrics => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Requests {
    All,
    Sampled,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answers {
    None,
    Digest,
    Sample,
    All,
}
