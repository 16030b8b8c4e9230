//! The result of a run as it stands in `run.json`: the wire type, versioned by `schema`.
//!
//! Written once by the run, read by every report. Durations are microseconds where a name ends in `_us`, seconds where
//! it ends in `_s`; instants are counted from the first due instant of the plan. `docs/run.schema.json` says the same to
//! machines, `docs/run-directory.md` to people. What the generator itself says is in `health.rs` and `verdict.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::health::Generator;
use crate::tempo::Change;
use crate::verdict::Verdict;
use crate::watched::Watched;

pub mod drawn;
mod endpoint;
pub mod recounted;
pub mod samples;
pub mod services;
pub mod shape;
#[cfg(test)]
pub(crate) mod tests;
pub mod thresholds;

pub use endpoint::{Endpoint, EndpointSteady};

/// Version of this layout.
pub const SCHEMA: u32 = 2;

/// The sum of counts. What a file counts is anybody's word: it stays at the largest number and never wraps.
pub(crate) fn total<'a>(counts: impl IntoIterator<Item = &'a u64>) -> u64 {
    counts.into_iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// Adds to a sum of counts, likewise.
pub(crate) fn add_to(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

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
    /// `open`, `causal` or `closed`.
    pub loop_model: String,
    /// The options that the run was asked for, by the names of their flags.
    #[serde(default)]
    pub asked: BTreeMap<String, String>,
    /// Whether the plan has the recording's shape.
    #[serde(default)]
    pub shape: Option<shape::Shape>,
    /// Where a trace opens: a URL with `{trace_id}` in it (`--trace-url`).
    #[serde(default)]
    pub trace_url: Option<String>,
    /// Which part of the plan was sent here; `None`: all of it.
    pub shard: Option<ShardOf>,
    /// The runs that were merged into this result; empty for a run of its own.
    pub shards: Vec<Part>,
    /// Whether the run was interrupted before its plan ended.
    pub interrupted: bool,
    /// What this was counted again from, where the run left no result of its own; `None` in a `run.json`.
    #[serde(default)]
    pub recounted: Option<recounted::Recounted>,
    /// Why the run stopped itself (`--abort-if`, the kill file), if it did.
    #[serde(default)]
    pub aborted: Option<String>,
    /// How the plan's time was changed while the run went on; empty for merged runs.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// Whether the generator kept up, with reasons.
    pub verdict: Verdict,
    /// What came of each threshold (`--fail-if`, `--budgets`); empty without any.
    #[serde(default)]
    pub thresholds: Vec<thresholds::Threshold>,
    /// What a reader must know first, in sentences (answers are mostly 401, …).
    pub notices: Vec<String>,
    /// Files of the run that could not be written to their ends, and why (the disk was full, …).
    #[serde(default)]
    pub unwritten: BTreeMap<String, String>,
    /// Requests in the plan.
    pub planned: u64,
    /// Requests whose end was counted, shed ones included; less than `planned` after an interruption.
    pub settled: u64,
    /// Requests that were handed to a socket.
    pub dispatched: u64,
    /// Requests of which the kernel took at least one byte.
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
    /// Requests that were answered 2xx in the recording and got an answer now.
    pub recorded_2xx: u64,
    /// Of these, how many are now 401, 403, 407 or a redirect to a login.
    pub turned_away: u64,
    /// Traffic of the run.
    pub bytes: Bytes,
    /// Requests a second over the whole run.
    pub rate: Rate,
    /// Connections of the run.
    pub connections: Connections,
    /// The latest instants, nanoseconds.
    pub last_ns: LastInstants,
    /// dispatched − released, without the wait for a connection to be made: the generator's own lateness.
    pub lag_us: Quantiles,
    /// released − due of what was held for an answer: the loop model's choice, not lateness.
    pub held_us: Quantiles,
    /// What waited for its connection to be free.
    pub busy_us: Quantiles,
    /// What waited for a connection to be made, until it was there or was given up.
    #[serde(default)]
    pub connect_us: Quantiles,
    /// done − due in open loop, done − released in the others; requests that failed count with their full age.
    pub response_us: Quantiles,
    /// done − dispatched.
    pub service_us: Quantiles,
    /// First byte of the answer − dispatched.
    pub first_byte_us: Quantiles,
    /// The recording's own response times, over what was planned.
    pub recorded_response_us: Quantiles,
    /// By class of the status (`2xx`), and `none` for what ended without one.
    pub classes: BTreeMap<String, Class>,
    /// The same over the steady window only: what was due between warm-up and drain.
    pub steady: Steady,
    /// How far what left differs from the plan.
    pub fidelity: Fidelity,
    /// The same by endpoint (method and path template), most requests first.
    pub endpoints: Vec<Endpoint>,
    /// Seconds that a row of the timeline stands for: 1, 2, 4 … so that there are at most 3,600.
    pub timeline_s: u64,
    /// The run over time, from due instant 0 on.
    pub timeline: Vec<Second>,
    /// Response times over time.
    #[serde(default)]
    pub heat_map: drawn::HeatMap,
    /// Percentile curves over the whole run.
    #[serde(default)]
    pub curves: drawn::Curves,
    /// The slowest requests, failed ones included, slowest first; at most 50.
    #[serde(default)]
    pub slowest: Vec<samples::Sample>,
    /// Failures by kind of error, or by status where the recording had another; at most five of each.
    #[serde(default)]
    pub error_samples: BTreeMap<String, samples::ErrorSamples>,
    /// How this machine and this process did.
    pub generator: Generator,
    /// What was seen of the target's processes (`--watch-pid`, `--watch-prometheus`).
    #[serde(default)]
    pub watched: Vec<Watched>,
    /// What became of the client spans.
    pub spans: Spans,
    /// What was kept of the answers; `None`: nothing was to be kept.
    #[serde(default)]
    pub answers: Option<Answers>,
    /// What the services' spans say; `None`: none were received (`--collect`), or this is a merged result.
    #[serde(default)]
    pub services: Option<services::Services>,
}

impl RunResult {
    /// Notes that a file of the run could not be written. What was counted was counted in memory, and is whole.
    pub fn lacks(&mut self, file: String, why: String) {
        let said = format!("{file} could not be written: {why}; what was counted is complete without it");
        self.notices.push(said);
        self.unwritten.insert(file, why);
    }
}

/// Which part of a plan a run sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShardOf {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// A run that is part of a merged result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its run.
    pub run_id: String,
    /// Its part of the plan.
    pub shard: ShardOf,
    /// Its own verdict.
    pub verdict: Verdict,
    /// Whether its own result has a trace view (`--collect`), which a merged one has not.
    #[serde(default)]
    pub services: bool,
}

