//! What whoever operates a recorder does to it, from outside, and what docs/operating.md promises: the routes of `--admin`,
//! sessions that begin and end when asked, metrics, handover, the config read again, log lines as JSON.
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod operated;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use formats::model::GapReason;
use operated::{Client, Operated, curl, service};
use serde_json::Value;
use support::{Process, cat, exchanges, files, folder, inside, reenact, text, wait_for};

/// The page that names everything.
const PAGE: &str = include_str!("../docs/operating.md");

#[test]
fn routes_answer_over_tcp_and_over_a_unix_socket() {
    let folder = folder();
    let socket = format!("unix:{}", text(&inside(&folder, "admin.sock")));
    for (number, admin) in ["127.0.0.1:0", &socket].into_iter().enumerate() {
        let out = inside(&folder, &number.to_string());
        let recorder = Operated::start_at("127.0.0.1:0", admin, service(), &out, &[]);
        assert_eq!(recorder.get("/livez"), "alive\n");
        assert_eq!(recorder.get("/readyz"), "ready\n");
        assert!(recorder.get("/metrics").contains("\nreenact_recording 1\n"));
        assert_eq!(recorder.recording()["state"], "recording");
        assert_eq!(recorder.ask("/nowhere", &[]).0, 404);
        assert_eq!(recorder.ask("/recording/nowhere", &["-X", "POST"]).0, 404);
        assert_eq!(recorder.ask("/livez", &["-X", "POST"]).0, 405);
        assert_eq!(recorder.ask("/recording/stop", &[]).0, 405, "a GET changes nothing");
        assert_eq!(recorder.recording()["state"], "recording");
        recorder.end();
    }
    assert!(
        !inside(&folder, "admin.sock").exists()
            || std::os::unix::net::UnixStream::connect(inside(&folder, "admin.sock")).is_err()
    );
}

#[test]
fn a_recorder_that_ends_is_alive_and_not_ready() {
    let folder = folder();
    let recorder = Operated::start(service(), &inside(&folder, "s"), &["--drain", "3s"]);
    let mut client = Client::connect(&recorder.address).unwrap();
    assert!(client.get("/before"));
    recorder.process.signal("TERM");
    wait_for("the end of readiness", || (recorder.ask("/readyz", &[]).0 == 503).then_some(()));
    assert_eq!(recorder.get("/livez"), "alive\n");
    assert!(client.get("/after"), "traffic is passed on");
    drop(client);
    assert_eq!(recorder.process.finish().code, 0);
    assert_eq!(exchanges(&inside(&folder, "s")).len(), 1, "the session was closed before");
}

#[test]
fn recording_is_for_this_machine_and_for_no_page() {
    let folder = folder();
    let mut recorder = Operated::start(service(), &inside(&folder, "s"), &["--admin", "0.0.0.0:0"]);
    let local = format!("http://127.0.0.1:{}", recorder.admin_port());
    let open = recorder.process.wait_for_err("operated at http://0.0.0.0:");
    assert!(!open.contains("/recording"), "{open}");
    let open_port = open.split("0.0.0.0:").nth(1).unwrap().split(':').next().unwrap();
    let stop = |base: &str, more: &[&str]| curl(&format!("{base}/recording/stop"), &[&["-X", "POST"], more].concat()).0;
    assert_eq!(stop(&local, &["-H", "Origin: http://evil.example"]), 403);
    assert_eq!(curl(&format!("{local}/recording"), &["-H", "Origin: null"]).0, 403);
    // A page whose name was made to resolve to loopback.
    assert_eq!(stop(&local, &["-H", "Host: evil.example"]), 403);
    assert_eq!(curl(&format!("{local}/recording"), &["-H", "Host: evil.example"]).0, 403);
    // Where others can connect, also a caller on this machine may be somebody's proxy.
    let open = format!("http://127.0.0.1:{open_port}");
    assert_eq!(stop(&open, &[]), 403);
    let (status, why) = curl(&format!("{open}/recording"), &[]);
    assert!(status == 403 && why.contains("second --admin"), "{status} {why}");
    assert_eq!(curl(&format!("{open}/readyz"), &[]).0, 200);
    assert_eq!(curl(&format!("{local}/recording"), &["-H", "Host: localhost"]).0, 200);
    assert_eq!(curl(&format!("{local}/recording"), &[]).0, 200);
    assert_eq!(stop(&local, &[]), 200);
    recorder.process.signal("TERM");
    recorder.process.finish();
}

