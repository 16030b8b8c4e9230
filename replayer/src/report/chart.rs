//! Line charts over time as inline SVG that stay readable at any width.
//!
//! Only the lines stretch with the window (an inner SVG without a fixed aspect ratio and strokes that do not scale);
//! texts and marks stand at percentages of the width and keep their size.

use serde_json::{Value, json};

use super::scale::{Scale, second_marks};
use super::text::{float, rate, round_number, round_time, span, time};
use super::timeline::{Point, Timeline};

/// Width of the inner coordinates; the page stretches them.
const WIDTH: f64 = 1_000.0;
/// Height of the plot, in pixels of the page.
const HEIGHT: f64 = 220.0;

/// One chart.
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What is drawn, in a sentence.
    pub(super) what: &'static str,
    pub(super) unit: Unit,
    pub(super) series: Vec<Series>,
}

/// One line of a chart.
pub(super) struct Series {
    /// In the legend.
    pub(super) name: &'static str,
    /// Class of the line in `page.css`, which gives it a colour and its own dashes.
    pub(super) class: &'static str,
    /// The value of a point; `None` leaves a hole.
    pub(super) value: fn(&Point) -> Option<f64>,
}

/// What the values are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Requests a second.
    PerSecond,
    /// Microseconds.
    Micros,
    /// Parts of a hundred.
    Percent,
}

impl Unit {
    fn said(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", rate(value)),
            Self::Micros => time(value),
            Self::Percent => format!("{} %", rate(value)),
        }
    }

    fn mark(self, value: f64) -> String {
        match self {
            Self::PerSecond | Self::Percent => round_number(value),
            Self::Micros => round_time(value),
        }
    }
}

impl Chart {
    /// The chart with its heading, legend and caption.
    pub(super) fn draw(&self, timeline: &Timeline) -> String {
        let (title, what, id) = (self.title, self.what, self.id);
        if self.values(timeline).next().is_none() {
            let why = if timeline.points.is_empty() { "the run has no seconds" } else { "nothing was counted" };
            return format!(
                r#"<figure id="{id}"><h2>{title}</h2><p class="nothing">Nothing to draw: {why}.</p></figure>"#
            );
        }
        let scale = Scale::of(self.values(timeline), self.unit == Unit::Micros);
        let axis = match (self.unit, scale.log) {
            (Unit::PerSecond, _) => "requests per second",
            (Unit::Percent, _) => "percent",
            (Unit::Micros, false) => "time",
            (Unit::Micros, true) => "time, logarithmic scale",
        };
        let legend: String = self.series.iter().map(legend).collect();
        let svg = self.svg(timeline, &scale, axis);
        let merged = self.merged(timeline.width_s);
        format!(
            r#"<figure id="{id}" class="chart"><h2>{title}</h2><p class="legend">{legend}</p><div class="plot">{svg}</div><figcaption>{what}{merged}</figcaption></figure>"#
        )
    }

    /// What is drawn as numbers, for the read-outs of `page.js` and for whoever wants them.
    pub(super) fn data(&self, timeline: &Timeline) -> Value {
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        let series = self.series.iter().map(|one| {
            let values: Vec<_> = timeline.points.iter().map(|point| (one.value)(point).map(rounded)).collect();
            json!({"name": one.name, "class": one.class, "values": values})
        });
        json!({
            "id": self.id,
            "unit": match self.unit { Unit::Micros => "us", Unit::PerSecond => "per_s", Unit::Percent => "percent" },
            "t_s": timeline.points.iter().map(|point| point.t_s).collect::<Vec<_>>(),
            "width_s": timeline.width_s,
            "series": series.collect::<Vec<_>>(),
        })
    }

