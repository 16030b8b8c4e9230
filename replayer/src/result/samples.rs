//! The few requests that a result names, so that figures lead to traces. Their number is bounded, whatever the run.

use serde::{Deserialize, Serialize};

/// One request, and where it is found again: in the recording, in `requests.jsonl.zst`, in a tracing backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its place in the plan, in the order of due instants, from 0.
    pub position: u64,
    /// Number of the session that it was recorded in, in the order given.
    pub session: u32,
    /// Sequence number in it.
    pub seq: u64,
    /// Which life of its client; 0 is the original.
    pub copy: u32,
    /// `GET /item/{n}`
    pub endpoint: String,
    /// When it was due.
    pub due_ns: u64,
    /// done − due (or − released).
    pub response_us: f64,
    /// done − dispatched, if it was dispatched.
    pub service_us: Option<f64>,
    /// Status of its answer.
    pub status: Option<u16>,
    /// Status of the recorded one.
    pub recorded_status: Option<u16>,
    /// How it failed.
    pub error: Option<String>,
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// Whether its client span was to be exported: its trace is sampled, or it was kept at its end within the span budget.
    pub sampled: bool,
}

/// One kind of failure: an error, or a status of 400 and more that the recording did not have there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorSamples {
    /// How often.
    pub count: u64,
    /// When the first of them ended.
    pub first_ns: u64,
    /// When the last of them ended.
    pub last_ns: u64,
    /// Some of them, drawn evenly.
    pub samples: Vec<Sample>,
}
