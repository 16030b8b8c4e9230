//! `reenact inspect`: what it says of who is in a session, from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod support;

use formats::model::{ClientKey, Exchange, Gap, GapReason, Instants, KeySource, Message};
use formats::seal::Recipients;
use formats::session::{Edit, Session, SessionHeader, SessionWriter, Source, WriterOptions};
use formats::summary::Ranked;
use serde_json::Value;
use support::{folder, inside, reenact_says, text};

/// A session of these requests, a second apart: client, User-Agent, method and path.
fn session(folder: &tempfile::TempDir, requests: &[(&str, &str, &str)]) -> std::path::PathBuf {
    let lines: Vec<String> = requests
        .iter()
        .enumerate()
        .map(|(second, (client, agent, line))| {
            let (method, path) = line.split_once(' ').unwrap();
            let at = second as u64 * 1_000_000_000;
            serde_json::json!({
                "type": "exchange", "client": client, "connection": 1,
                "instants_ns": {"request_start": at, "request_head": at, "request_end": at},
                "request": {"method": method, "target": path, "version": "HTTP/1.1",
                            "headers": [["Host", "shop"], ["User-Agent", agent]]},
            })
            .to_string()
        })
        .collect();
    let (file, out) = (inside(folder, "lines"), inside(folder, "session"));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let made = reenact_says(["import", "--format", "jsonl", &text(&file), "-o", &text(&out)]);
    assert_eq!(made.code, 0, "{made:?}");
    out
}

fn inspected(session: &std::path::Path) -> (String, Value) {
    let (shown, json) =
        (reenact_says(["inspect", &text(session)]), reenact_says(["inspect", "--json", &text(session)]));
    assert_eq!((shown.code, json.code), (0, 0));
    let json: Value = serde_json::from_str(&json.out).unwrap();
    (shown.out, json[0].clone())
}

#[test]
fn pools_are_named_and_users_are_not() {
    let folder = folder();
    let (pool, user) = ("peer-00000000000000aa", "named-00000000000000bb");
    let (shown, json) = inspected(&session(
        &folder,
        &[
            (pool, "curl/8", "GET /a"),
            (pool, "Firefox", "GET /b"),
            (user, "curl/8", "GET /c"),
            (user, "curl/8", "GET /d"),
        ],
    ));
    let pools: Vec<&str> =
        json["pools"].as_array().unwrap().iter().map(|one| one["client"].as_str().unwrap()).collect();
    assert_eq!(pools, [pool]);
    assert!(
        shown.contains("50.0 %") && shown.contains("several User-Agents") && shown.contains("--client-key"),
        "{shown}"
    );
    let alone = inspected(&session(&self::folder(), &[(user, "curl/8", "GET /a"), (user, "curl/8", "GET /b")]));
    assert!(!alone.0.contains("pools"), "{}", alone.0);
}

