//! Everything that is known before the first request is sent: the recording, the plan, and who shares a connection.

use std::collections::HashMap;

use crate::contexts::{Contexts, Origin};
use crate::load::Recording;
use crate::plan::Plan;
use crate::send::Job;
use crate::target::Target;

/// A run that can begin.
pub struct Prepared {
    /// What was recorded.
    pub recording: Recording,
    /// What is sent when.
    pub plan: Plan,
    /// How many times the recorded rate.
    pub multiplier: f64,
    /// Where to.
    pub target: Target,
    /// The trace contexts of this run.
    pub contexts: Contexts,
    /// For each slot its first due instant and how many requests it has.
    pub slots: Vec<(u64, u32)>,
    slot_of: Vec<u32>,
    /// Due instant of the next request in the same slot, [`u64::MAX`] for the last one.
    next_in_slot_ns: Vec<u64>,
}

impl Prepared {
    /// Finds out which requests share a connection: those of one client, copy and recorded connection.
    #[must_use]
    pub fn new(recording: Recording, plan: Plan, multiplier: f64, target: Target, contexts: Contexts) -> Self {
        let mut slots: Vec<(u64, u32)> = Vec::new();
        let mut slot_of = Vec::with_capacity(plan.items.len());
        let mut by_key: HashMap<(u32, u32, u32), u32> = HashMap::new();
        for item in &plan.items {
            let arrival = recording.arrivals.get(item.arrival as usize);
            let key = arrival.map_or((0, 0, 0), |arrival| (arrival.client, arrival.connection, item.copy));
            let next = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            let slot = *by_key.entry(key).or_insert(next);
            if slot == next {
                slots.push((item.due_ns, 0));
            }
            if let Some((_, requests)) = slots.get_mut(slot as usize) {
                *requests += 1;
            }
            slot_of.push(slot);
        }
        let mut later: Vec<u64> = vec![u64::MAX; slots.len()];
        let mut next_in_slot_ns = vec![u64::MAX; slot_of.len()];
        let items = plan.items.iter().zip(&slot_of).zip(&mut next_in_slot_ns);
        for ((item, slot), next) in items.rev() {
            if let Some(later) = later.get_mut(*slot as usize) {
                *next = std::mem::replace(later, item.due_ns);
            }
        }
        Self { recording, plan, multiplier, target, contexts, slots, slot_of, next_in_slot_ns }
    }

    /// The request at `position` of the plan, ready to be written.
    #[must_use]
    pub fn job(&self, position: usize) -> Option<Job> {
        let item = self.plan.items.get(position)?;
        let recorded = self.recording.requests.get(item.arrival as usize)?;
        let fresh = self.contexts.of(&Origin {
            position: position as u64,
            copy: item.copy,
            recorded: recorded.trace,
            first_in_trace: recorded.first_in_trace,
        });
        let mut head = Vec::with_capacity(recorded.template.head.len() + 200);
        head.extend_from_slice(&recorded.template.head);
        self.contexts.append_fields(&fresh, &mut head);
        let next = self.next_in_slot_ns.get(position).copied().filter(|next| *next != u64::MAX);
        Some(Job {
            item: u32::try_from(position).ok()?,
            due_ns: item.due_ns,
            slot: *self.slot_of.get(position)?,
            next_in_slot_ns: next,
            head,
            body: recorded.template.body.clone(),
            to: recorded.to,
            fresh,
        })
    }
}
