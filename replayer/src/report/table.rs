//! The tables: endpoints, and what became of requests and spans.

use std::collections::BTreeMap;

use super::samples::Links;
use super::text::{count, escape, quantile, share, time};
use crate::result::{Endpoint, Quantiles, RunResult, total};

/// Endpoints that are shown; `run.json` has them all.
pub(super) const ENDPOINTS_MAX: usize = 500;
/// Slowest requests of an endpoint that are linked.
const SLOWEST_MAX: usize = 3;
/// Status codes of an endpoint that are shown, most frequent first.
const CODES_MAX: usize = 5;

/// What stands in an empty list of which nobody knows whether it is one.
const UNKNOWN: &str = "Nobody knows.";
/// Status codes of the run that are shown, most frequent first.
const STATUSES_MAX: usize = 100;

/// The head of the endpoints' table. Its groups are in a row of their own, hence the numbers of the columns.
const HEAD: &str = r#"<thead><tr><th scope="col" rowspan="2" data-column="0">Endpoint</th><th scope="colgroup" colspan="4">Requests</th><th scope="colgroup" colspan="5">Response time</th><th scope="colgroup">Service</th><th scope="colgroup" colspan="2">Recorded</th>{traces}</tr>
<tr><th scope="col" data-column="1" class="first">planned</th><th scope="col" data-column="2">completed</th><th scope="col" data-column="3">errors</th><th scope="col" class="status">status</th><th scope="col" data-column="5" class="first">p50</th><th scope="col" data-column="6">p90</th><th scope="col" data-column="7">p99</th><th scope="col" data-column="8">p99.9</th><th scope="col" data-column="9">max</th><th scope="col" data-column="10" class="first">p99</th><th scope="col" data-column="11" class="first">p50</th><th scope="col" data-column="12">p99</th></tr></thead>"#;

