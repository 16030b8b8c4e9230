//! How requests get to a target, seen from the target: TLS, names, source addresses, proxies. Whether the schedule keeps its
//! time whatever a part of the connections suffers is in `misbehaving.rs`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use rcgen::CertificateParams;
use scripted::tls::Authority;
use scripted::{OK, gets, line, proxy, read_head, session, target, tls};
use serde_json::{Value, json};
use support::{Said, folder, inside, reenact, run, run_json, text, wait_for};
use tempfile::TempDir;

/// An address of another machine, if it is anybody's (RFC 5737).
const ELSEWHERE: &str = "203.0.113.1";

/// A replay, not started yet.
fn replay(session: &Path, to: &str, out: &Path, more: &[&str]) -> Command {
    let mut command = reenact(["replay", "--target", to, "--out"]);
    command.arg(out).arg(session).args(more);
    // What the system trusts is a matter of the system.
    command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    command
}

/// Every planned request must be answered.
#[track_caller]
fn is_answered(command: &mut Command, out: &Path) -> (Said, Value) {
    let said = run(command);
    assert_eq!(said.code, 0, "{said:?}");
    let result = run_json(out);
    assert!(result["planned"].as_u64().unwrap() > 0 && result["completed"] == result["planned"], "{result:#}");
    assert_eq!((&result["errors"], &result["shed"]), (&json!({}), &json!({})));
    (said, result)
}

