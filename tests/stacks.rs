//! Stacks of others on both sides of the recorder, beyond plain HTTP/1: hypercorn, `websockets`, grpcio and curl. Clients
//! print everything that they see; it must be the same through the recorder as directly.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod front;
mod peers;
mod support;

use std::path::Path;
use std::process::Command;

use front::certificates::Authority;
use front::nginx::Nginx;
use front::{Recorder, curl};
use peers::Receiver;
use support::{Process, exchanges, folder, inside, reenact_says, text};

/// What a Python client printed.
#[track_caller]
fn client(script: &str, arguments: &[&str]) -> String {
    let output = Command::new(peers::venv("python")).arg(peers::script(script)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{script} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// hypercorn with our application, and its address.
#[track_caller]
fn hypercorn(more: &[&str]) -> (Process, String) {
    peers::hypercorn("asgi.py", more)
}

/// A session that is whole.
#[track_caller]
fn check_session(session: &Path) -> Vec<serde_json::Value> {
    assert_eq!(reenact_says(["verify", &text(session)]).code, 0);
    exchanges(session)
}

#[test]
fn server_sent_events_arrive_one_by_one_and_are_recorded() {
    let folder = folder();
    let (_hypercorn, address) = hypercorn(&[]);
    let directly = client("events.py", &[&address]);
    assert_eq!(directly.matches("data: ").count(), 5, "{directly}");
    let mut recorder = Recorder::start(&folder, &["--upstream", &format!("http://{address}")]);
    assert_eq!(client("events.py", &[&recorder.address]), directly);
    recorder.end();
    let recorded = check_session(&recorder.session);
    assert_eq!(recorded.len(), 6);
    let events = recorded.iter().find(|one| one["request"]["target"] == "/events").unwrap();
    let expected: String = (0..5).map(|number| format!("id: {number}\ndata: ä {number}\n\n")).collect();
    assert_eq!(peers::body(&events["response"]), expected.as_bytes(), "{events:.400}");
}

#[test]
fn hypercorn_over_http2_and_tls_under_curl() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let (site, ours) = (authority.issue(&folder, "shop.test"), authority.issue(&folder, "ours.test"));
    let (_hypercorn, address) = hypercorn(&["--certfile", &site.chain, "--keyfile", &site.key]);
    let (upstream, authorities) = (format!("https://{address}"), text(&authority.file));
    let more = [
        &["--upstream", &upstream, "--upstream-ca", &authorities, "--upstream-sni", "shop.test"][..],
        &["--tls-cert", &ours.chain, "--tls-key", &ours.key],
    ];
    let mut recorder = Recorder::start(&folder, &more.concat());
    let (direct, relayed) = (front::at(&address, "shop.test"), recorder.at("ours.test"));
    let long = inside(&folder, "long");
    std::fs::write(&long, vec![b'l'; 2 << 20]).unwrap();
    let upload = format!("@{}", text(&long));
    for version in ["--http2", "--http1.1"] {
        for arguments in [&["/a?b"][..], &["--data-binary", &upload, "/upload"], &["/long"], &["--head", "/head"]] {
            let arguments = [&[version][..], arguments].concat();
            // The answers' dates may differ.
            let undated = |said: Vec<u8>| {
                let is_date = |line: &&[u8]| !line.to_ascii_lowercase().starts_with(b"date:");
                said.split(|byte| *byte == b'\n').filter(is_date).map(<[u8]>::to_vec).collect::<Vec<_>>()
            };
            let [directly, relayed] = [&direct, &relayed].map(|at| undated(curl(at, &authority.file, &arguments)));
            assert!(directly == relayed, "{arguments:?}");
        }
    }
    assert!(curl(&relayed, &authority.file, &["--http2", "/version"]).starts_with(b"HTTP/2 https 0 "));
    assert!(curl(&relayed, &authority.file, &["--http1.1", "/version"]).starts_with(b"HTTP/1.1 https 0 "));
    let summary = recorder.end_with_loss();
    assert_eq!((&summary["upstream_failures"], &summary["alpn_mismatches"]), (&0.into(), &0.into()), "{summary}");
    let recorded = check_session(&recorder.session);
    let targets: Vec<_> = recorded.iter().map(|one| one["request"]["target"].as_str().unwrap()).collect();
    for target in ["/a?b", "/upload", "/long", "/head"] {
        assert!(targets.contains(&target), "{targets:?}");
    }
}

/// What h2load says of so many requests on eight connections: how they ended, their statuses, and how many bytes of content
/// came.
#[track_caller]
fn h2load(requests: u32, url: &str) -> [String; 3] {
    let count = requests.to_string();
    let output = Command::new("h2load").args(["-n", &count, "-c", "8", "-m", "16", url]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{url}: {said}");
    assert!(said.contains("Application protocol: h2"), "{url}: {said}");
    let line = |begin: &str| said.lines().find_map(|line| line.strip_prefix(begin)).unwrap().to_owned();
    let content = line("traffic: ").rsplit(", ").next().unwrap().to_owned();
    [line("requests: "), line("status codes: "), content]
}

#[test]
fn http2_under_h2load_is_answered_as_directly() {
    const REQUESTS: u32 = 2_000;
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let (site, ours) = (authority.issue(&folder, "shop.test"), authority.issue(&folder, "ours.test"));
    let (_hypercorn, behind_tls) = hypercorn(&["--certfile", &site.chain, "--keyfile", &site.key]);
    let nginx = Nginx::start(folder.path(), |conf| conf.listen_more("http2"));
    let authorities = text(&authority.file);
    let tls = [
        "--upstream-ca",
        &authorities,
        "--upstream-sni",
        "shop.test",
        "--tls-cert",
        &ours.chain,
        "--tls-key",
        &ours.key,
    ];
    for (scheme, address, more, path) in
        [("http", &nginx.address, &[][..], "/page"), ("https", &behind_tls, &tls[..], "/a?b")]
    {
        let upstream = format!("{scheme}://{address}");
        let mut recorder = Recorder::start(&folder, &[&["--upstream", &*upstream][..], more].concat());
        let directly = h2load(REQUESTS, &format!("{upstream}{path}"));
        assert!(directly[0].contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{directly:?}");
        assert!(directly[1].starts_with("2000 2xx, "), "{directly:?}");
        assert_eq!(h2load(REQUESTS, &format!("{scheme}://{}{path}", recorder.address)), directly);
        let summary = recorder.end_with_loss();
        assert_eq!((&summary["connections"], &summary["upstream_failures"]), (&8.into(), &0.into()), "{summary}");
    }
}

/// The same client directly and through the recorder; returns what was recorded.
#[track_caller]
fn same(script: &str, lines_min: usize) -> Vec<serde_json::Value> {
    let folder = folder();
    let server = Receiver::start_with(script, &["server"], inside(&folder, "file"));
    let directly = client(script, &["client", &server.address]);
    assert!(directly.lines().count() >= lines_min && !directly.contains("False"), "{directly}");
    let mut recorder = Recorder::start(&folder, &["--upstream", &format!("http://{}", server.address)]);
    assert_eq!(client(script, &["client", &recorder.address]), directly);
    recorder.end_with_loss();
    check_session(&recorder.session)
}

#[test]
fn websockets_on_both_sides() {
    let recorded = same("sockets.py", 28);
    let switched = recorded.iter().filter(|one| one["response"]["status"] == 101).count();
    assert_eq!(switched, 6, "connections that were upgraded");
}

#[test]
fn the_cases_of_autobahn_end_through_the_recorder_as_they_do_directly() {
    let folder = folder();
    let server = Receiver::start_with("sockets.py", &["server"], inside(&folder, "file"));
    // Whether what came before a bad frame is answered first hangs on how frames come together, here and there.
    let verdicts = |address: &str| client("autobahn.py", &[address]).replace("NON-STRICT", "OK");
    let directly = verdicts(&server.address);
    assert!(directly.matches(" OK / OK").count() > 240, "{directly}");
    let mut recorder = Recorder::start(&folder, &["--upstream", &format!("http://{}", server.address)]);
    assert_eq!(verdicts(&recorder.address), directly);
    recorder.end_with_loss();
    let recorded = check_session(&recorder.session);
    let switched = recorded.iter().filter(|one| one["response"]["status"] == 101).count();
    assert_eq!(switched, directly.lines().count(), "each case is a connection");
}

#[test]
fn grpc_on_both_sides() {
    // Whether HTTP/2 is recorded is told by tests of the formats; here it passes.
    same("calls.py", 10);
}
