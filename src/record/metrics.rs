//! The recorder's metrics as Prometheus text (exposition format 0.0.4). Their names are a contract: docs/operating.md.

use std::fmt::{Display, Write as _};

use formats::model::GapReason;
use recorder::breaker::usage;

use super::recording::Recording;
use super::sessions::{Session, Sessions};

/// All of them, now.
pub(super) fn text(recording: &Recording) -> String {
    let mut out = Page::default();
    relay(recording, &mut out);
    if let Some(sessions) = recording.sessions() {
        capture(recording, sessions, &mut out);
    }
    process(&mut out);
    out.0
}

fn relay(recording: &Recording, out: &mut Page) {
    let counters = recording.counters();
    out.one("reenact_connections_total", "counter", "Client connections that were accepted.", counters.connections);
    out.one("reenact_connections_active", "gauge", "Client connections that are open.", counters.active);
    let bytes = [("request", counters.request_bytes), ("response", counters.response_bytes)];
    out.many("reenact_bytes_total", "counter", "Bytes that were passed on.", "direction", bytes);
    let failures = [
        ("upstream_unreachable", counters.upstream_failures),
        ("upstream_tls", counters.upstream_tls_failures),
        ("client_tls", counters.tls_handshake_failures),
        ("proxy_protocol", counters.proxy_protocol_failures),
        ("handshake_timeout", counters.handshake_timeouts),
        ("alpn_mismatch", counters.alpn_mismatches),
        ("idle_timeout", counters.idle_timeouts),
        ("loop", counters.loops_refused),
        ("mirror", counters.mirror_failures),
    ];
    let help = "Connections that ended otherwise than by their peers.";
    out.many("reenact_connection_failures_total", "counter", help, "reason", failures);
    let reloads = [("taken", counters.reloads), ("refused", counters.reload_failures)];
    out.many("reenact_certificate_reloads_total", "counter", "Changed certificates and keys.", "result", reloads);
    let lookups =
        [("same", counters.lookups_same), ("changed", counters.lookups_changed), ("failed", counters.lookup_failures)];
    let help = "How often the names of upstreams were looked up again.";
    out.many("reenact_upstream_lookups_total", "counter", help, "result", lookups);
    out.histogram(
        "reenact_relay_latency_seconds",
        "From the end of a read to the moment at which the other side has taken all of it.",
        &recording.relay_latency(),
    );
}

fn capture(recording: &Recording, sessions: &Sessions, out: &mut Page) {
    let status = sessions.current().map(|(_, status)| status);
    let now = status.unwrap_or_default();
    let ended = |of: fn(&Session) -> u64| sessions.ended().iter().map(of).sum::<u64>();
    out.one("reenact_recording", "gauge", "1 while a session is recorded.", u8::from(status.is_some()));
    out.one("reenact_recording_down", "gauge", "1 while nothing can be written.", u8::from(now.is_down));
    let help = "1 while capturing gives way to the traffic.";
    out.one("reenact_breaker_open", "gauge", help, u8::from(sessions.is_paused()));
    let exchanges = now.written.exchanges + ended(|session| session.captured.written.exchanges);
    out.one("reenact_exchanges_total", "counter", "Exchanges that are in sessions.", exchanges);
    let skipped = [
        ("replay", now.skipped.replays + ended(|session| session.captured.skipped.replays)),
        ("sampled_out", now.skipped.sampled_out + ended(|session| session.captured.skipped.sampled_out)),
        ("filtered", now.skipped.filtered + ended(|session| session.captured.skipped.filtered)),
        ("past_budget", now.skipped.past_budget + ended(|session| session.captured.skipped.past_budget)),
    ];
    let help = "Exchanges that were left out by choice.";
    out.many("reenact_exchanges_skipped_total", "counter", help, "reason", skipped);
    let losses = sessions.tap().losses();
    let of = |reason: &GapReason| (reason.name(), losses.of(*reason));
    let gaps: Vec<_> = GapReason::ALL.iter().map(of).collect();
    let by = |get: fn(&recorder::losses::Missing) -> u64| gaps.iter().map(move |(name, missing)| (*name, get(missing)));
    let help = "Connections that began to lose something, by reason of the gap.";
    out.many("reenact_gap_connections_total", "counter", help, "reason", by(|missing| missing.connections));
    let help = "Exchanges that are known to be missing (bodies_dropped: their bodies), by reason of the gap.";
    out.many("reenact_gap_exchanges_total", "counter", help, "reason", by(|missing| missing.exchanges));
    let help = "Bytes that were not captured, by reason of the gap.";
    out.many("reenact_gap_bytes_total", "counter", help, "reason", by(|missing| missing.bytes));
    let help = "Bytes of traffic that wait to be read.";
    out.one("reenact_queue_bytes", "gauge", help, sessions.tap().queued_bytes());
    out.one("reenact_parser_bytes", "gauge", "Bytes held for exchanges under way.", now.parser_bytes);
    out.one("reenact_backlog_bytes", "gauge", "Bytes of exchanges that wait to be written.", now.backlog_bytes);
    let age_ns = status.map_or(0, |status| recording.clock().now_ns().saturating_sub(status.flushed_ns));
    let help = "Since what was captured last became durable.";
    out.one("reenact_flush_age_seconds", "gauge", help, seconds(age_ns));
    let bytes = now.written.file_bytes + ended(|session| session.captured.written.file_bytes);
    out.one("reenact_segment_bytes_total", "counter", "Bytes written to segments.", bytes);
    let segments = now.written.segments + ended(|session| session.captured.written.segments);
    out.one("reenact_segments_total", "counter", "Segments that were begun.", segments);
    let deleted = now.segments_deleted + ended(|session| session.captured.segments_deleted);
    out.one("reenact_segments_deleted_total", "counter", "Segments deleted to keep to the retention.", deleted);
    let failures = now.failures + ended(|session| session.captured.failures);
    out.one("reenact_write_failures_total", "counter", "How often writing failed.", failures);
}

fn process(out: &mut Page) {
    let help = "Processor time of this process.";
    out.one("process_cpu_seconds_total", "counter", help, seconds(usage::cpu_ns()));
    if let Some(bytes) = usage::resident_bytes() {
        out.one("process_resident_memory_bytes", "gauge", "Memory that this process holds.", bytes);
    }
    let info = [(env!("CARGO_PKG_VERSION"), 1)];
    out.many("reenact_build_info", "gauge", "Which reenact this is.", "version", info);
}

fn seconds(ns: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds to a microsecond")]
    let seconds = ns as f64 / 1e9;
    seconds
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn many<'a, V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) {
        self.head(name, kind, help);
        for (of, value) in values {
            let _ = writeln!(self.0, "{name}{{{label}=\"{of}\"}} {value}");
        }
    }

    fn histogram(&mut self, name: &str, help: &str, latency: &recorder::latency::Latency) {
        self.head(name, "histogram", help);
        for (upto_ns, count) in latency.cumulative() {
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{}\"}} {count}", seconds(upto_ns));
        }
        let _ = writeln!(self.0, "{name}_bucket{{le=\"+Inf\"}} {}", latency.count());
        let _ = writeln!(self.0, "{name}_sum {}\n{name}_count {}", seconds(latency.sum_ns()), latency.count());
    }
}
