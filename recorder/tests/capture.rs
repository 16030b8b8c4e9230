//! From the tap to the session: what is kept, what is redacted, and what happens when keeping fails.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use formats::clients::ClientKeys;
use formats::model::{Dropped, End, Exchange, GapReason};
use formats::redact::{RedactionKey, Redactor};
use formats::session::{Event, Session, SessionHeader, SessionWriter, WriterOptions};
use formats::wire::Limits;
use recorder::breaker::BreakerOptions;
use recorder::capture::{Capture, CaptureOptions, StoreOptions};
use recorder::clock::Clock;
use recorder::listen::{Endpoint, Forward, PairConfig, Relay, RelayConfig};
use recorder::selection::Selection;
use recorder::tap::{Tap, TapLimits};

const PATIENCE: Duration = Duration::from_secs(20);

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

struct Recorder {
    relay: Relay,
    capture: Capture,
    _folder: tempfile::TempDir,
    session: std::path::PathBuf,
}

fn address(relay: &Relay) -> SocketAddr {
    relay.endpoints().first().and_then(Endpoint::as_tcp).unwrap()
}

fn recorder(upstream: SocketAddr, tap: TapLimits, more: impl FnOnce(&mut CaptureOptions)) -> Recorder {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let tap = Tap::new(tap, Clock::start());
    let key = RedactionKey::random().unwrap();
    let mut options = CaptureOptions {
        redactor: Redactor::new(&key),
        clients: ClientKeys::new(Vec::new(), &key),
        limits: Limits::default(),
        selection: Selection::default(),
        parser_bytes_max: 1 << 30,
        backlog_bytes_max: 1 << 30,
        breaker: BreakerOptions::default(),
        store: StoreOptions { flush_interval_ns: 20_000_000, ..StoreOptions::default() },
    };
    more(&mut options);
    let writer = SessionWriter::create(&session, SessionHeader::default(), WriterOptions::default()).unwrap();
    let capture = Capture::start(Arc::clone(&tap), writer, options).unwrap();
    let forward = Forward::Tcp { host: upstream.ip().to_string(), port: upstream.port() };
    let config = RelayConfig {
        pairs: vec![PairConfig::new(Endpoint::Tcp("127.0.0.1:0".parse().unwrap()), forward)],
        threads: 1,
        connect_timeout: PATIENCE,
        look_up_interval: Duration::from_secs(30),
        handshake_timeout: PATIENCE,
        idle_timeout: None,
    };
    let relay = Relay::bind(&config, Vec::new()).unwrap().start(Some(tap)).unwrap();
    Recorder { relay, capture, _folder: folder, session }
}

/// Answers every request with its own length; a request to `/raw` with bytes that are no HTTP.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || serve(socket.unwrap()));
        }
    });
    address
}

fn serve(mut socket: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while socket.read(&mut byte).is_ok_and(|read| read == 1) {
        head.extend_from_slice(&byte);
        if head.ends_with(b"\r\n\r\n") {
            let answer: &[u8] = if head.starts_with(b"GET /raw") {
                b"not HTTP at all\n\n"
            } else {
                b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=0123456789abcdefghij\r\nContent-Length: 2\r\n\r\nok"
            };
            if socket.write_all(answer).is_err() {
                break;
            }
            head.clear();
        }
    }
}

fn exchange(socket: &mut TcpStream, request: &str) -> String {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut got = Vec::new();
    let mut byte = [0];
    while !got.ends_with(b"\r\n\r\nok") && !got.ends_with(b"\n\n") {
        assert_eq!(socket.read(&mut byte).unwrap(), 1);
        got.extend_from_slice(&byte);
    }
    String::from_utf8(got).unwrap()
}

fn read(session: &Path) -> (Vec<Exchange>, Vec<GapReason>) {
    let (mut exchanges, mut gaps) = (Vec::new(), Vec::new());
    for event in Session::open(session).unwrap().events() {
        match event.unwrap() {
            Event::Exchange(exchange) => exchanges.push(*exchange),
            Event::Gap(gap) => gaps.push(gap.reason),
            Event::Damage(damage) => panic!("{damage:?}"),
            Event::Unfinished { .. } | Event::Index(_) | Event::Ended { .. } => {}
        }
    }
    (exchanges, gaps)
}

