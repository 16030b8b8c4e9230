//! Authorities, and certificates that they issue.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::support::text;

/// Days that a certificate is good for.
pub(crate) const DAY: i64 = 1;

/// An authority; its own certificate lies in a file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

/// A certificate's files.
pub(crate) struct Files {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(file: PathBuf) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, text(&file));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }

    /// A certificate for `name` in files of that name.
    pub(crate) fn issue(&self, folder: &TempDir, name: &str) -> Files {
        let path = |kind: &str| text(&folder.path().join(format!("{name}.{kind}")));
        let files = Files { chain: path("pem"), key: path("key") };
        self.write(&files, name, DAY);
        files
    }

    /// Writes a certificate that is good until so many days from now, which may be over.
    pub(crate) fn write(&self, files: &Files, name: &str, days: i64) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if days < 0 {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        std::fs::write(&files.chain, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
    }

    /// Some other key.
    pub(crate) fn key_pem(&self) -> String {
        KeyPair::generate().unwrap().serialize_pem()
    }
}
