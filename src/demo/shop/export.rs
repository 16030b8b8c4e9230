//! The way of the shop's spans to an OTLP receiver: a bounded queue, and a task that sends what is in it in batches.
//!
//! Not the SDK's batch processor: that one drops silently, and blocks a thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

const BATCH_SPANS_MAX: usize = 512;
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);
/// One batch with its retries. Shorter than the shop's patience at its end.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// The sending end: never waits, and counts.
pub(crate) struct Queue {
    spans: mpsc::Sender<SpanData>,
    made: AtomicU64,
    exported: Arc<AtomicU64>,
}

/// The receiving end.
pub(crate) struct Export {
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    exported: Arc<AtomicU64>,
}

impl Queue {
    /// Leaves a span to the exporter, or drops it when the queue is full: no request waits for its span.
    pub(crate) fn push(&self, span: SpanData) {
        self.made.fetch_add(1, Ordering::Relaxed);
        // What does not fit is made and never exported, and so is counted as dropped.
        let _ = self.spans.try_send(span);
    }

    /// Spans made, and spans taken by the receiver.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.made.load(Ordering::Relaxed), self.exported.load(Ordering::Relaxed))
    }
}

impl Export {
    /// Both ends. Connects at the first batch; must be called inside a tokio runtime, as tonic asks.
    pub(crate) fn new(receiver: SocketAddr, queue_spans_max: usize) -> Result<(Queue, Self), ExporterBuildError> {
        let mut exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(format!("http://{receiver}"))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        exporter.set_resource(&Resource::builder_empty().with_service_name("shop").build());
        let (sender, spans) = mpsc::channel(queue_spans_max);
        let exported = Arc::new(AtomicU64::new(0));
        let queue = Queue { spans: sender, made: AtomicU64::new(0), exported: Arc::clone(&exported) };
        Ok((queue, Self { spans, exporter, exported }))
    }

    /// Sends what is there at every tick, and the rest when told to finish (or when nobody can tell any more).
    pub(crate) async fn run(mut self, mut finish: oneshot::Receiver<()>) {
        // Looking by itself rather than being woken: a request never pays for the waking of this task.
        let mut tick = interval(FLUSH_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                _ = tick.tick() => false,
                _ = &mut finish => true,
            };
            self.send_all().await;
            if last {
                return;
            }
        }
    }

    async fn send_all(&mut self) {
        loop {
            let batch: Vec<SpanData> =
                std::iter::from_fn(|| self.spans.try_recv().ok()).take(BATCH_SPANS_MAX).collect();
            if batch.is_empty() {
                return;
            }
            let spans = batch.len() as u64;
            // A failed batch is not tried again beyond the exporter's own retries: it stays out of the count.
            if self.exporter.export(batch).await.is_ok() {
                self.exported.fetch_add(spans, Ordering::Relaxed);
            }
        }
    }
}
