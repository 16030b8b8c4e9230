//! A slope through points in order, as far as correlated points tell it.
//!
//! Ordinary least squares, whose error assumes that neighbours have nothing to do with each other. Load that wanders makes
//! them alike, and then n points say no more than n (1 − r) / (1 + r) that are independent, r being the correlation of
//! neighbouring residuals (Bartlett 1935; Santer et al. 2000), estimated with its bias for few points taken out
//! (Marriott and Pope 1954; a fitted line takes some more).

use super::repeats::Estimate;

/// Points below which nothing is said.
pub const POINTS_MIN: usize = 4;
/// Points from which on their correlation can be estimated at all; fewer are taken for independent.
const CORRELATED_MIN: usize = 8;
/// Correlation that is believed at most.
const CORRELATION_MAX: f64 = 0.95;
/// Smallest spread that is believed: what is stored has steps.
const SPREAD_MIN: f64 = 0.000_5;

/// How much a straight line rises from the first to the last of evenly spaced points; `None` with too few of them.
/// [`Estimate::repeats`] is the number of independent points that they are worth.
#[must_use]
pub fn rise(points: &[f64]) -> Option<Estimate> {
    let n = points.len();
    if n < POINTS_MIN {
        return None;
    }
    let count = n as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = points.iter().sum::<f64>() / count;
    let at = |index: usize| index as f64 - middle;
    let squares: f64 = (0..n).map(|index| at(index) * at(index)).sum();
    let slope = points.iter().enumerate().map(|(index, value)| at(index) * (value - mean)).sum::<f64>() / squares;
    let residuals: Vec<f64> =
        points.iter().enumerate().map(|(index, value)| value - mean - slope * at(index)).collect();
    let left: f64 = residuals.iter().map(|residual| residual * residual).sum();
    let r = if n < CORRELATED_MIN { 0.0 } else { correlation(&residuals, left) };
    let worth = count * (1.0 - r) / (1.0 + r);
    let freedom = (worth - 2.0).max(1.0);
    let spread = (left / freedom).sqrt().max(SPREAD_MIN);
    let span = count - 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of points")]
    let repeats = worth.round() as usize;
    let error = spread / squares.sqrt() * span;
    Some(Estimate { mean: slope * span, error, freedom, spread, repeats })
}

/// How far a line through so many points may be off, upwards and downwards, at a place between its first point (0) and its
/// last (1): what is not known of its height and of its slope, which are independent of each other in the middle.
#[must_use]
pub fn off(rise: &Estimate, points: usize, along: f64, confidence: f64) -> f64 {
    let times = (rise.interval(confidence).1 - rise.mean) / rise.error;
    let (height, slope) = (rise.spread / (points.max(1) as f64).sqrt(), (along - 0.5) * rise.error);
    times * (height * height + slope * slope).sqrt()
}

/// Of neighbouring residuals of a line, as it would be in endlessly many.
fn correlation(residuals: &[f64], left: f64) -> f64 {
    let n = residuals.len() as f64;
    let neighbours = residuals.iter().zip(residuals.iter().skip(1));
    let r = neighbours.map(|(one, next)| one * next).sum::<f64>() / left.max(f64::MIN_POSITIVE);
    // Residuals of a line lean the other way by (2 + 4 r) / n.
    ((n * r + 2.0) / (n - 4.0).max(1.0)).clamp(0.0, CORRELATION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
        }

        /// Points whose neighbours are correlated by `r`, on a line that rises by `by`.
        fn points(&mut self, n: usize, r: f64, by: f64) -> Vec<f64> {
            let mut value = self.normal();
            let mut points = Vec::new();
            for index in 0..n {
                points.push(value + by * index as f64 / (n - 1) as f64);
                value = r * value + (1.0 - r * r).sqrt() * self.normal();
            }
            points
        }
    }

    fn misses(n: usize, r: f64) -> f64 {
        let mut random = Random(n as u64 * 1_000 + (r * 100.0) as u64);
        const TRIALS: usize = 4_000;
        let miss = |_: &usize| {
            let (low, high) = rise(&random.points(n, r, 2.0)).unwrap().interval(0.95);
            !(low..=high).contains(&2.0)
        };
        (0..TRIALS).filter(miss).count() as f64 / TRIALS as f64
    }

    /// `cargo test -p replayer slope -- --nocapture` prints them.
    #[test]
    fn intervals_keep_their_promise_also_where_neighbours_are_alike() {
        for (n, r, most) in [
            (4, 0.0, 0.06),
            (12, 0.0, 0.06),
            (24, 0.0, 0.06),
            (24, 0.3, 0.08),
            (24, 0.6, 0.10),
            (60, 0.6, 0.08),
            (60, 0.8, 0.10),
        ] {
            let missed = misses(n, r);
            println!("{n} points, correlation {r}: {:.1} % of 95 % intervals miss", missed * 100.0);
            assert!(missed <= most, "{n} points, correlation {r}: {missed}");
        }
    }

    #[test]
    fn a_band_holds_the_line_at_both_ends_as_often_as_it_says() {
        let mut random = Random(7);
        const TRIALS: usize = 2_000;
        for (along, truth) in [(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)] {
            let miss = |_: &usize| {
                let points = random.points(24, 0.0, 2.0);
                let found = rise(&points).unwrap();
                let middle = points.iter().sum::<f64>() / 24.0;
                let line = middle + (along - 0.5) * found.mean;
                (line - truth).abs() > off(&found, 24, along, 0.95)
            };
            let missed = (0..TRIALS).filter(miss).count() as f64 / TRIALS as f64;
            assert!((0.02..0.07).contains(&missed), "{along}: {missed}");
        }
    }

    #[test]
    fn a_line_is_found_and_too_few_points_say_nothing() {
        let line: Vec<f64> = (0..10).map(|index| 3.0 + 0.5 * f64::from(index)).collect();
        let found = rise(&line).unwrap();
        assert!((found.mean - 4.5).abs() < 1e-9 && found.interval(0.95).0 > 4.4, "{found:?}");
        assert_eq!(rise(&[1.0, 2.0, 3.0]), None);
        assert_eq!(rise(&[]), None);
        let flat = rise(&[2.0; 30]).unwrap();
        assert!(flat.mean.abs() < 1e-12 && flat.error > 0.0, "{flat:?}");
    }
}
