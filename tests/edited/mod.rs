//! Sessions to be edited, and what is compared of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::path::{Path, PathBuf};

use formats::model::{Exchange, Gap, GapReason};
use formats::session::{SessionHeader, SessionWriter, WriterOptions};
use serde_json::Value;

use crate::support::{Said, cat, reenact_says, text};
use crate::traffic::{Random, random_session};

/// 2026-11-23T09:00:00Z
pub(crate) const NINE_NS: u64 = 1_795_424_400_000_000_000;
pub(crate) const MS: u64 = 1_000_000;

pub(crate) fn header(id: &str) -> SessionHeader {
    SessionHeader { session_id: id.to_owned(), started_unix_ns: NINE_NS, ..SessionHeader::default() }
}

/// In small blocks, each closed before the gap that follows it.
pub(crate) fn write(path: &Path, header: SessionHeader, exchanges: &[Exchange], gaps: &[(usize, Gap)]) -> PathBuf {
    let options = WriterOptions { block_bytes: 4_000, sync: false, ..WriterOptions::default() };
    let mut writer = SessionWriter::create(path, header, options).unwrap();
    for (number, exchange) in exchanges.iter().enumerate() {
        for (_, gap) in gaps.iter().filter(|(at, _)| *at == number) {
            writer.flush().unwrap();
            writer.gap(gap).unwrap();
        }
        writer.append(&mut exchange.clone()).unwrap();
    }
    writer.finish().unwrap();
    path.to_owned()
}

/// A random session whose exchanges are over at different instants, so that their order is known.
pub(crate) fn random(seed: u64) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    let mut random = Random(seed);
    for round in 0..4 {
        for mut exchange in random_session(&mut random) {
            exchange.client.id = random.next() % 9 * 0x0123_4567_89ab_cdef;
            exchange.connection += round * 1_000;
            exchange.move_by(round * 20 * MS);
            exchanges.push(exchange);
        }
    }
    exchanges.sort_by_key(Exchange::last_ns);
    exchanges.dedup_by_key(|exchange| exchange.last_ns());
    exchanges
}

pub(crate) fn gap(from_ns: u64, to_ns: u64, bytes: u64) -> Gap {
    Gap { reason: GapReason::QueueFull, from_ns, to_ns, connections: 1, exchanges: 0, bytes }
}

/// `reenact edit` with these arguments.
pub(crate) fn edit<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Said {
    reenact_says(std::iter::once("edit").chain(arguments))
}

/// The same, which has to be done without loss.
#[track_caller]
pub(crate) fn edited(inputs: &[&Path], out: &Path, options: &[&str]) -> PathBuf {
    let inputs: Vec<String> = inputs.iter().map(|path| text(path)).collect();
    let out_text = text(out);
    let said = edit(inputs.iter().map(String::as_str).chain(["-o", &out_text]).chain(options.iter().copied()));
    assert!(said.code == 0 && !said.err.contains("panicked"), "{options:?}: {said:?}");
    out.to_owned()
}

/// What `cat` prints of it but for the header.
pub(crate) fn lines(session: &Path) -> Vec<Value> {
    cat(session).into_iter().filter(|line| line["type"] != "session").collect()
}

/// Its header.
pub(crate) fn header_of(session: &Path) -> Value {
    cat(session).into_iter().find(|line| line["type"] == "session").unwrap()["header"].clone()
}

/// The parts of a split, in order.
pub(crate) fn parts(out: &Path) -> Vec<PathBuf> {
    let part = |number: usize| PathBuf::from(format!("{}-{number:03}", text(out)));
    (1..).map(part).take_while(|path| path.exists()).collect()
}
