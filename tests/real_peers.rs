//! Real servers under real clients, nothing of ours on either side: recorded, replayed at several rates, and checked at
//! the server's own access log, at a sink that keeps every byte, and at an OTLP receiver.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod peers;
mod support;

use std::path::{Path, PathBuf};

use peers::arrivals::{Replayed, end, recorder, replay, replay_to_origin};
use peers::sink::{Kept, RawClient, by_connection, has, kept, on_disk};
use peers::{FILES, body, client, content, request};
use support::{folder, inside, run_json};

const TRACEPARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// How often each recorded request must arrive; a half of them cannot be told beforehand.
const RATES: [(&str, Option<u64>); 3] = [("1x", Some(1)), ("3x", Some(3)), ("0.5x", None)];

#[test]
fn nginx_under_curl_h2load_and_wrk() {
    let folder = folder();
    let (nginx, session) = (peers::nginx(folder.path()), inside(&folder, "session"));
    let (recorder, address) = recorder(&nginx.address, &session, &[]);
    load_nginx(&address);
    let recorded = end(recorder, &session);

    let arrivals = nginx.accesses(0, recorded.len());
    let seen = Replayed { recorded: &recorded, run: PathBuf::new(), arrivals };
    assert_eq!(seen.arrived(), seen.recorded(), "nginx's log, and the session");
    check_files(&recorded);
    for rate in RATES {
        replay_to_origin(&nginx, &session, &recorded, rate, &[]);
    }
}

/// Files of every size on kept and on new connections, a POST, a HEAD, what is not there; then load from two clients.
fn load_nginx(address: &str) {
    let url = |path: &str| format!("http://{address}{path}");
    for agent in ["one", "two"] {
        let urls = FILES.map(|(name, _)| url(&format!("/{name}?from={agent}")));
        let mut arguments = vec!["--silent", "--user-agent", agent, "--parallel"];
        arguments.extend(urls.iter().map(String::as_str));
        client("curl", &arguments);
    }
    assert_eq!(client("curl", &["--silent", "--data", "a=1&b=2", &url("/echo?posted")]), b"POST posted");
    client("curl", &["--silent", "--head", &url("/page.html")]);
    client("curl", &["--silent", "--header", TRACEPARENT, &url("/missing")]);
    client("h2load", &["--h1", "-n", "400", "-c", "8", &url("/page.html"), &url("/tiny.txt?h2load")]);
    client("wrk", &["-t1", "-c2", "-d1s", &url("/slow/tiny.txt")]);
}

/// Every answer is the file that nginx has, whole unless the client went away.
#[track_caller]
fn check_files(recorded: &[serde_json::Value]) {
    let mut unfinished = 0;
    for exchange in recorded {
        let sent = request(exchange);
        let (method, target) = sent.split_once(' ').unwrap();
        let name = target.split('?').next().unwrap().rsplit('/').next().unwrap();
        let (expected, status) = match (method, name) {
            (_, "missing") => (Vec::new(), 404),
            ("HEAD", _) => (Vec::new(), 200),
            (_, "echo") => (b"POST posted".to_vec(), 200),
            _ => (content(name), 200),
        };
        let got = body(&exchange["response"]);
        if exchange["instants_ns"]["response_end"].is_null() {
            unfinished += 1;
            assert!(expected.starts_with(&got), "{exchange:.400}");
            continue;
        }
        assert_eq!(exchange["response"]["status"], status, "{exchange:.400}");
        assert!(got == expected || status == 404, "{} bytes of {}: {exchange:.400}", got.len(), expected.len());
    }
    // wrk leaves when its second is over, with a request under way on each of its two connections.
    assert!(unfinished <= 2, "{unfinished} of {} exchanges have no whole answer", recorded.len());
}

/// A request to httpbin, and the body that it sent.
struct Call {
    target: &'static str,
    arguments: &'static [&'static str],
    sent: &'static [u8],
}

const LONG: &[u8] = &[b'x'; 70_000];

