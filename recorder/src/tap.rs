//! What the relay hands over: copies of the bytes that passed, through a bounded queue that nobody waits for.
//!
//! Called on the relay's threads, between reading and writing, so everything here is synchronous and infallible: it never
//! blocks, never wakes the other side, and cannot panic. When there is no room, the connection is no longer captured (a
//! parser that missed bytes is blind) and that is counted; its traffic goes on untouched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use formats::wire::{Direction, Ending};

use crate::clock::Clock;

/// Bounds of the queue between relay and writer.
#[derive(Debug, Clone, Copy)]
pub struct TapLimits {
    /// Events that may wait.
    pub queue_events_max: usize,
    /// Bytes of traffic that may wait.
    pub queue_bytes_max: usize,
}

impl Default for TapLimits {
    fn default() -> Self {
        Self { queue_events_max: 65_536, queue_bytes_max: 64 << 20 }
    }
}

/// Something that happened on a client's connection.
#[derive(Debug)]
pub enum Event {
    /// It was accepted.
    Opened {
        /// Unique in this process.
        connection: u64,
        /// The client's address.
        peer: Option<SocketAddr>,
        /// When.
        at_ns: u64,
        /// Shared with the relay.
        state: Arc<ConnectionState>,
    },
    /// The upstream connection is there.
    Connected {
        /// Which.
        connection: u64,
        /// When.
        at_ns: u64,
    },
    /// Bytes passed.
    Bytes {
        /// Which.
        connection: u64,
        /// Who sent them.
        from: Direction,
        /// When they were read.
        at_ns: u64,
        /// A copy of them.
        bytes: Bytes,
    },
    /// One direction ended.
    Ended {
        /// Which.
        connection: u64,
        /// Whose.
        from: Direction,
        /// When.
        at_ns: u64,
        /// How.
        how: Ending,
    },
    /// Both directions are over.
    Closed {
        /// Which.
        connection: u64,
        /// When.
        at_ns: u64,
    },
}

/// What relay and writer both know of a connection.
#[derive(Debug, Default)]
pub struct ConnectionState {
    closed: AtomicBool,
    blind: AtomicBool,
    lost: AtomicBool,
    uncaptured_bytes: AtomicU64,
}

impl ConnectionState {
    /// The writer reads nothing more of it: the relay stops copying, and counts.
    pub fn go_blind(&self) {
        self.blind.store(true, Ordering::Relaxed);
    }

    /// Whether it is over; set even when no event could say so.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether bytes of it found no room.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Bytes that passed after it went blind.
    #[must_use]
    pub fn uncaptured_bytes(&self) -> u64 {
        self.uncaptured_bytes.load(Ordering::Relaxed)
    }
}

/// What found no room, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Connections of which something was lost.
    pub connections: u64,
    /// Their bytes that were not captured.
    pub bytes: u64,
}

/// The queue.
#[derive(Debug)]
pub struct Tap {
    clock: Clock,
    limits: TapLimits,
    queue: ArrayQueue<Event>,
    queued_bytes: AtomicUsize,
    capturing: AtomicBool,
    lost_connections: AtomicU64,
    lost_bytes: AtomicU64,
}