#[test]
fn health_checks_are_offered_to_be_left_out() {
    let folder = folder();
    let user = "named-00000000000000bb";
    let (shown, json) = inspected(&session(
        &folder,
        &[
            (user, "kube-probe/1.29", "GET /internal/state?full"),
            (user, "kube-probe/1.29", "GET /internal/state"),
            (user, "Firefox", "GET /healthz"),
            (user, "Firefox", "POST /healthz"),
            (user, "Firefox", "GET /health-food"),
        ],
    ));
    assert!(shown.contains("--exclude 'GET /internal/state'"), "{shown}");
    let checks: Vec<(&str, u64)> = json["health_checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["exclude"].as_str().unwrap(), one["exchanges"].as_u64().unwrap()))
        .collect();
    assert_eq!(checks, [("GET /healthz", 1), ("GET /internal/state", 2)]);
}

#[test]
fn the_busiest_endpoint_is_told_among_more_than_have_rows() {
    let folder = folder();
    // Who has a row is drawn by lot, and this one never wins.
    let busy = (0..1_000).map(|number| format!("GET /busy/n{number}z")).max_by_key(|name| Ranked::new(name)).unwrap();
    // No place has so many values that a template would be learned.
    let path = |number: u32| {
        let digit = |place: u32| char::from(b'g' + u8::try_from(number / 15u32.pow(place) % 15).unwrap());
        format!("GET /{}/{}/{}/{}", digit(0), digit(1), digit(2), digit(3))
    };
    let paths: Vec<String> =
        (0..4_000).map(|number| if number % 4 == 0 { busy.clone() } else { path(number) }).collect();
    let requests: Vec<(&str, &str, &str)> = paths.iter().map(|line| ("named-01", "Firefox", line.as_str())).collect();
    let (shown, json) = inspected(&session(&folder, &requests));
    let endpoints = json["endpoints"].as_array().unwrap();
    let counted: u64 = endpoints.iter().map(|row| row["exchanges"].as_u64().unwrap()).sum();
    assert_eq!((endpoints.len(), counted, &json["exchanges"]), (1_001, 4_000, &4_000.into()));
    let busiest = shown.lines().skip_while(|line| !line.contains("endpoint ")).nth(1).unwrap();
    let about = busiest.split_whitespace().last().unwrap().replace(',', "").parse::<u64>().unwrap();
    assert!(busiest.contains(&busy) && busiest.contains('≈') && about.abs_diff(1_000) < 350, "{busiest}");
    assert_eq!(json["endpoints_without_a_row"][0]["endpoint"], *busy);
}

#[test]
fn lines_fit_a_terminal_of_any_width() {
    let folder = folder();
    let long = format!("GET /{}", "long/".repeat(60));
    let path = session(&folder, &[("named-01", "Firefox", &long), ("named-02", "kube-probe/1", "GET /internal/state")]);
    for columns in [60, 80, 140] {
        let said = support::run(support::reenact(["inspect", &text(&path)]).env("COLUMNS", columns.to_string()));
        // The path of the session is one word.
        let widest = said.out.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns.max(72), "{columns}: {}", said.out);
    }
}

/// A session of many segments as a recorder makes them, with clients, endpoints and a gap, and its last one unfinished
/// if `killed`.
fn segments(folder: &tempfile::TempDir, killed: bool) -> std::path::PathBuf {
    let out = inside(folder, "segments");
    let options =
        WriterOptions { block_bytes: 4_000, segment_bytes_max: 5_000, sync: false, ..WriterOptions::default() };
    let mut writer = SessionWriter::create(&out, SessionHeader::default(), options).unwrap();
    for number in 0..2_000 {
        writer.append(&mut exchange(number)).unwrap();
    }
    let gap = Gap { reason: GapReason::QueueFull, from_ns: 1, to_ns: 2, connections: 3, exchanges: 4, bytes: 5 };
    writer.gap(&gap).unwrap();
    if killed {
        writer.flush().unwrap();
        drop(writer);
    } else {
        assert!(writer.finish().unwrap().segments > 5);
    }
    out
}

fn exchange(number: u64) -> Exchange {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let head = format!("GET /items/{}x HTTP/1.1\r\nHost: shop\r\nX-Random: {random:x}\r\n\r\n", number % 40);
    let instants = Instants {
        request_start: number * 10_000_000,
        request_head: number * 10_000_000,
        response_end: Some(number * 10_000_000 + random % 9_000_000),
        ..Instants::default()
    };
    Exchange {
        client: ClientKey { source: KeySource::Peer, id: number % 30 },
        connection: number % 50,
        request: Message { head: head.into(), ..Message::default() },
        response: Some(Message { head: "HTTP/1.1 200 OK\r\n\r\n".into(), ..Message::default() }),
        instants,
        ..Exchange::default()
    }
}

/// What `inspect --json` says with these arguments but for how much it read, and its exit code and standard error.
fn facts(session: &std::path::Path, more: &[&str]) -> (Value, u64, i32, String) {
    let session = text(session);
    let said = reenact_says([&["inspect", "--json", &session], more].concat());
    let mut json: Value = serde_json::from_str(&said.out).unwrap();
    let scanned = json[0].as_object_mut().unwrap().remove("segments_scanned").unwrap().as_u64().unwrap();
    (json[0].take(), scanned, said.code, said.err)
}

