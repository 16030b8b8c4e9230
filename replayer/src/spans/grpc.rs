//! The frames of a unary gRPC call and what its status means for spans.
//!
//! Not tonic's client: its status does not tell whether the collector or the client made it, and whether a batch may be
//! sent again depends on that (`docs/adr/0007`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use percent_encoding::percent_decode_str;
use prost::Message as _;
use tonic_types::pb::RetryInfo;

use super::answer::{Answer, Lost, said};

/// Of each message: whether it is compressed, and its length.
const FRAME_HEAD_BYTES: usize = 5;
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
/// Binary metadata comes with padding or without.
const BINARY: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Codes and their names; OTLP says which may be sent again.
const CODES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];
const UNKNOWN: usize = 2;
const RESOURCE_EXHAUSTED: usize = 8;
/// CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS (OTLP, "Failures" of OTLP/gRPC).
const AGAIN: [usize; 6] = [1, 4, 10, 11, 14, 15];
/// PERMISSION_DENIED and UNAUTHENTICATED.
const CREDENTIALS: [usize; 2] = [7, 16];

/// A message in its frame.
pub(super) fn frame(message: &[u8], is_compressed: bool) -> Bytes {
    let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + message.len());
    frame.put_u8(u8::from(is_compressed));
    // A batch is far shorter than 4 GiB.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.into()
}

/// What a whole answer means.
pub(super) fn answer(status: StatusCode, head: &HeaderMap, body: &[u8], trailers: Option<&HeaderMap>) -> Answer {
    let is_grpc = head.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let Some(of_status) = trailers.into_iter().chain([head]).find(|headers| headers.contains_key(STATUS)) else {
        return match status {
            StatusCode::OK if is_grpc => Answer::Unreadable { said: "the answer has no grpc-status".into() },
            StatusCode::OK => Answer::Unreadable { said: "the answer is no gRPC".into() },
            other => without_status(other),
        };
    };
    let text = |name| of_status.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let code = text(STATUS).parse().ok().filter(|code| *code < CODES.len()).unwrap_or(UNKNOWN);
    if code == 0 {
        return message(body);
    }
    let words = percent_decode_str(text(MESSAGE)).decode_utf8_lossy();
    let after = retry_info(text(DETAILS));
    refusal(code, said(&words), after)
}

/// The HTTP status of somebody between us and the collector (gRPC, "HTTP to gRPC status code mapping").
fn without_status(status: StatusCode) -> Answer {
    let said = format!("HTTP status {}", status.as_u16());
    let unavailable = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    if unavailable {
        return Answer::Again { lost: Lost::Unavailable, after: None, said };
    }
    let reason = format!("http_{}", status.as_u16());
    Answer::Refused { reason, said, unauthenticated: matches!(status.as_u16(), 401 | 403) }
}

fn refusal(code: usize, said: String, after: Option<Duration>) -> Answer {
    let name = CODES.get(code).copied().unwrap_or("unknown");
    if AGAIN.contains(&code) || (code == RESOURCE_EXHAUSTED && after.is_some()) {
        return Answer::Again { lost: Lost::Unavailable, after, said: format!("{name}: {said}") };
    }
    Answer::Refused { reason: name.to_owned(), said, unauthenticated: CREDENTIALS.contains(&code) }
}

/// The one message of a success.
fn message(body: &[u8]) -> Answer {
    let unreadable = |why: &str| Answer::Unreadable { said: why.to_owned() };
    let Some((head, rest)) = body.split_at_checked(FRAME_HEAD_BYTES) else {
        return unreadable("the answer has no message");
    };
    let [compressed, length @ ..] = head else { return unreadable("the answer has no message") };
    // We accept no compressed answers, so there must be none.
    let is_whole = <[u8; 4]>::try_from(length).is_ok_and(|length| u32::from_be_bytes(length) as usize == rest.len());
    if *compressed != 0 || !is_whole {
        return unreadable("the answer is no single message");
    }
    match ExportTraceServiceResponse::decode(rest) {
        Ok(response) => Answer::partial(response.partial_success),
        Err(error) => unreadable(&format!("the answer is no ExportTraceServiceResponse: {error}")),
    }
}

