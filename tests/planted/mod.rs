//! Secrets in every place that a rule covers, and an upstream that sends them back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use formats::coding::{self, Coding};
use serde_json::json;

use crate::scripted::{read_head, read_up_to, target};

/// Begins every secret of these tests, and stands nowhere else.
pub(crate) const CANARY: &str = "Canary7";
pub(crate) const SECRET: &str = "Canary7-q9XzT2-and-more";

/// Sends every request's body back as it came, with its type and coding, and a cookie; in chunks where it came in chunks.
pub(crate) fn mirror() -> SocketAddr {
    target(|mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8_lossy(&head).into_owned();
            let body = read_body(&mut socket, &head);
            let mut answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=Canary7-q9XzT2-and-more; Path=/\r\n".to_vec();
            for name in ["Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding"] {
                if let Some(value) = field(&head, name) {
                    answer.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
            }
            answer.extend_from_slice(b"\r\n");
            answer.extend_from_slice(&body);
            if socket.write_all(&answer).is_err() {
                break;
            }
        }
    })
}

pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A body with its framing.
pub(crate) fn read_body(socket: &mut TcpStream, head: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(length) = field(head, "Content-Length") {
        body = vec![0; length.parse().unwrap()];
        // Some clients go in the middle of it.
        if socket.read_exact(&mut body).is_err() {
            return Vec::new();
        }
    } else if field(head, "Transfer-Encoding").is_some() {
        let mut size = 1;
        while size > 0 {
            let line = read_up_to(socket, b"\r\n").unwrap();
            size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            let mut chunk = vec![0; if size > 0 { size + 2 } else { 0 }];
            socket.read_exact(&mut chunk).unwrap();
            body.extend_from_slice(&line);
            body.extend_from_slice(&chunk);
        }
        while !body.ends_with(b"\r\n\r\n") {
            body.extend_from_slice(&read_up_to(socket, b"\r\n").unwrap());
        }
    }
    body
}

/// Sends a request in two pieces and reads the answer to its end.
pub(crate) fn send(socket: &mut TcpStream, request: &[u8], split: usize) -> Vec<u8> {
    let (first, second) = request.split_at(split.min(request.len()));
    socket.write_all(first).unwrap();
    socket.write_all(second).unwrap();
    let head = read_head(socket).unwrap();
    read_body(socket, &String::from_utf8_lossy(&head))
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

pub(crate) fn post(target: &str, content_type: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: shop\r\nContent-Type: {content_type}\r\n{more}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// In chunks of these sizes, with a secret in the trailers.
pub(crate) fn chunked(content_type: &str, more: &str, body: &[u8], size: usize) -> Vec<u8> {
    let head = format!(
        "POST /chunks HTTP/1.1\r\nHost: shop\r\nContent-Type: {content_type}\r\n{more}Transfer-Encoding: chunked\r\n\r\n"
    );
    let mut out = head.into_bytes();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0\r\nX-Api-Key: {SECRET}\r\n\r\n").as_bytes());
    out
}

fn multipart() -> Vec<u8> {
    let part = |name: &str, more: &str, value: &str| {
        format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{more}\r\n{value}\r\n")
    };
    let json = part("f\"; filename=\"a.json", "Content-Type: application/json\r\n", &json_text());
    format!("{}{}{json}--b0undary--\r\n", part("user", "", "ann"), part("password", "", SECRET)).into_bytes()
}

pub(crate) fn json_text() -> String {
    json!({
        "user": {"name": "ann", "password": SECRET, "card": {"cardNumber": SECRET, "cvv": 123}},
        "items": [{"id": 1, "access_token": SECRET}, {"note": {"a": format!("{{\"apiKey\":\"{SECRET}\"}}")}}],
        "url": format!("https://ann:{SECRET}@files/x?a=1&sig={SECRET}"),
        "text": "a longer text that says nothing, a longer text that says nothing",
    })
    .to_string()
    .replace("\"access_token\"", "\"access\\u005ftoken\"")
}

/// Every place that a rule covers.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    let (json, form) = ("application/json", format!("user=ann&password={SECRET}&api_key={SECRET}"));
    let headers = format!(
        "Authorization: Bearer {SECRET}\r\nX-Api-Key: {SECRET}\r\nCookie: a=b; sid={SECRET}\r\nReferer: http://x/?token={SECRET}\r\n"
    );
    let text = json_text();
    let mut all = vec![
        post(&format!("/a?x=1&token={SECRET}&user%5Bpassword%5D={SECRET}"), "text/plain", &headers, b""),
        post("/form", "application/x-www-form-urlencoded", "", form.as_bytes()),
        post("/multipart", "multipart/form-data; boundary=b0undary", "", &multipart()),
        post("/json", json, "", text.as_bytes()),
        post("/plain", "text/plain", "", format!("see https://x/?access_token={SECRET}&b").as_bytes()),
        chunked(json, "", text.as_bytes(), 7),
    ];
    for coding in [Coding::Gzip, Coding::Deflate, Coding::DeflateRaw, Coding::Brotli, Coding::Zstd] {
        let coded = coding::encode(text.as_bytes(), &[coding]).unwrap();
        let more = format!("Content-Encoding: {}\r\n", coding.name().trim_end_matches("-raw"));
        all.push(post("/coded", json, &more, &coded));
        all.push(chunked(json, &more, &coded, 50));
    }
    let twice = coding::encode(text.as_bytes(), &[Coding::Gzip, Coding::Brotli]).unwrap();
    all.push(post("/twice", json, "Content-Encoding: gzip, br\r\n", &twice));
    all
}
