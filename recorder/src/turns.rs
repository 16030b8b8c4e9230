//! Whose turn it is on a busy processor: the traffic's first, then the capture's.
//!
//! Nothing here decides what a thread does: a system that refuses any of it still passes and records everything right, only
//! later. What is refused is logged once.

use std::io;
use std::sync::Once;
use std::time::Duration;

use crate::clock::Clock;

/// The relay works for some microseconds at a time. Linux 6.12 and later take a turn's length from the thread, and a thread
/// that wakes up with a shorter one goes before one in the middle of a longer one: without it a chunk waits until the reader's
/// or the store's turn of some milliseconds is over (`docs/adr/0005` has the measurement for the replayer). It is the
/// shortest turn that the kernel grants. Making the reader and the store nicer instead was tried and left: at 20,000
/// requests a second on one core they then fall behind (80 MiB instead of 41, and three times as many bodies dropped).
const TURN: Duration = Duration::from_micros(100);

/// For a thread that passes traffic: it goes first whenever it wakes up. Its share of the processor stays what it is.
pub(crate) fn go_first() {
    static REFUSED: Once = Once::new();
    say_once(&REFUSED, "the relay's threads take turns as all others do", ask_for_turns_of(TURN));
}

/// The turn of a thread that captures: in the middle of its work whoever waits for this processor goes first.
///
/// When the relay wakes up having just had its share, it does not go first, short turns or not, and the kernel looks again at
/// its next tick: up to four milliseconds later, or when somebody gives way. That goes to whoever waits, for as long as its
/// own turn is: a thread that always gave way beside a busy application would have fallen behind for good.
pub(crate) struct Polite {
    clock: Clock,
    until_ns: u64,
}

impl Polite {
    /// Who has been at it for so long is late, and gives way to nobody until its next turn.
    const LATE_NS: u64 = 10_000_000;

    pub(crate) fn begin(clock: Clock) -> Self {
        Self { clock, until_ns: clock.now_ns() + Self::LATE_NS }
    }

    pub(crate) fn give_way(&self) {
        if !self.is_late() {
            std::thread::yield_now();
        }
    }

    fn is_late(&self) -> bool {
        self.clock.now_ns() >= self.until_ns
    }
}

fn say_once(refused: &Once, consequence: &str, result: io::Result<()>) {
    if let Err(error) = result {
        refused.call_once(|| log::warn!("{consequence}: {error}"));
    }
}

fn ask_for_turns_of(turn: Duration) -> io::Result<()> {
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: libc::SCHED_OTHER.unsigned_abs(),
        sched_flags: 0,
        // As it is: a lower value is not everybody's to ask for.
        sched_nice: rustix::process::getpriority_process(None)?,
        sched_priority: 0,
        sched_runtime: u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX),
        sched_deadline: 0,
        sched_period: 0,
    };
    let (this_thread, no_flags): (libc::pid_t, libc::c_uint) = (0, 0);
    #[expect(unsafe_code, reason = "no crate has this call")]
    // SAFETY: sched_setattr(2) reads `size` bytes behind the pointer, which is to a whole structure of that size that lives
    // until the call is over, and keeps nothing of it. Kernels that do not know the length of a turn ignore the field.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In threads of their own: what is asked for stays.
    fn in_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(work).join().unwrap()
    }

    #[test]
    fn turns_are_asked_for_in_a_form_that_the_kernel_takes() {
        in_a_thread(|| ask_for_turns_of(TURN)).unwrap();
    }

    #[test]
    fn who_is_late_gives_way_to_nobody() {
        let clock = Clock::start();
        let turn = Polite::begin(clock);
        assert!(!turn.is_late());
        clock.sleep_until(turn.until_ns);
        assert!(turn.is_late());
    }

    #[test]
    fn what_is_refused_is_said_once_and_stops_nobody() {
        let refused = Once::new();
        (0..2).for_each(|_| say_once(&refused, "nothing changes", Err(io::ErrorKind::PermissionDenied.into())));
        assert!(refused.is_completed());
    }
}
