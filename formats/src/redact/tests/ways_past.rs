//! Ways past the rules that a stranger found, each closed: odd character sets, types and forms, text in text in text.

use std::time::{Duration, Instant};

use super::places::{CANARY, body_of, own, run, target, whole};
use super::*;
use crate::coding::{self, Coding};
use crate::model::Dropped;

const JSON: &str = "application/json";

/// What is kept of a request's body, or why nothing is.
fn kept(content_type: &str, more: &str, body: &[u8]) -> Result<Vec<u8>, Dropped> {
    let body = run(&Redactor::new(&key()), whole("/", content_type, more, body)).request.body;
    body.dropped.map_or(Ok(body.bytes.to_vec()), Err)
}

#[track_caller]
fn check_dropped(content_type: &str, body: &[u8]) {
    assert_eq!(kept(content_type, "", body), Err(Dropped::Undecodable), "{}", String::from_utf8_lossy(body));
}

/// `§` stands for a secret in what is given, and for its pseudonym in what is expected.
#[track_caller]
fn check_body(content_type: &str, given: &str, expected: &str) {
    let got = body_of(&Redactor::new(&key()), content_type, &given.replace('§', CANARY));
    assert_eq!(got, expected.replace('§', &pseudonym(CANARY)), "{given}");
}

fn utf16(text: &str, is_little: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn text_of_two_or_four_bytes_a_character_is_dropped() {
    let text = format!(r#"{{"password":"{CANARY}"}}"#);
    for is_little in [true, false] {
        let plain = utf16(&text, is_little);
        let marked = utf16(&format!("\u{feff}{text}"), is_little);
        for content_type in [JSON, "text/html", "", "application/octet-stream", "application/x-www-form-urlencoded"] {
            check_dropped(content_type, &plain);
            check_dropped(content_type, &marked);
        }
        let part = [&b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n"[..], &plain, b"\r\n--b--"].concat();
        check_dropped("multipart/form-data; boundary=b", &part);
    }
    let utf32: Vec<u8> = text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect();
    check_dropped(JSON, &utf32);
    check_dropped("application/json; charset=\"UTF-7\"", b"+AHsAIg-password+ACI:...");
    check_dropped("text/html; charset=ibm037", b"\x97\x81\xa2\xa2");
    assert_eq!(kept("image/png", "", b"\x89PNG\0\0"), Ok(b"\x89PNG\0\0".to_vec()));
}

#[test]
fn json_is_looked_into_whatever_it_is_called() {
    for content_type in ["text/html; charset=utf-8", "application/javascript", "image/gif", "image/png, text/html", "x"]
    {
        check_body(content_type, r#"{"password":"§"}"#, r#"{"password":"§"}"#);
    }
    let twice = "Content-Type: application/json\r\n";
    let got = kept("image/png", twice, format!(r#"{{"password":"{CANARY}"}}"#).as_bytes()).unwrap();
    assert!(!contains_part_of(&got, CANARY.as_bytes()));
    check_body(
        "application/json-seq",
        "\x1e{\"token\":\"§\"}\n\x1e{\"token\":\"§\"}\n",
        "\x1e{\"token\":\"§\"}\n\x1e{\"token\":\"§\"}\n",
    );
    // A script that begins so is no JSON, and text.
    check_body("application/javascript", r#"{a};x("token")"#, r#"{a};x("token")"#);
}

#[test]
fn json_with_other_quotes_is_no_json() {
    check_dropped(JSON, b"{'password':'x'}");
    check_dropped(JSON, b"{ password : 'x' }");
    check_dropped(JSON, b"{user_password: 1}");
    check_dropped(JSON, br#"{"a":1, /* */ password: "x"}"#);
    check_body(JSON, r#"{"a":"my password: b","c":"'token'"}"#, r#"{"a":"my password: b","c":"'token'"}"#);
}

/// Text as a string of JSON, so often.
fn quoted(text: &str, times: usize) -> String {
    (0..times).fold(text.to_owned(), |text, _| serde_json::to_string(&text).unwrap())
}

#[test]
fn json_in_strings_is_looked_into_or_replaced_at_any_depth() {
    let text = format!(r#"{{"password":"{CANARY}"}}"#);
    for times in 1..12 {
        let got = body_of(&Redactor::new(&key()), JSON, &format!(r#"{{"a":{}}}"#, quoted(&text, times)));
        assert!(!contains_part_of(got.as_bytes(), CANARY.as_bytes()), "{times}: {got}");
        let is_read = times <= super::super::json::NESTED_MAX;
        assert_eq!(got.contains("password"), is_read, "{times}: {got}");
    }
    // What cannot be read as JSON: cut off, in other quotes, too deep.
    let deep = format!("{}{text}{}", "[".repeat(200), "]".repeat(200));
    for broken in [&text[..text.len() - 1], &text.replace('"', "'"), &text.replace(r#""password""#, "password"), &deep]
    {
        let given = format!(r#"{{"a":{},"b":1}}"#, quoted(broken, 1));
        let got = body_of(&Redactor::new(&key()), JSON, &given);
        assert_eq!(got, format!(r#"{{"a":"{}","b":1}}"#, pseudonym(broken)));
        let got = target(&Redactor::new(&key()), &format!("/?a={}", broken.replace('"', "%22").replace(' ', "%20")));
        assert!(!contains_part_of(got.as_bytes(), CANARY.as_bytes()), "{got}");
    }
    for same in [r#"["[INFO] a password: b","{{token}}","[x"]"#, r#"["[1] note: the token"]"#] {
        check_body(JSON, same, same);
    }
}

#[test]
fn no_stack_is_deep_enough_for_all_json() {
    // Levels count through strings.
    let mut text = String::from("1");
    for _ in 0..7 {
        text = format!("{}{}{}", "[".repeat(60), serde_json::to_string(&text).unwrap(), "]".repeat(60));
    }
    let body = format!(r#"{{"token":"x","a":{}}}"#, serde_json::to_string(&text).unwrap());
    assert!(kept(JSON, "", body.as_bytes()).is_ok());
}

#[test]
fn events_are_looked_into() {
    let check = |given: &str, expected: &str| check_body("text/event-stream", given, expected);
    check(
        "id: 1\r\ndata: {\"token\":\"§\"}\r\n\r\ndata:{\"a\":1}\r\n\r\n",
        "id: 1\r\ndata: {\"token\":\"§\"}\r\n\r\ndata:{\"a\":1}\r\n\r\n",
    );
    check("data: {\"a\":1,\ndata: \"token\":\ndata: \"§\"}\n\n", "data: {\"a\":1,\ndata: \"token\":\ndata: \"§\"}\n\n");
    check("\u{feff}data: {\"token\":\"§\"}\n\n: see /?token=§\n", "data: {\"token\":\"§\"}\n\n: see /?token=§\n");
    let cut = format!("data: {{\"token\":\"{CANARY}");
    let got = body_of(&Redactor::new(&key()), "text/event-stream", &cut);
    assert!(got.starts_with("data: redacted-") && !got.contains(CANARY), "{got}");
    check("data: the token is what\n\n", "data: the token is what\n\n");
}

#[test]
fn parts_hide_nothing() {
    let form = "multipart/form-data; boundary=b";
    let part = |head: &str, value: &str| format!("--b\r\n{head}\r\n\r\n{value}\r\n--b--\r\n");
    for head in [
        "Content-Disposition: form-data;\r\n name=\"password\"",
        "Content-Disposition: form-data; odd; name=password",
        "Content-Disposition: form-data; name*=utf-8''pass%77ord",
        "Content-Disposition: form-data; name=\"a\\\"\"; name=\"password\"",
        "Content-Disposition: form-data; filename=\"C:\\\"; name=\"password\"",
        "content-disposition : form-data ; NAME = \"Password\"",
        "Content-Disposition: form-data; name=\"pass%77ord\"",
    ] {
        check_body(form, &part(head, "§"), &part(head, "§"));
    }
    let named = "Content-Disposition: form-data; name=\"a\"";
    for undecodable in [
        part("Content-Type: text/plain", "§"),
        part("Content-Disposition: form-data", "§"),
        part(&format!("{named}\r\nContent-Transfer-Encoding: base64"), "eyJwYXNzd29yZCI6IngifQ=="),
        format!("--b\r\n{named}\r\n\r\nx\r\n--bc\r\n\r\n{CANARY}\r\n--b--\r\n"),
    ] {
        check_dropped(form, undecodable.as_bytes());
    }
    // A head that ends in a bare line feed before the line that others take for its end.
    let odd = "--b\r\nContent-Disposition: form-data; name=\"password\"\n\r\n§\r\n\r\nmore\r\n--b--\r\n";
    let got = body_of(&Redactor::new(&key()), form, &odd.replace('§', CANARY));
    assert!(!got.contains(CANARY) && !got.contains("more"), "{got}");
    let inner = format!("--c\r\n{named}\r\n\r\n{{\"token\":\"§\"}}\r\n--c--");
    let nested = part(&format!("{named}\r\nContent-Type: multipart/mixed; boundary=c"), &inner);
    check_body(form, &nested, &nested);
    check_body(
        "multipart/related; boundary=b",
        &part("Content-Type: application/json", r#"{"token":"§"}"#),
        &part("Content-Type: application/json", r#"{"token":"§"}"#),
    );
}

#[test]
fn a_batch_is_looked_into() {
    let message =
        "POST /a?token=§ HTTP/1.1\r\nAuthorization: Bearer §\r\nContent-Type: application/json\r\n\r\n{\"pin\":\"§\"}";
    let batch = format!("--b\r\nContent-Type: application/http\r\nX-Api-Key: §\r\n\r\n{message}\r\n--b--\r\n");
    check_body("multipart/mixed; boundary=b", &batch, &batch);
    check_body("application/http", message, message);
    let coded = "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\nx";
    check_dropped("application/http", coded.as_bytes());
}

#[test]
fn codings_in_codings_are_undone() {
    let text = format!(r#"{{"password":"{CANARY}"}}"#);
    let twice = coding::encode(text.as_bytes(), &[Coding::Zstd, Coding::Gzip]).unwrap();
    let body = run(&Redactor::new(&key()), whole("/", JSON, "Content-Encoding: gzip\r\n", &twice)).request.body;
    assert_eq!(body.redacted, Some(vec!["zstd".to_owned(), "gzip".to_owned()]));
    assert!(!contains_part_of(&body.bytes, CANARY.as_bytes()));
    let often = coding::encode(text.as_bytes(), &[Coding::Gzip; 5]).unwrap();
    check_dropped(JSON, &often);
    let behind = [coding::encode(b"{}", &[Coding::Deflate]).unwrap(), text.into_bytes()].concat();
    assert_eq!(kept(JSON, "Content-Encoding: deflate\r\n", &behind), Err(Dropped::Undecodable));
}

#[test]
fn targets_hide_nothing() {
    let redactor = Redactor::new(&key());
    let check = |given: &str, expected: &str| {
        let expected = expected.replace('§', &pseudonym(CANARY));
        assert_eq!(target(&redactor, &given.replace('§', CANARY)), expected, "{given}");
    };
    check("/a?user%255Bpassword%255D=§", "/a?user%255Bpassword%255D=§");
    let twice = "/a?to=https%253A%252F%252Fy%252F%253Fsession_id%253D§%2526b";
    check(twice, twice);
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sflKxwRJSMeKKF2QT4fwpM";
    check(&format!("/a?{jwt}={jwt}"), &format!("/a?{0}={0}", pseudonym(jwt)));
    for line in ["GET\t/?token=§\tHTTP/1.1", "/?token=§", "GET /?token=§"] {
        let head = redacted(&format!("{}\r\n\r\n", line.replace('§', CANARY)));
        assert!(!contains_part_of(head.as_bytes(), CANARY.as_bytes()), "{head}");
    }
    let head = format!(
        "GET / HTTP/1.1\r\nReferer: https://x/?to=https%3A%2F%2Fy%2F%3Faccess_token%3D{CANARY}%26a%3Db&c=d\r\n\r\n"
    );
    let expected = head.replace(CANARY, &pseudonym(CANARY));
    assert_eq!(redacted(&head), expected);
    let userinfo = redacted("GET http://ann:p@ssword@host/ HTTP/1.1\r\n\r\n");
    assert!(!userinfo.contains("ssword"), "{userinfo}");
}

#[test]
fn what_is_dropped_leaves_no_digest() {
    let mut exchange = whole("/", JSON, "", br#"{"pin":"1234"}"#);
    exchange.request.body.total_len += 1;
    exchange.request.body.sha256 = Some([7; 32]);
    assert_eq!(run(&Redactor::new(&key()), exchange.clone()).request.body.sha256, None);
    let rule = own(vec![(Find::body("application/json").unwrap(), Some(Action::Drop))]);
    assert_eq!(run(&rule, exchange).request.body.sha256, None);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a bound far above what is measured, and far below what quadratic time takes"
)]
fn time_is_linear() {
    let spaces = " ".repeat(200_000);
    let heads = [format!("Cookie: a=\"b;{spaces}"), format!("Cookie: a=\"b;{}", "\" x".repeat(60_000))];
    let bodies = [
        "pass ".repeat(500_000),
        format!("{{\"a\":\"{}\"}}", "'pass' ".repeat(300_000)),
        format!("{{\"a\":\"[{}\"}}", "\\\"x\\\" :".repeat(200_000)),
        "{\"pass\" ".repeat(200_000),
        "%252525".repeat(300_000),
        "://@".repeat(500_000),
        "?token%3D".repeat(200_000),
    ];
    let begin = Instant::now();
    for head in heads {
        let _ = redacted(&format!("GET / HTTP/1.1\r\n{head}\r\n\r\n"));
    }
    for body in bodies {
        for content_type in [JSON, "text/plain", "application/x-www-form-urlencoded", "text/event-stream"] {
            let _ = kept(content_type, "", body.as_bytes());
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}
