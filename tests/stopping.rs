//! Runs that end before their plan does: by their own rules, which measure what the result measures, or by somebody's word.
#![expect(clippy::disallowed_methods, reason = "a slow target is slow")]

mod scripted;
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scripted::{OK, line, read_head, session, target};
use support::{Process, folder, inside, reenact, reenact_says, run_json, text, wait_for};

/// Requests of these clients in turn, `every_ms`.
fn turns(folder: &Path, clients: u64, every_ms: u64, requests: u64) -> PathBuf {
    let one = |i: u64| line(i * every_ms, i % clients + 1, "GET", &format!("/{i}")).replace("peer-", "named-");
    session(folder, "s", &(0..requests).map(one).collect::<Vec<_>>())
}

#[test]
fn a_rule_measures_response_times_from_where_its_loop_does() {
    let folder = folder();
    // Six times as slow as it was: after a second a request is due a second before it may leave.
    let session = turns(folder.path(), 1, 10, 40);
    let slow = target(|mut socket: TcpStream| {
        while read_head(&mut socket).is_some() {
            std::thread::sleep(Duration::from_millis(60));
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    for model in ["causal", "closed"] {
        let out = inside(&folder, model);
        let mut arguments = vec!["replay".to_owned(), text(&session), "--target".into(), format!("http://{slow}")];
        arguments.extend(["--loop-model", model, "--abort-if", "p50 > 500ms for 1s"].map(str::to_owned));
        arguments.extend(["--output", "markdown", "--out", &text(&out)].map(str::to_owned));
        let said = reenact_says(arguments);
        let run = run_json(&out);
        assert_eq!((said.code, &run["completed"]), (0, &40.into()), "{model}: {said:?}");
        assert!(run["aborted"].is_null() && run["duration_s"].as_f64().unwrap() > 2.0, "{model}: {run}");
        // That the target set the pace is said wherever somebody reads its figures.
        let read = |file: &str| std::fs::read_to_string(out.join(file)).unwrap();
        for told in [said.out, run["notices"].to_string(), read("report.html"), read("summary.md")] {
            assert_eq!(told.contains("throttles itself"), model == "closed", "{model}: {told}");
        }
    }
}

#[test]
fn what_happens_after_an_interrupt_is_no_reason_to_stop() {
    let folder = folder();
    let session = turns(folder.path(), 5, 20, 1_000);
    // From the tenth request on it says nothing any more.
    let (asked, count) = (Arc::new(AtomicU64::new(0)), |asked: &AtomicU64| asked.load(Ordering::Relaxed));
    let heard = Arc::clone(&asked);
    let silent = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            if heard.fetch_add(1, Ordering::Relaxed) >= 10 {
                let _ = std::io::copy(&mut socket, &mut std::io::sink());
                break;
            }
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    let out = inside(&folder, "run");
    let to = format!("http://{silent}");
    let mut command = reenact(["replay", &text(&session), "--target", &to, "--timeout", "7s", "--out", &text(&out)]);
    let running = Process::start(command.args(["--abort-if", "in_flight > 0 for 3s"]));
    wait_for("a request that is not answered", || (count(&asked) > 10).then_some(()));
    running.signal("INT");
    let said = running.finish();
    let run = run_json(&out);
    assert_eq!((said.code, &run["interrupted"], &run["aborted"]), (130, &true.into(), &().into()), "{said:?}");
    assert!(run["errors"]["timeout"].as_u64().unwrap() > 0, "it went on for longer than the rule takes: {run}");
}

#[test]
fn shards_that_stopped_themselves_are_a_run_that_did_and_no_invalid_one() {
    let folder = folder();
    let session = turns(folder.path(), 40, 20, 1_000);
    let broken = target(|mut socket: TcpStream| {
        while read_head(&mut socket).is_some() {
            if socket.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_err() {
                break;
            }
        }
    });
    let to = format!("http://{broken}");
    let mut merge = vec!["report".to_owned()];
    for shard in ["1/2", "2/2"] {
        let out = text(&inside(&folder, &shard.replace('/', "-")));
        let rule = "status_5xx_rate > 50% for 1s";
        let said = reenact_says([
            "replay",
            &text(&session),
            "--target",
            &to,
            "--shard",
            shard,
            "--abort-if",
            rule,
            "--out",
            &out,
        ]);
        assert_eq!(said.code, 1, "{said:?}");
        let run = run_json(out.as_ref());
        assert_eq!(run["verdict"]["outcome"], "valid", "{said:?}");
        assert!(run["dispatched"].as_u64() < run["planned"].as_u64() && run["settled"] == run["planned"], "{run}");
        merge.push(out);
    }
    let whole = inside(&folder, "whole");
    let said = reenact_says(merge.into_iter().chain(["--out".to_owned(), text(&whole)]));
    let run = run_json(&whole);
    assert_eq!((said.code, &run["verdict"]["outcome"]), (1, &"valid".into()), "{said:?}");
    assert!(run["aborted"].as_str().unwrap().contains("status_5xx_rate"), "{run}");
}
