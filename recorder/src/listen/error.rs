//! Why a relay cannot start, and what a person can do about it.

use std::path::PathBuf;

use super::endpoint::Endpoint;

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The address or path cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// As asked for.
        address: Endpoint,
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
    /// What is passed to the upstream comes back.
    #[error("the upstream {upstream} leads back to the relay's own listener {listener}")]
    Loop {
        /// Its address.
        upstream: Endpoint,
        /// Where its traffic comes in.
        listener: Endpoint,
    },
    /// A Unix socket's path cannot be an address.
    #[error("{} cannot be connected to as a Unix socket: {reason}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The upstream answers in something else than TLS.
    #[error("the upstream {upstream} answers, but not in TLS 1.2 or 1.3: {reason}")]
    NoTls {
        /// Its address.
        upstream: Endpoint,
        /// What was wrong with the answer.
        reason: String,
    },
    /// The upstream's certificate is not to be trusted.
    #[error("the certificate of the upstream {upstream} cannot be verified: {reason}")]
    Unverified {
        /// Its address.
        upstream: Endpoint,
        /// What was wrong with it.
        reason: String,
    },
    /// A redirected connection can only come over the network.
    #[error("{listen} gets no redirected connections: the original destination is known for TCP alone")]
    Transparent {
        /// The listener.
        listen: Endpoint,
    },
    /// Certificates, keys or authorities.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There are no threads to work on.
    #[error("cannot start the relay's threads")]
    Runtime {
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Why certificates, keys or authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {what} {}", path.display())]
    Read {
        /// Certificate, key or authorities.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's or the decoder's answer.
        source: rustls::pki_types::pem::Error,
    },
    /// A file has none of what it should have.
    #[error("{} has no {what} in PEM", path.display())]
    Empty {
        /// Certificate, key or authorities.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that is not known, or of another certificate.
    #[error("the key {} cannot be used with the certificate {}", key.display(), chain.display())]
    Pair {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A certificate is no authority.
    #[error("{} cannot be used as an authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The system has no authorities.
    #[error("this system has no authorities to verify the upstream with: {reason}")]
    NoRoots {
        /// What was found instead.
        reason: String,
    },
    /// The name to verify the upstream by is none.
    #[error("`{name}` is no name that an upstream's certificate can have")]
    Name {
        /// The name.
        name: String,
    },
    /// Options of TLS that do not go together.
    #[error("TLS cannot be set up")]
    Setup {
        /// Why.
        source: rustls::Error,
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
            Self::Listen { .. } => {
                "give an address of this machine, or unix:PATH in a folder that exists, with --listen"
            }
            Self::Resolve { .. } => "check the name, or give an address with --upstream",
            Self::Loop { .. } => "give the address of the service itself with --upstream",
            Self::Path { .. } => "a Unix socket's path has at most 107 bytes",
            Self::NoTls { .. } => {
                "write it as http:// (or unix:) in --upstream if it speaks clear text, else give the port on which it speaks TLS"
            }
            Self::Unverified { .. } => {
                "give its authorities with --upstream-ca FILE, and a name that its certificate has with --upstream-sni NAME"
            }
            Self::Transparent { .. } => "give an address and port with --listen",
            Self::Tls(error) => error.hint(),
            Self::Runtime { .. } => "give fewer --threads",
        }
    }
}

impl TlsError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } | Self::Empty { .. } => "give files in PEM that this process may read",
            Self::Pair { .. } => {
                "give --tls-cert and --tls-key (or --upstream-cert and --upstream-key) in pairs; keys are RSA, ECDSA P-256/P-384 or Ed25519"
            }
            Self::Authority { .. } => "give certificates of authorities in PEM",
            Self::NoRoots { .. } => "give the authorities with --upstream-ca FILE",
            Self::Name { .. } => "give the name in the upstream's certificate with --upstream-sni NAME",
            Self::Setup { .. } => "check the certificates and authorities",
        }
    }
}
