//! The loop of a sending thread: what is due first, then what is to be looked after, then sockets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtrb::{Consumer, Producer};

use super::bounds::Bounds;
use super::deadlines::Deadlines;
use super::lives::Lives;
use super::poll::{Events, Poll};
use super::room::Short;
use super::slots::{OPEN_AHEAD_NS, Policy, Slots};
use super::table::Table;
use super::waiting::WAIT_UNKNOWN_NS;
use super::{Counters, LoopModel, Pace, SendOptions, SlotNews, Stop};
use crate::clock::Clock;
use crate::dial::DialHandle;
use crate::error::ReplayError;
use crate::job::{Job, Shed};
use crate::secret::LiveSecret;
use crate::tempo::{Tempo, View};
use crate::turns::{self, Full, Turns};

/// Requests sent in one go before sockets are looked at: when requests come faster than they can be sent, answers are
/// still read in between, and their connections become free.
pub(super) const DISPATCH_BATCH: usize = 32;
/// Connections that are asked for, and deadlines that are looked at, in one go.
const CARE_BATCH: usize = 16;
/// Requests that are shed in one go when nothing more is sent.
const SHED_BATCH: usize = 1_024;
/// How long an aborted engine waits for its feed to end, so that what the feed still hands over is counted.
const ABORT_WAIT_NS: u64 = 1_000_000_000;
/// Room in the ring of outcomes that is left at the highest pace.
const OUTCOMES_RESERVE: usize = 16;
/// How full the queue of answers may get there.
const ANSWERS_PERMILLE_MAX: u64 = 500;
/// Most that is read in one go, so that a long answer delays no due request.
pub(super) const READ_BYTES_MAX: usize = 64 * 1024;
/// What the poll calls the dialer.
pub(super) const DIALER: u64 = u64::MAX;

/// Everything that an engine works with.
pub struct EngineParts {
    /// Which of the `threads` engines this is, from 0.
    pub index: usize,
    /// The run's clock.
    pub clock: Clock,
    /// Its reading at due instant 0.
    pub start_ns: u64,
    /// How to send; the same for all engines.
    pub options: SendOptions,
    /// Requests in the order of their due instants, all of a life to the same engine. The engine ends when this is
    /// abandoned, empty, and everything of it has ended; also after a stop, so that the feed must then let go of it.
    pub jobs: Consumer<Box<Job>>,
    /// What begins and ends, in the same order; a slot begins before its first job and ends after its last one.
    pub news: Consumer<SlotNews>,
    /// Where requests go when they have ended; never waited for, except when requests are shed in bulk.
    pub outcomes: Producer<Box<Job>>,
    /// Makes connections.
    pub dial: DialHandle,
    /// Shared by all engines.
    pub counters: Arc<Counters>,
    /// Shared by all engines.
    pub stop: Arc<Stop>,
    /// How the time of the plan goes; the same for all engines.
    pub tempo: Arc<Tempo>,
    /// The value of `--auth`, which may change after a request was made ready.
    pub authorization: Option<Arc<LiveSecret>>,
}

