//! A run that is watched, from outside: on a terminal, as lines, as a stream of JSON, by Prometheus.

#[path = "watched/mod.rs"]
mod instruments;
mod scripted;
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use instruments::{Terminal, python};
use scripted::{gets, line, ok, read_head, session, target};
use serde_json::Value;
use support::{Process, folder, inside, reenact, reenact_says, run_json, text, wait_for};

/// A session of one request every 20 ms, by a few clients, for so many seconds.
fn steady(folder: &Path, seconds: u64) -> String {
    let get = |at: u64| line(at * 20, at % 7 + 1, "GET", if at.is_multiple_of(3) { "/cart" } else { "/item/1" });
    text(&session(folder, "s", &(0..seconds * 50).map(get).collect::<Vec<_>>()))
}

/// The command that replays it, for a shell.
fn command(session: &str, to: &str, out: &Path, more: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_reenact");
    let out = text(out);
    format!("env REENACT_LAG_LIMIT=strained=1h,invalid=1h {binary} replay {session} --target {to} --out {out} {more}")
}

fn url(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}

#[test]
fn a_run_is_shown_on_a_terminal_which_is_as_before_when_it_is_over() {
    let folder = folder();
    let to = url(target(ok));
    let out = inside(&folder, "run");
    let command = command(&steady(folder.path(), 4), &to, &out, "");
    let terminal = Terminal::start(folder.path(), 100, 34, &command);
    let shown = terminal.wait_for(&["RUNNING", "of 50/s planned", "GET /item/{id}", "GET /cart", "d drain", "to go"]);
    for part in ["reenact  1x  to http://127.0.0.1", "requests a second", "response time", "lag", "generator"] {
        assert!(shown.contains(part), "no `{part}`:\n{shown}");
    }
    assert_eq!(terminal.state(), (true, false), "{shown}");
    let shown = terminal.wait_for_end(0);
    // The results are where they always are.
    assert!(shown.contains("200 planned, 200 sent, 200 answered") || shown.contains("verdict"), "{shown}");
    terminal.press("typed");
    terminal.wait_for(&["typed"]);
    assert_eq!(run_json(&out)["sent"], 200);
}

#[test]
fn the_terminal_may_be_small_and_change_its_size() {
    let folder = folder();
    let to = url(target(ok));
    let command = command(&steady(folder.path(), 30), &to, &inside(&folder, "run"), "");
    let terminal = Terminal::start(folder.path(), 40, 10, &command);
    let shown = terminal.wait_for(&["RUNNING", "of 50/s planned", "q quit", "p99"]);
    assert!(!shown.contains("requests a second"), "{shown}");
    terminal.resize(100, 34);
    terminal.wait_for(&["RUNNING", "requests a second", "GET /cart", "q quit"]);
    terminal.resize(30, 5);
    let shown = terminal.wait_for(&["RUNNING", "q quit", "rate"]);
    assert!(!shown.contains("GET /cart"), "{shown}");
    terminal.resize(80, 24);
    terminal.press("q");
    terminal.wait_for(&["Quit, and give up"]);
    terminal.press("n");
    terminal.wait_for(&["d drain"]);
    terminal.press("q");
    terminal.wait_for(&["Quit, and give up"]);
    terminal.press("y");
    terminal.wait_for_end(130);
}

#[test]
fn draining_waits_for_answers_and_quitting_does_not() {
    let folder = folder();
    // Nobody is answered before everybody may be.
    let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            let _ = released.lock().unwrap().recv();
            let _ = socket.write_all(scripted::OK);
        }
    });
    let out = inside(&folder, "run");
    let command = command(&steady(folder.path(), 30), &url(address), &out, "");
    let terminal = Terminal::start(folder.path(), 90, 20, &command);
    terminal.wait_for(&["RUNNING", "in flight"]);
    wait_for("requests under way", || (!terminal.screen().contains(" 0 in flight")).then_some(()));
    terminal.press("d");
    terminal.wait_for(&["DRAINING", "waiting for answers"]);
    drop(release);
    terminal.wait_for_end(130);
    let result = run_json(&out);
    assert_eq!((&result["interrupted"], &result["errors"]), (&true.into(), &serde_json::json!({})), "{result}");
    assert!(result["completed"].as_u64() > Some(0) && result["shed"]["stopped"].as_u64() > Some(0), "{result}");
}

#[test]
fn a_signal_restores_the_terminal_and_the_keyboard_sends_one_too() {
    for by_key in [true, false] {
        let folder = folder();
        let to = url(target(ok));
        let pid = inside(&folder, "pid");
        let replay = command(&steady(folder.path(), 30), &to, &inside(&folder, "run"), "");
        // A shell of its own, so that the number is that of the replay.
        let command = format!("sh -c 'echo $$ > {}; exec {replay}'", text(&pid));
        let terminal = Terminal::start(folder.path(), 80, 50, &command);
        terminal.wait_for(&["RUNNING", "of 50/s planned"]);
        if by_key {
            terminal.press("C-c");
        } else {
            let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        }
        let shown = terminal.wait_for_end(130);
        assert!(shown.contains("interrupted: waiting for the answers under way"), "{shown}");
    }
}

