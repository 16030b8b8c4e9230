//! What all endpoints share: load and moods of the machine that have nothing to do with the change of one endpoint.
//!
//! Per run and window, the common mode is the mean of the log latencies of all requests, each less its endpoint's median
//! over all runs of both sides. Outliers count as the quantile that they exceed (winsorised at the 95th), since one
//! request in a hundred that takes ten times as long would otherwise drown what the others say. The common mode *for* an
//! endpoint leaves that endpoint out, and all that changed themselves: what changed must not be in what it is held
//! against.

use super::latency::{RunLatencies, quantile};
use super::sensitivity::{Window, sensitivity};

/// Outliers beyond this quantile of all residuals count as it.
const WINSORISED_AT: f64 = 0.95;

/// Sums of residuals by window and endpoint.
struct Sums {
    /// By endpoint, then by window: sum and count.
    cells: Vec<Vec<(f64, u32)>>,
    /// By window, over all endpoints that count.
    rest: Vec<(f64, u32)>,
}

/// The common modes of a set of runs.
pub struct CommonModes {
    /// By run.
    runs: Vec<Sums>,
    /// By endpoint: whether it belongs to the rest.
    counts: Vec<bool>,
    /// By endpoint: how much of the common mode it feels.
    felt: Vec<f64>,
}

impl CommonModes {
    /// Of all runs of both sides, with all endpoints.
    #[must_use]
    pub fn of(runs: &[&RunLatencies]) -> Self {
        let endpoints = runs.iter().map(|run| run.endpoints.len()).max().unwrap_or(0);
        let medians: Vec<f64> = (0..endpoints).map(|endpoint| median(runs, endpoint)).collect();
        let cap = cap(runs, &medians);
        let sums = |run: &&RunLatencies| {
            let windows = run.windows();
            let cells = run.endpoints.iter().zip(&medians).map(|(series, median)| {
                let mut cells = vec![(0.0, 0_u32); windows];
                for (logarithm, window) in series.iter() {
                    if let Some((sum, count)) = cells.get_mut(window) {
                        *sum += (logarithm - median).min(cap);
                        *count += 1;
                    }
                }
                cells
            });
            let cells: Vec<Vec<(f64, u32)>> = cells.collect();
            let mut rest = vec![(0.0, 0); windows];
            for own in &cells {
                for ((sum, count), (own_sum, own_count)) in rest.iter_mut().zip(own) {
                    *sum += own_sum;
                    *count += own_count;
                }
            }
            Sums { cells, rest }
        };
        Self { runs: runs.iter().map(sums).collect(), counts: vec![true; endpoints], felt: Vec::new() }
    }

    /// Takes an endpoint out of the rest.
    pub fn leave_out(&mut self, endpoint: usize) {
        let Some(counts) = self.counts.get_mut(endpoint).filter(|counts| **counts) else { return };
        *counts = false;
        for Sums { cells, rest } in &mut self.runs {
            let own = cells.get(endpoint).map(Vec::as_slice).unwrap_or_default();
            for ((sum, count), (own_sum, own_count)) in rest.iter_mut().zip(own) {
                *sum -= own_sum;
                *count = count.saturating_sub(*own_count);
            }
        }
    }

    /// Finds out how much of the common mode each endpoint feels; until then, all of it.
    pub fn feel(&mut self) {
        self.felt = (0..self.counts.len()).map(|endpoint| self.sensitivity(endpoint)).collect();
    }

    /// How far each endpoint's mean in a run lies from the typical one's: from the median of the rest, since a mean is moved
    /// by the one that moved, and all others would seem to have moved away from it. What the rest shares is taken out by
    /// window before, as an endpoint may be asked for where load is high. `None` where it was not asked for.
    #[must_use]
    pub fn beyond(&self, run: usize) -> Vec<Option<f64>> {
        let Some(Sums { cells, rest }) = self.runs.get(run) else { return Vec::new() };
        let shared: Vec<f64> = rest.iter().map(|(sum, count)| sum / f64::from((*count).max(1))).collect();
        let mean = |own: &Vec<(f64, u32)>| {
            let parts = own.iter().zip(&shared);
            let parts = parts.map(|((sum, count), mode)| (sum - mode * f64::from(*count), u64::from(*count)));
            let (sum, count) = parts.fold((0.0, 0), |(sum, count), part| (sum + part.0, count + part.1));
            (count > 0).then(|| sum / count as f64)
        };
        let means: Vec<Option<f64>> = cells.iter().map(mean).collect();
        let of_rest = means.iter().zip(&self.counts).filter(|(_, counts)| **counts);
        let typical = quantile(&mut of_rest.filter_map(|(mean, _)| *mean).collect::<Vec<f64>>(), 0.5).unwrap_or(0.0);
        means.into_iter().map(|mean| Some(mean? - typical)).collect()
    }

