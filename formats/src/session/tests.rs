use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::model::*;

mod blocks;
mod bodies;
mod encryption;
mod footers;
mod hostile;
mod seeking;
mod unfinished;

pub(crate) fn exchange(at: u64, client: u64, body: &[u8]) -> Exchange {
    Exchange {
        seq: 0,
        client: ClientKey { source: KeySource::Peer, id: client },
        connection: client,
        protocol: Protocol::Http11,
        request: Message {
            head: Bytes::from_static(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"),
            framing: Framing::Length,
            body: Body { bytes: Bytes::copy_from_slice(body), total_len: body.len() as u64, ..Body::default() },
            ..Message::default()
        },
        informational: vec![Bytes::from_static(b"HTTP/1.1 100 C\r\n\r\n")],
        response: None,
        instants: Instants { request_start: at, request_head: at + 1, connected: Some(at / 2), ..Instants::default() },
        end: End::ClientGone,
        ..Exchange::default()
    }
}

fn write(directory: &Path, options: WriterOptions, exchanges: &mut [Exchange]) -> Written {
    let mut writer = SessionWriter::create(directory, SessionHeader::default(), options).unwrap();
    for exchange in exchanges {
        writer.append(exchange).unwrap();
    }
    writer.finish().unwrap()
}

fn read(path: &Path) -> (Vec<Exchange>, Vec<Event>) {
    let mut exchanges = Vec::new();
    let mut others = Vec::new();
    for event in Session::open(path).unwrap().events() {
        match event.unwrap() {
            Event::Exchange(exchange) => exchanges.push(*exchange),
            event => others.push(event),
        }
    }
    (exchanges, others)
}

fn many() -> Vec<Exchange> {
    (0..200).map(|i| exchange(i * 1_000, i % 7, &[u8::try_from(i).unwrap(); 50])).collect()
}

const SMALL: WriterOptions =
    WriterOptions { block_bytes: 1_000, level: 1, segment_bytes_max: 1 << 30, segment_clients_max: 1_000, sync: false };

#[test]
fn what_is_written_is_read_over_segments() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = many();
    let written = write(folder.path(), WriterOptions { segment_bytes_max: 2_000, ..SMALL }, &mut exchanges);
    assert!(written.segments > 2, "{written:?}");
    let (got, others) = read(folder.path());
    assert_eq!(got, exchanges);
    let indexes: Vec<_> = others
        .into_iter()
        .filter_map(|event| match event {
            Event::Index(index) => Some(index),
            Event::Ended { .. } => None,
            other => panic!("{other:?}"),
        })
        .collect();
    let counted: u64 = indexes.iter().flat_map(|index| index.clients.values()).map(|client| client.exchanges).sum();
    assert_eq!((indexes.len() as u64, counted), (written.segments, 200));
}

#[test]
fn indexes_are_read_from_the_ends_and_know_what_clients_showed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let with = |at, client, fields: &str| {
        let mut exchange = exchange(at, client, b"");
        exchange.request.head = Bytes::from(format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        exchange
    };
    let mut exchanges = [
        with(100, 1, "User-Agent: a\r\n"),
        with(700, 1, "User-Agent: a\r\nX-Forwarded-For: x\r\n"),
        with(300, 1, "User-Agent: a\r\nForwarded: y\r\nX-Forwarded-For: x\r\n"),
        with(50, 2, "User-Agent: a\r\n"),
        with(60, 2, "User-Agent: b\r\n"),
    ];
    write(&path, WriterOptions::default(), &mut exchanges);
    let session = Session::open(&path).unwrap();
    let indexes: Vec<Index> = session.indexes().map(|index| index.unwrap().unwrap()).collect();
    let expected: Vec<Event> =
        indexes.iter().cloned().map(Event::Index).chain([Event::Ended { is_last: true }]).collect();
    assert_eq!(read(&path).1, expected);
    let facts: Vec<_> = indexes[0]
        .clients
        .values()
        .map(|one| (one.first_ns, one.last_ns, one.pause_ns, one.user_agents.count, one.forwarded.count))
        .collect();
    assert_eq!(facts, [(100, 700, 600, 1, 2), (50, 60, 10, 2, 0)]);

    let segment = session.segments()[0].clone();
    let bytes = std::fs::read(&segment).unwrap();
    for cut in [bytes.len() - 1, bytes.len() - 44, 40] {
        std::fs::write(&segment, &bytes[..cut]).unwrap();
        assert_eq!(session.indexes().next().unwrap().unwrap(), None, "cut at {cut}");
    }
}

#[test]
fn a_segment_says_that_its_bodies_may_have_templates() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), SMALL, &mut many());
    let header = Session::open(folder.path()).unwrap().header().clone();
    assert_eq!(header.features_required, ["body_templates"]);
    // A session that is made of this one has it once, and nothing of another writer's.
    let again = folder.path().join("again");
    let other =
        SessionHeader { features_required: vec!["encrypted".to_owned(), "body_templates".to_owned()], ..header };
    SessionWriter::create(&again, other, SMALL).unwrap().finish().unwrap();
    assert_eq!(Session::open(&again).unwrap().header().features_required, ["body_templates"]);
}

