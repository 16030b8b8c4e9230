//! Accepting connections: our own bound socket, pingora's service around it, and an end that waits for the last client.
//!
//! The socket is bound here and handed to pingora through its table of listening descriptors, so that a taken port is an
//! error before anything starts and port 0 can say what it became. pingora's `Server` is left out: its signals and its
//! grace period of minutes are not ours.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::server::{Fds, ShutdownWatch};
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use pingora_core::upstreams::peer::BasicPeer;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::relay::{self, Passed};
use crate::tap::Tap;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// How often a drain looks whether the last connection has ended.
const DRAIN_POLL_NS: u64 = 10_000_000;
/// What is left to tasks when the runtime ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(200);
/// A refused upstream is logged at most this often.
const LOG_EVERY_NS: u64 = 1_000_000_000;

/// Where traffic comes in and where it goes.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Address to accept connections on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host of the upstream, a name or an address without brackets. A name is resolved once, at the start.
    pub upstream_host: String,
    /// Its port.
    pub upstream_port: u16,
    /// Threads that pass traffic.
    pub threads: usize,
    /// To connect to the upstream.
    pub connect_timeout: Duration,
}

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The upstream's name does not resolve.
    #[error("the upstream's host `{host}` does not resolve")]
    Resolve {
        /// The host.
        host: String,
        /// The resolver's answer.
        source: std::io::Error,
    },
    /// The upstream is this relay.
    #[error("the upstream {upstream} is the relay's own listener")]
    Loop {
        /// Its address.
        upstream: SocketAddr,
    },
    /// There are no threads to work on.
    #[error("cannot start the relay's threads")]
    Runtime {
        /// The system's answer.
        source: std::io::Error,
    },
}

impl RelayError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                "another process has it; stop that one, or give another port with --listen (port 0 takes a free one)"
            }
            Self::Listen { .. } => "give an address of this machine with --listen",
            Self::Resolve { .. } => "check the name, or give an address with --upstream",
            Self::Loop { .. } => "give the address of the service itself with --upstream",
            Self::Runtime { .. } => "give fewer --threads",
        }
    }
}

/// Counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Connections that were accepted.
    pub connections: u64,
    /// Of these, still open.
    pub active: u64,
    /// Connections for which the upstream could not be reached.
    pub upstream_failures: u64,
    /// Bytes from clients.
    pub request_bytes: u64,
    /// Bytes from the upstream.
    pub response_bytes: u64,
}

/// A relay at work.
pub struct Relay {
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    shutdown: watch::Sender<bool>,
    shared: Arc<Shared>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Shared {
    connections: AtomicU64,
    active: AtomicU64,
    upstream_failures: AtomicU64,
    logged_ns: AtomicU64,
    passed: Passed,
}

/// A relay that has its socket and accepts nothing yet; who connects waits in the system's queue.
pub struct Bound {
    config: RelayConfig,
    upstream: SocketAddr,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Where it will listen, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts, passes traffic on, and shows it to `tap`.
    ///
    /// # Errors
    /// When there are no threads for it.
    pub fn start(self, tap: Option<Arc<Tap>>) -> Result<Relay, RelayError> {
        let Self { config, upstream, listener, address } = self;
        raise_descriptor_limit();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(config.threads).thread_name("relay").enable_all().build();
        let runtime = runtime.map_err(|source| RelayError::Runtime { source })?;
        let clock = tap.as_ref().map_or_else(Clock::start, |tap| tap.clock());
        let shared = Arc::new(Shared::default());
        let mut peer = BasicPeer::new(&upstream.to_string());
        peer.options.connection_timeout = Some(config.connect_timeout);
        let app = App { connector: TransportConnector::new(None), peer, tap, shared: Arc::clone(&shared), clock };
        let mut service = Service::new("relay".to_owned(), app);
        let name = address.to_string();
        service.add_tcp(&name);
        let mut descriptors = Fds::new();
        descriptors.add(name, listener.into_raw_fd());
        let descriptors = Arc::new(parking_lot::Mutex::new(descriptors));
        let (shutdown, watch) = watch::channel(false);
        runtime.spawn(async move { service.start_service(Some(descriptors), watch, 1).await });
        Ok(Relay { address, runtime, shutdown, shared, clock })
    }
}

impl Relay {
    /// Takes the socket.
    ///
    /// # Errors
    /// When the address is taken, or the upstream does not resolve or is this relay itself.
    pub fn bind(config: &RelayConfig) -> Result<Bound, RelayError> {
        let listen = |source| RelayError::Listen { address: config.listen, source };
        let upstream = resolve(&config.upstream_host, config.upstream_port)?;
        let listener = TcpListener::bind(config.listen).map_err(listen)?;
        // The standard library asks for 128; a burst of connections beyond that would wait for a retransmission.
        rustix::net::listen(&listener, BACKLOG).map_err(|errno| listen(errno.into()))?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        if is_same(upstream, address) {
            return Err(RelayError::Loop { upstream });
        }
        Ok(Bound { config: config.clone(), upstream, listener, address })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RelayCounters {
            connections: get(&self.shared.connections),
            active: get(&self.shared.active),
            upstream_failures: get(&self.shared.upstream_failures),
            request_bytes: get(&self.shared.passed.requests),
            response_bytes: get(&self.shared.passed.responses),
        }
    }

