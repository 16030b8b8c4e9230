//! Whose turn it is on a busy processor: a sending thread's first, then everybody else's.
//!
//! Nothing here decides what a thread does; a system that refuses any of it still runs everything right, only later.

mod runtime;

use std::io;
use std::time::Duration;

use runtime::Runtime;

/// A sending thread works for some microseconds at a time. Linux 6.12 and later take a turn's length from the thread, and a
/// thread that wakes up with a shorter one goes before one in the middle of a longer one: without it a helper is left alone
/// until its turn of three milliseconds is over (`docs/adr/0005`). The shortest turn that the kernel grants.
const TURN: Duration = Duration::from_micros(100);
/// The lowest of the real-time priorities: above all that have none, below everything that somebody placed there on purpose.
const PRIORITY: u32 = 1;
/// For each percent of its results that nobody has taken yet, a sending thread with real-time turns sleeps at least so long …
const ROOM_NS: u64 = 20_000;
/// … up to this: what has not waited for long is still in a cache, and takes less time to be taken …
const ROOM_NS_MAX: u64 = 120_000;
/// … and from so many percent on longer …
const ROOM_PERCENT: u64 = 25;
const MORE_ROOM_NS: u64 = 20_000;
/// … up to this.
const MORE_ROOM_NS_MAX: u64 = 880_000;
/// When its own queue is so full, in percent, it gives way.
const OWN_PERCENT_MAX: u64 = 75;
/// … until it is as empty as this.
const OWN_PERCENT_MIN: u64 = 5;
/// How often a sending thread looks whether the others keep up, in its own turns, and after how long at the latest.
const LOOK_EVERY: u32 = 64;
const LOOK_NS: u64 = 20_000_000;

/// The turns of a sending thread: real-time ones where the system allows them, short ones elsewhere.
///
/// A short turn only goes first while the thread has had less than its share of the processor, which the kernel looks at when
/// it wakes up and then not for milliseconds. A thread with a real-time priority goes first whatever it has had. Where that
/// leaves too little of the processor to those who take its results, waking up is the largest part of what it takes: it
/// wakes up less often then, for several requests at once. When that is not enough, spans and answers are lost, and that is
/// counted: it would be late by seconds otherwise, as it needs the larger part of the processor and would have an equal one.
/// Only for its own queue it gives way until that has been emptied, so that everything that was sent is measured. It also
/// gives way before it has had as much as the kernel leaves to real-time threads.
pub(crate) struct Turns {
    kind: Kind,
    until_look: u32,
    looked_ns: u64,
    least_sleep_ns: u64,
    runtime: Option<Runtime>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RealTime,
    /// For as long as the others need.
    GaveWay,
    Short,
}

impl Turns {
    /// Of the thread that calls it: real-time where that is wanted and allowed.
    pub(crate) fn first(want_real_time: bool) -> Self {
        let kind = if want_real_time && ask_for(Policy::RealTime).is_ok() { Kind::RealTime } else { Kind::Short };
        if kind == Kind::Short {
            let _ = ask_for(Policy::ShortTurns);
        }
        let runtime = if kind == Kind::RealTime { Runtime::of_this_thread() } else { None };
        Self { kind, until_look: LOOK_EVERY, looked_ns: 0, least_sleep_ns: 0, runtime }
    }

    pub(crate) fn is_real_time(&self) -> bool {
        self.kind != Kind::Short
    }

    /// How long it sleeps at least, so that the others come to their work.
    #[inline]
    pub(crate) fn least_sleep_ns(&self) -> u64 {
        self.least_sleep_ns
    }

    /// Gives way at `now_ns`, or goes first again. `full` tells how full queues are. True when it gave way.
    #[inline]
    pub(crate) fn keep(&mut self, now_ns: u64, full: impl FnOnce() -> Full) -> bool {
        if self.kind == Kind::Short {
            return false;
        }
        self.until_look -= 1;
        if self.until_look > 0 && now_ns < self.looked_ns.saturating_add(LOOK_NS) {
            return false;
        }
        (self.until_look, self.looked_ns) = (LOOK_EVERY, now_ns);
        let full = full();
        self.least_sleep_ns = if self.kind == Kind::RealTime { full.room_ns() } else { 0 };
        if let Some(runtime) = &mut self.runtime {
            runtime.note(now_ns, self.kind == Kind::RealTime);
        }
        let (is_spent, is_rested) =
            self.runtime.as_ref().map_or((false, true), |one| (one.is_spent(), one.is_rested()));
        let (kind, policy) = match self.kind {
            Kind::RealTime if full.own >= OWN_PERCENT_MAX || is_spent => (Kind::GaveWay, Policy::ShortTurns),
            Kind::GaveWay if full.own < OWN_PERCENT_MIN && is_rested => (Kind::RealTime, Policy::RealTime),
            _ => return false,
        };
        if ask_for(policy).is_ok() {
            self.kind = kind;
        }
        kind == Kind::GaveWay
    }
}

/// How much of the queues of results nobody has taken yet, in percent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full {
    /// That of the sending thread itself, to those who count.
    pub(crate) own: u64,
    /// The fullest of those behind it, to the files and the backend.
    pub(crate) further: u64,
}

