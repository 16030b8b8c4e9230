//! Accepting connections: our own listening sockets, pingora's services around them, and an end that waits for the last
//! client.
//!
//! Sockets are bound here and handed to pingora through its table of listening descriptors, so that a taken port is an
//! error before anything starts, port 0 can say what it became, and a later process can take them over. pingora's
//! `Server` is left out: its signals and its grace period of minutes are not ours. What becomes of a connection is in
//! `connection`; how the sides are spoken to in `proxied`, `tls_in`, `upstream` and `mirror`.

use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use pingora_core::listeners::ListenerConfig;
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::server::Fds;
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use config::{KeyFiles, PairConfig, ProxyIn, ProxyOut, RelayConfig, TlsIn, TlsOut};
pub use counters::RelayCounters;
pub use endpoint::{Endpoint, Forward};
pub use error::{RelayError, TlsError};

use connection::{App, Pair};
use counters::Counting;
use first::Sides;
use loops::Hops;
use socket::Socket;
use tls_in::TlsServer;
use upstream::{Patience, Upstream};

use crate::clock::Clock;
use crate::latency::Latency;
use crate::tap::Tap;

mod addresses;
mod config;
mod connection;
mod counters;
mod endpoint;
mod error;
mod facts;
mod first;
mod loops;
mod mirror;
mod pem;
mod proxied;
mod proxy_protocol;
mod reset;
mod socket;
mod tls_in;
mod tls_out;
mod upkeep;
mod upstream;

/// How often a drain looks whether the last connection has ended.
const DRAIN_POLL_NS: u64 = 10_000_000;
/// What is left to tasks when the runtime ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(200);
/// Under TLS a record of at most 16 KiB is read at a time, so that a larger buffer would only be held by idle connections.
const TLS_SOCKET_BUFFER_BYTES: usize = 16 * 1024;

/// A relay at work.
pub struct Relay {
    runtime: tokio::runtime::Runtime,
    shutdown: watch::Sender<bool>,
    /// The accept loops.
    accepting: Vec<JoinHandle<()>>,
    /// What goes on beside the connections.
    upkeep: Vec<JoinHandle<()>>,
    sockets: Vec<Socket>,
    pairs: Vec<Arc<Pair>>,
    own: Arc<[Endpoint]>,
    counting: Arc<Counting>,
    clock: Clock,
}

/// A relay that has its sockets and accepts nothing yet; who connects waits in the system's queue.
pub struct Bound {
    config: RelayConfig,
    sockets: Vec<Socket>,
    own: Arc<[Endpoint]>,
    hops: Option<Arc<Hops>>,
    sides: Vec<Sides>,
    clock: Clock,
}

impl Bound {
    /// Where it will listen, pair by pair, with the real ports.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.own
    }

    /// Where their traffic may go, pair by pair, as it was looked up; nothing where no places are known.
    pub fn upstreams(&self) -> impl Iterator<Item = Vec<Endpoint>> {
        places(&self.sides)
    }

    /// Accepts, passes traffic on, and shows it to `tap`.
    ///
    /// # Errors
    /// When there are no threads or descriptors for it.
    pub fn start(self, tap: Option<Arc<Tap>>) -> Result<Relay, RelayError> {
        raise_descriptor_limit();
        let Self { config, sockets, own, hops, sides, clock } = self;
        let clock = tap.as_ref().map_or(clock, |tap| tap.clock());
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(config.threads)
            .thread_name("relay")
            .on_thread_start(crate::turns::go_first)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|source| RelayError::Runtime { source })?;
        let counting = Arc::new(Counting::default());
        let (shutdown, watch) = watch::channel(false);
        let (mut accepting, mut upkeep, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        for (number, ((pair, socket), (tls_in, upstream))) in (1..).zip(config.pairs.iter().zip(&sockets).zip(sides)) {
            let state = Arc::new(Pair {
                name: pair.forward.to_string(),
                proxy_in: pair.proxy_in,
                tls_in,
                upstream,
                alpn: protocols(&pair.alpn),
                mismatch: Notify::new(),
                own: Arc::clone(&own),
                hops: hops.clone(),
                number,
                is_alone: config.pairs.len() == 1,
                handshake_timeout: config.handshake_timeout,
                idle_timeout: config.idle_timeout,
                look_up_interval: config.look_up_interval,
                tap: tap.clone(),
                counting: Arc::clone(&counting),
                clock,
                logged_ns: AtomicU64::new(0),
            });
            let failed = |source| RelayError::Listen { address: socket.endpoint.clone(), source };
            let mut service = service(socket, &state);
            let mut descriptors = Fds::new();
            descriptors.add(key(&socket.endpoint), socket.raw_duplicate().map_err(failed)?);
            let watch = watch.clone();
            accepting.push(runtime.spawn(async move {
                let descriptors = Arc::new(parking_lot::Mutex::new(descriptors));
                service.start_service(Some(descriptors), watch, 1).await;
            }));
            upkeep.push(runtime.spawn(Arc::clone(&state).keep_probing()));
            upkeep.push(runtime.spawn(Arc::clone(&state).keep_reloading()));
            upkeep.push(runtime.spawn(Arc::clone(&state).keep_looking_up()));
            pairs.push(state);
        }
        Ok(Relay { runtime, shutdown, accepting, upkeep, sockets, pairs, own, counting, clock })
    }
}

