//! Rates: a factor as an exact decimal, requests a second, or as fast as the target answers.

use std::fmt;
use std::str::FromStr;

use super::PlanError;

/// The largest factor.
const FACTOR_MAX: u64 = 10_000;
/// The largest rate in requests a second.
const PER_SECOND_MAX: u64 = 100_000_000;
/// Digits after the point.
const DECIMALS_MAX: usize = 6;
/// Millionths in one.
const MILLION: u64 = 1_000_000;

/// How many times the recorded rate: an exact number of millionths, above 0 and at most 10,000, written `3x`, `0.25x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Factor {
    millionths: u64,
}

impl Factor {
    /// The recorded rate.
    pub const ONE: Self = Self { millionths: MILLION };

    /// A factor of so many millionths, if it is in range.
    pub(super) fn from_millionths(millionths: u64) -> Option<Self> {
        (1..=FACTOR_MAX * MILLION).contains(&millionths).then_some(Self { millionths })
    }

    pub(super) const fn millionths(self) -> u64 {
        self.millionths
    }

    /// The nearest float, for people and for statistics; plans never use it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "ten thousand million is far below 2^53")]
    pub fn as_f64(&self) -> f64 {
        self.millionths as f64 / MILLION as f64
    }

    /// This factor of that factor, to the millionth below.
    ///
    /// # Errors
    /// When the product is out of range.
    pub fn times(self, other: Self) -> Result<Self, PlanError> {
        let product = u128::from(self.millionths) * u128::from(other.millionths) / u128::from(MILLION);
        let product = u64::try_from(product).ok().and_then(Self::from_millionths);
        product.ok_or_else(|| PlanError::Factor { given: format!("{self} of {other}"), why: "is out of range" })
    }

    /// Where a span of time ends up when time runs this many times as fast: ⌊ns / k⌋.
    #[must_use]
    pub fn shrink(self, ns: u64) -> u64 {
        // Asked for every copy of every request: a division of 128 bits costs more than all the rest.
        if self == Self::ONE {
            return ns;
        }
        let shrunk = (u128::from(ns) * u128::from(MILLION)).checked_div(u128::from(self.millionths)).unwrap_or(0);
        u64::try_from(shrunk).unwrap_or(u64::MAX)
    }
}

/// Copies (the original included) at `millionths` of something whose hash is `hash`: ⌊k⌋, and one more where
/// hash/2⁶⁴ < k − ⌊k⌋.
pub(super) fn copies(millionths: u64, hash: u64) -> u32 {
    let (whole, rest) = (millionths / MILLION, millionths % MILLION);
    let one_more = u128::from(hash) * u128::from(MILLION) < u128::from(rest) << 64;
    u32::try_from(whole).unwrap_or(u32::MAX).saturating_add(u32::from(one_more))
}

impl FromStr for Factor {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = |why| PlanError::Factor { given: text.to_owned(), why };
        if text.starts_with('-') {
            return Err(wrong("is negative"));
        }
        let number = text.strip_suffix('x').ok_or_else(|| wrong("does not end in x"))?;
        let millionths = decimal(number, FACTOR_MAX).map_err(|bad| wrong(bad.of_factor()))?;
        Ok(Self { millionths })
    }
}

impl fmt::Display for Factor {
    /// The shortest decimal that reads back as the same factor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(self.millionths, f)?;
        f.write_str("x")
    }
}

/// `--rate`: what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// `3x`: so many times the recorded rate.
    Times(Factor),
    /// `1200/s`: millionths of requests a second on average; a factor is solved for.
    PerSecond(u64),
    /// `max`: due instants are ignored but for their order.
    Max,
}

impl Rate {
    /// The factor that this means where `requests` come in `duration_ns`.
    ///
    /// # Errors
    /// When that factor is out of range, or nothing was recorded to be multiplied.
    pub fn factor(self, requests: u64, duration_ns: u64) -> Result<Factor, PlanError> {
        let Self::PerSecond(millionths) = self else {
            return Ok(if let Self::Times(factor) = self { factor } else { Factor::ONE });
        };
        let wanted = u128::from(millionths) * u128::from(duration_ns) / 1_000_000_000;
        let factor = wanted.checked_div(u128::from(requests)).and_then(|factor| u64::try_from(factor).ok());
        factor.and_then(Factor::from_millionths).ok_or(PlanError::RateOutOfReach { rate: self, requests, duration_ns })
    }
}

impl FromStr for Rate {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let Some(number) = text.strip_suffix("/s") else { return Ok(Self::Times(text.parse()?)) };
        let wrong = |why| PlanError::PerSecond { given: text.to_owned(), why };
        if text.starts_with('-') {
            return Err(wrong("is negative"));
        }
        decimal(number, PER_SECOND_MAX).map(Self::PerSecond).map_err(|bad| wrong(bad.of_rate()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(factor) => factor.fmt(f),
            Self::PerSecond(millionths) => {
                write_decimal(*millionths, f)?;
                f.write_str("/s")
            }
            Self::Max => f.write_str("max"),
        }
    }
}

/// Why something is no decimal.
enum Bad {
    Form,
    Decimals,
    Large,
    Zero,
}

impl Bad {
    const fn of_factor(&self) -> &'static str {
        match self {
            Self::Form => "is no decimal number before the x",
            Self::Decimals => "has more than 6 decimals",
            Self::Large => "is above 10000x",
            Self::Zero => "is zero",
        }
    }

    const fn of_rate(&self) -> &'static str {
        match self {
            Self::Form => "is no decimal number before the /s",
            Self::Decimals => "has more than 6 decimals",
            Self::Large => "is above 100000000/s",
            Self::Zero => "is zero",
        }
    }
}

/// Millionths of a decimal above 0 and at most `most`.
fn decimal(number: &str, most: u64) -> Result<u64, Bad> {
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = match number.split_once('.') {
        Some((whole, decimals)) if is_digits(whole) && is_digits(decimals) => (whole, decimals),
        None if is_digits(number) => (number, ""),
        _ => return Err(Bad::Form),
    };
    if decimals.len() > DECIMALS_MAX {
        return Err(Bad::Decimals);
    }
    let whole: u64 = whole.parse().map_err(|_| Bad::Large)?;
    let decimals = format!("{decimals:0<DECIMALS_MAX$}").parse().unwrap_or(0);
    let millionths = whole.checked_mul(MILLION).and_then(|whole| whole.checked_add(decimals)).ok_or(Bad::Large)?;
    match millionths {
        0 => Err(Bad::Zero),
        _ if millionths > most.saturating_mul(MILLION) => Err(Bad::Large),
        _ => Ok(millionths),
    }
}

fn write_decimal(millionths: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (whole, rest) = (millionths / MILLION, millionths % MILLION);
    if rest == 0 {
        return write!(f, "{whole}");
    }
    write!(f, "{whole}.{}", format!("{rest:06}").trim_end_matches('0'))
}
