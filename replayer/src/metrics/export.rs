//! Metrics over OTLP: a thread that exports the newest reading every so often, and always the last one.
//!
//! What cannot be delivered is not sent again later: the next reading has everything, and with delta temporality the next
//! one is reckoned from the last that was taken, so that nothing is missed for good.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message as _;
use tokio::sync::watch::{Receiver, Sender, channel};

use super::Reading;
use super::otlp::{Frame, Span, Temporality};
use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::RunFacts;
use crate::result::Spans;
use crate::spans::{Courier, Fate, Message, OtlpOptions, Protocol, SCHEMA_URL, SpanOptions, SpansSoFar, resource};

/// How metrics are exported.
#[derive(Debug, Clone)]
pub struct MetricsExport {
    /// Where to, and how.
    pub otlp: OtlpOptions,
    /// Between two exports.
    pub interval: Duration,
    /// Over which time counts are.
    pub temporality: Temporality,
    /// What the resource says besides.
    pub resource: SpanOptions,
    /// The environment under test.
    pub environment: Option<String>,
    /// How long the last export may go on when the run has ended.
    pub flush: Duration,
}

/// What became of exports.
#[derive(Debug, Default)]
struct Exports {
    /// Exports that were taken.
    taken: u64,
    /// Exports that were refused or lost.
    failed: u64,
    /// Why the last of these was.
    said: String,
    /// Whether the last reading of all was taken.
    is_last_taken: bool,
}

/// Hands readings to the exporter.
pub struct MetricsSink {
    readings: Sender<Option<Arc<Reading>>>,
    thread: std::thread::JoinHandle<Exports>,
}

impl MetricsSink {
    /// Starts the exporter's thread.
    ///
    /// # Errors
    /// When certificates cannot be used or no thread can be started.
    pub fn start(export: MetricsExport, run: &RunFacts, clock: Clock, start_ns: u64) -> Result<Self, ReplayError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| ReplayError::System { doing: "start a runtime", source })?;
        let resource = resource(&export.resource, export.environment.as_deref(), run);
        let with_schema = ResourceAttributesWithSchema::from(&resource);
        let frame = Frame {
            resource: opentelemetry_proto::tonic::resource::v1::Resource {
                attributes: with_schema.attributes.0,
                ..Default::default()
            },
            resource_schema_url: with_schema.schema_url.unwrap_or_default(),
            scope_schema_url: SCHEMA_URL,
            scope: opentelemetry_proto::tonic::common::v1::InstrumentationScope {
                name: "reenact".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..Default::default()
            },
            temporality: export.temporality,
        };
        let is_json = export.otlp.endpoint.protocol() == Protocol::HttpJson;
        let courier = Courier::new(export.otlp, clock)?;
        let (readings, newest) = channel(None);
        let exporter = Exporter {
            courier,
            frame,
            is_json,
            clock,
            start_ns,
            interval_ns: nanos(export.interval).max(1),
            flush_ns: nanos(export.flush),
            newest,
            before: None,
            exports: Exports::default(),
        };
        let thread = std::thread::Builder::new()
            .name("metrics".into())
            .spawn(move || {
                crate::turns::go_last();
                let exports = runtime.block_on(exporter.run());
                // A source of secrets or a resolver that hangs is not waited for.
                runtime.shutdown_background();
                exports
            })
            .map_err(|source| ReplayError::System { doing: "start the exporter of metrics", source })?;
        Ok(Self { readings, thread })
    }

    /// Hands over the newest reading; never waits.
    pub fn offer(&self, reading: Arc<Reading>) {
        self.readings.send_replace(Some(reading));
    }

    /// Exports the last reading, with what became of `spans`, and says in a sentence if exports failed.
    #[must_use]
    pub fn finish(self, last: Option<&Reading>, spans: &Spans, now_ns: u64) -> Option<String> {
        if let Some(last) = last {
            let spans = SpansSoFar {
                is_exporting: true,
                exported: spans.exported,
                rejected: spans.rejected.values().sum(),
                dropped: spans.dropped.values().sum(),
                sampled_out: spans.sampled_out.values().sum(),
            };
            self.offer(Arc::new(last.clone().with_spans(now_ns, spans)));
        }
        drop(self.readings);
        let Exports { taken, failed, said, is_last_taken } = self.thread.join().unwrap_or_default();
        let last = if is_last_taken { "the last one was taken" } else { "the last one was lost" };
        (failed > 0 || !is_last_taken)
            .then(|| format!("{failed} of {} exports of metrics failed, {last}: {said}", taken + failed))
    }
}

