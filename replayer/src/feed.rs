//! The feed: reads the spool ahead of time and hands each request to its engine, in the order of due instants.
//!
//! It is the only place that knows both the plan and the engines' queues. It waits when it is far enough ahead, never for
//! an answer; being behind shows as lag of the requests, and is counted by the engines. How far ahead that is, due instants
//! say only where requests leave at them; in closed loop and at the highest pace what is made ready is counted instead.

mod ahead;
mod proxied;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::HashMap;
use rtrb::{Producer, PushError};

use crate::clock::Clock;
use crate::contexts::Origin;
use crate::job::{After, Budgeted, Facts, Job, Progress, RunFacts};
use crate::plan::{Client, Life, Plan};
use crate::rewrite::{CopyFacts, Opened, Secrets};
use crate::send::{SlotNews, Stop};
use crate::spans::HeadBudget;
use crate::spool::{DueEntry, DueReader, Record, Spool, WARPED_IDLE_NS, damaged};
use crate::tempo::{Tempo, View};
pub(crate) use ahead::AHEAD_REQUESTS_MAX;
pub use ahead::Leaving;
use ahead::{AHEAD_NS, LookAhead};

/// How often a feed that has nothing to do looks again: the more it finds then, the less a request costs.
const POLL_NS: u64 = 5_000_000;
/// Bodies up to this size are copied out of their page, so that they do not keep all of it in memory.
const COPIED_BODY_BYTES: usize = 4 * 1024;
/// How often such connections are looked for.
const SWEEP_NS: u64 = 5_000_000_000;

/// Set in the number of a life that is the rest of a copy: numbers of copies are smaller.
const REST_OF_LIFE: u64 = 1 << 31;

/// The queues to one engine.
pub struct Lane {
    /// Requests in the order of due instants.
    pub jobs: Producer<Box<Job>>,
    /// What begins and ends, in the same order.
    pub news: Producer<SlotNews>,
}

/// What a feed reads and feeds.
pub struct Feed {
    spool: Spool,
    plan: Arc<Plan>,
    clients: Vec<Client>,
    facts: Arc<RunFacts>,
    secrets: Secrets,
    lanes: Vec<Lane>,
    loaded: BinaryHeap<Reverse<Cursor>>,
    slots: HashMap<SlotKey, Slot>,
    next_slot: u64,
    /// The slot whose first request was made ready last, and is not handed over yet.
    opening: Option<u64>,
    /// Slots that are over and of which their engines have not been told, with these.
    ended: Vec<(usize, SlotNews)>,
    /// When slots that are over are looked for next.
    sweep_due_ns: u64,
    /// Decides which engine gets the request that was made ready last.
    lane: usize,
    position: u64,
    ahead: LookAhead,
    loads: u64,
    budget: Option<HeadBudget>,
    /// Since due instant 0, where due instants are ignored.
    now_ns: Option<u64>,
    tempo: Arc<Tempo>,
    /// How the time of the plan goes, in whose instants everything here is reckoned.
    view: View,
}

/// Client, copy, session, connection, target: what a recorded connection carried for several hosts goes to several targets,
/// each with a connection of its own.
type SlotKey = (u32, u32, u32, u64, u16);

#[derive(Clone, Copy)]
struct Slot {
    number: u64,
    last_due_ns: u64,
    is_warped: bool,
}

/// A page that is being read for one life.
struct Cursor {
    due_ns: u64,
    /// In the order of loading, so that requests that are due at once keep one order.
    load: u64,
    entry: DueEntry,
    records: VecDeque<(u64, Record)>,
}

/// When a run begins, by the clock.
#[derive(Clone, Copy)]
pub struct Start {
    /// The clock.
    pub clock: Clock,
    /// Its reading at due instant 0.
    pub at_ns: u64,
    /// What due instants say.
    pub leaving: Leaving,
}

