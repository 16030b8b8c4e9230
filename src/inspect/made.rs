//! How a session was made: by whom, of what, under which rules.

use formats::session::{Edit, Redaction, Session, Source};

use super::text::Lines;
use crate::units;

pub(super) fn made(session: &Session, lines: &mut Lines) {
    let header = session.header();
    let when = units::rfc3339_seconds(header.started_unix_ns);
    match (&header.listen, &header.upstream) {
        (Some(listen), Some(upstream)) => lines.line("recorded", &format!("{when} at {listen} before {upstream}")),
        _ if header.started_unix_ns > 0 => lines.line("begins", &when),
        _ => {}
    }
    let id = if header.session_id.is_empty() { String::new() } else { format!(", session {}", header.session_id) };
    let segments = units::plural(session.segments().len() as u64, "segment");
    lines.line("by", &format!("{}{id}, {segments}", header.created_by));
    header.history.iter().for_each(|step| lines.line("made", &step_text(step)));
    if session.is_encrypted() {
        lines.line("encrypted", "to age recipients");
    }
    if let Some(redaction) = &header.redaction {
        lines.line("redacted", &redaction_text(redaction));
    }
    if header.sealing.is_some() {
        lines.line("sealed", "values are encrypted to age recipients; replay --identity opens them");
    }
    if !header.client_keys.is_empty() {
        lines.line("clients by", &header.client_keys.join(", "));
    }
    if let Some(millionths) = header.sample_millionths {
        lines.line("sample", &sample_text(millionths));
    }
    for (name, filters) in [("only", &header.only), ("excluded", &header.exclude)] {
        if !filters.is_empty() {
            lines.line(name, &filters.join("; "));
        }
    }
}

/// One step of a session's history, with what its sources say of themselves.
fn step_text(step: &Edit) -> String {
    let part = step.part.as_ref().map_or_else(String::new, |part| format!(" (part {part})"));
    let options = if step.options.is_empty() { String::new() } else { format!(": {}", step.options.join(" ")) };
    let sources: Vec<String> = step.sources.iter().map(source_text).collect();
    let of = if sources.is_empty() { String::new() } else { format!(" of {}", sources.join(" and ")) };
    format!("by {}{part}{of}{options}", step.by)
}

fn source_text(source: &Source) -> String {
    let mut facts = vec![source.created_by.clone()];
    if source.started_unix_ns > 0 {
        facts.push(units::rfc3339_seconds(source.started_unix_ns));
    }
    facts.extend(source.redaction.as_ref().map(|redaction| format!("redacted: {}", redaction_text(redaction))));
    facts.extend(source.sample_millionths.map(|millionths| format!("sample: {}", sample_text(millionths))));
    for (name, filters) in [("only", &source.only), ("excluded", &source.exclude)] {
        if !filters.is_empty() {
            facts.push(format!("{name}: {}", filters.join("; ")));
        }
    }
    facts.retain(|fact| !fact.is_empty());
    format!("session {} ({})", source.session_id, facts.join(", "))
}

fn redaction_text(redaction: &Redaction) -> String {
    let own = match redaction.rules.len() {
        0 => String::new(),
        some => format!(", {}", units::plural(some as u64, "own rule")),
    };
    format!("{} headers{own}, key {}", redaction.headers.len(), redaction.key_id)
}

fn sample_text(millionths: u32) -> String {
    format!("{}.{:04} % of the clients", millionths / 10_000, millionths % 10_000)
}