#[test]
fn without_a_terminal_there_is_a_line_now_and_then_and_standard_output_is_for_results() {
    let folder = folder();
    let (session, to) = (steady(folder.path(), 4), url(target(ok)));
    let replay = |out: &str, more: &[&str]| {
        let out = text(&inside(&folder, out));
        reenact_says(["replay", &session, "--target", &to, "--out", &out].iter().chain(more))
    };
    let said = replay("every", &["--progress-every", "1s"]);
    let lines: Vec<&str> = said.err.lines().filter(|line| line.contains(" s of 4  ")).collect();
    assert!((2..=3).contains(&lines.len()) && lines[0].contains(" of 200 sent  ") && said.code == 0, "{said:?}");
    assert!(said.err.bytes().all(|byte| byte != 0x1b && byte != b'\r'), "{said:?}");
    assert!(said.out.contains("verdict") && !said.out.contains(" s of 4  "), "{said:?}");
    let said = replay("none", &["--progress", "none", "--progress-every", "1s"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    for (bad, why) in [
        (&["--progress", "dashboard"][..], "needs a terminal"),
        (&["--progress-every", "10ms"], "once a second at most"),
        (&["--json", "--json-stream", "-"], "cannot be used with"),
        (&["--json-stream", "/nowhere/x"], "cannot write --json-stream to /nowhere/x"),
        (&["--prometheus", "203.0.113.1:1"], "cannot listen on 203.0.113.1:1"),
        (&["--prometheus", "here"], "`here` is no address"),
    ] {
        let said = replay("bad", bad);
        assert!(said.code == 2 && said.err.contains(why) && !inside(&folder, "bad").exists(), "{bad:?}: {said:?}");
    }
}

#[test]
fn the_stream_says_each_second_and_sums_to_the_result() {
    let folder = folder();
    let session = steady(folder.path(), 3);
    let to = url(target(ok));
    let (out, stream) = (inside(&folder, "run"), inside(&folder, "stream.jsonl"));
    let replay = |out: &Path, stream: &str| {
        reenact_says(["replay", &session, "--target", &to, "--out", &text(out), "--json-stream", stream])
    };
    let said = replay(&out, &text(&stream));
    assert_eq!(said.code, 0, "{said:?}");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/live.schema.json");
    let check = |stream: &Path, out: &Path| {
        let said = python("stream.py", &[&text(&schema), &text(stream), &text(&out.join("run.json"))]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("150 requests"), "{said:?}");
    };
    check(&stream, &out);
    // A file that is there stays as it is.
    let again = inside(&folder, "again");
    let said = replay(&again, &text(&stream));
    assert!(said.code == 2 && said.err.contains("name a file that is not there yet") && !again.exists(), "{said:?}");
    // On standard output there is nothing else.
    let out = inside(&folder, "piped");
    let said = replay(&out, "-");
    std::fs::write(inside(&folder, "piped.jsonl"), &said.out).unwrap();
    check(&inside(&folder, "piped.jsonl"), &out);
}

#[test]
fn a_reader_of_the_stream_that_does_not_read_stops_nothing() {
    let folder = folder();
    let session = steady(folder.path(), 2);
    let (to, out, pipe) = (url(target(ok)), inside(&folder, "run"), inside(&folder, "pipe"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Opened for both, so that nobody waits for the other end; a pipe holds 64 KiB, and nobody empties it.
    let full = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    rustix::io::ioctl_fionbio(&full, true).unwrap();
    while (&full).write(&[b'x'; 4096]).is_ok() {}
    let said = reenact_says(["replay", &session, "--target", &to, "--out", &text(&out), "--json-stream", &text(&pipe)]);
    assert!(said.code == 0 && said.err.contains("nobody read its last lines in time"), "{said:?}");
    assert_eq!(run_json(&out)["sent"], 100);
}

#[test]
fn a_pipe_that_nobody_reads_is_waited_for_until_a_signal() {
    let folder = folder();
    let session = steady(folder.path(), 1);
    let (to, pipe, told) = (url(target(ok)), inside(&folder, "pipe"), inside(&folder, "told"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let hook = format!("cat >> {}", text(&told));
    let start = |out: &Path| {
        let arguments = ["replay", &session, "--target", &to, "--out", &text(out), "--json-stream", &text(&pipe)];
        Process::start(reenact(arguments).args(["--on-start", &hook, "--on-end", &hook]))
    };
    for signal in ["INT", "TERM"] {
        let out = inside(&folder, "none");
        let mut waiting = start(&out);
        waiting.wait_for_err("waiting for somebody to read ");
        waiting.signal(signal);
        let said = waiting.finish();
        assert!(said.code == 130 && said.err.contains("interrupted before anything was sent"), "{said:?}");
        // Nobody was told of a start, so that nobody is told of an end.
        assert!(!out.exists() && !told.exists() && pipe.exists(), "{said:?}");
    }
    let out = inside(&folder, "run");
    let mut waiting = start(&out);
    waiting.wait_for_err("waiting for somebody to read ");
    let lines = std::fs::read_to_string(&pipe).unwrap();
    assert_eq!(waiting.finish().code, 0);
    let kinds: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone()).collect();
    assert!(kinds.first() == Some(&"begin".into()) && kinds.last() == Some(&"end".into()), "{lines}");
    assert_eq!(run_json(&out)["sent"], 50);
}

#[test]
fn what_cannot_be_watched_as_asked_leaves_no_stream() {
    let folder = folder();
    let session = steady(folder.path(), 1);
    let (to, out, stream) = (url(target(ok)), inside(&folder, "run"), inside(&folder, "stream.jsonl"));
    let replay = ["replay", &session, "--target", &to, "--out", &text(&out), "--json-stream", &text(&stream)];
    for (refused, why) in [
        (["--prometheus", "203.0.113.1:1"], "cannot listen on 203.0.113.1:1"),
        (["--control", "/nowhere/x"], "cannot listen on /nowhere/x for --control"),
    ] {
        let said = reenact_says(replay.iter().chain(&refused));
        assert!(said.code == 2 && said.err.contains(why), "{said:?}");
        assert!(!stream.exists() && !out.exists(), "{refused:?}");
    }
    // The very same command goes through when nothing is in the way.
    let said = reenact_says(replay);
    assert!(said.code == 0 && stream.exists(), "{said:?}");
}

#[test]
fn prometheus_reads_a_run_while_it_goes_on_and_a_scraper_that_never_reads_slows_nothing() {
    let folder = folder();
    let session = steady(folder.path(), 4);
    let (to, out) = (url(target(ok)), inside(&folder, "run"));
    let arguments = ["replay", &session, "--target", &to, "--out", &text(&out), "--prometheus", "0"];
    let mut replay = Process::start(&mut reenact(arguments));
    let said = replay.wait_for_err("metrics for Prometheus at ");
    let address = said.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    // More than may be served at once: the others have to wait for their end, and are not served for ever.
    let mut silent = TcpStream::connect(&address).unwrap();
    silent.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let scraped = python("scrape.py", &[&format!("http://{address}/metrics"), "200"]);
    assert_eq!(scraped.code, 0, "{scraped:?}");
    let scraped: Value = serde_json::from_str(&scraped.out).unwrap();
    assert!(scraped["scrapes"].as_u64() > Some(5), "{scraped}");
    let values = scraped["values"].as_object().unwrap();
    let of = |start: &str| {
        let sum = values.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, value)| value.as_f64().unwrap());
        sum.sum::<f64>()
    };
    let completed = of("reenact_replay_requests_completed_total{");
    assert!((100.0..=200.0).contains(&completed), "{scraped}");
    assert_eq!(of("http_client_request_duration_seconds_count{"), completed, "{scraped}");
    assert_eq!(of("reenact_replay_lag_seconds_count{"), completed, "{scraped}");
    let cart = values.keys().find(|name| {
        ["http_request_method=GET", "url_template=/cart", "http_response_status_code=200", "server_address=127.0.0.1"]
            .iter()
            .all(|part| name.contains(part))
    });
    assert!(cart.is_some(), "{scraped}");
    assert_eq!(replay.finish().code, 0);
    assert_eq!(run_json(&out)["sent"], 200);
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
}

#[test]
fn every_way_of_watching_has_a_key_and_a_variable() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 20));
    let to = url(target(ok));
    let (config, stream, out) = (inside(&folder, "c.toml"), inside(&folder, "stream"), text(&inside(&folder, "run")));
    let keys = format!(
        "[replay]\nprogress = \"none\"\nprogress-every = \"2s\"\njson-stream = {:?}\nprometheus = \"127.0.0.1:0\"\n",
        text(&stream)
    );
    std::fs::write(&config, keys).unwrap();
    let said = reenact_says(["replay", &session, "--target", &to, "--out", &out, "--config", &text(&config)]);
    assert!(said.code == 0 && said.err.contains("metrics for Prometheus at http://127.0.0.1:"), "{said:?}");
    assert!(std::fs::read_to_string(&stream).unwrap().contains("\"type\":\"end\""));
    let out = text(&inside(&folder, "other"));
    let mut replay = reenact(["replay", &session, "--target", &to, "--out", &out]);
    let other = inside(&folder, "stream2");
    replay.env("REENACT_JSON_STREAM", &other).env("REENACT_PROGRESS", "none").env("REENACT_PROMETHEUS", "0");
    let said = support::run(&mut replay);
    assert!(said.code == 0 && said.err.lines().count() == 1 && other.exists(), "{said:?}");
}
