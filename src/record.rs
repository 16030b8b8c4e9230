//! `reenact record`: builds relay, tap and capture, runs them until a signal, and says what was captured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use formats::clients::ClientKeys;
use formats::redact::{RedactionKey, Redactor};
use formats::session::{Redaction, SessionHeader, SessionWriter, WriterOptions};
use formats::wire::Limits;
use recorder::capture::{Capture, CaptureOptions, Captured};
use recorder::clock::Clock;
use recorder::listen::{Relay, RelayConfig, RelayCounters, RelayError};
use recorder::tap::{Tap, TapLimits};
use serde_json::json;

use crate::cli::{RecordArgs, Switch};
use crate::outcome::{self, Failure, Outcome};
use crate::signals::{Asked, Signals};
use crate::{secret, units};

/// How long traffic is passed on after SIGTERM, unless `--drain` says otherwise.
const DRAIN_ON_TERMINATE: Duration = Duration::from_secs(30);
/// Exchanges under way may hold this many times the queue's bytes.
const PARSER_SHARE: usize = 4;

pub(crate) fn run(args: RecordArgs) -> Result<Outcome, Failure> {
    let json = args.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    // Before anything starts, so that no signal is missed.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let recording = Recording::start(Config::check(args)?)?;
    eprintln!("{}", recording.greeting());
    let asked = runtime.block_on(signals.next());
    let again = async move {
        let _ = signals.next().await;
    };
    let ended = recording.end(asked, again);
    outcome::print(&if json { format!("{}\n", ended.json()) } else { ended.text() });
    Ok(ended.outcome())
}

/// What a recording needs, checked.
pub(crate) struct Config {
    relay: RelayConfig,
    upstream: String,
    out: Option<PathBuf>,
    drain: Option<Duration>,
    tap: TapLimits,
    limits: Limits,
    flush_interval_ns: u64,
    record_replays: bool,
    key: RedactionKey,
    rules: Vec<formats::clients::KeyRule>,
}

impl Config {
    /// Everything that can be refused is refused here, before a connection is accepted.
    pub(crate) fn check(args: RecordArgs) -> Result<Self, Failure> {
        let needs = |flag: &str, example: &str| {
            Failure::new(format!("a recording needs {flag}")).hint(format!("as in {flag} {example}"))
        };
        match args.mode.as_str() {
            "relay" => {}
            mode @ ("mirror" | "http") => return Err(Failure::not_built(&format!("--mode {mode}"))),
            mode => return Err(Failure::new(format!("`{mode}` is no mode")).hint("this version has --mode relay")),
        }
        if args.seal.is_some() {
            return Err(Failure::not_built("--seal"));
        }
        let listen = args.listen.ok_or_else(|| needs("--listen", "127.0.0.1:8080"))?;
        let upstream = args.upstream.ok_or_else(|| needs("--upstream", "http://127.0.0.1:9000"))?;
        let (upstream_host, upstream_port) = authority(&upstream)?;
        let capture = args.capture == Switch::On;
        let out = match (capture, args.out) {
            (true, None) => return Err(needs("--out", "sessions/monday")),
            (true, out) => out,
            (false, _) => None,
        };
        if args.threads == 0 || args.flush_interval.is_zero() {
            return Err(Failure::new("--threads and --flush-interval must be above zero"));
        }
        let key = secret::redaction_key(args.redact_key.as_ref())?;
        Ok(Self {
            relay: RelayConfig {
                listen,
                upstream_host,
                upstream_port,
                threads: args.threads,
                connect_timeout: args.connect_timeout,
            },
            upstream,
            out,
            drain: args.drain,
            tap: TapLimits { queue_bytes_max: to_usize(args.queue_bytes), ..TapLimits::default() },
            limits: Limits { body_bytes_max: to_usize(args.body_max), ..Limits::default() },
            flush_interval_ns: units::nanos(args.flush_interval),
            record_replays: args.record_replays,
            key,
            rules: args.client_key,
        })
    }
}

/// A recorder at work.
pub(crate) struct Recording {
    relay: Relay,
    capture: Option<Capture>,
    upstream: String,
    out: Option<PathBuf>,
    drain: Option<Duration>,
}

