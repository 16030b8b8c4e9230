//! Session files.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use formats::jsonl;
use formats::model::{Body, ClientKey, Exchange, Flow, Frame, KeySource, Message, Piece, ReplayOf, Tunnel};
use formats::session::{EXCHANGE_BYTES_MAX, Event, Session, SessionHeader, SessionWriter, WriterOptions};
use formats::summary::Summary;

const FILE_HEAD_LEN: usize = 16;
const RECORD_HEAD_LEN: usize = 20;
/// What stands before a block's content.
const BLOCK_HEAD_LEN: usize = 32;
const BLOCK: u8 = 2;
const SUMMARY: u8 = 7;
/// Small enough that a session of some exchanges has blocks that borrow from each other.
const OPTIONS: WriterOptions =
    WriterOptions { block_bytes: 600, level: 1, segment_bytes_max: 1 << 20, segment_clients_max: 1_000, sync: false };

thread_local! {
    /// A folder of this thread, whose file is written over each time.
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Any bytes as a segment: it is refused or read to its end, with what is damaged said.
pub fn session_reader(data: &[u8]) {
    read(data, drop);
}

/// Any content of a block in an otherwise right segment: every exchange of it is read or counted as lost, keeps to the
/// limits, and is the same when it is written and read again.
///
/// An odd first byte: the second is the number of exchanges, and the rest is the content. An even one: a right session
/// in which bytes of a block's content are changed; the rest is four bytes for each change: where, how, and by what.
pub fn session_block(data: &[u8]) {
    let Some(([mode, count], rest)) = data.split_first_chunk() else { return };
    let mut records = RIGHT.clone();
    let blocks: Vec<usize> =
        (0..records.len()).filter(|at| records.get(*at).is_some_and(|(kind, _)| *kind == BLOCK)).collect();
    let Some(at) = blocks.get(usize::from(mode >> 1) % blocks.len()) else { panic!("a session without blocks") };
    let Some((_, payload)) = records.get_mut(*at) else { return };
    if mode & 1 == 0 {
        change(payload, rest);
    } else {
        let content_len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        payload.clear();
        payload.extend(content_len.to_le_bytes());
        payload.extend(u32::from(*count).to_le_bytes());
        payload.extend([0; BLOCK_HEAD_LEN - 8]);
        payload.extend(rest);
        // Alone, so that nothing else tells what it should have held.
        let block = records.swap_remove(*at);
        records.truncate(1);
        records.push(block);
    }
    let mut exchanges = Vec::new();
    let mut lost = 0;
    read(&segment(&records), |event| match event {
        Event::Exchange(exchange) => exchanges.push(*exchange),
        Event::Damage(damage) => lost += damage.exchanges.unwrap_or_default(),
        _ => {}
    });
    if mode & 1 != 0 {
        let held = exchanges.len() as u64 + lost;
        assert!(held == u64::from(*count) || exchanges.is_empty(), "{held} of {count}");
    }
    for exchange in &exchanges {
        let bytes = size(exchange);
        assert!(bytes <= EXCHANGE_BYTES_MAX, "an exchange of {bytes} bytes");
        let mut line = Vec::new();
        jsonl::to_line(exchange, 0, &mut line);
        Summary::default().count(exchange);
    }
    let again = written_and_read(&exchanges);
    for (seq, (again, exchange)) in again.iter().zip(&exchanges).enumerate() {
        assert_eq!(*again, Exchange { seq: seq as u64, ..exchange.clone() });
    }
    assert_eq!(again.len(), exchanges.len());
}

/// Any summary in an otherwise right segment: it is refused, or can be added to others and be asked for everything.
///
/// An odd first byte: the rest is the JSON. An even one: a right summary whose JSON is changed as a block's content is.
pub fn session_summary(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let mut records = RIGHT.clone();
    let Some((_, payload)) = records.iter_mut().find(|(kind, _)| *kind == SUMMARY) else {
        panic!("a session without a summary")
    };
    // What stands before a block's content has no meaning here, and is taken off again.
    let mut json = [&[0; BLOCK_HEAD_LEN][..], payload].concat();
    if mode & 1 == 0 {
        change(&mut json, rest);
    } else {
        json.truncate(BLOCK_HEAD_LEN);
        json.extend(rest);
    }
    *payload = json.split_off(BLOCK_HEAD_LEN);
    with_file(&segment(&records), |session| {
        for summary in session.summaries().flatten().flatten() {
            assert!(summary.check().is_ok(), "{summary:?}");
            let mut sum = Summary::default();
            sum.merge(&summary);
            sum.merge(&summary);
            assert!(sum.check().is_ok(), "{sum:?}");
            assert_eq!(sum.exchanges, summary.exchanges.saturating_mul(2));
            assert_eq!((sum.first_ns, sum.last_ns), (summary.first_ns, summary.last_ns));
        }
    });
}

/// Heads, trailers, bodies, names and facts.
fn size(exchange: &Exchange) -> usize {
    let messages = std::iter::once(&exchange.request).chain(&exchange.response);
    let of_message = |message: &Message| {
        let names: usize = message.body.redacted.iter().flatten().map(String::len).sum();
        message.head.len() + message.trailers.len() + message.body.bytes.len() + names
    };
    let facts = exchange.facts.as_ref().map_or(0, |facts| facts.len());
    messages.map(of_message).sum::<usize>() + exchange.informational.iter().map(Bytes::len).sum::<usize>() + facts
}

fn change(payload: &mut Vec<u8>, changes: &[u8]) {
    for change in changes.chunks_exact(4) {
        let [low, high, how, byte] = change else { return };
        let content = payload.len() - BLOCK_HEAD_LEN;
        let at = BLOCK_HEAD_LEN + usize::from(u16::from_le_bytes([*low, *high])) % content.max(1);
        match how % 4 {
            0 => payload.insert(at, *byte),
            1 if content > 1 => drop(payload.remove(at)),
            _ => {
                if let Some(slot) = payload.get_mut(at) {
                    *slot = *byte;
                }
            }
        }
    }
    let len = u32::try_from(payload.len() - BLOCK_HEAD_LEN).unwrap_or(u32::MAX).to_le_bytes();
    payload.iter_mut().zip(len).for_each(|(slot, byte)| *slot = byte);
}

fn read(segment: &[u8], mut each: impl FnMut(Event)) {
    with_file(segment, |session| {
        for (count, event) in session.events().enumerate() {
            // A block's exchanges take a byte each at least; compressed, that may be next to nothing.
            assert!(count <= (segment.len() + 8) * 1_024, "more events than bytes");
            if let Ok(event) = event {
                each(event);
            }
        }
    });
}

/// A session of one segment, if it can be opened.
fn with_file(segment: &[u8], then: impl FnOnce(Session)) {
    FOLDER.with_borrow_mut(|folder| {
        if folder.is_none() {
            *folder = tempfile::tempdir().ok();
        }
        let Some(folder) = folder else { panic!("there is no room for a file") };
        let path = folder.path().join("1.reenact");
        let written = File::create(&path).and_then(|mut file| file.write_all(segment));
        assert!(written.is_ok(), "{written:?}");
        if let Ok(session) = Session::open(&path) {
            then(session);
        }
    });
}

fn written_and_read(exchanges: &[Exchange]) -> Vec<Exchange> {
    let Ok(folder) = tempfile::tempdir() else { panic!("there is no room for a session") };
    write(folder.path(), exchanges);
    let Ok(session) = Session::open(folder.path()) else { panic!("what was written does not open") };
    let exchange = |event| match event {
        Ok(Event::Exchange(exchange)) => Some(*exchange),
        Ok(Event::Index(_) | Event::Ended { .. }) => None,
        other => panic!("{other:?}"),
    };
    session.events().filter_map(exchange).collect()
}

fn write(folder: &Path, exchanges: &[Exchange]) {
    let written = SessionWriter::create(folder, SessionHeader::default(), OPTIONS).and_then(|mut writer| {
        for exchange in exchanges {
            writer.append(&mut exchange.clone())?;
        }
        writer.finish()
    });
    assert!(written.is_ok(), "{written:?}");
}

/// A segment's records, with right checksums; blocks' content and summaries are compressed.
fn segment(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\x89REN\r\n\x1a\n\x02\0\0\0".to_vec();
    out.extend(crc32fast::hash(&out).to_le_bytes());
    for (kind, payload) in records {
        let compressed = head_len(*kind).map(|len| {
            let (head, content) = payload.split_at_checked(len).unwrap_or_default();
            [head, &zstd::bulk::compress(content, 1).unwrap_or_default()].concat()
        });
        let payload = compressed.as_ref().unwrap_or(payload);
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let head = [&b"\xAErec"[..], &[*kind, 0, 0, 0], &len, &crc32fast::hash(payload).to_le_bytes()].concat();
        out.extend(&head);
        out.extend(crc32fast::hash(&head).to_le_bytes());
        out.extend(payload);
    }
    out
}

/// What stands before the compressed part of a record, where it has one.
fn head_len(kind: u8) -> Option<usize> {
    match kind {
        BLOCK => Some(BLOCK_HEAD_LEN),
        SUMMARY => Some(0),
        _ => None,
    }
}

/// The records of a small session as it is written, without compression.
static RIGHT: LazyLock<Vec<(u8, Vec<u8>)>> = LazyLock::new(|| {
    let Ok(folder) = tempfile::tempdir() else { panic!("there is no room for a session") };
    write(folder.path(), &small_session());
    let bytes = fs::read(folder.path().join("00000001.reenact")).unwrap_or_default();
    let mut rest = bytes.get(FILE_HEAD_LEN..).unwrap_or_default();
    let mut records = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(RECORD_HEAD_LEN) {
        let word = |at: usize| head.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
        let (payload, later) = after.split_at_checked(word(8) as usize).unwrap_or_default();
        let kind = head.get(4).copied().unwrap_or_default();
        let mut payload = payload.to_vec();
        if let Some(len) = head_len(kind) {
            let content = zstd::bulk::decompress(payload.get(len..).unwrap_or_default(), 1 << 20);
            payload.truncate(len);
            payload.extend(content.unwrap_or_default());
        }
        records.push((kind, payload));
        rest = later;
    }
    assert!(records.iter().filter(|(kind, _)| *kind == BLOCK).count() > 2, "{} records", records.len());
    records
});

/// Exchanges in which everything that a block can hold is there once.
fn small_session() -> Vec<Exchange> {
    let one = |n: u64| {
        let body = |text: &str| Body {
            bytes: Bytes::copy_from_slice(text.repeat(20).as_bytes()),
            total_len: 20 * text.len() as u64,
            ..Body::default()
        };
        let json = format!("{{\"number\":{n},\"list\":[{{\"a\":true}},{{\"a\":\"{}\"}}]}}", n / 2 * 1_000);
        let json = Body { total_len: json.len() as u64, bytes: json.into(), ..Body::default() };
        let head =
            format!("POST /a/{n}?b=c HTTP/1.1\r\nHost: x\r\nUser-Agent: {}\r\nContent-Length: 80\r\n\r\n", n % 2);
        let pieces = vec![Piece { at_ns: n, len: 40 }, Piece { at_ns: n + 2, len: 40 }];
        let request = Message { head: head.into(), body: body("same"), pieces: pieces.clone(), ..Message::default() };
        let response = Message {
            head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            body: Body {
                chunks: vec![30, 50],
                redacted: n.is_multiple_of(3).then(|| vec!["gzip".to_owned()]),
                sha256: n.is_multiple_of(4).then_some([7; 32]),
                ..match n % 3 {
                    0 => body("different"),
                    1 => body("again"),
                    _ => json.clone(),
                }
            },
            trailers: "X-Sum: 1\r\n".into(),
            ..Message::default()
        };
        let flow = Flow {
            bytes: n,
            first_ns: Some(n),
            last_ns: None,
            pieces,
            frames: vec![Frame { at_ns: n, kind: 129, len: 3 }],
            content: Bytes::from_static(b"abc"),
        };
        let mut exchange = Exchange {
            client: ClientKey { source: KeySource::Peer, id: n % 2 },
            connection: n % 3,
            request,
            informational: vec![Bytes::from_static(b"HTTP/1.1 103 E\r\n\r\n")],
            response: (n % 5 != 4).then_some(response),
            replay_of: (n % 2 == 1).then_some(ReplayOf { session: 0, seq: n, copy: 1 }),
            tunnel: (n % 6 == 5).then(|| Tunnel { to_upstream: flow.clone(), to_client: flow }),
            facts: (n % 3 == 1).then(|| "{\"listener\":\"a\"}".into()),
            ..Exchange::default()
        };
        exchange.instants.request_start = n * 1_000;
        exchange.instants.request_head = n * 1_000 + 5;
        exchange.instants.response_end = Some(n * 1_000 + 50);
        exchange
    };
    (0..9).map(one).collect()
}
