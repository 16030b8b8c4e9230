//! From the tap to the session, on two threads of its own that poll, so that no chunk wakes anybody.
//!
//! The **reader** takes chunks from the tap, makes exchanges of them and says whose they are and whether they are kept; the
//! **store** redacts, encodes, compresses and writes. Between them is a bounded backlog, so that a slow disk does not blind the
//! reader. Whatever happens here (a full disk, a deleted directory, a panic), the relay does not notice, what is lost is
//! counted and written as a gap, and capturing goes on by itself.

mod backlog;
mod reader;
mod status;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use formats::clients::ClientKeys;
use formats::model::GapReason;
use formats::redact::Redactor;
use formats::session::{SessionWriter, Written};
use formats::wire::Limits;

use crate::breaker::BreakerOptions;
use crate::losses::Missing;
use crate::selection::Selection;
use crate::tap::Tap;
use backlog::Backlog;
use reader::Reader;
use status::Progress;
pub use status::{Skipped, Status};
use store::Store;
pub use store::{Budget, DiskOptions, StoreOptions, free_bytes};

/// How exchanges are kept.
pub struct CaptureOptions {
    /// Replaces credentials.
    pub redactor: Redactor,
    /// Tells clients apart.
    pub clients: ClientKeys,
    /// Which exchanges are kept.
    pub selection: Selection,
    /// What one connection may hold.
    pub limits: Limits,
    /// What all connections together may hold for exchanges under way.
    pub parser_bytes_max: usize,
    /// What exchanges that wait for the store may hold; from half of it on their bodies are left out.
    pub backlog_bytes_max: usize,
    /// When capturing gives way to the traffic.
    pub breaker: BreakerOptions,
    /// How they are written.
    pub store: StoreOptions,
}

/// What was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// What is in the session.
    pub written: Written,
    /// Connections that were seen.
    pub connections: u64,
    /// Exchanges that were left out by choice.
    pub skipped: Skipped,
    /// What is missing, by reason.
    pub gaps: BTreeMap<GapReason, Missing>,
    /// Oldest segments that were deleted to keep to the retention.
    pub segments_deleted: u64,
    /// How often writing failed.
    pub failures: u64,
    /// What the last failure said.
    pub failure: Option<String>,
}

/// A capture that goes on.
pub struct Capture {
    tap: Arc<Tap>,
    backlog: Arc<Backlog>,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    store: JoinHandle<Captured>,
}

impl Capture {
    /// Starts the threads, and capturing.
    ///
    /// # Errors
    /// When the system has no threads for it.
    pub fn start(tap: Arc<Tap>, writer: SessionWriter, options: CaptureOptions) -> std::io::Result<Self> {
        forbid_core_dumps();
        let stop = Arc::new(AtomicBool::new(false));
        let backlog = Arc::new(Backlog::new(options.backlog_bytes_max));
        let progress = Arc::new(Progress::default());
        let CaptureOptions { redactor, clients, selection, limits, parser_bytes_max, breaker, store, .. } = options;
        let store = Store::new(Arc::clone(&tap), Arc::clone(&backlog), Arc::clone(&progress), writer, redactor, store);
        let reader = Reader::new(
            Arc::clone(&tap),
            Arc::clone(&backlog),
            Arc::clone(&progress),
            reader::Options { clients, selection, limits, parser_bytes_max, breaker },
        );
        let store = std::thread::Builder::new().name("store".into()).spawn(move || store.run())?;
        let for_reader = Arc::clone(&stop);
        let reader = std::thread::Builder::new().name("reader".into()).spawn(move || reader.run(&for_reader));
        let reader = reader.inspect_err(|_| backlog.close())?;
        tap.start();
        Ok(Self { tap, backlog, progress, stop, reader, store })
    }

    /// What was done so far.
    #[must_use]
    pub fn status(&self) -> Status {
        self.progress.status(self.backlog.bytes())
    }

    /// Closes the current segment and begins the next one, soon.
    pub fn rotate(&self) {
        self.progress.ask_to_rotate();
    }

    /// Takes nothing more from the relay, writes what is there, and closes the session.
    #[must_use]
    pub fn stop(self) -> Captured {
        self.tap.stop();
        self.stop.store(true, Ordering::Release);
        let defect = |_| log::error!("capturing: a thread ended by itself");
        self.reader.join().unwrap_or_else(defect);
        self.backlog.close();
        let captured = self.store.join();
        captured.unwrap_or_else(|_| Captured {
            failures: 1,
            failure: Some("the storing thread panicked".to_owned()),
            ..Captured::default()
        })
    }
}

/// The queue holds what is not redacted yet: no crash may write it to disk.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(errno) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        log::warn!("core dumps cannot be turned off: {errno}");
    }
}

/// An error and what it comes from, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
