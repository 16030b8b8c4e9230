//! A run whose plan is changed while it goes on, from outside: at the keyboard and on a socket, seen at the target.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "watched/mod.rs"]
mod instruments;
mod scripted;
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use instruments::Terminal;
use scripted::{OK, line, read_head, session, target};
use serde_json::Value;
use support::{Process, folder, inside, reenact, reenact_says, run_json, text, wait_for};

/// Requests of the plan, one every so many milliseconds.
const EVERY_MS: u64 = 20;

/// A pause that is longer than a busy machine makes anybody wait.
const PAUSED: Duration = Duration::from_secs(3);

/// When requests came to the target.
#[derive(Clone, Default)]
struct Came(Arc<Mutex<Vec<Instant>>>);

impl Came {
    fn target(&self) -> String {
        let came = self.clone();
        let serve = move |mut socket: TcpStream| {
            while read_head(&mut socket).is_some() {
                came.0.lock().unwrap().push(now());
                if socket.write_all(OK).is_err() {
                    break;
                }
            }
        };
        format!("http://{}", target(serve))
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Waits until so many more have come, and says how long that took.
    fn wait_for_more(&self, more: usize) -> Duration {
        let (from, count) = (now(), self.count() + more);
        wait_for("more requests at the target", || (self.count() >= count).then_some(()));
        from.elapsed()
    }

    /// How many come in a while.
    fn within(&self, while_: Duration) -> usize {
        let (until, before) = (now() + while_, self.count());
        wait_for("a while", || (now() >= until).then_some(()));
        self.count() - before
    }
}

#[expect(clippy::disallowed_methods, reason = "the instant of arrival, from the target's side")]
fn now() -> Instant {
    Instant::now()
}

fn steady(folder: &Path, seconds: u64) -> String {
    let get = |at: u64| line(at * EVERY_MS, at % 7 + 1, "GET", "/");
    text(&session(folder, "s", &(0..seconds * 1_000 / EVERY_MS).map(get).collect::<Vec<_>>()))
}

/// A caller of the socket.
struct Caller(BufReader<UnixStream>);

impl Caller {
    fn connect(path: &Path) -> Self {
        Self(BufReader::new(wait_for("the socket", || UnixStream::connect(path).ok())))
    }

