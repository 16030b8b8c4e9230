//! `reenact ab` from outside: whole experiments on targets of which one is slower, fails, or dies.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; a target takes its time"
)]

mod scripted;
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scripted::{OK, line, read_head, session, target};
use serde_json::Value;
use support::{Process, Said, folder, inside, reenact, reenact_says, text, wait_for};

/// Requests of two endpoints, one every 10 ms.
fn two_endpoints(folder: &Path) -> PathBuf {
    let lines: Vec<String> =
        (0..60_u64).map(|n| line(n * 10, n % 6, "GET", ["/list", "/cart"][n as usize % 2])).collect();
    session(folder, "s", &lines)
}

/// Every answer takes 2 ms; of `/cart`, so much more. Once `is_dead` is set, connections are closed without an answer.
fn shop(slower: Duration, is_dead: &Arc<AtomicBool>) -> SocketAddr {
    let is_dead = Arc::clone(is_dead);
    target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let more = if head.starts_with(b"GET /cart ") { slower } else { Duration::ZERO };
            std::thread::sleep(Duration::from_millis(2) + more);
            if is_dead.load(Ordering::Relaxed) || socket.write_all(OK).is_err() {
                break;
            }
        }
    })
}

struct Ab {
    folder: tempfile::TempDir,
    session: String,
    before: String,
    after: String,
    out: PathBuf,
    dies: Arc<AtomicBool>,
}

impl Ab {
    fn new(slower: Duration) -> Self {
        let folder = folder();
        let session = text(&two_endpoints(folder.path()));
        let (lives, dies) = (Arc::default(), Arc::default());
        let url = |at: SocketAddr| format!("http://{at}");
        let (before, after) = (url(shop(Duration::ZERO, &lives)), url(shop(slower, &dies)));
        let out = inside(&folder, "experiment");
        Self { folder, session, before, after, out, dies }
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let out = text(&self.out);
        let words = ["ab", "--before", &self.before, "--after", &self.after, "--out", &out, &self.session];
        let limits = ["--lag-limit", "strained=1s,invalid=2s", "--min-effect", "50%", "--min-change", "20%"];
        [&words[..], &limits, more].concat().into_iter().map(str::to_owned).collect()
    }

    fn says(&self, more: &[&str]) -> Said {
        reenact_says(self.arguments(more))
    }

    fn log(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.out.join("experiment.json")).unwrap()).unwrap()
    }
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn an_experiment_finds_what_is_slower_and_ends_when_it_knows() {
    let ab = Ab::new(Duration::from_millis(20));
    let resets = ab.folder.path().join("resets");
    let reset = format!("printf '%s %s\\n' \"$REENACT_SIDE\" \"$REENACT_PAIR\" >> {}", text(&resets));
    let said = ab.says(&["--pairs", "3..12", "--look-every", "1", "--end-when", "found", "--reset", &reset]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("SLOWER  GET /cart: p50 +"), "{}", said.out);
    assert!(!said.out.contains("SLOWER  GET /list") && !said.out.contains("FASTER"), "{}", said.out);
    assert!(said.err.contains("noise: medians of the whole system differ by"), "{}", said.err);
    let (log, pairs) = (ab.log(), count(&ab.out.join("before")));
    assert!((3..12).contains(&pairs) && pairs == count(&ab.out.join("after")), "{log}");
    assert_eq!(log["ended"], "enough could be said", "{log}");
    assert!(
        said.out.contains(&format!("the experiment ended after {pairs} pairs: enough could be said")),
        "{}",
        said.out
    );
    assert_eq!((count(&ab.out.join("aa/before")), count(&ab.out.join("aa/again"))), (2, 2));
    // Before every repeat, with its side; each side is first once in two pairs.
    let told = std::fs::read_to_string(&resets).unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 4 + 2 * pairs, "{told:?}");
    assert!(told.iter().take(4).all(|line| line.starts_with("before")), "{told:?}");
    let first: Vec<bool> = told[4..].chunks(2).map(|pair| pair[0].starts_with("before")).collect();
    assert!(first.chunks_exact(2).all(|two| two[0] != two[1]), "{first:?}");
    // The same can be said of it later, and nothing of the plan is left.
    let compared = reenact_says(["compare", &text(&ab.out.join("before")), &text(&ab.out.join("after")), "--paired"]);
    assert!(compared.code == 1 && compared.out.contains("SLOWER  GET /cart"), "{compared:?}");
    let names = std::fs::read_dir(&ab.out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["aa", "after", "before", "experiment.json", "report.html"]);
}

