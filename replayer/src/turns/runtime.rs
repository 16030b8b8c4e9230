//! How much a thread may use of its real-time turns before the kernel takes them away.
//!
//! By default Linux leaves real-time threads 0.95 s of each second (`sched_rt_runtime_us`) and then stops them for the rest of it: a
//! thread that is busy throughout stands still for 50 ms once a second. Whoever gives its turns back before that goes on.

use rustix::time::{ClockId, clock_gettime};

/// What the kernel is asked for its limits.
const RUNTIME: &str = "/proc/sys/kernel/sched_rt_runtime_us";
const PERIOD: &str = "/proc/sys/kernel/sched_rt_period_us";
/// The kernel's period is looked at in so many slots. It begins when it likes: what is used in as many slots in a row and one
/// more must be less than what it leaves.
const SLOTS: usize = 10;
/// Shares of the kernel's limit, in percent, at which turns are given back, and taken again.
const SPENT_PERCENT: u64 = 88;
const RESTED_PERCENT: u64 = 75;

/// What was used, slot by slot.
pub(super) struct Runtime {
    limit_ns: u64,
    slot_ns: u64,
    used_ns: [u64; SLOTS],
    /// The slot that is filled now, counted from the clock's origin.
    slot: u64,
    /// The thread's processor time when that was looked at last.
    cpu_ns: u64,
}

impl Runtime {
    /// Of the thread that calls it; `None` where the kernel sets no limit.
    pub(super) fn of_this_thread() -> Option<Self> {
        let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<i64>().ok();
        // A kernel that does not say has its default.
        let micros = |path: &str, default: i64| read(path).unwrap_or(default);
        Self::new(micros(RUNTIME, 950_000), micros(PERIOD, 1_000_000), thread_cpu_ns())
    }

    fn new(runtime_us: i64, period_us: i64, cpu_ns: u64) -> Option<Self> {
        let ns = |us: i64| u64::try_from(us).ok().map(|us| us.saturating_mul(1_000));
        // -1: none.
        let (limit_ns, period_ns) = (ns(runtime_us)?, ns(period_us)?);
        let slot_ns = (period_ns / SLOTS as u64).max(1);
        Some(Self { limit_ns, slot_ns, used_ns: [0; SLOTS], slot: 0, cpu_ns })
    }

    /// Counts what the thread has used since this was called last, in real-time turns or not.
    pub(super) fn note(&mut self, now_ns: u64, is_real_time: bool) {
        self.add(now_ns, thread_cpu_ns(), is_real_time);
    }

    fn add(&mut self, now_ns: u64, cpu_ns: u64, is_real_time: bool) {
        let (slot, used_ns) = (now_ns / self.slot_ns, cpu_ns.saturating_sub(self.cpu_ns));
        let counted_ns = if is_real_time { used_ns } else { 0 };
        let passed = slot.saturating_sub(self.slot);
        if passed == 0 {
            *self.place(slot) += counted_ns;
        }
        // Who looks seldom has used it some time in between: evenly, as far as anybody knows.
        for one in (self.slot + 1).max((slot + 1).saturating_sub(SLOTS as u64))..=slot {
            *self.place(one) = counted_ns / passed.max(1);
        }
        (self.slot, self.cpu_ns) = (slot.max(self.slot), cpu_ns);
    }

    /// Whether real-time turns are to be given back.
    pub(super) fn is_spent(&self) -> bool {
        self.is_over(SPENT_PERCENT)
    }

    /// Whether they may be had again.
    pub(super) fn is_rested(&self) -> bool {
        !self.is_over(RESTED_PERCENT)
    }

    fn is_over(&self, percent: u64) -> bool {
        self.used_ns.iter().sum::<u64>() > self.limit_ns / 100 * percent
    }

    #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a remainder of the length is in it")]
    fn place(&mut self, slot: u64) -> &mut u64 {
        &mut self.used_ns[(slot % SLOTS as u64) as usize]
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A thread that is busy throughout, looked at each millisecond: the longest that it is in real-time turns in any second.
    fn busiest_second(mut runtime: Runtime) -> u64 {
        let (mut is_real_time, mut turns) = (true, Vec::new());
        for ms in 0..5_000 {
            runtime.add(ms * MS, ms * MS, is_real_time);
            is_real_time = if is_real_time { !runtime.is_spent() } else { runtime.is_rested() };
            turns.push(u64::from(is_real_time));
        }
        turns.windows(1_000).map(|second| second.iter().sum()).max().unwrap()
    }

    #[test]
    fn a_busy_thread_has_real_time_turns_most_of_the_time_and_never_what_the_kernel_would_stop() {
        let most = busiest_second(Runtime::new(950_000, 1_000_000, 0).unwrap());
        assert!((600..945).contains(&most), "{most} ms of a second");
        let less = busiest_second(Runtime::new(500_000, 1_000_000, 0).unwrap());
        assert!((200..495).contains(&less), "{less} ms of a second");
    }

    #[test]
    fn what_is_idle_or_has_no_limit_is_never_spent() {
        let mut idle = Runtime::new(950_000, 1_000_000, 0).unwrap();
        // Half of the time, with a look after pauses of any length.
        for at in [1, 50, 200, 900, 5_000, 5_100, 60_000, 60_500] {
            idle.add(at * MS, at * MS / 2, true);
            assert!(!idle.is_spent(), "at {at} ms");
        }
        assert!(Runtime::new(-1, 1_000_000, 0).is_none());
    }

    #[test]
    fn the_threads_own_time_is_counted() {
        let mut runtime = Runtime::new(950_000, 1_000_000, thread_cpu_ns()).unwrap();
        let until = thread_cpu_ns() + MS;
        while thread_cpu_ns() < until {
            std::hint::spin_loop();
        }
        runtime.note(0, false);
        assert_eq!(runtime.used_ns, [0; SLOTS]);
        let until = thread_cpu_ns() + MS;
        while thread_cpu_ns() < until {
            std::hint::spin_loop();
        }
        runtime.note(0, true);
        assert!(runtime.used_ns[0] >= MS, "{:?}", runtime.used_ns);
    }
}
