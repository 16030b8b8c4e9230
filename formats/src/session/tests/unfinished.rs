//! Sessions without an end: what no record says is missing, once.

use super::*;

/// What is missing of a session that has no end.
pub(super) fn lost_after(last_ns: u64, bytes: u64) -> Gap {
    Gap { reason: GapReason::Unfinished, from_ns: last_ns, to_ns: last_ns, connections: 0, exchanges: 0, bytes }
}

/// What is said to be missing behind each segment without an end.
fn missing(events: &[Event]) -> Vec<Option<Gap>> {
    let of = |event: &Event| match event {
        Event::Unfinished { missing, .. } => Some(missing.clone()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// How many bytes each damage has, and whether it is a write that was cut off.
fn damages(events: &[Event]) -> Vec<(u64, bool)> {
    let of = |event: &Event| match event {
        Event::Damage(damage) => Some((damage.len, damage.is_tail)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn a_write_that_was_cut_off_is_of_what_is_missing_behind_the_session() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), WriterOptions { block_bytes: 4_000, ..SMALL }, &mut many());
    let path = folder.path().join("00000001.reenact");
    let bytes = std::fs::read(&path).unwrap();
    let session = Session::open(&path).unwrap();
    let blocks = session.indexes().next().unwrap().unwrap().unwrap().blocks;
    let [.., before, last] = blocks[..] else { panic!("{blocks:?}") };
    let cut = usize::try_from(last.offset).unwrap() + 31;
    std::fs::write(&path, &bytes[..cut]).unwrap();
    let (got, others) = read(&path);
    assert_eq!(before.to_ns, got.iter().map(Exchange::last_ns).max().unwrap());
    assert_eq!(missing(&others), [Some(lost_after(before.to_ns, 31))]);
    assert_eq!(damages(&others), [(31, true)]);
    // What a part is read for does not change what is missing.
    let wanted = Wanted { seqs: Some((0, 1)), ..Wanted::default() };
    let events: Vec<Event> = session.wanted(wanted).map(Result::unwrap).collect();
    assert_eq!(missing(&events), [Some(lost_after(before.to_ns, 31))]);
    // Damage in front of it is not of it.
    let mut flipped = bytes;
    flipped[usize::try_from(before.offset).unwrap() - 1] ^= 1;
    std::fs::write(&path, &flipped[..cut]).unwrap();
    let (_, others) = read(&path);
    assert_eq!(missing(&others), [Some(lost_after(before.to_ns, 31))]);
    assert!(matches!(damages(&others)[..], [(_, false), (31, true)]), "{others:?}");
}

#[test]
fn what_is_missing_behind_a_tunnel_is_missing_since_something_last_passed_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let flow = |last_ns, frame_ns| Flow {
        bytes: 3,
        first_ns: Some(200),
        last_ns: Some(last_ns),
        frames: vec![Frame { at_ns: frame_ns, kind: 129, len: 1 }],
        ..Flow::default()
    };
    for (number, (to_upstream, to_client)) in
        [(flow(300, 250), flow(90_000, 260)), (flow(300, 90_000), flow(400, 350))].into_iter().enumerate()
    {
        let path = folder.path().join(number.to_string());
        let mut writer = SessionWriter::create(&path, SessionHeader::default(), SMALL).unwrap();
        let tunnel = Some(Tunnel { to_upstream, to_client });
        writer.append(&mut Exchange { tunnel, ..exchange(100, 1, b"") }).unwrap();
        writer.append(&mut exchange(500, 2, b"")).unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(missing(&read(&path).1), [Some(lost_after(90_000, 0))]);
    }
}

#[test]
fn only_behind_the_last_segment_something_is_missing_that_no_record_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SessionWriter::create(folder.path(), SessionHeader::default(), SMALL).unwrap();
    writer.append(&mut exchange(100, 1, b"a")).unwrap();
    writer.flush().unwrap();
    // Its writer failed and goes on: what it had lost is the next segment's first record.
    let gap = Gap { reason: GapReason::WriteFailed, from_ns: 1, to_ns: 2, connections: 0, exchanges: 4, bytes: 5 };
    writer.reopen(gap.clone()).unwrap();
    drop(writer);
    let (got, others) = read(folder.path());
    let last_ns = got[0].last_ns();
    assert_eq!(missing(&others), [None, Some(lost_after(last_ns, 0))]);
    let session = Session::open(folder.path()).unwrap();
    let [first, second] = session.segments() else { panic!("{session:?}") };
    let of = |segment, last_ns| missing(&session.events_of(segment, last_ns).map(Result::unwrap).collect::<Vec<_>>());
    assert_eq!(of(first, 0), [None]);
    assert_eq!(of(second, last_ns), [Some(lost_after(last_ns, 0))]);
    // The gap is the only thing that the second one says of time.
    assert_eq!(of(second, 0), [Some(lost_after(gap.to_ns, 0))]);
}

#[test]
fn what_stood_in_a_segment_that_was_deleted_is_lost_and_its_gaps_are_declared_again() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("s");
    let mut writer = SessionWriter::create(&session, SessionHeader::default(), SMALL).unwrap();
    let gap = |reason, exchanges| Gap { reason, from_ns: 1, to_ns: 2, connections: 0, exchanges, bytes: 5 };
    writer.append(&mut exchange(100, 1, b"kept")).unwrap();
    writer.gap(&gap(GapReason::Breaker, 7)).unwrap();
    writer.rotate().unwrap();
    writer.append(&mut exchange(200, 1, b"lost")).unwrap();
    writer.gap(&gap(GapReason::QueueFull, 3)).unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.durable().exchanges, 2);
    std::fs::remove_file(session.join("00000002.reenact")).unwrap();
    writer.append(&mut exchange(300, 1, b"lost")).unwrap();
    let error = writer.flush().unwrap_err();
    assert!(matches!(&error, SessionError::Io { source, .. } if source.to_string().contains("deleted")), "{error:?}");
    assert_eq!((writer.written().exchanges, writer.durable().exchanges), (3, 1));
    let declared = writer.reopen(gap(GapReason::WriteFailed, 4)).unwrap();
    assert_eq!((declared.exchanges, writer.written().exchanges), (6, 1));
    writer.append(&mut exchange(400, 1, b"kept")).unwrap();
    assert_eq!(writer.finish().unwrap().exchanges, 2);
    let (got, others) = read(&session);
    assert_eq!(got.iter().map(|one| one.seq).collect::<Vec<_>>(), [0, 3]);
    let gaps = others.into_iter().filter(|event| matches!(event, Event::Gap(_) | Event::Damage(_)));
    let expected = [(GapReason::Breaker, 7), (GapReason::WriteFailed, 6), (GapReason::QueueFull, 3)];
    assert_eq!(gaps.collect::<Vec<_>>(), expected.map(|(reason, exchanges)| Event::Gap(gap(reason, exchanges))));
}

#[test]
fn a_segment_that_is_empty_or_was_only_begun_is_missing_from_what_was_known_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SessionWriter::create(folder.path(), SessionHeader::default(), SMALL).unwrap();
    writer.append(&mut exchange(100, 1, b"a")).unwrap();
    writer.rotate().unwrap();
    drop(writer);
    let second = folder.path().join("00000002.reenact");
    let whole = std::fs::read(&second).unwrap();
    for len in [0, 1, frame::FILE_HEAD_LEN, frame::FILE_HEAD_LEN + 5, whole.len()] {
        std::fs::write(&second, &whole[..len]).unwrap();
        let (got, others) = read(folder.path());
        let cut = if len == frame::FILE_HEAD_LEN + 5 { 5 } else { 0 };
        assert_eq!(missing(&others), [Some(lost_after(got[0].last_ns(), cut))], "{len} bytes");
    }
}
