//! What is wrong is said: what, where, and what to do, with the exit code of its kind; nothing panics, nothing is lost.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

use scripted::{gets, line, nobody, ok, read_head, segment, session, target};
use support::{Said, cat, folder, inside, reenact, reenact_says, run, run_json, text};

/// Runs `reenact` and looks at exit code and message.
#[track_caller]
fn check(arguments: &[&str], code: i32, says: &[&str]) -> Said {
    judge(reenact_says(arguments), arguments, code, says)
}

#[track_caller]
fn judge(said: Said, arguments: &[&str], code: i32, says: &[&str]) -> Said {
    assert_eq!(said.code, code, "{arguments:?}: {said:?}");
    assert!(!said.err.contains("panicked"), "{arguments:?}: {said:?}");
    for text in says {
        assert!(said.err.contains(text), "{arguments:?} does not say `{text}`: {said:?}");
    }
    if code == 2 {
        assert!(said.err.contains("error: "), "{arguments:?}: {said:?}");
    }
    said
}

#[test]
fn what_is_no_session_is_refused_by_every_reader() {
    let folder = folder();
    let (missing, empty, file, other) = (
        inside(&folder, "missing"),
        inside(&folder, "empty"),
        inside(&folder, "zero.reenact"),
        inside(&folder, "text.reenact"),
    );
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(&file, "").unwrap();
    std::fs::write(&other, "GET / HTTP/1.1\r\n\r\n".repeat(1_000)).unwrap();
    let target = format!("http://{}", target(ok));
    for (path, why) in [
        (&missing, "there is no session at"),
        (&empty, "it has no *.reenact segment"),
        (&file, "its segment is empty or was only begun"),
        (&other, "does not begin like a segment"),
    ] {
        let path = text(path);
        for command in ["inspect", "cat", "verify", "plan"] {
            check(&[command, &path], 2, &[why, &path, "hint: "]);
        }
        check(&["replay", &path, "--target", &target], 2, &[why, &path, "hint: "]);
    }
}

