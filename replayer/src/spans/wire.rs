//! A span as protobuf, straight from what the SDK calls a span.
//!
//! `opentelemetry-proto` makes messages first, with a string of its own for each key and value: some sixty allocations for a
//! span, a third of the exporter's time. What is written here is byte for byte what its conversion and prost write (fields in
//! the order of their numbers, defaults left out but for values and the status), which the tests hold it against.

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_proto::tonic::trace::v1::SpanFlags;
use opentelemetry_sdk::trace::SpanData;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use std::time::{SystemTime, UNIX_EPOCH};

/// Fields of `Span`.
mod field {
    pub(super) const TRACE_ID: u32 = 1;
    pub(super) const SPAN_ID: u32 = 2;
    pub(super) const TRACE_STATE: u32 = 3;
    pub(super) const PARENT_SPAN_ID: u32 = 4;
    pub(super) const NAME: u32 = 5;
    pub(super) const KIND: u32 = 6;
    pub(super) const START: u32 = 7;
    pub(super) const END: u32 = 8;
    pub(super) const ATTRIBUTES: u32 = 9;
    pub(super) const DROPPED_ATTRIBUTES: u32 = 10;
    pub(super) const LINKS: u32 = 13;
    pub(super) const DROPPED_LINKS: u32 = 14;
    pub(super) const STATUS: u32 = 15;
    pub(super) const FLAGS: u32 = 16;

    /// Of `Link`, whose first three are those of a span.
    pub(super) const LINK_ATTRIBUTES: u32 = 4;
    pub(super) const LINK_DROPPED: u32 = 5;
    pub(super) const LINK_FLAGS: u32 = 6;

    /// Of `Status`.
    pub(super) const MESSAGE: u32 = 2;
    pub(super) const CODE: u32 = 3;

    /// Of `KeyValue`.
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;

    /// Of `AnyValue`.
    pub(super) const STRING: u32 = 1;
    pub(super) const BOOL: u32 = 2;
    pub(super) const INT: u32 = 3;
    pub(super) const DOUBLE: u32 = 4;
}

/// A field's key is one byte for all but [`field::FLAGS`].
const KEY_BYTES: usize = 1;

/// Whether a span has only what this module writes: no events and no lists, as the spans of requests.
pub(super) fn is_plain(span: &SpanData) -> bool {
    let plain = |all: &[KeyValue]| all.iter().all(|one| value_len(&one.value).is_some());
    span.events.is_empty()
        && span.events.dropped_count == 0
        && plain(&span.attributes)
        && span.links.iter().all(|link| plain(&link.attributes))
}

/// Appends the fields of a plain span with this `tracestate`.
pub(super) fn encode(span: &SpanData, trace_state: &str, out: &mut Vec<u8>) {
    context(&span.span_context, trace_state, out);
    if span.parent_span_id != SpanId::INVALID {
        bytes(field::PARENT_SPAN_ID, &span.parent_span_id.to_bytes(), out);
    }
    text(field::NAME, &span.name, out);
    let kind = match span.span_kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    number(field::KIND, kind, out);
    for (field, at) in [(field::START, span.start_time), (field::END, span.end_time)] {
        let ns = nanos(at);
        if ns != 0 {
            encode_key(field, WireType::SixtyFourBit, out);
            out.extend_from_slice(&ns.to_le_bytes());
        }
    }
    attributes(field::ATTRIBUTES, &span.attributes, out);
    number(field::DROPPED_ATTRIBUTES, u64::from(span.dropped_attributes_count), out);
    for link in span.links.iter() {
        open(field::LINKS, link_len(link), out);
        context(&link.span_context, &link.span_context.trace_state().header(), out);
        attributes(field::LINK_ATTRIBUTES, &link.attributes, out);
        number(field::LINK_DROPPED, u64::from(link.dropped_attributes_count), out);
        flags(field::LINK_FLAGS, link.span_context.is_remote(), &link.span_context, out);
    }
    number(field::DROPPED_LINKS, u64::from(span.links.dropped_count), out);
    let (code, message) = match &span.status {
        Status::Unset => (0, ""),
        Status::Ok => (1, ""),
        Status::Error { description } => (2, description.as_ref()),
    };
    open(field::STATUS, field_len_unless_empty(message.len()) + if code == 0 { 0 } else { 2 }, out);
    text(field::MESSAGE, message, out);
    number(field::CODE, code, out);
    flags(field::FLAGS, span.parent_span_is_remote, &span.span_context, out);
}

