//! Record, replay, record again: the second session is the first one up to times, trace context and what rewriting
//! documents, whatever the traffic; and every copy of a larger replay is it, too.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use formats::coding::{codings, decode};
use formats::head::{fields, value};
use formats::jsonl::{Line, from_line};
use formats::model::{Body, Exchange, Message};
use support::{folder, inside, reenact_says, run_json, text};
use traffic::answerer::{Arrival, Arrivals, answerer};
use traffic::{
    HOSTS, Random, SECRET, Seed, TRACE_FIELDS, connection_of, framed, host_of, id_of, imported, random_session,
};

/// Where a replay sends what was recorded for each of [`HOSTS`]: names for the port of one address.
struct Targets([String; 3]);

impl Targets {
    fn at(address: &str) -> Self {
        let port = address.rsplit_once(':').unwrap().1;
        Self(["one", "two", "three"].map(|name| format!("{name}.test:{port}")))
    }

    /// The options that say so. What names no host goes to the first one.
    fn options(&self) -> Vec<String> {
        let mut options = vec!["--target".to_owned(), format!("http://{}", self.0[0])];
        for (host, target) in HOSTS.iter().zip(&self.0) {
            let map = format!("{host}=http://{target}");
            options.extend(["--map".to_owned(), map, "--resolve".to_owned(), format!("{target}:127.0.0.1")]);
        }
        options
    }
}

/// What docs/rewriting.md says becomes of a recorded head, without the fields of the new trace.
fn rewritten(head: &[u8], targets: &Targets) -> Vec<u8> {
    let mut lines = head[..head.len() - 2].split_inclusive(|byte| *byte == b'\n');
    let start = lines.next().unwrap();
    let (method, target) = start.split_at(start.iter().position(|byte| *byte == b' ').unwrap() + 1);
    let moved = |url: &[u8]| {
        let found = HOSTS.iter().zip(&targets.0).find_map(|(host, target)| {
            let path = url.strip_prefix(format!("http://{host}").as_bytes())?;
            let ends = path.first().is_none_or(|byte| *byte == b'/');
            ends.then(|| [b"http://", target.as_bytes(), path].concat())
        });
        found.unwrap_or_else(|| url.to_vec())
    };
    let mut out = [method, &moved(target)].concat();
    for line in lines {
        let text = line.strip_suffix(b"\n").unwrap();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let colon = text.iter().position(|byte| *byte == b':').unwrap();
        let from = text.len() - text[colon + 1..].trim_ascii_start().len();
        let to = from.max(text.trim_ascii_end().len());
        let value = match &String::from_utf8_lossy(&text[..colon]).to_ascii_lowercase()[..] {
            name if TRACE_FIELDS.contains(&name) || name == "proxy-authorization" => continue,
            "host" => targets.0[host_of(head)].clone().into(),
            "user-agent" => [&text[from..to], b" reenact/", env!("CARGO_PKG_VERSION").as_bytes()].concat(),
            "origin" | "referer" => moved(&text[from..to]),
            _ => text[from..to].to_vec(),
        };
        out.extend_from_slice(&[&line[..from], &value, &line[to..]].concat());
    }
    out
}

/// A head that a replay sent, without the fields of its trace; and the ids of trace and span, which come last.
#[track_caller]
fn taken_apart(head: &[u8], run_id: &str) -> (Vec<u8>, String, String) {
    let marks = format!(
        "-03\r\ntracestate: reenact={run_id}\r\nbaggage: synthetic_request=true,reenact.run_id={run_id}\r\n\r\n"
    );
    let shown = head.escape_ascii();
    let rest = head.strip_suffix(marks.as_bytes()).unwrap_or_else(|| panic!("{shown} does not end in {marks}"));
    let (rest, context) = rest.split_at(rest.len() - 65);
    let ids = context.strip_prefix(b"traceparent: 00-").unwrap_or_else(|| panic!("{shown}"));
    let ids = String::from_utf8(ids.to_vec()).unwrap();
    (rest.to_vec(), ids[..32].to_owned(), ids[33..].to_owned())
}

