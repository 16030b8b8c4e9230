//! Thresholds from outside: what fails a run and with which exit code, what is said about it, and what is left for a CI.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scripted::{OK, gets, line, ok, read_head, session, target};
use serde_json::Value;
use support::{Process, Said, folder, inside, reenact, reenact_says, run_json, text};

const ERROR: &[u8] = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";

/// A target that answers `/cart…` with 500, and others with 200.
fn failing_carts() -> String {
    let address = target(|mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let is_cart = head.starts_with(b"GET /cart");
            if socket.write_all(if is_cart { ERROR } else { OK }).is_err() {
                break;
            }
        }
    });
    format!("http://{address}")
}

/// A target that answers quickly for a time after its first request, and slowly from then on.
#[expect(clippy::disallowed_methods, reason = "a server that is slow on purpose")]
fn slow_after(quick: Duration, pause: Duration) -> String {
    let first = std::sync::OnceLock::new();
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            if first.get_or_init(Instant::now).elapsed() > quick {
                std::thread::sleep(pause);
            }
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    format!("http://{address}")
}

/// 300 requests over 3 s, a third of them to /cart.
fn shop(folder: &Path) -> PathBuf {
    let path = |number: u64| if number.is_multiple_of(3) { "/cart".to_owned() } else { format!("/item/{number}") };
    let lines: Vec<String> = (0..300).map(|number| line(number * 10, number % 7 + 1, "GET", &path(number))).collect();
    session(folder, "shop", &lines)
}

/// A replay that must end with this code.
#[track_caller]
fn replay(session: &Path, to: &str, out: &Path, code: i32, more: &[&str]) -> Said {
    let (session, out) = (text(session), text(out));
    let said = reenact_says(["replay", &session, "--target", to, "--out", &out].iter().chain(more));
    assert_eq!(said.code, code, "{more:?}: {said:?}");
    said
}

