//! Any exchange comes back from its line, and any line is survived.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::Ambiguity;
use crate::session::tests::{any_pieces, any_tunnel};

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let plain = "[A-Za-z-]{1,9}: [a-z\"\\\\é]{1,9}\r\n".prop_map(String::into_bytes);
    let odd = (vec(any::<u8>().prop_filter("a line end", |byte| *byte != b'\n'), 0..20), select(vec!["\r\n", "\n"]))
        // Whatever could say a length is left to the other tests: a request's must be true.
        .prop_map(|(text, end)| [b"x".as_slice(), &text, end.as_bytes()].concat());
    vec(prop_oneof![9 => plain, 1 => odd], 0..6).prop_map(|lines| lines.concat())
}

fn head(start: &'static [&'static str], framing: Framing, length: u64) -> impl Strategy<Value = Bytes> {
    (select(start), lines(), select(vec!["\r\n", "\r\n", "\n"])).prop_map(move |(start, lines, end)| {
        let length = match framing {
            Framing::Length => format!("Content-Length: {length}\r\n"),
            Framing::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
            Framing::None | Framing::UntilClose => String::new(),
        };
        Bytes::from([start.as_bytes(), &lines, length.as_bytes(), end.as_bytes()].concat())
    })
}

fn message(start: &'static [&'static str], framings: &'static [Framing]) -> impl Strategy<Value = Message> {
    let bytes = prop_oneof![vec(any::<u8>(), 0..40), ".{0,40}".prop_map(String::into_bytes)];
    let why = select(Dropped::ALL);
    let kept = (option::of(vec("[a-z-]{0,9}", 0..3)), option::weighted(0.2, why));
    let lengths = (option::of(any::<u32>()), vec(any::<u64>(), 0..3));
    (select(framings), bytes, lengths, any::<Option<[u8; 32]>>(), kept, (lines(), any_pieces()))
        .prop_flat_map(|(framing, bytes, (more, chunks), sha256, (redacted, dropped), (trailers, pieces))| {
            let sha256 = sha256.filter(|_| framing != Framing::None);
            let bytes = if framing == Framing::None { Vec::new() } else { bytes };
            let more = if framing == Framing::None { 0 } else { u64::from(more.unwrap_or_default()) };
            let total_len = bytes.len() as u64 + more;
            let mut body = Body { total_len, bytes: bytes.into(), chunks, sha256, redacted, dropped: None };
            if let Some(why) = dropped.filter(|_| framing != Framing::None) {
                body.drop_for(why);
            }
            body.redacted = body.redacted.filter(|_| framing != Framing::None);
            (Just(framing), Just(body), Just(Bytes::from(trailers)), Just(pieces))
        })
        .prop_flat_map(move |(framing, body, trailers, pieces)| {
            head(start, framing, body.total_len).prop_map(move |head| Message {
                head,
                framing,
                body: body.clone(),
                trailers: trailers.clone(),
                pieces: pieces.clone(),
            })
        })
}

fn exchanges() -> impl Strategy<Value = Exchange> {
    let request = message(
        &["GET / HTTP/1.1\r\n", "POST /\"\\ü HTTP/1.0\r\n", "M  /a b\n", "\u{7f}\r\n"],
        &[Framing::None, Framing::Length, Framing::Chunked],
    );
    let status = &["HTTP/1.1 200 OK\r\n", "HTTP/1.0 404 \r\n", "HTTP/1.1 204\n", "x\r\n"];
    let response = message(status, &[Framing::None, Framing::Length, Framing::Chunked, Framing::UntilClose]);
    let informational = vec(head(status, Framing::None, 0), 0..3);
    let client =
        (select(vec![KeySource::Named, KeySource::Forwarded, KeySource::Peer, KeySource::Connection]), any::<u64>());
    let end = select(End::ALL);
    let protocol = select(vec![Protocol::Http10, Protocol::Http11]);
    let instants = (any::<[u64; 2]>(), any::<[Option<u64>; 5]>());
    let marks = (
        (any::<bool>(), any::<bool>(), option::of(".{0,20}")),
        option::of(any_tunnel()),
        option::of(select(Ambiguity::ALL)),
    );
    let numbers = (any::<[u64; 2]>(), any::<Option<(u32, u64, u32)>>(), marks);
    (numbers, client, protocol, end, instants, request, informational, option::of(response)).prop_map(
        |(
            ([seq, connection], replay_of, ((resynchronised, rebuilt, facts), tunnel, ambiguous)),
            (source, id),
            protocol,
            end,
            ([request_start, request_head], ends),
            request,
            informational,
            response,
        )| {
            let [request_end, connected, response_start, response_head, response_end] = ends;
            let instants = Instants {
                request_start,
                request_head,
                request_end,
                connected,
                response_start,
                response_head,
                response_end,
            };
            Exchange {
                rebuilt,
                facts: facts.map(Into::into),
                seq,
                client: ClientKey { source, id },
                connection,
                protocol,
                request,
                informational,
                response,
                instants,
                end,
                replay_of: replay_of.map(|(session, seq, copy)| ReplayOf { session, seq, copy }),
                ambiguous,
                resynchronised,
                tunnel,
            }
        },
    )
}

