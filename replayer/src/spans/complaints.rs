//! What is logged about exports: every new trouble at once, the same one at most every ten seconds, with how often it came.

use std::sync::Mutex;

use super::account::Fate;
use crate::clock::Clock;

/// How often the same trouble is logged.
const SAME_NS: u64 = 10_000_000_000;

/// Keeps a flood of equal troubles out of the log.
pub(super) struct Complaints {
    endpoint: String,
    clock: Clock,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    text: String,
    at_ns: u64,
    /// Spans of equal troubles that were not logged.
    unsaid: u64,
}

impl Complaints {
    pub(super) fn new(endpoint: String, clock: Clock) -> Self {
        Self { endpoint, clock, last: Mutex::new(Last::default()) }
    }

    /// What became of a batch.
    pub(super) fn note(&self, spans: u64, fate: &Fate) {
        match fate {
            Fate::Exported { rejected: 0, said } if said.is_empty() => {}
            Fate::Exported { rejected: 0, said } => self.say(0, &format!("the collector took them and said: {said}")),
            Fate::Exported { rejected, said } => self.say(*rejected, &format!("rejected by the collector: {said}")),
            Fate::Rejected { reason, said } => self.say(spans, &format!("refused by the collector ({reason}): {said}")),
            Fate::Dropped { reason, said } => self.say(spans, &format!("not exported ({reason}): {said}")),
        }
    }

    /// An attempt that is followed by another.
    pub(super) fn again(&self, said: &str) {
        self.say(0, &format!("an export will be tried again: {said}"));
    }

    fn say(&self, spans: u64, text: &str) {
        let Ok(mut last) = self.last.lock() else { return };
        let now = self.clock.now_ns();
        if last.text == text && now < last.at_ns.saturating_add(SAME_NS) {
            last.unsaid += spans;
            return;
        }
        let spans = if last.text == text { spans + last.unsaid } else { spans };
        let count = if spans > 0 { format!("{spans} spans ") } else { String::new() };
        log::warn!("OTLP to {}: {count}{text}", self.endpoint);
        *last = Last { text: text.to_owned(), at_ns: now, unsaid: 0 };
    }
}
