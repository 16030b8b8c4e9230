//! What can go wrong while a connection is made, and after.

use rustix::io::Errno;

/// Why a connection could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", kind.name())]
pub struct DialError {
    /// What kind of failure it is.
    pub kind: DialErrorKind,
    /// The facts, to be shown to a person.
    pub detail: String,
}

/// The kinds of failures of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DialErrorKind {
    /// The target, or the proxy before it, refused the connection.
    Refused,
    /// The connection, with proxy and handshake, was not there in time.
    ConnectTimeout,
    /// There is no way to the target.
    Unreachable,
    /// All ports of the source addresses are in use.
    NoPorts,
    /// This process or system has no more descriptors or memory for sockets.
    NoDescriptors,
    /// The TLS handshake failed.
    Tls,
    /// The proxy did not let the connection through.
    Proxy,
    /// The name leads only to addresses that may not be connected to.
    NotAllowed,
    /// Another error of the system.
    Io,
}

impl DialErrorKind {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 9] = [
        Self::Refused,
        Self::ConnectTimeout,
        Self::Unreachable,
        Self::NoPorts,
        Self::NoDescriptors,
        Self::Tls,
        Self::Proxy,
        Self::NotAllowed,
        Self::Io,
    ];

    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Unreachable => "unreachable",
            Self::NoPorts => "no_ports",
            Self::NoDescriptors => "no_descriptors",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::NotAllowed => "not_allowed",
            Self::Io => "io",
        }
    }

    /// Whether another address of the same name may do better.
    pub(super) const fn is_of_one_address(self) -> bool {
        matches!(self, Self::Refused | Self::Unreachable | Self::Io)
    }
}

impl DialError {
    pub(super) fn new(kind: DialErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// What an error of `doing` (`connect to 127.0.0.1:80`) means.
    pub(super) fn system(doing: &str, errno: Errno) -> Self {
        let kind = match errno {
            // An abstract or missing Unix socket has nobody behind it, as a closed port has not.
            Errno::CONNREFUSED | Errno::NOENT => DialErrorKind::Refused,
            Errno::TIMEDOUT => DialErrorKind::ConnectTimeout,
            Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::AFNOSUPPORT | Errno::NETDOWN => DialErrorKind::Unreachable,
            Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => DialErrorKind::NoPorts,
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => DialErrorKind::NoDescriptors,
            _ => DialErrorKind::Io,
        };
        Self::new(kind, format!("cannot {doing}: {}", std::io::Error::from(errno)))
    }
}

/// As many connections as allowed are already being made for this engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{waiting_max} connections are already being made")]
pub struct DialQueueFull {
    /// The bound.
    pub waiting_max: usize,
}

/// How an open connection failed; it cannot be used any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The system's answer: reset, broken pipe, timed out …
    #[error("the connection failed: {0}")]
    System(#[from] Errno),
    /// What arrived is no TLS that can be read, or the peer sent an alert (a certificate that it wanted, for example:
    /// with TLS 1.3 that comes after the handshake).
    #[error("TLS failed: {0}")]
    Tls(#[from] rustls::Error),
}
