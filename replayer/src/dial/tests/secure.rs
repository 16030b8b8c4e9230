//! TLS against rustls servers with certificates made here.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Mutex;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// An authority, and where its certificate lies.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.ca_file(), authority.issuer.pem()).unwrap();
        authority
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server's configuration with a certificate for `name`.
    fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        self.build(name, change, false)
    }

    fn build(&self, name: &str, change: impl FnOnce(&mut CertificateParams), asks: bool) -> ServerConfig {
        let (certificate, key) = self.issue(name, change);
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build().unwrap();
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = if asks { builder.with_client_cert_verifier(verifier) } else { builder.with_no_client_auth() };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }

    pub(super) fn options(&self) -> TlsOptions {
        TlsOptions { ca_file: Some(self.ca_file()), ..TlsOptions::default() }
    }
}

pub(super) type Secured = StreamOwned<ServerConnection, TcpStream>;

pub(super) fn serve_tls(config: ServerConfig, work: impl Fn(Secured) + Send + Sync + 'static) -> SocketAddr {
    let config = Arc::new(config);
    serve("127.0.0.1:0", move |socket| {
        let server = ServerConnection::new(Arc::clone(&config)).unwrap();
        work(StreamOwned::new(server, socket));
    })
}

/// A shop with a good certificate.
pub(super) fn shop(authority: &Authority) -> SocketAddr {
    serve_tls(authority.server("shop.test", |_| {}), politely)
}

/// Sends four bytes back and says that this was all.
fn politely(mut stream: Secured) {
    echo_four(&mut stream);
    stream.conn.send_close_notify();
    let _ = stream.flush();
    // Its unread close_notify would otherwise turn our end into a reset.
    let _ = stream.sock.read(&mut [0; 64]);
}

fn tls(address: SocketAddr, options: TlsOptions) -> DialHandle {
    start(vec![named("https", "shop.test", address)], |all| all.tls = options)
}

fn ping(transport: &mut Transport) -> (Vec<u8>, bool) {
    send_all(transport, b"ping");
    receive_all(transport)
}

#[test]
fn names_and_alpn_are_offered_and_checked() {
    let authority = Authority::new();
    let seen = Arc::new(Mutex::new(None));
    let mut config = authority.server("shop.test", |_| {});
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let shown = Arc::clone(&seen);
    let address = serve_tls(config, move |mut stream| {
        echo_four(&mut stream);
        let name = stream.conn.server_name().map(str::to_owned);
        *shown.lock().unwrap() = Some((name, stream.conn.alpn_protocol().map(<[u8]>::to_vec)));
        stream.conn.send_close_notify();
        let _ = stream.flush();
        let _ = stream.sock.read(&mut [0; 64]);
    });
    let mut transport = opened(&mut tls(address, authority.options()));
    assert!(transport.is_tls());
    assert_eq!(ping(&mut transport), (b"ping".to_vec(), false));
    let seen = seen.lock().unwrap().take().unwrap();
    assert_eq!(seen, (Some("shop.test".to_owned()), Some(b"http/1.1".to_vec())));
}

#[test]
fn certificates_that_are_wrong() {
    let authority = Authority::new();
    let check = |config: ServerConfig, options: TlsOptions, expected: &str| {
        let dialed = dial(&mut tls(serve_tls(config, politely), options), 0);
        let shown = match dialed.result {
            Ok(_) => "open".to_owned(),
            Err(error) => format!("{error}"),
        };
        assert!(shown.contains(expected), "{shown}, not {expected}");
    };
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2001, 1, 1);
    let good = |_: &mut CertificateParams| {};
    check(authority.server("shop.test", good), authority.options(), "open");
    check(
        authority.server("shop.test", expired),
        authority.options(),
        "tls: the handshake failed: TLS failed: invalid peer certificate: certificate expired",
    );
    check(authority.server("other.test", good), authority.options(), "not valid for name");
    check(Authority::new().server("shop.test", good), authority.options(), "invalid peer certificate");
    let insecure = TlsOptions { insecure: true, ..TlsOptions::default() };
    assert!(insecure.warning().is_some() && authority.options().warning().is_none());
    check(authority.server("other.test", expired), insecure, "open");
    let mut h2 = authority.server("shop.test", good);
    h2.alpn_protocols = vec![b"h2".to_vec()];
    check(h2, authority.options(), "tls: ");
}

