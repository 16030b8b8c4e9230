//! Connections that are asked for, are there, are free again, or are missing: who gets them, and what a slot needs then.

use std::sync::atomic::Ordering;

use super::WhenBusy;
use super::connection::Connection;
use super::engine::Engine;
use super::slots::{Freed, Settled, Waiting};
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

    fn hand_on(&mut self, slot: u64, at: u32, mut freed: Freed, made: Made) {
        loop {
            match freed {
                Freed::Kept => return,
                Freed::Useless => {
                    self.close(at, false);
                    return;
                }
                Freed::For(waiting) => {
                    let mut any = false;
                    for Waiting { mut job, queued, patient, .. } in waiting {
                        if queued && let Err(reason) = self.leave_queue(&mut job, patient) {
                            self.shed(job, reason);
                            continue;
                        }
                        self.slots.left_after_waiting(slot, patient, self.moment(job.progress.released_ns));
                        job.progress.connected(made.begun_ns, made.over_ns);
                        self.lives.unblock(&job, self.plan_now());
                        self.put(at, job);
                        any = true;
                    }
                    if any {
                        self.write(at);
                        return;
                    }
                    freed = self.slots.freed(slot, at);
                }
            }
        }
    }

    /// A queued request may leave now: its connection is free. What a patient one has waited is lag, and no wait for the
    /// target.
    fn leave_queue(&mut self, job: &mut Job, patient: bool) -> Result<(), Shed> {
        self.bounds.enter(self.now)?;
        if patient {
            return Ok(());
        }
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
                    if self.promote(waiting, false) {
                        return;
                    }
                }
            }
        }
    }

    /// Requests whose connection is busy, although the one before them could have been answered by now.
    pub(super) fn lose_patience(&mut self) {
        for _ in 0..PATIENCE_BATCH {
            let Some(mut waiting) = self.slots.next_impatient(self.of_run(self.now)) else { return };
            let Some(slot) = waiting.first().map(|first| first.job.slot) else { continue };
            waiting.iter_mut().for_each(|one| one.job.progress.was_busy = true);
            if self.options.when_busy == WhenBusy::Shed {
                waiting.into_iter().for_each(|one| self.shed(one.job, Shed::Busy));
            } else {
                self.promote(waiting, true);
            }
            self.settle(slot, false);
        }
    }

    /// Makes a connection for requests that waited for another one; false if nothing of them is left. `extra`: the other one
    /// is busy, and not gone.
    fn promote(&mut self, waiting: Vec<Waiting>, extra: bool) -> bool {
        let mut promoted = Vec::with_capacity(waiting.len());
        for Waiting { mut job, patient, .. } in waiting {
            let left = self.leave_queue(&mut job, patient);
            job.progress.connecting_ns = Some(self.of_run(self.now).max(job.progress.released_ns));
            match left {
                Ok(()) if !promoted.is_empty() || self.bounds.take_connection() => promoted.push(job),
                Ok(()) => {
                    self.bounds.leave(0);
                    self.shed(job, Shed::MaxConnections);
                }
                Err(reason) => self.shed(job, reason),
            }
        }
        let Some((slot, target)) = promoted.first().map(|job| (job.slot, job.target)) else { return false };
        self.slots.wait_first(slot, target, promoted);
        self.count_need(extra);
        self.slots.dialing(slot);
        self.ask(slot, target);
        true
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
