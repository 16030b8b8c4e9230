//! Restarts, reloads and ends under a load of new and of kept connections: no request fails, and each that was answered is
//! in exactly one session.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; instants are checked"
)]

mod load;
mod scripted;
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use load::{Connects, Load, Upstream, numbers, one};
use support::{Process, folder, inside, reenact, reenact_says, text, wait_for};

const CLIENTS: [Connects; 4] = [Connects::Once, Connects::Sometimes, Connects::EachTime, Connects::EachTime];
const RESTARTS: usize = 10;
const RELOADS: usize = 100;

/// A recorder, and where it listens.
fn start(upstream: &Upstream, out: &Path, listen: &str, more: &[&str]) -> (Process, String) {
    let upstream = format!("http://{}", upstream.address);
    let arguments = ["record", "--listen", listen, "--upstream", &upstream, "--out", &text(out), "--json"];
    let mut process = Process::start(reenact(arguments).args(more));
    let line = process.wait_for_err("listening on ");
    let address = line.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    (process, address)
}

/// What an ended recorder has in its session, which is whole.
#[track_caller]
fn recorded(process: Process) -> BTreeSet<u64> {
    let said = process.finish();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!said.err.contains("panicked"), "{said:?}");
    let summary: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let session = Path::new(summary["session"].as_str().unwrap());
    assert_eq!(reenact_says(["verify", &text(session)]).code, 0);
    let numbers = numbers(session);
    assert_eq!(summary["exchanges"], numbers.len(), "{summary}");
    numbers
}

#[test]
fn restarts_in_a_loop_refuse_nobody_and_record_everything_once() {
    let folder = folder();
    let upstream = Upstream::start();
    let (session, handover) = (inside(&folder, "s"), text(&inside(&folder, "handover.sock")));
    let more = ["--handover", &handover, "--flush-interval", "50ms"];
    let (first, address) = start(&upstream, &session, "127.0.0.1:0", &more);
    let mut processes = vec![first];
    let load = Load::start(&address, &CLIENTS);
    for _ in 0..RESTARTS {
        load.wait_for_more(40);
        let (next, at) = start(&upstream, &session, &address, &more);
        assert_eq!(at, address);
        processes.last_mut().unwrap().wait_for_err("another process has taken over");
        processes.push(next);
    }
    load.wait_for_more(40);
    let (answered, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    processes.last().unwrap().signal("TERM");
    let mut all = BTreeSet::new();
    for (at, process) in processes.into_iter().enumerate() {
        let numbers = recorded(process);
        assert!(!numbers.is_empty(), "process {at} recorded nothing");
        assert!(all.is_disjoint(&numbers), "process {at} recorded what another one did");
        all.extend(numbers);
    }
    assert_eq!(all.len() as u64, answered, "requests that are in a session");
}

#[test]
fn reloads_in_a_loop_are_not_noticed() {
    let folder = folder();
    let upstream = Upstream::start();
    let (process, address) = start(&upstream, &inside(&folder, "s"), "127.0.0.1:0", &[]);
    let load = Load::start(&address, &CLIENTS);
    for _ in 0..RELOADS {
        load.wait_for_more(5);
        process.signal("HUP");
    }
    load.wait_for_more(20);
    let (answered, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    process.signal("TERM");
    assert_eq!(recorded(process).len() as u64, answered);
}

#[test]
fn until_a_drain_ends_no_request_fails_and_who_connects_is_accepted() {
    // Kept connections hold a drain open; short ones leave moments at which none is open.
    for (name, clients) in [("kept", &CLIENTS[..]), ("short", &[Connects::EachTime])] {
        let folder = folder();
        let upstream = Upstream::start();
        let drain = Duration::from_millis(1_500);
        let more = ["--drain", "1500ms"];
        let (mut process, address) = start(&upstream, &inside(&folder, "s"), "127.0.0.1:0", &more);
        let load = Load::start(&address, clients);
        load.wait_for_more(50);
        let start = Instant::now();
        process.signal("TERM");
        process.wait_for_err("the session is closed");
        wait_for("most of the drain", || (start.elapsed() >= drain * 8 / 10).then_some(()));
        let (_, failures) = load.end();
        // A connection that comes when nobody else is there any more.
        one(&address);
        assert!(start.elapsed() < drain, "{name}: this machine is too slow to tell");
        assert!(failures.is_empty(), "{name}: {failures:?}");
        process.wait();
        let lasted = start.elapsed();
        assert!(lasted >= drain && lasted < drain + Duration::from_secs(2), "{name}: {lasted:?}");
        // The session ended with the signal, some requests under way.
        let said = process.finish();
        assert_eq!((said.code, said.err.contains("panicked")), (0, false), "{said:?}");
        assert!(numbers(&inside(&folder, "s")).len() >= 40);
        assert!(std::net::TcpStream::connect(&address).is_err(), "{name}: somebody listens");
    }
}
