//! Spans into messages: each span is encoded once, and a message is as large as it may be, to the byte.

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as ScopeMessage;
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use super::wire::{self, field_len, open};

/// Spans in one message. By bytes a message holds some thousands; more would only come later.
pub(super) const BATCH_SPANS_MAX: u64 = 2_048;

/// Field of `ExportTraceServiceRequest`.
const RESOURCE_SPANS: u32 = 1;
/// Fields of `ResourceSpans`.
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
/// Fields of `ScopeSpans`.
const SCOPE: u32 = 1;
const SPANS: u32 = 2;
/// Field of both.
const SCHEMA_URL: u32 = 3;

/// The two encodings of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// A whole `ExportTraceServiceRequest`, or one of metrics.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    /// How many spans, or points, are in it.
    pub(crate) spans: u64,
}

/// What became of a span that was put into a batch.
#[derive(Debug)]
pub(super) enum Pushed {
    /// It is in the batch.
    Kept,
    /// It is the first of the next batch, since it did not fit into this one.
    Began(Message),
    /// It does not fit into any batch.
    TooLarge,
}

/// What is encoded before and after the content of a resource or a scope.
struct Around {
    before: Vec<u8>,
    after: Vec<u8>,
}

/// Encoded spans on their way into one message.
pub(super) struct Batch {
    encoding: Encoding,
    bytes_max: usize,
    /// What comes before the spans in every message, encoded, and what comes after them: the schemas.
    resource: Around,
    scope: Around,
    /// The `tracestate` of every span. It is the same for a whole run, and so a copy of bytes here instead of three
    /// allocations in each span.
    trace_state: String,
    /// Spans, each with what parts it from others.
    encoded: Vec<u8>,
    spans: u64,
    /// One span, as long as it is not known where it goes.
    one: Vec<u8>,
    /// Its fields, as long as it is not known how long they are.
    fields: Vec<u8>,
}

impl Batch {
    pub(super) fn new(
        encoding: Encoding,
        bytes_max: usize,
        resource: &Resource,
        scope: &InstrumentationScope,
        trace_state: String,
    ) -> Self {
        let ResourceAttributesWithSchema { attributes, schema_url } = ResourceAttributesWithSchema::from(resource);
        let message = ResourceMessage { attributes: attributes.0, ..ResourceMessage::default() };
        let resource = around(encoding, RESOURCE, &message, schema_url.as_deref());
        let scope = around(encoding, SCOPE, &ScopeMessage::from((scope, None)), scope.schema_url());
        Self {
            encoding,
            bytes_max,
            resource,
            scope,
            trace_state,
            encoded: Vec::new(),
            spans: 0,
            one: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Puts a span in.
    pub(super) fn push(&mut self, span: SpanData) -> Pushed {
        let mut one = std::mem::take(&mut self.one);
        one.clear();
        self.encode(span, &mut one);
        let pushed = if self.message_len(one.len()) > self.bytes_max {
            Pushed::TooLarge
        } else if self.spans > 0
            && self.message_len(self.encoded.len() + self.separator().len() + one.len()) > self.bytes_max
        {
            self.finish().map_or(Pushed::Kept, Pushed::Began)
        } else {
            Pushed::Kept
        };
        if !matches!(pushed, Pushed::TooLarge) {
            if self.spans > 0 {
                self.encoded.extend_from_slice(self.separator());
            }
            self.encoded.extend_from_slice(&one);
            self.spans += 1;
        }
        self.one = one;
        pushed
    }

    /// Appends a span with what a message has before it.
    fn encode(&mut self, span: SpanData, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Protobuf => {
                self.fields.clear();
                if wire::is_plain(&span) {
                    wire::encode(&span, &self.trace_state, &mut self.fields);
                } else {
                    self.message(span).encode_raw(&mut self.fields);
                }
                open(SPANS, self.fields.len(), out);
                out.extend_from_slice(&self.fields);
            }
            // Texts and numbers into memory: there is nothing that could fail.
            Encoding::Json => {
                let _ = serde_json::to_writer(out, &self.message(span));
            }
        }
    }

    fn message(&self, span: SpanData) -> Span {
        Span { trace_state: self.trace_state.clone(), ..Span::from(span) }
    }

    /// How many spans are in it.
    pub(super) const fn spans(&self) -> u64 {
        self.spans
    }

    /// Everything that is in it as one message; `None` when there is nothing.
    pub(super) fn finish(&mut self) -> Option<Message> {
        if self.spans == 0 {
            return None;
        }
        let mut out = Vec::with_capacity(self.message_len(self.encoded.len()));
        match self.encoding {
            Encoding::Protobuf => {
                let scope_spans = self.scope.len() + self.encoded.len();
                open(RESOURCE_SPANS, self.resource.len() + field_len(scope_spans), &mut out);
                out.extend_from_slice(&self.resource.before);
                open(SCOPE_SPANS, scope_spans, &mut out);
                for part in [&self.scope.before, &self.encoded, &self.scope.after, &self.resource.after] {
                    out.extend_from_slice(part);
                }
            }
            Encoding::Json => {
                let Self { resource, scope, encoded, .. } = &*self;
                let parts: [&[u8]; 11] = [
                    JSON_RESOURCE,
                    &resource.before,
                    JSON_SCOPE,
                    &scope.before,
                    JSON_SPANS,
                    encoded,
                    b"]",
                    &scope.after,
                    b"}]",
                    &resource.after,
                    b"}]}",
                ];
                for part in parts {
                    out.extend_from_slice(part);
                }
            }
        }
        self.encoded.clear();
        Some(Message { bytes: out.into(), spans: std::mem::take(&mut self.spans) })
    }

    /// Length of a message whose encoded spans have this length.
    fn message_len(&self, encoded: usize) -> usize {
        match self.encoding {
            Encoding::Protobuf => field_len(self.resource.len() + field_len(self.scope.len() + encoded)),
            Encoding::Json => {
                let frame = JSON_RESOURCE.len() + JSON_SCOPE.len() + JSON_SPANS.len() + JSON_END_BYTES;
                frame + self.resource.len() + self.scope.len() + encoded
            }
        }
    }

    const fn separator(&self) -> &'static [u8] {
        match self.encoding {
            Encoding::Protobuf => b"",
            Encoding::Json => b",",
        }
    }
}

impl Around {
    const fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

/// Before the resource, the scope and the spans.
const JSON_RESOURCE: &[u8] = br#"{"resourceSpans":[{"resource":"#;
const JSON_SCOPE: &[u8] = br#","scopeSpans":[{"scope":"#;
const JSON_SPANS: &[u8] = br#","spans":["#;
/// Of what closes all of these.
const JSON_END_BYTES: usize = b"]}]}]}".len();

fn around<M: prost::Message + serde::Serialize>(
    encoding: Encoding,
    number: u32,
    message: &M,
    schema_url: Option<&str>,
) -> Around {
    let schema_url = schema_url.filter(|url| !url.is_empty());
    match encoding {
        Encoding::Protobuf => {
            let mut before = Vec::new();
            open(number, message.encoded_len(), &mut before);
            before.extend_from_slice(&message.encode_to_vec());
            let mut after = Vec::new();
            if let Some(url) = schema_url {
                open(SCHEMA_URL, url.len(), &mut after);
                after.extend_from_slice(url.as_bytes());
            }
            Around { before, after }
        }
        Encoding::Json => {
            let after =
                schema_url.map_or_else(String::new, |url| format!(r#","schemaUrl":{}"#, serde_json::Value::from(url)));
            Around { before: serde_json::to_vec(message).unwrap_or_default(), after: after.into_bytes() }
        }
    }
}