impl Feed {
    /// A feed of `spool` into `lanes`; `secrets` are filled in where requests have places for them.
    #[must_use]
    pub fn new(
        spool: Spool,
        plan: Arc<Plan>,
        clients: Vec<Client>,
        facts: Arc<RunFacts>,
        secrets: Secrets,
        lanes: Vec<Lane>,
    ) -> Self {
        Self {
            spool,
            plan,
            clients,
            facts,
            secrets,
            lanes,
            loaded: BinaryHeap::new(),
            slots: HashMap::default(),
            next_slot: 0,
            opening: None,
            ended: Vec::new(),
            sweep_due_ns: SWEEP_NS,
            lane: 0,
            position: 0,
            ahead: LookAhead::default(),
            loads: 0,
            budget: None,
            now_ns: None,
            tempo: Arc::default(),
            view: View::default(),
        }
    }

    /// The same feed, with so many traces sampled.
    #[must_use]
    pub fn within(self, budget: Option<HeadBudget>) -> Self {
        Self { budget, ..self }
    }

    /// The same feed, in a time that goes like this.
    #[must_use]
    pub fn at(self, tempo: Arc<Tempo>) -> Self {
        Self { tempo, ..self }
    }

    /// Feeds everything, or until the run is stopped.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn run(mut self, start: Start, stop: &Stop) -> io::Result<()> {
        let mut list = self.spool.due()?;
        self.note_now(&start);
        while let Some(mut job) = self.next(&mut list)? {
            if !self.wait_for_room(job.due_ns, &start, stop) {
                return Ok(());
            }
            self.ahead.take(start.leaving, &mut job);
            if !self.hand_over(job, &start, stop) {
                return Ok(());
            }
            self.note_now(&start);
        }
        if self.position == self.facts.planned {
            return Ok(());
        }
        Err(damaged(&format!("it holds {} requests and not {}", self.position, self.facts.planned)))
    }

    /// The next request in the order of due instants.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn next(&mut self, list: &mut DueReader) -> io::Result<Option<Box<Job>>> {
        loop {
            let earliest = self.loaded.peek().map(|cursor| cursor.0.due_ns);
            if let Some(entry) = list.peek()
                && earliest.is_none_or(|earliest| entry.due_ns <= earliest)
            {
                if let Some(entry) = list.take()? {
                    self.load(entry)?;
                }
                continue;
            }
            let Some(Reverse(mut cursor)) = self.loaded.pop() else { return Ok(None) };
            let Some((due_ns, record)) = cursor.records.pop_front() else { continue };
            let entry = cursor.entry;
            if let Some((next_ns, _)) = cursor.records.front() {
                cursor.due_ns = *next_ns;
                self.loaded.push(Reverse(cursor));
            }
            return Ok(Some(self.job(&entry, due_ns, record)));
        }
    }

    fn load(&mut self, entry: DueEntry) -> io::Result<()> {
        let mut page = self.spool.page(&entry)?;
        let is_warped = self.plan.is_warped(entry.client);
        let life = Life { copy: entry.copy, shift_ns: entry.shift_ns };
        let mut records = Vec::new();
        while let Some(record) = Record::take(&mut page)? {
            let due_ns =
                if is_warped { Some(entry.due_ns) } else { self.plan.due_ns(entry.client, life, record.at_ns) };
            if let Some(due_ns) = due_ns {
                records.push((due_ns, record));
            }
        }
        records.sort_by_key(|(due_ns, record)| (*due_ns, record.number));
        self.loads += 1;
        if let Some((due_ns, _)) = records.first() {
            let (due_ns, load) = (*due_ns, self.loads);
            self.loaded.push(Reverse(Cursor { due_ns, load, entry, records: records.into() }));
        }
        Ok(())
    }

    fn job(&mut self, entry: &DueEntry, due_ns: u64, record: Record) -> Box<Job> {
        let is_warped = self.plan.is_warped(entry.client);
        let life = Life { copy: entry.copy, shift_ns: entry.shift_ns };
        // All of a life, and all that share its connections, go to one engine.
        self.lane = lane(entry.client, entry.copy);
        let client = self.clients.get(entry.client as usize).copied();
        let position = self.position;
        self.position += 1;
        let key = (entry.client, entry.copy, record.session, record.connection, record.template.target);
        let is_in_place = is_warped && self.plan.is_in_place(entry.copy, record.at_ns, due_ns);
        let next_in_slot_ns = match record.next_ns {
            next_ns if !is_warped => next_ns.and_then(|next| self.plan.due_ns(entry.client, life, next)),
            // Of a connection with one request so are all copies.
            None if is_in_place || record.first_on_connection => None,
            Some(next) if is_in_place => {
                Some(due_ns.saturating_add(self.plan.timing().speed.shrink(next.saturating_sub(record.at_ns))))
            }
            _ => Some(due_ns.saturating_add(WARPED_IDLE_NS)),
        };
        let slot = self.slot(key, due_ns, next_in_slot_ns.is_none(), is_warped);
        let mut fresh = self.facts.contexts.of(&Origin {
            position,
            copy: entry.copy,
            recorded: record.trace,
            decision: record.trace_decision,
            generation: record.trace_generation,
            first_in_trace: record.first_in_trace,
        });
        let at_ns = self.now_ns.unwrap_or_else(|| self.view.run_ns_at_best(due_ns, 0));
        let mut budgeted = Budgeted::Not;
        if fresh.is_sampled
            && let Some(budget) = &mut self.budget
            && !budget.admits(at_ns, &fresh.trace_id, record.trace.is_some())
        {
            (fresh.is_sampled, budgeted) = (false, Budgeted::LeftOut);
        }
        let template = &record.template;
        let mut head = Vec::with_capacity(template.head.len() + self.facts.contexts.fields_len_max());
        let key_of = client.map(|client| client.key).unwrap_or_default();
        let copy_facts = CopyFacts { copy: entry.copy, client: key_of, seq: record.seq, session: record.session };
        let mut opened = Opened::default();
        let changes = self.secrets.authorization.as_ref().map_or(0, |secret| secret.changes());
        let body = template.render(&copy_facts, &self.secrets, &mut head, &mut opened);
        if let Some(target) = self.facts.targets.get(usize::from(template.target)).filter(|one| one.absolute_form()) {
            proxied::ask(target, &mut head, &mut opened);
        }
        self.facts.contexts.append_fields(&fresh, &mut head);
        let body = if body.len() <= COPIED_BODY_BYTES { Bytes::copy_from_slice(&body) } else { body };
        let first_ns = client.map_or(0, |client| client.first_ns);
        // What came before the beginning of a life that is the rest of a copy is waited for by nobody.
        let is_here = |end_ns| self.plan.due_ns(entry.client, life, end_ns).is_some();
        let after = record.after.filter(|after| !is_warped && is_here(after.2)).map(|(number, seq, end_ns)| After {
            number,
            seq,
            recorded_end_ns: end_ns.saturating_sub(first_ns),
            pause_ns: self.plan.timing().speed.shrink(record.at_ns.saturating_sub(end_ns)),
        });
        let is_rest = if !is_warped && self.plan.is_wrapped(entry.client, life) { REST_OF_LIFE } else { 0 };
        // Requests that are taken one by one wait for nobody.
        let life_ends_ns = match client {
            Some(client) if !is_warped => self.plan.life_ends_ns(life, client.last_ns),
            _ => due_ns,
        };
        Box::new(Job {
            facts: Facts {
                position,
                session: record.session,
                seq: record.seq,
                client: key_of,
                copy: entry.copy,
                endpoint: record.endpoint,
                status: Some(record.status).filter(|status| *status > 0),
                response_ns: record.end_ns.map(|end| end.saturating_sub(record.at_ns)),
                trace: record.trace,
            },
            due_ns,
            target: template.target,
            slot,
            next_in_slot_ns,
            // Copies that were drawn one by one follow nothing on their connection.
            pipelined: record.pipelined && (!is_warped || is_in_place),
            life: u64::from(entry.client) << 32 | u64::from(entry.copy) | is_rest,
            life_ends_ns,
            number: record.number,
            // Nobody waits for what is taken one by one.
            recorded_end_ns: record.end_ns.filter(|_| !is_warped).map_or(u64::MAX, |end| end.saturating_sub(first_ns)),
            after,
            head,
            body,
            authorized: opened.authorization.take().map(|at| (at, changes)),
            opened: (!opened.is_empty()).then(|| Box::new(opened)),
            expects_continue: template.expects_continue,
            to: record.to,
            fresh,
            budgeted,
            progress: Progress::default(),
            room: None,
        })
    }

    /// The slot of a connection of a life to a target.
    fn slot(&mut self, key: SlotKey, due_ns: u64, is_last: bool, is_warped: bool) -> u64 {
        if due_ns >= self.sweep_due_ns {
            self.sweep_due_ns = due_ns.saturating_add(SWEEP_NS);
            let ended = &mut self.ended;
            self.slots.retain(|key, slot| {
                let stays = !slot.is_warped || slot.last_due_ns.saturating_add(WARPED_IDLE_NS) > due_ns;
                if !stays {
                    let news = SlotNews::Ends { slot: slot.number, last_due_ns: slot.last_due_ns };
                    ended.push((lane(key.0, key.1), news));
                }
                stays
            });
        }
        let number = match self.slots.get(&key) {
            Some(slot) => slot.number,
            None => {
                self.next_slot += 1;
                self.opening = Some(self.next_slot);
                self.next_slot
            }
        };
        if is_last {
            self.slots.remove(&key);
        } else {
            self.slots.insert(key, Slot { number, last_due_ns: due_ns, is_warped });
        }
        number
    }

    /// Reads the clock where due instants say nothing about when requests leave.
    fn note_now(&mut self, start: &Start) {
        if start.leaving == Leaving::AtOnce && self.budget.is_some() {
            self.now_ns = Some(start.clock.now_ns().saturating_sub(start.at_ns));
        }
    }

    /// Waits until a request that is due then may be handed over; false when the run is stopped.
    fn wait_for_room(&mut self, due_ns: u64, start: &Start, stop: &Stop) -> bool {
        loop {
            self.view.follow(&self.tempo);
            // What no budget is left for is shed without a wait.
            if stop.is_spent() {
                self.ahead.forget();
                return true;
            }
            let now = self.view.plan_ns(start.clock.now_ns().saturating_sub(start.at_ns));
            // Time that goes faster is fed as long ahead by the clock.
            let ahead_ns = AHEAD_NS.saturating_mul(self.view.millionths().div_ceil(1_000_000).max(1));
            if self.ahead.has_room(start.leaving, due_ns, now, now.saturating_add(ahead_ns)) {
                return true;
            }
            if stop.is_draining() {
                return false;
            }
            start.clock.sleep_until(start.clock.now_ns() + POLL_NS);
        }
    }

    /// Hands a request to its engine, waiting for room; false when the run is stopped or the engine is gone.
    fn hand_over(&mut self, job: Box<Job>, start: &Start, stop: &Stop) -> bool {
        let lanes = self.lanes.len().max(1);
        for (lane, news) in std::mem::take(&mut self.ended) {
            let Some(lane) = self.lanes.get_mut(lane % lanes) else { return false };
            if !push(&mut lane.news, news, start, stop) {
                return false;
            }
        }
        let Some(lane) = self.lanes.get_mut(self.lane % lanes) else { return false };
        // In closed loop nobody knows yet when that will be: the engine asks when it does.
        if let Some(slot) = self.opening.take().filter(|_| start.leaving != Leaving::AfterAnswers) {
            let news = SlotNews::Begins { slot, target: job.target, due_ns: job.due_ns };
            if !push(&mut lane.news, news, start, stop) {
                return false;
            }
        }
        push(&mut lane.jobs, job, start, stop)
    }
}

/// Pushes when there is room; false when the run is stopped or the engine is gone.
fn push<T>(ring: &mut Producer<T>, item: T, start: &Start, stop: &Stop) -> bool {
    let mut item = item;
    while let Err(PushError::Full(back)) = ring.push(item) {
        if stop.is_draining() || ring.is_abandoned() {
            return false;
        }
        item = back;
        start.clock.sleep_until(start.clock.now_ns() + POLL_NS);
    }
    true
}

/// Which engine gets the requests of a life, before it is known how many there are.
fn lane(client: u32, copy: u32) -> usize {
    client.wrapping_add(copy) as usize
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor {}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cursor {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due_ns, self.load).cmp(&(other.due_ns, other.load))
    }
}

#[cfg(test)]
mod tests;
