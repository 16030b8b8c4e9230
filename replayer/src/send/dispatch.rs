//! A request's way onto a connection: from the ring or a wait, past the bounds, to its slot's connection.

use std::sync::atomic::Ordering;

use rustix::io::Errno;

use super::capture::Capture;
use super::connection::{Exchange, Written, error_of};
use super::engine::Engine;
use super::slots::{Moment, Route, Visit};
use super::{LoopModel, Pace};
use crate::dial::Failure;
use crate::job::{Job, Progress, Shed};

/// A request that came so long after it could have left is said to have come late.
const LATE_NS: u64 = 10_000_000;
/// Who is so late looks at sockets before it believes that a connection is busy: the answer may have come meanwhile.
const STALLED_NS: u64 = 1_000_000;
/// A request that is not longer than one record of TLS is taken whole or not at all.
const RECORD_BYTES_MAX: usize = 16_000;

impl Engine {
    /// Sends what may leave, but no more than `most` in one go.
    #[inline]
    pub(super) fn send_due(&mut self, most: usize) {
        if self.closing.is_some() {
            return;
        }
        if self.options.pace == Pace::Max {
            self.send_max(most);
        } else {
            self.send_recorded(most);
        }
    }

    fn send_recorded(&mut self, most: usize) {
        let ahead = self.options.loop_model == LoopModel::Closed;
        if ahead {
            self.take_ahead();
        }
        for _ in 0..most {
            let held = self.next_held_ns().filter(|at| *at <= self.now);
            let due = if ahead { None } else { self.next_due_ns().filter(|at| *at <= self.now) };
            let due = due.filter(|_| !self.must_stall());
            match (due, held) {
                (Some(due), held) if held.is_none_or(|held| due <= held) => {
                    if let Some(job) = self.take() {
                        self.go(job, Visit::Fresh);
                    }
                }
                (_, Some(_)) => {
                    if let Some(job) = self.lives.next(self.plan_now()) {
                        self.go(job, Visit::Held);
                    }
                }
                _ => return,
            }
        }
    }

    /// In closed loop requests may leave before they are due: all that come are taken up.
    fn take_ahead(&mut self) {
        while !self.jobs.is_empty() && !self.must_stall() {
            if let Some(job) = self.take() {
                self.go(job, Visit::Fresh);
            }
        }
    }

    fn send_max(&mut self, most: usize) {
        if self.now < self.start_ns || self.is_paused() {
            return;
        }
        for _ in 0..most {
            if !self.bounds.has_room() || self.counting_is_behind() || !self.bounds.reserve_rate(self.now) {
                return;
            }
            let plan_now = self.plan_now();
            self.serve_short(plan_now);
            if self.lives.next_ns().is_some_and(|at| at <= plan_now) {
                if let Some(job) = self.lives.next(plan_now) {
                    let life = job.life;
                    if self.go(job, Visit::Held) {
                        self.lives.poke(life, plan_now);
                    }
                }
            } else if self.jobs.is_empty() || self.must_stall() {
                return;
            } else if let Some(job) = self.take() {
                self.go(job, Visit::Fresh);
            }
        }
    }

    /// Whether the ring must not be read, since too many requests wait already; from then on that is counted.
    fn must_stall(&mut self) -> bool {
        let full = self.is_full();
        if full && self.stalled_at_ns.is_none() {
            self.stalled_at_ns = Some(self.now);
        }
        full
    }

    /// The ring's next request, unless it has to wait for an answer or a pause.
    fn take(&mut self) -> Option<Box<Job>> {
        let job = self.jobs.pop().ok()?;
        self.taken_due_ns = job.due_ns;
        self.lives.pass(job.due_ns);
        if self.options.loop_model == LoopModel::Open && self.options.pace == Pace::Recorded {
            return self.lives.arrive(job, self.plan_now());
        }
        let (slot, target, next) = (job.slot, job.target, self.next_in_slot(&job));
        let plan_now = self.plan_now();
        let free = self.lives.arrive(job, plan_now);
        match &free {
            None => {
                self.slots.hold(slot, target, next);
                self.open_ahead();
            }
            Some(job) if self.options.loop_model == LoopModel::Closed && self.options.pace == Pace::Recorded => {
                let came_late =
                    plan_now > self.start_ns.saturating_add(job.progress.released_ns).saturating_add(LATE_NS);
                self.counters.came_late.fetch_add(u64::from(came_late), Ordering::Relaxed);
            }
            Some(_) => {}
        }
        free
    }

    /// Asks for connections of requests whose release is known now, ahead of that.
    pub(super) fn open_ahead(&mut self) {
        while let Some((slot, plan_ns)) = self.lives.next_release() {
            // In a pause nobody knows.
            if let Some(since) = self.view.run_ns(plan_ns.saturating_sub(self.start_ns)) {
                self.slots.expect(slot, self.start_ns.saturating_add(since));
            }
        }
    }

