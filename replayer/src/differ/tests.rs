use bytes::Bytes;
use formats::model::{Body, Dropped, Exchange, Message};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;

fn exchange(head: &str, body: &[u8]) -> Exchange {
    let body = Body { bytes: Bytes::copy_from_slice(body), total_len: body.len() as u64, ..Body::default() };
    let response = Message { head: Bytes::copy_from_slice(head.as_bytes()), body, ..Message::default() };
    let request = Message { head: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"), ..Message::default() };
    Exchange { request, response: Some(response), ..Exchange::default() }
}

fn answer(fields: &str, body: &[u8]) -> Answer {
    Answer::of(&exchange(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), body))
}

/// What differs, and what cannot be compared.
fn found(before: &Answer, after: &Answer) -> (Vec<String>, Vec<Incomparable>) {
    let mut differ = Differ::default();
    let differences = differ.compare(before, after, false, &|_| None);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = differences
        .iter()
        .map(|one| format!("{} {} {}|{}", one.place, one.kind.name(), said(one.before), said(one.after)))
        .collect();
    (all, differences.incomparable().to_vec())
}

#[track_caller]
fn check(before: (&str, &str), after: (&str, &str), expected: &[&str]) {
    let (before, after) = (answer(before.0, before.1.as_bytes()), answer(after.0, after.1.as_bytes()));
    let (found, _) = found(&before, &after);
    assert_eq!(found, expected);
    assert_eq!(self::found(&before, &before), (Vec::new(), Vec::new()));
}

#[test]
fn fields_by_their_names_in_any_order() {
    check(("A: 1\r\nB: 2\r\n", ""), ("b: 2\r\na: 1\r\n", ""), &[]);
    check(("A: 1\r\nB: 2\r\n", ""), ("a: 1\r\nb: 3\r\n", ""), &["header:b value 2|3"]);
    check(("A: 1\r\nB: 2\r\n", ""), ("b: 3\r\n", ""), &["header:a missing 1|", "header:b value 2|3"]);
    check(("B: 2\r\n", ""), ("A: 1\r\nb: 2\r\n", ""), &["header:a added |1"]);
    check(("V: 1\r\nV: 2\r\n", ""), ("V: 2\r\nV: 1\r\n", ""), &[]);
    check(("V: 1\r\nV: 2\r\n", ""), ("V: 2\r\n", ""), &["header:v missing 1|"]);
    check(
        ("Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=1\r\n", ""),
        ("Set-Cookie: b=2\r\nSet-Cookie: a=1; Path=/\r\n", ""),
        &["cookie:b value b=1|b=2"],
    );
}

#[test]
fn another_status_is_the_only_difference() {
    let before = answer("A: 1\r\n", b"x");
    let after = Answer::of(&exchange("HTTP/1.1 500 Oh\r\n\r\n", b"y"));
    assert_eq!(found(&before, &after).0, ["status status 200|500"]);
    let none = Answer::of(&Exchange { response: None, ..exchange("", b"") });
    assert_eq!(found(&before, &none).0, ["status status 200|no answer"]);
}