fn retry_info(details: &str) -> Option<Duration> {
    let details = BINARY.decode(details).ok()?;
    let status = tonic_types::Status::decode(details.as_slice()).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    Duration::try_from(delay).ok()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        let name = hyper::header::HeaderName::from_static;
        rows.iter().map(|(key, value)| (name(key), value.parse().unwrap())).collect()
    }

    /// An answer of gRPC with these trailers.
    fn of(trailers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let head = headers(&[("content-type", "application/grpc+proto")]);
        answer(StatusCode::OK, &head, body, Some(&headers(trailers)))
    }

    fn details(delay: Option<prost_types::Duration>) -> String {
        let value = RetryInfo { retry_delay: delay }.encode_to_vec();
        let details = vec![prost_types::Any { type_url: RETRY_INFO.into(), value }];
        BINARY.encode(tonic_types::Status { code: 8, message: "full".into(), details }.encode_to_vec())
    }

    #[test]
    fn codes_may_be_sent_again_as_otlp_says() {
        for (code, name) in (0..).zip(CODES).skip(1) {
            let number = code.to_string();
            let again = ["cancelled", "deadline_exceeded", "aborted", "out_of_range", "unavailable", "data_loss"];
            match of(&[(STATUS, &number), (MESSAGE, "not%20now")], b"") {
                Answer::Again { after: None, said, .. } if again.contains(&name) => {
                    assert_eq!(said, format!("{name}: not now"));
                }
                Answer::Refused { reason, said, unauthenticated } if !again.contains(&name) => {
                    assert_eq!((reason.as_str(), said.as_str()), (name, "not now"));
                    assert_eq!(unauthenticated, ["unauthenticated", "permission_denied"].contains(&name));
                }
                other => unreachable!("{name}: {other:?}"),
            }
        }
        assert!(matches!(of(&[(STATUS, "99")], b""), Answer::Refused { reason, .. } if reason == "unknown"));
    }

    #[test]
    fn retry_info_makes_an_exhausted_resource_worth_waiting_for() {
        let with = details(Some(prost_types::Duration { seconds: 2, nanos: 500_000_000 }));
        for code in ["8", "14"] {
            let answer = of(&[(STATUS, code), (DETAILS, with.trim_end_matches('='))], b"");
            let Answer::Again { after, .. } = answer else { unreachable!("{code}: {answer:?}") };
            assert_eq!(after, Some(Duration::from_millis(2_500)), "{code}");
        }
        for without in
            [details(None), "nonsense".into(), details(Some(prost_types::Duration { seconds: -1, nanos: 0 }))]
        {
            let answer = of(&[(STATUS, "8"), (DETAILS, &without)], b"");
            assert!(matches!(answer, Answer::Refused { .. }), "{without}: {answer:?}");
        }
    }

    #[test]
    fn a_success_says_what_was_rejected() {
        let partial = |rejected_spans, error_message: &str| {
            let partial = ExportTracePartialSuccess { rejected_spans, error_message: error_message.into() };
            frame(&ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec(), false)
        };
        let taken = |rejected, said: &str| Answer::Taken { rejected, said: said.into() };
        assert_eq!(of(&[(STATUS, "0")], &frame(b"", false)), taken(0, ""));
        assert_eq!(of(&[(STATUS, "0")], &partial(3, "too\nold")), taken(3, "too\\u000aold"));
        assert_eq!(of(&[(STATUS, "0")], &partial(0, "soon gone")), taken(0, "soon gone"));
        assert_eq!(of(&[(STATUS, "0")], &partial(-7, "")), taken(0, ""));
    }

    #[test]
    fn what_is_no_answer_tells_nothing() {
        let success = [(STATUS, "0")];
        let cut = frame(b"abc", false);
        for body in [&b""[..], b"\0\0", &cut[..6], b"\x01\0\0\0\0", b"\0\0\0\0\x02\xff\xff", b"\0\0\0\0\0\0\0\0\0\0"] {
            assert!(matches!(of(&success, body), Answer::Unreadable { .. }), "{body:?}");
        }
        let plain = |status, kind| answer(status, &headers(&[("content-type", kind)]), b"", None);
        assert!(matches!(plain(StatusCode::OK, "text/html"), Answer::Unreadable { .. }));
        assert!(matches!(plain(StatusCode::OK, "application/grpc"), Answer::Unreadable { .. }));
        assert!(matches!(plain(StatusCode::BAD_GATEWAY, "text/html"), Answer::Again { .. }));
        let refused = plain(StatusCode::UNAUTHORIZED, "text/html");
        assert!(matches!(&refused, Answer::Refused { reason, unauthenticated: true, .. } if reason == "http_401"));
        // Without a body everything is in the head.
        let head = headers(&[("content-type", "application/grpc"), (STATUS, "3"), (MESSAGE, "no")]);
        let refused = answer(StatusCode::OK, &head, b"", None);
        assert!(matches!(refused, Answer::Refused { reason, .. } if reason == "invalid_argument"));
    }
}
