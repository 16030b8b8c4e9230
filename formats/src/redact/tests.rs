use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

mod known;
mod places;
mod speed;
mod ways_past;

const SECRET: &str = "s3cr3t-t0ken/of+the.user";

fn key() -> RedactionKey {
    RedactionKey::from_secret("0123456789abcdef".repeat(4).as_bytes()).unwrap()
}

fn rebuilt(redactor: &Redactor, section: &[u8], has_start_line: bool) -> Option<Vec<u8>> {
    Pass::new(&redactor.rules, &exchange_with(b"", 0), false).section(section, has_start_line)
}

fn redacted(head: &str) -> String {
    match rebuilt(&Redactor::new(&key()), head.as_bytes(), true) {
        Some(bytes) => String::from_utf8(bytes).unwrap(),
        None => head.to_owned(),
    }
}

fn pseudonym(secret: &str) -> String {
    let line = redacted(&format!("G\r\nX-Api-Key: {secret}"));
    line.strip_prefix("G\r\nX-Api-Key: ").unwrap().to_owned()
}

/// In what is expected, `§` stands for the pseudonym of [`SECRET`], which `§` stands for in what is given.
fn check(lines: &str, expected: &str) {
    let given = format!("GET / HTTP/1.1\r\n{}\r\nHost: x\r\n\r\n", lines.replace('§', SECRET));
    let expected = format!("GET / HTTP/1.1\r\n{}\r\nHost: x\r\n\r\n", expected.replace('§', &pseudonym(SECRET)));
    assert_eq!(redacted(&given), expected, "{lines}");
}

