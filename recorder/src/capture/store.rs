//! The store's thread: exchanges are redacted and written; what cannot be written is counted, and writing is tried again.

mod budget;
mod disk;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use formats::model::{Exchange, Gap, GapReason};
use formats::redact::Redactor;
use formats::session::{SessionError, SessionWriter, Written};

use super::backlog::{Backlog, bodies_bytes, heads_bytes};
use super::status::Progress;
use super::{Captured, with_sources};
use crate::clock::Clock;
use crate::losses::Missing;
use crate::tap::Tap;
use crate::turns::Polite;
pub use budget::Budget;
use disk::Closed;
pub use disk::{DiskOptions, free_bytes};

/// How often the backlog is looked at when it was empty.
const POLL_NS: u64 = 10_000_000;
/// Writing is tried again after this; the wait doubles each time, up to the second.
const RETRY_MIN_NS: u64 = 1_000_000_000;
const RETRY_MAX_NS: u64 = 60_000_000_000;
/// The wall clock was set if it differs by more from what it was: less is what it is held to time by.
const STEP_MIN_NS: u64 = 1_000_000_000;
/// Writing that went well for so long begins with the shortest wait again.
const HEALTHY_NS: u64 = 60_000_000_000;

/// How exchanges are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreOptions {
    /// How often what is there is made durable.
    pub flush_interval_ns: u64,
    /// What may be on the disk.
    pub disk: DiskOptions,
    /// When the session is complete.
    pub budget: Budget,
}

pub(super) struct Store {
    tap: Arc<Tap>,
    clock: Clock,
    backlog: Arc<Backlog>,
    progress: Arc<Progress>,
    writer: SessionWriter,
    redactor: Redactor,
    options: StoreOptions,
    started_ns: u64,
    flushed_ns: u64,
    rotated_ns: u64,
    closed: Closed,
    /// The wall-clock time of the clock's origin, by the wall clock at the latest look.
    origin_unix_ns: u64,
    down: Option<Down>,
    retry_ns: u64,
    last_up_ns: u64,
    /// What was missing when gaps were last written, and when the session began.
    gaps_written: BTreeMap<GapReason, Missing>,
    missing_before: BTreeMap<GapReason, Missing>,
    /// When all that was missing had been written.
    gaps_written_ns: u64,
    failure: Option<String>,
    /// What is left of the batch that is worked on: exchanges, and their bytes, that were not given back yet.
    batch_left: u64,
    batch_bytes: usize,
}

/// Nothing can be written.
#[derive(Debug, Clone, Copy)]
struct Down {
    reason: GapReason,
    since_ns: u64,
    retry_at_ns: u64,
}

impl Store {
    pub(super) fn new(
        tap: Arc<Tap>,
        backlog: Arc<Backlog>,
        progress: Arc<Progress>,
        writer: SessionWriter,
        redactor: Redactor,
        options: StoreOptions,
    ) -> Self {
        let clock = tap.clock();
        let now = clock.now_ns();
        let missing: BTreeMap<_, _> = tap.losses().all().collect();
        progress.written(writer.written());
        progress.flushed_ns.store(now, Ordering::Relaxed);
        Self {
            tap,
            clock,
            backlog,
            progress,
            writer,
            redactor,
            options,
            started_ns: now,
            flushed_ns: now,
            rotated_ns: now,
            closed: Closed::default(),
            origin_unix_ns: clock.origin_unix_ns(),
            down: None,
            retry_ns: RETRY_MIN_NS,
            last_up_ns: now,
            gaps_written: missing.clone(),
            missing_before: missing,
            gaps_written_ns: now,
            failure: None,
            batch_left: 0,
            batch_bytes: 0,
        }
    }