#[test]
fn a_newer_format_is_refused_with_its_version() {
    let folder = folder();
    let session = gets(folder.path(), "s", 3);
    let mut bytes = std::fs::read(segment(&session)).unwrap();
    bytes.splice(8..12, 9u32.to_le_bytes());
    let crc = crc32(bytes.get(..12).unwrap());
    bytes.splice(12..16, crc.to_le_bytes());
    std::fs::write(segment(&session), bytes).unwrap();
    for command in ["inspect", "cat", "verify", "plan"] {
        check(&[command, &text(&session)], 2, &["format version 9", "00000001.reenact", "reads version 2"]);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Damaged sessions: readers go to the end and exit 3, `verify` exits 1 and names file and byte.
fn check_damaged(session: &Path, left: impl Fn(usize) -> bool, says: &str) {
    let path = text(session);
    let read = cat(session).iter().filter(|line| line["type"] == "exchange").count();
    assert!(left(read), "{read} exchanges are left");
    for command in ["inspect", "cat", "plan"] {
        check(&[command, &path], 3, &[]);
    }
    let verified = reenact_says(["verify", &path]);
    assert_eq!(verified.code, 1, "{verified:?}");
    for text in ["00000001.reenact", says] {
        assert!(verified.out.contains(text), "{verified:?}");
    }
    let (target, out) = (format!("http://{}", target(ok)), format!("{path}-run"));
    check(&["replay", &path, "--target", &target, "--out", &out], 3, &[]);
    assert_eq!(run_json(Path::new(&out))["completed"], read);
}

#[test]
fn a_truncated_segment_is_read_to_its_last_whole_block() {
    let folder = folder();
    // More than one block: bodies of requests make them full.
    let lines: Vec<String> = (0..120).map(|i| with_body(i, &"x".repeat(50_000))).collect();
    let session = session(folder.path(), "s", &lines);
    let bytes = std::fs::read(segment(&session)).unwrap();
    std::fs::write(segment(&session), bytes.get(..bytes.len() * 2 / 3).unwrap()).unwrap();
    check_damaged(&session, |left| left > 0 && left < 120, "a record is cut off");
}

fn with_body(i: u64, body: &str) -> String {
    let at = i * 1_000_000;
    // Bodies that do not compress to nothing, so that a cut is likely to hit a block.
    let body: String = body
        .chars()
        .zip(0u64..)
        .map(|(_, n)| char::from(b'a' + u8::try_from((n * n + i * n + n / 7 + i * i * n / 11) % 23).unwrap()))
        .collect();
    serde_json::json!({
        "type": "exchange", "client": format!("peer-{:016x}", i % 5), "connection": i % 5,
        "instants_ns": {"request_start": at, "request_head": at, "request_end": at},
        "request": {"method": "GET", "target": format!("/{i}"), "version": "HTTP/1.1",
            "headers": [["Host", "recorded.invalid"], ["Content-Length", body.len().to_string()]], "framing": "length", "body": {"text": body}},
    })
    .to_string()
}

#[test]
fn a_flipped_bit_costs_one_block() {
    let folder = folder();
    let session = gets(folder.path(), "s", 50);
    let mut bytes = std::fs::read(segment(&session)).unwrap();
    let block = bytes.windows(5).position(|window| window == b"\xAErec\x02").unwrap();
    *bytes.get_mut(block + 60).unwrap() ^= 1;
    std::fs::write(segment(&session), bytes).unwrap();
    let path = text(&session);
    let verified = reenact_says(["verify", &path]);
    assert_eq!(verified.code, 1);
    assert!(
        verified.out.contains(&format!("byte {block}")) && verified.out.contains("50 exchanges are lost"),
        "{verified:?}"
    );
    for command in [&["inspect", "--scan", &path][..], &["cat", &path]] {
        check(command, 3, &["warning: ", "00000001.reenact", &format!("byte {block}"), "checksum"]);
    }
}

#[test]
fn targets_that_cannot_or_may_not_be_loaded() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 3));
    let nobody = nobody();
    let replay = |target: &str, says: &[&str]| check(&["replay", &session, "--target", target], 2, says);
    replay(&format!("http://{nobody}"), &["cannot connect to the target", &nobody.to_string(), "refused", "hint: "]);
    // Refused before anything is connected to: documentation addresses (RFC 5737) that nobody has.
    replay("http://203.0.113.1:81", &["203.0.113.1:81", "is not allowed", "--allow 203.0.113.1:81"]);
    check(
        &["replay", &session, "--target", "http://203.0.113.1:81", "--allow", "203.0.113.1:82"],
        2,
        &["is not allowed"],
    );
    replay("https://127.0.0.1:1", &["cannot connect to the target https://127.0.0.1:1", "refused"]);
    let plain = target(|mut socket| drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")));
    replay(&format!("https://{plain}"), &["cannot connect to the target https://", "tls", "hint: "]);
    replay("unix:/no/such/socket", &["cannot connect to the target unix:/no/such/socket"]);
    replay("unix:relative", &["the path of a Unix socket begins with /"]);
    replay("ftp://127.0.0.1", &["ftp", "--target http://"]);
    replay("http://127.0.0.1:1/path", &["paths come from the recording"]);
    replay("http://u:p@127.0.0.1:1", &["credentials"]);
    replay("nonsense", &["nonsense", "--target http://"]);
    check(&["replay", &session], 2, &["--target"]);
}

