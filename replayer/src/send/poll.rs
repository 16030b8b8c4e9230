//! Readiness of sockets with nanosecond timeouts (`epoll_pwait2`, Linux 5.11).

use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::thread::{ClockId, clock_nanosleep_relative};

use crate::error::ReplayError;

const EVENTS_MAX: usize = 256;

/// An epoll instance.
pub(super) struct Poll {
    epoll: OwnedFd,
}

/// What a wait found, of at most so many sockets. It stays on its thread, since the kernel's structure could hold a pointer.
pub(super) struct Events(Vec<Event>);

impl Events {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS_MAX))
    }

    /// Whether there may be more than these.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= EVENTS_MAX
    }

    /// One of the events.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<Ready> {
        let event = self.0.get(at)?;
        // Copied out of a packed structure.
        let (data, flags) = (event.data, event.flags);
        let readable = flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP);
        Some(Ready { token: data.u64(), readable, writable: flags.contains(EventFlags::OUT) })
    }
}

impl Poll {
    pub(super) fn new() -> Result<Self, ReplayError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed("make an epoll instance"))?;
        let poll = Self { epoll };
        // Kernels before 5.11 do not know the call at all: better said now than at the first due instant.
        poll.wait(&mut Events::new(), 0).map_err(failed("wait with nanoseconds (epoll_pwait2 needs Linux 5.11)"))?;
        Ok(poll)
    }

    /// Asks the kernel to wake this thread on the nanosecond (timer slack is 50 µs otherwise).
    pub(super) fn be_punctual() -> Result<(), ReplayError> {
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).map_err(failed("set the timer slack"))
    }

    /// Sleeps for so long, or until a signal comes: no socket wakes this thread.
    pub(super) fn rest(for_ns: u64) {
        let nanos = i64::try_from(for_ns).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 };
        let _ = clock_nanosleep_relative(ClockId::Monotonic, &timeout);
    }

    pub(super) fn add(&self, socket: impl AsFd, token: u64) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, EventData::new_u64(token), interest(false))
    }

    pub(super) fn modify(&self, socket: impl AsFd, token: u64, writable: bool) -> Result<(), Errno> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(token), interest(writable))
    }

    /// Waits at most `timeout_ns`; returns how many events there are.
    pub(super) fn wait(&self, events: &mut Events, timeout_ns: u64) -> Result<usize, Errno> {
        events.0.clear();
        let nanos = i64::try_from(timeout_ns).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 };
        match epoll::wait(&self.epoll, spare_capacity(&mut events.0), Some(&timeout)) {
            Ok(count) => Ok(count),
            Err(Errno::INTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }
}

/// What a socket is ready for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    pub(super) token: u64,
    /// Or ended, or broken.
    pub(super) readable: bool,
    pub(super) writable: bool,
}

fn failed(doing: &'static str) -> impl FnOnce(Errno) -> ReplayError {
    move |errno| ReplayError::System { doing, source: errno.into() }
}

fn interest(writable: bool) -> EventFlags {
    if writable { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}
