//! Whatever hosts were recorded, each request gets to its own target and nowhere else: from connections that carried requests
//! for several hosts, or of several clients, as behind a proxy or a load balancer; through a proxy; with recorded absolute
//! targets.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scripted::tls::Authority;
use scripted::{OK, gets, line, nobody, proxy, read_head, session, target, tls};
use serde_json::{Value, json};
use support::{Said, folder, inside, reenact_says, run_json, text};

/// What came to a target, and on which connection: by its client's address.
type Came = (&'static str, SocketAddr, What);

/// All that came to targets, in this order.
type Log = Arc<Mutex<Vec<Came>>>;

#[derive(Debug, Clone)]
enum What {
    Connection,
    Head(String),
    End,
}

impl What {
    fn head(&self) -> Option<&str> {
        match self {
            Self::Head(head) => Some(head),
            Self::Connection | Self::End => None,
        }
    }

    /// The last part of a head's path, or what became of the connection.
    fn word(&self) -> &str {
        match self {
            Self::Connection => "made",
            Self::Head(head) => path(head).rsplit_once('/').unwrap().1,
            Self::End => "over",
        }
    }
}

/// A target that notes what comes and answers 200.
fn keeper(name: &'static str, log: &Log) -> String {
    let log = Arc::clone(log);
    let address = target(move |mut socket| {
        let Ok(peer) = socket.peer_addr() else { return };
        let note = |what| log.lock().unwrap().push((name, peer, what));
        note(What::Connection);
        while let Some(head) = read_head(&mut socket) {
            note(What::Head(String::from_utf8(head).unwrap()));
            if socket.write_all(OK).is_err() {
                break;
            }
        }
        note(What::End);
    });
    format!("http://{address}")
}

/// Takes the heads that came to a target out of what came to all.
fn heads(log: &Log, name: &str) -> Vec<String> {
    let mut log = log.lock().unwrap();
    let own = log.extract_if(.., |one| one.0 == name);
    own.filter_map(|one| one.2.head().map(str::to_owned)).collect()
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// A request of a client on connection 7, for `HOST/PATH`.
fn on_seven(at_ms: u64, end_ms: u64, client: u64, url: &str) -> String {
    let (host, _) = url.split_once('/').unwrap();
    let mut line: Value = serde_json::from_str(&line(at_ms, client, "GET", &format!("/{url}"))).unwrap();
    line["client"] = json!(format!("named-{client:016x}"));
    line["connection"] = json!(7);
    line["request"]["headers"] = json!([["Host", host], ["Authorization", "Bearer s3cret"]]);
    line["instants_ns"]["response_end"] = json!(end_ms * 1_000_000 + 1);
    line.to_string()
}

/// One connection with ten requests, for two hosts by turns.
fn by_turns(folder: &Path) -> PathBuf {
    let url = |number: u64| format!("{}.example/{number}", if number.is_multiple_of(2) { "a" } else { "b" });
    let lines: Vec<String> = (0..10).map(|number| on_seven(number * 30, number * 30, 1, &url(number))).collect();
    session(folder, "s", &lines)
}

#[track_caller]
fn replay(session: &Path, out: &Path, more: &[&str]) -> (Said, Value) {
    let (session, path) = (text(session), text(out));
    let said = reenact_says(["replay", &session, "--out", &path].iter().chain(more));
    assert_eq!(said.code, 0, "{more:?}: {said:?}");
    let run = run_json(out);
    assert!(run["completed"] == run["planned"] && run["errors"] == json!({}), "{more:?}: {run:#}");
    (said, run)
}

#[test]
fn hosts_of_one_connection_go_to_their_own_targets() {
    let folder = folder();
    let session = by_turns(folder.path());
    let expected =
        |host: &str, first: u64| [0, 2, 4, 6, 8].map(|turn| format!("/{host}.example/{}", first + turn)).to_vec();
    for (number, more) in [
        &[][..],
        &["--keep-host"],
        &["--when-busy", "queue"],
        &["--rate", "max"],
        &["--loop-model", "causal"],
        &["--loop-model", "closed"],
        &["--method", "warp"],
    ]
    .iter()
    .enumerate()
    {
        let log = Log::default();
        let maps = [("a", &log), ("b", &log)].map(|(name, log)| format!("{name}.example={}", keeper(name, log)));
        let all = [&["--map", &*maps[0], "--map", &*maps[1]], *more].concat();
        let (_, run) = replay(&session, &inside(&folder, &number.to_string()), &all);
        for (name, first) in [("a", 0), ("b", 1)] {
            let mut paths: Vec<String> = heads(&log, name).iter().map(|head| path(head).to_owned()).collect();
            paths.sort();
            assert_eq!(paths, expected(name, first), "{more:?}");
        }
        if more.contains(&"queue") || more.contains(&"max") {
            assert_eq!(run["connections"]["opened"], 2, "{more:?}");
        }
    }
}

#[test]
fn a_plan_counts_recorded_connections_once_and_those_of_the_run_for_each_target() {
    let folder = folder();
    let session = text(&by_turns(folder.path()));
    let plan = |maps: &[&str]| -> Value {
        let said = reenact_says(["plan", &session, "--json"].iter().chain(maps));
        let plan: Value = serde_json::from_str(&said.out).unwrap();
        json!([plan["recorded_connections"], plan["peak"]["connections"]])
    };
    assert_eq!(plan(&[]), json!([1, 1]));
    assert_eq!(plan(&["--target", "http://x", "--map", "b.example=http://y"]), json!([1, 2]));
}

/// A target that does not answer a connection's first request before another is there, or half a second has passed; and
/// what came so.
fn patient() -> (String, Arc<Mutex<Vec<String>>>) {
    let behind = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&behind);
    let address = target(move |mut socket| {
        if read_head(&mut socket).is_none() {
            return;
        }
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        if let Some(head) = read_head(&mut socket) {
            kept.lock().unwrap().push(path(&String::from_utf8(head).unwrap()).to_owned());
            socket.write_all(OK).unwrap();
        }
        socket.write_all(OK).unwrap();
    });
    (format!("http://{address}"), behind)
}

#[test]
fn requests_are_pipelined_behind_those_to_their_own_target() {
    let folder = folder();
    let urls = ["a.example/0", "b.example/1", "a.example/2", "b.example/3"];
    let lines: Vec<String> = (0..).zip(urls).map(|(number, url)| on_seven(number * 20, 300 + number, 1, url)).collect();
    let session = session(folder.path(), "s", &lines);
    for when_busy in ["extra", "queue"] {
        let ((a, at_a), (b, at_b)) = (patient(), patient());
        let (a, b) = (format!("a.example={a}"), format!("b.example={b}"));
        let more = ["--map", &a, "--map", &b, "--when-busy", when_busy];
        let (_, run) = replay(&session, &inside(&folder, when_busy), &more);
        let behind = [at_a, at_b].map(|behind| behind.lock().unwrap().clone());
        assert_eq!(behind, [["/a.example/2"], ["/b.example/3"]], "{when_busy}");
        assert_eq!(run["connections"]["opened"], 2);
    }
}

#[test]
fn what_was_recorded_for_https_is_not_sent_in_clear_text_beside_http() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let (log, (address, heard)) = (Log::default(), tls::keeper(authority.server("localhost", |_| {})));
    let (a, ca) = (format!("a.example={}", keeper("a", &log)), text(&authority.file));
    let b = format!("b.example=https://localhost:{}", address.port());
    replay(&by_turns(folder.path()), &inside(&folder, "run"), &["--map", &a, "--map", &b, "--tls-ca", &ca]);
    let heads = heads(&log, "a");
    assert!(heads.len() == 5 && heads.iter().all(|head| head.starts_with("GET /a.example/")), "{heads:?}");
    let heard = heard.lock().unwrap();
    let mut heads = heard.iter().map(|one| &one.head);
    assert!(
        heads.len() == 5 && heads.all(|head| head.starts_with("GET /b.example/") && head.contains("Bearer s3cret"))
    );
}

