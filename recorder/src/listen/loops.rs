//! Traffic that would come back: upstreams that lead to our own listeners, seen before the start; and connections of our
//! own that arrive here all the same, since an address came later, or at a transparent pair by a firewall rule.
//!
//! A loop through another process is not seen: its connections are its own.

use std::collections::HashMap;
use std::fs::metadata;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::socket::SocketAddr as SocketAddress;

use super::endpoint::Endpoint;
use super::error::RelayError;

/// Refuses pairs whose traffic may come back to them, by any address of their upstreams, by their own listener or by those
/// of others. A chain that ends elsewhere is none of our business. Both slices have an entry for each pair.
pub(super) fn refuse(own: &[Endpoint], upstreams: &[Vec<Endpoint>]) -> Result<(), RelayError> {
    for (pair, (listener, all)) in own.iter().zip(upstreams).enumerate() {
        if let Some(upstream) = all.iter().find(|upstream| reaches(upstream, pair, own, upstreams)) {
            return Err(RelayError::Loop { upstream: upstream.clone(), listener: listener.clone() });
        }
    }
    Ok(())
}

/// Whether what goes to `upstream` may arrive at the listener of `pair`.
fn reaches(upstream: &Endpoint, pair: usize, own: &[Endpoint], upstreams: &[Vec<Endpoint>]) -> bool {
    let mut seen = vec![false; own.len()];
    let mut next = vec![upstream];
    while let Some(upstream) = next.pop() {
        for (number, (own, seen)) in own.iter().zip(&mut seen).enumerate() {
            if !*seen && leads_to(upstream, own) {
                *seen = true;
                next.extend(upstreams.get(number).into_iter().flatten());
            }
        }
    }
    seen.get(pair).is_some_and(|seen| *seen)
}

/// Whether one of the places is one of the listeners.
pub(super) fn any_leads_to(upstreams: &[Endpoint], own: &[Endpoint]) -> bool {
    upstreams.iter().any(|upstream| own.iter().any(|own| leads_to(upstream, own)))
}

fn leads_to(upstream: &Endpoint, own: &Endpoint) -> bool {
    match (upstream, own) {
        (Endpoint::Tcp(upstream), Endpoint::Tcp(own)) => is_same_address(*upstream, *own),
        (Endpoint::Unix(upstream), Endpoint::Unix(own)) => is_same_path(upstream, own),
        _ => false,
    }
}

/// Whether two paths are the same file, also by symbolic links.
pub(super) fn is_same_path(one: &Path, other: &Path) -> bool {
    let inode = |path| metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    one == other || inode(one).is_ok_and(|one| inode(other).is_ok_and(|other| one == other))
}

/// Whether connecting to `upstream` would reach the listener at `own`.
pub(super) fn is_same_address(upstream: SocketAddr, own: SocketAddr) -> bool {
    // The system takes an unspecified address to connect to for loopback.
    let to = match upstream.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip.to_canonical(),
    };
    let at = own.ip().to_canonical();
    // `[::]` takes both families, 0.0.0.0 its own.
    let takes_all = at.is_unspecified() && (at.is_ipv6() || to.is_ipv4());
    upstream.port() == own.port() && (to == at || (takes_all && is_of_this_machine(to)))
}

fn is_of_this_machine(ip: IpAddr) -> bool {
    // To an address of this machine the system goes from that address. Binding it would not tell: with
    // `net.ipv4.ip_nonlocal_bind` any can be bound.
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let from =
        || UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((ip, 9)).and_then(|()| socket.local_addr()));
    ip.is_loopback() || from().is_ok_and(|from| from.ip() == ip)
}

/// Both ends of a connection, of whoever opened it first: what tells it from every other one.
type Ends = (SocketAddr, SocketAddr);

/// Our connections to upstreams that are open, by their ends, with the pairs through which each has come.
pub(super) struct Hops {
    open: Mutex<HashMap<Ends, Vec<usize>>>,
}

impl Hops {
    /// `None` where none can arrive here (but by a firewall rule, which only a transparent pair can see): every upstream is
    /// known, and has another port than all of our listeners.
    pub(super) fn new(own: &[Endpoint], upstreams: &[Vec<Endpoint>], is_transparent: bool) -> Option<Arc<Self>> {
        let ports: Vec<_> = own.iter().filter_map(Endpoint::as_tcp).map(|own| own.port()).collect();
        let mut upstreams = upstreams.iter().flatten().filter_map(Endpoint::as_tcp);
        let can_arrive = is_transparent || upstreams.any(|upstream| ports.contains(&upstream.port()));
        can_arrive.then(|| Arc::new(Self { open: Mutex::default() }))
    }

