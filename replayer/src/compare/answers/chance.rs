//! How sure it is that something happens more often across sides than within one.
//!
//! With x of n pairs of answers across the sides and y of m pairs within a side, x + y happenings fall on the sides like
//! coins of which n / (n + m) fall one way, where nothing changed (Przyborowski and Wilenski 1940): exact for rare
//! happenings, and on the safe side for frequent ones.

use statrs::function::beta::checked_beta_reg;

/// How likely at least `across` of all happenings are across sides, where nothing changed.
pub(super) fn chance(across: u64, pairs: u64, within: u64, within_pairs: u64) -> f64 {
    if across == 0 {
        return 1.0;
    }
    // P(X ≥ x) of a binomial distribution of n draws is I_p(x, n − x + 1).
    let share = pairs as f64 / (pairs + within_pairs).max(1) as f64;
    if share >= 1.0 {
        return 1.0;
    }
    checked_beta_reg(across as f64, within as f64 + 1.0, share).unwrap_or(1.0)
}

/// How many times as often it happens across sides, at least, with this confidence (Clopper and Pearson 1934).
pub(super) fn ratio_at_least(across: u64, pairs: u64, within: u64, within_pairs: u64, confidence: f64) -> f64 {
    if across == 0 || pairs == 0 || within_pairs == 0 {
        return 0.0;
    }
    let beyond = (1.0 - confidence) / 2.0;
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let more = checked_beta_reg(across as f64, within as f64 + 1.0, middle).unwrap_or(1.0);
        if more < beyond { low = middle } else { high = middle }
    }
    low / (1.0 - low).max(1e-12) * within_pairs as f64 / pairs as f64
}

/// Of a share of x in n, the interval that holds the truth with this confidence (Wilson 1927).
pub(super) fn interval(count: u64, of: u64) -> (f64, f64) {
    /// Of the normal distribution, for 95 %.
    const Z: f64 = 1.959_964;
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (of as f64, count as f64 / of as f64);
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found / expected - 1.0).abs() < 1e-6
    }

    #[test]
    fn coins() {
        // All of ten fall one way: 2⁻¹⁰.
        assert!(close(chance(10, 500, 0, 500), 1.0 / 1024.0));
        // At least 8 of 10: 56 / 1024.
        assert!(close(chance(8, 500, 2, 500), 56.0 / 1024.0));
        assert!(chance(300, 1_000, 300, 1_000) > 0.4);
        assert_eq!((chance(0, 10, 5, 10), chance(5, 10, 0, 0)), (1.0, 1.0));
    }

    #[test]
    fn ratios_and_shares() {
        let ratio = ratio_at_least(10, 500, 0, 500, 0.95);
        // The lower limit of 10 in 10 is 0.025^(1/10) = 0.69150.
        assert!(close(ratio, 0.691_502_9 / (1.0 - 0.691_502_9)), "{ratio}");
        assert!(ratio_at_least(300, 1_000, 300, 1_000, 0.95) < 1.0);
        assert_eq!(ratio_at_least(5, 10, 0, 0, 0.95), 0.0);
        // As tables of Wilson's interval have it: 8 of 10 is 0.490 to 0.943.
        let (low, high) = interval(8, 10);
        assert!((low - 0.4902).abs() < 1e-3 && (high - 0.9433).abs() < 1e-3, "{low} {high}");
        assert_eq!(interval(0, 0), (0.0, 1.0));
    }
}
