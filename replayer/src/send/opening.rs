//! Connections that are asked for, are there, are free again, or are missing: who gets them, and what a slot needs then.

use std::sync::atomic::Ordering;

use super::connection::Connection;
use super::engine::Engine;
use super::slots::{Freed, Settled, Visit, Waiting};
use crate::dial::{Dial, DialErrorKind, Dialed, Peer};
use crate::job::{ErrorKind, Job, Shed};

/// Finished connections that are taken over in one go.
const DIALED_BATCH: usize = 16;
/// Requests that stop being patient in one go.
const PATIENCE_BATCH: usize = 16;

/// When a connection was in the making, on the run's clock: from when it was taken up to when it was there, or given up.
#[derive(Debug, Clone, Copy)]
struct Made {
    begun_ns: u64,
    over_ns: u64,
}

impl Engine {
    /// A request needs a connection that was not made ahead of it.
    pub(super) fn count_need(&self, extra: bool) {
        let counter = if extra { &self.counters.extra } else { &self.counters.not_ahead };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the dialer for a connection, or does so later when it has no room.
    pub(super) fn ask(&mut self, slot: u64, target: u16) {
        if self.dial.request(Dial { id: slot, target }).is_err() {
            self.undialed.push_back((slot, target));
        }
    }

    /// Takes over connections that are finished.
    pub(super) fn take_dialed(&mut self) {
        for _ in 0..DIALED_BATCH {
            let Some(Dialed { id, result, peer, started_ns, connected_ns, .. }) = self.dial.next() else { break };
            let made = Made { begun_ns: self.of_run(started_ns), over_ns: self.of_run(connected_ns) };
            match result {
                Ok(transport) => {
                    let is_tls = transport.is_tls();
                    let at = self.table.insert(|token| Connection::new(transport, peer.clone(), id, token));
                    let Some(connection) = self.table.get_mut(at) else { continue };
                    let token = connection.token;
                    if let Err(errno) = self.poll.add(&connection.transport, token) {
                        self.table.remove(at);
                        self.not_opened(id, errno.into(), peer.as_ref(), made);
                        continue;
                    }
                    if is_tls {
                        self.unread.push_back(token);
                    }
                    let open = self.counters.open.fetch_add(1, Ordering::Relaxed) + 1;
                    self.counters.opened.fetch_add(1, Ordering::Relaxed);
                    self.counters.peak.fetch_max(open, Ordering::Relaxed);
                    let freed = self.slots.opened(id, at);
                    self.hand_on(id, at, freed, made);
                }
                Err(error) => self.not_opened(id, error.kind.into(), peer.as_ref(), made),
            }
        }
        self.tick();
    }

    fn not_opened(&mut self, slot: u64, kind: ErrorKind, peer: Option<&Peer>, made: Made) {
        self.bounds.connection_gone();
        for Waiting { mut job, queued, .. } in self.slots.not_opened(slot) {
            debug_assert!(!queued, "a queued request waits for an open connection");
            job.progress.peer = peer.cloned();
            job.progress.connected(made.begun_ns, made.over_ns);
            self.finish(job, None, Some(kind));
        }
        self.settle(slot, false);
    }

    /// A connection carries nothing now: it goes to those who wait for it, or is kept, or is closed.
    pub(super) fn free(&mut self, slot: u64, at: u32) {
        let freed = self.slots.freed(slot, at);
        // Who waited for another one to be made has waited until now.
        self.hand_on(slot, at, freed, Made { begun_ns: 0, over_ns: self.of_run(self.now) });
    }

    /// A connection was not used after all. Whoever is patient is told of it by nobody here: this may be one of them.
    pub(super) fn keep(&mut self, slot: u64, at: u32) {
        match self.slots.freed(slot, at) {
            Freed::Kept => {}
            freed => self.hand_on(slot, at, freed, Made { begun_ns: 0, over_ns: self.of_run(self.now) }),
        }
    }

    fn hand_on(&mut self, slot: u64, at: u32, mut freed: Freed, made: Made) {
        loop {
            match freed {
                Freed::Kept => {
                    self.serve_patient(slot);
                    return;
                }
                Freed::Useless => {
                    self.close(at, false);
                    return;
                }
                Freed::For(waiting) => {
                    let mut any = false;
                    for Waiting { mut job, queued, .. } in waiting {
                        if queued && let Err(reason) = self.leave_queue(&mut job) {
                            self.shed(job, reason);
                            continue;
                        }
                        job.progress.connected(made.begun_ns, made.over_ns);
                        self.lives.unblock(&job, self.plan_now());
                        self.put(at, job);
                        any = true;
                    }
                    if any {
                        self.write(at);
                        self.serve_patient(slot);
                        return;
                    }
                    freed = self.slots.freed(slot, at);
                }
            }
        }
    }

    /// A queued request may leave now: its connection is free.
    fn leave_queue(&mut self, job: &mut Job) -> Result<(), Shed> {
        self.bounds.enter(self.now)?;
        let released_ns = self.of_run(self.now).max(job.progress.released_ns);
        job.progress.busy_ns = released_ns - job.progress.released_ns;
        job.progress.released_ns = released_ns;
        Ok(())
    }

    /// Does what a slot needs after something of it ended.
    pub(super) fn settle(&mut self, slot: u64, reopen: bool) {
        loop {
            match self.slots.settle(slot, reopen) {
                Settled::Fine => return,
                Settled::Close(at) => {
                    self.remove(at, false);
                }
                Settled::Promote(waiting) => {
                    let mut promoted = Vec::with_capacity(waiting.len());
                    for Waiting { mut job, .. } in waiting {
                        let left = self.leave_queue(&mut job);
                        job.progress.connecting_ns = Some(job.progress.released_ns);
                        match left {
                            Ok(()) if !promoted.is_empty() || self.bounds.take_connection() => promoted.push(job),
                            Ok(()) => {
                                self.bounds.leave(0);
                                self.shed(job, Shed::MaxConnections);
                            }
                            Err(reason) => self.shed(job, reason),
                        }
                    }
                    if let Some(target) = promoted.first().map(|job| job.target) {
                        self.slots.wait_first(slot, target, promoted);
                        self.count_need(false);
                        self.slots.dialing(slot);
                        self.ask(slot, target);
                        return;
                    }
                }
            }
        }
    }

    /// A connection of a slot is free: who was patient gets it.
    fn serve_patient(&mut self, slot: u64) {
        while let Some(job) = self.slots.next_patient(slot) {
            self.go(job, Visit::Patient);
            self.slots.watch_patience(slot, self.of_run(self.now));
        }
    }

    /// Who was patient for long enough believes that its connection is busy.
    pub(super) fn lose_patience(&mut self) {
        let is_over =
            |engine: &Self| engine.slots.next_impatient_ns().is_some_and(|at| at <= engine.of_run(engine.now));
        if !is_over(self) {
            return;
        }
        // Unless its answer came while nobody looked.
        self.listen();
        for _ in 0..PATIENCE_BATCH {
            let Some(job) = self.slots.next_impatient(self.of_run(self.now)) else { return };
            let slot = job.slot;
            self.go(job, Visit::Patient);
            self.slots.watch_patience(slot, self.of_run(self.now));
        }
    }
}

impl From<DialErrorKind> for ErrorKind {
    fn from(kind: DialErrorKind) -> Self {
        match kind {
            DialErrorKind::Refused => Self::Refused,
            DialErrorKind::ConnectTimeout => Self::ConnectTimeout,
            DialErrorKind::Unreachable => Self::Unreachable,
            DialErrorKind::NoPorts | DialErrorKind::NoDescriptors => Self::NoDescriptors,
            DialErrorKind::Tls => Self::Tls,
            DialErrorKind::Proxy => Self::Proxy,
            DialErrorKind::NotAllowed => Self::NotAllowed,
            DialErrorKind::Io => Self::Io,
        }
    }
}
