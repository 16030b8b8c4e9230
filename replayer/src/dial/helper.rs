//! A helper thread: one poll loop that drives all connections which its engines asked it for.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::attempt::{Attempt, Made, Step};
use super::error::{DialError, DialErrorKind};
use super::handle::{Bell, Dial, Dialed, HelperLane, Peer, signal};
use super::routes::{Refresher, Routes};

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 256;
/// Requests begun at a time for one engine, so that those under way are looked after in between.
const BEGIN_MAX: usize = 64;
/// How often is tried again what the system has no event for (a Unix listener whose queue is full).
const RETRY_NS: u64 = 2_000_000;
/// The longest sleep; everything that matters wakes a helper before.
const SLEEP_NS_MAX: u64 = 3_600_000_000_000;
/// The token of the bell; attempts count from 1.
const BELL: u64 = 0;

pub(super) struct Helper {
    epoll: OwnedFd,
    bell: Arc<Bell>,
    lanes: Vec<HelperLane>,
    /// Lanes whose engines must be woken.
    answered: Vec<bool>,
    attempts: HashMap<u64, Waiting>,
    last_key: u64,
    /// When attempts end; all have the same time, so that this is their order. Those that are over stay until then.
    deadlines: VecDeque<(u64, u64)>,
    later: Vec<u64>,
    // In this order: the refresher ends when it is let go of without routes.
    routes: Arc<Routes>,
    _refresher: Refresher,
}

/// An attempt, and which of its sockets is registered for which events.
struct Waiting {
    attempt: Attempt,
    registered: Option<(u32, EventFlags)>,
}