impl Tap {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: TapLimits, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            limits,
            queue: ArrayQueue::new(limits.queue_events_max.max(1)),
            queued_bytes: AtomicUsize::new(0),
            capturing: AtomicBool::new(true),
            lost_connections: AtomicU64::new(0),
            lost_bytes: AtomicU64::new(0),
        })
    }

    /// The clock of all events.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Bytes of traffic that may wait.
    #[must_use]
    pub fn queue_bytes_max(&self) -> usize {
        self.limits.queue_bytes_max
    }

    /// Takes the oldest event.
    #[must_use]
    pub fn pop(&self) -> Option<Event> {
        let event = self.queue.pop()?;
        if let Event::Bytes { bytes, .. } = &event {
            self.queued_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        Some(event)
    }

    /// From now on nothing is taken over; what is in the queue stays.
    pub fn stop_capturing(&self) {
        self.capturing.store(false, Ordering::Release);
    }

    /// What found no room so far.
    #[must_use]
    pub fn lost(&self) -> Lost {
        Lost {
            connections: self.lost_connections.load(Ordering::Relaxed),
            bytes: self.lost_bytes.load(Ordering::Relaxed),
        }
    }

    /// Begins a connection.
    pub(crate) fn open(self: &Arc<Self>, connection: u64, peer: Option<SocketAddr>) -> ConnectionTap {
        let state = Arc::new(ConnectionState::default());
        let tap = ConnectionTap { tap: Arc::clone(self), connection, state: Arc::clone(&state) };
        tap.event(|at_ns| Event::Opened { connection, peer, at_ns, state });
        tap
    }

    fn is_capturing(&self) -> bool {
        self.capturing.load(Ordering::Acquire)
    }

    /// Room for `bytes`, taken if it is there.
    fn reserve(&self, bytes: usize) -> bool {
        let before = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.limits.queue_bytes_max;
        if !fits {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

/// One connection's end of the queue; says `Closed` when it is dropped.
pub(crate) struct ConnectionTap {
    tap: Arc<Tap>,
    connection: u64,
    state: Arc<ConnectionState>,
}

impl ConnectionTap {
    pub(crate) fn connected(&self) {
        let connection = self.connection;
        self.event(|at_ns| Event::Connected { connection, at_ns });
    }

    pub(crate) fn bytes(&self, from: Direction, bytes: &[u8]) {
        let len = bytes.len() as u64;
        if self.state.blind.load(Ordering::Relaxed) {
            self.state.uncaptured_bytes.fetch_add(len, Ordering::Relaxed);
        } else if !self.tap.is_capturing() {
            // The session is closed: nothing is missing from it.
        } else if self.state.is_lost() || !self.tap.reserve(bytes.len()) {
            self.lose(len);
        } else {
            let (connection, at_ns) = (self.connection, self.tap.clock.now_ns());
            let event = Event::Bytes { connection, from, at_ns, bytes: Bytes::copy_from_slice(bytes) };
            if self.tap.queue.push(event).is_err() {
                self.tap.queued_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                self.lose(len);
            }
        }
    }

    pub(crate) fn ended(&self, from: Direction, how: Ending) {
        let connection = self.connection;
        self.event(|at_ns| Event::Ended { connection, from, at_ns, how });
    }

    fn event(&self, make: impl FnOnce(u64) -> Event) {
        let wanted = self.tap.is_capturing() && !self.state.is_lost();
        if wanted && self.tap.queue.push(make(self.tap.clock.now_ns())).is_err() {
            self.lose(0);
        }
    }

    fn lose(&self, bytes: u64) {
        if !self.state.lost.swap(true, Ordering::AcqRel) {
            self.tap.lost_connections.fetch_add(1, Ordering::Relaxed);
        }
        self.tap.lost_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for ConnectionTap {
    fn drop(&mut self) {
        let connection = self.connection;
        self.event(|at_ns| Event::Closed { connection, at_ns });
        self.state.closed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(queue_events_max: usize, queue_bytes_max: usize) -> Arc<Tap> {
        Tap::new(TapLimits { queue_events_max, queue_bytes_max }, Clock::start())
    }

    fn names(tap: &Tap) -> Vec<&'static str> {
        std::iter::from_fn(|| tap.pop())
            .map(|event| match event {
                Event::Opened { .. } => "opened",
                Event::Connected { .. } => "connected",
                Event::Bytes { .. } => "bytes",
                Event::Ended { .. } => "ended",
                Event::Closed { .. } => "closed",
            })
            .collect()
    }

    #[test]
    fn the_life_of_a_connection_arrives_in_order() {
        let tap = tap(10, 10);
        let connection = tap.open(1, None);
        connection.connected();
        connection.bytes(Direction::Request, b"abc");
        connection.ended(Direction::Request, Ending::Eof);
        drop(connection);
        assert_eq!(names(&tap), ["opened", "connected", "bytes", "ended", "closed"]);
        assert_eq!(tap.lost(), Lost::default());
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_connection_is_lost() {
        let tap = tap(10, 4);
        let (one, two) = (tap.open(1, None), tap.open(2, None));
        one.bytes(Direction::Request, b"abcd");
        two.bytes(Direction::Request, b"e");
        assert_eq!(tap.lost(), Lost { connections: 1, bytes: 1 });
        assert_eq!(names(&tap), ["opened", "opened", "bytes"]);
        two.bytes(Direction::Request, b"fg"); // there would be room, but its parser is blind now
        one.bytes(Direction::Request, b"hijk"); // exactly the room that there is
        assert_eq!(tap.lost(), Lost { connections: 1, bytes: 3 });
        let state = Arc::clone(&two.state);
        drop((one, two));
        assert!(state.is_closed() && state.is_lost());
        assert_eq!(names(&tap), ["bytes", "closed"]);
    }

    #[test]
    fn a_full_queue_loses_and_gives_the_bytes_back() {
        let tap = tap(2, 100);
        let connection = tap.open(1, None);
        connection.bytes(Direction::Request, b"a");
        connection.bytes(Direction::Request, b"b");
        assert_eq!(tap.lost(), Lost { connections: 1, bytes: 1 });
        assert_eq!(tap.queued_bytes.load(Ordering::Relaxed), 1);
        assert_eq!(names(&tap), ["opened", "bytes"]);
        assert_eq!(tap.queued_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn blind_connections_are_counted_and_a_closed_session_misses_nothing() {
        let tap = tap(10, 10);
        let connection = tap.open(1, None);
        connection.state.go_blind();
        connection.bytes(Direction::Response, b"abc");
        assert_eq!(connection.state.uncaptured_bytes(), 3);
        tap.stop_capturing();
        let later = tap.open(2, None);
        later.bytes(Direction::Request, b"x");
        drop((connection, later));
        assert_eq!(names(&tap), ["opened"]);
        assert_eq!(tap.lost(), Lost::default());
    }
}
