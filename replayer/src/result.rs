//! The result of a run as it stands in `run.json`: the wire type, versioned by `schema`.
//!
//! Written once by the run, read by every report. Durations are microseconds where a name ends in `_us`, seconds where
//! it ends in `_s`; instants of the timeline are seconds since the first due instant of the plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of this layout.
pub const SCHEMA: u32 = 1;

/// Everything that `run.json` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Version of this layout: [`SCHEMA`].
    pub schema: u32,
    /// 16 hex digits, also in the marks that every request carries.
    pub run_id: String,
    /// SHA-256 of the plan, in hex.
    pub plan_hash: String,
    /// Paths of the sessions that were replayed.
    pub sessions: Vec<String>,
    /// Where the requests went.
    pub target: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// From the first due instant to the last answer.
    pub duration_s: f64,
    /// How many times the recorded rate was planned.
    pub multiplier: f64,
    /// The seed of every random choice of the plan.
    pub seed: u64,
    /// `auto`, `clone`, …
    pub method: String,
    /// Whether the run was interrupted before its plan ended.
    pub interrupted: bool,
    /// What a reader must know first, in sentences (answers are mostly 401, …).
    pub notices: Vec<String>,
    /// Requests in the plan.
    pub planned: u64,
    /// Requests of which at least one byte was handed to the socket.
    pub sent: u64,
    /// Requests whose answer came whole.
    pub completed: u64,
    /// Recorded exchanges that are not in the plan, by reason.
    #[serde(default)]
    pub left_out: BTreeMap<String, u64>,
    /// Planned requests deliberately not sent, by reason.
    pub shed: BTreeMap<String, u64>,
    /// Requests that failed, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// Traffic of the run.
    pub bytes: Bytes,
    /// Requests a second over the whole run.
    pub rate: Rate,
    /// Connections of the run.
    pub connections: Connections,
    /// dispatched − released.
    pub lag_us: Quantiles,
    /// done − due; requests that failed count with their full age.
    pub response_us: Quantiles,
    /// done − dispatched.
    pub service_us: Quantiles,
    /// The recording's own response times, over the exchanges that were chosen.
    pub recorded_response_us: Quantiles,
    /// The same by endpoint (method and path template), most requests first.
    pub endpoints: Vec<Endpoint>,
    /// One row for each second of the run.
    pub timeline: Vec<Second>,
    /// What became of the client spans.
    pub spans: Spans,
}

/// Bytes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Written to sockets.
    pub sent: u64,
    /// Read from sockets.
    pub received: u64,
}

/// Requests a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// By the plan.
    pub planned: f64,
    /// Dispatched, over the same time.
    pub achieved: f64,
}

/// Connections of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Opened in all.
    pub opened: u64,
    /// Of these, opened because a client's own connection was busy at the due instant.
    pub extra: u64,
    /// Most that were open at once.
    pub peak: u64,
}

/// A distribution, read from an HDR histogram with three significant digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many values.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Largest.
    pub max: f64,
}

/// One row by endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `GET /item/{n}`
    pub endpoint: String,
    /// Requests of this endpoint that the plan holds.
    pub planned: u64,
    /// Answers that came whole.
    pub completed: u64,
    /// Requests that failed without a whole answer.
    pub errors: u64,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// done − due.
    pub response_us: Quantiles,
    /// done − dispatched.
    pub service_us: Quantiles,
    /// The recording's own response times.
    pub recorded_response_us: Quantiles,
}

/// One second of the run, by due instant for `planned` and by the instant itself for the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Start of the second, counted from the first due instant.
    pub t_s: u64,
    /// Requests due in this second.
    pub planned: u64,
    /// Requests dispatched in this second.
    pub sent: u64,
    /// Answers that ended in this second.
    pub completed: u64,
    /// Requests that failed in this second.
    pub errors: u64,
    /// Of what ended in this second: done − due.
    pub response_us: Quantiles,
    /// Of what was dispatched in this second: dispatched − released.
    pub lag_us: Quantiles,
}

/// What became of the client spans: every planned request that was sent is in exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans {
    /// Accepted by the exporter's peer.
    pub exported: u64,
    /// Lost, by reason (`queue_full`, `export_failed`, `no_exporter`).
    pub dropped: BTreeMap<String, u64>,
    /// Left out by sampling.
    pub sampled_out: u64,
}
