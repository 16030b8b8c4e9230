//! OTLP/HTTP: `POST /v1/traces` as protobuf or JSON, plain or gzip. Answers and errors are written as the request was.

use formats::coding::{self, Coding, CodingError};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use prost::Message;
use serde_json::json;

use super::body::{BodyError, Bounded, said};
use super::{MESSAGE_BYTES_MAX, MESSAGE_NS, Receiver, Refusal};
use crate::collect::otlp::Encoding;

const PATH: &str = "/v1/traces";
/// Seconds after which a message may be sent again.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

/// What goes wrong: the status, why it counts, and what the sender is told.
struct Wrong(StatusCode, Refusal, String);

pub(super) async fn answer(receiver: &Receiver, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let Some(encoding) = encoding(&request) else {
        receiver.refuse(Refusal::Unsupported);
        let text = "the content type must be application/x-protobuf or application/json";
        let mut answer = Response::new(Full::from(text));
        *answer.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return answer;
    };
    let answered = match read(receiver, request).await {
        Ok(message) => receiver
            .take(&message, encoding)
            .map_err(|error| Wrong(StatusCode::BAD_REQUEST, Refusal::Malformed, error.to_string())),
        Err(wrong) => Err(wrong),
    };
    match answered {
        Ok(rejected) => respond(StatusCode::OK, encoding, success(rejected, encoding)),
        Err(Wrong(status, why, text)) => {
            receiver.refuse(why);
            let mut answer = respond(status, encoding, failure(text, encoding));
            if why == Refusal::Busy {
                answer.headers_mut().insert(RETRY_AFTER, AGAIN);
            }
            answer
        }
    }
}

fn encoding(request: &Request<Incoming>) -> Option<Encoding> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Some(Encoding::Protobuf),
        "application/json" => Some(Encoding::Json),
        _ => None,
    }
}

async fn read(receiver: &Receiver, request: Request<Incoming>) -> Result<Vec<u8>, Wrong> {
    let refused = |why: Refusal| {
        let status = match why {
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Unsupported => StatusCode::NOT_FOUND,
            Refusal::Malformed => StatusCode::BAD_REQUEST,
        };
        Wrong(status, why, said(why))
    };
    if request.uri().path() != PATH {
        return Err(refused(Refusal::Unsupported));
    }
    if request.method() != Method::POST {
        return Err(Wrong(StatusCode::METHOD_NOT_ALLOWED, Refusal::Unsupported, "spans are sent with POST".to_owned()));
    }
    let codings = request.headers().get(CONTENT_ENCODING).map_or(&b""[..], HeaderValue::as_bytes);
    let codings = coding::codings(codings).ok().filter(|all| matches!(all.as_slice(), [] | [Coding::Gzip]));
    let codings = codings.ok_or_else(|| {
        Wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, Refusal::Unsupported, "the only content coding is gzip".to_owned())
    })?;
    // What says that it is too large is not begun.
    let len = request.headers().get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
    if len.is_some_and(|len| len > MESSAGE_BYTES_MAX as u64) {
        return Err(refused(Refusal::TooLarge));
    }
    let until = receiver.clock.deadline(receiver.clock.now_ns().saturating_add(MESSAGE_NS));
    let body = Bounded::new(request.into_body(), receiver).collect();
    let body = match tokio::time::timeout_at(until.into(), body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(BodyError::Refused(why))) => return Err(refused(why)),
        Ok(Err(BodyError::Broken)) => return Err(refused(Refusal::Malformed)),
        Err(_) => return Err(refused(Refusal::TooSlow)),
    };
    match coding::decode(&body, &codings, MESSAGE_BYTES_MAX) {
        Ok((message, _)) => Ok(message),
        Err(CodingError::TooLong { .. }) => Err(refused(Refusal::TooLarge)),
        Err(error) => Err(Wrong(StatusCode::BAD_REQUEST, Refusal::Malformed, error.to_string())),
    }
}

fn success(rejected: Option<(u64, &str)>, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => super::grpc::response(rejected),
        Encoding::Json => match rejected {
            None => b"{}".to_vec(),
            Some((spans, why)) => json!({"partialSuccess": {"rejectedSpans": spans.to_string(), "errorMessage": why}})
                .to_string()
                .into_bytes(),
        },
    }
}

/// `google.rpc.Status`, as OTLP wants the body of an error.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
}

fn failure(message: String, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => RpcStatus { message }.encode_to_vec(),
        Encoding::Json => json!({ "message": message }).to_string().into_bytes(),
    }
}

fn respond(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    let of = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(of));
    answer
}
