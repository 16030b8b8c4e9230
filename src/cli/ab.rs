//! Arguments of `ab`.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{JudgeArgs, ReplayArgs};
use crate::units;

/// Most pairs of an experiment.
const PAIRS_MAX: u32 = 1_000;

#[derive(Debug, Args)]
#[command(
    mut_arg("target", |argument| argument.hide(true)),
    mut_arg("map", |argument| argument.hide(true)),
    mut_arg("shard", |argument| argument.hide(true)),
    mut_arg("start_at", |argument| argument.hide(true)),
    mut_arg("reuse_spool", |argument| argument.hide(true)),
    mut_arg("answers", |argument| argument.default_value("all")),
    mut_arg("out", |argument| argument.help("New directory for the experiment; with --resume, the one to go on in [default: experiments/TIME]")),
    mut_arg("output", |argument| argument.help("Beside the page of the comparison (report.html), write it as summary.md (markdown) and junit.xml (junit); csv and openmetrics are of each repeat")),
    mut_arg("json", |argument| argument.help("Print the comparison and what became of the experiment as JSON")),
    after_help = "Every option of `replay` is an option of `ab`; each repeat is such a replay (see docs/ab.md).

Examples:
  reenact ab --before http://old:9000 --after http://new:9000 --allow old,new sessions/monday
  reenact ab --before http://127.0.0.1:9000 --after http://127.0.0.1:9001 sessions/monday --duration 60s --pairs 6..16 \\
      --reset './restore-database.sh' --budget 1h --unsafe-methods send --out experiments/new-runtime
  reenact ab --resume --out experiments/new-runtime …      (the same words again: goes on where it was interrupted)

Exit codes: 0 nothing that --fail-on names, 1 something of it, 2 refused before anything was sent, 3 the experiment ended
early (a target or a reset failed), 4 this machine was the limit, 130 interrupted; what was measured is kept."
)]
pub(crate) struct AbArgs {
    /// The system as it was, a URL
    #[arg(long, env = "REENACT_BEFORE", value_name = "URL", help_heading = "Experiment")]
    pub(crate) before: String,
    /// The system as it is to be, a URL
    #[arg(long, env = "REENACT_AFTER", value_name = "URL", help_heading = "Experiment")]
    pub(crate) after: String,
    /// Pairs of repeats: at least so many, and at most (one number: exactly so many, and no early end)
    #[arg(long, env = "REENACT_PAIRS", value_name = "LEAST..MOST", default_value = "6..16", value_parser = pairs, help_heading = "Experiment")]
    pub(crate) pairs: RangeInclusive<u32>,
    /// Pairs between two looks, from the least on
    #[arg(long, env = "REENACT_LOOK_EVERY", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Experiment")]
    pub(crate) look_every: u32,
    /// What a look may end the experiment for
    #[arg(long, env = "REENACT_END_WHEN", value_enum, default_value_t = EndWhen::Decided, help_heading = "Experiment")]
    pub(crate) end_when: EndWhen,
    /// Pairs of the system before with itself, which come first and tell how much noise there is (0: none)
    #[arg(long, env = "REENACT_AA", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=i64::from(PAIRS_MAX)), help_heading = "Experiment")]
    pub(crate) aa: u32,
    /// Command or URL that is told before each repeat, and puts the system back; the experiment ends when it fails
    #[arg(long, env = "REENACT_RESET", value_name = "COMMAND|URL", help_heading = "Experiment")]
    pub(crate) reset: Option<String>,
    /// For each of these
    #[arg(long, env = "REENACT_RESET_TIMEOUT", value_name = "DURATION", default_value = "10m", value_parser = units::timeout, help_heading = "Experiment")]
    pub(crate) reset_timeout: Duration,
    /// Time for all repeats; no pair is begun that would not fit into it
    #[arg(long, env = "REENACT_BUDGET", value_name = "DURATION", value_parser = units::duration, help_heading = "Experiment")]
    pub(crate) budget: Option<Duration>,
    /// Go on with the experiment in --out
    #[arg(long, env = "REENACT_RESUME", help_heading = "Experiment")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndWhen {
    /// Slower, faster or the same can be said of the whole system and of the median of every endpoint
    Decided,
    /// Something slower, or a status, that --fail-on names was found, or all is decided (answers are compared at the end only)
    Found,
    /// Nothing: all pairs are made
    Never,
}

/// `6..16`, or `8`.
fn pairs(text: &str) -> Result<RangeInclusive<u32>, String> {
    let bad = || format!("`{text}` is no number of pairs from 2 to {PAIRS_MAX}; write it as in 6..16 or 8");
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| bad());
    let (least, most) = match text.split_once("..") {
        Some((least, most)) => (number(least)?, number(most)?),
        None => (number(text)?, number(text)?),
    };
    if least < 2 || least > most || most > PAIRS_MAX { Err(bad()) } else { Ok(least..=most) }
}