#[test]
fn whom_an_absolute_target_names_is_not_loaded_without_leave() {
    let folder = folder();
    let log = Log::default();
    let to = keeper("recorded", &log);
    let authority = to.strip_prefix("http://").unwrap().replace("127.0.0.1", "localhost");
    let urls = [("GET", format!("http://robot:pass@{authority}/x")), ("CONNECT", authority)];
    for (number, (method, url)) in urls.iter().enumerate() {
        let lines = [line(0, 1, method, url), line(5, 1, "GET", "/")];
        let session = text(&session(folder.path(), &number.to_string(), &lines));
        let said = reenact_says(["replay", &session, "--target", &to, "--out", &text(&inside(&folder, "run"))]);
        assert!(said.code == 2 && said.err.contains("is the recorded origin (localhost:"), "{url}: {said:?}");
        assert!(!said.err.contains("pass"), "{said:?}");
    }
    assert_eq!(heads(&log, "recorded"), Vec::<String>::new());
}

#[test]
fn a_map_that_nothing_matches_is_said_and_its_target_may_be_away() {
    let folder = folder();
    let session = gets(folder.path(), "s", 20);
    let to = keeper("target", &Log::default());
    let away = nobody();
    let typo = format!("recorded.invaild=http://{away}");
    let warning = "warning: --map recorded.invaild=…: no recorded request was for it";
    // Also of a spool that was kept, when nothing is read again.
    let spools = inside(&folder, "spools");
    std::fs::create_dir(&spools).unwrap();
    let spools = text(&spools);
    let reuse = ["--map", &typo, "--spool", &spools, "--reuse-spool"];
    let warp = ["--map", &typo, "--method", "warp"];
    for (out, more) in [("plain", &reuse[..2]), ("made", &reuse), ("found", &reuse), ("warp", &warp)] {
        let (said, run) = replay(&session, &inside(&folder, out), &[&["--target", &to], more].concat());
        assert!(said.err.contains(warning) && run["notices"].to_string().contains("recorded.invaild"), "{said:?}");
    }
    // What is said of it is what to look at when the requests' own target is away.
    let (session, away) = (text(&session), format!("http://{away}"));
    let said = reenact_says(["replay", &session, "--target", &away, "--map", &typo]);
    let at = |words: &str| said.err.find(words).unwrap_or_else(|| panic!("no `{words}`: {said:?}"));
    assert!(said.code == 2 && at(warning) < at("error: cannot connect to the target"), "{said:?}");
    let said = reenact_says(["replay", &session, "--target", &to, "--map", &format!("recorded.invalid={away}")]);
    assert!(said.code == 2 && said.err.contains("cannot connect to the target"), "{said:?}");
}

