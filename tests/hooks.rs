//! Who is told that a run begins and ends, from outside: whoever was told of the beginning is told of the end, whatever came
//! between, and of a run that did not begin nothing is left.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use scripted::{OK, gets, line, ok, read_head, session, target};
use serde_json::{Value, json};
use support::{Process, Said, files, folder, inside, reenact, reenact_says, run_json, text, wait_for};

/// A file to which hooks append what they are told.
struct Told(PathBuf);

impl Told {
    /// The hook.
    fn hook(&self) -> String {
        format!("cat >> {}", self.0.display())
    }

    fn facts(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn events(&self) -> Vec<String> {
        self.facts().iter().map(|facts| facts["event"].as_str().unwrap().to_owned()).collect()
    }
}

/// A hook that goes on until something is written into its pipe, with a process that it started.
struct Hanging {
    pipe: PathBuf,
    pids: PathBuf,
}

impl Hanging {
    fn new(folder: &tempfile::TempDir, name: &str) -> Self {
        let hanging =
            Self { pipe: inside(folder, &format!("{name}.pipe")), pids: inside(folder, &format!("{name}.pids")) };
        assert!(Command::new("mkfifo").arg(&hanging.pipe).status().unwrap().success());
        hanging
    }

    fn hook(&self) -> String {
        format!("(read word < {}) & echo $! $$ > {}; wait", self.pipe.display(), self.pids.display())
    }

    /// The processes, once both are there.
    fn wait(&self) -> Vec<String> {
        wait_for("the hook's processes", || {
            let text = std::fs::read_to_string(&self.pids).ok()?;
            let pids: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            (pids.len() == 2 && text.ends_with('\n')).then_some(pids)
        })
    }

    fn let_go(&self) {
        std::fs::write(&self.pipe, "on\n").unwrap();
    }
}

/// Waits until a process is gone, or dead and not yet waited for by whoever adopted it.
fn gone(pid: &str) {
    wait_for(&format!("the end of {pid}"), || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
        matches!(state, None | Some('Z' | 'X')).then_some(())
    });
}

/// A target that counts its requests.
fn counter() -> (String, Arc<Mutex<usize>>) {
    let count = Arc::<Mutex<usize>>::default();
    let counted = Arc::clone(&count);
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            *counted.lock().unwrap() += 1;
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    (format!("http://{address}"), count)
}

fn arguments<'a>(session: &'a str, to: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["replay", session, "--target", to, "--out", out][..], more].concat()
}

/// A session of 20 s, 50 requests a second.
fn long(folder: &Path) -> String {
    let lines: Vec<String> = (0..1_000).map(|i| line(i * 20, i % 5 + 1, "GET", "/")).collect();
    text(&session(folder, "long", &lines))
}

#[test]
fn who_was_told_of_the_start_is_told_of_the_end_although_another_refused() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 5));
    let ((to, count), told, flag) = (counter(), Told(inside(&folder, "told")), inside(&folder, "flag"));
    let (out, stream) = (text(&inside(&folder, "run")), text(&inside(&folder, "stream.jsonl")));
    let (hook, refuses) = (told.hook(), format!("test -e {}", flag.display()));
    let more = ["--on-start", &hook, "--on-start", &refuses, "--on-end", &hook, "--json-stream", &stream];
    let replay = arguments(&session, &to, &out, &more);
    let said = reenact_says(&replay);
    assert!(said.code == 2 && said.err.contains("the start hook failed: exit status: 1"), "{said:?}");
    assert_eq!((told.events(), *count.lock().unwrap()), (vec!["start".to_owned(), "end".to_owned()], 0));
    assert_eq!(told.facts()[0]["run_id"], told.facts()[1]["run_id"]);
    // Nothing is left of it: the very same command goes through when nobody refuses.
    assert!(!Path::new(&out).exists() && !Path::new(&stream).exists());
    std::fs::write(&flag, "").unwrap();
    let said = reenact_says(&replay);
    assert_eq!((said.code, told.events().len()), (0, 4), "{said:?}");
    // A directory that was there before is left as it was: empty.
    std::fs::remove_file(&flag).unwrap();
    let there = inside(&folder, "there");
    std::fs::create_dir(&there).unwrap();
    let said = reenact_says(arguments(&session, &to, &text(&there), &["--on-start", &refuses]));
    assert_eq!((said.code, support::files(&there).len()), (2, 0), "{said:?}");
}

