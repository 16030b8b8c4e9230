//! The exporter's thread: takes outcomes off the queue, puts their spans into batches, hands these over, and keeps account.

use std::sync::{Arc, OnceLock};

use opentelemetry_sdk::trace::SpanData;
use rtrb::Consumer;
use tokio::task::JoinSet;

use super::account::{Account, Fate};
use super::answer::Lost;
use super::batch::{BATCH_SPANS_MAX, Batch, Message, Pushed};
use super::build::SpanBuilder;
use super::deliver::Courier;
use super::file::LineFile;
use crate::clock::Clock;
use crate::job::Job;

/// How long a batch may wait to become full.
const BATCH_WAIT_NS: u64 = 200_000_000;
/// How often the queue is looked at.
const POLL_NS: u64 = 5_000_000;
/// Batches on their way at once: what a collector far away takes in a second is these, divided by its answer's time.
const DELIVERIES_MAX: usize = 4;

/// Where batches go.
pub(super) enum Way {
    Otlp(Arc<Courier>),
    File(LineFile),
}

pub(super) struct Export {
    way: Way,
    outcomes: Consumer<Box<Job>>,
    builder: SpanBuilder,
    /// The spans of the run itself, from when it is over.
    closing: Arc<OnceLock<Vec<SpanData>>>,
    clock: Clock,
    flush_ns: u64,
    batch: Batch,
    /// When the first span of the batch came into it.
    oldest_ns: u64,
    /// A finished batch that waits for its turn; while there is one, nothing is taken off the queue.
    ready: Option<Message>,
    deliveries: JoinSet<(u64, Fate)>,
    /// Spans that were taken off the queue.
    taken: u64,
    account: Account,
}

impl Export {
    #[expect(clippy::too_many_arguments, reason = "the sink hands each part over once")]
    pub(super) fn new(
        way: Way,
        outcomes: Consumer<Box<Job>>,
        builder: SpanBuilder,
        closing: Arc<OnceLock<Vec<SpanData>>>,
        batch: Batch,
        clock: Clock,
        flush_ns: u64,
        account: Account,
    ) -> Self {
        Self {
            way,
            outcomes,
            builder,
            closing,
            clock,
            flush_ns,
            batch,
            oldest_ns: 0,
            ready: None,
            deliveries: JoinSet::new(),
            taken: 0,
            account,
        }
    }

    /// Until the queue is abandoned and empty, and everything has its fate, or the time for that is over.
    pub(super) async fn run(mut self) -> Account {
        let mut flush_until = u64::MAX;
        loop {
            // In this order: an abandoned queue gets nothing more.
            let is_over = self.outcomes.is_abandoned();
            let now = self.clock.now_ns();
            if is_over && flush_until == u64::MAX {
                flush_until = now.saturating_add(self.flush_ns);
            }
            self.fill(now);
            let is_last = is_over && self.outcomes.is_empty();
            self.send(now, is_last);
            while let Some(ended) = self.deliveries.try_join_next() {
                self.settle(ended);
            }
            let is_done = is_last && self.batch.spans() == 0 && self.ready.is_none() && self.deliveries.is_empty();
            if is_done {
                self.of_run(flush_until).await;
                return self.account;
            }
            if now >= flush_until {
                self.give_up().await;
                return self.account;
            }
            self.pause(now, flush_until).await;
        }
    }

    /// Takes outcomes off the queue until a batch is full.
    fn fill(&mut self, now: u64) {
        while self.ready.is_none()
            && self.batch.spans() < BATCH_SPANS_MAX
            && let Ok(outcome) = self.outcomes.pop()
        {
            self.taken += 1;
            match self.batch.push(self.builder.request(&outcome)) {
                Pushed::Kept if self.batch.spans() == 1 => self.oldest_ns = now,
                Pushed::Kept => {}
                Pushed::Began(finished) => {
                    self.oldest_ns = now;
                    self.ready = Some(finished);
                }
                Pushed::TooLarge => self.account.drop_spans("too_large", 1),
            }
        }
    }

    /// Hands a batch over whose time has come, if as many as may be are not on their way already.
    fn send(&mut self, now: u64, is_last: bool) {
        let is_due =
            self.batch.spans() >= BATCH_SPANS_MAX || is_last || now >= self.oldest_ns.saturating_add(BATCH_WAIT_NS);
        if self.ready.is_none() && is_due {
            self.ready = self.batch.finish();
        }
        let all_on_their_way = self.deliveries.len() >= DELIVERIES_MAX;
        self.account.all_on_their_way(all_on_their_way);
        if all_on_their_way {
            return;
        }
        let Some(message) = self.ready.take() else { return };
        match &mut self.way {
            Way::Otlp(courier) => {
                let courier = Arc::clone(courier);
                self.deliveries.spawn(async move { (message.spans, courier.deliver(message).await) });
            }
            Way::File(file) => {
                let fate = file.write(&message);
                self.account.settle(message.spans, fate);
            }
        }
    }

    fn settle(&mut self, ended: Result<(u64, Fate), tokio::task::JoinError>) {
        // Of a delivery that panicked the number is missing here, and so is added to what the exporter lost.
        if let Ok((spans, fate)) = ended {
            self.account.settle(spans, fate);
        }
    }

    /// Until there is something to do: at once with a backlog that can go on, else when a delivery ends or after a while.
    async fn pause(&mut self, now: u64, flush_until: u64) {
        let can_send = self.deliveries.len() < DELIVERIES_MAX;
        if can_send && (self.ready.is_some() || self.outcomes.slots() as u64 >= BATCH_SPANS_MAX) {
            tokio::task::yield_now().await;
            return;
        }
        let until = self.clock.deadline((now + POLL_NS).min(flush_until)).into();
        tokio::select! {
            Some(ended) = self.deliveries.join_next() => self.settle(ended),
            () = tokio::time::sleep_until(until) => {}
        }
    }

    /// The run's own spans end with the run and are not counted among the requests'. They are a batch of their own, or
    /// some where that is too long.
    async fn of_run(&mut self, flush_until: u64) {
        let closing = self.closing.get().cloned().unwrap_or_default();
        let (mut messages, mut too_large) = (Vec::new(), 0_u64);
        for span in closing {
            match self.batch.push(span) {
                Pushed::Kept => {}
                Pushed::Began(finished) => messages.push(finished),
                Pushed::TooLarge => too_large += 1,
            }
        }
        messages.extend(self.batch.finish());
        let mut lost = too_large;
        for message in messages {
            let spans = message.spans;
            let fate = match &mut self.way {
                Way::Otlp(courier) => {
                    let deadline = self.clock.deadline(flush_until).into();
                    tokio::time::timeout_at(deadline, courier.deliver(message)).await.ok()
                }
                Way::File(file) => Some(file.write(&message)),
            };
            if !matches!(fate, Some(Fate::Exported { rejected: 0, .. })) {
                lost += spans;
            }
        }
        if lost > 0 {
            log::warn!("{lost} of the run's own spans were not exported, to which the spans of its requests link");
        }
    }

    /// Counts what is left when the time is over.
    async fn give_up(&mut self) {
        self.deliveries.shutdown().await;
        let waiting = self.outcomes.slots() as u64;
        let late = self.taken.saturating_add(waiting).saturating_sub(self.account.total());
        let trouble = match &self.way {
            Way::Otlp(courier) => courier.trouble(),
            Way::File(_) => None,
        };
        let reason = trouble.map_or("flush_timeout", Lost::name);
        log::warn!(
            "{late} spans, and those of the run itself, were not exported in the time that there is for it after the end \
             of the run ({reason})"
        );
        self.account.drop_spans(reason, late);
    }
}
