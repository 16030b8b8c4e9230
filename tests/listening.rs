//! The recorder's front between real peers, curl, wrk and nginx, on both sides of it.

mod front;
mod support;

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use front::certificates::{Authority, DAY};
use front::nginx::Nginx;
use front::{Recorder, curl, curl_fails, read_head};
use support::{PATIENCE, exchanges, folder, inside, text, wait_for};

const H2_AND_1: &str = "ssl http2";

#[test]
fn tls_on_both_sides_with_sni_alpn_and_every_byte() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let nginx = Nginx::start(folder.path(), |conf| conf.tls(&authority, "shop.test", H2_AND_1));
    let (one, two) = (authority.issue(&folder, "one.test"), authority.issue(&folder, "two.test"));
    let mut recorder = Recorder::start(
        &folder,
        &[
            "--upstream",
            &format!("https://{}", nginx.address),
            "--upstream-ca",
            &text(&authority.file),
            "--upstream-sni",
            "shop.test",
            "--tls-cert",
            &one.chain,
            "--tls-key",
            &one.key,
            "--tls-cert",
            &two.chain,
            "--tls-key",
            &two.key,
        ],
    );
    for name in ["one.test", "two.test"] {
        // curl verifies the name: each gets its own certificate.
        let said = curl(&recorder.at(name), &authority.file, &["--http1.1", "/host"]);
        assert_eq!(said, format!("{name} HTTP/1.1 https\n").as_bytes());
    }
    // h2 from end to end, since the upstream speaks it; a body of 300 kB arrives as it is.
    let said = curl(&recorder.at("one.test"), &authority.file, &["--http2", "/host"]);
    assert_eq!(said, b"one.test HTTP/2.0 https\n");
    let large = curl(&recorder.at("one.test"), &authority.file, &["--http2", "/large.bin"]);
    assert!(large == front::nginx::large(), "{} bytes", large.len());
    let large = curl(&recorder.at("two.test"), &authority.file, &["--http1.1", "/large.bin"]);
    assert!(large == front::nginx::large(), "{} bytes", large.len());
    // A name that no certificate has gets the first one, which curl refuses.
    curl_fails(&recorder.at("three.test"), &authority.file, &["/host"]);

    let summary = recorder.end_with_loss();
    assert_eq!(summary["alpn_mismatches"], 0);
    assert_eq!(summary["upstream_failures"], 0);
    let targets: Vec<_> =
        exchanges(&recorder.session).iter().map(|one| one["request"]["target"].as_str().unwrap().to_owned()).collect();
    // What came as HTTP/1.1 is in the session, decrypted.
    assert!(targets.iter().filter(|target| *target == "/host").count() >= 2, "{targets:?}");
    assert!(targets.iter().any(|target| target == "/large.bin"), "{targets:?}");
}

#[test]
fn certificates_are_replaced_while_connections_live() {
    let folder = folder();
    let (old, new) = (Authority::new(inside(&folder, "old.pem")), Authority::new(inside(&folder, "new.pem")));
    let nginx = Nginx::start(folder.path(), |_| {});
    let files = old.issue(&folder, "site.test");
    let mut recorder = Recorder::start(
        &folder,
        &["--upstream", &format!("http://{}", nginx.address), "--tls-cert", &files.chain, "--tls-key", &files.key],
    );
    let mut live = front::kept::Client::connect(&recorder.address, "site.test", &old.file);
    assert!(live.get("/host").contains("HTTP/1.1 http"));
    curl_fails(&recorder.at("site.test"), &new.file, &["/host"]);
    // A key that does not match is not taken over, and the old pair stays.
    std::fs::write(&files.key, new.key_pem()).unwrap();
    recorder.wait_for_err("what was read before stays in use");
    curl(&recorder.at("site.test"), &old.file, &["/host"]);
    new.write(&files, "site.test", DAY);
    wait_for("the new certificate", || front::curl_says(&recorder.at("site.test"), &new.file, &["/host"]).ok());
    curl_fails(&recorder.at("site.test"), &old.file, &["/host"]);
    assert!(live.get("/host").contains("HTTP/1.1 http"), "the old connection goes on");
    drop(live);
    let summary = recorder.end();
    assert!(summary["reloads"].as_u64().unwrap() >= 1, "{summary}");
    assert!(summary["reload_failures"].as_u64().unwrap() >= 1, "{summary}");
}

