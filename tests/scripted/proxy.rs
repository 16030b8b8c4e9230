//! A small forward proxy: CONNECT, and requests in absolute form.
#![expect(clippy::panic, reason = "a test that cannot go on fails")]

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::{read_head, target};

/// Leads to `upstream`, whatever a request asks for, and keeps the heads that it was asked with.
pub(crate) fn forward(upstream: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&heads);
    let address = target(move |mut client| {
        let Ok(mut server) = TcpStream::connect(upstream) else { return };
        let (Ok(mut from), Ok(mut to)) = (server.try_clone(), client.try_clone()) else { return };
        let mut back = Some(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
        while let Some(head) = read_head(&mut client) {
            let head = String::from_utf8(head).unwrap();
            let is_tunnel = head.starts_with("CONNECT ");
            let passed = if is_tunnel { String::new() } else { origin_form(&head) };
            kept.lock().unwrap().push(head);
            if is_tunnel && client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").is_err() {
                break;
            }
            if let Some(back) = back.take() {
                std::thread::spawn(back);
            }
            if server.write_all(passed.as_bytes()).is_err() {
                break;
            }
            if is_tunnel {
                let _ = std::io::copy(&mut client, &mut server);
            }
        }
        let _ = server.shutdown(std::net::Shutdown::Write);
    });
    (address, heads)
}

/// A proxy that answers everything with 407.
pub(crate) fn unwilling() -> SocketAddr {
    target(|mut client| {
        while read_head(&mut client).is_some() {
            let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
            if client.write_all(answer).is_err() {
                break;
            }
        }
    })
}

/// What a proxy passes on: `GET /path`, and nothing that was meant for itself.
fn origin_form(head: &str) -> String {
    let (line, fields) = head.split_once("\r\n").unwrap();
    let (method, rest) = line.split_once(" http://").unwrap_or_else(|| panic!("not in absolute form: {line}"));
    let (url, version) = rest.rsplit_once(' ').unwrap();
    let no_path = if method == "OPTIONS" { "*" } else { "/" };
    let path = url.find('/').map_or(no_path, |at| url.split_at(at).1);
    let fields = fields.split_inclusive("\r\n").filter(|field| !field.starts_with("Proxy-Authorization:"));
    format!("{method} {path} {version}\r\n{}", fields.collect::<String>())
}