#[track_caller]
fn report(run: &Path, code: i32, more: &[&str], says: &[&str]) -> Said {
    let said = reenact_says(["report", &text(run)].iter().chain(more));
    assert_eq!(said.code, code, "{more:?}: {said:?}");
    for text in says {
        assert!(said.out.contains(text) || said.err.contains(text), "{more:?} does not say `{text}`: {said:?}");
    }
    said
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn thresholds(run: &Path) -> Vec<Value> {
    run_json(run)["thresholds"].as_array().unwrap().clone()
}

#[test]
fn a_threshold_that_fails_is_exit_code_1_and_says_what_and_where() {
    let folder = folder();
    let (session, out) = (shop(folder.path()), inside(&folder, "run"));
    let to = failing_carts();
    let rules = [
        "--fail-if",
        "status_rate(5xx, GET /cart) > 1%",
        "--fail-if",
        "p99(GET /item/{id}) > 10s",
        "--fail-if",
        "error_rate in any 1s > 50%",
        "--fail-if",
        "p99.9 > 1ms",
        "--trace-url",
        "https://traces.example/{trace_id}?at={start_ms}",
    ];
    let said = replay(&session, &to, &out, 1, &rules);
    for part in [
        "thresholds 2 of 4 held, 1 FAILED, of 1 one cannot tell",
        "FAILED status_rate(5xx, GET /cart) was 100 %, 100 times the limit of 1 %; since 0 s, in ",
        " seconds; look at trace ",
        "? p99.9: cannot tell from 300 values, which takes 1000 at least",
        "held p99(GET /item/{id}) was ",
        "held error_rate was 0 % in the worst 1s (limit 50 %)",
    ] {
        assert!(said.out.contains(part), "no `{part}`: {}", said.out);
    }
    let found = thresholds(&out);
    assert_eq!(found.len(), 4);
    assert_eq!(
        (&found[0]["outcome"], &found[0]["since_s"], &found[0]["measured"]),
        (&"failed".into(), &0.into(), &1.0.into())
    );
    // The trace is one of a request that failed.
    let trace = found[0]["traces"][0].as_str().unwrap();
    let log = zstd::decode_all(&std::fs::read(out.join("requests.jsonl.zst")).unwrap()[..]).unwrap();
    let log = String::from_utf8(log).unwrap();
    let sent = log.lines().find(|line| line.contains(trace)).unwrap();
    assert!(sent.contains("\"status\":500") && sent.contains("GET /cart"), "{sent}");
    // The page and both files for a CI are there without being asked for, and say the same.
    let (page, summary, junit) =
        (read(out.join("report.html")), read(out.join("summary.md")), read(out.join("junit.xml")));
    assert!(page.contains("Thresholds</h2>") && page.contains("2 of 4 held"), "{page}");
    assert!(summary.starts_with("### ❌ Replay failed: 1 of 4 thresholds did not hold\n"), "{summary}");
    assert!(summary.contains("status\\_rate(5xx, GET /cart) was 100 %, 100 times the limit of 1 %"), "{summary}");
    // And both lead to the trace.
    let table = page.split("<table class=\"thresholds\">").nth(1).unwrap().split("</table>").next().unwrap();
    let link = format!("href=\"https://traces.example/{trace}?at=");
    assert!(table.contains(&link) && !table.contains("<code class=\"id\">"), "no `{link}`: {table}");
    let link = format!("[`{trace}`](<https://traces.example/{trace}?at=");
    assert_eq!(summary.matches(&link).count(), 2, "beside the sentence and in the table: {summary}");
    assert!(junit.contains("tests=\"5\" errors=\"0\" skipped=\"1\" failures=\"1\""), "{junit}");
    assert!(junit.contains("<testcase classname=\"reenact.thresholds\" name=\"status_rate(5xx, GET /cart) &gt; 1%\""));
    assert!(!out.join("endpoints.csv").exists());
}

#[test]
fn what_holds_is_exit_code_0_and_none_at_all_leaves_no_files() {
    let folder = folder();
    let (session, to) = (shop(folder.path()), format!("http://{}", target(ok)));
    let (with, without) = (inside(&folder, "with"), inside(&folder, "without"));
    let said = replay(&session, &to, &with, 0, &["--fail-if", "error_rate > 0%", "--fail-if", "max(*) > 20s"]);
    assert!(said.out.contains("thresholds 3 of 3 held\n"), "{}", said.out);
    assert!(read(with.join("summary.md")).starts_with("### ✅ Replay passed: all 3 thresholds held\n"));
    let said = replay(&session, &to, &without, 0, &[]);
    assert!(!said.out.contains("thresholds"), "{}", said.out);
    assert_eq!(thresholds(&without), Vec::<Value>::new());
    assert!(!without.join("summary.md").exists() && !without.join("junit.xml").exists());
}

#[test]
fn since_when_a_target_was_slow_is_said() {
    let folder = folder();
    let lines: Vec<String> = (0..600).map(|number| line(number * 10, number % 40 + 1, "GET", "/")).collect();
    let (session, out) = (session(folder.path(), "s", &lines), inside(&folder, "run"));
    let to = slow_after(Duration::from_secs(3), Duration::from_millis(300));
    let rules = ["--fail-if", "p90(GET /) in any 2s > 250ms", "--fail-if", "p90 in any 2s > 20s"];
    replay(&session, &to, &out, 1, &rules);
    let found = thresholds(&out);
    let outcomes: Vec<&str> = found.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "held"], "{found:?}");
    // The target is slow from the fourth second on; the window that begins before may be the first.
    let since = found[0]["since_s"].as_u64().unwrap();
    assert!((1..=4).contains(&since), "{found:?}");
    assert!(found[0]["measured"].as_f64().unwrap() > 300_000.0, "{found:?}");
    assert!(found[0]["said"].as_str().unwrap().contains("in the worst 2s"), "{found:?}");
}

