//! `reenact edit` from outside: what it keeps is what was there, steps can be joined and taken apart, and what cannot be
//! done is refused and leaves nothing behind.
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod edited;
#[path = "edited/redacting.rs"]
mod redacting;
mod scripted;
mod support;
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};

use edited::{MS, NINE_NS, edit, edited, gap, header, header_of, lines, parts, random, write};
use formats::model::{ClientKey, Exchange, KeySource};
use formats::session::SessionHeader;
use serde_json::{Value, json};
use support::{exchanges, files, folder, inside, reenact_says, text};
use traffic::Seed;

/// A random session with some gaps.
fn session(folder: &tempfile::TempDir, name: &str, seed: u64) -> PathBuf {
    let exchanges = random(seed);
    let third = exchanges.len() / 3;
    let at = |number: usize| exchanges[number].last_ns();
    let gaps = [(third, gap(at(third - 1), at(third), 7)), (2 * third, gap(at(third), at(2 * third), 9))];
    write(&inside(folder, name), header(name), &exchanges, &gaps)
}

fn is(kind: &'static str) -> impl Fn(&&Value) -> bool {
    move |line| line["type"] == kind
}

/// Exchanges in the order in which they were over, without their numbers, and gaps as a set.
fn normal(session: &Path) -> (Vec<Value>, Vec<String>) {
    let lines = lines(session);
    let mut exchanges: Vec<Value> = lines.iter().filter(is("exchange")).cloned().collect();
    for exchange in &mut exchanges {
        exchange["seq"] = Value::Null;
    }
    let mut gaps: Vec<String> = lines.iter().filter(is("gap")).map(ToString::to_string).collect();
    gaps.sort();
    (exchanges, gaps)
}

#[test]
fn without_an_option_everything_stays() {
    for seed in 0..5 {
        let _seed = Seed(seed);
        let folder = folder();
        let first = session(&folder, "first", seed);
        let second = edited(&[&first], &inside(&folder, "second"), &[]);
        assert_eq!(lines(&first), lines(&second));
        // Made again, it is the same to the byte.
        let again = edited(&[&first], &inside(&folder, "again"), &[]);
        let bytes = |path: &Path| files(path).iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
        assert_eq!(bytes(&second), bytes(&again));
        assert_eq!(reenact_says(["verify", &text(&second)]).code, 0);
    }
}

#[test]
fn steps_are_the_same_together_and_one_after_the_other() {
    let folder = folder();
    let steps: [&[&str]; 5] = [
        &["--from", "12ms", "--to", "70ms"],
        &["--sample", "60%"],
        &["--filter", "method in (GET, POST, PUT)"],
        &["--drop-bodies", "larger:1000"],
        &["--shift", "1h"],
    ];
    for seed in 0..2 {
        let _seed = Seed(seed);
        let first = session(&folder, &format!("s{seed}"), seed);
        for (a, b) in [(0, 1), (0, 3), (1, 2), (2, 3), (2, 4), (3, 4)] {
            let name = |what: &str| inside(&folder, &format!("s{seed}-{a}-{b}-{what}"));
            let both = edited(&[&first], &name("both"), &[steps[a], steps[b]].concat());
            assert!(!lines(&both).is_empty());
            for (first_step, second_step) in [(a, b), (b, a)] {
                let half = edited(&[&first], &name(&format!("half-{first_step}")), steps[first_step]);
                let whole = edited(&[&half], &name(&format!("whole-{first_step}")), steps[second_step]);
                assert_eq!(lines(&whole), lines(&both), "{:?} {:?}", steps[first_step], steps[second_step]);
            }
        }
    }
}

#[test]
fn what_is_split_is_whole_again_when_it_is_merged() {
    let folder = folder();
    for seed in 0..4 {
        let _seed = Seed(seed);
        let first = session(&folder, &format!("s{seed}"), seed);
        for how in ["time:20ms", "size:9kB", "client-hash:3"] {
            let out = inside(&folder, &format!("s{seed}-{}", how.split(':').next().unwrap()));
            edited(&[&first], &out, &["--split-by", how]);
            let parts = parts(&out);
            assert!(parts.len() > 1, "{how}: {parts:?}");
            let paths: Vec<&Path> = parts.iter().map(PathBuf::as_path).collect();
            let merged = edited(&paths, &inside(&folder, &format!("{}-whole", text(&out))), &[]);
            assert_eq!(normal(&merged), normal(&first), "{how}");
            // Whatever was split says so, and whose connections it has.
            let header = header_of(&parts[0]);
            assert_eq!(header["connections_of"], format!("s{seed}"), "{how}");
            assert!(header["history"][0]["part"].is_string(), "{how}");
        }
    }
}