impl Full {
    /// How long a sending thread sleeps for that, at least. As long as everybody keeps up there is next to nothing to be taken.
    fn room_ns(self) -> u64 {
        match self.own.max(self.further) {
            0..=1 => 0,
            full => {
                let more_ns = MORE_ROOM_NS * full.saturating_sub(ROOM_PERCENT);
                (ROOM_NS * full).min(ROOM_NS_MAX) + more_ns.min(MORE_ROOM_NS_MAX)
            }
        }
    }
}

/// How much of a ring nobody has taken yet, in percent; 0 where nobody ever will.
pub(crate) fn full_percent<T>(ring: &rtrb::Producer<T>) -> u64 {
    if ring.is_abandoned() {
        return 0;
    }
    let room = ring.buffer().capacity();
    (room.saturating_sub(ring.slots()) * 100 / room.max(1)) as u64
}

/// For a thread that looks at what has been sent. A little behind, no more: at 50,000/s on one processor the requests' p99 of
/// lateness is 0.44 ms like this and 1.5 ms with helpers at nice 15, which then fall behind and fill memory.
pub(crate) fn go_last() {
    let _ = rustix::process::nice(5);
}

#[derive(Clone, Copy)]
enum Policy {
    RealTime,
    ShortTurns,
}

fn ask_for(policy: Policy) -> io::Result<()> {
    let (sched_policy, sched_priority, turn) = match policy {
        Policy::RealTime => (libc::SCHED_FIFO, PRIORITY, Duration::ZERO),
        Policy::ShortTurns => (libc::SCHED_OTHER, 0, TURN),
    };
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: sched_policy.unsigned_abs(),
        sched_flags: 0,
        // As it is: a lower value is not everybody's to ask for.
        sched_nice: rustix::process::getpriority_process(None).unwrap_or(0),
        sched_priority,
        sched_runtime: u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX),
        sched_deadline: 0,
        sched_period: 0,
    };
    let (this_thread, no_flags): (libc::pid_t, libc::c_uint) = (0, 0);
    #[expect(unsafe_code, reason = "no crate has this call; measured: docs/adr/0005")]
    // SAFETY: sched_setattr(2) reads `size` bytes behind the pointer, which is to a whole structure of that size that lives
    // until the call is over, and keeps nothing of it. Kernels that do not know the length of a turn ignore the field.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread of its own: what is asked for stays.
    fn in_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(work).join().unwrap()
    }

    /// As proc(5) has it: 0 for ordinary turns, 1 for `SCHED_FIFO`.
    fn policy() -> String {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, behind_name) = stat.rsplit_once(')').unwrap();
        behind_name.split_whitespace().nth(38).unwrap().to_owned()
    }

    /// Calls until it is looked at the queues once.
    fn keep(turns: &mut Turns, own: u64) -> bool {
        (0..LOOK_EVERY).filter(|_| turns.keep(0, || Full { own, further: 100 })).count() == 1
    }

    #[test]
    fn the_fuller_a_queue_is_the_longer_is_the_sleep_up_to_a_millisecond() {
        let room_us = |own, further| Full { own, further }.room_ns() / 1_000;
        let sleeps = [(0, 0), (1, 1), (2, 0), (0, 2), (6, 3), (3, 25), (26, 0), (50, 0), (69, 9), (0, 70), (100, 100)];
        let expected = [0, 0, 40, 40, 120, 120, 140, 620, 1_000, 1_000, 1_000];
        assert_eq!(sleeps.map(|(own, further)| room_us(own, further)), expected);
    }

    #[test]
    fn a_real_time_thread_gives_way_until_the_queues_are_empty() {
        let is_allowed = in_a_thread(|| ask_for(Policy::RealTime).is_ok());
        in_a_thread(move || {
            let mut turns = Turns::first(true);
            assert_eq!(turns.is_real_time(), is_allowed);
            let real_time = if is_allowed { "1" } else { "0" };
            let mut seen = Vec::new();
            for full in [0, 74, 75, 100, 74, 5, 4, 0, 80] {
                seen.push((full, keep(&mut turns, full), policy()));
            }
            let gave_way = [false, false, is_allowed, false, false, false, false, false, is_allowed];
            let policies = [real_time, real_time, "0", "0", "0", "0", real_time, real_time, "0"];
            let expected: Vec<_> = [0, 74, 75, 100, 74, 5, 4, 0, 80]
                .into_iter()
                .zip(gave_way)
                .zip(policies)
                .map(|((full, gave_way), policy)| (full, gave_way, policy.to_owned()))
                .collect();
            assert_eq!(seen, expected);
        });
    }

    #[test]
    fn who_does_not_want_real_time_turns_has_short_ones() {
        in_a_thread(|| {
            let mut turns = Turns::first(false);
            assert!(!turns.is_real_time() && !keep(&mut turns, 100));
            assert_eq!(policy(), "0");
            ask_for(Policy::ShortTurns).unwrap();
        });
    }

    #[test]
    fn a_ring_is_as_full_as_nobody_took() {
        let (mut ring, mut taken) = rtrb::RingBuffer::new(8);
        assert_eq!(full_percent(&ring), 0);
        (0..6).for_each(|n| ring.push(n).unwrap());
        assert_eq!(full_percent(&ring), 75);
        taken.pop().unwrap();
        assert_eq!(full_percent(&ring), 62);
        drop(taken);
        assert_eq!(full_percent(&ring), 0);
    }
}
