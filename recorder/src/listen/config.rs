//! What a relay is told: plain data, checked when it is bound.

use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::{Endpoint, Forward};

/// Where traffic comes in, where it goes, and how long anything may take.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Each listens for itself; all share the threads, the tap and the counters.
    pub pairs: Vec<PairConfig>,
    /// Threads that pass traffic.
    pub threads: usize,
    /// To connect to an upstream, all addresses of its name together.
    pub connect_timeout: Duration,
    /// For a client's PROXY header and TLS handshake together, and for the upstream's TLS handshake.
    pub handshake_timeout: Duration,
    /// A connection on which no byte came from either side for so long is closed; `None` never.
    pub idle_timeout: Option<Duration>,
    /// The addresses of an upstream's name are looked up again after so long, and at once when one of them fails.
    pub look_up_interval: Duration,
}

/// One listener and its upstream.
#[derive(Debug, Clone)]
pub struct PairConfig {
    /// Where connections are accepted.
    pub listen: Endpoint,
    /// Where they go.
    pub forward: Forward,
    /// TLS with clients; `None` for clear text.
    pub tls_in: Option<TlsIn>,
    /// TLS with the upstream; `None` for clear text.
    pub tls_out: Option<TlsOut>,
    /// Protocols for ALPN in order of preference; empty asks the upstream which it speaks.
    pub alpn: Vec<String>,
    /// Whether clients begin with a PROXY header.
    pub proxy_in: ProxyIn,
    /// Whether the upstream is sent one.
    pub proxy_out: ProxyOut,
}

impl PairConfig {
    /// A pair in clear text.
    #[must_use]
    pub fn new(listen: Endpoint, forward: Forward) -> Self {
        Self {
            listen,
            forward,
            tls_in: None,
            tls_out: None,
            alpn: Vec::new(),
            proxy_in: ProxyIn::Off,
            proxy_out: ProxyOut::Off,
        }
    }
}

/// A certificate chain and its key, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The chain, the server's own certificate first.
    pub chain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// TLS with clients.
#[derive(Debug, Clone)]
pub struct TlsIn {
    /// One is chosen by the name that the client asks for; the first for any other name, and for none.
    pub certificates: Vec<KeyFiles>,
    /// Clients must show a certificate of these authorities.
    pub client_ca: Option<PathBuf>,
}

/// TLS with the upstream.
#[derive(Debug, Clone)]
pub struct TlsOut {
    /// The name that is asked for and that the certificate must have; an address is verified as an address.
    pub name: String,
    /// Authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Shown when the upstream asks for a certificate.
    pub identity: Option<KeyFiles>,
    /// `false` takes any certificate: whoever sits in between reads everything.
    pub verify: bool,
}

/// Whether clients begin with a PROXY header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyIn {
    /// They do not, and one is passed on as any other bytes.
    #[default]
    Off,
    /// Some do. Whoever can connect can then choose the address that is recorded.
    Optional,
    /// A connection without one is closed.
    Required,
}

/// Whether the upstream is sent a PROXY header, and in which version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyOut {
    /// None.
    #[default]
    Off,
    /// The line of text.
    V1,
    /// The binary one.
    V2,
}