#[test]
fn pseudonyms_are_safe_ascii_tokens_of_128_bits() {
    let pseudonym = pseudonym(SECRET);
    assert_eq!(pseudonym.len(), "redacted-".len() + 22);
    assert!(pseudonym.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{pseudonym}");
    assert_eq!(
        pseudonym, "redacted-QNaCsr9WBMerjxME1vIcyA",
        "sessions with one key must keep matching across versions"
    );
}

#[test]
fn authorization_keeps_its_scheme() {
    check("Authorization: Bearer §", "Authorization: Bearer §");
    check("authorization:bearer  § ", "authorization:bearer  § ");
    check("AUTHORIZATION: §", "AUTHORIZATION: §");
    check("Proxy-Authorization: Basic §", "Proxy-Authorization: Basic §");
    check("Authorization: Bearer \"§\"", "Authorization: Bearer \"§\"");
    check("Authorization: Negotiate", "Authorization: Negotiate");
    check("Authorization: ", "Authorization: ");
    check("Authorization:", "Authorization:");
    check("X-Access-Token: Bearer §", "X-Access-Token: Bearer §");
    let two = format!("G\r\nAuthorization: Digest username=\"x\", response=\"{SECRET}\"\r\n\r\n");
    assert!(!redacted(&two).contains("username"));
    let unknown = redacted("G\r\nAuthorization: hunter2hunter2 and more\r\n\r\n");
    assert!(!unknown.contains("hunter2"), "an unknown scheme may be the secret: {unknown}");
}

#[test]
fn cookies_keep_names_and_separators() {
    check("Cookie: sid=§", "Cookie: sid=§");
    check("Cookie: a=1; sid=§;b=; c=\"§\"; lang=en", "Cookie: a=***; sid=§;b=; c=\"§\"; lang=***");
    check("Cookie: sid=§; sid=§", "Cookie: sid=§; sid=§");
    check("Cookie: §", "Cookie: §");
    check("Cookie: =§", "Cookie: =§");
    check("Cookie: sid = § ; x", "Cookie: sid = § ; ***");
    check("Cookie:", "Cookie:");
    check("Cookie: ;; ", "Cookie: ;; ");
    check("cookie2: $Version=\"1\"; sid=§", "cookie2: $Version=\"***\"; sid=§");
    let token = "abcdefghijklmnop";
    let quoted = redacted(&format!("G\r\nCookie: a=\"x; {token}=y; z\"; b={SECRET}\r\n\r\n"));
    assert_eq!(quoted.matches("redacted-").count(), 2, "{quoted}");
    assert!(quoted.ends_with(&format!("\"; b={}\r\n\r\n", pseudonym(SECRET))) && !quoted.contains(token), "{quoted}");
    let open = redacted(&format!("G\r\nCookie: a=\"x; {token}=y\r\n\r\n"));
    assert!(!open.contains(token), "an open quote takes in the rest: {open}");
    let no_name = redacted(&format!("G\r\nCookie: {SECRET}=x\r\n\r\n"));
    assert!(!no_name.contains(SECRET), "what is no token is no name: {no_name}");
}

#[test]
fn set_cookie_keeps_its_attributes() {
    let attributes =
        "Path=/; Domain=example.com; Expires=Thu, 01 Jan 2030 00:00:00 GMT; Max-Age=3600; Secure; HttpOnly";
    check(
        &format!("Set-Cookie: sid=§; {attributes}; SameSite=Lax"),
        &format!("Set-Cookie: sid=§; {attributes}; SameSite=Lax"),
    );
    check("Set-Cookie: §", "Set-Cookie: §");
    check("Set-Cookie: §; path=/", "Set-Cookie: §; path=/");
    check("Set-Cookie: Path=§; other=§; §", "Set-Cookie: Path=§; other=§; §");
    check("Set-Cookie: sid=\"§\"; Path=/", "Set-Cookie: sid=\"§\"; Path=/");
    for joined in ["Path=/, b=§", "Expires=Thu, 01 Jan 2030 00:00:00 GMT, b=§", "Path=/ §x=1", "Domain=x,§"] {
        let line = redacted(&format!("G\r\nSet-Cookie: a=1; {}\r\n\r\n", joined.replace('§', SECRET)));
        assert!(!line.contains(SECRET), "{line}");
    }
}

#[test]
fn keys_and_tokens_of_any_vendor() {
    for name in [
        "X-Api-Key",
        "apikey",
        "X-Auth-Token",
        "X-AMZ-Security-Token",
        "X-Goog-Api-Key",
        "Private-Token",
        "X-Csrf-Token",
        "Ocp-Apim-Subscription-Key",
        "X-Vault-Token",
        "X-Xsrf-Token",
        "X-Acme-Api-Key",
        "Acme-Client-Secret",
        "X_API_KEY",
    ] {
        check(&format!("{name}: §"), &format!("{name}: §"));
        let head = redacted(&format!("G\r\n{name}: {SECRET}\r\n\r\n"));
        assert!(!head.contains(SECRET), "{name}");
    }
    for line in
        ["X-Request-Id: §", "Host2: §", "X-Api-Keys: §", "ETag: §", "Accept: cookie: §", "Tokens: §", "Keep-Alive: §"]
    {
        let given = format!("GET /?authorization: HTTP/1.1\r\n{}\r\n\r\n", line.replace('§', SECRET));
        assert!(rebuilt(&Redactor::new(&key()), given.as_bytes(), true).is_none(), "{line}");
    }
}

#[test]
fn odd_syntax_hides_nothing() {
    check("Authorization : Bearer §", "Authorization : Bearer §");
    check(" Authorization: §", " Authorization: §");
    check("X: a\nAuthorization: §\nY: b", "X: a\nAuthorization: §\nY: b");
    check("X: a\rAuthorization: §", "X: a\rAuthorization: §");
    check("\"Cookie\": sid=§", "\"Cookie\": sid=§");
    check("Authorization: Bearer\r\n §", "Authorization: Bearer §");
    check("X-Api-Key:\r\n\t§\r\n ", "X-Api-Key: § ");
    check("Cookie: a=§;\r\n b=§", "Cookie: a=§; b=§");
    for hidden in ["X-Api-Key: a\r\n §: b", "X-Api-Key: a\r§: b", "X-Api-Key:\r§: b"] {
        let head = redacted(&format!("G\r\n{}\r\nHost: x\r\n\r\n", hidden.replace('§', "abcdefghijklmnop")));
        assert!(!head.contains("abcdef") && head.ends_with("\r\nHost: x\r\n\r\n"), "{head}");
    }
    check("Authorization §", "Authorization §");
    check("Cookie=§", "Cookie=§");
}

#[test]
fn secrets_that_could_be_guessed_are_masked() {
    let check = |secret: &str, is_masked: bool| assert_eq!(pseudonym(secret) == "***", is_masked, "{secret}");
    for secret in ["1", "true", "en", "12345", "123456789012", "deadbeef", "DEADBEEF0", "***", "aZ3-x", "abcdefgh"] {
        check(secret, true);
    }
    for secret in ["1234567890123", "deadbeef01", "DEADBEEF01", "abcdefghi", "aZ3xYw1", "aZ3-xY9", "pässwö"] {
        check(secret, false);
    }
}

#[test]
fn keys_are_read_and_never_shown() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
    let bytes: Vec<u8> = (0..32).map(|n| n * 8 + 7).collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = RedactionKey::from_secret(format!("\n {hex}\t\n").as_bytes()).unwrap();
    for same in [hex.to_uppercase(), STANDARD.encode(&bytes), STANDARD_NO_PAD.encode(&bytes), URL_SAFE.encode(&bytes)] {
        assert_eq!(RedactionKey::from_secret(same.as_bytes()).unwrap(), key, "{same}");
    }
    for bad in [
        "",
        "x",
        &hex[1..],
        &format!("{hex}0"),
        &STANDARD.encode(&bytes[1..]),
        &"é".repeat(32),
        &format!("g{}", &hex[1..]),
    ] {
        let error = RedactionKey::from_secret(bad.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("openssl rand -hex 32") && (bad.len() < 2 || !error.contains(bad)), "{error}");
    }
    assert_eq!(format!("{key:?}"), "***");
    assert_eq!(format!("{:?}", Redactor::new(&key)), format!("Redactor {{ key_id: \"{}\", .. }}", key.key_id()));
    assert_eq!(key.key_id().len(), 16);
    assert_ne!(key.key_id(), RedactionKey::random().unwrap().key_id());
    assert!(!hex.contains(&key.key_id()));
}

