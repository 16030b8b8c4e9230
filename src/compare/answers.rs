//! What the answers say, for a person: findings in sentences with their samples, and what could not be compared.

use formats::visible;
use replayer::compare::answers::Answers;
use replayer::compare::answers::findings::{At, Finding, Word};
use replayer::compare::answers::samples::Sample;
use replayer::differ::Kind;

use super::curl::curl;
use super::text::percent;
use crate::units::count;

/// Characters of a value that are shown.
const VALUE_CHARS: usize = 80;
/// Endpoints that a finding names.
const NAMED_MAX: usize = 3;

/// What is said above the findings, and the findings.
pub(super) struct Said {
    pub(super) notes: Vec<String>,
    pub(super) line: String,
    pub(super) findings: String,
}

pub(super) fn text(of: &Answers, trace_url: Option<&str>, top: usize) -> Said {
    let mut line = format!("  answers    {} pairs across sides", count(of.pairs));
    if of.within_pairs > 0 {
        line += &format!(", {} within a side", count(of.within_pairs));
    }
    line += &format!(", {} with both bodies; {} differ\n", count(of.with_bodies), count(of.different));
    Said { notes: notes(of), line, findings: findings(of, trace_url, top) }
}

fn notes(of: &Answers) -> Vec<String> {
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

fn findings(of: &Answers, trace_url: Option<&str>, top: usize) -> String {
    let mut out = String::new();
    let said = |word: Word| of.findings.iter().filter(move |finding| finding.word == word);
    let (mut shown, mut left) = (0, 0);
    for finding in said(Word::Changed).chain(said(Word::Differs)) {
        if shown == top {
            left += 1;
            continue;
        }
        shown += 1;
        out += &format!("{}  {}\n", finding.part().name().to_uppercase(), sentence(finding));
        for sample in &finding.samples {
            out += &self::sample(sample, of, trace_url);
        }
    }
    if left > 0 {
        out += &format!("… {left} more differences (--top, --json)\n");
    }
    let few: Vec<&Finding> = said(Word::TooFew).collect();
    for finding in few.iter().take(top) {
        out += &format!("too few  {}\n", sentence(finding));
    }
    if few.len() > top {
        out += &format!("too few  … {} more (--top, --json)\n", few.len() - top);
    }
    let noise = said(Word::Noise).count();
    if noise > 0 {
        out +=
            &format!("Noise: {noise} differences are as frequent within a side (--learn proposes rules for them).\n");
    }
    out
}

/// `GET /item/{id}: $.price is gone in 100 % of 4,012 pairs [99.9..100], in none of 4,010 within a side`
fn sentence(of: &Finding) -> String {
    let (across, pairs) = (of.sum(|at| at.across), of.sum(|at| at.pairs));
    let share = |count: u64, of: u64| percent(count as f64 / of.max(1) as f64);
    let bare = |share: f64| percent(share).trim_end_matches(" %").to_owned();
    let mut out = format!(
        "{}: {} in {} of {} pairs [{}..{}]",
        endpoints(&of.at),
        what(of),
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
        let named: Vec<String> = shared.iter().map(|(name, value)| format!("{name} = {}", cut(value))).collect();
        out += &format!("; all of them have {}", named.join(", "));
    }
    out
}

fn endpoints(at: &[At]) -> String {
    let named: Vec<&str> = at.iter().take(NAMED_MAX).map(|at| at.endpoint.as_str()).collect();
    let more = at.len().saturating_sub(NAMED_MAX);
    let named = named.join(", ");
    if more > 0 { format!("{named} and {more} more endpoints") } else { named }
}

fn what(of: &Finding) -> String {
    let place = visible::line(&of.place);
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

fn sample(of: &Sample, answers: &Answers, trace_url: Option<&str>) -> String {
    let value = |bytes: &[u8]| {
        let shown = visible::line_of_bytes(bytes);
        if shown.is_empty() { "nothing".to_owned() } else { cut(&shown) }
    };
    let key = of.key;
    let copy = if key.copy > 0 { format!(" copy {}", key.copy) } else { String::new() };
    let mut out = format!(
        "    session {} request {}{copy}: {}, {} before\n",
        key.session,
        key.seq,
        value(&of.after),
        value(&of.before)
    );
    let target = answers.targets.get(usize::from(of.runs.1)).map_or("", String::as_str);
    let command = curl(target, &of.request_head, of.request_body.as_deref());
    if !command.is_empty() {
        out += &format!("      {command}\n");
    }
    let link = |id: [u8; 16]| {
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        trace_url.map_or_else(|| id.clone(), |url| url.replace("{trace_id}", &id))
    };
    let traces = [("before", of.traces.0), ("after", of.traces.1)];
    let named: Vec<String> = traces.iter().filter_map(|(side, id)| Some(format!("{side} {}", link((*id)?)))).collect();
    if !named.is_empty() {
        out += &format!("      traces: {}\n", named.join(", "));
    }
    out
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
