use proptest::prelude::*;

use super::*;

const PEER: &str = "10.0.0.9";

fn key() -> RedactionKey {
    RedactionKey::from_secret("0123456789abcdef".repeat(4).as_bytes()).unwrap()
}

fn keys(rules: &[&str]) -> ClientKeys {
    ClientKeys::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), &key())
}

fn head(lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n").into_bytes()
}

fn of(rules: &[&str], lines: &[&str]) -> ClientKey {
    keys(rules).of(&head(lines), Some(PEER.parse().unwrap()), 7)
}

#[test]
fn the_first_that_is_there_names_the_client() {
    let rules = ["cookie:sid", "header:X-User"];
    let lines = ["User-Agent: a", "X-Forwarded-For: 192.0.2.1", "x-user: u", "Cookie: a=1; sid=s"];
    let check = |lines: &[&str], expected: KeySource| assert_eq!(of(&rules, lines).source, expected, "{lines:?}");
    check(&lines, KeySource::Named);
    check(&lines[..3], KeySource::Named);
    assert_ne!(of(&rules, &lines), of(&rules, &lines[..3]), "the cookie comes before the header");
    check(&lines[..2], KeySource::Forwarded);
    check(&lines[..1], KeySource::Peer);
    check(&["Cookie: sid=; SID=x; xsid=y", "X-User: "], KeySource::Peer);
    assert_eq!(keys(&rules).of(&head(&lines[..1]), None, 7).source, KeySource::Connection);
}

#[test]
fn named_clients_are_told_apart_by_value_alone() {
    let rules = ["cookie:sid", "header:x-user"];
    let one = of(&rules, &["Cookie: sid=s", "User-Agent: a"]);
    for same in [&["cookie: b=2;sid=\"s\""][..], &["Cookie: b=2", "Cookie: sid=s"], &["COOKIE:  sid = s ; c"]] {
        assert_eq!(of(&rules, same), one, "{same:?}");
    }
    assert_ne!(of(&rules, &["Cookie: sid=t"]), one);
    assert_ne!(of(&rules, &["X-User: s"]), one, "a cookie and a header of the same value are two clients");
    assert_eq!(of(&["header:X-USER"], &["x-user: s"]), of(&["header:x-user"], &["X-User: s"]));
}

#[test]
fn forwarded_addresses() {
    let plain = of(&[], &["X-Forwarded-For: 192.0.2.60", "User-Agent: a"]);
    let check = |line: &str, expected: bool| assert_eq!(of(&[], &[line, "User-Agent: a"]) == plain, expected, "{line}");
    check("X-Forwarded-For: 192.0.2.60, 10.0.0.1", true);
    check("X-Forwarded-For: 192.0.2.60:4711", true);
    check("X-Forwarded-For: ::ffff:192.0.2.60", true);
    check("X-Real-IP: 192.0.2.60", true);
    check("Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43", true);
    check("Forwarded: proto=http; For=\"192.0.2.60:80\" , for=10.0.0.1", true);
    check("X-Forwarded-For: 10.0.0.1, 192.0.2.60", false);
    check("X-Forwarded-For: unknown", false);
    let v6 = of(&[], &["X-Forwarded-For: 2001:db8:cafe::17"]);
    for same in [
        "Forwarded: for=\"[2001:db8:cafe::17]:4711\"",
        "X-Forwarded-For: [2001:DB8:cafe:0::17]",
        "X-Real-IP: 2001:db8:cafe::17%eth0",
    ] {
        assert_eq!(of(&[], &[same]), v6, "{same}");
    }
    for absent in [
        "Forwarded: for=_hidden",
        "Forwarded: for=unknown",
        "Forwarded: proto=http",
        "X-Forwarded-For: ",
        "X-Real-IP: a.b",
        "Forwarded: for",
    ] {
        assert_eq!(of(&[], &[absent]).source, KeySource::Peer, "{absent}");
    }
    let both = ["X-Forwarded-For: 192.0.2.60", "Forwarded: for=192.0.2.61", "User-Agent: a"];
    assert_ne!(of(&[], &both), plain, "Forwarded comes before X-Forwarded-For");
    assert_ne!(of(&[], &["X-Forwarded-For: 192.0.2.60", "User-Agent: b"]), plain);
    let twice = ["X-Forwarded-For: 192.0.2.60", "X-Forwarded-For: 192.0.2.61", "User-Agent: a"];
    assert_eq!(of(&[], &twice), plain, "the first of several headers is furthest from us");
}

#[test]
fn peers_and_connections() {
    let keys = keys(&[]);
    let of = |agent: &str, peer: &str, connection| {
        keys.of(&head(&[&format!("User-Agent: {agent}")]), Some(peer.parse().unwrap()), connection)
    };
    assert_eq!(of("a", PEER, 1), of("a", PEER, 2));
    assert_eq!(of("a", PEER, 1), of("a", &format!("::ffff:{PEER}"), 1));
    assert_ne!(of("a", PEER, 1), of("b", PEER, 1));
    assert_ne!(of("a", PEER, 1), of("a", "10.0.0.8", 1));
    assert_eq!(keys.of(&head(&["User-Agent: a"]), None, 1), keys.of(&head(&[]), None, 1));
    assert_ne!(keys.of(&head(&[]), None, 1), keys.of(&head(&[]), None, 2));
}

