//! What is reported beside the dispersion: how alike the rates, the endpoints and the gaps are. None of it is judged.

use super::check::NoGaps;
use super::gaps::Gaps;
use super::scattered::Scattered;

/// Pearson's correlation of pairs of counts: Σ(x − x̄)(y − ȳ) / √(Σ(x − x̄)² · Σ(y − ȳ)²). `None` where one of them never
/// changes.
pub(super) fn correlation(pairs: impl Iterator<Item = (u64, u64)> + Clone) -> Option<f64> {
    let (mut count, mut mean_x, mut mean_y) = (0.0, 0.0, 0.0);
    for (x, y) in pairs.clone() {
        count += 1.0;
        mean_x += (x as f64 - mean_x) / count;
        mean_y += (y as f64 - mean_y) / count;
    }
    let (mut of_x, mut of_y, mut of_both) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x as f64 - mean_x, y as f64 - mean_y);
        of_x += x * x;
        of_y += y * y;
        of_both += x * y;
    }
    let below = (of_x * of_y).sqrt();
    (below > 0.0).then(|| of_both / below)
}

/// The Jensen–Shannon divergence of two mixes, in bits (Lin, IEEE Trans. Inf. Theory 37:145, 1991): ½·Σ p·log₂(p/r) +
/// ½·Σ q·log₂(q/r) with r = (p + q)/2; 0 of equal mixes, 1 of mixes that share nothing. A missing row is a count of 0.
/// `None` where one mix has no requests at all.
pub(super) fn divergence_bits(recorded: &[u64], planned: &[u64]) -> Option<f64> {
    let whole = |counts: &[u64]| counts.iter().map(|count| *count as f64).sum::<f64>();
    let (whole_p, whole_q) = (whole(recorded), whole(planned));
    if whole_p == 0.0 || whole_q == 0.0 {
        return None;
    }
    let at = |counts: &[u64], row: usize| counts.get(row).map_or(0.0, |count| *count as f64);
    let part = |of: f64, middle: f64| if of > 0.0 { of * libm::log2(of / middle) } else { 0.0 };
    let rows = 0..recorded.len().max(planned.len());
    let bits = rows.map(|row| {
        let (p, q) = (at(recorded, row) / whole_p, at(planned, row) / whole_q);
        let middle = f64::midpoint(p, q);
        f64::midpoint(part(p, middle), part(q, middle))
    });
    Some(bits.sum::<f64>().max(0.0))
}

/// How far the gaps of the plan are from those of the recording.
pub(super) fn gap_distance(recorded: &Gaps, planned: Scattered) -> Result<f64, NoGaps> {
    if !recorded.is_sorted() {
        return Err(NoGaps::RecordingUnsorted);
    }
    recorded.distance(&planned.gaps().ok_or(NoGaps::TooMany)?).ok_or(NoGaps::None)
}
