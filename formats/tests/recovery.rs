//! A session whose writer had to give up segments: what is there, what is missing, and that writing goes on.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::Path;

use bytes::Bytes;
use formats::model::{Exchange, Gap, GapReason, Message};
use formats::session::{Event, Retention, Session, SessionError, SessionHeader, SessionWriter, WriterOptions, prune};

fn exchange(at: u64) -> Exchange {
    Exchange {
        request: Message { head: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"), ..Message::default() },
        instants: formats::model::Instants { request_start: at, request_head: at, ..Default::default() },
        ..Exchange::default()
    }
}

fn writer(directory: &Path) -> SessionWriter {
    SessionWriter::create(directory, SessionHeader::default(), WriterOptions::default()).unwrap()
}

fn gap() -> Gap {
    Gap { reason: GapReason::WriteFailed, from_ns: 1, to_ns: 2, connections: 0, exchanges: 5, bytes: 0 }
}

fn seqs(path: &Path) -> Vec<u64> {
    let events = Session::open(path).unwrap().events().map(Result::unwrap);
    events
        .filter_map(|event| match event {
            Event::Exchange(exchange) => Some(exchange.seq),
            Event::Damage(damage) => panic!("{damage:?}"),
            _ => None,
        })
        .collect()
}

#[test]
fn a_deleted_directory_is_noticed_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("session");
    let mut writer = writer(&directory);
    writer.append(&mut exchange(1)).unwrap();
    writer.flush().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    writer.append(&mut exchange(2)).unwrap();
    let error = writer.flush().unwrap_err();
    assert!(matches!(error, SessionError::Io { doing: "sync", .. }), "{error}");
    assert!(matches!(writer.append(&mut exchange(3)).unwrap_err(), SessionError::Failed { .. }));
    let gap = writer.reopen(gap()).unwrap();
    assert_eq!(
        gap.exchanges, 7,
        "five that the caller knows of, that in the deleted file, and the one after the flush"
    );
    assert_eq!(writer.append(&mut exchange(4)).unwrap(), 2, "a lost sequence number is not given again");
    assert_eq!(writer.written().exchanges, 1);
    writer.finish().unwrap();
    assert_eq!(seqs(&directory), [2]);
}

#[test]
fn reopening_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("session");
    let mut writer = writer(&directory);
    writer.append(&mut exchange(1)).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(writer.flush().is_err());
    std::fs::write(&directory, b"in the way").unwrap();
    assert!(writer.reopen(gap()).is_err());
    assert!(writer.reopen(gap()).is_err());
    std::fs::remove_file(&directory).unwrap();
    assert_eq!(writer.reopen(gap()).unwrap().exchanges, 6);
    writer.append(&mut exchange(2)).unwrap();
    writer.finish().unwrap();
    assert_eq!(seqs(&directory), [1]);
}

#[test]
fn where_nothing_was_lost_no_gap_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    writer.append(&mut exchange(1)).unwrap();
    writer.close().unwrap();
    let nothing = Gap { exchanges: 0, ..gap() };
    assert_eq!(writer.reopen(nothing.clone()).unwrap(), nothing);
    writer.append(&mut exchange(2)).unwrap();
    writer.finish().unwrap();
    assert_eq!(seqs(folder.path()), [0, 1], "no number is missing");
    let is_gap = |event: &Event| matches!(event, Event::Gap(_) | Event::Damage(_));
    assert_eq!(Session::open(folder.path()).unwrap().events().map(Result::unwrap).filter(is_gap).count(), 0);
}

#[test]
fn rotated_and_closed_segments_are_one_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    writer.append(&mut exchange(1)).unwrap();
    writer.rotate().unwrap();
    writer.append(&mut exchange(2)).unwrap();
    writer.close().unwrap();
    assert!(writer.append(&mut exchange(3)).is_err());
    assert_eq!(writer.reopen(gap()).unwrap().exchanges, 5);
    writer.append(&mut exchange(4)).unwrap();
    assert_eq!(writer.segment(), 3);
    let written = writer.finish().unwrap();
    assert_eq!((written.exchanges, written.segments), (3, 3));
    assert_eq!(seqs(folder.path()), [0, 1, 2]);
}

#[test]
fn a_failed_writer_does_not_finish_as_if_nothing_were_missing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("session");
    let mut failed = writer(&directory);
    failed.append(&mut exchange(1)).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(failed.flush().is_err());
    assert!(matches!(failed.finish().unwrap_err(), SessionError::Failed { .. }));
}

#[test]
fn retention_deletes_the_oldest_and_never_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    for at in 0..4 {
        writer.append(&mut exchange(at)).unwrap();
        writer.rotate().unwrap();
    }
    let sizes: Vec<u64> =
        Session::open(folder.path()).unwrap().segments().iter().map(|path| path.metadata().unwrap().len()).collect();
    let total: u64 = sizes.iter().sum();
    let by_size = |bytes_max| Retention { bytes_max: Some(bytes_max), segment_min: None };
    assert_eq!(prune(folder.path(), &by_size(total)).unwrap().segments, 0);
    assert_eq!(prune(folder.path(), &by_size(total - 1)).unwrap().segments, 1);
    assert_eq!(seqs(folder.path()), [1, 2, 3]);
    let by_age = |segment_min| Retention { bytes_max: None, segment_min: Some(segment_min) };
    assert_eq!(prune(folder.path(), &by_age(2)).unwrap().segments, 0);
    assert_eq!(prune(folder.path(), &by_age(3)).unwrap().segments, 1);
    assert_eq!(seqs(folder.path()), [2, 3]);
    assert_eq!(prune(folder.path(), &by_age(99)).unwrap().segments, 2);
    writer.append(&mut exchange(9)).unwrap();
    writer.finish().unwrap();
    assert_eq!(seqs(folder.path()), [4]);
}