    /// The pairs through which a client's connection to `destination` (where a firewall redirected it here) or to us has
    /// come: none, if it is not our own.
    pub(super) fn way_of(&self, client: &Stream, destination: Option<SocketAddr>) -> Vec<usize> {
        let Some((local, peer)) = ends(client) else { return Vec::new() };
        let ends = (peer, destination.map_or(local, canonical));
        self.open.lock().get(&ends).cloned().unwrap_or_default()
    }

    /// Remembers a connection to an upstream as long as the returned value lives.
    pub(super) fn remember(self: &Arc<Self>, upstream: &Stream, way: Vec<usize>) -> Option<Hop> {
        let ends = ends(upstream)?;
        self.open.lock().insert(ends, way);
        Some(Hop { ends, hops: Arc::clone(self) })
    }
}

/// A connection that is remembered.
pub(super) struct Hop {
    ends: Ends,
    hops: Arc<Hops>,
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.hops.open.lock().remove(&self.ends);
    }
}

/// Our end and the other one.
fn ends(stream: &Stream) -> Option<Ends> {
    let digest = stream.get_socket_digest()?;
    let inet = |address: Option<&SocketAddress>| address.and_then(|address| address.as_inet().copied()).map(canonical);
    Some((inet(digest.local_addr())?, inet(digest.peer_addr())?))
}

/// A listener of both families sees IPv4 as a part of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&str, Option<&str>)]) -> bool {
        let own: Vec<Endpoint> = pairs.iter().map(|(own, _)| own.parse().unwrap()).collect();
        let all = |upstreams: &str| upstreams.split(' ').map(|one| one.parse().unwrap()).collect();
        let upstreams: Vec<Vec<Endpoint>> =
            pairs.iter().map(|(_, upstreams)| upstreams.map(all).unwrap_or_default()).collect();
        refuse(&own, &upstreams).is_err()
    }

    #[test]
    fn an_upstream_that_is_the_listener_is_a_loop_however_it_is_written() {
        for (own, upstream, expected) in [
            ("127.0.0.1:7", "127.0.0.1:7", true),
            ("127.0.0.1:7", "127.0.0.1:8", false),
            ("127.0.0.1:7", "127.0.0.2:7", false),
            ("127.0.0.1:7", "0.0.0.0:7", true),
            ("127.0.0.2:7", "0.0.0.0:7", false),
            ("[::1]:7", "[::]:7", true),
            ("[::1]:7", "0.0.0.0:7", false),
            ("0.0.0.0:7", "127.0.0.9:7", true),
            ("0.0.0.0:7", "0.0.0.0:7", true),
            ("0.0.0.0:7", "[::1]:7", false),
            ("[::]:7", "127.0.0.1:7", true),
            ("[::]:7", "[::ffff:127.0.0.1]:7", true),
            ("0.0.0.0:7", "192.0.2.1:7", false),
            ("[::]:7", "[2001:db8::1]:7", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
        ] {
            assert_eq!(refused(&[(own, Some(upstream))]), expected, "{own} to {upstream}");
        }
    }

    #[test]
    fn pairs_in_a_circle_are_a_loop_and_a_chain_is_none() {
        let (one, two, three) = ("127.0.0.1:1", "127.0.0.1:2", "unix:/three");
        for (pairs, expected) in [
            (&[(one, Some(two)), (two, Some("192.0.2.1:2"))][..], false),
            (&[(one, Some(two)), (two, None)], false),
            (&[(one, Some(two)), (two, Some(one))], true),
            (&[(one, Some(two)), (two, Some(three)), (three, Some("192.0.2.1:2"))], false),
            (&[(one, Some(two)), (two, Some(three)), (three, Some(two))], true),
            (&[(one, Some(two)), (two, Some(three)), (three, Some(one))], true),
            // Any address of a name may be the one that is used.
            (&[(one, Some("192.0.2.1:2 127.0.0.1:1"))], true),
            (&[(one, Some("192.0.2.1:2 192.0.2.2:2"))], false),
            (
                &[(one, Some("192.0.2.1:2 127.0.0.1:2")), (two, Some("192.0.2.1:2 unix:/three")), (three, Some(one))],
                true,
            ),
        ] {
            assert_eq!(refused(pairs), expected, "{pairs:?}");
        }
    }
}