impl Recording {
    /// Makes the session before it accepts: whoever can connect is recorded.
    pub(crate) fn start(config: Config) -> Result<Self, Failure> {
        let of = |error: RelayError| Failure::of(&error).hint(error.hint());
        let Config { relay, upstream, out, drain, tap, limits, flush_interval_ns, record_replays, key, rules } = config;
        let Some(directory) = &out else {
            let relay = Relay::bind(&relay).and_then(|bound| bound.start(None)).map_err(of)?;
            return Ok(Self { relay, capture: None, upstream, out, drain });
        };
        let clock = Clock::start();
        let tap = Tap::new(tap, clock);
        // The port that 0 becomes stands in the header, so the socket comes first; nobody is accepted before the writer
        // is there.
        let client_keys = rules
            .iter()
            .map(ToString::to_string)
            .chain(["forwarded", "peer", "connection"].map(str::to_owned))
            .collect();
        let redactor = Redactor::new(&key);
        let policy = redactor.policy();
        let bound = Relay::bind(&relay).map_err(of)?;
        let header = SessionHeader {
            session_id: format!("{:016x}", clock.started_unix_ns() ^ u64::from(std::process::id()) << 40),
            created_by: format!("reenact {}", env!("CARGO_PKG_VERSION")),
            started_unix_ns: clock.started_unix_ns(),
            listen: Some(bound.address().to_string()),
            upstream: Some(upstream.clone()),
            redaction: Some(Redaction { key_id: policy.key_id, headers: policy.headers }),
            client_keys,
            ..SessionHeader::default()
        };
        let writer = SessionWriter::create(directory, header, WriterOptions::default())?;
        let clients = ClientKeys::new(rules, &key);
        let parser_bytes_max = tap.queue_bytes_max().saturating_mul(PARSER_SHARE);
        let options = CaptureOptions { redactor, clients, limits, parser_bytes_max, flush_interval_ns, record_replays };
        let capture = Capture::start(Arc::clone(&tap), writer, options);
        let capture = capture.map_err(|error| Failure::new(format!("cannot start the capture thread: {error}")))?;
        let relay = bound.start(Some(tap)).map_err(of)?;
        Ok(Self { relay, capture: Some(capture), upstream, out, drain })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    fn greeting(&self) -> String {
        let into = match &self.out {
            Some(out) => format!("recording into {}", out.display()),
            None => "capture is off".to_owned(),
        };
        format!("listening on {}, passing traffic to {}, {into}", self.address(), self.upstream)
    }

    /// Closes the session at once, then passes traffic on until the last connection ends, the drain is over, or `again`.
    pub(crate) fn end(self, asked: Asked, again: impl Future<Output = ()>) -> Ended {
        let captured = self.capture.map(Capture::stop);
        let longest = self.drain.unwrap_or(match asked {
            Asked::Interrupt => Duration::ZERO,
            Asked::Terminate => DRAIN_ON_TERMINATE,
        });
        let counters = self.relay.counters();
        if counters.active > 0 && !longest.is_zero() {
            let what = if captured.is_some() { "the session is closed; " } else { "" };
            eprintln!(
                "{what}passing traffic on for {} connections, at most {}",
                counters.active,
                units::seconds(longest.as_secs_f64())
            );
        }
        let (counters, cut) = self.relay.drain(longest, again);
        Ended { captured, counters, cut, out: self.out }
    }

    /// Ends a recording of which every connection is over already.
    #[cfg(feature = "replay")]
    pub(crate) fn end_now(self) -> Ended {
        self.end(Asked::Interrupt, std::future::pending())
    }
}

/// What a recording came to.
pub(crate) struct Ended {
    pub(crate) captured: Option<Captured>,
    pub(crate) counters: RelayCounters,
    cut: u64,
    out: Option<PathBuf>,
}

impl Ended {
    fn outcome(&self) -> Outcome {
        let lossy = |captured: &Captured| !captured.gaps.is_empty() || captured.failure.is_some();
        if self.captured.as_ref().is_some_and(lossy) { Outcome::Loss } else { Outcome::Done }
    }

    fn text(&self) -> String {
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
        if captured.replays_skipped > 0 {
            out += &format!("skipped    {} requests of replays\n", units::count(captured.replays_skipped));
        }
        for (reason, missing) in &captured.gaps {
            out += &format!(
                "gap        {}: {} connections, {} not captured\n",
                reason.name(),
                units::count(missing.connections),
                units::bytes(missing.bytes)
            );
        }
        if let Some(failure) = &captured.failure {
            out += &format!("failed     capturing ended early: {failure}\n");
        }
        if let Some(directory) = &self.out {
            out += &format!("session    {}\n", directory.display());
        }
        out
    }

    fn json(&self) -> serde_json::Value {
        let captured = self.captured.clone().unwrap_or_default();
        let gap = |(reason, missing): (&formats::model::GapReason, &recorder::capture::Missing)| json!({"reason": reason.name(), "connections": missing.connections, "bytes": missing.bytes});
        json!({
            "session": self.out,
            "exchanges": captured.written.exchanges,
            "raw_bytes": captured.written.raw_bytes,
            "file_bytes": captured.written.file_bytes,
            "segments": captured.written.segments,
            "replays_skipped": captured.replays_skipped,
            "gaps": captured.gaps.iter().map(gap).collect::<Vec<_>>(),
            "failure": captured.failure,
            "connections": self.counters.connections,
            "connections_cut": self.cut,
            "upstream_failures": self.counters.upstream_failures,
            "request_bytes": self.counters.request_bytes,
            "response_bytes": self.counters.response_bytes,
        })
    }
}

/// Host and port of `http://HOST[:PORT]`.
fn authority(upstream: &str) -> Result<(String, u16), Failure> {
    let bad = |why: &str| {
        Failure::new(format!("the upstream `{upstream}` {why}")).hint("write it as in --upstream http://127.0.0.1:9000")
    };
    if upstream.starts_with("https://") {
        return Err(Failure::not_built(&format!("TLS to the upstream `{upstream}`")));
    }
    let rest = upstream.strip_prefix("http://").ok_or_else(|| bad("is no http:// address"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() || rest.contains(['/', '?', '#', '@']) {
        return Err(bad("is more or less than http://HOST[:PORT]"));
    }
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(80), str::parse).map_err(|_| bad("has no valid port"))?;
    Ok((host.to_owned(), port))
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams() {
        for (given, expected) in [
            ("http://127.0.0.1:9000", Some(("127.0.0.1", 9000))),
            ("http://shop/", Some(("shop", 80))),
            ("http://[::1]:7", Some(("::1", 7))),
            ("http://shop/path", None),
            ("http://a@shop", None),
            ("http://", None),
            ("http://shop:x", None),
            ("shop:80", None),
            ("https://shop", None),
        ] {
            let got = authority(given).ok();
            assert_eq!(got.as_ref().map(|(host, port)| (host.as_str(), *port)), expected, "{given}");
        }
    }
}
