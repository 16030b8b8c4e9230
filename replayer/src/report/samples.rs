//! Requests by name: the slowest, and some of each kind of failure, each with the way to its trace.

use std::cell::Cell;

use super::link::TraceUrl;
use super::text::{NOTHING, attribute, count, escape, float, rate, time};
use crate::result::samples::{ErrorSamples, Sample};
use crate::result::{RunResult, total};

/// Room for all links together; beyond it rows have the id of their trace.
const LINKS_BYTES_MAX: usize = 400_000;
/// Requests that are shown of the slowest, and of each kind of failure: as many as a run names.
const ROWS_MAX: usize = 50;
const ROWS_OF_KIND_MAX: usize = 5;
/// Kinds of failure that are shown, most frequent first; `run.json` has them all.
const KINDS_MAX: usize = 20;

/// The way from a request to its trace.
pub(crate) struct Links<'a> {
    template: Option<TraceUrl>,
    result: &'a RunResult,
    /// Whether anybody knows which traces are sampled.
    knows_sampled: bool,
    /// Bytes that are left.
    room: Cell<usize>,
}

impl<'a> Links<'a> {
    /// What is no template of a URL leads nowhere: then ids are shown as text.
    pub(crate) fn of(result: &'a RunResult) -> Self {
        let template = result.trace_url.as_deref().and_then(|template| template.parse().ok());
        let knows_sampled = result.knows("spans");
        Self { template, result, knows_sampled, room: Cell::new(LINKS_BYTES_MAX) }
    }

    /// Whether there are any.
    pub(super) fn lead_somewhere(&self) -> bool {
        self.template.is_some()
    }

    fn has_room(&self, url: &str) -> bool {
        let left = self.room.get().checked_sub(url.len());
        self.room.set(left.unwrap_or(0));
        left.is_some()
    }

    fn url(&self, sample: &Sample) -> Option<String> {
        let template = self.template.as_ref().filter(|_| sample.sampled || !self.knows_sampled)?;
        template.of(sample, &self.result.started_at)
    }

    /// Where a trace opens of which a result has no more than the id; `None` where nobody knows whether it was sampled.
    pub(crate) fn url_of(&self, trace_id: &str) -> Option<String> {
        let result = self.result;
        let of_endpoints = result.endpoints.iter().flat_map(|row| &row.slowest);
        let of_kinds = result.error_samples.values().flat_map(|of| &of.samples);
        let mut named = result.slowest.iter().chain(of_endpoints).chain(of_kinds);
        match named.find(|sample| sample.trace_id == trace_id) {
            Some(sample) => self.url(sample),
            None => {
                let all_are_sampled = result.spans.sampled_out.is_empty() && result.spans.exported > 0;
                let template = self.template.as_ref().filter(|_| all_are_sampled || !self.knows_sampled)?;
                template.of_trace(trace_id, &result.started_at, result.duration_s)
            }
        }
    }