#[test]
fn a_session_being_written_is_readable_up_to_the_last_flush() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SessionWriter::create(folder.path(), SessionHeader::default(), SMALL).unwrap();
    let gap = Gap { reason: GapReason::QueueFull, from_ns: 1, to_ns: 2, connections: 3, exchanges: 4, bytes: 5 };
    writer.append(&mut exchange(1, 1, b"a")).unwrap();
    writer.gap(&gap).unwrap();
    writer.flush().unwrap();
    writer.append(&mut exchange(2, 1, b"b")).unwrap();
    let path = folder.path().join("00000001.reenact");
    let unfinished =
        |missing: Option<Gap>| Event::Unfinished { path: path.clone(), writing: missing.is_none(), missing };
    let (got, others) = read(folder.path());
    assert_eq!((got.len(), others), (1, vec![Event::Gap(gap.clone()), unfinished(None)]));
    drop(writer); // as a kill does: neither index nor end
    let (got, others) = read(folder.path());
    let missing = unfinished::lost_after(got[0].last_ns(), 0);
    assert_eq!((got.len(), others), (1, vec![Event::Gap(gap), unfinished(Some(missing))]));
}

#[test]
fn a_cut_at_any_byte_leaves_every_whole_block() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = many();
    write(folder.path(), WriterOptions { block_bytes: 4_000, ..SMALL }, &mut exchanges);
    let path = folder.path().join("00000001.reenact");
    let bytes = std::fs::read(&path).unwrap();
    let mut before = 0;
    for cut in (frame::FILE_HEAD_LEN + 1..bytes.len()).step_by(13) {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let (got, others) = read(&path);
        assert!(got.len() >= before && got[..] == exchanges[..got.len()], "cut at {cut}");
        assert!(others.iter().any(|event| matches!(event, Event::Unfinished { .. })), "cut at {cut}");
        before = got.len();
    }
    assert_eq!(before, 200);
}

#[test]
fn a_flipped_bit_costs_one_block_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = many();
    write(folder.path(), SMALL, &mut exchanges);
    let path = folder.path().join("00000001.reenact");
    let good = std::fs::read(&path).unwrap();
    let (_, others) = read(&path);
    let [Event::Index(index), Event::Ended { is_last: true }] = &others[..] else { panic!("{others:?}") };
    let blocks = index.blocks.clone();
    for at in (0..good.len()).step_by(11) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let (got, others) = read(&path);
        let hit = blocks.iter().rev().find(|block| block.offset <= at as u64);
        let lost = hit.map_or(0, |block| block.exchanges as usize);
        assert!(got.len() + lost >= 200, "byte {at}: {} of 200, block had {lost}", got.len());
        let damage: Vec<_> =
            others.iter().filter_map(|event| if let Event::Damage(d) = event { Some(d) } else { None }).collect();
        let ended = !others.iter().any(|event| matches!(event, Event::Unfinished { .. }));
        assert!(!damage.is_empty() || !ended, "byte {at} was flipped and nobody said so");
        if got.len() < 200 {
            assert_eq!(damage.iter().filter_map(|d| d.exchanges).sum::<u64>(), 200 - got.len() as u64, "byte {at}");
        }
        for damage in damage {
            let around = damage.at.saturating_sub(64)..=damage.at + damage.len + 64;
            assert!(around.contains(&(at as u64)), "byte {at}: {damage:?}");
        }
    }
}

#[test]
fn what_is_no_session_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, expected: &str| {
        let error = Session::open(path).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    };
    check(&folder.path().join("nowhere"), "there is no session at");
    check(folder.path(), "it has no *.reenact segment");
    let file = folder.path().join("x.reenact");
    std::fs::write(&file, b"").unwrap();
    check(&file, "its segment is empty or was only begun");
    std::fs::write(&file, b"{}").unwrap();
    check(&file, "does not begin like a segment");
    std::fs::write(&file, vec![0x89; 3_000_000]).unwrap();
    check(&file, "does not begin like a segment");

    let mut newer = frame::file_head();
    newer[8] = 9;
    let crc = crc32fast::hash(&newer[..12]).to_le_bytes();
    newer[12..].copy_from_slice(&crc);
    std::fs::write(&file, newer).unwrap();
    check(&file, "format version 9");

    let header =
        serde_json::to_vec(&SessionHeader { features_required: vec!["sealed".into()], ..SessionHeader::default() });
    let header = header.unwrap();
    let head = frame::record_head(frame::kind::HEADER, false, &header);
    std::fs::write(&file, [&frame::file_head()[..], &head, &header].concat()).unwrap();
    check(&file, "the feature `sealed`");

    let again = SessionWriter::create(folder.path(), SessionHeader::default(), SMALL).err().unwrap();
    assert!(matches!(again, SessionError::NotEmpty { .. }));
}

#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("deep/er");
    write(&directory, SMALL, &mut []);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("00000001.reenact"))), (0o700, 0o600));
}

/// What is kept of streams, with any numbers.
pub(crate) fn any_pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = any::<(u64, u64)>().prop_map(|(at_ns, len)| Piece { at_ns, len });
    proptest::collection::vec(piece, 0..4)
}

pub(crate) fn any_tunnel() -> impl Strategy<Value = Tunnel> {
    let flow = || {
        let frame = any::<(u64, u8, u64)>().prop_map(|(at_ns, kind, len)| Frame { at_ns, kind, len });
        let content = proptest::collection::vec(any::<u8>(), 0..9).prop_map(Bytes::from);
        let kept = (proptest::collection::vec(frame, 0..3), content);
        (any::<u64>(), any::<[Option<u64>; 2]>(), any_pieces(), kept).prop_map(
            |(bytes, [first_ns, last_ns], pieces, (frames, content))| Flow {
                bytes,
                first_ns,
                last_ns,
                pieces,
                frames,
                content,
            },
        )
    };
    (flow(), flow()).prop_map(|(to_upstream, to_client)| Tunnel { to_upstream, to_client })
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.reenact");
        let head = if magic { frame::file_head().to_vec() } else { vec![] };
        std::fs::write(&path, [head, frame::record_head(2, false, &bytes).to_vec(), bytes].concat()).unwrap();
        if let Ok(session) = Session::open(&path) {
            prop_assert!(session.events().count() < 10);
        }
    }
}