    fn next_in_slot(&self, job: &Job) -> Option<u64> {
        // In a pause nobody knows; a connection that is made too early idles.
        job.next_in_slot_ns.map(|due_ns| self.start_ns.saturating_add(self.in_run(due_ns)))
    }

    /// Sends a request that may leave, or finds out what it waits for; false when it was put back.
    pub(super) fn go(&mut self, mut job: Box<Job>, visit: Visit) -> bool {
        let moment = self.moment(self.in_run(job.progress.released_ns));
        let is_timed = self.options.pace == Pace::Recorded && self.options.loop_model != LoopModel::Closed;
        let is_late = is_timed && moment.now_ns.saturating_sub(moment.due_ns) > STALLED_NS;
        let listens_late = is_late && !self.looked_just_now();
        let may_listen = visit != Visit::Patient && (self.rested || listens_late);
        if may_listen && !(self.slots.has_idle(job.slot) && self.bounds.is_below_max()) {
            // An answer may have freed what it needs.
            self.listen();
        }
        let behind = job.pipelined && self.takes_behind(job.slot);
        let moment = self.moment(moment.due_ns);
        let route = self.slots.route(&job, visit, self.next_in_slot(&job), behind, moment);
        if route == Route::NotNow {
            self.lives.put_back(job);
            return false;
        }
        if route == Route::Patient {
            self.slots.wait_patiently(job, moment);
            return true;
        }
        if matches!(route, Route::Dial { .. }) {
            match self.waits_for_room(job) {
                Ok(()) => return false,
                Err(back) => job = back,
            }
        }
        job.room = None;
        self.leave_plan(&mut job);
        match route {
            Route::Queue => {
                job.progress.was_busy = true;
                self.slots.wait(job, route);
                return true;
            }
            Route::Join if self.slots.joins_parked(job.slot) => {
                job.progress.was_busy = true;
                self.slots.wait(job, route);
                return true;
            }
            Route::Shed => {
                job.progress.was_busy = true;
                self.shed_one(job, Shed::Busy);
                return true;
            }
            Route::Behind(_) | Route::Join | Route::Dial { extra: true } => job.progress.was_busy = true,
            Route::Idle(_) | Route::Await | Route::Dial { extra: false } | Route::NotNow | Route::Patient => {}
        }
        if let Err(reason) = self.bounds.enter(self.now) {
            if let Route::Idle(at) = route {
                self.keep(job.slot, at);
            }
            self.shed_one(job, reason);
            return true;
        }
        if self.options.pace == Pace::Max {
            job.progress.released_ns = self.of_run(self.now);
        }
        match route {
            Route::Idle(at) | Route::Behind(at) => {
                self.put(at, job);
                self.write(at);
            }
            Route::Dial { extra } => self.wait_for_new(job, route, extra),
            _ => {
                job.progress.connecting_ns = Some(self.of_run(self.now));
                self.lives.block(job.life, job.number);
                self.slots.wait(job, route);
            }
        }
        true
    }

    /// From here on a request has instants of the run, and not of the plan.
    pub(super) fn leave_plan(&self, job: &mut Job) {
        if self.view.is_plain() {
            return;
        }
        job.due_ns = self.in_run(job.due_ns);
        job.progress.released_ns = self.in_run(job.progress.released_ns);
    }

    /// An instant of the plan as one of the run.
    #[inline]
    fn in_run(&self, plan_ns: u64) -> u64 {
        self.view.run_ns_at_best(plan_ns, self.of_run(self.now))
    }

    /// Now, for a request that is to leave at an instant of the run.
    fn moment(&self, due_ns: u64) -> Moment {
        Moment { due_ns, now_ns: self.of_run(self.now) }
    }

    /// The clock as the plan's time goes: what stands still with it waits in `lives`.
    #[inline]
    pub(super) fn plan_now(&self) -> u64 {
        self.plan_at(self.now)
    }

    /// The same at an instant of the clock.
    #[inline]
    pub(super) fn plan_at(&self, at_ns: u64) -> u64 {
        match at_ns.checked_sub(self.start_ns) {
            Some(since) if !self.view.is_plain() => self.start_ns.saturating_add(self.view.plan_ns(since)),
            _ => at_ns,
        }
    }

    /// When the next held request may leave, by the clock; `None` also while its time stands still before that.
    pub(super) fn next_held_ns(&self) -> Option<u64> {
        let plan_ns = self.lives.next_ns()?;
        match plan_ns.checked_sub(self.start_ns) {
            Some(since) => self.view.run_ns(since).map(|since| self.start_ns.saturating_add(since)),
            None => Some(plan_ns),
        }
    }

