use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::model::{
    Body, ClientKey, Dropped, End, Framing, GapReason, Instants, KeySource, Message, Protocol, ReplayOf,
};

mod hostile;
mod random;

const STARTED: u64 = 1_784_021_400_000_000_001;

fn printed(exchange: &Exchange) -> String {
    let mut out = Vec::new();
    to_line(exchange, STARTED, &mut out);
    String::from_utf8(out).unwrap()
}

fn read(line: &str) -> Exchange {
    match from_line(line.as_bytes()) {
        Ok(Line::Exchange(exchange)) => exchange,
        other => panic!("{line}: {other:?}"),
    }
}

fn error(line: &str) -> String {
    from_line(line.as_bytes()).unwrap_err().to_string()
}

/// An exchange around these bytes of a request and a response.
fn exchange(request: &[u8], response: &[u8]) -> Exchange {
    let message = |head: &[u8]| Message { head: Bytes::copy_from_slice(head), ..Message::default() };
    Exchange {
        seq: 3,
        client: ClientKey { source: KeySource::Peer, id: 255 },
        connection: 9,
        protocol: Protocol::Http11,
        request: message(request),
        informational: Vec::new(),
        response: Some(message(response)),
        instants: Instants { request_start: 124_999_999, request_head: 125_000_000, ..Instants::default() },
        end: End::Complete,
        ..Exchange::default()
    }
}

