//! Plain connections to real peers on loopback. Waits are for events, with a bound that only a failure reaches.

mod secure;
mod tunnels;

use std::collections::BTreeMap;
use std::io::{IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, getsockname, listen, socket};

use super::*;
use crate::target::Override;

/// Longer than anything here waits.
const NEVER: Duration = Duration::from_secs(600);

/// A target at `address` by the name `host`.
fn named(scheme: &str, host: &str, address: SocketAddr) -> Target {
    let port = address.port();
    let there: Override = format!("{host}:{port}:{}", address.ip()).parse().unwrap();
    Target::parse(&format!("{scheme}://{host}:{port}")).unwrap().look_up(&[there]).unwrap()
}

fn plain(address: SocketAddr) -> Target {
    Target::resolve(&format!("http://{address}")).unwrap()
}

fn start(targets: Vec<Target>, change: impl FnOnce(&mut DialOptions)) -> DialHandle {
    let mut options = DialOptions::new(Clock::start());
    change(&mut options);
    Dialer::start(targets, options, 1).unwrap().remove(0)
}

/// Waits for an event of a descriptor.
fn until(fd: BorrowedFd<'_>, flags: PollFlags) {
    let timeout = Timespec { tv_sec: 20, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timeout)).unwrap();
    assert_eq!(ready, 1, "nothing happened in time");
}

fn request(handle: &mut DialHandle, target: u16, ids: std::ops::Range<u64>) {
    for id in ids {
        handle.request(Dial { id, target }).unwrap();
    }
}

fn finished(handle: &mut DialHandle, count: usize) -> Vec<Dialed> {
    let mut all = Vec::new();
    while all.len() < count {
        match handle.next() {
            Some(dialed) => all.push(dialed),
            None => until(handle.wake(), PollFlags::IN),
        }
    }
    all
}

/// One dial to its end.
fn dial(handle: &mut DialHandle, target: u16) -> Dialed {
    request(handle, target, 7..8);
    finished(handle, 1).remove(0)
}

fn opened(handle: &mut DialHandle) -> Transport {
    dial(handle, 0).result.unwrap()
}

fn kind(dialed: &Dialed) -> DialErrorKind {
    dialed.result.as_ref().unwrap_err().kind
}

fn send_all(transport: &mut Transport, bytes: &[u8]) {
    let mut done = 0;
    while done < bytes.len() || transport.wants_write() {
        match transport.send(&[IoSlice::new(&bytes[done..])]).unwrap() {
            Sent::Bytes(count) => done += count,
            Sent::WouldBlock => until(transport.as_fd(), PollFlags::OUT),
        }
    }
}

/// Everything up to the end, and whether that was cut off.
fn receive_all(transport: &mut Transport) -> (Vec<u8>, bool) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match transport.receive(&mut buffer).unwrap() {
            Received::Bytes(count) => bytes.extend(&buffer[..count]),
            Received::End { truncated } => return (bytes, truncated),
            Received::WouldBlock => until(transport.as_fd(), PollFlags::IN),
        }
    }
}

/// A listener whose every connection is served on a thread of its own.
fn serve(at: &str, work: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    let work = Arc::new(work);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let work = Arc::clone(&work);
            std::thread::spawn(move || work(socket));
        }
    });
    address
}

/// Sends back the first four bytes.
fn echo_four(mut socket: impl Read + Write) {
    let mut four = [0; 4];
    if socket.read_exact(&mut four).is_ok() {
        let _ = socket.write_all(&four);
    }
}

/// A TCP address that nobody listens at, and that nobody else can be given while the socket lives.
fn closed_port() -> (rustix::fd::OwnedFd, SocketAddr) {
    let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&held, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    let address = getsockname(&held).unwrap().try_into().unwrap();
    (held, address)
}

/// One that accepts a single connection into its queue and drops what comes after.
fn black_hole() -> (rustix::fd::OwnedFd, SocketAddr) {
    let (held, address) = closed_port();
    listen(&held, 0).unwrap();
    (held, address)
}

#[test]
fn a_plain_connection_carries_both_directions() {
    let address = serve("127.0.0.1:0", echo_four);
    let mut handle = start(vec![plain(address)], |_| {});
    let dialed = dial(&mut handle, 0);
    assert_eq!((dialed.id, dialed.target, dialed.peer), (7, 0, Some(Peer::Address(address))));
    assert!(dialed.started_ns <= dialed.connected_ns);
    let mut transport = dialed.result.unwrap();
    assert!(rustix::net::sockopt::tcp_nodelay(&transport).unwrap());
    assert_eq!(transport.receive(&mut [0; 8]).unwrap(), Received::WouldBlock);
    assert_eq!(transport.send(&[IoSlice::new(b"pi"), IoSlice::new(b"ng")]).unwrap(), Sent::Bytes(4));
    assert_eq!(receive_all(&mut transport), (b"ping".to_vec(), false));
    assert_eq!(handle.counters().opened(), 1);
    assert_eq!(handle.waiting(), 0);
}

