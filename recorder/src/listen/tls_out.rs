//! TLS with the upstream: verified unless that is turned off by name, and with our own certificate if it asks for one.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::TlsOut;
use super::error::TlsError;
use super::pem;

/// How the upstream is spoken to now.
#[derive(Debug)]
pub(super) struct TlsClient {
    files: TlsOut,
    name: ServerName<'static>,
    current: ArcSwap<ClientConfig>,
}

impl TlsClient {
    /// Reads the files.
    pub(super) fn new(files: TlsOut) -> Result<Self, TlsError> {
        // An empty name is an error here, never a reason not to verify.
        let name = ServerName::try_from(files.name.clone());
        let name = name.map_err(|_| TlsError::Name { name: files.name.clone() })?;
        let config = load(&files)?;
        Ok(Self { files, name, current: ArcSwap::from_pointee(config) })
    }

    /// Shakes hands, offering `alpn`.
    pub(super) async fn connect<S>(&self, stream: S, alpn: Vec<Vec<u8>>) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(self.current.load_full());
        connector.with_alpn(alpn).connect(self.name.clone(), stream).await
    }

    /// Reads the files again; connections that are open keep what they have.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(load(&self.files)?));
        Ok(())
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let identity = self.files.identity.iter().flat_map(|one| [one.chain.clone(), one.key.clone()]);
        identity.chain(self.files.ca.clone()).collect()
    }
}

fn load(files: &TlsOut) -> Result<ClientConfig, TlsError> {
    let setup = |source| TlsError::Setup { source };
    let provider = pem::provider();
    let verifier: Arc<dyn ServerCertVerifier> = if files.verify {
        let roots = match &files.ca {
            Some(path) => pem::authorities(path)?,
            None => pem::system_authorities()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        verifier.map_err(|error| setup(rustls::Error::General(error.to_string())))?
    } else {
        Arc::new(TakeAny(Arc::clone(&provider)))
    };
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&version::TLS13, &version::TLS12]).map_err(setup)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(match &files.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = Arc::new(pem::certified_key(identity)?);
            builder.with_client_cert_resolver(Arc::new(Identity(key)))
        }
    })
}

/// Always the same certificate.
#[derive(Debug)]
struct Identity(Arc<CertifiedKey>);

impl ResolvesClientCert for Identity {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// `--upstream-insecure`: any certificate, whose owner still has to have its key.
#[derive(Debug)]
struct TakeAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
