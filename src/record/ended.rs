//! What a recording came to: for a person, for a script, and as an exit code.

use formats::model::GapReason;
use recorder::capture::Captured;
use recorder::listen::RelayCounters;
use recorder::losses::Missing;
use serde_json::json;

use super::sessions::Session;
use crate::outcome::Outcome;
use crate::read::missing_text;
use crate::units;

/// What a recording came to.
pub(crate) struct Ended {
    pub(super) sessions: Vec<Session>,
    pub(super) counters: RelayCounters,
    /// Connections that were still open.
    pub(super) cut: u64,
}

impl Ended {
    /// Exchanges of all sessions.
    #[cfg(feature = "replay")]
    pub(crate) fn exchanges(&self) -> u64 {
        self.sessions.iter().map(|session| session.captured.written.exchanges).sum()
    }

    /// Whether nothing is missing from what was recorded.
    pub(crate) fn is_complete(&self) -> bool {
        let complete = |captured: &Captured| captured.gaps.is_empty() && captured.failures == 0;
        self.sessions.iter().all(|session| complete(&session.captured))
    }

    pub(super) fn outcome(&self) -> Outcome {
        if self.is_complete() { Outcome::Done } else { Outcome::Loss }
    }

    pub(super) fn text(&self) -> String {
        let counters = &self.counters;
        let mut out = format!(
            "passed     {} connections, {} from clients, {} from the upstream\n",
            units::count(counters.connections),
            units::bytes(counters.request_bytes),
            units::bytes(counters.response_bytes)
        );
        if counters.upstream_failures > 0 {
            out += &format!(
                "upstream   could not be reached for {} connections\n",
                units::count(counters.upstream_failures)
            );
        }
        for (count, what) in counters.troubles() {
            out += &format!("trouble    {} {what}\n", units::count(count));
        }
        if self.cut > 0 {
            out += &format!("closed     {} connections that were still open\n", units::count(self.cut));
        }
        self.sessions.iter().for_each(|session| out += &session.text());
        out
    }

    /// The sums of all sessions, and each by itself.
    pub(super) fn json(&self) -> serde_json::Value {
        let sum = |of: fn(&Captured) -> u64| self.sessions.iter().map(|session| of(&session.captured)).sum::<u64>();
        let failure = self.sessions.iter().rev().find_map(|session| session.captured.failure.clone());
        let gaps = self.sessions.iter().flat_map(|session| &session.captured.gaps);
        json!({
            "session": self.sessions.last().map(|session| &session.directory),
            "sessions": self.sessions.iter().map(Session::json).collect::<Vec<_>>(),
            "exchanges": sum(|captured| captured.written.exchanges),
            "raw_bytes": sum(|captured| captured.written.raw_bytes),
            "file_bytes": sum(|captured| captured.written.file_bytes),
            "segments": sum(|captured| captured.written.segments),
            "replays_skipped": sum(|captured| captured.skipped.replays),
            "gaps": gaps.map(|(reason, missing)| gap(*reason, missing)).collect::<Vec<_>>(),
            "failure": failure,
            "connections": self.counters.connections,
            "connections_cut": self.cut,
            "upstream_failures": self.counters.upstream_failures,
            "upstream_tls_failures": self.counters.upstream_tls_failures,
            "tls_handshake_failures": self.counters.tls_handshake_failures,
            "proxy_protocol_failures": self.counters.proxy_protocol_failures,
            "handshake_timeouts": self.counters.handshake_timeouts,
            "alpn_mismatches": self.counters.alpn_mismatches,
            "idle_timeouts": self.counters.idle_timeouts,
            "loops_refused": self.counters.loops_refused,
            "mirror_failures": self.counters.mirror_failures,
            "reloads": self.counters.reloads,
            "reload_failures": self.counters.reload_failures,
            "request_bytes": self.counters.request_bytes,
            "response_bytes": self.counters.response_bytes,
        })
    }
}

impl Session {
    /// A few lines for a person.
    pub(super) fn text(&self) -> String {
        let captured = &self.captured;
        let written = &captured.written;
        let (exchanges, bytes) = (units::count(written.exchanges), units::bytes(written.file_bytes));
        let mut out = format!("captured   {exchanges} exchanges in {bytes}\n");
        let skipped = &captured.skipped;
        for (count, what) in [
            (skipped.replays, "requests of replays"),
            (skipped.sampled_out, "exchanges of clients that are not in the sample"),
            (skipped.filtered, "exchanges that a filter leaves out"),
            (skipped.past_budget, "exchanges after the budget was used up"),
        ] {
            if count > 0 {
                out += &format!("skipped    {} {what}\n", units::count(count));
            }
        }
        if captured.segments_deleted > 0 {
            out += &format!("deleted    {} old segments\n", units::count(captured.segments_deleted));
        }
        for (reason, missing) in &captured.gaps {
            out += &format!(
                "gap        {}: {}\n",
                reason.name(),
                missing_text(*reason, missing.connections, missing.exchanges, missing.bytes)
            );
        }
        if let Some(failure) = &captured.failure {
            out += &format!("failed     writing failed {} times, last: {failure}\n", captured.failures);
        }
        out + &format!("session    {}\n", self.directory.display())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let Captured { written, skipped, gaps, .. } = &self.captured;
        json!({
            "session": self.directory,
            "exchanges": written.exchanges,
            "raw_bytes": written.raw_bytes,
            "file_bytes": written.file_bytes,
            "segments": written.segments,
            "segments_deleted": self.captured.segments_deleted,
            "skipped": {
                "replays": skipped.replays,
                "sampled_out": skipped.sampled_out,
                "filtered": skipped.filtered,
                "past_budget": skipped.past_budget,
            },
            "gaps": gaps.iter().map(|(reason, missing)| gap(*reason, missing)).collect::<Vec<_>>(),
            "failures": self.captured.failures,
            "failure": self.captured.failure,
        })
    }
}

pub(super) fn gap(reason: GapReason, missing: &Missing) -> serde_json::Value {
    json!({
        "reason": reason.name(),
        "connections": missing.connections,
        "exchanges": missing.exchanges,
        "bytes": missing.bytes,
    })
}