#[test]
fn the_recorded_origin_needs_a_flag_of_its_own() {
    let folder = folder();
    let upstream = target(ok);
    let (recorder, address) = support::recorder(&upstream.to_string(), &inside(&folder, "s"), &[]);
    let mut client = std::net::TcpStream::connect(&address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    std::io::Read::read_exact(&mut client, &mut [0; 40]).unwrap();
    recorder.signal("INT");
    assert_eq!(recorder.finish().code, 0);
    let (session, out) = (text(&inside(&folder, "s")), text(&inside(&folder, "run")));
    let to = format!("http://{upstream}");
    check(&["replay", &session, "--target", &to], 2, &["is the recorded origin", "--allow-origin"]);
    check(
        &["replay", &session, "--target", &format!("http://localhost:{}", upstream.port())],
        2,
        &["is the recorded origin"],
    );
    check(&["replay", &session, "--target", &to, "--allow-origin", "--out", &out], 0, &[]);
}

#[test]
fn hostile_targets_are_counted_errors_and_a_complete_run() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 20));
    let hang = target(|mut socket| while read_head(&mut socket).is_some() {});
    let reset = target(|mut socket| {
        // Closing with unread bytes is a reset; the pre-flight connection sends none.
        let _ = socket.peek(&mut [0]);
        let _ = socket.flush();
    });
    let close = target(|mut socket| drop(read_head(&mut socket)));
    let garbage = target(|mut socket| {
        if read_head(&mut socket).is_some() {
            let _ = socket.write_all(b"\x00\x01\x02 garbage\n\n");
        }
    });
    for (name, address, kinds) in [
        ("hang", hang, &["timeout"][..]),
        ("reset", reset, &["reset", "closed"]),
        ("close", close, &["closed", "reset"]),
        ("garbage", garbage, &["protocol"]),
    ] {
        let out = inside(&folder, name);
        check(
            &["replay", &session, "--target", &format!("http://{address}"), "--timeout", "300ms", "--out", &text(&out)],
            0,
            &[],
        );
        let result = run_json(&out);
        let errors = result["errors"].as_object().unwrap();
        assert!(errors.keys().all(|kind| kinds.contains(&kind.as_str())), "{name}: {errors:?}");
        assert_eq!(errors.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 20, "{name}: {errors:?}");
        assert_eq!((&result["completed"], &result["response_us"]["count"]), (&0.into(), &20.into()), "{name}");
        for file in ["run.json", "plan.json", "requests.jsonl.zst", "latency.hlog", "report.html"] {
            assert!(std::fs::metadata(out.join(file)).is_ok_and(|file| file.len() > 0), "{name}: {file}");
        }
    }
}

#[test]
fn a_collector_that_is_down_changes_nothing_but_the_spans() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 20));
    let (to, otlp, out) = (format!("http://{}", target(ok)), format!("http://{}", nobody()), inside(&folder, "run"));
    let replay =
        ["replay", &session, "--target", &to, "--otlp-endpoint", &otlp, "--otlp-flush", "1s", "--out", &text(&out)];
    check(&replay, 0, &["not exported"]);
    let result = run_json(&out);
    assert_eq!((&result["completed"], &result["spans"]["exported"]), (&20.into(), &0.into()));
    assert_eq!(result["spans"]["dropped"]["unreachable"], 20, "{}", result["spans"]);
    check(&["replay", &session, "--target", &to, "--otlp-endpoint", "nonsense"], 2, &["nonsense", "is no URL"]);
    for (budget, why) in [("x", "200/s"), ("0/s", "--trace-sample 0"), ("1000001/s", "1000000"), ("9/m", "200/s")] {
        check(&["replay", &session, "--target", &to, "--span-budget", budget], 2, &["--span-budget", budget, why]);
    }
    check(&["replay", &session, "--target", &to, "--span-budget", "9/s"], 2, &["--span-budget", "--otlp-endpoint"]);
}

#[test]
fn rates_and_methods() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 3));
    for rate in ["0", "0x", "-1x", "abc", "99999x", "1.0000000001x", "", "NaNx", "infx"] {
        check(&["plan", &session, "--rate", rate], 2, &["rate", "3x"]);
    }
    for rate in ["0/s", "-5/s", "x/s", "1e9/s"] {
        check(&["plan", &session, "--rate", rate], 2, &[rate, "1200/s"]);
    }
    check(&["plan", &session, "--rate", "0.000001/s"], 2, &["cannot be made of 3 requests"]);
    for (option, value, words) in [
        ("--ramp", "1x..2x", "/DURATION"),
        ("--ramp", "1x..0x/10m", "is zero"),
        ("--profile", "/no/such/file", "cannot read the profile"),
        ("--speed", "0x", "--speed"),
        ("--repeat", "0", "--repeat"),
        ("--shard", "3/2", "as in 2/4"),
        ("--from", "soon", "no duration"),
        ("--from", "2026-13-01T00:00:00Z", "no time"),
    ] {
        check(&["plan", &session, option, value], 2, &[value, words]);
    }
    check(&["plan", &session, "--from", "10s", "--to", "5s"], 2, &["--from is not before --to"]);
    check(&["plan", &session, "--ramp", "1x..2x/10s", "--rate", "2x"], 2, &["cannot be used together"]);
    check(&["plan", &session, "--ramp", "1x..2x/10s", "--method", "compress"], 2, &["compress"]);
    let profile = inside(&folder, "profile.csv");
    for (rows, words) in [("", "empty"), ("0s,1x\n9s,2x\n5s,1x", "line 3"), ("0s,-1x", "negative")] {
        std::fs::write(&profile, rows).unwrap();
        check(&["plan", &session, "--profile", &text(&profile)], 2, &[&text(&profile), words]);
    }
    for method in ["overlay", "compress", "warp", "poisson", "clone", "auto"] {
        check(&["plan", &session, "--method", method, "--rate", "2x"], 0, &[]);
    }
    check(&["plan", &session, "--method", "nonsense"], 2, &["nonsense", "auto"]);
}

