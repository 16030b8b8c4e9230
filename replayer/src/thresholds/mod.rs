//! Thresholds: the conditions that fail a run, kept in a repository or given on the command line ([reference]).
//!
//! `parse` reads a rule and `budgets` a file of them; `plan` applies them to the endpoints and windows of a run, before
//! anything is sent; `series` follows them while outcomes are counted, or are read back from the request log; `judge` says
//! what came of each, and `words` says it in a sentence. Nothing here sends, waits or reads a clock.
//!
//! [reference]: ../../../docs/thresholds.md

mod budgets;
mod judge;
mod parse;
mod plan;
mod rule;
mod series;
#[cfg(test)]
mod tests;
mod words;

pub use budgets::{BUDGETS_BYTES_MAX, BudgetsError, budgets};
pub use judge::{judge, judge_known, unjudged};
pub use parse::{RuleError, WINDOW_S_MAX};
pub use plan::{Applied, ApplyError, Budget, ROLLING_MAX, RULES_MAX, apply};
pub use rule::Rule;
pub use series::{Seen, Series, SeriesOptions};
pub(crate) use words::{instant, value};
