//! What the trace view says in `run.json`: who the time of requests went to, by endpoint, and what that is based on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was received from services and joined with the run's requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Services {
    /// Where spans were received.
    pub listening: Vec<String>,
    /// What became of the spans that were received.
    pub spans: ReceivedSpans,
    /// What became of the messages, by reason where they were not taken.
    pub messages: ReceivedMessages,
    /// The requests that could be joined.
    pub requests: JoinedRequests,
    /// What was kept in memory.
    pub kept: KeptTraces,
    /// Clocks that were corrected.
    pub clocks: Vec<ClockOffset>,
    /// The endpoints with the slowest tails first.
    pub endpoints: Vec<EndpointServices>,
    /// Endpoints that are not listed.
    pub endpoints_left_out: u64,
}

/// What became of the spans that were received: each is in one of these, but for `received`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedSpans {
    /// All of them.
    pub received: u64,
    /// In kept traces of this run.
    pub kept: u64,
    /// Of this run, in traces that are not kept.
    pub not_kept: u64,
    /// Of other runs and of no run; also spans of this run without its mark that gave way before their request had ended.
    pub of_others: u64,
    /// The replayer's own, as a collector's fan-out sends them back.
    pub own: u64,
    /// Came again, as retries make them.
    pub repeated: u64,
    /// Of kept traces that have as many as a trace may have.
    pub cut: u64,
    /// Of this run, gave way before their request had ended.
    pub gave_way: u64,
    /// Without valid identifiers; their senders were told.
    pub rejected: u64,
}

/// What became of the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedMessages {
    /// Whose spans were counted.
    pub taken: u64,
    /// Answered with an error, by reason: `malformed`, `too_large`, `too_slow`, `busy`, `unsupported`.
    pub refused: BTreeMap<String, u64>,
    /// Connections that were closed at once, since as many as there may be were open.
    pub connections_refused: u64,
}

/// The requests and their traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinedRequests {
    /// Sent, and sampled: the ones that services export spans of.
    pub sampled: u64,
    /// Sent, and not sampled.
    pub unsampled: u64,
    /// Not looked at, since the view was behind.
    pub lost: u64,
    /// Left out of traces that have as many requests as a trace may have.
    pub cut: u64,
    /// Kept.
    pub kept: u64,
    /// Of the kept ones, those below which a service's span hangs.
    pub joined: u64,
    /// Of the kept ones, those below which none does.
    pub missing: u64,
    /// Spans of kept traces whose parent never came.
    pub orphans: u64,
    /// Calls whose server span lies outside of its client span after clocks were corrected.
    pub skewed: u64,
    /// Spans that went on after their parent, which nobody waited for.
    pub not_waited_for: u64,
}

/// What was kept in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptTraces {
    /// Share of all traces that was kept, chosen by a hash of their ids.
    pub share: f64,
    /// The same of traces with a failed request.
    pub failed_share: f64,
    /// So many of the slowest requests of each endpoint were kept in any case.
    pub slowest: u64,
    /// The most memory that traces took.
    pub bytes_peak: u64,
    /// The most that they might.
    pub bytes_max: u64,
    /// Uses of names of services and operations that were too many, and stand as `other`.
    pub names_left_out: u64,
}

/// What was added to a service's clock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Whose clock it was fitted to: a service that calls it, or `reenact`.
    pub from: String,
    /// Whose clock was corrected.
    pub to: String,
    /// Added, microseconds.
    pub offset_us: f64,
    /// Calls that it was estimated from.
    pub calls: u64,
}

/// Who the time of one endpoint went to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointServices {
    /// Method and path template.
    pub endpoint: String,
    /// The middle fifth of response times.
    pub median: Band,
    /// The slowest ones.
    pub tail: Band,
    /// Which share of requests `tail` is.
    pub tail_share: f64,
    /// The steps of the critical path, those that take most of the tail first.
    pub steps: Vec<Step>,
}

/// Requests of about the same response time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Requests that the kept ones stand for.
    pub requests: f64,
    /// Kept requests with spans of services.
    pub joined: u64,
    /// Kept requests without.
    pub missing: u64,
    /// The least response time in it.
    pub from_us: f64,
    /// The greatest.
    pub to_us: f64,
    /// Mean of the joined ones.
    pub response_us: f64,
}

/// One service and operation on the critical path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `span`; `network`: between our client span and the services; `waiting`: before the request was sent; `other`: the sum
    /// of what is not listed.
    pub kind: String,
    /// The service; empty where the kind is not `span`.
    pub service: String,
    /// The span's name, or which part of the way.
    pub operation: String,
    /// Of the median's response time.
    pub median_share: f64,
    /// Mean of the median's joined requests.
    pub median_us: f64,
    /// Of the tail's response time.
    pub tail_share: f64,
    /// Mean of the tail's joined requests.
    pub tail_us: f64,
}