#[test]
fn methods_that_change_state_need_a_decision() {
    let folder = folder();
    let lines = [line(0, 1, "GET", "/"), line(5, 1, "POST", "/cart"), line(9, 1, "DELETE", "/cart")];
    let session = text(&session(folder.path(), "s", &lines));
    let to = format!("http://{}", target(ok));
    let decide = ["DELETE, POST", "2 of 3", "--unsafe-methods send"];
    check(&["replay", &session, "--target", &to], 2, &decide);
    check(&["replay", &session, "--target", &to, "--unsafe-methods", "fail"], 2, &decide);
    for (decision, planned) in [("skip", 1), ("send", 3)] {
        let out = inside(&folder, decision);
        check(&["replay", &session, "--target", &to, "--unsafe-methods", decision, "--out", &text(&out)], 0, &[]);
        assert_eq!((&run_json(&out)["planned"], &run_json(&out)["completed"]), (&planned.into(), &planned.into()));
    }
    assert_eq!(run_json(&inside(&folder, "skip"))["left_out"]["unsafe_method"], 2);
}

#[test]
fn recorders_that_cannot_start() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (out, free, upstream) = (text(&inside(&folder, "s")), nobody().to_string(), format!("http://{}", nobody()));
    let below_a_file = inside(&folder, "file");
    std::fs::write(&below_a_file, "").unwrap();
    let below = text(&below_a_file.join("s"));
    let record = |listen: &str, upstream: &str, out: &str, more: &[&str], says: &[&str]| {
        let arguments = ["record", "--listen", listen, "--upstream", upstream, "--out", out];
        check(&[&arguments[..], more].concat(), 2, says)
    };
    record(&taken, &upstream, &out, &[], &["cannot listen on", &taken, "in use", "--listen"]);
    record(&free, &format!("http://{free}"), &out, &[], &["own listener"]);
    record(&free, &upstream, &out, &["--mode", "http"], &["--mode http", "not built yet"]);
    record(&free, "http://127.0.0.1:1/path", &out, &[], &["http://HOST"]);
    record(&free, "http://no.such.host.invalid:1", &out, &[], &["no.such.host.invalid", "does not resolve"]);
    record(&free, &upstream, &below, &[], &["cannot create", &below]);
    record(&free, &upstream, folder.path().to_str().unwrap(), &[], &["is not empty", "new directory"]);
    record(&free, &upstream, &out, &["--redact-key", "hunter2"], &["env:NAME, file:PATH, exec:COMMAND or aws-sm:ID"]);
    record(&free, &upstream, &out, &["--redact-key", "env:REENACT_NO_SUCH"], &["REENACT_NO_SUCH"]);
    record(&free, &upstream, &out, &["--redact-key", "exec:echo short"], &["openssl rand -hex 32"]);
    record(&free, &upstream, &out, &["--client-key", "ip"], &["cookie:"]);
    record(&free, &upstream, &out, &["--body-max", "1GiB"], &["--body-max", "at most"]);
    record(&free, &upstream, &out, &["--mode", "mirror"], &["--mode mirror", "passes nothing on"]);
    record(&free, &upstream, &out, &["--mode", "x"], &["`x` is no mode"]);
    record(&free, &upstream, &out, &["--seal", "age1"], &["--seal", "no age recipient"]);
    record("nonsense", &upstream, &out, &[], &["nonsense", "--listen"]);
    record(&free, "http://127.0.0.1:0", &out, &[], &["127.0.0.1:0", "no valid port"]);
    for (flag, value, why) in [
        ("--threads", "0", "from 1 to 256"),
        ("--threads", "100000", "from 1 to 256"),
        ("--queue-bytes", "0", "above zero"),
        ("--backlog-bytes", "0", "above zero"),
        ("--max-exchanges", "0", "above zero"),
        ("--max-size", "0", "above zero"),
        ("--duration", "0s", "above zero"),
        ("--keep-for", "0s", "above zero"),
        ("--rotate-every", "0s", "above zero"),
        ("--rotate-size", "0", "above zero"),
        ("--flush-interval", "1ns", "at least 10ms"),
        ("--keep-size", "1MiB", "less than one segment"),
    ] {
        record(&free, &upstream, &out, &[flag, value], &[flag, why, "hint: "]);
    }
    let (nowhere, a_folder) = (text(&inside(&folder, "no/x.sock")), text(folder.path()));
    for path in [&nowhere, &a_folder, &text(&below_a_file)] {
        let said = record(&free, &upstream, &out, &["--handover", path], &["--handover", path, "hint: "]);
        assert!(!said.err.contains("listening on"), "{said:?}");
    }
    assert!(!inside(&folder, "s").exists(), "no session was begun");
    assert_eq!(support::files(folder.path()), [below_a_file], "nothing was left behind");
}

