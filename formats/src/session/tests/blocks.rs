//! Blocks: whatever exchanges go in, the same come out.

use proptest::sample::select;

use super::super::block::{BlockReader, BlockWriter};
use super::*;

/// Heads as they are, and as they should not be.
fn any_head() -> impl Strategy<Value = Bytes> {
    let name = select(vec!["Host", "host", "User-Agent", "Cookie", "Content-Length", "X-A", "X b", ""]);
    let value = select(vec!["a", "b", "", " padded ", "3", "17", "with: colon", "a\rb", "longer than the others"]);
    let colon = select(vec![": ", ":", " : ", ""]);
    let end = select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\n"]);
    let line =
        (name, colon, value, end.clone()).prop_map(|(name, colon, value, end)| format!("{name}{colon}{value}{end}"));
    let start = select(vec![
        "GET / HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "POST /other?x=1 HTTP/1.0\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 404 \r\n",
        "GET\r\n",
        "GET /\n",
        ":method: GET\r\n",
        "",
    ]);
    let lines = proptest::collection::vec(line, 0..4);
    let text = (start, lines, select(vec!["\r\n", "\r\n", "\r\n", "", "\n", "x"]))
        .prop_map(|(start, lines, end)| Bytes::from(format!("{start}{}{end}", lines.concat())));
    let bytes = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    prop_oneof![8 => text, 1 => bytes]
}

/// Bodies that differ in their values, and what is no JSON or hardly.
fn any_json() -> impl Strategy<Value = Bytes> {
    let value = select(vec![
        "1",
        "-2.5e7",
        "null",
        "\"\"",
        "\"text\"",
        r#""es\"caped\\""#,
        "[]",
        "[true,{}]",
        "{\"id\" : 3}",
        "x",
    ]);
    let alike = proptest::collection::vec(value, 3).prop_map(|values| {
        Bytes::from(format!("{{\"id\":{},\"name\": {},\"a longer name\":[{}]}}", values[0], values[1], values[2]))
    });
    let objects =
        proptest::collection::vec((0..3_u32, select(vec!["", ",\"more\":{}", ",\"more\":[{\"n\":1}]"])), 0..6)
            .prop_map(|all| {
                let object = |(n, more): &(u32, &str)| format!("{{\"number\":{n}{more}}}");
                Bytes::from(format!(
                    "{{\"objects of a list\":[{}]}}",
                    all.iter().map(object).collect::<Vec<_>>().join(",")
                ))
            });
    let token = select(vec![
        "{", "}", "[", "]", ",", ":", " ", "\n", "\"a\"", "\"a\":", "\"", "\\", "\\\"", "1", "true", "\0", "\u{7f}é",
        "-", "'",
    ]);
    let odd = proptest::collection::vec(token, 8..40).prop_map(|tokens| Bytes::from(format!("{{{}", tokens.concat())));
    let broken = proptest::collection::vec(any::<u8>(), 1..9)
        .prop_map(|bytes| Bytes::from([&b"[\"a string that is long enough, \", \""[..], &bytes, b"\"]"].concat()));
    prop_oneof![3 => alike, 2 => objects, 1 => odd, 1 => broken]
}

fn any_body() -> impl Strategy<Value = Bytes> {
    let repeated = select(vec![0_usize, 1, 3, 63, 64, 65, 200]).prop_map(|len| Bytes::from(vec![b'r'; len]));
    prop_oneof![repeated, proptest::collection::vec(any::<u8>(), 0..90).prop_map(Bytes::from), any_json()]
}

