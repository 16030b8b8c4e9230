//! Sockets that are ready, and what follows from what they say: answers that are whole, failures, ends, timeouts.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use rtrb::PushError;

use super::KeepAnswers;
use super::capture::Capture;
use super::connection::{Exchange, HeldBody, Read, error_of};
use super::engine::{DIALER, Engine, READ_BYTES_MAX};
use super::poll::Ready;
use crate::dial::Received;
use crate::job::{ErrorKind, Job, Shed};

/// Most that is read in one go when answers are kept: a digest over it takes some tens of microseconds.
const KEPT_READ_BYTES_MAX: usize = 16 * 1024;
/// Reads of one connection in one go where the poll does not show what is left (TLS).
const ROUNDS_MAX: u32 = 4;
/// Beyond this the clock is read again after an answer's bytes were understood.
const QUICK_BYTES_MAX: usize = 2 * 1024;

impl Engine {
    /// A socket is ready, or the dialer.
    pub(super) fn ready(&mut self, event: Ready) {
        if event.token == DIALER {
            self.take_dialed();
            return;
        }
        if event.writable
            && let Some(at) = self.table.find(event.token)
        {
            self.write(at);
        }
        if event.readable {
            self.read(event.token);
        }
    }

    /// Reads once from a connection; what is left is told again by the poll, or kept in mind.
    pub(super) fn read(&mut self, token: u64) {
        let Some(at) = self.table.find(token) else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let most = match self.options.keep_answers {
            KeepAnswers::None => READ_BYTES_MAX,
            _ => KEPT_READ_BYTES_MAX,
        };
        for round in 1.. {
            let Some(connection) = self.table.get_mut(at).filter(|one| one.token == token) else { break };
            let received = connection.transport.receive(buffer.get_mut(..most).unwrap_or_default());
            let broken = connection.broken;
            let goes_on = broken.is_some() || connection.transport.is_tls();
            let wants_write = connection.transport.wants_write();
            let arrived = connection.transport.arrived();
            // A plain one that fills less than there is room for has nothing left.
            let is_dry = match received {
                Ok(Received::Bytes(count)) => !connection.transport.is_tls() && count < most,
                _ => true,
            };
            let was_dry = std::mem::replace(&mut connection.is_dry, is_dry);
            let not_before_ns = connection.arrived_ns;
            self.tick();
            match received {
                Ok(Received::Bytes(count)) => {
                    let at_ns = self.arrived_ns(arrived, was_dry).max(not_before_ns);
                    if let Some(connection) = self.table.get_mut(at) {
                        connection.arrived_ns = at_ns;
                    }
                    self.take_bytes(at, buffer.get(..count).unwrap_or_default(), at_ns);
                    if count > QUICK_BYTES_MAX {
                        self.tick();
                    }
                    if !goes_on {
                        break;
                    }
                    if round >= ROUNDS_MAX || self.next_due_ns().is_some_and(|due| due <= self.now) {
                        self.unread.push_back(token);
                        break;
                    }
                }
                Ok(Received::WouldBlock) => {
                    if let Some(kind) = broken {
                        self.fail(at, kind, true);
                    } else if wants_write {
                        self.write(at);
                    }
                    break;
                }
                Ok(Received::End { truncated }) => {
                    self.unstamped_end(at);
                    self.end_of_stream(at, truncated);
                    break;
                }
                Err(failure) => {
                    self.unstamped_end(at);
                    self.fail(at, broken.unwrap_or_else(|| error_of(&failure)), true);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// When bytes arrived that were read just now: as the kernel says, or now.
    ///
    /// The kernel tells it of the last packet in the order of the stream. Where an earlier one was lost and sent again, that
    /// is long before the bytes could be read: so they did not arrive before sockets were looked at and this one, which was
    /// `dry`, had none.
    pub(super) fn arrived_ns(&mut self, stamp: Option<SystemTime>, dry: bool) -> u64 {
        self.stamped = if stamp.is_some() { self.stamped.saturating_add(1) } else { 0 };
        let not_before_ns = if dry { self.not_before_ns } else { 0 };
        let told = stamp.map(|stamp| self.clock.at_stamp(stamp).max(not_before_ns).min(self.now));
        self.of_run(told.unwrap_or(self.now))
    }

    /// An end has no instant but that at which it is seen: where answers end so, it must be seen at once.
    fn unstamped_end(&mut self, at: u32) {
        if self.table.get_mut(at).is_some_and(|connection| !connection.exchanges.is_empty()) {
            self.stamped = 0;
        }
    }

    /// Takes in what a connection received, and when.
    fn take_bytes(&mut self, at: u32, mut bytes: &[u8], at_ns: u64) {
        loop {
            let Some(connection) = self.table.get_mut(at) else { return };
            if connection.exchanges.is_empty() {
                if !bytes.is_empty() {
                    // The target speaks out of turn: nothing that follows could be told apart.
                    self.close(at, false);
                    return;
                }
                let slot = connection.slot;
                self.free(slot, at);
                return;
            }
            match connection.read(&mut bytes, at_ns) {
                Read::More => {
                    self.goes_on = true;
                    return;
                }
                Read::Continue => self.write(at),
                Read::Whole { reusable, said_close } => {
                    connection.served = true;
                    if let Some(Exchange { job, capture, .. }) = connection.take_first() {
                        self.finish(job, capture, None);
                    }
                    if !reusable {
                        self.close(at, said_close);
                        return;
                    }
                    let more = self.table.get_mut(at).is_some_and(|one| !one.exchanges.is_empty());
                    if more && bytes.is_empty() {
                        return;
                    }
                }
                Read::Unreadable => {
                    self.fail(at, ErrorKind::Protocol, false);
                    return;
                }
            }
        }
    }

    fn end_of_stream(&mut self, at: u32, truncated: bool) {
        let Some(connection) = self.table.get_mut(at) else { return };
        let begun = connection.exchanges.front().map(|exchange| exchange.job.progress.first_byte_ns.is_some());
        let broken = connection.broken;
        match begun {
            None => self.close(at, true),
            Some(_) if connection.ends_with_stream() && !truncated => {
                connection.served = true;
                if let Some(Exchange { job, capture, .. }) = connection.take_first() {
                    self.finish(job, capture, None);
                }
                self.close(at, true);
            }
            Some(true) => self.fail(at, ErrorKind::Truncated, true),
            Some(false) => self.fail(at, broken.unwrap_or(ErrorKind::Closed), true),
        }
    }

    /// A connection's first request has failed, and with it the connection.
    pub(super) fn fail(&mut self, at: u32, kind: ErrorKind, by_target: bool) {
        let first = self.table.get_mut(at).and_then(|connection| {
            let first = connection.take_first();
            connection.served |= first.is_some();
            first
        });
        if let Some(Exchange { job, capture, .. }) = first {
            self.finish(job, capture, Some(kind));
        }
        self.close(at, by_target);
    }

    /// Closes a connection; what was written behind the request that ended it has failed.
    pub(super) fn close(&mut self, at: u32, by_target: bool) {
        if let Some((slot, served)) = self.remove(at, by_target) {
            self.settle(slot, served);
        }
    }

    /// Closes a connection and leaves it to the caller to settle its slot: which that is, and whether it had served it.
    pub(super) fn remove(&mut self, at: u32, by_target: bool) -> Option<(u64, bool)> {
        let mut connection = self.table.remove(at)?;
        self.unwritten -= usize::from(connection.unwritten);
        self.counters.open.fetch_sub(1, Ordering::Relaxed);
        self.counters.closed_by_target.fetch_add(u64::from(by_target), Ordering::Relaxed);
        self.bounds.connection_gone();
        self.slots.closed(connection.slot, at);
        while let Some(Exchange { job, capture, .. }) = connection.take_first() {
            self.finish(job, capture, Some(ErrorKind::Closed));
        }
        connection.transport.close();
        Some((connection.slot, connection.served))
    }

    /// A connection's deadline that was set for `at_ns` is over; it may have a later one by now.
    pub(super) fn look_at(&mut self, token: u64, at_ns: u64) {
        if self.rested {
            // The answer may be there.
            self.listen();
        }
        let Some(at) = self.table.find(token) else { return };
        let (now, start_ns, timeout_ns) = (self.now, self.start_ns, self.options.timeout_ns);
        let Some(connection) = self.table.get_mut(at) else { return };
        let is_its_look = connection.looked_at_ns == at_ns;
        let mut writes = false;
        for exchange in &mut connection.exchanges {
            if matches!(exchange.body, HeldBody::Until(until) if until <= now) {
                exchange.body = HeldBody::No;
                writes = true;
            }
        }
        let first = connection.exchanges.front().map(|exchange| {
            let dispatched = exchange.job.progress.dispatched_ns.map_or(now, |at| at.saturating_add(start_ns));
            dispatched.saturating_add(timeout_ns)
        });
        if first.is_some_and(|deadline| deadline <= now) {
            self.fail(at, ErrorKind::Timeout, false);
            return;
        }
        if is_its_look {
            connection.looked_at_ns = first.unwrap_or(0);
            if let Some(deadline) = first {
                self.deadlines.set(deadline, token);
            }
        }
        if writes {
            self.write(at);
        }
    }

    /// Hands over a request that was under way.
    pub(super) fn finish(&mut self, mut job: Box<Job>, capture: Option<Box<Capture>>, error: Option<ErrorKind>) {
        job.progress.answer = capture.and_then(|capture| capture.finish(&self.counters));
        job.progress.error = error;
        self.bounds.leave(job.progress.bytes_in + job.progress.bytes_out);
        self.hand_over(job);
    }

    /// Hands over a request that was not sent.
    pub(super) fn shed(&mut self, mut job: Box<Job>, reason: Shed) {
        job.progress.shed = Some(reason);
        self.hand_over(job);
    }

    fn hand_over(&mut self, mut job: Box<Job>) {
        if job.progress.done_ns == 0 {
            job.progress.done_ns = self.of_run(self.now);
        }
        self.lives.ended(&job, self.plan_at(self.start_ns.saturating_add(job.progress.done_ns)));
        self.open_ahead();
        if let Err(PushError::Full(job)) = self.outcomes.push(job) {
            self.counters.outcomes_lost.fetch_add(1, Ordering::Relaxed);
            self.counters.spans_lost.fetch_add(u64::from(job.progress.shed.is_none()), Ordering::Relaxed);
        }
    }

    /// Nothing more is sent: everything that waits is shed. What a budget was spent on already goes its way.
    pub(super) fn shed_waiting(&mut self, reason: Shed) {
        let under_way = reason != Shed::Budget;
        self.short.clear();
        let parked = self.lives.drain();
        for mut job in parked.into_iter().chain(self.slots.drain_patient()) {
            self.leave_plan(&mut job);
            self.shed(job, reason);
        }
        for waiting in self.slots.drain(under_way) {
            if !waiting.queued {
                self.bounds.leave(0);
            }
            self.shed(waiting.job, reason);
        }
        if !under_way {
            return;
        }
        for _ in self.undialed.drain(..) {
            self.bounds.connection_gone();
        }
        for at in self.table.places() {
            while let Some(Exchange { job, .. }) = self.table.get_mut(at).and_then(|one| one.take_unsent()) {
                self.bounds.leave(0);
                self.shed(job, reason);
            }
            if self.table.get_mut(at).is_some_and(|one| one.exchanges.is_empty()) {
                self.remove(at, false);
            }
        }
    }

    /// Gives up everything that is under way.
    pub(super) fn give_up(&mut self) {
        for at in self.table.places() {
            while let Some(exchange) = self.table.get_mut(at).and_then(|one| one.take_first()) {
                self.finish(exchange.job, exchange.capture, Some(ErrorKind::Stopped));
            }
            self.remove(at, false);
        }
    }
}
