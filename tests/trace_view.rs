//! `replay --collect` from outside: which of three real services is slow, and for which requests.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod services;
mod support;

use peers::rotel::Rotel;
use scripted::telling::Telling;
use scripted::{gets, line, nobody, ok, session, target};
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

/// Requests of a run whose service has a clock of its own.
const CLOCKED: usize = 40;

/// The result of such a run, what it said, and its page.
fn clocked(folder: &tempfile::TempDir, ahead_s: fn(i64) -> i64) -> (Value, Said, String) {
    let collector = nobody();
    let (target, _) = Telling { ahead_s, ..Telling::new("clockwork", Some(collector)) }.start();
    let session = text(&gets(folder.path(), "s", CLOCKED as u64));
    let out = inside(folder, "run");
    let said = collecting(&session, &target, &text(&out), &collector.to_string(), "0s");
    assert_eq!(said.code, 0, "{said:?}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    (run_json(&out), said, page)
}

#[test]
fn a_clock_that_is_hours_ahead_is_said_and_its_spans_are_joined_all_the_same() {
    let folder = folder();
    let (result, said, page) = clocked(&folder, |_| 3 * 3_600);
    let of = &result["services"];
    assert_eq!((&of["requests"]["joined"], &of["requests"]["missing"]), (&CLOCKED.into(), &0.into()), "{of}");
    let [clock] = of["clocks"].as_array().unwrap().as_slice() else { panic!("{of}") };
    assert_eq!(
        (&clock["from"], &clock["to"], &clock["calls"]),
        (&"reenact".into(), &"clockwork".into(), &CLOCKED.into())
    );
    let offset_s = clock["offset_us"].as_f64().unwrap() / 1e6;
    // As exactly as an answer is fast, on a machine that may be busy.
    assert!((offset_s + 3.0 * 3_600.0).abs() < 30.0, "{clock}");
    assert_eq!(of["requests"]["skewed"], 0, "once it is corrected everything fits: {of}");
    let item = endpoint(&result, "GET /item/{id}");
    assert!(
        share(item, "median", "clockwork", "work") > 0.0 && share(item, "tail", "clockwork", "work") > 0.0,
        "{item}"
    );
    assert!(said.out.contains("1 clocks corrected") && page.contains("1 clocks were corrected."), "{said:?}");
}

#[test]
fn a_clock_that_jumps_by_hours_is_said_and_its_spans_are_joined_all_the_same() {
    let folder = folder();
    // An hour further back from request to request.
    let (result, said, page) = clocked(&folder, |number| -3_600 * number);
    let of = &result["services"];
    assert_eq!((&of["requests"]["joined"], &of["requests"]["missing"]), (&CLOCKED.into(), &0.into()), "{of}");
    assert_eq!(of["clocks"].as_array().unwrap().len(), 1, "{of}");
    // Whatever is added, it fits one request: of the tail, which is looked at, all others are outside.
    let tail = endpoint(&result, "GET /item/{id}")["tail"]["joined"].as_u64().unwrap();
    let skewed = of["requests"]["skewed"].as_u64().unwrap();
    assert!(tail >= 4 && (skewed == tail || skewed == tail - 1), "{of}");
    assert!(said.out.contains(&format!("{skewed} calls with clocks that do not fit")), "{said:?}");
    assert!(page.contains(&format!("{skewed} calls lie outside of their callers, whatever the clocks.")), "{page}");
}

#[test]
fn spans_of_other_runs_and_of_no_run_are_counted_and_left_out() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", CLOCKED as u64));
    // A run whose spans nobody collects: what its service did for it is told while another one collects.
    let (target, spans) = Telling::new("shop", None).start();
    let said = reenact_says(["replay", &session, "--target", &target, "--out", &text(&inside(&folder, "other"))]);
    assert_eq!(said.code, 0, "{said:?}");
    let mut also = spans.lock().unwrap().clone();
    let other = run_json(&inside(&folder, "other"))["run_id"].as_str().unwrap().to_owned();
    assert!(
        also.len() == CLOCKED && also.iter().all(|span| span["traceState"] == format!("reenact={other}")),
        "{also:?}"
    );
    // Production's have neither the mark nor a trace of a run.
    also.extend(also.clone().into_iter().enumerate().map(|(number, mut span)| {
        span["traceId"] = format!("{:032x}", (1_u128 << 120) + number as u128).into();
        span["traceState"] = "".into();
        span
    }));
    let (collector, out) = (nobody(), inside(&folder, "run"));
    let (target, _) = Telling { also, ..Telling::new("shop", Some(collector)) }.start();
    let said = collecting(&session, &target, &text(&out), &collector.to_string(), "0s");
    assert_eq!(said.code, 0, "{said:?}");
    let result = run_json(&out);
    let of = &result["services"];
    assert_eq!((&of["spans"]["received"], &of["spans"]["kept"]), (&(3 * CLOCKED).into(), &CLOCKED.into()), "{of}");
    assert_eq!((&of["spans"]["of_others"], &of["requests"]["orphans"]), (&(2 * CLOCKED).into(), &0.into()), "{of}");
    assert_eq!((&of["requests"]["joined"], &of["requests"]["missing"]), (&CLOCKED.into(), &0.into()), "{of}");
}

#[test]
fn the_report_of_merged_shards_says_which_of_them_have_it() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", CLOCKED as u64));
    let runs = ["1/2", "2/2"].map(|shard| {
        let (collector, out) = (nobody(), text(&inside(&folder, &shard.replace('/', "-"))));
        // The second one collects nothing.
        let collects = shard == "1/2";
        let (target, _) = Telling::new("shop", collects.then_some(collector)).start();
        let run = ["replay", &session, "--target", &target, "--out", &out, "--shard", shard];
        let collect = ["--collect", &collector.to_string(), "--collect-wait", "0s"];
        let more = if collects { &collect[..] } else { &[] };
        (out.clone(), reenact_says([&run[..], more].concat()))
    });
    assert_eq!(runs[0].1.code, 0, "{:?}", runs[0].1);
    let whole = inside(&folder, "whole");
    let said = reenact_says(["report", &runs[0].0, &runs[1].0, "--out", &text(&whole)]);
    assert_eq!(said.code, 0, "{said:?}");
    let notice = format!("whose time it was is in the report of each shard that collected spans: {}", runs[0].0);
    assert!(said.out.contains(&notice) && !said.out.contains(&format!("{}\n", runs[1].0)), "{said:?}");
    let result = run_json(&whole);
    assert_eq!((&result["services"], &result["settled"]), (&Value::Null, &CLOCKED.into()));
    assert_eq!(
        result["shards"].as_array().unwrap().iter().map(|part| &part["services"]).collect::<Vec<_>>(),
        [true, false]
    );
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    let section = page.split("Whose time it was").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(section.contains("Shard 1 of 2 collected the spans of the services"), "{section}");
}
