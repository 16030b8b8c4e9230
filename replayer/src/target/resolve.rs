//! From names to addresses: the system's resolver, and `--resolve` before it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::error::ReplayError;

/// `HOST:PORT:ADDR[,ADDR…]`: addresses that are used instead of the resolver's. v6 hosts and addresses stand in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    host: String,
    addresses: Vec<SocketAddr>,
    port: u16,
}

impl Override {
    /// Whether it is about this host and port.
    pub(super) fn is_for(&self, host: &str, port: u16) -> bool {
        self.port == port && self.host.eq_ignore_ascii_case(host)
    }

    /// Whether it is about the host and port of another one, of which the first counts.
    #[must_use]
    pub fn is_for_the_same(&self, other: &Self) -> bool {
        self.is_for(&other.host, other.port)
    }

    /// At least one.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl FromStr for Override {
    type Err = ReplayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why: String| ReplayError::Override { given: text.to_owned(), why };
        if text.starts_with(['+', '-', '*']) {
            return Err(bad("curl's +, - and * are not supported: name host and port".into()));
        }
        let (host, rest) = match text.strip_prefix('[') {
            Some(inside) => inside.split_once("]:").ok_or_else(|| bad("the host's bracket does not end".into()))?,
            None => text.split_once(':').ok_or_else(|| bad("it has no port".into()))?,
        };
        let (port, list) = rest.split_once(':').ok_or_else(|| bad("it has no address".into()))?;
        if host.is_empty() {
            return Err(bad("it has no host".into()));
        }
        let port: u16 = port.parse().map_err(|_| bad(format!("`{port}` is no port")))?;
        let address = |one: &str| {
            let bare = one.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(one);
            bare.parse::<IpAddr>()
                .map(|ip| SocketAddr::new(ip, port))
                .map_err(|_| bad(format!("`{one}` is no IP address")))
        };
        let addresses = list.split(',').map(address).collect::<Result<_, _>>()?;
        Ok(Self { host: host.to_owned(), addresses, port })
    }
}

/// All addresses of a name, in the resolver's order, each once. Blocks.
///
/// # Errors
/// [`ReplayError::Resolve`], also when there is none.
pub(super) fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, ReplayError> {
    let failed = |source| ReplayError::Resolve { host: host.to_owned(), source };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs().map_err(failed)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
}
