//! Runs to compare: real ones against targets that are as slow as a test says, and long ones made of them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails; a target takes its time"
)]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::scripted::{OK, line, read_head, session, target};
use crate::support::{reenact_says, text};

/// Requests of four endpoints, one every 5 ms.
pub(crate) fn four_endpoints(folder: &Path) -> PathBuf {
    let lines: Vec<String> =
        (0..320_u64).map(|n| line(n * 5, n % 8, "GET", ["/list", "/item", "/cart", "/help"][n as usize % 4])).collect();
    session(folder, "s", &lines)
}

/// Every answer takes 4 ms; of `/cart`, so much more. `fails` is answered with 500.
pub(crate) fn shop(slower: Duration, fails: Option<&'static str>) -> SocketAddr {
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

/// A shop in which everything that traffic can say is hostile: names of members, values, header fields. After, a member is
/// gone, another has another value, a header field is gone, and every third request to `/busy` is answered with 503.
fn hostile_shop(is_new: bool, hostile: &str) -> SocketAddr {
    let hostile = hostile.to_owned();
    let answers = AtomicU64::new(0);
    target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8_lossy(&head).into_owned();
            let number = head.split(['=', ' ']).nth(2).and_then(|number| number.parse::<u64>().ok());
            let is_busy = is_new && number.is_some_and(|number| number % 3 == 0);
            let status = if is_busy { "503 Busy" } else { "200 OK" };
            let price = if is_new { &hostile } else { "1" };
            let mut body = json!({"name": hostile, "request": answers.fetch_add(1, Ordering::Relaxed), "price": price});
            if !is_new {
                body[&hostile] = hostile.as_str().into();
            }
            let (body, more) = (body.to_string(), if is_new { "" } else { "X-Old: <b>&\"'\r\n" });
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n{body}"
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    })
}

/// Three runs of both sides of a hostile shop, in which paths are hostile, too. After, `/slow` takes four times as long. One of
/// the runs after is strained, and says why in hostile words.
#[track_caller]
pub(crate) fn hostile_sides(folder: &Path, hostile: &str) -> [PathBuf; 2] {
    let odd = format!("/odd{}", hostile.replace(' ', "+"));
    let path = |n: u64| match n % 4 {
        0 => "/slow".to_owned(),
        1 => format!("/busy?n={n}"),
        2 => "/plain".to_owned(),
        _ => odd.clone(),
    };
    let lines: Vec<String> = (0..240_u64).map(|n| line(n * 5, n % 8, "GET", &path(n))).collect();
    let plan = text(&session(folder, "hostile", &lines));
    let sides = [("before", false), ("after", true)].map(|(name, is_new)| {
        let (to, side) = (format!("http://{}", hostile_shop(is_new, hostile)), folder.join(name));
        for number in 0..3 {
            let out = side.join(number.to_string());
            let link = "https://traces.invalid/t/{trace_id}?span={span_id}&from={start_ms}&to={end_ms}";
            let kept = ["--answers", "all", "--trace-url", link];
            let said = reenact_says([&["replay", &plan, "--target", &to, "--out", &text(&out)][..], &kept].concat());
            assert_eq!(said.code, 0, "{said:?}");
            let factor = move |line: &Value| if is_new && line["endpoint"] == "GET /slow" { 4.0 } else { 1.0 };
            retime(&out, number, factor);
        }
        side
    });
    let path = sides[1].join("2/run.json");
    let mut result: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    result["verdict"]["outcome"] = "strained".into();
    result["verdict"]["reasons"] = json!([hostile]);
    std::fs::write(&path, result.to_string()).unwrap();
    sides
}

/// What a run would have written if each request had taken about 4 ms, times a factor: whatever else this machine does.
fn retime(run: &Path, repeat: u64, factor: impl Fn(&Value) -> f64) {
    let log = run.join("requests.jsonl.zst");
    let lines = String::from_utf8(zstd::decode_all(std::fs::File::open(&log).unwrap()).unwrap()).unwrap();
    let mut out = zstd::stream::Encoder::new(std::fs::File::create(&log).unwrap(), 1).unwrap();
    for (number, line) in (repeat..).zip(lines.lines()) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let noise = (number as f64 * 0.618_034).fract();
        let took = 4e6 * factor(&line) * (0.8 + 0.4 * noise);
        line["done_ns"] = (line["due_ns"].as_u64().unwrap() + took as u64).into();
        writeln!(out, "{line}").unwrap();
    }
    out.finish().unwrap();
}

#[track_caller]
pub(crate) fn runs(session: &Path, to: SocketAddr, out: &Path, count: usize) {
    for number in 0..count {
        let (session, to, out) = (text(session), format!("http://{to}"), text(&out.join(number.to_string())));
        let said =
            reenact_says(["replay", &session, "--target", &to, "--out", &out, "--lag-limit", "strained=1s,invalid=2s"]);
        assert_eq!(said.code, 0, "{said:?}");
    }
}

/// What a run of two minutes would have written: of each of two endpoints a request every 40 ms, of which `/cart` takes
/// longer and longer, by `by` at the end, and fails more and more often if it is to.
pub(crate) fn soak(run: &Path, by: f64, fails: bool) {
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
