//! `replay --collect` from outside: which of three real services is slow, and for which requests.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod services;
mod support;

use peers::rotel::Rotel;
use scripted::{line, nobody, ok, session, target};
use serde_json::Value;
use services::Services;
use support::{Process, Said, folder, inside, reenact, reenact_says, run_json, text};

/// The endpoint's entry in `services`.
fn endpoint<'a>(result: &'a Value, name: &str) -> &'a Value {
    let endpoints = result["services"]["endpoints"].as_array().unwrap();
    endpoints.iter().find(|one| one["endpoint"] == name).unwrap_or_else(|| panic!("{name} in {endpoints:?}"))
}

/// A replay that collects at this address, and waits so long for spans at its end.
fn collecting(session: &str, target: &str, out: &str, address: &str, wait: &str) -> Said {
    let run = ["replay", session, "--target", target, "--out", out];
    reenact_says([&run[..], &["--collect", address, "--collect-wait", wait]].concat())
}

/// The share that a service and operation have in a band (`median` or `tail`).
fn share(endpoint: &Value, band: &str, service: &str, operation: &str) -> f64 {
    let steps = endpoint["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["service"] == service && step["operation"] == operation);
    step.map_or(0.0, |step| step[format!("{band}_share")].as_f64().unwrap())
}

/// Requests of [`carts_and_items`].
const REQUESTS: usize = 160;
/// Of each of them: the front's server and client, the back's server and client, and the database.
const SPANS: usize = 5;

/// A session of as many requests for `/cart`, which may be slow, as for `/items`.
fn carts_and_items(folder: &tempfile::TempDir) -> String {
    let requests = |at: u64| {
        let path = if at.is_multiple_of(2) { "/cart" } else { "/items" };
        line(at * 100, at % 20 + 1, "GET", path)
    };
    text(&session(folder.path(), "s", &(0..REQUESTS as u64).map(requests).collect::<Vec<_>>()))
}

#[test]
fn the_slow_hop_of_three_services_is_named_in_the_tail_and_not_at_the_median() {
    let folder = folder();
    let collector = nobody().to_string();
    let url = format!("http://{collector}");
    let services = Services::start(&url, &url);
    let session = carts_and_items(&folder);
    let (target, out) = (format!("http://{}", services.address), text(&inside(&folder, "run")));
    let said = collecting(&session, &target, &out, &collector, "3s");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains(&format!("collecting the services' spans on {collector}")), "{said:?}");
    let result = run_json(&inside(&folder, "run"));
    let of = &result["services"];
    assert_eq!((&of["requests"]["joined"], &of["requests"]["missing"]), (&REQUESTS.into(), &0.into()), "{of}");
    assert_eq!((&of["spans"]["kept"], &of["requests"]["orphans"]), (&(SPANS * REQUESTS).into(), &0.into()), "{of}");
    let (cart, items) = (endpoint(&result, "GET /cart"), endpoint(&result, "GET /items"));
    let slow = |band| share(cart, band, "database", "SELECT prices");
    assert!(slow("tail") > 0.6 && slow("median") < 0.5 && slow("median") > 0.0, "{cart}");
    assert_eq!(cart["steps"][0]["operation"], "SELECT prices");
    assert!(share(items, "tail", "database", "SELECT stock") < 0.6, "{items}");
    for one in [cart, items] {
        for band in ["median_share", "tail_share"] {
            let sum: f64 = one["steps"].as_array().unwrap().iter().map(|step| step[band].as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{one}");
        }
    }
    let summary = said.out.lines().find(|line| line.contains("GET /cart p9")).unwrap();
    assert!(summary.contains("% in database `SELECT prices`, at the median"), "{summary}");
    let report = std::fs::read_to_string(inside(&folder, "run/report.html")).unwrap();
    assert!(report.contains("Whose time it was") && report.contains("SELECT prices"));
}

#[test]
fn by_way_of_a_collector_the_slow_hop_is_named_too() {
    let folder = folder();
    let view = nobody().to_string();
    let rotel = Rotel::start(folder.path(), &format!("http://{view}"));
    let [grpc, http] = &rotel.urls;
    let services = Services::start(grpc, http);
    let (session, target) = (carts_and_items(&folder), format!("http://{}", services.address));
    let out = text(&inside(&folder, "run"));
    // The run's own spans go the same way, and so come back to it.
    let arguments = ["replay", &session, "--target", &target, "--out", &out, "--otlp-endpoint", grpc];
    let said = reenact_says([&arguments[..], &["--collect", &view, "--collect-wait", "8s"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    let result = run_json(&inside(&folder, "run"));
    let of = &result["services"];
    assert_eq!((&of["requests"]["joined"], &of["requests"]["missing"]), (&REQUESTS.into(), &0.into()), "{of}");
    assert_eq!((&of["spans"]["kept"], &of["requests"]["orphans"]), (&(SPANS * REQUESTS).into(), &0.into()), "{of}");
    assert!(of["spans"]["own"].as_u64().unwrap() > 0, "{of}");
    let cart = endpoint(&result, "GET /cart");
    let slowest = (&cart["steps"][0]["service"], &cart["steps"][0]["operation"]);
    assert_eq!(slowest, (&"database".into(), &"SELECT prices".into()), "{cart}");
    assert!(share(cart, "tail", "database", "SELECT prices") > 0.6, "{cart}");
}

#[test]
fn without_spans_it_says_so_waits_no_longer_than_it_may_and_a_signal_ends_that() {
    let folder = folder();
    let session = text(&session(folder.path(), "s", &[line(0, 1, "GET", "/")]));
    let target = format!("http://{}", target(ok));
    let out = text(&inside(&folder, "run"));
    let arguments = ["replay", &session, "--target", &target, "--out", &out, "--collect", "0", "--collect-wait", "1h"];
    let mut process = Process::start(reenact(arguments).env("RUST_LOG", "info"));
    process.wait_for_err("collecting the services' spans on 127.0.0.1:");
    process.wait_for_err("waiting up to");
    process.signal("INT");
    let said = process.finish();
    assert_eq!(said.code, 130, "{said:?}");
    assert!(said.out.contains("no spans came to 127.0.0.1:"), "{said:?}");
}

#[test]
fn a_taken_port_a_bad_address_and_too_little_memory_are_refused_before_anything_is_sent() {
    let folder = folder();
    let session = text(&session(folder.path(), "s", &[line(0, 1, "GET", "/")]));
    let taken = target(ok).to_string();
    let target = format!("http://{}", target(ok));
    for (more, expected) in [
        (vec!["--collect", taken.as_str()], format!("cannot listen for the services' spans on {taken}")),
        (vec!["--collect", "4317x"], "`4317x` is no address".to_owned()),
        (vec!["--collect", "0", "--collect-memory", "1MiB"], "needs at least 16.0 MiB".to_owned()),
    ] {
        let out = text(&inside(&folder, "run"));
        let arguments = [&["replay", &session, "--target", &target, "--out", &out], more.as_slice()].concat();
        let said = reenact_says(arguments);
        assert!(said.code == 2 && said.err.contains(&expected), "{said:?}");
        assert!(!inside(&folder, "run").exists());
    }
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    let folder = folder();
    let session = text(&session(folder.path(), "s", &[line(0, 1, "GET", "/")]));
    let (target, out) = (format!("http://{}", target(ok)), text(&inside(&folder, "run")));
    let said = collecting(&session, &target, &out, "0.0.0.0:0", "0s");
    assert!(said.code == 0 && said.err.contains("is open to whoever reaches it"), "{said:?}");
}
