//! Many clients and bad upstreams: slow ones, ones that send garbage, ones that hang, and more than there are descriptors
//! for. Nobody else waits for them, nothing panics, and memory stays within its bound.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; instants are checked"
)]

mod load;
mod scripted;
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use load::{Connects, Load, Upstream, one, peak_bytes};
use scripted::{OK, read_head, target};
use support::{PATIENCE, Process, exchanges, folder, inside, recorder, reenact, reenact_says, text, wait_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Of a recorder that has its default queues and is not behind.
const MEMORY_BYTES_MAX: u64 = 200 << 20;

/// Ends a recorder that saw what need not be captured.
#[track_caller]
fn end(process: Process) -> support::Said {
    process.signal("INT");
    let said = process.finish();
    assert!(said.code == 0 || said.code == 3, "{said:?}");
    assert!(!said.err.contains("panicked") && !said.err.contains("defect"), "{said:?}");
    said
}

/// How long a request takes in the middle of some.
#[track_caller]
fn typical(address: &str) -> Duration {
    let mut took: Vec<_> = (0..60).map(|_| one(address)).collect();
    took.sort_unstable();
    took[took.len() / 2]
}

/// So many clients that send a byte a second, for `bytes` seconds; requests of others take as long as before.
#[track_caller]
fn slow_clients(count: usize, bytes: usize) {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let upstream = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let at = upstream.local_addr().unwrap().to_string();
    let (process, address) = recorder(&at, &inside(&folder, "s"), &[]);
    let to: std::net::SocketAddr = address.parse().unwrap();
    // One thread plays the upstream and all the slow clients.
    let (connected, all_connected) = std::sync::mpsc::sync_channel(1);
    let swarm = std::thread::spawn(move || {
        runtime.block_on(async move {
            tokio::spawn(async move {
                loop {
                    let mut socket = upstream.accept().await.unwrap().0;
                    tokio::spawn(async move {
                        let mut head = Vec::new();
                        while socket.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                            if head.ends_with(b"\r\n\r\n") {
                                head.clear();
                                let _ = socket.write_all(OK).await;
                            }
                        }
                    });
                }
            });
            let mut clients = Vec::new();
            for _ in 0..count {
                clients.push(tokio::net::TcpStream::connect(to).await.unwrap());
            }
            let request = format!("GET /{} HTTP/1.1\r\n\r\n", "1".repeat(bytes));
            let mut turns = tokio::time::interval(Duration::from_secs(1));
            for (at, byte) in request.bytes().take(bytes).enumerate() {
                turns.tick().await;
                for client in &mut clients {
                    client.write_all(&[byte]).await.unwrap();
                }
                if at == 0 {
                    connected.send(()).unwrap();
                }
            }
            for client in &mut clients {
                client.write_all(&request.as_bytes()[bytes..]).await.unwrap();
            }
            let mut answered = 0;
            for client in &mut clients {
                let mut answer = vec![0; OK.len()];
                client.read_exact(&mut answer).await.unwrap();
                answered += usize::from(answer == OK);
            }
            answered
        })
    });
    let before = typical(&address);
    all_connected.recv_timeout(PATIENCE * 3).unwrap();
    let beside = typical(&address);
    println!(
        "{count} slow clients: a request takes {beside:?}, and {before:?} without; {} kB",
        peak_bytes(process.id()) / 1024
    );
    assert!(beside < before * 5 + Duration::from_millis(50), "{beside:?}, and {before:?} without slow clients");
    assert_eq!(swarm.join().unwrap(), count, "slow clients that were answered");
    let bytes_max = MEMORY_BYTES_MAX + 32 * 1024 * count as u64;
    assert!(peak_bytes(process.id()) < bytes_max, "{} bytes", peak_bytes(process.id()));
    end(process);
    assert!(exchanges(&inside(&folder, "s")).len() >= count);
}

#[test]
fn a_thousand_slow_clients_delay_nobody() {
    slow_clients(1_000, 4);
}

