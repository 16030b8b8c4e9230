//! The relay from outside: real sockets on both sides, bytes compared to the letter.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use formats::model::GapReason;
use formats::wire::{Direction, Ending};
use recorder::clock::Clock;
use recorder::listen::{Endpoint, Forward, PairConfig, Relay, RelayConfig, RelayError};
use recorder::tap::{Tap, TapLimits, What};

const PATIENCE: Duration = Duration::from_secs(20);
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Waits for a condition.
#[expect(clippy::disallowed_methods, reason = "looks again until the deadline")]
#[track_caller]
fn wait_for<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn config(listen: SocketAddr, upstream: SocketAddr) -> RelayConfig {
    let forward = Forward::Tcp { host: upstream.ip().to_string(), port: upstream.port() };
    RelayConfig {
        pairs: vec![PairConfig::new(Endpoint::Tcp(listen), forward)],
        threads: 1,
        connect_timeout: Duration::from_secs(2),
        look_up_interval: Duration::from_secs(30),
        handshake_timeout: Duration::from_secs(2),
        idle_timeout: None,
    }
}

fn start(config: &RelayConfig, tap: Option<&Arc<Tap>>) -> Relay {
    Relay::bind(config, Vec::new()).unwrap().start(tap.cloned()).unwrap()
}

fn relay(upstream: SocketAddr, tap: Option<&Arc<Tap>>) -> Relay {
    start(&config(ANY_PORT, upstream), tap)
}

fn at(relay: &Relay) -> SocketAddr {
    relay.endpoints().first().and_then(Endpoint::as_tcp).unwrap()
}

fn tap(queue_events_max: usize) -> Arc<Tap> {
    let tap = Tap::new(TapLimits { queue_events_max, queue_bytes_max: 1 << 30 }, Clock::start());
    tap.start();
    tap
}

fn connect(relay: &Relay) -> TcpStream {
    let socket = TcpStream::connect(at(relay)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn accept(listener: &TcpListener) -> TcpStream {
    let socket = listener.accept().unwrap().0;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Bytes that repeat nowhere soon and are not HTTP.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56).to_le_bytes().first().copied().unwrap()
    })
    .take(len)
    .collect()
}

/// Writes `bytes` in pieces of uneven sizes and finishes its direction.
fn write_in_pieces(mut socket: TcpStream, bytes: Vec<u8>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut rest, mut size) = (&bytes[..], 1);
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(size));
            socket.write_all(piece).unwrap();
            rest = later;
            size = (size * 7 + 3) % 300_000 + 1;
        }
        socket.shutdown(Shutdown::Write).unwrap();
    })
}

fn read_all(mut socket: TcpStream) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Both sides write at once before anybody has read a byte of the other.
fn both_ways(tap: Option<&Arc<Tap>>, len: usize) {
    let (listener, address) = listen();
    let relay = relay(address, tap);
    let client = connect(&relay);
    let server = accept(&listener);
    let (up, down) = (noise(1, len), noise(2, len));
    let writers = [
        write_in_pieces(client.try_clone().unwrap(), up.clone()),
        write_in_pieces(server.try_clone().unwrap(), down.clone()),
    ];
    let (at_server, at_client) = (read_all(server), read_all(client));
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(at_server.join().unwrap() == up, "the upstream got other bytes than the client sent");
    assert!(at_client.join().unwrap() == down, "the client got other bytes than the upstream sent");
    wait_for(|| (relay.counters().active == 0).then_some(()));
    let counters = relay.counters();
    assert_eq!((counters.request_bytes, counters.response_bytes), (len as u64, len as u64));
}

#[test]
fn bytes_pass_to_the_letter_without_a_tap() {
    both_ways(None, 8 << 20);
}

#[test]
fn a_tap_that_nobody_empties_changes_no_byte() {
    let tap = tap(4);
    both_ways(Some(&tap), 3 << 20);
    let lost = tap.losses().of(GapReason::QueueFull);
    assert_eq!(lost.connections, 1);
    assert!(lost.bytes > 5 << 20, "{lost:?}");
}

