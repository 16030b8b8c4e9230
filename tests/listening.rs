//! Everything else of the recorder's front between real peers, curl, wrk and nginx: PROXY headers, Unix sockets, several
//! pairs, mirrors, redirected connections, and what is refused before anybody is accepted.

mod front;
mod support;

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use front::certificates::Authority;
use front::nginx::Nginx;
use front::{Recorder, curl, read_head};
use support::{PATIENCE, exchanges, folder, inside, reenact_says, text};

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
    // Each upstream is an origin, which no replay may hit by mistake.
    for origin in [&one.address, &two.address] {
        let (target, run) = (format!("http://{origin}"), text(&inside(&folder, "run")));
        let said = reenact_says(["replay", &text(&recorder.session), "--target", &target, "--out", &run]);
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(said.err.contains("--allow-origin"), "{}", said.err);
    }
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
    let unspecified = to_own.replace("127.0.0.1", "0.0.0.0");
    std::os::unix::fs::symlink(inside(&folder, "s.sock"), inside(&folder, "linked.sock")).unwrap();
    let linked = format!("unix:{}", text(&inside(&folder, "linked.sock")));
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
        (with(&[], &["--listen", &own, "--upstream", &unspecified]), vec!["own listener"]),
        (with(&[], &["--listen", &path, "--upstream", &path]), vec!["own listener"]),
        (with(&[], &["--listen", &path, "--upstream", &linked]), vec!["own listener"]),
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
fn an_upstream_that_resolves_to_loopback_is_warned_of_however_it_is_written() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), |_| {});
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let upstream = format!("http://{host}:{}", nginx.port());
        let mut recorder = Recorder::start(&folder, &["--upstream", &upstream]);
        assert!(recorder.err().contains("--proxy-protocol-out"), "{host}: {}", recorder.err());
        recorder.end();
    }
    let mut recorder = Recorder::start(&folder, &["--upstream", "http://192.0.2.1"]);
    assert!(!recorder.err().contains("--proxy-protocol-out"), "{}", recorder.err());
    recorder.end();
}

#[test]
fn a_pair_may_lead_to_another_one_that_goes_elsewhere() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), |_| {});
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = free.local_addr().unwrap().to_string();
    drop(free);
    let config = inside(&folder, "reenact.toml");
    let pairs = |upstream: &str| {
        let pair = format!("[[pair]]\nlisten = \"{second}\"\nupstream = \"http://{upstream}\"\n");
        std::fs::write(&config, pair).unwrap();
    };
    pairs(&nginx.address);
    let (to_second, file) = (format!("http://{second}"), text(&config));
    let mut recorder = Recorder::start(&folder, &["--upstream", &to_second, "--config", &file]);
    assert_eq!(curl(&format!("http://{}", recorder.address), folder.path(), &["/page"]), b"one page\n");
    let summary = recorder.end();
    assert_eq!((&summary["connections"], &summary["loops_refused"]), (&2.into(), &0.into()), "{summary}");
    assert_eq!(exchanges(&recorder.session).len(), 2);
    // The same where the second leads to the first.
    pairs(&recorder.address);
    let said = front::refused(
        &folder,
        &["--listen", &recorder.address, "--upstream", &to_second, "--config", &file, "--capture", "off"],
    );
    assert!(said.err.contains("own listener"), "{}", said.err);
}

#[test]
#[ignore = "needs root and a network namespace: cargo nextest run --run-ignored only comes_back"]
fn what_comes_back_by_an_address_that_was_not_there_at_the_start_is_closed() {
    let folder = folder();
    let mut command = front::installed("unshare");
    command.args(["-n", "sh", "tests/front/loop.sh", env!("CARGO_BIN_EXE_reenact"), &text(folder.path())]);
    let said = support::run(command.current_dir(env!("CARGO_MANIFEST_DIR")));
    let err = std::fs::read_to_string(inside(&folder, "err")).unwrap_or_default();
    assert_eq!(said.code, 0, "{}{}{err}", said.out, said.err);
    assert!(err.contains("it leads back here"), "{err}");
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(inside(&folder, "summary.json")).unwrap()).unwrap();
    let [connections, refused] = ["connections", "loops_refused"].map(|key| summary[key].as_u64().unwrap());
    assert!(refused >= 20 && connections <= 2 * 20 + 20, "{summary}");
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