#[test]
fn the_ends_of_segments_say_what_reading_everything_comes_to() {
    for killed in [false, true] {
        let folder = folder();
        let session = segments(&folder, killed);
        let (told, read, code, _) = facts(&session, &[]);
        let (counted, all, code_of_all, _) = facts(&session, &["--scan"]);
        assert_eq!(told, counted);
        assert_eq!((read, all), (u64::from(killed), counted["segments"].as_u64().unwrap()));
        // What is missing of it is found alike, and is no gap of the recorder's.
        let found = &told["gaps"][1];
        let last_ns = told["gaps"][1]["from_ns"].as_u64();
        let expected = serde_json::json!({
            "reason": "unfinished", "gaps": 1, "connections": 0, "exchanges": 0, "bytes": 0,
            "from_ns": last_ns, "to_ns": last_ns,
        });
        assert_eq!(found, if killed { &expected } else { &Value::Null });
        assert_eq!(last_ns, killed.then_some(exchange(1_999).last_ns()));
        let loss = if killed { 3 } else { 0 };
        assert_eq!((code, code_of_all), (loss, loss));
        assert_eq!(
            (&told["exchanges"], &told["clients"], &told["gaps"][0]["exchanges"]),
            (&2_000.into(), &30.into(), &4.into())
        );
    }
}

#[test]
fn blocks_are_not_read_unless_all_is_asked_for() {
    let folder = folder();
    let session = segments(&folder, false);
    let whole = facts(&session, &[]).0;
    let segment = session.join("00000002.reenact");
    let opened = Session::open(&segment).unwrap();
    let place = usize::try_from(opened.indexes().next().unwrap().unwrap().unwrap().blocks[0].offset).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[place..place + 1_000].fill(0);
    std::fs::write(&segment, bytes).unwrap();
    let (told, scanned, code, _) = facts(&session, &[]);
    assert_eq!((told, scanned, code), (whole, 0, 0));
    let shown = reenact_says(["inspect", &text(&session)]).out;
    assert!(shown.contains("the blocks of") && shown.contains("(verify checks them)"), "{shown}");
    let (counted, _, code, said) = facts(&session, &["--scan"]);
    assert!(
        counted["exchanges"].as_u64().unwrap() < 2_000 && code == 3 && said.contains("exchanges are lost"),
        "{said}"
    );
    let shown = reenact_says(["inspect", "--scan", &text(&session)]).out;
    assert!(!shown.contains("not checked"), "{shown}");
}

#[test]
fn a_segment_whose_end_contradicts_itself_is_read() {
    let folder = folder();
    let session = segments(&folder, false);
    let whole = facts(&session, &[]).0;
    // The second segment ends with the summary of the last one, which holds fewer exchanges.
    let (second, last) = (session.join("00000002.reenact"), Session::open(&session).unwrap().segments().to_vec());
    let last = last.last().unwrap();
    let (mut bytes, other) = (std::fs::read(&second).unwrap(), std::fs::read(last).unwrap());
    let summary_at = |bytes: &[u8]| {
        let word = bytes[bytes.len() - 16..][..8].try_into().unwrap();
        usize::try_from(u64::from_le_bytes(word)).unwrap()
    };
    let (from, end) = (summary_at(&bytes), bytes.len() - 44);
    bytes.splice(from..end, other[summary_at(&other)..other.len() - 44].iter().copied());
    std::fs::write(&second, bytes).unwrap();
    let summaries: Vec<_> = Session::open(&session).unwrap().summaries().map(|one| one.unwrap().unwrap()).collect();
    assert_eq!(Some(&summaries[1]), summaries.last());
    let (told, scanned, ..) = facts(&session, &[]);
    assert_eq!((told == whole, scanned), (true, 1));
}