fn context(of: &SpanContext, trace_state: &str, out: &mut Vec<u8>) {
    bytes(field::TRACE_ID, &of.trace_id().to_bytes(), out);
    bytes(field::SPAN_ID, &of.span_id().to_bytes(), out);
    text(field::TRACE_STATE, trace_state, out);
}

fn link_len(link: &Link) -> usize {
    let state = link.span_context.trace_state().header().len();
    let attributes: usize = link.attributes.iter().map(|one| field_len(attribute_len(one))).sum();
    let dropped = match link.dropped_attributes_count {
        0 => 0,
        n => KEY_BYTES + encoded_len_varint(u64::from(n)),
    };
    field_len(16) + field_len(8) + field_len_unless_empty(state) + attributes + dropped + KEY_BYTES + size_of::<u32>()
}

fn attributes(number: u32, all: &[KeyValue], out: &mut Vec<u8>) {
    for one in all {
        open(number, attribute_len(one), out);
        text(field::KEY, one.key.as_str(), out);
        open(field::VALUE, value_len(&one.value).unwrap_or(0), out);
        match &one.value {
            Value::String(value) => {
                open(field::STRING, value.as_str().len(), out);
                out.extend_from_slice(value.as_str().as_bytes());
            }
            Value::Bool(value) => {
                encode_key(field::BOOL, WireType::Varint, out);
                out.push(u8::from(*value));
            }
            Value::I64(value) => {
                encode_key(field::INT, WireType::Varint, out);
                encode_varint(value.cast_unsigned(), out);
            }
            Value::F64(value) => {
                encode_key(field::DOUBLE, WireType::SixtyFourBit, out);
                out.extend_from_slice(&value.to_le_bytes());
            }
            // `is_plain` has seen none.
            _ => {}
        }
    }
}

fn attribute_len(one: &KeyValue) -> usize {
    field_len_unless_empty(one.key.as_str().len()) + field_len(value_len(&one.value).unwrap_or(0))
}

/// Length of an `AnyValue`; `None` for lists.
fn value_len(value: &Value) -> Option<usize> {
    match value {
        Value::String(value) => Some(field_len(value.as_str().len())),
        Value::Bool(_) => Some(KEY_BYTES + 1),
        Value::I64(value) => Some(KEY_BYTES + encoded_len_varint(value.cast_unsigned())),
        Value::F64(_) => Some(KEY_BYTES + size_of::<f64>()),
        _ => None,
    }
}

fn flags(number: u32, is_remote: bool, of: &SpanContext, out: &mut Vec<u8>) {
    let known = SpanFlags::ContextHasIsRemoteMask as u32;
    let remote = if is_remote { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    encode_key(number, WireType::ThirtyTwoBit, out);
    out.extend_from_slice(&(u32::from(of.trace_flags().to_u8()) | known | remote).to_le_bytes());
}

fn nanos(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

fn number(field: u32, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        encode_key(field, WireType::Varint, out);
        encode_varint(value, out);
    }
}

fn text(field: u32, value: &str, out: &mut Vec<u8>) {
    bytes(field, value.as_bytes(), out);
}

fn bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        open(field, value.len(), out);
        out.extend_from_slice(value);
    }
}

/// Key and length of a field with `len` bytes.
pub(super) fn open(number: u32, len: usize, out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

/// Length of a whole field with `len` bytes, whose key has one.
pub(super) const fn field_len(len: usize) -> usize {
    KEY_BYTES + encoded_len_varint(len as u64) + len
}

const fn field_len_unless_empty(len: usize) -> usize {
    if len == 0 { 0 } else { field_len(len) }
}
