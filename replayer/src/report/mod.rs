//! The report of a run for people: one HTML file that needs nothing else, read off the result.
//!
//! Everything is on the page without JavaScript, which only adds read-outs and sorting. Nothing is fetched: the page
//! forbids it to itself, and all foreign text goes through `text::escape` or `text::json`.

mod chart;
mod charts;
mod figures;
mod generator;
mod plan_svg;
mod scale;
mod services;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod windows;

use serde_json::json;

use crate::health::Generator;
use crate::result::{Endpoint, RunResult};
use charts::charts;
pub use plan_svg::plan_svg;
use timeline::Timeline;

/// What the page may do: its own styles and script, nothing from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

const GLOSSARY: &str = r#"<section><h2>How to read this</h2><dl class="words">
<div><dt>Due</dt><dd>The instant at which the plan wants a request to be sent. It does not move, whatever the target does.</dd></div>
<div><dt>Lag</dt><dd>Dispatched − released: how late the generator was. If it is not small beside the response times, doubt the run before the target.</dd></div>
<div><dt>Held and busy</dt><dd>Waiting by choice of the loop model for an earlier answer, and waiting for a connection that was in use. Neither is lag.</dd></div>
<div><dt>Valid, strained, invalid</dt><dd>Strained: over 1 % of what was sent left late. Invalid: far too late, or not sent at all: the figures then tell more about the generator than about the target.</dd></div>
<div><dt>L1 and KS distance</dt><dd>How far requests moved between stretches of time (0: none, 2: all), and how far the gaps between them changed (0: not, 1: entirely).</dd></div>
<div><dt>Response time</dt><dd>Done − due (in causal and closed loops: done − released): what a user would have waited, waiting for a connection included. A slow target cannot hide by slowing the load down.</dd></div>
<div><dt>Service time</dt><dd>Done − dispatched: what the target took once it had the request.</dd></div>
<div><dt>Shed</dt><dd>Planned, but deliberately not sent, because a stated bound was reached. Always counted, with its reason.</dd></div>
<div><dt>p50, p99, …</dt><dd>Of 100 requests, 50 or 99 were at most this slow. A dash means that nothing was counted.</dd></div>
<div><dt>Recorded</dt><dd>The response times of the same exchanges in the recording, as the recorder measured them.</dd></div>
</dl></section>"#;

/// Renders the page. Its size is bounded by the number of its points and endpoints, not by the length of the run.
#[must_use]
pub fn html(result: &RunResult) -> String {
    let timeline = Timeline::of(result);
    let charts = charts(&timeline);
    let drawn: String = charts.iter().map(|chart| chart.draw(&timeline)).collect();
    let data = json!({
        "run": summary(result),
        "charts": charts.iter().map(|chart| chart.data(&timeline)).collect::<Vec<_>>(),
    });
    [
        head(result),
        figures::header(result),
        format!("<main>{}{drawn}", figures::figures(result)),
        windows::windows(result),
        generator::generator(result),
        table::endpoints(&result.endpoints),
        services::services(result.services.as_ref()),
        table::outcomes(result),
        format!("{GLOSSARY}</main>"),
        format!(r#"<script type="application/json" id="data">{}</script>"#, text::json(&data)),
        format!("<script>{}</script></body></html>\n", include_str!("page.js")),
    ]
    .concat()
}

fn head(result: &RunResult) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>reenact: {} at {}×</title><style>{}</style></head><body>",
        text::escape(&result.target),
        text::round_number(result.multiplier),
        include_str!("page.css"),
    )
}

/// The result as it goes into the page's data: without its timeline, which the charts have, and with the endpoints that
/// are shown.
fn summary(result: &RunResult) -> RunResult {
    let shown = |row: &Endpoint| Endpoint { endpoint: text::shown(&row.endpoint).into_owned(), ..row.clone() };
    let endpoints: Vec<Endpoint> = result.endpoints.iter().take(table::ENDPOINTS_MAX).map(shown).collect();
    let generator = Generator { timeline: Vec::new(), ..result.generator.clone() };
    RunResult { timeline: Vec::new(), endpoints, generator, ..result.clone() }
}
