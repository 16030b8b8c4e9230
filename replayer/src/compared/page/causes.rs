//! Why answers differ: each cause with pairs of answers that show it, a command that asks again, and the way to both traces.

use std::cell::Cell;

use formats::trace::TraceContext;

use crate::compare::answers::Answers;
use crate::compare::answers::findings::{At, Finding, Word};
use crate::compare::answers::samples::Sample;
use crate::compared::answers::{compared, finding, value};
use crate::compared::curl::curl;
use crate::compared::links::Links;
use crate::compared::words::{cut, percent};
use crate::compared::{Asked, Sides};
use crate::contexts::hex;
use crate::report::text::{attribute, count, escape, escape_whole};

/// Causes that are shown, the most surprising first.
const CAUSES_MAX: usize = 60;
/// Causes of which too little is known.
const TOO_FEW_MAX: usize = 20;
/// Endpoints of a cause.
const ENDPOINTS_MAX: usize = 5;
/// Characters of a name in their list, and of a cause in a sentence.
const NAME_CHARS_MAX: usize = 80;
const CAUSE_CHARS_MAX: usize = 600;
/// Rules that silenced something.
const RULES_MAX: usize = 20;
/// Characters of a command.
const COMMAND_CHARS_MAX: usize = 2_000;
/// Bytes of all commands and links together.
const COMMANDS_BYTES_MAX: usize = 400_000;

pub(super) fn causes(sides: Sides<'_>, asked: &Asked<'_>) -> String {
    let Some(answers) = sides.answers else {
        return section("A side kept no answers: what they say was not compared.", "");
    };
    let links = Links::of(&sides.of.before, &sides.of.after, asked.trace_url);
    let shown = Shown { links, room: Cell::new(COMMANDS_BYTES_MAX) };
    let changes = || answers.findings.iter().filter(|one| one.word.is_change());
    let mut body: String = changes().take(CAUSES_MAX).map(|one| shown.cause(one)).collect();
    let found = changes().count();
    if found == 0 {
        body += r#"<p class="nothing">Answers differ in nothing that is more than noise or that no rule silences.</p>"#;
    }
    if let Some(more) = found.checked_sub(CAUSES_MAX).filter(|more| *more > 0) {
        body += &format!(r#"<p class="nothing">{} more causes are in what --json prints.</p>"#, count(more as u64));
    }
    let few: Vec<&Finding> = answers.findings.iter().filter(|one| one.word == Word::TooFew).collect();
    if !few.is_empty() {
        let listed: String = few
            .iter()
            .take(TOO_FEW_MAX)
            .map(|one| format!("<li>{}</li>", escape_whole(&cut(&finding(one).text, CAUSE_CHARS_MAX))))
            .collect();
        let more = match few.len().saturating_sub(TOO_FEW_MAX) {
            0 => String::new(),
            more => format!("<li>And {} more.</li>", count(more as u64)),
        };
        body += &format!(
            r#"<div class="cause"><h3>Never seen within a side, but too seldom across for a verdict</h3><ul class="changed">{listed}{more}</ul></div>"#
        );
    }
    body += &rules(answers);
    section(&summary(answers), &body)
}

fn section(what: &str, body: &str) -> String {
    format!(
        r#"<section id="causes" aria-labelledby="causes-h"><h2 id="causes-h">What the answers say</h2><p class="nothing">{what}</p>{body}</section>"#
    )
}

fn summary(of: &Answers) -> String {
    let noise = of.findings.iter().filter(|one| one.word == Word::Noise).count();
    let noise = match noise {
        0 => String::new(),
        some => format!(" {} differences are as frequent within a side: noise.", count(some as u64)),
    };
    format!("{}.{noise}", compared(of))
}

/// What is needed to show samples.
struct Shown<'a> {
    links: Links<'a>,
    /// Bytes that are left for commands and links.
    room: Cell<usize>,
}

