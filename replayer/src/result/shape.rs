//! The shape check, recording → plan, as `plan.json` and `run.json` have it.

use serde::{Deserialize, Serialize};

/// Whether the plan has the recording's shape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// `kept`, `not_kept`, `cannot_tell` or `unknown`.
    pub verdict: String,
    /// The same, by scale, for people.
    pub words: String,
    /// Requests of the plan over what was asked for; 1 is exact.
    pub mean_rate: Option<f64>,
    /// Of the rates of recording and plan in windows of 10 s.
    pub rate_correlation_10s: Option<f64>,
    /// Likewise, of 60 s.
    pub rate_correlation_60s: Option<f64>,
    /// Planned think times over recorded ones.
    pub think_time_ratio: Option<f64>,
    /// Jensen–Shannon divergence of the endpoints' shares, 0 to 1 bit.
    pub endpoint_divergence_bits: Option<f64>,
    /// Kolmogorov–Smirnov distance of the gaps between requests.
    pub gap_distance: Option<f64>,
    /// Why there is none.
    pub gaps_not_compared: Option<String>,
    /// Index of dispersion of counts by the width of the windows.
    pub scales: Vec<ShapeScale>,
}

/// Recording and plan at one scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShapeScale {
    /// Width of the windows.
    pub tau_ns: u64,
    /// Whole windows in the recording.
    pub windows: u64,
    /// Dispersion of the recording.
    pub recording: Option<f64>,
    /// The part of it that its clients have each by itself.
    pub clients_alone: Option<f64>,
    /// What the plan is to have.
    pub target: Option<f64>,
    /// Its standard error.
    pub target_error: Option<f64>,
    /// Dispersion of the plan.
    pub plan: Option<f64>,
    /// Its standard error.
    pub plan_error: Option<f64>,
    /// Plan over target.
    pub ratio: Option<f64>,
    /// Standard error of its natural logarithm.
    pub ratio_error: Option<f64>,
    /// `kept`, `not_kept`, `cannot_tell` or `unknown`.
    pub verdict: String,
    /// The same for people.
    pub words: String,
}