#[test]
fn ids_depend_on_the_key_and_stay_the_same() {
    let other = ClientKeys::new(Vec::new(), &RedactionKey::random().unwrap());
    let peer = Some(PEER.parse().unwrap());
    assert_ne!(other.of(&head(&[]), peer, 1), keys(&[]).of(&head(&[]), peer, 1));
    assert_eq!(keys(&[]).of(&head(&[]), peer, 1).to_string(), "peer-9c03acfb4449b24c", "sessions must keep matching");
    assert!(!format!("{:?}", keys(&[])).contains("01"), "{:?}", keys(&[]));
}

/// A token with these claims, by hand.
fn token(claims: &str) -> String {
    use base64::Engine as _;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", part(r#"{"alg":"HS256"}"#), part(claims))
}

fn by_claim(rule: &str, authorization: &str) -> ClientKey {
    of(&[rule], &[&format!("Authorization: {authorization}"), "User-Agent: a"])
}

#[test]
fn a_claim_of_the_token_names_the_client() {
    let one = by_claim("claim:sub", &format!("Bearer {}", token(r#"{"iat":1,"sub":"ü1"}"#)));
    assert_eq!(one.source, KeySource::Named);
    // Another token of the same user, and other ways to write it.
    for same in [
        format!("bearer  {} ", token(r#"{"sub":"\u00fc1","iat":2,"exp":99}"#)),
        format!("BEARER {}=.x", token(r#"{"sub":"ü1"}"#).rsplit_once('.').unwrap().0),
        format!("Basic x\r\nAuthorization: Bearer {}", token(r#"{"sub":"ü1"}"#)),
    ] {
        assert_eq!(by_claim("claim:sub", &same), one, "{same}");
    }
    for other in [r#"{"sub":"ü2"}"#, r#"{"sub":1}"#, r#"{"sub":-1.5}"#] {
        let other = by_claim("claim:sub", &format!("Bearer {}", token(other)));
        assert!(other != one && other.source == KeySource::Named);
    }
    let number = |claims: &str| by_claim("claim:sub", &format!("Bearer {}", token(claims)));
    assert_eq!(number(r#"{"sub":18446744073709551615}"#), number(r#"{"sub":"18446744073709551615"}"#));
    assert_ne!(number(r#"{"sub":18446744073709551615}"#), number(r#"{"sub":18446744073709551614}"#));
    let uri = by_claim("claim:https://x.test/id", &format!("Bearer {}", token(r#"{"https://x.test/id":"ü1"}"#)));
    assert!(uri.source == KeySource::Named && uri != one, "the rule is part of the key");
}

#[test]
fn without_the_claim_the_next_rule_counts() {
    let good = token(r#"{"sub":"u"}"#);
    for without in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer opaque".to_owned(),
        "Bearer a.b.c".to_owned(),
        format!("Basic {good}"),
        format!("Bearer{good}"),
        format!("Bearer {good}.four.five"),
        format!("Bearer {}", token(r#"{"Sub":"u"}"#)),
        format!("Bearer {}", token(r#"{"sub":""}"#)),
        format!("Bearer {}", token(r#"{"sub":null}"#)),
        format!("Bearer {}", token(r#"{"sub":["u"]}"#)),
        format!("Bearer {}", token(r#"["sub"]"#)),
        format!("Bearer {}", token(&"[".repeat(10_000))),
        format!("Bearer {}", token(&format!(r#"{{"sub":"{}"}}"#, "u".repeat(64 << 10)))),
    ] {
        assert_eq!(by_claim("claim:sub", &without).source, KeySource::Peer, "{without}");
    }
    let lines = [&format!("Authorization: Bearer {good}"), "X-User: u"];
    assert_eq!(of(&["claim:tenant", "header:x-user"], &lines), of(&["header:x-user"], &lines));
}

proptest! {
    #[test]
    fn no_token_is_too_odd(payload: Vec<u8>, more in "[A-Za-z0-9_.=-]{0,80}", name in "[a-z]{1,4}") {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::URL_SAFE.encode(&payload);
        let rule = format!("claim:{name}");
        for token in [format!("a.{encoded}.{more}"), more.clone(), encoded.clone()] {
            by_claim(&rule, &format!("Bearer {token}"));
        }
        // A name of any form is found where it is there.
        let claims = serde_json::json!({ &name: String::from_utf8_lossy(&payload) + "." });
        prop_assert_eq!(by_claim(&rule, &format!("Bearer {}", token(&claims.to_string()))).source, KeySource::Named);
    }
}

#[test]
fn rules_are_read_and_printed() {
    for (text, printed) in [
        ("cookie:SID", "cookie:SID"),
        ("header:X-User", "header:x-user"),
        (" cookie : a ", "cookie:a"),
        ("claim:https://x.test/Id", "claim:https://x.test/Id"),
    ] {
        assert_eq!(text.parse::<KeyRule>().unwrap().to_string(), printed);
    }
    let error = |text: &str| text.parse::<KeyRule>().unwrap_err().to_string();
    assert!(error("sid").contains("`sid` is none of cookie:NAME, header:NAME and claim:NAME"));
    assert!(error("claims:sub").contains("none of"));
    assert!(error("claim: ").contains("as in claim:sub") && error("claim:a b").contains("as in claim:sub"));
    assert!(error("cookie:").contains("no name"));
    assert!(error("header:a b").contains("no name"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, lines in "(?s)((X-)?[Ff]orwarded(-For)?: |for=|[:\";,=\\[\\]%\r\n1a]){0,40}") {
        let keys = keys(&["cookie:a", "header:b"]);
        let _ = (keys.of(&bytes, None, 0), keys.of(format!("G\r\n{lines}").as_bytes(), None, 0));
    }
}