#[test]
fn the_tap_sees_every_byte_in_order() {
    let tap = tap(1 << 16);
    both_ways(Some(&tap), 1 << 20);
    let (mut up, mut down, mut life) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = 0;
    wait_for(|| {
        while let Some(event) = tap.pop() {
            let at = event.at_ns;
            match event.what {
                What::Opened { peer, from_start, .. } => {
                    assert!(peer.unwrap().ip().is_loopback() && from_start);
                    life.push("opened");
                }
                What::Connected => life.push("connected"),
                What::Bytes(from, bytes) => {
                    if from == Direction::Request { &mut up } else { &mut down }.extend_from_slice(&bytes);
                }
                What::Ended(_, how) => {
                    assert_eq!(how, Ending::Eof);
                    life.push("ended");
                }
                What::Closed => life.push("closed"),
                other => panic!("{other:?}"),
            }
            assert!(at >= last, "instants go back");
            last = at;
        }
        (life.last() == Some(&"closed")).then_some(())
    });
    assert_eq!(life, ["opened", "connected", "ended", "ended", "closed"]);
    assert!(up == noise(1, 1 << 20) && down == noise(2, 1 << 20));
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let (listener, address) = listen();
    let relay = relay(address, None);
    let mut client = connect(&relay);
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut server = accept(&listener);
    let mut request = Vec::new();
    server.read_to_end(&mut request).unwrap(); // ends because the half-close was passed on
    server.write_all(b"late answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!((request.len(), answer.as_str()), (18, "late answer"));
}

#[test]
fn a_client_that_resets_takes_its_upstream_connection_along() {
    let (listener, address) = listen();
    let relay = relay(address, None);
    let mut client = connect(&relay);
    client.write_all(b"x").unwrap();
    let mut server = accept(&listener);
    server.write_all(b"unread").unwrap();
    server.read_exact(&mut [0]).unwrap();
    wait_for(|| client.peek(&mut [0; 6]).is_ok_and(|n| n == 6).then_some(()));
    drop(client); // with unread bytes: a reset
    let _ = server.read(&mut [0]);
    wait_for(|| (relay.counters().active == 0).then_some(()));
}

#[test]
fn a_dead_upstream_closes_the_client_at_once() {
    let dead = listen().1;
    let relay = relay(dead, None);
    let mut bytes = Vec::new();
    // An end or a reset, but never an answer that nobody sent.
    let _ = connect(&relay).read_to_end(&mut bytes);
    assert!(bytes.is_empty());
    wait_for(|| (relay.counters().upstream_failures == 1 && relay.counters().active == 0).then_some(()));
}

#[test]
fn what_cannot_be_listened_on_is_refused() {
    let (_listener, taken) = listen();
    let refused = Relay::bind(&config(taken, listen().1), Vec::new()).err().unwrap();
    assert!(matches!(&refused, RelayError::Listen { address, .. } if *address == Endpoint::Tcp(taken)), "{refused}");
    assert!(refused.to_string().contains(&taken.to_string()) && refused.hint().contains("--listen"));

    let own = listen().1;
    let refused = Relay::bind(&config(own, own), Vec::new()).err().unwrap();
    assert!(matches!(refused, RelayError::Loop { .. }), "{refused}");
}

#[test]
fn a_drain_ends_with_the_last_connection_and_accepts_until_then() {
    let (listener, address) = listen();
    let relay = relay(address, None);
    let port = at(&relay);
    let mut client = connect(&relay);
    client.write_all(b"a").unwrap();
    let mut server = accept(&listener);
    server.read_exact(&mut [0]).unwrap();
    let draining = std::thread::spawn(move || relay.drain(PATIENCE, std::future::pending()));
    let mut late = TcpStream::connect(port).unwrap();
    late.write_all(b"b").unwrap();
    let mut second = accept(&listener);
    second.read_exact(&mut [0]).unwrap();
    assert!(!draining.is_finished());
    drop((client, server, late, second));
    let (counters, cut) = draining.join().unwrap();
    assert_eq!((counters.connections, cut), (2, 0));
}

#[test]
fn a_drain_cuts_what_is_left_at_its_end() {
    let (listener, address) = listen();
    let relay = relay(address, None);
    let mut client = connect(&relay);
    client.write_all(b"a").unwrap();
    let server = accept(&listener);
    let (_, cut) = relay.drain(Duration::ZERO, std::future::pending());
    assert_eq!(cut, 1);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert!(rest.is_empty());
    drop(server);
}

#[test]
fn a_connection_on_which_nothing_moves_is_closed_and_one_that_moves_is_not() {
    let (listener, upstream) = listen();
    let idle = Duration::from_millis(300);
    let relay = start(&RelayConfig { idle_timeout: Some(idle), ..config(ANY_PORT, upstream) }, None);
    let (mut client, clock) = (connect(&relay), Clock::start());
    let mut server = accept(&listener);
    // As long as bytes come, from either side, it stays: for several times the timeout.
    let idle_ns = u64::try_from(idle.as_nanos()).unwrap();
    while clock.now_ns() < 4 * idle_ns {
        client.write_all(b"a").unwrap();
        server.read_exact(&mut [0]).unwrap();
        server.write_all(b"b").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    let quiet_ns = clock.now_ns();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    // The last bytes moved a little before this was looked at.
    let waited_ns = clock.now_ns() - quiet_ns;
    assert!(waited_ns >= idle_ns / 2, "{waited_ns}");
    wait_for(|| (relay.counters().active == 0).then_some(()));
    assert_eq!(relay.counters().idle_timeouts, 1);
}

#[test]
fn a_listener_is_handed_over_without_a_refused_connection() {
    let (listener, upstream) = listen();
    let mut old = relay(upstream, None);
    let port = at(&old);
    let mut early = connect(&old);
    early.write_all(b"1").unwrap();
    let mut first = accept(&listener);
    first.read_exact(&mut [0]).unwrap();

    let new = Relay::bind(&config(ANY_PORT, upstream), old.descriptors().unwrap()).unwrap();
    old.stop_accepting();
    // Nobody accepts now, and nobody is refused.
    let mut between = TcpStream::connect(port).unwrap();
    between.write_all(b"2").unwrap();
    let new = new.start(None).unwrap();
    assert_eq!(at(&new), port, "the same port, though any was asked for");
    let mut second = accept(&listener);
    second.read_exact(&mut [0]).unwrap();
    assert_eq!((old.counters().connections, new.counters().connections), (1, 1));
    // What was open goes on through the old one.
    first.write_all(b"3").unwrap();
    early.read_exact(&mut [0]).unwrap();
    drop((early, first));
    assert_eq!(old.drain(PATIENCE, std::future::pending()).1, 0);
    second.write_all(b"4").unwrap();
    between.read_exact(&mut [0]).unwrap();
}

#[test]
fn who_stops_accepting_without_a_heir_closes_the_port() {
    let mut relay = relay(listen().1, None);
    let port = at(&relay);
    relay.stop_accepting();
    assert!(TcpStream::connect(port).is_err());
}

#[test]
fn a_unix_sockets_path_goes_with_its_last_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sock");
    let (listener, upstream) = listen();
    let mut config = config(ANY_PORT, upstream);
    config.pairs.first_mut().unwrap().listen = Endpoint::Unix(path.clone());
    // What a killed process left behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut old = start(&config, None);
    let refused = Relay::bind(&config, Vec::new()).err().unwrap();
    assert!(matches!(&refused, RelayError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse));
    drop(accept(&listener)); // it looked whether somebody listens

    let new = Relay::bind(&config, old.descriptors().unwrap()).unwrap().start(None).unwrap();
    old.leave_paths();
    old.stop_accepting();
    drop(old);
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.write_all(b"x").unwrap();
    accept(&listener).read_exact(&mut [0]).unwrap();
    assert_eq!(new.counters().connections, 1);
    new.drain(Duration::ZERO, std::future::pending());
    assert!(!path.exists());
    std::fs::write(&path, "a file").unwrap();
    assert!(Relay::bind(&config, Vec::new()).is_err());
    assert!(path.exists(), "a file that is no socket stays");
}
