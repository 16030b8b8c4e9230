//! When requests arrive at a target: as a profile says, and not before the time to start.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; instants are checked"
)]

mod scripted;
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use scripted::faults::number;
use scripted::{OK, line, read_head, session, target};
use serde_json::Value;
use support::{Process, folder, inside, reenact, reenact_says, run_json, text};

/// Numbers of requests, and when they came.
type Came = Arc<Mutex<Vec<(u64, SystemTime)>>>;

fn target_that_notes() -> (String, Came) {
    let came = Came::default();
    let noted = Arc::clone(&came);
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            noted.lock().unwrap().push((number(&head), SystemTime::now()));
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    (format!("http://{address}"), came)
}

/// So many users with a request each, at these distances.
fn users(folder: &Path, count: u64, spacing: Duration) -> PathBuf {
    let one = |at: u64| {
        let mut one: Value = serde_json::from_str(&line(0, at + 1, "GET", &format!("/{at}"))).unwrap();
        one["client"] = format!("named-{:016x}", at + 1).into();
        let nanos = at * u64::try_from(spacing.as_nanos()).unwrap();
        one["instants_ns"].as_object_mut().unwrap().values_mut().for_each(|instant| *instant = nanos.into());
        one.to_string()
    };
    session(folder, "s", &(0..count).map(one).collect::<Vec<_>>())
}

/// 150 requests a second, for six seconds.
const SPACING: Duration = Duration::from_micros(6_667);
const REQUESTS: u64 = 900;
/// A second and a half at one rate with half a second of four times as much in it, two seconds of twice as much, and down.
const PROFILE: &str = "
[[stage]]
duration = '2s'
from = '1x'
[[stage]]
duration = '2s'
from = '2x'
[[stage]]
duration = '2s'
from = '2x'
to = '0.5x'
[[spike]]
at = '1s'
for = '500ms'
rate = '4x'
";
/// What that is on average in each half second.
const FACTORS: [f64; 12] = [1.0, 1.0, 4.0, 1.0, 2.0, 2.0, 2.0, 2.0, 1.8125, 1.4375, 1.0625, 0.6875];
/// What left or came later than this may be counted in the next half second.
const LATE: Duration = Duration::from_millis(20);

#[test]
fn requests_arrive_as_a_profile_says() {
    let folder = folder();
    let session = users(folder.path(), REQUESTS, SPACING);
    let (profile, out, (to, came)) = (inside(&folder, "load.toml"), inside(&folder, "run"), target_that_notes());
    std::fs::write(&profile, PROFILE).unwrap();
    let said =
        reenact_says(["replay", &text(&session), "--target", &to, "--profile", &text(&profile), "--out", &text(&out)]);
    assert_eq!(said.code, 0, "{said:?}");
    let run = run_json(&out);
    let came = came.lock().unwrap();
    assert_eq!((&run["completed"], came.len()), (&run["planned"], run["planned"].as_u64().unwrap() as usize));
    let log = zstd::decode_all(std::fs::File::open(out.join("requests.jsonl.zst")).unwrap()).unwrap();
    let log = String::from_utf8(log).unwrap();
    let late = log.lines().filter(|one| {
        let one: Value = serde_json::from_str(one).unwrap();
        let of = |name: &str| one[name].as_u64().unwrap();
        of("first_byte_ns") - of("due_ns") > LATE.as_nanos() as u64
    });
    let late = late.count();
    assert!(late * 10 < came.len(), "{late} late: {}", run["lag_us"]);
    // The first request is at the beginning, in the recording and in the plan.
    let first = came.iter().map(|one| one.1).min().unwrap();
    let mut counts = [0_u32; FACTORS.len()];
    for (_, at) in came.iter() {
        let half = at.duration_since(first).unwrap().as_millis() / 500;
        counts[(half as usize).min(FACTORS.len() - 1)] += 1;
    }
    let recorded = 0.5 / SPACING.as_secs_f64();
    for (half, (count, factor)) in counts.iter().zip(FACTORS).enumerate() {
        let expected = recorded * factor;
        let off = (f64::from(*count) - expected).abs();
        assert!(off <= 5.0 * expected.sqrt() + late as f64, "{half}: {count}, not {expected}; {late} late: {counts:?}");
    }
}

/// When it is to begin: later than a debug build on a busy machine has planned.
const AHEAD: Duration = Duration::from_secs(4);
/// Between two requests of a session that takes a second.
const STEP: Duration = Duration::from_millis(20);

#[test]
fn shards_begin_together_at_the_time_to_start_and_not_before() {
    let folder = folder();
    let session = text(&users(folder.path(), 50, STEP));
    let at = SystemTime::now() + AHEAD;
    let start = humantime::format_rfc3339_nanos(at).to_string();
    let shards = ["1/2", "2/2"].map(|shard| {
        let ((to, came), out) = (target_that_notes(), text(&inside(&folder, &shard.replace('/', "-"))));
        let arguments = ["--shard", shard, "--start-at", &start, "--target", &to, "--out", &out];
        (Process::start(reenact(["replay", &session]).args(arguments)), came)
    });
    let mut numbers = Vec::new();
    for (replay, came) in shards {
        let said = replay.finish();
        assert_eq!(said.code, 0, "{said:?}");
        let came = came.lock().unwrap();
        // Since their due instants, which are counted from the time to start in every shard.
        let late = came.iter().map(|(number, came_at)| {
            let due = at + STEP * u32::try_from(*number).unwrap();
            came_at.duration_since(due).unwrap_or_else(|_| panic!("{number} came early: {came_at:?}, and not {due:?}"))
        });
        let mut late: Vec<Duration> = late.collect();
        assert!(late[0] < Duration::from_secs(1), "the first came {:?} late", late[0]);
        late.sort_unstable();
        assert!(late.len() > 10 && late[late.len() / 2] < Duration::from_millis(500), "{late:?}");
        numbers.extend(came.iter().map(|one| one.0));
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..50), "{numbers:?}");
}
