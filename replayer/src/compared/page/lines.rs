//! Lines over time: the points, the line through them, and how far it may be off.

use serde_json::{Value, json};

use crate::compare::over_time::OverTime;
use crate::compare::slope::off;
use crate::compare::trend::{Line, Measured};
use crate::compared::words::{TOO_FEW_POINTS, change, cut, quantile, signed, span};
use crate::report::frame::{Frame, WIDTH, entry};
use crate::report::scale::Scale;
use crate::report::text::{escape, round_number, round_time};

/// Lines of response times that are drawn, the whole system's first, then what was found; and as many of the target's
/// processes and of errors.
const LINES_MAX: usize = 24;
/// Points of a line that are drawn; of more, each stands for several.
const POINTS_MAX: usize = 120;
/// Places along a line at which its band has an edge.
const BAND_PLACES: usize = 24;
/// A band may take so many times the room of the points, on each side of them.
const BAND_ROOM: f64 = 0.75;
/// Characters of an instant: more than any has.
const INSTANT_CHARS_MAX: usize = 40;
/// Pixels.
const HEIGHT: f64 = 160.0;

/// The lines, and their values for `page.js`.
pub(super) fn lines(of: &OverTime) -> (String, Vec<Value>) {
    // The target's and the errors' stand last in the list, and are what a soak is about.
    let (times, others): (Vec<&Line>, Vec<&Line>) =
        of.trend.lines.iter().partition(|line| matches!(line.of, Measured::System | Measured::Endpoint(_)));
    let chosen = times.into_iter().take(LINES_MAX).chain(others.into_iter().take(LINES_MAX));
    let drawn: Vec<Drawn> = chosen.enumerate().map(|(place, line)| Drawn::of(of, place, line)).collect();
    if drawn.is_empty() {
        return (String::new(), Vec::new());
    }
    let figures: String = drawn.iter().map(Drawn::html).collect();
    let what = match of.is_one_run() {
        true => "Each point is a stretch of the run",
        false => "Each point is a run, in the order in which they were started",
    };
    let page = format!(
        r#"<section id="lines" aria-labelledby="lines-h"><h2 id="lines-h">Over time</h2><p class="nothing">{what}. The line is the one that fits best; the band around it holds the true line, at each place, as often as intervals are said to. Neighbouring points that are alike count for less, which makes it wider.</p><div class="many">{figures}</div></section>"#
    );
    (page, drawn.iter().map(Drawn::data).collect())
}

/// What the values of a line are, and how they are said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Micros,
    Mebibytes,
    Cpus,
    Percent,
}

impl Unit {
    /// From a point to what is drawn.
    fn value(self, point: f64) -> f64 {
        match self {
            Self::Micros => point.exp() / 1e3,
            Self::Mebibytes => point.exp() / f64::from(1 << 20),
            Self::Cpus => point.exp(),
            Self::Percent => point * 100.0,
        }
    }

    const fn axis(self) -> &'static str {
        match self {
            Self::Micros => "time",
            Self::Mebibytes => "MiB",
            Self::Cpus => "CPUs",
            Self::Percent => "% of requests",
        }
    }

    fn mark(self, value: f64) -> String {
        if self == Self::Micros { round_time(value) } else { round_number(value) }
    }

    /// As `page.js` says values.
    const fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::Mebibytes | Self::Cpus => "plain",
            Self::Percent => "percent",
        }
    }
}

struct Drawn {
    id: String,
    title: String,
    /// Of what it rises by.
    said: String,
    unit: Unit,
    /// As they are drawn, each with its share of the way.
    points: Vec<(f64, f64)>,
    /// Of each place: share of the way, lower edge, line, upper edge. Empty where nothing is known.
    band: Vec<[f64; 4]>,
    /// What a point is called.
    heads: Vec<String>,
}

