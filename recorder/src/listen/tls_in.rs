//! TLS with clients: certificates by name, mTLS, ALPN; everything can be replaced while connections go on.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio_rustls::TlsAcceptor;

use super::config::TlsIn;
use super::error::TlsError;
use super::pem;

/// What clients are offered now.
#[derive(Debug)]
pub(super) struct TlsServer {
    files: TlsIn,
    current: ArcSwap<ServerConfig>,
}

impl TlsServer {
    /// Reads the files.
    pub(super) fn new(files: TlsIn, alpn: Vec<Vec<u8>>) -> Result<Self, TlsError> {
        let config = load(&files, alpn)?;
        Ok(Self { files, current: ArcSwap::from_pointee(config) })
    }

    /// What the next client is to be answered with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files again; connections that are open keep what they have.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        let mut fresh = load(&self.files, Vec::new())?;
        self.current.rcu(|current| {
            fresh.alpn_protocols.clone_from(&current.alpn_protocols);
            fresh.clone()
        });
        Ok(())
    }

    /// From now on these protocols are offered.
    pub(super) fn offer(&self, alpn: &[Vec<u8>]) {
        self.current.rcu(|current| {
            let mut config = ServerConfig::clone(current);
            config.alpn_protocols = alpn.to_vec();
            config
        });
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let keys = self.files.certificates.iter().flat_map(|one| [one.chain.clone(), one.key.clone()]);
        keys.chain(self.files.client_ca.clone()).collect()
    }
}

fn load(files: &TlsIn, alpn: Vec<Vec<u8>>) -> Result<ServerConfig, TlsError> {
    let keys = files.certificates.iter().map(|one| pem::certified_key(one).map(Arc::new));
    let by_name = ByName { keys: keys.collect::<Result<_, _>>()? };
    let setup = |source| TlsError::Setup { source };
    let builder = ServerConfig::builder_with_provider(pem::provider());
    let builder = builder.with_protocol_versions(&[&version::TLS13, &version::TLS12]).map_err(setup)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(pem::authorities(path)?, pem::provider()).build();
            builder
                .with_client_cert_verifier(verifier.map_err(|error| setup(rustls::Error::General(error.to_string())))?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(by_name));
    config.alpn_protocols = alpn;
    Ok(config)
}

/// The first certificate that has the name that the client asks for, else the first of all.
#[derive(Debug)]
struct ByName {
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let matching = name.and_then(|name| self.keys.iter().find(|key| is_for(key, &name)));
        matching.or_else(|| self.keys.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}
