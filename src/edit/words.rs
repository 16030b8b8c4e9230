//! What the values of `edit`'s flags say: bodies to drop, how to split, how far to shift.

use std::fmt;
use std::str::FromStr;

use formats::stars::Pattern;

use crate::units;

/// Most parts of which every one is written at the same time: each has its own block in memory and its own file.
pub(super) const PARTS_MAX: u64 = 64;

/// Bodies of which only the lengths are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DropBodies {
    /// As given.
    text: String,
    /// Of requests, of responses.
    pub(super) request: bool,
    pub(super) response: bool,
    pub(super) which: Which,
}

/// Which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Longer than this, as sent.
    LargerThan(u64),
    /// By media type, in lower case.
    Type(Pattern),
}

impl FromStr for DropBodies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = |request, response, which| Ok(Self { text: text.to_owned(), request, response, which });
        let (request, response, which) = match text.split_once(':') {
            Some(("request", which)) => (true, false, which),
            Some(("response", which)) => (false, true, which),
            _ => (true, true, text),
        };
        match which.split_once(':') {
            Some(("larger", size)) => of(request, response, Which::LargerThan(units::size(size)?)),
            Some(("type", media)) if !media.is_empty() => {
                of(request, response, Which::Type(Pattern::new(&media.to_ascii_lowercase())))
            }
            None if which == "all" => of(request, response, Which::All),
            None if text == "request" => of(true, false, Which::All),
            None if text == "response" => of(false, true, Which::All),
            _ => Err(format!(
                "`{text}` names no bodies: write all, request, response, larger:1MiB, type:image/*, or request: or \
                 response: before one of these"
            )),
        }
    }
}

impl fmt::Display for DropBodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How one session becomes several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SplitBy {
    /// Requests that began in the same window of so many nanoseconds.
    Time(u64),
    /// Files of about so many bytes.
    Size(u64),
    /// Whole clients, into so many parts.
    ClientHash(u64),
}

impl FromStr for SplitBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let above_zero =
            |number: u64| if number == 0 { Err(format!("`{text}` has to be above zero")) } else { Ok(number) };
        match text.split_once(':') {
            Some(("time", window)) => Ok(Self::Time(above_zero(units::nanos(units::duration(window)?))?)),
            Some(("size", size)) => Ok(Self::Size(above_zero(units::size(size)?)?)),
            Some(("client-hash", parts)) => match parts.parse() {
                Ok(parts @ 1..=PARTS_MAX) => Ok(Self::ClientHash(parts)),
                _ => Err(format!("`{parts}` is no number of parts from 1 to {PARTS_MAX}")),
            },
            _ => Err(format!("`{text}` says nothing of how to split: write time:10m, size:1GiB or client-hash:4")),
        }
    }
}

/// How far the wall clock is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(super) earlier: bool,
    pub(super) ns: u64,
}

impl FromStr for Shift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (earlier, duration) = match text.strip_prefix('-') {
            Some(duration) => (true, duration),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let ns = units::nanos(units::duration(duration)?);
        if ns == 0 { Err(format!("`{text}` moves nothing")) } else { Ok(Self { earlier, ns }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let check = |text: &str, request, response, which: Which| {
            let expected = DropBodies { text: text.to_owned(), request, response, which };
            assert_eq!(text.parse(), Ok(expected));
        };
        check("all", true, true, Which::All);
        check("request", true, false, Which::All);
        check("response:all", false, true, Which::All);
        check("larger:1KiB", true, true, Which::LargerThan(1024));
        check("request:larger:7", true, false, Which::LargerThan(7));
        check("response:type:Image/*", false, true, Which::Type(Pattern::new("image/*")));
        for bad in ["", "bodies", "larger", "larger:", "larger:x", "type:", "request:", "request:response", "all:all"] {
            assert!(bad.parse::<DropBodies>().is_err(), "{bad}");
        }
    }

    #[test]
    fn splits_and_shifts() {
        assert_eq!("time:1s".parse(), Ok(SplitBy::Time(1_000_000_000)));
        assert_eq!("size:1kB".parse(), Ok(SplitBy::Size(1_000)));
        assert_eq!("client-hash:64".parse(), Ok(SplitBy::ClientHash(64)));
        for bad in ["", "time", "time:", "time:0s", "size:0", "client-hash:0", "client-hash:65", "client-hash:x", "x:1"]
        {
            assert!(bad.parse::<SplitBy>().is_err(), "{bad}");
        }
        assert_eq!("-1us".parse(), Ok(Shift { earlier: true, ns: 1_000 }));
        assert_eq!("+1us".parse(), Ok(Shift { earlier: false, ns: 1_000 }));
        for bad in ["", "-", "0s", "--1s", "1"] {
            assert!(bad.parse::<Shift>().is_err(), "{bad}");
        }
    }
}
