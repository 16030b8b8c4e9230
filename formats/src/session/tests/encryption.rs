//! Encryption at rest: what was written opens with the identity, and with nothing else; what was changed, moved or cut off is
//! noticed.

use std::sync::Arc;

use super::*;
use crate::seal::{Identities, Recipients};

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn identities() -> Arc<Identities> {
    Arc::new(Identities::parse(IDENTITY.as_bytes()).unwrap())
}

fn write_encrypted(directory: &Path, exchanges: &mut [Exchange]) {
    let header = SessionHeader {
        session_id: "0123456789abcdef".into(),
        upstream: Some("secret-host:80".into()),
        ..SessionHeader::default()
    };
    let recipients = Recipients::parse(&[RECIPIENT]).unwrap();
    let options = WriterOptions { segment_bytes_max: 6_000, ..SMALL };
    let mut writer = SessionWriter::create_for(directory, header, options, Some(recipients)).unwrap();
    let gap = Gap { reason: GapReason::QueueFull, from_ns: 1, to_ns: 2, connections: 3, exchanges: 4, bytes: 5 };
    writer.gap(&gap).unwrap();
    for exchange in exchanges {
        writer.append(exchange).unwrap();
    }
    writer.finish().unwrap();
}

fn events(path: &Path) -> Vec<Event> {
    Session::open_with(path, Some(identities())).unwrap().events().map(Result::unwrap).collect()
}

fn exchanges_of(events: &[Event]) -> Vec<Exchange> {
    let one = |event: &Event| if let Event::Exchange(exchange) = event { Some((**exchange).clone()) } else { None };
    events.iter().filter_map(one).collect()
}

#[test]
fn it_opens_with_the_identity_and_tells_nothing_without() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = many();
    write_encrypted(folder.path(), &mut exchanges);
    let session = Session::open_with(folder.path(), Some(identities())).unwrap();
    assert!(session.segments().len() > 1);
    assert_eq!(session.header().upstream.as_deref(), Some("secret-host:80"));
    assert_eq!(exchanges_of(&events(folder.path())), exchanges);
    let indexed: u64 = session
        .indexes()
        .map(|index| index.unwrap().unwrap().blocks.iter().map(|block| block.exchanges).sum::<u64>())
        .sum();
    assert_eq!(indexed, 200);
    let summarised: u64 = session.summaries().map(|summary| summary.unwrap().unwrap().exchanges).sum();
    assert_eq!(summarised, 200);
    let wanted = Wanted { seqs: Some((150, 150)), ..Wanted::default() };
    let found: Vec<Event> = session.wanted(wanted).map(Result::unwrap).collect();
    assert!(exchanges_of(&found).len() < 60, "blocks that are not wanted are left out");
    assert!(exchanges_of(&found).contains(&exchanges[150]));

    let refused = Session::open(folder.path()).unwrap_err();
    assert!(matches!(refused, SessionError::Encrypted { .. }) && refused.hint().is_some());
    let stranger = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";
    if let Ok(stranger) = Identities::parse(stranger.as_bytes()) {
        let refused = Session::open_with(folder.path(), Some(Arc::new(stranger))).unwrap_err();
        assert!(matches!(refused, SessionError::Unsealable { .. }), "{refused}");
    }
    for segment in session.segments() {
        let bytes = std::fs::read(segment).unwrap();
        for secret in [&b"secret-host"[..], b"Content-Length", b"queue_full", b"health_checks"] {
            assert!(memchr::memmem::find(&bytes, secret).is_none());
        }
    }
}

#[test]
fn what_was_changed_moved_put_in_or_cut_off_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchanges = many();
    write_encrypted(folder.path(), &mut exchanges);
    let session = Session::open_with(folder.path(), Some(identities())).unwrap();
    let (first, second) = (session.segments()[0].clone(), session.segments()[1].clone());
    let good = std::fs::read(&first).unwrap();
    let index = session.indexes().next().unwrap().unwrap().unwrap();
    let place = |block: usize| usize::try_from(index.blocks[block].offset).unwrap();
    let whole = events(folder.path());
    let check = |bytes: &[u8], what: &str| {
        std::fs::write(&first, bytes).unwrap();
        let got = events(folder.path());
        assert!(got.iter().any(|event| matches!(event, Event::Damage(_) | Event::Unfinished { .. })), "{what}");
        assert!(exchanges_of(&got).iter().all(|exchange| exchanges.contains(exchange)), "{what}");
        std::fs::write(&first, &good).unwrap();
        assert_eq!(events(folder.path()), whole);
    };
    let record = |block: usize| good[place(block)..place(block + 1)].to_vec();
    check(&good[..place(3)], "the last blocks, index and end are cut off");
    let mut taken = good.clone();
    taken.drain(place(1)..place(2));
    check(&taken, "a block was taken away");
    let mut twice = good.clone();
    twice.splice(place(1)..place(1), record(1));
    check(&twice, "a block was put in twice");
    let swapped = [&good[..place(1)], &record(2), &record(1), &good[place(3)..]].concat();
    check(&swapped, "two blocks were swapped");
    std::fs::write(&first, std::fs::read(&second).unwrap()).unwrap();
    let refused = Session::open_with(folder.path(), Some(identities())).unwrap_err();
    assert!(refused.to_string().contains("under another's name"), "{refused}");
    std::fs::write(&first, &good).unwrap();
    // A record whose checksums were made anew still does not open.
    let mut changed = good.clone();
    let (at, len) = (place(1), record(1).len());
    changed[at + len - 1] ^= 1;
    let mut head = frame::record_head(2, true, &changed[at + 20..at + len]);
    changed[at..at + 20].copy_from_slice(&head);
    check(&changed, "a byte was changed");
    // Nor is one believed that says it needs no key.
    let plain = folder.path().join("plain");
    write(&plain, SMALL, &mut many()[..20].to_vec());
    let plain_bytes = std::fs::read(plain.join("00000001.reenact")).unwrap();
    let plain_index = Session::open(&plain).unwrap().indexes().next().unwrap().unwrap().unwrap();
    let from = usize::try_from(plain_index.blocks[0].offset).unwrap();
    let to = usize::try_from(plain_index.blocks[1].offset).unwrap();
    let forged = [&good[..place(1)], &plain_bytes[from..to], &good[place(1)..]].concat();
    check(&forged, "a block without encryption was put in");
    head = frame::record_head(2, false, &good[at + 20..at + len]);
    let mut stripped = good.clone();
    stripped[at..at + 20].copy_from_slice(&head);
    check(&stripped, "its flag was taken away");
}