#[test]
fn versions_can_be_chosen() {
    let authority = Authority::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&seen);
    let address = serve_tls(authority.server("shop.test", |_| {}), move |mut stream| {
        echo_four(&mut stream);
        shown.lock().unwrap().push(stream.conn.protocol_version());
    });
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13, TlsVersions::Both] {
        let mut transport = opened(&mut tls(address, TlsOptions { versions, ..authority.options() }));
        assert_eq!(ping(&mut transport).0, b"ping");
    }
    let seen: Vec<String> = seen.lock().unwrap().iter().map(|one| format!("{:?}", one.unwrap())).collect();
    assert_eq!(seen, ["TLSv1_2", "TLSv1_3", "TLSv1_3"]);
}

#[test]
fn a_server_may_ask_for_a_certificate() {
    let authority = Authority::new();
    let address = serve_tls(authority.build("shop.test", |_| {}, true), politely);
    let (certificate, key) = authority.issue("robot.test", |_| {});
    let own = authority.folder.path().join("own.pem");
    std::fs::write(&own, certificate.pem() + &key.serialize_pem()).unwrap();
    let client = Some(ClientCertificate { chain_file: own.clone(), key_file: own });
    let mut transport = opened(&mut tls(address, TlsOptions { client, ..authority.options() }));
    assert_eq!(ping(&mut transport).0, b"ping");
    // Without one, TLS 1.2 says so in the handshake and TLS 1.3 after it.
    let old = TlsOptions { versions: TlsVersions::Tls12, ..authority.options() };
    assert_eq!(kind(&dial(&mut tls(address, old), 0)), DialErrorKind::Tls);
    let mut transport = opened(&mut tls(address, authority.options()));
    let failure = loop {
        match transport.receive(&mut [0; 8]) {
            Ok(Received::WouldBlock) => until(transport.as_fd(), PollFlags::IN),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => break failure,
        }
    };
    assert!(matches!(failure, Failure::Tls(_)), "{failure}");
}

/// Accepts, reads, and never says a word.
fn silent() -> SocketAddr {
    serve("127.0.0.1:0", |mut socket| while socket.read(&mut [0; 512]).is_ok_and(|count| count > 0) {})
}

