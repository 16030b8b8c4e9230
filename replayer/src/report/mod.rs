//! The report of a run for people: one HTML file that needs nothing else, read off the result.
//!
//! Everything is on the page without JavaScript, which only adds read-outs and sorting. Nothing is fetched: the page
//! forbids it to itself, and all foreign text goes through `text::escape` or `text::json`.

pub(crate) mod asked;
mod chart;
mod charts;
mod curve;
mod figures;
pub(crate) mod frame;
mod generator;
mod heat;
mod link;
mod marks;
mod plan_svg;
mod samples;
pub(crate) mod scale;
mod services;
mod shape;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod thresholds;
mod timeline;
mod windows;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::measure::Heat;
use crate::result::RunResult;
use charts::charts;
pub use link::{TRACE_URL_PLACES, TraceUrl, TraceUrlError};
pub use plan_svg::plan_svg;
pub(crate) use samples::Links;
use timeline::Timeline;

/// Colours, charts and tables.
pub(crate) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

const GLOSSARY: &str = r#"<section id="words" aria-labelledby="words-h"><h2 id="words-h">How to read this</h2><dl class="words">
<div><dt>Due</dt><dd>The instant at which the plan wants a request to be sent. It does not move, whatever the target does.</dd></div>
<div><dt>Lag</dt><dd>Dispatched − released, without connecting: how late the generator was. If it is not small beside the response times, doubt the run before the target.</dd></div>
<div><dt>Held, busy, connecting</dt><dd>Waiting by choice of the loop model for an earlier answer, for a connection that was in use, and for one to be made. None of it is lag.</dd></div>
<div><dt>Valid, strained, invalid</dt><dd>Strained: over 1 % of what was sent left late. Invalid: far too late, or not sent at all: the figures then tell more about the generator than about the target.</dd></div>
<div><dt>L1 and KS distance</dt><dd>How far requests moved between stretches of time (0: none, 2: all), and how far the gaps between them changed (0: not, 1: entirely).</dd></div>
<div><dt>Response time</dt><dd>Done − due (in causal and closed loops: done − released): what a user would have waited, waiting for a connection included. A slow target cannot hide by slowing the load down.</dd></div>
<div><dt>Service time</dt><dd>Done − dispatched: what the target took once it had the request.</dd></div>
<div><dt>Shed</dt><dd>Planned, but deliberately not sent, because a stated bound was reached. Always counted, with its reason.</dd></div>
<div><dt>p50, p99, …</dt><dd>Of 100 requests, 50 or 99 were at most this slow. A dash means that nothing was counted.</dd></div>
<div><dt>Recorded</dt><dd>The response times of the same exchanges in the recording, as the recorder measured them.</dd></div>
</dl></section>"#;

/// The parts of the page.
const CONTENTS: [(&str, &str); 15] = [
    ("thresholds", "Thresholds"),
    ("rate", "Rate"),
    ("heat", "Heat map"),
    ("response", "Over time"),
    ("curve", "Percentiles"),
    ("endpoints", "Endpoints"),
    ("slowest", "Slowest"),
    ("failures", "Failures"),
    ("times", "Times"),
    ("services", "Services"),
    ("lag", "Generator"),
    ("shape", "Shape"),
    ("outcomes", "Outcomes"),
    ("asked", "Asked"),
    ("words", "Words"),
];

/// Renders the page. Its size is bounded by the number of its points and endpoints, not by the length of the run.
#[must_use]
pub fn html(result: &RunResult) -> String {
    let timeline = Timeline::of(result);
    let charts = charts(&timeline, result.knows("timeline.planned"));
    let [rate, response, lag, health] = charts.each_ref().map(|chart| chart.draw(&timeline));
    // In the order in which they have room for links.
    let links = Links::of(result);
    let thresholds = thresholds::thresholds(result, &links);
    let slowest = samples::slowest(result, &links);
    let failures = samples::failures(result, &links);
    let endpoints = table::endpoints(result, &links);
    let shape = result.shape.as_ref();
    // A result may come from anywhere: what no run writes is not drawn.
    let heat_map = Heat::of(&result.heat_map).unwrap_or_default().map();
    let data = json!({
        "charts": charts.iter().map(|chart| chart.data(&timeline)).collect::<Vec<_>>(),
        "curves": [curve::data(&result.curves), shape::data(shape)],
        "heat": heat::data(&heat_map, &timeline),
    });
    let parts = [
        thresholds,
        rate,
        heat::draw(&heat_map, &timeline),
        response,
        curve::draw(&result.curves),
        endpoints,
        slowest,
        failures,
        windows::windows(result),
        services::services(result),
        lag,
        health,
        generator::generator(result),
        shape::shape(shape),
        table::outcomes(result),
        asked::asked(result),
        GLOSSARY.to_owned(),
    ]
    .concat();
    let target = text::escape(&result.target);
    Page {
        title: &format!("reenact: {target} at {}×", text::round_number(result.multiplier)),
        style: STYLE,
        header: &figures::header(result),
        figures: &figures::figures(result),
        parts: &parts,
        contents: &CONTENTS,
        data: &data,
    }
    .html()
}

/// A page of this room's style and script. Texts are harmless already.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// Of it the page has a digest, and of nothing else.
    pub(crate) style: &'a str,
    pub(crate) header: &'a str,
    /// What stands before the parts.
    pub(crate) figures: &'a str,
    pub(crate) parts: &'a str,
    /// Parts that there may be: ids and names.
    pub(crate) contents: &'a [(&'a str, &'a str)],
    /// For `page.js`.
    pub(crate) data: &'a serde_json::Value,
}

impl Page<'_> {
    pub(crate) fn html(&self) -> String {
        let Self { title, style, header, figures, parts, contents, data } = self;
        [
            format!(
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
                 <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\
                 <meta name=\"referrer\" content=\"no-referrer\">\
                 <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
                 <meta name=\"color-scheme\" content=\"light dark\">\
                 <title>{title}</title><style>{style}</style></head><body>\
                 <a class=\"skip\" href=\"#main\">Skip to the figures</a>",
                policy(style),
            ),
            (*header).to_owned(),
            self::contents(contents, parts),
            format!(r#"<main id="main">{figures}{parts}</main>"#),
            format!(r#"<script type="application/json" id="data">{}</script>"#, text::json(data)),
            format!("<script>{SCRIPT}</script></body></html>\n"),
        ]
        .concat()
    }
}

/// What the page may do: its own styles and script, by their digests, and nothing from anywhere.
fn policy(style: &str) -> String {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let (style, script) = (digest(style), digest(SCRIPT));
    format!("default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'")
}

/// Links to those parts that are on the page.
fn contents(known: &[(&str, &str)], parts: &str) -> String {
    let there = known.iter().filter(|(id, _)| parts.contains(&format!(r#" id="{id}""#)));
    let links: String = there.map(|(id, name)| format!(r##"<li><a href="#{id}">{name}</a></li>"##)).collect();
    format!(r#"<nav aria-label="Contents"><ul>{links}</ul></nav>"#)
}