#[test]
fn a_signal_ends_a_start_hook_and_the_end_is_told() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 5));
    let (to, count) = counter();
    for signal in ["INT", "TERM"] {
        let (told, hanging) = (Told(inside(&folder, signal)), Hanging::new(&folder, signal));
        let out = text(&inside(&folder, &format!("run-{signal}")));
        let (hook, hangs) = (told.hook(), hanging.hook());
        let more = ["--on-start", &hook, "--on-start", &hangs, "--on-end", &hook];
        let running = Process::start(&mut reenact(arguments(&session, &to, &out, &more)));
        let pids = hanging.wait();
        running.signal(signal);
        let said = running.finish();
        assert!(said.code == 130 && said.err.contains("the start hook was stopped by a signal"), "{said:?}");
        assert_eq!(told.events(), ["start", "end"], "{signal}");
        pids.iter().for_each(|pid| gone(pid));
        assert!(!Path::new(&out).exists() && *count.lock().unwrap() == 0, "{signal}");
    }
}

#[test]
fn what_a_hook_puts_into_the_directory_stays_when_the_run_does_not_begin() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 5));
    let (to, _) = counter();
    for is_there in [false, true] {
        let out = inside(&folder, &format!("run-{is_there}"));
        if is_there {
            std::fs::create_dir(&out).unwrap();
        }
        // One of its own, one that the run would make, and a folder as that of answers.
        let puts =
            "cd \"$REENACT_OUT\" && echo 7 > build.txt && echo 8 > latency.hlog && mkdir answers && echo 9 > answers/a";
        let out_text = text(&out);
        let more = ["--on-start", puts, "--on-start", "false"];
        let said = reenact_says(arguments(&session, &to, &out_text, &more));
        assert!(said.code == 2 && said.err.contains("stays: what is in it is not of this run"), "{said:?}");
        let mut left: Vec<_> = files(&out).iter().map(|file| text(file.strip_prefix(&out).unwrap())).collect();
        left.sort();
        assert_eq!(left, ["answers/a", "build.txt", "latency.hlog"], "{said:?}");
        // The run itself cannot begin where its files are in the way.
        std::fs::remove_dir_all(&out).unwrap();
        let said = reenact_says(arguments(&session, &to, &out_text, &["--on-start", puts]));
        assert!(said.code == 2 && files(&out).len() == 3, "{said:?}");
    }
    // A directory that was there is there as it was, and so are the files of a run that is over.
    let out = inside(&folder, "empty");
    std::fs::create_dir(&out).unwrap();
    let said = reenact_says(arguments(&session, &to, &text(&out), &["--on-start", "false"]));
    assert!(said.code == 2 && out.exists() && files(&out).is_empty() && !said.err.contains("stays"), "{said:?}");
}

#[test]
fn end_hooks_are_waited_for_until_the_second_signal() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 5));
    let ((to, _), told) = (counter(), Told(inside(&folder, "told")));
    let run = |name: &str| {
        let hanging = Hanging::new(&folder, name);
        let out = inside(&folder, &format!("run-{name}"));
        let more = ["--on-end", &hanging.hook(), "--on-end", &told.hook()];
        let mut running = Process::start(&mut reenact(arguments(&session, &to, &text(&out), &more)));
        let pids = hanging.wait();
        running.signal("INT");
        running.wait_for_err("once more to wait no longer");
        (running, hanging, pids, out)
    };
    let (running, hanging, _, out) = run("once");
    hanging.let_go();
    let said = running.finish();
    assert_eq!((said.code, told.events().len()), (0, 1), "{said:?}");
    assert_eq!(run_json(&out)["completed"], 5);

    let (running, _, pids, out) = run("twice");
    running.signal("TERM");
    let said = running.finish();
    assert!(said.code == 130 && said.err.contains("the end hook was stopped by a signal"), "{said:?}");
    assert!(said.err.contains("1 more end hooks were not run") && told.events().len() == 1, "{said:?}");
    pids.iter().for_each(|pid| gone(pid));
    assert_eq!(run_json(&out)["completed"], 5, "what was measured is there");
}

