//! How far capturing is, for those who look from outside: metrics, the live line, budgets. Counters only, read at any time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use formats::session::Written;

use crate::selection::Choice;

/// Exchanges that were left out by choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// They carried a replay's mark.
    pub replays: u64,
    /// Their client is not in the sample.
    pub sampled_out: u64,
    /// A filter left them out.
    pub filtered: u64,
    /// They came after the budget was used up.
    pub past_budget: u64,
}

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// What is in the session.
    pub written: Written,
    /// Connections that were seen.
    pub connections: u64,
    /// Connections that are followed now.
    pub connections_followed: u64,
    /// Exchanges that were left out by choice.
    pub skipped: Skipped,
    /// Bytes held for exchanges under way.
    pub parser_bytes: u64,
    /// Bytes of exchanges that wait to be written.
    pub backlog_bytes: u64,
    /// When what was captured last became durable.
    pub flushed_ns: u64,
    /// Whether nothing can be written at the moment.
    pub is_down: bool,
    /// How often writing failed.
    pub failures: u64,
    /// Whether the budget is used up.
    pub budget_is_used: bool,
    /// Oldest segments that were deleted to keep to the retention.
    pub segments_deleted: u64,
}

/// The same, shared: each counter has one writer.
#[derive(Debug, Default)]
pub(super) struct Progress {
    exchanges: AtomicU64,
    raw_bytes: AtomicU64,
    file_bytes: AtomicU64,
    segments: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) connections_followed: AtomicU64,
    replays: AtomicU64,
    sampled_out: AtomicU64,
    filtered: AtomicU64,
    pub(super) past_budget: AtomicU64,
    pub(super) parser_bytes: AtomicU64,
    pub(super) flushed_ns: AtomicU64,
    pub(super) is_down: AtomicBool,
    pub(super) failures: AtomicU64,
    pub(super) budget_is_used: AtomicBool,
    pub(super) segments_deleted: AtomicU64,
    rotate: AtomicBool,
}

impl Progress {
    pub(super) fn written(&self, written: Written) {
        self.exchanges.store(written.exchanges, Ordering::Relaxed);
        self.raw_bytes.store(written.raw_bytes, Ordering::Relaxed);
        self.file_bytes.store(written.file_bytes, Ordering::Relaxed);
        self.segments.store(written.segments, Ordering::Relaxed);
    }

    pub(super) fn skip(&self, why: Choice) {
        let counter = match why {
            Choice::Keep => return,
            Choice::Replay => &self.replays,
            Choice::SampledOut => &self.sampled_out,
            Choice::Filtered => &self.filtered,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn skipped(&self) -> Skipped {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Skipped {
            replays: get(&self.replays),
            sampled_out: get(&self.sampled_out),
            filtered: get(&self.filtered),
            past_budget: get(&self.past_budget),
        }
    }

    pub(super) fn ask_to_rotate(&self) {
        self.rotate.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_asked_to_rotate(&self) -> bool {
        self.rotate.swap(false, Ordering::Relaxed)
    }

    pub(super) fn status(&self, backlog_bytes: usize) -> Status {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            written: Written {
                exchanges: get(&self.exchanges),
                raw_bytes: get(&self.raw_bytes),
                file_bytes: get(&self.file_bytes),
                segments: get(&self.segments),
            },
            connections: get(&self.connections),
            connections_followed: get(&self.connections_followed),
            skipped: self.skipped(),
            parser_bytes: get(&self.parser_bytes),
            backlog_bytes: backlog_bytes as u64,
            flushed_ns: get(&self.flushed_ns),
            is_down: self.is_down.load(Ordering::Relaxed),
            failures: get(&self.failures),
            budget_is_used: self.budget_is_used.load(Ordering::Relaxed),
            segments_deleted: get(&self.segments_deleted),
        }
    }
}
