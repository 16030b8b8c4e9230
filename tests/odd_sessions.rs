//! Sessions, profiles and bytes as they should not be: what can be sent is sent once, what cannot is left out with its
//! reason or refused by name, and nothing panics.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;
mod traffic;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scripted::{OK, gets, line, nobody, ok, read_head, read_up_to, segment, session, target};
use serde_json::{Value, json};
use support::{folder, inside, reenact_says, run_json, text};
use traffic::{Random, Seed, imported, random_session};

/// A target that counts requests by path.
fn counter() -> (String, Arc<Mutex<BTreeMap<String, u64>>>) {
    let counts = Arc::new(Mutex::new(BTreeMap::new()));
    let kept = Arc::clone(&counts);
    let address = target(move |mut socket| {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(1..) = socket.read(&mut buffer).inspect(|read| bytes.extend_from_slice(&buffer[..*read])) {
            while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = bytes.drain(..end + 4).collect();
                let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap().to_owned();
                *kept.lock().unwrap().entry(path).or_default() += 1;
                if socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                    return;
                }
            }
        }
    });
    (format!("http://{address}"), counts)
}

/// Plans and replays a session, and checks the exit codes and that exactly these paths come, each once.
#[track_caller]
fn check_sent(session: &Path, code: i32, paths: impl IntoIterator<Item = String>, left_out: &Value, more: &[&str]) {
    let (to, counts) = counter();
    let (path, out) = (text(session), text(&session.with_extension("run")));
    let planned = reenact_says(["plan", &path, "--json"]);
    assert!(planned.code == code && !planned.err.contains("panicked"), "{planned:?}");
    let planned: Value = serde_json::from_str(&planned.out).unwrap();
    let inspected = reenact_says(["inspect", &path]);
    assert!(inspected.code == code && !inspected.err.contains("panicked"), "{inspected:?}");
    let said = reenact_says(["replay", &path, "--target", &to, "--out", &out].iter().chain(more));
    assert!(said.code == code && !said.err.contains("panicked"), "{path}: {said:?}");
    assert_eq!((&planned["left_out"], &run_json(Path::new(&out))["left_out"]), (left_out, left_out), "{path}");
    let expected: BTreeMap<String, u64> = paths.into_iter().map(|path| (path, 1)).collect();
    assert!(*counts.lock().unwrap() == expected, "{path}: {:?}", counts.lock().unwrap());
}

/// A line with some values of an object in it replaced.
fn with(line: &str, path: &[&str], values: &Value) -> String {
    let mut exchange: Value = serde_json::from_str(line).unwrap();
    let object = path.iter().fold(&mut exchange, |object, key| &mut object[key]);
    values.as_object().unwrap().iter().for_each(|(key, value)| object[key] = value.clone());
    exchange.to_string()
}

#[test]
fn odd_sessions_are_sent_to_the_last_request() {
    let folder = folder();
    let lines = |at: fn(u64) -> u64, clients: u64| -> Vec<String> {
        (0..60).map(|i| line(at(i), i % clients + 1, "GET", &format!("/{i}"))).collect()
    };
    // More bytes than can be added up.
    let gap = r#"{"type":"gap","reason":"queue_full","from_ns":9,"to_ns":99000000,"connections":2,"bytes":18446744073709551615}"#;
    let in_order = lines(|i| i * 2, 3);
    let with_gaps = [&in_order[..9], &[gap.to_owned()], &in_order[9..], &[gap.to_owned()]].concat();
    let ended_at =
        |at: u64| in_order.iter().map(move |line| with(line, &["instants_ns"], &json!({"response_end": at})));
    for (name, lines) in [
        ("gaps", with_gaps),
        ("out_of_order", lines(|i| (i * 37 + 11) % 60 * 2, 3)),
        ("stepped_back", lines(|i| if i < 30 { 100 + i } else { 70 + i / 2 }, 3)),
        ("backwards", lines(|i| 120 - i * 2, 3)),
        ("over_before_it_began", ended_at(0).collect()),
        ("never_over", ended_at(u64::MAX).collect()),
        ("one_client", lines(|i| i * 2, 1)),
        ("all_at_once", lines(|_| 5, 4)),
    ] {
        let session = session(folder.path(), name, &lines);
        check_sent(&session, 0, (0..60).map(|i| format!("/{i}")), &json!({}), &[]);
    }
}