#[test]
fn helpers_keep_no_hold_of_what_they_gave_away() {
    use std::os::fd::AsRawFd;
    let mut handle = start(vec![plain(serve("127.0.0.1:0", echo_four))], |_| {});
    let transport = opened(&mut handle);
    let number = transport.as_fd().as_raw_fd().to_string();
    // What each epoll instance of this process watches.
    let mut instances = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        if std::fs::read_link(entry.path()).is_ok_and(|link| link.ends_with("anon_inode:[eventpoll]")) {
            instances += 1;
            let name = entry.file_name();
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", name.display())).unwrap();
            let mut watched = info.lines().filter_map(|line| line.strip_prefix("tfd:")?.split_whitespace().next());
            assert!(!watched.any(|one| one == number), "{info}");
        }
    }
    assert!(instances > 0);
}

#[test]
fn a_probe_says_whether_anybody_answers() {
    let options = || DialOptions::new(Clock::start());
    let address = serve("127.0.0.1:0", echo_four);
    assert_eq!(Dialer::probe(plain(address), options()).unwrap(), Some(Peer::Address(address)));
    let error = Dialer::probe(plain(closed_port().1), options()).unwrap_err();
    assert!(matches!(&error, ReplayError::Unreachable { source, .. } if source.kind == DialErrorKind::Refused));
}

#[test]
fn a_peer_that_takes_nothing_blocks_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut handle = start(vec![plain(listener.local_addr().unwrap())], |_| {});
    let mut transport = opened(&mut handle);
    let block = vec![1; 1 << 20];
    let mut sent = 0;
    while let Sent::Bytes(count) = transport.send(&[IoSlice::new(&block)]).unwrap() {
        sent += count;
    }
    assert!(sent > 0 && !transport.wants_write());
    let (socket, _) = listener.accept().unwrap();
    drop(socket);
    until(transport.as_fd(), PollFlags::IN);
    assert!(matches!(transport.receive(&mut [0; 8]), Err(Failure::System(Errno::CONNRESET))));
    // A write to a peer that is gone is an error and no signal.
    assert!(matches!(transport.send(&[IoSlice::new(b"x")]), Err(Failure::System(Errno::PIPE))));
}

#[test]
fn hundreds_at_once_come_back_once_each_to_the_engine_that_asked() {
    let address = serve("127.0.0.1:0", |mut socket| drop(socket.read(&mut [0; 1])));
    let (_held, closed) = closed_port();
    let targets = vec![plain(address), plain(closed)];
    let mut handles = Dialer::start(targets, DialOptions::new(Clock::start()), 2).unwrap();
    for (engine, handle) in handles.iter_mut().enumerate() {
        for id in 0..300 {
            handle.request(Dial { id: id * 2 + engine as u64, target: u16::from(id % 3 == 0) }).unwrap();
        }
    }
    for (engine, handle) in handles.iter_mut().enumerate() {
        let all = finished(handle, 300);
        let by_id: BTreeMap<u64, &Dialed> = all.iter().map(|dialed| (dialed.id, dialed)).collect();
        assert!(by_id.keys().copied().eq((0..300).map(|id| id * 2 + engine as u64)));
        for (id, dialed) in by_id {
            assert_eq!(dialed.result.is_err(), (id / 2) % 3 == 0, "{dialed:?}");
        }
        assert!(handle.next().is_none());
        let quiet = poll(&mut [PollFd::from_borrowed_fd(handle.wake(), PollFlags::IN)], Some(&Timespec::default()));
        assert_eq!(quiet.unwrap(), 0, "the event stays up after everything was taken");
    }
    let counters = handles[0].counters();
    assert_eq!(counters.opened(), 400);
    assert!(counters.failed().eq([(DialErrorKind::Refused, 200)]));
}

#[test]
fn a_dropped_syn_is_a_timeout() {
    let (_held, hole) = black_hole();
    let mut handle = start(vec![plain(hole)], |options| options.connect_timeout = Duration::from_millis(100));
    request(&mut handle, 0, 0..4);
    let all = finished(&mut handle, 4);
    let failed: Vec<&Dialed> = all.iter().filter(|dialed| dialed.result.is_err()).collect();
    // How many the kernel takes into a full queue is its own affair.
    assert!(!failed.is_empty());
    for dialed in failed {
        assert_eq!(kind(dialed), DialErrorKind::ConnectTimeout);
        assert!(dialed.connected_ns - dialed.started_ns >= 100_000_000);
    }
}

