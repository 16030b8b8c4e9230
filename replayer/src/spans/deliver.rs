//! A batch from its first attempt to its fate: waits, attempts again, and other credentials where these were refused.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::account::Fate;
use super::answer::{Answer, Lost};
use super::backoff;
use super::batch::Message;
use super::complaints::Complaints;
use super::headers::LiveHeaders;
use super::options::OtlpOptions;
use super::transport::Transport;
use crate::clock::Clock;
use crate::error::ReplayError;

/// A batch that cannot be delivered in this time is dropped: a collector may restart meanwhile.
const DELIVERY_NS_MAX: u64 = 60_000_000_000;

/// Delivers batches to one collector.
pub(crate) struct Courier {
    transport: Transport,
    headers: LiveHeaders,
    complaints: Complaints,
    /// The collector asked everybody to be left alone until then.
    not_before_ns: AtomicU64,
    /// Why the latest attempt failed, if it did.
    trouble: Mutex<Option<Lost>>,
    clock: Clock,
}

impl Courier {
    pub(crate) fn new(options: OtlpOptions, clock: Clock) -> Result<Self, ReplayError> {
        let headers = LiveHeaders::new(&options.headers, clock);
        let complaints = Complaints::new(options.endpoint.to_string(), clock);
        let transport = Transport::new(options, clock)?;
        let (not_before_ns, trouble) = (AtomicU64::new(0), Mutex::new(None));
        Ok(Self { transport, headers, complaints, not_before_ns, trouble, clock })
    }

    /// Why nothing gets through, if that is so: what is left when time is over is lost for this reason.
    pub(super) fn trouble(&self) -> Option<Lost> {
        self.trouble.lock().map_or(None, |trouble| *trouble)
    }

    fn note_trouble(&self, trouble: Option<Lost>) {
        if let Ok(mut of_latest) = self.trouble.lock() {
            *of_latest = trouble;
        }
    }

    /// Tries until it is known what becomes of the batch.
    pub(crate) async fn deliver(&self, message: Message) -> Fate {
        let fate = self.attempt_all(&message).await;
        self.complaints.note(message.spans, &fate);
        fate
    }

    async fn attempt_all(&self, message: &Message) -> Fate {
        let give_up_ns = self.clock.now_ns().saturating_add(DELIVERY_NS_MAX);
        let body = self.transport.pack(message);
        self.headers.look_again().await;
        let mut attempt = 0;
        loop {
            self.wait_for_collector(give_up_ns).await;
            attempt += 1;
            let (generation, headers) = self.headers.current();
            let answer = self.transport.post(body.clone(), &headers).await;
            self.note_trouble(if let Answer::Again { lost, .. } = &answer { Some(*lost) } else { None });
            let has_time = self.clock.now_ns() < give_up_ns;
            match answer {
                Answer::Taken { rejected, said } => {
                    return Fate::Exported { rejected, said: self.headers.mask(&said) };
                }
                Answer::Unreadable { said } => {
                    return Fate::Dropped { reason: "unreadable_answer", said: self.headers.mask(&said) };
                }
                Answer::Refused { unauthenticated: true, .. }
                    if has_time && self.headers.changed_since(generation).await => {}
                Answer::Refused { reason, said, .. } => {
                    return Fate::Rejected { reason, said: self.headers.mask(&said) };
                }
                Answer::Again { lost, after, said } => {
                    let wait = backoff::wait(attempt, getrandom::u64().unwrap_or(0));
                    let now = self.clock.now_ns();
                    if let Some(after) = after {
                        let until = now.saturating_add(super::nanos(after));
                        self.not_before_ns.fetch_max(until, Ordering::Relaxed);
                    }
                    let until = now.saturating_add(super::nanos(wait.max(after.unwrap_or_default())));
                    if until >= give_up_ns {
                        return Fate::Dropped { reason: lost.name(), said: self.headers.mask(&said) };
                    }
                    self.complaints.again(&self.headers.mask(&said));
                    self.wait_until(until).await;
                }
            }
        }
    }

    /// While the collector asked, through whatever batch, to be left alone.
    async fn wait_for_collector(&self, give_up_ns: u64) {
        loop {
            // It may be told again meanwhile.
            let until = self.not_before_ns.load(Ordering::Relaxed).min(give_up_ns);
            if self.clock.now_ns() >= until {
                return;
            }
            self.wait_until(until).await;
        }
    }

    async fn wait_until(&self, at_ns: u64) {
        tokio::time::sleep_until(self.clock.deadline(at_ns).into()).await;
    }
}
