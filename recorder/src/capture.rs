//! The writer's side: chunks from the tap become exchanges, are redacted, and go to disk.
//!
//! Runs on a thread of its own that polls the tap, so that no chunk wakes anybody. Whatever happens here (a full disk, a
//! panic), the relay does not notice; what is lost is counted and written as a gap.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use formats::clients::ClientKeys;
use formats::model::{End, Exchange, Gap, GapReason};
use formats::redact::Redactor;
use formats::session::{SessionError, SessionWriter, Written};
use formats::trace;
use formats::wire::{Blind, Http1, Limits};

use crate::clock::Clock;
use crate::tap::{ConnectionState, Event, Tap};

/// How often the tap is looked at when it was empty.
const POLL_NS: u64 = 2_000_000;
/// Events taken in one go before the flush is looked at.
const EVENTS_PER_TURN: usize = 4_096;

/// How exchanges are kept.
pub struct CaptureOptions {
    /// Replaces credentials.
    pub redactor: Redactor,
    /// Tells clients apart.
    pub clients: ClientKeys,
    /// What one connection may hold.
    pub limits: Limits,
    /// What all connections together may hold for exchanges under way.
    pub parser_bytes_max: usize,
    /// How often what is there is made durable.
    pub flush_interval_ns: u64,
    /// Whether requests that a replay sent are kept.
    pub record_replays: bool,
}

/// What was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// What is in the session.
    pub written: Written,
    /// Connections that were seen.
    pub connections: u64,
    /// Requests that carried a replay's mark and were left out.
    pub replays_skipped: u64,
    /// What is missing, by reason.
    pub gaps: BTreeMap<GapReason, Missing>,
    /// Why capturing ended early.
    pub failure: Option<String>,
}

/// The sum of the gaps of one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Connections that lost something.
    pub connections: u64,
    /// Bytes that were not captured.
    pub bytes: u64,
}

/// A capture that goes on.
pub struct Capture {
    tap: Arc<Tap>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Captured>,
}

impl Capture {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(tap: Arc<Tap>, writer: SessionWriter, options: CaptureOptions) -> std::io::Result<Self> {
        forbid_core_dumps();
        let stop = Arc::new(AtomicBool::new(false));
        let (for_thread, for_stop) = (Arc::clone(&tap), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("capture".into()).spawn(move || {
            let tap = Arc::clone(&for_thread);
            let run = move || Worker::new(for_thread, writer, options).run(&for_stop);
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
                tap.stop_capturing();
                Captured { failure: Some("the capture thread panicked".to_owned()), ..Captured::default() }
            })
        })?;
        Ok(Self { tap, stop, thread })
    }

    /// Whether the thread is gone, which it is only after [`Self::stop`] or a panic.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Takes nothing more from the relay, writes what is there, and closes the session.
    #[must_use]
    pub fn stop(self) -> Captured {
        self.tap.stop_capturing();
        self.stop.store(true, Ordering::Release);
        let lost = |_| Captured { failure: Some("the capture thread panicked".to_owned()), ..Captured::default() };
        self.thread.join().unwrap_or_else(lost)
    }
}

/// The queue holds what is not redacted yet: no crash may write it to disk.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(errno) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        log::warn!("core dumps cannot be turned off: {errno}");
    }
}

struct Worker {
    tap: Arc<Tap>,
    clock: Clock,
    writer: Option<SessionWriter>,
    options: CaptureOptions,
    connections: HashMap<u64, Connection>,
    held_bytes: usize,
    /// Counted since the last flush; then they are written as gaps.
    missing: BTreeMap<GapReason, Missing>,
    /// What the tap had lost at the last flush.
    lost_before: Missing,
    flushed_ns: u64,
    captured: Captured,
    ready: Vec<Exchange>,
}

struct Connection {
    parser: Http1,
    peer: Option<IpAddr>,
    state: Arc<ConnectionState>,
    /// Seen closed at the last flush: whatever its queue held has come since.
    closed_before: bool,
}

