//! The loop of the sending thread: what is due first, then timeouts, connections ahead of need, and answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtrb::{Consumer, Producer};
use rustix::io::Errno;

use super::connection::{Active, Connection, Read};
use super::poll::Poll;
use super::slots::Slots;
use super::{Counters, Open, SendOptions, Stop};
use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::{ErrorKind, Job, Shed};

/// Connections are opened only when the next request is due later than this, unless they are overdue.
const OPEN_ROOM_NS: u64 = 100_000;
/// Longest wait in one go, so that a stop is noticed.
const WAIT_MAX_NS: u64 = 20_000_000;
/// Wait when the next request is not known because its preparation is behind.
const WAIT_UNKNOWN_NS: u64 = 100_000;
/// Requests sent in one go before sockets are looked at.
const DISPATCH_BATCH: usize = 32;
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Sends the jobs of one queue on the connections of its slots.
pub struct Engine {
    clock: Clock,
    /// The clock's reading at due instant 0.
    start_ns: u64,
    options: SendOptions,
    jobs: Consumer<Box<Job>>,
    outcomes: Producer<Box<Job>>,
    counters: Arc<Counters>,
    stop: Arc<Stop>,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<u32>,
    slots: Slots,
    /// Deadlines in the order in which they were set, which is their order: the timeout is one constant.
    timeouts: VecDeque<Deadline>,
    connect_timeouts: VecDeque<Deadline>,
    serial: u64,
    open: u64,
    in_flight: usize,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Deadline {
    at_ns: u64,
    connection: u32,
    serial: u64,
}

impl Engine {
    /// An engine whose due instant 0 is the clock's `start_ns`; `opens` announces the first request of each slot.
    ///
    /// # Errors
    /// When the kernel lacks what it needs.
    #[expect(clippy::too_many_arguments, reason = "the composition root hands each part over once")]
    pub fn new(
        clock: Clock,
        start_ns: u64,
        options: SendOptions,
        opens: Consumer<Open>,
        jobs: Consumer<Box<Job>>,
        outcomes: Producer<Box<Job>>,
        counters: Arc<Counters>,
        stop: Arc<Stop>,
    ) -> Result<Self, ReplayError> {
        Ok(Self {
            clock,
            start_ns,
            options,
            jobs,
            outcomes,
            counters,
            stop,
            poll: Poll::new()?,
            connections: Vec::new(),
            free: Vec::new(),
            slots: Slots::new(opens, start_ns),
            timeouts: VecDeque::new(),
            connect_timeouts: VecDeque::new(),
            serial: 0,
            open: 0,
            in_flight: 0,
            buffer: vec![0; READ_BUFFER_BYTES],
        })
    }

    /// Sends everything and returns when the last answer is there, timed out, or was given up.
    ///
    /// # Errors
    /// When the kernel refuses to wait; outcomes so far have been handed over.
    pub fn run(mut self) -> Result<(), ReplayError> {
        loop {
            self.dispatch_due(DISPATCH_BATCH);
            let now = self.clock.now_ns();
            self.expire(now);
            let sending = !self.stop.is_draining() && (!self.jobs.is_abandoned() || !self.jobs.is_empty());
            if !sending && (self.in_flight == 0 || self.stop.is_aborted()) {
                self.give_up();
                return Ok(());
            }
            if sending {
                self.open_ahead(now);
            }
            let timeout = self.wait_ns(sending);
            let count = self.poll.wait(timeout);
            let count =
                count.map_err(|errno| ReplayError::System { doing: "wait for sockets", source: errno.into() })?;
            for at in 0..count {
                if let Some((token, readable, writable)) = self.poll.event(at) {
                    self.ready(token, readable, writable);
                }
                self.dispatch_due(1);
            }
        }
    }

    fn next_due(&self) -> Option<u64> {
        self.jobs.peek().ok().map(|job| self.start_ns + job.due_ns)
    }

    /// Sends what is due, but no more than `most` in one go: when requests come faster than they can be sent, answers
    /// are still read in between, and their connections become free.
    fn dispatch_due(&mut self, most: usize) {
        for _ in 0..most {
            let due = self.next_due().is_some_and(|due| due <= self.clock.now_ns());
            if !due || self.stop.is_draining() {
                return;
            }
            if let Ok(job) = self.jobs.pop() {
                self.dispatch(job);
            }
        }
    }

    /// How long nothing is to be done.
    fn wait_ns(&self, sending: bool) -> u64 {
        let mut until =
            [self.timeouts.front(), self.connect_timeouts.front()].into_iter().flatten().map(|d| d.at_ns).min();
        if sending {
            let next = self.next_due();
            let open = self.slots.next_open_ns();
            // A connection that is due to be opened but has no room waits for the request before it.
            let now = self.clock.now_ns();
            let open = open.filter(|at| *at > now || next.is_none());
            until = [until, next, open].into_iter().flatten().min();
            if next.is_none() {
                until = Some(until.map_or(u64::MAX, |until| until).min(now + WAIT_UNKNOWN_NS));
            }
        }
        until.map_or(WAIT_MAX_NS, |until| until.saturating_sub(self.clock.now_ns()).min(WAIT_MAX_NS))
    }

