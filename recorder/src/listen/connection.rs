//! The life of a client's connection, in order: PROXY header, TLS, the upstream, TLS with it, and then bytes both ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use formats::wire::Direction;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::socket::SocketAddr as SocketAddress;
use pingora_core::server::ShutdownWatch;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

use super::config::ProxyIn;
use super::counters::{Active, Counting, count};
use super::endpoint::Endpoint;
use super::facts::{Facts, Tls};
use super::loops::{Hop, Hops, is_same_address};
use super::mirror::{self, MirrorEnd};
use super::proxied;
use super::proxy_protocol::Ends;
use super::reset::{self, OverSocket};
use super::tls_in::TlsServer;
use super::upstream::{HTTP_1_1, Upstream, UpstreamError, is_about_protocols};
use crate::clock::Clock;
use crate::relay::{self, Duplex, RelayEnd};
use crate::tap::{ConnectionTap, Tap};

/// What fails again and again is logged at most this often.
const LOG_EVERY_NS: u64 = 1_000_000_000;

/// What the connections of one pair share.
pub(super) struct Pair {
    /// For the log: where it goes.
    pub(super) name: String,
    pub(super) proxy_in: ProxyIn,
    pub(super) tls_in: Option<TlsServer>,
    /// `None`: requests are answered here.
    pub(super) upstream: Option<Upstream>,
    /// Given protocols; empty asks the upstream.
    pub(super) alpn: Vec<Vec<u8>>,
    /// Client and upstream agreed to different protocols: what is offered is to be looked at again.
    pub(super) mismatch: Notify,
    /// Every listener of this relay.
    pub(super) own: Arc<[Endpoint]>,
    /// Connections of this relay that could arrive at one of them.
    pub(super) hops: Option<Arc<Hops>>,
    /// Its number among them, from 1.
    pub(super) number: usize,
    /// There is no other.
    pub(super) is_alone: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) look_up_interval: Duration,
    pub(super) tap: Option<Arc<Tap>>,
    pub(super) counting: Arc<Counting>,
    pub(super) clock: Clock,
    pub(super) logged_ns: AtomicU64,
}

/// What pingora hands connections to.
pub(super) struct App(pub(super) Arc<Pair>);

#[async_trait]
impl ServerApp for App {
    async fn process_new(self: &Arc<Self>, client: Stream, _shutdown: &ShutdownWatch) -> Option<Stream> {
        let connection = count(&self.0.counting.connections);
        let active = Active::begin(&self.0.counting);
        let pair = Arc::clone(&self.0);
        // In a task of its own: pingora's has room for a TLS handshake, 9 KiB that an idle connection would go on holding.
        tokio::spawn(async move {
            pair.live(client, connection).await;
            drop(active);
        });
        None
    }
}

/// Where a connection comes from and where it was going.
#[derive(Debug, Clone, Copy)]
struct Origin {
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    /// A PROXY header spoke for it.
    proxied: bool,
}

impl Origin {
    fn of(client: &Stream, transparent: bool) -> Self {
        let Some(digest) = client.get_socket_digest() else {
            return Self { peer: None, local: None, destination: None, proxied: false };
        };
        let inet = |address: Option<&SocketAddress>| address.and_then(|address| address.as_inet().copied());
        Self {
            peer: inet(digest.peer_addr()),
            local: inet(digest.local_addr()),
            destination: if transparent { inet(digest.original_dst()) } else { None },
            proxied: false,
        }
    }

    fn ends(&self) -> Option<Ends> {
        Some(Ends { source: self.peer?, destination: self.destination.or(self.local)? })
    }
}

