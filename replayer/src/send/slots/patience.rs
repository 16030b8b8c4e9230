//! Patience with a connection that is busy only because its last request left late.
//!
//! Had that one left in time, its answer would have come earlier by as much, and the next request would have found the
//! connection free. So the next one believes in a busy connection when as much time has passed since that departure as the
//! plan has between the two. A sending thread that was held up for some milliseconds would else find all connections busy,
//! and open another one for each request: connections that the recording does not have, and work that makes it later still.
//! What a request waits like this is its lag, so there is a limit: a request waits no longer than it is late already, or some
//! milliseconds. When a connection turns out to be busy, lateness is not handed on.
//!
//! Instants are those of the run.

use std::cmp::Reverse;

use super::{Slot, Slots, Waiting};
use crate::job::Job;

/// How long a request waits that is not late itself.
const PATIENCE_NS: u64 = 5_000_000;

/// When a request is to leave, and what the time is.
#[derive(Debug, Clone, Copy)]
pub(in crate::send) struct Moment {
    pub(in crate::send) due_ns: u64,
    pub(in crate::send) now_ns: u64,
}

impl Moment {
    /// It leaves now.
    pub(super) fn left(self) -> Left {
        Left { due_ns: self.due_ns, at_ns: self.now_ns }
    }

    /// It leaves on another connection than that of the request before: as if it left when it is due.
    pub(super) fn in_time(self) -> Left {
        Left { due_ns: self.due_ns, at_ns: self.due_ns }
    }
}

/// A request that left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    due_ns: u64,
    at_ns: u64,
}

impl Left {
    /// Until when the next request is patient, which finds the connection busy at that moment.
    fn patient_until_ns(self, next: Moment) -> u64 {
        let in_plan_ns = self.at_ns.saturating_add(next.due_ns.saturating_sub(self.due_ns));
        let late_ns = next.now_ns.saturating_sub(next.due_ns);
        in_plan_ns.min(next.now_ns.saturating_add(late_ns.max(PATIENCE_NS)))
    }
}

impl Slot {
    /// Whether a request that finds no free connection waits for that.
    pub(super) fn is_patient(&self, moment: Moment) -> bool {
        match self.waiting.back() {
            Some(last) => last.patient,
            None => self.left.is_some_and(|left| left.patient_until_ns(moment) > moment.now_ns),
        }
    }
}

impl Slots {
    /// A request waits by [`super::Route::Patient`].
    pub(in crate::send) fn wait_patiently(&mut self, job: Box<Job>, now_ns: u64) {
        let id = job.slot;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let is_first = slot.waiting.is_empty();
        slot.waiting.push_back(Waiting { job, queued: true, patient: true, behind: false });
        self.waiting += 1;
        self.queued += 1;
        if is_first {
            self.watch_patience(id, now_ns);
        }
    }

    /// A request that had waited left now: on a connection that was free again if it was `patient`, else on a new one.
    pub(in crate::send) fn left_after_waiting(&mut self, id: u64, patient: bool, moment: Moment) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.left = Some(if patient { moment.left() } else { moment.in_time() });
        self.watch_patience(id, moment.now_ns);
    }

    /// The first one that waits in a slot may have become another one.
    fn watch_patience(&mut self, id: u64, now_ns: u64) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let first = slot.waiting.front().filter(|first| first.patient);
        let moment = first.map(|first| Moment { due_ns: first.job.progress.released_ns, now_ns });
        slot.patient_until_ns = slot.left.zip(moment).map(|(left, moment)| left.patient_until_ns(moment));
        if let Some(until_ns) = slot.patient_until_ns {
            self.patient.push(Reverse((until_ns, id)));
        }
    }

    /// When somebody's patience is over.
    pub(in crate::send) fn next_impatient_ns(&self) -> Option<u64> {
        self.patient.peek().map(|first| first.0.0)
    }

    /// A request whose patience is over, as its connection is busy indeed, with those that go behind it.
    pub(in crate::send) fn next_impatient(&mut self, now_ns: u64) -> Option<Vec<Waiting>> {
        while self.next_impatient_ns()? <= now_ns {
            let Reverse((until_ns, id)) = self.patient.pop()?;
            if self.slots.get(&id).and_then(|slot| slot.patient_until_ns) != Some(until_ns) {
                continue;
            }
            let taken = self.take_first(id);
            if let (Some(slot), Some(first)) = (self.slots.get_mut(&id), taken.first()) {
                slot.left = Some(Moment { due_ns: first.job.progress.released_ns, now_ns }.in_time());
            }
            self.watch_patience(id, now_ns);
            return Some(taken);
        }
        None
    }
}
