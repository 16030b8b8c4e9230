//! Redaction, and how an exchange is made of any bytes.

use std::sync::LazyLock;

use bytes::Bytes;
use formats::coding::{Coding, encode};
use formats::model::{Body, Exchange, Framing, Instants, Message};
use formats::redact::{Action, Find, KeyPlace, RedactionKey, Redactor, Rule, Scope};

/// A secret that no rule calls too short, and that looks like nothing which a pattern knows.
const CANARY: &[u8] = b"c4nary.Zq8wVx3LmT0pRk7y";
/// How long a repeated text is: what takes a time that grows with the square of it takes minutes.
const REPEATED_BYTES: usize = 1 << 17;

/// With default rules only, and with rules of all kinds before them.
static REDACTORS: LazyLock<[Redactor; 2]> = LazyLock::new(|| {
    let Ok(key) = RedactionKey::from_secret(&[b'7'; 64]) else { panic!("64 digits are a key") };
    let plain = Redactor::new(&key);
    let own = [
        (Find::header("x-own-*"), Some(Action::Drop)),
        (Find::cookie("th*me"), Some(Action::Mask)),
        (Find::key(KeyPlace::Query, "plate"), Some(Action::Shape)),
        (Find::key(KeyPlace::Form, "plate"), Some(Action::Drop)),
        (Find::key(KeyPlace::Json, "plate"), Some(Action::Shape)),
        (Find::json_path("$.user.cards[*]"), Some(Action::Drop)),
        (Find::json_path("$.list[0]['odd key']"), None),
        (Find::pattern("[A-Z]{2}[0-9]{6,}"), Some(Action::Mask)),
        (Find::pattern("id=(?P<secret>[a-z]+);"), Some(Action::Shape)),
        (Find::body("image/*"), Some(Action::Drop)),
    ];
    let rule = |(find, action): (Result<Find, _>, _)| {
        let Ok(find) = find else { panic!("a rule of the check does not parse") };
        Rule { label: "own".to_owned(), find, scope: Scope::default(), action }
    };
    match plain.clone().with_rules(own.into_iter().map(rule).collect()) {
        Ok(own) => [plain, own],
        Err((_, error)) => panic!("{error}"),
    }
});

/// Any bytes as head, content type and body: redaction comes to an end, says the same twice, and what stands under the
/// name of a secret is gone.
pub fn redact(data: &[u8]) {
    for redactor in &*REDACTORS {
        let mut redacted = exchange(data);
        redactor.redact(&mut redacted);
        let mut explained = exchange(data);
        let changes = redactor.explain(&mut explained);
        assert_eq!(redacted, explained, "explaining changes what is done");
        assert_eq!(changes.is_empty(), redacted == exchange(data), "{changes:?}");
        for planted in planted(data).into_iter().flatten() {
            let mut exchange = planted.clone();
            redactor.redact(&mut exchange);
            let Exchange { request: Message { head, body, .. }, .. } = &exchange;
            assert!(!holds(head) && !holds(&body.bytes), "{:?} of {:?}", (head, &body.bytes), planted.request);
        }
    }
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY)
}

