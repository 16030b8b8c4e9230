//! What two readers of the same bytes must agree on: the parser with itself however the bytes are cut, and the parser with
//! hyper wherever both accept. Where only one accepts, the reason must be one of those listed here.
//!
//! Used by the property tests beside it and by the fuzz targets.

mod hyper_reads;

use formats::head;
use formats::model::{Ambiguity, End, Exchange, Message};
use formats::wire::{Blind, Direction, Ending, Http1, Limits, WireError};

/// A message as both see it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Method and target, or the status.
    pub(crate) start: Vec<u8>,
    /// Lower-case names and values; sorted by name, since hyper keeps no order between different names.
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Bytes of one direction.
pub(crate) type Feed<'a> = (Direction, &'a [u8]);

/// Reads the same bytes whole and cut into pieces of the sizes in `cuts`, over and over.
pub(crate) fn cuts_do_not_matter(feeds: &[Feed<'_>], cuts: &[u8]) -> Result<(), String> {
    let whole = read(feeds, &[]);
    let cut = read(feeds, cuts);
    if whole == cut { Ok(()) } else { Err(format!("whole: {whole:#?}\ncut: {cut:#?}")) }
}

fn read(feeds: &[Feed<'_>], cuts: &[u8]) -> (Vec<Exchange>, Option<Blind>) {
    let mut connection = Http1::new(1, Limits { body_bytes_max: 64, pending_max: 8 });
    let mut out = Vec::new();
    let mut sizes = cuts.iter().map(|size| usize::from(*size) + 1).cycle();
    for (from, bytes) in feeds {
        let mut rest = *bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(sizes.next().unwrap_or(usize::MAX).min(rest.len()));
            // All at the same instant: then exchanges are equal to the last field.
            connection.feed(*from, 1, now, &mut out);
            rest = later;
        }
    }
    connection.ended(Direction::Response, Ending::Eof, 1, &mut out);
    connection.closed(&mut out);
    assert_eq!((connection.pending(), connection.is_tunnel()), (0, false));
    if connection.blind().is_some() {
        assert_eq!(connection.held_bytes(), 0, "everything is over");
    }
    (out, connection.blind())
}

/// Compares what a server on hyper finds in a client's bytes.
pub(crate) fn requests_are_hypers(bytes: &[u8]) -> Result<(), String> {
    let theirs = hyper_reads::requests(bytes);
    let (all, blind) = our_requests(bytes);
    let ours: Vec<&Exchange> = all.iter().filter(|exchange| exchange.instants.request_end.is_some()).collect();
    if ours.iter().any(|exchange| exchange.request.head.starts_with(b"CONNECT ")) {
        // Answered with 200, as all are here, it ends HTTP.
        return Ok(());
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        equal(&seen_request(&ours.request), theirs)?;
    }
    if let Some(ours) = ours.get(theirs.len()) {
        let before = theirs.len().checked_sub(1).and_then(|last| all.get(last));
        return match before {
            Some(before) if closes(&before.request.head) => Ok(()),
            _ if hyper_may_refuse(&ours.request) => Ok(()),
            _ => Err(format!("hyper refuses, and nothing says why: {ours:#?}")),
        };
    }
    if theirs.len() > ours.len() && !may_refuse_a_request(blind, bytes) {
        return Err(format!("only hyper accepts: {blind:?}, {:#?}", theirs.get(ours.len())));
    }
    Ok(())
}

/// Compares what a client on hyper finds in a server's bytes, after a request with this method.
pub(crate) fn a_response_is_hypers(method: &str, bytes: &[u8]) -> Result<(), String> {
    let theirs = hyper_reads::response(method, bytes);
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    let request = format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.feed(Direction::Request, 1, request.as_bytes(), &mut out);
    connection.feed(Direction::Response, 2, bytes, &mut out);
    let blind = connection.blind();
    connection.ended(Direction::Response, Ending::Eof, 3, &mut out);
    connection.closed(&mut out);
    let Some(first) = out.first() else { return Err("there is no exchange".into()) };
    let ours = first.response.as_ref().filter(|_| first.end == End::Complete);
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => equal(&seen_response(ours), &theirs),
        (Some(ours), None) if hyper_may_refuse(ours) => Ok(()),
        (Some(_), None) if first.informational.iter().any(|head| hyper_may_refuse(&head_alone(head))) => Ok(()),
        (Some(ours), None) => Err(format!("hyper refuses, and nothing says why: {ours:#?}")),
        // It left HTTP, which is not compared.
        (None, Some(theirs)) if theirs.start == b"101" => Ok(()),
        (None, Some(_)) if may_refuse_a_response(blind) => Ok(()),
        (None, Some(theirs)) => Err(format!("only hyper accepts: {blind:?}, {theirs:#?}")),
        (None, None) => Ok(()),
    }
}