/// Sends the jobs of one ring on the connections of its slots.
pub struct Engine {
    pub(super) clock: Clock,
    pub(super) start_ns: u64,
    pub(super) options: SendOptions,
    pub(super) jobs: Consumer<Box<Job>>,
    pub(super) news: Consumer<SlotNews>,
    pub(super) outcomes: Producer<Box<Job>>,
    pub(super) dial: DialHandle,
    pub(super) counters: Arc<Counters>,
    stop: Arc<Stop>,
    tempo: Arc<Tempo>,
    pub(super) authorization: Option<Arc<LiveSecret>>,
    /// How the time of the plan goes: jobs in the ring and in `lives` have its instants, all others those of the run.
    pub(super) view: View,
    pub(super) poll: Poll,
    pub(super) table: Table,
    pub(super) slots: Slots,
    pub(super) lives: Lives,
    pub(super) bounds: Bounds,
    pub(super) deadlines: Deadlines,
    /// Connections whose transport may hold bytes that the poll does not show.
    pub(super) unread: VecDeque<u64>,
    /// Connections that the dialer had no room for yet.
    pub(super) undialed: VecDeque<(u64, u16)>,
    /// Who waits for a connection that others have.
    pub(super) short: Short,
    /// The last reading of the clock.
    pub(super) now: u64,
    pub(super) buffer: Vec<u8>,
    /// It has slept since it looked at sockets.
    pub(super) rested: bool,
    /// Reads in a row for which the kernel told when the bytes arrived.
    pub(super) stamped: u32,
    /// When all sockets were looked at last.
    pub(super) looked_ns: u64,
    /// And the time before: a socket that had been read dry had nothing then.
    pub(super) not_before_ns: u64,
    /// More of an answer is to come, or more sockets are ready than were looked at.
    pub(super) goes_on: bool,
    /// Connections with something left to be written.
    pub(super) unwritten: usize,
    /// Due instant (after the start) of the last request that was taken from the ring.
    pub(super) taken_due_ns: u64,
    /// The ring is not read, since when.
    pub(super) stalled_at_ns: Option<u64>,
    /// Nothing more is sent, and why.
    pub(super) closing: Option<Shed>,
    aborted_at_ns: Option<u64>,
    parked_shown: u64,
    /// Requests that were put onto a connection since that was shown.
    pub(super) dispatched: u64,
    /// Of these, those that left after a rest that was longer than until their due instants.
    pub(super) made_room: u64,
    pub(super) wait_unknown_ns: u64,
}

impl Engine {
    /// An engine that is ready to run.
    ///
    /// # Errors
    /// When the kernel lacks what it needs.
    pub fn new(parts: EngineParts) -> Result<Self, ReplayError> {
        let EngineParts { index, clock, start_ns, options, jobs, news, outcomes, dial, .. } = parts;
        let EngineParts { counters, stop, tempo, authorization, .. } = parts;
        let poll = Poll::new()?;
        let failed = |errno: rustix::io::Errno| ReplayError::System { doing: "watch the dialer", source: errno.into() };
        poll.add(dial.wake(), DIALER).map_err(failed)?;
        let policy = Policy {
            when_busy: options.when_busy,
            in_order: options.pace == Pace::Max,
            timed: options.pace == Pace::Recorded && options.loop_model != LoopModel::Closed,
        };
        Ok(Self {
            clock,
            start_ns,
            options,
            jobs,
            news,
            outcomes,
            dial,
            bounds: Bounds::new(options, Arc::clone(&counters), start_ns, index),
            counters,
            stop,
            view: tempo.view(),
            tempo,
            authorization,
            poll,
            table: Table::default(),
            slots: Slots::new(policy),
            lives: Lives::new(options.loop_model, options.pace, start_ns),
            deadlines: Deadlines::default(),
            unread: VecDeque::new(),
            undialed: VecDeque::new(),
            short: Short::default(),
            now: clock.now_ns(),
            buffer: vec![0; READ_BYTES_MAX],
            rested: false,
            stamped: 0,
            looked_ns: 0,
            not_before_ns: 0,
            goes_on: false,
            unwritten: 0,
            taken_due_ns: 0,
            stalled_at_ns: None,
            closing: None,
            aborted_at_ns: None,
            parked_shown: 0,
            dispatched: 0,
            made_room: 0,
            wait_unknown_ns: WAIT_UNKNOWN_NS,
        })
    }