fn any_message() -> impl Strategy<Value = Message> {
    let chunks = proptest::collection::vec(any::<u64>(), 0..4);
    let redacted =
        proptest::option::of(proptest::collection::vec(select(vec!["gzip".to_owned(), "br".to_owned()]), 0..3));
    let dropped = proptest::option::of(select(Dropped::ALL));
    let total_len = proptest::option::of(any::<u64>());
    let kept = (total_len, chunks, any::<Option<[u8; 32]>>(), redacted, dropped);
    let trailers = prop_oneof![2 => Just(Bytes::new()), 1 => any_head()];
    (any_head(), select(Framing::ALL), any_body(), kept, trailers, any_pieces()).prop_map(
        |(head, framing, body, (total_len, chunks, sha256, redacted, dropped), trailers, pieces)| {
            let total_len = total_len.unwrap_or(body.len() as u64);
            let body = Body { bytes: body, total_len, chunks, sha256, redacted, dropped };
            Message { head, framing, body, trailers, pieces }
        },
    )
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let frame = any::<(u64, u8, u64)>().prop_map(|(at_ns, kind, len)| Frame { at_ns, kind, len });
    (any::<u64>(), any::<[Option<u64>; 2]>(), any_pieces(), proptest::collection::vec(frame, 0..3), any_body())
        .prop_map(|(bytes, [first_ns, last_ns], pieces, frames, content)| Flow {
            bytes,
            first_ns,
            last_ns,
            pieces,
            frames,
            content,
        })
}

/// Near each other, as they usually are, or anything.
fn any_instant() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        Just(None),
        (1_000_u64..1_100).prop_map(Some),
        any::<u64>().prop_map(Some),
        Just(Some(u64::MAX)),
        Just(Some(0))
    ]
}

pub(super) fn any_exchange() -> impl Strategy<Value = Exchange> {
    let who = (0_u64..3, select(KeySource::ALL), prop_oneof![0_u64..3, any::<u64>()]);
    let instants = proptest::array::uniform7(any_instant());
    let tunnel = proptest::option::weighted(0.2, (any_flow(), any_flow()));
    let replay_of = proptest::option::of((0_u32..3, any::<u64>(), any::<u32>()));
    let kinds =
        (select(Protocol::ALL), select(End::ALL), proptest::option::of(select(Ambiguity::ALL)), any::<[bool; 2]>());
    let heads = proptest::collection::vec(any_head(), 0..3);
    let facts = proptest::option::of(select(vec!["{}", "{\"tls\":{}}"]));
    let messages = (any_message(), heads, proptest::option::of(any_message()));
    (who, instants, tunnel, replay_of, kinds, facts, messages).prop_map(
        |(
            (client, source, connection),
            instants,
            tunnel,
            replay_of,
            kinds,
            facts,
            (request, informational, response),
        )| {
            let [start, head, request_end, connected, response_start, response_head, response_end] = instants;
            let (request_start, request_head) = (start.unwrap_or(5), head.unwrap_or(6));
            let (protocol, end, ambiguous, [resynchronised, rebuilt]) = kinds;
            Exchange {
                seq: 0,
                client: ClientKey { source, id: client },
                connection,
                protocol,
                request,
                informational,
                response,
                instants: Instants {
                    request_start,
                    request_head,
                    request_end,
                    connected,
                    response_start,
                    response_head,
                    response_end,
                },
                end,
                replay_of: replay_of.map(|(session, seq, copy)| ReplayOf { session, seq, copy }),
                ambiguous,
                resynchronised,
                rebuilt,
                tunnel: tunnel.map(|(to_upstream, to_client)| Tunnel { to_upstream, to_client }),
                facts: facts.map(Into::into),
            }
        },
    )
}

/// What the block of these exchanges holds.
fn content(exchanges: &[Exchange]) -> (Bytes, u64) {
    let mut writer = BlockWriter::new().unwrap();
    let earliest = exchanges.iter().map(|exchange| exchange.instants.request_start).min().unwrap();
    exchanges.iter().for_each(|exchange| writer.append(exchange));
    (Bytes::from(writer.finish(earliest, |_| None).bytes), earliest)
}

proptest! {
    #[test]
    fn any_exchanges_come_back_from_a_block(exchanges in proptest::collection::vec(any_exchange(), 1..9)) {
        let (content, earliest) = content(&exchanges);
        let mut reader = BlockReader::new(&content, earliest).unwrap();
        for expected in &exchanges {
            prop_assert_eq!(reader.take(0), Ok(expected.clone()));
        }
    }

    #[test]
    fn a_changed_byte_of_a_block_is_survived(
        exchanges in proptest::collection::vec(any_exchange(), 1..5),
        (at, value) in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let (content, earliest) = content(&exchanges);
        let mut changed = content.to_vec();
        let at = at.index(changed.len());
        changed[at] = value;
        if let Ok(mut reader) = BlockReader::new(&Bytes::from(changed), earliest) {
            for _ in 0..exchanges.len() + 3 {
                let _ = reader.take(0);
            }
        }
    }

    #[test]
    fn any_bytes_as_a_block_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(mut reader) = BlockReader::new(&Bytes::from(bytes), 0) {
            for _ in 0..9 {
                let _ = reader.take(0);
            }
        }
    }
}

