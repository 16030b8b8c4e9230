//! What came of each threshold: failed ones first, each with its sentence.

use super::samples::Links;
use super::text::{NOTHING, count, escape};
use crate::result::RunResult;
use crate::result::thresholds::{Judged, Threshold};
use crate::thresholds::{instant, value};

/// Thresholds that are shown; `run.json` has them all.
const SHOWN_MAX: usize = 500;

/// One row for each threshold; nothing without any.
pub(super) fn thresholds(result: &RunResult, links: &Links<'_>) -> String {
    let all = &result.thresholds;
    if all.is_empty() {
        return String::new();
    }
    let of = |outcome: Judged| all.iter().filter(move |one| one.outcome == outcome);
    let ordered = of(Judged::Failed).chain(of(Judged::CannotTell)).chain(of(Judged::Held));
    let body: String = ordered.take(SHOWN_MAX).map(|one| row(one, links)).collect();
    let more = match all.len().saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        more => format!(" {} more are in run.json.", count(more as u64)),
    };
    let held = of(Judged::Held).count();
    format!(
        r#"<section id="thresholds" aria-labelledby="thresholds-h"><h2 id="thresholds-h">Thresholds</h2><div class="scroll" role="region" aria-label="Table of thresholds" tabindex="0"><table class="thresholds"><caption><span>{held} of {} held.{more}</span></caption><thead><tr><th scope="col">Fails the run</th><th scope="col">Outcome</th><th scope="col">Measured</th><th scope="col">Limit</th><th scope="col">Since</th></tr></thead><tbody>{body}</tbody></table></div></section>"#,
        all.len()
    )
}

fn row(one: &Threshold, links: &Links<'_>) -> String {
    let name = one.name.as_ref().map(|name| format!("{}<br>", escape(name))).unwrap_or_default();
    let (class, mark) = match one.outcome {
        Judged::Failed => (r#" class="bad""#, "▲ "),
        Judged::Held | Judged::CannotTell => ("", ""),
    };
    let why = one.why.as_ref().map(|why| format!(" ({})", escape(why))).unwrap_or_default();
    let traces: String = one.traces.iter().map(|trace| format!(" {}", links.to_trace(trace))).collect();
    let traces = if traces.is_empty() { traces } else { format!(" Look at{traces}.") };
    // What people wrote is a link only where it is a web address.
    let link = match &one.link {
        Some(link) if link.starts_with("https://") || link.starts_with("http://") => {
            format!(r#" <a href="{0}" rel="noreferrer">{0}</a>"#, escape(link))
        }
        Some(link) => format!(" {}", escape(link)),
        None => String::new(),
    };
    let measured = one.measured.map_or(NOTHING.to_owned(), |measured| value(one.unit, measured));
    format!(
        r#"<tr><th scope="row">{name}<code>{}</code><small>{}{why}.{traces}{link}</small></th><td{class}>{mark}{}</td><td>{measured}</td><td>{}</td><td>{}</td></tr>"#,
        escape(&one.rule),
        escape(&one.said),
        one.outcome.words(),
        value(one.unit, one.limit),
        one.since_s.map_or(NOTHING.to_owned(), instant),
    )
}
