//! The report of a run for people: one HTML file that needs nothing else, read off the result.

mod chart;
mod text;

use std::collections::BTreeMap;

use crate::result::{Endpoint, Quantiles, RunResult, Second};
use chart::{Series, Unit, chart};
use text::{count, escape, quantile};

/// Renders the page.
#[must_use]
pub fn html(result: &RunResult) -> String {
    let mut body = header(result);
    body += &figures(result);
    body += &charts(&result.timeline);
    body += &endpoints(&result.endpoints);
    body += &lists(result);
    body += GLOSSARY;
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>reenact: {} at {}x</title><style>{}</style></head><body>{body}<script>{}</script></body></html>\n",
        escape(&result.target),
        result.multiplier,
        include_str!("page.css"),
        include_str!("page.js")
    )
}

fn header(result: &RunResult) -> String {
    let short = result.plan_hash.get(..12).unwrap_or(&result.plan_hash);
    let facts = [
        ("started", result.started_at.clone()),
        ("ran", format!("{:.1} s", result.duration_s)),
        ("method", format!("{}, seed {}", result.method, result.seed)),
        ("plan", short.to_owned()),
        ("run", result.run_id.clone()),
        ("sessions", result.sessions.join(", ")),
    ];
    let facts: String =
        facts.iter().map(|(name, value)| format!("<span>{name} <b>{}</b></span>", escape(value))).collect();
    let interrupted = result
        .interrupted
        .then(|| "The run was interrupted before its plan ended; the figures cover what was sent.".to_owned());
    let notices: String = interrupted
        .iter()
        .chain(&result.notices)
        .map(|notice| format!(r#"<p class="notice" role="note">⚠ {}</p>"#, escape(notice)))
        .collect();
    format!(
        r#"<header><h1>{} × the recording, sent to {}</h1><p class="meta">{facts}</p>{notices}</header>"#,
        result.multiplier,
        escape(&result.target)
    )
}

fn figures(result: &RunResult) -> String {
    let failed: u64 = result.errors.values().sum();
    let shed: u64 = result.shed.values().sum();
    let dropped: u64 = result.spans.dropped.values().sum();
    let beside = |of: &Quantiles, value: f64| format!("recorded {}", quantile(of, value));
    let (now, then) = (&result.response_us, &result.recorded_response_us);
    let rows = [
        ("planned", count(result.planned), format!("at {:.1}/s", result.rate.planned)),
        (
            "sent",
            count(result.sent),
            format!(
                "at {:.1}/s{}",
                result.rate.achieved,
                if shed > 0 { format!(", {} shed", count(shed)) } else { String::new() }
            ),
        ),
        ("answered", count(result.completed), format!("{} failed", count(failed))),
        ("response time p50", quantile(now, now.p50), beside(then, then.p50)),
        ("response time p99", quantile(now, now.p99), beside(then, then.p99)),
        (
            "lag p99",
            quantile(&result.lag_us, result.lag_us.p99),
            format!("max {}", quantile(&result.lag_us, result.lag_us.max)),
        ),
        (
            "client spans",
            count(result.spans.exported),
            if dropped > 0 { format!("{} dropped", count(dropped)) } else { "none dropped".into() },
        ),
        (
            "connections",
            count(result.connections.opened),
            format!("{} because one was busy", count(result.connections.extra)),
        ),
    ];
    let rows: String = rows
        .iter()
        .map(|(name, value, beside)| format!("<div><dt>{name}</dt><dd>{value}<small>{beside}</small></dd></div>"))
        .collect();
    format!(r#"<dl class="figures">{rows}</dl>"#)
}

fn charts(timeline: &[Second]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = |name, pick: fn(&Second) -> u64, filled| Series {
        name,
        values: timeline.iter().map(|s| Some(pick(s) as f64)).collect(),
        filled,
    };
    let times = |name, of: fn(&Second) -> &Quantiles, pick: fn(&Quantiles) -> f64| {
        let value = |second: &Second| (of(second).count > 0).then(|| pick(of(second)));
        Series { name, values: timeline.iter().map(value).collect(), filled: false }
    };
    let response: fn(&Second) -> &Quantiles = |second| &second.response_us;
    let lag: fn(&Second) -> &Quantiles = |second| &second.lag_us;
    let rates = vec![
        rate("planned", |second| second.planned, true),
        rate("sent", |second| second.sent, false),
        rate("failed", |second| second.errors, false),
    ];
    let responses = vec![
        times("max", response, |q| q.max),
        times("p50", response, |q| q.p50),
        times("p90", response, |q| q.p90),
        times("p99", response, |q| q.p99),
    ];
    let lags = vec![times("max", lag, |q| q.max), times("p50", lag, |q| q.p50), times("p99", lag, |q| q.p99)];
    chart("rate", "Planned and achieved rate", "Requests due and requests sent in each second.", Unit::PerSecond, rates)
        + &chart(
            "response",
            "Response time",
            "From the due instant to the last byte of the answer, by the second in which it ended; failures at their full age.",
            Unit::Micros,
            responses,
        )
        + &chart(
            "lag",
            "Lag of the generator",
            "How long after its due instant a request was handed to the socket.",
            Unit::Micros,
            lags,
        )
}

fn endpoints(rows: &[Endpoint]) -> String {
    let columns = [
        "endpoint",
        "planned",
        "answered",
        "failed",
        "status",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "service p99",
        "recorded p50",
        "recorded p99",
    ];
    let head: String = columns.iter().map(|name| format!(r#"<th scope="col" data-sort>{name}</th>"#)).collect();
    let body: String = rows.iter().map(endpoint).collect();
    format!(
        r#"<h2>Endpoints</h2><div class="scroll"><table><caption>Response times from the due instant; service time from dispatch; beside them the recording's own.</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"#
    )
}

fn endpoint(row: &Endpoint) -> String {
    let number = |value: u64| format!(r#"<td data-value="{value}">{}</td>"#, count(value));
    let cell = |of: &Quantiles, value: f64| format!(r#"<td data-value="{value}">{}</td>"#, quantile(of, value));
    let failed = if row.errors > 0 {
        format!(r#"<td class="bad" data-value="{}">{}</td>"#, row.errors, count(row.errors))
    } else {
        number(0)
    };
    let status: Vec<String> =
        row.status.iter().map(|(code, times)| format!("{} × {}", escape(code), count(*times))).collect();
    let (now, service, then) = (&row.response_us, &row.service_us, &row.recorded_response_us);
    let times: String =
        [now.p50, now.p90, now.p99, now.p999, now.max].into_iter().map(|value| cell(now, value)).collect();
    let name = escape(&row.endpoint);
    format!(
        r#"<tr><td title="{name}">{name}</td>{}{}{failed}<td>{}</td>{times}{}{}{}</tr>"#,
        number(row.planned),
        number(row.completed),
        status.join(", "),
        cell(service, service.p99),
        cell(then, then.p50),
        cell(then, then.p99)
    )
}

fn lists(result: &RunResult) -> String {
    let list = |title: &str, counts: &BTreeMap<String, u64>, none: &str| {
        let rows: String = counts
            .iter()
            .map(|(name, number)| format!("<tr><td>{}</td><td>{}</td></tr>", escape(name), count(*number)))
            .collect();
        let rows = if rows.is_empty() { format!(r#"<tr><td colspan="2">{none}</td></tr>"#) } else { rows };
        format!("<div><table><caption>{title}</caption><tbody>{rows}</tbody></table></div>")
    };
    let mut spans = result
        .spans
        .dropped
        .iter()
        .map(|(reason, number)| (format!("dropped: {reason}"), *number))
        .collect::<BTreeMap<_, _>>();
    spans.insert("exported".to_owned(), result.spans.exported);
    spans.insert("sampled out".to_owned(), result.spans.sampled_out);
    format!(
        r#"<h2>What became of the requests</h2><div class="lists">{}{}{}{}{}</div>"#,
        list("Errors by kind", &result.errors, "none"),
        list("Answers by status", &result.status, "none"),
        list("Planned, not sent", &result.shed, "none"),
        list("Recorded, not planned", &result.left_out, "none"),
        list("Client spans", &spans, "none")
    )
}

const GLOSSARY: &str = r#"<h2>How to read this</h2><dl class="words">
<dt>due</dt><dd>The instant at which the plan wants a request sent. It does not move, whatever the target does.</dd>
<dt>lag</dt><dd>How long after its due instant a request was handed to the socket: the generator's own lateness.</dd>
<dt>response time</dt><dd>Done − due: what a user would have waited, a late generator and a busy connection included.</dd>
<dt>service time</dt><dd>Done − dispatched: what the target took.</dd>
<dt>shed</dt><dd>Planned, but deliberately not sent, because a stated bound was reached.</dd></dl>"#;

#[cfg(test)]
mod tests;