#[test]
fn sockets_are_told_apart_and_from_localhost() {
    let folder = folder();
    let hosts = ["a", "b", "c"];
    let lines = (0..).zip(hosts.iter().cycle()).take(9);
    let lines = lines.map(|(number, host)| on_seven(number * 20, number * 20, 1, &format!("{host}.example/{number}")));
    let session = session(folder.path(), "s", &lines.collect::<Vec<_>>());
    let log = Log::default();
    let port = keeper("c", &log).rsplit_once(':').unwrap().1.to_owned();
    let [a, b] = ["a", "b"].map(|host| (inside(&folder, host), Arc::<Mutex<Vec<String>>>::default()));
    for (path, heads) in [&a, &b] {
        let (listener, heads) = (UnixListener::bind(path).unwrap(), Arc::clone(heads));
        std::thread::spawn(move || {
            for mut socket in listener.incoming().map(Result::unwrap) {
                while let Some(head) = read_head(&mut socket) {
                    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
                    socket.write_all(OK).unwrap();
                }
            }
        });
    }
    let maps = [format!("a.example=unix:{}", text(&a.0)), format!("b.example=unix:{}", text(&b.0))];
    let c = format!("c.example=http://localhost:{port}");
    replay(&session, &inside(&folder, "run"), &["--map", &maps[0], "--map", &maps[1], "--map", &c]);
    let [at_a, at_b] = [&a, &b].map(|(_, heads)| heads.lock().unwrap().clone());
    for (host, heads) in hosts.iter().zip([at_a, at_b, heads(&log, "c")]) {
        let own = heads.iter().filter(|head| head.starts_with(&format!("GET /{host}.example/")));
        assert_eq!((own.count(), heads.len()), (3, 3), "{host}: {heads:?}");
    }
}

