//! What `run.json` says of each endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Quantiles;
use super::samples::Sample;

/// One row by endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its number in the recording; the tags of `histograms.hlog` have it.
    pub index: u32,
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
    /// dispatched − released, without the wait for a connection: how late the generator was.
    #[serde(default)]
    pub lag_us: Quantiles,
    /// done − due (or − released).
    pub response_us: Quantiles,
    /// done − dispatched.
    pub service_us: Quantiles,
    /// First byte of the answer − dispatched.
    pub first_byte_us: Quantiles,
    /// The recording's own response times.
    pub recorded_response_us: Quantiles,
    /// Its slowest requests, slowest first; at most three.
    #[serde(default)]
    pub slowest: Vec<Sample>,
    /// The same over the steady window only.
    pub steady: EndpointSteady,
}

/// One endpoint in the steady window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointSteady {
    /// Answers that came whole.
    pub completed: u64,
    /// Requests that failed without a whole answer.
    pub errors: u64,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// dispatched − released, without the wait for a connection: how late the generator was.
    #[serde(default)]
    pub lag_us: Quantiles,
    /// done − due (or − released).
    pub response_us: Quantiles,
    /// done − dispatched.
    pub service_us: Quantiles,
    /// First byte of the answer − dispatched.
    pub first_byte_us: Quantiles,
}
