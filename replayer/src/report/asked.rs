//! What was asked for, so that the run can be asked for again.

use super::text::{NOTHING, escape};
use crate::result::RunResult;

/// Options that are shown; `run.json` has them all.
const OPTIONS_MAX: usize = 100;

/// The plan and every option that was given.
pub(super) fn asked(result: &RunResult) -> String {
    let shard = match (result.shard, result.shards.first()) {
        (Some(own), _) => format!("{} of {}", own.number, own.of),
        (None, Some(part)) => format!("{} of {}, merged", result.shards.len(), part.shard.of),
        (None, None) => "all of it".to_owned(),
    };
    let target = result.target.clone();
    let plan = [
        ("plan", result.plan_hash.clone()),
        ("run", result.run_id.clone()),
        ("seed", result.seed.to_string()),
        ("method", result.method.clone()),
        ("loop model", result.loop_model.clone()),
        ("shard", shard),
        ("target", target),
        ("sessions", result.sessions.join(", ")),
    ];
    let plan: Vec<(&str, &str)> = plan.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let options: Vec<(&str, &str)> =
        result.asked.iter().take(OPTIONS_MAX).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let options = if options.is_empty() { String::new() } else { list("Options", &options) };
    format!(
        r#"<section id="asked" aria-labelledby="asked-h"><h2 id="asked-h">What was asked</h2><div class="lists wide">{}{options}</div></section>"#,
        list("Run and plan", &plan)
    )
}

/// A table of names and foreign texts.
pub(crate) fn list(title: &str, rows: &[(&str, &str)]) -> String {
    let row = |(name, value): &(&str, &str)| {
        let value = if value.is_empty() { NOTHING.to_owned() } else { escape(value) };
        format!(r#"<tr><th scope="row">{}</th><td class="asked">{value}</td></tr>"#, escape(name))
    };
    let body: String = rows.iter().map(row).collect();
    format!("<table><caption>{title}</caption><tbody>{body}</tbody></table>")
}