#[test]
fn those_that_can_connect_do_not_wait_for_those_that_cannot() {
    let (_held, hole) = black_hole();
    let address = serve("127.0.0.1:0", echo_four);
    let mut handle = start(vec![plain(hole), plain(address)], |options| options.connect_timeout = NEVER);
    request(&mut handle, 0, 0..4);
    request(&mut handle, 1, 10..20);
    assert!(finished(&mut handle, 11).iter().all(|dialed| dialed.result.is_ok()));
    assert_eq!(handle.waiting(), 3);
}

#[test]
fn a_refused_address_gives_way_to_the_next() {
    let address = serve("127.0.0.2:0", echo_four);
    let there: Override = format!("shop.test:{}:127.0.0.1,127.0.0.2", address.port()).parse().unwrap();
    let target = Target::parse(&format!("http://shop.test:{}", address.port())).unwrap().look_up(&[there]).unwrap();
    let mut handle = start(vec![target], |_| {});
    request(&mut handle, 0, 0..4);
    let all = finished(&mut handle, 4);
    assert!(all.iter().all(|dialed| dialed.peer == Some(Peer::Address(address)) && dialed.result.is_ok()), "{all:?}");
    // In turn: every second one began at the address that refuses.
    assert_eq!(handle.counters().next_address(), 2);
}

#[test]
fn sources_are_used_in_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut handle = start(vec![plain(listener.local_addr().unwrap())], |options| {
        options.sources = vec!["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap(), "::1".parse().unwrap()];
    });
    let mut seen = BTreeMap::new();
    for _ in 0..4 {
        let dialed = dial(&mut handle, 0);
        assert!(dialed.result.is_ok(), "{dialed:?}");
        *seen.entry(listener.accept().unwrap().1.ip().to_string()).or_insert(0) += 1;
    }
    assert!(seen.iter().map(|(ip, count)| (ip.as_str(), *count)).eq([("127.0.0.2", 2), ("127.0.0.3", 2)]));
}

#[test]
fn sources_that_cannot_be_used_are_said() {
    let (_held, closed) = closed_port();
    let mut options = DialOptions::new(Clock::start());
    options.sources = vec!["192.0.2.1".parse().unwrap()];
    let refused = Dialer::start(vec![plain(closed)], options, 1).unwrap_err();
    assert!(matches!(refused, ReplayError::Bind { .. }), "{refused}");
    let mut handle = start(vec![plain(closed)], |options| options.sources = vec!["::1".parse().unwrap()]);
    let dialed = dial(&mut handle, 0);
    assert_eq!(kind(&dialed), DialErrorKind::Unreachable);
    assert!(dialed.result.unwrap_err().detail.contains("family"));
}

#[test]
fn unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sock");
    let target = || Target::resolve(&format!("unix:{}", path.display())).unwrap();
    let mut handle = start(vec![target()], |_| {});
    assert_eq!(kind(&dial(&mut handle, 0)), DialErrorKind::Refused);
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(echo_four));
    let dialed = dial(&mut handle, 0);
    assert_eq!(dialed.peer.as_ref().map(ToString::to_string), Some(format!("unix:{}", path.display())));
    let mut transport = dialed.result.unwrap();
    send_all(&mut transport, b"ping");
    assert_eq!(receive_all(&mut transport).0, b"ping");
}

#[test]
fn a_unix_listener_with_a_full_queue_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sock");
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let target = || Target::resolve(&format!("unix:{}", path.display())).unwrap();
    let mut handle = start(vec![target()], |options| options.connect_timeout = NEVER);
    request(&mut handle, 0, 0..3);
    assert!(finished(&mut handle, 1)[0].result.is_ok());
    let taken: Vec<_> = (0..3).map(|_| rustix::net::accept(&listener).unwrap()).collect();
    assert!(finished(&mut handle, 2).iter().all(|dialed| dialed.result.is_ok()));
    drop(taken);
    // And given up in time when nobody accepts.
    let mut handle = start(vec![target()], |options| options.connect_timeout = Duration::from_millis(50));
    request(&mut handle, 0, 0..2);
    let all = finished(&mut handle, 2);
    assert_eq!(kind(&all[1]), DialErrorKind::ConnectTimeout);
    assert!(all[1].result.as_ref().unwrap_err().detail.contains("queue"));
}