impl Helper {
    pub(super) fn new(
        routes: Arc<Routes>,
        lanes: Vec<HelperLane>,
        bell: Arc<Bell>,
        refresher: Refresher,
    ) -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &bell.event, EventData::new_u64(BELL), EventFlags::IN)?;
        Ok(Self {
            epoll,
            bell,
            answered: vec![false; lanes.len()],
            lanes,
            attempts: HashMap::new(),
            last_key: BELL,
            deadlines: VecDeque::new(),
            later: Vec::new(),
            routes,
            _refresher: refresher,
        })
    }

    /// Until all engines have dropped their handles.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            self.begin();
            self.wake_engines();
            if self.lanes.iter().all(|lane| lane.requests.is_abandoned()) {
                return;
            }
            self.wait(&mut events);
            // A helper that got no time for itself must not take what is ready by now for what came too late.
            let all_seen = events.len() < EVENTS_MAX;
            for event in events.drain(..) {
                let key = event.data.u64();
                if key != BELL {
                    self.step(key);
                }
            }
            for key in std::mem::take(&mut self.later) {
                self.step(key);
            }
            if all_seen {
                self.expire();
            }
            self.wake_engines();
        }
    }

    /// Takes up requests.
    fn begin(&mut self) {
        for lane in 0..self.lanes.len() {
            for _ in 0..BEGIN_MAX {
                let Some(Ok(dial)) = self.lanes.get_mut(lane).map(|one| one.requests.pop()) else { break };
                self.begin_one(dial, lane);
            }
        }
    }

    fn begin_one(&mut self, dial: Dial, lane: usize) {
        let started_ns = self.routes.clock.now_ns();
        let routes = Arc::clone(&self.routes);
        let Some(route) = routes.route(dial.target) else {
            let error = DialError::new(DialErrorKind::Io, format!("there is no target {}", dial.target));
            return self.answer(dial, lane, started_ns, None, Err(error));
        };
        match Attempt::new(dial, lane, started_ns, route) {
            Ok(attempt) => {
                self.last_key += 1;
                self.attempts.insert(self.last_key, Waiting { attempt, registered: None });
                self.deadlines.push_back((started_ns.saturating_add(self.routes.connect_timeout_ns), self.last_key));
                self.step(self.last_key);
            }
            Err(error) => self.answer(dial, lane, started_ns, None, Err(error)),
        }
    }

    /// Sleeps until something happens or is due.
    fn wait(&mut self, events: &mut Vec<Event>) {
        self.bell.going_to_sleep();
        let now_ns = self.routes.clock.now_ns();
        let until_deadline = self.deadlines.front().map_or(SLEEP_NS_MAX, |(at_ns, _)| at_ns.saturating_sub(now_ns));
        let mut timeout_ns = until_deadline.min(SLEEP_NS_MAX);
        if !self.later.is_empty() {
            timeout_ns = timeout_ns.min(RETRY_NS);
        }
        if self.lanes.iter().any(|lane| !lane.requests.is_empty())
            || self.lanes.iter().all(|lane| lane.requests.is_abandoned())
        {
            timeout_ns = 0;
        }
        let nanos = i64::try_from(timeout_ns).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 };
        if let Err(errno) = epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout))
            && errno != Errno::INTR
        {
            // Nothing that a helper does can cause this; deadlines still hold.
            log::error!("a helper cannot wait for its connections: {errno}");
        }
        self.bell.awake();
    }

    fn step(&mut self, key: u64) {
        // It is over, and this is an old event.
        let Some(mut waiting) = self.attempts.remove(&key) else { return };
        let routes = Arc::clone(&self.routes);
        let Some(route) = routes.route(waiting.attempt.dial.target) else { return };
        let result = match waiting.attempt.step(&routes, route) {
            Step::Later => {
                self.later.push(key);
                self.attempts.insert(key, waiting);
                return;
            }
            Step::Wait(flags) => match self.register(&mut waiting, key, flags) {
                Ok(()) => {
                    self.attempts.insert(key, waiting);
                    return;
                }
                Err(errno) => Err(DialError::system("wait for a connection", errno)),
            },
            Step::Over(result) => result,
        };
        self.finish(waiting, result);
    }

    fn register(&self, waiting: &mut Waiting, key: u64, flags: EventFlags) -> Result<(), Errno> {
        let Some(socket) = waiting.attempt.socket() else { return Ok(()) };
        let wanted = Some((waiting.attempt.sockets, flags));
        if waiting.registered == wanted {
            return Ok(());
        }
        let data = EventData::new_u64(key);
        match waiting.registered {
            Some((same, _)) if same == waiting.attempt.sockets => epoll::modify(&self.epoll, socket, data, flags)?,
            // Closing the earlier one has taken it out. The number of a descriptor does not tell: it is given out again.
            _ => epoll::add(&self.epoll, socket, data, flags)?,
        }
        waiting.registered = wanted;
        Ok(())
    }

    fn finish(&mut self, waiting: Waiting, result: Result<Made, DialError>) {
        let Waiting { attempt, registered } = waiting;
        if let Ok(made) = &result
            && registered.is_some_and(|(socket, _)| socket == attempt.sockets)
        {
            // The engine has an epoll instance of its own. Sockets that were closed have left by themselves.
            let _ = epoll::delete(&self.epoll, &made.transport);
        }
        self.answer(attempt.dial, attempt.lane, attempt.started_ns, attempt.peer, result);
    }

    fn expire(&mut self) {
        let now_ns = self.routes.clock.now_ns();
        while let Some((at_ns, key)) = self.deadlines.front().copied() {
            let over = !self.attempts.contains_key(&key);
            if !over && at_ns > now_ns {
                break;
            }
            self.deadlines.pop_front();
            if let Some(waiting) = self.attempts.remove(&key) {
                let error = waiting.attempt.timed_out(self.routes.connect_timeout_ns);
                self.finish(waiting, Err(error));
            }
        }
    }

    fn answer(
        &mut self,
        dial: Dial,
        lane: usize,
        started_ns: u64,
        peer: Option<Peer>,
        result: Result<Made, DialError>,
    ) {
        match &result {
            Ok(made) => self.routes.counters.count_opened(made.resumed),
            Err(error) => self.routes.counters.count_failed(error.kind),
        }
        let dialed = Dialed {
            id: dial.id,
            target: dial.target,
            result: result.map(|made| made.transport),
            started_ns,
            connected_ns: self.routes.clock.now_ns(),
            peer,
        };
        let Some(lane_of_engine) = self.lanes.get_mut(lane) else { return };
        if lane_of_engine.answers.push(dialed).is_err() {
            // A handle never has more requests out than a lane holds.
            log::error!("a finished connection found no room on its way to the engine");
        }
        if let Some(answered) = self.answered.get_mut(lane) {
            *answered = true;
        }
    }

    /// Once for all answers of a round.
    fn wake_engines(&mut self) {
        for (lane, answered) in self.lanes.iter().zip(&mut self.answered) {
            if std::mem::take(answered) {
                signal(&lane.engine);
            }
        }
    }
}