#[test]
fn results_that_cannot_be_written_are_refused_before_anything_is_sent() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 3));
    let file = inside(&folder, "file");
    std::fs::write(&file, "").unwrap();
    let (requests, counted) = std::sync::mpsc::sync_channel(100);
    let to = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            requests.send(()).unwrap();
        }
    });
    let to = format!("http://{to}");
    let below = text(&file.join("run"));
    check(&["replay", &session, "--target", &to, "--out", &below], 2, &["cannot create", &below, "--out"]);
    check(&["replay", &session, "--target", &to, "--out", folder.path().to_str().unwrap()], 2, &["not empty", "--out"]);
    assert!(counted.try_recv().is_err(), "something was sent");
    check(
        &["import", "--format", "jsonl", &text(&inside(&folder, "s.jsonl")), "-o", &below],
        2,
        &["cannot create", &below],
    );
}

#[test]
fn secrets_are_never_values() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 3));
    let to = format!("http://{}", target(ok));
    let replay =
        |more: &[&str], says: &[&str]| check(&[&["replay", &session, "--target", &to][..], more].concat(), 2, says);
    for option in ["--token", "--auth", "--identity", "--proxy-auth", "--redact-key"] {
        let said =
            replay(&[option, "hunter2-a-real-token"], &["env:NAME, file:PATH, exec:COMMAND or aws-sm:ID", option]);
        assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{said:?}");
    }
    let config = inside(&folder, "secret.toml");
    std::fs::write(&config, "[replay]\ntoken = \"hunter2-a-real-token\"\n").unwrap();
    let said = replay(&["--config", &text(&config)], &["--token", "env:NAME"]);
    assert!(!said.err.contains("hunter2"), "{said:?}");
    replay(&["--backend", "lightstep"], &["needs an access token", "--token env:"]);
    replay(&["--backend", "lightstep", "--token", "env:REENACT_NO_SUCH"], &["REENACT_NO_SUCH"]);
    replay(&["--token", "env:X"], &["--backend"]);
    replay(&["--backend", "lightstep", "--token", "aws-sm:x?stge=y"], &["none of region, stage, version"]);
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 3));
    check(&["export", &session, "--any", "thing"], 2, &["reenact export", "not built yet"]);
    for format in ["har", "gor", "mitmproxy", "envoy-tap", "access-log", "pcap"] {
        check(&["import", "--format", format, "x", "-o", "y"], 2, &[format, "not built yet"]);
    }
    check(&["import", "--format", "nonsense", "x", "-o", "y"], 2, &["nonsense"]);
}