/// It must be refused for a reason with these words, before there is a run.
#[track_caller]
fn is_refused(command: &mut Command, out: &Path, words: &[&str]) {
    let said = run(command);
    assert_eq!(said.code, 2, "{said:?}");
    for word in words {
        assert!(said.err.contains(word), "no `{word}`: {said:?}");
    }
    assert!(!out.exists(), "there is a run");
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A test's folder, a session of 70 requests of seven clients in it, and an authority that signs certificates.
fn with_authority() -> (TempDir, PathBuf, Authority) {
    let folder = folder();
    let session = gets(folder.path(), "s", 70);
    let authority = Authority::new(inside(&folder, "ca.pem"));
    (folder, session, authority)
}

#[test]
fn tls_names_its_host_and_speaks_http_1() {
    let (folder, session, authority) = with_authority();
    let ca = text(&authority.file);
    for name in ["localhost", "shop.test"] {
        let (address, heard) = tls::keeper(authority.server(name, |_| {}));
        let host = format!("{name}:{}", address.port());
        let (to, resolve, out) = (format!("https://{host}"), format!("{host}:127.0.0.1"), inside(&folder, name));
        is_answered(&mut replay(&session, &to, &out, &["--tls-ca", &ca, "--resolve", &resolve]), &out);
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 70);
        for one in heard.iter() {
            assert_eq!((one.server_name.as_deref(), one.alpn.as_deref()), (Some(name), Some(&b"http/1.1"[..])));
            assert_eq!(field(&one.head, "Host"), Some(&*host));
            assert!(one.head.starts_with("GET /item/") && one.chain == 0 && !one.resumed, "{}", one.head);
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_trusted_is_refused_unless_nobody_cares() {
    let (folder, session, authority) = with_authority();
    let other = Authority::new(inside(&folder, "other.pem"));
    let (good, out) = (|_: &mut CertificateParams| {}, inside(&folder, "run"));
    let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let ca = text(&authority.file);
    let trusted = ["--tls-ca", &*ca];
    let localhost = || authority.server("localhost", good);
    for (config, more, words) in [
        (localhost(), &[][..], ["invalid peer certificate: UnknownIssuer", "CA file"]),
        (localhost(), &["--tls-ca", &text(&other.file)], ["invalid peer certificate: UnknownIssuer", "CA file"]),
        (authority.server("localhost", expired), &trusted, ["certificate expired", "certificate and TLS versions"]),
        (authority.server("shop.test", good), &trusted, ["certificate not valid for name \"localhost\"", "check name"]),
    ] {
        let (address, heard) = tls::keeper(config);
        let to = format!("https://localhost:{}", address.port());
        // The system trusts somebody, but not our authority.
        let mut command = replay(&session, &to, &out, more);
        is_refused(command.env("SSL_CERT_FILE", &other.file), &out, &[&to, words[0], words[1]]);
        assert!(heard.lock().unwrap().is_empty(), "a request was sent");
        let insecure = inside(&folder, &address.port().to_string());
        let (said, result) = is_answered(&mut replay(&session, &to, &insecure, &["--insecure"]), &insecure);
        assert_eq!(heard.lock().unwrap().len(), 70);
        assert!(said.out.contains("NOTE: --insecure: the target's certificate is not checked"), "{said:?}");
        assert!(result["notices"].to_string().contains("--insecure"), "{}", result["notices"]);
    }
    // What the system trusts is enough.
    let (address, _) = tls::keeper(localhost());
    let mut command = replay(&session, &format!("https://localhost:{}", address.port()), &out, &[]);
    let (_, result) = is_answered(command.env("SSL_CERT_FILE", &authority.file), &out);
    assert!(!result["notices"].to_string().contains("--insecure"), "{}", result["notices"]);
}

#[test]
fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let (folder, session, authority) = with_authority();
    let (chain, key) = (inside(&folder, "own.pem"), inside(&folder, "own.key"));
    authority.write("robot.test", &chain, &key);
    let (address, heard) = tls::keeper(authority.strict_server("localhost"));
    let (to, ca) = (format!("https://localhost:{}", address.port()), text(&authority.file));
    let (chain, key) = (text(&chain), text(&key));
    let (with, without) = (inside(&folder, "with"), inside(&folder, "without"));
    let own = ["--tls-ca", &ca, "--tls-cert", &chain, "--tls-key", &key];
    is_answered(&mut replay(&session, &to, &with, &own), &with);
    assert!(heard.lock().unwrap().drain(..).all(|one| one.chain == 1));
    // With TLS 1.3 a client has shaken hands before it hears that something was missing.
    let said = run(&mut replay(&session, &to, &without, &["--tls-ca", &ca]));
    assert!(heard.lock().unwrap().is_empty(), "a request was taken in");
    if said.code == 2 {
        assert!(said.err.contains("certificate"), "{said:?}");
    } else {
        assert_eq!(run_json(&without)["errors"], json!({"tls": 70}), "{said:?}");
    }
}

#[test]
fn tls_sessions_are_resumed_only_when_asked() {
    let (folder, _, authority) = with_authority();
    // A client, and so a connection, every 50 ms.
    let lines: Vec<String> = (0..20).map(|i| line(i * 50, i, "GET", "/")).collect();
    let session = session(folder.path(), "many", &lines);
    let (address, heard) = tls::keeper(authority.server("localhost", |_| {}));
    let (to, ca) = (format!("https://localhost:{}", address.port()), text(&authority.file));
    let resumed = |name: &str, more: &[&str]| {
        let out = inside(&folder, name);
        let (_, result) = is_answered(&mut replay(&session, &to, &out, &[&["--tls-ca", &ca], more].concat()), &out);
        assert_eq!(result["connections"]["opened"], 20);
        let heard = heard.lock().unwrap().drain(..).filter(|one| one.resumed).count() as u64;
        assert_eq!(result["connections"]["resumed"], heard, "as the server says");
        heard
    };
    assert_eq!(resumed("without", &[]), 0);
    // The first connections are made at once, before there is anything to resume.
    assert!(resumed("with", &["--tls-resumption"]) >= 5);
}

/// What arrived, as heads, and from where.
type Heads = Arc<Mutex<Vec<(IpAddr, String)>>>;

/// A target that keeps every head and answers 200.
fn keeper() -> (SocketAddr, Heads) {
    let heads = Heads::default();
    let kept = Arc::clone(&heads);
    let address = target(move |mut socket| {
        let Ok(peer) = socket.peer_addr() else { return };
        while let Some(head) = read_head(&mut socket) {
            kept.lock().unwrap().push((peer.ip(), String::from_utf8(head).unwrap()));
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    (address, heads)
}

#[test]
fn names_lead_where_they_are_told_to() {
    let folder = folder();
    let session = gets(folder.path(), "s", 30);
    let (address, heads) = keeper();
    let host = format!("some-name.test:{}", address.port());
    let (to, out) = (format!("http://{host}"), inside(&folder, "run"));
    let at = |address: &str| format!("{host}:{address}");
    // Elsewhere is nowhere without leave, whatever else the name leads to.
    for more in [&[][..], &["--allow", "other-name.test"], &["--allow", "some-name.test:1"]] {
        for resolve in [at(ELSEWHERE), at(&format!("127.0.0.1,{ELSEWHERE}"))] {
            let all = [&["--resolve", &resolve], more].concat();
            is_refused(&mut replay(&session, &to, &out, &all), &out, &[&host, ELSEWHERE, "not allowed", "--allow"]);
        }
    }
    let nowhere = ["--allow", "some-name.test"];
    is_refused(&mut replay(&session, &to, &out, &nowhere), &out, &["`some-name.test` does not resolve"]);
    let other_port = ["--allow", "some-name.test", "--resolve", "some-name.test:1:127.0.0.1"];
    is_refused(&mut replay(&session, &to, &out, &other_port), &out, &["--resolve some-name.test:1:", &host]);
    assert_eq!(heads.lock().unwrap().len(), 0, "something was sent");
    let resolve = at("127.0.0.1");
    for (name, more) in [("allowed", &["--allow", "some-name.test"][..]), ("loopback", &[])] {
        let out = inside(&folder, name);
        is_answered(&mut replay(&session, &to, &out, &[&["--resolve", &resolve], more].concat()), &out);
        let heads: Vec<_> = heads.lock().unwrap().drain(..).collect();
        assert!(heads.len() == 30 && heads.iter().all(|one| field(&one.1, "Host") == Some(&host)), "{heads:?}");
    }
}

/// Says how many requests it answers at an address.
fn counted(listener: TcpListener) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let counts = Arc::clone(&counts);
            std::thread::spawn(move || {
                while read_head(&mut socket).is_some() && socket.write_all(OK).is_ok() {
                    counts.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count
}

#[test]
fn of_two_addresses_both_are_used_and_one_that_refuses_is_passed_over() {
    const ONE: &str = "127.0.0.31";
    const TWO: &str = "127.0.0.32";
    let folder = folder();
    let session = gets(folder.path(), "s", 70);
    // A port that is free at both.
    let (one, two, port) = wait_for("a port", || {
        let one = TcpListener::bind((ONE, 0)).unwrap();
        let port = one.local_addr().unwrap().port();
        TcpListener::bind((TWO, port)).ok().map(|two| (one, two, port))
    });
    let (at_one, host) = (counted(one), format!("shop.test:{port}"));
    let answered = |name: &str, addresses: &[&str]| {
        let (resolve, out) = (format!("{host}:{}", addresses.join(",")), inside(&folder, name));
        is_answered(&mut replay(&session, &format!("http://{host}"), &out, &["--resolve", &resolve]), &out);
    };
    let at_two = counted(two);
    answered("both", &[ONE, TWO]);
    let counts = [&at_one, &at_two].map(|one| one.load(Ordering::Relaxed));
    // Seven connections with ten requests each.
    assert!(counts.iter().sum::<u64>() == 70 && counts.iter().all(|count| *count >= 20), "{counts:?}");
    // Nobody has listened at this address, wherever it stands among the others.
    const NOBODY: &str = "127.0.0.33";
    for (name, addresses) in [("first", [NOBODY, ONE]), ("last", [ONE, NOBODY])] {
        let before = at_one.load(Ordering::Relaxed);
        answered(name, &addresses);
        assert_eq!(at_one.load(Ordering::Relaxed) - before, 70, "{name}");
    }
}

#[test]
fn source_addresses_are_used_in_turn() {
    let folder = folder();
    let session = gets(folder.path(), "s", 70);
    let (address, heads) = keeper();
    let (to, out) = (format!("http://{address}"), inside(&folder, "run"));
    is_refused(&mut replay(&session, &to, &out, &["--bind", ELSEWHERE]), &out, &["cannot send from", ELSEWHERE]);
    is_answered(&mut replay(&session, &to, &out, &["--bind", "127.0.0.2,127.0.0.3"]), &out);
    let heads = heads.lock().unwrap();
    let peers: BTreeSet<IpAddr> = heads.iter().map(|one| one.0).collect();
    let expected = [2, 3].map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last)));
    assert_eq!((heads.len(), peers), (70, expected.into()));
}

/// A target that does not answer `/0` before another request is there, or half a second has passed; and which came so.
fn patient() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let behind = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&behind);
    let path = |head: Vec<u8>| String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            if path(head) == "/0" {
                socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                let next = read_head(&mut socket).map(path);
                socket.set_read_timeout(None).unwrap();
                if let Some(next) = next {
                    kept.lock().unwrap().push(next);
                    socket.write_all(OK).unwrap();
                }
            }
            if socket.write_all(OK).is_err() {
                return;
            }
        }
    });
    (address, behind)
}