#[test]
fn peers_that_fail_in_the_handshake_cost_others_nothing() {
    let authority = Authority::new();
    let closes = serve("127.0.0.1:0", |mut socket| drop(socket.read(&mut [0; 512])));
    let speaks_http = serve("127.0.0.1:0", |mut socket| drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    let targets = [silent(), closes, speaks_http, shop(&authority)].map(|address| named("https", "shop.test", address));
    let mut handle = start(targets.into(), |options| {
        options.tls = authority.options();
        options.connect_timeout = NEVER;
    });
    request(&mut handle, 0, 0..50);
    for target in 1..4 {
        request(&mut handle, target, 100..110);
    }
    for dialed in finished(&mut handle, 30) {
        let expected = match dialed.target {
            0 => panic!("{dialed:?}"),
            1 | 2 => Some(DialErrorKind::Tls),
            _ => None,
        };
        assert_eq!(dialed.result.as_ref().err().map(|error| error.kind), expected, "{dialed:?}");
    }
    assert_eq!(handle.waiting(), 50);
}

#[test]
fn a_handshake_that_hangs_is_a_timeout() {
    let authority = Authority::new();
    let mut handle = start(vec![named("https", "shop.test", silent())], |options| {
        options.tls = authority.options();
        options.connect_timeout = Duration::from_millis(200);
    });
    let dialed = dial(&mut handle, 0);
    assert_eq!(kind(&dialed), DialErrorKind::ConnectTimeout);
    assert!(dialed.result.unwrap_err().detail.contains("TLS handshake"));
}

#[test]
fn our_end_is_said() {
    let authority = Authority::new();
    let (ends, end) = std::sync::mpsc::sync_channel(1);
    let address = serve_tls(authority.server("shop.test", |_| {}), move |mut stream| {
        ends.send(stream.read_to_end(&mut Vec::new()).is_ok()).unwrap();
    });
    opened(&mut tls(address, authority.options())).close();
    assert!(end.recv().unwrap());
}

#[test]
fn an_end_without_close_notify_is_truncated() {
    let authority = Authority::new();
    let rude = serve_tls(authority.server("shop.test", |_| {}), echo_four);
    assert_eq!(ping(&mut opened(&mut tls(rude, authority.options()))), (b"ping".to_vec(), true));
    assert_eq!(ping(&mut opened(&mut tls(shop(&authority), authority.options()))), (b"ping".to_vec(), false));
}

#[test]
fn ciphertext_waits_for_a_slow_reader_and_arrives_whole() {
    let authority = Authority::new();
    let (go, may_go) = std::sync::mpsc::sync_channel::<()>(1);
    let may_go = Mutex::new(may_go);
    const BYTES: usize = 32 << 20;
    let address = serve_tls(authority.server("shop.test", |_| {}), move |mut stream| {
        may_go.lock().unwrap().recv().unwrap();
        let (mut seen, mut buffer) = (0, vec![0; 1 << 16]);
        while seen < BYTES {
            let count = stream.read(&mut buffer).unwrap();
            assert!(buffer[..count].iter().enumerate().all(|(at, byte)| usize::from(*byte) == (seen + at) % 251));
            seen += count;
        }
        // More than rustls decrypts at a time.
        stream.write_all(&vec![5; 300_000]).unwrap();
    });
    let bytes: Vec<u8> = (0..BYTES).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let mut handle = tls(address, authority.options());
    request(&mut handle, 0, 0..1);
    // The server shakes hands only when it reads.
    go.send(()).unwrap();
    let mut transport = finished(&mut handle, 1).remove(0).result.unwrap();
    let (mut done, mut waited) = (0, false);
    while done < BYTES {
        match transport.send(&[IoSlice::new(&bytes[done..])]).unwrap() {
            Sent::Bytes(count) => {
                assert!(count <= 64 << 10);
                done += count;
            }
            Sent::WouldBlock => {
                assert!(transport.wants_write());
                waited = true;
                until(transport.as_fd(), PollFlags::OUT);
            }
        }
    }
    while !transport.flush().unwrap() {
        until(transport.as_fd(), PollFlags::OUT);
    }
    assert!(waited && !transport.wants_write());
    assert_eq!(receive_all(&mut transport).0, vec![5; 300_000]);
}

#[test]
fn sessions_are_resumed_only_when_asked() {
    let authority = Authority::new();
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        for resumption in [false, true] {
            let mut handle = tls(shop(&authority), TlsOptions { resumption, versions, ..authority.options() });
            for _ in 0..2 {
                // Tickets come with the answer.
                let mut transport = opened(&mut handle);
                assert_eq!(ping(&mut transport).0, b"ping");
                transport.close();
            }
            assert_eq!(handle.counters().resumed(), u64::from(resumption), "{versions:?}");
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    std::fs::write(folder.join("empty.pem"), "").unwrap();
    let check = |tls: TlsOptions, expected: &str| {
        let mut options = DialOptions::new(Clock::start());
        options.tls = tls;
        let target = named("https", "shop.test", "127.0.0.1:1".parse().unwrap());
        let error = Dialer::start(vec![target], options, 1).unwrap_err();
        assert!(matches!(error, ReplayError::Tls { .. }) && error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    };
    let ca = |name: &str| TlsOptions { ca_file: Some(folder.join(name)), ..TlsOptions::default() };
    check(ca("nowhere.pem"), "nowhere.pem");
    check(ca("empty.pem"), "no certificate");
    let client = Some(ClientCertificate { chain_file: authority.ca_file(), key_file: authority.ca_file() });
    check(TlsOptions { client, ..authority.options() }, "ca.pem");
}