/// Secrets and pseudonyms as the number of their first appearance, and the rest as text.
fn numbered(text: &[u8], known: &mut Vec<Vec<u8>>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((first, after)) = rest.split_first() {
        let prefix = [SECRET, "redacted-"].into_iter().find(|prefix| rest.starts_with(prefix.as_bytes()));
        if let Some((secret, after)) = prefix.and_then(|prefix| rest.split_at_checked(prefix.len() + 22)) {
            let number = known.iter().position(|one| one == secret).unwrap_or(known.len());
            if number == known.len() {
                known.push(secret.to_vec());
            }
            out += &format!("<{number}>");
            rest = after;
        } else {
            out += &[*first].escape_ascii().to_string();
            rest = after;
        }
    }
    out
}

/// Whether what is the same on the one side is the same on the other, and only that.
#[track_caller]
fn check_one_to_one<A: Ord + Clone + std::fmt::Debug, B: Ord + Clone + std::fmt::Debug>(what: &str, pairs: &[(A, B)]) {
    let pairs: BTreeSet<_> = pairs.iter().cloned().collect();
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = pairs.iter().cloned().unzip();
    assert!(a.len() == pairs.len() && b.len() == pairs.len(), "{what}: {pairs:?}");
}

/// A body without its codings; what was redacted has none any more.
fn decoded(message: &Message) -> Vec<u8> {
    match message.body.redacted {
        Some(_) => message.body.bytes.to_vec(),
        None => without_codings(&message.head, &message.body.bytes),
    }
}

fn without_codings(head: &[u8], content: &[u8]) -> Vec<u8> {
    let field = value(head, "content-encoding").filter(|_| !content.is_empty()).unwrap_or_default();
    decode(content, &codings(field).unwrap(), content.len() * 99 + 999).unwrap().0
}

/// Whether a rule of the redaction applies to the body.
fn is_secret(message: &Message) -> bool {
    decoded(message).windows(SECRET.len()).any(|text| text == SECRET.as_bytes())
}

