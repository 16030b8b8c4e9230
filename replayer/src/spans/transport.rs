//! One attempt: connect, send a packed batch, read what comes back within a bound and a time, and say what it means.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, TE, USER_AGENT};
use hyper::{HeaderMap, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::answer::{ANSWER_BYTES_MAX, Answer, Lost, said};
use super::batch::Message;
use super::options::{Compression, OtlpOptions, Protocol};
use super::pieces::InPieces;
use super::{grpc, http};
use crate::clock::Clock;
use crate::error::ReplayError;

/// A connection that has gone silent is noticed by these, so that no batch after the next goes the same way (HTTP/2).
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(10);
/// gRPC writes a call's time limit with at most eight digits.
const GRPC_TIMEOUT_MS_MAX: u128 = 99_999_999;

/// The way to one collector.
pub(super) struct Transport {
    client: Client<HttpsConnector<InPieces>, Full<Bytes>>,
    options: OtlpOptions,
    /// Of every export, besides the given ones.
    own: HeaderMap,
    clock: Clock,
}

impl Transport {
    /// Reads certificates; connects to nobody yet.
    pub(super) fn new(options: OtlpOptions, clock: Clock) -> Result<Self, ReplayError> {
        let is_grpc = options.endpoint.protocol() == Protocol::Grpc;
        let mut tls = match options.endpoint.uri().scheme_str() {
            Some("https") => Arc::unwrap_or_clone(options.tls.config()?),
            // Nobody is trusted where nobody is asked: without TLS there need not be any certificates on this system.
            _ => no_tls()?,
        };
        // The connector offers the protocol that it is made for.
        tls.alpn_protocols = Vec::new();
        let mut plain = HttpConnector::new();
        // The other connector tells one scheme from the other.
        plain.enforce_http(false);
        // A piece must not wait until what is before it was acknowledged, which a collector that has not got it all puts off.
        plain.set_nodelay(true);
        let plain = InPieces(plain);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = match is_grpc {
            true => connector.enable_http2().wrap_connector(plain),
            false => connector.enable_http1().wrap_connector(plain),
        };
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).timer(TokioTimer::new()).http2_only(is_grpc);
        client.http2_keep_alive_interval(KEEP_ALIVE).http2_keep_alive_timeout(KEEP_ALIVE);
        let own = own_headers(&options)?;
        Ok(Self { client: client.build(connector), options, own, clock })
    }

    /// What goes over the wire for these bytes, the same in every attempt.
    pub(super) fn pack(&self, message: &Message) -> Bytes {
        let is_compressed = self.options.compression == Compression::Gzip;
        let packed = if is_compressed { gzip(&message.bytes) } else { message.bytes.clone() };
        match self.options.endpoint.protocol() {
            Protocol::Grpc => grpc::frame(&packed, is_compressed),
            Protocol::HttpProtobuf | Protocol::HttpJson => packed,
        }
    }

    /// One attempt.
    pub(super) async fn post(&self, body: Bytes, headers: &HeaderMap) -> Answer {
        match tokio::time::timeout(self.options.timeout, self.exchange(body, headers)).await {
            Ok(answer) => answer,
            Err(_) => {
                let said = format!("no answer in {}", humantime::format_duration(self.options.timeout));
                Answer::Again { lost: Lost::Timeout, after: None, said }
            }
        }
    }

    async fn exchange(&self, body: Bytes, headers: &HeaderMap) -> Answer {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.options.endpoint.uri().clone();
        request.headers_mut().extend(self.own.clone());
        request.headers_mut().extend(headers.clone());
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return unreachable(&error),
        };
        self.read(response).await
    }

    async fn read(&self, response: Response<Incoming>) -> Answer {
        let (head, mut body) = response.into_parts();
        let (mut read, mut trailers) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data().map_err(|frame| frame.into_trailers().ok())) {
                Ok(Ok(data)) if read.len() + data.len() > ANSWER_BYTES_MAX => {
                    // A refusal is one whatever follows it. The rest is not waited for: dropping the body ends it.
                    if head.status.is_success() {
                        let said = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
                        return Answer::Unreadable { said };
                    }
                    break;
                }
                Ok(Ok(data)) => read.extend_from_slice(&data),
                Ok(Err(of_body)) => trailers = of_body,
                Err(error) if head.status.is_success() => return unreachable(&error),
                Err(_) => break,
            }
        }
        match self.options.endpoint.protocol() {
            Protocol::Grpc => grpc::answer(head.status, &head.headers, &read, trailers.as_ref()),
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                http::answer(head.status, &head.headers, &read, self.clock.wall(self.clock.now_ns()))
            }
        }
    }
}

fn no_tls() -> Result<ClientConfig, ReplayError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config =
        config.map_err(|error| ReplayError::Tls { with: "the default versions".into(), why: error.to_string() })?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn own_headers(options: &OtlpOptions) -> Result<HeaderMap, ReplayError> {
    let mut own = HeaderMap::new();
    own.insert(USER_AGENT, HeaderValue::from_static(concat!("reenact/", env!("CARGO_PKG_VERSION"))));
    let is_compressed = options.compression == Compression::Gzip;
    let gzip = HeaderValue::from_static("gzip");
    let kind = match options.endpoint.protocol() {
        Protocol::Grpc => {
            own.insert(TE, HeaderValue::from_static("trailers"));
            let limit = format!("{}m", options.timeout.as_millis().clamp(1, GRPC_TIMEOUT_MS_MAX));
            let limit = HeaderValue::try_from(limit).map_err(|error| ReplayError::Exporter {
                endpoint: options.endpoint.to_string(),
                why: error.to_string(),
            })?;
            own.insert(HeaderName::from_static("grpc-timeout"), limit);
            if is_compressed {
                own.insert(HeaderName::from_static("grpc-encoding"), gzip.clone());
            }
            "application/grpc"
        }
        Protocol::HttpProtobuf => http::PROTOBUF,
        Protocol::HttpJson => http::JSON,
    };
    own.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if is_compressed && options.endpoint.protocol() != Protocol::Grpc {
        own.insert(CONTENT_ENCODING, gzip);
    }
    Ok(own)
}

fn gzip(bytes: &[u8]) -> Bytes {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 4), flate2::Compression::fast());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default().into()
}

/// The error with its sources, which say what happened.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> Answer {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    Answer::Again { lost: Lost::Unreachable, after: None, said: said(&text) }
}
