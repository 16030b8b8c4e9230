//! What is known of a run before it begins, for whoever shows it.

use std::path::PathBuf;

/// The same for all that watch.
#[derive(Debug, Clone, Default)]
pub(in crate::replay) struct Facts {
    /// 16 hex digits.
    pub(in crate::replay) run_id: String,
    /// Where requests go.
    pub(in crate::replay) target: String,
    /// Requests in the plan.
    pub(in crate::replay) planned: u64,
    /// How many times the recorded rate; 0 where it is not one number.
    pub(in crate::replay) multiplier: f64,
    /// `open`, `causal`, `closed`.
    pub(in crate::replay) loop_model: &'static str,
    /// The run directory.
    pub(in crate::replay) out: PathBuf,
}