#[test]
fn a_block_has_templates_however_many_names_the_one_before_had() {
    let with = |names: std::ops::Range<u32>| {
        let fields: String = names.map(|name| format!("X-Name-{name}: value\r\n")).collect();
        let request = Message { head: format!("GET / HTTP/1.1\r\n{fields}\r\n").into(), ..Message::default() };
        Exchange { request, ..exchange(0, 1, b"") }
    };
    let mut writer = BlockWriter::new().unwrap();
    let mut write = |exchanges: &[Exchange]| {
        exchanges.iter().for_each(|exchange| writer.append(exchange));
        let content = writer.finish(0, |_| None).bytes;
        writer.next_block(usize::MAX);
        content
    };
    let few: Vec<Exchange> = (0..9).map(|_| with(0..9)).collect();
    let many: Vec<Exchange> = (0..20).map(|at| with(at * 250..(at + 1) * 250)).collect();
    let first = write(&few);
    write(&many);
    assert!(first == write(&few), "{} bytes are {} behind a block of many names", first.len(), write(&few).len());
}

#[test]
fn bodies_of_one_structure_take_their_values_only() {
    let one = |at: u32| {
        let body = format!("{{\"identifier\":{at},\"description\":\"{}\",\"tags\":[\"a\",\"b\"]}}", "d".repeat(50));
        exchange(u64::from(at) * 1_000, 1, body.as_bytes())
    };
    let size = |count: u32| content(&(0..count).map(one).collect::<Vec<_>>()).0.len();
    let each = (size(1_000) - size(100)) / 900;
    assert!(each <= 35, "{each} bytes for an exchange whose body has one number that is new");
}

#[test]
fn an_identifier_that_the_answer_repeats_is_told_once() {
    let one = |at: u32, told: u32| {
        let mut exchange = exchange(u64::from(at) * 1_000, 1, b"");
        exchange.request.head = format!("GET / HTTP/1.1\r\nX-Request-Id: {at:032}\r\n\r\n").into();
        let head = format!("HTTP/1.1 204 \r\nx-request-id: {told:032}\r\n\r\n").into();
        exchange.response = Some(Message { head, ..Message::default() });
        exchange
    };
    let size = |other: u32| content(&(0..100).map(|at| one(at, at + other)).collect::<Vec<_>>()).0.len();
    assert!(size(0) + 100 * 32 < size(1_000), "{} and {} bytes", size(0), size(1_000));
}

#[test]
fn a_body_takes_half_of_its_length_from_a_block_however_short_it_is_in_it() {
    let mut writer = BlockWriter::new().unwrap();
    let one = |at: u32| exchange(0, 1, format!("{{\"n\":{at},\"text\":\"{}\"}}", "d".repeat(4_000)).as_bytes());
    (0..100).for_each(|at| writer.append(&one(at)));
    let (size, content) = (writer.size(), writer.finish(0, |_| None).bytes.len());
    assert!(size >= 200_000 && content < 20_000, "{size} {content}");
}

#[test]
fn what_a_client_sends_again_takes_a_byte_each() {
    let head = |path: u32| {
        format!(
            "GET /{path} HTTP/1.1\r\nHost: shop\r\nUser-Agent: {}\r\nCookie: {}\r\n\r\n",
            "u".repeat(90),
            "c".repeat(200)
        )
    };
    let one = |at: u32| {
        let mut exchange = exchange(u64::from(at) * 1_000, u64::from(at % 3), b"");
        exchange.request.head = Bytes::from(head(at));
        exchange.informational.clear();
        exchange
    };
    let size = |count: u32| content(&(0..count).map(one).collect::<Vec<_>>()).0.len();
    let each = (size(1_000) - size(100)) / 900;
    assert!(each <= 50, "{each} bytes for an exchange whose path alone is new");
}
