//! What the relay hands over: copies of the bytes that passed, through a bounded queue that nobody waits for.
//!
//! Called on the relay's threads, between reading and writing, so everything here is synchronous and infallible: it never
//! blocks, never wakes the other side, and cannot panic. When there is no room, the connection's bytes are dropped and
//! counted until half the room is free again; then its reader is told that something is missing. Its traffic goes on
//! untouched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use formats::model::GapReason;
use formats::wire::{Direction, Ending};

use crate::clock::Clock;
use crate::losses::Losses;
use blocks::copy;

mod blocks;

/// Bounds of the queue between relay and capture.
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
pub struct Event {
    /// Which, unique in this process.
    pub connection: u64,
    /// When.
    pub at_ns: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// It was accepted, or capturing began while it was open.
    Opened {
        /// The client's address.
        peer: Option<SocketAddr>,
        /// What is known of the connection, as in [`formats::model::Exchange::facts`].
        facts: Option<Arc<str>>,
        /// Shared with the relay.
        state: Arc<ConnectionState>,
        /// Whether every byte of it will follow.
        from_start: bool,
    },
    /// The upstream connection is there.
    Connected,
    /// These bytes passed.
    Bytes(Direction, Bytes),
    /// So many bytes passed on a connection that carries no HTTP any more.
    Passed(Direction, u64),
    /// Bytes that passed before this are missing.
    Missed,
    /// One direction ended.
    Ended(Direction, Ending),
    /// Both directions are over.
    Closed,
}

/// What relay and capture both know of a connection.
#[derive(Debug, Default)]
pub struct ConnectionState {
    closed: AtomicBool,
    lost: AtomicBool,
    wanted: AtomicU8,
    uncaptured_bytes: AtomicU64,
}

/// How much of a connection is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Wanted {
    /// Its bytes.
    Bytes = 0,
    /// How many bytes pass, and when.
    Lengths = 1,
    /// Nothing; the relay counts what passes.
    Nothing = 2,
}

impl ConnectionState {
    /// Tells the relay how much to copy.
    pub fn want(&self, wanted: Wanted) {
        self.wanted.store(wanted as u8, Ordering::Relaxed);
    }

    fn wanted(&self) -> Wanted {
        match self.wanted.load(Ordering::Relaxed) {
            0 => Wanted::Bytes,
            1 => Wanted::Lengths,
            _ => Wanted::Nothing,
        }
    }

    /// Whether it is over; set even when no event could say so.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether bytes of it found no room, and the reader was not told yet.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Bytes that passed while nothing was wanted.
    #[must_use]
    pub fn uncaptured_bytes(&self) -> u64 {
        self.uncaptured_bytes.load(Ordering::Relaxed)
    }
}

/// Whether bytes are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capturing {
    /// Yes.
    On,
    /// No, and it is missing from the session: the breaker is open.
    Paused,
    /// No: there is no session from which it could be missing.
    Off,
}

/// The queue.
#[derive(Debug)]
pub struct Tap {
    clock: Clock,
    limits: TapLimits,
    queue: ArrayQueue<Event>,
    queued_bytes: AtomicUsize,
    /// Number of the session, from 1, in the upper bits; the lowest two say [`Capturing`].
    state: AtomicU64,
    losses: Losses,
}

