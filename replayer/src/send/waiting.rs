//! How an engine waits: until when, and whether sockets wake it before that.

use super::engine::{DISPATCH_BATCH, Engine};
use super::poll::{Events, Poll};
use super::{LoopModel, Pace};
use crate::error::ReplayError;

/// Longest wait in one go, so that a stop is noticed.
const WAIT_MAX_NS: u64 = 20_000_000;
/// Wait when the next request is not known because the feed is behind; doubled up to the second value while it stays so.
pub(super) const WAIT_UNKNOWN_NS: u64 = 100_000;
const WAIT_UNKNOWN_NS_MAX: u64 = 1_000_000;
/// How long the highest pace waits for counting before it looks again.
const COUNTING_WAIT_NS: u64 = 200_000;
/// The longest wait in which answers wake nobody: they are read when the next request has left, and have the instants at which
/// the kernel got them. Waking up for each answer took a third of the processor time of a request at 20,000/s
/// (`docs/adr/0005`).
const REST_MAX_NS: u64 = 250_000;
/// Who looked at sockets within so long does not do so after a rest: each time reads the more answers, with what it takes in a
/// cache.
const LOOKED_NS: u64 = 100_000;
/// Reads in a row for which the kernel must have told when the bytes arrived: it does so for TCP, not for Unix sockets.
const STAMPED_MIN: u32 = 64;

impl Engine {
    /// Waits until the next request may leave or something else is to be done; returns how many sockets are ready. A rest
    /// lasts `least_ns`, also when a request is due before that.
    pub(super) fn wait(&mut self, events: &mut Events, least_ns: u64) -> Result<usize, ReplayError> {
        let next = self.next_release_ns();
        let mut wait = self.wait_ns(next);
        // Who is behind does not sleep: even a sleep of nothing arms a timer.
        let rest_ns = wait.max(least_ns);
        if next.is_some() && rest_ns > 0 && wait <= REST_MAX_NS && self.may_rest() {
            Poll::rest(rest_ns);
            self.tick();
            self.notice_end();
            self.rested = true;
            let before = self.dispatched;
            self.send_due(DISPATCH_BATCH);
            if least_ns > wait {
                self.made_room += self.dispatched - before;
            }
            if self.looked_just_now() {
                return Ok(0);
            }
            wait = 0;
        }
        self.rested = false;
        let count = self.poll_sockets(events, wait.saturating_sub(self.options.spin_ns))?;
        if count == 0 && self.options.spin_ns > 0 {
            self.spin(next);
        }
        Ok(count)
    }

    /// Finds out what is ready.
    fn poll_sockets(&mut self, events: &mut Events, wait_ns: u64) -> Result<usize, ReplayError> {
        let count = self.poll.wait(events, wait_ns);
        let count = count.map_err(|errno| ReplayError::System { doing: "wait for sockets", source: errno.into() })?;
        self.tick();
        self.goes_on = events.is_full();
        self.not_before_ns = self.looked_ns;
        if !events.is_full() {
            self.looked_ns = self.now;
        }
        Ok(count)
    }

    /// Whether nothing but the next due instant is waited for: no request waits for an answer or a connection, no answer is
    /// in the middle, nothing is left to be written, and the kernel tells when answers arrived. Who is patient is late, as
    /// many others then are, and gets its connection after the rest.
    fn may_rest(&self) -> bool {
        self.options.pace == Pace::Recorded
            && self.options.loop_model == LoopModel::Open
            && self.options.spin_ns == 0
            && self.stamped >= STAMPED_MIN
            && !self.goes_on
            && self.unwritten == 0
            && self.slots.waiting() == 0
    }

    /// Whether so little time has passed since sockets were looked at that it is not worth while to look again.
    pub(super) fn looked_just_now(&self) -> bool {
        self.now.saturating_sub(self.looked_ns) <= LOOKED_NS
    }

    /// Reads what has arrived since the engine rests, for a request to which it matters now.
    pub(super) fn listen(&mut self) {
        self.rested = false;
        let mut events = Events::new();
        let (not_before_ns, goes_on) = (self.not_before_ns, self.goes_on);
        // A kernel that refuses to wait says so when it is asked in earnest.
        let count = self.poll_sockets(&mut events, 0).unwrap_or(0);
        // What was found ready before may not have been read yet, and had its bytes then.
        self.not_before_ns = not_before_ns;
        self.goes_on |= goes_on;
        for event in (0..count).filter_map(|at| events.get(at)) {
            self.ready(event);
        }
    }

    /// Spins until the next request may leave, if that is soon.
    fn spin(&mut self, next: Option<u64>) {
        self.tick();
        let Some(until) = next.filter(|next| next.saturating_sub(self.now) <= self.options.spin_ns) else { return };
        while self.now < until {
            std::hint::spin_loop();
            self.tick();
        }
    }

    /// When the next request may leave; 0: at once, `None`: when something happens.
    fn next_release_ns(&self) -> Option<u64> {
        if self.closing.is_some() {
            return None;
        }
        let held = self.next_held_ns();
        if self.options.pace == Pace::Max {
            if !self.bounds.has_room() || self.is_paused() {
                return None;
            }
            let can_serve = self.has_room_for_short();
            if held.is_none() && self.jobs.is_empty() && !can_serve {
                return None;
            }
            if self.counting_is_behind() {
                return Some(self.now + COUNTING_WAIT_NS);
            }
            let not_before = self.bounds.rate_at(self.now).max(self.start_ns);
            if not_before > self.now {
                return Some(not_before);
            }
            // What can leave now has been tried: there is more in the ring only if the batch was full.
            return if (self.jobs.is_empty() || self.is_full()) && !can_serve { held } else { Some(0) };
        }
        let due =
            if self.options.loop_model == LoopModel::Closed || self.is_full() { None } else { self.next_due_ns() };
        match (due, held) {
            (Some(due), Some(held)) => Some(due.min(held)),
            (due, held) => due.or(held),
        }
    }

    /// How long nothing is to be done, given when the next request may leave.
    fn wait_ns(&mut self, next: Option<u64>) -> u64 {
        if !self.unread.is_empty() {
            return 0;
        }
        let mut until = self.now + WAIT_MAX_NS;
        let mut sooner = |at: Option<u64>| until = until.min(at.unwrap_or(u64::MAX));
        sooner(next);
        sooner(self.deadlines.next_ns());
        if self.closing.is_none() {
            sooner(self.slots.next_reopen_ns());
            sooner(self.slots.next_impatient_ns().map(|at| self.start_ns.saturating_add(at)));
            if self.options.pace == Pace::Recorded {
                sooner(self.news.peek().ok().and_then(|news| self.opens_at_ns(news)));
            }
        }
        if self.jobs.is_empty() {
            if !self.jobs.is_abandoned() {
                sooner(Some(self.now + self.wait_unknown_ns));
                self.wait_unknown_ns = (self.wait_unknown_ns * 2).min(WAIT_UNKNOWN_NS_MAX);
            }
        } else {
            self.wait_unknown_ns = WAIT_UNKNOWN_NS;
            if self.closing.is_some() {
                // There is more to shed, or the results are behind.
                sooner(Some(self.now + WAIT_UNKNOWN_NS));
            }
        }
        until.saturating_sub(self.now)
    }
}
