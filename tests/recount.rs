//! A run that was killed: what it left is shown, with what is missing, and with the exit code of loss.

mod scripted;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::io::Write;

use scripted::{OK, line, read_head, session, target};
use support::{Process, folder, inside, reenact, reenact_says, text, wait_for};

#[test]
fn a_killed_run_says_what_it_still_knows() {
    let folder = folder();
    let lines: Vec<String> = (0..12_000).map(|number| line(number * 5, number % 9, "GET", "/item")).collect();
    let (session, out) = (session(folder.path(), "s", &lines), inside(&folder, "run"));
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() && socket.write_all(OK).is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let to = format!("http://{address}");
    let arguments = ["replay", &text(&session), "--target", &to, "--out", &text(&out)].map(str::to_owned);
    let rules = ["--fail-if", "p50(GET /item) > 1ns", "--fail-if", "error_rate > 0%"];
    let mut process = Process::start(reenact(arguments).args(rules));
    // More than a second after these it has written their lines.
    wait_for("some answers", || (answered.load(Ordering::Relaxed) > 100).then_some(()));
    let log = out.join("requests.jsonl.zst");
    wait_for("lines of the log", || (std::fs::metadata(&log).unwrap().len() > 1_000).then_some(()));
    process.signal("KILL");
    process.wait();
    assert!(out.join("begun.json").exists() && !out.join("run.json").exists());

    let said = reenact_says(["report", &text(&out), "--output", "csv"]);
    assert_eq!(said.code, 3, "{said:?}");
    for part in [
        "NOTE: cannot read ",
        "run.json: No such file or directory (os error 2): this is what the other files of the run still say",
        "NOTE: requests.jsonl.zst breaks off after ",
        "NOTE: what nobody knows any more: connections, spans",
        "requests   12,000 planned, ",
        "thresholds 1 of 2 held, 1 FAILED",
        "summary.md",
        "timeline.csv",
    ] {
        assert!(said.out.contains(part), "no `{part}`: {}", said.out);
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("this is what the other files of the run still say"));
    assert!(!out.join("run.json").exists(), "what was left stays as it is");
    let json: serde_json::Value = serde_json::from_str(&reenact_says(["report", &text(&out), "--json"]).out).unwrap();
    let settled = json["settled"].as_u64().unwrap();
    assert!(settled > 50 && settled < 12_000, "{settled}");
    assert_eq!(json["interrupted"], true);
    assert!(json["target"].as_str().unwrap().contains(&address.to_string()), "{}", json["target"]);

    // Other rules, also for what is left; and a result that is cut is as one that is not there.
    let said = reenact_says(["report", &text(&out), "--fail-if", "p50(GET /items) > 1s"]);
    assert!(said.code == 2 && said.err.contains("names like it: `GET /item`"), "{said:?}");
    std::fs::write(out.join("run.json"), "{\"schema\": 2, \"run_id\": \"0").unwrap();
    let said = reenact_says(["report", &text(&out), "--fail-if", "p50(GET /item) > 20s"]);
    assert!(
        said.code == 3 && said.out.contains("is not what a run writes") && said.out.contains("1 of 1 held"),
        "{said:?}"
    );
}

#[test]
fn a_run_that_ended_leaves_nothing_of_its_beginning() {
    let folder = folder();
    let session = scripted::gets(folder.path(), "s", 10);
    let (out, to) = (inside(&folder, "run"), format!("http://{}", target(scripted::ok)));
    let said = reenact_says(["replay", &text(&session), "--target", &to, "--out", &text(&out)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(out.join("run.json").exists() && !out.join("begun.json").exists());
    let nothing = inside(&folder, "nothing");
    std::fs::create_dir(&nothing).unwrap();
    let said = reenact_says(["report", &text(&nothing)]);
    assert!(said.code == 2 && said.err.contains("cannot read ") && said.err.contains("hint: "), "{said:?}");
}
