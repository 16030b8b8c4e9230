//! Random sessions, the same for the same seed: what HTTP/1 allows and real peers do, and whatever a seed makes of it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

pub(crate) mod answerer;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use formats::coding::{codings, encode};
use formats::head::value;
use formats::jsonl::to_line;
use formats::model::{Body, ClientKey, End, Exchange, Framing, Instants, KeySource, Message, Protocol};

use crate::scripted::session;

/// SplitMix64: the same session for the same seed, for ever.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next()).unwrap() % length
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// Text or anything, mostly short, now and then longer than any buffer on the way.
    pub(crate) fn content(&mut self) -> Vec<u8> {
        let length = if self.percent(5) { 300_000 } else { 1 + self.index(3_000) };
        let is_text = self.percent(50);
        let mut bytes: Vec<u8> =
            (0..length).map(|_| if is_text { b' ' + self.next() as u8 % 90 } else { self.next() as u8 }).collect();
        // What stands before one behind `://` is taken for a password.
        bytes.iter_mut().filter(|byte| **byte == b'@').for_each(|byte| *byte = b'a');
        // What begins like JSON, is none, and could hold a secret is dropped before it reaches the disk.
        if let Some(first) = bytes.first_mut().filter(|first| matches!(first, b'[' | b'{' | b'"')) {
            *first = b'x';
        }
        bytes
    }

    /// What only redacted fields carry.
    fn secret(&mut self) -> String {
        format!("{SECRET}{:06x}{:016x}", self.below(3), 7)
    }
}

/// Says which seed failed.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0);
        }
    }
}

const MS: u64 = 1_000_000;
/// Whom requests are for. One without a Host is nobody's, and goes where those for the first one do.
pub(crate) const HOSTS: [&str; 3] = ["recorded.invalid", "api.recorded.invalid:8080", "img.invalid"];
/// A response's field: its connection ends with it, unannounced.
pub(crate) const HANGS_UP: &str = "X-Hangs-Up";
pub(crate) const SECRET: &str = "s3cret-";
pub(crate) const TRACE_FIELDS: [&str; 6] =
    ["traceparent", "tracestate", "baggage", "x-b3-traceid", "uber-trace-id", "sentry-trace"];
const FIELDS: [&str; 8] = ["Accept", "X-Dup", "X-Dup", "x-odd_name.1!", "Via", "X-Request-Id", "Empty", "If-Match"];
const VALUES: [&[u8]; 9] =
    [b"", b"", b"a, b;q=0.5", b"caf\xe9", b"\xff\xfe\x80", b"a\tb  c", b"\"q\"", b"{{copy}}", "ä".as_bytes()];
const TARGETS: [&str; 8] =
    ["/", "/a//b/../c;p=1", "/?", "/q?a=%20&&b&a=+%zz", "/%7e?=&==", "/d/17?x[]=[1]", "/\u{e9}", "/~'()*"];

/// Users with several connections, and several requests on each, pipelined or not; in the order of the answers' ends.
pub(crate) fn random_session(random: &mut Random) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    let mut connection = 0;
    for user in 0..2 + random.below(3) {
        for _ in 0..1 + random.below(3) {
            connection += 1 + random.below(5);
            let (count, mut start, mut end) = (1 + random.below(6), random.below(60 * MS), 0);
            let hosts = 1 + random.index(HOSTS.len());
            for left in (0..count).rev() {
                let host = random.one(&HOSTS[..hosts]);
                let mut exchange = random_exchange(random, exchanges.len(), user, host, left == 0, start >= end);
                // The next request comes before this one's answer has ended.
                let next = (left > 0 && random.percent(35)).then(|| start + MS / 2 + random.below(MS));
                end = start.max(end) + MS / 5 + random.below(MS);
                end = next.map_or(end, |next| end.max(next + MS / 10 + random.below(2 * MS)));
                exchange.connection = connection;
                exchange.instants = Instants {
                    request_start: start,
                    request_head: start,
                    request_end: Some(start + MS / 20),
                    connected: None,
                    response_start: Some(end - MS / 10),
                    response_head: Some(end - MS / 10),
                    response_end: Some(end),
                };
                exchanges.push(exchange);
                start = next.unwrap_or(end + MS + random.below(10 * MS));
            }
        }
    }
    exchanges.sort_by_key(|exchange| exchange.instants.response_end);
    exchanges
}

