//! The built-in trace view: receives the spans of the services under test while a run goes on, keeps those of the run within
//! a memory bound, and says whose time its requests took ([docs](../../../docs/trace-view.md)).
//!
//! ```text
//! count ═▶ requests ─┐
//!                    ├▶ store ─▶ tree, skew, path ─▶ view        (═▶ bounded queue)
//! services ─▶ OTLP ──┘
//! ```
//!
//! All of it is one thread of low priority. What comes faster than it can be taken is dropped and counted; nothing here can
//! hold a request up. Deliberately not here: metrics and logs, storing spans, TLS.

mod intake;
mod members;
mod names;
mod otlp;
mod path;
mod receive;
mod skew;
mod span;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod view;

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::{Job, RunFacts};
use crate::result::services::{KeptTraces, ReceivedSpans, Services};
use crate::send::Stop;
use intake::Intake;
pub use receive::Listeners;
use receive::{Receiver, locked};
use span::ClientSpan;
use store::Store;

/// Requests that have ended and wait to be looked at.
const QUEUE_REQUESTS_MAX: usize = 65_536;
/// Of these at once, so that messages have their turn.
const REQUESTS_AT_ONCE: usize = 4_096;
/// How often the queue is looked at.
const POLL_NS: u64 = 5_000_000;
/// Of the memory that is given, what messages may take while they are read.
const READING_PART: u64 = 4;
/// With less the bound on messages would be below one message.
pub const MEMORY_BYTES_MIN: u64 = READING_PART * receive::MESSAGE_BYTES_MAX as u64;

/// What to receive, and how much of it to keep.
#[derive(Debug)]
pub struct CollectOptions {
    /// Where services send to.
    pub listeners: Listeners,
    /// For spans and for messages that are being read; at least [`MEMORY_BYTES_MIN`].
    pub memory_bytes: u64,
    /// How long late spans are waited for when the run is over.
    pub wait: Duration,
}

/// Hands requests that have ended to the view.
pub struct Collector {
    queue: Option<Producer<ClientSpan>>,
    lost: u64,
    /// Response times count from the due instant.
    from_due: bool,
    thread: Option<std::thread::JoinHandle<Services>>,
}

impl Collector {
    /// No view.
    #[must_use]
    pub fn none() -> Self {
        Self { queue: None, lost: 0, from_due: true, thread: None }
    }

    /// Starts to receive. `from_due`: response times count from the due instant, as in open loop.
    ///
    /// # Errors
    /// When no thread or runtime can be had.
    pub fn start(
        options: CollectOptions,
        run: &Arc<RunFacts>,
        clock: Clock,
        start_ns: u64,
        from_due: bool,
        stop: Arc<Stop>,
    ) -> Result<Self, ReplayError> {
        let system = |doing| move |source| ReplayError::System { doing, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("start a runtime"))?;
        let (queue, requests) = RingBuffer::new(QUEUE_REQUESTS_MAX);
        let intake = Intake::new(Store::new(options.memory_bytes), run.contexts.run_id());
        let intake = Arc::new(Mutex::new(intake));
        let receiver = Receiver::new(Arc::clone(&intake), clock, options.memory_bytes / READING_PART);
        let addresses = options.listeners.addresses().iter().map(ToString::to_string).collect();
        {
            let _inside = runtime.enter();
            receiver.listen(options.listeners).map_err(system("listen for spans"))?;
        }
        let start = clock.wall(start_ns).duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut view = View {
            requests,
            intake,
            receiver,
            clock,
            stop,
            wait_ns: u64::try_from(options.wait.as_nanos()).unwrap_or(u64::MAX),
            memory_bytes: options.memory_bytes,
            addresses,
            start_unix_ns: u64::try_from(start.as_nanos()).unwrap_or(u64::MAX),
            run: Arc::clone(run),
        };
        let thread = std::thread::Builder::new().name("collect".into()).spawn(move || {
            crate::turns::go_last();
            runtime.block_on(view.receive());
            // What is still connected is let go of before anything is worked out.
            drop(runtime);
            view.result()
        });
        let thread = thread.map_err(system("start the trace view's thread"))?;
        Ok(Self { queue: Some(queue), lost: 0, from_due, thread: Some(thread) })
    }

