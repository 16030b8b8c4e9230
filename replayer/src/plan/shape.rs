//! How bursty a stream of instants is, at every scale that matters.

/// The scales at which recording and plan are compared: 10 ms, 100 ms, 1 s, 10 s, 60 s.
pub const SHAPE_TAUS_NS: [u64; 5] = [10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000];

/// Windows below which a dispersion is not worth a number.
const WINDOWS_MIN: u64 = 4;

/// Index of dispersion of counts (Gusella, IEEE JSAC 9:203, 1991): I(τ) = Var N / E N, where N is the number of instants
/// in a window of width τ; 1 for a Poisson process at every τ.
///
/// Over the m = ⌊duration/τ⌋ whole windows from 0, with Var N = Σ(N − E N)²/m, computed in integers as
/// (m·ΣN² − (ΣN)²) / (m·ΣN). `times_ns` must be sorted; empty windows cost nothing.
///
/// `None` when there are fewer than 4 windows, or nothing in them.
pub fn dispersion(times_ns: impl IntoIterator<Item = u64>, duration_ns: u64, tau_ns: u64) -> Option<f64> {
    let windows = duration_ns.checked_div(tau_ns).filter(|windows| *windows >= WINDOWS_MIN)?;
    let (mut sum, mut squares) = (0_u128, 0_u128);
    let (mut count, mut end_ns, mut window) = (0_u128, tau_ns, 0_u64);
    for at_ns in times_ns {
        if at_ns >= end_ns {
            squares += count * count;
            count = 0;
            window = at_ns.checked_div(tau_ns)?;
            end_ns = window.saturating_add(1).saturating_mul(tau_ns);
        }
        if window >= windows {
            break;
        }
        count += 1;
        sum += 1;
    }
    squares += count * count;
    let windows = u128::from(windows);
    let above = windows.checked_mul(squares)?.checked_sub(sum.checked_mul(sum)?)?;
    let below = windows.checked_mul(sum)?;
    (below > 0).then(|| above as f64 / below as f64)
}
