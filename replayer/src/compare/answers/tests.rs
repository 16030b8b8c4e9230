use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use formats::model::{Body, Exchange, Message, ReplayOf};
use formats::session::{SessionHeader, SessionWriter, WriterOptions};

use super::causes::CAUSES_OF_ENDPOINT_MAX;
use super::findings::Word;
use super::*;
use crate::differ::{Answer, Kind};

fn exchange(seq: u64, body: &str) -> Exchange {
    let body = Body { bytes: Bytes::from(body.to_owned()), total_len: body.len() as u64, ..Body::default() };
    let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
    Exchange {
        request: Message { head: format!("GET /item/{seq} HTTP/1.1\r\n\r\n").into(), ..Message::default() },
        response: Some(Message { head, body, ..Message::default() }),
        replay_of: Some(ReplayOf { session: 0, seq, copy: 0 }),
        ..Exchange::default()
    }
}

fn session(path: &Path, seqs: impl Iterator<Item = u64>) {
    let header = SessionHeader { session_id: "0123456789abcdef".to_owned(), ..SessionHeader::default() };
    let mut writer = SessionWriter::create(path, header, WriterOptions::default()).unwrap();
    for seq in seqs {
        writer.append(&mut exchange(seq, &format!("{{\"n\":{seq}}}"))).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn answers_find_each_other_in_any_order_and_in_any_memory() {
    const REQUESTS: u64 = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let [one, other, third] = ["one", "other", "third"].map(|name| folder.path().join(name));
    session(&one, 0..REQUESTS);
    session(&other, (0..REQUESTS).rev());
    // The last has answers to two thirds, in yet another order, and to one request twice.
    session(&third, (0..REQUESTS).map(|n| n * 7 % REQUESTS).filter(|n| n % 3 != 0).chain([1]));
    for memory_bytes_max in [1, 100_000, MEMORY_BYTES_MAX] {
        let sources = [&one, &other, &third].map(|path| Source::open(path, What::Run).unwrap());
        let mut seen: BTreeMap<Key, Vec<u16>> = BTreeMap::new();
        let paired = pairing::pair(sources.into(), folder.path(), memory_bytes_max, |key, group| {
            let mut runs: Vec<u16> = group.iter().map(|(run, _)| *run).collect();
            runs.sort_unstable();
            for (_, answer) in group {
                assert_eq!(answer.body(), format!("{{\"n\":{}}}", key.seq).as_bytes());
            }
            assert!(seen.insert(key, runs).is_none(), "{key:?} comes once");
        })
        .unwrap();
        assert_eq!(seen.len() as u64, REQUESTS);
        for (key, runs) in &seen {
            let expected: &[u16] = if key.seq % 3 == 0 { &[0, 1] } else { &[0, 1, 2] };
            assert_eq!(runs, expected, "{key:?} with {memory_bytes_max} bytes");
        }
        assert_eq!((paired.spilled > 0, paired.twice), (memory_bytes_max < MEMORY_BYTES_MAX, 1), "{memory_bytes_max}");
    }
}

const ACROSS: Pair = Pair { runs: (0, 1), number: 0, across: true, same_key: true };
const WITHIN: Pair = Pair { runs: (0, 2), number: 1, across: false, same_key: true };

fn compared(pairs: impl Iterator<Item = (Pair, String, String)>) -> Causes {
    compared_at(pairs.map(|(pair, before, after)| ("GET /item/{id}", pair, before, after)))
}

fn compared_at(pairs: impl Iterator<Item = (&'static str, Pair, String, String)>) -> Causes {
    let mut causes = Causes::new(Rules::read(None).unwrap());
    for (seq, (endpoint, pair, before, after)) in (0..).zip(pairs) {
        let endpoint = causes.endpoint(endpoint);
        let [before, after] = [before, after].map(|body| Answer::of(&exchange(seq, &body)));
        causes.compare(Key { session: 0, seq, copy: 0 }, endpoint, pair, &before, &after);
    }
    causes
}

#[test]
fn a_thousand_random_keys_leave_room_for_others() {
    let random = |n: u64| (ACROSS, format!("{{\"key{n}x\":1}}"), "{}".to_owned());
    let mut causes = compared((0..3_000).map(random));
    assert_eq!(causes.all.len(), CAUSES_OF_ENDPOINT_MAX + 1);
    let findings = findings::findings(&mut causes);
    let others = findings.iter().find(|finding| finding.place == "(others)").unwrap();
    assert_eq!(others.sum(|at| at.across), 2_000);
}

#[test]
fn a_cause_is_what_is_more_frequent_across_sides_than_within() {
    // `flaky` differs in every second pair everywhere, `broken` in 20 of 500 pairs across sides, `once` in one.
    let body = |n: u64, flaky: bool, broken: bool, once: bool| {
        (
            format!("{{\"flaky\":{n},\"broken\":1,\"once\":1}}"),
            format!(
                "{{\"flaky\":{},\"broken\":{},\"once\":{}}}",
                n + u64::from(flaky),
                1 + u64::from(broken),
                1 + u64::from(once)
            ),
        )
    };
    let pairs = (0..1_000_u64).map(|n| {
        let across = n % 2 == 0;
        let (before, after) = body(n, n % 4 < 2, across && n % 50 == 0, n == 2);
        (if across { ACROSS } else { WITHIN }, before, after)
    });
    let mut causes = compared(pairs);
    let findings = findings::findings(&mut causes);
    let found: Vec<(&str, Kind, Word, u64)> =
        findings.iter().map(|one| (one.place.as_str(), one.kind, one.word, one.sum(|at| at.across))).collect();
    assert_eq!(
        found,
        [
            ("$.broken", Kind::Value, Word::Changed, 20),
            ("$.once", Kind::Value, Word::TooFew, 1),
            ("$.flaky", Kind::Value, Word::Noise, 250),
        ]
    );
    assert_eq!(findings[0].samples.len(), 3);
    assert!(findings[0].ratio.is_some_and(|ratio| (3.0..20.0).contains(&ratio)), "{:?}", findings[0].ratio);
}

#[test]
fn a_rule_is_for_the_endpoint_of_its_evidence_also_where_that_is_missing_and_added() {
    let [with, without] = [r#"{"a":1}"#, "{}"].map(str::to_owned);
    let comes_and_goes = |endpoint: &'static str| {
        [(endpoint, ACROSS, with.clone(), without.clone()), (endpoint, ACROSS, without.clone(), with.clone())]
    };
    let check = |endpoints: &[&'static str], expected: &str| {
        let learned = learn::learn(&compared_at(endpoints.iter().copied().flat_map(comes_and_goes)));
        let evidence = learned.text.matches("# GET /").count();
        assert_eq!((learned.rules, evidence), (1, 2 * endpoints.len()), "{}", learned.text);
        assert!(learned.text.ends_with(expected), "{}", learned.text);
    };
    let rule = "where = \"$.a\"\nmatcher = \"optional\"\n";
    check(&["GET /item/{id}"], &format!("[[rule]]\nendpoint = \"GET /item/{{id}}\"\n{rule}"));
    check(&["GET /item/{id}", "GET /list"], &format!("[[rule]]\n{rule}"));
}

#[test]
fn pairs_make_every_run_a_witness_as_often_as_any_other() {
    let of = |before, after| pairs(before, after, &[]).iter().map(|pair| (pair.runs, pair.across)).collect::<Vec<_>>();
    assert_eq!(of(1, 1), [((0, 1), true)]);
    assert_eq!(of(2, 2), [((0, 2), true), ((1, 3), true), ((0, 1), false), ((2, 3), false)]);
    assert_eq!(of(1, 3), [((0, 1), true), ((1, 2), false)]);
    let keys = [None, Some("a"), Some("a"), Some("b")].map(|key| key.map(str::to_owned));
    let same: Vec<bool> = pairs(2, 2, &keys).iter().map(|pair| pair.same_key).collect();
    assert_eq!(same, [false, false, false, false]);
    assert!(pairs(1, 1, &keys[1..3])[0].same_key);
}