impl Relay {
    /// Takes the sockets: out of `inherited` those that are bound to where a pair listens (port 0 takes any of its
    /// address), and binds the others. Inherited sockets that fit no pair are closed.
    ///
    /// # Errors
    /// When an address is taken, an upstream does not resolve, leads back to this relay or answers in what can never work,
    /// or certificates or keys cannot be used.
    pub fn bind(config: &RelayConfig, mut inherited: Vec<OwnedFd>) -> Result<Bound, RelayError> {
        for pair in &config.pairs {
            if pair.forward == Forward::OriginalDestination && pair.listen.as_tcp().is_none() {
                return Err(RelayError::Transparent { listen: pair.listen.clone() });
            }
        }
        let clock = Clock::start();
        let sockets = config.pairs.iter().map(|pair| Socket::take_or_bind(&pair.listen, &mut inherited));
        let sockets: Vec<_> = sockets.collect::<Result<_, _>>()?;
        let own: Arc<[Endpoint]> = sockets.iter().map(|socket| socket.endpoint.clone()).collect();
        let patience = Patience { connect: config.connect_timeout, handshake: config.handshake_timeout };
        let sides = config.pairs.iter().map(|pair| {
            let first = Pair::first_offer(&protocols(&pair.alpn));
            let tls_in = pair.tls_in.clone().map(|files| TlsServer::new(files, first)).transpose()?;
            Ok((tls_in, Upstream::new(pair, patience, clock)?))
        });
        let mut sides = sides.collect::<Result<Vec<_>, RelayError>>()?;
        let upstreams: Vec<Vec<Endpoint>> = places(&sides).collect();
        loops::refuse(&own, &upstreams)?;
        let is_transparent = config.pairs.iter().any(|pair| pair.forward == Forward::OriginalDestination);
        let hops = Hops::new(&own, &upstreams, is_transparent);
        ask(config, &mut sides, &own, clock)?;
        Ok(Bound { config: config.clone(), sockets, own, hops, sides, clock })
    }