/// The last of its connection may end it; a `100 Continue` can only come when no earlier answer is outstanding.
fn random_exchange(random: &mut Random, id: usize, user: u64, host: &str, is_last: bool, is_alone: bool) -> Exchange {
    let method = random.one(&["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "x-Custom!"]);
    let protocol = if random.percent(15) { Protocol::Http10 } else { Protocol::Http11 };
    let absolute = format!("http://{host}/absolute?id={id}");
    let (target, named) = match random.below(20) {
        0 if method == "OPTIONS" => ("*", host),
        1 => (&*absolute, host),
        // Whom the target names comes before the Host.
        2 => (&*absolute, random.one(&HOSTS)),
        _ => (random.one(&TARGETS), host),
    };
    let mut fields = request_fields(random, id, user);
    if protocol == Protocol::Http11 || random.percent(50) {
        fields.push(("Host", named.into()));
    }
    let has_body = if matches!(method, "GET" | "HEAD" | "OPTIONS") { 10 } else { 80 };
    let framing = match random.percent(has_body) {
        true if protocol == Protocol::Http11 && random.percent(50) => Framing::Chunked,
        true => Framing::Length,
        false => Framing::None,
    };
    let mut request = random_content(random, framing, &mut fields);
    let expects = is_alone && protocol == Protocol::Http11 && !request.body.bytes.is_empty() && random.percent(40);
    if expects {
        fields.push(("Expect", random.one(&["100-continue", "100-Continue"]).into()));
    }
    request.head = spelled(random, &format!("{method} {target} {}", protocol.name()), fields);
    let mut informational = Vec::new();
    if expects {
        informational.push(Bytes::from("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if protocol == Protocol::Http11 && random.percent(10) {
        informational.push(spelled(random, "HTTP/1.1 103 Early Hints", vec![("Link", b"</a>; rel=preload".to_vec())]));
    }
    Exchange {
        seq: 0,
        client: ClientKey { source: KeySource::Named, id: user },
        connection: 0,
        protocol,
        request,
        informational,
        response: Some(random_response(random, method, protocol, is_last)),
        instants: Instants::default(),
        end: End::Complete,
        ..Exchange::default()
    }
}

type Fields = Vec<(&'static str, Vec<u8>)>;

fn request_fields(random: &mut Random, id: usize, user: u64) -> Fields {
    let mut fields = vec![("X-Test", id.to_string().into()), ("X-User", format!("user {user}").into())];
    for _ in 0..random.below(6) {
        fields.push((random.one(&FIELDS), random.one(&VALUES).into()));
    }
    if random.percent(70) {
        // One for each user: a user with several is taken for a pool of users.
        let agent = ["", "curl/8", "odd \u{fc} (x; y)"][usize::try_from(user).unwrap() % 3];
        fields.push(("User-Agent", agent.into()));
    }
    if random.percent(30) {
        let host = random.one(&[HOSTS[0], HOSTS[1], HOSTS[2], "elsewhere.example"]);
        let path = random.one(&["", "/", "/page?x"]);
        fields.push((random.one(&["Referer", "Origin"]), format!("http://{host}{path}").into()));
    }
    if random.percent(40) {
        fields.push(("Cookie", format!("sid={}; theme=\"{}\"", random.secret(), random.secret()).into()));
    }
    if random.percent(20) {
        fields.push(("Authorization", format!("Bearer {}", random.secret()).into()));
    }
    if random.percent(5) {
        fields.push(("Proxy-Authorization", format!("Basic {}", random.secret()).into()));
    }
    if random.percent(50) {
        let context = format!("00-{:032x}-{:016x}-01", 1 + random.below(5), 1 + random.below(99));
        fields.push(("traceparent", context.into()));
        fields.push((random.one(&TRACE_FIELDS[1..]), b"a=1".to_vec()));
    }
    fields
}

/// What answers like this one: with a body of every kind, and with the connection's end where it is the last.
fn random_response(random: &mut Random, method: &str, protocol: Protocol, is_last: bool) -> Message {
    let status = random.one(&["200 OK", "200 ", "204 No Content", "304 Not Modified", "404 \u{e9}", "500 Odd  reason"]);
    let mut fields: Fields = vec![(random.one(&FIELDS), random.one(&VALUES).into())];
    if random.percent(30) {
        fields.push(("Set-Cookie", format!("sid={}; Path=/; HttpOnly", random.secret()).into()));
    }
    let bodyless = method == "HEAD" || matches!(&status[..3], "204" | "304");
    let mut framing = match random.below(3) {
        0 if protocol == Protocol::Http11 => Framing::Chunked,
        1 if is_last && !bodyless => Framing::UntilClose,
        _ => Framing::Length,
    };
    if protocol == Protocol::Http10 && !is_last {
        fields.push(("Connection", b"Keep-Alive".to_vec()));
    } else if is_last && random.percent(30) {
        // A target that announces its end, or hangs up without a word.
        let (name, value) = random.one(&[("Connection", "x, close"), (HANGS_UP, "")]);
        fields.push((name, value.into()));
    }
    let mut response = random_content(random, framing, &mut fields);
    if bodyless {
        framing = Framing::None;
        response = Message { framing, ..Message::default() };
    }
    response.head = spelled(random, &format!("{} {status}", protocol.name()), fields);
    response
}

/// A body with this framing, and the fields that say so.
fn random_content(random: &mut Random, framing: Framing, fields: &mut Fields) -> Message {
    let mut message = Message { framing, ..Message::default() };
    if framing == Framing::None {
        return message;
    }
    let mut bytes = if random.percent(85) { random.content() } else { Vec::new() };
    if !bytes.is_empty() && random.percent(15) {
        fields.push(("Content-Type", b"application/json".to_vec()));
        bytes = format!("{{\"id\" : 7,\"token\":\"{}\", \"list\":[1, 2]}}", random.secret()).into();
    }
    if !bytes.is_empty() && random.percent(30) {
        let field = random.one(&["gzip", "br", "zstd", "deflate", "GZIP, identity", "deflate,br"]);
        fields.push(("Content-Encoding", field.into()));
        bytes = encode(&bytes, &codings(field.as_bytes()).unwrap()).unwrap();
    }
    if framing == Framing::Length {
        let zeros = random.one(&["", "", "00"]);
        fields.push(("Content-Length", format!("{zeros}{}", bytes.len()).into()));
    }
    let mut chunks = Vec::new();
    if framing == Framing::Chunked {
        fields.push(("Transfer-Encoding", random.one(&["chunked", "Chunked"]).into()));
        let mut left = bytes.len();
        while left > 0 {
            let size = if random.percent(30) { left } else { 1 + random.index(left.min(1_000)) };
            chunks.push(size as u64);
            left -= size;
        }
        if random.percent(40) {
            fields.push(("Trailer", b"X-Sum".to_vec()));
            message.trailers = random.one(&["X-Sum: 1\r\n", "x-sum:\t\r\nX-Sum:2 \r\n", "X-Other: \u{e9}\r\n"]).into();
        }
    }
    message.body =
        Body { total_len: bytes.len() as u64, bytes: std::mem::take(&mut bytes).into(), chunks, ..Body::default() };
    message
}

/// A head in any order, case and white space, or as tidy as most are.
fn spelled(random: &mut Random, start_line: &str, mut fields: Fields) -> Bytes {
    let mut head = format!("{start_line}\r\n").into_bytes();
    let is_tidy = random.percent(40);
    while !fields.is_empty() {
        let (name, value) = fields.swap_remove(random.index(fields.len()));
        let case = if is_tidy { 0 } else { random.below(4) };
        let name = name.bytes().map(|byte| match case {
            1 => byte.to_ascii_lowercase(),
            2 => byte.to_ascii_uppercase(),
            3 if random.percent(50) => byte.to_ascii_uppercase(),
            _ => byte,
        });
        head.extend(name.collect::<Vec<_>>());
        let [before, after, end] = match is_tidy {
            true => [": ", "", "\r\n"],
            false => [
                random.one(&[":", ": ", ":  ", ":\t"]),
                random.one(&["", "", " ", "\t "]),
                random.one(&["\r\n", "\r\n", "\n"]),
            ],
        };
        head.extend_from_slice(&[before.as_bytes(), &value, after.as_bytes(), end.as_bytes()].concat());
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// Which of [`HOSTS`] a request is for.
pub(crate) fn host_of(head: &[u8]) -> usize {
    let target = head.split(|byte| *byte == b' ').nth(1).unwrap();
    let absolute = target.strip_prefix(b"http://").and_then(|rest| rest.split(|byte| *byte == b'/').next());
    let named = absolute.or_else(|| value(head, "host"));
    HOSTS.iter().position(|host| named == Some(host.as_bytes())).unwrap_or(0)
}

/// What a connection of a replay is for: a recorded connection, and a host.
pub(crate) fn connection_of(exchange: &Exchange) -> (u64, usize) {
    (exchange.connection, host_of(&exchange.request.head))
}

/// The `X-Test` of a request, which tells it from all others.
pub(crate) fn id_of(head: &[u8]) -> u64 {
    std::str::from_utf8(value(head, "x-test").unwrap()).unwrap().parse().unwrap()
}

/// The body as it goes over the wire.
pub(crate) fn framed(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    if message.framing != Framing::Chunked {
        return message.body.bytes.to_vec();
    }
    let mut left = &message.body.bytes[..];
    for size in &message.body.chunks {
        let (chunk, rest) = left.split_at(usize::try_from(*size).unwrap());
        out.extend_from_slice(&[format!("{size:x}\r\n").as_bytes(), chunk, b"\r\n"].concat());
        left = rest;
    }
    out.extend_from_slice(&[b"0\r\n", &message.trailers[..], b"\r\n"].concat());
    out
}

/// The session, imported.
pub(crate) fn imported(folder: &Path, exchanges: &[Exchange]) -> PathBuf {
    let lines = exchanges.iter().map(|exchange| {
        let mut line = Vec::new();
        to_line(exchange, 0, &mut line);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    });
    session(folder, "first", &lines.collect::<Vec<_>>())
}
