//! Upstreams by name: every address is tried, and names are looked up again without a connection waiting for it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod operated;
mod scripted;
mod support;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use operated::Operated;
use scripted::read_head;
use support::{PATIENCE, Process, exchanges, folder, inside, reenact, text, wait_for};

const HOST: &str = "shop.test";

/// Addresses of this machine, so that a name can have several.
const ONE: &str = "127.0.0.21";
const TWO: &str = "127.0.0.22";
const THREE: &str = "127.0.0.23";

/// A service at an address that says which one it is, until it is closed.
struct Service {
    is_closed: Arc<AtomicBool>,
    at: (Ipv4Addr, u16),
}

impl Service {
    /// At any port, if none is given.
    fn start(address: &'static str, port: u16) -> Self {
        let listener = TcpListener::bind((address, port)).unwrap();
        let at = (address.parse().unwrap(), listener.local_addr().unwrap().port());
        let is_closed = Arc::new(AtomicBool::new(false));
        let closes = Arc::clone(&is_closed);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if closes.load(Ordering::SeqCst) {
                    return;
                }
                std::thread::spawn(move || answer(socket, address));
            }
        });
        Self { is_closed, at }
    }

    fn port(&self) -> u16 {
        self.at.1
    }

    /// From now on connections are refused.
    fn close(self) {
        self.is_closed.store(true, Ordering::SeqCst);
        wait_for("nobody to listen", || TcpStream::connect(self.at).is_err().then_some(()));
    }
}

fn answer(mut socket: TcpStream, address: &str) {
    while read_head(&mut socket).is_some() {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{address}", address.len());
        if socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The file that says what the name's addresses are.
struct Names(PathBuf);

impl Names {
    fn of(folder: &tempfile::TempDir, addresses: &str) -> Self {
        let names = Self(inside(folder, "names"));
        names.become_(addresses);
        names
    }

    /// At once, whoever reads it meanwhile.
    fn become_(&self, addresses: &str) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, addresses).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

/// A recorder whose upstream is the name.
#[track_caller]
fn recorder(folder: &tempfile::TempDir, names: &Names, port: u16, more: &[&str]) -> Operated {
    let library = support::library(folder.path(), "tests/faults/names.c");
    let upstream = format!("http://{HOST}:{port}");
    let own = ["record", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--admin", "127.0.0.1:0", "--json"];
    let mut command = reenact(own);
    command.args(["--out", &text(&inside(folder, "s"))]).args(more);
    command.env("LD_PRELOAD", library).env("NAMES_HOST", HOST).env("NAMES_FILE", &names.0).env("RUST_LOG", "info");
    Operated::of(Process::start(&mut command))
}

/// Who answers a connection of its own; nothing where it was closed without an answer.
#[track_caller]
fn who(recorder: &Operated) -> String {
    let mut socket = TcpStream::connect(&recorder.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
    if read_head(&mut socket).is_none() {
        return String::new();
    }
    let _ = socket.shutdown(Shutdown::Write);
    let mut body = String::new();
    socket.read_to_string(&mut body).unwrap();
    body
}

#[track_caller]
fn lookups(recorder: &Operated, result: &str) -> f64 {
    recorder.metrics()[&format!("reenact_upstream_lookups_total{{result=\"{result}\"}}")]
}

#[track_caller]
fn wait_for_who(recorder: &Operated, expected: &str) {
    wait_for(&format!("an answer of {expected}"), || (who(recorder) == expected).then_some(()));
}

#[test]
fn the_next_address_is_tried_where_one_refuses() {
    let folder = folder();
    let service = Service::start(TWO, 0);
    let names = Names::of(&folder, &format!("{ONE} {TWO}"));
    let recorder = recorder(&folder, &names, service.port(), &["--look-up-every", "1h"]);
    for _ in 0..20 {
        assert_eq!(who(&recorder), TWO, "nobody is turned away");
    }
    // That one refused is reason enough to ask again, and the answer is the same.
    wait_for("a lookup", || (lookups(&recorder, "same") > 0.0).then_some(()));
    assert_eq!(recorder.metrics()["reenact_connection_failures_total{reason=\"upstream_unreachable\"}"], 0.0);
    // The other one comes up, and what works is kept to; it goes, and the first is tried.
    let first = Service::start(ONE, service.port());
    assert_eq!(who(&recorder), TWO);
    service.close();
    assert_eq!(who(&recorder), ONE);
    first.close();
    assert_eq!(who(&recorder), "", "closed at once, as by a dead upstream");
    recorder.end();
    assert_eq!(exchanges(&inside(&folder, "s")).iter().filter(|one| one["end"] == "complete").count(), 22);
}

#[test]
fn a_name_that_leads_elsewhere_is_noticed_when_its_address_fails() {
    let folder = folder();
    let service = Service::start(ONE, 0);
    let port = service.port();
    let next = Service::start(TWO, port);
    let names = Names::of(&folder, ONE);
    let mut recorder = recorder(&folder, &names, port, &["--look-up-every", "1h"]);
    assert_eq!(who(&recorder), ONE);
    names.become_(TWO);
    assert_eq!(who(&recorder), ONE, "what works is not asked about");
    service.close();
    wait_for_who(&recorder, TWO);
    recorder.process.wait_for_err(&format!("its addresses are now {TWO}:{port}"));
    assert_eq!((lookups(&recorder, "changed"), lookups(&recorder, "failed")), (1.0, 0.0));
    // Where the resolver has no answer, what was known is used.
    names.become_("");
    next.close();
    assert_eq!(who(&recorder), "");
    recorder.process.wait_for_err("its addresses cannot be looked up");
    let back = Service::start(TWO, port);
    wait_for_who(&recorder, TWO);
    assert!(lookups(&recorder, "failed") > 0.0);
    drop(back);
    recorder.end();
}

#[test]
fn names_are_looked_up_now_and_then() {
    let folder = folder();
    let service = Service::start(ONE, 0);
    let _others = [TWO, THREE].map(|address| Service::start(address, service.port()));
    let names = Names::of(&folder, &format!("{ONE} {TWO}"));
    let recorder = recorder(&folder, &names, service.port(), &["--look-up-every", "20ms"]);
    assert_eq!(who(&recorder), ONE);
    // Another order is no reason to leave what works; that it is not there any more is.
    names.become_(&format!("{TWO} {ONE}"));
    let before = lookups(&recorder, "same");
    // One of them may have been under way.
    wait_for("another order", || (lookups(&recorder, "same") > before + 1.0).then_some(()));
    assert_eq!((who(&recorder).as_str(), lookups(&recorder, "changed")), (ONE, 0.0));
    names.become_(&format!("{THREE} {TWO}"));
    wait_for_who(&recorder, THREE);
    recorder.end();
}
