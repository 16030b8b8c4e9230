//! Where an upstream's name leads: every address that it has, tried in order, and looked up again beside the connections.
//!
//! No connection waits for a resolver: it tries what is known. That one address failed is reason enough to ask again.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::BasicPeer;
use tokio::sync::Notify;

use super::error::RelayError;

/// Of a name that has more, the first ones are used.
const ADDRESSES_MAX: usize = 8;

/// The addresses of one host and port.
pub(super) struct Addresses {
    host: String,
    port: u16,
    connect_timeout: Duration,
    known: ArcSwap<Known>,
    /// One of them failed: there may be others by now.
    stale: Notify,
    /// The latest lookup had no answer.
    is_failing: AtomicBool,
}

/// What the latest answer was.
struct Known {
    addresses: Vec<SocketAddr>,
    /// One for each address.
    peers: Vec<BasicPeer>,
    /// The one that is tried first: the latest that took a connection.
    first: AtomicUsize,
}

/// What asking again came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookedUp {
    Same,
    Changed,
}

impl Addresses {
    /// Looks the host up for the first time. Connecting takes `connect_timeout` at most, for all addresses together.
    pub(super) fn new(host: &str, port: u16, connect_timeout: Duration) -> Result<Self, RelayError> {
        let found = look_up(host, port).map_err(|source| RelayError::Resolve { host: host.to_owned(), source })?;
        let known = ArcSwap::from_pointee(Known::new(found, connect_timeout));
        Ok(Self {
            host: host.to_owned(),
            port,
            connect_timeout,
            known,
            stale: Notify::new(),
            is_failing: AtomicBool::new(false),
        })
    }

    /// Whether it is a name, whose addresses may change.
    pub(super) fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// What is known by now, in the order of the answer.
    pub(super) fn all(&self) -> Vec<SocketAddr> {
        self.known.load().addresses.clone()
    }

    /// A connection to the first of them that takes one; the error is that of the last.
    pub(super) async fn connect(&self, connector: &TransportConnector) -> Result<Stream, Box<pingora_core::Error>> {
        let known = self.known.load_full();
        let (first, count) = (known.first.load(Ordering::Relaxed), known.peers.len());
        let mut failed = None;
        for (place, peer) in known.peers.iter().enumerate().cycle().skip(first).take(count) {
            match connector.new_stream(peer).await {
                Ok(stream) => {
                    if place != first {
                        known.first.store(place, Ordering::Relaxed);
                    }
                    return Ok(stream);
                }
                Err(error) => {
                    self.stale.notify_one();
                    failed = Some(error);
                }
            }
        }
        // A lookup without an address is an error, so that there was one.
        Err(failed.unwrap_or_else(|| pingora_core::Error::new(pingora_core::ErrorType::ConnectNoRoute)))
    }

    /// Until one of them has failed since the last time.
    pub(super) async fn stale(&self) {
        self.stale.notified().await;
    }

    /// Whether the lookups began or ceased to fail by this one.
    pub(super) fn turns(&self, is_failing: bool) -> bool {
        self.is_failing.swap(is_failing, Ordering::Relaxed) != is_failing
    }

    /// Asks again, which may block for as long as the system's resolver takes. What was known stays where it does not answer.
    pub(super) fn look_up_again(&self) -> io::Result<LookedUp> {
        let (found, known) = (look_up(&self.host, self.port)?, self.known.load());
        // In whichever order: some resolvers answer in another one each time.
        if found.len() == known.addresses.len() && found.iter().all(|one| known.addresses.contains(one)) {
            return Ok(LookedUp::Same);
        }
        let new = Known::new(found, self.connect_timeout);
        // What works is kept to, wherever it stands now.
        let latest = known.addresses.get(known.first.load(Ordering::Relaxed));
        let place = latest.and_then(|latest| new.addresses.iter().position(|address| address == latest));
        new.first.store(place.unwrap_or(0), Ordering::Relaxed);
        self.known.store(Arc::new(new));
        Ok(LookedUp::Changed)
    }
}

impl Known {
    fn new(addresses: Vec<SocketAddr>, connect_timeout: Duration) -> Self {
        // The share of one that does not answer is not the others'.
        let share = connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let peer = |address: &SocketAddr| {
            let mut peer = BasicPeer::new(&address.to_string());
            peer.options.connection_timeout = Some(share);
            peer
        };
        Self { peers: addresses.iter().map(peer).collect(), addresses, first: AtomicUsize::new(0) }
    }
}

/// The addresses of a host: at least one, none twice.
fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for address in (host, port).to_socket_addrs()? {
        if found.len() < ADDRESSES_MAX && !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}