#[test]
fn the_end_is_told_of_runs_that_were_interrupted_or_stopped_themselves() {
    let folder = folder();
    let session = long(folder.path());
    let run = |name: &str, to: &str, more: &[&str], meanwhile: &dyn Fn(&mut Process)| -> (Said, Value, Value) {
        let (told, out) = (Told(inside(&folder, &format!("told-{name}"))), inside(&folder, name));
        let (hook, out_text) = (told.hook(), text(&out));
        let more = [more, &["--on-start", &hook, "--on-end", &hook]].concat();
        let mut running = Process::start(&mut reenact(arguments(&session, to, &out_text, &more)));
        meanwhile(&mut running);
        let said = running.finish();
        assert_eq!(told.events(), ["start", "end"], "{name}: {said:?}");
        (said, told.facts().remove(1), run_json(&out))
    };
    for signal in ["INT", "TERM"] {
        let (to, count) = counter();
        let (said, end, result) = run(signal, &to, &[], &|running| {
            wait_for("the first requests", || (*count.lock().unwrap() > 5).then_some(()));
            running.signal(signal);
        });
        assert_eq!((said.code, &end["interrupted"], &end["aborted"]), (130, &json!(true), &json!(null)), "{said:?}");
        assert_eq!((&end["sent"], &end["completed"]), (&result["sent"], &result["completed"]));
        assert!(
            result["shed"]["stopped"].as_u64().unwrap() > 0 && result["completed"].as_u64().unwrap() > 5,
            "{result}"
        );
    }
    // Nobody answers: the first signal waits for the answers, the second does not.
    let came = Arc::<Mutex<usize>>::default();
    let counted = Arc::clone(&came);
    let hangs = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            *counted.lock().unwrap() += 1;
        }
    });
    let (said, end, result) = run("twice", &format!("http://{hangs}"), &["--timeout", "1h"], &|running| {
        wait_for("the first requests", || (*came.lock().unwrap() > 5).then_some(()));
        running.signal("INT");
        running.wait_for_err("once more to give them up");
        running.signal("INT");
    });
    assert_eq!((said.code, &end["interrupted"], &end["completed"]), (130, &json!(true), &json!(0)), "{said:?}");
    assert!(result["errors"]["stopped"].as_u64().unwrap() > 5, "{}", result["errors"]);
    assert_eq!(end["errors"], result["errors"]["stopped"]);

    let closes = target(|mut socket| drop(read_head(&mut socket)));
    let rule = ["--abort-if", "error_rate > 50% for 1s"];
    let (said, end, _) = run("aborted", &format!("http://{closes}"), &rule, &|_| {});
    assert_eq!((said.code, &end["interrupted"]), (1, &json!(false)), "{said:?}");
    assert!(end["aborted"].as_str().unwrap().contains("error_rate"), "{end}");
}

/// A server that keeps what is posted to it.
fn receiver(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<Value>>>) {
    let posted = Arc::<Mutex<Vec<Value>>>::default();
    let kept = Arc::clone(&posted);
    let address = target(move |mut socket| {
        let Some(head) = read_head(&mut socket) else { return };
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        socket.read_exact(&mut body).unwrap();
        kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        socket.write_all(answer).unwrap();
    });
    (format!("http://{address}/runs"), posted)
}

