//! Slower, faster, the same, or not to be told: two answers for each quantile, the whole system's and each endpoint's
//! relative to the rest.
//!
//! A finding needs three things: the whole interval lies beyond the smallest effect that matters, so that it matters; no
//! chance makes as large a difference where nothing changed, all that was looked for taken together
//! ([`super::repeats::hold`]), so that it is real; and there were enough requests beyond the quantile for it to be one.
//! Who moved by itself is no part of the rest ([`super::rest`]): it must not be in what everything is held against.

use super::latency::{RunLatencies, Series, quantile};
use super::moderate::moderate;
use super::repeats::{Design, Estimate, hold};
use super::rest::rest;

/// Quantiles that are compared.
pub const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
/// Requests of a run that have to lie beyond a quantile.
const BEYOND_MIN: f64 = 5.0;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// Smallest relative change that matters, as in 0.05.
    pub min_effect: f64,
    /// Share of intervals that hold the truth.
    pub confidence: f64,
    /// Of the findings that hold, the share that may be chance; where nothing changed, the share of comparisons with a
    /// finding.
    pub false_share: f64,
    /// Whether repeats are pairs.
    pub design: Design,
}

impl Default for Asked {
    fn default() -> Self {
        Self { min_effect: 0.05, confidence: 0.95, false_share: 0.002, design: Design::Paired }
    }
}

/// What can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// By more than the smallest effect, and no chance.
    Slower,
    /// The same the other way.
    Faster,
    /// The whole interval lies within the smallest effect.
    Same,
    /// The interval is too wide: about so many more repeats a side make it as narrow as the smallest effect.
    CannotTell {
        /// Of each side.
        more_repeats: u32,
    },
    /// Too few requests lie beyond this quantile in a run.
    TooFew,
    /// Nobody knows how runs differ from one another, as there is one a side.
    OneRun,
}

impl Answer {
    /// Whether something was found.
    #[must_use]
    pub const fn is_found(self) -> bool {
        matches!(self, Self::Slower | Self::Faster)
    }
}

/// One quantile of one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Which quantile.
    pub quantile: f64,
    /// Natural logarithms of nanoseconds: the mean over the runs of each side.
    pub before: Option<f64>,
    /// The same after.
    pub after: Option<f64>,
    /// after − before as measured.
    pub plain: Option<Estimate>,
    /// The same without what the rest shares; for the system, what the answer is about.
    pub relative: Option<Estimate>,
    /// In a word.
    pub answer: Answer,
}

/// What becomes of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// The typical endpoint that did not move by itself, weighted by requests.
    pub system: Vec<Row>,
    /// By endpoint.
    pub endpoints: Vec<Vec<Row>>,
    /// Endpoints that moved by themselves, and so are not part of the rest.
    pub moved: Vec<bool>,
}

impl Judged {
    /// Medians, the whole system's and each endpoint's, of which nothing can be said, although more repeats would tell.
    #[must_use]
    pub fn undecided(&self) -> usize {
        let medians = self.endpoints.iter().chain(std::iter::once(&self.system)).filter_map(|rows| rows.first());
        medians.filter(|row| matches!(row.answer, Answer::CannotTell { .. } | Answer::OneRun)).count()
    }
}

/// Compares runs of the same plan.
#[must_use]
pub fn judge(before: &[&RunLatencies], after: &[&RunLatencies], asked: &Asked) -> Judged {
    let runs: Vec<&RunLatencies> = before.iter().chain(after).copied().collect();
    let endpoints = runs.iter().map(|run| run.endpoints.len()).max().unwrap_or(0);
    let plain = Quantiles::of(&runs, endpoints, |_, _| Vec::new());
    let weights: Vec<f64> = (0..endpoints).map(|endpoint| requests(&runs, endpoint)).collect();
    let (modes, moved) = rest(&runs, before.len(), &weights, asked.design);
    let relative = Quantiles::of(&runs, endpoints, |run, endpoint| modes.for_endpoint(run, endpoint));
    let endpoints = rows(&plain, &relative, &weights, before.len(), asked);
    let system = system(&plain, &moved, &weights, before.len(), asked);
    Judged { system, endpoints, moved }
}

