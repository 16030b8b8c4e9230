//! Seeking by time: what lies outside of a window is not read, and nothing that began in it is missed.

use super::*;

const WINDOW: Wanted = Wanted { from_ns: Some(180_000), to_ns: Some(220_000), seqs: None, client: None };

/// In the order of their ends, as a recorder writes them; every ninth began long before.
fn overlapping() -> Vec<Exchange> {
    let one = |at: u64| {
        let ended = 100_000 + at * 1_000;
        let mut exchange = exchange(ended - if at.is_multiple_of(9) { 90_000 } else { 500 }, at % 7, &[at as u8; 50]);
        exchange.instants.request_end = Some(ended);
        if at == 100 {
            // Of a source that knew the start only.
            exchange.instants =
                Instants { request_start: exchange.instants.request_start + 15_000, ..Instants::default() };
        }
        exchange
    };
    (0..400).map(one).collect()
}

fn is_in(wanted: &Wanted, exchange: &Exchange) -> bool {
    let at_ns = exchange.instants.request_start;
    wanted.from_ns.is_none_or(|from| from <= at_ns) && wanted.to_ns.is_none_or(|to| at_ns < to)
}

/// What began in a window, how many exchanges were read for that, and what is damaged.
fn sought(path: &Path, wanted: &Wanted) -> (Vec<Exchange>, usize, Vec<Damage>) {
    let (mut found, mut read, mut damages) = (Vec::new(), 0, Vec::new());
    for event in Session::open(path).unwrap().wanted(wanted.clone()) {
        match event.unwrap() {
            Event::Exchange(exchange) => {
                read += 1;
                found.extend(Some(*exchange).filter(|exchange| is_in(wanted, exchange)));
            }
            Event::Damage(damage) => damages.push(damage),
            _ => {}
        }
    }
    (found, read, damages)
}

fn blocks(path: &Path) -> Vec<BlockEntry> {
    Session::open(path).unwrap().indexes().next().unwrap().unwrap().unwrap().blocks
}

#[test]
fn whatever_began_in_a_window_is_found_and_little_else_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = overlapping();
    let written = write(folder.path(), WriterOptions { segment_bytes_max: 4_000, ..SMALL }, &mut exchanges);
    assert!(written.segments > 2, "{written:?}");
    let mut least = usize::MAX;
    for (from, length) in (0..520).step_by(13).flat_map(|from| [1, 9, 40, 1_000].map(|length| (from, length))) {
        let (from_ns, to_ns) = (Some(from * 1_000), Some((from + length) * 1_000));
        for wanted in [(from_ns, to_ns), (from_ns, None), (None, to_ns)] {
            let wanted = Wanted { from_ns: wanted.0, to_ns: wanted.1, ..Wanted::default() };
            let (found, read, damages) = sought(folder.path(), &wanted);
            let expected: Vec<Exchange> = exchanges.iter().filter(|one| is_in(&wanted, one)).cloned().collect();
            assert_eq!((found, damages), (expected, Vec::new()), "{wanted:?}");
            least = least.min(read);
        }
    }
    assert!(least < 20, "{least} of 400 were read for the shortest window");
}

#[test]
fn damage_is_met_where_it_may_cost_something_of_the_window_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = overlapping();
    write(folder.path(), SMALL, &mut exchanges);
    let path = folder.path().join("00000001.reenact");
    let good = std::fs::read(&path).unwrap();
    let (expected, ..) = sought(&path, &WINDOW);
    let (mut met, mut passed, mut lost) = (0, 0, 0);
    for block in blocks(&path) {
        // Its record's head; what stands in front of its content, by which it would seem to be elsewhere; its content.
        for at in [2, frame::RECORD_HEAD_LEN + 21, frame::RECORD_HEAD_LEN + 29, frame::RECORD_HEAD_LEN + 50] {
            let mut bytes = good.clone();
            bytes[block.offset as usize + at] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            let (found, _, damages) = sought(&path, &WINDOW);
            if WINDOW.may_be_in(&block) {
                met += 1;
                let [damage] = &damages[..] else { panic!("byte {at} of {block:?}: {damages:?}") };
                assert_eq!((damage.at, damage.exchanges), (block.offset, Some(block.exchanges)));
                lost += expected.len() - found.len();
            } else {
                passed += 1;
                assert_eq!((&found, &damages[..]), (&expected, &[][..]), "byte {at} of {block:?}");
            }
        }
    }
    assert!(met > 20 && passed > 40, "{met} blocks were met, {passed} passed");
    assert_eq!(lost, 4 * expected.len(), "each of them in its own block, and in no other");
}

#[test]
fn without_an_index_only_what_a_checksum_vouches_for_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = overlapping();
    write(folder.path(), SMALL, &mut exchanges);
    let path = folder.path().join("00000001.reenact");
    let known = blocks(&path);
    let mut good = std::fs::read(&path).unwrap();
    // As a killed recorder leaves it.
    good.truncate(good.len() - 10);
    std::fs::write(&path, &good).unwrap();
    let (expected, read, damages) = sought(&path, &WINDOW);
    assert!(!expected.is_empty() && read < 200 && damages.len() == 1, "{read} read, {damages:?}");
    for block in known {
        let mut bytes = good.clone();
        // Moves the latest instant of the block, so that it seems to lie before everything.
        bytes[block.offset as usize + frame::RECORD_HEAD_LEN + 24..][..8].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        let (found, _, damages) = sought(&path, &WINDOW);
        assert_eq!(damages.len(), 2, "{block:?}: {damages:?}");
        assert!(found.len() == expected.len() || WINDOW.may_be_in(&block), "{block:?}");
    }
}