#[test]
fn the_originals_of_a_pool_are_pipelined_as_recorded_and_their_copies_are_not() {
    let folder = folder();
    let one = |at_ms: u64, path: &str, end_ms: u64| {
        let mut line: Value = serde_json::from_str(&line(at_ms, 1, "GET", path)).unwrap();
        line["request"]["headers"] = json!([["Host", "recorded.invalid"], ["User-Agent", path]]);
        line["instants_ns"]["response_end"] = json!(end_ms * 1_000_000);
        line.to_string()
    };
    let session = session(folder.path(), "s", &[one(0, "/0", 300), one(20, "/1", 300), one(1_500, "/2", 1_510)]);
    for (method, rate, behind) in
        [("auto", "1x", &["/1"][..]), ("auto", "2x", &["/1"]), ("clone", "1x", &["/1"]), ("poisson", "1x", &[])]
    {
        let (to, heard) = patient();
        let (to, out) = (format!("http://{to}"), inside(&folder, &format!("{method}-{rate}")));
        is_answered(&mut replay(&session, &to, &out, &["--method", method, "--rate", rate, "--seed", "7"]), &out);
        assert_eq!(*heard.lock().unwrap(), behind, "{method} {rate}");
    }
}

#[test]
fn a_connection_ends_with_any_of_the_fields_that_say_so() {
    let folder = folder();
    let session = gets(folder.path(), "s", 70);
    let address = target(|mut socket| {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        if read_head(&mut socket).is_some() && socket.write_all(answer).is_ok() {
            // A request that still comes is taken, and not answered.
            read_head(&mut socket);
        }
    });
    let out = inside(&folder, "run");
    let (_, result) = is_answered(&mut replay(&session, &format!("http://{address}"), &out, &[]), &out);
    assert!(result["connections"]["opened"].as_u64().unwrap() >= 70, "{}", result["connections"]);
}

