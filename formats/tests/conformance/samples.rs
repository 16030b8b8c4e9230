//! Sessions that this crate's writer writes: exchanges that use every field and every form of reference, in several
//! segments, with gaps, and encrypted. What is written depends on nothing but what stands here (and the keys).

use std::path::Path;

use bytes::Bytes;
use formats::model::*;
use formats::seal::Recipients;
use formats::session::{SessionHeader, SessionWriter, WriterOptions};
use serde_json::{Value, json};

use super::events::exchange_json;

/// A session in a directory.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    /// Its events, but for indexes.
    pub(crate) expected: Value,
}

/// Writes them all.
pub(crate) fn write(folder: &Path, recipients: &Recipients, header: &SessionHeader) -> Vec<Sample> {
    let small = WriterOptions { block_bytes: 700, level: 1, segment_bytes_max: 1 << 30, ..Default::default() };
    let one = WriterOptions { block_bytes: 1, ..small };
    let large = WriterOptions { block_bytes: 1 << 20, level: 19, ..small };
    let several = WriterOptions { segment_bytes_max: 3_000, ..small };
    let plain = [("rust-small", small), ("rust-one", one), ("rust-large", large), ("rust-segments", several)];
    let sealed = [("rust-encrypted", small), ("rust-encrypted-segments", several)];
    let plain = plain.map(|(name, options)| (name, options, None));
    let sealed = sealed.map(|(name, options)| (name, options, Some(recipients)));
    let all = plain.into_iter().chain(sealed);
    all.map(|(name, options, recipients)| {
        let options = WriterOptions { sync: false, ..options };
        let recipients = recipients.cloned();
        let writer = SessionWriter::create_for(&folder.join(name), header.clone(), options, recipients).unwrap();
        Sample { name, expected: fill(writer) }
    })
    .collect()
}

fn fill(mut writer: SessionWriter) -> Value {
    let mut events = Vec::new();
    for turn in 0..24 {
        let mut exchange = if turn % 6 == 5 { everything(turn) } else { browsing(turn) };
        exchange.seq = writer.append(&mut exchange).unwrap();
        events.push(json!({ "exchange": exchange_json(&exchange) }));
        if turn % 9 == 7 {
            writer.flush().unwrap();
            let reason = GapReason::ALL[usize::try_from(turn).unwrap() % GapReason::ALL.len()];
            let gap = Gap { reason, from_ns: turn, to_ns: u64::MAX, connections: 3, exchanges: 0, bytes: 1 << 40 };
            writer.gap(&gap).unwrap();
            events.push(json!({ "gap": {
                "reason": reason.name(), "from_ns": turn, "to_ns": u64::MAX, "connections": 3, "exchanges": 0,
                "bytes": 1_u64 << 40,
            } }));
        }
    }
    writer.finish().unwrap();
    Value::Array(events)
}

/// Clients who say and get the same again: what references are for.
fn browsing(turn: u64) -> Exchange {
    let client = turn % 2;
    let path = ["/", "/logo", "/", "/short"][usize::try_from(turn % 4).unwrap()];
    let body = match path {
        "/" => "a page that comes again and again, long enough to be borrowed, ".repeat(3),
        "/logo" => "a logo ".repeat(20),
        _ => "short".to_owned(),
    };
    let agent = if turn % 7 == 6 { "another".to_owned() } else { format!("agent of {client}") };
    let start = 1_000_000 * turn;
    Exchange {
        client: ClientKey { source: KeySource::ALL[usize::try_from(client).unwrap()], id: client },
        connection: 7 + turn % 3,
        request: Message {
            head: format!("GET {path} HTTP/1.1\r\nHost: shop\r\nUser-Agent: {agent}\r\n\r\n").into(),
            ..Message::default()
        },
        response: Some(Message {
            head: format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into(),
            framing: Framing::Length,
            body: Body { total_len: body.len() as u64, bytes: body.into(), ..Body::default() },
            ..Message::default()
        }),
        instants: Instants {
            request_start: start,
            request_head: start + 10,
            request_end: Some(start + 10),
            connected: (turn % 3 != 2).then_some(turn % 3),
            response_start: Some(start + 500),
            response_head: Some(start + 510),
            response_end: Some(start + 400),
        },
        ..Exchange::default()
    }
}

/// Every field, each turn with the next value of every enum.
fn everything(turn: u64) -> Exchange {
    let pick = |count: usize| usize::try_from(turn / 6).unwrap() % count;
    let start = if turn % 12 == 5 { u64::MAX - turn } else { turn };
    let frames = |kind| vec![Frame { at_ns: start, kind, len: 1 << 35 }, Frame { at_ns: 3, kind: 255, len: 0 }];
    let flow = |content: &str| Flow {
        bytes: 1 << 50,
        first_ns: (turn % 12 == 5).then_some(start),
        last_ns: Some(5),
        pieces: vec![Piece { at_ns: u64::MAX, len: u64::MAX }, Piece { at_ns: 0, len: 0 }],
        frames: frames(129),
        content: content.to_owned().into(),
    };
    let message = |head: &'static str, text: &str| Message {
        head: Bytes::from_static(head.as_bytes()),
        framing: Framing::ALL[pick(Framing::ALL.len())],
        body: Body {
            bytes: text.to_owned().into(),
            total_len: [u64::MAX, 0, 40][pick(3)],
            chunks: vec![20, u64::MAX, 0],
            sha256: (turn % 12 == 5).then_some([turn.to_le_bytes()[0]; 32]),
            redacted: [None, Some(vec![]), Some(vec!["gzip".to_owned(), "br".to_owned()])][pick(3)].clone(),
            dropped: Dropped::ALL.get(pick(Dropped::ALL.len() + 1)).copied(),
        },
        trailers: Bytes::from_static(b"x-sum: 9\r\nx-other: \r\n"),
        pieces: vec![Piece { at_ns: start, len: 7 }, Piece { at_ns: 2, len: 9 }],
    };
    let zero_or = |value| (turn % 12 == 5).then_some(value);
    Exchange {
        seq: 0,
        client: ClientKey { source: KeySource::ALL[pick(4)], id: u64::MAX - turn },
        connection: u64::MAX - turn,
        protocol: Protocol::ALL[pick(4)],
        request: message("POST /in HTTP/1.1\r\nno colon\r\nX:y\r\n\r\n", "kept"),
        informational: vec![Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"), Bytes::new()],
        response: Some(message(":status: 200\r\nempty: \r\nempty: \r\n\r\n", "until close")),
        instants: Instants {
            request_start: start,
            request_head: 3,
            request_end: zero_or(u64::MAX),
            connected: Some(u64::MAX),
            response_start: zero_or(0),
            response_head: Some(1 << 63),
            response_end: zero_or(7),
        },
        end: End::ALL[pick(End::ALL.len())],
        replay_of: Some(ReplayOf { session: u32::MAX, seq: u64::MAX - turn, copy: u32::MAX }),
        ambiguous: Ambiguity::ALL.get(pick(Ambiguity::ALL.len())).copied(),
        resynchronised: turn % 12 == 5,
        rebuilt: turn % 12 != 5,
        tunnel: Some(Tunnel { to_upstream: flow("from the client"), to_client: flow("") }),
        facts: Some(r#"{"tls":{"sni":"bücher.example"}}"#.into()),
    }
}
