//! Certificates, keys and authorities from their files, and noticing that the files have changed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::config::KeyFiles;
use super::error::TlsError;

/// The one provider: ring.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A chain and its key, which belong together.
pub(super) fn certified_key(files: &KeyFiles) -> Result<CertifiedKey, TlsError> {
    let chain = certificates("the certificate", "certificate", &files.chain)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| match source {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::Empty { what: "private key", path: files.key.clone() },
        source => TlsError::Read { what: "the key", path: files.key.clone(), source },
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|source| TlsError::Pair {
        chain: files.chain.clone(),
        key: files.key.clone(),
        source,
    })
}

/// The authorities of a file.
pub(super) fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("the authorities", "certificate", path)? {
        roots.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(Arc::new(roots))
}

/// The system's authorities.
pub(super) fn system_authorities() -> Result<Arc<RootCertStore>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry certificates that no verifier takes; what is left out only makes it stricter.
    let (added, _left_out) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reason = found.errors.first().map_or_else(|| "its store is empty".to_owned(), ToString::to_string);
        return Err(TlsError::NoRoots { reason });
    }
    Ok(Arc::new(roots))
}

fn certificates(what: &'static str, kind: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { what, path: path.to_owned(), source };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<_, _>>().map_err(read)?;
    if chain.is_empty() {
        return Err(TlsError::Empty { what: kind, path: path.to_owned() });
    }
    Ok(chain)
}

/// What files looked like: another inode, size or time of change means other content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<Option<(u64, u64, i64, i64)>>);

impl Fingerprint {
    /// Looks at the files, through links, as Kubernetes swaps them.
    pub(super) fn of(files: &[PathBuf]) -> Self {
        let one = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
        };
        Self(files.iter().map(one).collect())
    }
}
