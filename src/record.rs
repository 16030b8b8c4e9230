//! `reenact record`: builds relay, tap and capture, runs them until a signal, and says what was captured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use formats::clients::ClientKeys;
use formats::session::{SessionHeader, SessionWriter, WriterOptions};
use recorder::capture::{Capture, CaptureOptions};
use recorder::clock::Clock;
use recorder::listen::{Relay, RelayError};
use recorder::tap::Tap;

use crate::cli::RecordArgs;
use crate::outcome::{self, Failure, Outcome};
use crate::signals::{Asked, Signals};
use crate::units;

mod config;
mod ended;
mod explain;
mod redaction;

pub(crate) use config::Config;
pub(crate) use ended::Ended;

/// How long traffic is passed on after SIGTERM, unless `--drain` says otherwise.
const DRAIN_ON_TERMINATE: Duration = Duration::from_secs(30);
/// Exchanges under way may hold this many times the queue's bytes.
const PARSER_SHARE: usize = 4;

pub(crate) fn run(args: RecordArgs) -> Result<Outcome, Failure> {
    if let Some(path) = args.explain_redaction.clone() {
        return explain::run(&args, &path);
    }
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
        let Config {
            relay,
            upstream,
            out,
            drain,
            tap,
            limits,
            flush_interval_ns,
            record_replays,
            key,
            redaction,
            rules,
        } = config;
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
        let redaction::Redaction { redactor, sealing } = redaction;
        let policy = redactor.policy();
        let bound = Relay::bind(&relay).map_err(of)?;
        let header = SessionHeader {
            session_id: format!("{:016x}", clock.started_unix_ns() ^ u64::from(std::process::id()) << 40),
            created_by: format!("reenact {}", env!("CARGO_PKG_VERSION")),
            started_unix_ns: clock.started_unix_ns(),
            listen: Some(bound.address().to_string()),
            upstream: Some(upstream.clone()),
            redaction: Some(policy.into()),
            sealing,
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
