//! `summary.md`: what a reviewer reads under a pull request, in GitHub's and GitLab's Markdown.
//!
//! Names from traffic stand in code or are escaped: they make no link, mention nobody and break no table.

use std::collections::BTreeMap;

use formats::visible;

use crate::report::Links;
use crate::result::thresholds::{Judged, Threshold};
use crate::result::{Quantiles, RunResult, total};
use crate::thresholds::{instant, value};
use crate::verdict::Trust;

/// Characters of the whole text: GitHub takes 65,536 in a comment, and others write into it, too.
const CHARS_MAX: usize = 60_000;
/// What is kept of them for the sentence that says that something was cut.
const CUT_CHARS: usize = 200;
/// Endpoints that are shown, most requests first.
const ENDPOINTS_MAX: usize = 20;
/// What stands where nothing was counted, or nobody knows it.
const NOTHING: &str = "–";
/// Characters of a foreign text.
const SHOWN_CHARS_MAX: usize = 300;

/// The result as Markdown.
pub(super) fn markdown(result: &RunResult) -> String {
    let mut parts = vec![headline(result)];
    parts.extend(result.notices.iter().map(|notice| format!("> {}\n", prose(notice))));
    parts.push("\n".to_owned());
    parts.extend(thresholds(&result.thresholds, &Links::of(result)));
    parts.extend(figures(result));
    parts.extend(endpoints(result));
    parts.push(more(result));
    fit(parts)
}

/// As many parts as fit, and a word about the others.
pub(crate) fn fit(parts: Vec<String>) -> String {
    let (mut out, mut chars) = (String::new(), 0);
    let mut left = parts.len();
    for part in parts {
        chars += part.chars().count();
        if chars > CHARS_MAX - CUT_CHARS {
            out += &format!(
                "\n\n**Cut here**: {left} more lines do not fit into a comment. `report.html` has everything.\n"
            );
            break;
        }
        out += &part;
        left -= 1;
    }
    out
}

fn headline(result: &RunResult) -> String {
    let count = |outcome: Judged| result.thresholds.iter().filter(|one| one.outcome == outcome).count();
    let (failed, unknown, all) = (count(Judged::Failed), count(Judged::CannotTell), result.thresholds.len());
    let incomplete = result.recounted.as_ref().map(|of| ("⚠️", format!("incomplete: {}", of.said())));
    let (mark, said) = incomplete.unwrap_or_else(|| match result.verdict.outcome {
        _ if result.interrupted => ("⚠️", "interrupted before its plan ended".to_owned()),
        _ if result.aborted.is_some() => ("❌", "stopped itself".to_owned()),
        Trust::Invalid => ("⚠️", "invalid: the generator, not the target, was the limit".to_owned()),
        _ if failed > 0 => ("❌", format!("failed: {failed} of {all} thresholds did not hold")),
        _ if unknown > 0 => ("⚠️", format!("passed, but of {unknown} of {all} thresholds one cannot tell")),
        _ if all > 0 => ("✅", format!("passed: all {all} thresholds held")),
        Trust::Strained => ("⚠️", "done, strained: the generator was late for some requests".to_owned()),
        Trust::Valid => ("✅", "done".to_owned()),
    });
    let mut out = format!("### {mark} Replay {said}\n\n");
    for reason in &result.verdict.reasons {
        out += &format!("> {}: {}\n", result.verdict.outcome.name(), prose(reason));
    }
    out
}

/// The failed ones in sentences, then all of them in a table.
fn thresholds(all: &[Threshold], links: &Links<'_>) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let failed = all.iter().filter(|one| one.outcome == Judged::Failed);
    let mut parts: Vec<String> = failed.map(|one| format!("- {}{}\n", prose(&told(one)), look(one, links))).collect();
    parts.push("\n| | fails the run | measured | limit | since | look at |\n|---|---|---:|---:|---:|---|\n".to_owned());
    let mut rows: Vec<&Threshold> = all.iter().collect();
    rows.sort_by_key(|one| match one.outcome {
        Judged::Failed => 0,
        Judged::CannotTell => 1,
        Judged::Held => 2,
    });
    parts.extend(rows.into_iter().map(|one| row(one, links)));
    parts
}

fn row(one: &Threshold, links: &Links<'_>) -> String {
    let mark = match one.outcome {
        Judged::Failed => "❌",
        Judged::CannotTell => "❔",
        Judged::Held => "✅",
    };
    let mut rule = code(&one.rule);
    if let (Some(endpoint), true) = (&one.endpoint, one.rule.contains('*')) {
        rule += &format!(" {}", code(endpoint));
    }
    if let Some(name) = &one.name {
        rule = format!("{}<br>{rule}", prose(name));
    }
    let measured = one.measured.map_or(NOTHING.to_owned(), |measured| value(one.unit, measured));
    let since = one.since_s.map_or(String::new(), instant);
    let mut look: Vec<String> = one.traces.iter().take(1).map(|trace| linked(trace, links)).collect();
    look.extend(one.link.iter().map(|link| address(link)));
    format!("| {mark} | {rule} | {measured} | {} | {since} | {} |\n", value(one.unit, one.limit), look.join(" "))
}

/// A trace, as a link where it is known where it opens.
fn linked(trace: &str, links: &Links<'_>) -> String {
    match links.url_of(trace) {
        // The template of a trace's URL has no character that would end this.
        Some(url) => format!("[{}](<{url}>)", code(trace)),
        None => code(trace),
    }
}

/// What people wrote is a link only where it is a web address, and nothing in it ends one.
fn address(link: &str) -> String {
    let is_address = ["https://", "http://"].iter().any(|scheme| link.starts_with(scheme));
    let is_harmless =
        link.len() <= SHOWN_CHARS_MAX && link.chars().all(|c| c.is_ascii_graphic() && !"<>|`\\".contains(c));
    if is_address && is_harmless { format!("<{link}>") } else { prose(link) }
}