#[test]
fn connections_are_made_before_their_first_request_and_end_with_their_last_one() {
    let folder = folder();
    // The second connection is made half a second before its first request.
    let times = [0, 1_900, 2_000, 3_000];
    let urls = ["a.example/first", "a.example/last", "b.example/first", "b.example/last"];
    let hosts = times.iter().zip(urls).map(|(at, url)| on_seven(*at, *at, 1, url));
    let hosts = session(folder.path(), "hosts", &hosts.collect::<Vec<_>>());
    let of = [(1, "a.example/first"), (1, "a.example/last"), (2, "a.example/first"), (2, "a.example/last")];
    let clients = times.iter().zip(of).map(|(at, (client, url))| on_seven(*at, *at, client, url));
    let clients = session(folder.path(), "clients", &clients.collect::<Vec<_>>());
    for (session, name) in [(hosts, "to two targets"), (clients, "of two clients")] {
        let log = Log::default();
        let maps = [("a", &log), ("b", &log)].map(|(name, log)| format!("{name}.example={}", keeper(name, log)));
        let more = ["--map", &maps[0], "--map", &maps[1], "--when-busy", "queue"];
        replay(&session, &inside(&folder, name), &more);
        let log = log.lock().unwrap();
        // Others were made to see that the targets are there.
        let is_used = |peer| log.iter().any(|one| one.1 == peer && one.2.head().is_some());
        let used: Vec<&Came> = log.iter().filter(|one| is_used(one.1)).collect();
        let peers: BTreeSet<SocketAddr> = used.iter().map(|one| one.1).collect();
        assert_eq!(peers.len(), 2, "{name}: {used:?}");
        let find = |is_first: bool, word: &str| {
            let is_it = |one: &&Came| (one.1 == used[0].1) == is_first && one.2.word() == word;
            used.iter().position(is_it).unwrap_or_else(|| panic!("{name}: no {word}: {used:?}"))
        };
        assert!(find(false, "made") < find(true, "last"), "{name}: {used:?}");
        assert!(find(true, "over") < find(false, "last"), "{name}: {used:?}");
    }
}