    /// Sends everything, on the thread that calls it, and returns when the last answer is there, timed out, or was given
    /// up.
    ///
    /// # Errors
    /// When the kernel refuses to wait; outcomes so far have been handed over.
    pub fn run(mut self) -> Result<(), ReplayError> {
        Poll::be_punctual()?;
        let mut turns = self.turns();
        let mut events = Events::new();
        loop {
            self.tick();
            if turns.keep(self.now, || self.full()) {
                self.counters.gave_way.fetch_add(1, Ordering::Relaxed);
            }
            self.view.follow(&self.tempo);
            self.send_due(DISPATCH_BATCH);
            self.look_after();
            if self.is_over() {
                self.show_counts();
                return Ok(());
            }
            self.tick();
            let count = self.wait(&mut events, turns.least_sleep_ns())?;
            // Before answers set more requests free.
            self.notice_end();
            for at in 0..count {
                if let Some(event) = events.get(at) {
                    self.ready(event);
                }
                self.send_due(1);
            }
            for _ in 0..self.unread.len() {
                if let Some(token) = self.unread.pop_front() {
                    self.read(token);
                }
                self.send_due(1);
            }
        }
    }

    /// Whoever sends as fast as it can, or spins, never sleeps: it goes first only in the sense of everybody's turns.
    fn turns(&self) -> Turns {
        let waits = self.options.pace == Pace::Recorded && self.options.spin_ns == 0;
        let turns = Turns::first(self.options.real_time && waits);
        self.counters.real_time_threads.fetch_add(u64::from(turns.is_real_time()), Ordering::Relaxed);
        turns
    }

    /// How far those who take the outcomes are behind.
    fn full(&self) -> Full {
        Full {
            own: turns::full_permille(&self.outcomes),
            further: self.counters.behind_permille.load(Ordering::Relaxed),
        }
    }

    /// Reads the clock.
    #[inline]
    pub(super) fn tick(&mut self) {
        self.now = self.clock.now_ns();
    }