#[test]
fn parts_by_clients_have_whole_ones_and_parts_by_time_their_window() {
    let folder = folder();
    let first = session(&folder, "first", 3);
    edited(&[&first], &inside(&folder, "clients"), &["--split-by", "client-hash:3"]);
    let clients = parts(&inside(&folder, "clients")).into_iter().map(|part| {
        let mut clients: Vec<String> = exchanges(&part).iter().map(|line| line["client"].to_string()).collect();
        clients.sort();
        clients.dedup();
        clients
    });
    let mut all: Vec<String> = clients.flatten().collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert!(count == all.len() && count > 3, "a client is in two parts");

    edited(&[&first], &inside(&folder, "time"), &["--split-by", "time:20ms"]);
    for (number, part) in (0..).zip(parts(&inside(&folder, "time"))) {
        let window = 20 * MS * number..20 * MS * (number + 1);
        let (from, to) = (format!("{}ms", 20 * number), format!("{}ms", 20 * (number + 1)));
        for line in exchanges(&part) {
            assert!(window.contains(&line["instants_ns"]["request_start"].as_u64().unwrap()), "{line}");
        }
        let cut = edited(&[&first], &inside(&folder, &from), &["--from", &from, "--to", &to]);
        assert_eq!(normal(&cut).0, normal(&part).0);
    }
}

#[test]
fn sessions_are_merged_by_their_clocks_and_connections_stay_apart() {
    let folder = folder();
    let at = |connection: u64, source, id, ms: u64| {
        let mut exchange = random(1)[0].clone();
        let head = exchange.instants;
        exchange.move_by(0);
        exchange.instants.request_start = ms * MS;
        exchange.instants.request_head = ms * MS;
        exchange.instants.request_end = Some(ms * MS);
        exchange.instants.response_start = head.response_start.map(|_| ms * MS + 1);
        exchange.instants.response_head = exchange.instants.response_start;
        exchange.instants.response_end = exchange.instants.response_start;
        exchange.connection = connection;
        exchange.client = ClientKey { source, id };
        exchange
    };
    let (peer, connection) = (KeySource::Peer, KeySource::Connection);
    let a: Vec<Exchange> = vec![at(1, peer, 7, 10), at(2, connection, 9, 30), at(1, peer, 7, 50)];
    let b: Vec<Exchange> = vec![at(1, peer, 7, 0), at(2, connection, 9, 10), at(2, connection, 9, 25)];
    let later = SessionHeader { started_unix_ns: NINE_NS + 15 * MS, upstream: Some("b:1".into()), ..header("b") };
    let a = write(&inside(&folder, "a"), SessionHeader { upstream: Some("a:1".into()), ..header("a") }, &a, &[]);
    let b = write(&inside(&folder, "b"), later, &b, &[(1, gap(0, 5 * MS, 3))]);
    let both = edited(&[&b, &a], &inside(&folder, "both"), &[]);
    let starts: Vec<u64> =
        exchanges(&both).iter().map(|line| line["instants_ns"]["request_start"].as_u64().unwrap() / MS).collect();
    assert_eq!(starts, [10, 15, 25, 30, 40, 50]);
    let of = |field: &str| exchanges(&both).iter().map(|line| line[field].to_string()).collect::<Vec<_>>();
    let (connections, clients) = (of("connection"), of("client"));
    // In the order of time: a1 b1 b2 a2 b2 a1.
    let same = |values: &[String], a: usize, b: usize| values[a] == values[b];
    assert!(same(&connections, 0, 5) && same(&connections, 2, 4), "{connections:?}");
    assert!(!same(&connections, 0, 1) && !same(&connections, 2, 3), "{connections:?}");
    assert!(same(&clients, 0, 1) && same(&clients, 2, 4) && !same(&clients, 2, 3), "{clients:?}");
    let gap = lines(&both).into_iter().find(|line| line["type"] == "gap").unwrap();
    assert_eq!((&gap["from_ns"], &gap["to_ns"]), (&json!(15 * MS), &json!(20 * MS)));
    let header = header_of(&both);
    assert_eq!(header["started_unix_ns"], NINE_NS);
    assert_eq!(header["upstream"], "b:1, a:1");
    let sources: Vec<&Value> = header["history"][0]["sources"].as_array().unwrap().iter().collect();
    assert_eq!(sources.iter().map(|source| &source["session_id"]).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn what_is_damaged_is_read_past_and_becomes_a_gap() {
    let folder = folder();
    let first = write(&inside(&folder, "first"), header("first"), &random(5), &[]);
    let intact = exchanges(&first).len();
    let segment = scripted::segment(&first);
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&segment, &bytes).unwrap();
    let out = inside(&folder, "out");
    let said = edit([&*text(&first), "-o", &text(&out), "--json"]);
    assert_eq!(said.code, 3, "{said:?}");
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(summary["gaps"]["found"], 1, "{summary}");
    let gaps: Vec<Value> = lines(&out).into_iter().filter(|line| line["type"] == "gap").collect();
    assert_eq!((gaps.len(), &gaps[0]["reason"]), (1, &json!("damaged_block")));
    let lost = gaps[0]["exchanges"].as_u64().unwrap();
    assert!(lost > 0 && exchanges(&out).len() as u64 + lost == intact as u64, "{gaps:?}");
    assert!(gaps[0]["from_ns"].as_u64() < gaps[0]["to_ns"].as_u64(), "{gaps:?}");
    assert_eq!(reenact_says(["verify", &text(&out)]).code, 0);

    // What stands between records and costs nothing is no gap.
    let mut with_garbage = fs::read(&segment).unwrap();
    with_garbage[middle] ^= 0xff;
    let begin = with_garbage.windows(5).rposition(|five| five == b"\xaerec\x02").unwrap();
    with_garbage.splice(begin..begin, *b"garbage");
    fs::write(&segment, &with_garbage).unwrap();
    let out = inside(&folder, "with-garbage");
    let said = edit([&*text(&first), "-o", &text(&out)]);
    assert!(said.code == 3 && said.err.contains("0 exchanges are lost"), "{said:?}");
    assert_eq!((exchanges(&out).len(), lines(&out).iter().filter(is("gap")).count()), (intact, 0));

    // Cut off: a recorder that was killed.
    fs::write(&segment, &bytes[..middle / 2]).unwrap();
    let out = inside(&folder, "killed");
    let said = edit([&*text(&first), "-o", &text(&out)]);
    assert_eq!(said.code, 3, "{said:?}");
    let last = lines(&out).pop().unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("gap"), &json!("unfinished")));
    // The write that was cut off is of it, and it is told once, also where what was made is made into another.
    let found = |session: &Path| -> Vec<Value> { lines(session).iter().filter(is("gap")).cloned().collect() };
    assert_eq!(found(&out), found(&first));
    assert_eq!(found(&out).len(), 1);
    assert!(last["bytes"].as_u64().unwrap() > 0 && last["exchanges"] == 0, "{last}");
    let again = edited(&[&out], &inside(&folder, "again"), &[]);
    assert_eq!(found(&again), found(&first));
}

