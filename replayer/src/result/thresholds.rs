//! Thresholds as they stand in `run.json`: what was asked, what was found, and where to look.

use serde::{Deserialize, Serialize};

/// One rule, of one endpoint where the rule is about each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The condition that fails the run, as it is written.
    pub rule: String,
    /// What it is called, if somebody named it.
    pub name: Option<String>,
    /// Why it is there, if somebody said so.
    pub why: Option<String>,
    /// Where more is written about it, if somewhere.
    pub link: Option<String>,
    /// The endpoint, if it is about one.
    pub endpoint: Option<String>,
    /// `whole`, `steady`, or `any 10s`: every stretch of so many seconds.
    pub window: String,
    /// What came of it.
    pub outcome: Judged,
    /// What `measured` and `limit` are in.
    pub unit: ThresholdUnit,
    /// What was measured, of a rolling window in its worst place; `None` where nothing was.
    pub measured: Option<f64>,
    /// Beyond this the run fails.
    pub limit: f64,
    /// How far beyond the limit, as a share of it (0.5: half as much again); `None` within it, and for a limit of 0.
    pub excess: Option<f64>,
    /// How many values it was measured from.
    pub values: u64,
    /// The first second of the run whose own figures breached it; of a rolling window, where the first such window begins.
    pub since_s: Option<u64>,
    /// Seconds that breached it, or windows.
    pub breached_s: u64,
    /// Seconds, or windows, that could be looked at one by one.
    pub decided_s: u64,
    /// Traces to look at first: of the slowest requests, or of some that failed.
    pub traces: Vec<String>,
    /// All of this in a sentence.
    pub said: String,
}

/// What came of a threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// The condition that fails the run was not met.
    #[default]
    Held,
    /// It was.
    Failed,
    /// There were too few values to tell.
    CannotTell,
}

impl Judged {
    /// The words used for it on screens.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// What a threshold's figures are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdUnit {
    /// Microseconds.
    #[default]
    Us,
    /// A share of one.
    Share,
    /// Requests.
    Requests,
    /// Requests a second.
    PerS,
}
