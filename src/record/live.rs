//! The live line for people: on standard error, where that is a terminal.

use std::io::{IsTerminal as _, Write as _};

use recorder::capture::Status;

use super::recording::Recording;
use super::sessions::Sessions;
use crate::{logging, units};

/// How often it changes.
const INTERVAL_NS: u64 = 1_000_000_000;

pub(super) struct Live {
    is_shown: bool,
    last_ns: u64,
    exchanges: u64,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal() && !logging::is_json(), last_ns: 0, exchanges: 0 }
    }

    pub(super) fn tick(&mut self, recording: &Recording) {
        let now = recording.clock().now_ns();
        if !self.is_shown || now.saturating_sub(self.last_ns) < INTERVAL_NS {
            return;
        }
        let elapsed_ms = (now.saturating_sub(self.last_ns) / 1_000_000).max(1);
        let status = recording.sessions().and_then(Sessions::current).map(|(_, status)| status);
        let counters = recording.counters();
        let connections = units::count(counters.active);
        let line = match status {
            None => format!("capture is off · {connections} connections"),
            Some(Status { written, is_down, .. }) => {
                let rate = written.exchanges.saturating_sub(self.exchanges) * 1_000 / elapsed_ms;
                self.exchanges = written.exchanges;
                let gaps = recording.sessions().map_or(0, |sessions| sessions.tap().losses().all().count());
                let mut line = format!(
                    "{} exchanges · {}/s · {} · {connections} connections",
                    units::count(written.exchanges),
                    units::count(rate),
                    units::bytes(written.file_bytes)
                );
                if gaps > 0 {
                    line += &format!(" · gaps for {gaps} reasons");
                }
                if is_down {
                    line += " · NOTHING CAN BE WRITTEN";
                }
                if recording.sessions().is_some_and(Sessions::is_paused) {
                    line += " · CAPTURE IS PAUSED";
                }
                line
            }
        };
        self.last_ns = now;
        // A line that cannot be shown is no reason to stop.
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
    }

    pub(super) fn clear(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
