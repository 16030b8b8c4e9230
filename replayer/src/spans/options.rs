//! Where spans go and how: plain data, checked before a run begins.

use std::path::PathBuf;
use std::time::Duration;

use super::build::SpanOptions;
use super::endpoint::Endpoint;
use super::headers::ExportHeader;
use crate::dial::TlsOptions;

/// Collectors take messages of up to 4 MiB over gRPC unless they are told otherwise.
pub const BATCH_BYTES_MOST: u64 = 4 * 1024 * 1024;
/// A batch must have room for its resource and some spans.
pub const BATCH_BYTES_LEAST: u64 = 16 * 1024;

/// What is done with the spans of a run.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Where to.
    pub destination: Destination,
    /// `deployment.environment.name`
    pub environment: Option<String>,
    /// What they say, and how many there are.
    pub spans: SpanOptions,
    /// Bytes of one batch before compression, at most [`BATCH_BYTES_MOST`].
    pub batch_bytes_max: u64,
    /// How long the exporter may go on when the run has ended.
    pub flush: Duration,
}

/// Where spans go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// To a collector or a backend.
    Otlp(Box<OtlpOptions>),
    /// Into a new file of OTLP JSON lines.
    File(PathBuf),
}

/// How a collector is spoken to.
#[derive(Debug, Clone)]
pub struct OtlpOptions {
    /// The complete address.
    pub endpoint: Endpoint,
    /// Headers of every export.
    pub headers: Vec<ExportHeader>,
    /// How batches are packed.
    pub compression: Compression,
    /// For one attempt, from connecting to the end of the answer.
    pub timeout: Duration,
    /// Trust and own certificate; versions and resumption are left as they are.
    pub tls: TlsOptions,
}

/// The three protocols of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf over HTTP/2, called as gRPC.
    Grpc,
    /// Protobuf in a POST.
    HttpProtobuf,
    /// JSON in a POST.
    HttpJson,
}

impl Protocol {
    /// Its name in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }

    /// The protocol of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Grpc, Self::HttpProtobuf, Self::HttpJson].into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }
}

/// How batches are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// gzip, at its quickest level.
    Gzip,
}
