//! OTLP/gRPC, by tonic; messages are left as bytes, since reading them is not building them.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use prost::Message;
use tonic::codec::{BufferSettings, Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::server::Grpc;
use tonic::{Code, Status};

use super::body::Bounded;
use super::{MESSAGE_BYTES_MAX, MESSAGE_NS, Receiver, Refusal};
use crate::collect::otlp::Encoding;

const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

pub(super) fn is_grpc(request: &Request<Incoming>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

pub(super) async fn answer(receiver: &Receiver, request: Request<Incoming>) -> hyper::Response<tonic::body::Body> {
    if request.uri().path() != PATH {
        receiver.refuse(Refusal::Unsupported);
        return Status::unimplemented(super::body::said(Refusal::Unsupported)).into_http();
    }
    let mut grpc =
        Grpc::new(BytesCodec).accept_compressed(CompressionEncoding::Gzip).max_decoding_message_size(MESSAGE_BYTES_MAX);
    // tonic passes on what is a status already.
    let request = request.map(|body| Bounded::new(body, receiver).map_err(Status::from));
    let until = receiver.clock.deadline(receiver.clock.now_ns().saturating_add(MESSAGE_NS));
    let answered = tokio::time::timeout_at(until.into(), grpc.unary(Export { receiver }, request)).await;
    let Ok(answer) = answered else {
        receiver.refuse(Refusal::TooSlow);
        return Status::deadline_exceeded(super::body::said(Refusal::TooSlow)).into_http();
    };
    // What tonic refuses itself is in the head, since nothing else is sent then.
    if let Some(status) = Status::from_header_map(answer.headers()) {
        receiver.refuse(match status.code() {
            Code::Ok => return answer,
            Code::Unavailable => Refusal::Busy,
            Code::OutOfRange | Code::ResourceExhausted => Refusal::TooLarge,
            Code::Unimplemented => Refusal::Unsupported,
            _ => Refusal::Malformed,
        });
    }
    answer
}

/// The call itself, once its message has come.
struct Export<'a> {
    receiver: &'a Receiver,
}

impl Service<tonic::Request<Bytes>> for Export<'_> {
    type Response = tonic::Response<Vec<u8>>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let taken = self.receiver.take(&request.into_inner(), Encoding::Protobuf);
        let taken = taken.map_err(|error| Status::invalid_argument(error.to_string()));
        ready(taken.map(|rejected| tonic::Response::new(response(rejected))))
    }
}

/// `ExportTraceServiceResponse` and what is in it.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

pub(super) fn response(rejected: Option<(u64, &str)>) -> Vec<u8> {
    let partial_success = rejected.map(|(spans, why)| PartialSuccess {
        rejected_spans: i64::try_from(spans).unwrap_or(i64::MAX),
        error_message: why.to_owned(),
    });
    ExportResponse { partial_success }.encode_to_vec()
}

/// Messages as they are.
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&message);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