#[test]
fn twenty_thousand_clients_with_one_request_each() {
    let folder = folder();
    let lines: Vec<String> = (0..20_000).map(|i| line(i / 10, i, "GET", &format!("/{i}"))).collect();
    let session = session(folder.path(), "many", &lines);
    check_sent(&session, 0, (0..20_000).map(|i| format!("/{i}")), &json!({}), &["--rate", "max", "--requests", "none"]);
}

#[test]
fn what_cannot_be_sent_is_left_out_with_its_reason() {
    let folder = folder();
    let changed =
        |i: u64, path: &[&str], values: Value| with(&line(i * 2, i % 4 + 1, "POST", &format!("/{i}")), path, &values);
    let ten = json!([["Host", "recorded.invalid"], ["Content-Length", "10"]]);
    let short = changed(3, &["request"], json!({"headers": ten, "body": {"text": "abc"}}));
    let as_it_is = |i: u64, lines: &str| {
        let head = format!("GET /{i} HTTP/1.1\r\nHost: recorded.invalid\r\n{lines}\r\n");
        changed(i, &["request"], json!({"head_base64": STANDARD.encode(head)}))
    };
    let bad = [
        changed(1, &["request"], json!({"headers": ten, "body": {"text": "abc", "total_len": 10}})),
        changed(2, &["request"], json!({"headers": ten, "body": {"total_len": 10}})),
        with(&with(&short, &["instants_ns"], &json!({"request_end": null})), &[], &json!({"response": null})),
        changed(4, &["request"], json!({"method": "CONNECT", "target": "a:443"})),
        changed(5, &["response"], json!({"status": 101})),
        // The space before its colon makes a server see another field, or none.
        as_it_is(6, "A : b\r\n"),
        as_it_is(7, "A: b\r\n folded\r\n"),
        as_it_is(8, "A: b\r\n\tC: folded\r\n"),
        as_it_is(9, "no colon\r\nA: b\r\n"),
        // What the parser said of it counts, also where the request looks well.
        changed(11, &[], json!({"ambiguous": "bad_chunk"})),
        changed(12, &[], json!({"resynchronised": true})),
        with(&changed(13, &["response"], json!({"status": 101})), &[], &json!({"tunnel": {"to_client": {"bytes": 5}}})),
    ];
    let reasons = json!({
        "truncated_body": 2, "incomplete_request": 1, "connect": 1, "upgrade": 2, "ambiguous": 5, "resynchronised": 1,
    });
    let mixed = session(
        folder.path(),
        "mixed",
        &[&bad[..], &[line(20, 1, "GET", "/a"), line(5, 2, "GET", "/b"), as_it_is(10, "A: b\r\n")]].concat(),
    );
    check_sent(&mixed, 0, ["/a", "/b", "/10"].map(str::to_owned), &reasons, &[]);
    let inspected = reenact_says(["inspect", &text(&mixed), "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.out).unwrap();
    let counts = ["ambiguous", "resynchronised", "tunnels", "bodies_in_pieces"].map(|name| &inspected[0][name]);
    assert_eq!(counts, [&json!({"bad_chunk": 1}), &json!(1), &json!({"other": 1}), &json!(0)]);

    let nothing = text(&session(folder.path(), "nothing", &bad));
    assert_eq!(reenact_says(["plan", &nothing]).code, 0);
    let said = reenact_says(["replay", &nothing, "--target", &counter().0]);
    assert!(said.code == 2 && said.err.contains("all 12 exchanges are left out"), "{said:?}");

    let file = inside(&folder, "lies.jsonl");
    std::fs::write(&file, short).unwrap();
    let said = reenact_says(["import", "--format", "jsonl", &text(&file), "-o", &text(&inside(&folder, "lies"))]);
    assert!(said.code == 2 && said.err.contains("line 1: field `request.body`"), "{said:?}");
}

/// What the plan and the run of sessions say of their gaps, in words and by reason.
#[test]
fn what_was_not_recorded_is_told_by_reason() {
    let folder = folder();
    let (recorder, address) = support::recorder(&target(ok).to_string(), &inside(&folder, "h2"), &[]);
    for _ in 0..3 {
        let mut client = std::net::TcpStream::connect(&address).unwrap();
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
    }
    recorder.signal("INT");
    assert_eq!(recorder.finish().code, 3);
    let (h2, to) = (text(&inside(&folder, "h2")), format!("http://{}", target(ok)));
    let http2 = "http2: 3 connections, ";
    // Nothing else was recorded: the plan is empty, and why is not the user's to guess.
    let said = reenact_says(["plan", &h2]);
    assert!(said.code == 0 && said.out.contains(&format!("gap         {http2}")), "{said:?}");
    let said = reenact_says(["replay", &h2, "--target", &to]);
    for part in ["error: the plan is empty: the sessions hold no exchanges; gap ", http2, "; cannot be replayed yet"] {
        assert!(said.code == 2 && said.err.contains(part), "no `{part}`: {said:?}");
    }
    // Beside others, with which it is sent.
    let lost = r#"{"type":"gap","reason":"queue_full","from_ns":1,"to_ns":2,"connections":1,"exchanges":5,"bytes":7}"#;
    let some = text(&session(folder.path(), "some", &[line(0, 1, "GET", "/"), lost.to_owned(), lost.to_owned()]));
    // How many gaps there are is a matter of when the recorder wrote.
    let rows = |plan: &Value| -> Vec<Value> {
        let rows = plan["gaps"].as_array().unwrap().iter();
        rows.map(|row| json!([row["reason"], row["connections"], row["exchanges"]])).collect()
    };
    let expected = [json!(["queue_full", 2, 10]), json!(["http2", 3, 0])];
    let said = reenact_says(["plan", &h2, &some, "--json"]);
    assert_eq!(rows(&serde_json::from_str(&said.out).unwrap()), expected, "{said:?}");
    let out = inside(&folder, "run");
    let said = reenact_says(["replay", &h2, &some, "--target", &to, "--out", &text(&out)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(rows(&serde_json::from_slice(&std::fs::read(out.join("plan.json")).unwrap()).unwrap()), expected);
    let notices = run_json(&out)["notices"].as_array().unwrap().clone();
    let told = |notice: &&Value| said.err.contains(notice.as_str().unwrap());
    let gaps: Vec<_> = notices.iter().filter(|notice| notice.to_string().contains("gaps")).filter(told).collect();
    assert!(
        matches!(gaps[..], [lost, foreign] if lost == "the sessions have gaps, queue_full: 2 connections, 10 exchanges, 14 B not captured"
        && foreign.as_str().unwrap().contains(http2)),
        "{notices:?}"
    );
}

#[test]
fn bodies_of_more_chunks_than_are_noted_go_out_as_one_and_are_counted() {
    const NOTED_MAX: usize = 65_536;
    let folder = folder();
    // Keeps the chunks of each body.
    let taker = || {
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&bodies);
        let address = target(move |socket| {
            let mut socket = std::io::BufReader::new(socket);
            while read_head(&mut socket).is_some() {
                kept.lock().unwrap().push(read_up_to(&mut socket, b"\r\n0\r\n\r\n").unwrap());
                socket.get_mut().write_all(OK).unwrap();
            }
        });
        (address, bodies)
    };
    let (upstream, recorded) = taker();
    let (recorder, address) = support::recorder(&upstream.to_string(), &inside(&folder, "s"), &[]);
    let mut client = std::net::TcpStream::connect(&address).unwrap();
    for chunks in [NOTED_MAX, NOTED_MAX + 1] {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.write_all(&[head.as_bytes(), &b"1\r\nx\r\n".repeat(chunks), b"0\r\n\r\n"].concat()).unwrap();
        client.read_exact(&mut [0; OK.len()]).unwrap();
    }
    recorder.signal("INT");
    assert_eq!(recorder.finish().code, 0);
    let (to, sent) = taker();
    let (session, to, out) = (text(&inside(&folder, "s")), format!("http://{to}"), inside(&folder, "run"));
    let said = reenact_says(["replay", &session, "--target", &to, "--unsafe-methods", "send", "--out", &text(&out)]);
    let notice = "1 of 2 recorded requests have chunked bodies whose chunks are not known, and go out as one chunk";
    assert!(said.code == 0 && said.err.contains(&format!("note: {notice}")), "{said:?}");
    let (sent, recorded) = (sent.lock().unwrap(), recorded.lock().unwrap());
    assert_eq!((sent.len(), sent[0] == recorded[0]), (2, true));
    assert_eq!(sent[1], format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(NOTED_MAX + 1)).as_bytes());
    assert!(run_json(&out)["notices"].to_string().contains(notice));
    let said = reenact_says(["plan", &session]);
    assert!(said.out.contains(&format!("framing     {notice}")), "{said:?}");
    let plan: Value = serde_json::from_slice(&std::fs::read(out.join("plan.json")).unwrap()).unwrap();
    assert_eq!(plan["one_chunk_exchanges"], 1);
}

#[test]
fn bad_profiles_and_ramps_are_refused_by_name_and_line() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 3));
    let check = |option: &str, value: &str, says: &[&str]| {
        let said = reenact_says(["plan", &session, &format!("{option}={value}")]);
        assert!(said.code == 2 && !said.err.contains("panicked"), "{value:?}: {said:?}");
        assert!(said.err.contains("error: ") && says.iter().all(|part| said.err.contains(part)), "{value:?}: {said:?}");
    };
    for (name, content, says) in [
        ("empty.csv", "", "line 1"),
        ("comments.csv", "# at,rate\n\n", "empty"),
        ("negative.csv", "at,rate\n0s,1x\n5s,-2x\n", "line 3"),
        ("unsorted.csv", "0s,1x\n9s,2x\n5s,1x\n", "line 3"),
        ("late.csv", "5s,1x\n", "line 1"),
        ("nan.csv", "0s,1x\n1s,NaNx\n", "line 2"),
        ("inf.csv", "0s,inf\n", "line 1"),
        ("huge.csv", "0s,1x\n1s,99999999999999999999999999x\n", "line 2"),
        ("long.csv", "0s,1x\n99999999999999999999s,2x\n", "line 2"),
        ("ages.csv", "0s,1x\n500years,2x\n", "line 2"),
        ("words.csv", "0s,1x\nsoon,2x\n", "line 2"),
        ("columns.csv", "0s,1x\n5s\n", "line 2"),
        ("max.csv", "0s,max\n", "line 1"),
        ("binary.csv", "\u{0}\u{1}\u{7f}\u{e9}\n\u{0}", "line 1"),
        ("empty.toml", "", "no [[stage]]"),
        ("unknown.toml", "[[stage]]\nduration = \"1s\"\nfrom = \"1x\"\nsteep = 3\n", "line 4"),
        ("table.toml", "[[stages]]\nduration = \"1s\"\n", "line 1"),
        ("syntax.toml", "[[stage]]\nduration = \"1s\nfrom = 1\n", "line 2"),
        ("type.toml", "[[stage]]\nduration = 5\nfrom = \"1x\"\n", "line 2"),
        ("nan.toml", "[[stage]]\nduration = \"1s\"\nfrom = nan\n", "line 3"),
        ("negative.toml", "[[stage]]\nduration = \"1s\"\nfrom = \"-1x\"\n", "line 3: stage 1: "),
        ("duration.toml", "[[stage]]\nfrom = \"1x\"\nduration = \"99999999999y\"\n", "line 3: stage 1: "),
        (
            "reach.toml",
            "[[stage]]\nfrom = \"1x\"\nto = \"99000000/s\"\nduration = \"1s\"\n",
            "line 3: stage 1: 99000000/s cannot",
        ),
        ("reach.csv", "0s,1x\n5s,99000000/s\n", "line 2: 99000000/s cannot"),
        (
            "spikes.toml",
            "stage = [{ duration = \"9s\", from = \"1x\" }]\nspike = [{ at = \"5s\", for = \"2s\", rate = \"2x\" }, { at = \"1s\", for = \"1s\", rate = \"2x\" }]\n",
            "line 2: spike 2",
        ),
    ] {
        let file = inside(&folder, name);
        std::fs::write(&file, content).unwrap();
        check("--profile", &text(&file), &[name, says]);
    }
    for extension in ["csv", "toml"] {
        let file = inside(&folder, &format!("garbage.{extension}"));
        std::fs::write(&file, (0..200).map(|_| 0xfe).collect::<Vec<u8>>()).unwrap();
        check("--profile", &text(&file), &["garbage", extension, "line 1: at byte 0 "]);
        std::fs::write(&file, b"# at,rate\n\n0s,1x # \xe9\n").unwrap();
        check("--profile", &text(&file), &["garbage", extension, "line 3: at byte 19 "]);
    }
    for ramp in [
        "/",
        "..",
        "../",
        "1x",
        "1x..2x/",
        "1x..y/9s",
        "NaNx..2x/9s",
        "1x..infx/9s",
        "1x..2x/-9s",
        "-1x..2x/9s",
        "1x..2x/9999999999999999999999y",
        "1x..99999x/9s",
        "max..max/9s",
        "1x..2x..3x/9s",
        "\u{1f9c3}../\u{1f9c3}",
    ] {
        check("--ramp", ramp, &["1x..10x/10m"]);
    }
}

