use super::*;
use crate::model::{Body, Message};

fn exchange(target: &str, more: &str, body: &str) -> Exchange {
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let body = Body { bytes: body.to_owned().into(), total_len: body.len() as u64, ..Body::default() };
    let mut exchange =
        Exchange { request: Message { head: head.into(), body, ..Message::default() }, ..Exchange::default() };
    exchange.instants.request_end = Some(1);
    exchange
}

fn places(exchange: Exchange) -> Vec<String> {
    let scanned = Scanner::new().scan(exchange);
    scanned.found.iter().map(|one| format!("{} {} {} {}", one.count, one.message, one.place, one.kind)).collect()
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn places_are_told() {
    let check = |target: &str, more: &str, body: &str, expected: &[&str]| {
        assert_eq!(places(exchange(target, more, body)), expected, "{target} {more} {body}");
    };
    check("/a/ann@example.com?mail=ann@example.com", "", "", &["1 request query mail email", "1 request target email"]);
    check("/?q=%7B%22a%22:%22ann@example.com%22%7D", "", "", &["1 request query $.a email"]);
    check("/", "X-Mail: ann@example.com\r\n", "", &["1 request header x-mail email"]);
    check(
        "/",
        JSON,
        r#"{"user":[{"email":"ann@example.com"},{"email":"bob@example.com"}]}"#,
        &["2 request body $.user[*].email email"],
    );
    check(
        "/",
        JSON,
        r#"{"a":"{\"b\":4111111111111111}","password":"x"}"#,
        &["1 request body $.a.b card_number", "1 request body $.password credential"],
    );
    check("/", JSON, r#"{"ann@example.com":1}"#, &["1 request body $.* email"]);
    check("/", "Content-Type: text/plain\r\n", "see ann@example.com", &["1 request body text email"]);
    check(
        "/",
        "Cookie: lang=en; sid=1; theme=0123456789abcdef\r\n",
        "",
        &["1 request cookie sid cookie", "1 request cookie theme cookie"],
    );
}

#[test]
fn what_cannot_be_read_is_searched_as_text_and_counted() {
    let broken = Scanner::new().scan(exchange("/", JSON, r#"{"password":"x", "mail":"ann@example.com"#));
    assert_eq!(broken.unread, 1);
    assert!(broken.found.iter().any(|one| one.kind == "email"), "{broken:?}");
    let mut cut = exchange("/", "Content-Type: text/plain\r\n", "ann@example.com");
    cut.request.body.total_len += 100;
    assert_eq!(Scanner::new().scan(cut).found.len(), 1);
}

#[test]
fn places_are_bounded() {
    let many: Vec<String> = (0..30_000).map(|n| format!(r#""{}":"ann@example.com""#, words(n))).collect();
    let scanned = Scanner::new().scan(exchange("/", JSON, &format!("{{{}}}", many.join(","))));
    assert!(scanned.found.len() <= 10_100, "{}", scanned.found.len());
    assert_eq!(scanned.found.iter().map(|one| one.count).sum::<u64>(), 30_000);
    assert!(scanned.found.last().unwrap().place.starts_with("(other"));
}

/// A number in letters.
fn words(number: u32) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

/// One of each kind that the default rules replace.
fn replaced_kinds() -> Vec<String> {
    let x = |count: usize| "xQ7a".repeat(20).chars().take(count).collect::<String>();
    vec![
        format!("eyJ{}.eyJ{}.{}", x(20), x(20), x(20)),
        format!("-----BEGIN {}KEY-----{}-----END {}KEY-----", "PRIVATE ", x(40), "PRIVATE "),
        format!("AKIA{}", "XQ7A".repeat(4)),
        format!("ghp_{}", x(36)),
        format!("https://hooks.slack.com/services/T0/B0/{}", x(24)),
        format!("sk_live_{}", x(24)),
        format!("AccountKey={}", x(40)),
        format!("SK{}", "7a".repeat(16)),
        format!("https://x.test/?access_token={}", x(9)),
        format!("https://ann:{}@x.test/", x(9)),
        format!("https://ann:{}@x.test/", x(2)),
    ]
}

#[test]
fn what_was_redacted_has_nothing_in_it() {
    use crate::redact::{Find, KeyPlace, Rule, Scope};
    let recipient = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    let sealer = std::sync::Arc::new(crate::seal::Sealer::new(&[recipient]).unwrap());
    let plain = Redactor::new(&RedactionKey::random().unwrap());
    let shaped = Rule {
        label: "1".to_owned(),
        find: Find::key(KeyPlace::Json, "mail").unwrap(),
        scope: Scope::default(),
        action: Some(Action::Shape),
    };
    for redactor in [
        plain.clone().with_rules(vec![shaped.clone()]).unwrap(),
        plain.with_sealer(sealer).with_rules(vec![shaped]).unwrap(),
    ] {
        for value in replaced_kinds() {
            let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
            let more = format!(
                "{JSON}X-Note: {value}\r\nAuthorization: Bearer {escaped}\r\nCookie: a=b; sid={escaped}; u={uuid}\r\nX-Api-Key: k\r\n"
            );
            let body = serde_json::json!({"note": value, "token": value, "pin": 1, "mail": "ann@example.com", "sid": uuid,
                "in": serde_json::json!({"note": value, "password": value}).to_string()});
            let given =
                exchange(&format!("/a/{escaped}?note={escaped}&token={escaped}&sid=1"), &more, &body.to_string());
            let mut redacted = given.clone();
            redactor.redact(&mut redacted);
            assert_eq!(redacted.request.body.dropped, None);
            assert_eq!(Scanner::new().scan(redacted.clone()), Scanned::default(), "{redacted:?}");
            assert!(Scanner::new().scan(given).found.len() > 8);
        }
    }
}
