//! `reenact inspect --secrets` from outside: every kind is found in every place, no value is printed, and what our own
//! recorder wrote has nothing in it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::coding::{self, Coding};
use scripted::{read_head, target};
use serde_json::{Value, json};
use support::{folder, inside, recorder, reenact_says, text};

/// Kinds with one of each, made up. None stands in this file as a whole where a scanner of repositories would find it.
fn canaries() -> Vec<(&'static str, String)> {
    let x = |count: usize| "xQ7a".repeat(20).chars().take(count).collect::<String>();
    vec![
        ("jwt", format!("eyJ{}.eyJ{}.{}", x(20), x(20), x(20))),
        ("private_key", format!("-----BEGIN {}PRIVATE KEY-----{}-----END {}PRIVATE KEY-----", "", x(40), "")),
        ("aws_key", format!("AKIA{}", "XQ7A".repeat(4))),
        ("github_token", format!("ghp_{}", x(36))),
        ("gitlab_token", format!("glpat-{}", x(20))),
        ("slack_token", format!("xoxb-{}", x(20))),
        ("slack_webhook", format!("https://hooks.slack.com/services/T0/B0/{}", x(24))),
        ("stripe_key", format!("sk_live_{}", x(24))),
        ("google_key", format!("AIza{}", x(35))),
        ("azure_key", format!("AccountKey={}", x(40))),
        ("azure_secret", format!("abc8Q~{}", x(34))),
        ("ai_key", format!("sk-ant-api03-{}", x(40))),
        ("twilio_key", format!("SK{}", "7a".repeat(16))),
        ("vendor_token", format!("npm_{}", x(36))),
        ("vendor_token", format!("pypi-{}", x(60))),
        ("vendor_token", format!("SG.{}.{}", x(22), x(43))),
        ("url_parameter", format!("https://x.test/?access_token={}", x(9))),
        ("url_userinfo", format!("https://ann:{}@x.test/", x(9))),
        ("email", "canary.person@example.com".to_owned()),
        ("iban", "DE89370400440532013000".to_owned()),
        ("card_number", "4012888888881881".to_owned()),
        ("bearer", format!("Bearer {}", x(20))),
        ("basic", format!("Basic {}", STANDARD.encode("canary:person"))),
    ]
}

/// Percent-encodes all but letters and digits.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An exchange with these parts in its request, or in its response.
fn exchange(in_request: bool, path: &str, headers: &[(&str, &str)], body: Value, trailers: Value) -> String {
    let mut line: Value = serde_json::from_str(&scripted::line(0, 1, "POST", path)).unwrap();
    let message = &mut line[if in_request { "request" } else { "response" }];
    let mut all = vec![json!(["Host", "x"]), json!(["Transfer-Encoding", "chunked"])];
    all.extend(headers.iter().map(|(name, value)| json!([name, value])));
    message["headers"] = all.into();
    message["framing"] = json!("chunked");
    for (name, value) in [("body", body), ("trailers", trailers)] {
        if !value.is_null() {
            message[name] = value;
        }
    }
    line.to_string()
}