#[test]
fn clients_and_the_recorder_show_certificates_where_they_are_asked_for() {
    let folder = folder();
    let (ours, theirs) = (Authority::new(inside(&folder, "ours.pem")), Authority::new(inside(&folder, "theirs.pem")));
    let nginx = Nginx::start(folder.path(), |conf| {
        conf.tls(
            &ours,
            "shop.test",
            &format!("ssl; ssl_verify_client on; ssl_client_certificate {}", text(&ours.file)),
        );
    });
    let (site, me) = (ours.issue(&folder, "site.test"), ours.issue(&folder, "recorder.test"));
    let (friend, stranger) = (ours.issue(&folder, "friend.test"), theirs.issue(&folder, "stranger.test"));
    let upstream = format!("https://{}", nginx.address);
    let (ca, listen) = (text(&ours.file), ["--tls-cert", &site.chain, "--tls-key", &site.key]);
    let common =
        [&listen[..], &["--upstream", &upstream, "--upstream-ca", &ca, "--upstream-sni", "shop.test"]].concat();
    let shown = ["--tls-client-ca", &ca, "--upstream-cert", &me.chain, "--upstream-key", &me.key];
    let mut recorder = Recorder::start(&folder, &[&common[..], &shown].concat());
    let at = recorder.at("site.test");
    let said = curl(&at, &ours.file, &["--cert", &friend.chain, "--key", &friend.key, "/client"]);
    assert_eq!(said, b"SUCCESS CN=recorder.test\n");
    curl_fails(&at, &ours.file, &["--cert", &stranger.chain, "--key", &stranger.key, "/client"]);
    curl_fails(&at, &ours.file, &["/client"]);
    let summary = recorder.end();
    assert_eq!(summary["tls_handshake_failures"], 2, "{summary}");

    // Without its own certificate the upstream turns the recorder away.
    let mut recorder = Recorder::start(&folder, &common);
    let refused = front::curl_says(&recorder.at("site.test"), &ours.file, &["/client"]);
    assert!(refused.is_err() || refused.is_ok_and(|page| !page.starts_with(b"SUCCESS")));
    recorder.end();
}

#[test]
fn an_upstream_that_cannot_be_verified_is_not_spoken_to() {
    let folder = folder();
    let (ours, theirs) = (Authority::new(inside(&folder, "ours.pem")), Authority::new(inside(&folder, "theirs.pem")));
    let good = Nginx::start(folder.path(), |conf| conf.tls(&ours, "shop.test", "ssl"));
    let expired = Nginx::start(folder.path(), |conf| conf.tls_until(&ours, "shop.test", "ssl", -DAY));
    let (ours_ca, theirs_ca) = (text(&ours.file), text(&theirs.file));
    let sni = ["--upstream-sni", "shop.test"];
    let cases: [(&Nginx, &[&str], bool); 6] = [
        (&good, &["--upstream-ca", &ours_ca, sni[0], sni[1]], true),
        (&good, &["--upstream-ca", &theirs_ca, sni[0], sni[1]], false),
        (&good, &["--upstream-ca", &ours_ca, sni[0], "other.test"], false),
        // The address, which the certificate does not have.
        (&good, &["--upstream-ca", &ours_ca], false),
        (&expired, &["--upstream-ca", &ours_ca, sni[0], sni[1]], false),
        (&expired, &["--upstream-insecure"], true),
    ];
    for (nginx, flags, passes) in cases {
        let upstream = format!("https://{}", nginx.address);
        let mut recorder = Recorder::start(&folder, &[&["--upstream", &upstream][..], flags].concat());
        let loud = recorder.err().contains("IS NOT VERIFIED");
        assert_eq!(loud, flags.contains(&"--upstream-insecure"));
        let said = front::curl_says(&format!("http://{}", recorder.address), &ours.file, &["/host"]);
        assert_eq!(said.is_ok(), passes, "{flags:?}: {said:?}");
        let summary = recorder.end();
        assert_eq!(summary["upstream_tls_failures"], u64::from(!passes), "{flags:?}: {summary}");
    }
}

