//! Where a pair listens and where its traffic goes; parsing of URLs is the command line's.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// What stands before the path of a Unix socket.
const UNIX_SCHEME: &str = "unix:";

/// A place to accept connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// The address, if it is one of the network.
    #[must_use]
    pub fn as_tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX_SCHEME}{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(UNIX_SCHEME) {
            Some("") => Err("the Unix socket has no path; write it as in unix:/run/reenact.sock".to_owned()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                format!("`{text}` is no address; write it as in 0.0.0.0:8080, [::1]:8080 or unix:/run/reenact.sock")
            }),
        }
    }
}

/// Where a pair's traffic goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward {
    /// A host, by name or by address without brackets, and its port. A name is looked up again now and then.
    Tcp {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
    /// Where each connection was going before the firewall redirected it to us (`SO_ORIGINAL_DST`).
    OriginalDestination,
    /// Nowhere: requests are answered 204 and recorded, as the receiver of mirrored traffic.
    Sink,
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{UNIX_SCHEME}{}", path.display()),
            Self::OriginalDestination => f.write_str("each connection's original destination"),
            Self::Sink => f.write_str("nowhere"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_as_they_are_written() {
        for text in ["127.0.0.1:80", "[::1]:0", "unix:/run/a b.sock", "unix:relative.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in ["", "unix:", "localhost:80", "127.0.0.1", "::1:80:x", "http://127.0.0.1:80"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
