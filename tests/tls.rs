//! TLS on both sides of the recorder, between real peers: curl, nginx, and clients over rustls.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod front;
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use formats::session::{Event, Session};
use front::certificates::{Authority, DAY};
use front::nginx::Nginx;
use front::{Recorder, curl, curl_fails};
use serde_json::{Value, json};
use support::{PATIENCE, exchanges, folder, inside, reenact_says, text, wait_for};

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

/// What the session says of the connection of each exchange, in the order of their paths.
#[track_caller]
fn facts(session: &Path) -> Vec<(String, Option<Value>)> {
    let mut facts: Vec<_> = Session::open(session)
        .unwrap()
        .events()
        .filter_map(|event| match event.unwrap() {
            Event::Exchange(exchange) => {
                let head = String::from_utf8(exchange.request.head.to_vec()).unwrap();
                let facts = exchange.facts.map(|facts| serde_json::from_str(&facts).unwrap());
                Some((head.split(' ').nth(1).unwrap().to_owned(), facts))
            }
            _ => None,
        })
        .collect();
    facts.sort_by(|one, other| one.0.cmp(&other.0));
    facts
}

#[test]
fn exchanges_say_what_their_connections_agreed_to() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let nginx = Nginx::start(folder.path(), |_| {});
    let (site, friend) = (authority.issue(&folder, "site.test"), authority.issue(&folder, "friend.test"));
    let upstream = format!("http://{}", nginx.address);
    let listen = ["--upstream", &upstream, "--tls-cert", &site.chain, "--tls-key", &site.key];
    let mut recorder = Recorder::start(&folder, &listen);
    let at = recorder.at("site.test");
    // Two on one connection.
    let (first, second) = (format!("{at}/host?1"), format!("{at}/host?2"));
    curl(&at, &authority.file, &["--tlsv1.3", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", &first, &second, "/host?3"]);
    let older = "ECDHE-ECDSA-AES256-GCM-SHA384";
    curl(&at, &authority.file, &["--tls-max", "1.2", "--ciphers", older, "--no-alpn", "/host?4"]);
    // No name is asked for where there is only an address.
    let by_address = format!("https://{}", recorder.address);
    curl(&by_address, &authority.file, &["--insecure", "--tlsv1.3", "--no-alpn", "/host?5"]);
    recorder.end();
    let found = facts(&recorder.session);
    let agreed = json!({"tls": {"version": "1.3", "cipher": "TLS_AES_128_GCM_SHA256", "sni": "site.test",
        "alpn": "http/1.1", "client_certificate": false}});
    for (number, (path, facts)) in (1..).zip(&found[..3]) {
        assert_eq!((path.as_str(), facts.as_ref()), (format!("/host?{number}").as_str(), Some(&agreed)));
    }
    let agreed = json!({"tls": {"version": "1.2", "cipher": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "sni": "site.test", "client_certificate": false}});
    assert_eq!(found[3].1, Some(agreed));
    let tls = found[4].1.as_ref().unwrap()["tls"].as_object().unwrap();
    assert_eq!(tls.keys().collect::<Vec<_>>(), ["cipher", "client_certificate", "version"], "{tls:?}");
    let said = reenact_says(["cat", &text(&recorder.session), "--show", "0"]);
    assert!(said.out.contains("TLS_AES_128_GCM_SHA256") && said.out.contains("\n  facts "), "{said:?}");

    // That a client has shown a certificate is said, and nothing of it.
    let ca = text(&authority.file);
    let mut recorder = Recorder::start(&folder, &[&listen[..], &["--tls-client-ca", &ca]].concat());
    let shown = ["--cert", &friend.chain, "--key", &friend.key, "/host"];
    curl(&recorder.at("site.test"), &authority.file, &shown);
    recorder.end();
    let found = facts(&recorder.session)[0].1.clone().unwrap();
    assert_eq!(found["tls"]["client_certificate"], true, "{found}");
    assert!(!found.to_string().contains("friend"), "{found}");
}

#[test]
fn exchanges_say_which_listener_and_whether_a_proxy_header_spoke_where_there_is_a_choice() {
    let folder = folder();
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let nginx = Nginx::start(folder.path(), |_| {});
    let site = authority.issue(&folder, "site.test");
    let upstream = format!("http://{}", nginx.address);
    let config = inside(&folder, "c.toml");
    let table = format!(
        "[[pair]]\nlisten = \"127.0.0.1:0\"\nupstream = \"{upstream}\"\ntls-cert = [\"{}\"]\ntls-key = [\"{}\"]\n",
        site.chain, site.key
    );
    std::fs::write(&config, table).unwrap();
    let own = ["--upstream", &upstream, "--proxy-protocol-in", "optional"];
    let mut recorder = Recorder::start(&folder, &[&own[..], &["--config", &text(&config)]].concat());
    let addresses = recorder.addresses(2);
    let plain = format!("http://{}", addresses[0]);
    curl(&plain, &authority.file, &["/host?1"]);
    curl(&plain, &authority.file, &["--haproxy-protocol", "/host?2"]);
    curl(&front::at(&addresses[1], "site.test"), &authority.file, &["/host?3"]);
    recorder.end();
    let found: Vec<_> = facts(&recorder.session).into_iter().map(|(_, facts)| facts.unwrap()).collect();
    assert_eq!(found[..2], [json!({"listener": 1}), json!({"listener": 1, "proxy_protocol": true})]);
    assert_eq!((&found[2]["listener"], &found[2]["tls"]["sni"]), (&json!(2), &json!("site.test")), "{found:?}");

    // One listener: nothing is to be said of it, and nothing is stored.
    let mut recorder = Recorder::start(&folder, &own);
    let plain = format!("http://{}", recorder.address);
    curl(&plain, &authority.file, &["/host?1"]);
    curl(&plain, &authority.file, &["--haproxy-protocol", "/host?2"]);
    recorder.end();
    let found: Vec<_> = facts(&recorder.session).into_iter().map(|(_, facts)| facts).collect();
    assert_eq!(found, [None, Some(json!({"proxy_protocol": true}))]);
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
    let cases: [(&Nginx, &[&str], bool); 5] = [
        (&good, &["--upstream-ca", &ours_ca, sni[0], sni[1]], true),
        (&good, &["--upstream-ca", &theirs_ca, sni[0], sni[1]], false),
        (&good, &["--upstream-ca", &ours_ca, sni[0], "other.test"], false),
        // The address, which the certificate does not have.
        (&good, &["--upstream-ca", &ours_ca], false),
        (&expired, &["--upstream-insecure"], true),
    ];
    for (nginx, flags, passes) in cases {
        let upstream = format!("https://{}", nginx.address);
        if !passes {
            let arguments = [&["--listen", "127.0.0.1:0", "--upstream", &upstream][..], flags].concat();
            let said = front::refused(&folder, &arguments);
            for part in ["cannot be verified", &nginx.address, "--upstream-ca", "--upstream-sni"] {
                assert!(said.err.contains(part), "{flags:?}: {}", said.err);
            }
            assert!(!inside(&folder, "refused").exists() && !said.err.contains("listening on"), "{}", said.err);
            continue;
        }
        let mut recorder = Recorder::start(&folder, &[&["--upstream", &upstream][..], flags].concat());
        let loud = recorder.err().contains("IS NOT VERIFIED");
        assert_eq!(loud, flags.contains(&"--upstream-insecure"));
        let said = front::curl_says(&format!("http://{}", recorder.address), &ours.file, &["/host"]);
        assert!(said.is_ok(), "{flags:?}: {said:?}");
        let summary = recorder.end();
        assert_eq!(summary["upstream_tls_failures"], 0, "{flags:?}: {summary}");
    }
    // A certificate that is out of its dates is renewed one day; until then nobody is served by it.
    let upstream = format!("https://{}", expired.address);
    let mut recorder = Recorder::start(&folder, &["--upstream", &upstream, "--upstream-ca", &ours_ca, sni[0], sni[1]]);
    assert!(recorder.err().contains("taken to come up later"), "{}", recorder.err());
    curl_fails(&format!("http://{}", recorder.address), &ours.file, &["/host"]);
    assert_eq!(recorder.end()["upstream_tls_failures"], 1);
    // One that is down at the start may come up later, and is then looked at as closely.
    let port = expired.port();
    drop(expired);
    let upstream = format!("https://127.0.0.1:{port}");
    let mut recorder = Recorder::start(&folder, &["--upstream", &upstream, "--upstream-ca", &ours_ca, sni[0], sni[1]]);
    assert!(recorder.err().contains("taken to come up later"), "{}", recorder.err());
    let at = format!("http://{}", recorder.address);
    let bad = Nginx::start_at(port, folder.path(), |conf| conf.tls_until(&ours, "shop.test", "ssl", -DAY));
    curl_fails(&at, &ours.file, &["/host"]);
    drop(bad);
    let _good = Nginx::start_at(port, folder.path(), |conf| conf.tls(&ours, "shop.test", "ssl"));
    assert!(!curl(&at, &ours.file, &["/host"]).is_empty());
    let summary = recorder.end();
    assert_eq!(summary["upstream_tls_failures"], 1, "{summary}");
}

#[test]
fn an_upstream_that_answers_in_clear_text_to_tls_is_refused_at_the_start() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), |_| {});
    let authority = Authority::new(inside(&folder, "ca.pem"));
    let site = authority.issue(&folder, "site.test");
    let (upstream, ca) = (format!("https://{}", nginx.address), text(&authority.file));
    let one = ["--listen", "127.0.0.1:0", "--upstream", &upstream, "--upstream-ca", &ca];
    for more in [&[][..], &["--tls-cert", &site.chain, "--tls-key", &site.key]] {
        let said = front::refused(&folder, &[&one[..], more].concat());
        for part in ["answers, but not in TLS", &nginx.address, "http://"] {
            assert!(said.err.contains(part), "{more:?}: {}", said.err);
        }
        assert!(!inside(&folder, "refused").exists() && !said.err.contains("listening on"), "{}", said.err);
    }
    // One that says nothing at all may only be slow.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("https://{}", silent.local_addr().unwrap());
    let mut recorder = Recorder::start(&folder, &["--upstream", &upstream, "--upstream-ca", &ca]);
    assert!(recorder.err().contains("taken to come up later"), "{}", recorder.err());
    recorder.end();
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
