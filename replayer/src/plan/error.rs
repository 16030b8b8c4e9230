//! Why a plan cannot be made.

use super::Rate;

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
    /// No rate in requests a second.
    #[error("the rate `{given}` {why}; write requests a second, as in 1200/s")]
    PerSecond {
        /// As given.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A rate that no factor gives.
    #[error(
        "{rate} cannot be made of {requests} requests in {duration_ns} ns: the factor is not between 0.000001x and 10000x"
    )]
    RateOutOfReach {
        /// What is asked for.
        rate: Rate,
        /// What was recorded.
        requests: u64,
        /// In how long, at the speed of the run.
        duration_ns: u64,
    },
    /// No ramp.
    #[error("the ramp `{given}` {why}; write it as in 1x..10x/10m")]
    Ramp {
        /// As given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// A profile that cannot be read.
    #[error("the profile{}: {why}", if *line > 0 { format!(", line {line}") } else { String::new() })]
    Profile {
        /// Where; 0 when the reason says it.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// No method.
    #[error("`{given}` is no method; write auto, clone, overlay, compress, warp or poisson")]
    Method {
        /// As given.
        given: String,
    },
    /// Options that contradict each other.
    #[error("{what} cannot be used together: {why}")]
    Together {
        /// Which.
        what: &'static str,
        /// Why.
        why: &'static str,
    },
    /// More clients than an index can tell apart.
    #[error("the recording has {got} clients, more than the {clients_max} that can be planned; replay fewer segments")]
    TooManyClients {
        /// How many there are.
        got: usize,
        /// How many there may be.
        clients_max: usize,
    },
    /// A run that repeats its recording too often.
    #[error("the recording would be repeated {rounds} times, more than {rounds_max}; record longer, or run shorter")]
    TooManyRounds {
        /// How often.
        rounds: u64,
        /// How often it may be.
        rounds_max: u64,
    },
    /// More lives of a client than a number can tell apart.
    #[error(
        "a client would have {lives} lives (copies times rounds), more than {lives_max}; use a lower factor or fewer rounds"
    )]
    TooManyLives {
        /// How many.
        lives: u64,
        /// How many it may have.
        lives_max: u64,
    },
    /// No shard.
    #[error("`{given}` is no shard; write NUMBER/OF from 1/1 to 1000/1000, as in 2/4")]
    Shard {
        /// As given.
        given: String,
    },
}
