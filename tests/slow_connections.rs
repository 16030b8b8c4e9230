//! A target that is slow to connect to is slow, and its generator not late: waiting for a connection is a time of its own,
//! part of every response time and of no lag.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a slow target is slow; a test that cannot go on fails"
)]

mod scripted;
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use scripted::tls::Authority;
use scripted::{OK, line, read_head, session, target};
use serde_json::Value;
use support::{folder, inside, reenact, reenact_says, run, run_json, text};

/// Each with one request on a connection of its own, all within 200 ms.
const CLIENTS: u64 = 20;
/// More than a busy machine makes a request late, and less than connecting takes here beyond what is done ahead of need.
const LATE_US: f64 = 1e6;

/// Everything that judges lateness finds none, and what the requests waited stands where it belongs.
#[track_caller]
fn is_slow_and_not_late(folder: &Path, to: &str, more: &[&str]) {
    let lines: Vec<String> = (0..CLIENTS).map(|i| line(i * 10, i + 1, "GET", &format!("/{i}"))).collect();
    let (session, out) = (session(folder, "s", &lines), folder.join("run"));
    let mut command = reenact(["replay", "--target", to, "--lag-limit", "strained=1s,invalid=1s"]);
    command.args(["--abort-if", "lag_max > 1s for 1s", "--fail-if", "lag_max > 1s", "--out"]).arg(&out);
    let said = run(command.arg(session).args(more));
    assert_eq!(said.code, 0, "{said:?}");
    let result = run_json(&out);
    assert_eq!((&result["verdict"]["outcome"], &result["completed"]), (&"valid".into(), &CLIENTS.into()), "{said:?}");
    let us = |name: &str, quantile: &str| result[name][quantile].as_f64().unwrap();
    assert!(us("lag_us", "max") < LATE_US, "{}", result["lag_us"]);
    assert!(us("connect_us", "p50") > LATE_US, "{}", result["connect_us"]);
    assert!(us("response_us", "p50") > us("connect_us", "p50"), "{}", result["response_us"]);
    assert!(us("service_us", "p50") < LATE_US, "{}", result["service_us"]);
    assert!(said.out.contains("  connecting "), "{said:?}");
    // The request log says the same to whoever counts it again.
    std::fs::remove_file(out.join("run.json")).unwrap();
    let said = reenact_says(["report", &text(&out), "--json"]);
    assert_eq!(said.code, 3, "{said:?}");
    let again: Value = serde_json::from_str(&said.out).unwrap();
    for name in ["lag_us", "connect_us"] {
        assert_eq!(again[name], result[name], "{name}");
    }
}

/// A server that thinks before it shakes hands.
fn late_to_shake_hands(config: ServerConfig) -> SocketAddr {
    let config = Arc::new(config);
    target(move |socket| {
        std::thread::sleep(Duration::from_secs(2));
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        while read_head(&mut stream).is_some() && stream.write_all(OK).is_ok() {}
    })
}

#[test]
fn a_slow_handshake_makes_no_request_late() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let address = late_to_shake_hands(authority.server("localhost", |_| {}));
    let to = format!("https://localhost:{}", address.port());
    is_slow_and_not_late(folder.path(), &to, &["--tls-ca", &text(&authority.file)]);
}