#[test]
fn sides_that_agree_to_different_protocols_are_closed_and_the_upstream_is_asked_again() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let site = authority.issue(&folder, "site.test");
    let ca = text(&authority.file);
    // An upstream that at first speaks h2, then, restarted at the same port, HTTP/1.1 alone.
    let first = Nginx::start(folder.path(), |conf| conf.tls(&authority, "shop.test", H2_AND_1));
    let mut recorder = Recorder::start(
        &folder,
        &[
            "--upstream",
            &format!("https://{}", first.address),
            "--upstream-ca",
            &ca,
            "--upstream-sni",
            "shop.test",
            "--tls-cert",
            &site.chain,
            "--tls-key",
            &site.key,
        ],
    );
    let at = recorder.at("site.test");
    assert_eq!(curl(&at, &authority.file, &["--http2", "/host"]), b"site.test HTTP/2.0 https\n");
    let port = first.port();
    drop(first);
    let _second = Nginx::start_at(port, folder.path(), |conf| conf.tls(&authority, "shop.test", "ssl"));
    curl_fails(&at, &authority.file, &["--http2", "/host"]);
    let said =
        wait_for("HTTP/1.1 to be offered", || front::curl_says(&at, &authority.file, &["--http2", "/host"]).ok());
    assert_eq!(said, b"site.test HTTP/1.1 https\n");
    let summary = recorder.end_with_loss();
    assert!(summary["alpn_mismatches"].as_u64().unwrap() >= 1, "{summary}");
}

#[test]
fn proxy_headers_carry_the_clients_address_through() {
    let folder = folder();
    for version in ["v1", "v2"] {
        let nginx = Nginx::start(folder.path(), |conf| conf.listen_more("proxy_protocol"));
        let upstream = format!("http://{}", nginx.address);
        let more = ["--upstream", &upstream, "--proxy-protocol-in", "optional", "--proxy-protocol-out", version];
        let mut recorder = Recorder::start(&folder, &more);
        let ask = |header: &[u8]| {
            let mut socket = TcpStream::connect(&recorder.address).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
                .write_all(&[header, b"GET /proxied HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"].concat())
                .unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer.split("\r\n\r\n").nth(1).unwrap().trim().to_owned()
        };
        assert_eq!(ask(b"PROXY TCP4 203.0.113.9 198.51.100.7 5555 443\r\n"), "203.0.113.9 5555");
        assert_eq!(ask(b"PROXY TCP6 2001:db8::9 2001:db8::7 6666 443\r\n"), "2001:db8::9 6666");
        let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x0a\xc6\x33\x64\x07\x1e\x61\x01\xbb";
        assert_eq!(ask(v2), "203.0.113.10 7777");
        // Without one, the address is that of the connection.
        assert!(ask(b"").starts_with("127.0.0.1 "));
        // curl writes one itself.
        let said = curl(&format!("http://{}", recorder.address), &nginx.folder, &["--haproxy-protocol", "/proxied"]);
        assert!(said.starts_with(b"127.0.0.1 "));
        recorder.end();
        let recorded = exchanges(&recorder.session);
        let clients: std::collections::BTreeSet<_> =
            recorded[..4].iter().map(|one| one["client"].to_string()).collect();
        assert_eq!(clients.len(), 4, "one client for each address: {recorded:?}");
    }
}

#[test]
fn proxy_headers_that_are_missing_wrong_or_endless_close_their_connection_alone() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), |_| {});
    let upstream = format!("http://{}", nginx.address);
    let mut recorder = Recorder::start(
        &folder,
        &["--upstream", &upstream, "--proxy-protocol-in", "required", "--handshake-timeout", "700ms"],
    );
    let connect = || {
        let socket = TcpStream::connect(&recorder.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let stuck: Vec<_> = (0..50)
        .map(|_| {
            let mut socket = connect();
            socket.write_all(b"PROXY TCP4 1.2.3.4").unwrap();
            socket
        })
        .collect();
    for bad in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PROXY TCP4 a b c d\r\n",
        &[b'P'; 300],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ] {
        let mut socket = connect();
        socket.write_all(bad).unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest); // an end or a reset
        assert!(rest.is_empty());
    }
    let said = curl(&format!("http://{}", recorder.address), &nginx.folder, &["--haproxy-protocol", "/host"]);
    assert!(said.ends_with(b"HTTP/1.1 http\n"));
    for mut socket in stuck {
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    let summary = recorder.end();
    assert_eq!(summary["proxy_protocol_failures"], 4, "{summary}");
    assert_eq!(summary["handshake_timeouts"], 50, "{summary}");
    assert_eq!(exchanges(&recorder.session).len(), 1);
}

