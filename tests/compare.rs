//! `reenact compare` from outside: real runs against targets of which one is slower and fails at one endpoint.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; a target takes its time"
)]

mod scripted;
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scripted::{OK, line, read_head, session, target};
use serde_json::{Value, json};
use support::{folder, inside, reenact_says, text};

/// Requests of four endpoints, one every 5 ms.
fn four_endpoints(folder: &Path) -> PathBuf {
    let lines: Vec<String> =
        (0..320_u64).map(|n| line(n * 5, n % 8, "GET", ["/list", "/item", "/cart", "/help"][n as usize % 4])).collect();
    session(folder, "s", &lines)
}

/// Every answer takes 4 ms; of `/cart`, so much more. `fails` is answered with 500.
fn shop(slower: Duration, fails: Option<&'static str>) -> SocketAddr {
    target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let is = |path: &str| head.starts_with(format!("GET {path} ").as_bytes());
            std::thread::sleep(Duration::from_millis(4) + if is("/cart") { slower } else { Duration::ZERO });
            let answer: &[u8] = match fails {
                Some(path) if is(path) => b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
                _ => OK,
            };
            if socket.write_all(answer).is_err() {
                break;
            }
        }
    })
}

#[track_caller]
fn runs(session: &Path, to: SocketAddr, out: &Path, count: usize) {
    for number in 0..count {
        let (session, to, out) = (text(session), format!("http://{to}"), text(&out.join(number.to_string())));
        let said =
            reenact_says(["replay", &session, "--target", &to, "--out", &out, "--lag-limit", "strained=1s,invalid=2s"]);
        assert_eq!(said.code, 0, "{said:?}");
    }
}

