//! Who may use which connection, who waits for one, and when one is made ahead of need.
//!
//! A slot is one (client, copy, recorded connection, target): its requests share connections with nobody else. It is
//! remembered only while something of it is open, under way or to come. Nothing here connects or writes.

mod patience;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use foldhash::{HashMap, HashMapExt};

use self::patience::{Left, Patient};
pub(super) use self::patience::{Moment, Visit};
use super::WhenBusy;
use crate::job::Job;

/// How long before its first request a connection is asked for.
pub(super) const OPEN_AHEAD_NS: u64 = 500_000_000;

/// The slots that are in use.
pub(super) struct Slots {
    slots: HashMap<u64, Slot>,
    /// Slots that were left without a connection, by the instant at which the next one is to be asked for.
    reopens: BinaryHeap<Reverse<(u64, u64)>>,
    /// Slots with patient requests, by the instant of the run at which the first of them no longer is; entries may be over.
    patience: BinaryHeap<Reverse<(u64, u64)>>,
    /// Requests that are patient.
    patient: usize,
    policy: Policy,
    /// Requests that wait for a connection.
    waiting: usize,
    /// Of these, for a busy one.
    queued: usize,
    /// Connections that nothing is under way on.
    idle: usize,
    /// Slots whose connection was asked for and whose first request has not come yet.
    ahead: usize,
}

/// What follows from the options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) when_busy: WhenBusy,
    /// Requests wait for their slots elsewhere, so that a busy one is not decided about here.
    pub(super) in_order: bool,
    /// Due instants say when requests come; otherwise they may come at any time.
    pub(super) timed: bool,
}

struct Slot {
    target: u16,
    idle: Vec<u32>,
    /// The connection that was used last.
    current: Option<u32>,
    /// Connections, whatever they do.
    open: u32,
    /// Connections in the making.
    dialing: u32,
    /// Of these, how many a waiting request counts on.
    claimed: u32,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Requests that came and are held elsewhere.
    held: u32,
    /// Another request is to come.
    more: bool,
    next_due_ns: Option<u64>,
    is_ahead: bool,
    /// The last request that left.
    left: Option<Left>,
    /// Requests that wait for a connection that is busy only because its last request left late, in order: `patience.rs`.
    patient: VecDeque<Patient>,
    /// Until when the first of them does.
    patient_until_ns: Option<u64>,
}

/// A request that waits for a connection.
pub(super) struct Waiting {
    pub(super) job: Box<Job>,
    /// It waits for a busy connection and counts as parked; otherwise one is being made for it and it is under way.
    pub(super) queued: bool,
    /// It goes onto the connection of the one before it.
    behind: bool,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Onto a free connection.
    Idle(u32),
    /// Onto a busy connection, behind what is there.
    Behind(u32),
    /// Behind the last one that waits.
    Join,
    /// It waits for a connection that is being made already.
    Await,
    /// It needs another connection, `extra` since its own is busy.
    Dial {
        /// See above.
        extra: bool,
    },
    /// It waits until its connection is free.
    Queue,
    /// It waits for its connection for as long as that may be busy only because the request before left late, and is then
    /// routed again.
    Patient,
    /// It is shed.
    Shed,
    /// Not yet: it is to be put back.
    NotNow,
}

/// What becomes of a connection that is free.
pub(super) enum Freed {
    /// It is for these, at least one.
    For(Vec<Waiting>),
    /// It is kept for later requests.
    Kept,
    /// Nobody will need it.
    Useless,
}

impl Slots {
    pub(super) fn new(policy: Policy) -> Self {
        let (slots, reopens, patience) = (HashMap::new(), BinaryHeap::new(), BinaryHeap::new());
        Self { slots, reopens, patience, patient: 0, policy, waiting: 0, queued: 0, idle: 0, ahead: 0 }
    }

    /// Requests that wait for a connection.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing is under way on some connection.
    pub(super) fn any_idle(&self) -> bool {
        self.idle > 0
    }

    /// Requests that wait for a busy connection.
    pub(super) fn queued(&self) -> usize {
        self.queued + self.patient
    }