    /// Goes on passing traffic (and accepting) until the last connection has ended, at most for `longest` or until
    /// `hurry` is ready; then closes everything. Returns what was counted and how many connections were cut.
    pub fn drain(self, longest: Duration, hurry: impl Future<Output = ()>) -> (RelayCounters, u64) {
        let until = self.clock.now_ns().saturating_add(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX));
        let waited = async {
            while self.shared.active.load(Ordering::Acquire) > 0 && self.clock.now_ns() < until {
                let next = (self.clock.now_ns() + DRAIN_POLL_NS).min(until);
                tokio::time::sleep_until(self.clock.deadline(next).into()).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! { () = waited => {}, () = hurry => {} }
        });
        let counters = self.counters();
        let _ = self.shutdown.send(true);
        self.runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        (counters, counters.active)
    }
}

struct App {
    connector: TransportConnector,
    peer: BasicPeer,
    tap: Option<Arc<Tap>>,
    shared: Arc<Shared>,
    clock: Clock,
}

#[async_trait]
impl ServerApp for App {
    async fn process_new(self: &Arc<Self>, client: Stream, _shutdown: &ShutdownWatch) -> Option<Stream> {
        let connection = self.shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let _active = Active::begin(&self.shared);
        let peer =
            client.get_socket_digest().and_then(|digest| digest.peer_addr().and_then(|addr| addr.as_inet().copied()));
        let tap = self.tap.as_ref().map(|tap| tap.open(connection, peer));
        let upstream = match self.connector.new_stream(&self.peer).await {
            Ok(upstream) => upstream,
            Err(error) => {
                // Closed at once, as a dead upstream would.
                self.upstream_failed(&error);
                return None;
            }
        };
        if let Some(tap) = &tap {
            tap.connected();
        }
        relay::relay(client, upstream, tap.as_ref(), &self.shared.passed).await;
        None
    }
}

impl App {
    fn upstream_failed(&self, error: &pingora_core::Error) {
        let failures = self.shared.upstream_failures.fetch_add(1, Ordering::Relaxed) + 1;
        let (now, last) = (self.clock.now_ns(), self.shared.logged_ns.load(Ordering::Relaxed));
        let due = last == 0 || now >= last + LOG_EVERY_NS;
        if due && self.shared.logged_ns.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            log::warn!("upstream {}: {error} ({failures} connections so far)", self.peer);
        }
    }
}

/// Counts a connection as long as it lives, also when its task panics.
struct Active<'a>(&'a Shared);

impl<'a> Active<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.active.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::AcqRel);
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

fn resolve(host: &str, port: u16) -> Result<SocketAddr, RelayError> {
    let failed = |source| RelayError::Resolve { host: host.to_owned(), source };
    let none = || failed(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"));
    (host, port).to_socket_addrs().map_err(failed)?.next().ok_or_else(none)
}

/// Whether connecting to `upstream` would reach the listener at `own`.
fn is_same(upstream: SocketAddr, own: SocketAddr) -> bool {
    upstream.port() == own.port()
        && (upstream.ip() == own.ip()
            || (own.ip().is_unspecified() && (upstream.ip().is_loopback() || upstream.ip().is_unspecified())))
}