#[test]
fn what_is_slower_and_what_fails_is_found_and_nothing_else() {
    let folder = folder();
    let session = four_endpoints(folder.path());
    let (before, after, again) = (inside(&folder, "before"), inside(&folder, "after"), inside(&folder, "again"));
    let (old, new) = (shop(Duration::ZERO, None), shop(Duration::from_millis(12), Some("/help")));
    for (to, out) in [(old, &before), (new, &after), (old, &again)] {
        runs(&session, to, out, 4);
    }
    let said = reenact_says(["compare", &text(&before), &text(&after), "--min-effect", "50%"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("SLOWER  GET /cart: p50 +") && said.out.contains("relative to the rest"), "{}", said.out);
    assert!(said.out.contains("STATUS  GET /help: 500 in 100 % of its requests, 0 % before"), "{}", said.out);
    let wrong = ["SLOWER  GET /list", "SLOWER  GET /item", "FASTER", "STATUS  GET /cart"];
    assert!(!wrong.iter().any(|wrong| said.out.contains(wrong)), "{}", said.out);

    let json: Value =
        serde_json::from_str(&reenact_says(["compare", &text(&before), &text(&after), "--json"]).out).unwrap();
    let slow = json["endpoints"].as_array().unwrap().iter().find(|row| row["endpoint"] == "GET /cart").unwrap();
    let (p50, ratio) = (&slow["response"][0], 16.0 / 4.0);
    assert_eq!((&p50["answer"], &slow["moved"]), (&"slower".into(), &true.into()));
    let change = 1.0 + p50["relative"]["change"].as_f64().unwrap();
    assert!((ratio * 0.6..ratio * 1.4).contains(&change), "{p50}");

    // The same against the same, with what this machine does meanwhile.
    let said = reenact_says(["compare", &text(&before), &text(&again), "--min-effect", "50%", "--paired"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("Nothing changed that can be told from noise."), "{}", said.out);
    // Whoever does not want to fail by it does not.
    assert_eq!(reenact_says(["compare", &text(&before), &text(&after), "--fail-on", "none"]).code, 0);

    // One run a side: differences, and no verdict.
    let [one, other] = [before.join("0"), after.join("0")].map(|path| text(&path));
    let said = reenact_says(["compare", &one, &other]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("one run a side: run-to-run noise unknown") && !said.out.contains("SLOWER"),
        "{}",
        said.out
    );

    // What cannot be compared.
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let said = reenact_says(std::iter::once("compare").chain(arguments.iter().copied()));
        assert!(said.code == code && said.err.contains(expected), "{arguments:?}: {said:?}");
    };
    check(&[&one, &one], 2, "is there twice");
    check(&[&one, &text(&session)], 2, "is a recording: it is the side before");
    check(&[&one, &text(folder.path())], 2, "is no run, and no folder of runs");
    check(&[&one, &text(&after), "--paired"], 2, "make no pairs");
    check(&[&one, &other, "--min-effect", "0%"], 2, "is no share");
    check(&[&one, "/nowhere"], 2, "cannot read /nowhere");
    let log = before.join("1/requests.jsonl.zst");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
    let said = reenact_says(["compare", &text(&before.join("1")), &other]);
    assert!(said.out.contains("what stood before it is compared"), "{said:?}");
    std::fs::remove_file(&log).unwrap();
    check(&[&text(&before), &other], 2, "has no requests.jsonl.zst");
    let result = before.join("2/run.json");
    let invalid =
        std::fs::read_to_string(&result).unwrap().replace("\"outcome\": \"valid\"", "\"outcome\": \"invalid\"");
    std::fs::write(&result, invalid).unwrap();
    check(&[&text(&before.join("2")), &other], 4, "is an invalid run");
}

/// What a run of two minutes would have written: of each of two endpoints a request every 40 ms, of which `/cart` takes
/// longer and longer, by `by` at the end, and fails more and more often if it is to.
fn soak(run: &Path, by: f64, fails: bool) {
    let log = run.join("requests.jsonl.zst");
    let lines = String::from_utf8(zstd::decode_all(std::fs::File::open(&log).unwrap()).unwrap()).unwrap();
    let one: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let mut out = zstd::stream::Encoder::new(std::fs::File::create(&log).unwrap(), 1).unwrap();
    const REQUESTS: u64 = 6_000;
    for number in 0..REQUESTS {
        let (due, is_cart) = (number * 20_000_000, number % 2 == 1);
        // Noise without a generator: the golden ratio's multiples are spread evenly.
        let noise = (number as f64 * 0.618_034).fract();
        let slower = if is_cart { 1.0 + by * number as f64 / REQUESTS as f64 } else { 1.0 };
        let mut line = one.clone();
        line["due_ns"] = due.into();
        line["released_ns"] = due.into();
        line["done_ns"] = (due + (5e6 * slower * (0.8 + 0.4 * noise)) as u64).into();
        line["endpoint"] = if is_cart { "GET /cart" } else { "GET /list" }.into();
        writeln!(out, "{line}").unwrap();
    }
    out.finish().unwrap();
    let path = run.join("run.json");
    let mut result: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    result["steady"]["to_ns"] = 121_000_000_000_u64.into();
    let row = result["timeline"][0].clone();
    let second = |t_s: u64| {
        let failed = if fails { t_s / 12 } else { 0 };
        let mut row = row.clone();
        (row["t_s"], row["errors"], row["completed"]) = (t_s.into(), failed.into(), (50 - failed).into());
        row
    };
    result["timeline"] = (0..120).map(second).collect();
    // A process whose memory leaks as its answers get slower.
    let moment = |t_s: u64| {
        let bytes = 5e7 * (1.0 + by * t_s as f64 / 120.0) + (t_s * 7 % 5) as f64 * 1e5;
        json!({"t_s": t_s, "cpu": 0.5 + (t_s * 3 % 7) as f64 * 0.01, "rss_bytes": bytes as u64})
    };
    result["watched"] = json!([{
        "source": "process 7 (shop)", "looks": 120, "missed": 0, "why": null, "cpu_s": 60.0, "cpu_busiest": 0.6,
        "rss_peak_bytes": 6e7 as u64, "timeline_s": 1, "timeline": (0..120).map(moment).collect::<Vec<_>>(),
    }]);
    std::fs::write(&path, result.to_string()).unwrap();
}

#[test]
fn a_long_run_that_gets_slower_is_said_and_a_steady_one_is_not() {
    let folder = folder();
    let session = four_endpoints(folder.path());
    let out = inside(&folder, "runs");
    runs(&session, shop(Duration::ZERO, None), &out, 2);
    let [steady, drifts] = [out.join("0"), out.join("1")];
    let said = reenact_says(["compare", &text(&steady)]);
    assert!(said.code == 2 && said.err.contains("is too short to say what changes during it"), "{said:?}");
    let said = reenact_says(["compare", &text(&out)]);
    assert!(said.code == 2 && said.err.contains("2 runs make no trend"), "{said:?}");
    soak(&steady, 0.0, false);
    soak(&drifts, 0.2, true);
    let said = reenact_says(["compare", &text(&steady)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("Nothing rises or falls that can be told from noise."), "{}", said.out);
    assert!(said.out.contains("24 of the same length"), "{}", said.out);
    let said = reenact_says(["compare", &text(&drifts)]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("RISES  GET /cart: p50 +") && !said.out.contains("RISES  GET /list"), "{}", said.out);
    assert!(said.out.contains("RISES  errors: +"), "{}", said.out);
    assert!(
        said.out.contains("RISES  memory of process 7 (shop): +") && !said.out.contains("RISES  CPU"),
        "{}",
        said.out
    );
    let fails = |path: &Path, on: &str| reenact_says(["compare", &text(path), "--fail-on", on]).code;
    assert_eq!((fails(&drifts, "target"), fails(&steady, "target")), (1, 0));
    let said_two = reenact_says(["compare", &text(&steady), &text(&drifts), "--fail-on", "target"]);
    assert!(said_two.code == 2 && said_two.err.contains("is for one long run"), "{said_two:?}");
    let json: Value = serde_json::from_str(&reenact_says(["compare", &text(&drifts), "--json"]).out).unwrap();
    let cart = json["endpoints"].as_array().unwrap().iter().find(|row| row["endpoint"] == "GET /cart").unwrap();
    let interval = &cart["response"][0]["change"]["interval"];
    let (low, high) = (interval[0].as_f64().unwrap(), interval[1].as_f64().unwrap());
    assert!(low > 0.15 && high < 0.25 && cart["response"][0]["answer"] == "rises", "{cart}");
    assert_eq!(reenact_says(["compare", &text(&drifts), "--fail-on", "none"]).code, 0);
}

#[test]
fn runs_that_get_slower_one_after_the_other_are_a_trend() {
    let folder = folder();
    let session = four_endpoints(folder.path());
    let out = inside(&folder, "runs");
    runs(&session, shop(Duration::ZERO, None), &out, 6);
    let paths: Vec<String> = (0..6).map(|number| text(&out.join(number.to_string()))).collect();
    for (number, path) in paths.iter().enumerate() {
        soak(Path::new(path), 0.6 * number as f64, false);
    }
    // As started, however they are given; a folder stands for its runs.
    let said = reenact_says([&["compare".to_owned()], &paths[3..], &paths[..3]].concat());
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("RISES  GET /cart: p50 +"), "{}", said.out);
    assert!(said.out.contains("from the first run to the last") && !said.out.contains("GET /list: "), "{}", said.out);
    let folder_of_all = reenact_says(["compare", &text(&out)]);
    assert_eq!(folder_of_all.out, said.out);
    let said = reenact_says(["compare", &text(&out), "--paired"]);
    assert!(said.code == 2 && said.err.contains("--paired needs two sides"), "{said:?}");
}