struct Exporter {
    courier: Courier,
    frame: Frame,
    is_json: bool,
    clock: Clock,
    start_ns: u64,
    interval_ns: u64,
    flush_ns: u64,
    newest: Receiver<Option<Arc<Reading>>>,
    /// What was taken last.
    before: Option<Arc<Reading>>,
    exports: Exports,
}

impl Exporter {
    async fn run(mut self) -> Exports {
        let mut due_ns = self.clock.now_ns().saturating_add(self.interval_ns);
        loop {
            let wait = tokio::time::sleep_until(self.clock.deadline(due_ns).into());
            let is_over = tokio::select! {
                () = wait => false,
                () = closed(&mut self.newest) => true,
            };
            let reading = self.newest.borrow().clone();
            if let Some(reading) = reading {
                if is_over {
                    let until_ns = self.clock.now_ns().saturating_add(self.flush_ns);
                    let taken = self.deliver(&reading, until_ns).await;
                    self.exports.is_last_taken = taken;
                } else if self.before.as_ref().is_none_or(|before| before.at_ns < reading.at_ns) {
                    // One export has the time until the next, or until the end.
                    let mut newest = self.newest.clone();
                    let until_ns = due_ns.saturating_add(self.interval_ns);
                    tokio::select! {
                        _ = self.deliver(&reading, until_ns) => {}
                        () = closed(&mut newest) => {}
                    }
                }
            }
            if is_over {
                return self.exports;
            }
            // What took longer than an interval makes no crowd.
            let now_ns = self.clock.now_ns();
            due_ns += self.interval_ns * (now_ns.saturating_sub(due_ns) / self.interval_ns + 1);
        }
    }

    async fn deliver(&mut self, reading: &Arc<Reading>, until_ns: u64) -> bool {
        let wall = |at_ns: u64| {
            let since = self.clock.wall(at_ns).duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        };
        let began_ns = wall(self.start_ns.min(reading.at_ns));
        let span = Span {
            began_ns,
            before_ns: self.before.as_ref().map_or(began_ns, |before| wall(before.at_ns)),
            now_ns: wall(reading.at_ns),
        };
        let (request, points) = self.frame.request(reading, self.before.as_deref(), span);
        let bytes = match self.is_json {
            // Numbers, texts and lists cannot fail.
            true => serde_json::to_vec(&request).unwrap_or_default(),
            false => request.encode_to_vec(),
        };
        let message = Message { bytes: bytes.into(), spans: points };
        let deadline = self.clock.deadline(until_ns).into();
        let fate = tokio::time::timeout_at(deadline, self.courier.deliver(message)).await;
        let said = match fate {
            Ok(Fate::Exported { rejected: 0, .. }) => {
                self.exports.taken += 1;
                self.before = Some(Arc::clone(reading));
                return true;
            }
            Ok(Fate::Exported { rejected, said }) => format!("{rejected} of {points} points were rejected: {said}"),
            Ok(Fate::Rejected { reason, said }) => format!("{reason}: {said}"),
            Ok(Fate::Dropped { reason, said }) => format!("{reason}: {said}"),
            Err(_) => "it took too long".to_owned(),
        };
        self.exports.failed += 1;
        self.exports.said = said;
        false
    }
}

/// Until nobody hands over readings any more.
async fn closed(newest: &mut Receiver<Option<Arc<Reading>>>) {
    while newest.changed().await.is_ok() {}
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