/// What hyper accepts in a request and we do not.
fn may_refuse_a_request(blind: Option<Blind>, bytes: &[u8]) -> bool {
    let Some(Blind::NotUnderstood(error)) = blind else { return false };
    match error {
        WireError::Ambiguous(kind) => match kind {
            // hyper lets Transfer-Encoding win; a server before it may have let the other one.
            Ambiguity::BothLengths => true,
            // hyper looks for `chunked` at the end alone; a server that does not know the other coding may not.
            Ambiguity::OddTransferCoding => true,
            // hyper reads more than 16 digits, as long as their number is no larger than 64 bits.
            Ambiguity::BadChunk => true,
            // hyper's trailers may hold a bare LF, and end elsewhere than ours would.
            Ambiguity::BareLf => true,
            // hyper reads no Content-Length at all beside a Transfer-Encoding.
            Ambiguity::BadLength => bytes.to_ascii_lowercase().windows(18).any(|name| name == b"transfer-encoding:"),
            _ => false,
        },
        // hyper bounds the extensions of all chunks together, to 16 KiB.
        WireError::ChunkLineTooLong(_) => true,
        _ => false,
    }
}

/// What hyper accepts in a response and we do not.
fn may_refuse_a_response(blind: Option<Blind>) -> bool {
    let Some(Blind::NotUnderstood(error)) = blind else { return false };
    match error {
        // As in requests; an unknown coding makes hyper read until the connection ends.
        WireError::Ambiguous(
            Ambiguity::BothLengths | Ambiguity::OddTransferCoding | Ambiguity::BadChunk | Ambiguity::BareLf,
        ) => true,
        // hyper's client takes `5, 5` for 5, as RFC 9110 §8.6 allows; others refuse it, or read the first number.
        WireError::Ambiguous(Ambiguity::BadLength) => true,
        // hyper skips empty lines before a status line, where RFC 9112 §2.2 knows them before a request line only.
        WireError::StartLine => true,
        WireError::ChunkLineTooLong(_) => true,
        _ => false,
    }
}

/// What we accept and hyper does not.
fn hyper_may_refuse(message: &Message) -> bool {
    let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    let odd_target = head::request_line(&message.head).is_some_and(|line| {
        // `http::Uri` knows fewer characters than servers let pass.
        !line.version.is_empty() && line.version.starts_with(b"HTTP") && hyper::Uri::try_from(line.target).is_err()
    });
    let odd_reason = head::status_line(&message.head).is_some_and(|line| line.reason.iter().any(is_control));
    let fields = || head::fields(&message.head).chain(head::trailer_fields(&message.trailers));
    // RFC 9110 §5.5 lets recipients keep control characters other than CR, LF and NUL.
    let odd_value = fields().any(|field| {
        let line = message.head.get(field.line.clone()).unwrap_or_default();
        line.iter().any(|byte| is_control(byte) && !matches!(byte, b'\r' | b'\n')) || field.value.iter().any(is_control)
    }) || message.trailers.iter().any(|byte| is_control(byte) && !matches!(byte, b'\r' | b'\n'));
    // hyper's bounds: 100 fields.
    odd_target || odd_reason || odd_value || fields().count() > 100
}

fn head_alone(head: &bytes::Bytes) -> Message {
    Message { head: head.clone(), ..Message::default() }
}

/// Whether a server ends the connection after answering this.
fn closes(head: &[u8]) -> bool {
    let is_1_0 = head::request_line(head).is_some_and(|line| line.version == b"HTTP/1.0");
    let says = |word: &[u8]| {
        head::fields(head).filter(|field| field.is("connection")).any(|field| {
            field.value.split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(word))
        })
    };
    says(b"close") || (is_1_0 && !says(b"keep-alive"))
}

/// Every request, answered so that none waits.
fn our_requests(bytes: &[u8]) -> (Vec<Exchange>, Option<Blind>) {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, bytes, &mut out);
    let mut before = usize::MAX;
    while out.len() != before && connection.pending() > 0 {
        before = out.len();
        connection.feed(Direction::Response, 2, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &mut out);
    }
    let blind = connection.blind();
    connection.closed(&mut out);
    (out, blind)
}

fn equal(ours: &Seen, theirs: &Seen) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("ours: {ours:#?}\nhyper's: {theirs:#?}")) }
}

fn seen_request(message: &Message) -> Seen {
    let Some(line) = head::request_line(&message.head) else { return seen(message, Vec::new()) };
    // hyper's targets are normalised: a fragment is cut off, and an absolute one has a path.
    let target = hyper::Uri::try_from(line.target).map(|uri| uri.to_string()).unwrap_or_default();
    seen(message, [line.method, b" ", target.as_bytes()].concat())
}

fn seen_response(message: &Message) -> Seen {
    let line = head::status_line(&message.head);
    seen(message, line.map(|line| line.status.to_string().into_bytes()).unwrap_or_default())
}

fn seen(message: &Message, start: Vec<u8>) -> Seen {
    let pair = |field: head::Field<'_>| (field.name.to_ascii_lowercase(), field.value.to_vec());
    Seen {
        start,
        fields: sorted(head::fields(&message.head).map(pair)),
        body: message.body.bytes.to_vec(),
        trailers: sorted(head::trailer_fields(&message.trailers).map(pair)),
    }
}

fn sorted(fields: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields: Vec<_> = fields.collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    // Of lengths that are the same number hyper keeps one; where they are not, neither reads the message.
    fields.dedup_by(|a, b| a.0 == b"content-length" && b.0 == a.0);
    fields
}