#[test]
#[ignore = "takes 30 s and all descriptors: cargo nextest run --run-ignored only ten_thousand"]
fn ten_thousand_slow_clients_delay_nobody() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    // Each takes two descriptors here and two in the recorder; where so many are not allowed, as many as are.
    let allowed = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    slow_clients((allowed.saturating_sub(200) / 2).min(10_000), 15);
}

#[test]
fn garbage_from_two_hundred_connections() {
    let folder = folder();
    let deaf = target(|mut socket| {
        let mut buffer = [0; 65_536];
        while socket.read(&mut buffer).is_ok_and(|read| read > 0) {
            if socket.write_all(&buffer[..100]).is_err() {
                break;
            }
        }
    });
    let (process, address) = recorder(&deaf.to_string(), &inside(&folder, "s"), &["--flush-interval", "50ms"]);
    let heads: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x01\xff",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\nA:",
    ];
    let send = |seed: u64| {
        let (address, head) = (address.clone(), heads[seed as usize % heads.len()]);
        move || {
            let mut state = seed;
            let mut socket = TcpStream::connect(address).unwrap();
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            })
            .take(200_000)
            .collect();
            // The other side may have had enough of it.
            let _ = socket.write_all(head).and_then(|()| socket.write_all(&noise));
        }
    };
    for batch in 0..10 {
        let senders: Vec<_> = (0..20).map(|at| std::thread::spawn(send(batch * 20 + at))).collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }
    let mut socket = TcpStream::connect(&address).unwrap();
    socket.write_all(b"GET /after HTTP/1.1\r\n\r\n").unwrap();
    socket.read_exact(&mut [0; 100]).unwrap();
    drop(socket);
    assert!(peak_bytes(process.id()) < MEMORY_BYTES_MAX, "{} bytes", peak_bytes(process.id()));
    let said = end(process);
    assert!(said.out.contains("passed     201 connections"), "{said:?}");
    assert_eq!(reenact_says(["verify", &text(&inside(&folder, "s"))]).code, 0);
}

