//! Disks that are full, broken or gone: traffic does not notice, what is missing is counted to the last exchange, what was
//! flushed stays readable, and recording goes on by itself.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod load;
mod scripted;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use load::{Connects, Load, Upstream, numbers, peak_bytes};
use support::{Process, cat, folder, inside, reenact, reenact_says, text};

const CLIENTS: [Connects; 3] = [Connects::Once, Connects::Sometimes, Connects::EachTime];
/// More than any recorder here needs.
const MEMORY_BYTES_MAX: u64 = 200 << 20;

/// A recorder whose command was changed, and its address.
#[track_caller]
fn recorder(
    upstream: &Upstream,
    out: &Path,
    more: &[&str],
    change: impl FnOnce(Command) -> Command,
) -> (Process, String) {
    let upstream = format!("http://{}", upstream.address);
    let arguments = ["record", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--out", &text(out), "--json"];
    let mut command = reenact(arguments);
    command.args(more).env("RUST_LOG", "warn");
    let mut process = Process::start(&mut change(command));
    let line = process.wait_for_err("listening on ");
    let address = line.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    (process, address)
}

/// `fault` and its end under load: the log says both, no request fails, and no exchange is lost without being counted.
#[track_caller]
fn check(
    process: &mut Process,
    address: &str,
    session: &Path,
    fault: impl FnOnce(),
    end: impl FnOnce(),
) -> serde_json::Value {
    let load = Load::start(address, &CLIENTS);
    load.wait_for_more(100);
    fault();
    // That it failed, or that it stops.
    process.wait_for_err("capturing");
    load.wait_for_more(100);
    end();
    process.wait_for_err("capturing goes on: ");
    load.wait_for_more(100);
    let (answered, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    account(process, session, answered)
}

/// Ends a recorder: what is in the session and what it says is missing are together what was answered.
#[track_caller]
fn account(process: &mut Process, session: &Path, answered: u64) -> serde_json::Value {
    assert!(peak_bytes(process.id()) < MEMORY_BYTES_MAX, "{}", peak_bytes(process.id()));
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(3), "{}", process.err());
    let err = process.err();
    assert!(!err.contains("panicked") && !err.contains("defect"), "{err}");
    let summary: serde_json::Value = support::wait_for("the summary", || serde_json::from_str(&process.out()).ok());
    let missing = |gaps: &[serde_json::Value]| gaps.iter().map(|gap| gap["exchanges"].as_u64().unwrap()).sum::<u64>();
    let counted = missing(summary["gaps"].as_array().unwrap());
    let kept = numbers(session).len() as u64;
    assert_eq!(summary["exchanges"], kept, "{summary}");
    assert!(counted > 0 && kept > 0, "{summary}");
    assert_eq!(kept + counted, answered, "{summary}");
    let declared: Vec<_> = cat(session).into_iter().filter(|line| line["type"] == "gap").collect();
    assert_eq!(missing(&declared), counted, "{declared:?} and {summary}");
    summary
}

#[test]
fn a_disk_that_fails_and_one_that_is_full() {
    // EIO, ENOSPC, EDQUOT, EROFS.
    for errno in ["5", "28", "122", "30"] {
        let folder = folder();
        let (upstream, session, switch) = (Upstream::start(), inside(&folder, "s"), inside(&folder, "fails"));
        let library = support::library(folder.path(), "tests/faults/fail.c");
        let (mut process, address) = recorder(&upstream, &session, &["--flush-interval", "50ms"], |mut command| {
            command.env("LD_PRELOAD", library).env("FAIL_UNDER", &session).env("FAIL_WHILE", &switch);
            command.env("FAIL_WITH", errno);
            command
        });
        let fails = || std::fs::write(&switch, "").unwrap();
        let summary = check(&mut process, &address, &session, fails, || std::fs::remove_file(&switch).unwrap());
        assert!(summary["failure"].as_str().unwrap().contains(&format!("(os error {errno})")), "{summary}");
        assert_eq!(summary["gaps"][0]["reason"], "write_failed", "{summary}");
    }
}

#[test]
fn what_is_too_old_is_deleted_also_while_nothing_can_be_written() {
    let folder = folder();
    let (upstream, session, switch) = (Upstream::start(), inside(&folder, "s"), inside(&folder, "fails"));
    let library = support::library(folder.path(), "tests/faults/fail.c");
    let more = ["--flush-interval", "20ms", "--rotate-every", "50ms", "--keep-for", "1s"];
    let (mut process, address) = recorder(&upstream, &session, &more, |mut command| {
        command.env("LD_PRELOAD", library).env("FAIL_UNDER", &session).env("FAIL_WHILE", &switch).env("FAIL_WITH", "5");
        command
    });
    let load = Load::start(&address, &CLIENTS);
    let segments = || {
        let mut found: Vec<_> = std::fs::read_dir(&session).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort_unstable();
        found
    };
    support::wait_for("segments", || (segments().len() > 3).then_some(()));
    std::fs::write(&switch, "").unwrap();
    process.wait_for_err("capturing: ");
    let mut old = segments();
    old.pop();
    // It goes on failing: the last one is all that may be left of what there was.
    support::wait_for("the end of the old ones", || old.iter().all(|path| !path.exists()).then_some(()));
    assert!(load.end().1.is_empty());
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(3), "{}", process.err());
}

