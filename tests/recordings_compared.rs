//! `reenact compare SESSION… RUN`: several sessions that a run sent together, one of them encrypted, are the side before.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use scripted::{line, read_head, session, target};
use serde_json::Value;
use support::{Said, folder, inside, reenact_says, run_json, text};

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
/// Requests of each session.
const REQUESTS: u64 = 20;

/// Answers as was recorded, but for one of each session.
fn changed(mut socket: TcpStream) {
    while let Some(head) = read_head(&mut socket) {
        let head = String::from_utf8(head).unwrap();
        let status = match head.split(' ').nth(1).unwrap() {
            "/eu/7" => 500,
            "/us/3" => 200,
            path if path.starts_with("/us/") => 404,
            _ => 200,
        };
        if write!(socket, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").is_err() {
            break;
        }
    }
}

/// A session of one region: in the US everything was missing. Both number their exchanges alike.
fn region(folder: &Path, name: &str, status: u64) -> String {
    let lines = (0..REQUESTS).map(|number| {
        let line = line(number * 5, number % 4, "GET", &format!("/{name}/{number}"));
        let mut line: Value = serde_json::from_str(&line).unwrap();
        line["response"]["status"] = status.into();
        line["response"]["reason"] = "X".into();
        line.to_string()
    });
    text(&session(folder, name, &lines.collect::<Vec<_>>()))
}

#[track_caller]
fn says(arguments: &[&str], code: i32) -> Said {
    let said = reenact_says(arguments);
    assert_eq!(said.code, code, "{arguments:?}: {said:?}");
    said
}

/// `GET /us/{n}: 404 → 200`, of each status that is another.
fn statuses(compared: &Value) -> Vec<String> {
    let findings = compared["answers"]["findings"].as_array().unwrap().iter();
    let statuses = findings.filter(|one| one["part"] == "status").map(|one| {
        assert_eq!(one["endpoints"].as_array().unwrap().len(), 1, "{one}");
        format!("{} of {}", one["endpoints"][0]["endpoint"].as_str().unwrap(), one["endpoints"][0]["across"])
    });
    let mut statuses: Vec<String> = statuses.collect();
    statuses.sort();
    statuses
}

#[test]
fn sessions_that_were_sent_together_are_one_recording_also_where_they_are_encrypted() {
    let folder = folder();
    let (eu, plain) = (region(folder.path(), "eu", 200), region(&inside_folder(&folder, "plain"), "us", 404));
    let (us, key) = (text(&inside(&folder, "us")), inside(&folder, "key.txt"));
    says(&["edit", &plain, "--encrypt-to", RECIPIENT, "-o", &us], 0);
    std::fs::write(&key, IDENTITY).unwrap();
    let identity = format!("file:{}", text(&key));
    let (out, to) = (text(&inside(&folder, "run")), format!("http://{}", target(changed)));
    let sent = ["replay", &eu, &us, "--identity", &identity, "--target", &to, "--out", &out, "--answers", "all"];
    says(&sent, 0);
    assert_eq!(run_json(&inside(&folder, "run"))["planned"], 2 * REQUESTS);

    let compared = |sessions: &[&str]| -> Value {
        let all = [&["compare"], sessions, &[&out, "--identity", &identity, "--json", "--fail-on", "none"]].concat();
        serde_json::from_str(&says(&all, 0).out).unwrap()
    };
    let both = compared(&[&eu, &us]);
    assert_eq!(both["answers"]["pairs"], 2 * REQUESTS, "{both}");
    assert_eq!(statuses(&both), ["GET /eu/{id} of 1", "GET /us/{id} of 1"], "{both}");
    assert_eq!(both["before"][0]["path"], format!("{eu} + {us}"));
    let requests = |of: &Value| {
        of["endpoints"].as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(requests(&both), 4 * REQUESTS, "{both}");
    let page = inside(&folder, "page");
    let asked = ["compare", &eu, &us, &out, "--identity", &identity, "--out", &text(&page), "--fail-on", "none"];
    says(&asked, 0);
    // As it was given, so that the same can be asked again.
    let html = std::fs::read_to_string(page.join("report.html")).unwrap();
    let row = format!(r#"<th scope="row">identity</th><td class="asked">{identity}</td>"#);
    assert!(html.contains(&row) && !html.contains(IDENTITY), "{html}");
    let turned = compared(&[&us, &eu]);
    for what in ["answers", "endpoints", "outcomes"] {
        assert_eq!(
            turned[what].to_string().replace(&format!("{us} + {eu}"), &format!("{eu} + {us}")),
            both[what].to_string(),
            "{what}"
        );
    }

    // One of them alone is half of what was before, which is said.
    let half = compared(&[&us]);
    assert_eq!(half["answers"]["pairs"], REQUESTS, "{half}");
    assert_eq!(statuses(&half), ["GET /us/{id} of 1"], "{half}");
    assert!(half["notices"].to_string().contains(&format!("what was recorded in {eu} is missing before")), "{half}");
    assert!(!both["notices"].to_string().contains("is missing before"), "{both}");

    let refused = |arguments: &[&str], expected: &str| {
        let said = says(&[&["compare"], arguments].concat(), 2);
        assert!(said.err.contains(expected), "{arguments:?}: {said:?}");
    };
    refused(&[&eu, &us, &out], "is encrypted");
    refused(&[&us, &out], "--identity file:PATH");
    refused(&[&plain, &us, &out, "--identity", &identity], "are the same session of the run");
    refused(&[&eu, &eu, &out], "is there twice");
    refused(&[&eu, &out, &out], "is a recording, and a trend is one of runs");
    refused(&[&eu, &us, &plain], "is a recording, and a trend is one of runs");
    refused(&[&out, "--identity", &identity], "--identity, --trace-url and --fail-on body,header need two sides");
    let other = region(folder.path(), "asia", 200);
    refused(&[&eu, &other, &out], "is none of the sessions that the run sent again");
}

fn inside_folder(folder: &tempfile::TempDir, name: &str) -> std::path::PathBuf {
    let path = inside(folder, name);
    std::fs::create_dir(&path).unwrap();
    path
}
