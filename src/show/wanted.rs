//! Which exchanges are to be shown, and which there are.

use std::fmt;
use std::str::FromStr;

/// Runs of numbers that are told to a person.
const RUNS_SHOWN: usize = 8;

/// One exchange, or a range with both its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Wanted {
    pub(super) fn contains(self, seq: u64) -> bool {
        (self.first..=self.last).contains(&seq)
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("`{text}` is no exchange; write a number of `cat`'s `seq` as in 12, or a range as in 10..20");
        let number = |text: &str| text.parse::<u64>().map_err(|_| bad());
        let wanted = match text.split_once("..") {
            Some((first, last)) => Self { first: number(first)?, last: number(last)? },
            None => Self { first: number(text)?, last: number(text)? },
        };
        if wanted.first > wanted.last { Err(format!("`{text}` ends before it begins")) } else { Ok(wanted) }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}..{last}") }
    }
}

/// The numbers that a session has, as runs of them.
#[derive(Debug, Default)]
pub(super) struct There {
    runs: Vec<Wanted>,
    /// Whether there were more runs than are told.
    more: bool,
}

impl There {
    pub(super) fn saw(&mut self, seq: u64) {
        let follows = |run: &&mut Wanted| run.last.checked_add(1) == Some(seq);
        let room = self.runs.len() < RUNS_SHOWN;
        match self.runs.last_mut().filter(follows).filter(|_| !self.more) {
            Some(run) => run.last = seq,
            None if room && !self.more => self.runs.push(Wanted { first: seq, last: seq }),
            None => self.more = true,
        }
    }
}

impl fmt::Display for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs.is_empty() {
            return f.write_str("none");
        }
        let runs: Vec<String> = self.runs.iter().map(Wanted::to_string).collect();
        write!(f, "{}{}", runs.join(", "), if self.more { " and more" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges() {
        let read = |text: &str| text.parse::<Wanted>();
        assert_eq!(read("12"), Ok(Wanted { first: 12, last: 12 }));
        assert_eq!(read("10..20"), Ok(Wanted { first: 10, last: 20 }));
        assert!(read("10..20").unwrap().contains(20) && !read("10..20").unwrap().contains(21));
        for bad in ["", "a", "1..", "..2", "-1", "1-2", "1...2", "18446744073709551616"] {
            assert!(read(bad).unwrap_err().contains("is no exchange"), "{bad}");
        }
        assert!(read("2..1").unwrap_err().contains("ends before"));
    }

    #[test]
    fn what_is_there_is_told_in_runs() {
        let there = |numbers: &[u64]| {
            let mut there = There::default();
            numbers.iter().for_each(|seq| there.saw(*seq));
            there.to_string()
        };
        assert_eq!(there(&[]), "none");
        assert_eq!(there(&[0, 1, 2, 7, 9, 10]), "0..2, 7, 9..10");
        let odd: Vec<u64> = (0..9).map(|number| number * 2).collect();
        assert_eq!(there(&odd[..8]), "0, 2, 4, 6, 8, 10, 12, 14");
        assert_eq!(there(&odd), "0, 2, 4, 6, 8, 10, 12, 14 and more");
        assert_eq!(there(&[u64::MAX, 0]), "18446744073709551615, 0");
    }
}