#[test]
fn token_bytes_are_those_of_rfc_9110() {
    for byte in 0..=255u8 {
        let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert_eq!(is_token_byte(byte), expected, "{byte:#x}");
    }
}

#[test]
fn the_policy_names_the_rules() {
    let policy = Redactor::new(&key()).policy();
    assert_eq!(policy.key_id, key().key_id());
    for name in ["authorization", "cookie", "set-cookie", "x-api-key", "*-secret"] {
        assert!(policy.headers.iter().any(|known| known == name), "{name}");
    }
    assert!(policy.headers.is_sorted());
}

/// An exchange with this line in one of the places where headers stand.
fn exchange_with(line: &[u8], place: usize) -> Exchange {
    let section = |start: &[u8], end: &[u8]| Bytes::from([start, b"Host: x\r\n", line, end].concat());
    let plain = |start: &str| Bytes::from(format!("{start}\r\nHost: x\r\n\r\n"));
    let at = |wanted: usize, start: &str| {
        if place == wanted { section(format!("{start}\r\n").as_bytes(), b"\r\n") } else { plain(start) }
    };
    let trailers = |wanted: usize| if place == wanted { Bytes::copy_from_slice(line) } else { Bytes::new() };
    let message =
        |head, trailers| Message { head, framing: crate::model::Framing::Chunked, trailers, ..Message::default() };
    Exchange {
        seq: 0,
        client: Default::default(),
        connection: 0,
        protocol: Default::default(),
        request: message(at(0, "GET / HTTP/1.1"), trailers(1)),
        informational: vec![plain("HTTP/1.1 103 Early Hints"), at(2, "HTTP/1.1 103 Early Hints")],
        response: Some(message(at(3, "HTTP/1.1 200 OK"), trailers(4))),
        instants: Default::default(),
        end: Default::default(),
        ..Exchange::default()
    }
}

fn sections(exchange: &Exchange) -> Vec<u8> {
    let mut all = Vec::new();
    for message in std::iter::once(&exchange.request).chain(&exchange.response) {
        all.extend_from_slice(&message.head);
        all.extend_from_slice(&message.trailers);
    }
    exchange.informational.iter().for_each(|head| all.extend_from_slice(head));
    all
}

fn contains_part_of(all: &[u8], secret: &[u8]) -> bool {
    secret.windows(6).any(|part| all.windows(6).any(|window| window == part))
}

fn odd_case(name: &str, case: u64) -> String {
    let flip = |(index, letter): (usize, char)| match (case >> (index % 60)) & 1 {
        0 => letter.to_ascii_lowercase(),
        _ => letter.to_ascii_uppercase(),
    };
    name.chars().enumerate().map(flip).collect()
}

