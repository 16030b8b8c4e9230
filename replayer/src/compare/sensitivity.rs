//! How much of what all share an endpoint feels: a cache hit feels load less than a report that scans a table.
//!
//! Least squares of an endpoint's window means on the common mode's, within runs, so that what differs between runs (the
//! change itself) has no part in it. The estimate is moved towards 1 by as much as it is uncertain (James and Stein 1961,
//! positive part).

/// One window of an endpoint in a run: what the rest shared, its own mean residual, and its number of requests.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The common mode.
    pub shared: f64,
    /// The endpoint's mean, by the same measure.
    pub own: f64,
    /// Requests of the endpoint in it.
    pub requests: f64,
}

/// The factor by which an endpoint feels the common mode; 1 where nothing is known. `runs` are the windows of each run.
#[must_use]
pub fn sensitivity(runs: &[Vec<Window>]) -> f64 {
    let (mut xx, mut xy, mut yy, mut windows) = (0.0, 0.0, 0.0, 0_usize);
    for run in runs {
        let weight: f64 = run.iter().map(|window| window.requests).sum();
        if weight <= 0.0 {
            continue;
        }
        let mean = |of: fn(&Window) -> f64| run.iter().map(|one| one.requests * of(one)).sum::<f64>() / weight;
        let (shared, own) = (mean(|one| one.shared), mean(|one| one.own));
        for window in run.iter().filter(|window| window.requests > 0.0) {
            let (x, y) = (window.shared - shared, window.own - own);
            xx += window.requests * x * x;
            xy += window.requests * x * y;
            yy += window.requests * y * y;
            windows += 1;
        }
    }
    let freedom = windows.saturating_sub(runs.len() + 1);
    if freedom == 0 || xx <= 0.0 {
        return 1.0;
    }
    let slope = xy / xx;
    let left = ((yy - slope * xy) / freedom as f64).max(0.0);
    let uncertain = left / xx;
    let from_one = slope - 1.0;
    let kept = if from_one == 0.0 { 0.0 } else { (1.0 - uncertain / (from_one * from_one)).max(0.0) };
    1.0 + kept * from_one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(slope: f64, noise: f64) -> Vec<Vec<Window>> {
        let window = |run: usize, number: usize| {
            let shared = (number as f64 * 0.7).sin() * 0.2;
            // Runs differ as a whole, which says nothing of the slope.
            let sign = if (number * 7 + run * 3).is_multiple_of(2) { 1.0 } else { -1.0 };
            Window { shared: shared + run as f64, own: slope * shared + sign * noise - run as f64, requests: 50.0 }
        };
        (0..6).map(|run| (0..12).map(|number| window(run, number)).collect()).collect()
    }

    #[test]
    fn slopes_are_found_within_runs() {
        for slope in [0.0, 0.4, 1.0, 2.5] {
            let found = sensitivity(&runs(slope, 0.01));
            assert!((found - slope).abs() < 0.05, "{slope}: {found}");
        }
    }

    #[test]
    fn what_is_uncertain_is_one() {
        assert_eq!(sensitivity(&[]), 1.0);
        assert_eq!(sensitivity(&[vec![Window { shared: 0.1, own: 0.5, requests: 3.0 }]]), 1.0);
        assert!((sensitivity(&runs(1.1, 2.0)) - 1.0).abs() < 0.5);
    }
}
