//! The head of the page: what ran, what a reader must know first, and the figures for those who have ten seconds.

use super::text::{NOTHING, count, escape, quantile, rate, round_number, share, span};
use crate::result::{Quantiles, RunResult, total};
use crate::verdict::Trust;

/// Sessions that are named; of more, only how many.
const SESSIONS_MAX: usize = 3;
/// Lengths from this on are said in hours and minutes.
const DURATION_IN_SECONDS_MAX: f64 = 300.0;
/// Digits of the plan's hash that are shown.
const HASH_SHOWN: usize = 12;

/// Target, instant, plan, and the notices.
pub(super) fn header(result: &RunResult) -> String {
    let hash: String = result.plan_hash.chars().take(HASH_SHOWN).collect();
    let facts = [
        ("Started", when(&result.started_at)),
        ("Ran for", if result.knows("duration_s") { duration(result.duration_s) } else { String::new() }),
        ("Method", result.method.clone()),
        ("Seed", result.seed.to_string()),
        ("Plan", hash),
        ("Run", result.run_id.clone()),
        ("Sessions", sessions(&result.sessions)),
    ];
    let facts: String = facts.iter().map(|(name, value)| fact(name, value)).collect();
    let interrupted =
        result.interrupted.then_some("Interrupted before the plan ended: the figures cover what was done until then.");
    let notices: String =
        interrupted.into_iter().chain(result.notices.iter().map(String::as_str)).map(notice).collect();
    let notices = if notices.is_empty() {
        String::new()
    } else {
        format!(r#"<ul class="notices" aria-label="Notices">{notices}</ul>"#)
    };
    format!(
        r#"<header><p class="brand">reenact <span>replay report</span></p><h1>{}× the recording against <span class="target">{}</span></h1>{}<dl class="facts">{facts}</dl>{notices}</header>"#,
        round_number(result.multiplier),
        escape(&result.target),
        verdict(result),
    )
}

/// Whether the rest of the page can be believed, and why not.
fn verdict(result: &RunResult) -> String {
    let outcome = result.verdict.outcome;
    let said = match outcome {
        Trust::Valid if result.recounted.is_some() => "as far as it was counted the generator kept up",
        Trust::Valid => "the generator kept up; what is slow here is the target",
        Trust::Strained => "the generator was late for some requests; doubt the tail of the times",
        Trust::Invalid if !result.knows("settled") => "nothing was counted; this says nothing about the target",
        Trust::Invalid => "the generator, not the target, was the limit; do not compare these figures",
    };
    let sentence = sentence(result);
    let incomplete = match &result.recounted {
        Some(of) => format!("<dd>▲ Incomplete: {}.</dd>", escape(&of.said())),
        None => String::new(),
    };
    let reasons: String = result.verdict.reasons.iter().map(|reason| format!("<dd>{}</dd>", escape(reason))).collect();
    let merged = match result.shards.first() {
        Some(part) => format!("<dd>Merged from {} of {} shards.</dd>", result.shards.len(), part.shard.of),
        None => String::new(),
    };
    let name = outcome.name();
    let mark = if outcome == Trust::Valid { "✓" } else { "▲" };
    format!(
        r#"<dl class="verdict {name}" aria-label="Verdict"><dt>{mark} {name}<span>{said}</span></dt>{incomplete}<dd class="sentence">{sentence}</dd>{reasons}{merged}</dl>"#
    )
}

/// What the run came to, for those who read one sentence.
fn sentence(result: &RunResult) -> String {
    let failed = total(result.errors.values());
    let (now, then, lag) = (&result.response_us, &result.recorded_response_us, &result.lag_us);
    if !result.knows("settled") {
        return format!("{} requests were planned, and nobody knows what came of them.", count(result.planned));
    }
    if now.count == 0 {
        return format!("{} requests were planned, and nothing came of any.", count(result.planned));
    }
    let factor = now.p99 / then.p99;
    let than = match then.count > 0 && factor.is_finite() {
        true => format!(" ({factor:.2} times what was recorded)"),
        false => String::new(),
    };
    if !result.knows("completed") {
        return format!(
            "Of {} planned requests {} left, 99 % of them at most {} late; 99 % were over within {}{than}. How they were answered, and how many failed, nobody knows.",
            known(result, "planned", result.planned),
            count(result.dispatched),
            quantile(lag, lag.p99),
            quantile(now, now.p99),
        );
    }
    let failed = match failed {
        0 => "none failed".to_owned(),
        some => format!("{} failed", count(some)),
    };
    format!(
        "{} of {} planned requests were sent, 99 % of them at most {} late; 99 % were over within {}{than}, and {failed}.",
        count(result.sent),
        known(result, "planned", result.planned),
        quantile(lag, lag.p99),
        quantile(now, now.p99),
    )
}

/// A count, or a dash where nobody knows it.
fn known(result: &RunResult, field: &str, value: u64) -> String {
    if result.knows(field) { count(value) } else { NOTHING.to_owned() }
}

/// The headline figures.
pub(super) fn figures(result: &RunResult) -> String {
    let [failed, shed, dropped, rejected] =
        [&result.errors, &result.shed, &result.spans.dropped, &result.spans.rejected]
            .map(|counts| total(counts.values()));
    let (now, then, lag) = (&result.response_us, &result.recorded_response_us, &result.lag_us);
    let of_planned = |field: &str, part: u64| match result.knows(field) && result.knows("planned") {
        true => format!("{} of planned", share(part, result.planned)),
        false => NOTHING.to_owned(),
    };
    let never_sent = match shed {
        0 => of_planned("sent", result.sent),
        shed => format!("{} shed", count(shed)),
    };
    let rate_of = |field: &str, per_s: f64| match result.knows(field) {
        true => format!("{}/s", rate(per_s)),
        false => NOTHING.to_owned(),
    };
    let planned_rate = rate_of("rate.planned", result.rate.planned);
    let spans_lost = match (dropped, rejected) {
        _ if !result.knows("spans") => NOTHING.to_owned(),
        (0, 0) => "none dropped".to_owned(),
        (dropped, 0) => format!("{} dropped", count(dropped)),
        (dropped, rejected) => format!("{} rejected, {} dropped", count(rejected), count(dropped)),
    };
    let rows = [
        Figure::plain("Planned", known(result, "planned", result.planned), planned_rate.clone()),
        Figure { bad: shed > 0, ..Figure::plain("Sent", known(result, "sent", result.sent), never_sent) },
        Figure::plain(
            "Completed",
            known(result, "completed", result.completed),
            of_planned("completed", result.completed),
        ),
        Figure {
            bad: failed > 0,
            ..Figure::plain("Failed", known(result, "errors", failed), of_planned("errors", failed))
        },
        Figure::plain(
            "Rate achieved",
            rate_of("rate.achieved", result.rate.achieved),
            format!("planned {planned_rate}"),
        ),
        Figure::plain("Response time p50", quantile(now, now.p50), beside(now, then, |of| of.p50)),
        Figure::plain("Response time p99", quantile(now, now.p99), beside(now, then, |of| of.p99)),
        Figure::plain("Lag p99", quantile(lag, lag.p99), format!("max {}", quantile(lag, lag.max))),
        Figure {
            bad: dropped > 0 || rejected > 0,
            ..Figure::plain("Spans exported", known(result, "spans", result.spans.exported), spans_lost)
        },
        Figure::plain(
            "Connections",
            known(result, "connections", result.connections.opened),
            format!("peak {} open at once", known(result, "connections", result.connections.peak)),
        ),
    ];
    let rows: String = rows.iter().map(Figure::html).collect();
    format!(r#"<dl class="figures" aria-label="Headline figures">{rows}</dl>"#)
}

/// One figure with what puts it into proportion.
struct Figure {
    name: &'static str,
    value: String,
    note: String,
    /// Whether the note is something that should not be.
    bad: bool,
}

impl Figure {
    fn plain(name: &'static str, value: String, note: String) -> Self {
        Self { name, value, note, bad: false }
    }

    fn html(&self) -> String {
        let Self { name, value, note, bad } = self;
        let (class, mark) = if *bad { (r#" class="bad""#, "▲ ") } else { ("", "") };
        format!(r#"<div{class}><dt>{name}</dt><dd>{value}<small>{mark}{note}</small></dd></div>"#)
    }
}

/// The recording's own figure, and how many times as long it takes now.
fn beside(now: &Quantiles, then: &Quantiles, pick: fn(&Quantiles) -> f64) -> String {
    if then.count == 0 {
        return format!("recorded {NOTHING}");
    }
    let factor = pick(now) / pick(then);
    let factor = if now.count > 0 && factor.is_finite() { format!(" (now {factor:.2}×)") } else { String::new() };
    format!("recorded {}{factor}", quantile(then, pick(then)))
}

fn fact(name: &str, value: &str) -> String {
    let value = if value.is_empty() { NOTHING } else { value };
    format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value))
}

fn notice(text: &str) -> String {
    format!("<li>{}</li>", escape(text))
}

/// `2026-11-24T12:50:59.123Z` as `2026-11-24 12:50:59 UTC`; what looks otherwise is left alone.
fn when(rfc3339: &str) -> String {
    let (Some((date, time)), true) = (rfc3339.split_once('T'), rfc3339.ends_with('Z')) else {
        return rfc3339.to_owned();
    };
    let seconds = time.split(['.', 'Z']).next().unwrap_or(time);
    format!("{date} {seconds} UTC")
}

/// `61.4 s`, and from some minutes on `8 h 20 min 1 s`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of a length, for people")]
fn duration(seconds: f64) -> String {
    if seconds < DURATION_IN_SECONDS_MAX { format!("{} s", rate(seconds)) } else { span(seconds.round() as u64) }
}

fn sessions(paths: &[String]) -> String {
    let named = paths.iter().take(SESSIONS_MAX).cloned().collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(SESSIONS_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