/// Everything that the files of a session hold, decompressed blocks included.
fn contains(session: &Path, needle: &str) -> bool {
    let (exchanges, _) = read(session);
    let on_disk = Session::open(session).unwrap().segments().iter().any(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    });
    on_disk || format!("{exchanges:?}").contains(needle)
}

#[test]
fn what_passes_is_kept_and_secrets_are_not() {
    let recorder = recorder(upstream(), TapLimits::default(), |_| {});
    let mut socket = TcpStream::connect(address(&recorder.relay)).unwrap();
    let secret = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA";
    let answer =
        exchange(&mut socket, &format!("GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n"));
    assert!(answer.contains("sid=0123456789abcdefghij"), "the client's answer is untouched: {answer}");
    exchange(&mut socket, "GET /b HTTP/1.1\r\nHost: x\r\nCookie: sid=0123456789abcdefghij\r\n\r\n");
    // Readable while it is written: after the flush, before the end.
    wait_for(|| (read(&recorder.session).0.len() == 2).then_some(()));
    drop(socket);
    let captured = recorder.capture.stop();
    assert_eq!((captured.written.exchanges, captured.gaps.len(), captured.failure), (2, 0, None));
    let (exchanges, gaps) = read(&recorder.session);
    assert_eq!((exchanges.len(), gaps), (2, vec![]));
    assert!(!contains(&recorder.session, secret) && !contains(&recorder.session, "0123456789abcdefghij"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let sent = text(&exchanges.last().unwrap().request.head);
    let set = text(&exchanges.first().unwrap().response.as_ref().unwrap().head);
    let pseudonym = |head: &str| head.split("sid=").nth(1).unwrap().split(['\r', ';']).next().unwrap().to_owned();
    assert_eq!(pseudonym(&sent), pseudonym(&set), "the same cookie has the same pseudonym both ways");
}

#[test]
fn a_queue_without_room_is_a_gap_and_no_byte_of_traffic() {
    let recorder = recorder(upstream(), TapLimits { queue_events_max: 100, queue_bytes_max: 10 }, |_| {});
    let mut socket = TcpStream::connect(address(&recorder.relay)).unwrap();
    for _ in 0..3 {
        assert!(exchange(&mut socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("ok"));
    }
    wait_for(|| (!read(&recorder.session).1.is_empty()).then_some(()));
    let captured = recorder.capture.stop();
    let missing = captured.gaps.get(&GapReason::QueueFull).unwrap();
    assert_eq!(captured.written.exchanges, 0);
    assert!(missing.connections > 0 && missing.bytes > 100, "{missing:?}");
}

#[test]
fn what_is_no_http_passes_and_is_counted() {
    let recorder = recorder(upstream(), TapLimits::default(), |_| {});
    let mut socket = TcpStream::connect(address(&recorder.relay)).unwrap();
    assert_eq!(exchange(&mut socket, "GET /raw HTTP/1.1\r\nHost: x\r\n\r\n"), "not HTTP at all\n\n");
    assert!(exchange(&mut socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("ok"));
    wait_for(|| (!read(&recorder.session).1.is_empty()).then_some(()));
    drop(socket);
    wait_for(|| (recorder.relay.counters().active == 0).then_some(()));
    let captured = recorder.capture.stop();
    let missing = captured.gaps.get(&GapReason::NotUnderstood).unwrap();
    assert_eq!(missing.connections, 1);
    // The bytes that were not understood, and all that came after them.
    assert!(missing.bytes > 17 + 28, "{missing:?}");
    let (exchanges, _) = read(&recorder.session);
    assert_eq!(exchanges.iter().map(|one| one.end).collect::<Vec<_>>(), [End::CaptureLost]);
}

#[test]
fn an_exchange_under_way_is_kept_as_far_as_it_came() {
    let recorder = recorder(upstream(), TapLimits::default(), |_| {});
    let mut socket = TcpStream::connect(address(&recorder.relay)).unwrap();
    exchange(&mut socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
    wait_for(|| (recorder.relay.counters().request_bytes > 75).then_some(()));
    let at = address(&recorder.relay);
    let captured = recorder.capture.stop();
    assert_eq!(captured.written.exchanges, 2);
    let (exchanges, _) = read(&recorder.session);
    let last = exchanges.last().unwrap();
    assert_eq!((last.end, last.instants.request_end, last.request.body.total_len), (End::RecordingStopped, None, 4));
    // The other half of a secret might have followed.
    assert_eq!((&last.request.body.bytes[..], last.request.body.dropped), (&b""[..], Some(Dropped::Truncated)));
    // Relaying goes on, uncaptured.
    assert!(exchange(&mut TcpStream::connect(at).unwrap(), "GET / HTTP/1.1\r\n\r\n").ends_with("ok"));
    assert_eq!(read(&recorder.session).0.len(), 2);
}

#[test]
fn replays_are_skipped_unless_they_are_wanted() {
    for (record_replays, kept) in [(false, 1), (true, 2)] {
        let recorder =
            recorder(upstream(), TapLimits::default(), |options| options.selection.record_replays = record_replays);
        let mut socket = TcpStream::connect(address(&recorder.relay)).unwrap();
        exchange(&mut socket, "GET / HTTP/1.1\r\ntracestate: a=b, reenact=0123456789abcdef\r\n\r\n");
        exchange(&mut socket, "GET / HTTP/1.1\r\ntracestate: a=b\r\n\r\n");
        drop(socket);
        wait_for(|| (recorder.relay.counters().active == 0).then_some(()));
        let captured = recorder.capture.stop();
        assert_eq!((captured.written.exchanges, captured.skipped.replays), (kept, 2 - kept));
    }
}

#[test]
fn exchanges_under_way_are_bounded_together() {
    let recorder = recorder(upstream(), TapLimits::default(), |options| options.parser_bytes_max = 1_000);
    let mut socket = TcpStream::connect(address(&recorder.relay)).unwrap();
    let upload = [b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n".to_vec(), vec![b'x'; 2_000]].concat();
    socket.write_all(&upload).unwrap();
    wait_for(|| read(&recorder.session).1.contains(&GapReason::ParserFull).then_some(()));
    let mut other = TcpStream::connect(address(&recorder.relay)).unwrap();
    exchange(&mut other, "GET / HTTP/1.1\r\n\r\n");
    let captured = recorder.capture.stop();
    // What was there of the upload, and the small one.
    assert_eq!(captured.written.exchanges, 2);
}

#[test]
fn a_session_that_cannot_be_written_costs_exchanges_and_no_traffic_and_goes_on_by_itself() {
    let recorder = recorder(upstream(), TapLimits::default(), |_| {});
    std::fs::remove_dir_all(&recorder.session).unwrap();
    let mut socket = TcpStream::connect(address(&recorder.relay)).unwrap();
    wait_for(|| {
        assert!(exchange(&mut socket, "GET /lost HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("ok"));
        recorder.capture.status().is_down.then_some(())
    });
    wait_for(|| (!recorder.capture.status().is_down).then_some(()));
    assert!(exchange(&mut socket, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("ok"));
    wait_for(|| (recorder.capture.status().written.exchanges > 0).then_some(()));
    let captured = recorder.capture.stop();
    assert!(captured.failure.as_ref().is_some_and(|why| why.contains("deleted")), "{captured:?}");
    assert!(captured.gaps.get(&GapReason::WriteFailed).unwrap().exchanges > 0, "{captured:?}");
    let (exchanges, gaps) = read(&recorder.session);
    assert!(gaps.contains(&GapReason::WriteFailed));
    assert!(exchanges.last().unwrap().request.head.starts_with(b"GET /kept"));
    assert_eq!(exchanges.len() as u64, captured.written.exchanges);
}