proptest! {
    #[test]
    fn exchanges_come_back_whole(exchange in exchanges()) {
        let line = printed(&exchange);
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert!(serde_json::from_str::<Value>(&line).is_ok(), "{}", line);
        prop_assert_eq!(from_line(line.as_bytes()), Ok(Line::Exchange(exchange.clone())), "{}", &line);
        let reordered = line.replacen(r#"{"type":"exchange","#, r#"{ "type" : "exchange", "#, 1);
        prop_assert_eq!(Reader::new().line(reordered.as_bytes()).ok(), Some(Line::Exchange(exchange)));
    }

    #[test]
    fn exchanges_of_http_2_and_3_come_back_whole(
        exchange in exchanges(),
        protocol in select(vec![Protocol::Http2, Protocol::Http3]),
    ) {
        let head = |start: &'static str| Bytes::from(format!("{start}x-a: b\r\n\r\n"));
        let mut exchange = Exchange { protocol, informational: vec![head(":status: 103\r\n")], ..exchange };
        exchange.request.head = head(":method: GET\r\n:path: /a\r\n");
        if let Some(response) = &mut exchange.response {
            response.head = head(":status: 200\r\n");
        }
        let line = printed(&exchange);
        prop_assert_eq!(from_line(line.as_bytes()), Ok(Line::Exchange(exchange)), "{}", &line);
    }

    #[test]
    fn gaps_come_back_whole(numbers: [u64; 5], reason in select(vec![GapReason::QueueFull, GapReason::ParserFull, GapReason::Http2])) {
        let [from_ns, to_ns, connections, exchanges, bytes] = numbers;
        let gap = Gap { reason, from_ns, to_ns, connections, exchanges, bytes };
        let mut line = Vec::new();
        gap_to_line(&gap, &mut line);
        prop_assert_eq!(from_line(&line), Ok(Line::Gap(gap)));
    }

    #[test]
    fn sessions_come_back_whole(started: u64, name in ".{0,20}") {
        let header = json!({"started_unix_ns": started, "name": name, "redaction": {"headers": ["a", null]}});
        let mut line = Vec::new();
        session_to_line(&header, &mut line);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let mut reader = Reader::new();
        prop_assert_eq!(reader.line(&line), Ok(Line::Session(header)));
        prop_assert_eq!(reader.started_unix_ns(), Some(started));
    }

    #[test]
    fn times_come_back(unix_ns: u64) {
        let mut text = Vec::new();
        time::write(unix_ns, &mut text);
        prop_assert_eq!(time::parse(std::str::from_utf8(&text).unwrap()), Some(unix_ns));
    }

    #[test]
    fn arbitrary_input_does_not_panic(bytes: Vec<u8>, text in ".{0,60}", exchange in exchanges(), at: prop::sample::Index, byte: u8) {
        let _ = (from_line(&bytes), from_line(text.as_bytes()), time::parse(&text));
        let mut line = printed(&exchange).into_bytes();
        let at = at.index(line.len());
        line[at] = byte;
        let _ = Reader::new().line(&line);
    }

    #[test]
    fn arbitrary_heads_can_be_printed(request: Vec<u8>, response: Vec<u8>, trailers: Vec<u8>) {
        let mut exchange = exchange(&request, &response);
        exchange.request.trailers = trailers.into();
        prop_assert!(serde_json::from_str::<Value>(&printed(&exchange)).is_ok());
    }
}
