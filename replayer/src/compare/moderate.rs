//! Spreads that learn from each other: six repeats tell the spread of one endpoint badly, but twenty endpoints together
//! tell how large spreads are.
//!
//! The spreads' squares, each times its number of requests, are taken as draws from a scaled inverse chi-square
//! distribution, whose scale and degrees of freedom are estimated from all of them, and each is moved towards it by as
//! much as they agree (Smyth 2004, "Linear models and empirical Bayes methods", §6). Where endpoints are unlike each
//! other, the estimated degrees of freedom are few, and nothing moves.

use statrs::function::gamma::digamma;

use super::repeats::Estimate;

/// Endpoints below which nothing is learned.
const LEARNED_FROM_MIN: usize = 4;
/// Degrees of freedom that are taken for "they all are the same".
const FREEDOM_MAX: f64 = 1e6;

/// Moves the spreads of estimates towards each other. `weights` are the requests that each comes from; estimates that are
/// missing stay so.
pub fn moderate(estimates: &mut [Option<Estimate>], weights: &[f64]) {
    let known: Vec<(f64, f64)> = estimates
        .iter()
        .zip(weights)
        .filter_map(|(estimate, weight)| Some((scaled(estimate.as_ref()?, *weight), estimate.as_ref()?.freedom)))
        .collect();
    if known.len() < LEARNED_FROM_MIN {
        return;
    }
    let Prior { scale, freedom } = Prior::of(&known);
    // Together they know no more than all of them.
    let all: f64 = known.iter().map(|(_, freedom)| freedom).sum();
    for (estimate, weight) in estimates.iter_mut().zip(weights) {
        let Some(estimate) = estimate else { continue };
        let own = scaled(estimate, *weight);
        let total = freedom + estimate.freedom;
        let moved = (freedom * scale + estimate.freedom * own) / total;
        let ratio = (moved / own).sqrt();
        estimate.spread *= ratio;
        estimate.error *= ratio;
        estimate.freedom = total.min(all);
    }
}

/// A spread's square as it would be with one request.
fn scaled(estimate: &Estimate, weight: f64) -> f64 {
    estimate.spread * estimate.spread * weight.max(1.0)
}

struct Prior {
    scale: f64,
    freedom: f64,
}

impl Prior {
    /// By the moments of the logarithms (Smyth 2004, §6.2).
    fn of(known: &[(f64, f64)]) -> Self {
        let n = known.len() as f64;
        let logs: Vec<f64> =
            known.iter().map(|(square, freedom)| square.ln() - digamma(freedom / 2.0) + (freedom / 2.0).ln()).collect();
        let mean = logs.iter().sum::<f64>() / n;
        let spread = logs.iter().map(|log| (log - mean) * (log - mean)).sum::<f64>() / (n - 1.0);
        let by_chance = known.iter().map(|(_, freedom)| trigamma(freedom / 2.0)).sum::<f64>() / n;
        let left = spread - by_chance;
        if left <= trigamma(FREEDOM_MAX / 2.0) {
            return Self { scale: mean.exp(), freedom: FREEDOM_MAX };
        }
        let half = trigamma_inverse(left);
        Self { scale: (mean + digamma(half) - half.ln()).exp(), freedom: 2.0 * half }
    }
}

/// The second derivative of log Γ (Abramowitz and Stegun 6.4.6 and 6.4.12), for x > 0.
fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 20.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + 1.0 / x + y / 2.0 + y / x * (1.0 / 6.0 - y * (1.0 / 30.0 - y * (1.0 / 42.0 - y / 30.0)))
}

/// x with trigamma(x) = `value`, by bisection: it falls strictly from infinity to 0.
fn trigamma_inverse(value: f64) -> f64 {
    let (mut low, mut high) = (1e-6_f64, FREEDOM_MAX);
    for _ in 0..200 {
        let middle = (low * high).sqrt();
        if trigamma(middle) > value { low = middle } else { high = middle }
    }
    (low * high).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(spread: f64) -> Option<Estimate> {
        Some(Estimate { mean: 0.0, error: spread / 6_f64.sqrt(), freedom: 5.0, spread, repeats: 6 })
    }

    #[test]
    fn trigamma_is_what_tables_say() {
        let pi = std::f64::consts::PI;
        assert!((trigamma(1.0) - pi * pi / 6.0).abs() < 1e-12);
        assert!((trigamma(0.5) - pi * pi / 2.0).abs() < 1e-12);
        for x in [0.1, 0.7, 2.5, 40.0, 1e4] {
            assert!((trigamma_inverse(trigamma(x)) / x - 1.0).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn spreads_that_agree_become_one_and_those_that_do_not_stay() {
        // As spread as five degrees of freedom let them be by chance.
        let mut alike: Vec<_> = [0.7, 0.8, 0.9, 1.0, 1.0, 1.1, 1.2, 1.3].map(estimate).to_vec();
        moderate(&mut alike, &[100.0; 8]);
        let spreads: Vec<f64> = alike.iter().flatten().map(|one| one.spread).collect();
        assert!(spreads.iter().all(|one| (one / spreads[0] - 1.0).abs() < 0.01), "{spreads:?}");
        assert!((alike[0].unwrap().freedom - 40.0).abs() < 1e-9);
        let mut unlike: Vec<_> = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0].map(estimate).to_vec();
        let before = unlike.clone();
        moderate(&mut unlike, &[100.0; 6]);
        for (now, before) in unlike.iter().flatten().zip(before.iter().flatten()) {
            // Spreads that cover five orders of magnitude stay what they are within their own uncertainty.
            assert!((now.spread / before.spread).ln().abs() < 1.2, "{now:?} {before:?}");
            assert!((now.error / now.spread - before.error / before.spread).abs() < 1e-9);
            assert!(now.freedom < 6.0, "{now:?}");
        }
        let mut few: Vec<_> = [0.5, 1.0, 2.0].map(estimate).to_vec();
        let before = few.clone();
        moderate(&mut few, &[1.0; 3]);
        assert_eq!(few, before);
    }
}
