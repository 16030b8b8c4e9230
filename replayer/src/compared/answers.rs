//! What the answers say, in sentences: causes, and what could not be compared.
//!
//! Endpoints and places stand in them as traffic wrote them; values are shown on one line, and cut.

use std::collections::BTreeSet;

use formats::visible;

use super::words::{self, Said, Thing, count, percent};
use crate::compare::answers::Answers;
use crate::compare::answers::findings::{At, Finding, Word};
use crate::differ::Kind;

/// Characters of a value that are shown.
const VALUE_CHARS: usize = 80;
/// Characters of a place.
const PLACE_CHARS: usize = 200;
/// What all requests with a finding share: so many of it are named.
const SHARED_MAX: usize = 4;
/// Endpoints that a finding names.
const NAMED_MAX: usize = 3;

/// `1,440 pairs across sides, 960 within a side; 1,440 with both bodies; 12 differ`
#[must_use]
pub fn compared(of: &Answers) -> String {
    let mut line = format!("{} pairs across sides", count(of.pairs));
    if of.within_pairs > 0 {
        line += &format!(", {} within a side", count(of.within_pairs));
    }
    line + &format!(", {} with both bodies; {} differ", count(of.with_bodies), count(of.different))
}

/// Whether answers differ by more than noise.
#[must_use]
pub fn has_changes(of: &Answers) -> bool {
    of.findings.iter().any(|finding| finding.word.is_change())
}

/// Both statuses of each change of one, with each of its endpoints.
pub(super) fn statuses(of: &Answers) -> BTreeSet<(&str, String)> {
    let mut all = BTreeSet::new();
    for finding in of.findings.iter().filter(|finding| finding.word == Word::Changed) {
        let Kind::Status { before, after } = finding.kind else { continue };
        for at in &finding.at {
            all.extend([before, after].map(|status| (at.endpoint.as_str(), status.to_string())));
        }
    }
    all
}

/// What a reader must know first.
#[must_use]
pub fn notes(of: &Answers) -> Vec<String> {
    let mut notes = of.notices.clone();
    let (before, after) = of.unpaired;
    if before + after > 0 {
        notes.push(format!(
            "{} requests were answered before only, {} after only: they are left out",
            count(before),
            count(after)
        ));
    }
    if of.copies > 0 {
        notes.push(format!("{} answers to copies of recorded clients have none to be held against", count(of.copies)));
    }
    if of.pairs > 0 && of.with_bodies == 0 {
        notes.push("bodies were not kept: where they differ is not known (make runs with --answers all)".to_owned());
    }
    for (why, pairs) in &of.incomparable {
        let what = match *why {
            "redacted" => "have values that were redacted under different keys (give all runs one --redact-key)",
            "not_kept" => "have a body of which not all was kept on both sides (--answers all, --answer-body-max)",
            "dropped_by_redaction" => "have a body that redaction dropped",
            _ => "have more differences than are looked at",
        };
        notes.push(format!("{} pairs of answers {what}: these are not compared", count(*pairs)));
    }
    if of.within_pairs == 0 && !of.findings.is_empty() {
        notes.push(
            "no two runs of one side: nobody knows what differs by chance; every difference that no rule silences is listed"
                .to_owned(),
        );
    }
    notes
}

/// `BODY  GET /item/{id}: $.price is gone in 100 % of 4,012 pairs [99.9..100], in none of 4,010 within a side`
#[must_use]
pub fn finding(of: &Finding) -> Said {
    let word = match of.part().name() {
        "status" => "STATUS",
        "header" => "HEADER",
        "trailer" => "TRAILER",
        _ => "BODY",
    };
    Said { word, text: sentence(of) }
}

fn sentence(of: &Finding) -> String {
    let (across, pairs) = (of.sum(|at| at.across), of.sum(|at| at.pairs));
    let share = |count: u64, of: u64| percent(count as f64 / of.max(1) as f64);
    let bare = |share: f64| percent(share).trim_end_matches(" %").to_owned();
    let mut out = format!(
        "{} in {} of {} pairs [{}..{}]",
        title(of),
        share(across, pairs),
        count(pairs),
        bare(of.interval.0),
        bare(of.interval.1),
    );
    if of.ratio.is_some() {
        let (within, within_pairs) = (of.sum(|at| at.within), of.sum(|at| at.within_pairs));
        out += &format!(", {} of {} within a side", share(within, within_pairs), count(within_pairs));
    }
    let mut shared: Vec<&(String, String)> = of.at.iter().flat_map(|at| &at.shared).collect();
    shared.dedup();
    if of.at.len() == 1 && !shared.is_empty() {
        let named = shared.iter().take(SHARED_MAX).map(|(name, value)| format!("{} = {}", cut(name), cut(value)));
        let named: Vec<String> = named.collect();
        out += &format!("; all of them have {}", named.join(", "));
    }
    out
}

/// `GET /item/{id}: $.price is gone`
#[must_use]
pub fn title(of: &Finding) -> String {
    format!("{}: {}", endpoints(&of.at), what(of))
}

fn endpoints(at: &[At]) -> String {
    let named: Vec<_> = at.iter().take(NAMED_MAX).map(|at| Thing::Endpoint(&at.endpoint).name()).collect();
    let more = at.len().saturating_sub(NAMED_MAX);
    let named = named.join(", ");
    if more > 0 { format!("{named} and {more} more endpoints") } else { named }
}

fn what(of: &Finding) -> String {
    let place = visible::line(&of.place);
    let place = words::cut(&place, PLACE_CHARS);
    let code = |status: u16| if status == 0 { "no answer".to_owned() } else { status.to_string() };
    match of.kind {
        Kind::Status { before, after } => format!("{} instead of {}", code(after), code(before)),
        Kind::Missing => format!("{place} is gone"),
        Kind::Added => format!("{place} is new"),
        Kind::Renamed => {
            let to = of.samples.first().map(|sample| visible::line_of_bytes(&sample.after)).unwrap_or_default();
            format!("{place} is called {} now", cut(&to))
        }
        Kind::Type => format!("{place} is of another type"),
        Kind::Value => format!("{place} is another"),
        Kind::Order => format!("{place} is in another order"),
        Kind::Bytes => format!("{place} is another, no more is known"),
        Kind::Unreadable => format!("{place} can be read on one side only"),
    }
}

/// A value on one line, cut; `nothing` for none.
#[must_use]
pub fn value(bytes: &[u8]) -> String {
    let shown = visible::line_of_bytes(bytes);
    if shown.is_empty() { "nothing".to_owned() } else { cut(&shown) }
}

fn cut(text: &str) -> String {
    words::cut(text, VALUE_CHARS).into_owned()
}