/// All places for one value: what is sent, and what the place is called.
fn places(value: &str) -> Vec<(String, &'static str)> {
    let json_text = json!({"user": {"note": value}}).to_string();
    let quoted = serde_json::to_string(value).unwrap();
    let of = |content_type: &str, body: &str| {
        exchange(true, "/", &[("Content-Type", content_type)], json!({"text": body}), Value::Null)
    };
    let coded = |coding: Coding| {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding.name())];
        let body = coding::encode(json_text.as_bytes(), &[coding]).unwrap();
        exchange(false, "/", &headers, json!({"base64": STANDARD.encode(body)}), Value::Null)
    };
    let mut all = vec![
        (exchange(true, &format!("/a/{}", encoded(value)), &[], Value::Null, Value::Null), "request target"),
        (exchange(true, &format!("/?note={}", encoded(value)), &[], Value::Null, Value::Null), "request query note"),
        (exchange(true, "/", &[("X-Note", value)], Value::Null, Value::Null), "request header x-note"),
        (exchange(false, "/", &[("X-Note", value)], Value::Null, Value::Null), "response header x-note"),
        (
            exchange(true, "/", &[("Content-Type", "text/plain")], json!({"text": "x"}), json!([["X-Note", value]])),
            "request trailer x-note",
        ),
        (of("application/x-www-form-urlencoded", &format!("a=1&note={}", encoded(value))), "request body form note"),
        (of("application/json", &json_text), "request body $.user.note"),
        (of("application/json", &format!(r#"[{{"in":{}}}]"#, json!(json_text))), "request body $[*].in.user.note"),
        (of("text/plain", &format!("see {value} there")), "request body text"),
        (of("text/event-stream", &format!("data: {{\"note\":{quoted}}}\n\n")), "request body $.note"),
        (
            of(
                "multipart/form-data; boundary=b",
                &format!("--b\r\nContent-Disposition: form-data; name=a\r\n\r\nsee {value}\r\n--b--\r\n"),
            ),
            "request body text",
        ),
    ];
    all.extend(
        [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd]
            .map(|coding| (coded(coding), "response body $.user.note")),
    );
    all
}

fn inspected(session: &Path, expected: i32) -> Value {
    let table = reenact_says(["inspect", "--secrets", &text(session)]);
    let said = reenact_says(["inspect", "--secrets", "--json", &text(session)]);
    assert_eq!((table.code, said.code), (expected, expected), "{table:?} {said:?}");
    for (_, value) in canaries() {
        let secret = value.split(['/', ' ', '=']).max_by_key(|part| part.len()).unwrap();
        for all in [&table.out, &table.err, &said.out, &said.err] {
            assert!(!all.contains(secret), "{secret} is shown: {all}");
        }
    }
    serde_json::from_str::<Value>(&said.out).unwrap()[0].clone()
}

#[test]
fn every_kind_is_found_in_every_place() {
    let folder = folder();
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for (kind, value) in canaries() {
        for (line, place) in places(&value) {
            expected.push((lines.len() as u64, kind, place));
            lines.push(line);
        }
    }
    let count = lines.len();
    let session = scripted::session(folder.path(), "s", &lines);
    let report = inspected(&session, 1);
    assert_eq!((&report["exchanges"], &report["unread_bodies"]), (&json!(count), &json!(0)));
    let found = report["found"].as_array().unwrap();
    for (kind, place) in
        expected.iter().map(|(_, kind, place)| (kind, place)).collect::<std::collections::BTreeSet<_>>()
    {
        let row = found.iter().find(|row| {
            row["kind"] == **kind
                && format!("{} {}", row["message"].as_str().unwrap(), row["place"].as_str().unwrap()) == **place
        });
        let times = expected.iter().filter(|(_, other, at)| other == kind && at == place).count();
        assert_eq!(row.map(|row| row["count"].clone()), Some(json!(times)), "{kind} in {place}: {report:#}");
        let seqs: Vec<u64> = expected
            .iter()
            .filter(|(_, other, at)| other == kind && at == place)
            .map(|(seq, ..)| *seq)
            .take(5)
            .collect();
        assert_eq!(row.unwrap()["first_seqs"], json!(seqs), "{kind} in {place}");
    }
}

#[test]
fn names_make_credentials_and_are_not_shown_where_they_may_be_values() {
    let folder = folder();
    let headers = [
        ("Authorization", "Bearer hunter2hunter2"),
        ("X-Api-Key", "k"),
        ("Cookie", "lang=en; sid=1; x=0123456789abcdef0123"),
        ("X-Ok", "***"),
    ];
    let body = json!({"text": json!({"password": "hunter2hunter2", "list": [{"pin": 1}], "canary.person@example.com": 1, "token": "***"}).to_string()});
    let with_type: Vec<_> = headers.into_iter().chain([("Content-Type", "application/json")]).collect();
    let line = exchange(true, "/?sid=hunter2hunter2&4012888888881881=1", &with_type, body, Value::Null);
    let report = inspected(&scripted::session(folder.path(), "s", &[line]), 1);
    assert!(!report.to_string().contains("hunter2"), "{report}");
    let mut found: Vec<String> = report["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", row["count"], row["place"].as_str().unwrap(), row["kind"].as_str().unwrap()))
        .collect();
    found.sort();
    let expected = [
        "1 body $.* email",
        "1 body $.list[*].pin credential",
        "1 body $.password credential",
        "1 cookie sid cookie",
        "1 cookie x cookie",
        "1 header authorization credential",
        "1 header x-api-key credential",
        "1 query card_number",
        "1 query sid credential",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_our_recorder_wrote_has_nothing_in_it() {
    let folder = folder();
    let upstream = target(|mut socket| {
        while read_head(&mut socket).is_some() {
            let body = r#"{"token":"hunter2hunter2","id":"0f8fad5b-d9cb-469f-a165-70867728950e"}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\nSet-Cookie: sid=hunter2hunter2; Path=/\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            if socket.write_all((head + body).as_bytes()).is_err() {
                break;
            }
        }
    });
    let config = inside(&folder, "reenact.toml");
    std::fs::write(
        &config,
        "[[redact]]\njson = \"email\"\naction = \"shape\"\n[[redact]]\nquery = \"mail\"\naction = \"shape\"\n",
    )
    .unwrap();
    for (name, more) in [("plain", vec![]), ("sealed", vec!["--seal", RECIPIENT])] {
        let session = inside(&folder, name);
        let config = text(&config);
        let (mut process, address) =
            recorder(&upstream.to_string(), &session, &[&["--config", &config][..], &more].concat());
        let mut socket = TcpStream::connect(&address).unwrap();
        for (_, value) in canaries()
            .into_iter()
            .filter(|(kind, _)| !matches!(*kind, "email" | "iban" | "card_number" | "bearer" | "basic"))
        {
            let note = encoded(&value);
            let head = format!(
                "GET /a/{note}?note={note}&mail=canary.person@example.com&token={note} HTTP/1.1\r\nHost: x\r\nX-Note: {value}\r\n\
                 Authorization: Bearer {note}\r\nCookie: a=b; sid={note}; u=0f8fad5b-d9cb-469f-a165-70867728950e\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).unwrap();
            let answer = read_head(&mut socket).unwrap();
            let length = String::from_utf8_lossy(&answer)
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: ").map(str::to_owned))
                .unwrap();
            std::io::Read::read_exact(&mut socket, &mut vec![0; length.trim().parse().unwrap()]).unwrap();
        }
        drop(socket);
        process.signal("INT");
        process.wait();
        assert_eq!(process.finish().code, 0);
        let report = inspected(&session, 0);
        assert_eq!((&report["found"], &report["unread_bodies"]), (&json!([]), &json!(0)), "{report:#}");
        assert!(report["exchanges"].as_u64().unwrap() > 10);
    }
}

const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