/// Requests of an endpoint in all runs.
pub(super) fn requests(runs: &[&RunLatencies], endpoint: usize) -> f64 {
    runs.iter().filter_map(|run| run.endpoints.get(endpoint)).map(Series::len).sum::<usize>() as f64
}

/// Quantiles by endpoint, run and [`QUANTILES`]; `None` where too few requests lie beyond.
pub(super) struct Quantiles(Vec<Vec<[Option<f64>; QUANTILES.len()]>>);

impl Quantiles {
    /// Of these runs, each request less what `mode` says of its run, endpoint and window.
    pub(super) fn of(runs: &[&RunLatencies], endpoints: usize, mode: impl Fn(usize, usize) -> Vec<f64>) -> Self {
        let mut values = Vec::new();
        let mut of_run = |run: usize, endpoint: usize| {
            let Some(series) = runs.get(run).and_then(|one| one.endpoints.get(endpoint)) else {
                return [None; QUANTILES.len()];
            };
            let shared = mode(run, endpoint);
            values.clear();
            values.extend(series.iter().map(|(value, window)| value - shared.get(window).copied().unwrap_or(0.0)));
            QUANTILES.map(|p| {
                let is_enough = values.len() as f64 * (1.0 - p) >= BEYOND_MIN;
                is_enough.then(|| quantile(&mut values, p)).flatten()
            })
        };
        Self((0..endpoints).map(|endpoint| (0..runs.len()).map(|run| of_run(run, endpoint)).collect()).collect())
    }

    /// One quantile of an endpoint in each run; `None` if a run lacks it.
    pub(super) fn all(&self, endpoint: usize, number: usize) -> Option<Vec<f64>> {
        let of = |of: &[Option<f64>; QUANTILES.len()]| of.get(number).copied().flatten();
        self.0.get(endpoint)?.iter().map(of).collect()
    }

    /// One quantile of the typical endpoint in each run: the mean of the logarithms of those that did not move by
    /// themselves, weighted by their requests.
    pub(super) fn typical(&self, number: usize, moved: &[bool], weights: &[f64]) -> Option<Vec<f64>> {
        let runs = self.0.first().map_or(0, Vec::len);
        let rest = (0..self.0.len()).filter(|endpoint| !moved.get(*endpoint).copied().unwrap_or(false));
        let known: Vec<(f64, Vec<f64>)> =
            rest.filter_map(|endpoint| Some((*weights.get(endpoint)?, self.all(endpoint, number)?))).collect();
        let total: f64 = known.iter().map(|(weight, _)| weight).sum();
        let of_run = |run: usize| {
            known.iter().map(|(weight, values)| weight * values.get(run).copied().unwrap_or(0.0)).sum::<f64>() / total
        };
        (!known.is_empty()).then(|| (0..runs).map(of_run).collect())
    }

    fn estimate(&self, endpoint: usize, number: usize, sides: usize, design: Design) -> Option<Estimate> {
        let all = self.all(endpoint, number)?;
        let (before, after) = all.split_at_checked(sides)?;
        Estimate::of(before, after, design)
    }
}

/// Estimates of one quantile, by endpoint, with spreads that learned from each other.
fn estimates(of: &Quantiles, number: usize, weights: &[f64], sides: usize, design: Design) -> Vec<Option<Estimate>> {
    let mut all: Vec<_> = (0..of.0.len()).map(|endpoint| of.estimate(endpoint, number, sides, design)).collect();
    moderate(&mut all, weights);
    all
}

