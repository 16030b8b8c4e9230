//! Spools from outside: their bounds, what they need of the disk and of the machine, and those that were kept.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use scripted::{gets, line, ok, session, target};
use support::{Said, folder, inside, reenact, reenact_says, run, run_json, text};

/// A replay that is refused before its target is asked for anything.
#[track_caller]
fn refused(session: &Path, more: &[&str], says: &str) -> Said {
    let session = text(session);
    let said = reenact_says(["replay", &session, "--target", "http://127.0.0.1:1"].iter().chain(more));
    assert!(said.code == 2 && said.err.contains(says) && said.err.contains("hint: "), "{more:?}: {said:?}");
    said
}

#[track_caller]
fn replayed(session: &Path, out: &Path, more: &[&str]) -> Said {
    replayed_to(&format!("http://{}", target(ok)), session, out, more)
}

#[track_caller]
fn replayed_to(to: &str, session: &Path, out: &Path, more: &[&str]) -> Said {
    let (session, out) = (text(session), text(out));
    let said = reenact_says(["replay", &session, "--target", to, "--out", &out].iter().chain(more));
    assert_eq!(said.code, 0, "{more:?}: {said:?}");
    said
}

#[test]
fn a_spool_takes_no_more_than_it_may_however_little_that_is() {
    let folder = folder();
    let pools = gets(folder.path(), "pools", 200);
    let lines: Vec<String> = (0..200).map(|i| line(i * 5, i % 7 + 1, "GET", "/").replace("peer-", "named-")).collect();
    let users = session(folder.path(), "users", &lines);
    let too_large = |most: u64| format!("takes more than {most} bytes");
    for (number, of) in [&pools, &users].into_iter().enumerate() {
        // The pages alone; the list of what is due when; a list that is written out before it is whole.
        refused(of, &["--spool-max", "10KiB"], &too_large(10 << 10));
        refused(of, &["--spool-max", "100KiB", "--repeat", "1000"], &too_large(100 << 10));
        replayed(of, &inside(&folder, &format!("run{number}")), &["--spool-max", "100KiB"]);
    }
    refused(&pools, &["--spool-max", "1MiB", "--repeat", "6000"], &too_large(1 << 20));
}

#[test]
fn a_spool_holds_only_what_is_sent() {
    let folder = folder();
    // Two seconds of requests, 400 bytes and more each.
    let path = format!("/{}", "x".repeat(400));
    let of = |i: u64| line(i * 10, i % 50 + 1, "GET", &path).replace("peer-", "named-");
    let session = session(folder.path(), "s", &(0..200).map(of).collect::<Vec<_>>());
    for (number, more) in [&["--duration", "500ms"][..], &["--rate", "0.2x"], &["--shard", "1/5"]].iter().enumerate() {
        let bounded = [*more, &["--spool-max", "60KiB"]].concat();
        let said = replayed(&session, &inside(&folder, &format!("run{number}")), &bounded);
        assert!(said.out.contains(" sent"), "{more:?}: {said:?}");
    }
    refused(&session, &["--spool-max", "60KiB"], "takes more than 61440 bytes");
}

#[test]
fn a_plan_that_is_only_looked_at_writes_no_list_of_what_is_due() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 200));
    // More than stays in memory, and no place for it.
    let said =
        reenact_says(["plan", &session, "--repeat", "1500", "--spool", "/no/such/folder", "--spool-max", "1KiB"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("300,000 of 200 recorded"), "{said:?}");
}

