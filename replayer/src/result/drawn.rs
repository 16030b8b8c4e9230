//! What a result keeps of its distributions for those who draw them: the heat map and the percentile curves.

use serde::{Deserialize, Serialize};

/// Response times over time: how many ended where and how slow. Bucket `b` holds times from
/// (4 + `b` mod 4)·2^(`b` div 4) ns to below that of `b` + 1: four buckets for each doubling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Seconds that a column stands for: 1, 2, 4 … so that there are at most 300.
    pub width_s: u64,
    /// Only those in which something ended.
    pub columns: Vec<HeatColumn>,
}

/// One column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeatColumn {
    /// Its first second.
    pub t_s: u64,
    /// The bucket of the first count.
    pub first: u64,
    /// Requests in this and the following buckets.
    pub counts: Vec<u64>,
}

/// Pairs of a share, 0 to 1, and the microseconds that this share of the values is at or below. Shares are an eighth of
/// what is left apart, halving after halving, up to one value; the last pair is 1 and the largest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// done − due (or − released).
    pub response_us: Vec<[f64; 2]>,
    /// done − dispatched.
    pub service_us: Vec<[f64; 2]>,
    /// dispatched − released.
    pub lag_us: Vec<[f64; 2]>,
    /// The recording's own response times.
    pub recorded_response_us: Vec<[f64; 2]>,
}
