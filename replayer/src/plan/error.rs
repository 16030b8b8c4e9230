//! Why a plan cannot be made.

use super::Factor;

/// What is wrong with the options or the recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No rate factor.
    #[error("the rate `{given}` {why}; write a factor above 0 and up to 10000, as in 3x or 0.25x")]
    Factor {
        /// As given.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A way of giving the rate that this version does not know.
    #[error("the rate `{given}` ({what}) is not built yet; write a factor, as in 3x or 0.25x")]
    RateNotBuilt {
        /// As given.
        given: String,
        /// What it would mean.
        what: &'static str,
    },
    /// No method.
    #[error("`{given}` is no method; write auto, clone or warp")]
    Method {
        /// As given.
        given: String,
    },
    /// A method that this version does not have.
    #[error("the method `{given}` is not built yet; write auto, clone or warp")]
    MethodNotBuilt {
        /// As given.
        given: String,
    },
    /// An exchange is earlier than the one before it.
    #[error("exchange {arrival} of the recording is earlier than the one before it; sort them by instant")]
    Unsorted {
        /// Its index.
        arrival: usize,
    },
    /// An exchange names a client that is not there.
    #[error("exchange {arrival} of the recording is of client {client}, but there are {clients} clients")]
    UnknownClient {
        /// Its index.
        arrival: usize,
        /// The client that it names.
        client: u32,
        /// How many there are.
        clients: usize,
    },
    /// More exchanges than an index can tell apart.
    #[error(
        "the recording has {got} exchanges, more than the {arrivals_max} that can be planned; replay fewer segments"
    )]
    TooManyArrivals {
        /// How many there are.
        got: usize,
        /// How many there may be.
        arrivals_max: usize,
    },
    /// A plan that would not fit into memory.
    #[error(
        "at {factor} the plan has {needed} requests, more than the {items_max} that fit; replay less at a time, or at a lower factor"
    )]
    TooManyItems {
        /// How many requests it would have.
        needed: u64,
        /// How many there may be.
        items_max: u64,
        /// At which factor.
        factor: Factor,
    },
}
