//! The index of dispersion of counts, and the block jackknife that tells how much to believe in it.

/// Contiguous parts that the jackknife leaves out in turn.
pub(super) const TENTHS: usize = 10;

/// Windows in the order of time, added up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) windows: u64,
    pub(super) sum: u128,
    squares: u128,
    cubes: u128,
}

impl Sums {
    fn add(&mut self, count: u64) {
        self.windows += 1;
        self.sum += u128::from(count);
        self.squares += u128::from(count) * u128::from(count);
        self.cubes = self.cubes.saturating_add(u128::from(count).saturating_pow(3));
    }

    /// I(τ) = Var N / E N with Var N = Σ(N − E N)²/m, computed in integers as (m·ΣN² − (ΣN)²) / (m·ΣN); `None` of nothing.
    pub(super) fn dispersion(&self) -> Option<f64> {
        let windows = u128::from(self.windows);
        let above = windows.checked_mul(self.squares)?.checked_sub(self.sum.checked_mul(self.sum)?)?;
        let below = windows.checked_mul(self.sum)?;
        (below > 0).then(|| above as f64 / below as f64)
    }

    /// The standard error of I where the common rate is what it is and only the clients are drawn anew. With μ_w what the
    /// rate brings to window w and ε_w, normal and of variance D·μ_w, what the clients add, I = Σ(μ − μ̄ + ε)²/Σ(μ + ε) varies
    /// by
    ///
    /// ```text
    /// SE² · (m·N̄)² = Σ [ (2·(μ_w − μ̄) − I_λ)²·D·μ_w + 2·(D·μ_w)² ]
    ///              = D·( 4·Σ(μ_w − μ̄)²·μ_w − 3·I_λ²·ΣN ) + 2·D²·Σμ_w²
    /// ```
    ///
    /// where I_λ = I − D, μ is estimated by N and (μ − μ̄)² by (N − N̄)² − D·N.
    pub(super) fn error_at_this_rate(&self, alone: f64) -> Option<f64> {
        let (sum, squares, cubes) = (self.sum as f64, self.squares as f64, self.cubes as f64);
        let mean = sum / self.windows as f64;
        let of_rate = cubes - 2.0 * mean * squares + mean * mean * sum - alone * squares;
        let common = (self.dispersion()? - alone).max(0.0);
        let of_rate = (4.0 * of_rate - 3.0 * common * common * sum).max(0.0);
        let variance = alone * of_rate + 2.0 * alone * alone * squares;
        (sum > 0.0).then(|| variance.sqrt() / sum)
    }
}

/// The sums of each tenth of the windows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tenths([Sums; TENTHS]);

impl Tenths {
    pub(super) fn of(counts: impl Iterator<Item = u64>, windows: u64) -> Self {
        let mut tenths = Self::default();
        for (window, count) in (0..).zip(counts) {
            if let Some(sums) = tenths.0.get_mut(tenth(window, windows)) {
                sums.add(count);
            }
        }
        tenths
    }

    /// The sums of all tenths but one.
    pub(super) fn without(&self, without: Option<usize>) -> Sums {
        let mut all = Sums::default();
        for (_, sums) in self.0.iter().enumerate().filter(|(number, _)| Some(*number) != without) {
            all.windows += sums.windows;
            all.sum += sums.sum;
            all.squares += sums.squares;
            all.cubes = all.cubes.saturating_add(sums.cubes);
        }
        all
    }
}

/// The tenth in which `at` of `whole` lies: ⌊10·at/whole⌋, the last one with its end.
pub(super) fn tenth(at: u64, whole: u64) -> usize {
    let parts = TENTHS as u64;
    let tenth = match at.checked_mul(parts) {
        Some(at) => at.checked_div(whole),
        // Beyond 58 years of nanoseconds a rounded tenth will do.
        None => at.checked_div((whole / parts).max(1)),
    };
    tenth.and_then(|tenth| usize::try_from(tenth).ok()).unwrap_or(0).min(TENTHS - 1)
}

/// The standard error of `statistic` by block jackknife (Künsch, Annals of Statistics 17:1217, 1989): with θ_g the statistic
/// without tenth g and θ̄ their mean, SE² = (G − 1)/G · Σ (θ_g − θ̄)², G = 10.
pub(super) fn jackknife(statistic: impl Fn(Option<usize>) -> Option<f64>) -> Option<f64> {
    let mut values = [0.0; TENTHS];
    for (number, value) in values.iter_mut().enumerate() {
        *value = statistic(Some(number)).filter(|value| value.is_finite())?;
    }
    let groups = TENTHS as f64;
    let mean = values.iter().sum::<f64>() / groups;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some(((groups - 1.0) / groups * squares).sqrt())
}
