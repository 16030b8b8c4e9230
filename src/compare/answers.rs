//! What the answers say, for a person on a terminal: findings with their samples, and what could not be compared.

use replayer::compare::answers::findings::{Finding, Word};
use replayer::compare::answers::samples::Sample;
use replayer::compared::Sides;
use replayer::compared::answers::{compared, finding, notes, value};
use replayer::compared::curl::curl;
use replayer::compared::links::Links;

/// What is said above the findings, and the findings.
pub(super) struct Said {
    pub(super) notes: Vec<String>,
    pub(super) line: String,
    pub(super) findings: String,
}

/// `None` where answers were not compared.
pub(super) fn text(of: &Sides<'_>, links: &Links<'_>, top: usize) -> Option<Said> {
    let answers = of.answers?;
    let line = format!("  answers    {}\n", compared(answers));
    Some(Said { notes: notes(answers), line, findings: findings(&answers.findings, links, top) })
}

fn findings(all: &[Finding], links: &Links<'_>, top: usize) -> String {
    let mut out = String::new();
    let said = |word: Word| all.iter().filter(move |finding| finding.word == word);
    let (mut shown, mut left) = (0, 0);
    for one in all.iter().filter(|finding| finding.word.is_change()) {
        if shown == top {
            left += 1;
            continue;
        }
        shown += 1;
        out += &format!("{}\n", finding(one));
        for sample in &one.samples {
            out += &self::sample(sample, links);
        }
    }
    if left > 0 {
        out += &format!("… {left} more differences (--top, --json)\n");
    }
    let few: Vec<&Finding> = said(Word::TooFew).collect();
    for one in few.iter().take(top) {
        out += &format!("too few  {}\n", finding(one).text);
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

fn sample(of: &Sample, links: &Links<'_>) -> String {
    let key = of.key;
    let copy = if key.copy > 0 { format!(" copy {}", key.copy) } else { String::new() };
    let mut out = format!(
        "    session {} request {}{copy}: {}, {} before\n",
        key.session,
        key.seq,
        value(&of.after),
        value(&of.before)
    );
    let command = curl(links.target(of.runs.1), &of.request_head, of.request_body.as_deref());
    if !command.is_empty() {
        out += &format!("      {command}\n");
    }
    let traces = [("before", of.runs.0, of.traces.0), ("after", of.runs.1, of.traces.1)];
    let named: Vec<String> = traces
        .iter()
        .filter_map(|(side, run, trace)| Some(format!("{side} {}", links.said(*run, trace.as_ref()?))))
        .collect();
    if !named.is_empty() {
        out += &format!("      traces: {}\n", named.join(", "));
    }
    out
}