#[test]
fn gaps_are_kept_where_something_is_kept() {
    let folder = folder();
    let exchanges = random(2);
    let gaps: Vec<(usize, _)> =
        [(0, 5), (8, 12), (30, 40), (55, 61), (60, 70)].map(|(from, to)| (1, gap(from * MS, to * MS, from))).into();
    let first = write(&inside(&folder, "first"), header("first"), &exchanges, &gaps);
    let cut = edited(&[&first], &inside(&folder, "cut"), &["--from", "10ms", "--to", "60ms"]);
    let kept: Vec<Value> = lines(&cut).iter().filter(is("gap")).map(|gap| gap["bytes"].clone()).collect();
    assert_eq!(kept, [8, 30, 55]);
    let said = edit([&*text(&first), "-o", &text(&inside(&folder, "thin")), "--sample", "50%"]);
    assert!(said.err.contains("5 gaps stay as they are"), "{said:?}");
}

#[test]
fn the_clock_is_moved_and_nothing_else() {
    let folder = folder();
    let first = session(&folder, "first", 6);
    for (option, started) in [
        ("--shift=-1h", NINE_NS - 3_600_000 * MS),
        ("--shift=90s", NINE_NS + 90_000 * MS),
        ("--start=2026-11-23T10:00:00Z", NINE_NS + 3_600_000 * MS),
    ] {
        let moved = edited(&[&first], &inside(&folder, option), &[option]);
        assert_eq!(header_of(&moved)["started_unix_ns"], started, "{option}");
        assert_eq!(lines(&moved)[0]["instants_ns"], lines(&first)[0]["instants_ns"]);
        // The same users an hour later do not come on the same connections.
        assert!(header_of(&moved).get("connections_of").is_none());
    }
    let twice = edited(&[&first, &inside(&folder, "--shift=90s")], &inside(&folder, "twice"), &[]);
    let connections = |path: &Path| {
        let mut all: Vec<u64> = exchanges(path).iter().map(|line| line["connection"].as_u64().unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    };
    assert_eq!(connections(&twice), 2 * connections(&first));
}

#[test]
fn time_may_be_told_by_the_clock() {
    let folder = folder();
    let first = session(&folder, "first", 7);
    let clock = ["--from", "2026-11-23T09:00:00.012Z", "--to", "2026-11-23T09:00:00.050Z"];
    let by_clock = edited(&[&first], &inside(&folder, "clock"), &clock);
    let by_offset = edited(&[&first], &inside(&folder, "offset"), &["--from", "12ms", "--to", "50ms"]);
    assert_eq!(lines(&by_clock), lines(&by_offset));
    let left = exchanges(&by_clock).len();
    assert!(left > 0 && left < exchanges(&first).len());
}

#[test]
fn filters_keep_and_leave_out_what_cat_says_that_they_describe() {
    let folder = folder();
    let first = session(&folder, "first", 11);
    let filter = "method = GET or request.size > 100";
    let described = |session: &Path| {
        let said = reenact_says(["cat", &text(session), "--filter", filter]);
        said.out.lines().filter(|line| line.contains(r#""type":"exchange""#)).count()
    };
    let kept = edited(&[&first], &inside(&folder, "kept"), &["--filter", filter]);
    let left = edited(&[&first], &inside(&folder, "left"), &["--exclude", filter]);
    let count = |session: &Path| exchanges(session).len();
    assert_eq!((described(&kept), described(&left)), (count(&kept), 0));
    assert_eq!((count(&kept), count(&kept) + count(&left)), (described(&first), count(&first)));
    assert!(count(&kept) > 0 && count(&left) > 0);
    let said = edit([&*text(&left), "-o", &text(&inside(&folder, "same")), "--exclude", filter]);
    assert!(said.code == 0 && said.err.contains("--exclude left nothing out"), "{said:?}");
    assert_eq!(header_of(&kept)["history"][0]["options"], json!([format!("--filter {filter}")]));
}

#[test]
fn nothing_kept_is_an_empty_session_and_a_warning() {
    let folder = folder();
    let first = session(&folder, "first", 8);
    let out = inside(&folder, "out");
    let said = edit([&*text(&first), "-o", &text(&out), "--from", "1h"]);
    assert!(said.code == 0 && said.err.contains("nothing was kept"), "{said:?}");
    assert_eq!((lines(&out).len(), reenact_says(["verify", &text(&out)]).code), (0, 0));
}

#[test]
fn what_cannot_be_done_is_refused_and_leaves_nothing() {
    let folder = folder();
    let first = session(&folder, "first", 9);
    let [one, out] = [text(&first), text(&inside(&folder, "out"))];
    let unknown = write(&inside(&folder, "unknown"), SessionHeader::default(), &random(1), &[]);
    let far = {
        let mut exchange = random(1)[0].clone();
        exchange.connection = u64::MAX / 2 + 1;
        text(&write(&inside(&folder, "far"), header("far"), &[exchange], &[]))
    };
    let before = files(folder.path());
    let within = format!("{one}/out");
    let check = |arguments: &[&str], expected: &str| {
        let said = edit(arguments.iter().copied());
        assert!(said.code == 2 && said.err.contains(expected), "{arguments:?}: {said:?}");
        let mut now = files(folder.path());
        now.retain(|file| !before.contains(file));
        assert!(now.is_empty() && !Path::new(&out).exists(), "{arguments:?}: {now:?}");
    };
    check(&[&one], "--out");
    check(&[&one, "-o", &one], "is inside");
    check(&[&one, "-o", &text(&unknown)], "is not empty");
    check(&[&one, "-o", &within], "is inside");
    check(&[&one, &one, "-o", &out], "is given twice");
    check(&[&one, &text(&unknown), "-o", &out], "when");
    check(&[&one, &far, "-o", &out], "too large a number");
    check(&[&one, "-o", &out, "--from", "2m", "--to", "1m"], "--from is not before --to");
    check(&[&one, "-o", &out, "--redact-key", "env:NAME"], "--redact is not there");
    check(&[&one, "-o", &out, "--seal", "age1x"], "--redact is not there");
    check(&[&one, "-o", &out, "--shift", "1h", "--start", "2026-11-23T10:00:00Z"], "both move the clock");
    check(&[&one, "-o", &out, "--shift=-100000h", "--shift=-600000h"], "cannot be used multiple times");
    check(&[&one, "-o", &out, "--shift=-600000h"], "before 1970");
    check(&[&one, "-o", &out, "--split-by", "time:1us"], "more than 64 parts");
    check(&[&one, "-o", &out, "--split-by", "client-hash:65"], "no number of parts");
    check(&[&one, "-o", &out, "--split-by", "time:1s", "--compact"], "--compact");
    check(&[&one, "-o", &out, "--block-size", "1"], "a block has from 4.0 KiB to 32.0 MiB");
    check(&[&one, "-o", &out, "--level", "23"], "1..=22");
    check(&[&one, "-o", &out, "--sample", "0%"], "no share");
    check(&[&one, "-o", &out, "--drop-bodies", "images"], "names no bodies");
    check(&[&one, "-o", &out, "--rewrite"], "--config");
    let rules = inside(&folder, "rules.toml");
    let bad = |rules_text: &str, expected: &str| {
        fs::write(&rules, rules_text).unwrap();
        let said = edit([&one, "-o", &out, "--rewrite", "--config", &text(&rules)]);
        assert!(said.code == 2 && said.err.contains(expected) && !Path::new(&out).exists(), "{rules_text}: {said:?}");
    };
    bad("", "has no [[rewrite]] table");
    bad("[[rewrite]]\nset_header = { A = '{{copy}}' }", "rewrite rule 1 (line 1) puts in what differs between copies");
    bad("[[rewrite]]\nset_haeder = { A = 'b' }", "set_haeder");
}

#[test]
fn parts_do_not_take_a_name_that_is_taken() {
    let folder = folder();
    let first = session(&folder, "first", 9);
    let out = inside(&folder, "out");
    fs::create_dir(inside(&folder, "out-002")).unwrap();
    fs::write(inside(&folder, "out-002").join("kept"), "x").unwrap();
    let said = edit([&*text(&first), "-o", &text(&out), "--split-by", "client-hash:2"]);
    assert!(said.code == 2 && said.err.contains("out-002 is not empty"), "{said:?}");
    // What another edit left behind is not removed by this one.
    fs::create_dir(inside(&folder, "out.partial")).unwrap();
    let said = edit([&*text(&first), "-o", &text(&out)]);
    assert!(said.code == 2 && said.err.contains("out.partial"), "{said:?}");
    assert!(inside(&folder, "out.partial").exists());
}

#[test]
fn compact_is_smaller_and_says_the_same() {
    let folder = folder();
    let first = session(&folder, "first", 10);
    let small = edited(&[&first], &inside(&folder, "small"), &["--compact"]);
    let (mut before, mut after) = (normal(&first), normal(&small));
    before.1.sort();
    after.1.sort();
    assert_eq!(before, after);
    let plain = edited(&[&first], &inside(&folder, "plain"), &[]);
    let bytes = |path: &Path| files(path).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
    assert!(bytes(&small) < bytes(&plain), "{} {}", bytes(&small), bytes(&plain));
}

#[test]
fn a_rewritten_body_is_planned_with_its_own_length() {
    let folder = folder();
    let message = |head: &'static str, body: &'static str| formats::model::Message {
        head: head.into(),
        framing: formats::model::Framing::Length,
        body: formats::model::Body { bytes: body.into(), total_len: body.len() as u64, ..Default::default() },
        ..Default::default()
    };
    let instants =
        formats::model::Instants { request_start: 1, request_head: 1, request_end: Some(1), ..Default::default() };
    let exchange = Exchange {
        request: message("PUT /old/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n", "stage one"),
        instants,
        ..Exchange::default()
    };
    let first = write(&inside(&folder, "first"), header("first"), &[exchange], &[]);
    let rules = inside(&folder, "rules.toml");
    let text_of_rules = "[[rewrite]]\nreplace_path = { from = '^/old', to = '/new' }\nreplace_body = { from = 'one', to = 'seventeen' }\n[[rewrite]]\nmethod = 'PATCH'\nremove_header = ['A']\n";
    fs::write(&rules, text_of_rules).unwrap();
    let out = inside(&folder, "out");
    let said = edit([&text(&first), "-o", &text(&out), "--rewrite", "--config", &text(&rules)]);
    assert!(said.code == 0 && said.err.contains("rewritten: 1 requests"), "{said:?}");
    assert!(said.err.contains("warning: rewrite rule 2 (line 4): no request is described by it"), "{said:?}");
    let planned = reenact_says(["plan", &text(&out), "--show", "1", "--unsafe-methods", "send"]).out;
    assert!(planned.contains("PUT /new/1 HTTP/1.1"), "{planned}");
    assert!(planned.contains("Content-Length: 15") && planned.contains("stage seventeen"), "{planned}");
}
