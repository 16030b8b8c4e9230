//! Targets, forms, JSON, text and bodies: what is found in them, what becomes of it, and what is dropped.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::super::body::DECODED_BYTES_MAX;
use super::super::json::DEPTH_MAX;
use super::*;
use crate::coding::{self, Coding};
use crate::model::{Body, Dropped};
use crate::seal::{Identities, Opener, Sealer};

/// Long enough for a pseudonym, and of no known form.
pub(super) const CANARY: &str = "Canary7-q9XzT2";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

pub(super) fn whole(target: &str, content_type: &str, more: &str, body: &[u8]) -> Exchange {
    let mut exchange = exchange_with(b"", 9);
    exchange.request.head =
        Bytes::from(format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n{more}\r\n"));
    exchange.request.body = Body { bytes: body.to_vec().into(), total_len: body.len() as u64, ..Body::default() };
    exchange.instants.request_end = Some(1);
    exchange
}

pub(super) fn run(redactor: &Redactor, mut exchange: Exchange) -> Exchange {
    redactor.redact(&mut exchange);
    exchange
}

pub(super) fn target(redactor: &Redactor, target: &str) -> String {
    let exchange = run(redactor, whole(target, "text/plain", "", b""));
    let line = crate::head::request_line(&exchange.request.head).unwrap();
    String::from_utf8(line.target.to_vec()).unwrap()
}

pub(super) fn body_of(redactor: &Redactor, content_type: &str, body: &str) -> String {
    let exchange = run(redactor, whole("/", content_type, "", body.as_bytes()));
    assert_eq!(exchange.request.body.dropped, None, "{body}");
    String::from_utf8(exchange.request.body.bytes.to_vec()).unwrap()
}

pub(super) fn own(finds: Vec<(Find, Option<Action>)>) -> Redactor {
    let rule = |(find, action)| Rule { label: "1".into(), find, scope: Scope::default(), action };
    Redactor::new(&key()).with_rules(finds.into_iter().map(rule).collect()).unwrap()
}

fn json_key(name: &str, action: Action) -> Redactor {
    own(vec![(Find::key(KeyPlace::Json, name).unwrap(), Some(action))])
}

#[test]
fn targets() {
    let redactor = Redactor::new(&key());
    let check = |given: &str, expected: &str| {
        let expected = expected.replace('§', &pseudonym(CANARY));
        assert_eq!(target(&redactor, &given.replace('§', CANARY)), expected, "{given}");
    };
    check("/a?token=§", "/a?token=§");
    check("/a?x=1&Access-Token=§&y=2", "/a?x=1&Access-Token=§&y=2");
    check("/a?user%5Bpassword%5D=§", "/a?user%5Bpassword%5D=§");
    check("/a?pass%77ord=§", "/a?pass%77ord=§");
    check("/a?password=1234&x", "/a?password=***&x");
    check("/a?a=1;token=§;b=2&c=3", &format!("/a?a=1;token={}&c=3", pseudonym(&format!("{CANARY};b=2"))));
    check("/a?token=Canary7%2Dq9XzT2", "/a?token=§");
    check("http://ann:Canary7-q9XzT2@host/a", &format!("http://{}@host/a", pseudonym("ann:Canary7-q9XzT2")));
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sflKxwRJSMeKKF2QT4fwpM";
    check(&format!("/reset/{jwt}?a"), &format!("/reset/{}?a", pseudonym(jwt)));
    check(&format!("/reset?t={jwt}"), &format!("/reset?t={}", pseudonym(jwt)));
    for same in ["/a?page=2&sort=asc", "/a?", "/a", "*", "/tokens/7?nextPageToken=abc", "/a?=&&="] {
        check(same, same);
    }
}

#[test]
fn urls_in_headers() {
    let head = redacted(&format!("GET / HTTP/1.1\r\nReferer: https://x/y?a=1&access_token={CANARY}\r\nX: y\r\n\r\n"));
    assert_eq!(
        head,
        format!("GET / HTTP/1.1\r\nReferer: https://x/y?a=1&access_token={}\r\nX: y\r\n\r\n", pseudonym(CANARY))
    );
}

#[test]
fn json() {
    let redactor = Redactor::new(&key());
    let check = |given: &str, expected: &str| {
        let expected = expected.replace('§', &pseudonym(CANARY));
        assert_eq!(body_of(&redactor, "application/json", &given.replace('§', CANARY)), expected, "{given}");
    };
    check(r#"{ "password" : "§", "a": 1.50 }"#, r#"{ "password" : "§", "a": 1.50 }"#);
    check(r#"{"pass\u0077ord":"§"}"#, r#"{"pass\u0077ord":"§"}"#);
    check(r#"{"PassWord":"§"}"#, r#"{"PassWord":"§"}"#);
    check(r#"{"a":{"b":[{"apiKey":"§"}]}}"#, r#"{"a":{"b":[{"apiKey":"§"}]}}"#);
    check(r#"{"secret":{"a":"§","b":[12,true,null]}}"#, r#"{"secret":{"a":"§","b":["***",true,null]}}"#);
    check(r#"{"cvv":123,"pin":null}"#, r#"{"cvv":"***","pin":null}"#);
    check(r#"{"token":"Canary7\u002dq9XzT2"}"#, r#"{"token":"§"}"#);
    check("{\"token\":\"§\"}\n{\"token\":\"§\"}\n", "{\"token\":\"§\"}\n{\"token\":\"§\"}\n");
    check(r#"{"body":"{\"password\":\"§\"}"}"#, r#"{"body":"{\"password\":\"§\"}"}"#);
    check("\u{feff}{\"token\":\"§\"}", "\u{feff}{\"token\":\"§\"}");
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sflKxwRJSMeKKF2QT4fwpM";
    check(&format!(r#"["see {jwt} \n"]"#), &format!(r#"["see {} \n"]"#, pseudonym(jwt)));
    check(&format!(r#"{{"{jwt}":1}}"#), &format!(r#"{{"{}":1}}"#, pseudonym(jwt)));
    for same in
        [r#"{"key":"a token"}"#, r#"{"tokens_left":7}"#, "[]", "{}", "7", r#""x""#, r#"{"nextPageToken":"abc"}"#]
    {
        check(same, same);
    }
}

#[test]
fn what_is_dropped_from_json_leaves_json() {
    let redactor = json_key("x", Action::Drop);
    let check = |given: &str, expected: &str| {
        assert_eq!(body_of(&redactor, "application/json", given), expected);
    };
    check(r#"{"x":1}"#, "{}");
    check(r#"{"x":1,"a":2}"#, r#"{"a":2}"#);
    check(r#"{"a":2,"x":{"x":[1]}}"#, r#"{"a":2}"#);
    check(r#"{"x":1,"x":2,"a":3,"x":4,"b":5,"x":6}"#, r#"{"a":3,"b":5}"#);
    check(r#"{ "x" : 1 , "a" : 2 }"#, r#"{ "a" : 2 }"#);
    check(r#"[{"x":1},{"a":{"x":[]}}]"#, r#"[{},{"a":{}}]"#);
    let path = own(vec![(Find::json_path("$.a[*]").unwrap(), Some(Action::Drop))]);
    assert_eq!(body_of(&path, "application/json", r#"{"a":[1,{"b":2},"c"],"d":[1]}"#), r#"{"a":[],"d":[1]}"#);
    let path = own(vec![(Find::json_path("$.a[1]").unwrap(), Some(Action::Drop))]);
    assert_eq!(body_of(&path, "application/json", r#"{"a":[1,2,3]}"#), r#"{"a":[1,3]}"#);
}

#[test]
fn json_paths() {
    let check = |path: &str, given: &str, expected: &str| {
        let redactor = own(vec![(Find::json_path(path).unwrap(), Some(Action::Mask))]);
        assert_eq!(body_of(&redactor, "application/json", given), expected, "{path}");
    };
    check(
        "$.user.card",
        r#"{"user":{"card":"a","b":"c"},"card":"d"}"#,
        r#"{"user":{"card":"***","b":"c"},"card":"d"}"#,
    );
    check("$.items[*].code", r#"{"items":[{"code":1},{"code":"b"}]}"#, r#"{"items":[{"code":"***"},{"code":"***"}]}"#);
    check("$['odd key'][0]", r#"{"odd key":["a","b"]}"#, r#"{"odd key":["***","b"]}"#);
    check("$.ca\u{e4}", r#"{"ca\u00e4":"a"}"#, r#"{"ca\u00e4":"***"}"#);
    for bad in ["", "$", "a.b", "$..a", "$.", "$[x]", "$['a", "$[1", "$a"] {
        assert!(matches!(Find::json_path(bad), Err(RuleError::JsonPath { .. })), "{bad}");
    }
    let keep = own(vec![(Find::json_path("$.token").unwrap(), Some(Action::Keep))]);
    let text = format!(r#"{{"token":"{CANARY}","a":{{"token":"{CANARY}"}}}}"#);
    let got = body_of(&keep, "application/json", &text);
    assert_eq!(got.matches(CANARY).count(), 1, "{got}");
}

#[test]
fn forms() {
    let redactor = Redactor::new(&key());
    let check = |content_type: &str, given: &str, expected: &str| {
        let expected = expected.replace('§', &pseudonym(CANARY));
        assert_eq!(body_of(&redactor, content_type, &given.replace('§', CANARY)), expected, "{given}");
    };
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    check(form, "user=ann&password=§&go=", "user=ann&password=§&go=");
    check("", "user=ann&password=§&go=", "user=ann&password=§&go=");
    check(form, r#"{"password":"§"}"#, r#"{"password":"§"}"#);
    check(form, "payload=%7B%22token%22%3A%22§%22%7D", "payload=%7B%22token%22:%22§%22%7D");
    let part = |name: &str, more: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{more}\r\n{value}\r\n")
    };
    let file = part("data", "Content-Type: application/json\r\n", r#"{"token":"§"}"#);
    let given = format!("{}{}{file}--b--\r\n", part("a", "", "1"), part("password", "", "§"));
    check("multipart/form-data; boundary=\"b\"", &given, &given);
    let gone = own(vec![(Find::key(KeyPlace::Form, "password").unwrap(), Some(Action::Drop))]);
    let expected = format!("{}{}--b--\r\n", part("a", "", "1"), file.replace('§', &pseudonym(CANARY)));
    assert_eq!(body_of(&gone, "multipart/form-data; boundary=b", &given.replace('§', CANARY)), expected);
    assert_eq!(body_of(&gone, form, "a=1&password=x&b=2"), "a=1&b=2");
    assert_eq!(body_of(&gone, form, "password=x&b=2"), "b=2");
}

#[test]
fn what_cannot_be_read_is_dropped_with_its_length() {
    let redactor = Redactor::new(&key());
    let check = |exchange: Exchange, expected: Option<Dropped>| {
        let length = exchange.request.body.total_len;
        let got = run(&redactor, exchange).request.body;
        assert_eq!((got.dropped, got.total_len), (expected, length));
        assert_eq!(got.is_truncated(), expected.is_some());
        assert!(expected.is_none() || got.bytes.is_empty());
    };
    let json = |more: &str, body: &[u8]| whole("/", "application/json", more, body);
    check(json("", br#"{"password":"x"#), Some(Dropped::Undecodable));
    check(json("Content-Encoding: gzip\r\n", br#"{"a":1}"#), Some(Dropped::Undecodable));
    check(json("Content-Encoding: dcz\r\n", br#"{"a":1}"#), Some(Dropped::Undecodable));
    check(whole("/", "image/png", "Content-Encoding: dcz\r\n", b"x"), None);
    check(whole("/", "multipart/form-data; boundary=b", "", b"--b\r\n\r\nx"), Some(Dropped::Undecodable));
    let deep = |depth: usize| format!("{}\"password\"{}", "[".repeat(depth), "]".repeat(depth));
    check(json("", format!("{{\"token\":{}}}", deep(DEPTH_MAX - 1)).as_bytes()), None);
    check(json("", format!("{{\"token\":{}}}", deep(DEPTH_MAX)).as_bytes()), Some(Dropped::Undecodable));
    let mut truncated = json("", br#"{"a":1}"#);
    truncated.request.body.total_len = 8;
    check(truncated, Some(Dropped::Truncated));
    let mut cut = json("", br#"{"a":1}"#);
    cut.instants.request_end = None;
    check(cut, Some(Dropped::Truncated));
    let mut image = whole("/", "image/png", "", b"x");
    image.request.body.total_len = 2;
    let got = run(&redactor, image).request.body;
    assert_eq!((got.dropped, &got.bytes[..]), (None, &b"x"[..]));
}

#[test]
fn a_bomb_is_dropped() {
    let bomb = coding::encode(&vec![b' '; DECODED_BYTES_MAX + 1], &[Coding::Gzip]).unwrap();
    let got = run(&Redactor::new(&key()), whole("/", "application/json", "Content-Encoding: gzip\r\n", &bomb));
    assert_eq!(got.request.body.dropped, Some(Dropped::Undecodable));
    let most = coding::encode(&vec![b' '; DECODED_BYTES_MAX], &[Coding::Gzip]).unwrap();
    let got = run(&Redactor::new(&key()), whole("/", "application/json", "Content-Encoding: gzip\r\n", &most));
    assert_eq!(got.request.body.dropped, None);
}

#[test]
fn own_rules_come_first_and_hold_where_they_say() {
    let scope =
        Scope { path: Some(Pattern::new("/shop/*")), host: Some(Pattern::new("x")), method: Some("POST".into()) };
    let rule = |find, action| Rule { label: "1".into(), find, scope: scope.clone(), action };
    let redactor = Redactor::new(&key())
        .with_rules(vec![
            rule(Find::key(KeyPlace::Query, "id").unwrap(), Some(Action::Mask)),
            rule(Find::key(KeyPlace::Query, "token").unwrap(), Some(Action::Keep)),
        ])
        .unwrap();
    assert_eq!(target(&redactor, "/shop/a?id=7&token=abc"), "/shop/a?id=***&token=abc");
    assert_eq!(target(&redactor, "/a?id=7&token=abc"), "/a?id=7&token=***");
}

#[test]
fn own_headers_cookies_patterns_and_bodies() {
    let mut exchange =
        whole("/SKU-12", "text/csv", "X-Customer-Id: ann\r\nCookie: a=1; lang=en; b=2\r\nX-Api-Key: k\r\n", b"a,b");
    let redactor = own(vec![
        (Find::header("x-customer-*").unwrap(), Some(Action::Drop)),
        (Find::header("X-Api-Key").unwrap(), Some(Action::Keep)),
        (Find::cookie("lang").unwrap(), Some(Action::Keep)),
        (Find::cookie("a").unwrap(), Some(Action::Drop)),
        (Find::pattern(r"SKU-(?P<secret>\d+)").unwrap(), Some(Action::Mask)),
        (Find::body("text/*").unwrap(), Some(Action::Drop)),
    ]);
    redactor.redact(&mut exchange);
    let head = String::from_utf8(exchange.request.head.to_vec()).unwrap();
    assert_eq!(
        head,
        "POST /SKU-*** HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nCookie: lang=en; b=***\r\nX-Api-Key: k\r\n\r\n"
    );
    assert_eq!(exchange.request.body.dropped, Some(Dropped::Rule));
    let keep = own(vec![(Find::default_pattern("jwt").unwrap(), Some(Action::Keep))]);
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sflKxwRJSMeKKF2QT4fwpM";
    assert_eq!(body_of(&keep, "text/plain", jwt), jwt);
    assert!(!body_of(&Redactor::new(&key()), "text/plain", jwt).contains("eyJ"));
}

#[test]
fn rules_that_cannot_be_followed() {
    assert!(matches!(Find::pattern("("), Err(RuleError::Regex(_))));
    assert!(matches!(Find::pattern("x*"), Err(RuleError::EmptyMatch)));
    assert!(matches!(Find::header("a b"), Err(RuleError::Name { .. })));
    assert!(matches!(Find::key(KeyPlace::Json, "--"), Err(RuleError::Name { .. })));
    assert!(matches!(Find::default_pattern("nothing"), Err(RuleError::NoDefault { .. })));
    let rule = |find, action| vec![Rule { label: "7".into(), find, scope: Scope::default(), action: Some(action) }];
    let refused = |rules| Redactor::new(&key()).with_rules(rules).unwrap_err();
    let (label, error) = refused(rule(Find::header("x").unwrap(), Action::Seal));
    assert!(label == "7" && matches!(error, RuleError::NoRecipient), "{error}");
    let (_, error) = refused(rule(Find::body("text/csv").unwrap(), Action::Mask));
    assert!(matches!(error, RuleError::BodyAction { action: "mask" }), "{error}");
}

#[test]
fn sealed_values_are_opened() {
    let sealer = std::sync::Arc::new(Sealer::new(&[RECIPIENT]).unwrap());
    let redactor = Redactor::new(&key()).with_sealer(sealer.clone());
    let body = body_of(&redactor, "application/json", r#"{"password":"a\nb","cvv":123}"#);
    let opener = Opener::new(&Identities::parse(IDENTITY.as_bytes()).unwrap(), sealer.sealing()).unwrap();
    let sealed: Vec<_> =
        crate::seal::find(body.as_bytes()).map(|at| opener.open(&body.as_bytes()[at]).unwrap()).collect();
    assert_eq!(sealed, [br"a\nb".to_vec(), b"123".to_vec()]);
    assert_eq!(body_of(&redactor, "application/json", &body), body, "sealed once is sealed");
}

#[test]
fn sealed_values_are_put_back_as_they_were_written() {
    let sealer = std::sync::Arc::new(Sealer::new(&[RECIPIENT]).unwrap());
    let redactor = Redactor::new(&key()).with_sealer(sealer.clone());
    let opener = Opener::new(&Identities::parse(IDENTITY.as_bytes()).unwrap(), sealer.sealing()).unwrap();
    let opened = |text: &str| {
        let (mut out, mut copied) = (Vec::new(), 0);
        for at in crate::seal::find(text.as_bytes()) {
            out.extend_from_slice(&text.as_bytes()[copied..at.start]);
            out.extend_from_slice(&opener.open(&text.as_bytes()[at.clone()]).unwrap());
            copied = at.end;
        }
        assert!(copied > 0, "nothing is sealed: {text}");
        String::from_utf8([&out, &text.as_bytes()[copied..]].concat()).unwrap()
    };
    let pem = "-----BEGIN PRIVATE KEY-----\nMII\"+/=\n-----END PRIVATE KEY-----";
    for value in [
        json!({"note": pem}),
        json!({"note": json!({"password": "a\"b\\c\n"}).to_string()}),
        json!({"note": json!([json!({"note": pem}).to_string()]).to_string()}),
        json!({ pem: "1" }),
    ] {
        let sealed = body_of(&redactor, "application/json", &value.to_string());
        assert_eq!(serde_json::from_str::<Value>(&opened(&sealed)).unwrap(), value, "{sealed}");
    }
    let form = "a=1&note=-----BEGIN+PRIVATE+KEY-----%0AMII%22%2B%2F%3D%26%0A-----END+PRIVATE+KEY-----&b=2";
    let decoded = |form: &str| -> Vec<Vec<u8>> {
        form.split('&').map(|pair| super::super::form::decoded(pair.as_bytes()).into_owned()).collect()
    };
    let sealed = body_of(&redactor, "application/x-www-form-urlencoded", form);
    assert_eq!(decoded(&opened(&sealed)), decoded(form), "{sealed}");
}

#[test]
fn changes_are_told_without_values() {
    let exchange =
        whole("/a?token=Canary7-q9XzT2", "application/json", "X-Api-Key: Canary7-q9XzT2\r\n", br#"{"pin":"1"}"#);
    let redactor = Redactor::new(&key());
    let mut first = exchange.clone();
    let changes = redactor.explain(&mut first);
    let told: Vec<_> = changes.iter().map(|one| (one.place, one.name.as_str(), one.action, one.bytes)).collect();
    assert_eq!(
        told,
        [("json", "pin", "mask", 1), ("query", "token", "pseudonym", 14), ("header", "X-Api-Key", "pseudonym", 14)]
    );
    assert!(!format!("{changes:?}").contains(CANARY));
    assert_eq!(first, run(&redactor, exchange));
    assert_eq!(redactor.explain(&mut first), [], "nothing is left to be done");
}

/// JSON in which secrets stand under keys that are credentials; `§` marks the place of one.
fn any_json() -> impl Strategy<Value = Value> {
    let secret = select(vec!["password", "accessToken", "API_KEY", "client-secret", "sid", "user[jwt]", "card_number"]);
    let name = || "[a-z ü\"\\\\\n]{0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let leaf = prop_oneof![3 => leaf, 2 => secret.prop_map(|key| json!({key: CANARY, "x": 1}))];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((name(), inner.clone()), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            inner.prop_map(|inner| Value::from(inner.to_string())),
        ]
    })
}

/// The same structure, whatever the leaves; text that was JSON is compared as JSON.
fn same_structure(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_structure(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same_structure(value, other)))
        }
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => false,
        _ => true,
    }
}

proptest! {
    #[test]
    fn secrets_in_json_are_never_kept(value in any_json(), pretty: bool, codings in vec(select(vec![Coding::Gzip, Coding::Brotli, Coding::Zstd]), 0..2)) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let field = codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(", ");
        let coded = coding::encode(text.as_bytes(), &codings).unwrap();
        let redactor = Redactor::new(&key());
        let more = format!("Content-Encoding: {field}\r\n");
        let given = whole("/", "application/json", &more, &coded);
        let once = run(&redactor, given.clone());
        let got = &once.request.body;
        prop_assert_eq!(got.dropped, None);
        prop_assert_eq!(got.total_len, coded.len() as u64);
        match &got.redacted {
            None => prop_assert_eq!(&got.bytes, &given.request.body.bytes),
            Some(names) => prop_assert_eq!(names.join(", "), field),
        }
        // Text in text that is deeper than what is looked into is replaced as a whole.
        let shown = if got.redacted.is_some() { String::from_utf8(got.bytes.to_vec()).unwrap() } else { text.clone() };
        let redacted: Value = serde_json::from_str(&shown).unwrap();
        prop_assert!(same_structure(&value, &redacted));
        prop_assert!(!shown.contains(CANARY), "{shown}");
        prop_assert_eq!(run(&redactor, once.clone()), once);
    }

    #[test]
    fn secrets_in_forms_are_never_kept(
        pairs in vec((select(vec!["a", "token", "user[password]", "sid", "x-api-key"]), "[a-z%+ ;=é{\\[]{0,8}"), 0..6),
        is_query: bool,
    ) {
        let is_secret = |name: &str| name != "a";
        let text: Vec<String> = pairs.iter().map(|(name, value)| {
            let value: String = value.chars().filter(|letter| *letter != '&' && *letter != ' ').collect();
            if is_secret(name) { format!("{name}={value}{CANARY}{value}") } else { format!("{name}={value}") }
        }).collect();
        let text = text.join("&");
        let redactor = Redactor::new(&key());
        let got = if is_query { target(&redactor, &format!("/?{text}")) } else {
            body_of(&redactor, "application/x-www-form-urlencoded", &text)
        };
        prop_assert!(!got.contains(CANARY), "{text} {got}");
        prop_assert_eq!(got.matches('&').count(), text.matches('&').count());
    }

    #[test]
    fn any_body_is_read_or_dropped(body: Vec<u8>, words in "(?s)([{}\\[\\]\":,]|\"token\"|\\\\u00|--b|\r\n|=|&|%|1|true){0,40}", kind in select(vec!["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", ""])) {
        let redactor = own(vec![
            (Find::json_path("$[*].token").unwrap(), Some(Action::Drop)),
            (Find::key(KeyPlace::Json, "token").unwrap(), Some(Action::Drop)),
            (Find::pattern("1").unwrap(), Some(Action::Mask)),
        ]);
        for body in [&body, words.as_bytes()] {
            let once = run(&redactor, whole("/", kind, "", body));
            let _ = run(&redactor, once);
        }
    }
}

#[test]
fn the_document_s_examples_of_shapes() {
    let document = include_str!("../../../../docs/redaction.md");
    let rows = document.split("| value | what `shape` makes of it |").nth(1).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().replace('`', "")).filter(|cell| !cell.is_empty()).collect()
    };
    let rows: Vec<_> = rows.lines().skip(2).take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(rows.len() >= 7, "{rows:?}");
    let redactor = json_key("id", Action::Shape);
    for row in rows {
        let quote = if row[0].starts_with("number ") { "" } else { "\"" };
        let [value, made] = [&row[0], &row[1]].map(|cell| cell.trim_start_matches("number ").to_owned());
        let got = body_of(&redactor, "application/json", &format!(r#"{{"id":{quote}{value}{quote}}}"#));
        let quote = if made == "***" { "\"" } else { quote };
        assert_eq!(got, format!(r#"{{"id":{quote}{made}{quote}}}"#), "{value}");
        assert_eq!(got, body_of(&redactor, "application/json", &format!(r#"{{"id":{quote}{value}{quote}}}"#)));
    }
}

#[test]
fn a_uuid_stays_one_and_what_was_made_stays() {
    let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let given = format!(r#"{{"session_id":"{uuid}","email":"ann@example.com","token":"{}"}}"#, "0a".repeat(16));
    let redactor = json_key("email", Action::Shape);
    let got = body_of(&redactor, "application/json", &given);
    let value: Value = serde_json::from_str(&got).unwrap();
    let made = value["session_id"].as_str().unwrap();
    assert!(made.len() == 36 && made != uuid && made[14..15] == *"4" && made[19..20] == *"a", "{made}");
    assert!(value["email"].as_str().unwrap().ends_with("@redacted.invalid"), "{got}");
    assert!(value["token"].as_str().unwrap().starts_with("redacted-"), "{got}");
    assert_eq!(pseudonym(uuid), made, "equal wherever it stands");
    assert_eq!(body_of(&redactor, "application/json", &got), got, "made once is made");
}
