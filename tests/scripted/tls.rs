//! Targets that speak TLS, and the authority that vouches for them.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::{OK, read_head, target};

/// An authority; its own certificate lies in a file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

/// A request, and what its server knows of the connection that it came on.
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) resumed: bool,
    /// How many certificates the client showed.
    pub(crate) chain: usize,
}

impl Authority {
    pub(crate) fn new(file: PathBuf) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, file.to_str().unwrap());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Writes a certificate and its key into two files.
    pub(crate) fn write(&self, name: &str, chain: &Path, key: &Path) {
        let (certificate, own) = self.issue(name, |_| {});
        std::fs::write(chain, certificate.pem()).unwrap();
        std::fs::write(key, own.serialize_pem()).unwrap();
    }

    /// A server with a certificate for `name`, which `change` may spoil.
    pub(crate) fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        self.build(name, change, false)
    }

    /// A server that only talks to whom this authority vouches for.
    pub(crate) fn strict_server(&self, name: &str) -> ServerConfig {
        self.build(name, |_| {}, true)
    }

    fn build(&self, name: &str, change: impl FnOnce(&mut CertificateParams), strict: bool) -> ServerConfig {
        let (certificate, key) = self.issue(name, change);
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if strict {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

/// Answers every request with 200 and keeps it.
pub(crate) fn keeper(config: ServerConfig) -> (SocketAddr, Arc<Mutex<Vec<Heard>>>) {
    let (config, heard) = (Arc::new(config), Arc::default());
    let kept: Arc<Mutex<Vec<Heard>>> = Arc::clone(&heard);
    let address = target(move |socket| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        while let Some(head) = read_head(&mut stream) {
            kept.lock().unwrap().push(Heard::new(head, &stream.conn));
            if stream.write_all(OK).is_err() {
                break;
            }
        }
        end(stream);
    });
    (address, heard)
}

/// Says that this was all. What was not read would turn our end into a reset, which may overtake an alert.
fn end(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    stream.conn.send_close_notify();
    let _ = stream.flush();
    let _ = stream.sock.shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(&mut stream.sock, &mut std::io::sink());
}

impl Heard {
    fn new(head: Vec<u8>, conn: &ServerConnection) -> Self {
        Self {
            head: String::from_utf8(head).unwrap(),
            server_name: conn.server_name().map(str::to_owned),
            alpn: conn.alpn_protocol().map(<[u8]>::to_vec),
            resumed: conn.handshake_kind() == Some(HandshakeKind::Resumed),
            chain: conn.peer_certificates().map_or(0, <[_]>::len),
        }
    }
}