#[test]
fn rules_that_mean_nothing_are_refused_before_anything_is_sent() {
    let folder = folder();
    let (session, out, budgets) = (shop(folder.path()), inside(&folder, "run"), inside(&folder, "budgets.toml"));
    let to = format!("http://{}", target(|_| panic!("something was sent")));
    for (rule, says) in [
        ("p99 > 5", "the rule `p99 > 5` is wrong at column 7: here stands a time, as in 250ms or 1.5s\nhint: "),
        ("in_flight > 5", "--abort-if looks at it"),
        (
            "p99(GET /carts) > 1s",
            "the rule `p99(GET /carts) > 1s` is about an endpoint that is not there: `GET /carts`\nhint: names like it: `GET /cart`, ",
        ),
    ] {
        let said = replay(&session, &to, &out, 2, &["--fail-if", rule]);
        assert!(said.err.contains(says), "{said:?}");
    }
    let with = |content: &str, says: &str| {
        std::fs::write(&budgets, content).unwrap();
        let said = replay(&session, &to, &out, 2, &["--budgets", &text(&budgets)]);
        assert!(said.err.contains(says), "{said:?}");
    };
    with("[[budget]]\nfail_if = \"p99 > 5\"\n", "budgets.toml, line 2: the rule `p99 > 5` is wrong at column 7");
    with("", "budgets.toml, line 1: there is no budget in it");
    // What only the session tells has its place, too.
    with(
        "[endpoint.\"GET /cart\"]\nfail_if = \"p99 > 5s\"\n\n[endpoint.\"GET /carts\"]\nname = \"x\"\nfail_if = \"p99 > 5s\"\n",
        "budgets.toml, line 6: the rule `p99(GET /carts) > 5s` is about an endpoint that is not there: `GET /carts`\nhint: names like",
    );
    with("[endpoint.\"GET /basket\"]\nfail_if = \"p99 > 5s\"\n", "`GET /basket`\nhint: names like it: ");
    let said = replay(&session, &to, &out, 2, &["--budgets", "/nowhere/b.toml"]);
    assert!(said.err.contains("cannot read the budgets /nowhere/b.toml"), "{said:?}");
    assert!(!out.exists(), "a refused run leaves nothing");
}

#[test]
fn budgets_and_configs_have_the_same_rules() {
    let folder = folder();
    let (session, to) = (shop(folder.path()), failing_carts());
    let (budgets, config) = (inside(&folder, "budgets.toml"), inside(&folder, "c.toml"));
    std::fs::write(
        &budgets,
        "[[budget]]\nfail_if = \"error_rate > 1%\"\n\n[endpoint.\"GET /cart\"]\nfail_if = [\"status_rate(5xx) > 1%\"]\nname = \"carts work\"\nwhy = \"checkout needs them\"\nlink = \"https://wiki/carts\"\n",
    )
    .unwrap();
    let out = inside(&folder, "one");
    let said = replay(&session, &to, &out, 1, &["--budgets", &text(&budgets)]);
    let says = "FAILED carts work: status_rate(5xx, GET /cart) was 100 %";
    assert!(said.out.contains(says) && said.out.contains("(checkout needs them); https://wiki/carts"), "{}", said.out);
    std::fs::write(
        &config,
        format!(
            "[replay]\nbudgets = {:?}\nfail-if = [\"p99 > 20s\", \"max > 20s\"]\noutput = [\"csv\"]\n",
            text(&budgets)
        ),
    )
    .unwrap();
    let out = inside(&folder, "two");
    replay(&session, &to, &out, 1, &["--config", &text(&config)]);
    assert_eq!(thresholds(&out).len(), 4);
    assert!(out.join("endpoints.csv").exists() && out.join("timeline.csv").exists());
}

#[test]
fn an_invalid_run_judges_no_target() {
    let folder = folder();
    let (session, out) = (gets(folder.path(), "s", 200), inside(&folder, "run"));
    // Nothing leaves in less than no time: the run is invalid whatever the target does.
    let limit = ["--lag-limit", "strained=0ns,invalid=0ns", "--fail-if", "error_rate > 0%", "--fail-if", "p50 > 0ns"];
    let said = replay(&session, &failing_carts(), &out, 4, &limit);
    assert!(said.out.contains("INVALID") && said.out.contains("FAILED p50 was"), "{}", said.out);
    let junit = read(out.join("junit.xml"));
    assert!(junit.contains("<error type=\"run\" message=\"invalid, the generator was the limit"), "{junit}");
    assert!(read(out.join("summary.md")).starts_with("### ⚠️ Replay invalid: "));
    report(&out, 4, &[], &["1 FAILED"]);
}

#[test]
fn an_interrupted_run_is_130_with_what_its_thresholds_say_so_far() {
    let folder = folder();
    let lines: Vec<String> = (0..6_000).map(|number| line(number * 10, number % 7 + 1, "GET", "/cart")).collect();
    let (session, out) = (session(folder.path(), "s", &lines), inside(&folder, "run"));
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() && socket.write_all(ERROR).is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (to, rule) = (format!("http://{address}"), ["--fail-if", "status_rate(5xx) > 1%"]);
    let arguments = ["replay", &text(&session), "--target", &to, "--out", &text(&out)].map(str::to_owned);
    let process = Process::start(reenact(arguments).args(rule));
    support::wait_for("the run to be under way", || (answered.load(Ordering::Relaxed) > 50).then_some(()));
    process.signal("INT");
    let said = process.finish();
    assert_eq!(said.code, 130, "{said:?}");
    assert!(read(out.join("summary.md")).starts_with("### ⚠️ Replay interrupted"), "{said:?}");
    assert_eq!(thresholds(&out)[0]["outcome"], "failed");
}

