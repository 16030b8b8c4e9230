//! Redaction before disk, from outside: secrets in every place that a rule covers are in no byte of the session and in
//! nothing that the recorder says; and rules that cannot be followed end it before it accepts anybody.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod operated;
mod planted;
mod scripted;
mod support;

use std::io::{Read, Write};

use std::path::Path;

use formats::coding::{self, Coding};
use operated::Operated;
use planted::{CANARY, SECRET, chunked, connect, field, json_text, mirror, post, read_body, requests, send};
use scripted::{read_head, target};
use serde_json::{Value, json};
use support::{Process, Said, exchanges, files, folder, inside, recorder, reenact, reenact_says, run, text, wait_for};

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// That no byte of the session, and nothing that was said, is a secret.
#[track_caller]
fn check_no_secret(session: &Path, said: &Said) {
    assert!(!format!("{said:?}").contains(CANARY), "{said:?}");
    for file in files(session) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{}", file.display());
    }
    let cat = reenact_says(["cat", &text(session)]);
    assert_eq!(cat.code, 0, "{cat:?}");
    for line in cat.out.lines() {
        assert!(!line.contains(CANARY), "{line}");
    }
}

fn record(out: &Path, more: &[&str], requests: impl IntoIterator<Item = (Vec<u8>, usize)>) -> Said {
    let (mut process, address) = recorder(&mirror().to_string(), out, more);
    let mut socket = connect(&address);
    for (request, split) in requests {
        let answered = send(&mut socket, &request, split);
        assert!(request.ends_with(&answered), "traffic is passed on as it is");
    }
    drop(socket);
    process.signal("INT");
    process.wait();
    let said = process.finish();
    assert_eq!(said.code, 0, "{said:?}");
    said
}

#[test]
fn no_secret_is_in_any_byte() {
    let folder = folder();
    let session = inside(&folder, "s");
    let requests = requests();
    let count = requests.len();
    let said = record(&session, &[], requests.into_iter().map(|request| (request, usize::MAX)));
    check_no_secret(&session, &said);
    let kept = exchanges(&session);
    assert_eq!(kept.len(), count);
    for one in &kept {
        let body = &one["request"]["body"];
        assert_eq!((&body["dropped"], &one["response"]["body"]["dropped"]), (&Value::Null, &Value::Null), "{one}");
        let head = one["request"]["headers"].to_string();
        if head.contains("json") {
            let text: Value = serde_json::from_str(body["text"].as_str().unwrap()).unwrap();
            assert_eq!((&text["user"]["name"], &text["user"]["card"]["cvv"]), (&json!("ann"), &json!("***")), "{one}");
        }
    }
    let codings: Vec<String> = kept.iter().map(|one| one["request"]["body"]["redacted"].to_string()).collect();
    for coding in
        ["[\"gzip\"]", "[\"deflate\"]", "[\"deflate-raw\"]", "[\"br\"]", "[\"zstd\"]", "[\"gzip\",\"br\"]", "[]"]
    {
        assert!(codings.iter().any(|kept| kept == coding), "{coding}: {codings:?}");
    }
}