    /// Whether time stands still.
    pub(super) fn is_paused(&self) -> bool {
        !self.view.is_plain() && self.view.is_paused(self.of_run(self.now))
    }

    fn takes_behind(&mut self, slot: u64) -> bool {
        self.slots.current(slot).and_then(|at| self.table.get_mut(at)).is_some_and(|one| one.takes_behind())
    }

    /// A request under way waits for a connection that is asked for now.
    fn wait_for_new(&mut self, mut job: Box<Job>, route: Route, extra: bool) {
        if !self.bounds.take_connection() {
            self.bounds.leave(0);
            self.shed_one(job, Shed::MaxConnections);
            return;
        }
        let (slot, target) = (job.slot, job.target);
        job.progress.connecting_ns = Some(self.of_run(self.now));
        self.lives.block(job.life, job.number);
        self.slots.wait(job, route);
        self.count_need(extra);
        self.slots.dialing(slot);
        self.ask(slot, target);
    }

    /// Puts a request onto a connection, to be written.
    pub(super) fn put(&mut self, at: u32, mut job: Box<Job>) {
        if let Some(secret) = &self.authorization {
            job.authorize(secret);
        }
        let capture = Capture::new(&self.options, &job.facts, &self.counters);
        if let Some(connection) = self.table.get_mut(at) {
            job.progress.peer.clone_from(&connection.peer);
            connection.exchanges.push_back(Exchange::new(job, capture));
            self.dispatched += 1;
        }
    }

    /// Writes what a connection has to write.
    pub(super) fn write(&mut self, at: u32) {
        let Some(connection) = self.table.get_mut(at) else { return };
        if connection.broken.is_some() {
            return;
        }
        match connection.write(self.clock, self.start_ns, &mut self.now) {
            Ok(written) => {
                let token = connection.token;
                if connection.looked_at_ns == 0 && !connection.exchanges.is_empty() {
                    connection.looked_at_ns = self.now.saturating_add(self.options.timeout_ns);
                    self.deadlines.set(connection.looked_at_ns, token);
                }
                if let Written::Held(until) = written {
                    self.deadlines.set(until, token);
                }
                let unwritten = written != Written::All;
                if unwritten != connection.unwritten {
                    connection.unwritten = unwritten;
                    self.unwritten = if unwritten { self.unwritten + 1 } else { self.unwritten.saturating_sub(1) };
                }
                let watch = written == Written::Part;
                if watch != connection.watches_out {
                    connection.watches_out = watch;
                    // It fails only for a descriptor that is not watched at all.
                    let _ = self.poll.modify(&connection.transport, token, watch);
                }
            }
            Err(failure) => self.cannot_write(at, &failure),
        }
    }

    fn cannot_write(&mut self, at: u32, failure: &Failure) {
        let Some(connection) = self.table.get_mut(at) else { return };
        let gone = matches!(failure, Failure::System(Errno::PIPE | Errno::CONNRESET));
        let untouched = connection.exchanges.len() == 1
            && connection.exchanges.front().is_some_and(|exchange| {
                let job = &exchange.job;
                let one_record = !connection.transport.is_tls() || job.head.len() + job.body.len() <= RECORD_BYTES_MAX;
                job.progress.bytes_out == 0 && one_record
            });
        if gone && untouched {
            // The target closed an idle connection and no byte was taken: the request goes out on a new one.
            let exchange = connection.take_first();
            let slot = connection.slot;
            self.remove(at, true);
            if let Some(Exchange { mut job, .. }) = exchange {
                job.progress = again(&job.progress);
                if self.bounds.take_connection() {
                    let target = job.target;
                    self.lives.block(job.life, job.number);
                    self.slots.wait_first(slot, target, [job]);
                    self.count_need(false);
                    self.slots.dialing(slot);
                    self.ask(slot, target);
                } else {
                    self.bounds.leave(0);
                    self.shed_one(job, Shed::MaxConnections);
                }
            }
            return;
        }
        // An answer may have come before that, as when an upload is refused.
        connection.broken = Some(error_of(failure));
        let token = connection.token;
        self.unread.push_back(token);
    }

    /// Sheds a request and whatever its slot kept only for it.
    fn shed_one(&mut self, job: Box<Job>, reason: Shed) {
        let slot = job.slot;
        self.shed(job, reason);
        self.settle(slot, false);
    }
}

/// What is still true of a request that goes out again: it began when it was first handed to a socket.
fn again(before: &Progress) -> Progress {
    Progress {
        released_ns: before.released_ns,
        held_by_seq: before.held_by_seq,
        busy_ns: before.busy_ns,
        was_busy: before.was_busy,
        connecting_ns: before.connecting_ns.or(before.dispatched_ns),
        connect_ns: before.connect_ns,
        resent: before.resent.saturating_add(1),
        ..Progress::default()
    }
}