const CREDENTIALS: &str = "robot:hunter2-and-more";

/// A replay through this proxy with our credentials.
fn through(proxy: SocketAddr, session: &Path, to: &str, out: &Path, more: &[&str]) -> Command {
    let mut command = replay(session, to, out, &["--allow", "shop.test", "--proxy-auth", "env:PROXY_LOGIN"]);
    command.args(["--proxy", &format!("http://{proxy}")]).args(more).env("PROXY_LOGIN", CREDENTIALS);
    command
}

/// What was said and every file of the run, decompressed, is free of the credentials.
#[track_caller]
fn keeps_the_secret(said: &Said, out: &Path) {
    let mut texts = vec![("what was said".to_owned(), format!("{said:?}").into_bytes())];
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let is_packed = path.extension().is_some_and(|ending| ending == "zst");
            texts.push((text(&path), if is_packed { zstd::decode_all(&*bytes).unwrap() } else { bytes }));
        }
    }
    let holds = |bytes: &[u8], what: &str| bytes.windows(what.len()).any(|window| window == what.as_bytes());
    let log = texts.iter().find(|one| one.0.ends_with("requests.jsonl.zst")).unwrap();
    assert!(texts.len() >= 7 && holds(&log.1, "trace_id"), "files of a run are looked at, and readable");
    let encoded = base64::engine::general_purpose::STANDARD.encode(CREDENTIALS);
    for (name, bytes) in &texts {
        for secret in ["hunter2", &encoded, encoded.trim_end_matches('=')] {
            assert!(!holds(bytes, secret), "{name} holds `{secret}`");
        }
    }
}