#[test]
fn handshakes_that_never_end_stall_nobody() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let (nginx, site) = (Nginx::start(folder.path(), |_| {}), authority.issue(&folder, "site.test"));
    let mut recorder = Recorder::start(
        &folder,
        &[
            "--upstream",
            &format!("http://{}", nginx.address),
            "--tls-cert",
            &site.chain,
            "--tls-key",
            &site.key,
            "--handshake-timeout",
            "2s",
        ],
    );
    let mut stuck: Vec<_> = (0..300).map(|_| TcpStream::connect(&recorder.address).unwrap()).collect();
    for (at, socket) in stuck.iter_mut().enumerate() {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // The beginning of a ClientHello, of different lengths.
        socket.write_all(&b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..at % 11]).unwrap();
    }
    curl(&recorder.at("site.test"), &authority.file, &["/host"]);
    for socket in &mut stuck {
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
    }
    // What is no TLS at all is told so at once.
    let mut plain = TcpStream::connect(&recorder.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = plain.read_to_end(&mut Vec::new());
    let summary = recorder.end();
    assert_eq!(summary["handshake_timeouts"], 300, "{summary}");
    assert_eq!(summary["tls_handshake_failures"], 1, "{summary}");
}

#[test]
fn half_closed_over_tls_still_gets_its_answer() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let site = authority.issue(&folder, "site.test");
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut recorder = Recorder::start(
        &folder,
        &[
            "--upstream",
            &format!("http://{}", upstream.local_addr().unwrap()),
            "--tls-cert",
            &site.chain,
            "--tls-key",
            &site.key,
        ],
    );
    let mut client = front::kept::client(&recorder.address, "site.test", &authority.file);
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    client.conn.send_close_notify();
    client.flush().unwrap();
    let mut server = upstream.accept().unwrap().0;
    let mut request = Vec::new();
    server.read_to_end(&mut request).unwrap(); // ends because the half-close was passed on
    server.write_all(b"HTTP/1.0 200 OK\r\n\r\nlate answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap(); // ends with a close_notify, else this is an error
    assert_eq!((request.len(), answer.as_str()), (18, "HTTP/1.0 200 OK\r\n\r\nlate answer"));
    recorder.end();
}

#[test]
fn unix_sockets_on_both_sides() {
    let folder = folder();
    let socket = inside(&folder, "shop.sock");
    let nginx = Nginx::start(folder.path(), |conf| conf.also(&format!("listen unix:{};", text(&socket))));
    let ours = inside(&folder, "ours.sock");
    let upstream = format!("unix:{}", text(&socket));
    let mut recorder = Recorder::start_at(&folder, &format!("unix:{}", text(&ours)), &["--upstream", &upstream]);
    let said = curl("http://shop.test", &nginx.folder, &["--unix-socket", &text(&ours), "/host"]);
    assert_eq!(said, b"shop.test HTTP/1.1 http\n");
    assert!(recorder.err().contains("--proxy-protocol-out"), "local upstreams are warned of");
    recorder.end();
    assert_eq!(exchanges(&recorder.session).len(), 1);
    assert!(!ours.exists());
    assert!(UnixStream::connect(&socket).is_ok(), "nginx keeps its own");
}

#[test]
fn several_pairs_in_one_process_and_ipv6() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let site = authority.issue(&folder, "site.test");
    let one = Nginx::start(folder.path(), |_| {});
    let two = Nginx::start(folder.path(), |conf| conf.tls(&authority, "shop.test", "ssl"));
    let six = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let config = inside(&folder, "reenact.toml");
    let pairs = format!(
        "[[pair]]\nlisten = \"127.0.0.1:0\"\nupstream = \"https://{}\"\nupstream-sni = \"shop.test\"\nupstream-ca = \"{}\"\n\
         tls-cert = [\"{}\"]\ntls-key = \"{}\"\n\n[[pair]]\nlisten = \"[::1]:0\"\nupstream = \"http://{}\"\n",
        two.address,
        text(&authority.file),
        site.chain,
        site.key,
        six.local_addr().unwrap()
    );
    std::fs::write(&config, pairs).unwrap();
    let upstream = format!("http://{}", one.address);
    let mut recorder = Recorder::start(&folder, &["--upstream", &upstream, "--config", &text(&config)]);
    let addresses = recorder.addresses(3);
    assert_eq!(curl(&format!("http://{}", addresses[0]), &authority.file, &["/page"]), b"one page\n");
    let at = front::at(&addresses[1], "site.test");
    assert_eq!(curl(&at, &authority.file, &["/host"]), b"site.test HTTP/1.1 https\n");
    let mut client = TcpStream::connect(&addresses[2]).unwrap();
    client.write_all(b"GET /six HTTP/1.1\r\nHost: six\r\n\r\n").unwrap();
    let mut server = six.accept().unwrap().0;
    assert!(read_head(&mut server).starts_with("GET /six "));
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    read_head(&mut client);
    drop((client, server));
    recorder.end();
    assert_eq!(exchanges(&recorder.session).len(), 3);
}

