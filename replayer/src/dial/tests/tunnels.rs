//! A CONNECT proxy written here, and what it may do wrong.

use std::sync::mpsc::{Receiver, sync_channel};

use super::secure::{Authority, shop};
use super::*;
use crate::secret::Secret;
use crate::target::Proxy;

/// A proxy that answers with `answer` and then, if it is a 200, passes bytes on to `target`; and the heads that it saw.
fn proxy(answer: &'static str, target: SocketAddr) -> (SocketAddr, Receiver<String>) {
    let (heads, seen) = sync_channel(16);
    let address = serve("127.0.0.1:0", move |mut client| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if client.read(&mut byte).unwrap() == 0 {
                return;
            }
            head.push(byte[0]);
        }
        heads.send(String::from_utf8(head).unwrap()).unwrap();
        // In pieces, so that an answer in the middle of its head is seen too.
        let (first, rest) = answer.split_at(answer.len() / 2);
        client.write_all(first.as_bytes()).unwrap();
        client.flush().unwrap();
        client.write_all(rest.as_bytes()).unwrap();
        if !answer.contains(" 200 ") {
            return;
        }
        let server = TcpStream::connect(target).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (mut from, mut to) = (server, client);
        let _ = std::io::copy(&mut from, &mut to);
    });
    (address, seen)
}

/// The shop, by a name that only the proxy resolves.
fn behind(scheme: &str, proxy: SocketAddr, credentials: Option<&Secret>) -> Target {
    let proxy = Arc::new(Proxy::new(&format!("http://{proxy}"), credentials).unwrap());
    let target = Target::parse(&format!("{scheme}://shop.test")).unwrap().through(proxy).unwrap();
    let mut target = target.look_up(&[]).unwrap();
    target.check_allowed(&["shop.test".into()]).unwrap();
    target
}

#[test]
fn tls_goes_through_a_tunnel() {
    let authority = Authority::new();
    let (address, seen) =
        proxy("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Connection established\r\n\r\n", shop(&authority));
    let secret = Secret::new(b"robot:hunter2");
    let mut handle = start(vec![behind("https", address, Some(&secret))], |all| all.tls = authority.options());
    let dialed = dial(&mut handle, 0);
    assert_eq!(dialed.peer, Some(Peer::Address(address)));
    let mut transport = dialed.result.unwrap();
    send_all(&mut transport, b"ping");
    assert_eq!(receive_all(&mut transport), (b"ping".to_vec(), false));
    assert_eq!(
        seen.recv().unwrap(),
        "CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\nProxy-Authorization: Basic cm9ib3Q6aHVudGVyMg==\r\n\r\n"
    );
}

#[test]
fn plain_requests_are_asked_of_the_proxy_itself() {
    let address = serve("127.0.0.1:0", echo_four);
    let target = behind("http", address, None);
    assert!(target.absolute_form());
    let mut transport = opened(&mut start(vec![target], |_| {}));
    send_all(&mut transport, b"ping");
    assert_eq!(receive_all(&mut transport).0, b"ping");
}

#[test]
fn proxies_that_do_not_let_us_through() {
    let authority = Authority::new();
    let check = |answer: &'static str, expected: DialErrorKind, detail: &str| {
        let (address, _seen) = proxy(answer, "127.0.0.1:1".parse().unwrap());
        let target = behind("https", address, None);
        let dialed = dial(&mut start(vec![target], |all| all.tls = authority.options()), 0);
        let error = dialed.result.unwrap_err();
        assert!(error.kind == expected && error.detail.contains(detail), "{error}");
    };
    check("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", DialErrorKind::Proxy, "it answered 407");
    check("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nsad", DialErrorKind::Proxy, "it answered 502");
    check("SSH-2.0-OpenSSH\r\n\r\n", DialErrorKind::Proxy, "not HTTP/1");
    check("HTTP/1.1 407 ", DialErrorKind::Proxy, "");
    let long: &'static str = format!("HTTP/1.1 407 No\r\nX: {}", "x".repeat(20_000)).leak();
    check(long, DialErrorKind::Proxy, "longer than 16384 bytes");
    // One that accepts and says nothing.
    let silent = serve("127.0.0.1:0", |mut socket| while socket.read(&mut [0; 512]).is_ok_and(|count| count > 0) {});
    let mut handle = start(vec![behind("https", silent, None)], |all| {
        all.tls = authority.options();
        all.connect_timeout = Duration::from_millis(100);
    });
    let dialed = dial(&mut handle, 0);
    assert_eq!(kind(&dialed), DialErrorKind::ConnectTimeout);
    assert!(dialed.result.unwrap_err().detail.contains("CONNECT"));
    let (_held, closed) = closed_port();
    let mut handle = start(vec![behind("https", closed, None)], |all| all.tls = authority.options());
    assert_eq!(kind(&dial(&mut handle, 0)), DialErrorKind::Refused);
}
