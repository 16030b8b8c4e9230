//! Summaries: what a segment's end says is what its exchanges and gaps amount to, and nothing else is believed.

use super::blocks::any_exchange;
use super::*;
use crate::summary::{BUCKETS_MAX, ENDPOINTS_MAX, EndpointRow, Histogram, Summary};

/// What the segments of a session say together.
fn told(session: &Session) -> Summary {
    let mut whole = Summary::default();
    session.summaries().for_each(|summary| whole.merge(&summary.unwrap().unwrap()));
    whole
}

/// What reading everything comes to.
fn counted(session: &Session) -> Summary {
    let mut whole = Summary::default();
    for event in session.events() {
        match event.unwrap() {
            Event::Exchange(exchange) => whole.count(&exchange),
            Event::Gap(gap) => whole.count_gap(&gap),
            Event::Index(_) | Event::Ended { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    whole
}

fn compressed(json: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(json, 1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn ends_tell_what_reading_everything_comes_to(
        mut exchanges in proptest::collection::vec(any_exchange(), 0..40),
        (reason, facts) in (proptest::sample::select(GapReason::ALL), any::<[u64; 5]>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let options = WriterOptions { segment_bytes_max: 1_500, block_bytes: 500, ..SMALL };
        let mut writer = SessionWriter::create(folder.path(), SessionHeader::default(), options).unwrap();
        let [from_ns, to_ns, connections, exchanges_lost, bytes] = facts;
        for (at, exchange) in exchanges.iter_mut().enumerate() {
            writer.append(exchange).unwrap();
            if at % 15 == 7 {
                writer.gap(&Gap { reason, from_ns, to_ns, connections, exchanges: exchanges_lost, bytes }).unwrap();
            }
        }
        writer.finish().unwrap();
        let session = Session::open(folder.path()).unwrap();
        prop_assert_eq!(told(&session), counted(&session));
    }

    #[test]
    fn any_json_as_a_summary_is_survived(bytes: Vec<u8>, at: prop::sample::Index, value: u8) {
        let mut json = footer::encode(&Summary::default()).unwrap();
        let _ = footer::decode(&bytes);
        let _ = footer::decode(&compressed(&bytes));
        let at = at.index(json.len());
        json[at] = value;
        if let Ok(summary) = footer::decode(&compressed(&json)) {
            prop_assert_eq!(summary.check(), Ok(()));
        }
    }
}

/// The JSON of a session of many exchanges, changed at one place, is refused with these words.
fn refused(change: impl Fn(&mut serde_json::Value), words: &str) {
    let mut summary = Summary::default();
    many().iter().for_each(|exchange| summary.count(exchange));
    let json = footer::encode(&summary).unwrap();
    assert_eq!(footer::decode(&compressed(&json)), Ok(summary));
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    change(&mut json);
    let error = footer::decode(&compressed(json.to_string().as_bytes())).unwrap_err();
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_counting_could_not_have_said_is_refused() {
    refused(|json| json["exchanges"] = 0.into(), "instants");
    refused(|json| json["exchanges"] = (-1).into(), "invalid");
    refused(|json| drop(json.as_object_mut().unwrap().remove("gaps")), "missing field `gaps`");
    refused(|json| json["rate"]["width_ns"] = 0.into(), "rate's width");
    refused(|json| json["windows"][1]["width_ns"] = 5.into(), "other widths");
    refused(|json| json["clients"] = (0..1_025).collect::<Vec<u64>>().into(), "distinct");
    refused(|json| json["status"] = serde_json::json!({"1000": 1}), "statuses");
    refused(|json| json["ends"] = serde_json::json!({"well": 1}), "unknown word \"well\"");
    let twice = |rows: &mut serde_json::Value| {
        let row = rows[0].clone();
        rows.as_array_mut().unwrap().push(row);
    };
    refused(|json| twice(&mut json["endpoints"]["rows"]), "an endpoint twice");
    refused(|json| twice(&mut json["sample"]), "sample twice");
    let rows: Vec<_> = (0..101).map(|host| serde_json::json!([format!("h{host}"), 1])).collect();
    refused(|json| json["hosts"]["rows"] = rows.clone().into(), "names");
}

#[test]
fn a_summary_that_unfolds_too_far_is_refused() {
    let spaces = vec![b' '; footer::SUMMARY_BYTES_MAX + 1];
    let error = footer::decode(&compressed(&spaces)).unwrap_err();
    assert!(error.contains("longer than 33554432 bytes"), "{error}");
    let one_less = footer::decode(&compressed(&spaces[1..])).unwrap_err();
    assert!(!one_less.contains("longer"), "{one_less}");
}

#[test]
fn the_largest_summary_that_there_can_be_is_read() {
    let buckets = (0..BUCKETS_MAX as u64).map(|bucket| (u16::MAX - bucket as u16, u64::MAX)).rev().collect();
    let full = Histogram { bits: 10, buckets, sum: u64::MAX, max: u64::MAX };
    let row = EndpointRow { exchanges: u64::MAX, response_ns: full.clone(), ..EndpointRow::default() };
    let mut summary = Summary { exchanges: 1, first_ns: Some(0), last_ns: Some(0), ..Summary::default() };
    (summary.request_size, summary.response_size, summary.response_ns) = (full.clone(), full.clone(), full);
    for number in 0..ENDPOINTS_MAX {
        *summary.endpoints.row(&format!("{number:04}{}", "\u{10ffff}".repeat(197))) = row.clone();
    }
    summary.endpoints.other = row;
    let json = footer::encode(&summary).unwrap();
    assert!(footer::decode(&compressed(&json)).as_ref() == Ok(&summary), "{} bytes", json.len());
}

#[test]
fn a_segment_without_its_summary_has_none() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), SMALL, &mut many());
    let path = folder.path().join("00000001.reenact");
    let session = Session::open(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let end = good.len() - frame::END_LEN;
    let summary_at = usize::try_from(frame::long(&good, end + 8)).unwrap();
    assert_eq!(told(&session), counted(&session));
    // A bit of it is flipped; it is cut off; the end, made anew, says that there is none, or that it is the index.
    let mut flipped = good.clone();
    flipped[summary_at + 30] ^= 1;
    let with_place = |place: u64| {
        let mut bytes = good.clone();
        bytes[end + 8..end + 16].copy_from_slice(&place.to_le_bytes());
        let head = frame::record_head(5, false, &bytes[end..]);
        bytes[end - frame::RECORD_HEAD_LEN..end].copy_from_slice(&head);
        bytes
    };
    let index_at = frame::long(&good, end);
    for (what, bytes) in [
        ("flipped", flipped),
        ("cut off", good[..summary_at + 30].to_vec()),
        ("none", with_place(0)),
        ("the index", with_place(index_at)),
        ("behind the end", with_place(u64::MAX)),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(session.summaries().next().unwrap().unwrap(), None, "{what}");
    }
}
