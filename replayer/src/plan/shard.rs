//! One part of a plan that several machines send together.

use std::fmt;
use std::str::FromStr;

use super::PlanError;

/// Shards that a run may have.
pub(crate) const SHARDS_MAX: u32 = 1_000;

/// Which part of the plan this machine sends; every life belongs to exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Shard {
    /// The whole plan.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Whether what has this hash is in this shard.
    #[must_use]
    pub(super) fn has(self, hash: u64) -> bool {
        (u128::from(hash) * u128::from(self.of)) >> 64 == u128::from(self.number.saturating_sub(1))
    }
}

impl FromStr for Shard {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let bad = || PlanError::Shard { given: text.to_owned() };
        let (number, of) = text.split_once('/').ok_or_else(bad)?;
        let (number, of): (u32, u32) = (number.parse().map_err(|_| bad())?, of.parse().map_err(|_| bad())?);
        if (1..=of).contains(&number) && of <= SHARDS_MAX { Ok(Self { number, of }) } else { Err(bad()) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}
