//! A run that was killed: what it left is shown, with what is missing, and with the exit code of loss.

mod scripted;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::io::Write;

use scripted::{OK, line, read_head, session, target};
use support::{Process, folder, inside, reenact, reenact_says, run_json, text, wait_for};

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
    assert!(
        said.out.starts_with("INCOMPLETE: counted again from begun.json and requests.jsonl.zst, since "),
        "{said:?}"
    );
    for part in [
        "NOTE: cannot read ",
        "run.json: No such file or directory (os error 2): this is what the other files of the run still say",
        "NOTE: requests.jsonl.zst breaks off after ",
        "NOTE: what nobody knows any more: connections, spans",
        "requests   12,000 planned, ",
        // The plan's, and not what was planned over the time that was counted.
        "rate       200.0/s planned, ",
        "thresholds 1 of 2 held, 1 FAILED",
        "summary.md",
        "timeline.csv",
    ] {
        assert!(said.out.contains(part), "no `{part}`: {}", said.out);
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("this is what the other files of the run still say"));
    for part in [
        "Incomplete: counted again from begun.json and requests.jsonl.zst, since",
        "<dt>Spans exported</dt><dd>–<small>–</small>",
        "<dt>Connections</dt><dd>–<small>peak – open at once</small>",
        "Client spans</caption><tbody><tr><td class=\"none\" colspan=\"3\">Nobody knows.",
    ] {
        assert!(page.contains(part), "no `{part}`");
    }
    let summary = std::fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(summary.starts_with("### ⚠️ Replay incomplete: counted again from begun.json and requests"), "{summary}");
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
fn of_a_run_that_was_killed_at_once_its_plan_is_shown() {
    let folder = folder();
    let (session, out) = (scripted::gets(folder.path(), "s", 40), inside(&folder, "run"));
    // Nobody ever gets an answer, so that no request ends.
    let to = format!("http://{}", target(|mut socket| while read_head(&mut socket).is_some() {}));
    let arguments = ["replay", &text(&session), "--target", &to, "--out", &text(&out)].map(str::to_owned);
    let mut process = Process::start(reenact(arguments).args(["--fail-if", "p50 > 1s"]));
    wait_for("the beginning", || out.join("begun.json").exists().then_some(()));
    process.signal("KILL");
    process.wait();
    // What was not handed to the disk is gone.
    for name in ["requests.jsonl.zst", "latency.hlog"] {
        std::fs::File::create(out.join(name)).unwrap();
    }
    let said = reenact_says(["report", &text(&out)]);
    assert_eq!(said.code, 3, "{said:?}");
    for part in [
        "what was planned is known from begun.json; whether anything was sent, and what came of it, nobody knows",
        "invalid\n             nothing that was sent can be counted: this says nothing about the target",
        "requests   40 planned, ",
        "205.1/s planned",
        "thresholds 0 of 1 held",
    ] {
        assert!(said.out.contains(part), "no `{part}`: {}", said.out);
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("40 requests were planned, and nobody knows what came of them.")
            && page.contains("GET /item/{id}")
    );
    // A directory in which nobody says what was planned is no run.
    for name in ["begun.json", "plan.json"] {
        std::fs::remove_file(out.join(name)).unwrap();
    }
    let said = reenact_says(["report", &text(&out)]);
    assert!(said.code == 2 && said.err.contains("cannot read "), "{said:?}");
}

#[test]
fn what_nobody_knows_is_a_dash_and_endpoints_keep_their_own_times() {
    let folder = folder();
    // In the recording the rarest comes first, in the plan last.
    let path = |number: u64| match number % 6 {
        0 => "/rare",
        1 | 2 => "/some",
        _ => "/many",
    };
    let lines: Vec<String> = (0..600).map(|number| line(number * 2, number % 9, "GET", path(number))).collect();
    let (session, out) = (session(folder.path(), "s", &lines), inside(&folder, "run"));
    let address = target(|mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            let answer = if head.starts_with(b"GET /some") { &busy[..] } else { OK };
            if socket.write_all(answer).is_err() {
                break;
            }
        }
    });
    let to = format!("http://{address}");
    let said = reenact_says(["replay", &text(&session), "--target", &to, "--out", &text(&out)]);
    assert_eq!(said.code, 0, "{said:?}");
    let whole = run_json(&out);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let remove = |names: &[&str]| names.iter().for_each(|name| std::fs::remove_file(out.join(name)).unwrap());

    remove(&["run.json", "requests.jsonl.zst"]);
    let rules = ["--fail-if", "error_rate > 0%", "--fail-if", "turned_away > 0", "--fail-if", "p50 > 1ns"];
    let said = reenact_says([&["report", &text(&out)][..], &rules].concat());
    assert_eq!(said.code, 3, "{said:?}");
    let plan: serde_json::Value = serde_json::from_str(&read("plan.json")).unwrap();
    let planned = 600.0 / plan["duration_s"].as_f64().unwrap();
    for part in [
        "INCOMPLETE: counted again from plan.json, histograms.hlog and latency.hlog, since ",
        "requests   600 planned, – sent, – answered",
        &format!("rate       {planned:.1}/s planned, "),
        "which requests were answered and which failed, nobody knows: only how late they left is judged",
        "thresholds 0 of 3 held, 1 FAILED, of 2 one cannot tell",
        "? error_rate: cannot tell, since nobody knows which requests failed",
    ] {
        assert!(said.out.contains(part), "no `{part}`: {}", said.out);
    }
    let (page, summary) = (read("report.html"), read("summary.md"));
    for part in ["<dt>Sent</dt><dd>–<small>–</small>", "How they were answered, and how many failed, nobody knows."]
    {
        assert!(page.contains(part), "no `{part}`");
    }
    for part in ["none failed", "18,446,744", "No request failed.", "Nothing was shed."] {
        assert!(!page.contains(part), "`{part}` is nowhere known");
    }
    assert!(summary.starts_with("### ⚠️ Replay incomplete: counted again from plan.json, "), "{summary}");
    assert!(summary.contains("| now | – | ") && summary.contains("| `GET /rare` | – | – | "), "{summary}");
    let said = reenact_says(["report", &text(&out), "--json"]);
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    for row in whole["endpoints"].as_array().unwrap() {
        let mut rows = found["endpoints"].as_array().unwrap().iter();
        let own = rows.find(|own| own["endpoint"] == row["endpoint"]).unwrap();
        for figure in ["planned", "index", "response_us", "recorded_response_us"] {
            assert_eq!(own[figure], row[figure], "{figure} of {}", row["endpoint"]);
        }
    }

    // Of the plan alone there is no window that was steady.
    remove(&["histograms.hlog", "latency.hlog"]);
    let said = reenact_says(["report", &text(&out)]);
    assert!(said.code == 3 && said.out.contains("requests   600 planned, – sent, – answered"), "{said:?}");
    let page = read("report.html");
    assert!(!page.contains("18,446,744") && page.contains("Of the steady window nothing is known."));
    let said = reenact_says(["report", &text(&out), "--json"]);
    assert!(!said.out.contains(&u64::MAX.to_string()), "{said:?}");
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