    fn dispatch(&mut self, job: Box<Job>) {
        let slot = job.slot;
        self.slots.request(slot, job.next_in_slot_ns.map(|due| self.start_ns + due));
        if self.in_flight >= self.options.in_flight_max {
            self.report(Active::new(job, false), None, Some(Shed::MaxInFlight));
            return;
        }
        self.in_flight += 1;
        let (free, was_busy) = self.slots.take(slot);
        let active = Active::new(job, was_busy);
        match free {
            Some(connection) => self.assign(connection, active),
            None => self.open(slot, Some(active)),
        }
    }

    /// Gives a request to a connection, which writes it at once unless it is still connecting.
    fn assign(&mut self, at: u32, active: Active) {
        self.serial += 1;
        let serial = self.serial;
        let Some(connection) = self.connections.get_mut(at as usize).and_then(Option::as_mut) else { return };
        connection.active = Some(active);
        if connection.connecting {
            return;
        }
        connection.serial = serial;
        self.write(at);
    }

    fn write(&mut self, at: u32) {
        let (clock, start) = (self.clock, self.start_ns);
        let Some(connection) = self.connections.get_mut(at as usize).and_then(Option::as_mut) else { return };
        let first = connection.active.as_ref().is_some_and(|active| active.job.progress.dispatched_ns.is_none());
        let written = connection.write(|| clock.now_ns().saturating_sub(start));
        if first {
            let at_ns = clock.now_ns() + self.options.timeout_ns;
            self.timeouts.push_back(Deadline { at_ns, connection: at, serial: connection.serial });
        }
        let token = token(at, connection.born);
        match written {
            Ok(whole) => {
                if !whole || !first {
                    let _ = self.poll.modify(&connection.socket, token, !whole);
                }
            }
            // The target closed an idle connection and no byte was taken: the request goes out on a new one.
            Err(Errno::PIPE | Errno::CONNRESET)
                if connection.active.as_ref().is_some_and(|active| active.bytes_out == 0) =>
            {
                let slot = connection.slot;
                let active = connection.active.take().map(|active| {
                    let was_busy = active.job.progress.was_busy;
                    Active::new(active.job, was_busy)
                });
                self.close(at);
                self.open(slot, active);
            }
            Err(errno) => self.fail(at, errno.into()),
        }
    }

