//! A recorder at work: the relay, the tap, and the sessions. What is done to it comes from the loop in [`super`].

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use recorder::capture::Budget;
use recorder::clock::Clock;
use recorder::listen::{Relay, RelayCounters, RelayError};
use recorder::tap::Tap;

use super::config::Config;
use super::ended::Ended;
use super::keep::Keep;
use super::pairs::Pair;
use super::sessions::{Session, Sessions};
use crate::outcome::Failure;

pub(crate) struct Recording {
    relay: Relay,
    clock: Clock,
    sessions: Option<Sessions>,
    /// For each pair, where its traffic goes.
    upstreams: Vec<String>,
    /// What whoever started it should know.
    warnings: Vec<String>,
}

impl Recording {
    /// Takes the sockets, out of `inherited` where they fit, and makes the session before it accepts: whoever can connect
    /// is recorded. With `beside_another`, whose session may have the directory, it takes the next free name.
    pub(crate) fn start(config: Config, inherited: Vec<OwnedFd>, beside_another: bool) -> Result<Self, Failure> {
        let of = |error: RelayError| Failure::of(&error).hint(error.hint());
        let Config { relay, pairs, keep, mut warnings, .. } = config;
        let bound = Relay::bind(&relay, inherited).map_err(of)?;
        warnings.extend(pairs.iter().zip(bound.upstreams()).flat_map(|(pair, places)| pair.warnings(&places)));
        let upstreams = pairs.iter().map(Pair::destination).collect();
        let clock = Clock::start();
        let mut sessions = keep.map(|keep| {
            let listen = together(bound.endpoints().iter().map(ToString::to_string));
            let upstream = together(pairs.iter().filter_map(|pair| pair.upstream.clone()));
            Sessions::new(Tap::new(keep.tap, clock), keep, listen, upstream)
        });
        if let Some(sessions) = sessions.as_mut().filter(|sessions| sessions.begins_at_once()) {
            sessions.begin(beside_another, None)?;
        }
        let tap = sessions.as_ref().map(|sessions| Arc::clone(sessions.tap()));
        let relay = bound.start(tap).map_err(of)?;
        Ok(Self { relay, clock, sessions, upstreams, warnings })
    }

    /// The first address that it listens on; `None` if it listens on Unix sockets alone.
    #[cfg(feature = "replay")]
    pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
        self.relay.endpoints().iter().find_map(recorder::listen::Endpoint::as_tcp)
    }

    /// A line for each.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A line for each pair.
    pub(super) fn greeting(&self) -> String {
        let directory = self.sessions.as_ref().and_then(Sessions::current).map(|(directory, _)| directory);
        // What is said at the start is of the first session.
        let encrypted = if self.sessions.as_ref().is_some_and(Sessions::is_encrypted) { ", encrypted" } else { "" };
        let into = directory.map_or_else(
            || "capture is off".to_owned(),
            |directory| format!("recording into {}{encrypted}", directory.display()),
        );
        let pairs = self.relay.endpoints().iter().zip(&self.upstreams);
        let lines: Vec<_> = pairs.map(|(at, upstream)| format!("listening on {at}, {upstream}, {into}")).collect();
        lines.join("\n")
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn counters(&self) -> RelayCounters {
        self.relay.counters()
    }

    pub(super) fn relay_latency(&self) -> recorder::latency::Latency {
        self.relay.latency()
    }

    pub(super) fn sessions(&self) -> Option<&Sessions> {
        self.sessions.as_ref()
    }

    /// Begins another session.
    pub(super) fn begin(&mut self, budget: Option<Budget>) -> Result<(), Failure> {
        match &mut self.sessions {
            Some(sessions) => sessions.begin(true, budget).map(|_| ()),
            None => {
                Err(Failure::new("this recorder was started without --out")
                    .hint("start it with --out, and --capture off"))
            }
        }
    }

    /// Closes the session.
    pub(super) fn end_session(&mut self) -> Option<&Session> {
        self.sessions.as_mut().and_then(Sessions::end)
    }

    /// Whether the session's budget is used up.
    pub(super) fn budget_is_used(&self) -> bool {
        let current = self.sessions.as_ref().and_then(Sessions::current);
        current.is_some_and(|(_, status)| status.budget_is_used)
    }

    /// Reads certificates again; what cannot be used is logged and counted, and what was before stays.
    pub(super) fn reload_certificates(&self) {
        self.relay.reload();
    }

    /// What the next session keeps, and how.
    pub(super) fn take_over(&mut self, keep: Keep) {
        if let Some(sessions) = &mut self.sessions {
            sessions.take_over(keep);
        }
    }

    /// The listening sockets, for another process.
    pub(super) fn sockets(&self) -> std::io::Result<Vec<OwnedFd>> {
        self.relay.descriptors()
    }

    /// Another process accepts from now on; open connections go on, and are recorded.
    pub(super) fn hand_over(&mut self) {
        self.relay.leave_paths();
        self.relay.stop_accepting();
    }

    /// Closes what is open.
    pub(crate) fn finish(self) -> Ended {
        let sessions = self.sessions.map(Sessions::into_ended).unwrap_or_default();
        let (counters, cut) = self.relay.drain(Duration::ZERO, std::future::pending());
        Ended { sessions, counters, cut }
    }
}

/// Several pairs as one text; the header of a session has room for one.
fn together(places: impl Iterator<Item = String>) -> Option<String> {
    let places: Vec<_> = places.collect();
    (!places.is_empty()).then(|| places.join(", "))
}