/// What a recorder that is asked for all that it can say says: its log at the most talkative level, and its answers to its
/// operator.
#[test]
fn no_secret_is_in_the_log_at_any_level_or_in_metrics() {
    let folder = folder();
    let session = inside(&folder, "s");
    let (upstream, out) = (format!("http://{}", mirror()), text(&session));
    let own = ["record", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--admin", "127.0.0.1:0", "--json"];
    let mut command = reenact(own);
    // Bodies beyond the bound, rules that log what they meet, and a filter that looks at heads.
    command.args([
        "--out",
        &out,
        "--body-max",
        "200",
        "--flush-interval",
        "20ms",
        "--client-key",
        "header:authorization",
    ]);
    command.args(["--exclude", "/healthz", "--sample", "99%", "--log-level", "trace", "--log-format", "json"]);
    let recorder = Operated::of(Process::start(&mut command));
    let mut socket = connect(&recorder.address);
    for request in requests() {
        send(&mut socket, &request, 7);
    }
    drop(socket);
    // What is no request, what could be read in two ways, another protocol, and a client that goes in the middle of it.
    for odd in [
        format!("{SECRET}\r\n\r\n"),
        format!("GET /?token={SECRET} HTTP/9.9\r\nAuthorization: {SECRET}\r\n\r\n"),
        format!(
            "POST /?token={SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nCookie: a={SECRET}\r\n\r\nx"
        ),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x30\x01\x04\0\0\0\x01{SECRET}"),
        format!("PROXY TCP4 {SECRET}\r\n"),
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{{\"password\":\"{SECRET}"
        ),
    ] {
        let mut socket = connect(&recorder.address);
        socket.write_all(odd.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = socket.read_to_end(&mut Vec::new()); // a reset says as much as an end
    }
    let seen = |metric: &str| recorder.metrics()[metric];
    wait_for("all of it", || {
        (seen("reenact_exchanges_total") > 15.0 && seen("reenact_connections_active") == 0.0).then_some(())
    });
    let answers = ["/metrics", "/recording", "/livez", "/readyz", "/nowhere"].map(|path| recorder.ask(path, &[]).1);
    assert!(answers[0].contains("reenact_gap_bytes_total{reason=\"not_understood\"}"), "{}", answers[0]);
    for answer in &answers {
        assert!(!answer.contains(CANARY), "{answer}");
    }
    recorder.process.signal("INT");
    let said = recorder.process.finish();
    assert_eq!(said.code, 3, "{said:?}");
    let is_of_connections = |line: &&str| line.contains("\"level\":\"debug\"") && line.contains("\"pingora_core");
    assert!(said.err.lines().filter(is_of_connections).count() > 10, "it was asked for everything: {}", said.err);
    check_no_secret(&session, &said);
}

#[test]
fn no_split_lets_a_secret_through() {
    let folder = folder();
    let session = inside(&folder, "s");
    let gzip = coding::encode(json_text().as_bytes(), &[Coding::Gzip]).unwrap();
    let requests = [
        post(
            "/a?token=Canary7-q9XzT2-and-more",
            "application/json",
            "",
            br#"{"a":1,"password":"Canary7-q9XzT2-and-more"}"#,
        ),
        chunked("application/json", "Content-Encoding: gzip\r\n", &gzip, 90),
    ];
    let splits = requests.iter().flat_map(|request| (1..request.len()).map(|split| (request.clone(), split)));
    let said = record(&session, &[], splits.collect::<Vec<_>>());
    check_no_secret(&session, &said);
}

#[test]
fn what_cannot_be_looked_into_is_dropped_and_said() {
    let folder = folder();
    let session = inside(&folder, "s");
    let long = format!(r#"{{"text":"{}","password":"{SECRET}"}}"#, "x".repeat(5_000));
    let requests = [
        (post("/undecodable", "application/json", "Content-Encoding: gzip\r\n", SECRET.as_bytes()), "undecodable"),
        (post("/unknown", "application/json", "Content-Encoding: dcz\r\n", SECRET.as_bytes()), "undecodable"),
        (post("/broken", "application/json", "", format!(r#"{{"password":"{SECRET}"#).as_bytes()), "undecodable"),
        (post("/truncated", "application/json", "", long.as_bytes()), "truncated"),
    ];
    let said = record(&session, &["--body-max", "4KiB"], requests.iter().map(|(request, _)| (request.clone(), 9)));
    check_no_secret(&session, &said);
    for (one, (request, why)) in exchanges(&session).iter().zip(&requests) {
        let length = request.len() - request.windows(4).position(|end| end == b"\r\n\r\n").unwrap() - 4;
        for body in [&one["request"]["body"], &one["response"]["body"]] {
            assert_eq!((&body["dropped"], &body["text"]), (&json!(why), &json!("")), "{one}");
            assert_eq!(body["total_len"], json!(length), "{one}");
        }
    }
    let said =
        reenact_says(["plan", &text(&session), "--target", "http://127.0.0.1:9", "--unsafe-methods", "send", "--json"]);
    let plan: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| json!(said.out.clone()));
    assert!(plan.to_string().contains("\"truncated_body\":4") || said.err.contains("nothing"), "{said:?}");
}

#[test]
fn bodies_that_were_stored_decoded_are_sent_coded_again() {
    let folder = folder();
    let (session, out) = (inside(&folder, "s"), inside(&folder, "run"));
    let all = requests().into_iter().map(|request| (request, usize::MAX));
    record(&session, &["--seal", RECIPIENT], all.filter(|(request, _)| !request.starts_with(b"POST /a?")));
    let (sender, arrived) = std::sync::mpsc::sync_channel(64);
    let sender = std::sync::Mutex::new(sender);
    let to = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8_lossy(&head).into_owned();
            let framed = read_body(&mut socket, &head);
            let body = if field(&head, "Transfer-Encoding").is_some() {
                let mut rest = &framed[..];
                let mut plain = Vec::new();
                loop {
                    let end = rest.windows(2).position(|end| end == b"\r\n").unwrap();
                    let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
                    plain.extend_from_slice(&rest[end + 2..end + 2 + size]);
                    if size == 0 {
                        break plain;
                    }
                    rest = &rest[end + 4 + size..];
                }
            } else {
                framed
            };
            let codings = coding::codings(field(&head, "Content-Encoding").unwrap_or_default().as_bytes()).unwrap();
            let (plain, _) = coding::decode(&body, &codings, 1 << 20).unwrap();
            sender.lock().unwrap().send((codings, String::from_utf8(plain).unwrap())).unwrap();
            if socket.write_all(scripted::OK).is_err() {
                break;
            }
        }
    });
    let said = run(&mut reenact([
        "replay",
        &text(&session),
        "--target",
        &format!("http://{to}"),
        "--out",
        &text(&out),
        "--unsafe-methods",
        "send",
    ]));
    assert_eq!(said.code, 0, "{said:?}");
    let bodies: Vec<(Vec<Coding>, String)> = arrived.try_iter().collect();
    let coded = bodies.iter().filter(|(codings, _)| !codings.is_empty()).count();
    assert_eq!((bodies.len(), coded), (16, 11), "{bodies:?}");
    for (_, body) in &bodies {
        assert!(body.contains("reenact-sealed-1.") && !body.contains(CANARY), "{body}");
    }
    // With the identity, what was not coded arrives as it was; what would have to be coded for each copy is left out.
    let out = inside(&folder, "opened");
    let said = run(reenact([
        "replay",
        &text(&session),
        "--target",
        &format!("http://{to}"),
        "--out",
        &text(&out),
        "--unsafe-methods",
        "send",
        "--identity",
        "env:TEST_IDENTITY",
    ])
    .env("TEST_IDENTITY", IDENTITY));
    assert_eq!(said.code, 0, "{said:?}");
    let bodies: Vec<(Vec<Coding>, String)> = arrived.try_iter().collect();
    assert!(bodies.len() == 5 && bodies.iter().all(|(_, body)| body.contains(SECRET)), "{bodies:?}");
    assert_eq!(support::run_json(&out)["left_out"]["cannot_encode"], json!(11));
}

#[test]
fn recorders_with_one_key_agree_and_with_their_own_do_not() {
    let folder = folder();
    let request = post("/", "application/json", "", format!(r#"{{"password":"{SECRET}"}}"#).as_bytes());
    let body = |name: &str, key: Option<&Path>| {
        let session = inside(&folder, name);
        let reference = key.map(|path| format!("file:{}", text(path)));
        let more: Vec<&str> = reference.iter().flat_map(|reference| ["--redact-key", reference]).collect();
        record(&session, &more, [(request.clone(), 5)]);
        exchanges(&session)[0]["request"]["body"]["text"].as_str().unwrap().to_owned()
    };
    let key = inside(&folder, "key");
    std::fs::write(&key, KEY).unwrap();
    assert_eq!(body("a", Some(&key)), body("b", Some(&key)));
    assert_ne!(body("c", None), body("d", None));
}

#[test]
fn recorders_with_one_key_keep_the_same_clients_and_without_one_it_is_said() {
    let folder = folder();
    let key = inside(&folder, "key");
    std::fs::write(&key, KEY).unwrap();
    let reference = format!("file:{}", text(&key));
    let kept = |name: &str, key: &[&str]| {
        let session = inside(&folder, name);
        let requests =
            (0..60).map(|user| (post(&format!("/{user}"), "text/plain", &format!("X-User: {user}\r\n"), b"x"), 9));
        let more = [&["--client-key", "header:X-User", "--sample", "50%"][..], key].concat();
        let said = record(&session, &more, requests);
        let targets = exchanges(&session).iter().map(|one| one["request"]["target"].to_string()).collect::<Vec<_>>();
        assert!((1..60).contains(&targets.len()), "{targets:?}");
        (targets, said.err.contains("--sample without --redact-key"))
    };
    let one = ["--redact-key", &reference];
    let (first, second) = (kept("a", &one), kept("b", &one));
    assert_eq!(first, second);
    assert!(!first.1, "nothing is to be said");
    let (first, second) = (kept("c", &[]), kept("d", &[]));
    assert_ne!(first.0, second.0);
    assert!(first.1 && second.1);
}

#[test]
fn users_are_told_apart_by_a_claim_of_tokens_that_change() {
    use base64::Engine as _;
    let folder = folder();
    let session = inside(&folder, "s");
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let tokens = |number: usize| {
        let claims =
            json!({"sub": format!("{CANARY}-user-{}", number % 3), "iat": number, "jti": format!("{CANARY}-{number}")});
        format!("{}.{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&claims.to_string()), part(&"s".repeat(32)))
    };
    let requests = (0..30).map(|number| {
        let head = format!("Authorization: Bearer {}\r\n", tokens(number));
        (post(&format!("/{}", number % 3), "text/plain", &head, b"x"), 9)
    });
    let said = record(&session, &["--client-key", "claim:sub"], requests);
    check_no_secret(&session, &said);
    let kept = exchanges(&session);
    let users: std::collections::BTreeSet<(String, String)> =
        kept.iter().map(|one| (one["request"]["target"].to_string(), one["client"].to_string())).collect();
    assert_eq!((kept.len(), users.len()), (30, 3), "each path has one client, however many tokens: {users:?}");
    assert!(users.iter().all(|(_, client)| client.starts_with("\"named-")), "{users:?}");
    for file in files(&session) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!((0..30).all(|number| !holds(&tokens(number))));
    }
    let out = text(&inside(&folder, "refused"));
    let own = ["record", "--listen", "127.0.0.1:0", "--upstream", "http://x", "--out", &out, "--client-key", "claim:"];
    let refused = reenact_says(own);
    assert!(refused.code == 2 && refused.err.contains("as in claim:sub"), "{refused:?}");
}

#[test]
fn own_rules_are_followed_and_explained_without_values() {
    let folder = folder();
    let (session, config) = (inside(&folder, "s"), inside(&folder, "reenact.toml"));
    std::fs::write(
        &config,
        "[[redact]]\nname = \"customers\"\nheader = \"X-Customer\"\naction = \"drop\"\n\
         [[redact]]\njson_path = \"$.user.mail\"\nmethod = \"POST\"\n\
         [[redact]]\npattern = 'Canary7SKU-\\d+'\naction = \"mask\"\npath = \"/own*\"\n\
         [[redact]]\nquery = \"token\"\naction = \"keep\"\n",
    )
    .unwrap();
    let body = br#"{"user":{"mail":"Canary7ann@example.com"},"sku":"Canary7SKU-12"}"#;
    let request = post("/own?token=kept", "application/json", "X-Customer: Canary7\r\n", body);
    let said = record(&session, &["--config", &text(&config)], [(request.clone(), 5)]);
    check_no_secret(&session, &said);
    let one = &exchanges(&session)[0];
    assert_eq!(one["request"]["target"], "/own?token=kept");
    assert!(!one["request"]["headers"].to_string().contains("X-Customer"), "{one}");
    let header = support::cat(&session).remove(0)["header"]["redaction"].clone();
    assert_eq!(header["rules"][0], "1 (\"customers\", line 1): drop", "{header}");

    // A session that was recorded without these rules, as lines.
    let lines = inside(&folder, "lines.jsonl");
    let mut line: Value =
        serde_json::from_str(&scripted::line(0, 1, "POST", "/own?token=Canary7kept&sid=Canary7-q9XzT2")).unwrap();
    line["request"]["headers"] =
        json!([["Host", "x"], ["Content-Type", "application/json"], ["X-Customer", "Canary7"]]);
    line["request"]["body"] = json!({"text": String::from_utf8_lossy(body)});
    std::fs::write(&lines, format!("{line}\n")).unwrap();
    let explain = |path: &Path, more: &[&str]| {
        let said =
            reenact_says([&["record", "--explain-redaction", &text(path), "--config", &text(&config)], more].concat());
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!said.out.contains(CANARY) && !said.err.contains(CANARY), "{said:?}");
        said.out
    };
    let out = explain(&lines, &[]);
    for part in [
        "exchange 0: POST /own\n",
        "  request header X-Customer: drop 7 bytes (1 (\"customers\", line 1))\n",
        "  request json mail: pseudonym 22 bytes (2 (line 5))\n",
        "  request json sku: mask 13 bytes (3 (line 8))\n",
        "  request query sid: pseudonym 14 bytes (default key)\n",
        "1 of 1 exchanges would be changed\n",
    ] {
        assert!(out.contains(part), "{part}{out}");
    }
    let summary: Value = serde_json::from_str(explain(&lines, &["--json"]).lines().last().unwrap()).unwrap();
    assert_eq!((&summary["exchanges"], &summary["changed"]), (&json!(1), &json!(1)));
    let again = explain(&session, &[]);
    assert!(
        again.contains("redacted before, with key ") && again.contains("0 of 1 exchanges would be changed"),
        "{again}"
    );
}

#[test]
fn rules_that_cannot_be_followed_end_the_recorder_before_it_accepts() {
    let folder = folder();
    let (config, out) = (inside(&folder, "bad.toml"), inside(&folder, "s"));
    let check = |rule: &str, more: &[&str], says: &[&str]| {
        std::fs::write(&config, format!("# rules\n{rule}\n")).unwrap();
        let arguments = ["record", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9", "--out", &text(&out)];
        let said = reenact_says([&arguments[..], &["--config", &text(&config)], more].concat());
        assert_eq!(said.code, 2, "{rule}: {said:?}");
        assert!(!said.err.contains("listening") && !out.exists(), "{rule}: {said:?}");
        for part in says {
            assert!(said.err.contains(part), "{rule} does not say {part}: {said:?}");
        }
    };
    let place = format!("{}: redact rule 1 (line 2): ", text(&config));
    check("[[redact]]\npattern = '('", &[], &[&place, "does not compile", "hint: "]);
    check("[[redact]]\npattern = 'x*'", &[], &[&place, "the empty text"]);
    check("[[redact]]\njson_path = 'a.b'", &[], &[&place, "it does not begin with $"]);
    check("[[redact]]\nheader = 'X-A'\naction = 'seal'", &[], &[&place, "no recipient", "--seal"]);
    check("[[redact]]\nheader = 'X-A'\naction = 'eat'", &[], &[&place, "`eat` is no action", "keep"]);
    check("[[redact]]\nheader = 'X-A'\nquery = 'b'", &[], &[&place, "two things"]);
    check("[[redact]]\naction = 'mask'", &[], &[&place, "nothing of what it looks for"]);
    check("[[redact]]\nheader = 'X A'", &[], &[&place, "`X A` is no name"]);
    check("[[redact]]\ndefault = 'nothing'", &[], &[&place, "no default pattern `nothing`"]);
    check("[[redact]]\nheadr = 'X-A'", &[], &["line 3", "headr", "docs/redaction.md"]);
    check("", &["--seal", "age1nobody"], &["--seal", "no age recipient", "hint: "]);
    check("", &["--seal", IDENTITY], &["--seal", "neither an age recipient nor a reference"]);
}
