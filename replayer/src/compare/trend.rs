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
use crate::result::{Second, total};
use crate::watched::Moment;

/// CPU below which nothing is told apart: a tick of the kernel's in a second.
const CPU_MIN: f64 = 0.01;
/// Stretches that a run is cut into, at most: long ones have little to do with their neighbours.
const STRETCHES_MAX: usize = 24;
/// And at least.
pub const STRETCHES_MIN: usize = 8;

/// Lines that are kept with their points: what was found first, then the endpoints with the most requests.
const LINES_MAX: usize = 60;
/// Endpoints whose medians are drawn whatever is found.
const DRAWN_ENDPOINTS: usize = 12;

/// What a line is laid through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// Response times of the typical endpoint, as logarithms of nanoseconds.
    System,
    /// The same of an endpoint.
    Endpoint(usize),
    /// A figure of the target's processes, by its number in [`Trend::target`]; logarithms of bytes.
    Memory(usize),
    /// Likewise, of CPUs.
    Cpu(usize),
    /// Share of requests that failed.
    Errors,
}

/// A line with the points that it is laid through.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the points are.
    pub of: Measured,
    /// Which quantile, of response times.
    pub quantile: f64,
    /// In order.
    pub points: Vec<f64>,
    /// What the line rises by from the first to the last; `None` with too few points.
    pub rise: Option<Estimate>,
}

/// What rises and what falls.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trend {
    /// How many points there are.
    pub points: usize,
    /// The typical endpoint.
    pub system: Vec<Row>,
    /// By endpoint. [`Answer::Slower`] is what rises, [`Answer::Faster`] what falls.
    pub endpoints: Vec<Vec<Row>>,
    /// Memory and CPU of the target's processes, in one long run: `memory of process 4711 (nginx)`.
    pub target: Vec<(String, Row)>,
    /// Share of requests that failed, if it changed by more than the smallest change that matters: what the line rises by.
    pub errors: Option<Estimate>,
    /// Those lines that are worth drawing.
    pub lines: Vec<Line>,
}

impl Trend {
    /// Whether there are enough points for a line.
    #[must_use]
    pub const fn has_lines(&self) -> bool {
        self.points >= POINTS_MIN
    }
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
    let mut trend = trend(&points.iter().collect::<Vec<_>>(), &errors, asked, min_change);
    let (rows, lines) = target(run, stretches, asked);
    trend.target = rows;
    trend.lines.extend(lines);
    Some(trend)
}

/// What rises and falls of the target's processes.
fn target(run: &Run, stretches: usize, asked: &Asked) -> (Vec<(String, Row)>, Vec<Line>) {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for one in &run.result.watched {
        let parts = by_stretch(&one.timeline, |row| row.t_s, run, stretches);
        let mut add = |what: &str, of: fn(usize) -> Measured, figure: &dyn Fn(&Moment) -> f64| {
            let mean = |rows: &Vec<&Moment>| {
                (!rows.is_empty()).then(|| rows.iter().map(|row| figure(row)).sum::<f64>() / rows.len() as f64)
            };
            let values: Option<Vec<f64>> = parts.iter().map(mean).collect();
            let values: Option<Vec<f64>> =
                values.map(|values| values.iter().map(|value| libm::log(value.max(CPU_MIN))).collect());
            if let Some(points) = values.clone().filter(|_| lines.len() < LINES_MAX) {
                let rise = rise(&points);
                lines.push(Line { of: of(rows.len()), quantile: 0.0, points, rise });
            }
            rows.push((format!("{what} of {}", one.source), row(0.0, values, asked)));
        };
        add("memory", Measured::Memory, &|row| row.rss_bytes as f64);
        add("CPU", Measured::Cpu, &|row| row.cpu);
    }
    // A leak is a smooth line, whose neighbours are as alike as they can be: what 24 points of it are worth is hardly a
    // point. There are few such lines, so that the chance of one interval is enough.
    let asked = Asked { false_share: 1.0 - asked.confidence, ..*asked };
    settle(rows.iter_mut().map(|(_, row)| row), &asked);
    (rows, lines)
}

/// Rows over time that lie in the steady window, by stretch of it.
fn by_stretch<'a, T>(rows: &'a [T], t_s: impl Fn(&T) -> u64, run: &Run, stretches: usize) -> Vec<Vec<&'a T>> {
    let steady = run.result.steady.from_ns..run.result.steady.to_ns;
    let inside: Vec<&'a T> =
        rows.iter().filter(|row| steady.contains(&t_s(row).saturating_mul(1_000_000_000))).collect();
    let mut parts: Vec<Vec<&'a T>> = (0..stretches).map(|_| Vec::new()).collect();
    for (place, row) in inside.iter().enumerate() {
        if let Some(part) = parts.get_mut(place * stretches / inside.len().max(1)) {
            part.push(row);
        }
    }
    parts
}

