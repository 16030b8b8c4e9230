//! `traceparent`, strictly by W3C Trace Context level 2. `tracestate` is looked into for our own mark only (`mark.rs`).

use super::TraceContext;

/// The bits of the flags that level 2 gives a meaning: sampled (1) and random trace id (2).
const FLAGS_KNOWN: u8 = 0b11;

/// Length of a version 00 `traceparent`.
const TRACEPARENT_LEN: usize = 55;

/// Reads a `traceparent` value, strictly by W3C Trace Context level 2.
///
/// Version `ff`, upper-case digits and all-zero ids are invalid. A version later than 00 may have more after the flags,
/// set off by a dash. Flag bits that level 2 does not define are cleared, since their meaning is unknown.
#[must_use]
pub fn parse_traceparent(value: &[u8]) -> Option<TraceContext> {
    let (known, more) = value.split_at_checked(TRACEPARENT_LEN)?;
    let (version, rest) = known.split_at_checked(2)?;
    let [version] = hex::<1>(version)?;
    let more_is_fine = match version {
        0x00 => more.is_empty(),
        0xff => false,
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    let rest = rest.strip_prefix(b"-")?;
    let (trace_id, rest) = rest.split_at_checked(32)?;
    let rest = rest.strip_prefix(b"-")?;
    let (parent_id, rest) = rest.split_at_checked(16)?;
    let flags = rest.strip_prefix(b"-")?;
    let (trace_id, parent_id, [flags]) = (hex::<16>(trace_id)?, hex::<8>(parent_id)?, hex::<1>(flags)?);
    let is_valid = more_is_fine && trace_id != [0; 16] && parent_id != [0; 8];
    is_valid.then_some(TraceContext { trace_id, parent_id, flags: flags & FLAGS_KNOWN })
}

/// Decodes exactly `N` bytes of lower-case hexadecimal.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