impl Shown<'_> {
    fn cause(&self, of: &Finding) -> String {
        let said = finding(of);
        let samples: String = of.samples.iter().map(|sample| self.sample(sample)).collect();
        format!(
            r#"<article class="cause"><h3><b class="bad">{}</b> {}</h3>{}{samples}</article>"#,
            said.word,
            escape_whole(&cut(&said.text, CAUSE_CHARS_MAX)),
            endpoints(&of.at)
        )
    }

    fn sample(&self, of: &Sample) -> String {
        let key = of.key;
        let copy = if key.copy > 0 { format!(", copy {}", key.copy) } else { String::new() };
        let code = |status: u16| if status == 0 { "no answer".to_owned() } else { format!("status {status}") };
        let side = |name: &str, bytes: &[u8], status: u16, run: u16, trace: Option<TraceContext>| {
            let trace = trace.map_or_else(String::new, |trace| format!("<br>trace {}", self.trace(name, run, &trace)));
            format!(
                r#"<tr><th scope="row">{name}</th><td><code>{}</code></td><td>{}{trace}</td></tr>"#,
                escape(&value(bytes)),
                code(status),
            )
        };
        let rows = [
            side("before", &of.before, of.status.0, of.runs.0, of.traces.0),
            side("after", &of.after, of.status.1, of.runs.1, of.traces.1),
        ];
        format!(
            r#"<table><caption>Session {} request {}{copy}</caption><tbody>{}</tbody></table>{}"#,
            key.session,
            key.seq,
            rows.concat(),
            self.command(of)
        )
    }

    fn command(&self, of: &Sample) -> String {
        let command = curl(self.links.target(of.runs.1), &of.request_head, of.request_body.as_deref());
        if command.is_empty() {
            return String::new();
        }
        let shown = escape_whole(&command);
        if command.chars().count() > COMMAND_CHARS_MAX || !self.has_room(shown.len()) {
            return r#"<p class="nothing">Its curl command has no room here; it is what compare prints on a terminal.</p>"#.to_owned();
        }
        format!("<pre><code>{shown}</code></pre>")
    }

    fn trace(&self, side: &str, run: u16, trace: &TraceContext) -> String {
        let id = hex(&trace.trace_id);
        match self.links.url(run, trace).map(|url| attribute(&url)).filter(|url| self.has_room(url.len())) {
            Some(url) => format!(
                r#"<a class="id" href="{url}" target="_blank" rel="noopener noreferrer" aria-label="Trace {side} {id}">{id}</a>"#
            ),
            None if trace.is_sampled() => format!(r#"<code class="id">{id}</code>"#),
            None => format!(r#"<code class="id">{id}</code> <small>not sampled</small>"#),
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        let left = self.room.get().checked_sub(bytes);
        self.room.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// Where a cause is, if at several endpoints.
fn endpoints(at: &[At]) -> String {
    if at.len() < 2 {
        return String::new();
    }
    let row = |at: &At| {
        let share = |count: u64, of: u64| percent(count as f64 / of.max(1) as f64);
        let said = |text: &str| escape(&cut(text, NAME_CHARS_MAX));
        let shared = at.shared.first().map(|(name, value)| format!("; all have {} = {}", said(name), said(value)));
        format!(
            "<li>{}: {} of {} pairs{}</li>",
            said(&at.endpoint),
            share(at.across, at.pairs),
            count(at.pairs),
            shared.unwrap_or_default()
        )
    };
    let rows: String = at.iter().take(ENDPOINTS_MAX).map(row).collect();
    let more = match at.len().saturating_sub(ENDPOINTS_MAX) {
        0 => String::new(),
        more => format!("<li>and {} more endpoints</li>", count(more as u64)),
    };
    format!("<ul>{rows}{more}</ul>")
}

/// Which rules silenced what: what they silence is not seen.
fn rules(of: &Answers) -> String {
    let mut used: Vec<_> = of.rules.iter().filter(|rule| rule.silenced > 0).collect();
    if used.is_empty() {
        return String::new();
    }
    used.sort_by_key(|rule| std::cmp::Reverse(rule.silenced));
    let row = |rule: &&crate::compare::rules::RuleUse| {
        let at = rule.endpoint.as_deref().map_or_else(|| "any endpoint".to_owned(), escape);
        let why = rule.why.as_deref().map_or_else(String::new, |why| format!("<br><small>{}</small>", escape(why)));
        let from = if rule.is_default { "default" } else { "file" };
        format!(
            r#"<tr><th scope="row"><code>{}</code>{why}</th><td>{at}</td><td>{}</td><td>{from}, line {}</td><td>{}</td></tr>"#,
            escape(&rule.place),
            rule.matcher,
            rule.line,
            count(rule.silenced)
        )
    };
    let rows: String = used.iter().take(RULES_MAX).map(row).collect();
    let more = match used.len().saturating_sub(RULES_MAX) {
        0 => String::new(),
        more => format!(" {} more silenced less.", count(more as u64)),
    };
    format!(
        r#"<div class="cause"><h3>What rules silenced</h3><div class="scroll" role="region" aria-label="Table of rules" tabindex="0"><table><caption><span>What a rule silences is not seen above.{more}</span></caption><thead><tr><th scope="col">Where</th><th scope="col">at</th><th scope="col">matcher</th><th scope="col">rule</th><th scope="col">differences</th></tr></thead><tbody>{rows}</tbody></table></div></div>"#
    )
}