#[test]
fn sessions_begin_end_and_rotate_when_asked_and_metrics_only_grow() {
    let folder = folder();
    let recorder = Operated::start(service(), &inside(&folder, "s"), &["--flush-interval", "50ms"]);
    let mut client = Client::connect(&recorder.address).unwrap();
    let mut before: BTreeMap<String, f64> = BTreeMap::new();
    let mut traffic = |count: usize| {
        for number in 0..count {
            assert!(client.get(&format!("/{number}")));
        }
    };
    let mut grown = |written: f64| {
        let now = wait_for("exchanges in the metrics", || {
            let now = recorder.metrics();
            (now["reenact_exchanges_total"] == written).then_some(now)
        });
        for (series, value) in &before {
            let is_counter = !matches!(series.split('{').next(), Some(name) if is_gauge(name));
            assert!(!is_counter || now[series] >= *value, "{series} fell from {value} to {}", now[series]);
        }
        before = now;
    };
    traffic(5);
    grown(5.0);
    let (status, state) = recorder.act("rotate", "");
    assert_eq!((status, &state["state"]), (202, &Value::from("recording")));
    wait_for("a second segment", || (recorder.recording()["current"]["segments"] == 2).then_some(()));
    traffic(5);
    grown(10.0);
    let (status, state) = recorder.act("stop", "");
    assert_eq!((status, &state["state"], &state["ended"][0]["exchanges"]), (200, &"stopped".into(), &10.into()));
    assert_eq!(recorder.act("stop", "").0, 409);
    assert_eq!(recorder.act("rotate", "").0, 409);
    traffic(3);
    grown(10.0);
    assert_eq!(recorder.act("start", r#"{"max-exchange": 3}"#).0, 400, "an unknown key");
    let (status, state) = recorder.act("start", r#"{"max-exchanges": 3}"#);
    assert_eq!(status, 201, "{state}");
    assert_eq!(state["current"]["session"], text(&inside(&folder, "s-2")));
    assert_eq!(recorder.act("start", "").0, 409);
    drop(client);
    // A connection that was there before is taken up where it is idle; a new one always is.
    let mut client = Client::connect(&recorder.address).unwrap();
    for number in 0..5 {
        assert!(client.get(&format!("/budget/{number}")), "traffic goes on past the budget");
    }
    wait_for("the end of the budget", || (recorder.recording()["state"] == "stopped").then_some(()));
    grown(13.0);
    drop(client);
    let ended = recorder.end();
    assert_eq!(ended["exchanges"], 13);
    assert_eq!(ended["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(exchanges(&inside(&folder, "s")).len(), 10);
    assert_eq!(exchanges(&inside(&folder, "s-2")).len(), 3);
}

/// What may fall.
fn is_gauge(name: &str) -> bool {
    let documented = rows().find(|row| row[0] == name);
    documented.is_some_and(|row| row[1] == "gauge")
}

/// The rows of the page's table of metrics: name, kind, meaning.
fn rows() -> impl Iterator<Item = Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    PAGE.lines().filter(|line| line.starts_with("| `reenact_") || line.starts_with("| `process_")).map(cells)
}

#[test]
fn the_page_names_every_metric_and_every_reason_of_a_gap() {
    let folder = folder();
    let recorder = Operated::start(service(), &inside(&folder, "s"), &[]);
    let metrics = recorder.get("/metrics");
    let printed: BTreeSet<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').map(|(name, kind)| (name.to_owned(), kind.to_owned())).unwrap())
        .collect();
    let named: BTreeSet<_> = rows().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(printed, named);
    let is_row = |name: &str| PAGE.lines().any(|line| line.starts_with(&format!("| `{name}` |")));
    for reason in GapReason::ALL {
        assert!(is_row(reason.name()), "{} is not explained", reason.name());
    }
    // Every value of a label is on the page.
    let values = metrics.lines().filter_map(|line| line.split_once("=\"")?.1.split_once('"').map(|(value, _)| value));
    for value in values.filter(|value| value.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
        assert!(PAGE.contains(&format!("`{value}`")), "{value} is not explained");
    }
    recorder.end();
}

#[test]
fn two_handovers_in_a_row_refuse_nobody_and_cut_nothing() {
    let folder = folder();
    let (service, out) = (service(), inside(&folder, "s"));
    let handover = text(&inside(&folder, "handover.sock"));
    let start = |listen: &str| Operated::start_at(listen, "127.0.0.1:0", service, &out, &["--handover", &handover]);
    let mut first = start("127.0.0.1:0");
    let address = first.address.clone();
    let mut kept = Client::connect(&address).unwrap();
    assert!(kept.get("/kept"));
    let stop = Arc::new(AtomicBool::new(false));
    let (to, stopped) = (address.clone(), Arc::clone(&stop));
    // Connects again and again; the first failure ends the test.
    let visitors = std::thread::spawn(move || {
        let mut visits = 0;
        while !stopped.load(Ordering::Relaxed) {
            let mut client = Client::connect(&to).unwrap();
            assert!(client.get(&format!("/visit/{visits}")), "visit {visits} failed");
            visits += 1;
        }
        visits
    });
    // One that cannot have its operator's address ends before it asks for anything.
    let (admin, upstream) = (format!("127.0.0.1:{}", first.admin_port()), format!("http://{service}"));
    let mut refused = reenact(["record", "--listen", &address, "--upstream", &upstream, "--admin", &admin]);
    let said = support::run(refused.args(["--handover", &handover, "--out"]).arg(&out));
    assert!(said.code == 2 && said.err.contains("--admin"), "{said:?}");
    assert_eq!(first.get("/readyz"), "ready\n");
    // So does one whose successor could not ask it.
    let mut refused = reenact(["record", "--listen", &address, "--upstream", &upstream]);
    let said = support::run(refused.args(["--handover", "/nonexistent/x.sock", "--out"]).arg(&out));
    assert!(said.code == 2 && said.err.contains("--handover"), "{said:?}");
    assert_eq!(first.get("/readyz"), "ready\n");
    let mut second = start(&address);
    first.process.wait_for_err("another process has taken over");
    assert_eq!(first.ask("/readyz", &[]).0, 503);
    let third = start(&address);
    second.process.wait_for_err("another process has taken over");
    assert_eq!(second.process.wait().code(), Some(0), "it has no connections left");
    assert!(kept.get("/kept"), "the first process keeps its connection");
    stop.store(true, Ordering::Relaxed);
    let visits = visitors.join().unwrap();
    assert!(first.process.is_running());
    drop(kept);
    assert_eq!(first.process.wait().code(), Some(0));
    third.end();
    assert!(!files(folder.path()).iter().any(|file| text(file).contains("handover.sock.")), "it was moved");
    let recorded = |name: &str| exchanges(&inside(&folder, name)).len();
    assert_eq!(recorded("s") + recorded("s-2") + recorded("s-3"), visits + 2, "every request is in one session");
    assert!(recorded("s-3") > 0);
}

#[test]
fn the_config_is_read_again_and_says_what_holds_when() {
    let folder = folder();
    let file = inside(&folder, "record.toml");
    // As editors do it: never half a file.
    let write = |text: &str| {
        let other = inside(&folder, "record.toml.new");
        std::fs::write(&other, text).unwrap();
        std::fs::rename(other, &file).unwrap();
    };
    write("[record]\nexclude = [\"/first\"]\n");
    let out = inside(&folder, "s");
    let mut recorder = Operated::start(service(), &out, &["--config", &text(&file), "--sample", "100%"]);
    let pass = |recorder: &Operated| {
        let mut client = Client::connect(&recorder.address).unwrap();
        assert!(client.get("/first") && client.get("/second") && client.get("/third"));
    };
    let paths = |session: &Path| -> Vec<String> {
        let heads = exchanges(session).into_iter().map(|one| one.to_string());
        ["/first", "/second", "/third"]
            .into_iter()
            .filter(|path| heads.clone().any(|one| one.contains(path)))
            .map(str::to_owned)
            .collect()
    };
    pass(&recorder);

    // A change is seen without being asked for; the session that goes on keeps what it began with, a flag stays first.
    write("[record]\nexclude = [\"/second\"]\nsample = \"1%\"\nlog-level = \"info\"\nthreads = 2\n");
    let said = recorder.process.wait_for_err("was read again");
    assert!(
        said.ends_with("log-level: now in use; exclude: from the next session on; threads: only after a restart"),
        "{said}"
    );
    pass(&recorder);
    recorder.act("stop", "");
    recorder.act("start", "");
    pass(&recorder);
    recorder.act("stop", "");
    assert_eq!(paths(&out), ["/second", "/third"]);
    assert_eq!(paths(&inside(&folder, "s-2")), ["/first", "/third"]);
    let header = cat(&inside(&folder, "s-2"))[0].to_string();
    assert!(header.contains("/second"), "the header says what is left out: {header}");

    // What cannot be used changes nothing.
    write("[record]\nexclude = [\"/third\"]\nkeep-size = \"much\"\n");
    recorder.process.signal("HUP");
    recorder.process.wait_for_err("cannot be used; nothing changes");
    assert!(recorder.process.err().contains("keep-size"), "it says what: {}", recorder.process.err());
    // At the level `info`, which the file asks for by now.
    recorder.process.wait_for_err("and authorities for");
    recorder.act("start", "");
    pass(&recorder);
    recorder.act("stop", "");
    assert_eq!(paths(&inside(&folder, "s-3")), ["/first", "/third"]);

    // A pair of its own cannot come in later.
    write("[record]\nexclude = [\"/second\"]\n[[pair]]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:1\"\n");
    recorder.process.signal("HUP");
    recorder.process.wait_for_err("[[pair]]: only after a restart");
    recorder.end();
}

#[test]
fn json_lines_have_time_level_target_and_message() {
    let folder = folder();
    let arguments = ["record", "--listen", "127.0.0.1:0", "--log-format", "json", "--drain", "0s"];
    let upstream = format!("http://{}", service());
    let mut recorder = Process::start(
        reenact(arguments)
            .args(["--upstream", &upstream, "--out", &text(&inside(&folder, "s"))])
            .env("REENACT_LOG_LEVEL", "debug"),
    );
    recorder.wait_for_err("listening on ");
    recorder.signal("TERM");
    let said = recorder.finish();
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<Value> = said.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |text: &str| lines.iter().find(|line| line["message"].as_str().unwrap().contains(text)).unwrap();
    assert_eq!(
        (&find("listening on ")["level"], &find("listening on ")["target"]),
        (&"info".into(), &"reenact".into())
    );
    assert_eq!(find("sees every client as local")["level"], "warn");
    for line in &lines {
        humantime::parse_rfc3339(line["time"].as_str().unwrap()).unwrap();
        assert!(line["target"].is_string());
    }
    // A failure is a line as well; each table of the file has its own choice.
    let file = inside(&folder, "config.toml");
    std::fs::write(&file, "[record]\nlog-format = \"json\"\nlog-level = \"error\"\n").unwrap();
    let said = support::run(reenact(["record", "--config", &text(&file)]).args(["--listen", "127.0.0.1:0"]));
    let line: Value = serde_json::from_str(said.err.trim_end()).unwrap();
    assert_eq!((said.code, &line["level"]), (2, &"error".into()));
    assert!(line["message"].as_str().unwrap().contains("--upstream"), "{line}");
    let said = support::run(
        reenact(["record", "--config", &text(&file), "--log-format", "text", "--listen", "x"]).arg("--json"),
    );
    assert!(said.err.starts_with("error: "), "a flag comes before the file: {}", said.err);
    // Other commands have the same choice, before or after their names.
    let said = support::run(&mut reenact(["--log-format", "json", "inspect", "/nowhere"]));
    let line: Value = serde_json::from_str(said.err.trim_end()).unwrap();
    assert!(said.code == 2 && line["message"].as_str().unwrap().contains("/nowhere"), "{line}");
    let said = support::run(&mut reenact(["record", "--log-level", "loud"]));
    assert!(said.code == 2 && said.err.contains("trace"), "{}", said.err);
}

#[test]
fn a_service_that_is_restarted_records_beside_its_last_session() {
    let folder = folder();
    let (service, out) = (service(), inside(&folder, "s"));
    for name in ["s", "s-2", "s-3"] {
        let recorder = Operated::start(service, &out, &["--when-taken", "beside"]);
        assert!(Client::connect(&recorder.address).unwrap().get("/"));
        assert_eq!(recorder.end()["session"], text(&inside(&folder, name)));
    }
    let upstream = format!("http://{service}");
    let said = support::run(reenact(["record", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--out"]).arg(&out));
    assert_eq!(said.code, 2, "it is refused unless that is asked for: {}", said.err);
}
