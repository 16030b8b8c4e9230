//! A run as lines: one now and then, for pipes, files and logs.

use std::time::Duration;

use log::Level;
use replayer::run::Live;

use crate::logging::say;
use crate::units;

/// Says a line at the beginning of each interval of the run.
pub(super) struct Lines {
    every_ns: u64,
    /// The interval that was spoken of last.
    interval: u64,
    said_waiting: bool,
}

impl Lines {
    pub(super) fn new(every: Duration) -> Self {
        Self { every_ns: units::nanos(every).max(1), interval: 0, said_waiting: false }
    }

    pub(super) fn show(&mut self, live: &Live) {
        if let Some(line) = self.line(live) {
            say(Level::Info, &line);
        }
    }

    /// What is to be said of a snapshot, if it is time.
    fn line(&mut self, live: &Live) -> Option<String> {
        if live.waiting_ns > 0 {
            let is_far = live.waiting_ns > 2_000_000_000;
            let is_first = is_far && !std::mem::replace(&mut self.said_waiting, true);
            return is_first.then(|| format!("begins in {} s", live.waiting_ns.div_ceil(1_000_000_000)));
        }
        let interval = live.elapsed_ns / self.every_ns;
        if interval <= self.interval || live.is_over {
            return None;
        }
        self.interval = interval;
        Some(line(live))
    }
}

fn line(live: &Live) -> String {
    let second = &live.second;
    let state = match live {
        Live { is_draining: true, .. } => "  waiting for answers".to_owned(),
        Live { is_paused: true, .. } => "  paused".to_owned(),
        Live { speed, .. } if (speed - 1.0).abs() > f64::EPSILON => format!("  at {speed} times the plan's speed"),
        _ => String::new(),
    };
    format!(
        "{:>4} s{}  {} of {} sent  {}/s of {}/s  in flight {}  response p50 {} p99 {}  lag p99 {}  errors {}{state}",
        live.elapsed_ns / 1_000_000_000,
        if live.length_ns > 0 { format!(" of {}", live.length_ns.div_ceil(1_000_000_000)) } else { String::new() },
        units::count(live.totals.sent),
        units::count(live.planned),
        units::count(second.dispatched),
        units::count(second.planned),
        units::count(live.in_flight),
        units::micros(live.response_us.p50),
        units::micros(live.response_us.p99),
        units::micros(live.lag_us.p99),
        units::count(live.totals.failed()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_line_for_each_interval_and_one_for_a_long_wait() {
        let mut lines = Lines::new(Duration::from_secs(10));
        let at = |elapsed_s: u64, waiting_s: u64| Live {
            elapsed_ns: elapsed_s * 1_000_000_000,
            waiting_ns: waiting_s * 1_000_000_000,
            length_ns: 59_500_000_000,
            planned: 1_000,
            speed: 1.0,
            ..Live::default()
        };
        assert_eq!(lines.line(&at(0, 60)).as_deref(), Some("begins in 60 s"));
        assert_eq!(lines.line(&at(0, 59)), None);
        let said: Vec<u64> = (0..35).filter(|s| lines.line(&at(*s, 0)).is_some()).collect();
        assert_eq!(said, [10, 20, 30]);
        assert_eq!(lines.line(&Live { is_over: true, ..at(40, 0) }), None);
        let line = lines.line(&at(41, 0)).unwrap();
        assert!(line.starts_with("  41 s of 60  0 of 1,000 sent  0/s of 0/s  in flight 0  response"), "{line}");
    }
}