#[test]
fn a_shortage_of_descriptors_ends() {
    let folder = folder();
    let (upstream, session) = (Upstream::start(), inside(&folder, "s"));
    let to = format!("http://{}", upstream.address);
    let arguments = ["record", "--listen", "127.0.0.1:0", "--upstream", &to, "--out", &text(&session)];
    let limited = reenact(arguments);
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64:64").arg(limited.get_program()).args(limited.get_args());
    let mut process = Process::start(&mut command);
    let line = process.wait_for_err("listening on ");
    let address = line.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let load = Load::start(&address, &[Connects::Once, Connects::Once]);
    load.wait_for_more(50);
    // Twice as many as it has descriptors: some wait, some are closed, and nobody who was there notices.
    let many: Vec<_> = (0..120).map(|_| TcpStream::connect(&address).unwrap()).collect();
    load.wait_for_more(200);
    assert!(process.is_running(), "{}", process.err());
    let spent = cpu(process.id());
    let quiet = Instant::now();
    let (answered, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    wait_for("a second", || (quiet.elapsed() >= Duration::from_secs(1)).then_some(()));
    let spent = cpu(process.id()) - spent;
    assert!(spent < 60, "it spent {spent} of 100 ticks on looking for descriptors");
    drop(many);
    wait_for("an answer to a new client", || {
        let mut socket = TcpStream::connect(&address).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        socket.write_all(b"GET /1 HTTP/1.1\r\n\r\n").ok()?;
        let mut answer = [0; OK.len()];
        socket.read_exact(&mut answer).ok().filter(|()| answer == *OK)
    });
    end(process);
    assert!(exchanges(&session).len() as u64 >= answered);
}

/// Processor time of a process in hundredths of a second.
fn cpu(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn upstreams_that_hang_dawdle_cut_and_reset_harm_only_their_own_clients() {
    let folder = folder();
    let session = inside(&folder, "s");
    let part = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart";
    let bad = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8(head).unwrap();
            let is = |what: &str| head.starts_with(&format!("GET /{what} "));
            if is("hang") {
                while socket.read(&mut [0]).is_ok_and(|read| read > 0) {}
                return;
            } else if is("dawdle") {
                let mut turns = 0;
                wait_for("the slow answer", || {
                    socket.write_all(&OK[turns..=turns]).unwrap();
                    turns += 1;
                    (turns == OK.len()).then_some(())
                });
            } else if is("cut") {
                let _ = socket.write_all(part);
                return;
            } else if is("reset") {
                // Closing with the second request unread resets.
                socket.write_all(part).unwrap();
                wait_for("the rest", || socket.peek(&mut [0]).is_ok_and(|read| read > 0).then_some(()));
                return;
            } else {
                socket.write_all(OK).unwrap();
            }
        }
    });
    let (process, address) = recorder(&bad.to_string(), &session, &["--flush-interval", "50ms"]);
    let ask = |what: &str| {
        let mut socket = TcpStream::connect(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(format!("GET /{what} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
        socket
    };
    let hanging: Vec<_> = (0..20).map(|_| ask("hang")).collect();
    let mut dawdling: Vec<_> = (0..20).map(|_| ask("dawdle")).collect();
    let load = Load::start(&address, &[Connects::Once, Connects::Sometimes]);
    for what in ["cut", "reset"].iter().cycle().take(20) {
        let (mut socket, mut answer) = (ask(what), vec![0; part.len()]);
        socket.read_exact(&mut answer).unwrap();
        // What is written to an upstream that has closed in order is answered with a reset too: only who asks for it writes.
        if *what == "reset" {
            let _ = socket.write_all(b"more");
        }
        let rest = socket.read(&mut [0]);
        assert!(
            answer == part && if *what == "cut" { matches!(rest, Ok(0)) } else { rest.is_err() },
            "{what}: {rest:?}"
        );
    }
    load.wait_for_more(100);
    for socket in &mut dawdling {
        let mut answer = vec![0; OK.len()];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(answer, OK);
    }
    let (_, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    drop((hanging, dawdling));
    assert!(peak_bytes(process.id()) < MEMORY_BYTES_MAX);
    // Who gave up on an answer that never came has closed in order, as a client does that still waits for one.
    for (what, count, end) in [
        ("hang", 20, "upstream_gone"),
        ("dawdle", 20, "complete"),
        ("cut", 10, "upstream_gone"),
        ("reset", 10, "upstream_gone"),
    ] {
        let ends = || {
            let target = format!("/{what}");
            let of = exchanges(&session).into_iter().filter(move |one| one["request"]["target"] == target);
            of.map(|one| one["end"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let ends =
            wait_for(&format!("{count} exchanges of {what}"), || Some(ends()).filter(|ends| ends.len() == count));
        assert!(ends.iter().all(|one| one == end), "{what}: {ends:?}");
    }
    end(process);
}

#[test]
fn an_upstream_that_is_killed_and_comes_back() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (process, address) = recorder(&at.to_string(), &inside(&folder, "s"), &[]);
    let serve = |listener: &TcpListener| {
        let mut socket = listener.accept().unwrap().0;
        read_head(&mut socket).unwrap();
        socket.write_all(OK).unwrap();
        socket
    };
    let client = std::thread::spawn({
        let address = address.clone();
        move || one(&address)
    });
    let socket = serve(&listener);
    client.join().unwrap();
    // Killed: its connections and its listener are gone at once.
    drop((socket, listener));
    for _ in 0..20 {
        let mut client = TcpStream::connect(&address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(client.read(&mut [0]).is_err(), "a dead upstream refuses; the next best is a reset");
    }
    let listener = wait_for("the same port", || TcpListener::bind(at).ok());
    let client = std::thread::spawn(move || one(&address));
    let _socket = serve(&listener);
    client.join().unwrap();
    let said = end(process);
    assert!(said.out.contains("could not be reached for 20 connections"), "{said:?}");
    assert_eq!(exchanges(&inside(&folder, "s")).len(), 2);
}
