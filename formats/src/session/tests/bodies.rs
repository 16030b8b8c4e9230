//! Bodies that repeat over blocks are stored once, and are missed by name when the block that holds them is lost.

use super::*;

/// Each exchange with one of `kinds` bodies of about 300 bytes, every other one of which is JSON.
fn repeating(count: u64, kinds: u64) -> Vec<Exchange> {
    let bytes = |kind: u64| (0..300_u64).map(move |at| (at * 7 + kind * 13 + at * at * kind) as u8);
    let json = |kind: u64| {
        let text: String = bytes(kind).map(|byte| char::from(b'a' + byte % 26)).collect();
        format!("{{\"kind\":{kind},\"text\":\"{text}\"}}").into_bytes()
    };
    let body = |kind: u64| if kind.is_multiple_of(2) { bytes(kind).collect() } else { json(kind) };
    (0..count).map(|at| exchange(at * 1_000, at % 5, &body(at % kinds))).collect()
}

fn size(directory: &Path) -> u64 {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn what_repeats_over_blocks_is_borrowed_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (few, many) = (folder.path().join("few"), folder.path().join("many"));
    let mut exchanges = repeating(2_000, 7);
    let written = write(&few, WriterOptions { segment_bytes_max: 20_000, ..SMALL }, &mut exchanges);
    assert!(written.segments > 1);
    assert_eq!(read(&few).0, exchanges);
    write(&many, SMALL, &mut repeating(2_000, 2_000));
    assert!(size(&few) * 4 < size(&many), "{} and {} bytes", size(&few), size(&many));
}

#[test]
fn a_lost_lender_costs_its_own_exchanges_and_the_bodies_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = repeating(400, 5);
    write(folder.path(), SMALL, &mut exchanges);
    let path = folder.path().join("00000001.reenact");
    let good = std::fs::read(&path).unwrap();
    let index = Session::open(&path).unwrap().indexes().next().unwrap().unwrap().unwrap();
    let mut without_body = 0;
    for block in &index.blocks[..4] {
        let mut bytes = good.clone();
        bytes[usize::try_from(block.offset).unwrap() + 60] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let (got, others) = read(&path);
        assert_eq!(got.len() as u64, 400 - block.exchanges);
        assert!(
            others
                .iter()
                .any(|event| matches!(event, Event::Damage(damage) if damage.exchanges == Some(block.exchanges)))
        );
        for exchange in got {
            let mut expected = exchanges[usize::try_from(exchange.seq).unwrap()].clone();
            if exchange.request.body.dropped.is_some() {
                without_body += 1;
                expected.request.body.drop_for(Dropped::Damaged);
            }
            assert_eq!(exchange, expected);
        }
    }
    assert!(without_body > 100, "the first blocks lend to all others: {without_body}");
}

#[test]
fn a_block_is_found_by_what_is_wanted_and_its_bodies_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = repeating(400, 5);
    for exchange in &mut exchanges[300..] {
        exchange.client.id = 99;
    }
    write(folder.path(), SMALL, &mut exchanges);
    let session = Session::open(folder.path()).unwrap();
    let seqs = |wanted: Wanted| -> Vec<u64> {
        let exchanges = session.wanted(wanted).filter_map(|event| match event.unwrap() {
            Event::Exchange(exchange) => Some(*exchange),
            Event::Damage(damage) => panic!("{damage:?}"),
            _ => None,
        });
        let seq = |exchange: Exchange| {
            assert_eq!(exchange, exchanges_at(&exchange, &exchange_list(folder.path())));
            exchange.seq
        };
        exchanges.map(seq).collect()
    };
    let by_seq = seqs(Wanted { seqs: Some((350, 351)), ..Wanted::default() });
    assert!(by_seq.contains(&350) && by_seq.contains(&351) && by_seq.len() < 40, "{by_seq:?}");
    let by_time = seqs(Wanted { from_ns: Some(200_000), to_ns: Some(201_000), ..Wanted::default() });
    assert!(by_time.contains(&200) && by_time.len() < 40, "{by_time:?}");
    let by_client = seqs(Wanted { client: Some(ClientKey { source: KeySource::Peer, id: 99 }), ..Wanted::default() });
    assert!((300..400).all(|seq| by_client.contains(&seq)) && by_client.len() < 140, "{by_client:?}");
}

fn exchange_list(path: &Path) -> Vec<Exchange> {
    read(path).0
}

fn exchanges_at(exchange: &Exchange, all: &[Exchange]) -> Exchange {
    all[usize::try_from(exchange.seq).unwrap()].clone()
}
