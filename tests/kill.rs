//! Ends of a recorder and of a replay, wished and unwished, under load.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use scripted::{gets, ok, read_head, target};
use support::{
    PATIENCE, Process, exchanges, folder, inside, recorder, reenact, reenact_says, run_json, text, wait_for,
};

/// Clients that ask again and again on connections that they keep.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<u64>>,
}

impl Load {
    fn start(address: &str, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |_| {
            let (address, stop, answered) = (address.to_owned(), Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || ask(&address, &stop, &answered))
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, answered, clients }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Returns how many requests were not answered.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).sum()
    }
}

fn ask(address: &str, stop: &AtomicBool, answered: &AtomicU64) -> u64 {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let mut answer = [0; 40];
        let asked =
            socket.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n").and_then(|()| socket.read_exact(&mut answer));
        if asked.is_err() || !answer.starts_with(b"HTTP/1.1 200 OK\r\n") {
            return 1;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    0
}

#[expect(clippy::disallowed_methods, reason = "what the test compares with")]
fn now() -> (Instant, u64) {
    (Instant::now(), u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap())
}

/// Waits until `span` has passed under load.
fn for_a_while(span: Duration) {
    let start = now().0;
    wait_for("time to pass", || (now().0 - start > span).then_some(()));
}

#[test]
fn a_killed_recorder_leaves_everything_up_to_its_last_flush() {
    let folder = folder();
    let session = inside(&folder, "s");
    let (mut recorder, address) = recorder(&target(ok).to_string(), &session, &[]);
    let load = Load::start(&address, 3);
    for_a_while(Duration::from_millis(2_600));
    let killed_ns = now().1;
    recorder.signal("KILL");
    recorder.wait();
    let answered = load.answered();
    load.end();

    let said = reenact_says(["cat", &text(&session)]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("its recorder was killed"), "{}", said.err);
    let header: serde_json::Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    let started_ns = header["header"]["started_unix_ns"].as_u64().unwrap();
    let kept = exchanges(&session);
    let last = kept.iter().map(|one| one["instants_ns"]["response_end"].as_u64().unwrap_or(0)).max().unwrap();
    let lost_ns = killed_ns - (started_ns + last);
    assert!(lost_ns < 1_500_000_000, "the last {lost_ns} ns are lost; flushes are a second apart");
    assert!(kept.len() as u64 > answered / 3 && kept.len() as u64 <= answered + 3, "{} kept of {answered}", kept.len());

    let verified = reenact_says(["verify", &text(&session)]);
    assert_eq!(verified.code, 1);
    assert!(verified.out.contains("the end is missing"), "{}", verified.out);
    assert_eq!(reenact_says(["plan", &text(&session)]).code, 3);
}

#[test]
fn sigterm_closes_the_session_within_two_seconds_and_no_request_fails() {
    let folder = folder();
    let session = inside(&folder, "s");
    let (mut recorder, address) = recorder(&target(ok).to_string(), &session, &[]);
    let load = Load::start(&address, 3);
    wait_for("some load", || (load.answered() > 100).then_some(()));
    let start = now().0;
    recorder.signal("TERM");
    recorder.wait_for_err("the session is closed");
    assert!(now().0 - start < Duration::from_secs(2));
    let verified = reenact_says(["verify", &text(&session)]);
    assert_eq!(verified.code, 0, "{}", verified.out);
    let (kept, before) = (exchanges(&session).len(), load.answered());
    wait_for("traffic after the end of the session", || (load.answered() > before + 100).then_some(()));
    let mut late = TcpStream::connect(&address).unwrap();
    late.write_all(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    late.read_exact(&mut [0; 40]).unwrap();
    assert!(recorder.is_running());
    drop(late);
    assert_eq!(load.end(), 0, "requests failed");
    let said = recorder.finish();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("captured") && said.out.contains("session"), "{said:?}");
    assert_eq!(exchanges(&session).len(), kept, "nothing is captured after the end");
}

#[test]
fn sigint_ends_at_once_and_a_drain_ends_at_its_end_or_at_a_second_signal() {
    let folder = folder();
    for (name, more, signals) in [
        ("interrupt", &[][..], &["INT"][..]),
        ("drain", &["--drain", "300ms"], &["INT"]),
        ("twice", &["--drain", "1h"], &["TERM", "INT"]),
    ] {
        let (recorder, address) = recorder(&target(ok).to_string(), &inside(&folder, name), more);
        let mut open = TcpStream::connect(&address).unwrap();
        open.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        open.read_exact(&mut [0; 40]).unwrap();
        let mut recorder = recorder;
        for signal in signals {
            recorder.signal(signal);
            if signals.len() > 1 {
                recorder.wait_for_err("the session is closed");
            }
        }
        let said = recorder.finish();
        assert_eq!(said.code, 0, "{name}: {said:?}");
        assert!(
            said.out.contains("captured   1 exchanges") && said.out.contains("closed     1 connections"),
            "{name}: {said:?}"
        );
        assert_eq!(exchanges(&inside(&folder, name)).len(), 1, "{name}");
    }
}

#[test]
fn an_interrupted_replay_keeps_its_results() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 2_000));
    let (seen, first) = std::sync::mpsc::sync_channel(100_000);
    let slow = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            let _ = seen.try_send(());
            let _ = socket.write_all(b"HTTP/1.1 204 No\r\n\r\n");
        }
    });
    let (to, out) = (format!("http://{slow}"), inside(&folder, "run"));
    let replay = Process::start(&mut reenact(["replay", &session, "--target", &to, "--out", &text(&out)]));
    first.recv_timeout(PATIENCE).unwrap();
    replay.signal("INT");
    let said = replay.finish();
    assert_eq!(said.code, 130, "{said:?}");
    let result = run_json(&out);
    let number = |name: &str| result[name].as_u64().unwrap();
    assert_eq!(result["interrupted"], true);
    assert!(number("sent") > 0 && number("sent") < number("planned"), "{} of {}", number("sent"), number("planned"));
    assert_eq!(number("completed"), number("sent"));
    assert!(out.join("report.html").exists());
    // Everything else was not sent for one reason, and is no part of what it took.
    assert_eq!(result["shed"]["stopped"].as_u64(), Some(number("planned") - number("sent")), "{result}");
    assert_eq!((number("settled"), &result["steady"]["settled"]), (number("planned"), &result["settled"]), "{result}");
    let last = |name: &str| result["last_ns"][name].as_u64().unwrap();
    assert!(last("placed") <= last("done") && last("done") < last("due"), "{result}");
    let seconds = |ns: u64| ns as f64 / 1e9;
    assert!((result["duration_s"].as_f64().unwrap() - seconds(last("done"))).abs() < 1e-6, "{result}");
}
