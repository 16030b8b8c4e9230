//! What a replay keeps of the answers: a session of its own, with nothing secret in it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use scripted::{gets, line, read_head, session, target};
use serde_json::Value;
use support::{Said, exchanges, folder, inside, reenact, reenact_says, run, run_json, text};

/// Answers with a body and a cookie that the path decides.
fn shop() -> SocketAddr {
    target(|mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
            let body = body(&path);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nSet-Cookie: sid=supersecretsessionvalue; Path=/\r\nContent-Type: image/x\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    })
}

fn body(path: &str) -> String {
    format!("this is {path} ").repeat(50)
}

#[track_caller]
fn replay(session: &Path, to: SocketAddr, out: &Path, more: &[&str]) -> Said {
    let (session, to, out) = (text(session), format!("http://{to}"), text(out));
    let said = run(reenact(["replay", &session, "--target", &to, "--out", &out])
        .args(more)
        .env("TEST_TOKEN", "Bearer thetokenofthistest")
        .env("TEST_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"));
    assert_eq!(said.code, 0, "{more:?}: {said:?}");
    said
}

/// What somebody else says of a digest.
fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    String::from_utf8(said).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn every_answer_is_kept_with_its_digest_and_says_what_it_is_the_answer_to() {
    let folder = folder();
    let session = gets(folder.path(), "s", 60);
    let out = inside(&folder, "run");
    replay(&session, shop(), &out, &["--rate", "2x"]);
    let recorded: BTreeMap<u64, String> = exchanges(&session)
        .iter()
        .map(|one| (one["seq"].as_u64().unwrap(), one["request"]["target"].as_str().unwrap().to_owned()))
        .collect();
    let answers = exchanges(&out.join("answers"));
    let mut seen: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for one in &answers {
        let of = &one["replay_of"];
        let (seq, copy) = (of["seq"].as_u64().unwrap(), of["copy"].as_u64().unwrap());
        *seen.entry((seq, copy)).or_default() += 1;
        let path = one["request"]["target"].as_str().unwrap();
        assert_eq!(path, recorded[&seq]);
        let (expected, kept) = (body(path), &one["response"]["body"]);
        assert_eq!((kept["text"].as_str(), kept["total_len"].as_u64()), (Some(""), Some(expected.len() as u64)));
        assert_eq!(kept["sha256"], sha256(expected.as_bytes()), "{path}");
        assert_eq!((&one["end"], &one["response"]["status"]), (&Value::from("complete"), &Value::from(200)));
    }
    assert_eq!((seen.len(), answers.len()), (120, 120), "each request of each copy once");
    let run = run_json(&out);
    assert_eq!(
        (&run["answers"]["kept"], &run["answers"]["exchanges"], &run["answers"]["lost"]),
        (&Value::from("digest"), &Value::from(120), &Value::from(0))
    );
    let verified = reenact_says(["verify", &text(&out.join("answers"))]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn bodies_are_kept_of_all_of_some_or_up_to_a_bound() {
    let folder = folder();
    let session = gets(folder.path(), "s", 400);
    let to = shop();
    let with_body = |name: &str, more: &[&str]| {
        let out = inside(&folder, name);
        replay(&session, to, &out, &[&["--speed", "20x"], more].concat());
        let answers = exchanges(&out.join("answers"));
        assert_eq!(answers.len(), 400);
        let kept = |one: &Value| one["response"]["body"]["text"].as_str().unwrap().to_owned();
        answers.iter().map(|one| (one["replay_of"]["seq"].as_u64().unwrap(), kept(one))).collect::<BTreeMap<_, _>>()
    };
    let all = with_body("all", &["--answers", "all"]);
    assert!(all.values().all(|kept| kept.len() > 500), "{all:?}");
    let bounded = with_body("bounded", &["--answers", "all", "--answer-body-max", "7"]);
    assert!(bounded.values().all(|kept| kept == "this is"), "{bounded:?}");
    let sample = with_body("sample", &["--answers", "sample"]);
    let kept = sample.values().filter(|kept| !kept.is_empty()).count();
    assert!((1..=20).contains(&kept), "about one in a hundred of 400, not {kept}");
    assert_eq!(sample, with_body("again", &["--answers", "sample"]), "the same requests in every run");
    let none = inside(&folder, "none");
    replay(&session, to, &none, &["--answers", "none", "--speed", "20x"]);
    assert!(!none.join("answers").exists() && run_json(&none)["answers"].is_null());
}

#[test]
fn nothing_secret_is_in_any_file_of_a_run() {
    let folder = folder();
    let mut lines: Vec<String> = (0..20).map(|i| line(i, i % 3 + 1, "GET", &format!("/a?key=old{i}&x=1"))).collect();
    lines.push(line(30, 9, "GET", "/plain"));
    let session = session(folder.path(), "s", &lines);
    let table = inside(&folder, "users.csv");
    std::fs::write(&table, "X-Custom-User,cookie:who,query:key\nheadersecretone,cookiesecretone,querysecretone\n")
        .unwrap();
    let key = ["--redact-key", "env:TEST_KEY", "--answers", "all", "--auth", "env:TEST_TOKEN"];
    let table = text(&table);
    let more = [&key[..], &["--credentials", &table]].concat();
    let outs = ["one", "two"].map(|name| inside(&folder, name));
    let to = shop();
    for out in &outs {
        replay(&session, to, out, &more);
    }
    for file in outs.iter().flat_map(|out| support::files(out)) {
        let bytes = std::fs::read(&file).unwrap();
        let plain = if text(&file).ends_with(".zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
        check_no_secret(&plain, &file);
    }
    let printed = outs.each_ref().map(|out| {
        let answers = exchanges(&out.join("answers"));
        check_no_secret(Value::from(answers.clone()).to_string().as_bytes(), out);
        let mut cookies: Vec<String> = answers.iter().map(|one| one["response"]["headers"][0][1].to_string()).collect();
        cookies.sort();
        let targets: Vec<_> = answers.iter().filter(|one| one["request"]["target"] == "/a?key=***&x=1").collect();
        assert_eq!(targets.len(), 20);
        cookies
    });
    assert!(printed[0][0].contains("sid=redacted-"), "{:?}", printed[0][0]);
    assert_eq!(printed[0], printed[1], "the same key makes the same pseudonyms");
}

#[track_caller]
fn check_no_secret(bytes: &[u8], file: &Path) {
    for secret in ["thetokenofthistest", "headersecretone", "cookiesecretone", "querysecretone", "supersecretsession"] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} in {}", file.display());
    }
}

#[test]
fn an_answer_that_never_came_is_an_exchange_without_one() {
    let folder = folder();
    let session = gets(folder.path(), "s", 8);
    let silent = target(|mut socket| {
        read_head(&mut socket);
        // Reads on, so that the connection stays open until the client gives up.
        read_head(&mut socket);
    });
    let out = inside(&folder, "run");
    replay(&session, silent, &out, &["--timeout", "200ms"]);
    let answers = exchanges(&out.join("answers"));
    assert_eq!(answers.len(), 8);
    assert!(answers.iter().all(|one| one["response"].is_null() && one["end"] == "client_gone"), "{answers:?}");
}

#[test]
fn a_body_bound_that_no_session_can_hold_is_refused() {
    let said = reenact_says(["replay", "s", "--target", "http://127.0.0.1:1", "--answer-body-max", "1GiB"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("--answer-body-max") && said.err.contains("at most"), "{said:?}");
}
