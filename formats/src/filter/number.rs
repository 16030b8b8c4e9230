//! Numbers with units: what they are written as, and how they are printed.

use std::fmt;
use std::time::Duration;

use super::field::Kind;
use crate::jsonl::time;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Things.
    Number,
    /// An answer's status.
    Status,
    /// Bytes.
    Size,
    /// Nanoseconds.
    Duration,
    /// Nanoseconds since 1970.
    Wall,
}

/// Numbers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) scale: Scale,
    pub(super) from: u64,
    pub(super) to: u64,
}

const SIZES: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];

impl Span {
    /// Reads `A`, `A..B`, or a class of status; the error says what was expected.
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Self, String> {
        if let (Kind::Status, Some(class)) = (kind, text.strip_suffix("xx")) {
            let class = class.parse().ok().filter(|class: &u64| class_is_known(*class) && text.len() == 3);
            let class = class.ok_or_else(|| expected(kind))?;
            return Ok(Self { scale: Scale::Status, from: class * 100, to: class * 100 + 99 });
        }
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (number(from, kind)?, number(to, kind)?),
            None => {
                let one = number(text, kind)?;
                (one, one)
            }
        };
        if from.0 != to.0 {
            return Err("expected two times or two durations at the ends of a range".to_owned());
        }
        if from.1 > to.1 {
            return Err("expected a range whose first end is not above its second".to_owned());
        }
        Ok(Self { scale: from.0, from: from.1, to: to.1 })
    }

    /// The only number of it.
    pub(super) fn single(&self) -> Option<u64> {
        (self.from == self.to).then_some(self.from)
    }

    pub(super) fn has(&self, number: u64) -> bool {
        (self.from..=self.to).contains(&number)
    }
}

fn class_is_known(class: u64) -> bool {
    (1..=9).contains(&class)
}

fn expected(kind: Kind) -> String {
    format!("expected {}", kind.name())
}

fn number(text: &str, kind: Kind) -> Result<(Scale, u64), String> {
    let found = match kind {
        Kind::Status => digits(text).filter(|status| (100..=999).contains(status)).map(|one| (Scale::Status, one)),
        Kind::Size => size(text).map(|bytes| (Scale::Size, bytes)),
        Kind::Duration => duration(text).map(|nanos| (Scale::Duration, nanos)),
        Kind::Time if text.contains(':') => time::parse(text).map(|nanos| (Scale::Wall, nanos)),
        Kind::Time => duration(text).map(|nanos| (Scale::Duration, nanos)),
        Kind::Number | Kind::Text | Kind::Name => digits(text).map(|one| (Scale::Number, one)),
    };
    found.ok_or_else(|| expected(kind))
}

fn digits(text: &str) -> Option<u64> {
    // `parse` would take a sign as well.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn size(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The same durations as those of the flags.
fn duration(text: &str) -> Option<u64> {
    humantime::parse_duration(text).ok().and_then(|duration| u64::try_from(duration.as_nanos()).ok())
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scale, from, to } = *self;
        if scale == Scale::Status && from.is_multiple_of(100) && to == from + 99 {
            return write!(f, "{}xx", from / 100);
        }
        write(scale, from, f)?;
        if from == to {
            return Ok(());
        }
        f.write_str("..")?;
        write(scale, to, f)
    }
}

fn write(scale: Scale, number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match scale {
        Scale::Number | Scale::Status => write!(f, "{number}"),
        Scale::Size => {
            let fits = |factor: u64| number > 0 && number.is_multiple_of(factor);
            let (name, factor) = SIZES.iter().find(|(_, factor)| fits(*factor)).copied().unwrap_or(("B", 1));
            write!(f, "{}{name}", number / factor)
        }
        Scale::Duration => {
            let text = humantime::format_duration(Duration::from_nanos(number)).to_string();
            f.write_str(&text.replace(' ', ""))
        }
        Scale::Wall => {
            let mut text = Vec::new();
            time::write(number, &mut text);
            f.write_str(&String::from_utf8_lossy(&text))
        }
    }
}
