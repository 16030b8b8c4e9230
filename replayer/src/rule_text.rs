//! What the rules of a run have in common, whichever they are: comparisons, values with their units, and words with
//! their places. Integers only, so that a rule means the same everywhere.

use std::fmt;
use std::time::Duration;

/// Decimals of a percentage that are read.
const PERCENT_DECIMALS_MAX: usize = 4;

/// How a figure is compared with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Op {
    /// `>`, `>=`, `<` or `<=`.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            _ => return None,
        })
    }

    pub(crate) fn holds(self, left: u128, right: u128) -> bool {
        match self {
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }

    /// Whether it is about a figure that is too large.
    pub(crate) const fn is_upwards(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        })
    }
}

/// `2.5%` as parts per million.
pub(crate) fn parts_per_million(text: &str) -> Option<u64> {
    let value = decimal(text.strip_suffix('%')?, PERCENT_DECIMALS_MAX)?;
    (value <= 1_000_000).then_some(value)
}

/// A time from `1ns` on, with or without decimals, in nanoseconds.
pub(crate) fn nanos(text: &str) -> Option<u64> {
    if let Ok(time) = humantime::parse_duration(text) {
        return u64::try_from(Duration::as_nanos(&time)).ok();
    }
    // Decimals, which humantime does not read.
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let decimals = match unit {
        "us" | "µs" | "μs" => 3,
        "ms" => 6,
        "s" => 9,
        _ => return None,
    };
    decimal(number, decimals)
}

/// A decimal number times ten to the power of `decimals`, which are the most that it may have.
pub(crate) fn decimal(text: &str, decimals: usize) -> Option<u64> {
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) if !part.is_empty() => (whole, part),
        Some(_) => return None,
        None => (text, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || part.len() > decimals || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    format!("{whole}{part:0<decimals$}").parse().ok()
}

/// A text that is read word by word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    text: &'a str,
    at: usize,
}

/// Begins to read a text.
pub(crate) fn words(text: &str) -> Words<'_> {
    Words { text, at: 0 }
}

impl<'a> Words<'a> {
    /// The next characters that `is_part` of a word, and where they begin.
    pub(crate) fn word(&mut self, is_part: impl Fn(char) -> bool) -> (usize, &'a str) {
        let (at, rest) = self.rest();
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at = at + len;
        (at, rest.get(..len).unwrap_or_default())
    }

    /// What is left without the white space around it, and where it begins.
    pub(crate) fn rest(&self) -> (usize, &'a str) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        (self.at + rest.len() - trimmed.len(), trimmed.trim_end())
    }

    /// Goes past the next character, whatever it is.
    pub(crate) fn next(&mut self) -> Option<char> {
        let next = self.text.get(self.at..)?.chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Goes past this character, if it is the next one.
    pub(crate) fn skip(&mut self, c: char) -> bool {
        let (at, rest) = self.rest();
        let is_next = rest.starts_with(c);
        if is_next {
            self.at = at + c.len_utf8();
        }
        is_next
    }
}

/// The column of a byte of a text, in characters from 1.
pub(crate) fn column(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).chars().count() + 1
}