/// The latest instants of a run, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastInstants {
    /// Of the plan.
    pub due: u64,
    /// Of the last request that the run came to, as far as answers did not let it leave before it was due (closed loop).
    #[serde(default)]
    pub placed: u64,
    /// Latest dispatch.
    pub dispatched: u64,
    /// Latest end of an answer.
    pub done: u64,
}

impl LastInstants {
    /// `placed`, also of a run that was made before there was one.
    #[must_use]
    pub fn placed_ns(&self) -> u64 {
        if self.placed == 0 { self.due } else { self.placed }
    }
}

/// Requests whose status is of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// done − due (or − released).
    pub response_us: Quantiles,
    /// done − dispatched.
    pub service_us: Quantiles,
}

/// What was due between warm-up and drain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Steady {
    /// First due instant of the window, in nanoseconds.
    pub from_ns: u64,
    /// The instant after its last, in nanoseconds.
    pub to_ns: u64,
    /// Requests due in it whose end was counted, shed ones included.
    pub settled: u64,
    /// Of these, handed to a socket.
    pub dispatched: u64,
    /// Of these, the kernel took at least one byte.
    pub sent: u64,
    /// Whose answer came whole.
    pub completed: u64,
    /// By reason.
    pub shed: BTreeMap<String, u64>,
    /// By kind.
    pub errors: BTreeMap<String, u64>,
    /// By code.
    pub status: BTreeMap<String, u64>,
    /// Their traffic.
    pub bytes: Bytes,
    /// dispatched − released, without the wait for a connection to be made.
    pub lag_us: Quantiles,
    /// released − due of what was held.
    pub held_us: Quantiles,
    /// What waited for its connection to be free.
    pub busy_us: Quantiles,
    /// What waited for a connection to be made, until it was there or was given up.
    #[serde(default)]
    pub connect_us: Quantiles,
    /// done − due (or − released).
    pub response_us: Quantiles,
    /// done − dispatched.
    pub service_us: Quantiles,
    /// First byte of the answer − dispatched.
    pub first_byte_us: Quantiles,
    /// By class of the status.
    pub classes: BTreeMap<String, Class>,
}

