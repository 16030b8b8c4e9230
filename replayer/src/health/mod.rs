//! How the generator itself did: CPU by thread, steal, switches, descriptors, ports, memory, throttling.
//!
//! [`Sampler`] reads the kernel's files once a second on a helper thread; [`preflight()`] looks before the run. Both are
//! given where to read, so that tests feed them files. Whether a run can be trusted is judged in `verdict.rs`.

mod files;
mod preflight;
mod sampler;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use files::Machine;
pub use preflight::{Demand, HealthError, Preflight, TimerNoise, preflight};
pub use sampler::Sampler;

/// Rows over time that are kept; beyond, neighbours merge.
pub const ROWS_MAX: usize = 600;

/// Everything that is known about the generator of a run. Shares are of one: 0.5 is half.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// CPUs of the machine (of all machines together, in a merged result).
    pub cpus: u32,
    /// CPU time of this process in user mode.
    pub cpu_user_s: f64,
    /// CPU time of this process in the kernel.
    pub cpu_system_s: f64,
    /// CPU of this process in its busiest second, in CPUs.
    pub cpu_busiest: f64,
    /// Busy share of the machine, by anybody.
    pub machine_share: f64,
    /// The same in its busiest second.
    pub machine_busiest_share: f64,
    /// Share of the machine that other virtual machines took.
    pub steal_share: f64,
    /// Of the busy time of the machine, the share of this process.
    pub own_share_of_busy: f64,
    /// By name of the thread, most CPU first.
    pub threads: Vec<Thread>,
    /// Times that a thread of this process was put off its CPU.
    pub involuntary_switches: u64,
    /// Sending threads with real-time turns.
    #[serde(default)]
    pub real_time_threads: u64,
    /// How often one of them gave way, since results piled up.
    #[serde(default)]
    pub gave_way: u64,
    /// Requests that left some microseconds late, in one go with others, so that there is time for results.
    #[serde(default)]
    pub made_room: u64,
    /// Open files and sockets.
    pub descriptors: Used,
    /// TCP sockets of this network namespace (an upper bound of the ports in use), and ephemeral ports.
    pub ports: Used,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// The most that it ever was.
    pub rss_peak_bytes: u64,
    /// What the control group's CPU limit did.
    pub throttle: Throttle,
    /// How exact timers were before the run, where that was measured.
    pub timer_noise: Option<TimerNoise>,
    /// What could not be read on this machine; its figures are 0.
    pub unread: Vec<String>,
    /// Seconds that a row stands for.
    pub timeline_s: u64,
    /// Over time.
    pub timeline: Vec<Moment>,
}

/// CPU of the threads of one name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// As the kernel shows it.
    pub name: String,
    /// CPU time.
    pub cpu_s: f64,
    /// Most that one of them took of a CPU in one second.
    pub busiest_share: f64,
    /// Times that it was put off its CPU.
    pub involuntary_switches: u64,
    /// The same a second, over the run.
    pub involuntary_per_s: f64,
}

/// Something that there is only so much of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Most that was in use when somebody looked.
    pub peak: u64,
    /// How many there are; 0 where that is unknown.
    pub limit: u64,
}

/// What a control group's CPU limit did during the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// Periods of the limit that began.
    pub periods: u64,
    /// Of these, in which the group was stopped.
    pub throttled: u64,
    /// For how long in all.
    pub throttled_s: f64,
}

impl Throttle {
    /// Share of the periods in which the group was stopped.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn throttled_share(&self) -> f64 {
        self.throttled as f64 / self.periods.max(1) as f64
    }
}

/// One row over time. A row of several seconds has the largest of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Start, in seconds since the first due instant.
    pub t_s: u64,
    /// CPU of this process, in CPUs.
    pub cpu: f64,
    /// The busiest thread that sends, as a share of a CPU.
    pub sender_share: f64,
    /// Busy share of the machine.
    pub machine_share: f64,
    /// Share of the machine that others took.
    pub steal_share: f64,
    /// Involuntary switches of this process.
    pub involuntary: u64,
    /// Descriptors in use.
    pub descriptors: u64,
    /// Resident memory.
    pub rss_bytes: u64,
}