    /// Opens a connection for a slot, ahead of need when there is no request for it yet.
    fn open(&mut self, slot: u64, active: Option<Active>) {
        self.serial += 1;
        let opened = Connection::open(self.options.address, slot, self.serial);
        let at = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            u32::try_from(self.connections.len() - 1).unwrap_or(u32::MAX)
        });
        let added = opened.and_then(|connection| {
            self.poll.add(&connection.socket, token(at, connection.born), true)?;
            Ok(connection)
        });
        let mut connection = match added {
            Ok(connection) => connection,
            Err(errno) => {
                self.free.push(at);
                // Ahead of need nobody is hurt yet: the request will try again and say what happened.
                if let Some(active) = active {
                    self.in_flight = self.in_flight.saturating_sub(1);
                    self.report(active, Some(errno.into()), None);
                }
                return;
            }
        };
        self.open += 1;
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        self.counters.peak.fetch_max(self.open, Ordering::Relaxed);
        if active.as_ref().is_some_and(|active| active.job.progress.was_busy) {
            self.counters.extra.fetch_add(1, Ordering::Relaxed);
        }
        let at_ns = self.clock.now_ns() + self.options.connect_timeout_ns;
        self.connect_timeouts.push_back(Deadline { at_ns, connection: at, serial: connection.serial });
        self.slots.opened(slot, at, active.is_none());
        connection.active = active;
        if let Some(place) = self.connections.get_mut(at as usize) {
            *place = Some(connection);
        }
    }

    /// Opens connections whose slots have requests soon, while there is room before the next due instant.
    fn open_ahead(&mut self, now: u64) {
        loop {
            let room = self.next_due().is_none_or(|due| due > self.clock.now_ns() + OPEN_ROOM_NS);
            let Some(slot) = self.slots.next_to_open(now, room) else { return };
            self.open(slot, None);
        }
    }

    fn ready(&mut self, token: u64, readable: bool, writable: bool) {
        let at = u32::try_from(token & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let there = self.connections.get(at as usize).and_then(Option::as_ref);
        let Some(connection) = there.filter(|one| u64::from(one.born) == token >> 32) else { return };
        if connection.connecting {
            self.finish_connecting(at);
        } else {
            if writable {
                self.write(at);
            }
            if readable {
                self.read(at);
            }
        }
    }

    fn finish_connecting(&mut self, at: u32) {
        let Some(connection) = self.connections.get_mut(at as usize).and_then(Option::as_mut) else { return };
        if let Err(errno) = connection.connected() {
            self.fail(at, errno.into());
            return;
        }
        self.serial += 1;
        connection.serial = self.serial;
        let _ = self.poll.modify(&connection.socket, token(at, connection.born), false);
        if connection.active.is_some() {
            self.write(at);
        } else {
            self.slots.connected(connection.slot, at);
        }
    }

    fn read(&mut self, at: u32) {
        let Some(connection) = self.connections.get_mut(at as usize).and_then(Option::as_mut) else { return };
        let received = connection.receive(&mut self.buffer);
        let now = self.clock.now_ns().saturating_sub(self.start_ns);
        match received {
            Ok(None) => {}
            Ok(Some(0)) => self.end_of_stream(at),
            Ok(Some(count)) => {
                let bytes = self.buffer.get(..count).unwrap_or_default();
                if connection.active.is_none() {
                    // The target speaks out of turn: nothing that follows could be told apart.
                    self.close(at);
                    return;
                }
                match connection.read(bytes, now) {
                    Read::More => {}
                    Read::Whole { reusable } => self.complete(at, reusable),
                    Read::Unreadable => self.fail(at, ErrorKind::Protocol),
                }
            }
            Err(errno) => match connection.active {
                Some(_) => self.fail(at, errno.into()),
                None => self.close(at),
            },
        }
    }

    fn end_of_stream(&mut self, at: u32) {
        let Some(connection) = self.connections.get(at as usize).and_then(Option::as_ref) else { return };
        match &connection.active {
            None => self.close(at),
            Some(_) if connection.ends_with_stream() => self.complete(at, false),
            Some(active) if active.job.progress.first_byte_ns.is_some() => self.fail(at, ErrorKind::Truncated),
            Some(_) => self.fail(at, ErrorKind::Closed),
        }
    }

    fn complete(&mut self, at: u32, reusable: bool) {
        let Some(connection) = self.connections.get_mut(at as usize).and_then(Option::as_mut) else { return };
        let Some(active) = connection.active.take() else { return };
        self.in_flight = self.in_flight.saturating_sub(1);
        let slot = connection.slot;
        self.report(active, None, None);
        if reusable && self.slots.release(slot, at) {
            return;
        }
        self.close(at);
        while let Some(idle) = self.slots.useless(slot) {
            self.close(idle);
        }
    }

    fn fail(&mut self, at: u32, kind: ErrorKind) {
        let active = self.connections.get_mut(at as usize).and_then(Option::as_mut).and_then(|one| one.active.take());
        if let Some(active) = active {
            self.in_flight = self.in_flight.saturating_sub(1);
            self.report(active, Some(kind), None);
        }
        self.close(at);
    }

    fn close(&mut self, at: u32) {
        let Some(connection) = self.connections.get_mut(at as usize).and_then(Option::take) else { return };
        self.free.push(at);
        self.open -= 1;
        self.slots.closed(connection.slot, at);
    }

    fn expire(&mut self, now: u64) {
        for (connecting, kind) in [(false, ErrorKind::Timeout), (true, ErrorKind::ConnectTimeout)] {
            loop {
                let queue = if connecting { &mut self.connect_timeouts } else { &mut self.timeouts };
                let Some(first) = queue.front().copied() else { break };
                let holds =
                    self.connections.get(first.connection as usize).and_then(Option::as_ref).is_some_and(|one| {
                        one.serial == first.serial
                            && one.connecting == connecting
                            && (connecting || one.active.is_some())
                    });
                if holds && first.at_ns > now {
                    break;
                }
                queue.pop_front();
                if holds {
                    self.fail(first.connection, kind);
                }
            }
        }
    }

    fn give_up(&mut self) {
        for at in 0..u32::try_from(self.connections.len()).unwrap_or(u32::MAX) {
            self.fail_if_active(at);
        }
    }

    fn fail_if_active(&mut self, at: u32) {
        if self.connections.get(at as usize).and_then(Option::as_ref).is_some_and(|one| one.active.is_some()) {
            self.fail(at, ErrorKind::Stopped);
        }
    }

    fn report(&mut self, active: Active, error: Option<ErrorKind>, shed: Option<Shed>) {
        let Active { mut job, bytes_out, .. } = active;
        let progress = &mut job.progress;
        (progress.error, progress.shed, progress.bytes_out) = (error, shed, bytes_out as u64);
        progress.done_ns = self.clock.now_ns().saturating_sub(self.start_ns);
        if self.outcomes.push(job).is_err() {
            self.counters.outcomes_lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What epoll gives back with an event: the place of the connection, and which one was there.
fn token(at: u32, born: u32) -> u64 {
    u64::from(born) << 32 | u64::from(at)
}