    /// Slots whose connection was asked for and whose first request has not come yet.
    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    /// The first request of a slot will come; whether a connection is to be asked for.
    pub(super) fn expect_first(&mut self, id: u64, target: u16) -> bool {
        if self.slots.contains_key(&id) {
            return false;
        }
        self.ahead += 1;
        self.slots.insert(id, Slot { more: true, is_ahead: true, ..Slot::new(target) });
        true
    }

    /// No other request of a slot will come.
    pub(super) fn end(&mut self, id: u64) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.more = false;
            slot.next_due_ns = None;
        }
    }

    /// A request has come and is held elsewhere; the slot's next one will come at `next_due_ns` (on the clock).
    pub(super) fn hold(&mut self, id: u64, target: u16, next_due_ns: Option<u64>) {
        let slot = self.slots.entry(id).or_insert_with(|| Slot::new(target));
        slot.held += 1;
        slot.come(next_due_ns, &mut self.ahead);
    }

    /// Finds a way for a released request. The slot's next one will come at `next_due_ns` (on the clock). `behind`: it may be
    /// written behind what its connection is busy with.
    pub(super) fn route(
        &mut self,
        job: &Job,
        visit: Visit,
        next_due_ns: Option<u64>,
        behind: bool,
        moment: Moment,
    ) -> Route {
        let slot = self.slots.entry(job.slot).or_insert_with(|| Slot::new(job.target));
        debug_assert_eq!(slot.target, job.target, "a connection leads to one target");
        match visit {
            Visit::Fresh => slot.come(next_due_ns, &mut self.ahead),
            Visit::Held => slot.held = slot.held.saturating_sub(1),
            Visit::Patient => {}
        }
        if visit != Visit::Patient && !slot.patient.is_empty() {
            return Route::Patient;
        }
        if slot.waiting.is_empty()
            && let Some(at) = slot.idle.pop()
        {
            self.idle -= 1;
            slot.current = Some(at);
            slot.left = Some(moment.left());
            return Route::Idle(at);
        }
        if job.pipelined && self.policy.when_busy != WhenBusy::Shed {
            if !slot.waiting.is_empty() {
                return Route::Join;
            }
            if let Some(at) = slot.current.filter(|_| behind) {
                slot.left = Some(moment.left());
                return Route::Behind(at);
            }
        }
        if slot.dialing > slot.claimed && slot.waiting.iter().all(|waiting| !waiting.queued) {
            slot.left = Some(moment.in_time());
            return Route::Await;
        }
        if slot.open == 0 && slot.waiting.is_empty() {
            slot.left = Some(moment.in_time());
            return Route::Dial { extra: false };
        }
        if self.policy.in_order {
            slot.held += 1;
            return Route::NotNow;
        }
        let may_wait = self.policy.timed && self.policy.when_busy != WhenBusy::Queue && visit != Visit::Patient;
        if may_wait && slot.is_patient(moment) {
            return Route::Patient;
        }
        slot.left = Some(moment.in_time());
        match self.policy.when_busy {
            WhenBusy::Extra => Route::Dial { extra: true },
            WhenBusy::Queue => Route::Queue,
            WhenBusy::Shed => Route::Shed,
        }
    }

    /// Whether a connection of a slot is free.
    pub(super) fn has_idle(&self, id: u64) -> bool {
        self.slots.get(&id).is_some_and(|slot| !slot.idle.is_empty())
    }

    /// A request that was routed is held elsewhere again.
    pub(super) fn not_now(&mut self, id: u64) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.held += 1;
        }
    }

    /// Whether a connection of this slot waits for a later request.
    pub(super) fn is_idle(&self, id: u64, at: u32) -> bool {
        self.slots.get(&id).is_some_and(|slot| slot.idle.contains(&at))
    }

    /// The connection that a pipelined request could be written behind.
    pub(super) fn current(&self, id: u64) -> Option<u32> {
        self.slots.get(&id).and_then(|slot| slot.current)
    }

    /// A request waits by its route: [`Route::Queue`], [`Route::Join`], [`Route::Await`] or [`Route::Dial`].
    pub(super) fn wait(&mut self, job: Box<Job>, route: Route) {
        let Some(slot) = self.slots.get_mut(&job.slot) else { return };
        let behind = route == Route::Join;
        let queued = route == Route::Queue || (behind && slot.waiting.back().is_some_and(|last| last.queued));
        if queued {
            self.queued += 1;
        } else if !behind {
            slot.claimed += 1;
        }
        slot.waiting.push_back(Waiting { job, queued, behind });
        self.waiting += 1;
    }

    /// Whether a request that joins the last one that waits would be parked, and not under way.
    pub(super) fn joins_parked(&self, id: u64) -> bool {
        self.slots.get(&id).and_then(|slot| slot.waiting.back()).is_some_and(|last| last.queued)
    }

    /// What [`Settled::Promote`] gave out waits at the front again, for a connection that was asked for.
    pub(super) fn wait_first(
        &mut self,
        id: u64,
        target: u16,
        promoted: impl IntoIterator<Item = Box<Job>, IntoIter: DoubleEndedIterator + ExactSizeIterator>,
    ) {
        let promoted = promoted.into_iter();
        let slot = self.slots.entry(id).or_insert_with(|| Slot::new(target));
        slot.claimed += 1;
        let last = promoted.len().saturating_sub(1);
        self.waiting += promoted.len();
        for (number, job) in promoted.rev().enumerate() {
            slot.waiting.push_front(Waiting { job, queued: false, behind: number < last });
        }
    }

    /// A connection was asked for.
    pub(super) fn dialing(&mut self, id: u64) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.dialing += 1;
        }
    }

    /// A connection that was asked for is there.
    pub(super) fn opened(&mut self, id: u64, at: u32) -> Freed {
        let Some(slot) = self.slots.get_mut(&id) else { return Freed::Useless };
        slot.dialing = slot.dialing.saturating_sub(1);
        slot.open += 1;
        self.freed(id, at)
    }

    /// A connection that was asked for could not be made: the requests that fail with it.
    pub(super) fn not_opened(&mut self, id: u64) -> Vec<Waiting> {
        let Some(slot) = self.slots.get_mut(&id) else { return Vec::new() };
        slot.dialing = slot.dialing.saturating_sub(1);
        // Others in the making are enough for all that wait.
        if slot.claimed <= slot.dialing {
            return Vec::new();
        }
        self.take_first(id)
    }

    /// A connection is free.
    pub(super) fn freed(&mut self, id: u64, at: u32) -> Freed {
        let Some(slot) = self.slots.get_mut(&id) else { return Freed::Useless };
        if !slot.waiting.is_empty() {
            slot.current = Some(at);
            return Freed::For(self.take_first(id));
        }
        if slot.is_needed() {
            slot.idle.push(at);
            self.idle += 1;
            Freed::Kept
        } else {
            Freed::Useless
        }
    }

    /// The first one that waits, with those behind it.
    fn take_first(&mut self, id: u64) -> Vec<Waiting> {
        let Some(slot) = self.slots.get_mut(&id) else { return Vec::new() };
        let mut taken = Vec::new();
        while slot.waiting.front().is_some_and(|next| taken.is_empty() || next.behind) {
            let Some(next) = slot.waiting.pop_front() else { break };
            self.waiting -= 1;
            if next.queued {
                self.queued -= 1;
            } else if taken.is_empty() {
                slot.claimed = slot.claimed.saturating_sub(1);
            }
            taken.push(next);
        }
        taken
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, id: u64, at: u32) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.open = slot.open.saturating_sub(1);
        let before = slot.idle.len();
        slot.idle.retain(|idle| *idle != at);
        self.idle -= before - slot.idle.len();
        if slot.current == Some(at) {
            slot.current = None;
        }
    }

    /// What a slot needs now that something of it ended; it is forgotten when that is nothing for ever. `reopen`: a
    /// connection that served it is gone. One that never did is not asked for again ahead of need, so that a target that
    /// hangs up on everybody is not called in a circle.
    pub(super) fn settle(&mut self, id: u64, reopen: bool) -> Settled {
        let Some(slot) = self.slots.get_mut(&id) else { return Settled::Fine };
        if slot.open > 0 && !slot.is_needed() {
            // Those that are busy are closed when they are free.
            let Some(at) = slot.idle.pop() else { return Settled::Fine };
            self.idle -= 1;
            return Settled::Close(at);
        }
        if slot.open > 0 || slot.dialing > 0 {
            return Settled::Fine;
        }
        if !slot.patient.is_empty() {
            // Nothing is left to wait for, whatever the time is.
            self.watch_patience(id, 0);
            return Settled::Fine;
        }
        if slot.waiting.front().is_some_and(|first| first.queued) {
            // Taken up again when a connection is asked for.
            return Settled::Promote(self.take_first(id));
        }
        if !slot.is_needed() {
            self.ahead -= usize::from(slot.is_ahead);
            self.slots.remove(&id);
        } else if reopen && slot.waiting.is_empty() {
            let at = match slot.next_due_ns {
                Some(due) if self.policy.timed && slot.held == 0 => due.saturating_sub(OPEN_AHEAD_NS),
                _ => 0,
            };
            self.reopens.push(Reverse((at, id)));
        }
        Settled::Fine
    }

    /// A request will leave then, by the clock: if the slot has no connection yet, one is asked for ahead of that.
    pub(super) fn expect(&mut self, id: u64, leaves_ns: u64) {
        if self.slots.get(&id).is_some_and(|slot| slot.open == 0 && slot.dialing == 0) {
            self.reopens.push(Reverse((leaves_ns.saturating_sub(OPEN_AHEAD_NS), id)));
        }
    }

    /// When the next connection is to be asked for again.
    pub(super) fn next_reopen_ns(&self) -> Option<u64> {
        self.reopens.peek().map(|open| open.0.0)
    }

    /// A slot, and its target, for which a connection is to be asked for again now.
    pub(super) fn next_reopen(&mut self, now: u64) -> Option<(u64, u16)> {
        while self.next_reopen_ns()? <= now {
            let Reverse((_, id)) = self.reopens.pop()?;
            let needs = |slot: &&Slot| slot.open == 0 && slot.dialing == 0 && slot.is_needed();
            if let Some(slot) = self.slots.get(&id).filter(needs) {
                return Some((id, slot.target));
            }
        }
        None
    }

    /// Takes out all requests that wait for a busy connection, and with `under_way` those for which one is being made; no
    /// more will come.
    pub(super) fn drain(&mut self, under_way: bool) -> Vec<Waiting> {
        self.reopens.clear();
        self.queued = 0;
        let all = self.slots.values_mut().flat_map(|slot| {
            slot.more = false;
            slot.held = 0;
            if under_way {
                slot.claimed = 0;
            }
            let (taken, left) = std::mem::take(&mut slot.waiting).into_iter().partition(|one| under_way || one.queued);
            slot.waiting = left;
            let taken: VecDeque<Waiting> = taken;
            taken
        });
        let all: Vec<Waiting> = all.collect();
        self.waiting -= all.len();
        all
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.slots.len()
    }
}

/// What a slot needs.
pub(super) enum Settled {
    /// Nothing.
    Fine,
    /// This connection is to be closed, and then it is to be asked again.
    Close(u32),
    /// These waited for a connection that is gone: one is to be made for them.
    Promote(Vec<Waiting>),
}

impl Slot {
    fn new(target: u16) -> Self {
        Self {
            target,
            idle: Vec::new(),
            current: None,
            open: 0,
            dialing: 0,
            claimed: 0,
            waiting: VecDeque::new(),
            held: 0,
            more: false,
            next_due_ns: None,
            is_ahead: false,
            left: None,
            patient: VecDeque::new(),
            patient_until_ns: None,
        }
    }

    /// One of its requests has come.
    fn come(&mut self, next_due_ns: Option<u64>, ahead: &mut usize) {
        self.more = next_due_ns.is_some();
        self.next_due_ns = next_due_ns;
        *ahead -= usize::from(std::mem::take(&mut self.is_ahead));
    }

    fn is_needed(&self) -> bool {
        self.more || self.held > 0 || !self.waiting.is_empty() || !self.patient.is_empty()
    }
}

#[cfg(test)]
mod tests;
