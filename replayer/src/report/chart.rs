//! Line charts over time as inline SVG.

use serde_json::json;

use super::text::{escape, json as script, time};

/// Points that are drawn at most; neighbouring seconds are merged beyond that.
pub(super) const POINTS_MAX: usize = 600;
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 945.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 220.0;
/// The largest value over the smallest from which on an axis is logarithmic.
const LOG_FROM: f64 = 50.0;

/// One line of a chart.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// One value a second; `None` leaves a hole.
    pub(super) values: Vec<Option<f64>>,
    /// Filled down to the axis, to tell the plan from what happened without colour.
    pub(super) filled: bool,
}

/// What the values are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Requests a second: merged by their mean.
    PerSecond,
    /// Microseconds: percentiles cannot be averaged, so the largest stands for what is merged.
    Micros,
}

/// A chart with its title, legend and read-out.
pub(super) fn chart(id: &str, title: &str, what: &str, unit: Unit, series: Vec<Series>) -> String {
    let seconds = series.iter().map(|one| one.values.len()).max().unwrap_or(0);
    let merged_by = seconds.div_ceil(POINTS_MAX).max(1);
    let series: Vec<Series> =
        series.into_iter().map(|one| Series { values: merge(&one.values, merged_by, unit), ..one }).collect();
    let points = series.iter().map(|one| one.values.len()).max().unwrap_or(0);
    let scale = Scale::of(&series, unit);
    let x = |at: usize| LEFT + (RIGHT - LEFT) * ratio(at, points.saturating_sub(1).max(1));

    let mut svg = format!(
        r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{}</title><desc id="{id}-d">{}</desc>"#,
        escape(title),
        escape(what)
    );
    for (value, label) in scale.ticks() {
        let y = scale.y(value);
        svg += &format!(
            r#"<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
            LEFT - 8.0,
            y + 4.0
        );
    }
    for at in (0..points.max(1)).step_by(points.div_ceil(8).max(1)) {
        let second = at * merged_by;
        svg += &format!(r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{second} s</text>"#, x(at), BOTTOM + 18.0);
    }
    for (number, one) in series.iter().enumerate() {
        svg += &line(number, one, &scale, &x);
    }
    svg += &format!(r#"<line class="hair" x1="0" x2="0" y1="{TOP}" y2="{BOTTOM}"/></svg>"#);

    let legend: String = (0..)
        .zip(&series)
        .map(|(number, one)| format!(r#"<span><svg viewBox="0 0 26 10" aria-hidden="true"><line class="series s{number}" x1="0" x2="26" y1="5" y2="5"{}/></svg>{}</span>"#, dashes(number), one.name))
        .collect();
    let merged = match (merged_by, unit) {
        (1, _) => String::new(),
        (by, Unit::PerSecond) => format!(" Each point is the mean of {by} seconds."),
        (by, Unit::Micros) => format!(" Each point is the largest of {by} seconds: percentiles cannot be averaged."),
    };
    let axis = if scale.log { " Logarithmic axis." } else { "" };
    let data: Vec<_> = (0..points)
        .map(|at| json!({"x": (x(at) * 10.0).round() / 10.0, "label": label(at, merged_by, &series, unit)}))
        .collect();
    let data = script(&json!({"width": WIDTH, "left": LEFT, "right": RIGHT, "points": data}));
    format!(
        r#"<h2>{}</h2><figure data-chart><div class="legend">{legend}</div>{svg}<div class="read" aria-hidden="true"></div><figcaption class="note">{}{axis}{merged}</figcaption><script type="application/json">{data}</script></figure>"#,
        escape(title),
        escape(what)
    )
}

fn label(at: usize, merged_by: usize, series: &[Series], unit: Unit) -> String {
    let values = series.iter().filter_map(|one| {
        let value = one.values.get(at).copied().flatten()?;
        Some(format!("{} {}", one.name, if unit == Unit::Micros { time(value) } else { format!("{value:.0}/s") }))
    });
    format!("{} s: {}", at * merged_by, values.collect::<Vec<_>>().join(" · "))
}

/// A line that differs from the others by its dashes, too.
fn dashes(number: usize) -> &'static str {
    match number {
        0 => "",
        1 => r#" stroke-dasharray="none""#,
        2 => r#" stroke-dasharray="7 3""#,
        _ => r#" stroke-dasharray="2 3""#,
    }
}

fn line(number: usize, series: &Series, scale: &Scale, x: &impl Fn(usize) -> f64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (at, value) in series.values.iter().enumerate() {
        match value {
            Some(value) => {
                let command = if drawing { 'L' } else { 'M' };
                path += &format!("{command}{:.1} {:.1}", x(at), scale.y(*value));
                // A single point between holes is drawn as a dot of a line.
                if !drawing && series.values.get(at + 1).copied().flatten().is_none() {
                    path += "h0.1";
                }
                drawing = true;
            }
            None => drawing = false,
        }
    }
    let area = if series.filled && !path.is_empty() {
        let last = x(series.values.len().saturating_sub(1));
        format!(r#"<path class="area" d="{path}L{last:.1} {BOTTOM}L{LEFT} {BOTTOM}Z"/>"#)
    } else {
        String::new()
    };
    format!(r#"{area}<path class="series s{number}" stroke-linecap="round"{} d="{path}"/>"#, dashes(number))
}

fn merge(values: &[Option<f64>], by: usize, unit: Unit) -> Vec<Option<f64>> {
    let chunk = |chunk: &[Option<f64>]| {
        let there: Vec<f64> = chunk.iter().copied().flatten().collect();
        match (there.is_empty(), unit) {
            (true, _) => None,
            (false, Unit::PerSecond) => Some(there.iter().sum::<f64>() / ratio(there.len(), 1)),
            (false, Unit::Micros) => there.iter().copied().reduce(f64::max),
        }
    };
    values.chunks(by.max(1)).map(chunk).collect()
}

struct Scale {
    from: f64,
    to: f64,
    log: bool,
    unit: Unit,
}

impl Scale {
    fn of(series: &[Series], unit: Unit) -> Self {
        let values = || series.iter().flat_map(|one| one.values.iter().copied().flatten());
        let most = values().fold(0.0, f64::max);
        let least = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        if unit == Unit::Micros && least.is_finite() && most / least > LOG_FROM {
            return Self {
                from: 10f64.powf(least.log10().floor()),
                to: 10f64.powf(most.log10().ceil()),
                log: true,
                unit,
            };
        }
        Self { from: 0.0, to: if most > 0.0 { nice(most) } else { 1.0 }, log: false, unit }
    }

    fn y(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.from) / self.from).log10() / (self.to / self.from).log10().max(1e-9)
        } else {
            value / self.to
        };
        BOTTOM - (BOTTOM - TOP) * share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let label = |value: f64| if self.unit == Unit::Micros { tick_time(value) } else { format!("{value:.0}/s") };
        if self.log {
            let decades = std::iter::successors(Some(self.from), |value| Some(value * 10.0));
            return decades.take_while(|value| *value <= self.to * 1.01).map(|value| (value, label(value))).collect();
        }
        (0..=4).map(|quarter| self.to * f64::from(quarter) / 4.0).map(|value| (value, label(value))).collect()
    }
}

/// The next larger round number of which a quarter is round, too.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= value)
        .unwrap_or(value)
}

fn tick_time(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 1_000.0 => (us, "µs"),
        us if us < 1_000_000.0 => (us / 1_000.0, "ms"),
        us => (us / 1_000_000.0, "s"),
    };
    format!("{} {unit}", (value * 100.0).round() / 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "places on a page of a thousand pixels")]
fn ratio(of: usize, to: usize) -> f64 {
    of as f64 / to as f64
}
