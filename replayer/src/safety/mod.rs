//! What keeps a replay from doing harm: who decides about unsafe methods, when a run stops itself, how it is stopped from
//! outside, and who is told that it begins and ends.
//!
//! - [`UnsafePolicy`]: whether a request that may change the target's state is sent.
//! - [`AbortRule`], [`AbortWatch`]: `--abort-if 'error_rate > 5% for 10s'`.
//! - [`KillFile`]: a file whose appearance stops the run.
//! - [`Hook`]: `--on-start`, `--on-end`.
//!
//! Not here: whether a target may be loaded at all ([`crate::target`]), and the stopping itself ([`crate::send::Stop`]).

mod abort;
mod abort_rule;
mod hook;
mod hook_command;
mod hook_post;
mod kill_file;
mod methods;

#[cfg(test)]
mod tests;

pub use abort::{AbortWatch, ResponseNs, SecondFacts};
pub use abort_rule::{AbortRule, AbortRuleError};
pub use hook::{Hook, HookError, HookEvent};
pub use kill_file::{KillFile, KillFileError};
pub use methods::{Decision, MethodsError, UnsafePolicy};
