//! The sessions of a recorder, one after the other: each has a directory of its own, and begins and ends as it is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::clients::ClientKeys;
use formats::redact::RedactionKey;
use formats::sample::Sample;
use formats::session::{SessionHeader, SessionWriter};
use recorder::capture::{Budget, Capture, CaptureOptions, Captured, Status};
use recorder::selection::Filter;
use recorder::tap::{Capturing, Tap};

use super::keep::Keep;
use crate::outcome::Failure;

/// Directories that are tried for a session whose first name is taken.
const NAMES_MAX: u32 = 10_000;

pub(super) struct Sessions {
    tap: Arc<Tap>,
    keep: Keep,
    header: SessionHeader,
    current: Option<Current>,
    ended: Vec<Session>,
}

struct Current {
    capture: Capture,
    directory: PathBuf,
}

/// A session that is complete.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) directory: PathBuf,
    pub(super) captured: Captured,
}

impl Sessions {
    /// None begins yet. `listen` and `upstream` are for the sessions' headers.
    pub(super) fn new(tap: Arc<Tap>, keep: Keep, listen: Option<String>, upstream: Option<String>) -> Self {
        let header = SessionHeader {
            created_by: format!("reenact {}", env!("CARGO_PKG_VERSION")),
            listen,
            upstream,
            ..SessionHeader::default()
        };
        Self { tap, keep, header, current: None, ended: Vec::new() }
    }

    /// Whether the breaker is open, so that what passes is missing.
    pub(super) fn is_paused(&self) -> bool {
        self.tap.capturing() == Capturing::Paused
    }

    /// Begins a session in `--out`, or beside it when that is taken and `may_rename` or `--when-taken` allows it.
    pub(super) fn begin(&mut self, may_rename: bool, budget: Option<Budget>) -> Result<&Path, Failure> {
        if let Some(current) = &self.current {
            return Err(Failure::new(format!("already recording into {}", current.directory.display())));
        }
        let may_rename = may_rename || self.keep.may_rename;
        let directory = if may_rename { free_name(&self.keep.out)? } else { self.keep.out.clone() };
        let clock = self.tap.clock();
        let session_id = (clock.started_unix_ns() + clock.now_ns()) ^ u64::from(std::process::id()) << 40;
        let texts = |filters: &[Filter]| filters.iter().map(ToString::to_string).collect();
        let rules = self.keep.rules.iter().map(ToString::to_string);
        let header = SessionHeader {
            session_id: format!("{session_id:016x}"),
            // The wall clock may have been set since the process began.
            started_unix_ns: clock.origin_unix_ns(),
            redaction: Some(self.keep.redaction.redactor.policy().into()),
            sealing: self.keep.redaction.sealing.clone(),
            client_keys: rules.chain(["forwarded", "peer", "connection"].map(str::to_owned)).collect(),
            sample_millionths: self.keep.selection.sample.map(Sample::millionths),
            only: texts(&self.keep.selection.only),
            exclude: texts(&self.keep.selection.exclude),
            ..self.header.clone()
        };
        let writer = SessionWriter::create_for(&directory, header, self.keep.writer, self.keep.recipients.clone())?;
        let mut store = self.keep.store;
        store.budget = budget.unwrap_or(store.budget);
        let options = CaptureOptions {
            redactor: self.keep.redaction.redactor.clone(),
            clients: ClientKeys::new(self.keep.rules.clone(), &self.keep.key),
            selection: self.keep.selection.clone(),
            limits: self.keep.limits,
            parser_bytes_max: self.keep.parser_bytes_max,
            backlog_bytes_max: self.keep.backlog_bytes_max,
            breaker: self.keep.breaker,
            store,
        };
        let capture = Capture::start(Arc::clone(&self.tap), writer, options);
        let capture = capture.map_err(|error| Failure::new(format!("cannot start the capture's threads: {error}")))?;
        Ok(&self.current.insert(Current { capture, directory }).directory)
    }

    /// What the next session keeps, and how.
    pub(super) fn take_over(&mut self, keep: Keep) {
        self.keep.take_over(keep);
    }

    /// Closes the session, if there is one.
    pub(super) fn end(&mut self) -> Option<&Session> {
        let Current { capture, directory } = self.current.take()?;
        self.ended.push(Session { directory, captured: capture.stop() });
        self.ended.last()
    }

    /// Begins a new segment soon. Whether there is a session.
    pub(super) fn rotate(&self) -> bool {
        self.current.as_ref().map(|current| current.capture.rotate()).is_some()
    }

    /// The session that is recorded, and how far it is.
    pub(super) fn current(&self) -> Option<(&Path, Status)> {
        self.current.as_ref().map(|current| (&*current.directory, current.capture.status()))
    }

    /// Whether the next session is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.keep.recipients.is_some()
    }

    /// Those that are complete, oldest first.
    pub(super) fn ended(&self) -> &[Session] {
        &self.ended
    }

    /// The key of pseudonyms, which stays as long as the process.
    pub(super) fn key(&self) -> &RedactionKey {
        &self.keep.key
    }

    pub(super) fn tap(&self) -> &Arc<Tap> {
        &self.tap
    }

    /// Whether one begins without being asked.
    pub(super) fn begins_at_once(&self) -> bool {
        self.keep.at_once
    }

    /// All sessions, the last one closed.
    pub(super) fn into_ended(mut self) -> Vec<Session> {
        self.end();
        self.ended
    }
}

/// `out`, or `out-2`, `out-3` …: the first that is not there or empty.
fn free_name(out: &Path) -> Result<PathBuf, Failure> {
    let is_free =
        |path: &PathBuf| std::fs::read_dir(path).map_or(!path.exists(), |mut entries| entries.next().is_none());
    let numbered = |number: u32| {
        let mut name = out.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    };
    let names = std::iter::once(out.to_owned()).chain((2..=NAMES_MAX).map(numbered));
    { names }.find(is_free).ok_or_else(|| {
        Failure::new(format!("{} and {NAMES_MAX} directories beside it are taken", out.display()))
            .hint("give another --out")
    })
}
