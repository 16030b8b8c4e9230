//! What a recording came to: for a person, for a script, and as an exit code.

use std::path::PathBuf;

use recorder::capture::Captured;
use recorder::listen::RelayCounters;
use serde_json::json;

use crate::outcome::Outcome;
use crate::units;

/// What a recording came to.
pub(crate) struct Ended {
    pub(crate) captured: Option<Captured>,
    pub(crate) counters: RelayCounters,
    pub(super) cut: u64,
    pub(super) out: Option<PathBuf>,
}

impl Ended {
    pub(super) fn outcome(&self) -> Outcome {
        let lossy = |captured: &Captured| !captured.gaps.is_empty() || captured.failure.is_some();
        if self.captured.as_ref().is_some_and(lossy) { Outcome::Loss } else { Outcome::Done }
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
        let Some(captured) = &self.captured else { return out };
        let written = &captured.written;
        out += &format!(
            "captured   {} exchanges in {}\n",
            units::count(written.exchanges),
            units::bytes(written.file_bytes)
        );
        if captured.skipped.replays > 0 {
            out += &format!("skipped    {} requests of replays\n", units::count(captured.skipped.replays));
        }
        for (reason, missing) in &captured.gaps {
            out += &format!(
                "gap        {}: {} connections, {} exchanges, {} not captured\n",
                reason.name(),
                units::count(missing.connections),
                units::count(missing.exchanges),
                units::bytes(missing.bytes)
            );
        }
        if let Some(failure) = &captured.failure {
            out += &format!("failed     writing failed {} times, last: {failure}\n", captured.failures);
        }
        if let Some(directory) = &self.out {
            out += &format!("session    {}\n", directory.display());
        }
        out
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let captured = self.captured.clone().unwrap_or_default();
        let gap = |(reason, missing): (&formats::model::GapReason, &recorder::losses::Missing)| json!({"reason": reason.name(), "connections": missing.connections, "exchanges": missing.exchanges, "bytes": missing.bytes});
        json!({
            "session": self.out,
            "exchanges": captured.written.exchanges,
            "raw_bytes": captured.written.raw_bytes,
            "file_bytes": captured.written.file_bytes,
            "segments": captured.written.segments,
            "replays_skipped": captured.skipped.replays,
            "gaps": captured.gaps.iter().map(gap).collect::<Vec<_>>(),
            "failure": captured.failure,
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