impl Drawn {
    fn of(of: &OverTime, place: usize, line: &Line) -> Self {
        let confidence = of.asked.confidence;
        let endpoint = |number: usize| of.endpoints.get(number).map_or("", String::as_str);
        let target = |number: usize| of.trend.target.get(number).map_or("", |(what, _)| what.as_str());
        let (title, unit) = match line.of {
            Measured::System => (format!("the whole system: {}", quantile(line.quantile)), Unit::Micros),
            Measured::Endpoint(number) => (format!("{}: {}", endpoint(number), quantile(line.quantile)), Unit::Micros),
            Measured::Memory(number) => (target(number).to_owned(), Unit::Mebibytes),
            Measured::Cpu(number) => (target(number).to_owned(), Unit::Cpus),
            Measured::Errors => ("requests that failed".to_owned(), Unit::Percent),
        };
        let said = match (&line.rise, unit) {
            (None, _) => format!("{TOO_FEW_POINTS} for a line"),
            (Some(rise), Unit::Percent) => {
                let (low, high) = rise.interval(confidence);
                format!("{} of all requests [{}..{}] {}", signed(rise.mean), signed(low), signed(high), span(of))
            }
            (Some(rise), _) => format!("{} {}", change(rise, confidence), span(of)),
        };
        let every = line.points.len().div_ceil(POINTS_MAX).max(1);
        let last = line.points.len().saturating_sub(1).max(1) as f64;
        let places = (0..line.points.len()).step_by(every);
        let points: Vec<(f64, f64)> = places
            .clone()
            .filter_map(|number| Some((number as f64 / last, unit.value(*line.points.get(number)?))))
            .collect();
        let band = line.rise.as_ref().map(|rise| {
            let mean = line.points.iter().sum::<f64>() / line.points.len().max(1) as f64;
            let at = |place: usize| {
                let along = place as f64 / BAND_PLACES as f64;
                let (middle, off) = (mean + (along - 0.5) * rise.mean, off(rise, line.points.len(), along, confidence));
                // No share is below nothing.
                let least = if unit == Unit::Percent { 0.0 } else { f64::NEG_INFINITY };
                let [low, middle, high] =
                    [middle - off, middle, middle + off].map(|point| unit.value(point.max(least)));
                [along, low, middle, high]
            };
            (0..=BAND_PLACES).map(at).collect()
        });
        let heads = places.map(|number| match (of.is_one_run(), of.runs.get(number)) {
            (false, Some(run)) => format!("run {}, {}", number + 1, cut(&run.result.started_at, INSTANT_CHARS_MAX)),
            _ => format!("stretch {}", number + 1),
        });
        Self {
            id: format!("line-{place}"),
            title,
            said,
            unit,
            points,
            band: band.unwrap_or_default(),
            heads: heads.collect(),
        }
    }

    fn html(&self) -> String {
        let Self { id, unit, .. } = self;
        let (title, said) = (escape(&self.title), escape(&self.said));
        let scale = self.scale();
        let number = self.points.len();
        let along = [(0.0, 1), (1.0, number)].map(|(share, point)| (share, point.to_string())).to_vec();
        let described = format!("{number} points and the line through them: {said}.");
        let frame = Frame {
            id,
            title: &title,
            described: &described,
            height: HEIGHT,
            axis: unit.axis(),
            values: scale.marks().into_iter().map(|mark| (scale.share(mark), unit.mark(mark))).collect(),
            along,
            marks: Vec::new(),
        };
        let legend = entry("after", "the line");
        format!(
            r#"<figure id="{id}" class="chart" aria-labelledby="{id}-h"><h3 id="{id}-h">{title}</h3><p class="legend">{legend}</p>{}<figcaption>{said}</figcaption></figure>"#,
            frame.draw(&self.inside(&scale))
        )
    }

    /// All points are on it, and as much of the band as leaves them room.
    fn scale(&self) -> Scale {
        let values = || self.points.iter().map(|(_, value)| *value);
        let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let room = (most - least).max(most.abs() * 0.02) * BAND_ROOM;
        let ends = |place: usize| self.band.iter().filter_map(move |edges| edges.get(place).copied());
        let low = ends(1).fold(least, f64::min).max(least - room);
        let high = ends(3).fold(most, f64::max).min(most + room);
        Scale::between(low, high)
    }

    fn inside(&self, scale: &Scale) -> String {
        let at = |along: f64, value: f64| format!("{:.1} {:.1}", along * WIDTH, HEIGHT * (1.0 - scale.share(value)));
        let path = |places: Vec<String>| places.join("L");
        let upper = self.band.iter().map(|[along, _, _, high]| at(*along, *high));
        let lower = self.band.iter().rev().map(|[along, low, ..]| at(*along, *low));
        let band = match self.band.is_empty() {
            true => String::new(),
            false => format!(
                r#"<path class="around" d="M{}Z"/><path class="line after" d="M{}"/>"#,
                path(upper.chain(lower).collect()),
                path(self.band.iter().map(|[along, _, middle, _]| at(*along, *middle)).collect())
            ),
        };
        // A stroke of no length with round ends is a dot that does not stretch with the page.
        let dots: String = self.points.iter().map(|(along, value)| format!("M{}h.01", at(*along, *value))).collect();
        format!(r#"{band}<path class="point" d="{dots}"/>"#)
    }

    fn data(&self) -> Value {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let line = |along: f64| -> Option<f64> {
            let after = self.band.iter().position(|[at, ..]| *at >= along)?;
            let [to, _, value_to, _] = self.band.get(after)?;
            let [from, _, value_from, _] = self.band.get(after.saturating_sub(1))?;
            let part = if to > from { (along - from) / (to - from) } else { 0.0 };
            Some(value_from + part * (value_to - value_from))
        };
        let points: Vec<f64> = self.points.iter().map(|(_, value)| round(*value)).collect();
        let lines: Vec<Option<f64>> = self.points.iter().map(|(along, _)| line(*along).map(round)).collect();
        json!({
            "id": self.id,
            "unit": self.unit.name(),
            "heads": self.heads,
            "at": self.points.iter().map(|(along, _)| (along * 1e4).round() / 1e4).collect::<Vec<_>>(),
            "series": [
                {"name": "measured", "class": "point", "values": points},
                {"name": "the line", "class": "after", "values": lines},
            ],
        })
    }
}