proptest! {
    #[test]
    fn no_part_of_a_secret_stays(
        secret in "[A-Za-z0-9+/_.~-]{16,60}",
        (name, value) in select(vec![
            ("authorization", "Bearer §"), ("authorization", "§"), ("proxy-authorization", "Basic §"), ("authorization", "what §"),
            ("cookie", "§"), ("cookie", "sid=§"), ("cookie", "a=1; sid=\"§\"; b"), ("cookie", "sid=\"x;y=§\""), ("cookie", "a=1;§"),
            ("set-cookie", "§"), ("set-cookie", "sid=§; Path=/"), ("set-cookie", "sid=x; Path=/, b=§"), ("set-cookie", "sid=x; §"),
            ("x-api-key", "§"), ("x-some-vendor-api-key", "\"§\""), ("x-csrf-token", "a=b, §"), ("x-vault-token", "§ §"),
        ]),
        before in select(vec!["", " ", "\t", "\"", "X: y\r", "X: y\n", "Cookie: a\r\n"]),
        colon in select(vec![":", ": ", " : ", "\t:\t", "\":", ":\r\n ", ":\n\t", " ", ":\r"]),
        wrap in select(vec!["", "\r\n ", "\n\t", "\n", "\r"]),
        ending in select(vec!["\r\n", "\n", "\r"]),
        case: u64,
        place in 0usize..5,
    ) {
        let (first, second) = secret.split_at(secret.len() / 2);
        let wrapped = format!("{first}{wrap}{second}");
        let line = format!("{before}{}{colon}{}{ending}", odd_case(name, case), value.replace('§', &wrapped));
        let mut exchange = exchange_with(line.as_bytes(), place);
        Redactor::new(&key()).redact(&mut exchange);
        let all = sections(&exchange);
        prop_assert!(!contains_part_of(&all, secret.as_bytes()), "{}", String::from_utf8_lossy(&all));
        let once = exchange.clone();
        Redactor::new(&key()).redact(&mut exchange);
        prop_assert_eq!(once.informational.len(), exchange.informational.len());
    }

    #[test]
    fn no_part_of_a_secret_of_any_bytes_stays(
        secret in proptest::collection::vec(any::<u8>().prop_filter("ends the line", |byte| !b"\r\n".contains(byte)), 24..60),
        name in select(vec!["Authorization", "X-Api-Key", "Set-Cookie"]),
        place in 0usize..5,
    ) {
        // A cookie's name is no secret, so none may be read into the bytes.
        let secret: Vec<u8> = secret.into_iter().map(|byte| if b"=;".contains(&byte) { b'.' } else { byte }).collect();
        let mut exchange = exchange_with(&[name.as_bytes(), b": ", &secret, b"\r\n"].concat(), place);
        Redactor::new(&key()).redact(&mut exchange);
        prop_assert!(!contains_part_of(&sections(&exchange), &secret));
    }

    #[test]
    fn equal_secrets_are_equal_wherever_they_stand(secret in "[A-Za-z0-9]{16,40}", other in "[A-Za-z0-9]{16,40}") {
        let expected = pseudonym(&secret);
        for line in ["Cookie: x=§", "Cookie: a=1; x=\"§\"", "Set-Cookie: x=§; Path=/", "Set-Cookie: y=\"§\"", "Authorization: Bearer §",
            "Proxy-Authorization: §", "X-Token:  § ", "Cookie:\n x=§"]
        {
            let head = redacted(&format!("G\r\n{}\r\n\r\n", line.replace('§', &secret)));
            prop_assert!(head.contains(&expected), "{}", head);
        }
        prop_assert_eq!(secret == other, expected == pseudonym(&other));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, words in "(?s)([Cc]ookie|set-cookie|authorization|[:;=\" \r\n,a1]){0,60}") {
        let redactor = Redactor::new(&key());
        for bytes in [&bytes, words.as_bytes()] {
            for has_start_line in [true, false] {
                let once = rebuilt(&redactor, bytes, has_start_line).unwrap_or_else(|| bytes.to_vec());
                let _ = rebuilt(&redactor, &once, has_start_line);
            }
        }
        let _ = RedactionKey::from_secret(&bytes);
    }

    #[test]
    fn what_no_rule_names_is_not_touched(lines in proptest::collection::vec(("[A-Z][a-z]{0,8}", "[ -~]{0,30}"), 0..8)) {
        let lines: String = lines.iter().map(|(name, value)| format!("Q{name}: {value}\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        prop_assert!(rebuilt(&Redactor::new(&key()), head.as_bytes(), true).is_none());
    }
}

#[test]
fn the_document_lists_the_default_rules() {
    let document = include_str!("../../../docs/redaction.md");
    let policy = Redactor::new(&key()).policy();
    for name in policy.headers.iter().chain(&policy.keys).chain(&policy.patterns) {
        assert!(document.contains(&format!("`{name}`")), "docs/redaction.md does not list `{name}`");
    }
    for action in Action::ALL {
        assert!(document.contains(&format!("| `{}`", action.name())), "{action:?}");
    }
}