#[test]
fn through_a_proxy_requests_lead_to_the_target_whatever_was_recorded() {
    let folder = folder();
    let urls = [("GET", "http://prod.example:1234/a?b"), ("GET", "ftp://prod.example/c"), ("GET", "//prod.example/d")];
    let urls = urls.into_iter().chain([("GET", "/e"), ("OPTIONS", "*"), ("OPTIONS", "http://prod.example")]);
    let lines = (0..).zip(urls).map(|(number, (method, url))| {
        let mut line: Value = serde_json::from_str(&line(number * 20, 1, method, url)).unwrap();
        let fields = [["Host", "prod.example"], ["proxy-authorization", "Basic cmVjb3JkZWQ="], ["X", "y"]];
        line["request"]["headers"] = json!(fields);
        line.to_string()
    });
    let session = session(folder.path(), "s", &lines.collect::<Vec<_>>());
    let log = Log::default();
    let to = keeper("target", &log);
    let authority = to.strip_prefix("http://").unwrap();
    let (proxy, asked) = proxy::forward(authority.parse().unwrap());
    let (config, secret) = (inside(&folder, "c.toml"), inside(&folder, "login"));
    std::fs::write(&config, "[[rewrite]]\nset_header = { Proxy-Authorization = 'Basic cnVsZQ==' }\n").unwrap();
    std::fs::write(&secret, "robot:pass").unwrap();
    let (proxy, config, secret) = (format!("http://{proxy}"), text(&config), format!("file:{}", secret.display()));
    for (name, more, credentials) in [
        ("nobody", &[][..], None),
        ("ours", &["--proxy-auth", &secret], Some("Basic cm9ib3Q6cGFzcw==")),
        ("a rule", &["--config", &config], Some("Basic cnVsZQ==")),
        ("ours before a rule", &["--config", &config, "--proxy-auth", &secret], Some("Basic cm9ib3Q6cGFzcw==")),
    ] {
        let all = [&["--target", &to, "--proxy", &proxy], more].concat();
        replay(&session, &inside(&folder, name), &all);
        let mut asked = asked.lock().unwrap();
        let lines: BTreeSet<String> =
            asked.iter().map(|head| head.split_once(" HTTP/").unwrap().0.to_owned()).collect();
        let expected = ["GET {}/a?b", "GET {}/c", "GET {}//prod.example/d", "GET {}/e", "OPTIONS {}"];
        assert_eq!(lines, BTreeSet::from(expected.map(|line| line.replace("{}", &to))), "{name}");
        for head in asked.drain(..) {
            let said: Vec<&str> = head.lines().filter(|line| line.to_lowercase().starts_with("proxy-auth")).collect();
            let said = said.iter().map(|line| line.split_once(": ").unwrap().1);
            assert_eq!(said.collect::<Vec<_>>(), Vec::from_iter(credentials), "{name}: {head}");
            assert!(head.contains(&format!("\r\nHost: {authority}\r\n")), "{head}");
        }
        let got = heads(&log, "target").concat();
        assert!(got.contains("OPTIONS * HTTP/1.1") && !got.contains("roxy-"), "{name}: {got}");
    }
    // Without a proxy nobody has a use for credentials that were for one.
    replay(&session, &inside(&folder, "direct"), &["--target", &to]);
    let got = heads(&log, "target").concat();
    assert!(got.matches("\r\nX: y\r\n").count() == 6 && !got.to_lowercase().contains("proxy-auth"), "{got}");
}

#[test]
fn a_recorded_host_is_not_kept_on_the_way_through_a_proxy() {
    let folder = folder();
    let session = gets(folder.path(), "s", 20);
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let (address, heard) = tls::keeper(authority.server("localhost", |_| {}));
    let (proxy, asked) = proxy::forward(address);
    let (proxy, out, ca) = (format!("http://{proxy}"), inside(&folder, "run"), text(&authority.file));
    let keep = ["--keep-host", "--proxy", &proxy, "--tls-ca", &ca, "--target"];
    let secured = format!("https://localhost:{}", address.port());
    let (path, run) = (text(&session), text(&out));
    let said = reenact_says(["replay", &path, "--out", &run].iter().chain(&keep).chain(&["http://localhost:1"]));
    assert!(said.code == 2 && said.err.contains("--keep-host") && said.err.contains("--proxy"), "{said:?}");
    assert!(asked.lock().unwrap().is_empty() && !out.exists());
    // In a tunnel nobody reads it on the way.
    replay(&session, &out, &[&keep[..], &[&*secured]].concat());
    let heard = heard.lock().unwrap();
    assert!(heard.len() == 20 && heard.iter().all(|one| one.head.contains("\r\nHost: recorded.invalid\r\n")));
}