/// One row for each endpoint.
pub(super) fn endpoints(result: &RunResult, links: &Links<'_>) -> String {
    let (rows, knows_outcomes) = (&result.endpoints, result.knows("completed"));
    let body: String = rows.iter().take(ENDPOINTS_MAX).map(|row| endpoint(row, knows_outcomes, links)).collect();
    let body = if body.is_empty() {
        let none = if result.recounted.is_some() { "No endpoint is known." } else { "The plan has no endpoints." };
        format!(r#"<tr><td class="none" colspan="14">{none}</td></tr>"#)
    } else {
        body
    };
    let more = match rows.len().saturating_sub(ENDPOINTS_MAX) {
        0 => String::new(),
        more => format!(
            " The {} endpoints with the fewest requests are left out here; run.json has them.",
            count(more as u64)
        ),
    };
    let (traces, said) = match links.lead_somewhere() {
        true => {
            (r#"<th scope="col" rowspan="2" class="traces">Slowest</th>"#, ", and the traces of the slowest requests")
        }
        false => ("", ""),
    };
    let head = HEAD.replace("{traces}", traces);
    format!(
        r#"<section id="endpoints" aria-labelledby="endpoints-h"><h2 id="endpoints-h">Endpoints</h2><div class="scroll tall" role="region" aria-label="Table of endpoints" tabindex="0"><table class="endpoints sortable"><caption><span>Response time is done − due, service time done − dispatched; beside them the recording's own response times{said}.{more}</span></caption>{head}<tbody>{body}</tbody></table></div></section>"#
    )
}

/// Errors, sheds, status codes and spans.
pub(super) fn outcomes(result: &RunResult) -> String {
    let spans = &result.spans;
    let mut fates = vec![("exported".to_owned(), spans.exported)];
    fates.extend(spans.sampled_out.iter().map(|(reason, number)| (format!("sampled out: {reason}"), *number)));
    fates.extend(spans.rejected.iter().map(|(reason, number)| (format!("rejected: {reason}"), *number)));
    fates.extend(spans.dropped.iter().map(|(reason, number)| (format!("dropped: {reason}"), *number)));
    fates.retain(|(_, number)| *number > 0);
    let none = |field: &str, said: &'static str| if result.knows(field) { said } else { UNKNOWN };
    let left_out = none("left_out", "Everything recorded was planned.");
    let lists = [
        counts("Errors by kind", most_first(&result.errors), none("errors", "No request failed.")),
        counts("Sheds by reason", most_first(&result.shed), none("shed", "Nothing was shed.")),
        statuses(result),
        counts("Client spans", fates, none("spans", "No spans were made.")),
        counts("Recorded, not in the plan", most_first(&result.left_out), left_out),
    ];
    format!(
        r#"<section id="outcomes" aria-labelledby="outcomes-h"><h2 id="outcomes-h">What became of the requests and spans</h2><div class="lists">{}</div></section>"#,
        lists.concat()
    )
}

/// Answers by status code, which may be sorted by either.
fn statuses(result: &RunResult) -> String {
    let rows = most_first(&result.status);
    if rows.is_empty() {
        let none = if result.knows("status") { "No answers." } else { UNKNOWN };
        return counts("Answers by status code", rows, none);
    }
    let whole = total(rows.iter().map(|(_, number)| number));
    let row = |(code, number): &(String, u64)| {
        let (code, shown, share) = (escape(code), count(*number), share(*number, whole));
        format!(
            r#"<tr><th scope="row" data-value="{code}">{code}</th><td data-value="{number}">{shown}</td><td class="share">{share}</td></tr>"#
        )
    };
    let body: String = rows.iter().take(STATUSES_MAX).map(row).collect();
    format!(
        r#"<table class="sortable"><caption>Answers by status code</caption><thead><tr><th scope="col" data-column="0" class="text">status</th><th scope="col" data-column="1">answers</th><th scope="col">share</th></tr></thead><tbody>{body}</tbody></table>"#
    )
}

fn endpoint(row: &Endpoint, knows_outcomes: bool, links: &Links<'_>) -> String {
    let number = |value: u64, class: &str| format!(r#"<td class="{class}" data-value="{value}">{}</td>"#, count(value));
    let outcomes = |value: u64| match knows_outcomes {
        true => number(value, ""),
        false => format!(r#"<td data-value="-1">{}</td>"#, super::text::NOTHING),
    };
    let (now, service, then) = (&row.response_us, &row.service_us, &row.recorded_response_us);
    let errors = match row.errors {
        0 => outcomes(0),
        errors => format!(
            r#"<td class="bad" data-value="{errors}">▲ {}<small>{}</small></td>"#,
            count(errors),
            share(errors, row.planned)
        ),
    };
    let cells = [
        number(row.planned, "first"),
        outcomes(row.completed),
        errors,
        format!(r#"<td class="status">{}</td>"#, codes(&row.status)),
        cell(now, now.p50, "first"),
        cell(now, now.p90, ""),
        cell(now, now.p99, ""),
        cell(now, now.p999, ""),
        cell(now, now.max, ""),
        cell(service, service.p99, "first"),
        cell(then, then.p50, "first"),
        cell(then, then.p99, ""),
        if links.lead_somewhere() {
            format!(r#"<td class="traces">{}</td>"#, slowest(row, links))
        } else {
            String::new()
        },
    ];
    format!(r#"<tr><th scope="row">{}</th>{}</tr>"#, escape(&row.endpoint), cells.concat())
}

/// Links to the slowest requests.
fn slowest(row: &Endpoint, links: &Links<'_>) -> String {
    let all = row.slowest.iter().take(SLOWEST_MAX).map(|sample| links.to(sample, Some(&time(sample.response_us))));
    let leading: Vec<String> = all.filter(|said| said.starts_with("<a ")).collect();
    if leading.is_empty() { super::text::NOTHING.to_owned() } else { leading.join(" ") }
}

fn cell(of: &Quantiles, value: f64, class: &str) -> String {
    // Without a value it sorts below everything.
    let key = if of.count == 0 { -1.0 } else { value };
    format!(r#"<td class="{class}" data-value="{key}">{}</td>"#, quantile(of, value))
}

/// `200 × 1,234`, most frequent first.
fn codes(status: &BTreeMap<String, u64>) -> String {
    let all = most_first(status);
    let mut said: Vec<String> = all
        .iter()
        .take(CODES_MAX)
        .map(|(code, number)| format!(r#"<span>{} <i>× {}</i></span>"#, escape(code), count(*number)))
        .collect();
    if let Some(more) = all.len().checked_sub(CODES_MAX).filter(|more| *more > 0) {
        said.push(format!("<span>and {more} more</span>"));
    }
    if said.is_empty() { super::text::NOTHING.to_owned() } else { said.join(" ") }
}

fn most_first(counts: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut rows: Vec<(String, u64)> = counts.iter().map(|(name, number)| (name.clone(), *number)).collect();
    rows.retain(|(_, number)| *number > 0);
    rows.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    rows
}

fn counts(title: &str, rows: Vec<(String, u64)>, none: &str) -> String {
    let whole = total(rows.iter().map(|(_, number)| number));
    let row = |(name, number): &(String, u64)| {
        // Reasons are words with underscores: a line may end there.
        let name = escape(name).replace('_', "_<wbr>");
        let (share, number) = (share(*number, whole), count(*number));
        format!(r#"<tr><th scope="row">{name}</th><td>{number}</td><td class="share">{share}</td></tr>"#)
    };
    let body = if rows.is_empty() {
        format!(r#"<tr><td class="none" colspan="3">{none}</td></tr>"#)
    } else {
        rows.iter().map(row).collect()
    };
    format!(r#"<table><caption>{title}</caption><tbody>{body}</tbody></table>"#)
}
