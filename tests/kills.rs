//! `kill -9` at fifty moments under load: everything up to the last flush is there and readable, and nothing else is lost.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "instants are what is checked; a test that cannot go on fails"
)]

mod load;
mod scripted;
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use load::{Connects, Load, Upstream, numbers};
use support::{folder, inside, recorder, reenact_says, text, wait_for};

const LIVES: u64 = 50;
/// What half of the lives may lose, and nine tenths of them: a recorder waits for a processor on a machine that is busy with
/// other tests, which takes some lives by surprise, and not all of them.
const LOST_MAX: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];
/// How much earlier than something that is kept something may be answered that is lost: two connections may be read in
/// another order than the upstream wrote to them.
const DISORDER_MAX: Duration = Duration::from_millis(100);

#[test]
fn fifty_kills_lose_what_came_after_the_last_flush_and_nothing_else() {
    // Two at a time, since most of a life is waiting.
    let lanes = [0, 1].map(|lane| std::thread::spawn(move || (lane..LIVES).step_by(2).map(life).collect::<Vec<_>>()));
    let mut lost: Vec<_> = lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect();
    lost.sort_unstable();
    let typical = [lost.len() / 2, lost.len() * 9 / 10].map(|place| *lost.get(place).unwrap());
    println!(
        "lost before the kill: {typical:?} in half and in nine tenths of the lives, {:?} at most",
        lost.last().unwrap()
    );
    assert!(typical.iter().zip(LOST_MAX).all(|(lost, most)| *lost <= most), "{lost:?}");
}

/// A folder in memory where there is one: the interval is what is checked, not how long a busy disk takes to flush.
fn in_memory() -> tempfile::TempDir {
    let made = tempfile::Builder::new().prefix("reenact-test-").tempdir_in("/dev/shm");
    made.unwrap_or_else(|_| folder())
}

/// Where a session has no end, all that reads it says since when something is missing, once.
fn the_gap_is_said(folder: &tempfile::TempDir, session: &Path, cat: &str) {
    let lines: Vec<Value> = cat.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let gaps: Vec<&Value> = lines.iter().filter(|line| line["type"] == "gap").collect();
    // Others are declared where the machine was too busy for all of it.
    let ends: Vec<&&Value> = gaps.iter().filter(|gap| gap["reason"] == "unfinished").collect();
    let [gap] = ends[..] else { panic!("{gaps:?}") };
    let exchanges = lines.iter().filter(|line| line["type"] == "exchange").map(last_ns);
    let last_ns = exchanges.chain(gaps.iter().filter_map(|gap| gap["to_ns"].as_u64())).max();
    assert_eq!((gap["from_ns"].as_u64(), gap["to_ns"].as_u64()), (last_ns, last_ns));
    let inspected = |session: &Path| {
        let said = reenact_says(["inspect", "--json", &text(session)]);
        let mut gaps = serde_json::from_str::<Value>(&said.out).unwrap()[0]["gaps"].take();
        let is_end = |one: &&mut Value| one["reason"] == "unfinished";
        (gaps.as_array_mut().unwrap().iter_mut().find(is_end).map(Value::take), said.code)
    };
    let (found, code) = inspected(session);
    let one = |name: &str| found.as_ref().unwrap()[name] == gap[name];
    assert!(["from_ns", "to_ns", "connections", "exchanges", "bytes"].into_iter().all(one), "{found:?} {gap}");
    assert_eq!((found.as_ref().unwrap()["gaps"].as_u64(), code), (Some(1), 3));
    let shown = reenact_says(["inspect", &text(session)]).out;
    assert!(shown.contains("unfinished: 1 gap, after "), "{shown}");
    // What was saved of it declares the same gap, and has an end.
    let saved = inside(folder, "saved");
    assert_eq!(reenact_says(["verify", &text(session), "--repair", &text(&saved)]).code, 1);
    assert_eq!(reenact_says(["verify", &text(&saved)]).code, 0);
    assert_eq!(inspected(&saved), (found, 0));
}

/// The latest instant of an exchange.
fn last_ns(exchange: &Value) -> u64 {
    let instants = exchange["instants_ns"].as_object().unwrap();
    instants.values().filter_map(Value::as_u64).max().unwrap()
}

/// One life; returns how long before its end the first lost exchange was answered.
fn life(number: u64) -> Duration {
    let folder = in_memory();
    let session = inside(&folder, "s");
    let upstream = Upstream::start();
    let (mut recorder, address) = recorder(&upstream.address, &session, &["--flush-interval", "100ms"]);
    let load = Load::start(&address, &[Connects::Once, Connects::Once, Connects::Sometimes]);
    // Moments that repeat in no step of the recorder's own.
    let (born, span) = (Instant::now(), Duration::from_millis(450 + number * 97 % 283));
    wait_for("the moment", || (born.elapsed() >= span).then_some(()));
    recorder.signal("KILL");
    let killed = Instant::now();
    recorder.wait();
    load.end();
    let answered = upstream.take();

    let kept = numbers(&session);
    let (there, gone): (Vec<_>, Vec<_>) = answered.iter().partition(|(number, _)| kept.contains(number));
    let first_lost = gone.iter().map(|(_, at)| *at).min().unwrap_or(killed);
    let last_kept = there.iter().map(|(_, at)| *at).max().unwrap_or(born);
    let hole = last_kept.saturating_duration_since(first_lost);
    assert!(hole <= DISORDER_MAX, "life {number}: there is a hole of {hole:?} before what is kept");
    let lost = killed.saturating_duration_since(first_lost);
    assert!(answered.len() > 50, "life {number}: {}", answered.len());
    let unknown = kept.iter().filter(|kept| answered.iter().all(|(number, _)| number != *kept)).count();
    assert_eq!(unknown, 0, "life {number}: recorded, and never answered");

    let said = reenact_says(["cat", &text(&session)]);
    assert_eq!(said.code, 3, "{}", said.err);
    the_gap_is_said(&folder, &session, &said.out);
    assert!(said.err.contains("its recorder was killed; everything up to its last flush is here"), "{}", said.err);
    let verified = reenact_says(["verify", &text(&session)]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    assert!(verified.out.contains("the end is missing"), "{}", verified.out);
    // A write that the kill came upon is cut off by the system; nothing else is damaged.
    let damage: Vec<_> = verified.out.lines().filter(|line| line.starts_with("damaged: ")).collect();
    assert!(damage.len() <= 1 && damage.iter().all(|line| line.contains("cut off")), "{}", verified.out);
    lost
}
