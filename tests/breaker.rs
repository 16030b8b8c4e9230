//! The breaker from outside: what takes too much of the machine gives way to the traffic, which is said everywhere, and comes
//! back by itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod load;
mod operated;
mod scripted;
mod support;

use std::collections::BTreeMap;

use load::{Connects, Load, Upstream, numbers};
use operated::{Client, Operated};
use serde_json::Value;
use support::{cat, folder, inside, wait_for};

/// What the gaps of reason `breaker` say together: connections, exchanges, bytes.
fn missing(gaps: &[Value]) -> [u64; 3] {
    let of = |name: &str| {
        let breaker = gaps.iter().filter(|gap| gap["reason"] == "breaker");
        breaker.map(|gap| gap[name].as_u64().unwrap()).sum()
    };
    ["connections", "exchanges", "bytes"].map(of)
}

/// A counter of the gaps of this reason.
fn of(metrics: &BTreeMap<String, f64>, what: &str) -> f64 {
    metrics[&format!("reenact_gap_{what}_total{{reason=\"breaker\"}}")]
}

#[test]
fn a_breaker_that_opens_and_closes_says_so_and_what_is_missing() {
    let folder = folder();
    let (upstream, session) = (Upstream::start(), inside(&folder, "s"));
    // A recorder in idleness takes less, and one under load more, on any machine.
    let more = ["--breaker-cpu", "3%", "--breaker-pause", "8s", "--flush-interval", "50ms"];
    let mut recorder = Operated::start(upstream.address.parse().unwrap(), &session, &more);
    assert_eq!(recorder.metrics()["reenact_breaker_open"], 0.0);
    let load = Load::start(&recorder.address, &[Connects::Once, Connects::Once, Connects::EachTime]);
    recorder.process.wait_for_err("capturing stops: this process takes ");
    // For eight seconds at least.
    let now = recorder.metrics();
    let state = recorder.recording();
    load.wait_for_more(200);
    assert_eq!(now["reenact_breaker_open"], 1.0);
    wait_for("something to pass", || {
        let now = recorder.metrics();
        (of(&now, "bytes") > 0.0 && of(&now, "connections") > 0.0).then_some(())
    });
    assert_eq!((&state["state"], &state["current"]["is_paused"]), (&"recording".into(), &true.into()), "{state}");
    let (_, failures) = load.end();
    assert!(failures.is_empty(), "traffic goes on all the while: {failures:?}");
    // In idleness, and nobody asks for anything meanwhile, it comes back.
    recorder.process.wait_for_err("capturing goes on: this process takes ");
    let mut client = Client::connect(&recorder.address).unwrap();
    assert!(client.get("/999999999"));
    drop(client);
    let now = recorder.metrics();
    assert_eq!(now["reenact_breaker_open"], 0.0);
    let counted = ["connections", "exchanges", "bytes"].map(|metric| of(&now, metric) as u64);

    recorder.process.signal("TERM");
    let said = recorder.process.finish();
    assert_eq!(said.code, 3, "{}", said.err);
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    let declared: Vec<Value> = cat(&session).into_iter().filter(|line| line["type"] == "gap").collect();
    // How many exchanges passed nobody has looked at.
    assert!(counted[1] == 0 && counted[2] > 0, "{counted:?}");
    assert_eq!(missing(summary["gaps"].as_array().unwrap()), counted, "{summary}");
    assert_eq!(missing(&declared), counted, "{declared:?}");
    let kept = numbers(&session);
    assert!(kept.contains(&999_999_999), "what came after it is there");
    let answered = upstream.take();
    assert!(
        answered.iter().any(|(number, _)| !kept.contains(number)) && kept.len() > 10,
        "{} of {}",
        kept.len(),
        answered.len()
    );
}