#[test]
fn the_same_against_the_same_finds_nothing() {
    let ab = Ab::new(Duration::ZERO);
    let said = ab.says(&["--pairs", "4", "--aa", "0", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let json: Value = serde_json::from_str(&said.out).unwrap();
    let experiment = &json["experiment"];
    assert_eq!(experiment["made"].as_array().unwrap().len(), 4, "{experiment}");
    assert_eq!((&experiment["looks"], &json["outcomes"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert!(json["answers"]["pairs"].as_u64() > Some(0), "what the answers say is compared, too: {}", json["answers"]);
    assert_eq!((json["before"].as_array().unwrap().len(), json["after"].as_array().unwrap().len()), (4, 4));
    assert!(!json["notices"].to_string().contains("different plans"), "{}", json["notices"]);
}

#[test]
fn an_experiment_goes_on_where_it_was_interrupted() {
    let ab = Ab::new(Duration::ZERO);
    let words = ["--pairs", "3", "--aa", "0"];
    let process = Process::start(&mut reenact(ab.arguments(&words)));
    wait_for("a second pair", || {
        (count(&ab.out.join("before")) >= 2 || count(&ab.out.join("after")) >= 2).then_some(())
    });
    process.signal("INT");
    let said = process.finish();
    assert_eq!(said.code, 130, "{said:?}");
    let made = ab.log()["made"].clone();
    assert_eq!(made.as_array().unwrap().len(), 1, "{made}");
    assert!(ab.log()["ended"].as_str().unwrap().contains("interrupted"), "{}", ab.log());
    // A directory is not gone over by accident, and another experiment is not this one.
    let said = ab.says(&words);
    assert!(said.code == 2 && said.err.contains("not empty"), "{said:?}");
    let said = ab.says(&["--pairs", "5", "--aa", "0", "--resume"]);
    assert!(said.code == 2 && said.err.contains("--pairs was 3..3, and is 5..5 now"), "{said:?}");
    let said = ab.says(&[&words[..], &["--resume"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    let log = ab.log();
    assert_eq!((log["made"].as_array().unwrap().len(), &log["made"][0]), (3, &made[0]), "{log}");
    assert_eq!((count(&ab.out.join("before")), count(&ab.out.join("after"))), (3, 3));
    assert!(count(&ab.out.join("set-aside")) >= 1);
}

#[test]
fn a_target_that_dies_ends_it_and_what_was_measured_is_kept() {
    let ab = Ab::new(Duration::ZERO);
    let process = Process::start(&mut reenact(ab.arguments(&["--pairs", "6", "--aa", "0"])));
    wait_for("a third pair", || (count(&ab.out.join("before")).min(count(&ab.out.join("after"))) >= 3).then_some(()));
    ab.dies.store(true, Ordering::Relaxed);
    let said = process.finish();
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("after: the target answered only"), "{said:?}");
    let made = ab.log()["made"].as_array().unwrap().len();
    assert!((2..6).contains(&made) && count(&ab.out.join("before")) == made, "{}", ab.log());
    assert!(said.out.contains(&format!("the experiment ended after {made} pairs: pair {}", made + 1)), "{said:?}");
}

#[test]
fn an_experiment_takes_no_folder_of_another_one_whatever_its_process_number() {
    let ab = Ab::new(Duration::ZERO);
    let spools = ab.folder.path().join("spools");
    std::fs::create_dir(&spools).unwrap();
    // In a container all have the same number: the folder of another one is there, and what a killed one left.
    let left = spools.join("reenact-ab-spool-0123456789abcdef");
    std::fs::create_dir(&left).unwrap();
    let spools_text = text(&spools);
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        "mkdir \"$SPOOLS/reenact-ab-$$\" && echo 1 > \"$SPOOLS/reenact-ab-$$/theirs\" && exec \"$0\" \"$@\"",
    ]);
    command.env("SPOOLS", &spools).arg(env!("CARGO_BIN_EXE_reenact"));
    command.args(ab.arguments(&["--pairs", "2", "--spool", &spools_text]));
    let said = support::run(&mut command);
    assert!(said.out.contains("all pairs were made"), "{said:?}");
    let there = support::files(&spools);
    assert!(there.len() == 1 && there[0].ends_with("theirs") && !left.exists(), "{there:?}");
}

#[test]
fn what_cannot_be_an_experiment_is_refused_before_anything_is_sent() {
    let ab = Ab::new(Duration::ZERO);
    let check = |more: &[&str], expected: &[&str]| {
        let said = ab.says(more);
        assert!(said.code == 2 && expected.iter().all(|text| said.err.contains(text)), "{more:?}: {said:?}");
        assert!(!ab.out.exists(), "{more:?}");
    };
    check(&["--target", "http://127.0.0.1:1"], &["ab has no --target"]);
    check(&["--fail-if", "p99 > 1s"], &["ab has no --fail-if"]);
    check(&["--json-stream", "x"], &["ab has no --json-stream"]);
    check(&["--control", "x"], &["ab has no --control"]);
    check(&["--pairs", "1"], &["is no number of pairs"]);
    check(&["--pairs", "9..4"], &["is no number of pairs"]);
    check(&["--budget", "2s"], &["--budget 2s is too short: 16 repeats of"]);
    check(&["--reset", " "], &["the hook is empty"]);
    check(&["--resume"], &["cannot read", "experiment.json", "--resume goes on with an experiment"]);
    check(&["--fail-on", "none,slower"], &["--fail-on none goes with nothing else"]);
    // A reset that fails says which, and the exit code says that it ended early.
    let said = ab.says(&["--reset", "exit 3"]);
    assert!(
        said.code == 3 && said.err.contains("A/A pair 1, before: the reset hook failed: exit status: 3"),
        "{said:?}"
    );
}