    /// An instant of the clock as one of the run.
    #[inline]
    pub(super) fn of_run(&self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.start_ns)
    }

    /// When the next request of the ring is due.
    #[inline]
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        let due_ns = self.view.run_ns(self.jobs.peek().ok()?.due_ns)?;
        Some(self.start_ns.saturating_add(due_ns))
    }

    /// Whether as many requests wait as may.
    pub(super) fn is_full(&self) -> bool {
        self.lives.parked() + self.slots.queued() >= self.options.parked_max
    }

    /// Whether the ring of outcomes has no room for everything under way and a little more, or the one behind it is about to
    /// lose answers. At the highest pace nothing is due, so sending waits for them, and neither is lost; at the recorded pace it
    /// never does. It waits for no spans at all: a backend changes no load.
    pub(super) fn counting_is_behind(&self) -> bool {
        self.outcomes.slots() < self.bounds.share() + OUTCOMES_RESERVE
            || self.counters.answers_permille.load(Ordering::Relaxed) >= ANSWERS_PERMILLE_MAX
    }

    /// Stops sending when the run was stopped or a budget is used up.
    pub(super) fn notice_end(&mut self) {
        let reason = match self.closing {
            Some(Shed::Stopped) => return,
            // A stop also ends what a budget left under way.
            _ if self.stop.is_draining() => Shed::Stopped,
            None if self.bounds.is_used_up(self.now) => Shed::Budget,
            _ => return,
        };
        self.closing = Some(reason);
        if reason == Shed::Budget {
            self.stop.spend();
        }
        self.shed_waiting(reason);
    }

    /// Everything that is neither sending nor reading.
    fn look_after(&mut self) {
        self.notice_end();
        match self.closing {
            None => self.ask_ahead(),
            Some(reason) => self.shed_ring(reason),
        }
        for _ in 0..CARE_BATCH {
            let Some((at_ns, token)) = self.deadlines.due(self.now) else { break };
            self.look_at(token, at_ns);
        }
        self.lose_patience();
        for _ in 0..self.undialed.len().min(CARE_BATCH) {
            if let Some((slot, target)) = self.undialed.pop_front() {
                self.ask(slot, target);
            }
        }
        if let Some(since) = self.stalled_at_ns {
            self.counters.feed_stalled_ns.fetch_add(self.now.saturating_sub(since), Ordering::Relaxed);
            self.stalled_at_ns = self.is_full().then_some(self.now);
        }
        self.show_counts();
    }

    /// Shows others what goes on, once in a turn and not for each request.
    fn show_counts(&mut self) {
        if self.dispatched > 0 {
            self.counters.dispatched.fetch_add(std::mem::take(&mut self.dispatched), Ordering::Relaxed);
            self.counters.made_room.fetch_add(std::mem::take(&mut self.made_room), Ordering::Relaxed);
        }
        let parked = (self.lives.parked() + self.slots.queued()) as u64;
        if parked != self.parked_shown {
            // Wraps around zero as a whole: the sum over all engines is right.
            self.counters.parked.fetch_add(parked.wrapping_sub(self.parked_shown), Ordering::Relaxed);
            self.parked_shown = parked;
        }
    }

    /// Whether nothing is left to do; an abort gives up what is under way first.
    fn is_over(&mut self) -> bool {
        if self.stop.is_aborted() && self.aborted_at_ns.is_none() {
            self.aborted_at_ns = Some(self.now);
            self.give_up();
        }
        let idle = self.bounds.in_flight() == 0 && self.lives.parked() + self.slots.queued() == 0;
        let waited = self.aborted_at_ns.is_some_and(|at| self.now >= at + ABORT_WAIT_NS);
        let all_came = self.jobs.is_abandoned() && self.jobs.is_empty();
        if all_came {
            self.lives.pass(u64::MAX);
        }
        idle && (all_came || waited)
    }

    /// When a connection is to be asked for; an end comes with the request after it.
    pub(super) fn opens_at_ns(&self, news: &SlotNews) -> Option<u64> {
        match news {
            SlotNews::Begins { due_ns, .. } => {
                let due_ns = self.view.run_ns(*due_ns)?;
                Some(self.start_ns.saturating_add(due_ns).saturating_sub(OPEN_AHEAD_NS))
            }
            SlotNews::Ends { .. } => None,
        }
    }

    /// Asks for connections ahead of need, and lets go of those that nobody needs any more.
    fn ask_ahead(&mut self) {
        for _ in 0..CARE_BATCH {
            let Ok(news) = self.news.peek().copied() else { break };
            let now = match (news, self.options.pace) {
                // Its last request may not have been taken yet.
                (SlotNews::Ends { last_due_ns, .. }, _) => last_due_ns < self.taken_due_ns || self.jobs.is_empty(),
                (SlotNews::Begins { .. }, Pace::Recorded) => self.opens_at_ns(&news).is_some_and(|at| at <= self.now),
                // As many as may be under way at once; but a feed that waits for room here must be able to go on.
                (SlotNews::Begins { .. }, Pace::Max) => {
                    self.slots.ahead() < self.bounds.share() || self.jobs.is_empty()
                }
            };
            if !now || self.news.pop().is_err() {
                break;
            }
            match news {
                SlotNews::Begins { slot, target, due_ns } => {
                    if due_ns >= self.taken_due_ns
                        && self.slots.expect_first(slot, target)
                        && self.short.is_empty()
                        && self.bounds.take_connection()
                    {
                        self.slots.dialing(slot);
                        self.ask(slot, target);
                    }
                }
                SlotNews::Ends { slot, .. } => {
                    self.slots.end(slot);
                    self.settle(slot, false);
                }
            }
        }
        for _ in 0..CARE_BATCH {
            let Some((slot, target)) = self.slots.next_reopen(self.now) else { break };
            if self.bounds.take_connection() {
                self.slots.dialing(slot);
                self.ask(slot, target);
            }
        }
    }

    /// Sheds what is left in the ring, no faster than the results can take it.
    fn shed_ring(&mut self, reason: Shed) {
        while self.news.pop().is_ok() {}
        for _ in 0..SHED_BATCH {
            if self.outcomes.is_full() {
                return;
            }
            let Ok(mut job) = self.jobs.pop() else { return };
            self.leave_plan(&mut job);
            self.shed(job, reason);
        }
    }
}