/// A small disk, gone with the test.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this test may not mount one.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let said = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at).output().ok()?;
        said.status.success().then_some(Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_disk_without_room_is_said_before_anything_is_sent() {
    let folder = folder();
    let Some(disk) = Disk::mount(inside(&folder, "disk"), "4m") else {
        eprintln!("skipped: a small disk can be mounted by root only");
        return;
    };
    // 8.8 MB of what is due when, known only at the end.
    let (session, spool) = (gets(folder.path(), "s", 200), text(&disk.0));
    refused(&session, &["--repeat", "1100", "--spool", &spool], "too few for the spool");
    replayed(&session, &inside(&folder, "run"), &["--spool", &spool]);
}

#[test]
fn a_pool_with_a_connection_for_each_request_needs_few_of_them_at_once() {
    let folder = folder();
    let one = |i: u64| {
        let connection = format!("\"connection\":{}", i + 1);
        line(i * 5, 1, "GET", "/").replace("\"connection\":1", &connection)
    };
    let session = text(&session(folder.path(), "s", &(0..1_200).map(one).collect::<Vec<_>>()));
    let (out, to) = (inside(&folder, "run"), format!("http://{}", target(ok)));
    let binary = reenact(["replay"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 512 && exec \"$0\" \"$@\""]).arg(binary.get_program()).args([
        "replay",
        &session,
        "--target",
        &to,
        "--speed",
        "2x",
        "--out",
        &text(&out),
    ]);
    limited.env("REENACT_LAG_LIMIT", "strained=1h,invalid=1h");
    let said = run(&mut limited);
    assert_eq!(said.code, 0, "{said:?}");
    let run = run_json(&out);
    assert_eq!((&run["completed"], &run["errors"]), (&1_200.into(), &serde_json::json!({})));
    assert_eq!(run["connections"]["opened"], 1_200, "each request has its own: {}", run["connections"]);
    assert!(run["connections"]["peak"].as_u64().unwrap() < 448, "{}", run["connections"]);
    let json = reenact_says(["plan", &session, "--json"]).out;
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(plan["peak"]["connections"].as_u64().unwrap() <= 201, "{}", plan["peak"]);
}

#[test]
fn a_kept_spool_that_was_damaged_is_named_and_nothing_of_it_is_sent() {
    let folder = folder();
    let session = gets(folder.path(), "s", 50);
    let spools = inside(&folder, "spools");
    std::fs::create_dir(&spools).unwrap();
    let kept = ["--spool", &text(&spools), "--reuse-spool"];
    // Another target has another spool.
    let to = format!("http://{}", target(ok));
    replayed_to(&to, &session, &inside(&folder, "first"), &kept);
    let place = std::fs::read_dir(&spools).unwrap().next().unwrap().unwrap().path();
    for file in ["pages", "due"] {
        let path = place.join(file);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, vec![0; whole.len()]).unwrap();
        let out = inside(&folder, file);
        let arguments = ["replay", &text(&session), "--target", &to, "--out", &text(&out)];
        let said = reenact_says(arguments.iter().chain(&kept));
        let is_named = said.err.contains(&format!("the spool {} is damaged", place.display()));
        assert!(said.code == 2 && is_named && said.err.contains("remove it"), "{file}: {said:?}");
        let run = run_json(&out);
        assert!(run["sent"] == 0 && run["notices"].to_string().contains("is damaged"), "{run}");
        std::fs::write(&path, whole).unwrap();
    }
    replayed_to(&to, &session, &inside(&folder, "again"), &kept);
}

#[test]
fn what_a_killed_run_left_of_a_spool_is_removed_and_what_another_one_makes_is_not() {
    let folder = folder();
    let session = gets(folder.path(), "s", 50);
    let spools = inside(&folder, "spools");
    let unfinished = |random: &str| spools.join(format!(".reenact-spool-making-{random}"));
    let (left, made) = (unfinished("0123456789abcdef"), unfinished("fedcba9876543210"));
    for path in [&left, &made] {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join("pages"), "half").unwrap();
    }
    let locked = std::fs::File::open(&made).unwrap();
    locked.lock().unwrap();
    replayed(&session, &inside(&folder, "run"), &["--spool", &text(&spools), "--reuse-spool"]);
    assert!(!left.exists() && made.join("pages").exists());
    // The spool that was kept is there besides.
    assert_eq!(std::fs::read_dir(&spools).unwrap().count(), 2);
}
