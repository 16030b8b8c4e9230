//! Sending: each engine is one thread that waits for each due instant, writes the request itself, and reads the answers
//! in between.
//!
//! Nothing here connects (that is `dial`), shares a lock, or touches a file. In open loop nothing waits for an answer
//! before it sends. What is late is sent at once and measured as late.
//!
//! ```text
//! ring of jobs ─▶ lives (held?) ─▶ bounds ─▶ slots (which connection?) ─▶ connection ─▶ ring of outcomes
//! ring of news  ─▶ slots ─▶ dial ─▶ connection
//! ```

mod answers;
mod bounds;
mod capture;
mod connection;
mod deadlines;
mod dispatch;
mod engine;
mod lives;
mod opening;
mod options;
mod poll;
mod room;
mod slots;
mod table;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

pub use engine::{Engine, EngineParts};
pub use options::{Budget, KeepAnswers, LoopModel, Pace, SAMPLE_ONE_IN, SendOptions, WhenBusy};

/// What an engine is told about slots besides their requests. Instants are since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotNews {
    /// Its first request will be due: a connection is made ahead of that.
    Begins {
        /// Its number.
        slot: u64,
        /// Index of the target.
        target: u16,
        /// When its first request is due.
        due_ns: u64,
    },
    /// No request of it will come any more, although the last one promised another.
    Ends {
        /// Its number.
        slot: u64,
        /// When its last request was due.
        last_due_ns: u64,
    },
}

/// Told to the engines while they work.
#[derive(Debug, Default)]
pub struct Stop {
    level: AtomicU8,
    spent: AtomicBool,
}

impl Stop {
    /// A budget is used up: nothing more is sent, and nobody has to wait for due instants any more.
    pub(crate) fn spend(&self) {
        self.spent.store(true, Ordering::Relaxed);
    }

    /// Whether a budget is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    /// Sends nothing more; waits for the answers that are under way.
    pub fn drain(&self) {
        self.level.fetch_max(1, Ordering::Relaxed);
    }

    /// Gives up the answers that are under way, too.
    pub fn abort(&self) {
        self.level.fetch_max(2, Ordering::Relaxed);
    }

    /// Whether [`Self::drain`] or [`Self::abort`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= 1
    }

    /// Whether [`Self::abort`] was called.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= 2
    }
}

/// Counted while sending, by all engines of a run together; readable at any time. Failures to connect are counted by
/// kind where they happen, in [`crate::dial::DialCounters`].
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were opened.
    pub opened: AtomicU64,
    /// Connections that were asked for because the client's own connection was busy.
    pub extra: AtomicU64,
    /// Connections that a request had to ask for, since none had been made ahead of it.
    pub not_ahead: AtomicU64,
    /// Connections that are open now.
    pub open: AtomicU64,
    /// Most connections that were open at once.
    pub peak: AtomicU64,
    /// Connections that the target ended, by closing or resetting them or by saying that it would.
    pub closed_by_target: AtomicU64,
    /// Requests that were put onto a connection to be written; one that goes out again counts again.
    pub dispatched: AtomicU64,
    /// Requests that are under way now: on a connection, or waiting for one to be made.
    pub in_flight: AtomicU64,
    /// Requests that wait now for an earlier answer, for a busy connection, or for the end of a pause.
    pub parked: AtomicU64,
    /// For how long due requests were not taken from the feed because `parked_max` were waiting; engines add up.
    pub feed_stalled_ns: AtomicU64,
    /// In closed loop: requests that came from the feed over 10 ms after they could have left.
    pub came_late: AtomicU64,
    /// Outcomes that found no room in the queue to the results.
    pub outcomes_lost: AtomicU64,
    /// Of these, of requests that were not shed: their spans are lost with them.
    pub spans_lost: AtomicU64,
    /// Sending threads that have real-time turns.
    pub real_time_threads: AtomicU64,
    /// How often one of them gave way since those who count were behind, or it had been busy for too long.
    pub gave_way: AtomicU64,
    /// Requests that left later than they could, so that there is time for results.
    pub made_room: AtomicU64,
    /// The fullest of the queues behind the outcomes, in thousandths.
    pub behind_permille: AtomicU64,
    /// That of the answers.
    pub answers_permille: AtomicU64,
    /// Kept answers whose body was left out because `kept_bytes_max` were held.
    pub bodies_left_out: AtomicU64,
    /// Bytes of kept bodies that are in memory now, wherever their requests are.
    pub kept_bytes: Arc<AtomicU64>,
    /// What the bounds that engines share are reckoned with.
    spent: bounds::Spent,
}

#[cfg(test)]
pub(crate) use lives::tests::remembered_after_each;

#[cfg(test)]
#[expect(clippy::vec_box, reason = "requests are boxed wherever they are")]
mod tests;
