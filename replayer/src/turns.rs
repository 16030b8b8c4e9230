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
/// From so many thousandths of its results on that nobody has taken yet, a sending thread with real-time turns sleeps for at
/// least so long for each more …
const ROOM_PERMILLE: u64 = 10;
const ROOM_NS: u64 = 1_000;
/// … up to this: what has not waited for long is still in a cache, and takes less time to be taken …
const ROOM_NS_MAX: u64 = 120_000;
/// … and from so many on longer …
const MORE_ROOM_PERMILLE: u64 = 250;
const MORE_ROOM_NS: u64 = 2_000;
/// … up to this.
const MORE_ROOM_NS_MAX: u64 = 880_000;
/// It follows them by an eighth each time: where work comes to as much as there is time, some sleep that is just long enough
/// lets all of it be done, and requests are later by the longest one.
const ROOM_SHARE: u64 = 8;
/// A shorter sleep is none.
const ROOM_NS_MIN: u64 = 1_000;
/// When its own queue is so full, in thousandths, it gives way.
const OWN_PERMILLE_MAX: u64 = 750;
/// … until it is as empty as this.
const OWN_PERMILLE_MIN: u64 = 50;
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
        self.least_sleep_ns = if self.kind == Kind::RealTime { follow(self.least_sleep_ns, full.room_ns()) } else { 0 };
        if let Some(runtime) = &mut self.runtime {
            runtime.note(now_ns, self.kind == Kind::RealTime);
        }
        let (is_spent, is_rested) =
            self.runtime.as_ref().map_or((false, true), |one| (one.is_spent(), one.is_rested()));
        let (kind, policy) = match self.kind {
            Kind::RealTime if full.own >= OWN_PERMILLE_MAX || is_spent => (Kind::GaveWay, Policy::ShortTurns),
            Kind::GaveWay if full.own < OWN_PERMILLE_MIN && is_rested => (Kind::RealTime, Policy::RealTime),
            _ => return false,
        };
        if ask_for(policy).is_ok() {
            self.kind = kind;
        }
        kind == Kind::GaveWay
    }
}

/// How much of the queues of results nobody has taken yet, in thousandths.
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
        let full = self.own.max(self.further);
        let room_ns = ROOM_NS * full.saturating_sub(ROOM_PERMILLE);
        let more_ns = MORE_ROOM_NS * full.saturating_sub(MORE_ROOM_PERMILLE);
        room_ns.min(ROOM_NS_MAX) + more_ns.min(MORE_ROOM_NS_MAX)
    }
}

/// A sleep that was so long so far, and is to be as long as `room_ns`.
fn follow(so_far_ns: u64, room_ns: u64) -> u64 {
    let next_ns = (so_far_ns * (ROOM_SHARE - 1) + room_ns) / ROOM_SHARE;
    if next_ns < ROOM_NS_MIN { 0 } else { next_ns }
}

/// How much of a ring nobody has taken yet, in thousandths; 0 where nobody ever will.
pub(crate) fn full_permille<T>(ring: &rtrb::Producer<T>) -> u64 {
    if ring.is_abandoned() {
        return 0;
    }
    let room = ring.buffer().capacity();
    (room.saturating_sub(ring.slots()) * 1_000 / room.max(1)) as u64
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
        (0..LOOK_EVERY).filter(|_| turns.keep(0, || Full { own, further: 1_000 })).count() == 1
    }

    #[test]
    fn the_fuller_a_queue_is_the_longer_is_the_sleep_up_to_a_millisecond() {
        let room_us = |own, further| Full { own, further }.room_ns() / 1_000;
        let sleeps = [(0, 0), (10, 10), (11, 0), (0, 50), (130, 0), (250, 9), (260, 3), (500, 0), (690, 0), (0, 999)];
        let expected = [0, 0, 1, 40, 120, 120, 140, 620, 1_000, 1_000];
        assert_eq!(sleeps.map(|(own, further)| room_us(own, further)), expected);
    }

    #[test]
    fn a_sleep_follows_what_it_is_to_be_and_ends() {
        let mut sleep_ns = 0;
        let follow_until = |sleep_ns: &mut u64, room_ns| {
            (0..100).find(|_| {
                *sleep_ns = follow(*sleep_ns, room_ns);
                sleep_ns.abs_diff(room_ns) < 2_000 && (room_ns > 0 || *sleep_ns == 0)
            })
        };
        assert_eq!(follow(sleep_ns, 40_000), 5_000);
        // A few are no reason to sleep, nor is one moment of many.
        assert_eq!((follow(0, 7_000), follow(0, 1_000_000)), (0, 125_000));
        assert!(follow_until(&mut sleep_ns, 40_000).is_some_and(|looks| (15..30).contains(&looks)));
        assert!(follow_until(&mut sleep_ns, 0).is_some_and(|looks| (15..40).contains(&looks)));
    }

    #[test]
    fn a_real_time_thread_gives_way_until_the_queues_are_empty() {
        let is_allowed = in_a_thread(|| ask_for(Policy::RealTime).is_ok());
        in_a_thread(move || {
            let mut turns = Turns::first(true);
            assert_eq!(turns.is_real_time(), is_allowed);
            let real_time = if is_allowed { "1" } else { "0" };
            let mut seen = Vec::new();
            for full in [0, 749, 750, 1_000, 749, 50, 49, 0, 800] {
                seen.push((full, keep(&mut turns, full), policy()));
            }
            let gave_way = [false, false, is_allowed, false, false, false, false, false, is_allowed];
            let policies = [real_time, real_time, "0", "0", "0", "0", real_time, real_time, "0"];
            let expected: Vec<_> = [0, 749, 750, 1_000, 749, 50, 49, 0, 800]
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
            assert!(!turns.is_real_time() && !keep(&mut turns, 1_000));
            assert_eq!(policy(), "0");
            ask_for(Policy::ShortTurns).unwrap();
        });
    }

    #[test]
    fn a_ring_is_as_full_as_nobody_took() {
        let (mut ring, mut taken) = rtrb::RingBuffer::new(8);
        assert_eq!(full_permille(&ring), 0);
        (0..6).for_each(|n| ring.push(n).unwrap());
        assert_eq!(full_permille(&ring), 750);
        taken.pop().unwrap();
        assert_eq!(full_permille(&ring), 625);
        drop(taken);
        assert_eq!(full_permille(&ring), 0);
    }
}
