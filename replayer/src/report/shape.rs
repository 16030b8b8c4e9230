//! The shape check, recording → plan: how bursty both are at every scale, and what that amounts to.

use serde_json::{Value, json};

use super::frame::{Frame, HEIGHT, WIDTH, entry, figure, nothing};
use super::scale::Scale;
use super::text::{NOTHING, count, escape, float, round_number};
use crate::result::shape::{Shape, ShapeScale};

const ID: &str = "shape";
const TITLE: &str = "Shape: recording and plan";
/// Scales that are drawn.
const SCALES_MAX: usize = 20;
/// An axis of dispersions spans at least the square of this factor, so that small differences look small.
const SPREAD_MIN: f64 = 8.0;
/// Free at both ends of the axis of scales, as a share of the width.
const MARGIN: f64 = 0.04;
/// Target and plan stand this far left and right of their scale, so that neither's error bar hides the other's.
const APART: f64 = 6.0;

/// One line: its name, the class of its look, its place beside the scale, and its value with its standard error.
type Line = (&'static str, &'static str, f64, fn(&ShapeScale) -> Option<(f64, f64)>);

const LINES: [Line; 3] = [
    ("recording", "recorded", 0.0, |scale| Some((scale.recording?, 0.0))),
    ("target of the plan, ±2 standard errors", "p99", -APART, |scale| {
        Some((scale.target?, scale.target_error.unwrap_or(0.0)))
    }),
    ("plan, ±2 standard errors", "p50", APART, |scale| Some((scale.plan?, scale.plan_error.unwrap_or(0.0)))),
];

/// Chart and table; nothing where the result says nothing of a shape.
pub(super) fn shape(shape: Option<&Shape>) -> String {
    let Some(shape) = shape else { return String::new() };
    format!("{}{}", chart(shape), table(shape))
}

fn chart(shape: &Shape) -> String {
    let scales = scales(shape);
    let Some(scale) = axis(scales) else { return nothing(ID, TITLE, "the recording has no window to count in") };
    let lines: String = LINES.iter().map(|one| line(one, scales, &scale)).collect();
    let legend: String = LINES.iter().map(|(name, class, ..)| entry(class, name)).collect();
    let frame = Frame {
        id: ID,
        title: TITLE,
        described: &format!(
            "Index of dispersion of counts of recording and plan by the width of the windows. Shape: {}.",
            escape(&shape.words)
        ),
        height: HEIGHT,
        axis: "dispersion, logarithmic scale",
        values: scale.marks().into_iter().map(|mark| (scale.share(mark), round_number(mark))).collect(),
        along: scales.iter().map(|one| (place(one.tau_ns, scales), tau(one.tau_ns))).collect(),
        marks: Vec::new(),
    };
    let what = format!(
        "Var N / E N of the requests in windows of each width; 1 is a Poisson process, more is burstier. The plan is to have what so many clients of the recording would make. Shape <b>{}</b>.",
        escape(&shape.words)
    );
    figure(ID, TITLE, &legend, &frame.draw(&lines), &what)
}

/// For the read-outs of `page.js`.
pub(super) fn data(shape: Option<&Shape>) -> Value {
    let Some(shape) = shape else { return Value::Null };
    let scales = scales(shape);
    if axis(scales).is_none() {
        return Value::Null;
    }
    let series = LINES.iter().map(|(name, class, _, value)| {
        let values = scales.iter().map(|scale| value(scale).map(|(value, _)| (value * 100.0).round() / 100.0));
        json!({"name": name, "class": class, "values": values.collect::<Vec<_>>()})
    });
    json!({
        "id": ID,
        "unit": "plain",
        "heads": scales.iter().map(|scale| format!("windows of {}", tau(scale.tau_ns))).collect::<Vec<_>>(),
        "at": scales.iter().map(|scale| (place(scale.tau_ns, scales) * 10_000.0).round() / 10_000.0).collect::<Vec<_>>(),
        "series": series.collect::<Vec<_>>(),
    })
}