    fn say(&mut self, line: &str) -> Value {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

/// A replay with a socket.
fn controlled(folder: &tempfile::TempDir, came: &Came, seconds: u64, more: &[&str]) -> (Process, PathBuf, PathBuf) {
    let (out, socket) = (inside(folder, "run"), inside(folder, "control"));
    let session = steady(folder.path(), seconds);
    let to = came.target();
    let replay = ["replay", &session, "--target", &to, "--out", &text(&out), "--control", &text(&socket)];
    (Process::start(&mut reenact(replay.iter().chain(more))), out, socket)
}

#[test]
fn arrivals_stop_in_a_pause_go_on_after_it_and_the_result_is_exact_against_the_changed_plan() {
    let (folder, came) = (folder(), Came::default());
    let (replay, out, socket) = controlled(&folder, &came, 6, &["--progress", "none"]);
    let mode = wait_for("the socket", || std::fs::metadata(&socket).ok()).permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut caller = Caller::connect(&socket);
    came.wait_for_more(50);
    let paused = caller.say("pause");
    assert_eq!((&paused["ok"], &paused["factor"]), (&true.into(), &0.0.into()), "{paused}");
    wait_for("a pause", || (caller.say("status")["state"] == "paused").then_some(()));
    assert_eq!((came.within(PAUSED), caller.say("pause")["ok"].as_bool()), (0, Some(false)));
    assert_eq!(caller.say("resume")["factor"], 1.0);
    came.wait_for_more(20);
    assert_eq!(caller.say("scale 3")["factor"], 3.0);
    let said = replay.finish();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!socket.exists(), "the socket is removed");
    assert_eq!(came.count(), 300);
    let result = run_json(&out);
    let changes = result["changes"].as_array().unwrap();
    let kinds: Vec<&str> = changes.iter().map(|change| change["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["pause", "resume", "scale"], "{result}");
    assert!(changes.iter().all(|change| change["by"] == "control"), "{result}");
    let at = |number: usize, name: &str| changes[number][name].as_u64().unwrap();
    assert_eq!(at(0, "plan_ns"), at(1, "plan_ns"));
    let paused_ns = at(1, "at_ns") - at(0, "at_ns");
    assert!(u128::from(paused_ns) > PAUSED.as_nanos(), "{paused_ns}");
    // The last request is due at 5,980 ms of the plan, the rest after the scale in a third of its time.
    let last_due = at(2, "at_ns") + (299 * EVERY_MS * 1_000_000 - at(2, "plan_ns")) / 3;
    assert!(result["last_ns"]["due"].as_u64().unwrap().abs_diff(last_due) < 1_000_000, "{last_due}: {result}");
    // A wait by choice is neither lag nor response time, and what was planned is what was sent, second by second.
    for time in ["lag_us", "response_us"] {
        let most = result[time]["max"].as_f64().unwrap();
        assert!(most < PAUSED.as_secs_f64() * 1e6, "{time}: {most} µs");
    }
    let rows = result["timeline"].as_array().unwrap();
    let sum = |name: &str| rows.iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("planned"), sum("sent")), (300, 300), "{rows:?}");
    let off: u64 =
        rows.iter().map(|row| row["planned"].as_u64().unwrap().abs_diff(row["sent"].as_u64().unwrap())).sum();
    // Without a plan that follows it would be nearly all.
    assert!(off <= 100, "{off} in other seconds than planned: {rows:?}");
    let notice = result["notices"].as_array().unwrap().iter().find(|one| one.as_str().unwrap().contains("was changed"));
    assert!(notice.is_some_and(|one| one.as_str().unwrap().contains("paused at ")), "{result}");
    marked(&out, &["paused", "resumed", "3× speed"]);
}

/// Every chart over time shows a line at each of these instants, and says them to those who do not see it.
fn marked(run: &Path, what: &[&str]) {
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for id in ["rate", "heat", "response", "lag", "health"] {
        let chart = page.split_once(&format!("<figure id=\"{id}\"")).unwrap().1.split_once("</figure>").unwrap().0;
        let described = chart.split_once("<desc").unwrap().1.split_once("</desc>").unwrap().0;
        assert_eq!(chart.matches("<line class=\"mark\"").count(), what.len(), "{id}: {described}");
        for what in what {
            assert!(described.contains(&format!("{what} at ")), "{id}, {what}: {described}");
        }
    }
}

#[test]
fn the_rate_at_the_target_is_that_of_the_scaled_plan() {
    let (folder, came) = (folder(), Came::default());
    let (replay, out, socket) = controlled(&folder, &came, 20, &[]);
    let mut caller = Caller::connect(&socket);
    let planned = came.wait_for_more(50);
    caller.say("scale 4");
    came.wait_for_more(30);
    let scaled = came.wait_for_more(200);
    // Both are a second; this machine may be busy.
    assert!(scaled < planned * 2 && scaled > Duration::from_millis(700), "{planned:?}, {scaled:?}");
    caller.say("scale 0.1");
    came.wait_for_more(5);
    assert!(came.within(Duration::from_secs(1)) < 12);
    assert_eq!(caller.say("drain")["ok"], true);
    assert_eq!(replay.finish().code, 130);
    marked(&out, &["4× speed", "0.1× speed", "stopped"]);
}

#[test]
fn nonsense_on_the_socket_is_answered_and_harms_nobody() {
    let (folder, came) = (folder(), Came::default());
    let (mut replay, _, socket) = controlled(&folder, &came, 20, &["--progress", "none"]);
    let mut caller = Caller::connect(&socket);
    came.wait_for_more(1);
    for (line, why) in [
        ("", "say pause"),
        ("hello", "`hello` is nothing that can be said here"),
        ("scale", "say pause"),
        ("scale fast", "`fast` is no factor"),
        ("scale NaN", "a factor is from 0.01 to 100"),
        ("scale -1", "a factor is from 0.01 to 100"),
        ("scale 1e9", "a factor is from 0.01 to 100"),
        ("resume", "not paused"),
        ("pause now", "say pause"),
        ("status alone", "say pause"),
        ("{\"pause\": true}", "say pause"),
        ("\u{1b}[31m\u{0}", "say pause"),
    ] {
        let answer = caller.say(line);
        assert_eq!(answer["ok"], false, "{line}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{line}: {answer}");
    }
    // A line without an end, and one that is too long, end their callers only.
    let mut long = UnixStream::connect(&socket).unwrap();
    long.write_all(&[b'x'; 5_000]).unwrap();
    let mut answer = String::new();
    BufReader::new(&long).read_line(&mut answer).unwrap();
    assert!(answer.contains("at most 1024 bytes"), "{answer}");
    drop(UnixStream::connect(&socket).unwrap());
    // Those who say nothing keep nobody out for ever, and nothing from the run.
    let silent: Vec<_> = (0..20).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    wait_for("a status", || (caller.say("status")["state"] == "running").then_some(()));
    drop(silent);
    // Taken by somebody who lives.
    let to = format!("http://{}", target(scripted::ok));
    let said = reenact_says([
        "replay",
        &text(&inside(&folder, "s")),
        "--target",
        &to,
        "--out",
        &text(&inside(&folder, "other")),
        "--control",
        &text(&socket),
    ]);
    assert!(said.code == 2 && said.err.contains("for --control"), "{said:?}");
    assert!(replay.is_running());
    assert_eq!(caller.say("quit")["ok"], true);
    assert_eq!(replay.finish().code, 130);
}

#[test]
fn a_shard_is_changed_alone_only_when_that_is_said_and_the_highest_pace_has_no_speed() {
    let (folder, came) = (folder(), Came::default());
    let (replay, out, socket) = controlled(&folder, &came, 4, &["--shard", "1/2", "--progress", "none"]);
    let mut caller = Caller::connect(&socket);
    came.wait_for_more(1);
    let refused = caller.say("pause");
    assert!(refused["error"].as_str().is_some_and(|why| why.contains("one shard of several")), "{refused}");
    assert_eq!((&caller.say("scale 2 alone")["ok"], caller.say("quit")["ok"].as_bool()), (&true.into(), Some(true)));
    assert_eq!((replay.finish().code, run_json(&out)["changes"].as_array().unwrap().len()), (130, 1));
    let folder = folder_of_max();
    let (replay, _, socket) = controlled(&folder, &came, 20, &["--rate", "max", "--max-rate", "50"]);
    let mut caller = Caller::connect(&socket);
    came.wait_for_more(1);
    let refused = caller.say("scale 2");
    assert!(refused["error"].as_str().is_some_and(|why| why.contains("--rate max")), "{refused}");
    assert_eq!(caller.say("pause")["ok"], true);
    wait_for("a pause", || (caller.say("status")["state"] == "paused").then_some(()));
    assert_eq!(came.within(Duration::from_millis(500)), 0);
    caller.say("resume");
    came.wait_for_more(10);
    caller.say("quit");
    assert_eq!(replay.finish().code, 130);
}

fn folder_of_max() -> tempfile::TempDir {
    folder()
}

#[test]
fn keys_pause_scale_and_go_on() {
    let (folder, came) = (folder(), Came::default());
    let (session, to, out) = (steady(folder.path(), 60), came.target(), inside(&folder, "run"));
    let binary = env!("CARGO_BIN_EXE_reenact");
    let command =
        format!("{binary} replay {session} --target {to} --out {} --lag-limit strained=1h,invalid=1h", text(&out));
    let terminal = Terminal::start(folder.path(), 100, 30, &command);
    terminal.wait_for(&["RUNNING", "space pause"]);
    terminal.press("Space");
    terminal.wait_for(&["PAUSED", "space go on"]);
    assert_eq!(came.within(Duration::from_millis(600)), 0);
    terminal.press("Space");
    terminal.wait_for(&["RUNNING", "space pause"]);
    came.wait_for_more(5);
    terminal.press("+");
    terminal.wait_for(&["at 1.1 times the plan's speed"]);
    terminal.press("-");
    terminal.press("-");
    terminal.wait_for(&["at 0.9 times the plan's speed"]);
    terminal.press("s");
    terminal.wait_for(&["Times the plan's speed: _"]);
    terminal.press("5");
    terminal.wait_for(&["speed: 5_"]);
    terminal.press("Enter");
    terminal.wait_for(&["at 5 times the plan's speed"]);
    came.wait_for_more(50);
    let scaled = came.wait_for_more(250);
    assert!(scaled < Duration::from_millis(2_500), "{scaled:?}");
    terminal.press("d");
    terminal.wait_for_end(130);
    let result = run_json(&out);
    let factors: Vec<f64> =
        result["changes"].as_array().unwrap().iter().map(|change| change["factor"].as_f64().unwrap()).collect();
    assert_eq!(factors, [0.0, 1.0, 1.1, 1.0, 0.9, 5.0], "{result}");
    assert_eq!(result["changes"][0]["by"], "key");
}