#[test]
fn a_proxy_is_asked_for_the_whole_address_or_for_a_tunnel() {
    let (folder, session, authority) = with_authority();
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(CREDENTIALS));
    // In clear text each request is for the proxy to read.
    let (address, at_target) = keeper();
    let (proxy, at_proxy) = proxy::forward(address);
    let out = inside(&folder, "plain");
    let (said, _) = is_answered(&mut through(proxy, &session, "http://shop.test:8080", &out, &[]), &out);
    let asked = at_proxy.lock().unwrap();
    assert_eq!((asked.len(), at_target.lock().unwrap().len()), (70, 70));
    for head in asked.iter() {
        assert!(head.starts_with("GET http://shop.test:8080/item/"), "{head}");
        assert_eq!((field(head, "Host"), field(head, "Proxy-Authorization")), (Some("shop.test:8080"), Some(&*basic)));
    }
    keeps_the_secret(&said, &out);
    // Behind TLS none is: it sees each connection, and the target sees nothing of the proxy's.
    let (address, heard) = tls::keeper(authority.server("shop.test", |_| {}));
    let (proxy, at_proxy) = proxy::forward(address);
    let (out, ca) = (inside(&folder, "tunnel"), text(&authority.file));
    let mut command = through(proxy, &session, "https://shop.test", &out, &["--tls-ca", &ca]);
    let (said, result) = is_answered(&mut command, &out);
    let asked = at_proxy.lock().unwrap();
    // One connection was made to see that the target is there.
    assert_eq!(asked.len() as u64, result["connections"]["opened"].as_u64().unwrap() + 1);
    for head in asked.iter() {
        assert!(head.starts_with("CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n"), "{head}");
        assert_eq!(field(head, "Proxy-Authorization"), Some(&*basic));
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 70);
    for one in heard.iter() {
        assert!(one.head.starts_with("GET /item/") && !one.head.contains("Proxy-Authorization"), "{}", one.head);
        assert_eq!((one.server_name.as_deref(), field(&one.head, "Host")), (Some("shop.test"), Some("shop.test")));
    }
    keeps_the_secret(&said, &out);
}

#[test]
fn a_proxy_that_lets_nobody_through_is_said_to() {
    let (folder, session, authority) = with_authority();
    let (proxy, ca, out) = (proxy::unwilling(), text(&authority.file), inside(&folder, "run"));
    let mut command = through(proxy, &session, "https://shop.test", &out, &["--tls-ca", &ca]);
    is_refused(&mut command, &out, &["cannot connect to the target https://shop.test", "proxy", "407", "credentials"]);
    // In clear text its answers are what every request gets, and the first thing that is said is what they mean.
    let said = run(&mut through(proxy, &session, "http://shop.test", &out, &[]));
    let result = run_json(&out);
    assert_eq!((&result["status"], &result["turned_away"]), (&json!({"407": 70}), &json!(70)), "{said:?}");
    assert!(said.out.starts_with("NOTE: the target turned the replay away") && said.out.contains("407"), "{said:?}");
    keeps_the_secret(&said, &out);
}
