//! The contexts of everybody but W3C, each by its own document (named at each function). Empty text is an absent header.
//!
//! Digits may be of either case, since the vendors' own readers take both. What is not as it should be is `None`: half a
//! context is none.

use super::recorded::Found;

/// Zipkin's `b3`: `TRACE-SPAN[-STATE[-PARENT]]`, or the state alone (openzipkin/b3-propagation, "Single Header").
pub(super) fn b3(value: &[u8]) -> Option<Found> {
    let mut parts = value.split(|byte| *byte == b'-');
    let (first, span, state, parent) = (parts.next()?, parts.next(), parts.next(), parts.next());
    let Some(span) = span else {
        return Some(Found { decision: Some(state_of(first)?), ..Found::default() });
    };
    let (decision, parent) = match (state, parent) {
        // The state may be left out, which defers it, and the parent be there.
        (Some(state), None) if state.len() == 16 => (None, Some(state)),
        (Some(state), parent) => (Some(state_of(state)?), parent),
        (None, parent) => (None, parent),
    };
    if parent.is_some_and(|parent| fixed(parent, 16).is_none()) || parts.next().is_some() {
        return None;
    }
    Some(Found { trace_id: Some(b3_trace(first)?), parent_id: b3_span(span)?, decision, flags: 0 })
}

/// Zipkin's `X-B3-…` headers ("Multiple Headers"). The debug flag implies that the trace is recorded.
pub(super) fn b3_multi(trace: &[u8], span: &[u8], sampled: &[u8], flags: &[u8]) -> Option<Found> {
    let decision = match sampled {
        _ if flags == b"1" => Some(true),
        b"" => None,
        // Tracers older than the document wrote words.
        words if words.eq_ignore_ascii_case(b"true") => Some(true),
        words if words.eq_ignore_ascii_case(b"false") => Some(false),
        b"d" => return None,
        state => Some(state_of(state)?),
    };
    if trace.is_empty() && span.is_empty() {
        return decision.map(|decision| Found { decision: Some(decision), ..Found::default() });
    }
    Some(Found { trace_id: Some(b3_trace(trace)?), parent_id: b3_span(span)?, decision, flags: 0 })
}

fn state_of(state: &[u8]) -> Option<bool> {
    match state {
        b"1" | b"d" => Some(true),
        b"0" => Some(false),
        _ => None,
    }
}

fn b3_trace(text: &[u8]) -> Option<[u8; 16]> {
    let id = fixed(text, 32).or_else(|| fixed(text, 16))?;
    (id != 0).then_some(id.to_be_bytes())
}

fn b3_span(text: &[u8]) -> Option<[u8; 8]> {
    let id = u64::try_from(fixed(text, 16)?).ok()?;
    (id != 0).then_some(id.to_be_bytes())
}

/// Jaeger's `uber-trace-id`: `TRACE:SPAN:PARENT:FLAGS`, in which leading zeros may be missing and colons may be escaped as in
/// a URL (jaegertracing.io, "Client Libraries", "Propagation Format"). Flag 1 is sampled, 2 is debug.
pub(super) fn jaeger(value: &[u8]) -> Option<Found> {
    let mut rest = value;
    let mut next = || {
        let end = rest.iter().position(|byte| matches!(byte, b':' | b'%')).unwrap_or(rest.len());
        let (part, after) = rest.split_at_checked(end)?;
        let escaped = || after.strip_prefix(b"%3A").or_else(|| after.strip_prefix(b"%3a"));
        rest = after.strip_prefix(b":").or_else(escaped).unwrap_or(after);
        Some(part)
    };
    let (trace, span, parent) = (next()?, next()?, next()?);
    let flags = number(rest, 2)?;
    let is_parent = parent.is_empty() || number(parent, 16).is_some();
    let (trace, span) = (number(trace, 32)?, u64::try_from(number(span, 16)?).ok()?);
    if trace == 0 || span == 0 || !is_parent {
        return None;
    }
    let decision = Some(flags & 0b11 != 0);
    Some(Found { trace_id: Some(trace.to_be_bytes()), parent_id: span.to_be_bytes(), decision, flags: 0 })
}

/// `ot-tracer-traceid`, `-spanid` and `-sampled` (opentelemetry-propagator-ot-trace, "OTTrace Format"). The basic tracers
/// write numbers without leading zeros.
pub(super) fn ot_trace(trace: &[u8], span: &[u8], sampled: &[u8]) -> Option<Found> {
    let decision = match sampled {
        b"" => None,
        words if words.eq_ignore_ascii_case(b"true") => Some(true),
        words if words.eq_ignore_ascii_case(b"false") => Some(false),
        _ => return None,
    };
    let (trace, span) = (number(trace, 32)?, u64::try_from(number(span, 16)?).ok()?);
    if trace == 0 || span == 0 {
        return None;
    }
    Some(Found { trace_id: Some(trace.to_be_bytes()), parent_id: span.to_be_bytes(), decision, flags: 0 })
}