#[test]
fn a_line_reads_well() {
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request =
        format!("POST /a?b=\"c\" HTTP/1.1\r\nHost: x\r\nTraceparent: {traceparent}\r\nContent-Length: 9\r\n\r\n");
    let mut exchange = exchange(request.as_bytes(), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    exchange.request.framing = Framing::Length;
    exchange.request.body = Body { bytes: Bytes::from_static(b"h\xc3\xa9\n"), total_len: 9, ..Body::default() };
    exchange.informational = vec![Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")];
    let response = exchange.response.as_mut().unwrap();
    response.framing = Framing::Chunked;
    response.body =
        Body { bytes: Bytes::from_static(b"\xff\xfe"), total_len: 2, chunks: vec![1, 1], ..Body::default() };
    response.trailers = Bytes::from_static(b"X-Sum: 1\r\n");
    let expected = concat!(
        r#"{"type":"exchange","seq":3,"time":"2026-07-14T09:30:00.125000000Z","client":"peer-00000000000000ff","#,
        r#""connection":9,"protocol":"HTTP/1.1","end":"complete","instants_ns":{"request_start":124999999,"#,
        r#""request_head":125000000,"request_end":null,"connected":null,"response_start":null,"response_head":null,"#,
        r#""response_end":null},"trace":{"trace_id":"0af7651916cd43dd8448eb211c80319c","parent_id":"b7ad6b7169203331","#,
        r#""flags":1},"request":{"method":"POST","target":"/a?b=\"c\"","version":"HTTP/1.1","headers":[["Host","x"],"#,
        r#"["Traceparent","00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],["Content-Length","9"]],"#,
        r#""framing":"length","body":{"text":"hé\n","total_len":9}},"informational":[{"version":"HTTP/1.1","status":103,"#,
        r#""reason":"Early Hints","headers":[["Link","</a>"]]}],"response":{"version":"HTTP/1.1","status":200,"#,
        r#""reason":"OK","headers":[["Transfer-Encoding","chunked"]],"framing":"chunked","body":{"base64":"//4=","#,
        r#""chunks":[1,1]},"trailers":[["X-Sum","1"]]}}"#,
        "\n",
    );
    assert_eq!(printed(&exchange), expected);
    assert_eq!(read(expected), exchange);
}

#[test]
fn odd_heads_are_kept_to_the_byte() {
    for (head, is_plain) in [
        ("GET / HTTP/1.1\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: X\r\nA: \r\n\r\n", true),
        ("GET /ü HTTP/1.1\r\nA: ü \u{1F980}\r\n\r\n", true),
        ("GET / HTTP/1.1\nHost: x\n\n", false),
        ("GET / HTTP/1.1\r\nHost:x\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost:  x\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: x \r\n\r\n", false),
        ("GET / HTTP/1.1\r\nA:\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nA: b\r\nodd\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nA: b\u{1}\r\n\r\n", false),
        ("GET /a b HTTP/1.1\r\n\r\n", false),
        ("GET  / HTTP/1.1\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nA: b\r\n\n", false),
        ("what is this\r\n\r\n", false),
        ("GET\r\n\r\n", false),
    ] {
        let exchange = exchange(head.as_bytes(), b"HTTP/1.1 200 OK\r\n\r\n");
        let line = printed(&exchange);
        assert_eq!(!line.contains("head_base64"), is_plain, "{line}");
        assert_eq!(read(&line), exchange, "{line}");
    }
    for (head, is_plain) in [
        ("HTTP/1.1 204 \r\n\r\n", true),
        ("HTTP/1.1 204\r\n\r\n", false),
        ("HTTP/1.1  200 OK\r\n\r\n", false),
        ("HTTP/1.1 +20 OK\r\n\r\n", false),
        ("HTTP/1.1 0200 OK\r\n\r\n", false),
    ] {
        let exchange = exchange(b"GET / HTTP/1.1\r\n\r\n", head.as_bytes());
        let line = printed(&exchange);
        assert_eq!(!line.contains("head_base64"), is_plain, "{line}");
        assert_eq!(read(&line), exchange, "{line}");
    }
}

#[test]
fn lines_by_hand_need_little() {
    let line = r#"{"type":"exchange","time":"2026-07-14T11:30:01.5+02:00","request":{"method":"GET","target":"/"},"response":{"status":200}}"#;
    let mut reader = Reader::new();
    assert_eq!(
        reader.line(br#"{"type":"session","header":{"started_unix_ns":1784021400000000000,"x":[1]}}"#).unwrap(),
        Line::Session(json!({"started_unix_ns": 1_784_021_400_000_000_000u64, "x": [1]}))
    );
    let Line::Exchange(exchange) = reader.line(line.as_bytes()).unwrap() else { panic!() };
    let at = Some(1_500_000_000);
    let expected = Exchange {
        seq: 0,
        client: ClientKey { source: KeySource::Connection, id: 0 },
        connection: 0,
        protocol: Protocol::Http11,
        request: Message { head: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"), ..Message::default() },
        informational: vec![],
        response: Some(Message { head: Bytes::from_static(b"HTTP/1.1 200 \r\n\r\n"), ..Message::default() }),
        instants: Instants {
            request_start: 1_500_000_000,
            request_head: 1_500_000_000,
            request_end: at,
            connected: None,
            response_start: at,
            response_head: at,
            response_end: at,
        },
        end: End::Complete,
        ..Exchange::default()
    };
    assert_eq!(exchange, expected);
}

#[test]
fn a_body_by_hand_gets_its_length() {
    let line = |request: &str| {
        format!(
            r#"{{"type":"exchange","instants_ns":{{"request_start":1}},"request":{{"method":"POST","target":"/",{request}}}}}"#
        )
    };
    let got = read(&line(r#""body":{"text":"abc"}"#));
    assert_eq!(
        (got.request.head, got.request.framing),
        (Bytes::from_static(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n"), Framing::Length)
    );
    assert_eq!((got.end, got.response, got.instants.response_end), (End::RecordingStopped, None, None));
    let got = read(&line(r#""headers":[["content-LENGTH","3"]],"body":{"base64":"YWJj"}"#));
    assert_eq!((got.request.framing, got.request.body.bytes), (Framing::Length, Bytes::from_static(b"abc")));
    let got = read(&line(r#""headers":[["Transfer-Encoding","chunked"]],"body":{"text":"abc"}"#));
    assert_eq!((got.request.framing, got.request.body.total_len), (Framing::Chunked, 3));
    let gone = r#"{"type":"exchange","end":"client_gone","instants_ns":{"request_start":1,"request_end":null},"request":{"method":"PUT","target":"/","headers":[["Content-Length","9"]],"body":{"text":"ab"}},"response":{"status":200}}"#;
    let got = read(gone);
    assert_eq!(
        (got.instants.request_end, got.instants.response_start, got.instants.response_end),
        (None, Some(1), None)
    );
    let client = r#"{"type":"exchange","client":"named-2a","instants_ns":{"request_start":1},"request":{"method":"GET","target":"/","version":"HTTP/1.0"}}"#;
    let got = read(client);
    assert_eq!((got.connection, got.client.id, got.protocol), (42, 42, Protocol::Http10));
}

#[test]
fn requests_cannot_be_smuggled_in() {
    let check = |request: &str, field: &str| {
        let line = format!(r#"{{"type":"exchange","instants_ns":{{"request_start":1}},"request":{{{request}}}}}"#);
        let error = error(&line);
        assert!(error.starts_with(&format!("field `{field}`: ")), "{line}: {error}");
    };
    let get = r#""method":"GET","target":"/""#;
    check(r#""method":"GET /a HTTP/1.1\r\n\r\nGET","target":"/""#, "request.method");
    check(r#""method":"","target":"/""#, "request.method");
    check(r#""method":"GET","target":"/ HTTP/1.1\r\nA: b""#, "request.target");
    check(r#""method":"GET","target":"/a b""#, "request.target");
    check(r#""method":"GET","target":"""#, "request.target");
    check(r#""method":"GET","target":"/","version":"HTTP/1.1\r\nA: b""#, "request.version");
    check(&format!(r#"{get},"headers":[["A","b"],["C","d\r\nE: f"]]"#), "request.headers[1]");
    check(&format!(r#"{get},"headers":[["A","d\nE: f"]]"#), "request.headers[0]");
    check(&format!(r#"{get},"headers":[["A","d\u0000"]]"#), "request.headers[0]");
    check(&format!(r#"{get},"headers":[["A: b\r\nC","d"]]"#), "request.headers[0]");
    check(&format!(r#"{get},"headers":[["A ","d"]]"#), "request.headers[0]");
    check(&format!(r#"{get},"headers":[["","d"]]"#), "request.headers[0]");
    check(&format!(r#"{get},"trailers":[["A","d\r\n\r\nGET / HTTP/1.1"]]"#), "request.trailers[0]");
    check(&format!(r#"{get},"headers":[["Content-Length","1"],["Transfer-Encoding","chunked"]]"#), "request.headers");
    check(&format!(r#"{get},"headers":[["Content-Length","1"],["Content-Length","2"]]"#), "request.headers");
    check(&format!(r#"{get},"headers":[["Content-Length","+1"]]"#), "request.headers");
    check(&format!(r#"{get},"headers":[["Transfer-Encoding","chunked, gzip"]]"#), "request.headers");
    check(&format!(r#"{get},"headers":[["Content-Length","1"]],"body":{{"text":"ab"}}"#), "request.body");
    check(&format!(r#"{get},"headers":[["Content-Length","3"]],"body":{{"text":"ab"}}"#), "request.body");
    check(&format!(r#"{get},"framing":"none","body":{{"text":"ab"}}"#), "request.body");
    check(&format!(r#"{get},"framing":"length","body":{{"text":"ab"}}"#), "request.body");
    check(&format!(r#"{get},"framing":"until_close""#), "request.framing");
    check(&format!(r#"{get},"framing":"chunked","headers":[["Content-Length","0"]]"#), "request.framing");
    let base64 = |head: &str| {
        use base64::Engine as _;
        format!(r#""head_base64":"{}""#, base64::engine::general_purpose::STANDARD.encode(head))
    };
    for head in [
        "GET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nA: b\n\nx",
        "GET / HTTP/1.1\r\nA: b\r\n",
        "",
        "\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        check(&base64(head), "request.head_base64");
    }
    for section in ["A: b\r\n\r\nGET / HTTP/1.1\r\n", "A: b", "\n"] {
        check(&format!("{get},{}", base64(section).replace("head", "trailers")), "request.trailers_base64");
    }
    check(&format!(r#"{},"body":{{"text":"GET /b HTTP/1.1"}}"#, base64("GET / HTTP/1.1\n\n")), "request.body");
}

#[test]
fn errors_name_the_field() {
    let line = |rest: &str| {
        format!(
            r#"{{"type":"exchange","instants_ns":{{"request_start":1}},"request":{{"method":"GET","target":"/"}}{rest}}}"#
        )
    };
    let check = |line: &str, expected: &str| {
        let error = error(line);
        assert!(error.starts_with(expected), "{line}: {error}");
    };
    read(&line(""));
    check("", "not JSON at column 0: EOF");
    check("{", "not JSON at column 1: EOF");
    check(r#"{"type":"exchange",}"#, "not JSON at column 20: trailing comma");
    check("[]", "field `.`: ");
    check("7", "field `.`: ");
    check("{}", "field `type`: it is missing");
    check(r#"{"type":"trace"}"#, "field `type`: `trace` is none of");
    check(&line(r#","sequence":1"#), "field `sequence`: unknown field `sequence`");
    check(&line(r#","seq":"1""#), "field `seq`: invalid type: string");
    check(&line(r#","seq":-1"#), "field `seq`: invalid value");
    check(&line(r#","seq":1,"seq":1"#), "field `.`: duplicate field `seq`");
    check(&line(r#","client":"me""#), "field `client`: client key `me`");
    check(&line(r#","protocol":"HTTP/2""#), "field `request.head_base64`: ");
    check(&line(r#","protocol":"HTTP/4""#), "field `protocol`: ");
    check(&line(r#","end":"well""#), "field `end`: ");
    check(&line(r#","time":"yesterday""#), "field `time`: it is no RFC 3339");
    check(&line(r#","response":{"status":99}"#), "field `response.status`: ");
    check(&line(r#","response":{}"#), "field `response.status`: it is missing");
    check(&line(r#","response":{"status":200,"method":"GET"}"#), "field `response.method`: unknown field `method`");
    check(&line(r#","response":{"status":200,"reason":"a\r\nb: c"}"#), "field `response.reason`: ");
    check(&line(r#","response":{"status":200,"headers":[["a","b"],["c"]]}"#), "field `response.headers[1]");
    check(&line(r#","response":{"status":200,"framing":"some"}"#), "field `response.framing`: ");
    check(&line(r#","response":{"status":200,"body":{"text":"a","base64":""}}"#), "field `response.body`: ");
    check(
        &line(r#","response":{"status":200,"body":{"base64":"?"}}"#),
        "field `response.body.base64`: it is no base64",
    );
    check(
        &line(r#","response":{"status":200,"body":{"text":"abc","total_len":2}}"#),
        "field `response.body.total_len`: ",
    );
    check(&line(r#","response":{"status":200,"body":{"dropped":"eaten"}}"#), "field `response.body.dropped`: ");
    check(
        &line(r#","response":{"status":200,"body":{"text":"abc","dropped":"rule"}}"#),
        "field `response.body.dropped`: a body that was dropped has no text",
    );
    check(&line(r#","informational":[{"status":100},{"status":1000}]"#), "field `informational[1].status`: ");
    check(
        r#"{"type":"exchange","request":{"method":"GET","target":"/"}}"#,
        "field `instants_ns.request_start`: it is missing, and so",
    );
    check(r#"{"type":"exchange","time":"2026-07-14T09:30:00Z","request":{}}"#, "field `instants_ns.request_start`: ");
    check(r#"{"type":"exchange","instants_ns":{"start":1},"request":{}}"#, "field `instants_ns.start`: unknown field");
    check(r#"{"type":"gap","reason":"tired","from_ns":1,"to_ns":2}"#, "field `reason`: `tired`");
    check(r#"{"type":"gap","reason":"upgraded","from_ns":1}"#, "field `.`: missing field `to_ns`");
    check(r#"{"type":"session","header":{}}"#, "field `header.started_unix_ns`: ");
    check(r#"{"type":"session","header":[]}"#, "field `header`: invalid type");
}

#[test]
fn time_places_an_exchange() {
    let line = |fields: &str| {
        format!(r#"{{"type":"exchange",{fields},"request":{{"method":"GET","target":"/"}}}}"#).into_bytes()
    };
    let start = |reader: &mut Reader, fields: &str| match reader.line(&line(fields)) {
        Ok(Line::Exchange(exchange)) => Ok(exchange.instants.request_start),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let mut reader = Reader::new();
    assert_eq!(start(&mut reader, r#""instants_ns":{"request_start":7}"#), Ok(7));
    assert_eq!(reader.started_unix_ns(), None);
    assert_eq!(
        start(&mut reader, r#""time":"1970-01-01T00:00:01Z","instants_ns":{"request_start":250000000}"#),
        Ok(250_000_000)
    );
    assert_eq!(reader.started_unix_ns(), Some(750_000_000));
    assert_eq!(start(&mut reader, r#""time":"1970-01-01T00:00:02Z""#), Ok(1_250_000_000));
    assert!(start(&mut reader, r#""time":"1970-01-01T00:00:00Z""#).unwrap_err().contains("before the session's start"));
    let error = start(&mut reader, r#""time":"1970-01-01T00:00:02Z","instants_ns":{"request_start":1}"#).unwrap_err();
    assert!(error.contains("remove one"), "{error}");
}

#[test]
fn times_are_rfc_3339() {
    let check = |text: &str, expected: Option<u64>| assert_eq!(time::parse(text), expected, "{text}");
    check("1970-01-01T00:00:00Z", Some(0));
    check("1970-01-01T00:00:00.000000001Z", Some(1));
    check("2000-02-29t12:00:00.25z", Some(951_825_600_250_000_000));
    check("2026-07-14 09:30:00+00:00", Some(1_784_021_400_000_000_000));
    check("2026-07-14T09:30:00.1234567899-02:30", Some(1_784_030_400_123_456_789));
    check("2016-12-31T23:59:60Z", Some(1_483_228_800_000_000_000));
    for bad in [
        "",
        "2026-07-14",
        "2026-07-14T09:30Z",
        "2026-07-14T09:30:00",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.Z",
        "1969-12-31T23:59:59Z",
        "2600-01-01T00:00:00Z",
        "2026-01-01T00:00:00Zx",
        "2026-01-01T00:00:00+2:00",
        "+026-01-01T00:00:00Z",
    ] {
        check(bad, None);
    }
}