#[test]
fn mirrored_requests_are_answered_and_recorded() {
    let folder = folder();
    let mut recorder = Recorder::start(&folder, &["--mode", "mirror"]);
    let url = format!("http://{}", recorder.address);
    // nginx mirrors over HTTP/1.0 unless told otherwise, and answers its client from elsewhere.
    let nginx = Nginx::start(folder.path(), |conf| {
        conf.also(&format!(
            "location / {{ mirror /copy; try_files $uri =404; }}
             location = /copy {{ internal; proxy_pass {url}$request_uri; }}"
        ));
    });
    let front = format!("http://{}", nginx.address);
    assert!(curl(&front, folder.path(), &["/large.bin"]) == front::nginx::large());
    // The same connection twice, a chunked body, one that waits to be asked for, and a HEAD.
    let long = "x".repeat(5_000);
    curl(
        &url,
        folder.path(),
        &["/direct/1", "--next", "--header", "Transfer-Encoding: chunked", "--data", "b", &format!("{url}/direct/2")],
    );
    curl(&url, folder.path(), &["--header", "Expect: 100-continue", "--data", &long, "/direct/3"]);
    curl(&url, folder.path(), &["--head", "/direct/4"]);
    let load = front::installed("wrk").args(["-t1", "-c4", "-d1s", &format!("{url}/load")]).output().unwrap();
    let load = String::from_utf8(load.stdout).unwrap();
    assert!(!load.contains("Socket errors") && !load.contains("Non-2xx"), "{load}");
    recorder.end();
    let recorded = exchanges(&recorder.session);
    let find = |target: &str| recorded.iter().filter(|one| one["request"]["target"] == target).collect::<Vec<_>>();
    for target in ["/large.bin", "/direct/1", "/direct/2", "/direct/3", "/direct/4"] {
        let found = find(target);
        assert_eq!(found.len(), 1, "{target}");
        assert_eq!(found[0]["response"]["status"], 204, "{target}");
    }
    assert!(find("/load").len() > 100);

    let mut recorder = Recorder::start(&folder, &["--mode", "mirror", "--idle-timeout", "300ms"]);
    let bad = front::raw(&recorder.address, b"no http\r\n\r\n");
    assert!(bad.starts_with("HTTP/1.1 400 "), "{bad}");
    // A head that never ends, of a client that stays.
    assert_eq!(front::raw(&recorder.address, b"GET / HTTP/1.1\r\nX: "), "");
    let summary = recorder.end_with_loss();
    assert_eq!((&summary["mirror_failures"], &summary["idle_timeouts"]), (&1.into(), &1.into()), "{summary}");
}

#[test]
fn transparent_connections_that_nothing_redirected_are_refused() {
    let folder = folder();
    let mut recorder = Recorder::start(&folder, &["--transparent"]);
    assert_eq!(front::raw(&recorder.address, b"GET / HTTP/1.1\r\n\r\n"), "");
    let summary = recorder.end();
    assert_eq!(summary["loops_refused"], 1, "{summary}");
}