/// Exchanges with the canary under a secret's name, beside what the input says.
fn planted(data: &[u8]) -> [Option<Exchange>; 5] {
    if holds(data) {
        return Default::default();
    }
    let [settings, after] = data.split_first_chunk::<1>().map_or([&b""[..], b""], |(first, rest)| [&first[..], rest]);
    let [head, after] = parts(after);
    let [_, body] = parts(after);
    let flag = settings.first().copied().unwrap_or_default();
    // Beside the lines of a head, wherever one ends.
    let line_ends = head.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let at = line_ends.clone().nth(usize::from(flag >> 4) % line_ends.count().max(1)).unwrap_or(0);
    let (before, behind) = head.split_at_checked(at).unwrap_or_default();
    let start: &[u8] = if at == 0 { b"GET / HTTP/1.1\r\n" } else { b"" };
    let names: [&[u8]; 4] = [b"Authorization: Bearer ", b"X-Api-Key:", b"cookie: a=b; sid=", b"x_auth_token: "];
    let name = names.get(usize::from(flag) % 4).copied().unwrap_or_default();
    let in_head = [start, before, name, CANARY, b"\r\n", behind].concat();

    let is_in_target = |byte: &u8| byte.is_ascii_graphic() && !b"#?".contains(byte);
    let pairs: Vec<u8> = body.iter().copied().filter(is_in_target).take(200).collect();
    let in_query = [b"GET /a?", &pairs[..], b"&access_token=", CANARY, b"&", &pairs, b" HTTP/1.1\r\n\r\n"].concat();

    let of_body = |media_type: &str, body: Vec<u8>| {
        let head = format!("POST / HTTP/1.1\r\nContent-Type: {media_type}\r\n\r\n").into_bytes();
        with_body(head, body)
    };
    let form = [body, b"&password=", CANARY, b"&", body].concat();
    let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
    let json = || [b"{\"a\": ", body, b", \"password\": \"", CANARY, b"\", \"b\": ", body, b"}"].concat();
    let boundary = b"--xyzzyx0123\r\nContent-Disposition: form-data; name=\"";
    let multipart = [
        boundary,
        &b"password\"\r\n\r\n"[..],
        CANARY,
        b"\r\n",
        boundary,
        b"a\"\r\n\r\n",
        body,
        b"\r\n--xyzzyx0123--\r\n",
    ];
    [
        Some(with_body(in_head, Vec::new())),
        Some(with_body(in_query, Vec::new())),
        Some(of_body("application/x-www-form-urlencoded", form)),
        is_json.then(|| of_body("application/json", json())),
        Some(of_body("multipart/form-data; boundary=xyzzyx0123", multipart.concat())),
    ]
}

/// Two parts of an input, with a 0xff between them.
pub fn parts(data: &[u8]) -> [&[u8]; 2] {
    match data.iter().position(|byte| *byte == 0xff) {
        Some(at) => [data.get(..at).unwrap_or_default(), data.get(at + 1..).unwrap_or_default()],
        None => [data, b""],
    }
}

/// An exchange of any bytes: a byte of settings; then, with 0xff between them, the request's head, a content type and a
/// body. Settings: bit 0: there is a response with the body; 1 and 2: none, gzip, br, deflate; 3: the body is repeated
/// until it is long; 4: the end was not seen; 5: the head is repeated.
pub fn exchange(data: &[u8]) -> Exchange {
    let (settings, after) = data.split_first().map_or((0, data), |(first, rest)| (*first, rest));
    let [head, after] = parts(after);
    let [media_type, body] = parts(after);
    let repeated = |bit: u8, bytes: &[u8]| match settings & bit != 0 && !bytes.is_empty() {
        true => bytes.repeat(REPEATED_BYTES.div_ceil(bytes.len())),
        false => bytes.to_vec(),
    };
    let (coding, name) = match settings >> 1 & 3 {
        1 => (Some(Coding::Gzip), "Content-Encoding: gzip\r\n"),
        2 => (Some(Coding::Brotli), "Content-Encoding: br\r\n"),
        3 => (Some(Coding::Deflate), "Content-Encoding: deflate\r\n"),
        _ => (None, ""),
    };
    let body = encode(&repeated(8, body), coding.as_slice()).unwrap_or_default();
    let fields = [b"Content-Type: ", media_type, b"\r\n", name.as_bytes(), b"\r\n"].concat();
    let head = repeated(32, head);
    let mut exchange = if settings & 1 == 0 {
        with_body([&head[..], &fields].concat(), body)
    } else {
        let response = with_body([b"HTTP/1.1 200 OK\r\n", &fields[..]].concat(), body).request;
        Exchange { response: Some(response), ..with_body([&head[..], b"\r\n"].concat(), Vec::new()) }
    };
    if settings & 16 != 0 {
        exchange.instants.request_end = None;
    }
    exchange
}

fn with_body(head: Vec<u8>, body: Vec<u8>) -> Exchange {
    let body = Body { total_len: body.len() as u64, bytes: Bytes::from(body), ..Body::default() };
    let request = Message { head: Bytes::from(head), framing: Framing::Length, body, ..Message::default() };
    let instants = Instants {
        request_start: 5,
        request_head: 6,
        request_end: Some(7),
        response_start: Some(8),
        response_head: Some(9),
        response_end: Some(12),
        connected: Some(1),
    };
    Exchange { request, instants, ..Exchange::default() }
}