/// Plan against execution, over everything that was dispatched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Requests whose lag was over 1 ms.
    pub late_1ms: u64,
    /// Requests whose lag was over 10 ms.
    pub late_10ms: u64,
    /// Their share of what was dispatched.
    pub late_1ms_share: f64,
    /// Likewise.
    pub late_10ms_share: f64,
    /// Sum of |due − dispatched| over buckets of 10 ms.
    pub moved_10ms: u64,
    /// Over buckets of 100 ms.
    pub moved_100ms: u64,
    /// Over buckets of 1 s.
    pub moved_1s: u64,
    /// L1 distance of the counts by 10 ms: `moved_10ms / dispatched`, 0 (the same) to 2 (disjoint).
    pub l1_10ms: f64,
    /// By 100 ms.
    pub l1_100ms: f64,
    /// By 1 s.
    pub l1_1s: f64,
    /// Kolmogorov–Smirnov distance of the gaps between requests, due against dispatched; `None` where there are none,
    /// and for merged shards, whose requests cannot be put into one order any more.
    pub gap_ks: Option<f64>,
    /// Gaps that differ by less than this are taken for the same.
    pub gap_resolution_us: f64,
    /// Requests that were too late to be put into order, and are in no gap.
    pub gap_left_out: u64,
}

/// Bytes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Written to sockets.
    pub sent: u64,
    /// Read from sockets.
    pub received: u64,
}

impl Bytes {
    pub(crate) fn add(&mut self, other: &Self) {
        add_to(&mut self.sent, other.sent);
        add_to(&mut self.received, other.received);
    }
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
    /// Opened because a request came before the one that was made ahead of it.
    #[serde(default)]
    pub not_ahead: u64,
    /// Ended by the target.
    #[serde(default)]
    pub closed_by_target: u64,
    /// TLS handshakes that resumed an earlier session.
    #[serde(default)]
    pub resumed: u64,
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

impl Quantiles {
    /// Of each quantile the larger of the two, since quantiles cannot be averaged.
    #[must_use]
    pub fn largest(&self, other: &Self) -> Self {
        // Where nothing was counted there are zeros that mean nothing; being smallest they cannot win.
        Self {
            count: self.count.saturating_add(other.count),
            p50: self.p50.max(other.p50),
            p90: self.p90.max(other.p90),
            p99: self.p99.max(other.p99),
            p999: self.p999.max(other.p999),
            max: self.max.max(other.max),
        }
    }
}

/// One row of the timeline, by due instant for `planned` and by the instant itself for the others. A row of several
/// seconds has for each quantile the largest of its seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Start of the row, counted from the first due instant.
    pub t_s: u64,
    /// Requests due in it.
    pub planned: u64,
    /// Requests dispatched in it.
    pub sent: u64,
    /// Answers that ended in it.
    pub completed: u64,
    /// Requests that failed in it.
    pub errors: u64,
    /// Of what ended in it: done − due (or − released).
    pub response_us: Quantiles,
    /// Of what was dispatched in it: dispatched − released, without the wait for a connection to be made.
    pub lag_us: Quantiles,
}

/// What became of the client spans: every planned request that was not shed is in exactly one of `exported`, `dropped` and
/// `sampled_out`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans {
    /// Accepted by the exporter's peer.
    pub exported: u64,
    /// Refused by the exporter's peer, by reason (`partial_success`, `http_400`, `invalid_argument`).
    #[serde(default)]
    pub rejected: BTreeMap<String, u64>,
    /// Lost, by reason (`queue_full`, `unreachable`, `no_exporter`).
    pub dropped: BTreeMap<String, u64>,
    /// Left out on purpose, by reason: `head` (`--trace-sample`), `budget` (`--span-budget`).
    pub sampled_out: BTreeMap<String, u64>,
    /// Kept at their end within the budget although their flag on the wire says that they are not sampled, by reason
    /// (`error`, `slow`); what became of them is counted above like that of the others.
    pub kept_at_end: BTreeMap<String, u64>,
    /// What the peer said about spans that it rejected, or took with a remark: answers by message.
    #[serde(default)]
    pub messages: BTreeMap<String, u64>,
}

/// The session of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// `digest`, `sample` or `all`.
    pub kept: String,
    /// Exchanges in it.
    pub exchanges: u64,
    /// Its size.
    pub file_bytes: u64,
    /// Requests that were sent and are not in it: they came faster than they could be written, or writing failed.
    pub lost: u64,
    /// Why writing ended early.
    pub failure: Option<String>,
}