    /// The mean of an endpoint in a run with all that it shares; `None` where it was not asked for.
    #[must_use]
    pub fn mean(&self, run: usize, endpoint: usize) -> Option<f64> {
        let own = self.runs.get(run)?.cells.get(endpoint)?;
        let (sum, count) = own.iter().fold((0.0, 0), |(sum, count), cell| (sum + cell.0, count + u64::from(cell.1)));
        (count > 0).then(|| sum / count as f64)
    }

    /// What an endpoint's requests are held against in a run, by window, as far as the endpoint feels it.
    #[must_use]
    pub fn for_endpoint(&self, run: usize, endpoint: usize) -> Vec<f64> {
        let felt = self.felt.get(endpoint).copied().unwrap_or(1.0);
        self.others(run, endpoint).into_iter().map(|mode| felt * mode).collect()
    }

    /// How much of it an endpoint feels.
    fn sensitivity(&self, endpoint: usize) -> f64 {
        let of_run = |(run, sums): (usize, &Sums)| {
            let own = sums.cells.get(endpoint).map(Vec::as_slice).unwrap_or_default();
            let window = |(shared, (sum, count)): (f64, &(f64, u32))| {
                let requests = f64::from(*count);
                Window { shared, own: if *count == 0 { 0.0 } else { sum / requests }, requests }
            };
            self.others(run, endpoint).into_iter().zip(own).map(window).collect()
        };
        let runs: Vec<Vec<Window>> = self.runs.iter().enumerate().map(of_run).collect();
        sensitivity(&runs)
    }

    /// The common mode of all others in a run, by window; 0 where nothing else was asked for.
    fn others(&self, run: usize, endpoint: usize) -> Vec<f64> {
        let Some(sums) = self.runs.get(run) else { return Vec::new() };
        let is_in_rest = self.counts.get(endpoint).copied().unwrap_or(false);
        let own = sums.cells.get(endpoint).filter(|_| is_in_rest);
        let without = |(window, (sum, count)): (usize, &(f64, u32))| {
            let (own_sum, own_count) = own.and_then(|own| own.get(window)).copied().unwrap_or_default();
            let others = count.saturating_sub(own_count);
            if others == 0 { 0.0 } else { (sum - own_sum) / f64::from(others) }
        };
        sums.rest.iter().enumerate().map(without).collect()
    }
}

/// Median of an endpoint over all runs.
fn median(runs: &[&RunLatencies], endpoint: usize) -> f64 {
    let series = runs.iter().filter_map(|run| run.endpoints.get(endpoint));
    let mut values: Vec<f64> = series.flat_map(|series| series.iter().map(|(value, _)| value)).collect();
    quantile(&mut values, 0.5).unwrap_or(0.0)
}

/// Quantile of all residuals beyond which they count as it: of one in so many that a million of them are looked at.
fn cap(runs: &[&RunLatencies], medians: &[f64]) -> f64 {
    const LOOKED_AT: usize = 1 << 20;
    let all: usize = runs.iter().flat_map(|run| &run.endpoints).map(super::latency::Series::len).sum();
    let every = all.div_ceil(LOOKED_AT).max(1);
    let residuals = runs
        .iter()
        .flat_map(|run| run.endpoints.iter().zip(medians))
        .flat_map(|(series, median)| series.iter().map(move |(value, _)| value - median));
    let mut looked_at: Vec<f64> = residuals.step_by(every).collect();
    quantile(&mut looked_at, WINSORISED_AT).unwrap_or(f64::INFINITY)
}
