//! The percentile curve: response time by 1/(1 − p), both logarithmic, so that each further nine has as much room as the
//! one before it. Drawn as HdrHistogram's own plots are.

use serde_json::{Value, json};

use super::frame::{Frame, HEIGHT, WIDTH, entry, figure, nothing};
use super::scale::Scale;
use super::text::{round_number, round_time, time};
use crate::result::drawn::Curves;

const ID: &str = "curve";
const TITLE: &str = "Percentiles, nine by nine";

/// Points of a line that are drawn: more than any run has.
const POINTS_MAX: usize = 300;

/// One line: its name, the class of its look, and its points.
type Line<'a> = (&'static str, &'static str, &'a [[f64; 2]]);

fn lines(curves: &Curves) -> [Line<'_>; 4] {
    [
        ("response", "p50", &curves.response_us),
        ("service", "p90", &curves.service_us),
        ("recorded response", "recorded", &curves.recorded_response_us),
        ("lag of the generator", "max", &curves.lag_us),
    ]
    .map(|(name, class, points)| (name, class, points.get(..POINTS_MAX.min(points.len())).unwrap_or_default()))
}

/// The chart.
pub(super) fn draw(curves: &Curves) -> String {
    let lines = lines(curves);
    let nines = nines(&lines);
    if nines <= 0.0 {
        return nothing(ID, TITLE, "nothing was counted");
    }
    let values = lines.iter().flat_map(|(.., points)| points.iter().map(|[_, us]| *us));
    let scale = Scale::of(values, true);
    let axis = if scale.log { "time, logarithmic scale" } else { "time" };
    let drawn = lines.iter().filter(|(.., points)| !points.is_empty());
    let legend: String = drawn.clone().map(|(name, class, _)| entry(class, name)).collect();
    let paths: String = drawn.clone().map(|line| path(line, nines, &scale)).collect();
    let described: String = drawn.map(described).collect();
    let frame = Frame {
        id: ID,
        title: TITLE,
        described: &format!("Times by percentile.{described}"),
        height: HEIGHT,
        axis,
        values: scale.marks().into_iter().map(|mark| (scale.share(mark), round_time(mark))).collect(),
        along: along(nines),
        marks: Vec::new(),
    };
    let what = "Of all requests of the run, the share that was at most this slow; to the right each nine has as much room as the one before. Where response and service part, requests waited before they were sent.";
    figure(ID, TITLE, &legend, &frame.draw(&paths), what)
}

/// For the read-outs of `page.js`: the shares of the longest line, and what each line says there.
pub(super) fn data(curves: &Curves) -> Value {
    let lines = lines(curves);
    let nines = nines(&lines);
    let longest = lines.iter().map(|(.., points)| *points).max_by_key(|points| points.len()).unwrap_or_default();
    if nines <= 0.0 {
        return Value::Null;
    }
    let series = lines.iter().filter(|(.., points)| !points.is_empty()).map(|(name, class, points)| {
        let values = longest.iter().map(|[share, _]| at(points, *share));
        json!({"name": name, "class": class, "values": values.collect::<Vec<_>>()})
    });
    json!({
        "id": ID,
        "unit": "us",
        "heads": longest.iter().map(|[share, _]| percentile(*share)).collect::<Vec<_>>(),
        "at": longest.iter().map(|[share, _]| round(place(*share, nines))).collect::<Vec<_>>(),
        "series": series.collect::<Vec<_>>(),
    })
}

/// What a line says at a share.
fn at(points: &[[f64; 2]], share: f64) -> Option<f64> {
    let within = points.iter().find(|[own, _]| *own >= share);
    within.map(|[_, us]| (us * 100.0).round() / 100.0)
}

/// How many nines the longest line has: log10(1/(1 − p)) of its last share below 1.
fn nines(lines: &[Line<'_>]) -> f64 {
    let shares = lines.iter().flat_map(|(.., points)| points.iter().map(|[share, _]| *share));
    let finest = shares.filter(|share| *share < 1.0).fold(f64::NEG_INFINITY, f64::max);
    if finest.is_finite() { (-libm::log10(1.0 - finest)).max(1.0) } else { 0.0 }
}

/// Where a share stands on the axis; the largest value at its end.
fn place(share: f64, nines: f64) -> f64 {
    if share >= 1.0 { 1.0 } else { (-libm::log10(1.0 - share) / nines).clamp(0.0, 1.0) }
}

fn along(nines: f64) -> Vec<(f64, String)> {
    let marks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.999_9, 0.999_99, 0.999_999, 0.999_999_9, 0.999_999_99];
    let fits = |share: &f64| -libm::log10(1.0 - share) <= nines * 1.000_1;
    marks.into_iter().filter(fits).map(|share| (place(share, nines), percentile(share))).collect()
}

/// `99.9 %`
fn percentile(share: f64) -> String {
    format!("{} %", round_number(share * 100.0))
}

fn path((_, class, points): &Line<'_>, nines: f64, scale: &Scale) -> String {
    let mut path = String::new();
    for [share, us] in *points {
        let (x, y) = (WIDTH * place(*share, nines), HEIGHT * (1.0 - scale.share(*us)));
        path += &format!("{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
    }
    format!(r#"<path class="line {class}" d="{path}"/>"#)
}

fn described((name, _, points): &Line<'_>) -> String {
    let said = |share: f64| at(points, share).map_or_else(String::new, time);
    format!(
        " {name}: 50 % within {}, 99 % within {}, 99.9 % within {}, all within {}.",
        said(0.5),
        said(0.99),
        said(0.999),
        said(1.0)
    )
}

fn round(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nine_has_the_same_room() {
        let curves =
            Curves { response_us: vec![[0.0, 1.0], [0.5, 2.0], [0.999, 9.0], [1.0, 10.0]], ..Curves::default() };
        let nines = nines(&lines(&curves));
        for (share, expected) in [(0.0, 0.0), (0.9, 1.0 / 3.0), (0.99, 2.0 / 3.0), (0.999, 1.0), (1.0, 1.0)] {
            assert!((place(share, nines) - expected).abs() < 1e-9, "{share}");
        }
        let labels: Vec<String> = along(nines).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
        assert_eq!(data(&curves)["series"][0]["values"], json!([1.0, 2.0, 9.0, 10.0]));
        assert_eq!(data(&Curves::default()), Value::Null);
    }
}
