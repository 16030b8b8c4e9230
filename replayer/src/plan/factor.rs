//! The rate factor as an exact rational.

use std::fmt;
use std::str::FromStr;

use super::PlanError;

/// The largest factor.
const FACTOR_MAX: u64 = 10_000;
/// Digits after the point.
const DECIMALS_MAX: usize = 6;

/// How many times the recorded rate: an exact rational in lowest terms, above 0 and at most 10,000, written `3x`, `0.25x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Factor {
    numerator: u64,
    denominator: u64,
}

impl Factor {
    /// The recorded rate.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// The nearest float, for people and for statistics; plans never use it.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// Copies (the original included) of something whose hash is `hash`: ⌊k⌋, and one more where hash/2⁶⁴ < k − ⌊k⌋.
    pub(super) fn copies(&self, hash: u64) -> u32 {
        let whole = self.numerator.checked_div(self.denominator).unwrap_or(0);
        let rest = self.numerator.checked_rem(self.denominator).unwrap_or(0);
        let one_more = u128::from(hash) * u128::from(self.denominator) < u128::from(rest) << 64;
        u32::try_from(whole).unwrap_or(u32::MAX).saturating_add(u32::from(one_more))
    }
}

impl FromStr for Factor {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = |why| PlanError::Factor { given: text.to_owned(), why };
        let not_built = |what| PlanError::RateNotBuilt { given: text.to_owned(), what };
        if text == "max" {
            return Err(not_built("as fast as the target answers"));
        }
        if text.ends_with("/s") {
            return Err(not_built("requests a second"));
        }
        if text.starts_with('-') {
            return Err(wrong("is negative"));
        }
        let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.strip_suffix('x').ok_or_else(|| wrong("does not end in x"))?;
        let (whole, decimals) = match number.split_once('.') {
            Some((whole, decimals)) if is_digits(whole) && is_digits(decimals) => (whole, decimals),
            None if is_digits(number) => (number, ""),
            _ => return Err(wrong("is no decimal number before the x")),
        };
        if decimals.len() > DECIMALS_MAX {
            return Err(wrong("has more than 6 decimals"));
        }
        let too_large = || wrong("is above 10000x");
        let denominator = decimals.bytes().fold(1_u64, |power, _| power.saturating_mul(10));
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let decimals: u64 = if decimals.is_empty() { 0 } else { decimals.parse().map_err(|_| too_large())? };
        let numerator =
            whole.checked_mul(denominator).and_then(|whole| whole.checked_add(decimals)).ok_or_else(too_large)?;
        if numerator > FACTOR_MAX.saturating_mul(denominator) {
            return Err(too_large());
        }
        if numerator == 0 {
            return Err(wrong("is zero"));
        }
        let common = greatest_common_divisor(numerator, denominator);
        Ok(Self {
            numerator: numerator.checked_div(common).unwrap_or(numerator),
            denominator: denominator.checked_div(common).unwrap_or(denominator),
        })
    }
}

impl fmt::Display for Factor {
    /// The shortest decimal that reads back as the same factor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.numerator.checked_div(self.denominator).unwrap_or(0);
        let mut rest = self.numerator.checked_rem(self.denominator).unwrap_or(0);
        write!(f, "{whole}")?;
        if rest > 0 {
            f.write_str(".")?;
        }
        while rest > 0 {
            rest = rest.saturating_mul(10);
            write!(f, "{}", rest.checked_div(self.denominator).unwrap_or(0))?;
            rest = rest.checked_rem(self.denominator).unwrap_or(0);
        }
        f.write_str("x")
    }
}

/// Euclid's algorithm; of positive numbers never 0.
fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}
