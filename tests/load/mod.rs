//! Numbered requests on kept and on new connections, and an upstream that knows which of them it answered, and when.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; instants are what it checks"
)]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::scripted::{OK, read_head, target};
use crate::support::{PATIENCE, exchanges, wait_for};

/// What an upstream answered: the request's number, and when.
type Answered = Arc<Mutex<Vec<(u64, Instant)>>>;

/// An upstream that answers numbered requests and keeps their numbers.
pub(crate) struct Upstream {
    pub(crate) address: String,
    answered: Answered,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let answered = Answered::default();
        let kept = Arc::clone(&answered);
        let address = target(move |mut socket| {
            let _ = socket.set_nodelay(true);
            while let Some(head) = read_head(&mut socket) {
                if socket.write_all(OK).is_err() {
                    break;
                }
                kept.lock().unwrap().push((number(&head), Instant::now()));
            }
        });
        Self { address: address.to_string(), answered }
    }

    /// What it answered since it was asked last.
    pub(crate) fn take(&self) -> Vec<(u64, Instant)> {
        std::mem::take(&mut self.answered.lock().unwrap())
    }
}

fn number(head: &[u8]) -> u64 {
    let head = String::from_utf8_lossy(head);
    head.split(['/', ' ']).find_map(|word| word.parse().ok()).unwrap()
}

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connects {
    /// Once.
    Once,
    /// For each request.
    EachTime,
    /// Again after ten requests.
    Sometimes,
}

/// Clients that ask again and again, at an address that may change.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    address: Arc<RwLock<String>>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub(crate) fn start(address: &str, clients: &[Connects]) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = Arc::new(RwLock::new(address.to_owned()));
        let next = Arc::new(AtomicU64::new(1));
        let client = |connects: &Connects| {
            let client = Client {
                address: Arc::clone(&address),
                stop: Arc::clone(&stop),
                answered: Arc::clone(&answered),
                next: Arc::clone(&next),
                connects: *connects,
            };
            std::thread::spawn(move || client.run())
        };
        let clients = clients.iter().map(client).collect();
        Self { stop, address, answered, clients }
    }

    /// Requests that were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more were answered.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, count: u64) {
        let before = self.answered();
        wait_for("more answers", || (self.answered() >= before + count).then_some(()));
    }

    /// Ends the clients; returns how many requests were answered, and what failed.
    pub(crate) fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (self.answered.load(Ordering::Relaxed), failures)
    }
}

struct Client {
    address: Arc<RwLock<String>>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    next: Arc<AtomicU64>,
    connects: Connects,
}

impl Client {
    /// Until it is stopped; a client whose connection failed is over, since its recorder is.
    fn run(self) -> Vec<String> {
        let mut kept: Option<TcpStream> = None;
        let mut asked = 0_u64;
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let socket = match kept.take() {
                Some(socket) => Ok(socket),
                None => connect(&self.address.read().unwrap()),
            };
            match socket.and_then(|socket| ask(socket, number)) {
                Ok(socket) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    asked += 1;
                    let is_kept = match self.connects {
                        Connects::Once => true,
                        Connects::EachTime => false,
                        Connects::Sometimes => !asked.is_multiple_of(10),
                    };
                    kept = is_kept.then_some(socket);
                }
                Err(error) => return vec![format!("request {number}, {:?}, after {asked}: {error}", self.connects)],
            }
        }
        Vec::new()
    }
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Asks one thing and reads the answer.
pub(crate) fn ask(mut socket: TcpStream, number: u64) -> std::io::Result<TcpStream> {
    socket.write_all(format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())?;
    let mut answer = [0; OK.len()];
    socket.read_exact(&mut answer)?;
    if answer == *OK { Ok(socket) } else { Err(std::io::Error::other("another answer")) }
}

/// One request on a connection of its own, and how long that took.
#[track_caller]
pub(crate) fn one(address: &str) -> Duration {
    let start = Instant::now();
    connect(address).and_then(|socket| ask(socket, 0)).unwrap();
    start.elapsed()
}

/// The numbers of the whole exchanges of a session; none is there twice.
#[track_caller]
pub(crate) fn numbers(session: &Path) -> BTreeSet<u64> {
    let recorded = exchanges(session);
    let whole = recorded.iter().filter(|one| one["end"] == "complete");
    let mut numbers = BTreeSet::new();
    for one in whole {
        let number = number(one["request"]["target"].as_str().unwrap().as_bytes());
        assert!(numbers.insert(number) || number == 0, "request {number} is there twice");
    }
    numbers
}

/// The most memory that a process ever had, in bytes.
pub(crate) fn peak_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