/// A client after PROXY header and TLS handshake.
enum Introduced {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

impl Pair {
    /// What happens only for a moment, and what is large, is boxed: the rest is what an idle connection holds.
    async fn live(&self, client: Stream, connection: u64) {
        let from = Origin::of(&client, self.upstream.as_ref().is_some_and(Upstream::is_transparent));
        if self.proxy_in == ProxyIn::Off && self.tls_in.is_none() {
            let tap = self.open(connection, from, None);
            return self.pass(client, tap, from, None).await;
        }
        let Some((client, from)) = Box::pin(self.introduce(client, from)).await else { return };
        match client {
            Introduced::Plain(client) => {
                let tap = self.open(connection, from, None);
                self.pass(client, tap, from, None).await;
            }
            Introduced::Tls(client) => {
                let tls = client.get_ref().1;
                let alpn = tls.alpn_protocol().map(<[u8]>::to_vec);
                let tap = self.open(connection, from, Some(Tls::of(tls)));
                Box::pin(self.pass(*client, tap, from, Some(alpn))).await;
            }
        }
    }

    /// Reads the PROXY header and shakes hands, both before one deadline.
    async fn introduce(&self, client: Stream, mut from: Origin) -> Option<(Introduced, Origin)> {
        let until = self.clock.deadline_after(self.handshake_timeout);
        let introduced = tokio::time::timeout_at(until.into(), async {
            let client = if self.proxy_in == ProxyIn::Off {
                client
            } else {
                match proxied::read(client, self.proxy_in == ProxyIn::Required).await {
                    Ok((client, ends)) => {
                        if let Some(ends) = ends {
                            (from.peer, from.local) = (Some(ends.source), Some(ends.destination));
                            from.proxied = true;
                        }
                        client
                    }
                    Err(error) => {
                        let failures = count(&self.counting.proxy_protocol_failures);
                        self.warn(|| format!("client {}: {error} ({failures} so far)", shown(from.peer)));
                        return None;
                    }
                }
            };
            let Some(tls) = &self.tls_in else { return Some((Introduced::Plain(client), from)) };
            match tls.acceptor().accept(client).await {
                Ok(client) => Some((Introduced::Tls(Box::new(client)), from)),
                Err(error) => {
                    if is_about_protocols(&error) {
                        // The upstream may speak by now what this client asks for.
                        self.mismatch.notify_one();
                    }
                    let failures = count(&self.counting.tls_handshake_failures);
                    self.warn(|| format!("client {}: TLS: {error} ({failures} so far)", shown(from.peer)));
                    None
                }
            }
        });
        match introduced.await {
            Ok(introduced) => introduced,
            Err(_) => {
                count(&self.counting.handshake_timeouts);
                None
            }
        }
    }

    /// Begins the connection for whoever records, with what is known of it.
    fn open(&self, connection: u64, from: Origin, tls: Option<Tls<'_>>) -> Option<ConnectionTap> {
        let tap = self.tap.as_ref()?;
        let facts = Facts { listener: (!self.is_alone).then_some(self.number), proxied: from.proxied, tls };
        Some(tap.open(connection, from.peer, facts.text()))
    }

    /// Passes traffic to the upstream, or answers it. `alpn` is what the client's TLS agreed to, if it has TLS.
    async fn pass<C: Duplex + OverSocket>(
        &self,
        mut client: C,
        tap: Option<ConnectionTap>,
        from: Origin,
        alpn: Option<Option<Vec<u8>>>,
    ) {
        let tap = tap.as_ref();
        let Some(upstream) = &self.upstream else {
            match Box::pin(mirror::answer(&mut client, tap, &self.counting.passed, self.idle_timeout)).await {
                MirrorEnd::Over => {}
                MirrorEnd::Idle => _ = count(&self.counting.idle_timeouts),
                MirrorEnd::Malformed => _ = count(&self.counting.mirror_failures),
            }
            return;
        };
        if upstream.is_transparent() && self.is_loop(from) {
            let refused = count(&self.counting.loops_refused);
            self.warn(|| format!("a connection that no firewall rule redirected here is closed ({refused} so far)"));
            return;
        }
        match Box::pin(self.reach(upstream, client.stream(), from)).await {
            // Reset at once, as a dead upstream would.
            Err(error) => {
                self.upstream_failed(&error);
                reset::pass_on(client.stream(), self.clock).await;
            }
            Ok((stream, _hop)) => match &upstream.tls {
                None => self.relay(client, stream, tap).await,
                Some(tls) => {
                    let offered = match &alpn {
                        Some(agreed) => agreed.iter().cloned().collect(),
                        None => self.alpn.clone(),
                    };
                    match Box::pin(upstream.secure(tls, stream, offered)).await {
                        Err(UpstreamError::Protocol) => self.disagree(),
                        Err(error) => self.upstream_failed(&error),
                        Ok(stream) if agree(alpn, stream.get_ref().1.alpn_protocol()) => {
                            Box::pin(self.relay(client, stream, tap)).await;
                        }
                        Ok(_) => self.disagree(),
                    }
                }
            },
        }
    }

