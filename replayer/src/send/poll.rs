//! Readiness of sockets with nanosecond timeouts (`epoll_pwait2`, Linux 5.11).

use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;

use crate::error::ReplayError;

const EVENTS_MAX: usize = 256;

/// An epoll instance and the events of its last wait.
pub(super) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// Also asks the kernel to wake this thread on the nanosecond (timer slack is 50 µs otherwise).
    pub(super) fn new() -> Result<Self, ReplayError> {
        let failed = |doing: &'static str| move |errno: Errno| ReplayError::System { doing, source: errno.into() };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed("make an epoll instance"))?;
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).map_err(failed("set the timer slack"))?;
        let mut poll = Self { epoll, events: Vec::with_capacity(EVENTS_MAX) };
        // Kernels before 5.11 do not know the call at all: better said now than at the first due instant.
        poll.wait(0).map_err(failed("wait with nanoseconds (epoll_pwait2 needs Linux 5.11)"))?;
        Ok(poll)
    }

    pub(super) fn add(&self, socket: impl AsFd, token: u64, writable: bool) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, EventData::new_u64(token), interest(writable))
    }

    pub(super) fn modify(&self, socket: impl AsFd, token: u64, writable: bool) -> Result<(), Errno> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(token), interest(writable))
    }

    /// Waits at most `timeout_ns`; returns how many events [`Self::event`] has.
    pub(super) fn wait(&mut self, timeout_ns: u64) -> Result<usize, Errno> {
        self.events.clear();
        let nanos = i64::try_from(timeout_ns).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(count) => Ok(count),
            Err(Errno::INTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    /// Token, readable (or ended), writable.
    pub(super) fn event(&self, at: usize) -> Option<(u64, bool, bool)> {
        let event = self.events.get(at)?;
        // Copied out of a packed structure.
        let (data, flags) = (event.data, event.flags);
        let readable = flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP);
        Some((data.u64(), readable, flags.contains(EventFlags::OUT)))
    }
}

fn interest(writable: bool) -> EventFlags {
    if writable { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}