    /// Until the backlog is closed and empty.
    pub(super) fn run(mut self) -> Captured {
        let mut batch = Vec::new();
        loop {
            let closing = self.backlog.is_closed();
            self.backlog.take(&mut batch);
            let taken = batch.len();
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn(&mut batch)));
            if turn.is_err() {
                self.give_up_batch();
            }
            if closing && taken == 0 {
                return self.finish();
            }
            if taken == 0 {
                self.clock.sleep_until(self.clock.now_ns() + POLL_NS);
            }
        }
    }

    fn turn(&mut self, batch: &mut Vec<Exchange>) {
        let weigh = |exchange: &Exchange| heads_bytes(exchange) + bodies_bytes(exchange);
        self.batch_left = batch.len() as u64;
        self.batch_bytes = batch.iter().map(weigh).sum();
        let polite = Polite::begin(self.clock);
        for mut exchange in batch.drain(..) {
            let bytes = weigh(&exchange);
            self.keep(&mut exchange, bytes);
            self.backlog.release(bytes);
            self.batch_left -= 1;
            self.batch_bytes -= bytes;
            polite.give_way();
        }
        let now = self.clock.now_ns();
        if self.down.is_some() {
            self.try_again(now);
        }
        if now.saturating_sub(self.flushed_ns) >= self.options.flush_interval_ns {
            self.flush(now);
        }
        self.progress.written(self.writer.written());
    }

    fn keep(&mut self, exchange: &mut Exchange, bytes: usize) {
        if self.progress.budget_is_used.load(Ordering::Relaxed) {
            self.progress.past_budget.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Some(down) = self.down {
            self.tap.losses().add_exchanges(down.reason, 1, bytes as u64);
            return;
        }
        #[cfg(test)]
        super::tests::fault("store", exchange);
        self.redactor.redact(exchange);
        match self.writer.append(exchange).map(|_| ()) {
            Err(error @ SessionError::ExchangeTooLarge { .. }) => {
                self.note(&error);
                self.tap.losses().add_exchanges(GapReason::WriteFailed, 1, bytes as u64);
            }
            written => self.check(written),
        }
        let elapsed_ns = exchange.instants.request_start.saturating_sub(self.started_ns);
        if self.options.budget.is_used(&self.writer.written(), elapsed_ns) {
            self.progress.budget_is_used.store(true, Ordering::Relaxed);
        }
    }

    /// What a failed write leads to.
    fn check(&mut self, written: Result<(), SessionError>) {
        if let Err(error) = written {
            self.note(&error);
            self.go_down(GapReason::WriteFailed);
        }
    }

    fn note(&mut self, error: &SessionError) {
        note(error, &mut self.failure, &self.progress);
    }

    fn go_down(&mut self, reason: GapReason) {
        let now = self.clock.now_ns();
        if now.saturating_sub(self.last_up_ns) >= HEALTHY_NS {
            self.retry_ns = RETRY_MIN_NS;
        }
        self.down = Some(Down { reason, since_ns: self.flushed_ns, retry_at_ns: now + self.retry_ns });
        self.retry_ns = (self.retry_ns * 2).min(RETRY_MAX_NS);
        self.progress.is_down.store(true, Ordering::Relaxed);
    }

    /// Begins a new segment, when it is time and there is room.
    fn try_again(&mut self, now_ns: u64) {
        let Some(down) = self.down else { return };
        if now_ns < down.retry_at_ns {
            return;
        }
        let missing = self.tap.losses().of(down.reason);
        let new = missing.since(&self.gaps_written.get(&down.reason).copied().unwrap_or_default());
        let gap = gap(down.reason, new, down.since_ns, now_ns);
        let has_room = self.options.disk.has_room(self.writer.directory());
        match has_room.then(|| self.writer.reopen(gap)) {
            Some(Ok(written)) => {
                // What the writer had lost by itself is counted with the rest.
                let lost = written.exchanges - new.exchanges;
                self.tap.losses().add_exchanges(down.reason, lost, 0);
                // Not what is missing by now: what the reader has added since is in no gap yet.
                self.gaps_written.insert(down.reason, Missing { exchanges: missing.exchanges + lost, ..missing });
                self.down = None;
                self.last_up_ns = now_ns;
                self.rotated_ns = now_ns;
                self.progress.is_down.store(false, Ordering::Relaxed);
                log::warn!("capturing goes on: {} exchanges are missing", written.exchanges);
            }
            Some(Err(error)) => {
                self.failure = Some(with_sources(&error));
                self.put_off(now_ns);
            }
            None => self.put_off(now_ns),
        }
    }

    fn try_again_at_once(&mut self, now_ns: u64) {
        if let Some(down) = &mut self.down {
            down.retry_at_ns = now_ns;
            self.try_again(now_ns);
        }
    }

    fn put_off(&mut self, now_ns: u64) {
        if let Some(down) = &mut self.down {
            down.retry_at_ns = now_ns + self.retry_ns;
        }
        self.retry_ns = (self.retry_ns * 2).min(RETRY_MAX_NS);
    }

    /// Gaps, then everything to the disk, then the housekeeping of segments.
    fn flush(&mut self, now_ns: u64) {
        if self.down.is_none() {
            self.write_gaps(now_ns);
        }
        if self.down.is_none() {
            let flushed = self.writer.flush();
            let is_flushed = flushed.is_ok();
            self.check(flushed);
            if is_flushed {
                self.progress.flushed_ns.store(now_ns, Ordering::Relaxed);
            }
        }
        self.flushed_ns = now_ns;
        if self.down.is_none() {
            self.keep_house(now_ns);
        }
        self.prune(now_ns);
        let elapsed_ns = now_ns.saturating_sub(self.started_ns);
        if self.options.budget.is_used(&self.writer.written(), elapsed_ns) {
            self.progress.budget_is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Says that somebody has set the wall clock; nothing here goes by it.
    fn look_at_wall_clock(&mut self) {
        let origin_unix_ns = self.clock.origin_unix_ns();
        let by_ns = origin_unix_ns.abs_diff(self.origin_unix_ns);
        if by_ns >= STEP_MIN_NS {
            let way = if origin_unix_ns > self.origin_unix_ns { "forward" } else { "back" };
            log::warn!(
                "the wall clock was set {way} by {:?}; this session's times go on by the clock as it was when it began",
                Duration::from_millis(by_ns / 1_000_000)
            );
            self.origin_unix_ns = origin_unix_ns;
        }
    }

    fn keep_house(&mut self, now_ns: u64) {
        self.look_at_wall_clock();
        let disk = self.options.disk;
        if !disk.has_room(self.writer.directory()) {
            let closed = self.writer.close();
            self.check(closed);
            if self.down.is_none() {
                log::error!("capturing stops: less than {} bytes are free on the disk", disk.free_bytes_min);
                self.failure = Some(format!("less than {} bytes were free on the disk", disk.free_bytes_min));
                self.progress.failures.fetch_add(1, Ordering::Relaxed);
                self.go_down(GapReason::DiskFloor);
            }
            return;
        }
        let segment_is_old = disk.rotate_interval_ns.is_some_and(|interval| now_ns - self.rotated_ns >= interval);
        if segment_is_old || self.progress.is_asked_to_rotate() {
            self.rotated_ns = now_ns;
            let rotated = self.writer.rotate();
            self.check(rotated);
        }
    }

    /// Deletes what is too old or too much, also while nothing can be written: that may make the room which is waited for.
    fn prune(&mut self, now_ns: u64) {
        let disk = self.options.disk;
        if disk.keep_for.is_some() {
            self.closed.writing(self.writer.segment(), now_ns);
        }
        match disk.prune(self.writer.directory(), &mut self.closed, now_ns) {
            Ok(pruned) => {
                self.progress.segments_deleted.fetch_add(pruned.segments, Ordering::Relaxed);
            }
            // The directory may be what is gone, which was said when it was noticed.
            Err(_) if self.down.is_some() => {}
            Err(error) => self.note(&error),
        }
    }

    /// Writes what is newly missing.
    fn write_gaps(&mut self, now_ns: u64) {
        let missing: Vec<_> = self.tap.losses().all().collect();
        for (reason, sum) in missing {
            let before = self.gaps_written.get(&reason).copied().unwrap_or_default();
            let new = sum.since(&before);
            if new.is_nothing() || self.down.is_some() {
                continue;
            }
            let written = self.writer.gap(&gap(reason, new, self.gaps_written_ns, now_ns));
            if written.is_ok() {
                self.gaps_written.insert(reason, sum);
            }
            self.check(written);
        }
        if self.down.is_none() {
            self.gaps_written_ns = now_ns;
        }
    }

    /// After a defect: the exchange that was worked on and the rest of its batch are let go, and so is the open block.
    fn give_up_batch(&mut self) {
        let exchanges = std::mem::take(&mut self.batch_left);
        self.backlog.release(std::mem::take(&mut self.batch_bytes));
        self.tap.losses().add_exchanges(GapReason::Panicked, exchanges, 0);
        log::error!("capturing: a defect in storing; {exchanges} exchanges are lost");
        self.failure = Some("a defect in storing".to_owned());
        self.progress.failures.fetch_add(1, Ordering::Relaxed);
        self.go_down(GapReason::Panicked);
    }

    fn finish(mut self) -> Captured {
        let now = self.clock.now_ns();
        self.try_again_at_once(now);
        if self.down.is_none() {
            self.write_gaps(now);
        }
        if self.down.is_none() {
            let flushed = self.writer.flush();
            self.check(flushed);
        }
        // A segment that did not take what was left leaves it to a last one, which says what is lost.
        self.try_again_at_once(now);
        let mut written = self.writer.written();
        match self.down {
            // When this fails, the end is missing and nothing else: everything was flushed.
            None => match self.writer.finish() {
                Ok(whole) => written = whole,
                Err(error) => note(&error, &mut self.failure, &self.progress),
            },
            Some(down) => {
                let Written { exchanges, raw_bytes, .. } = self.writer.durable();
                self.tap.losses().add_exchanges(down.reason, written.exchanges - exchanges, 0);
                written = Written { exchanges, raw_bytes, ..written };
            }
        }
        self.progress.written(written);
        let missing =
            self.tap.losses().all().map(|(reason, sum)| {
                (reason, sum.since(&self.missing_before.get(&reason).copied().unwrap_or_default()))
            });
        Captured {
            written,
            connections: self.progress.connections.load(Ordering::Relaxed),
            skipped: self.progress.skipped(),
            gaps: missing.filter(|(_, missing)| !missing.is_nothing()).collect(),
            segments_deleted: self.progress.segments_deleted.load(Ordering::Relaxed),
            failures: self.progress.failures.load(Ordering::Relaxed),
            failure: self.failure,
        }
    }
}

fn note(error: &SessionError, failure: &mut Option<String>, progress: &Progress) {
    let text = with_sources(error);
    log::error!("capturing: {text}");
    *failure = Some(text);
    progress.failures.fetch_add(1, Ordering::Relaxed);
}

fn gap(reason: GapReason, missing: Missing, from_ns: u64, to_ns: u64) -> Gap {
    let Missing { connections, exchanges, bytes } = missing;
    Gap { reason, from_ns, to_ns, connections, exchanges, bytes }
}