fn rows(plain: &Quantiles, relative: &Quantiles, weights: &[f64], sides: usize, asked: &Asked) -> Vec<Vec<Row>> {
    let by_quantile = |of: &Quantiles| -> Vec<Vec<Option<Estimate>>> {
        (0..QUANTILES.len()).map(|number| estimates(of, number, weights, sides, asked.design)).collect()
    };
    let (plain_of, relative_of) = (by_quantile(plain), by_quantile(relative));
    let known = |of: &[Vec<Option<Estimate>>], number: usize, endpoint: usize| *of.get(number)?.get(endpoint)?;
    let row = |endpoint: usize, number: usize, quantile: f64| {
        let relative = known(&relative_of, number, endpoint);
        let plain_values = plain.all(endpoint, number);
        let (before, after) = means(plain_values.as_deref(), sides);
        let plain = known(&plain_of, number, endpoint);
        let answer = match (&plain_values, relative) {
            (None, _) => Answer::TooFew,
            (Some(_), None) => Answer::OneRun,
            (Some(_), Some(relative)) => answer(&relative, asked),
        };
        Row { quantile, before, after, plain, relative, answer }
    };
    let endpoints = plain.0.len();
    let mut all: Vec<Vec<Row>> = (0..endpoints)
        .map(|endpoint| QUANTILES.iter().enumerate().map(|(number, p)| row(endpoint, number, *p)).collect())
        .collect();
    settle(all.iter_mut().flatten(), asked);
    all
}

/// Takes back what was found but does not hold, all rows taken together.
pub(super) fn settle<'a>(rows: impl Iterator<Item = &'a mut Row>, asked: &Asked) {
    let mut known: Vec<(&mut Row, Estimate)> =
        rows.filter_map(|row| row.relative.map(|estimate| (row, estimate))).collect();
    let chances: Vec<f64> = known.iter().map(|(_, estimate)| estimate.chance_beyond(0.0)).collect();
    let holds = hold(&chances, asked.false_share);
    for ((row, estimate), holds) in known.iter_mut().zip(holds) {
        if !holds && row.answer.is_found() {
            row.answer = cannot_tell(estimate, asked);
        }
    }
}

fn cannot_tell(estimate: &Estimate, asked: &Asked) -> Answer {
    Answer::CannotTell { more_repeats: estimate.more_repeats(asked.min_effect.ln_1p(), asked.confidence).max(1) }
}

/// The means of both sides.
fn means(values: Option<&[f64]>, sides: usize) -> (Option<f64>, Option<f64>) {
    let mean = |of: &[f64]| (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64);
    values.and_then(|values| values.split_at_checked(sides)).map_or((None, None), |(a, b)| (mean(a), mean(b)))
}

/// In a word, as if nothing else had been looked for.
pub(super) fn answer(estimate: &Estimate, asked: &Asked) -> Answer {
    let (limit, (low, high)) = (asked.min_effect.ln_1p(), estimate.interval(asked.confidence));
    if low > limit {
        Answer::Slower
    } else if high < -limit {
        Answer::Faster
    } else if low >= -limit && high <= limit {
        Answer::Same
    } else {
        cannot_tell(estimate, asked)
    }
}

/// The quantiles of all endpoints that did not move by themselves, as a mean that is weighted by their requests.
fn system(plain: &Quantiles, moved: &[bool], weights: &[f64], sides: usize, asked: &Asked) -> Vec<Row> {
    let row = |number: usize, quantile: f64| {
        let values = plain.typical(number, moved, weights);
        let (before, after) = means(values.as_deref(), sides);
        let estimate = values.as_ref().and_then(|values| {
            let (before, after) = values.split_at_checked(sides)?;
            Estimate::of(before, after, asked.design)
        });
        let answer = match (&values, estimate) {
            (None, _) => Answer::TooFew,
            (Some(_), None) => Answer::OneRun,
            (Some(_), Some(estimate)) => answer(&estimate, asked),
        };
        Row { quantile, before, after, plain: estimate, relative: estimate, answer }
    };
    let mut rows: Vec<Row> = QUANTILES.iter().enumerate().map(|(number, p)| row(number, *p)).collect();
    settle(rows.iter_mut(), asked);
    rows
}
