//! What a rule says of two values that differ.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use regex::bytes::Regex;

use super::looks;
use super::place::Covers;
use crate::differ::{Difference, Kind};

/// Ids that a rule remembers for each pair of runs.
const MAPPED_MAX: usize = 1_000_000;

/// How two values may differ.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    /// In any way, whatever is inside of them.
    Ignore,
    /// They are there on both sides.
    Presence,
    /// It is there on one side only; where it is there, it is compared.
    Optional,
    /// Both are of one type.
    Type,
    /// Both look so.
    Pattern(Regex),
    /// Both are numbers, and not far from each other.
    Tolerance(Tolerance),
    /// Both are instants, written in the same way.
    Timestamp,
    /// Both are UUIDs.
    Uuid,
    /// The same elements in any order, told apart by this member where they differ.
    Set(Option<String>),
    /// Each value before stands for one value after, wherever it occurs.
    Mapped,
}

/// How far numbers may be from each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Tolerance {
    /// Of the larger of the two.
    Share(f64),
    Absolute(f64),
}

impl Tolerance {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no tolerance: it is a number, as in 0.1, or a share, as in 5%");
        let (number, is_share) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
        let number: f64 = number.trim().parse().map_err(|_| bad())?;
        if !number.is_finite() || number < 0.0 {
            return Err(bad());
        }
        Ok(if is_share { Self::Share(number / 100.0) } else { Self::Absolute(number) })
    }

    fn holds(self, before: f64, after: f64) -> bool {
        let apart = (before - after).abs();
        match self {
            Self::Share(share) => apart <= share * before.abs().max(after.abs()),
            // What cannot be written exactly must not make a number that lies on the limit lie beyond it.
            Self::Absolute(limit) => apart <= limit * (1.0 + 1e-9),
        }
    }
}

/// Which value stands for which, by pair of runs.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    there: HashMap<(u32, u64), u64>,
    back: HashMap<(u32, u64), u64>,
    pub(super) is_full: bool,
}

impl Mapped {
    /// Whether this value before has always stood for this one after, and the other way round.
    fn fits(&mut self, pair: u32, before: &[u8], after: &[u8]) -> bool {
        let hasher = foldhash::quality::FixedState::default();
        let (a, b) = (hasher.hash_one(before), hasher.hash_one(after));
        match (self.there.get(&(pair, a)), self.back.get(&(pair, b))) {
            (Some(known), Some(back)) => *known == b && *back == a,
            (None, None) if self.there.len() < MAPPED_MAX => {
                self.there.insert((pair, a), b);
                self.back.insert((pair, b), a);
                true
            }
            (None, None) => {
                self.is_full = true;
                true
            }
            _ => false,
        }
    }
}

impl Matcher {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Presence => "presence",
            Self::Optional => "optional",
            Self::Type => "type",
            Self::Pattern(_) => "pattern",
            Self::Tolerance(_) => "tolerance",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Set(_) => "set",
            Self::Mapped => "mapped",
        }
    }

    /// Whether it has anything to say of what is inside of its places.
    pub(super) fn is_of_all_below(&self) -> bool {
        matches!(self, Self::Ignore | Self::Presence | Self::Type)
    }

    /// Whether this difference is none that matters; of the pair of runs with this number.
    pub(super) fn excuses(&self, of: &Difference<'_>, covers: Covers, pair: u32, mapped: &mut Mapped) -> bool {
        let is_value = of.kind == Kind::Value;
        let both = |is: &dyn Fn(&[u8]) -> bool| is_value && is(of.before) && is(of.after);
        match self {
            Self::Ignore => true,
            Self::Presence | Self::Type if covers == Covers::Below => true,
            Self::Optional => matches!(of.kind, Kind::Missing | Kind::Added),
            Self::Presence => !matches!(of.kind, Kind::Missing | Kind::Added | Kind::Renamed),
            Self::Type => match of.kind {
                Kind::Value => looks::type_name(of.before) == looks::type_name(of.after),
                kind => kind == Kind::Order,
            },
            Self::Pattern(pattern) => both(&|value| pattern.is_match(looks::bare(value).as_bytes())),
            Self::Tolerance(tolerance) => {
                let numbers = looks::number(of.before).zip(looks::number(of.after));
                is_value && numbers.is_some_and(|(before, after)| tolerance.holds(before, after))
            }
            Self::Timestamp => {
                is_value && looks::instant(of.before).is_some_and(|form| looks::instant(of.after) == Some(form))
            }
            Self::Uuid => both(&looks::is_uuid),
            Self::Set(_) => of.kind == Kind::Order,
            Self::Mapped => is_value && mapped.fits(pair, of.before, of.after),
        }
    }
}
