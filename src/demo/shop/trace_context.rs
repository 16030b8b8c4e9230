//! Reads `traceparent` (W3C Trace Context §3.2).
//!
//! Written apart from the parser of `formats` on purpose: the shop stands for a foreign service, so that what it joins is
//! evidence about our headers.

use opentelemetry::{SpanId, TraceFlags, TraceId};

/// The caller's trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) flags: TraceFlags,
}

/// The parent, or nothing when the header is not valid in every part: the specification then asks for a new trace.
pub(crate) fn parse(header: &str) -> Option<Parent> {
    let mut parts = header.splitn(5, '-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let version = number(version, 2)?;
    // Version 00 ends after the flags; later ones may go on, 255 is forbidden.
    if version == 0xff || (version == 0 && parts.next().is_some()) {
        return None;
    }
    let trace_id = TraceId::from(number(trace_id, 32)?);
    let span_id = SpanId::from(u64::try_from(number(span_id, 16)?).ok()?);
    let flags = TraceFlags::new(u8::try_from(number(flags, 2)?).ok()?);
    (trace_id != TraceId::INVALID && span_id != SpanId::INVALID).then_some(Parent { trace_id, span_id, flags })
}

/// Exactly so many lower-case hex digits.
fn number(digits: &str, length: usize) -> Option<u128> {
    let valid = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (digits.len() == length && digits.bytes().all(valid)).then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}
