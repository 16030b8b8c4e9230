//! The rate over time, of the recording and of the plan, as people are shown it.

use replayer::spool::Seen;

/// Columns of the rate's picture: a recording is cut into so many spans of time.
pub(crate) const RATE_COLUMNS: usize = 240;

/// Requests over time.
pub(crate) struct Rates {
    pub(crate) recording: Vec<u64>,
    pub(crate) plan: Vec<u64>,
    recording_ns: u64,
    plan_ns: u64,
}

impl Rates {
    pub(super) fn new(recording_ns: u64, plan_ns: u64) -> Self {
        let empty = vec![0; RATE_COLUMNS];
        Self { recording: empty.clone(), plan: empty, recording_ns, plan_ns }
    }

    /// Of the recording.
    pub(super) fn silence_ns(&self) -> u64 {
        let longest = self.recording.split(|requests| *requests > 0).map(<[u64]>::len).max().unwrap_or(0);
        self.recording_ns / RATE_COLUMNS as u64 * longest as u64
    }

    pub(super) fn see(&mut self, seen: Seen) {
        let (counts, at_ns, length_ns) = match seen {
            Seen::Recorded { at_ns, .. } => (&mut self.recording, at_ns, self.recording_ns),
            Seen::Planned { due_ns, .. } => (&mut self.plan, due_ns, self.plan_ns),
            Seen::LeftOut { .. } => return,
        };
        let column = at_ns.checked_div(length_ns / RATE_COLUMNS as u64 + 1).unwrap_or(0);
        if let Some(count) = counts.get_mut(usize::try_from(column).unwrap_or(usize::MAX).min(RATE_COLUMNS - 1)) {
            *count += 1;
        }
    }
}
