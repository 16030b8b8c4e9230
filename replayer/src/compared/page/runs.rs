//! The runs, and what was asked, so that the same can be asked again.

use crate::compare::side::Run;
use crate::compared::{Asked, Compared};
use crate::report::asked::list;
use crate::report::text::{count, escape, rate, round_number};
use crate::verdict::Trust;

/// Runs that are shown, of each side.
const RUNS_MAX: usize = 20;
/// Digits of a plan's hash.
const HASH_SHOWN: usize = 12;

pub(super) fn runs(of: Compared<'_>) -> String {
    let all = of.runs();
    let (mut body, mut left) = (String::new(), 0);
    for side in ["before", "after", ""] {
        let of_side: Vec<&Run> = all.iter().filter(|(name, _)| *name == side).map(|(_, run)| *run).collect();
        left += of_side.len().saturating_sub(RUNS_MAX);
        body.extend(of_side.iter().take(RUNS_MAX).map(|run| row(side, run)));
    }
    let more = match left {
        0 => String::new(),
        more => format!(" {} more runs are in what --json prints.", count(more as u64)),
    };
    format!(
        r#"<section id="runs" aria-labelledby="runs-h"><h2 id="runs-h">Runs</h2><div class="scroll" role="region" aria-label="Table of runs" tabindex="0"><table class="runs named"><caption><span>In the order in which they were started.{more}</span></caption><thead><tr><th scope="col" class="text">Run</th><th scope="col" class="text">side</th><th scope="col" class="text">started</th><th scope="col" class="text">target</th><th scope="col" class="text">plan</th><th scope="col" class="text">seed</th><th scope="col">requests</th><th scope="col">rate</th><th scope="col" class="text">generator</th></tr></thead><tbody>{body}</tbody></table></div></section>"#
    )
}

fn row(side: &str, run: &Run) -> String {
    let result = &run.result;
    let requests: usize = run.latencies.endpoints.iter().map(crate::compare::latency::Series::len).sum();
    let hash: String = result.plan_hash.chars().take(HASH_SHOWN).collect();
    let (class, trust) = match (&run.recording, result.verdict.outcome) {
        (Some(_), _) => ("", "recorded".to_owned()),
        (None, Trust::Valid) => ("", "✓ valid".to_owned()),
        (None, other) => (
            r#" class="bad""#,
            format!("▲ {}<br><small>{}</small>", other.name(), escape(&result.verdict.reasons.join("; "))),
        ),
    };
    format!(
        r#"<tr><th scope="row">{}<br><small>{}</small></th><td>{side}</td><td>{}</td><td>{}</td><td>{}</td><td>{}, {}×</td><td class="number">{}</td><td class="number">{}/s</td><td{class}>{trust}</td></tr>"#,
        escape(&run.path.display().to_string()),
        escape(&result.run_id),
        escape(&result.started_at),
        escape(&result.target),
        escape(&hash),
        result.seed,
        round_number(result.multiplier),
        count(requests as u64),
        rate(result.rate.achieved),
    )
}

/// The options of the comparison.
pub(super) fn asked(asked: &Asked<'_>) -> String {
    let rows: Vec<(&str, &str)> = asked.options.iter().map(|(name, value)| (*name, value.as_str())).collect();
    format!(
        r#"<section id="asked" aria-labelledby="asked-h"><h2 id="asked-h">What was asked</h2><div class="lists wide">{}</div></section>"#,
        list("Options", &rows)
    )
}