fn scales(shape: &Shape) -> &[ShapeScale] {
    shape.scales.get(..shape.scales.len().min(SCALES_MAX)).unwrap_or_default()
}

fn axis(scales: &[ShapeScale]) -> Option<Scale> {
    let values: Vec<f64> = scales
        .iter()
        .flat_map(|scale| LINES.iter().filter_map(|(.., value)| value(scale)))
        .flat_map(|(value, error)| [value, value + 2.0 * error])
        .filter(|value| value.is_finite() && *value > 0.0)
        .collect();
    let (least, most) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
    let middle = (least * most).sqrt();
    Some(Scale::logarithmic(least.min(middle / SPREAD_MIN), most.max(middle * SPREAD_MIN)))
}

/// Scales from end to end, logarithmically.
fn place(tau_ns: u64, scales: &[ShapeScale]) -> f64 {
    let ends = scales.iter().map(|scale| libm::log(float(scale.tau_ns.max(1))));
    let (least, most) = (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
    let share = (libm::log(float(tau_ns.max(1))) - least) / (most - least).max(f64::MIN_POSITIVE);
    MARGIN + (1.0 - 2.0 * MARGIN) * share
}

/// Bars first, so that the line lies above them.
fn line((_, class, apart, value): &Line, scales: &[ShapeScale], axis: &Scale) -> String {
    let (mut bars, mut path) = (String::new(), String::new());
    for scale in scales {
        // A value that has no place on a logarithmic axis leaves a hole.
        let Some((value, error)) = value(scale).filter(|(value, _)| *value > 0.0) else { continue };
        let [y, low, high] =
            [value, value - 2.0 * error, value + 2.0 * error].map(|value| HEIGHT * (1.0 - axis.share(value)));
        let x = WIDTH * place(scale.tau_ns, scales) + apart;
        if error > 0.0 {
            bars += &format!("M{x:.1} {low:.1}V{high:.1}");
        }
        path += &format!("{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
    }
    format!(r#"<path class="line bar {class}" d="{bars}"/><path class="line {class}" d="{path}"/>"#)
}

fn table(shape: &Shape) -> String {
    let shown = |value: Option<f64>| value.map_or(NOTHING.to_owned(), |value| format!("{value:.2}"));
    let row = |scale: &ShapeScale| {
        format!(
            r#"<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class="text">{} {}</td></tr>"#,
            tau(scale.tau_ns),
            count(scale.windows),
            shown(scale.recording),
            shown(scale.target),
            shown(scale.plan),
            shown(scale.ratio),
            mark(&scale.verdict),
            escape(&scale.words)
        )
    };
    let rows: String = scales(shape).iter().map(row).collect();
    let more = [
        ("mean rate of what was asked for", shape.mean_rate),
        ("correlation of the rates, 10 s", shape.rate_correlation_10s),
        ("60 s", shape.rate_correlation_60s),
        ("think times, planned over recorded", shape.think_time_ratio),
        ("divergence of the endpoints, bits", shape.endpoint_divergence_bits),
        ("distance of the gaps", shape.gap_distance),
    ];
    let more: String =
        more.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", shown(*value))).collect();
    format!(
        r#"<div class="scroll" role="region" aria-label="Shape by scale" tabindex="0"><table class="named"><thead><tr><th scope="col" class="text">Window</th><th scope="col">windows</th><th scope="col">recording</th><th scope="col">target</th><th scope="col">plan</th><th scope="col">plan / target</th><th scope="col" class="text">Verdict</th></tr></thead><tbody>{rows}</tbody></table></div><dl class="facts">{more}</dl>"#
    )
}

/// A sign for each verdict, for those who cannot tell its colour.
fn mark(verdict: &str) -> &'static str {
    match verdict {
        "kept" => "✓",
        "not_kept" => "▲",
        "cannot_tell" => "○",
        _ => "?",
    }
}

/// `10 ms`, `60 s`.
fn tau(tau_ns: u64) -> String {
    match tau_ns / 1_000_000 {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms => format!("{} s", ms / 1_000),
    }
}