const CALLS: [Call; 14] = [
    Call { target: "/get?a=1&b=%20&a=2", arguments: &[], sent: b"" },
    Call { target: "/post?form", arguments: &["--data", "a=1&b=two"], sent: b"a=1&b=two" },
    Call {
        target: "/post?json",
        arguments: &["--header", "Content-Type: application/json", "--data", r#"{"ä": [1, "\u0000"]}"#],
        sent: r#"{"ä": [1, "\u0000"]}"#.as_bytes(),
    },
    Call {
        target: "/put",
        arguments: &["--request", "PUT", "--header", "Transfer-Encoding: chunked", "--data-binary", "@long"],
        sent: LONG,
    },
    Call { target: "/patch", arguments: &["--request", "PATCH", "--data", "p"], sent: b"p" },
    Call { target: "/delete", arguments: &["--request", "DELETE"], sent: b"" },
    Call { target: "/get?head", arguments: &["--head"], sent: b"" },
    Call { target: "/status/404", arguments: &[], sent: b"" },
    Call { target: "/redirect-to?url=/get?redirected", arguments: &["--location"], sent: b"" },
    Call { target: "/gzip", arguments: &["--header", "Accept-Encoding: gzip"], sent: b"" },
    Call { target: "/stream/5", arguments: &[], sent: b"" },
    Call { target: "/bytes/5000?seed=3", arguments: &[], sent: b"" },
    Call { target: "/headers?traced", arguments: &["--header", TRACEPARENT], sent: b"" },
    Call { target: "/delay/0.3", arguments: &["--header", TRACEPARENT], sent: b"" },
];

#[test]
fn httpbin_under_curl() {
    let folder = folder();
    let (httpbin, session) = (peers::httpbin(folder.path()), inside(&folder, "session"));
    let (recorder, address) = recorder(&httpbin.address, &session, &[]);
    let long = inside(&folder, "long");
    std::fs::write(&long, LONG).unwrap();
    let long = format!("@{}", long.display());
    let mut answers = Vec::new();
    for (user, call) in CALLS.iter().enumerate() {
        let (url, user) = (format!("http://{address}{}", call.target), format!("X-Forwarded-For: 10.0.0.{user}"));
        let mut arguments = vec!["--silent", "--header", &user, &url];
        arguments.extend(call.arguments.iter().map(|given| if *given == "@long" { long.as_str() } else { given }));
        answers.push(client("curl", &arguments));
    }
    let recorded = end(recorder, &session);
    let arrivals = httpbin.accesses(0, recorded.len());
    let seen = Replayed { recorded: &recorded, run: PathBuf::new(), arrivals };
    assert_eq!(seen.arrived(), seen.recorded(), "gunicorn's log, and the session");
    // Curl followed one redirect.
    assert_eq!(recorded.len(), CALLS.len() + 1);
    for (call, answer) in CALLS.iter().zip(&answers) {
        check_call(&recorded, call, answer);
    }
    for rate in RATES {
        replay_to_origin(&httpbin, &session, &recorded, rate, &[]);
    }
}

/// The session has what curl sent and what curl was given.
#[track_caller]
fn check_call(recorded: &[serde_json::Value], call: &Call, answer: &[u8]) {
    let of = |target: &str| recorded.iter().find(|one| one["request"]["target"] == target);
    let exchange = of(call.target).unwrap();
    assert_eq!(body(&exchange["request"]), call.sent, "{exchange:.400}");
    let got = match call.arguments {
        ["--head"] => body(&exchange["response"]),
        ["--location"] => body(&of("/get?redirected").unwrap()["response"]),
        _ => body(&exchange["response"]),
    };
    let expected = if call.arguments == ["--head"] { b"" } else { answer };
    assert_eq!(got, expected, "{exchange:.400}");
    let framing = match call.target {
        "/put" => ("chunked", "length"),
        "/stream/5" => ("none", "chunked"),
        _ => (if call.sent.is_empty() { "none" } else { "length" }, "length"),
    };
    let framed = |message: &str| exchange[message]["framing"].as_str().unwrap();
    if call.arguments != ["--head"] {
        assert_eq!((framed("request"), framed("response")), framing, "{exchange:.400}");
    }
}

const COOKIE: &str = "q8Zr5TtW0cXvB2nM7yLk";
const OTHER_COOKIE: &str = "another0another1another2";
const BEARER: &str = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0";
/// Set by the sink in each answer.
const SET_COOKIE: &str = "abcdefghijklmnopqrst";
/// Fields that a replay takes out.
const TRACE_FIELDS: [&str; 4] = ["traceparent", "tracestate", "baggage", "x-b3-traceid"];

#[test]
fn heads_and_bodies_arrive_as_they_were_sent() {
    let folder = folder();
    let session = inside(&folder, "session");
    let first = peers::Receiver::start("sink.py", inside(&folder, "first"));
    let (recorder, address) = recorder(&first.address, &session, &["--client-key", "header:X-User"]);
    let count = load_sink(&address);
    let recorded = end(recorder, &session);
    assert_eq!(recorded.len(), count);
    let sent = kept(&first, count);

    let second = peers::Receiver::start("sink.py", inside(&folder, "second"));
    let run = replay(&session, &second.address, "1x", &["--unsafe-methods", "send"]);
    let came = kept(&second, count);
    assert_eq!(by_connection(&came), by_connection(&sent), "requests of each connection, in order");
    let run_id = run_json(&run)["run_id"].as_str().unwrap().to_owned();
    for one in &sent {
        let again = came.iter().find(|again| again.target() == one.target()).unwrap();
        let exchange = recorded.iter().find(|exchange| exchange["request"]["target"] == one.target()).unwrap();
        check_head(&one.head, &again.head, exchange, &second.address, &run_id);
        assert_eq!(String::from_utf8_lossy(&again.body), String::from_utf8_lossy(&one.body), "{}", one.head);
    }
    check_secrets(&session, &run, &came);
}

/// Two connections of one user that take turns, one of another user by curl; returns how many requests that makes.
fn load_sink(address: &str) -> usize {
    let (mut a, mut b) = (RawClient::connect(address), RawClient::connect(address));
    a.request(&[&format!(
        "GET /a/1?x=%20&&y HTTP/1.1\r\nhOsT: recorded.invalid:81\r\nX-User: ann\r\nACCEPT:  spaced\t \r\nX-Dup: 1\r\n\
         cOOkie: sid={COOKIE}; theme=dark\r\nx-dup: 2\r\nUsEr-Agent: raw/1 (test)\r\nX-Dup: 1\r\nEmpty:\r\n\
         TraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\nTracestate: c=d\r\n\
         baggage: k=v\r\nX-B3-TraceId: 1\r\nX-Request-Id: stays\r\nAuthorization: Bearer {BEARER}\r\n\r\n"
    )]);
    b.request(&["GET /b/1 HTTP/1.1\r\nX-User: ann\r\nHost: h\r\nCookie: sid=", COOKIE, "\r\n\r\n"]);
    let chunked = "POST /a/2 HTTP/1.1\r\nHost:h\r\nX-User: ann\r\nTransfer-Encoding: chunked\r\nTrailer: sum\r\n\r\n";
    a.request(&[chunked, "3\r\nabc\r\n", "a\r\n0123", "456789\r\n1\r\n", "x\r\n", "0\r\nSum: 14\r\n\r\n"]);
    b.request(&["PUT /b/2 HTTP/1.1\r\nHost: h\r\nX-User: ann\r\ncontent-LENGTH: 5\r\n\r\n12", "345"]);
    a.request(&["DELETE /a/3 HTTP/1.1\r\nHost: h\r\nX-User: ann\r\n\r\n"]);
    let headers = ["X-User: bob", "lower: a", "UPPER: b", "lower: c", "X-Api-Key: k3yk3yk3yk3yk3yk3yk3y", "Accept;"];
    let cookie = format!("sid={OTHER_COOKIE}; b=2");
    let mut arguments = vec!["--silent", "--cookie", &cookie, "--data-raw", "from=curl"];
    headers.iter().for_each(|header| arguments.extend(["--header", *header]));
    let url = format!("http://{address}/curl/1");
    arguments.push(&url);
    client("curl", &arguments);
    6
}

/// The recorded field lines in order, case and number, but for those that belong to the target, the trace, or a secret.
#[track_caller]
fn check_head(sent: &str, came: &str, exchange: &serde_json::Value, authority: &str, run_id: &str) {
    let (mut came_lines, mut expected) = (came.trim_end().split("\r\n").map(str::to_owned).collect::<Vec<_>>(), vec![]);
    let mut secrets = exchange["request"]["headers"].as_array().unwrap().iter();
    for line in sent.trim_end().split("\r\n") {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        expected.push(match name.to_ascii_lowercase().as_str() {
            "host" => {
                format!("{name}:{}{authority}", if value.starts_with(' ') { " " } else { "" })
            }
            "user-agent" => format!("{line} reenact/{}", env!("CARGO_PKG_VERSION")),
            trace if TRACE_FIELDS.contains(&trace) => continue,
            "authorization" | "cookie" | "x-api-key" => {
                let pseudonym = secrets.find(|field| field[0] == name).unwrap()[1].as_str().unwrap();
                assert_ne!(pseudonym, value.trim(), "{name} is not redacted");
                format!("{name}: {pseudonym}")
            }
            _ => line.to_owned(),
        });
    }
    let appended = came_lines.split_off(came_lines.len() - 3);
    assert_eq!(came_lines, expected);
    let traceparent = appended[0].strip_prefix("traceparent: ").unwrap().to_owned();
    peers::arrivals::context(&peers::Access { request: came_lines[0].clone(), traceparent, status: 200 });
    assert_eq!(appended[1], format!("tracestate: reenact={run_id}"));
    assert_eq!(appended[2], format!("baggage: synthetic_request=true,reenact.run_id={run_id}"));
    assert!(came.ends_with("\r\n\r\n"));
}

/// No secret reaches a disk or the target; and one secret has one pseudonym, so that users stay who they are.
#[track_caller]
fn check_secrets(session: &Path, run: &Path, came: &[Kept]) {
    let heads: String = came.iter().map(|one| one.head.as_str()).collect();
    let (in_session, in_run) = (on_disk(session), on_disk(run));
    // What is no secret is found, so the search does find what is there.
    assert!(has(&in_session, "recorded.invalid:81") && has(&in_session, "Set-Cookie: "));
    for secret in [COOKIE, BEARER, SET_COOKIE, OTHER_COOKIE, "k3yk3yk3y"] {
        for (place, bytes) in [("session", &in_session[..]), ("run", &in_run), ("replay", heads.as_bytes())] {
            assert!(!has(bytes, secret), "{secret} is in the {place}");
        }
    }
    let sids: Vec<&str> =
        heads.split("kie: sid=").skip(1).map(|rest| rest.split([';', '\r']).next().unwrap()).collect();
    assert_eq!(sids.len(), 3, "{heads}");
    assert_eq!(sids[0], sids[1], "one cookie");
    assert_ne!(sids[0], sids[2], "another cookie");
}

#[test]
fn every_request_has_a_client_span_at_a_real_receiver() {
    let folder = folder();
    let (nginx, session) = (peers::nginx(folder.path()), inside(&folder, "session"));
    let (recorder, address) = recorder(&nginx.address, &session, &[]);
    // Two requests of one trace, as a service behind a gateway would make them, and some without any.
    for arguments in [&["--header", TRACEPARENT][..], &["--header", TRACEPARENT, "--head"], &[]] {
        let urls = ["page.html?q=secret", "missing"].map(|name| format!("http://{address}/{name}"));
        client("curl", &[&["--silent"], arguments, &[&urls[0], &urls[1]]].concat());
    }
    let recorded = end(recorder, &session);
    let before = nginx.logged();
    assert_eq!((recorded.len(), before), (6, 6));

    let receiver = peers::Receiver::start("otlp.py", inside(&folder, "spans"));
    let token = inside(&folder, "token");
    std::fs::write(&token, "the-token\n").unwrap();
    let (endpoint, token) = (format!("http://{}", receiver.address), format!("file:{}", token.display()));
    let more = ["--otlp-endpoint", &endpoint, "--environment", "tests", "--backend", "lightstep", "--token", &token];
    let replayed = replay_to_origin(&nginx, &session, &recorded, ("3x", Some(3)), &more);
    let run = run_json(&replayed.run);
    let spans = receiver.so_far();
    assert_eq!(run["spans"]["exported"], replayed.arrivals.len(), "{}", run["spans"]);
    assert!(run["spans"]["dropped"].as_object().unwrap().is_empty(), "{}", run["spans"]);
    peers::spans::check(&replayed, &spans, &run, TRACEPARENT);
}
