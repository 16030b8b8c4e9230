//! What attacks servers and parsers: requests that two readers understand differently, broken syntax, HTTP/2, and noise.

use super::Step::{Dribble, GotEnd, HalfClose, Heard, Send};
use super::{Case, case, exchange};

const BAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad";

fn posts(cases: &[(&str, &str)]) -> Vec<Case> {
    let post = |(name, rest): &(&str, &str)| exchange(name, format!("POST / HTTP/1.1\r\nHost: h\r\n{rest}"), BAD);
    cases.iter().map(post).collect()
}

/// Request smuggling: where the request ends depends on who reads it.
pub(crate) fn smuggling() -> Vec<Case> {
    posts(&[
        ("CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
        ("TE.CL", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n"),
        ("TE.TE, spelled twice", "Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n\r\n0\r\n\r\n"),
        ("TE.TE, a space before the colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n"),
        ("TE.TE, a tab", "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"),
        ("TE.TE, a vertical tab", "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
        ("TE.TE, quoted", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
        ("TE.TE, not last", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("TE folded", "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        ("TE in HTTP/1.0", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345G"),
        ("two equal lengths", "Content-Length: 5, 5\r\n\r\n12345"),
        ("a signed length", "Content-Length: +5\r\n\r\n12345"),
        ("a negative length", "Content-Length: -1\r\n\r\n"),
        ("a hexadecimal length", "Content-Length: 0x5\r\n\r\n12345"),
        ("an overflowing length", "Content-Length: 18446744073709551617\r\n\r\nx"),
        ("a length with a NUL", "Content-Length: 5\0\r\n\r\n12345"),
        ("chunk extensions", "Transfer-Encoding: chunked\r\n\r\n3;a=b;c=\"\r\nabc\r\n0;x\r\n\r\n"),
        ("a huge chunk size", "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nabc"),
        ("an overflowing chunk size", "Transfer-Encoding: chunked\r\n\r\n10000000000000000F\r\nabc\r\n0\r\n\r\n"),
        ("a negative chunk size", "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n"),
        ("a chunk size of 0x", "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
        ("chunks with bare LF", "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n"),
        ("a chunk longer than it says", "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"),
        ("a length in trailers", "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 10\r\n\r\n"),
    ])
}

/// Heads that are not quite HTTP.
pub(crate) fn syntax() -> Vec<Case> {
    let raw: [(&str, &[u8]); 18] = [
        ("bare LF", b"GET / HTTP/1.1\nHost: h\n\n"),
        ("bare CR", b"GET / HTTP/1.1\rHost: h\r\r"),
        ("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: h\r\r\n\r\r\n"),
        ("obs-fold", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\tc\r\n\r\n"),
        ("a fold before any field", b"GET / HTTP/1.1\r\n X: a\r\n\r\n"),
        ("NUL", b"GET /\0 HTTP/1.1\r\nHost\0: h\r\nX: \0\r\n\r\n"),
        ("empty lines first", b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        ("no version", b"GET / \r\nHost: h\r\n\r\n"),
        ("HTTP/1.2", b"GET / HTTP/1.2\r\n\r\n"),
        ("HTTP/9999999999.1", b"GET / HTTP/9999999999.1\r\n\r\n"),
        ("three spaces", b"GET   /   HTTP/1.1\r\n\r\n"),
        ("tabs", b"GET\t/\tHTTP/1.1\r\n\r\n"),
        ("a field without a colon", b"GET / HTTP/1.1\r\nnothing\r\n\r\n"),
        ("a field without a name", b"GET / HTTP/1.1\r\n: value\r\n\r\n"),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("bytes that are no UTF-8", b"GET /\xff\xfe\x80 HTTP/1.1\r\nX: \xc3\x28\xf0\r\n\r\n"),
        ("lower-case method", b"get / http/1.1\r\n\r\n"),
        ("only spaces", b"                         "),
    ];
    let mut cases: Vec<_> = raw.iter().map(|(name, request)| exchange(name, request, BAD)).collect();
    let answers: [(&str, &[u8]); 8] = [
        ("an answer with bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ("an answer with two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"),
        (
            "an answer with length and chunks",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("an answer of status 0", b"HTTP/1.1 0 Nothing\r\n\r\n"),
        ("an answer of status 99999", b"HTTP/1.1 99999 Much\r\n\r\n"),
        ("an answer that is none", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("an answer longer than it says", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok and more"),
        ("a switch that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\0\x01\x02"),
    ];
    cases.extend(answers.iter().map(|(name, answer)| exchange(name, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", answer)));
    cases
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
const SETTINGS_ACK: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
/// `:method GET`, `:scheme http`, `:path /`, `:authority` as an indexed literal.
const GET: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01h";

/// HTTP/2, good and bad.
pub(crate) fn http2() -> Vec<Case> {
    let after_preface: [(&str, &[u8]); 10] = [
        ("h2 request", &[SETTINGS, GET].concat()),
        ("h2 without settings", GET),
        ("h2 frame that is too large", &[SETTINGS, b"\xff\xff\xff\0\0\0\0\0\x01", &[0; 300]].concat()),
        ("h2 frame of an unknown kind", &[SETTINGS, b"\0\0\x03\xee\xff\x7f\xff\xff\xffabc"].concat()),
        ("h2 continuation of nothing", &[SETTINGS, b"\0\0\0\x09\x04\0\0\0\x01"].concat()),
        (
            "h2 endless continuations",
            &[SETTINGS, b"\0\0\0\x01\0\0\0\0\x01", &b"\0\0\0\x09\0\0\0\0\x01".repeat(1_000)].concat(),
        ),
        ("h2 rapid reset", &[SETTINGS, &[GET, b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08"].concat().repeat(500)].concat()),
        ("h2 bad huffman", &[SETTINGS, b"\0\0\x06\x01\x05\0\0\0\x01\x40\x83\xff\xff\xff\0"].concat()),
        ("h2 table of 4 GiB", &[SETTINGS, b"\0\0\x06\x01\x05\0\0\0\x01\x3f\xe1\xff\xff\xff\x0f"].concat()),
        ("h2 padding past the frame", &[SETTINGS, b"\0\0\x02\0\x08\0\0\0\x01\xffx"].concat()),
    ];
    let answer = [SETTINGS, SETTINGS_ACK, b"\0\0\x01\x01\x05\0\0\0\x01\x88"].concat();
    let mut cases: Vec<_> =
        after_preface.iter().map(|(name, rest)| exchange(name, [PREFACE, rest].concat(), &answer)).collect();
    cases.extend([
        exchange("half of the preface", &PREFACE[..12], BAD),
        exchange("a preface answered by HTTP/1", PREFACE, BAD),
        exchange("a preface after a request", [b"GET / HTTP/1.1\r\n\r\n", PREFACE].concat(), [BAD, &answer].concat()),
        exchange(
            "h2c upgrade",
            "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", &answer[..]].concat(),
        ),
        case(
            "h2, both sides speak first",
            vec![Send([PREFACE, SETTINGS].concat()), Dribble(GET.to_vec()), GotEnd, HalfClose],
            vec![Send(SETTINGS.to_vec()), Heard(1), Dribble(answer.clone()), Heard(2), HalfClose],
        ),
    ]);
    cases
}

/// No HTTP.
pub(crate) fn garbage() -> Vec<Case> {
    let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec();
    vec![
        exchange("a TLS hello", hello, b"\x15\x03\x01\0\x02\x02\x46"),
        exchange("one zero", [0], [0]),
        exchange("zeros", vec![0; 100_000], vec![0; 100_000]),
        exchange("line ends", "\r\n".repeat(50_000), "\n".repeat(100_000)),
        exchange("all bytes", (0..=255).collect::<Vec<u8>>(), (0..=255).rev().collect::<Vec<u8>>()),
        exchange("a PROXY header", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", BAD),
        exchange("SMTP", "EHLO h\r\nMAIL FROM:<a@b>\r\n", "250 h\r\n250 OK\r\n"),
        exchange("colons", ":".repeat(70_000), BAD),
        exchange(
            "chunk sizes for ever",
            format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}", "0".repeat(200_000)),
            BAD,
        ),
    ]
}