/// Datadog's `x-datadog-trace-id` and `-parent-id` in decimal digits, `-sampling-priority` (kept above 0), and the high half of
/// the trace id as `_dd.p.tid` among the `-tags` (docs.datadoghq.com, "Trace Context Propagation").
pub(super) fn datadog(trace: &[u8], parent: &[u8], priority: &[u8], tags: &[u8]) -> Option<Found> {
    let decision = match priority {
        b"" => None,
        priority => Some(std::str::from_utf8(priority).ok()?.parse::<i32>().ok()? > 0),
    };
    if trace.is_empty() {
        return decision.map(|decision| Found { decision: Some(decision), ..Found::default() });
    }
    let low = decimal(trace).filter(|id| *id != 0)?;
    let parent = if parent.is_empty() { 0 } else { decimal(parent)? };
    let high = tags.split(|byte| *byte == b',').find_map(|tag| tag.trim_ascii().strip_prefix(b"_dd.p.tid="));
    let high = high.and_then(|digits| fixed(digits, 16)).unwrap_or(0);
    let trace_id = (high << 64 | u128::from(low)).to_be_bytes();
    Some(Found { trace_id: Some(trace_id), parent_id: parent.to_be_bytes(), decision, flags: 0 })
}

/// Google Cloud's `TRACE[/SPAN][;o=OPTIONS]`, the span in decimal digits (cloud.google.com, "Trace context").
pub(super) fn cloud_trace(value: &[u8]) -> Option<Found> {
    let mut parts = value.splitn(2, |byte| *byte == b';');
    let ids = parts.next()?;
    let decision = match parts.next().map(<[u8]>::trim_ascii) {
        None | Some(b"" | b"o=") => None,
        Some(options) => Some(decimal(options.strip_prefix(b"o=")?)? & 1 == 1),
    };
    let mut ids = ids.splitn(2, |byte| *byte == b'/');
    let trace = fixed(ids.next()?, 32).filter(|id| *id != 0)?;
    let span = match ids.next() {
        None | Some(b"") => 0,
        Some(span) => decimal(span)?,
    };
    Some(Found { trace_id: Some(trace.to_be_bytes()), parent_id: span.to_be_bytes(), decision, flags: 0 })
}

/// AWS X-Ray's `Root=1-TIME-REST;Parent=SPAN;Sampled=0|1|?` in any order (AWS X-Ray Developer Guide, "Tracing header"). Load
/// balancers put `Self` before it and may name no parent.
pub(super) fn xray(value: &[u8]) -> Option<Found> {
    let mut found = Found::default();
    let mut has_state = false;
    for part in value.split(|byte| *byte == b';') {
        let mut sides = part.splitn(2, |byte| *byte == b'=');
        let (key, text) =
            (sides.next().unwrap_or_default().trim_ascii(), sides.next().unwrap_or_default().trim_ascii());
        match key {
            b"Root" if found.trace_id.is_none() => {
                let (time, rest) = text.strip_prefix(b"1-")?.split_at_checked(8)?;
                let id = fixed(time, 8)? << 96 | fixed(rest.strip_prefix(b"-")?, 24)?;
                found.trace_id = Some(id.to_be_bytes()).filter(|id| *id != [0; 16]);
                found.trace_id?;
            }
            b"Parent" if found.parent_id == [0; 8] => found.parent_id = b3_span(text)?,
            b"Sampled" if !has_state => {
                has_state = true;
                found.decision = match text {
                    b"1" => Some(true),
                    b"0" => Some(false),
                    b"?" => None,
                    _ => return None,
                };
            }
            b"Root" | b"Parent" | b"Sampled" => return None,
            _ => {}
        }
    }
    (found.trace_id.is_some() || found.decision.is_some()).then_some(found)
}

/// Exactly `digits` hexadecimal digits.
fn fixed(text: &[u8], digits: usize) -> Option<u128> {
    if text.len() == digits { number(text, digits) } else { None }
}

/// One to `digits_max` hexadecimal digits, at most 32.
fn number(text: &[u8], digits_max: usize) -> Option<u128> {
    if text.is_empty() || text.len() > digits_max.min(32) {
        return None;
    }
    text.iter().try_fold(0, |sum: u128, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return None,
        };
        Some(sum << 4 | u128::from(digit))
    })
}

/// Decimal digits of a number of 64 bits.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
