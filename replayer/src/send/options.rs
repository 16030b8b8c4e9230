//! How requests are sent: plain values, checked by whoever reads the command line.

use std::num::{NonZeroU32, NonZeroUsize};

use crate::job::Facts;

/// How requests are sent. Bounds are over all engines of the run together, unless it is said otherwise.
#[derive(Debug, Clone, Copy)]
pub struct SendOptions {
    /// How many engines share the bounds.
    pub threads: NonZeroUsize,
    /// When requests leave.
    pub pace: Pace,
    /// What requests wait for besides their due instants.
    pub loop_model: LoopModel,
    /// What happens to a request whose connection is busy.
    pub when_busy: WhenBusy,
    /// From dispatch to the last byte of the answer; beyond it the request has failed.
    pub timeout_ns: u64,
    /// How much of each wait is spun instead of slept; 0: nothing.
    pub spin_ns: u64,
    /// Whether sending threads ask for real-time turns at [`Pace::Recorded`], unless they spin.
    pub real_time: bool,
    /// Requests that may be under way; beyond it a due request is shed. At [`Pace::Max`] requests wait instead, and each
    /// engine has an equal share, of at least one.
    pub in_flight_max: usize,
    /// Connections that may be open or in the making; a request that needs one more is shed. At [`Pace::Max`] it waits
    /// instead, idle connections are closed for it, and each engine has an equal share, of at least one.
    pub connections_max: Option<u64>,
    /// Requests a second; what is beyond it over a tenth of a second is shed. At [`Pace::Max`] requests wait instead.
    pub rate_max: Option<NonZeroU32>,
    /// What may be used up; everything after it is shed.
    pub budget: Budget,
    /// Requests that one engine keeps waiting for answers, pauses or busy connections; beyond it no more are taken from
    /// the feed until there is room.
    pub parked_max: usize,
    /// What is kept of answers.
    pub keep_answers: KeepAnswers,
    /// Bytes of kept bodies that may be in memory; beyond it bodies are left out.
    pub kept_bytes_max: u64,
}

impl SendOptions {
    /// Open loop at the recorded pace, one engine: extra connections, 100,000 requests under way, 30 seconds to answer,
    /// 65,536 parked, no other bounds, no answers kept (of which 256 MiB could be).
    #[must_use]
    pub fn new() -> Self {
        Self {
            threads: NonZeroUsize::MIN,
            pace: Pace::Recorded,
            loop_model: LoopModel::Open,
            when_busy: WhenBusy::Extra,
            timeout_ns: 30_000_000_000,
            spin_ns: 0,
            real_time: true,
            in_flight_max: 100_000,
            connections_max: None,
            rate_max: None,
            budget: Budget::default(),
            parked_max: 65_536,
            keep_answers: KeepAnswers::None,
            kept_bytes_max: 256 << 20,
        }
    }
}

impl Default for SendOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// When requests leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At their due instants.
    Recorded,
    /// As soon as their slots are free, in order within a life. Due instants are only an order, and `released` is the
    /// instant at which a request could leave. The feed must not hold requests back until they are due.
    Max,
}

/// What a request waits for besides its due instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopModel {
    /// Nothing.
    Open,
    /// For the answer that it depends on, and then for its recorded pause, but no longer than `think_min_ns`.
    Causal {
        /// The longest pause that is kept after an answer that came late.
        think_min_ns: u64,
    },
    /// For the answer that it depends on, and then for its recorded pause. Its due instant counts only if it depends on
    /// none. A target that is faster than the recorded one is followed as far as requests are made ready ahead, which is
    /// bounded by their number and bytes.
    Closed,
}

/// What happens to a request whose connection is busy with an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// It gets another connection; a pipelined one goes behind the earlier one.
    Extra,
    /// It waits until the connection is free; a pipelined one goes behind the earlier one.
    Queue,
    /// It is shed.
    Shed,
}

/// What a run may use up. All of it is over once anything of it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Requests that leave.
    pub requests: Option<u64>,
    /// Bytes of requests and answers together, counted at the end of each request: what is under way comes on top.
    pub bytes: Option<u64>,
    /// Since the start of the run.
    pub time_ns: Option<u64>,
}

/// Of how many answers [`KeepAnswers::Sample`] keeps one body.
pub const SAMPLE_ONE_IN: u64 = 100;

/// What is kept of answers. Bodies have a digest in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAnswers {
    /// Nothing.
    None,
    /// Heads, and a digest of each body.
    Digest,
    /// The same, and of one body in [`SAMPLE_ONE_IN`] so many bytes: those of the same requests in every run of a plan.
    Sample(u64),
    /// Heads, and of each body so many bytes.
    All(u64),
}

impl KeepAnswers {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Digest => "digest",
            Self::Sample(_) => "sample",
            Self::All(_) => "all",
        }
    }

    /// How many bytes of the body of this request's answer are kept; `None`: nothing is.
    #[must_use]
    pub fn bytes(self, facts: &Facts) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Digest => Some(0),
            Self::Sample(bytes) => {
                let mixed = (facts.seq ^ u64::from(facts.copy) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                Some(if (mixed >> 32).is_multiple_of(SAMPLE_ONE_IN) { bytes } else { 0 })
            }
            Self::All(bytes) => Some(bytes),
        }
    }
}
