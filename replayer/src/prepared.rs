//! Everything that is known before the first request is sent: the recording, the plan, and who shares a connection.

use std::collections::HashMap;

use crate::contexts::{Contexts, Origin};
use crate::job::{Facts, Job, Progress, RunFacts};
use crate::load::Recording;
use crate::plan::Plan;
use crate::target::Target;
use std::sync::Arc;

/// A run that can begin.
pub struct Prepared {
    /// What was recorded.
    pub recording: Recording,
    /// What is sent when.
    pub plan: Plan,
    /// What all requests have in common.
    pub facts: Arc<RunFacts>,
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
        let facts = RunFacts {
            contexts,
            endpoints: recording.endpoints.clone(),
            targets: vec![target],
            planned: plan.items.len() as u64,
            multiplier,
        };
        Self { recording, plan, facts: Arc::new(facts), slots, slot_of, next_in_slot_ns }
    }

    /// The request at `position` of the plan, ready to be written.
    #[must_use]
    pub fn job(&self, position: usize) -> Option<Box<Job>> {
        let item = self.plan.items.get(position)?;
        let recorded = self.recording.requests.get(item.arrival as usize)?;
        let client = self.recording.arrivals.get(item.arrival as usize)?.client;
        let fresh = self.facts.contexts.of(&Origin {
            position: position as u64,
            copy: item.copy,
            recorded: recorded.trace,
            first_in_trace: recorded.first_in_trace,
        });
        let mut head = Vec::with_capacity(recorded.template.head.len() + 200);
        head.extend_from_slice(&recorded.template.head);
        self.facts.contexts.append_fields(&fresh, &mut head);
        let next = self.next_in_slot_ns.get(position).copied().filter(|next| *next != u64::MAX);
        let facts = Facts {
            position: position as u64,
            session: recorded.session,
            seq: recorded.seq,
            client: self.recording.clients.get(client as usize)?.key,
            copy: item.copy,
            endpoint: recorded.endpoint,
            status: recorded.status,
            response_ns: recorded.response_ns,
            trace: recorded.trace,
        };
        Some(Box::new(Job {
            facts,
            due_ns: item.due_ns,
            target: 0,
            slot: u64::from(*self.slot_of.get(position)?),
            next_in_slot_ns: next,
            life: u64::from(client) << 32 | u64::from(item.copy),
            number: 0,
            recorded_end_ns: u64::MAX,
            after: None,
            head,
            body: recorded.template.body.clone(),
            expects_continue: false,
            to: recorded.to,
            fresh,
            progress: Progress::default(),
        }))
    }
}