    /// A connection to the upstream, which is remembered where it could arrive here; none if the client's has.
    async fn reach(
        &self,
        upstream: &Upstream,
        client: &Stream,
        from: Origin,
    ) -> Result<(Stream, Option<Box<Hop>>), UpstreamError> {
        let Some(hops) = &self.hops else { return Ok((upstream.connect(from.destination, from.ends()).await?, None)) };
        // The task that has opened the client's, if it is our own, is to remember it first.
        tokio::task::yield_now().await;
        let mut way = hops.way_of(client, from.destination);
        if way.contains(&self.number) {
            return Err(UpstreamError::Loop);
        }
        way.push(self.number);
        let stream = upstream.connect(from.destination, from.ends()).await?;
        let hop = hops.remember(&stream, way).map(Box::new);
        Ok((stream, hop))
    }

    async fn relay<C, U>(&self, mut client: C, mut upstream: U, tap: Option<&ConnectionTap>)
    where
        C: Duplex + OverSocket,
        U: Duplex + OverSocket,
    {
        if let Some(tap) = tap {
            tap.connected();
        }
        let passed = &self.counting.passed;
        match relay::relay(&mut client, &mut upstream, tap, passed, self.idle_timeout).await {
            RelayEnd::Over => {}
            RelayEnd::Reset(Direction::Request) => reset::pass_on(upstream.stream(), self.clock).await,
            RelayEnd::Reset(Direction::Response) => reset::pass_on(client.stream(), self.clock).await,
            RelayEnd::Idle => _ = count(&self.counting.idle_timeouts),
        }
    }

    /// The upstream no longer speaks what the client was offered.
    fn disagree(&self) {
        let mismatches = count(&self.counting.alpn_mismatches);
        self.mismatch.notify_one();
        self.warn(|| format!("upstream {}: it and a client agree to no protocol ({mismatches} so far)", self.name));
    }

    fn is_loop(&self, from: Origin) -> bool {
        let mut own = self.own.iter().filter_map(Endpoint::as_tcp);
        from.destination.is_none_or(|destination| own.any(|own| is_same_address(destination, own)))
    }

    fn upstream_failed(&self, error: &UpstreamError) {
        if matches!(error, UpstreamError::Loop) {
            let refused = count(&self.counting.loops_refused);
            return self.warn(|| format!("upstream {}: {error} ({refused} connections so far)", self.name));
        }
        let failures = count(&self.counting.upstream_failures);
        if error.is_tls() {
            count(&self.counting.upstream_tls_failures);
        }
        self.warn(|| format!("upstream {}: {error} ({failures} connections so far)", self.name));
    }

    fn warn(&self, message: impl FnOnce() -> String) {
        let (now, last) = (self.clock.now_ns(), self.logged_ns.load(Ordering::Relaxed));
        let due = last == 0 || now >= last + LOG_EVERY_NS;
        if due && self.logged_ns.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            log::warn!("{}", message());
        }
    }
}

/// Whether both sides speak the same; who names no protocol speaks HTTP/1.1.
fn agree(client: Option<Option<Vec<u8>>>, upstream: Option<&[u8]>) -> bool {
    client.is_none_or(|client| client.as_deref().unwrap_or(HTTP_1_1) == upstream.unwrap_or(HTTP_1_1))
}

fn shown(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "without an address".to_owned(), |peer| peer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand connections that wait for their next request hold this ten thousand times.
    #[test]
    fn an_idle_connection_is_small() {
        let bytes = bytes_of(|pair: &'static Pair, client: Stream, connection: u64| pair.live(client, connection));
        assert!(bytes <= 2_048, "{bytes}");
    }
}