#[test]
fn loss_comes_after_thresholds() {
    let folder = folder();
    let (session, to) = (gets(folder.path(), "s", 100), format!("http://{}", target(ok)));
    let shed = ["--budget-requests", "50", "--fail-if"];
    let (held, failed) = (inside(&folder, "held"), inside(&folder, "failed"));
    replay(&session, &to, &held, 3, &[&shed[..], &["error_rate > 0%"]].concat());
    let said = replay(&session, &to, &failed, 1, &[&shed[..], &["shed_rate > 10%"]].concat());
    assert!(said.out.contains("FAILED shed_rate was 50 %"), "{}", said.out);
}

#[test]
fn a_report_judges_by_the_runs_own_rules_or_by_others() {
    let folder = folder();
    let (session, out) = (shop(folder.path()), inside(&folder, "run"));
    replay(&session, &failing_carts(), &out, 1, &["--fail-if", "status_rate(5xx) in any 1s > 1%"]);
    let before = std::fs::read(out.join("run.json")).unwrap();
    std::fs::remove_file(out.join("junit.xml")).unwrap();
    report(&out, 1, &[], &["0 of 1 held, 1 FAILED", "junit.xml", "summary.md"]);
    assert!(read(out.join("junit.xml")).contains("failures=\"1\""));
    report(&out, 0, &["--fail-if", "p50 > 20s"], &["1 of 1 held"]);
    let said = ["FAILED status_rate(5xx, GET /cart) was 100 %", "since 0 s, in ", " seconds; look at trace "];
    report(&out, 1, &["--fail-if", "status_rate(5xx, GET /cart) > 1%"], &said);
    let said = ["FAILED status_rate(5xx, GET /cart) was 100 % in the worst 2s", "from 0 s on, in "];
    report(&out, 1, &["--fail-if", "status_rate(5xx, GET /cart) in any 2s > 1%"], &said);
    report(&out, 2, &["--fail-if", "p50(GET /basket) > 1s"], &["names like it: `GET /cart`"]);
    assert_eq!(std::fs::read(out.join("run.json")).unwrap(), before, "a report changes no result");
    // Without the log of requests nobody knows what happened when.
    std::fs::remove_file(out.join("requests.jsonl.zst")).unwrap();
    report(&out, 1, &["--fail-if", "status_rate(5xx) > 1%"], &["when it began no request log says"]);
    report(&out, 0, &["--fail-if", "status_rate(5xx) in any 2s > 1%"], &["since no request log (requests.jsonl.zst)"]);
}

#[test]
fn merged_shards_are_judged_as_one_run() {
    let folder = folder();
    let (session, to) = (shop(folder.path()), failing_carts());
    let rules = ["--fail-if", "p99 > 20s", "--fail-if", "requests < 300", "--fail-if", "status(500) in any 3s > 50"];
    let shards: Vec<PathBuf> = (1..=2)
        .map(|number| {
            let out = inside(&folder, &format!("shard-{number}"));
            // A shard alone has too few requests.
            let said = replay(&session, &to, &out, 1, &[&["--shard", &format!("{number}/2")][..], &rules].concat());
            assert!(said.out.contains("FAILED requests was "), "{}", said.out);
            out
        })
        .collect();
    let whole = inside(&folder, "whole");
    let arguments =
        ["report", &text(&shards[0]), &text(&shards[1]), "--out", &text(&whole), "--output", "csv,openmetrics"];
    let said = reenact_says(arguments);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("held requests was 300 (limit 300)"), "{}", said.out);
    assert!(said.out.contains("FAILED status(500) was ") && said.out.contains(" in the worst 3s"), "{}", said.out);
    assert_eq!(thresholds(&whole).len(), 3);
    for file in ["run.json", "report.html", "summary.md", "junit.xml", "endpoints.csv", "timeline.csv", "metrics.txt"] {
        assert!(whole.join(file).exists(), "{file}");
    }
}