impl Tap {
    /// An empty queue, off.
    #[must_use]
    pub fn new(limits: TapLimits, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            limits,
            queue: ArrayQueue::new(limits.queue_events_max.max(1)),
            queued_bytes: AtomicUsize::new(0),
            state: AtomicU64::new(2),
            losses: Losses::default(),
        })
    }

    /// The clock of all events.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What was not captured.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Bytes of traffic that may wait.
    #[must_use]
    pub fn queue_bytes_max(&self) -> usize {
        self.limits.queue_bytes_max
    }

    /// Bytes of traffic that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Events that wait.
    #[must_use]
    pub fn queued_events(&self) -> usize {
        self.queue.len()
    }

    /// Takes the oldest event.
    #[must_use]
    pub fn pop(&self) -> Option<Event> {
        let event = self.queue.pop()?;
        if let What::Bytes(_, bytes) = &event.what {
            self.queued_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        Some(event)
    }

    /// Begins a session: connections that are open announce themselves when something passes.
    pub fn start(&self) {
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(((state >> 2) + 1) << 2, Ordering::Release);
    }

    /// Lets all connections announce themselves again, in the same session.
    pub fn restart(&self) {
        self.state.fetch_add(1 << 2, Ordering::AcqRel);
    }

    /// Ends the session: nothing more is taken over; what is in the queue stays.
    pub fn stop(&self) {
        self.state.fetch_or(2, Ordering::AcqRel);
    }

    /// Opens or closes the breaker. While it is open nothing is taken over, and what passes counts as missing.
    pub fn pause(&self, paused: bool) {
        if paused {
            self.state.fetch_or(1, Ordering::AcqRel);
        } else {
            self.state.fetch_and(!1, Ordering::AcqRel);
        }
    }

    /// Whether bytes are taken over.
    #[must_use]
    pub fn capturing(&self) -> Capturing {
        capturing(self.state.load(Ordering::Acquire))
    }

    /// Begins a connection.
    pub(crate) fn open(
        self: &Arc<Self>,
        connection: u64,
        peer: Option<SocketAddr>,
        facts: Option<Arc<str>>,
    ) -> ConnectionTap {
        let tap = ConnectionTap {
            tap: Arc::clone(self),
            connection,
            peer,
            facts,
            state: Arc::new(ConnectionState::default()),
            announced: AtomicU64::new(0),
        };
        let state = self.state.load(Ordering::Acquire);
        if capturing(state) == Capturing::On {
            tap.announce(state, true);
        }
        tap
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

    /// Whether half of the room is free: less would be full again at once.
    fn has_recovered(&self) -> bool {
        self.queued_bytes() <= self.limits.queue_bytes_max / 2 && self.queue.len() <= self.queue.capacity() / 2
    }
}

fn capturing(state: u64) -> Capturing {
    match state & 3 {
        0 => Capturing::On,
        1 => Capturing::Paused,
        _ => Capturing::Off,
    }
}

/// One connection's end of the queue; says `Closed` when it is dropped.
pub(crate) struct ConnectionTap {
    tap: Arc<Tap>,
    connection: u64,
    peer: Option<SocketAddr>,
    facts: Option<Arc<str>>,
    state: Arc<ConnectionState>,
    /// The session that knows of this connection; 0 for none.
    announced: AtomicU64,
}

impl ConnectionTap {
    pub(crate) fn connected(&self) {
        if self.is_followed() {
            self.push(What::Connected);
        }
    }

    pub(crate) fn bytes(&self, from: Direction, bytes: &[u8]) {
        self.bytes_at(from, self.tap.clock.now_ns(), bytes);
    }

    /// The same for who has read the clock already.
    pub(crate) fn bytes_read(&self, from: Direction, read_at: Instant, bytes: &[u8]) {
        self.bytes_at(from, self.tap.clock.at_ns(read_at), bytes);
    }

    fn bytes_at(&self, from: Direction, at_ns: u64, bytes: &[u8]) {
        let len = bytes.len() as u64;
        let state = self.tap.state.load(Ordering::Acquire);
        match capturing(state) {
            Capturing::Off => return,
            Capturing::Paused => return self.lose(GapReason::Breaker, len),
            Capturing::On => {}
        }
        if !self.is_known(state) {
            // A new session, or the first event of all found no room.
            if !self.tap.has_recovered() || !self.announce(state, false) {
                return self.lose(GapReason::QueueFull, len);
            }
        }
        let wanted = self.state.wanted();
        if wanted == Wanted::Nothing {
            self.state.uncaptured_bytes.fetch_add(len, Ordering::Relaxed);
            return;
        }
        if self.state.is_lost() {
            if !self.tap.has_recovered() || !self.push(What::Missed) {
                return self.lose(GapReason::QueueFull, len);
            }
            self.state.lost.store(false, Ordering::Release);
        }
        if wanted == Wanted::Lengths {
            if !self.push_at(at_ns, What::Passed(from, len)) {
                self.tap.losses.add_bytes(GapReason::QueueFull, len);
            }
        } else if !self.tap.reserve(bytes.len()) {
            self.lose(GapReason::QueueFull, len);
        } else if !self.push_at(at_ns, What::Bytes(from, copy(bytes))) {
            self.tap.queued_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
            self.tap.losses.add_bytes(GapReason::QueueFull, len);
        }
    }

    pub(crate) fn ended(&self, from: Direction, how: Ending) {
        let state = self.tap.state.load(Ordering::Acquire);
        match capturing(state) {
            Capturing::On if self.is_followed() => _ = self.push(What::Ended(from, how)),
            // What was under way is missing its end.
            Capturing::Paused if self.is_known(state) => self.lose(GapReason::Breaker, 0),
            _ => {}
        }
    }

    /// Whether the session that is being recorded knows of this connection and has missed nothing of it.
    fn is_followed(&self) -> bool {
        let state = self.tap.state.load(Ordering::Acquire);
        capturing(state) == Capturing::On && self.is_known(state) && !self.state.is_lost()
    }

    fn is_known(&self, state: u64) -> bool {
        self.announced.load(Ordering::Relaxed) == state >> 2
    }

    fn announce(&self, state: u64, from_start: bool) -> bool {
        self.state.lost.store(false, Ordering::Release);
        self.state.want(Wanted::Bytes);
        self.state.uncaptured_bytes.store(0, Ordering::Relaxed);
        let (facts, shared) = (self.facts.clone(), Arc::clone(&self.state));
        let what = What::Opened { peer: self.peer, facts, state: shared, from_start };
        let is_known = self.push(what);
        self.announced.store(if is_known { state >> 2 } else { 0 }, Ordering::Relaxed);
        is_known
    }

    /// Whether there was room; if not, the connection is lost.
    fn push(&self, what: What) -> bool {
        self.push_at(self.tap.clock.now_ns(), what)
    }

    fn push_at(&self, at_ns: u64, what: What) -> bool {
        let event = Event { connection: self.connection, at_ns, what };
        let fits = self.tap.queue.push(event).is_ok();
        if !fits {
            self.lose(GapReason::QueueFull, 0);
        }
        fits
    }

    fn lose(&self, reason: GapReason, bytes: u64) {
        if !self.state.lost.swap(true, Ordering::AcqRel) {
            self.tap.losses.add_connection(reason);
        }
        self.tap.losses.add_bytes(reason, bytes);
    }
}

impl Drop for ConnectionTap {
    fn drop(&mut self) {
        // Said even after a loss: it ends what is known of the connection, and needs no bytes before it.
        let state = self.tap.state.load(Ordering::Acquire);
        if capturing(state) != Capturing::Off && self.is_known(state) {
            let _ = self.tap.queue.push(Event {
                connection: self.connection,
                at_ns: self.tap.clock.now_ns(),
                what: What::Closed,
            });
        }
        self.state.closed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
