//! What a server's own access log says has arrived, and whether that is what the plan of a run says.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Counts, counts, method_and_target, output, tool};
use crate::support::{exchanges, run_json, wait_for};

/// A line of an access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// As it came.
    pub method: String,
    /// As it came.
    pub target: String,
    /// `-` when there was none.
    pub traceparent: String,
    /// Of the answer.
    pub status: u64,
}

impl Arrival {
    fn parse(line: &str) -> Self {
        // A target has no space; gunicorn leaves a `?` where there is no query.
        let parts: Vec<&str> = line.split(' ').collect();
        let &[method, target, traceparent, status] = parts.as_slice() else { panic!("no line of the log: {line}") };
        Self {
            method: method.to_owned(),
            target: target.trim_end_matches('?').to_owned(),
            traceparent: traceparent.to_owned(),
            status: status.parse().unwrap(),
        }
    }
}

/// A file that a server appends to.
pub struct AccessLog {
    path: PathBuf,
    read: usize,
    marks: u64,
}

impl AccessLog {
    /// From its beginning.
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: 0, marks: 0 }
    }

    /// What came since the last call: waits for `expected` lines, then for that of a request of our own, so that a
    /// request too many is seen as well.
    #[track_caller]
    pub fn since_last(&mut self, expected: u64, request: impl FnOnce(&str)) -> Vec<Arrival> {
        let lines = || {
            let text = std::fs::read_to_string(&self.path).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            whole.lines().skip(self.read).map(Arrival::parse).collect::<Vec<_>>()
        };
        // Too few are the caller's finding, with all that came; not a matter of patience alone.
        let expected = usize::try_from(expected).unwrap();
        let deadline_passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for("the server's log", || (lines().len() >= expected).then_some(()));
        }))
        .is_err();
        assert!(!deadline_passed, "{} lines of {expected} in the server's log", lines().len());
        let mark = format!("/mark/{}", self.marks);
        request(&mark);
        let mut came = wait_for("the mark in the server's log", || {
            Some(lines()).filter(|lines| lines.iter().any(|line| line.target == mark))
        });
        self.marks += 1;
        self.read += came.len();
        came.retain(|line| line.target != mark);
        came
    }
}
