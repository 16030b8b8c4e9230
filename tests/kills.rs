//! `kill -9` at fifty moments under load: everything up to the last flush is there and readable, and nothing else is lost.
#![expect(clippy::disallowed_methods, reason = "instants are what is checked")]

mod load;
mod scripted;
mod support;

use std::time::{Duration, Instant};

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
    assert!(said.err.contains("its recorder was killed; everything up to its last flush is here"), "{}", said.err);
    let verified = reenact_says(["verify", &text(&session)]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    assert!(verified.out.contains("the end is missing"), "{}", verified.out);
    // A write that the kill came upon is cut off by the system; nothing else is damaged.
    let damage: Vec<_> = verified.out.lines().filter(|line| line.starts_with("damaged: ")).collect();
    assert!(damage.len() <= 1 && damage.iter().all(|line| line.contains("cut off")), "{}", verified.out);
    lost
}
