//! A look at the machine before anything is sent: how exact its timers are, and whether there is enough of what the plan
//! needs. What merely spoils a run is said; what makes it impossible is an error.

use serde::{Deserialize, Serialize};

use super::files::Machine;
use crate::clock::Clock;
use crate::measure::Distribution;

/// Distance of the wake-ups by which timers are measured.
const WAKE_NS: u64 = 1_000_000;
/// Descriptors that a run needs besides its connections: files, exporter, runtime.
const DESCRIPTORS_MARGIN: u64 = 64;
/// Of descriptors and ports, the share from which on it is said, in percent.
const TIGHT_PERCENT: u64 = 80;
/// Lateness of timers from which on it is said, in microseconds.
const NOISE_P99_US_MAX: f64 = 1_000.0;
/// Busy share of the machine before the run from which on it is said.
const OTHERS_SHARE_MAX: f64 = 0.25;

/// What a plan asks of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// Connections without which the run cannot work.
    pub connections_least: u64,
    /// Most connections that there may be at once.
    pub connections_most: u64,
    /// Pairs of source and target address that they are spread over: each has ports of its own.
    pub ways: u64,
}

impl Demand {
    /// Of so many connections those between one pair of addresses.
    fn one_way(&self, connections: u64) -> u64 {
        connections.div_ceil(self.ways.max(1))
    }
}

/// How late this machine wakes a thread that waits for an instant, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TimerNoise {
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// Largest.
    pub max_us: f64,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preflight {
    /// Lateness of timers.
    pub noise: TimerNoise,
    /// What a reader must know, in sentences.
    pub notices: Vec<String>,
    /// Connections that there are descriptors for; `None` where the system does not tell.
    pub connections_max: Option<u64>,
}

/// A plan that cannot be sent from here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// Not enough descriptors, even at the hard limit.
    #[error("the plan needs {needed} descriptors at once, and this process may have {limit}")]
    Descriptors {
        /// Connections and what a run needs besides.
        needed: u64,
        /// The hard limit.
        limit: u64,
    },
    /// Not enough ports.
    #[error("the plan needs {needed} connections to one address at once, and this machine has {limit} ports for that")]
    Ports {
        /// Connections.
        needed: u64,
        /// Ephemeral ports.
        limit: u64,
    },
}

impl HealthError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Descriptors { needed, .. } => {
                format!(
                    "raise the hard limit (`ulimit -Hn {needed}`), bound connections with --max-connections, or send the plan in shards from several machines"
                )
            }
            Self::Ports { .. } => {
                "widen net.ipv4.ip_local_port_range, bound connections with --max-connections, or send the plan in \
                 shards from several machines or to several addresses"
                    .to_owned()
            }
        }
    }
}

/// Measures timers for `length_ns`, and looks whether the machine has what the plan demands.
///
/// # Errors
/// When the run surely cannot work: descriptors below the demand even at the hard limit, or fewer ports than connections to one
/// address. What cannot be read is not held against the machine.
pub fn preflight(machine: &Machine, clock: &Clock, length_ns: u64, demand: &Demand) -> Result<Preflight, HealthError> {
    let mut notices = enough(machine, demand)?;
    let before = machine.cpu();
    let noise = timer_noise(clock, length_ns);
    if noise.p99_us > NOISE_P99_US_MAX {
        notices.push(format!(
            "this machine wakes threads late: p99 {:.1} ms, at most {:.1} ms; lag below that is the machine's",
            noise.p99_us / 1_000.0,
            noise.max_us / 1_000.0
        ));
    }
    if let (Some(before), Some(after)) = (before, machine.cpu()) {
        let share = |part: u64| {
            #[expect(clippy::cast_precision_loss, reason = "ticks of a third of a second")]
            let share = part as f64 / after.total.saturating_sub(before.total).max(1) as f64;
            share
        };
        let (busy, steal) =
            (share(after.busy.saturating_sub(before.busy)), share(after.steal.saturating_sub(before.steal)));
        // This thread slept; whatever ran was not the run.
        if busy > OTHERS_SHARE_MAX {
            notices.push(format!(
                "other load is on this machine: its CPUs were {:.0} % busy before the run began",
                busy * 100.0
            ));
        }
        if steal > STEAL_SHARE_MAX {
            notices.push(format!(
                "other virtual machines took {:.0} % of this machine before the run began",
                steal * 100.0
            ));
        }
    }
    let connections_max = machine.descriptor_limits().map(|(_, limit)| limit.saturating_sub(DESCRIPTORS_MARGIN));
    Ok(Preflight { noise, notices, connections_max })
}

/// Steal from which on it is said.
const STEAL_SHARE_MAX: f64 = 0.05;

/// What is more than there is is not needed for sure, or the run would have been refused.
fn needs(most: u64, limit: u64) -> &'static str {
    if most > limit { "may need up to" } else { "needs about" }
}

fn enough(machine: &Machine, demand: &Demand) -> Result<Vec<String>, HealthError> {
    let mut notices = Vec::new();
    let tight = |part: u64, of: u64| u128::from(part) * 100 > u128::from(of) * u128::from(TIGHT_PERCENT);
    if let Some((_, limit)) = machine.descriptor_limits() {
        let needed = demand.connections_least.saturating_add(DESCRIPTORS_MARGIN);
        if needed > limit {
            return Err(HealthError::Descriptors { needed, limit });
        }
        let most = demand.connections_most.saturating_add(DESCRIPTORS_MARGIN);
        if tight(most, limit) {
            let needs = needs(most, limit);
            notices.push(format!("the plan {needs} {most} of the {limit} descriptors that this process may have"));
        }
    }
    if let Some(limit) = machine.ports() {
        let needed = demand.one_way(demand.connections_least);
        if needed > limit {
            return Err(HealthError::Ports { needed, limit });
        }
        let (most, used) = (demand.one_way(demand.connections_most), machine.sockets().unwrap_or(0));
        if tight(most.saturating_add(used), limit) {
            notices.push(format!(
                "the plan {} {most} of the {limit} ports of this machine, on which {used} sockets are open already",
                needs(most, limit)
            ));
        }
    }
    Ok(notices)
}

/// Waits for an instant each millisecond and notes how late it was woken.
fn timer_noise(clock: &Clock, length_ns: u64) -> TimerNoise {
    let start_ns = clock.now_ns();
    let mut late = Distribution::new();
    for number in 1..=length_ns / WAKE_NS {
        let due_ns = start_ns + number * WAKE_NS;
        // A wake-up that is already over says nothing about timers.
        if clock.now_ns() >= due_ns {
            continue;
        }
        clock.sleep_until(due_ns);
        late.record(clock.now_ns().saturating_sub(due_ns));
    }
    let late = late.quantiles();
    TimerNoise { p50_us: late.p50, p99_us: late.p99, p999_us: late.p999, max_us: late.max }
}
