//! Recorded trace contexts: reading `traceparent`, knowing every header that carries a trace, and telling a replay apart.
//!
//! What is deliberately not here: making new contexts (the replayer does that), and correlation ids that belong to the
//! application, such as `X-Request-Id` or a home-made `X-Trace-Id`; those are re-sent like any other header.

use std::fmt;

use crate::head;

/// Key of the `tracestate` member by which every request that reenact sends is known.
pub const REPLAY_TRACESTATE_KEY: &str = "reenact";

/// The bits of the flags that W3C Trace Context level 2 gives a meaning: sampled (1) and random trace id (2).
const FLAGS_KNOWN: u8 = 0b11;

/// Length of a version 00 `traceparent`.
const TRACEPARENT_LEN: usize = 55;

/// A trace, a span in it, and flags, as `traceparent` carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The whole trace; never all zero when read from a header.
    pub trace_id: [u8; 16],
    /// The span that sent the request; never all zero when read from a header.
    pub parent_id: [u8; 8],
    /// Bit 0: sampled; bit 1: the trace id is random.
    pub flags: u8,
}

impl TraceContext {
    /// The value of a version 00 `traceparent` header.
    ///
    /// ```
    /// let context = formats::trace::TraceContext { trace_id: [0xab; 16], parent_id: [1; 8], flags: 1 };
    /// assert_eq!(context.to_traceparent(), "00-abababababababababababababababab-0101010101010101-01");
    /// ```
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        self.to_string()
    }

    /// Whether the caller said that it may have recorded the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, parent_id) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.parent_id));
        write!(f, "00-{trace_id:032x}-{parent_id:016x}-{:02x}", self.flags)
    }
}

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

/// The trace context of a recorded request: that of its one `traceparent`; `None` when there is none, or more than one.
#[must_use]
pub fn recorded(head: &[u8]) -> Option<TraceContext> {
    let mut found = head::values(head, "traceparent");
    let only = found.next()?;
    if found.next().is_some() {
        return None;
    }
    parse_traceparent(only)
}

/// Whether the request with this head was sent by a replay: one of its `tracestate` members has our key.
///
/// Every member of every `tracestate` header is looked at, also past the 32 that the specification allows, since taking a
/// replay for production would be the worse mistake.
#[must_use]
pub fn is_replay(head: &[u8]) -> bool {
    head::values(head, "tracestate").any(|value| {
        value.split(|byte| *byte == b',').any(|member| {
            let mut parts = member.splitn(2, |byte| *byte == b'=');
            let key = parts.next().unwrap_or_default().trim_ascii();
            parts.next().is_some() && key == REPLAY_TRACESTATE_KEY.as_bytes()
        })
    })
}

/// Headers that carry a trace context, by whole name in lower case.
const TRACE_HEADERS: &[&str] = &[
    // W3C Trace Context and Baggage
    "traceparent",
    "tracestate",
    "baggage",
    // Zipkin's single header; the others are among the prefixes
    "b3",
    // Jaeger
    "uber-trace-id",
    "jaeger-debug-id",
    "jaeger-baggage",
    // LightStep's and Envoy's opaque OpenTracing context, and the id that Envoy joins a client's trace by
    "x-ot-span-context",
    "x-client-trace-id",
    // AWS X-Ray, Google Cloud, OpenCensus over gRPC
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "grpc-tags-bin",
    "traceparent-bin",
    // Dynatrace: server tag, .NET and RUM correlation
    "x-dynatrace",
    "x-dtc",
    "x-dtpc",
    // New Relic, Elastic, Sentry, Honeycomb, SolarWinds, AppDynamics, Azure Application Insights' baggage
    "newrelic",
    "elastic-apm-traceparent",
    "sentry-trace",
    "x-honeycomb-trace",
    "x-trace",
    "x-trace-options",
    "x-trace-options-signature",
    "singularityheader",
    "correlation-context",
    "x-ms-request-root-id",
    // SkyWalking
    "sw3",
    "sw6",
    "sw8",
    "sw8-correlation",
    "sw8-x",
    // SOFATracer
    "sofa-traceid",
    "sofa-rpcid",
];

/// Families of such headers, by the beginning of the name in lower case.
const TRACE_HEADER_PREFIXES: &[&str] = &[
    "x-b3-",
    "uberctx-",
    "ot-tracer-",
    "ot-baggage-",
    "x-datadog-",
    "x-newrelic-",
    "x-instana-",
    // Wavefront, Pinpoint, Alibaba EagleEye, Linkerd 1
    "wf-ot-",
    "pinpoint-",
    "eagleeye-",
    "l5d-ctx-",
];

/// The first letters of all of them: a bit each, from `a` on.
const FIRST_LETTERS: u32 = {
    const fn letters(mut names: &[&str], mut bits: u32) -> u32 {
        while let [name, rest @ ..] = names {
            if let [first, ..] = name.as_bytes() {
                bits |= 1 << (*first - b'a');
            }
            names = rest;
        }
        bits
    }
    letters(TRACE_HEADERS, letters(TRACE_HEADER_PREFIXES, 0))
};

/// Whether `name` is a header, of any vendor, that carries a trace context and so must never be re-sent.
#[must_use]
pub fn is_trace_header(name: &[u8]) -> bool {
    // Most names are told by their first letter.
    let Some(letter) = name.first().map(|first| first.to_ascii_lowercase()).filter(u8::is_ascii_lowercase) else {
        return false;
    };
    if FIRST_LETTERS >> (letter - b'a') & 1 == 0 {
        return false;
    }
    TRACE_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        || TRACE_HEADER_PREFIXES
            .iter()
            .any(|prefix| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes())))
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

#[cfg(test)]
mod tests;