impl Worker {
    fn new(tap: Arc<Tap>, writer: SessionWriter, options: CaptureOptions) -> Self {
        let clock = tap.clock();
        Self {
            tap,
            clock,
            writer: Some(writer),
            options,
            connections: HashMap::new(),
            held_bytes: 0,
            missing: BTreeMap::new(),
            lost_before: Missing::default(),
            flushed_ns: clock.now_ns(),
            captured: Captured::default(),
            ready: Vec::new(),
        }
    }

    fn run(mut self, stop: &AtomicBool) -> Captured {
        loop {
            let stopping = stop.load(Ordering::Acquire);
            let taken = self.take_events();
            let now = self.clock.now_ns();
            if stopping && taken == 0 {
                return self.finish(now);
            }
            if now.saturating_sub(self.flushed_ns) >= self.options.flush_interval_ns {
                self.flush(now);
            }
            if taken < EVENTS_PER_TURN {
                self.clock.sleep_until(now + POLL_NS);
            }
        }
    }

    fn take_events(&mut self) -> usize {
        for taken in 0..EVENTS_PER_TURN {
            let Some(event) = self.tap.pop() else { return taken };
            self.take(event);
        }
        EVENTS_PER_TURN
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Opened { connection, peer, state, .. } => {
                self.captured.connections += 1;
                let parser = Http1::new(connection, self.options.limits);
                let peer = peer.map(|peer| peer.ip());
                self.connections.insert(connection, Connection { parser, peer, state, closed_before: false });
            }
            Event::Connected { connection, at_ns } => {
                if let Some(one) = self.connections.get_mut(&connection) {
                    one.parser.connected(at_ns);
                }
            }
            Event::Bytes { connection, from, at_ns, bytes } => {
                let direction = from;
                self.with(connection, at_ns, |parser, out| parser.feed(direction, at_ns, &bytes, out), bytes.len());
            }
            Event::Ended { connection, from, at_ns, how } => {
                self.with(connection, at_ns, |parser, out| parser.ended(from, how, at_ns, out), 0);
            }
            Event::Closed { connection, at_ns } => self.close(connection, at_ns),
        }
    }

    /// Lets a parser work and takes what it has to say.
    fn with(&mut self, id: u64, at_ns: u64, work: impl FnOnce(&mut Http1, &mut Vec<Exchange>), bytes: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let before = connection.parser.held_bytes();
        let was_blind = connection.parser.blind().is_some();
        work(&mut connection.parser, &mut self.ready);
        self.held_bytes = (self.held_bytes + connection.parser.held_bytes()).saturating_sub(before);
        if self.held_bytes > self.options.parser_bytes_max && connection.parser.blind().is_none() {
            self.held_bytes = self.held_bytes.saturating_sub(connection.parser.held_bytes());
            connection.parser.give_up(at_ns, End::CaptureLost, &mut self.ready);
            connection.state.go_blind();
            self.missing.entry(GapReason::ParserFull).or_default().connections += 1;
        } else if let Some(why) = connection.parser.blind() {
            // From here on the relay does not even copy; it counts.
            connection.state.go_blind();
            let missing = self.missing.entry(reason(why)).or_default();
            missing.connections += u64::from(!was_blind);
            missing.bytes += bytes as u64;
        }
        let peer = connection.peer;
        self.keep(peer);
    }

    fn close(&mut self, id: u64, at_ns: u64) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        self.held_bytes = self.held_bytes.saturating_sub(connection.parser.held_bytes());
        if connection.state.is_lost() {
            connection.parser.give_up(at_ns, End::CaptureLost, &mut self.ready);
        }
        connection.parser.closed(&mut self.ready);
        if let Some(why) = connection.parser.blind()
            && why != Blind::GivenUp
        {
            self.missing.entry(reason(why)).or_default().bytes += connection.state.uncaptured_bytes();
        }
        self.keep(connection.peer);
    }

    /// Writes the exchanges that are ready.
    fn keep(&mut self, peer: Option<IpAddr>) {
        for mut exchange in std::mem::take(&mut self.ready) {
            if !self.options.record_replays && trace::is_replay(&exchange.request.head) {
                self.captured.replays_skipped += 1;
                continue;
            }
            exchange.client = self.options.clients.of(&exchange.request.head, peer, exchange.connection);
            self.options.redactor.redact(&mut exchange);
            self.write(|writer| writer.append(&mut exchange).map(|_| ()));
        }
    }

    fn write(&mut self, work: impl FnOnce(&mut SessionWriter) -> Result<(), SessionError>) {
        let Some(writer) = &mut self.writer else { return };
        let Err(error) = work(writer) else { return };
        self.captured.written = writer.written();
        if !matches!(error, SessionError::ExchangeTooLarge { .. }) {
            // The relay stops copying; what was flushed stays readable.
            self.tap.stop_capturing();
            self.writer = None;
        }
        let text = with_sources(&error);
        log::error!("capturing: {text}");
        self.captured.failure.get_or_insert(text);
        self.missing.entry(GapReason::WriteFailed).or_default();
    }

    fn flush(&mut self, now_ns: u64) {
        self.sweep(now_ns);
        self.write_gaps(now_ns);
        self.write(SessionWriter::flush);
        self.flushed_ns = now_ns;
    }

    /// Lets go of connections whose end was lost in a full queue, and of exchanges whose bytes were.
    fn sweep(&mut self, now_ns: u64) {
        let (mut lost, mut gone) = (Vec::new(), Vec::new());
        for (id, connection) in &mut self.connections {
            if connection.state.is_lost() && connection.parser.blind().is_none() {
                lost.push(*id);
            }
            if connection.state.is_closed() {
                if connection.closed_before {
                    gone.push(*id);
                }
                connection.closed_before = true;
            }
        }
        for id in lost {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            self.held_bytes = self.held_bytes.saturating_sub(connection.parser.held_bytes());
            connection.parser.give_up(now_ns, End::CaptureLost, &mut self.ready);
            let peer = connection.peer;
            self.keep(peer);
        }
        gone.into_iter().for_each(|id| self.close(id, now_ns));
    }

    fn write_gaps(&mut self, now_ns: u64) {
        let lost = self.tap.lost();
        let before =
            std::mem::replace(&mut self.lost_before, Missing { connections: lost.connections, bytes: lost.bytes });
        if lost.connections > before.connections || lost.bytes > before.bytes {
            let missing = self.missing.entry(GapReason::QueueFull).or_default();
            missing.connections += lost.connections - before.connections;
            missing.bytes += lost.bytes - before.bytes;
        }
        for (reason, missing) in std::mem::take(&mut self.missing) {
            let sum = self.captured.gaps.entry(reason).or_default();
            sum.connections += missing.connections;
            sum.bytes += missing.bytes;
            let gap = Gap {
                reason,
                from_ns: self.flushed_ns,
                to_ns: now_ns,
                connections: missing.connections,
                exchanges: 0,
                bytes: missing.bytes,
            };
            self.write(|writer| writer.gap(&gap));
        }
    }

    fn finish(mut self, now_ns: u64) -> Captured {
        for mut connection in std::mem::take(&mut self.connections).into_values() {
            let end = if connection.state.is_lost() { End::CaptureLost } else { End::RecordingStopped };
            connection.parser.give_up(now_ns, end, &mut self.ready);
            self.keep(connection.peer);
        }
        self.write_gaps(now_ns);
        if let Some(writer) = self.writer.take() {
            let so_far = writer.written();
            match writer.finish() {
                Ok(written) => self.captured.written = written,
                Err(error) => {
                    self.captured.written = so_far;
                    self.captured.failure.get_or_insert(with_sources(&error));
                    self.captured.gaps.entry(GapReason::WriteFailed).or_default();
                }
            }
        }
        self.captured
    }
}

fn reason(why: Blind) -> GapReason {
    match why {
        Blind::Http2 => GapReason::Http2,
        Blind::NotUnderstood(_) | Blind::GivenUp => GapReason::NotUnderstood,
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
