//! How TLS is spoken: trust, own certificate, versions, resumption. ring is the only provider; ALPN is `http/1.1`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedProtocolVersion, version,
};

use crate::error::ReplayError;

const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// Names whose sessions are kept for resumption. A target has one.
const RESUMED_NAMES_MAX: usize = 8;

/// How TLS is spoken.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// A PEM file with the only authorities to trust; without it the system's are trusted.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate.
    pub client: Option<ClientCertificate>,
    /// Whether sessions are resumed. Off by default: connections of different users must cost the target what they cost
    /// it in production, and a resumed handshake is cheaper.
    pub resumption: bool,
    /// Whether the target's certificate is not looked at.
    pub insecure: bool,
    /// Which versions are offered.
    pub versions: TlsVersions,
}

/// A certificate that we show.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// PEM file with the chain, own certificate first.
    pub chain_file: PathBuf,
    /// PEM file with the private key; may be the same file.
    pub key_file: PathBuf,
}

/// Which versions are offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 only.
    Tls12,
    /// 1.3 only.
    Tls13,
}

impl TlsOptions {
    /// What everybody who reads about this run must know; nothing when certificates are checked.
    #[must_use]
    pub const fn warning(&self) -> Option<&'static str> {
        if self.insecure {
            Some(
                "--insecure: the target's certificate is not checked, so anybody on the way can read and answer this replay",
            )
        } else {
            None
        }
    }

    /// Reads the files. One configuration is made for each target, so that none resumes another's sessions.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, ReplayError> {
        let bad = |with: &str, error: Error| ReplayError::Tls { with: with.to_owned(), why: error.to_string() };
        let provider = Arc::new(ring::default_provider());
        let versions = match self.versions {
            TlsVersions::Both => BOTH,
            TlsVersions::Tls12 => TLS12,
            TlsVersions::Tls13 => TLS13,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| bad("the chosen versions", error))?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(NoCheck(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = certificates(&own.chain_file)?;
                let key =
                    PrivateKeyDer::from_pem_file(&own.key_file).map_err(|error| in_file(&own.key_file, &error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| bad(&own.chain_file.display().to_string(), error))?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption =
            if self.resumption { Resumption::in_memory_sessions(RESUMED_NAMES_MAX) } else { Resumption::disabled() };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, ReplayError> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.ca_file {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| in_file(file, &error))?;
            }
            return Ok(roots);
        }
        let found = rustls_native_certs::load_native_certs();
        // Some systems carry certificates that nobody can read; that is no reason to do without the others.
        let (taken, _) = roots.add_parsable_certificates(found.certs);
        if taken == 0 {
            let why = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
            return Err(ReplayError::Tls { with: "the system's certificates".into(), why });
        }
        Ok(roots)
    }
}

/// The name that a certificate is checked for.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, ReplayError> {
    // A final dot is part of DNS and never of a certificate (RFC 6066 §3).
    ServerName::try_from(name.trim_end_matches('.').to_owned())
        .map_err(|error| ReplayError::Tls { with: format!("the name `{name}`"), why: error.to_string() })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ReplayError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<CertificateDer<'static>> = read.map_err(|error| in_file(file, &error))?;
    if certificates.is_empty() {
        return Err(in_file(file, &"it holds no certificate"));
    }
    Ok(certificates)
}

fn in_file(file: &Path, why: &impl ToString) -> ReplayError {
    ReplayError::Tls { with: file.display().to_string(), why: why.to_string() }
}

/// Takes any certificate, as `--insecure` asks. The handshake's signatures are checked all the same: they cost the target
/// what they cost it in production.
#[derive(Debug)]
struct NoCheck(Arc<CryptoProvider>);

impl ServerCertVerifier for NoCheck {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
