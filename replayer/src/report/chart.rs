//! Line charts over time.

use serde_json::{Value, json};

use super::frame::{Frame, HEIGHT, WIDTH, entry, figure, nothing};
use super::marks;
use super::scale::{Scale, second_marks};
use super::text::{float, rate, round_number, round_time, span, time};
use super::timeline::{Point, Timeline};

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
        let (title, id) = (self.title, self.id);
        if self.values(timeline).next().is_none() {
            let why = if timeline.points.is_empty() { "the run has no seconds" } else { "nothing was counted" };
            return nothing(id, title, why);
        }
        let scale = Scale::of(self.values(timeline), self.unit == Unit::Micros);
        let axis = match (self.unit, scale.log) {
            (Unit::PerSecond, _) => "requests per second",
            (Unit::Percent, _) => "percent",
            (Unit::Micros, false) => "time",
            (Unit::Micros, true) => "time, logarithmic scale",
        };
        let legend: String = self.series.iter().map(|one| entry(one.class, one.name)).collect();
        let place = Places::of(timeline);
        let frame = Frame {
            id,
            title,
            described: &self.described(timeline),
            height: HEIGHT,
            axis,
            values: scale.marks().into_iter().map(|mark| (scale.share(mark), self.unit.mark(mark))).collect(),
            along: place.seconds(),
            marks: place.marks(timeline),
        };
        let lines: String = self.series.iter().map(|one| line(one, timeline, &scale, &place)).collect();
        let what = format!("{}{}", self.what, self.merged(timeline.width_s));
        figure(id, title, &legend, &frame.draw(&lines), &what)
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

    /// The chart in words, for those who do not see it.
    fn described(&self, timeline: &Timeline) -> String {
        let from_to = |one: &Series| {
            let values = || timeline.points.iter().filter_map(one.value);
            let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
            Some(format!(" {}: between {} and {}.", one.name, self.unit.said(least), self.unit.said(most)))
        };
        let ranges: String = self.series.iter().filter_map(from_to).collect();
        format!("{}{ranges}{}", self.what, marks::words(timeline))
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

/// Where instants stand between the left and the right end: from the start of the first point to the end of the last.
pub(super) struct Places {
    from_s: u64,
    to_s: u64,
    /// Share of the width that a point stands for.
    point: f64,
}

impl Places {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let at = |point: Option<&Point>| point.map_or(0, |point| point.t_s);
        let (from_s, to_s) = (at(timeline.points.first()), at(timeline.points.last()).saturating_add(timeline.width_s));
        let point = float(timeline.width_s) / float(to_s - from_s);
        Self { from_s, to_s, point }
    }

    pub(super) fn share(&self, t_s: u64) -> f64 {
        float(t_s.clamp(self.from_s, self.to_s) - self.from_s) / float(self.to_s - self.from_s)
    }

    /// Round seconds, with their labels.
    pub(super) fn seconds(&self) -> Vec<(f64, String)> {
        second_marks(self.from_s, self.to_s).into_iter().map(|mark| (self.share(mark), span(mark))).collect()
    }

    /// What happened when.
    pub(super) fn marks<'a>(&self, timeline: &'a Timeline) -> Vec<(f64, &'a str)> {
        let (from_s, to_s) = (float(self.from_s), float(self.to_s));
        marks::placed(&timeline.marks, |at_s| (at_s.clamp(from_s, to_s) - from_s) / (to_s - from_s))
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