/// Where to look first, behind a sentence.
fn look(one: &Threshold, links: &Links<'_>) -> String {
    let trace = one.traces.first().map(|trace| format!("; look at trace {}", linked(trace, links)));
    let link = one.link.as_ref().map(|link| format!("; {}", address(link)));
    trace.into_iter().chain(link).collect()
}

/// The sentence of a threshold, with its name and its reason.
fn told(one: &Threshold) -> String {
    let name = one.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    let why = one.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{name}{}{why}", one.said)
}

/// The sentence of a threshold with everything that people said about it, as plain text.
pub(super) fn said(one: &Threshold) -> String {
    let trace = one.traces.first().map(|trace| format!("; look at trace {trace}")).unwrap_or_default();
    let link = one.link.as_ref().map(|link| format!("; {link}")).unwrap_or_default();
    format!("{}{trace}{link}", told(one))
}

fn figures(result: &RunResult) -> Vec<String> {
    let mut parts =
        vec!["\n| | requests | rate | p50 | p99 | p99.9 | max |\n|---|---:|---:|---:|---:|---:|---:|\n".to_owned()];
    let mut line = |name: &str, requests: String, rate: String, of: &Quantiles| {
        let times = [of.p50, of.p99, of.p999, of.max].map(|us| time(of, us)).join(" | ");
        parts.push(format!("| {name} | {requests} | {rate} | {times} |\n"));
    };
    let rate = |field: &str, per_s: f64| known(result, field, format!("{per_s:.1}/s"));
    let number = |field: &str, count: u64| known(result, field, count.to_string());
    let (achieved, planned) = (rate("rate.achieved", result.rate.achieved), rate("rate.planned", result.rate.planned));
    line("now", number("completed", result.completed), achieved, &result.response_us);
    line("recorded", number("planned", result.planned), planned, &result.recorded_response_us);
    line("lag of the generator", number("dispatched", result.dispatched), String::new(), &result.lag_us);
    let counts = |what: &str, counts: &BTreeMap<String, u64>| {
        let each: Vec<String> = counts.iter().map(|(name, count)| format!("{} {count}", prose(name))).collect();
        (total(counts.values()) > 0).then(|| format!("\n**{what}**: {}\n", each.join(", ")))
    };
    parts.extend(counts("Errors", &result.errors));
    parts.extend(counts("Deliberately not sent", &result.shed));
    parts.extend(counts("Status", &result.status));
    parts
}

/// A figure, or a dash where nobody knows it.
fn known(result: &RunResult, field: &str, said: String) -> String {
    if result.knows(field) { said } else { NOTHING.to_owned() }
}

fn endpoints(result: &RunResult) -> Vec<String> {
    let rows = &result.endpoints;
    if rows.is_empty() {
        return Vec::new();
    }
    let mut parts = vec![
        "\n| endpoint | requests | errors | p50 | p99 | recorded p99 |\n|---|---:|---:|---:|---:|---:|\n".to_owned(),
    ];
    for row in rows.iter().take(ENDPOINTS_MAX) {
        let (now, then) = (&row.response_us, &row.recorded_response_us);
        parts.push(format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            code(&row.endpoint),
            known(result, "completed", row.completed.saturating_add(row.errors).to_string()),
            known(result, "errors", row.errors.to_string()),
            time(now, now.p50),
            time(now, now.p99),
            time(then, then.p99),
        ));
    }
    if let Some(more) = rows.len().checked_sub(ENDPOINTS_MAX).filter(|more| *more > 0) {
        parts.push(format!("\n{more} endpoints with fewer requests are in `report.html`.\n"));
    }
    parts
}

fn more(result: &RunResult) -> String {
    let run = [("run", &result.run_id), ("plan", &result.plan_hash), ("target", &result.target)];
    let run: Vec<String> = run.iter().map(|(name, value)| format!("{name} {}", code(value))).collect();
    format!(
        "\n<sub>{}, {} ({}, {}×, seed {}). Everything is in {} of the run directory.</sub>\n",
        run.join(", "),
        prose(&result.started_at),
        known(result, "duration_s", format!("{:.1} s", result.duration_s)),
        result.multiplier,
        result.seed,
        if result.recounted.is_some() { "`report.html`" } else { "`report.html` and `run.json`" },
    )
}

fn time(of: &Quantiles, us: f64) -> String {
    if of.count == 0 { NOTHING.to_owned() } else { value(crate::result::thresholds::ThresholdUnit::Us, us) }
}

/// Foreign text as code: nothing in it means anything.
pub(crate) fn code(text: &str) -> String {
    let text = shown(text, SHOWN_CHARS_MAX);
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    // In a table a bar ends the cell, also inside of code.
    format!("{fence}{space}{}{space}{fence}", text.replace('|', "\\|"))
}

/// Foreign text among words. A word joiner keeps it from naming people, issues and addresses.
pub(crate) fn prose(text: &str) -> String {
    prose_up_to(SHOWN_CHARS_MAX, text)
}

/// The same, up to so many characters.
pub(crate) fn prose_up_to(chars_max: usize, text: &str) -> String {
    let mut out = String::new();
    for c in shown(text, chars_max).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '!' | '&' | '$') {
            out.push('\\');
        }
        out.push(c);
        if matches!(c, '@' | '#') {
            out.push('\u{2060}');
        }
    }
    out.replace("://", ":\u{2060}//").replace("www.", "www\u{2060}.")
}

fn shown(text: &str, chars_max: usize) -> String {
    let text = visible::line(text);
    match text.char_indices().nth(chars_max) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
