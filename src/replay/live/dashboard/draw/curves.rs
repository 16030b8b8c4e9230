//! The curves: planned and achieved rate, and response times, over the last minutes.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, BorderType, Chart, Dataset, GraphType};

use super::super::history::{Point, SECONDS_MAX};
use super::{Role, View};
use crate::units;

/// Columns that the scale and the frame take.
const SCALE_COLUMNS: u16 = 11;

/// One curve of two: a line, and dots, so that they differ without colours.
struct Curve {
    title: &'static str,
    line: Vec<(f64, f64)>,
    dots: Vec<(f64, f64)>,
    scale: fn(f64) -> String,
}

/// Draws the rate, and beside it, where there is room, response times.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View<'_>, area: Rect, are_two: bool) {
    let areas: [Rect; 2] = match are_two {
        true => Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area),
        false => Layout::horizontal([Constraint::Fill(1), Constraint::Length(0)]).areas(area),
    };
    let [left, right] = areas;
    // Two points for each column, as the dots of a character are.
    let seconds = usize::from(left.width.saturating_sub(SCALE_COLUMNS)).saturating_mul(2).clamp(10, SECONDS_MAX);
    let points: Vec<&Point> = view.history.last(seconds).collect();
    let last_s = points.last().map_or(0, |point| point.t_s);
    let span = (number(last_s) - number(seconds as u64) + 1.0, number(last_s));
    let series = |value: &dyn Fn(&Point) -> Option<f64>| -> Vec<(f64, f64)> {
        points.iter().filter_map(|point| Some((number(point.t_s), value(point)?))).collect()
    };
    let rate = Curve {
        title: " requests a second: ⠒ sent  • planned ",
        line: series(&|point| Some(number(point.achieved))),
        dots: series(&|point| Some(number(point.planned))),
        scale: per_second,
    };
    draw_one(frame, view, left, &rate, span);
    if are_two {
        let times = Curve {
            title: " response time: ⠒ p50  • p99 ",
            line: series(&|point| point.p50),
            dots: series(&|point| point.p99),
            scale: units::micros,
        };
        draw_one(frame, view, right, &times, span);
    }
}

fn draw_one(frame: &mut Frame<'_>, view: &View<'_>, area: Rect, curve: &Curve, span: (f64, f64)) {
    let most = curve.line.iter().chain(&curve.dots).map(|point| point.1).fold(0.0, f64::max);
    let top = rounded_up(most);
    let dataset = |data, marker, kind, role| {
        Dataset::default().data(data).marker(marker).graph_type(kind).style(view.style(role))
    };
    let dots = dataset(&curve.dots, Marker::Dot, GraphType::Scatter, Role::Name);
    let line = dataset(&curve.line, Marker::Braille, GraphType::Line, Role::Strong);
    let remark = view.style(Role::Remark);
    let long_ago = format!("{:.0} s", span.0 - span.1);
    let chart = Chart::new(vec![dots, line])
        .block(Block::bordered().border_type(BorderType::Rounded).border_style(remark).title(curve.title))
        .legend_position(None)
        .x_axis(
            Axis::default().bounds([span.0, span.1]).labels([Line::from(long_ago), Line::from("now")]).style(remark),
        )
        .y_axis(
            Axis::default()
                .bounds([0.0, top])
                .labels(["0".to_owned(), (curve.scale)(top / 2.0), (curve.scale)(top)])
                .style(remark),
        );
    frame.render_widget(chart, area);
}

/// The next of 1, 2, 5, 10, 20, 50 …, so that the scale stays as it is for a while.
fn rounded_up(most: f64) -> f64 {
    let mut top = 1.0;
    for step in [2.0, 2.5, 2.0].into_iter().cycle() {
        if top >= most || top >= 1e15 {
            break;
        }
        top *= step;
    }
    top
}

fn per_second(rate: f64) -> String {
    if rate >= 10_000.0 { format!("{:.0}k/s", rate / 1_000.0) } else { format!("{rate:.0}/s") }
}

#[expect(clippy::cast_precision_loss, reason = "a point on a curve")]
fn number(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        let tops = [0.0, 1.0, 1.1, 3.0, 7.0, 99.0, 1_000.0, 1_001.0].map(rounded_up);
        assert_eq!(tops, [1.0, 1.0, 2.0, 5.0, 10.0, 100.0, 1_000.0, 2_000.0]);
        assert_eq!(rounded_up(f64::INFINITY), 1e15);
        assert_eq!([0.5, 9_999.0, 20_000.0].map(per_second), ["0/s", "9999/s", "20k/s"]);
    }
}