    /// Hands over a request that has ended; never waits.
    pub fn take(&mut self, job: &Job) {
        let Some(queue) = &mut self.queue else { return };
        let end = &job.progress;
        // What was never sent has no trace.
        let Some(dispatched_ns) = end.dispatched_ns else { return };
        let client = ClientSpan {
            trace_id: job.fresh.trace_id,
            span_id: job.fresh.span_id,
            endpoint: job.facts.endpoint,
            begin_ns: if self.from_due { job.due_ns } else { end.released_ns },
            dispatched_ns,
            done_ns: end.done_ns,
            failed: end.error.is_some() || end.status.is_some_and(|status| status >= 500),
            sampled: job.fresh.is_sampled,
        };
        self.lost += u64::from(queue.push(client).is_err());
    }

    /// No more requests: waits for late spans, and says what came of it; `None` without a view.
    #[must_use]
    pub fn finish(mut self) -> Option<Services> {
        drop(self.queue.take());
        let mut services = self.thread.take()?.join().ok()?;
        services.requests.lost = self.lost;
        Some(services)
    }
}

/// The view's thread.
struct View {
    requests: Consumer<ClientSpan>,
    intake: Arc<Mutex<Intake>>,
    receiver: Arc<Receiver>,
    clock: Clock,
    stop: Arc<Stop>,
    wait_ns: u64,
    memory_bytes: u64,
    addresses: Vec<String>,
    start_unix_ns: u64,
    run: Arc<RunFacts>,
}

impl View {
    /// Takes requests and spans until the run is over and late spans had their time.
    async fn receive(&mut self) {
        let mut end = None;
        loop {
            let at_once = self.take_requests();
            let now = self.clock.now_ns();
            if self.requests.is_abandoned() && self.requests.is_empty() {
                let stops = self.stop.is_draining();
                let (until, stopped) = *end.get_or_insert_with(|| {
                    log::info!("waiting up to {} ms for late spans", self.wait_ns / 1_000_000);
                    (now.saturating_add(self.wait_ns), stops)
                });
                // An interrupted run waits all the same; whoever interrupts the waiting does not want it.
                if now >= until || self.stop.is_aborted() || (stops && !stopped) {
                    return;
                }
            }
            if at_once < REQUESTS_AT_ONCE {
                tokio::time::sleep_until(self.clock.deadline(now + POLL_NS).into()).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    fn take_requests(&mut self) -> usize {
        let mut intake = locked(&self.intake);
        let mut taken = 0;
        while taken < REQUESTS_AT_ONCE
            && let Ok(request) = self.requests.pop()
        {
            intake.store.request(request);
            taken += 1;
        }
        taken
    }

    fn result(self) -> Services {
        let mut intake = locked(&self.intake);
        intake.store.finish();
        let Intake { store, processes, operations, .. } = &*intake;
        let counts = &store.counts;
        let (share, failed_share, slowest) = store.kept();
        let mut services = Services {
            listening: self.addresses,
            messages: self.receiver.messages(),
            spans: ReceivedSpans {
                received: counts.received,
                kept: 0,
                not_kept: counts.not_kept,
                of_others: counts.of_others,
                own: counts.own,
                repeated: counts.repeated,
                cut: counts.cut,
                gave_way: counts.gave_way,
                rejected: counts.rejected,
            },
            kept: KeptTraces {
                share,
                failed_share,
                slowest: slowest as u64,
                bytes_peak: store.bytes_peak,
                bytes_max: self.memory_bytes,
                names_left_out: processes.refused() + operations.refused,
            },
            ..Services::default()
        };
        let (endpoints, start_unix_ns) = (self.run.endpoints.as_slice(), self.start_unix_ns);
        view::fill(&view::Kept { store, processes, operations, endpoints, start_unix_ns }, &mut services);
        services
    }
}
