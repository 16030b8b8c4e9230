//! The reader's thread: chunks from the tap become exchanges, which are attributed, chosen, and handed to the store.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use formats::clients::ClientKeys;
use formats::model::{Dropped, End, Exchange, GapReason};
use formats::wire::{Blind, Http1, Limits};

use super::backlog::{Backlog, Room, bodies_bytes, heads_bytes};
use super::status::Progress;
use crate::breaker::usage::Meter;
use crate::breaker::{Breaker, BreakerOptions, OBSERVE_INTERVAL_NS};
use crate::losses::Missing;
use crate::selection::{Choice, Selection};
use crate::tap::{ConnectionState, Event, Tap, Wanted, What};
use crate::turns::Polite;

/// How often the tap is looked at when it was empty.
const POLL_NS: u64 = 5_000_000;
/// Events taken in one go.
const EVENTS_PER_TURN: usize = 4_096;
/// After so many events others go first.
const EVENTS_BETWEEN: usize = 8;
/// How often connections are looked at whose end may have been lost.
const SWEEP_INTERVAL_NS: u64 = 1_000_000_000;

pub(super) struct Options {
    pub(super) clients: ClientKeys,
    pub(super) selection: Selection,
    pub(super) limits: Limits,
    pub(super) parser_bytes_max: usize,
    pub(super) breaker: BreakerOptions,
}

pub(super) struct Reader {
    tap: Arc<Tap>,
    backlog: Arc<Backlog>,
    progress: Arc<Progress>,
    options: Options,
    connections: HashMap<u64, Connection>,
    held_bytes: usize,
    /// Events taken so far.
    taken: u64,
    swept_ns: u64,
    breaker: Breaker,
    meter: Meter,
    observed_ns: u64,
    /// Made by parsers, not looked at yet.
    ready: Vec<Exchange>,
    /// Of these, how many are being looked at: a defect lets all of them go.
    choosing: u64,
    /// Chosen, not handed over yet.
    batch: Vec<Exchange>,
}

struct Connection {
    parser: Http1,
    peer: Option<IpAddr>,
    facts: Option<Arc<str>>,
    state: Arc<ConnectionState>,
    /// Seen closed, or with a loss, when so many events had been taken or were waiting: after them nothing comes that
    /// happened before.
    closed_at: Option<u64>,
    lost_at: Option<u64>,
}

impl Reader {
    pub(super) fn new(tap: Arc<Tap>, backlog: Arc<Backlog>, progress: Arc<Progress>, options: Options) -> Self {
        let swept_ns = tap.clock().now_ns();
        let breaker = options.breaker;
        Self {
            tap,
            backlog,
            progress,
            options,
            connections: HashMap::new(),
            held_bytes: 0,
            taken: 0,
            swept_ns,
            breaker: Breaker::new(breaker),
            meter: Meter::new(),
            observed_ns: swept_ns,
            ready: Vec::new(),
            choosing: 0,
            batch: Vec::new(),
        }
    }

