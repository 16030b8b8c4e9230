//! A result that no run wrote: counted again from what a run left, with zeros where nobody knows anything.

use serde::{Deserialize, Serialize};

use super::RunResult;

/// What it was counted from, and what that does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recounted {
    /// Files of the run's directory.
    pub from: Vec<String>,
    /// Fields of the result that mean nothing, since nobody knows them: `sent`, `rate.planned`.
    pub unknown: Vec<String>,
}

impl Recounted {
    /// What everybody who reads the result is told first, behind that it is incomplete.
    #[must_use]
    pub fn said(&self) -> String {
        let (last, others) = self.from.split_last().map_or(("nothing", &[][..]), |(last, others)| (last, others));
        let from = if others.is_empty() { last.to_owned() } else { format!("{} and {last}", others.join(", ")) };
        format!("counted again from {from}, since the run left no result of its own")
    }
}

impl RunResult {
    /// Whether a field means something: of a run's own result each does.
    #[must_use]
    pub fn knows(&self, field: &str) -> bool {
        self.recounted.as_ref().is_none_or(|one| one.unknown.iter().all(|unknown| unknown != field))
    }
}