impl Moment {
    fn largest(&self, other: &Self) -> Self {
        Self {
            t_s: self.t_s.min(other.t_s),
            cpu: self.cpu.max(other.cpu),
            sender_share: self.sender_share.max(other.sender_share),
            machine_share: self.machine_share.max(other.machine_share),
            steal_share: self.steal_share.max(other.steal_share),
            involuntary: self.involuntary.max(other.involuntary),
            descriptors: self.descriptors.max(other.descriptors),
            rss_bytes: self.rss_bytes.max(other.rss_bytes),
        }
    }
}

impl Generator {
    /// Puts two generators of one run side by side: times, switches and memory add up (to the largest number at most, since
    /// a file may say anything); of shares, peaks and noise the worse one stands for both.
    #[must_use]
    pub fn beside(&self, other: &Self) -> Self {
        let worse = |a: Used, b: Used| {
            // The one that was nearer to its limit.
            let nearer = |one: Used| u128::from(one.peak) * u128::from(u64::MAX) / u128::from(one.limit.max(1));
            if nearer(a) >= nearer(b) { a } else { b }
        };
        let noisier = |a: &TimerNoise, b: &TimerNoise| if a.p99_us >= b.p99_us { *a } else { *b };
        let mut threads = self.threads.clone();
        for thread in &other.threads {
            match threads.iter_mut().find(|own| own.name == thread.name) {
                Some(own) => {
                    own.cpu_s += thread.cpu_s;
                    own.busiest_share = own.busiest_share.max(thread.busiest_share);
                    own.involuntary_switches = own.involuntary_switches.saturating_add(thread.involuntary_switches);
                    own.involuntary_per_s = own.involuntary_per_s.max(thread.involuntary_per_s);
                }
                None => threads.push(thread.clone()),
            }
        }
        threads.sort_by(|a, b| b.cpu_s.total_cmp(&a.cpu_s).then_with(|| a.name.cmp(&b.name)));
        let mut unread = self.unread.clone();
        unread.extend(other.unread.iter().filter(|one| !self.unread.contains(one)).cloned());
        let (timeline_s, timeline) = sampler::side_by_side(self, other);
        Self {
            cpus: self.cpus.saturating_add(other.cpus),
            cpu_user_s: self.cpu_user_s + other.cpu_user_s,
            cpu_system_s: self.cpu_system_s + other.cpu_system_s,
            cpu_busiest: self.cpu_busiest.max(other.cpu_busiest),
            machine_share: self.machine_share.max(other.machine_share),
            machine_busiest_share: self.machine_busiest_share.max(other.machine_busiest_share),
            steal_share: self.steal_share.max(other.steal_share),
            own_share_of_busy: self.own_share_of_busy.max(other.own_share_of_busy),
            threads,
            involuntary_switches: self.involuntary_switches.saturating_add(other.involuntary_switches),
            real_time_threads: self.real_time_threads.saturating_add(other.real_time_threads),
            gave_way: self.gave_way.saturating_add(other.gave_way),
            made_room: self.made_room.saturating_add(other.made_room),
            descriptors: worse(self.descriptors, other.descriptors),
            ports: worse(self.ports, other.ports),
            rss_bytes: self.rss_bytes.saturating_add(other.rss_bytes),
            rss_peak_bytes: self.rss_peak_bytes.saturating_add(other.rss_peak_bytes),
            throttle: Throttle {
                periods: self.throttle.periods.saturating_add(other.throttle.periods),
                throttled: self.throttle.throttled.saturating_add(other.throttle.throttled),
                throttled_s: self.throttle.throttled_s + other.throttle.throttled_s,
            },
            timer_noise: match (&self.timer_noise, &other.timer_noise) {
                (Some(a), Some(b)) => Some(noisier(a, b)),
                (a, b) => (*a).or(*b),
            },
            unread,
            timeline_s,
            timeline,
        }
    }
}