#[test]
fn what_is_in_the_making_is_bounded() {
    let (_held, hole) = black_hole();
    let mut handle = start(vec![plain(hole)], |options| {
        options.waiting_max = NonZeroUsize::new(3).unwrap();
        options.connect_timeout = Duration::from_millis(100);
    });
    request(&mut handle, 0, 0..3);
    assert_eq!(handle.request(Dial { id: 3, target: 0 }), Err(DialQueueFull { waiting_max: 3 }));
    finished(&mut handle, 1);
    assert_eq!(handle.request(Dial { id: 4, target: 0 }), Ok(()));
    let rest = finished(&mut handle, 3);
    assert!(rest.iter().all(|dialed| dialed.id != 3));
}

#[test]
fn a_target_that_there_is_not_has_an_answer_too() {
    let (_held, closed) = closed_port();
    assert_eq!(kind(&dial(&mut start(vec![plain(closed)], |_| {}), 9)), DialErrorKind::Io);
}

/// Whether all helpers of this process wait for something.
fn helpers_sleep() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats: Vec<String> = threads.filter_map(|one| std::fs::read_to_string(one.path().join("stat")).ok()).collect();
    let mut helpers = stats.iter().filter(|stat| stat.contains("(dial-0)") || stat.contains("(dial-1)")).peekable();
    helpers.peek().is_some() && helpers.all(|stat| stat.contains(") S "))
}

#[test]
fn helpers_end_with_their_handles() {
    let (_held, hole) = black_hole();
    let mut named = Target::resolve(&format!("http://localhost:{}", hole.port())).unwrap();
    named.check_allowed(&[]).unwrap();
    let mut handle = start(vec![named, plain(hole)], |options| options.connect_timeout = NEVER);
    let counters = handle.counters();
    request(&mut handle, 1, 0..4);
    let clock = Clock::start();
    // Those that sleep are the ones that could miss it.
    while !helpers_sleep() {
        assert!(clock.now_ns() < 20_000_000_000, "the helpers do not come to rest");
        std::thread::yield_now();
    }
    drop(handle);
    while Arc::strong_count(&counters) > 1 {
        assert!(clock.now_ns() < 20_000_000_000, "the helpers still run");
        std::thread::yield_now();
    }
}

#[test]
fn names_are_looked_up_again() {
    let address = serve("127.0.0.1:0", echo_four);
    let target = Target::resolve(&format!("http://localhost:{}", address.port())).unwrap();
    let mut handle = start(vec![target], |options| options.dns_refresh = Duration::from_millis(1));
    let (counters, clock) = (handle.counters(), Clock::start());
    while counters.lookups() < 3 {
        assert!(clock.now_ns() < 20_000_000_000, "the name is not looked up again");
        std::thread::yield_now();
    }
    assert!(dial(&mut handle, 0).result.is_ok());
}

#[test]
fn a_name_that_moves_to_where_nothing_is_allowed_is_not_followed() {
    let mut target = named("http", "shop.test", "127.0.0.1:8080".parse().unwrap());
    target.check_allowed(&[]).unwrap();
    let routes = Routes::new(vec![target], &DialOptions::new(Clock::start())).unwrap();
    let route = routes.route(0).unwrap();
    let moves_to = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        route.update(route.target.admit(addresses), &routes.counters);
        route.addresses()
    };
    assert_eq!(moves_to(&["127.0.0.9:8080"]).unwrap(), ["127.0.0.9:8080".parse().unwrap()]);
    assert_eq!(moves_to(&["10.0.0.1:8080", "127.0.0.8:8080"]).unwrap(), ["127.0.0.8:8080".parse().unwrap()]);
    assert_eq!(moves_to(&["10.0.0.1:8080"]).unwrap_err().kind, DialErrorKind::NotAllowed);
    assert_eq!(routes.counters.addresses_refused(), 2);
    assert!(moves_to(&["127.0.0.1:8080"]).is_ok());
}

#[test]
fn targets_that_were_not_checked_are_refused() {
    let refused = |target: Target| Dialer::start(vec![target], DialOptions::new(Clock::start()), 1).unwrap_err();
    let elsewhere = named("http", "shop.test", "192.0.2.1:80".parse().unwrap());
    assert!(matches!(refused(elsewhere), ReplayError::NotAllowed { .. }));
    assert!(matches!(refused(Target::parse("http://localhost").unwrap()), ReplayError::Resolve { .. }));
}

#[test]
fn errors_of_the_system_have_kinds() {
    for (errno, expected) in [
        (Errno::CONNREFUSED, DialErrorKind::Refused),
        (Errno::TIMEDOUT, DialErrorKind::ConnectTimeout),
        (Errno::HOSTUNREACH, DialErrorKind::Unreachable),
        (Errno::ADDRNOTAVAIL, DialErrorKind::NoPorts),
        (Errno::MFILE, DialErrorKind::NoDescriptors),
        (Errno::PERM, DialErrorKind::Io),
    ] {
        assert_eq!(DialError::system("connect", errno).kind, expected, "{errno}");
    }
}
