//! `reenact compare` from outside: real runs against targets of which one is slower and fails at one endpoint.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
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
use serde_json::Value;
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
    check(&[&one, &text(&session)], 2, "is no run, and no folder of runs");
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