#[test]
fn files_that_may_not_grow() {
    // EFBIG, and a signal that would end the process.
    let folder = folder();
    let (upstream, session) = (Upstream::start(), inside(&folder, "s"));
    let (mut process, address) = recorder(&upstream, &session, &["--flush-interval", "20ms"], |command| {
        let mut limited = Command::new("prlimit");
        limited.arg("--fsize=16384").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited
    });
    let summary = check(&mut process, &address, &session, || {}, || {});
    assert!(summary["segments"].as_u64().unwrap() > 1, "{summary}");
}

#[test]
fn a_directory_that_is_replaced_by_a_file() {
    let folder = folder();
    let (upstream, session, moved) = (Upstream::start(), inside(&folder, "s"), inside(&folder, "moved"));
    let more = ["--flush-interval", "20ms", "--rotate-every", "40ms"];
    let (mut process, address) = recorder(&upstream, &session, &more, |command| command);
    let load = Load::start(&address, &CLIENTS);
    load.wait_for_more(100);
    std::fs::rename(&session, &moved).unwrap();
    std::fs::write(&session, "").unwrap();
    process.wait_for_err("capturing: ");
    load.wait_for_more(100);
    std::fs::remove_file(&session).unwrap();
    process.wait_for_err("capturing goes on: ");
    load.wait_for_more(100);
    let (answered, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(3), "{}", process.err());
    // What was there is where it was moved to; the rest is in a new directory of the same name.
    assert_eq!(reenact_says(["verify", &text(&session)]).code, 0);
    let (before, after) = (numbers(&moved), numbers(&session));
    assert!(before.is_disjoint(&after) && !before.is_empty() && !after.is_empty());
    assert!(((before.len() + after.len()) as u64) < answered);
}

#[test]
fn a_session_that_is_deleted() {
    let delete = |session: &Path| std::fs::remove_dir_all(session).unwrap();
    {
        // What was flushed before is lost with it, is counted, and is declared in the next segment.
        let folder = folder();
        let (upstream, session) = (Upstream::start(), inside(&folder, "s"));
        let (mut process, address) = recorder(&upstream, &session, &["--flush-interval", "50ms"], |command| command);
        let gone = || {
            support::wait_for("a flush", || (!numbers(&session).is_empty()).then_some(()));
            delete(&session);
        };
        let summary = check(&mut process, &address, &session, gone, || {});
        assert!(summary["failure"].as_str().unwrap().contains("the file was deleted"), "{summary}");
        assert_eq!(summary["gaps"][0]["reason"], "write_failed", "{summary}");
    }
    // It is noticed at the end at the latest.
    let folder = folder();
    let (upstream, session) = (Upstream::start(), inside(&folder, "s"));
    let (mut process, address) = recorder(&upstream, &session, &["--flush-interval", "1h"], |command| command);
    let load = Load::start(&address, &CLIENTS);
    load.wait_for_more(100);
    delete(&session);
    load.wait_for_more(100);
    let (answered, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(3), "{}", process.err());
    let summary: serde_json::Value = support::wait_for("the summary", || serde_json::from_str(&process.out()).ok());
    assert_eq!((&summary["exchanges"], &summary["gaps"][0]["exchanges"]), (&0.into(), &answered.into()), "{summary}");
    let lines = cat(&session);
    assert_eq!(
        (lines[1]["reason"].as_str(), &lines[1]["exchanges"]),
        (Some("write_failed"), &answered.into()),
        "{lines:?}"
    );
}

#[test]
fn a_small_disk_of_its_own_that_is_filled_by_another() {
    let folder = folder();
    let disk = inside(&folder, "disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a tmpfs needs root, and a system that lets root mount");
        return;
    }
    let _mount = Mount(disk.clone());
    let (upstream, session, filling) = (Upstream::start(), disk.join("s"), disk.join("filling"));
    let more = ["--flush-interval", "50ms", "--free-min", "1MiB"];
    let (mut process, address) = recorder(&upstream, &session, &more, |command| command);
    let fill = || _ = std::fs::write(&filling, vec![1; 8 << 20]); // as much as there is room for
    let summary = check(&mut process, &address, &session, fill, || std::fs::remove_file(&filling).unwrap());
    let reasons: Vec<_> = summary["gaps"].as_array().unwrap().iter().map(|gap| gap["reason"].clone()).collect();
    assert!(reasons.iter().all(|reason| reason == "disk_floor" || reason == "write_failed"), "{summary}");
}

/// Unmounted with the test.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_place_that_cannot_be_written_is_refused_at_once() {
    let folder = folder();
    let file = inside(&folder, "file");
    std::fs::write(&file, "").unwrap();
    for out in ["/proc/reenact".to_owned(), "/sys/reenact".to_owned(), format!("{}/s", text(&file)), text(&file)] {
        let said = reenact_says(["record", "--listen", "127.0.0.1:0", "--upstream", "http://192.0.2.1", "--out", &out]);
        assert_eq!(said.code, 2, "{out}: {said:?}");
        assert!(said.err.contains(&out) && said.err.contains("hint: "), "{out}: {said:?}");
    }
}
