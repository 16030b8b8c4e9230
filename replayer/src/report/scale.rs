//! Axes: where a value stands between its ends, and which round values are marked.

/// The largest value over the smallest from which on an axis of times is logarithmic.
const LOG_FROM: f64 = 50.0;
/// Marks of a linear axis of values, about.
const MARKS: f64 = 4.0;
/// What is not below does not stretch an axis.
const VALUE_MAX: f64 = 1e18;
/// More than there ever are on an axis whose ends are numbers.
const MARKS_MAX: usize = 20;
/// Decades up to which 2 and 5 are marked too.
const FINE_DECADES_MAX: f64 = 3.1;
/// Decades from which on only every third is marked: 1 µs, 1 ms, 1 s.
const COARSE_DECADES_MIN: f64 = 6.5;
/// Marks of an axis of seconds at most.
const SECOND_MARKS_MAX: u64 = 7;
/// Distances of marks that people count time in, in seconds.
const SECOND_STEPS: [u64; 17] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400];

/// An axis of values, upwards.
pub(crate) struct Scale {
    from: f64,
    to: f64,
    step: f64,
    /// Whether equal distances are equal factors.
    pub(crate) log: bool,
}

impl Scale {
    /// The axis on which all of `values` stand; logarithmic only if it may be and if they differ enough.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone, may_be_log: bool) -> Self {
        let values = values.filter(|value| *value < VALUE_MAX);
        let most = values.clone().fold(0.0, f64::max);
        let least = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        if may_be_log && least.is_finite() && most / least >= LOG_FROM {
            return Self { from: round_down(least), to: round_up(most), step: 1.0, log: true };
        }
        let step = if most > 0.0 { round_up(most / MARKS * 0.8) } else { 1.0 };
        Self { from: 0.0, to: ((most / step).ceil() * step).max(step), step, log: false }
    }

    /// A logarithmic axis from about `least` to about `most`, both above 0.
    pub(crate) fn logarithmic(least: f64, most: f64) -> Self {
        let [least, most] = [least, most].map(|end| end.clamp(VALUE_MAX.recip(), VALUE_MAX));
        let (from, to) = (round_down(least), round_up(most));
        // An axis of a single value has room around it.
        let (from, to) = if from < to { (from, to) } else { (from / 2.0, to * 2.0) };
        Self { from, to, step: 1.0, log: true }
    }

    /// A linear axis from about `least` to about `most`, wherever nothing is.
    pub(crate) fn between(least: f64, most: f64) -> Self {
        let [least, most] = [least, most].map(|end| end.clamp(-VALUE_MAX, VALUE_MAX));
        let reach = (most - least).max(most.abs() * 1e-3);
        let step = if reach > 0.0 { round_up(reach / MARKS * 0.8) } else { 1.0 };
        let (from, to) = ((least / step).floor() * step, (most / step).ceil() * step);
        Self { from, to: to.max(from + step), step, log: false }
    }

    /// 0 at the lower end, 1 at the upper.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.from) / self.from).log10() / self.decades()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        share.clamp(0.0, 1.0)
    }

    /// The value at a share of the way.
    pub(crate) fn value(&self, share: f64) -> f64 {
        if self.log {
            self.from * 10f64.powf(share * self.decades())
        } else {
            self.from + share * (self.to - self.from)
        }
    }

    /// The round values that are marked, upwards.
    pub(crate) fn marks(&self) -> Vec<f64> {
        if !self.log {
            let marks = std::iter::successors(Some(0.0), |mark: &f64| Some(mark + 1.0));
            let marks = marks.map(|mark| self.from + mark * self.step);
            return marks.take_while(|mark| *mark <= self.to + self.step / 2.0).take(MARKS_MAX).collect();
        }
        let fine = self.decades() <= FINE_DECADES_MAX;
        let every = if self.decades() >= COARSE_DECADES_MIN { 3 } else { 1 };
        #[expect(clippy::cast_possible_truncation, reason = "exponents of finite numbers are small")]
        let (low, high) = (self.from.log10().floor() as i32, self.to.log10().ceil() as i32);
        (low..=high)
            .filter(|exponent| exponent.rem_euclid(every) == 0)
            .flat_map(|exponent| {
                if fine { vec![1.0, 2.0, 5.0] } else { vec![1.0] }
                    .into_iter()
                    .map(move |digit| digit * 10f64.powi(exponent))
            })
            .filter(|mark| (self.from * 0.999..=self.to * 1.001).contains(mark))
            .collect()
    }

    fn decades(&self) -> f64 {
        (self.to / self.from).log10()
    }
}

/// The seconds of `from_s..=to_s` that are marked.
pub(crate) fn second_marks(from_s: u64, to_s: u64) -> Vec<u64> {
    let length_s = to_s - from_s;
    let fits = |step: &u64| length_s / step < SECOND_MARKS_MAX;
    // Beyond the steps that people count in: whole days.
    let days = || length_s.div_ceil(SECOND_MARKS_MAX).div_ceil(86_400).saturating_mul(86_400);
    let step = SECOND_STEPS.into_iter().find(fits).unwrap_or_else(days);
    let first = from_s.div_ceil(step).saturating_mul(step);
    let marks = std::iter::successors(Some(first), |mark| mark.checked_add(step));
    marks.take_while(|mark| *mark <= to_s).collect()
}

/// The next smaller of 1, 2 and 5 times a power of ten.
fn round_down(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    // The margins absorb the rounding of powf.
    [5.0, 2.0].into_iter().map(|digit| digit * power).find(|round| *round <= value * 1.000_001).unwrap_or(power)
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|round| *round >= value * 0.999_999)
        .unwrap_or(power * 10.0)
}
