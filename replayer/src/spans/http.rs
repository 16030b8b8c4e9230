//! What an answer of OTLP over HTTP means for spans.

use std::time::SystemTime;

use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message as _;
use serde_json::Value;

use super::answer::{Answer, Lost, said};
use super::backoff;

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

/// What a whole answer means. A collector answers in the request's format, but some answer JSON to everybody.
pub(super) fn answer(status: StatusCode, head: &HeaderMap, body: &[u8], now: SystemTime) -> Answer {
    let kind = head.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if status.is_success() {
        return success(&kind, body);
    }
    let words = message(&kind, body);
    let text = format!("HTTP status {}{}{}", status.as_u16(), if words.is_empty() { "" } else { ": " }, words);
    match status.as_u16() {
        429 | 502 | 503 | 504 => {
            let after = head.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = after.and_then(|value| backoff::retry_after(value, now));
            Answer::Again { lost: Lost::Unavailable, after, said: text }
        }
        code => {
            Answer::Refused { reason: format!("http_{code}"), said: text, unauthenticated: matches!(code, 401 | 403) }
        }
    }
}

fn success(kind: &str, body: &[u8]) -> Answer {
    if body.is_empty() {
        return Answer::partial(None);
    }
    let partial = match kind {
        PROTOBUF => ExportTraceServiceResponse::decode(body).ok().map(|response| response.partial_success),
        JSON => serde_json::from_slice(body).ok().and_then(|value| partial_of_json(&value)),
        _ => None,
    };
    match partial {
        Some(partial) => Answer::partial(partial),
        None => {
            let kind = if kind.is_empty() { "without a content type".to_owned() } else { format!("of type {kind}") };
            Answer::Unreadable { said: said(&format!("the answer, {kind}, is no ExportTraceServiceResponse")) }
        }
    }
}

/// The partial success, if there is one; `None` when this is no answer of OTLP. A 64-bit number is text in the JSON of
/// protobuf, and a number in that of many collectors.
fn partial_of_json(value: &Value) -> Option<Option<ExportTracePartialSuccess>> {
    let partial = match value.as_object()?.get("partialSuccess") {
        None | Some(Value::Null) => return Some(None),
        Some(partial) => partial.as_object()?,
    };
    let rejected = partial.get("rejectedSpans").or_else(|| partial.get("rejectedDataPoints"));
    let rejected_spans = match rejected {
        None | Some(Value::Null) => 0,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(number) => number.as_i64()?,
    };
    let error_message = match partial.get("errorMessage") {
        None | Some(Value::Null) => String::new(),
        Some(text) => text.as_str()?.to_owned(),
    };
    Some(Some(ExportTracePartialSuccess { rejected_spans, error_message }))
}

/// What the body of a refusal says: a `google.rpc.Status`, or text.
fn message(kind: &str, body: &[u8]) -> String {
    let text = match kind {
        PROTOBUF => tonic_types::Status::decode(body).map(|status| status.message).unwrap_or_default(),
        JSON => {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        "text/plain" => String::from_utf8_lossy(body).trim().to_owned(),
        _ => String::new(),
    };
    said(&text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let name = hyper::header::HeaderName::from_static;
        let head = headers.iter().map(|(key, value)| (name(key), value.parse().unwrap())).collect();
        answer(StatusCode::from_u16(status).unwrap(), &head, body, SystemTime::UNIX_EPOCH)
    }

    fn taken(rejected: u64, said: &str) -> Answer {
        Answer::Taken { rejected, said: said.into() }
    }

    #[test]
    fn a_success_says_what_was_rejected() {
        let json = |body: &str| of(200, &[("content-type", "application/json; charset=utf-8")], body.as_bytes());
        assert_eq!(of(200, &[], b""), taken(0, ""));
        assert_eq!(json("{}"), taken(0, ""));
        assert_eq!(json(r#"{"partialSuccess":{}}"#), taken(0, ""));
        assert_eq!(json(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#), taken(3, "old"));
        assert_eq!(json(r#"{"partialSuccess":{"rejectedSpans":3}}"#), taken(3, ""));
        assert_eq!(json(r#"{"partialSuccess":{"errorMessage":"soon gone"}}"#), taken(0, "soon gone"));
        let partial = ExportTracePartialSuccess { rejected_spans: 4, error_message: "new".into() };
        let body = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(of(200, &[("content-type", PROTOBUF)], &body), taken(4, "new"));
    }

    #[test]
    fn what_is_no_answer_tells_nothing() {
        let rows: [(&str, &[u8]); 6] = [
            ("text/html", b"<html>"),
            ("text/plain", b"OK"),
            (PROTOBUF, b"\xff\xff"),
            (JSON, b"[]"),
            (JSON, b"{\"partialSuccess\":{\"rejectedSpans\":\"many\"}}"),
            (JSON, b"{"),
        ];
        for (kind, body) in rows {
            let answer = of(200, &[("content-type", kind)], body);
            assert!(matches!(answer, Answer::Unreadable { .. }), "{kind}: {answer:?}");
        }
    }

    #[test]
    fn statuses_may_be_sent_again_as_otlp_says() {
        for status in 300..=599 {
            let answer = of(status, &[("retry-after", "4")], b"");
            let said = format!("HTTP status {status}");
            let expected = match status {
                429 | 502 | 503 | 504 => {
                    Answer::Again { lost: Lost::Unavailable, after: Some(Duration::from_secs(4)), said }
                }
                _ => {
                    let unauthenticated = status == 401 || status == 403;
                    Answer::Refused { reason: format!("http_{status}"), said, unauthenticated }
                }
            };
            assert_eq!(answer, expected);
        }
        let status = tonic_types::Status { code: 3, message: "bad".into(), details: Vec::new() }.encode_to_vec();
        let rows: [(&str, &[u8], &str); 4] = [
            (PROTOBUF, &status, ": bad"),
            (JSON, br#"{"code":3,"message":"bad"}"#, ": bad"),
            ("text/plain; charset=utf-8", b"bad\n", ": bad"),
            ("text/html", b"<html>", ""),
        ];
        for (kind, body, words) in rows {
            let Answer::Refused { said, .. } = of(400, &[("content-type", kind)], body) else { unreachable!("{kind}") };
            assert_eq!(said, format!("HTTP status 400{words}"), "{kind}");
        }
    }
}