    /// Where it listens, pair by pair, with the real ports.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.own
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        self.counting.read()
    }

    /// How long it keeps bytes.
    #[must_use]
    pub fn latency(&self) -> Latency {
        self.counting.passed.latencies.read()
    }

    /// Reads certificates, keys and authorities again, for connections that come from now on. They are also read when
    /// they change, within seconds. Whatever cannot be used is logged and counted, and what was before stays; returns
    /// whether all could be used.
    pub fn reload(&self) -> bool {
        // Each is read, also after one that could not be used.
        self.pairs.iter().filter(|pair| !pair.reload_and_count()).count() == 0
    }

    /// Descriptors of the listening sockets for another process, which gives them to [`Relay::bind`].
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn descriptors(&self) -> std::io::Result<Vec<OwnedFd>> {
        self.sockets.iter().map(Socket::duplicate).collect()
    }

    /// The paths of Unix sockets are not unlinked at the end: another process listens on them by now.
    pub fn leave_paths(&mut self) {
        self.sockets.iter_mut().for_each(Socket::leave_path);
    }

    /// Accepts nothing more; connections that are open go on. Sockets that nobody else has are closed, and files that
    /// change are no longer taken over.
    pub fn stop_accepting(&mut self) {
        let _ = self.shutdown.send(true); // nobody listens for it when every accept loop has ended already
        let (accepting, upkeep) = (std::mem::take(&mut self.accepting), std::mem::take(&mut self.upkeep));
        self.runtime.block_on(async {
            for one in accepting {
                if let Err(error) = one.await {
                    log::error!("an accept loop ended by itself: {error}");
                }
            }
            for one in upkeep {
                one.abort();
                let _ = one.await; // it was told to end
            }
        });
        self.sockets.clear();
    }

    /// Goes on passing traffic (and accepting, unless that was stopped) until the last connection has ended, at most for
    /// `longest` or until `hurry` is ready; then closes everything. Returns what was counted and how many connections
    /// were cut.
    pub fn drain(self, longest: Duration, hurry: impl Future<Output = ()>) -> (RelayCounters, u64) {
        use std::sync::atomic::Ordering;
        let until = self.clock.now_ns().saturating_add(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX));
        let is_open = || {
            // When nothing is accepted any more every task is a connection's, also of one that was accepted at the last
            // moment and whose task had no turn yet in which to count itself.
            let is_new = self.accepting.is_empty() && self.runtime.metrics().num_alive_tasks() > 0;
            is_new || self.counting.active.load(Ordering::Acquire) > 0
        };
        let waited = async {
            while is_open() && self.clock.now_ns() < until {
                let next = (self.clock.now_ns() + DRAIN_POLL_NS).min(until);
                tokio::time::sleep_until(self.clock.deadline(next).into()).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! { () = waited => {}, () = hurry => {} }
        });
        let counters = self.counters();
        let _ = self.shutdown.send(true); // nobody listens for it when accepting was stopped before
        self.runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        (counters, counters.active)
    }
}

/// Where each pair's traffic may go.
fn places(sides: &[Sides]) -> impl Iterator<Item = Vec<Endpoint>> {
    sides.iter().map(|(_, upstream)| upstream.as_ref().map(Upstream::endpoints).unwrap_or_default())
}

/// Asks the upstreams that have TLS, all at once: nobody is served before the last one has answered, or has not.
fn ask(config: &RelayConfig, sides: &mut [Sides], own: &[Endpoint], clock: Clock) -> Result<(), RelayError> {
    let failed = |source| RelayError::Runtime { source };
    std::thread::scope(|scope| {
        let mut asked = Vec::new();
        for (pair, sides) in config.pairs.iter().zip(sides) {
            if sides.1.as_ref().is_none_or(|upstream| upstream.tls.is_none()) {
                continue;
            }
            let ask = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
                runtime.block_on(first::ask(sides, &protocols(&pair.alpn), own, clock))
            };
            asked.push(std::thread::Builder::new().spawn_scoped(scope, ask).map_err(failed)?);
        }
        asked.into_iter().try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn protocols(names: &[String]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.clone().into_bytes()).collect()
}

fn service(socket: &Socket, pair: &Arc<Pair>) -> Service<App> {
    let mut service = Service::new("relay".to_owned(), App(Arc::clone(pair)));
    let listener = match &socket.endpoint {
        Endpoint::Tcp(address) => ListenerConfig::tcp(address.to_string()),
        Endpoint::Unix(path) => {
            // pingora sets permissions anew: those that the umask left are kept.
            let mode = std::fs::metadata(path).map_or(0o600, |metadata| metadata.permissions().mode() & 0o777);
            ListenerConfig::uds(key(&socket.endpoint)).permissions(Permissions::from_mode(mode))
        }
    };
    let is_read_by_us = pair.tls_in.is_none() && pair.proxy_in == ProxyIn::Off;
    // The relay reads into a buffer of its own and writes on at once; buffers of pingora's would only be held.
    let plain = L4BufferSettings::unbuffered();
    let buffers = if is_read_by_us { plain } else { L4BufferSettings::default().read(TLS_SOCKET_BUFFER_BYTES) };
    service.add_listener(listener.l4_buffer(buffers));
    service
}

/// What pingora finds a descriptor by.
fn key(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address) => address.to_string(),
        Endpoint::Unix(path) => path.to_string_lossy().into_owned(),
    }
}

/// Every connection takes two descriptors, and the usual soft limit of 1,024 would refuse traffic that the upstream takes.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("the limit of open files stays at {:?}: {errno}", limit.current);
    }
}

#[cfg(test)]
mod tests;
