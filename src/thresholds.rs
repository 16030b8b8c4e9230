//! `--fail-if` and `--budgets`: what fails a run, read and applied before anything is sent.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use replayer::result::RunResult;
use replayer::result::thresholds::{Judged, Threshold};
use replayer::thresholds::{Applied, BUDGETS_BYTES_MAX, Budget, Rule, apply, budgets};

use crate::outcome::Failure;

/// Arguments about thresholds.
#[derive(Debug, Clone, Args)]
pub(crate) struct ThresholdArgs {
    /// Fail (exit code 1) when this holds at the end, as in 'p99(GET /cart) > 300ms' or 'error_rate in any 10s > 5%'
    /// (repeatable; docs/thresholds.md)
    #[arg(long, env = "REENACT_FAIL_IF", value_name = "RULE", help_heading = "Thresholds")]
    pub(crate) fail_if: Vec<String>,
    /// TOML file of such rules, with their names and reasons
    #[arg(long, env = "REENACT_BUDGETS", value_name = "FILE", help_heading = "Thresholds")]
    pub(crate) budgets: Option<PathBuf>,
}

/// Rules that make sense by themselves.
pub(crate) fn check(args: &ThresholdArgs) -> Result<Vec<Budget>, Failure> {
    let rule = |text: &String| {
        let rule = text.parse::<Rule>();
        rule.map(Budget::from).map_err(|error| Failure::of(&error).hint(error.hint()))
    };
    let mut all: Vec<Budget> = args.fail_if.iter().map(rule).collect::<Result<_, _>>()?;
    if let Some(path) = &args.budgets {
        let shown = path.display();
        let mut text = String::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(BUDGETS_BYTES_MAX + 1).read_to_string(&mut text));
        read.map_err(|error| {
            Failure::new(format!("cannot read the budgets {shown}: {error}"))
                .hint("check the path given with --budgets")
        })?;
        if text.len() as u64 > BUDGETS_BYTES_MAX {
            return Err(Failure::new(format!("{shown} is larger than {BUDGETS_BYTES_MAX} bytes"))
                .hint("a file of budgets is a list of rules"));
        }
        let listed = budgets(&text).map_err(|error| {
            Failure::new(format!("{shown}, {error}")).hint("docs/thresholds.md has the form of the file")
        })?;
        // Where a rule stands is said also of what only the sessions tell, such as an endpoint that is not there.
        let place = |line: String| format!("{shown}, {line}");
        all.extend(listed.into_iter().map(|one| Budget { place: one.place.map(place), ..one }));
    }
    Ok(all)
}

/// Rules that make sense for a run with these endpoints.
pub(crate) fn applied<'a>(
    rules: &[Budget],
    endpoints: impl Iterator<Item = (u32, &'a str)> + Clone,
    has_steady: bool,
) -> Result<Vec<Applied>, Failure> {
    apply(rules, endpoints, has_steady).map_err(|error| Failure::of(&error).hint(error.hint()))
}

/// The rules that a result was judged by.
pub(crate) fn of(result: &RunResult) -> Result<Vec<Budget>, Failure> {
    let mut budgets: Vec<Budget> = Vec::new();
    for one in &result.thresholds {
        let rule = one
            .rule
            .parse::<Rule>()
            .map_err(|error| Failure::new(format!("run.json has a threshold of another version: {error}")))?;
        let budget = Budget { rule, name: one.name.clone(), why: one.why.clone(), link: one.link.clone(), place: None };
        // A rule about each endpoint stands there once for each.
        if !budgets.contains(&budget) {
            budgets.push(budget);
        }
    }
    Ok(budgets)
}

/// Whether a threshold failed.
pub(crate) fn failed(result: &RunResult) -> bool {
    result.thresholds.iter().any(|one| one.outcome == Judged::Failed)
}

/// Traces that are named on a terminal.
const TRACES_SHOWN: usize = 1;
/// Thresholds that held and are named on a terminal; those that did not are all named.
const HELD_SHOWN: usize = 10;

/// What a person reads of them, line by line; nothing without any.
pub(crate) fn lines(result: &RunResult) -> Vec<String> {
    let all = &result.thresholds;
    if all.is_empty() {
        return Vec::new();
    }
    let of = |outcome: Judged| all.iter().filter(move |one| one.outcome == outcome);
    let count = |outcome: Judged| of(outcome).count();
    let (held, failed, unknown) = (count(Judged::Held), count(Judged::Failed), count(Judged::CannotTell));
    let mut head = format!("{held} of {} held", all.len());
    if failed > 0 {
        head += &format!(", {failed} FAILED");
    }
    if unknown > 0 {
        head += &format!(", of {unknown} one cannot tell");
    }
    let mut lines = vec![head];
    lines.extend(of(Judged::Failed).map(|one| format!("FAILED {}{}", said(one), look(one))));
    lines.extend(of(Judged::CannotTell).map(|one| format!("? {}", said(one))));
    lines.extend(of(Judged::Held).take(HELD_SHOWN).map(|one| format!("held {}", said(one))));
    if held > HELD_SHOWN {
        lines.push(format!("and {} more that held; run.json has them all", held - HELD_SHOWN));
    }
    lines
}

fn said(one: &Threshold) -> String {
    match &one.name {
        Some(name) => format!("{name}: {}", one.said),
        None => one.said.clone(),
    }
}

/// Where to look first.
fn look(one: &Threshold) -> String {
    let traces: Vec<&str> = one.traces.iter().take(TRACES_SHOWN).map(String::as_str).collect();
    let look = if traces.is_empty() { String::new() } else { format!("; look at trace {}", traces.join(", ")) };
    let why = one.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let link = one.link.as_ref().map(|link| format!("; {link}")).unwrap_or_default();
    format!("{look}{why}{link}")
}
