//! Sealed values from outside: a session that holds none of its secrets, and a target that gets all of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use formats::seal::Sealer;
use scripted::{OK, read_head, read_up_to, target};
use serde_json::{Value, json};
use support::{Said, folder, inside, reenact, run, run_json, text};

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
/// Of somebody for whom nothing was sealed.
const STRANGER: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
/// Begins every secret of these tests, and stands nowhere else.
const CANARY: &str = "Canary7";

/// What arrived: heads, each with its body as it came, framing included.
type Arrived = Arc<Mutex<Vec<(String, String)>>>;

/// A target that reads bodies by their framing and nothing else; what does not fit spoils the next head.
fn keeper() -> (String, Arrived) {
    let arrived = Arrived::default();
    let kept = Arc::clone(&arrived);
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8(head).unwrap();
            let mut body = Vec::new();
            if let Some(length) = field(&head, "Content-Length") {
                body = vec![0; length.parse().unwrap()];
                socket.read_exact(&mut body).unwrap();
            } else if field(&head, "Transfer-Encoding").is_some() {
                while !body.ends_with(b"\r\n0\r\n\r\n") {
                    let line = read_up_to(&mut socket, b"\r\n").unwrap();
                    let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
                    let mut chunk = vec![0; size + 2];
                    socket.read_exact(&mut chunk).unwrap();
                    body.extend_from_slice(&line);
                    body.extend_from_slice(&chunk);
                }
            }
            kept.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    (format!("http://{address}"), arrived)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Three clients: one with secrets in its head, one with a sealed JSON body, one with a sealed body in chunks; and one
/// without any secret.
fn session(folder: &Path, name: &str) -> PathBuf {
    let sealer = Sealer::new(&[RECIPIENT]).unwrap();
    let seal = |secret: &str| sealer.seal(format!("{CANARY}{secret}").as_bytes()).unwrap();
    let post = |at: u64, path: &str, headers: Value, body: String, framing: Value| {
        let mut line: Value = serde_json::from_str(&scripted::line(at, at + 1, "POST", path)).unwrap();
        line["request"]["headers"] = headers;
        line["request"]["body"] = json!({"text": body, "chunks": framing});
        line.to_string()
    };
    let mut head: Value = serde_json::from_str(&scripted::line(0, 1, "GET", "/")).unwrap();
    head["request"]["target"] = json!(format!("/reset/{}?a=1&key={}&b=2", seal("path"), seal("key")));
    head["request"]["headers"] = json!([
        ["Host", "recorded.invalid"],
        ["Authorization", format!("Bearer {}", seal("bearer"))],
        ["Cookie", format!("a=b; sid={}", seal("sid"))],
        ["X-Shop-User", seal("two words")],
    ]);
    let json_body = format!("{{\"user\":\"ann\",\"password\":\"{}\"}}", seal("password"));
    let length = json!([["Host", "recorded.invalid"], ["Content-Length", json_body.len().to_string()]]);
    let form = format!("card={}&x=1", seal("card"));
    let chunked = json!([["Host", "recorded.invalid"], ["Transfer-Encoding", "chunked"]]);
    let sizes = json!([10, form.len() - 10]);
    let sealing = serde_json::to_value(sealer.sealing()).unwrap();
    let header = json!({"started_unix_ns": 1_784_021_400_000_000_000_u64, "sealing": sealing});
    let lines = [
        json!({"type": "session", "header": header}).to_string(),
        head.to_string(),
        post(10, "/login", length, json_body, json!([])),
        post(20, "/pay", chunked, form, sizes),
        scripted::line(30, 31, "GET", "/plain"),
    ];
    scripted::session(folder, name, &lines)
}

fn command(name: &str, session: &Path, more: &[&str]) -> Said {
    run(reenact([name, &text(session), "--unsafe-methods", "send"])
        .args(more)
        .env("TEST_IDENTITY", IDENTITY)
        .env("TEST_STRANGER", STRANGER))
}

#[track_caller]
fn replay(session: &Path, to: &str, out: &Path, more: &[&str]) -> Said {
    let said = command("replay", session, &[&["--target", to, "--out", &text(out)], more].concat());
    assert_eq!(said.code, 0, "{more:?}: {said:?}");
    check_no_secret(&[out], &said);
    said
}

/// That no byte of these folders, and nothing that was said, is a secret.
#[track_caller]
fn check_no_secret(folders: &[&Path], said: &Said) {
    assert!(!format!("{said:?}").contains(CANARY), "{said:?}");
    for file in folders.iter().flat_map(|folder| support::files(folder)) {
        let bytes = std::fs::read(&file).unwrap();
        let plain = if text(&file).ends_with(".zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
        assert!(!has_canary(&plain), "{}", file.display());
        if text(&file).ends_with(".reenact") {
            let exchanges = support::cat(file.parent().unwrap());
            assert!(!Value::from(exchanges.clone()).to_string().contains(CANARY), "{exchanges:?}");
        }
    }
}

fn has_canary(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

/// What the result says of sealed values.
fn notices(out: &Path) -> Vec<String> {
    let run = run_json(out);
    let notices = run["notices"].as_array().unwrap().iter().map(|notice| notice.as_str().unwrap().to_owned());
    notices.filter(|notice| notice.contains("sealed")).collect()
}

#[track_caller]
fn check_arrived(arrived: &Arrived, copies: usize) {
    let arrived = arrived.lock().unwrap();
    let of = |start: &str| arrived.iter().filter(|(head, _)| head.starts_with(start)).collect::<Vec<_>>();
    let (heads, logins, pays) = (of("GET /reset/"), of("POST /login "), of("POST /pay "));
    assert_eq!([heads.len(), logins.len(), pays.len(), of("GET /plain ").len()], [copies; 4], "{arrived:?}");
    for (head, _) in heads {
        assert!(head.starts_with("GET /reset/Canary7path?a=1&key=Canary7key&b=2 HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(head, "Authorization"), Some("Bearer Canary7bearer"));
        assert_eq!(field(head, "Cookie"), Some("a=b; sid=Canary7sid"));
        assert_eq!(field(head, "X-Shop-User"), Some("Canary7two words"));
    }
    for (_, body) in logins {
        assert_eq!(body, "{\"user\":\"ann\",\"password\":\"Canary7password\"}");
    }
    for (_, body) in pays {
        assert_eq!(body, "14\r\ncard=Canary7card&x=1\r\n0\r\n\r\n");
    }
}

#[test]
fn the_target_gets_what_was_sealed_and_no_file_does() {
    let folder = folder();
    let session = session(folder.path(), "s");
    for (name, more, copies) in
        [("once", &[][..], 1), ("copies", &["--rate", "2x"], 2), ("all", &["--rate", "2x", "--answers", "all"], 2)]
    {
        let ((to, arrived), out) = (keeper(), inside(&folder, name));
        let said = replay(&session, &to, &out, &[&["--identity", "env:TEST_IDENTITY"], more].concat());
        check_arrived(&arrived, copies);
        assert!(!said.err.contains("sealed") && notices(&out).is_empty(), "{said:?}");
        let answers = support::exchanges(&out.join("answers"));
        let of = |start: &str| {
            let target = |one: &&Value| one["request"]["target"].as_str().unwrap().starts_with(start);
            answers.iter().filter(target).collect::<Vec<_>>()
        };
        for one in of("/reset/") {
            assert_eq!(one["request"]["target"], "/reset/***?a=1&key=***&b=2");
        }
        for one in of("/login") {
            let body = &one["request"]["body"];
            assert_eq!((&body["text"], &body["total_len"]), (&json!(""), &json!(43)), "{one}");
        }
    }
}

#[test]
fn a_kept_spool_holds_values_sealed_and_is_not_used_where_they_are_not_opened() {
    let folder = folder();
    let (session, spools) = (session(folder.path(), "s"), inside(&folder, "spools"));
    std::fs::create_dir(&spools).unwrap();
    let spool = text(&spools);
    let keep = ["--spool", &spool, "--reuse-spool"];
    let opened = [&keep[..], &["--identity", "env:TEST_IDENTITY"]].concat();
    let kept = || std::fs::read_dir(&spools).unwrap().count();
    let (to, arrived) = keeper();
    for name in ["made", "found"] {
        let said = replay(&session, &to, &inside(&folder, name), &opened);
        check_no_secret(&[&spools], &said);
        assert_eq!(kept(), 1);
    }
    check_arrived(&arrived, 2);
    arrived.lock().unwrap().clear();
    replay(&session, &to, &inside(&folder, "sealed"), &keep);
    assert_eq!(kept(), 2, "with and without an identity are two spools");
    assert!(!format!("{:?}", arrived.lock().unwrap()).contains(CANARY));
    arrived.lock().unwrap().clear();
    let strange = [&keep[..], &["--target", &to, "--identity", "env:TEST_STRANGER"]].concat();
    let said = command("replay", &session, &strange);
    assert!(said.code == 2 && said.err.contains("sealed for other recipients"), "{said:?}");
    assert!(arrived.lock().unwrap().is_empty());
}

#[test]
fn without_an_identity_values_are_sent_sealed_and_that_is_said() {
    let folder = folder();
    let session = session(folder.path(), "s");
    let ((to, arrived), out) = (keeper(), inside(&folder, "run"));
    let said = replay(&session, &to, &out, &[]);
    let notice = "3 of 4 recorded requests carry sealed values, which are sent as they are: --identity opens them";
    assert!(said.err.contains(notice), "{said:?}");
    assert_eq!(notices(&out), [notice]);
    let arrived = std::mem::take(&mut *arrived.lock().unwrap());
    assert_eq!(arrived.len(), 4);
    let recorded = support::exchanges(&session);
    let target = recorded[0]["request"]["target"].as_str().unwrap();
    assert!(
        target.contains("reenact-sealed-1.") && arrived.iter().any(|(head, _)| head.contains(target)),
        "{arrived:?}"
    );
    for one in &recorded[1..3] {
        let body = one["request"]["body"]["text"].as_str().unwrap();
        // Without the sizes of its two chunks.
        let is_it = |(_, came): &(String, String)| came == body || came.contains(&body[10..]);
        assert!(arrived.iter().any(is_it), "{body}: {arrived:?}");
    }
    let plan = command("plan", &session, &[]);
    assert!(plan.code == 0 && plan.out.contains(notice), "{plan:?}");
    let needless = scripted::gets(folder.path(), "plain", 3);
    let said = replay(&needless, &to, &inside(&folder, "plain_run"), &["--identity", "env:TEST_IDENTITY"]);
    assert!(said.err.contains("--identity was given, but no request carries a sealed value"), "{said:?}");
}

#[test]
fn a_plan_is_the_same_with_and_without_an_identity_and_shows_no_secret() {
    let folder = folder();
    let session = session(folder.path(), "s");
    let hash = |more: &[&str]| {
        let said = command("plan", &session, &[&["--json"], more].concat());
        assert_eq!(said.code, 0, "{said:?}");
        let json: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(json["sealed_exchanges"], 3);
        json["plan_hash"].clone()
    };
    let identity = ["--identity", "env:TEST_IDENTITY"];
    assert_eq!(hash(&[]), hash(&identity));
    assert_eq!(hash(&["--rate", "100/s"]), hash(&["--rate", "100/s", "--identity", "env:TEST_IDENTITY"]));
    let said = command("plan", &session, &["--show", "9", "--identity", "env:TEST_IDENTITY"]);
    check_no_secret(&[], &said);
    for part in [
        "GET /reset/***?a=1&key=***&b=2 ",
        "Bearer ***\r\n",
        "sid=***\r\n",
        "\"password\":\"***\"",
        "Content-Length: 43\r\n",
    ] {
        assert!(said.out.contains(part), "no `{part}`: {}", said.out);
    }
}

#[test]
fn a_rule_wins_over_a_sealed_value_even_one_that_cannot_be_opened() {
    let folder = folder();
    let mut lines = support::cat(&session(folder.path(), "whole"));
    assert_eq!(lines[1]["request"]["headers"][1][0], "Authorization");
    lines[1]["request"]["headers"][1][1] = json!("Bearer reenact-sealed-1.AAAA.");
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let session = scripted::session(folder.path(), "s", &lines);
    let config = inside(&folder, "c.toml");
    std::fs::write(
        &config,
        "[[rewrite]]\nset_header = { Authorization = \"Bearer mine\" }\nset_query = { key = \"k\" }\n\n[replay]\nidentity = \"env:TEST_IDENTITY\"\n",
    )
    .unwrap();
    let ((to, arrived), out) = (keeper(), inside(&folder, "run"));
    replay(&session, &to, &out, &["--config", &text(&config)]);
    let arrived = arrived.lock().unwrap();
    let (head, _) = arrived.iter().find(|(head, _)| head.starts_with("GET /reset/Canary7path?a=1&key=k&b=2 ")).unwrap();
    assert_eq!(field(head, "Authorization"), Some("Bearer mine"));
    assert_eq!(field(head, "Cookie"), Some("a=b; sid=Canary7sid"), "the config names the identity");
    let mut plan = reenact(["plan", &text(&session), "--config", &text(&config)]);
    plan.env("TEST_IDENTITY", IDENTITY).env("TEST_STRANGER", STRANGER);
    assert_eq!(run(&mut plan).code, 0);
    let said = run(plan.env("REENACT_IDENTITY", "env:TEST_STRANGER"));
    assert!(said.code == 2 && said.err.contains("other recipients"), "the environment comes before the file: {said:?}");
}

#[test]
fn what_cannot_be_opened_stops_a_replay_before_its_first_byte() {
    let folder = folder();
    let good = session(folder.path(), "s");
    let other = session(folder.path(), "other");
    let (to, arrived) = keeper();
    let file = inside(&folder, "identity");
    let refused = |session: &Path, identity: &str, says: &[&str]| {
        std::fs::write(&file, identity).unwrap();
        let reference = format!("file:{}", text(&file));
        let out = inside(&folder, "never");
        let sent = ["--target", &to, "--out", &text(&out), "--identity", &reference];
        for (name, more) in [("replay", &sent[..]), ("plan", &["--identity", &reference])] {
            let said = command(name, session, more);
            assert_eq!(said.code, 2, "{said:?}");
            for part in says {
                assert!(said.err.contains(part), "no `{part}`: {said:?}");
            }
            check_no_secret(&[], &said);
            assert!(!said.err.contains("AGE-SECRET-KEY-1G") && !out.exists(), "{said:?}");
        }
        assert!(arrived.lock().unwrap().is_empty());
    };
    refused(
        &good,
        &format!("# a stranger\n{STRANGER}\n"),
        &[&text(&good), "sealed for other recipients", "hint: give the identity of one of"],
    );
    refused(&good, "hunter2", &["--identity", "no age identity file", "line 1", "age-keygen"]);
    let lines: Vec<String> = support::cat(&good).into_iter().map(|line| line.to_string()).collect();
    let session_line = support::cat(&other).remove(0).to_string();
    let mixed = scripted::session(folder.path(), "mixed", &[&[session_line], &lines[1..]].concat());
    refused(
        &mixed,
        IDENTITY,
        &["the path of exchange 0 of", &text(&mixed), "damaged, or was sealed in another session", "hint: replace"],
    );
    let newer: Vec<String> = lines.iter().map(|line| line.replace("reenact-sealed-1.", "reenact-sealed-2.")).collect();
    let newer = scripted::session(folder.path(), "newer", &newer);
    refused(&newer, IDENTITY, &["is of version 2", "a newer one"]);
    let without = scripted::session(folder.path(), "without", &lines[1..]);
    refused(&without, IDENTITY, &["header has no key of sealed values"]);
}
