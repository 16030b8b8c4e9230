//! The charts of a run: did the load come as planned, how did the target answer, was the generator late, and why.

use super::chart::{Chart, Series, Unit};
use super::timeline::Timeline;
use crate::result::Quantiles;

/// The charts of a timeline, in the order of the page. What was planned in each second is not always known.
pub(super) fn charts(timeline: &Timeline, knows_planned: bool) -> [Chart; 4] {
    [rates(timeline, knows_planned), responses(), lags(), health()]
}

fn rates(timeline: &Timeline, knows_planned: bool) -> Chart {
    let planned = Series { name: "planned", class: "planned", value: |point| Some(point.planned_per_s) };
    let achieved = Series { name: "achieved", class: "achieved", value: |point| Some(point.sent_per_s) };
    let mut series = if knows_planned { vec![planned, achieved] } else { vec![achieved] };
    if timeline.points.iter().any(|point| point.failed_per_s > 0.0) {
        series.push(Series { name: "failed", class: "failed", value: |point| Some(point.failed_per_s) });
    }
    Chart {
        id: "rate",
        title: "Planned and achieved rate",
        what: "Requests due and requests dispatched in each second of the run; failures in the second in which they failed.",
        unit: Unit::PerSecond,
        series,
    }
}

fn responses() -> Chart {
    Chart {
        id: "response",
        title: "Response time",
        what: "Done − due, by the second in which the exchange ended; failures count with their full age.",
        unit: Unit::Micros,
        series: vec![
            Series { name: "max", class: "max", value: |point| counted(&point.response_us, |of| of.max) },
            Series { name: "p99", class: "p99", value: |point| counted(&point.response_us, |of| of.p99) },
            Series { name: "p90", class: "p90", value: |point| counted(&point.response_us, |of| of.p90) },
            Series { name: "p50", class: "p50", value: |point| counted(&point.response_us, |of| of.p50) },
        ],
    }
}

fn lags() -> Chart {
    Chart {
        id: "lag",
        title: "Lag of the generator",
        what: "Dispatched − released, by the second of the dispatch: lateness that is reenact's own and not the target's.",
        unit: Unit::Micros,
        series: vec![
            Series { name: "max", class: "max", value: |point| counted(&point.lag_us, |of| of.max) },
            Series { name: "p99", class: "p99", value: |point| counted(&point.lag_us, |of| of.p99) },
            Series { name: "p50", class: "p50", value: |point| counted(&point.lag_us, |of| of.p50) },
        ],
    }
}

fn health() -> Chart {
    Chart {
        id: "health",
        title: "The generator's machine",
        what: "CPU of the busiest thread that sends, busy share of the machine by anybody, and what other virtual machines took of it.",
        unit: Unit::Percent,
        series: vec![
            Series { name: "sending thread", class: "p50", value: |point| point.health.map(|of| of.sender * 100.0) },
            Series { name: "machine", class: "max", value: |point| point.health.map(|of| of.machine * 100.0) },
            Series { name: "steal", class: "failed", value: |point| point.health.map(|of| of.steal * 100.0) },
        ],
    }
}

/// A second in which nothing was counted has no percentiles: a hole in the line, not a zero.
fn counted(of: &Quantiles, pick: fn(&Quantiles) -> f64) -> Option<f64> {
    (of.count > 0).then(|| pick(of))
}