    /// Until it is told to stop and the tap is empty.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        let clock = self.tap.clock();
        loop {
            let stopping = stop.load(Ordering::Acquire);
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn()));
            let taken = turn.unwrap_or_else(|_| {
                self.start_over();
                EVENTS_PER_TURN
            });
            let now = clock.now_ns();
            if stopping && taken == 0 {
                if catch_unwind(AssertUnwindSafe(|| self.finish(now))).is_err() {
                    self.start_over();
                }
                return;
            }
            if taken < EVENTS_PER_TURN {
                clock.sleep_until(now + POLL_NS);
            }
        }
    }

    /// Takes what is there, and hands over what became of it.
    fn turn(&mut self) -> usize {
        let polite = Polite::begin(self.tap.clock());
        let mut taken = 0;
        while taken < EVENTS_PER_TURN
            && let Some(event) = self.tap.pop()
        {
            self.take(event);
            self.taken += 1;
            taken += 1;
            if taken.is_multiple_of(EVENTS_BETWEEN) {
                polite.give_way();
            }
        }
        let now = self.tap.clock().now_ns();
        if now.saturating_sub(self.swept_ns) >= SWEEP_INTERVAL_NS {
            self.swept_ns = now;
            self.sweep(now);
        }
        self.observe(now);
        self.backlog.put(&mut self.batch);
        self.progress.parser_bytes.store(self.held_bytes as u64, Ordering::Relaxed);
        self.progress.connections_followed.store(self.connections.len() as u64, Ordering::Relaxed);
        taken
    }

    /// Lets the breaker see what this process takes.
    fn observe(&mut self, now_ns: u64) {
        if !self.breaker.has_bounds() || now_ns.saturating_sub(self.observed_ns) < OBSERVE_INTERVAL_NS {
            return;
        }
        self.observed_ns = now_ns;
        let usage = self.meter.look(now_ns);
        if let Some(open) = self.breaker.observe(now_ns, usage) {
            self.tap.pause(open);
            let what = if open { "capturing stops" } else { "capturing goes on" };
            let share = |percent: Option<u32>| percent.map_or_else(|| "unknown".to_owned(), |n| format!("{n}%"));
            log::warn!(
                "{what}: this process takes {} of the processors and {} of the memory that it may use",
                share(usage.cpu_percent),
                share(usage.memory_percent)
            );
        }
    }

    fn take(&mut self, event: Event) {
        let Event { connection: id, at_ns, what } = event;
        match what {
            What::Opened { peer, facts, state, from_start } => {
                self.progress.connections.fetch_add(1, Ordering::Relaxed);
                let mut parser = Http1::new(id, self.options.limits);
                if !from_start {
                    parser.lost(at_ns, &mut self.ready);
                }
                let peer = peer.map(|peer| peer.ip());
                let fresh = Connection { parser, peer, facts, state, closed_at: None, lost_at: None };
                if let Some(before) = self.connections.insert(id, fresh) {
                    // Announced once more after a defect, when its first announcement was still in the queue.
                    self.held_bytes = self.held_bytes.saturating_sub(before.parser.held_bytes());
                    let exchanges = before.parser.pending() as u64;
                    self.tap.losses().add_exchanges(GapReason::Panicked, exchanges, 0);
                }
            }
            What::Connected => {
                if let Some(one) = self.connections.get_mut(&id) {
                    one.parser.connected(at_ns);
                }
            }
            What::Bytes(from, bytes) => {
                self.with(id, at_ns, |parser, out| parser.feed(from, at_ns, &bytes, out));
            }
            What::Passed(from, len) => self.with(id, at_ns, |parser, _| parser.passed(from, at_ns, len)),
            What::Missed => self.with(id, at_ns, |parser, out| parser.lost(at_ns, out)),
            What::Ended(from, how) => self.with(id, at_ns, |parser, out| parser.ended(from, how, at_ns, out)),
            What::Closed => self.close(id),
        }
    }

    /// Lets a parser work and takes what it has to say.
    fn with(&mut self, id: u64, at_ns: u64, work: impl FnOnce(&mut Http1, &mut Vec<Exchange>)) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let losses = self.tap.losses();
        let before = connection.parser.held_bytes();
        let (unread, was_blind) = (connection.parser.unread_bytes(), connection.parser.blind().is_some());
        work(&mut connection.parser, &mut self.ready);
        self.held_bytes = (self.held_bytes + connection.parser.held_bytes()).saturating_sub(before);
        let bytes = connection.parser.unread_bytes().saturating_sub(unread);
        if bytes > 0 && connection.parser.blind().is_none() {
            losses.add_bytes(GapReason::Unsynchronised, bytes);
        }
        if let Some(why) = connection.parser.blind() {
            // From here on the relay does not even copy; it counts.
            connection.state.want(Wanted::Nothing);
            let connections = u64::from(!was_blind);
            losses.add(reason(why), Missing { connections, exchanges: 0, bytes });
        } else if self.held_bytes > self.options.parser_bytes_max {
            let held = connection.parser.held_bytes();
            connection.parser.lost(at_ns, &mut self.ready);
            self.held_bytes = (self.held_bytes + connection.parser.held_bytes()).saturating_sub(held);
            losses.add_connection(GapReason::ParserFull);
        } else if connection.parser.is_tunnel() {
            connection.state.want(Wanted::Lengths);
        }
        // Most of the time nothing is ready, and the facts need not be shared.
        if !self.ready.is_empty() {
            let (peer, facts) = (connection.peer, connection.facts.clone());
            self.choose(peer, facts.as_ref());
        }
    }

    fn close(&mut self, id: u64) {
        let now_ns = self.tap.clock().now_ns();
        if self.connections.get(&id).is_some_and(|connection| connection.state.is_lost()) {
            self.with(id, now_ns, |parser, out| parser.lost(now_ns, out));
        }
        self.with(id, now_ns, |parser, out| parser.closed(out));
        let Some(connection) = self.connections.remove(&id) else { return };
        self.held_bytes = self.held_bytes.saturating_sub(connection.parser.held_bytes());
        self.count_uncaptured(&connection);
    }

    /// Counts what passed on a connection that was not read any further.
    fn count_uncaptured(&self, connection: &Connection) {
        if let Some(why) = connection.parser.blind() {
            self.tap.losses().add_bytes(reason(why), connection.state.uncaptured_bytes());
        }
    }

    /// Attributes the exchanges that are ready, and takes those that are kept into the batch, as far as there is room.
    fn choose(&mut self, peer: Option<IpAddr>, facts: Option<&Arc<str>>) {
        self.choosing = self.ready.len() as u64;
        for mut exchange in self.ready.drain(..) {
            exchange.facts = facts.cloned();
            #[cfg(test)]
            super::tests::fault("reader", &exchange);
            let mut choice = self.options.selection.of_head(&exchange.request.head);
            if choice == Choice::Keep {
                exchange.client = self.options.clients.of(&exchange.request.head, peer, exchange.connection);
                choice = self.options.selection.of_client(exchange.client);
            }
            if choice != Choice::Keep {
                self.choosing -= 1;
                self.progress.skip(choice);
                continue;
            }
            let (heads, bodies) = (heads_bytes(&exchange), bodies_bytes(&exchange));
            self.choosing -= 1;
            match self.backlog.admit(heads, bodies) {
                Room::Whole => {}
                Room::Heads => {
                    drop_bodies(&mut exchange);
                    self.tap.losses().add_exchanges(GapReason::BodiesDropped, 1, bodies as u64);
                }
                Room::Nothing => {
                    self.tap.losses().add_exchanges(GapReason::BacklogFull, 1, (heads + bodies) as u64);
                    continue;
                }
            }
            self.batch.push(exchange);
        }
    }

    /// Lets go of connections whose end was lost in a full queue, and of exchanges whose bytes were; not before everything
    /// was taken that had found room when that was seen first.
    fn sweep(&mut self, now_ns: u64) {
        let (mut lost, mut gone) = (Vec::new(), Vec::new());
        let waiting_until = self.taken + self.tap.queued_events() as u64;
        for (id, connection) in &mut self.connections {
            if connection.state.is_closed() && self.taken >= *connection.closed_at.get_or_insert(waiting_until) {
                gone.push(*id);
            } else if !connection.state.is_lost() {
                connection.lost_at = None;
            } else if self.taken >= *connection.lost_at.get_or_insert(waiting_until) && connection.parser.pending() > 0
            {
                lost.push(*id);
            }
        }
        for id in lost {
            self.with(id, now_ns, |parser, out| parser.lost(now_ns, out));
        }
        gone.into_iter().for_each(|id| self.close(id));
    }

    fn finish(&mut self, now_ns: u64) {
        for mut connection in std::mem::take(&mut self.connections).into_values() {
            self.count_uncaptured(&connection);
            let end = if connection.state.is_lost() { End::CaptureLost } else { End::RecordingStopped };
            connection.parser.give_up(now_ns, end, &mut self.ready);
            self.choose(connection.peer, connection.facts.as_ref());
        }
        self.backlog.put(&mut self.batch);
    }

    /// After a defect: nothing that was under way can be trusted. Connections announce themselves again.
    fn start_over(&mut self) {
        log::error!("capturing: a defect in reading; {} connections are taken up again", self.connections.len());
        let connections = self.connections.len() as u64;
        let under_way: usize = self.connections.values().map(|connection| connection.parser.pending()).sum();
        let exchanges = self.choosing + (self.ready.len() + self.batch.len() + under_way) as u64;
        let admitted: usize = self.batch.iter().map(|exchange| heads_bytes(exchange) + bodies_bytes(exchange)).sum();
        self.backlog.release(admitted);
        self.tap.losses().add(GapReason::Panicked, Missing { connections, exchanges, bytes: 0 });
        self.connections.clear();
        self.ready.clear();
        self.choosing = 0;
        self.batch.clear();
        self.held_bytes = 0;
        self.tap.restart();
    }
}

fn drop_bodies(exchange: &mut Exchange) {
    for message in std::iter::once(&mut exchange.request).chain(&mut exchange.response) {
        if !message.body.bytes.is_empty() {
            message.body.drop_for(Dropped::Behind);
        }
    }
}

fn reason(why: Blind) -> GapReason {
    match why {
        Blind::Http2 => GapReason::Http2,
        Blind::NotUnderstood(_) | Blind::GivenUp => GapReason::NotUnderstood,
    }
}

#[cfg(test)]
mod tests;
