//! Patience with a connection that is busy only because its last request left late.
//!
//! Had that one left in time, its answer would have come earlier by as much, and the next request would have found the
//! connection free. So the next one believes in a busy connection when as much time has passed since that departure as the
//! plan has between the two. A sending thread that was held up for some milliseconds would else find all connections busy,
//! and open another one for each request: connections that the recording does not have, and work that makes it later still.
//! What a request waits like this is its lag, so there is a limit: the first in line waits no longer than it is late already, or
//! some milliseconds. When a connection turns out to be busy, lateness is not handed on.
//!
//! Who is patient is neither under way nor parked for a connection: it stands in a line of its own, and is routed again when
//! the connection is free, gone, or believed to be busy.
//!
//! Instants are those of the run.

use std::cmp::Reverse;

use super::{Slot, Slots};
use crate::job::Job;

/// How a request comes to be routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::send) enum Visit {
    /// It just came.
    Fresh,
    /// It was held elsewhere.
    Held,
    /// It was patient, and is so no longer.
    Patient,
}

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

/// A request that is patient; it has instants of the plan.
pub(super) struct Patient {
    job: Box<Job>,
    /// When it is to leave.
    due_ns: u64,
}

impl Slot {
    /// Whether a request that finds no free connection waits for that.
    pub(super) fn is_patient(&self, moment: Moment) -> bool {
        self.left.is_some_and(|left| left.patient_until_ns(moment) > moment.now_ns)
    }
}

impl Slots {
    /// A request waits by [`super::Route::Patient`].
    pub(in crate::send) fn wait_patiently(&mut self, job: Box<Job>, moment: Moment) {
        let id = job.slot;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.patient.push_back(Patient { job, due_ns: moment.due_ns });
        self.patient += 1;
        if slot.patient.len() == 1 {
            self.watch_patience(id, moment.now_ns);
        }
    }

    /// The first patient one of a slot, if a connection of it is free and nobody else's.
    pub(in crate::send) fn next_patient(&mut self, id: u64) -> Option<Box<Job>> {
        let slot = self.slots.get(&id).filter(|slot| !slot.idle.is_empty() && slot.waiting.is_empty())?;
        if slot.patient.is_empty() { None } else { self.take_patient(id) }
    }

    /// When somebody's patience is over.
    pub(in crate::send) fn next_impatient_ns(&self) -> Option<u64> {
        self.patience.peek().map(|first| first.0.0)
    }

    /// A request whose patience is over.
    pub(in crate::send) fn next_impatient(&mut self, now_ns: u64) -> Option<Box<Job>> {
        while self.next_impatient_ns()? <= now_ns {
            let Reverse((until_ns, id)) = self.patience.pop()?;
            if self.slots.get(&id).is_some_and(|slot| slot.patient_until_ns == Some(until_ns)) {
                return self.take_patient(id);
            }
        }
        None
    }

    /// Another one may be the first patient one of a slot, or its connection may be gone: without one it waits no longer.
    pub(in crate::send) fn watch_patience(&mut self, id: u64, now_ns: u64) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(first) = slot.patient.front() else { return };
        let moment = Moment { due_ns: first.due_ns, now_ns };
        let has_some = slot.open > 0 || slot.dialing > 0;
        let until_ns = slot.left.filter(|_| has_some).map_or(0, |left| left.patient_until_ns(moment));
        slot.patient_until_ns = Some(until_ns);
        self.patience.push(Reverse((until_ns, id)));
    }

    /// Takes out all who are patient; no more will come.
    pub(in crate::send) fn drain_patient(&mut self) -> impl Iterator<Item = Box<Job>> + use<> {
        self.patience.clear();
        self.patient = 0;
        let lines = self.slots.values_mut().flat_map(|slot| {
            slot.patient_until_ns = None;
            std::mem::take(&mut slot.patient)
        });
        lines.collect::<Vec<Patient>>().into_iter().map(|one| one.job)
    }

    fn take_patient(&mut self, id: u64) -> Option<Box<Job>> {
        let slot = self.slots.get_mut(&id)?;
        slot.patient_until_ns = None;
        let one = slot.patient.pop_front()?;
        self.patient -= 1;
        Some(one.job)
    }
}