/// A body as it came, without framing and codings; and its trailers.
fn taken_out(arrival: &Arrival) -> (Vec<u8>, &[u8]) {
    let (mut content, mut rest) = (Vec::new(), &arrival.body[..]);
    if value(&arrival.head, "transfer-encoding").is_none() {
        return (without_codings(&arrival.head, rest), b"");
    }
    loop {
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let size = usize::from_str_radix(std::str::from_utf8(rest[..line].trim_ascii_end()).unwrap(), 16).unwrap();
        rest = &rest[line..];
        if size == 0 {
            return (without_codings(&arrival.head, &content), rest);
        }
        content.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

/// A head without what Content-Length says.
fn without_length(head: &[u8]) -> Vec<u8> {
    let mut out = head.to_vec();
    if let Some(field) = fields(head).find(|field| field.is("content-length")) {
        out.drain(field.value_at);
    }
    out
}

/// Ids of each connection to a host in order, each with whether it came before the answer before it had ended.
fn connections(exchanges: &[Exchange]) -> Vec<Vec<(u64, bool)>> {
    let mut connections: BTreeMap<(u64, usize), Vec<(u64, bool)>> = BTreeMap::new();
    let mut ends: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    for one in exchanges {
        let key = connection_of(one);
        let before = ends.insert(key, one.instants.response_end.unwrap());
        let is_pipelined = before.is_some_and(|before| one.instants.request_start < before);
        connections.entry(key).or_default().push((id_of(&one.request.head), is_pipelined));
    }
    let mut connections: Vec<_> = connections.into_values().collect();
    connections.sort();
    connections
}

/// Ids of each connection of what arrived, in order; with the copies whose connection it was.
fn arrived_connections(arrivals: &[Arrival]) -> Vec<(Vec<u64>, BTreeSet<Vec<u8>>)> {
    let mut connections: BTreeMap<usize, (Vec<u64>, BTreeSet<Vec<u8>>)> = BTreeMap::new();
    for one in arrivals {
        let connection = connections.entry(one.connection).or_default();
        connection.0.push(one.id);
        connection.1.extend(value(&one.head, "x-copy").map(<[u8]>::to_vec));
    }
    let mut connections: Vec<_> = connections.into_values().collect();
    connections.sort();
    connections
}

/// What `cat` prints of a session, in its order.
fn read(session: &Path) -> Vec<Exchange> {
    let printed = reenact_says(["cat", &text(session)]).out;
    assert!(!printed.contains(SECRET) || session.ends_with("first"), "a secret is in {session:?}");
    let exchange = |line: &str| match from_line(line.as_bytes()).unwrap() {
        Line::Exchange(exchange) => Some(exchange),
        _ => None,
    };
    printed.lines().filter_map(exchange).collect()
}

/// Replays at the recorded rate, or as the options say; returns the run's id and what arrived, as it came.
#[track_caller]
fn replay(session: &Path, more: &[String], arrivals: &Arrivals, count: usize) -> (String, Vec<Arrival>) {
    let out = session.with_extension("run");
    // Whoever is slow, as a machine under load is, must not be taken for traffic on more connections.
    let fixed = ["--unsafe-methods", "send", "--when-busy", "queue", "--out"];
    let (session, path) = (text(session), text(&out));
    let fixed = ["replay", &session].into_iter().chain(fixed).chain([&*path]).map(str::to_owned);
    let said = reenact_says(fixed.chain(more.iter().cloned()));
    let run = run_json(&out);
    assert!(said.code == 0 && run["completed"] == count, "{} {} {said:?}", run["errors"], run["left_out"]);
    (run["run_id"].as_str().unwrap().to_owned(), std::mem::take(&mut *arrivals.lock().unwrap()))
}

/// Records a replay of a random session, and replays what was recorded.
fn check_again(seed: u64) {
    let (_guard, mut random, folder) = (Seed(seed), Random(seed), folder());
    let mut recorded = random_session(&mut random);
    let first = imported(folder.path(), &recorded);
    let read_back = read(&first);
    recorded.iter_mut().zip(&read_back).for_each(|(one, again)| one.seq = again.seq);
    assert!(recorded == read_back, "what was imported is printed");

    let (upstream, arrivals) = answerer(&recorded);
    let (upstream, second) = (upstream.to_string(), inside(&folder, "second"));
    let (recorder, address) =
        support::recorder(&upstream, &second, &["--record-replays", "--client-key", "header:X-User"]);
    let targets = Targets::at(&address);
    let (run_id, mut arrived) = replay(&first, &targets.options(), &arrivals, recorded.len());
    recorder.signal("INT");
    let said = recorder.finish();
    assert!(said.code == 0 && !said.err.contains("panicked"), "{said:?}");
    let mut again = read(&second);

    assert_eq!(connections(&again), connections(&recorded), "connections, their order, and pipelining");
    let order = arrived_connections(&arrived);
    arrived.sort_by_key(|one| one.id);
    recorded.sort_by_key(|one| id_of(&one.request.head));
    again.sort_by_key(|one| id_of(&one.request.head));
    check_arrivals(&recorded, &arrived, &targets, &run_id);
    check_sessions(&recorded, &again, &targets, &run_id);

    let more = ["--keep-host", "--allow-origin", "--target", &format!("http://{upstream}")].map(str::to_owned);
    let (later_id, mut later) = replay(&second, &more, &arrivals, recorded.len());
    assert_eq!(arrived_connections(&later), order);
    later.sort_by_key(|one| one.id);
    let (mut before, mut after, mut traces) = (Vec::new(), Vec::new(), Vec::new());
    for ((one, other), recorded) in arrived.iter().zip(&later).zip(&recorded) {
        let (mut head, trace, _) = taken_apart(&one.head, &run_id);
        let (mut later_head, later_trace, _) = taken_apart(&other.head, &later_id);
        if is_secret(&recorded.request) {
            // Its pseudonym has another length.
            (head, later_head) = (without_length(&head), without_length(&later_head));
            let ((content, trailers), (later_content, later_trailers)) = (taken_out(one), taken_out(other));
            assert_eq!(numbered(&later_content, &mut after), numbered(&content, &mut before));
            assert!(trailers == later_trailers, "the trailers of {}", one.id);
        } else {
            assert!(one.body == other.body, "the body of {}", one.id);
        }
        assert_eq!(numbered(&later_head, &mut after), numbered(&head, &mut before));
        traces.push((trace, later_trace));
    }
    check_one_to_one("traces", &traces);
}

/// What came over the wire is what was recorded.
#[track_caller]
fn check_arrivals(recorded: &[Exchange], arrived: &[Arrival], targets: &Targets, run_id: &str) {
    assert_eq!(arrived.len(), recorded.len());
    let (mut traces, mut spans, mut places) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (one, arrival) in recorded.iter().zip(arrived) {
        let id = id_of(&one.request.head);
        let (head, trace, span) = taken_apart(&arrival.head, run_id);
        let expected = rewritten(&one.request.head, targets);
        assert_eq!(head.escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert!(arrival.id == id && arrival.body == framed(&one.request), "the body of {id}");
        let own = formats::trace::recorded(&one.request.head).context.map(|context| context.trace_id);
        traces.push(((own, own.is_none().then_some(id)), trace));
        places.push((connection_of(one), arrival.connection));
        assert!(spans.insert(span), "a span of two requests");
    }
    check_one_to_one("traces", &traces);
    check_one_to_one("connections", &places);
}

/// The second session is the first, but for what a replay and the redaction change.
#[track_caller]
fn check_sessions(first: &[Exchange], second: &[Exchange], targets: &Targets, run_id: &str) {
    assert_eq!(second.len(), first.len());
    let (mut secrets, mut pseudonyms, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    for (one, again) in first.iter().zip(second) {
        let (head, ..) = taken_apart(&again.request.head, run_id);
        let expected = rewritten(&one.request.head, targets);
        assert_eq!(numbered(&head, &mut pseudonyms), numbered(&expected, &mut secrets));
        check_message(&again.request, &one.request, &mut pseudonyms, &mut secrets);
        assert_eq!((again.protocol, again.end, &again.informational), (one.protocol, one.end, &one.informational));
        let (answer, answer_again) = (one.response.as_ref().unwrap(), again.response.as_ref().unwrap());
        assert_eq!(numbered(&answer_again.head, &mut pseudonyms), numbered(&answer.head, &mut secrets));
        check_message(answer_again, answer, &mut pseudonyms, &mut secrets);
        clients.push((one.client, again.client));
    }
    check_one_to_one("clients", &clients);
}

/// All of a message but its head; a body to which a rule applies is stored without its codings, which are noted.
#[track_caller]
fn check_message(again: &Message, first: &Message, pseudonyms: &mut Vec<Vec<u8>>, secrets: &mut Vec<Vec<u8>>) {
    let head = first.head.escape_ascii();
    assert_eq!((again.framing, &again.trailers), (first.framing, &first.trailers), "{head}");
    if !is_secret(first) {
        assert_eq!(again.body, first.body, "the body of {head}");
        return;
    }
    let as_sent = |body: &Body| (body.total_len, body.chunks.clone());
    assert_eq!(as_sent(&again.body), as_sent(&first.body), "{head}");
    let made = codings(value(&first.head, "content-encoding").unwrap_or_default()).unwrap();
    let made: Vec<String> = made.iter().map(|coding| coding.name().to_owned()).collect();
    assert_eq!(again.body.redacted, Some(made), "{head}");
    assert_eq!(numbered(&decoded(again), pseudonyms), numbered(&decoded(first), secrets), "{head}");
}

/// Those of a few sessions, or of as many as are asked for: `AGAIN_SEEDS=100..2000`.
fn seeds() -> Range<u64> {
    let asked = std::env::var("AGAIN_SEEDS").unwrap_or_else(|_| "0..12".to_owned());
    let (from, to) = asked.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn a_replay_that_is_recorded_is_the_same_session_again() {
    let (workers, seeds) = (3, seeds());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let seeds = seeds.clone();
            scope.spawn(move || seeds.skip(worker).step_by(workers).for_each(check_again));
        }
    });
}

#[test]
fn every_copy_sends_every_request_once_on_connections_of_its_own() {
    let folder = folder();
    let recorded = random_session(&mut Random(100));
    let first = imported(folder.path(), &recorded);
    let (upstream, arrivals) = answerer(&recorded);
    let config = inside(&folder, "copies.toml");
    std::fs::write(&config, "[[rewrite]]\nset_header = { X-Copy = \"{{copy}}\" }\n").unwrap();
    let mut more = Targets::at(&upstream.to_string()).options();
    more.extend(["--rate", "3x", "--config", &text(&config)].map(str::to_owned));
    let (_, arrived) = replay(&first, &more, &arrivals, 3 * recorded.len());
    let mut came: BTreeMap<(usize, String), Vec<Vec<u64>>> = BTreeMap::new();
    let whole = connections(&recorded).into_iter().map(|one| one.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
    let whole: Vec<Vec<u64>> = whole.collect();
    for (ids, copies) in arrived_connections(&arrived) {
        let copies: Vec<_> = copies.iter().map(|copy| String::from_utf8_lossy(copy).into_owned()).collect();
        let connection = whole.iter().position(|one| one.contains(&ids[0])).unwrap();
        came.entry((connection, copies.join(" and "))).or_default().push(ids);
    }
    let copies = (0..whole.len()).flat_map(|connection| ["0", "1", "2"].map(|copy| (connection, copy.to_owned())));
    assert_eq!(came.keys().cloned().collect::<Vec<_>>(), copies.collect::<Vec<_>>());
    for ((connection, copy), parts) in &mut came {
        // What of a copy passes the end of the recording comes in at its beginning, on a connection of its own.
        assert!(parts.len() == 1 || (parts.len() == 2 && copy != "0"), "{copy}: {parts:?}");
        parts.sort();
        assert_eq!(parts.concat(), whole[*connection], "copy {copy}");
    }
    check_schedule(&recorded, &first.with_extension("run"));
}

/// Each copy of a client has the client's own schedule, from its own beginning and around the end of the recording.
#[track_caller]
fn check_schedule(recorded: &[Exchange], run: &Path) {
    let log = std::fs::File::open(run.join("requests.jsonl.zst")).unwrap();
    let mut schedules: BTreeMap<String, BTreeSet<i128>> = BTreeMap::new();
    for line in String::from_utf8(zstd::decode_all(log).unwrap()).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let start = recorded[usize::try_from(line["seq"].as_u64().unwrap()).unwrap()].instants.request_start;
        let shift = i128::from(line["due_ns"].as_u64().unwrap()) - i128::from(start);
        schedules.entry(format!("{} {}", line["client"], line["copy"])).or_default().insert(shift);
    }
    let starts = || recorded.iter().map(|one| i128::from(one.instants.request_start));
    let around = starts().max().unwrap() - starts().min().unwrap() + 1;
    for shifts in schedules.values() {
        let (first, last) = (shifts.first().unwrap(), shifts.last().unwrap());
        assert!(shifts.len() == 1 || (shifts.len() == 2 && last - first == around), "{shifts:?}");
    }
}