/// A segment with something wrong in it: bytes flipped, cut off, put in or made up; now and then with checksums that fit.
fn damaged(random: &mut Random, segment: &[u8]) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    let at = random.index(bytes.len());
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.below(8),
        2 => drop(bytes.splice(at..at, random.content())),
        3 => bytes = random.content(),
        _ => {
            // Behind the checksums: a payload is changed, and its record's head made anew.
            let marks: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"\xAErec")).collect();
            let head = random.one(&marks);
            let word = |at: usize| u32::from_le_bytes(segment[at..at + 4].try_into().unwrap());
            let payload = head + 20..head + 20 + usize::try_from(word(head + 8)).unwrap();
            for _ in 0..1 + random.below(3) {
                bytes[payload.start + random.index(payload.len())] = random.next() as u8;
            }
            let sum = crc32(&bytes[payload]);
            bytes.splice(head + 12..head + 16, sum.to_le_bytes());
            let sum = crc32(&bytes[head..head + 16]);
            bytes.splice(head + 16..head + 20, sum.to_le_bytes());
        }
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn damaged_segments_are_read_or_refused() {
    let folder = folder();
    let rich = std::fs::read(segment(&imported(folder.path(), &random_session(&mut Random(7))))).unwrap();
    let plain = std::fs::read(segment(&gets(folder.path(), "plain", 200))).unwrap();
    let (nobody, damage) = (format!("http://{}", nobody()), inside(&folder, "damage"));
    std::fs::create_dir(&damage).unwrap();
    for seed in 0..100 {
        let _guard = Seed(seed);
        // Most replays end at the target that is not there, since a run takes its time.
        let (to, counts) = if seed % 8 == 0 { counter() } else { (nobody.clone(), Arc::default()) };
        let whole = if seed % 8 == 0 { &plain } else { &rich };
        std::fs::write(segment(&damage), damaged(&mut Random(seed), whole)).unwrap();
        let (path, out) = (text(&damage), text(&inside(&folder, &format!("run-{seed}"))));
        let send = ["--rate", "max", "--unsafe-methods", "send", "--target", &to, "--out", &out];
        for command in ["plan", "replay", "inspect", "verify", "cat"] {
            let said = reenact_says([command, &path].iter().chain(&send[..if command == "replay" { 8 } else { 0 }]));
            let codes = match command {
                "replay" if to == nobody => &[2][..],
                "verify" => &[0, 1, 2],
                _ => &[0, 2, 3],
            };
            assert!(codes.contains(&said.code) && !said.err.contains("panicked"), "{command}: {said:?}");
        }
        assert!(counts.lock().unwrap().values().all(|count| *count == 1), "{:?}", counts.lock().unwrap());
    }
}