    fn svg(&self, timeline: &Timeline, scale: &Scale, axis: &str) -> String {
        let (id, title) = (self.id, self.title);
        let place = Places::of(timeline);
        let grid: String = scale
            .marks()
            .into_iter()
            .map(|mark| {
                let (y, label) = (height(scale, mark), self.unit.mark(mark));
                format!(r#"<line class="grid" x1="0" x2="100%" y1="{y:.1}" y2="{y:.1}"/><text x="-8" y="{:.1}" class="end">{label}</text>"#, y + 4.0)
            })
            .collect();
        let seconds: String = (0..)
            .zip(second_marks(place.from_s, place.to_s))
            .map(|(number, mark): (u32, u64)| {
                let (x, label) = (place.share(mark) * 100.0, span(mark));
                // Every second one gives way where there is no room.
                let class = if number % 2 == 1 { "mid spare" } else { "mid" };
                format!(r#"<text x="{x:.2}%" y="{}" class="{class}">{label}</text>"#, HEIGHT + 20.0)
            })
            .collect();
        let lines: String = self.series.iter().map(|one| line(one, timeline, scale, &place)).collect();
        let described = self.described(timeline);
        format!(
            r#"<svg class="frame" height="{HEIGHT}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{title}</title><desc id="{id}-d">{described}</desc><text x="-56" y="-20" class="axis">{axis}</text>{grid}{seconds}<svg width="100%" height="100%" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">{lines}</svg><line class="hair" x1="0" x2="0" y1="0" y2="100%"/></svg>"#
        )
    }

    /// The chart in words, for those who do not see it.
    fn described(&self, timeline: &Timeline) -> String {
        let from_to = |one: &Series| {
            let values = || timeline.points.iter().filter_map(one.value);
            let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
            Some(format!(" {}: between {} and {}.", one.name, self.unit.said(least), self.unit.said(most)))
        };
        let ranges: String = self.series.iter().filter_map(from_to).collect();
        format!("{}{ranges}", self.what)
    }

    fn merged(&self, width_s: u64) -> String {
        let width = span(width_s);
        match self.unit {
            _ if width_s <= 1 => String::new(),
            Unit::PerSecond => format!(" Each point is the mean over {width}."),
            Unit::Percent => format!(" Each point stands for {width} and shows the largest value in it."),
            Unit::Micros => format!(
                " Each point stands for {width} and shows the largest value among its seconds, because percentiles cannot be averaged."
            ),
        }
    }

    fn values(&self, timeline: &Timeline) -> impl Iterator<Item = f64> + Clone {
        self.series.iter().flat_map(|one| timeline.points.iter().filter_map(one.value))
    }
}

fn legend(series: &Series) -> String {
    let Series { name, class, .. } = series;
    format!(
        r#"<span><svg width="30" height="10" aria-hidden="true"><path class="line {class}" d="M1 5H29"/></svg>{name}</span>"#
    )
}

/// Where instants stand between the left and the right end: from the start of the first point to the end of the last.
struct Places {
    from_s: u64,
    to_s: u64,
    /// Share of the width that a point stands for.
    point: f64,
}

impl Places {
    fn of(timeline: &Timeline) -> Self {
        let at = |point: Option<&Point>| point.map_or(0, |point| point.t_s);
        let (from_s, to_s) = (at(timeline.points.first()), at(timeline.points.last()).saturating_add(timeline.width_s));
        let point = float(timeline.width_s) / float(to_s - from_s);
        Self { from_s, to_s, point }
    }

    fn share(&self, t_s: u64) -> f64 {
        float(t_s - self.from_s) / float(self.to_s - self.from_s)
    }

    /// The left end, the middle and the right end of what a point stands for, in inner coordinates.
    fn of_point(&self, point: &Point) -> [f64; 3] {
        let from = self.share(point.t_s);
        [from, from + self.point / 2.0, from + self.point].map(|share| share * WIDTH)
    }
}

fn height(scale: &Scale, value: f64) -> f64 {
    HEIGHT * (1.0 - scale.share(value))
}

/// A line through the middles of the points, with holes where there is no value; the plan is an area as well.
fn line(series: &Series, timeline: &Timeline, scale: &Scale, place: &Places) -> String {
    let class = series.class;
    let points: Vec<(&Point, Option<f64>)> =
        timeline.points.iter().map(|point| (point, (series.value)(point))).collect();
    let path: String =
        points.split(|(_, value)| value.is_none()).map(|stretch| outline(stretch, scale, place)).collect();
    // The plan has no holes: it spans the whole width.
    let area =
        if class == "planned" { format!(r#"<path class="area" d="{path}V{HEIGHT}H0Z"/>"#) } else { String::new() };
    format!(r#"{area}<path class="line {class}" d="{path}"/>"#)
}

/// Points without a hole between them. The first and the last reach out to the ends of their time, so that a point
/// without neighbours is seen too.
fn outline(stretch: &[(&Point, Option<f64>)], scale: &Scale, place: &Places) -> String {
    let mut path = String::new();
    let mut end = WIDTH;
    for (point, value) in stretch {
        let [from, middle, to] = place.of_point(point);
        let y = height(scale, value.unwrap_or(0.0));
        path +=
            &if path.is_empty() { format!("M{from:.1} {y:.1}H{middle:.1}") } else { format!("L{middle:.1} {y:.1}") };
        end = to;
    }
    if path.is_empty() { path } else { format!("{path}H{end:.1}") }
}
