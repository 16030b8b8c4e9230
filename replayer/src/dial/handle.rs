//! An engine's end of the dialer: requests go down bounded lanes, one to each helper thread, and come back on others.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rtrb::{Consumer, Producer, RingBuffer};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::counters::DialCounters;
use super::error::{DialError, DialQueueFull};
use super::transport::Transport;

/// A connection that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial {
    /// Comes back with the answer.
    pub id: u64,
    /// Index of the target.
    pub target: u16,
}

/// What became of a [`Dial`]; each has exactly one answer.
#[derive(Debug)]
pub struct Dialed {
    /// From the request.
    pub id: u64,
    /// From the request.
    pub target: u16,
    /// The connection, or why there is none.
    pub result: Result<Transport, DialError>,
    /// When a helper took it up, on the run's clock.
    pub started_ns: u64,
    /// When it was ready for a request, or was given up.
    pub connected_ns: u64,
    /// Whom it leads to, or was last tried with: the target, or the proxy before it. `None` when there was no address.
    pub peer: Option<Peer>,
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// An address and port.
    Address(SocketAddr),
    /// A Unix socket.
    Path(Arc<Path>),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Path(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// An engine's end. Never blocks; dropping all handles ends the helpers.
pub struct DialHandle {
    lanes: Vec<EngineLane>,
    /// The lane that is asked next, and the lane that is looked at next.
    turn: usize,
    wake: Arc<OwnedFd>,
    counters: Arc<DialCounters>,
    waiting_max: usize,
}

/// To and from one helper, at the engine's end.
pub(super) struct EngineLane {
    requests: Producer<Dial>,
    answers: Consumer<Dialed>,
    /// Requests that were not answered yet: never more than either ring holds, so that an answer always finds room.
    waiting: usize,
    helper: Arc<Bell>,
}

/// The same at the helper's end.
pub(super) struct HelperLane {
    pub(super) requests: Consumer<Dial>,
    pub(super) answers: Producer<Dialed>,
    pub(super) engine: Arc<OwnedFd>,
}

/// Wakes a helper, but only when it sleeps: an engine makes no system call for a helper that is busy.
pub(super) struct Bell {
    pub(super) event: OwnedFd,
    asleep: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self { event: new_event()?, asleep: AtomicBool::new(false) })
    }

    /// To be called by the helper before it looks at its queues for the last time.
    pub(super) fn going_to_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(super) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
        clear(&self.event);
    }

    fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::Relaxed) {
            signal(&self.event);
        }
    }
}

pub(super) fn new_event() -> Result<OwnedFd, Errno> {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
}

/// Makes an eventfd readable. It fails only when it is readable already.
pub(super) fn signal(event: &OwnedFd) {
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}

/// Makes it unreadable; whether it was readable.
fn clear(event: &OwnedFd) -> bool {
    rustix::io::read(event, &mut [0_u8; 8]).is_ok()
}

/// Both ends of a lane that holds `waiting_max` dials.
pub(super) fn lane(waiting_max: usize, helper: Arc<Bell>, engine: Arc<OwnedFd>) -> (EngineLane, HelperLane) {
    let (requests, taken) = RingBuffer::new(waiting_max);
    let (answers, given) = RingBuffer::new(waiting_max);
    let near = EngineLane { requests, answers: given, waiting: 0, helper };
    (near, HelperLane { requests: taken, answers, engine })
}

impl DialHandle {
    pub(super) fn new(
        lanes: Vec<EngineLane>,
        wake: Arc<OwnedFd>,
        counters: Arc<DialCounters>,
        waiting_max: usize,
    ) -> Self {
        Self { lanes, turn: 0, wake, counters, waiting_max }
    }

    /// Asks for a connection.
    ///
    /// # Errors
    /// [`DialQueueFull`] when `waiting_max` connections of this engine are being made.
    pub fn request(&mut self, dial: Dial) -> Result<(), DialQueueFull> {
        let tries = if self.waiting() < self.waiting_max { self.lanes.len() } else { 0 };
        for _ in 0..tries {
            let at = self.advance();
            let Some(lane) = self.lanes.get_mut(at) else { break };
            let room = lane.waiting < lane.answers.buffer().capacity();
            if room && lane.requests.push(dial).is_ok() {
                lane.waiting += 1;
                lane.helper.ring();
                return Ok(());
            }
        }
        Err(DialQueueFull { waiting_max: self.waiting_max })
    }

    /// The next finished connection. Call it until `None` whenever [`Self::wake`] is readable; `None` makes it unreadable.
    #[expect(clippy::should_implement_trait, reason = "an iterator would say that `None` is the end")]
    pub fn next(&mut self) -> Option<Dialed> {
        // What was put there before the event was cleared is found by looking once more.
        self.pop().or_else(|| if clear(&self.wake) { self.pop() } else { None })
    }

    /// Readable (level) while something is finished that [`Self::next`] did not give out yet.
    #[must_use]
    pub fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Connections that are being made.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting).sum()
    }

    /// The counters that all handles share.
    #[must_use]
    pub fn counters(&self) -> Arc<DialCounters> {
        Arc::clone(&self.counters)
    }

    fn pop(&mut self) -> Option<Dialed> {
        for _ in 0..self.lanes.len() {
            let at = self.advance();
            let lane = self.lanes.get_mut(at)?;
            if let Ok(dialed) = lane.answers.pop() {
                lane.waiting = lane.waiting.saturating_sub(1);
                return Some(dialed);
            }
        }
        None
    }

    fn advance(&mut self) -> usize {
        let at = self.turn;
        self.turn = if at + 1 < self.lanes.len() { at + 1 } else { 0 };
        at
    }
}

impl Drop for DialHandle {
    fn drop(&mut self) {
        // The helpers must find the lanes abandoned when they wake.
        let bells: Vec<Arc<Bell>> = self.lanes.drain(..).map(|lane| lane.helper).collect();
        for bell in bells {
            bell.ring();
        }
    }
}

impl std::fmt::Debug for DialHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DialHandle").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}