#[test]
fn what_cannot_work_is_refused_before_anybody_is_accepted() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let (one, two) = (authority.issue(&folder, "one.test"), authority.issue(&folder, "two.test"));
    let (missing, garbage) = (text(&inside(&folder, "missing.pem")), text(&inside(&folder, "garbage.pem")));
    std::fs::write(&garbage, "no PEM at all").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = free.local_addr().unwrap().to_string();
    drop(free);
    let (to_own, path) = (format!("http://{own}"), format!("unix:{}", text(&inside(&folder, "s.sock"))));
    let long = format!("unix:/{}", "x".repeat(120));
    let plain = ["--listen", "127.0.0.1:0", "--upstream", "http://192.0.2.1"];
    let https = ["--listen", "127.0.0.1:0", "--upstream", "https://192.0.2.1"];
    let with = |base: &[&'static str], more: &[&str]| {
        base.iter().map(|one| (*one).to_owned()).chain(more.iter().map(|one| (*one).to_owned())).collect::<Vec<_>>()
    };
    let cases = [
        (
            with(&plain, &["--tls-cert", &missing, "--tls-key", &one.key]),
            vec!["cannot read the certificate", "missing.pem"],
        ),
        (with(&plain, &["--tls-cert", &one.chain, "--tls-key", &missing]), vec!["cannot read the key", "missing.pem"]),
        (with(&plain, &["--tls-cert", &garbage, "--tls-key", &one.key]), vec!["garbage.pem has no certificate"]),
        (with(&plain, &["--tls-cert", &one.chain, "--tls-key", &garbage]), vec!["garbage.pem has no private key"]),
        (with(&plain, &["--tls-cert", &one.chain, "--tls-key", &two.key]), vec!["cannot be used with", "one.test.pem"]),
        (with(&plain, &["--tls-cert", &one.chain]), vec!["1 --tls-cert and 0 --tls-key"]),
        (
            with(&plain, &["--tls-cert", &one.chain, "--tls-key", &one.key, "--tls-client-ca", &garbage]),
            vec!["garbage.pem has no certificate"],
        ),
        (with(&https, &["--upstream-ca", &missing]), vec!["cannot read the authorities", "missing.pem"]),
        (with(&https, &["--upstream-ca", &text(&authority.file), "--upstream-sni", ""]), vec!["`` is no name"]),
        (
            with(&[], &["--listen", "127.0.0.1:0", "--upstream", "https+unix:/x"]),
            vec!["`` is no name", "--upstream-sni"],
        ),
        (with(&[], &["--listen", &own, "--upstream", &to_own]), vec!["own listener"]),
        (with(&[], &["--listen", &own.replace("127.0.0.1", "0.0.0.0"), "--upstream", &to_own]), vec!["own listener"]),
        (with(&[], &["--listen", &path, "--upstream", &path]), vec!["own listener"]),
        (with(&[], &["--listen", &long, "--upstream", "http://192.0.2.1"]), vec!["cannot listen on"]),
        (with(&[], &["--listen", "127.0.0.1:0", "--upstream", &long]), vec!["cannot be connected to as a Unix socket"]),
        (with(&[], &["--listen", &path, "--transparent"]), vec!["gets no redirected connections"]),
    ];
    for (arguments, says) in cases {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = front::refused(&folder, &arguments);
        for part in says {
            assert!(said.err.contains(part), "{arguments:?} does not say `{part}`: {}", said.err);
        }
    }
    let config = inside(&folder, "reenact.toml");
    for (toml, says) in [
        ("[[pair]]\nlisten = \"127.0.0.1:0\"\nupstrem = \"http://h\"\n", "[[pair]] 1: unknown field `upstrem`"),
        ("[[pair]]\nupstream = \"http://h\"\n", "--listen"),
        ("[pair]\nupstream = \"http://h\"\n", "[[pair]]"),
    ] {
        std::fs::write(&config, toml).unwrap();
        let said = front::refused(&folder, &["--config", &text(&config)]);
        assert!(said.err.contains(says), "{toml}: {}", said.err);
    }
}

#[test]
#[ignore = "needs root, iptables and a network namespace: cargo nextest run --run-ignored only redirected"]
fn redirected_connections_go_to_where_they_were_going() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    // The recorder runs as another user, who has to get in.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let out = inside(&folder, "out");
    std::fs::create_dir(&out).unwrap();
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = front::installed("unshare");
    command.args(["-n", "sh", "tests/front/transparent.sh", env!("CARGO_BIN_EXE_reenact"), &text(folder.path())]);
    let said = support::run(command.current_dir(env!("CARGO_MANIFEST_DIR")));
    let err = std::fs::read_to_string(inside(&folder, "err")).unwrap_or_default();
    assert_eq!(said.code, 0, "{}{}{err}", said.out, said.err);
    assert!(std::fs::read_to_string(inside(&folder, "page")).unwrap().starts_with("from "));
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(inside(&folder, "summary.json")).unwrap()).unwrap();
    assert_eq!(summary["loops_refused"], 1, "{summary}");
    let recorded = exchanges(&out.join("session"));
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!(recorded[0]["request"]["target"], "/redirected");
}