#[test]
fn endpoints_have_the_names_of_given_and_learned_templates() {
    let folder = folder();
    let users: Vec<String> = (0..60).map(|number| format!("GET /users/u{number}x/orders/{number}")).collect();
    let items: Vec<String> = (0..20).map(|number| format!("POST /shop-{number}/cart")).collect();
    let requests: Vec<_> =
        users.iter().chain(&users).chain(&items).map(|line| ("named-01", "Firefox", line.as_str())).collect();
    let path = session(&folder, &requests);
    let named = |more: &[&str]| {
        let (json, ..) = facts(&path, more);
        let rows = json["endpoints"].as_array().unwrap().iter();
        let rows: Vec<(String, u64)> = rows
            .map(|row| (row["endpoint"].as_str().unwrap().to_owned(), row["exchanges"].as_u64().unwrap()))
            .collect();
        (rows, json["templates"].clone())
    };
    let (rows, templates) = named(&[]);
    assert_eq!((rows.len(), &rows[0]), (21, &("GET /users/{id}/orders/{id}".to_owned(), 120)));
    assert_eq!(templates["learned"], serde_json::json!([{"template": "/users/{id}", "exchanges": 120, "values": 60}]));
    let (rows, templates) = named(&["--template", "/users/{name}", "--template", "/shop-{shop}/cart"]);
    let expected = [("GET /users/{name}/orders/{id}".to_owned(), 120), ("POST /shop-{shop}/cart".to_owned(), 20)];
    assert_eq!((rows.as_slice(), &templates["learned"]), (&expected[..], &serde_json::json!([])));
    assert_eq!(rows, named(&["--scan", "--template", "/users/{name}", "--template", "/shop-{shop}/cart"]).0);
    let shown = reenact_says(["inspect", &text(&path)]).out;
    let line = shown.lines().skip_while(|line| !line.contains("learned template")).nth(1).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["/users/{id}", "120", "60"]);
    let from_environment =
        support::run(support::reenact(["inspect", &text(&path)]).env("REENACT_TEMPLATE", "/users/{who} /x/{y}")).out;
    assert!(from_environment.contains("GET /users/{who}/orders/{id}"), "{from_environment}");
    let refused = reenact_says(["inspect", "--template", "/a/{b}", "--template", "/a/{c}", &text(&path)]);
    assert!(refused.code == 2 && refused.err.contains("calls the same place"), "{}", refused.err);
}

#[test]
fn more_users_than_have_rows_are_one_endpoint_all_the_same() {
    let folder = folder();
    let users: Vec<String> = (0..2_500).map(|number| format!("GET /users/u{number}x")).collect();
    let requests: Vec<_> = users.iter().map(|line| ("named-01", "Firefox", line.as_str())).collect();
    let path = session(&folder, &requests);
    let (json, ..) = facts(&path, &[]);
    let rows: Vec<_> =
        json["endpoints"].as_array().unwrap().iter().map(|row| (&row["endpoint"], &row["exchanges"])).collect();
    assert_eq!(rows, [(&"GET /users/{id}".into(), &1_000.into()), (&"(other endpoints)".into(), &1_500.into())]);
    assert_eq!(json["endpoints_without_a_row"], serde_json::json!([{"endpoint": "GET /users/{id}", "about": 1_500}]));
    assert_eq!(json["templates"]["from_rows_only"], true);
    let shown = reenact_says(["inspect", &text(&path)]).out;
    assert!(shown.contains("≈ 2,500") && shown.contains("(those without a row)"), "{shown}");
}

#[test]
fn how_a_session_was_made_is_shown() {
    const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    let folder = folder();
    let out = inside(&folder, "encrypted");
    let source = Source {
        session_id: "5e551017c0ffee01".into(),
        created_by: "reenact 0.1.0 record".into(),
        sample_millionths: Some(250_000),
        exclude: vec!["GET /healthz".into()],
        ..Source::default()
    };
    let step = Edit {
        by: "reenact 0.1.0 edit".into(),
        options: vec!["--to".into(), "10m".into()],
        sources: vec![source],
        ..Edit::default()
    };
    let header =
        SessionHeader { session_id: "0123456789abcdef".into(), history: vec![step], ..SessionHeader::default() };
    let recipients = Recipients::parse(&[RECIPIENT]).unwrap();
    let mut writer = SessionWriter::create_for(&out, header, WriterOptions::default(), Some(recipients)).unwrap();
    writer.append(&mut exchange(1)).unwrap();
    writer.finish().unwrap();
    let key = inside(&folder, "key");
    std::fs::write(&key, IDENTITY).unwrap();
    let refused = reenact_says(["inspect", &text(&out)]);
    assert!(refused.code == 2 && refused.err.contains("--identity"), "{}", refused.err);
    let identity = format!("file:{}", text(&key));
    let said = support::run(support::reenact(["inspect", "--identity", &identity, &text(&out)]).env("COLUMNS", "500"));
    let expected = "by reenact 0.1.0 edit of session 5e551017c0ffee01 (reenact 0.1.0 record, sample: 25.0000 % of the clients, excluded: GET /healthz): --to 10m";
    assert!(said.code == 0 && said.out.replace("\n                  ", " ").contains(expected), "{}", said.out);
    assert!(said.out.contains("to age recipients"), "{}", said.out);
    let (json, scanned, ..) = facts(&out, &["--identity", &identity]);
    assert_eq!((&json["encrypted"], &json["exchanges"], scanned), (&true.into(), &1.into(), 0));
}
