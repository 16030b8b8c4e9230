//! What rises or falls over time: over three runs and more, or over the stretches of one long run.
//!
//! Of each point (a run or a stretch) the same quantiles are taken as for two sides, and a line is laid through them
//! ([`mod@super::slope`]). What it rises by from the first point to the last is what is said, with its interval; findings
//! must hold together, as elsewhere.

use super::judge::{Answer, Asked, QUANTILES, Quantiles, Row, answer, requests, settle};
use super::latency::{RunLatencies, Series};
use super::repeats::Estimate;
use super::side::Run;
use super::slope::{POINTS_MIN, rise};

/// Stretches that a run is cut into, at most: long ones have little to do with their neighbours.
const STRETCHES_MAX: usize = 24;
/// And at least.
pub const STRETCHES_MIN: usize = 8;

/// What rises and what falls.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trend {
    /// How many points there are.
    pub points: usize,
    /// The typical endpoint.
    pub system: Vec<Row>,
    /// By endpoint. [`Answer::Slower`] is what rises, [`Answer::Faster`] what falls.
    pub endpoints: Vec<Vec<Row>>,
    /// Share of requests that failed, if it changed by more than the smallest change that matters: what the line rises by.
    pub errors: Option<Estimate>,
}

/// One long run, cut into stretches of the same length; `None` if it is too short for that.
#[must_use]
pub fn drift(run: &Run, asked: &Asked, min_change: f64) -> Option<Trend> {
    let windows = run.latencies.windows();
    let stretches = windows.min(STRETCHES_MAX);
    if stretches < STRETCHES_MIN {
        return None;
    }
    let place = |window: usize| (window * stretches / windows).min(stretches - 1);
    let mut points: Vec<RunLatencies> = (0..stretches)
        .map(|_| RunLatencies { endpoints: vec![Series::default(); run.latencies.endpoints.len()] })
        .collect();
    for (endpoint, series) in run.latencies.endpoints.iter().enumerate() {
        for stretch in series.split(stretches, place).into_iter().enumerate() {
            if let Some(own) = points.get_mut(stretch.0).and_then(|point| point.endpoints.get_mut(endpoint)) {
                *own = stretch.1;
            }
        }
    }
    let errors = errors_by_stretch(run, stretches);
    Some(trend(&points.iter().collect::<Vec<_>>(), &errors, asked, min_change))
}

/// Several runs, in the order in which they were started.
#[must_use]
pub fn over_runs(runs: &[Run], asked: &Asked, min_change: f64) -> Trend {
    let share = |run: &Run| {
        let failed: u64 = run.result.steady.errors.values().sum();
        failed as f64 / (failed + run.result.steady.completed).max(1) as f64
    };
    let errors: Vec<f64> = runs.iter().map(share).collect();
    trend(&runs.iter().map(|run| &run.latencies).collect::<Vec<_>>(), &errors, asked, min_change)
}

fn trend(points: &[&RunLatencies], errors: &[f64], asked: &Asked, min_change: f64) -> Trend {
    let endpoints = points.iter().map(|point| point.endpoints.len()).max().unwrap_or(0);
    let quantiles = Quantiles::of(points, endpoints, |_, _| Vec::new());
    let weights: Vec<f64> = (0..endpoints).map(|endpoint| requests(points, endpoint)).collect();
    let row = |quantile: f64, values: Option<Vec<f64>>| {
        let estimate = values.as_deref().and_then(rise);
        let answer = match (&values, estimate) {
            (None, _) => Answer::TooFew,
            (Some(_), None) => Answer::OneRun,
            (Some(_), Some(estimate)) => answer(&estimate, asked),
        };
        // Where the line begins and ends, not the points there, which are as noisy as all.
        let mean = values.as_ref().map(|values| values.iter().sum::<f64>() / values.len().max(1) as f64);
        let half = estimate.map_or(0.0, |estimate| estimate.mean / 2.0);
        let (before, after) = (mean.map(|mean| mean - half), mean.map(|mean| mean + half));
        Row { quantile, before, after, plain: estimate, relative: estimate, answer }
    };
    let all = QUANTILES.iter().enumerate();
    let of_system = |(number, p): (usize, &f64)| row(*p, quantiles.typical(number, &[], &weights));
    let mut system: Vec<Row> = all.clone().map(of_system).collect();
    let of_endpoint = |endpoint| all.clone().map(|(number, p)| row(*p, quantiles.all(endpoint, number))).collect();
    let mut rows: Vec<Vec<Row>> = (0..endpoints).map(of_endpoint).collect();
    settle(system.iter_mut(), asked);
    settle(rows.iter_mut().flatten(), asked);
    let is_beyond = |estimate: &Estimate| {
        let (low, high) = estimate.interval(asked.confidence);
        (low > min_change || high < -min_change) && estimate.chance_beyond(0.0) <= asked.false_share
    };
    let errors = if errors.len() < POINTS_MIN { None } else { rise(errors).filter(is_beyond) };
    Trend { points: points.len(), system, endpoints: rows, errors }
}

/// The share of what ended in each stretch that had failed.
fn errors_by_stretch(run: &Run, stretches: usize) -> Vec<f64> {
    let steady = &run.result.steady;
    let rows =
        run.result.timeline.iter().filter(|row| (steady.from_ns..steady.to_ns).contains(&(row.t_s * 1_000_000_000)));
    let rows: Vec<_> = rows.collect();
    let mut counts = vec![(0_u64, 0_u64); stretches];
    for (place, row) in rows.iter().enumerate() {
        if let Some((failed, ended)) = counts.get_mut(place * stretches / rows.len().max(1)) {
            *failed += row.errors;
            *ended += row.errors + row.completed;
        }
    }
    counts.iter().map(|(failed, ended)| *failed as f64 / (*ended).max(1) as f64).collect()
}
