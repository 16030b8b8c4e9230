//! A run whose directory cannot be written any more: the load was sent and counted, so that everything is said that is known.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scripted::{OK, gets, ok, read_head, target};
use serde_json::Value;
use support::{Process, Said, folder, inside, library, reenact, run, run_json, text, wait_for};

/// A replay without answers, whose end is told to a file.
fn replay(session: &Path, to: &str, out: &Path, told: &Path) -> Command {
    let mut command = reenact(["replay", "--target", to, "--answers", "none", "--out", &text(out)]);
    command.arg(session).args(["--on-end", &format!("cat > {}", text(told))]);
    command
}

/// Everything that was sent is counted wherever it is said; the file that is missing is named, with its error.
#[track_caller]
fn is_said(said: &Said, told: &Path, requests: u64) {
    assert_eq!(said.code, 3, "{said:?}");
    let note = "NOTE: requests.jsonl.zst could not be written: No space left on device (os error 28)";
    assert!(said.out.contains(note) && said.out.contains("  verdict    valid"), "{said:?}");
    let told: Value = serde_json::from_str(&std::fs::read_to_string(told).unwrap()).unwrap();
    let counts = [&told["sent"], &told["completed"]].map(|count| count.as_u64().unwrap());
    assert_eq!((counts, &told["verdict"]), ([requests; 2], &"valid".into()), "{told}");
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_a_file_and_no_figure() {
    let folder = folder();
    let session = gets(folder.path(), "s", 800);
    let asked = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&asked);
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() && socket.write_all(OK).is_ok() {
            heard.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (out, told, full) = (inside(&folder, "run"), inside(&folder, "told"), inside(&folder, "full"));
    let mut command = replay(&session, &format!("http://{address}"), &out, &told);
    command.env("LD_PRELOAD", library(folder.path(), "tests/faults/fail.c"));
    command.env("FAIL_UNDER", &out).env("FAIL_WHILE", &full).env("FAIL_WITH", "28");
    let mut running = Process::start(&mut command);
    wait_for("the first requests", || (asked.load(Ordering::Relaxed) > 10).then_some(()));
    std::fs::write(&full, "").unwrap();
    running.wait_for_err("requests.jsonl.zst cannot be written any more");
    std::fs::remove_file(&full).unwrap();
    is_said(&running.finish(), &told, 800);
    // There was room again for the rest.
    let result = run_json(&out);
    assert_eq!((&result["completed"], &result["response_us"]["count"]), (&800.into(), &800.into()));
    let unwritten = result["unwritten"].as_object().unwrap();
    assert_eq!(unwritten.keys().collect::<Vec<_>>(), ["requests.jsonl.zst"], "{unwritten:?}");
    assert!(std::fs::read_to_string(out.join("report.html")).unwrap().contains("requests.jsonl.zst could not be"));
}

#[test]
fn a_small_disk_that_a_run_fills_keeps_nobody_from_its_figures() {
    let folder = folder();
    let disk = inside(&folder, "disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a tmpfs needs root, and a system that lets root mount");
        return;
    }
    let _mount = Mount(disk.clone());
    let session = gets(folder.path(), "s", 6_000);
    let (out, told) = (disk.join("run"), inside(&folder, "told"));
    let said = run(replay(&session, &format!("http://{}", target(ok)), &out, &told).args(["--rate", "max"]));
    is_said(&said, &told, 6_000);
    // Whatever there was room for is whole.
    if out.join("run.json").exists() {
        assert_eq!(run_json(&out)["completed"], 6_000);
    } else {
        assert!(said.out.contains("NOTE: run.json could not be written: No space left"), "{said:?}");
        assert!(out.join("begun.json").exists());
    }
}

#[test]
fn a_file_that_cannot_be_written_keeps_no_other_from_being_there_and_the_result_on_disk_says_so() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 5));
    let to = format!("http://{}", target(ok));
    // Each a form of the result, or the page: what has its name is in its way.
    for in_the_way in ["summary.md", "endpoints.csv", "report.html"] {
        let out = inside(&folder, &format!("run-{in_the_way}"));
        let hook = format!("mkdir -p {}/x", text(&out.join(in_the_way)));
        let more = ["--output", "markdown,junit,csv,openmetrics", "--on-start", &hook];
        let said = run(reenact(["replay", &session, "--target", &to, "--out", &text(&out)]).args(more));
        assert_eq!(said.code, 3, "{said:?}");
        let others =
            ["summary.md", "junit.xml", "endpoints.csv", "timeline.csv", "metrics.txt", "report.html", "run.json"];
        for other in others.into_iter().filter(|other| *other != in_the_way) {
            assert!(out.join(other).is_file(), "{in_the_way}: no {other}: {said:?}");
        }
        let result = run_json(&out);
        let unwritten: Vec<&String> = result["unwritten"].as_object().unwrap().keys().collect();
        assert_eq!(unwritten, [in_the_way], "{said:?}");
        let note = format!("{in_the_way} could not be written: ");
        assert!(said.out.contains(&note) && result["notices"].to_string().contains(&note), "{said:?}");
        assert!(
            in_the_way == "report.html" || std::fs::read_to_string(out.join("report.html")).unwrap().contains(&note)
        );
        // `report` writes what it can, too.
        if in_the_way != "report.html" {
            let rest = others.map(|name| out.join(name)).into_iter().filter(|path| path.is_file());
            rest.filter(|path| !path.ends_with("run.json")).for_each(|path| std::fs::remove_file(path).unwrap());
            let said = run(reenact(["report", &text(&out)]).args(["--output", "markdown,junit,csv,openmetrics"]));
            assert!(said.code == 2 && said.err.contains(in_the_way) && out.join("metrics.txt").is_file(), "{said:?}");
        }
    }
}

/// Unmounted with the test.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