/// Several runs, in the order in which they were started.
#[must_use]
pub fn over_runs(runs: &[Run], asked: &Asked, min_change: f64) -> Trend {
    let share = |run: &Run| {
        let failed = total(run.result.steady.errors.values());
        failed as f64 / failed.saturating_add(run.result.steady.completed).max(1) as f64
    };
    let errors: Vec<f64> = runs.iter().map(share).collect();
    trend(&runs.iter().map(|run| &run.latencies).collect::<Vec<_>>(), &errors, asked, min_change)
}

fn trend(points: &[&RunLatencies], errors: &[f64], asked: &Asked, min_change: f64) -> Trend {
    let endpoints = points.iter().map(|point| point.endpoints.len()).max().unwrap_or(0);
    let quantiles = Quantiles::of(points, endpoints, |_, _| Vec::new());
    let weights: Vec<f64> = (0..endpoints).map(|endpoint| requests(points, endpoint)).collect();
    let all = QUANTILES.iter().enumerate();
    let of_system = |(number, p): (usize, &f64)| row(*p, quantiles.typical(number, &[], &weights), asked);
    let mut system: Vec<Row> = all.clone().map(of_system).collect();
    let of_endpoint =
        |endpoint| all.clone().map(|(number, p)| row(*p, quantiles.all(endpoint, number), asked)).collect();
    let mut rows: Vec<Vec<Row>> = (0..endpoints).map(of_endpoint).collect();
    settle(system.iter_mut(), asked);
    settle(rows.iter_mut().flatten(), asked);
    let is_beyond = |estimate: &Estimate| {
        let (low, high) = estimate.interval(asked.confidence);
        (low > min_change || high < -min_change) && estimate.chance_beyond(0.0) <= asked.false_share
    };
    let mut lines = lines(&quantiles, &weights, &rows);
    if errors.iter().any(|share| *share > 0.0) {
        lines.push(Line { of: Measured::Errors, quantile: 0.0, points: errors.to_vec(), rise: rise(errors) });
    }
    let errors = rise(errors).filter(is_beyond);
    Trend { points: points.len(), system, endpoints: rows, target: Vec::new(), errors, lines }
}

/// The whole system's lines, those of endpoints that rise or fall, and medians of the endpoints with the most requests.
fn lines(quantiles: &Quantiles, weights: &[f64], rows: &[Vec<Row>]) -> Vec<Line> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| weights.get(*b).unwrap_or(&0.0).total_cmp(weights.get(*a).unwrap_or(&0.0)));
    let is_found = |endpoint: usize, number: usize| {
        let row = rows.get(endpoint).and_then(|rows| rows.get(number));
        row.is_some_and(|row| row.answer.is_found())
    };
    let numbers = 0..QUANTILES.len();
    let found = order.iter().flat_map(|endpoint| numbers.clone().map(|number| (*endpoint, number)));
    let found = found.filter(|(endpoint, number)| is_found(*endpoint, *number));
    let medians = order
        .iter()
        .take(DRAWN_ENDPOINTS)
        .map(|endpoint| (*endpoint, 0))
        .filter(|(endpoint, _)| !is_found(*endpoint, 0));
    let quantile = |number: usize| QUANTILES.get(number).copied().unwrap_or(0.0);
    let line = |of: Measured, number: usize, points: Option<Vec<f64>>| {
        let points = points?;
        Some(Line { of, quantile: quantile(number), rise: rise(&points), points })
    };
    let system =
        numbers.clone().filter_map(|number| line(Measured::System, number, quantiles.typical(number, &[], weights)));
    let endpoints = found
        .chain(medians)
        .filter_map(|(endpoint, number)| line(Measured::Endpoint(endpoint), number, quantiles.all(endpoint, number)));
    system.chain(endpoints).take(LINES_MAX).collect()
}

/// A line through logarithms.
fn row(quantile: f64, values: Option<Vec<f64>>, asked: &Asked) -> Row {
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
}

/// The share of what ended in each stretch that had failed.
fn errors_by_stretch(run: &Run, stretches: usize) -> Vec<f64> {
    let parts = by_stretch(&run.result.timeline, |row| row.t_s, run, stretches);
    let share = |rows: &Vec<&Second>| {
        let failed = total(rows.iter().map(|row| &row.errors));
        let ended = total(rows.iter().flat_map(|row| [&row.errors, &row.completed]));
        failed as f64 / ended.max(1) as f64
    };
    parts.iter().map(share).collect()
}