#[test]
fn bodies_by_what_they_are() {
    let json = "Content-Type: application/json\r\n";
    check((json, r#"{"a":1}"#), (json, r#"{"a":2}"#), &["$.a value 1|2"]);
    check((json, "{"), (json, "{}"), &["body unreadable no JSON: byte 1 is not a key|"]);
    check((json, "{}"), (json, "{}x"), &["body unreadable |no JSON: byte 2 is not a value"]);
    check((json, "no\nJSON 1"), (json, "no\nJSON 2"), &["line:JSON # value JSON 1|JSON 2"]);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    check((form, "a=1&b=2"), (form, "b=2&a=%31"), &[]);
    check((form, "a=1&b=2"), (form, "b=3&c=4"), &["form:a missing 1|", "form:b value 2|3", "form:c added |4"]);
    let text = "Content-Type: text/plain\r\n";
    check((text, "a\nTotal: 12\nz"), (text, "a\nTotal: 13\nz"), &["line:Total: # value Total: 12|Total: 13"]);
    check((text, "a\nb\nc"), (text, "c\na\nb"), &["lines order |"]);
    check((text, "a\nb"), (text, "a\nb\nnew"), &["line:new added |new"]);
    check((text, "a\r\nb"), (text, "a\nb"), &["line ends value 1 CR LF, none at the end|0 CR LF, none at the end"]);
    check(
        (json, "{}"),
        ("Content-Type: text/html\r\n", "<p>"),
        &["header:content-type value application/json|text/html", "body type JSON|HTML"],
    );
    check((text, "a"), (text, ""), &["body missing 1 bytes|"]);
    let (found, _) = found(&answer("", b"\0\x01"), &answer("", b"\0\x02"));
    assert!(found.len() == 1 && found[0].starts_with("body bytes 2 bytes, SHA-256 "), "{found:?}");
}

#[test]
fn codings_are_undone() {
    let coded = |content: &[u8]| formats::coding::encode(content, &[formats::coding::Coding::Gzip]).unwrap();
    let head = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let (a, b) = (answer(head, &coded(b"{\"a\":1}")), answer(head, &coded(b"{\"a\":2}")));
    assert_eq!(found(&a, &b).0, ["$.a value 1|2"]);
    let plain = answer("Content-Type: application/json\r\n", b"{\"a\":1}");
    assert_eq!(found(&a, &plain).0, ["header:content-encoding missing gzip|"]);
    let damaged = answer(head, b"no gzip");
    assert_eq!(found(&a, &damaged).0, ["body unreadable |the content is no gzip"]);
}

#[test]
fn what_was_not_kept_is_told_apart_by_digests_or_said() {
    let cut = |body: &[u8], with_digest: bool, total: u64| {
        let mut exchange = exchange("HTTP/1.1 200 OK\r\n\r\n", b"");
        if let Some(message) = &mut exchange.response {
            message.body.total_len = total;
            message.body.sha256 = with_digest.then(|| Sha256::digest(body).into());
        }
        Answer::of(&exchange)
    };
    let (a, b) = (cut(b"aaa", true, 3), cut(b"bbb", true, 3));
    assert_eq!(found(&a, &a), (vec![], vec![]));
    assert_eq!(found(&a, &b).0.len(), 1);
    assert_eq!(found(&a, &answer("", b"aaa")), (vec![], vec![]), "the digest of what is there can be made");
    assert_eq!(found(&a, &cut(b"", false, 3)), (vec![], vec![Incomparable::NotKept]));
    assert_eq!(
        found(&a, &cut(b"", false, 4)).0,
        [format!("body bytes 3 bytes, SHA-256 {}|4 bytes", "9834876dcfb05cb1…")]
    );
    let mut dropped = exchange("HTTP/1.1 200 OK\r\n\r\n", b"aaa");
    if let Some(message) = &mut dropped.response {
        message.body.drop_for(Dropped::Undecodable);
    }
    assert_eq!(found(&a, &Answer::of(&dropped)), (vec![], vec![Incomparable::Dropped]));
}

#[test]
fn pseudonyms_under_different_keys_say_nothing_of_each_other() {
    let token = |letter: &str| format!("redacted-{}", letter.repeat(22));
    let body = |letter: &str, n: u32| format!("{{\"token\":\"{}\",\"n\":{n}}}", token(letter));
    let of = |letter: &str, n: u32| {
        answer(&format!("Set-Cookie: sid={}; Path=/\r\n", token(letter)), body(letter, n).as_bytes())
    };
    let (found, cannot) = found(&of("a", 1), &of("b", 2));
    assert_eq!((found, cannot), (vec!["$.n value 1|2".to_owned()], vec![Incomparable::Redacted]));
    let mut differ = Differ::default();
    let same_key = differ.compare(&of("a", 1), &of("b", 1), true, &|_| None);
    let places: Vec<&str> = same_key.iter().map(|one| one.place).collect();
    assert_eq!(places, ["cookie:sid", "$.token"], "under one key they are equal only if the secrets are");
}

#[test]
fn what_goes_to_disk_comes_back() {
    let answer = answer("A: b\r\n", b"body");
    let mut bytes = Vec::new();
    answer.write(&mut bytes);
    assert_eq!(Answer::read(Bytes::from(bytes.clone())).unwrap(), answer);
    assert!(Answer::read(Bytes::from(bytes[..40].to_vec())).is_err());
}

proptest! {
    #[test]
    fn no_answer_panics_and_none_differs_from_itself(
        head in "(HTTP/1.1 200 OK|x)\r\n([A-Za-z-]{0,12}: ?[ -~]{0,20}\r\n){0,4}",
        media in prop::sample::select(vec!["application/json", "text/html", "text/xml", "text/plain", "application/x-www-form-urlencoded", "x/y"]),
        coding in prop::sample::select(vec!["", "Content-Encoding: gzip\r\n", "Content-Encoding: odd\r\n"]),
        before: Vec<u8>, after: Vec<u8>,
    ) {
        let of = |body: &[u8]| Answer::of(&exchange(&format!("{head}Content-Type: {media}\r\n{coding}\r\n"), body));
        let (a, b) = (of(&before), of(&after));
        let _ = found(&a, &b);
        prop_assert_eq!(found(&a, &a), (vec![], vec![]));
    }
}