    /// The same as a link whose text is the id, or else the id.
    pub(super) fn to_trace(&self, trace_id: &str) -> String {
        let id = escape(trace_id);
        let url = self.url_of(trace_id).map(|url| attribute(&url)).filter(|url| self.has_room(url));
        match url {
            Some(url) => link(&url, &id),
            None => format!(r#"<code class="id">{id}</code>"#),
        }
    }

    /// A link whose text is `said`, or the id of the trace; of a trace that is not sampled only the id.
    pub(super) fn to(&self, sample: &Sample, said: Option<&str>) -> String {
        let may_lead = sample.sampled || !self.knows_sampled;
        let url = self.url(sample).map(|url| attribute(&url)).filter(|url| self.has_room(url));
        let id = escape(&sample.trace_id);
        match (url, said) {
            (Some(url), Some(said)) => {
                let label = format!("Trace of the request that took {said}");
                format!(r#"<a href="{url}" target="_blank" rel="noopener noreferrer" aria-label="{label}">{said}</a>"#)
            }
            (Some(url), None) => link(&url, &id),
            (None, _) if may_lead => format!(r#"<code class="id">{id}</code>"#),
            (None, _) => format!(r#"<code class="id">{id}</code> <small>not sampled</small>"#),
        }
    }
}

/// A link whose text is the id of a trace; both are harmless already.
fn link(url: &str, id: &str) -> String {
    format!(r#"<a class="id" href="{url}" target="_blank" rel="noopener noreferrer">{id}</a>"#)
}

/// The slowest requests; nothing where the result names none.
pub(super) fn slowest(result: &RunResult, links: &Links<'_>) -> String {
    if result.slowest.is_empty() {
        return String::new();
    }
    let body: String = result.slowest.iter().take(ROWS_MAX).map(|sample| row(sample, links, true)).collect();
    let head = head(true);
    let number = count(result.slowest.len().min(ROWS_MAX) as u64);
    format!(
        r#"<section id="slowest" aria-labelledby="slowest-h"><h2 id="slowest-h">Slowest requests</h2><div class="scroll tall" role="region" aria-label="Table of the slowest requests" tabindex="0"><table class="sortable named"><caption><span>The {number} slowest of the run, failed ones at their full age. {}</span></caption>{head}<tbody>{body}</tbody></table></div></section>"#,
        said(result, links)
    )
}

/// What the last column leads to.
fn said(result: &RunResult, links: &Links<'_>) -> String {
    let dropped = total(result.spans.dropped.values().chain(result.spans.rejected.values()));
    let lost = match dropped {
        0 => String::new(),
        dropped => {
            format!(" {} client spans of this run did not arrive: some traces lack theirs.", count(dropped))
        }
    };
    match links.lead_somewhere() {
        true => format!("Traces open in the tracing backend, but for those that were not sampled.{lost}"),
        false => format!(
            "Search the tracing backend for the trace id; <code>reenact report RUN --trace-url TEMPLATE</code> makes links of them.{lost}"
        ),
    }
}

/// Errors by kind, and statuses that the recording did not have, each with some requests.
pub(super) fn failures(result: &RunResult, links: &Links<'_>) -> String {
    let mut kinds: Vec<(&String, &ErrorSamples)> = result.error_samples.iter().collect();
    if kinds.is_empty() {
        return String::new();
    }
    kinds.sort_by_key(|(_, of)| std::cmp::Reverse(of.count));
    let shown: String = kinds.iter().take(KINDS_MAX).map(|(name, of)| kind(name, of, links)).collect();
    let more = match kinds.len().saturating_sub(KINDS_MAX) {
        0 => String::new(),
        more => format!(" {} rarer kinds are left out here; run.json has them.", count(more as u64)),
    };
    let head = head(false);
    format!(
        r#"<section id="failures" aria-labelledby="failures-h"><h2 id="failures-h">Failures by kind</h2><div class="scroll tall" role="region" aria-label="Table of failures" tabindex="0"><table class="named"><caption><span>Requests without a whole answer by the kind of error, and answers from status 400 on where the recording has another; of each kind some requests, drawn evenly over the run.{more}</span></caption>{head}{shown}</table></div></section>"#
    )
}

fn kind(name: &str, of: &ErrorSamples, links: &Links<'_>) -> String {
    let what = if name.bytes().all(|byte| byte.is_ascii_digit()) { "status " } else { "" };
    let from_to = format!("from {} s to {} s", seconds(of.first_ns), seconds(of.last_ns));
    let rows: String = of.samples.iter().take(ROWS_OF_KIND_MAX).map(|sample| row(sample, links, false)).collect();
    format!(
        r#"<tbody><tr class="kind"><th scope="rowgroup" colspan="8"><b>▲ {what}{}</b> <span>{}, {from_to}</span></th></tr>{rows}</tbody>"#,
        escape(name),
        match of.count {
            1 => "once".to_owned(),
            more => format!("{} times", count(more)),
        }
    )
}

/// The columns of [`row`]; those of a table that sorts have numbers.
fn head(sorts: bool) -> String {
    let names = ["Endpoint", "request", "response", "service", "due at", "status", "recorded", "trace"];
    let cells = (0..).zip(names).map(|(number, name): (usize, _)| {
        let column = if sorts && number < 7 { format!(r#" data-column="{number}""#) } else { String::new() };
        let text = if [0, 1, 7].contains(&number) { r#" class="text""# } else { "" };
        format!(r#"<th scope="col"{column}{text}>{name}</th>"#)
    });
    format!("<thead><tr>{}</tr></thead>", cells.collect::<String>())
}

fn row(sample: &Sample, links: &Links<'_>, names_error: bool) -> String {
    let copy = if sample.copy == 0 { String::new() } else { format!(", copy {}", count(sample.copy.into())) };
    let session = if sample.session == 0 { String::new() } else { format!("session {}, ", sample.session) };
    let code = |status: Option<u16>| status.map_or(NOTHING.to_owned(), |status| status.to_string());
    let key = |status: Option<u16>| status.map_or(-1, i32::from);
    let error = match sample.error.as_deref().filter(|_| names_error) {
        Some(error) => format!(" ▲ {}", escape(error)),
        None => String::new(),
    };
    let class = if sample.error.is_some() { r#" class="bad""# } else { "" };
    format!(
        r#"<tr><th scope="row">{}</th><td class="text" data-value="{}">{session}seq {}{copy}</td><td data-value="{}">{}</td><td data-value="{}">{}</td><td data-value="{}">{} s</td><td{class} data-value="{}">{}{error}</td><td data-value="{}">{}</td><td class="text">{}</td></tr>"#,
        escape(&sample.endpoint),
        sample.position,
        sample.seq,
        sample.response_us,
        time(sample.response_us),
        sample.service_us.unwrap_or(-1.0),
        sample.service_us.map_or(NOTHING.to_owned(), time),
        sample.due_ns,
        seconds(sample.due_ns),
        key(sample.status),
        code(sample.status),
        key(sample.recorded_status),
        code(sample.recorded_status),
        links.to(sample, None)
    )
}

fn seconds(nanos: u64) -> String {
    rate(float(nanos) / 1e9)
}