#[test]
fn an_import_makes_blocks_of_the_size_and_level_that_were_asked_for() {
    let folder = folder();
    let file = inside(&folder, "good.jsonl");
    let lines: Vec<String> = (0..2_000).map(|at| line(at * 1_000, at % 7, "GET", &format!("/page/{at}"))).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let size = |name: &str, options: &[&str]| {
        let (file, out) = (text(&file), inside(&folder, name));
        check(&[&["import", "--format", "jsonl", &file, "-o", &text(&out)], options].concat(), 0, &[]);
        std::fs::metadata(out.join("00000001.reenact")).unwrap().len()
    };
    let (small, default) = (size("small", &["--block-size", "4KiB"]), size("default", &[]));
    assert!(small > default * 5 / 4, "{small} and {default} bytes");
    let high = size("high", &["--level", "19"]);
    assert!(high < default, "{high} and {default} bytes");
}

#[test]
fn lines_that_cannot_be_imported_are_named() {
    let folder = folder();
    let (good, file) = (line(0, 1, "GET", "/"), inside(&folder, "bad.jsonl"));
    std::fs::write(&file, format!("{good}\n\n{{\"type\":\"exchange\",\"no_such_key\":1}}\n{good}\n")).unwrap();
    let (file, out) = (text(&file), text(&inside(&folder, "s")));
    let import = ["import", "--format", "jsonl", &file, "-o", &out];
    check(&import, 2, &[&file, "line 3", "no_such_key", "--lenient"]);
    let lenient = text(&inside(&folder, "lenient"));
    check(
        &["import", "--format", "jsonl", &file, "-o", &lenient, "--lenient"],
        3,
        &["line 3", "1 lines were left out"],
    );
    assert_eq!(support::exchanges(Path::new(&lenient)).len(), 2);
    for (option, value, said) in
        [("--block-size", "1KiB", "a block has from 4.0 KiB to 32.0 MiB"), ("--level", "23", "1..=22")]
    {
        check(&[&import[..], &["--lenient", option, value]].concat(), 2, &[said]);
    }
    check(&["import", "--format", "jsonl", "/no/such/file", "-o", &out], 2, &["/no/such/file"]);
    check(&["import", "--format", "jsonl", folder.path().to_str().unwrap(), "-o", &out], 2, &["cannot open"]);
}

#[test]
fn a_line_that_is_too_long_is_named_before_it_is_all_read() {
    let folder = folder();
    let (file, out) = (inside(&folder, "long.jsonl"), inside(&folder, "s"));
    std::fs::write(&file, line(0, 1, "GET", "/") + "\n").unwrap();
    // Gigabytes without a line end, of which the file system keeps nothing.
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(8 << 30).unwrap();
    let import = ["import", "--format", "jsonl", &text(&file), "-o", &text(&out), "--lenient"];
    check(&import, 2, &[&text(&file), "line 2: it is longer than 134217728 bytes"]);
}

#[test]
fn configs_are_checked_and_come_after_flags_and_environment() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 10));
    let config = inside(&folder, "reenact.toml");
    let file = text(&config);
    let plan = |content: &str, more: &[&str]| {
        std::fs::write(&config, content).unwrap();
        run(reenact(["plan", &session, "--json", "--config", &file]).args(more))
    };
    let refused = |content: &str, says: &[&str]| drop(judge(plan(content, &[]), &["plan"], 2, says));
    check(&["plan", &session, "--config", "/no/such.toml"], 2, &["/no/such.toml"]);
    refused("[plan\nrate = 3", &[&file, "line 1"]);
    refused("[nonsense]\nx = 1", &[&file, "`nonsense` is no table"]);
    refused("[plan]\nnonsense = 1", &[&file, "[plan] has no key `nonsense`"]);
    refused("[plan]\nrate = { a = 1 }", &["[plan] rate"]);
    refused("[plan]\nplan = \"plan.json\"", &[&file, "[plan] plan", "--plan or REENACT_PLAN"]);
    let rate = |said: Said| serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["rate"].clone();
    assert_eq!(rate(plan("[plan]\nrate = \"2x\"\nseed = 7", &[])), "2x");
    assert_eq!(rate(run(reenact(["plan", &session, "--json", "--config", &file]).env("REENACT_RATE", "3x"))), "3x");
    let both = run(reenact(["plan", &session, "--json", "--config", &file, "--rate", "4x"]).env("REENACT_RATE", "3x"));
    assert_eq!(rate(both), "4x");
}

#[test]
fn nothing_at_all_prints_help() {
    check(&["nonsense"], 2, &["nonsense"]);
    let said = reenact_says::<&str>([]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("Usage: reenact"), "{said:?}");
}