#[test]
fn urls_are_told_as_commands_are_and_of_every_target() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 5));
    let ((to, count), (other, _), (url, posted)) = (counter(), counter(), receiver(OK));
    let (out, map) = (inside(&folder, "run"), format!("elsewhere.example={other}"));
    let more = ["--map", &map, "--on-start", &url, "--on-end", &url];
    let said = reenact_says(arguments(&session, &to, &text(&out), &more));
    assert_eq!(said.code, 0, "{said:?}");
    let posted = posted.lock().unwrap();
    let events: Vec<_> = posted.iter().map(|facts| facts["event"].as_str().unwrap()).collect();
    assert_eq!((events, &posted[0]["planned"], &posted[1]["completed"]), (vec!["start", "end"], &json!(5), &json!(5)));
    for facts in posted.iter() {
        let targets = facts["target"].as_str().unwrap();
        assert!(targets.contains(&to) && targets.contains(&other), "{facts}");
        assert_eq!(facts["run_id"], run_json(&out)["run_id"]);
    }
    let before = *count.lock().unwrap();
    let (refuses, told) = receiver(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let none = inside(&folder, "none");
    let more = ["--on-start", &refuses, "--on-end", &refuses];
    let said = reenact_says(arguments(&session, &to, &text(&none), &more));
    assert!(said.code == 2 && said.err.contains("the start hook was answered with 500"), "{said:?}");
    assert!(said.err.contains("warning: the end hook was answered with 500"), "{said:?}");
    assert_eq!((told.lock().unwrap().len(), *count.lock().unwrap(), none.exists()), (2, before, false));
}

#[test]
fn a_hook_has_its_time() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 5));
    let to = format!("http://{}", target(ok));
    let (start, end) = (Hanging::new(&folder, "start"), Hanging::new(&folder, "end"));
    let none = inside(&folder, "none");
    let more = ["--hook-timeout", "300ms", "--on-start", &start.hook()];
    let said = reenact_says(arguments(&session, &to, &text(&none), &more));
    assert!(said.code == 2 && said.err.contains("the start hook was stopped after 300ms"), "{said:?}");
    let out = inside(&folder, "run");
    let more = ["--hook-timeout", "300ms", "--on-end", &end.hook()];
    let said = reenact_says(arguments(&session, &to, &text(&out), &more));
    assert!(said.code == 0 && said.err.contains("warning: the end hook was stopped after 300ms"), "{said:?}");
    start.wait().iter().chain(&end.wait()).for_each(|pid| gone(pid));
    assert!(!none.exists() && run_json(&out)["completed"] == 5);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a time to start is one of the wall clock")]
fn a_time_to_start_that_is_over_is_noticed_first_and_leaves_nothing() {
    let folder = folder();
    let to = format!("http://{}", target(ok));
    let (told, out) = (Told(inside(&folder, "told")), inside(&folder, "run"));
    let (hook, out_text) = (told.hook(), text(&out));
    // Before sessions are looked at, and before anybody is told.
    let missing = text(&inside(&folder, "missing"));
    let more = ["--start-at", "2020-01-01T00:00:00Z", "--on-start", &hook, "--on-end", &hook];
    let said = reenact_says(arguments(&missing, &to, &out_text, &more));
    assert!(said.code == 2 && said.err.contains("the time to start (2020-01-01T00:00:00Z) is over"), "{said:?}");
    assert!(told.events().is_empty() && !out.exists());
    // A hook that goes on for longer than there is time.
    let session = text(&gets(folder.path(), "s", 5));
    let at = std::time::SystemTime::now() + Duration::from_secs(3);
    let seconds = at.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (at, late) = (
        humantime::format_rfc3339_seconds(at).to_string(),
        format!("{hook}; while [ $(date +%s) -le {seconds} ]; do :; done"),
    );
    let more = ["--start-at", &at, "--on-start", &late, "--on-end", &hook];
    let said = reenact_says(arguments(&session, &to, &out_text, &more));
    assert!(said.code == 2 && said.err.contains("the time to start"), "{said:?}");
    // On a machine that is busy enough it was over before anybody was told.
    assert!([vec![], vec!["start".to_owned(), "end".to_owned()]].contains(&told.events()), "{:?}", told.events());
    assert!(!out.exists());
}
