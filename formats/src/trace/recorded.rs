//! The trace context of a recorded request, whatever its fleet used: one order of formats, and what does not agree is said.

use super::{SAMPLED, TraceContext, vendors, w3c};
use crate::head;

/// A format of contexts, in the order in which they are believed: formats that services write for each other first, those
/// that load balancers add to whatever passes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// W3C Trace Context.
    TraceContext,
    /// Zipkin's single header.
    B3,
    /// Zipkin's headers, one for each field.
    B3Multi,
    /// Jaeger's own.
    Jaeger,
    /// That of the OpenTracing basic tracers.
    OtTrace,
    /// Datadog's own.
    Datadog,
    /// Google Cloud's.
    CloudTrace,
    /// AWS X-Ray's.
    XRay,
}

impl Format {
    /// All of them, in the order in which they are believed.
    pub const ALL: [Self; 8] = [
        Self::TraceContext,
        Self::B3,
        Self::B3Multi,
        Self::Jaeger,
        Self::OtTrace,
        Self::Datadog,
        Self::CloudTrace,
        Self::XRay,
    ];

    /// The header, or what its headers begin with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TraceContext => "traceparent",
            Self::B3 => "b3",
            Self::B3Multi => "x-b3-*",
            Self::Jaeger => "uber-trace-id",
            Self::OtTrace => "ot-tracer-*",
            Self::Datadog => "x-datadog-*",
            Self::CloudTrace => "x-cloud-trace-context",
            Self::XRay => "x-amzn-trace-id",
        }
    }

    /// The headers that it reads, in the order in which its reader takes them.
    const fn headers(self) -> &'static [&'static str] {
        match self {
            Self::TraceContext => &["traceparent"],
            Self::B3 => &["b3"],
            Self::B3Multi => &["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"],
            Self::Jaeger => &["uber-trace-id"],
            Self::OtTrace => &["ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"],
            Self::Datadog => {
                &["x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags"]
            }
            Self::CloudTrace => &["x-cloud-trace-context"],
            Self::XRay => &["x-amzn-trace-id"],
        }
    }

    fn read(self, values: &[&[u8]; HEADERS_MAX]) -> Option<Found> {
        let [first, second, third, fourth] = *values;
        match self {
            Self::TraceContext => w3c::parse_traceparent(first).map(|context| Found {
                trace_id: Some(context.trace_id),
                parent_id: context.parent_id,
                decision: Some(context.is_sampled()),
                flags: context.flags,
            }),
            Self::B3 => vendors::b3(first),
            Self::B3Multi => vendors::b3_multi(first, second, third, fourth),
            Self::Jaeger => vendors::jaeger(first),
            Self::OtTrace => vendors::ot_trace(first, second, third),
            Self::Datadog => vendors::datadog(first, second, third, fourth),
            Self::CloudTrace => vendors::cloud_trace(first),
            Self::XRay => vendors::xray(first),
        }
    }
}

/// Most headers that one format has.
const HEADERS_MAX: usize = 4;

/// The first letters of all of these headers.
const LETTERS: u32 = {
    let (mut bits, mut at) = (0, 0);
    while let Some((format, _)) = Format::ALL.split_at(at).1.split_first() {
        bits |= head::letters(format.headers());
        at += 1;
    }
    bits
};

/// What one format's headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// `None` of headers that carry a decision alone.
    pub(super) trace_id: Option<[u8; 16]>,
    /// All zero where none is named.
    pub(super) parent_id: [u8; 8],
    /// Whether the caller records the trace; `None` where it leaves that to whom it calls.
    pub(super) decision: Option<bool>,
    /// Those of W3C; none of other formats.
    pub(super) flags: u8,
}

/// What a recorded request says about its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    /// The context of the first format that has one.
    pub context: Option<TraceContext>,
    /// Whose that is.
    pub format: Option<Format>,
    /// Whether the caller recorded the trace: what the first format says that is of this trace, or of none; `None` where
    /// all leave it to whom they call, or there is nothing.
    pub decision: Option<bool>,
    /// The request carries two different contexts: headers of one format that contradict each other, which are not read,
    /// or formats that name different traces.
    pub differs: bool,
}

impl Recorded {
    /// A context whose caller left the decision to whom it called.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        self.context.is_some() && self.decision.is_none()
    }
}

/// The values of a format's headers.
#[derive(Clone, Copy, Default)]
struct Values<'a> {
    values: [&'a [u8]; HEADERS_MAX],
    seen: [bool; HEADERS_MAX],
    /// A header came twice with different values.
    contradicts: bool,
    /// A header came twice.
    has_two: bool,
}

/// The trace context of a recorded request.
///
/// A format whose headers are not as they should be counts as absent. One whose header came twice with different values
/// is not read either, and the request `differs`.
#[must_use]
pub fn recorded(head: &[u8]) -> Recorded {
    let mut all = [Values::default(); Format::ALL.len()];
    let mut is_there = false;
    for (name, value) in head::fields_by_letter(head, LETTERS) {
        for (format, into) in Format::ALL.iter().zip(&mut all) {
            let mut places = format.headers().iter().zip(&mut into.values).zip(&mut into.seen);
            if let Some(((_, to), seen)) = places.find(|((known, _), _)| name.eq_ignore_ascii_case(known.as_bytes())) {
                into.contradicts |= *seen && *to != value;
                into.has_two |= *seen;
                (*to, *seen, is_there) = (value, true, true);
            }
        }
    }
    if is_there { judge(&all) } else { Recorded::default() }
}

fn judge(all: &[Values<'_>; Format::ALL.len()]) -> Recorded {
    let mut out = Recorded::default();
    for (format, values) in Format::ALL.into_iter().zip(all).filter(|(_, values)| values.seen.contains(&true)) {
        if values.contradicts {
            out.differs = true;
            continue;
        }
        // W3C's suite wants a new trace where there are two, whatever they say.
        if values.has_two && format == Format::TraceContext {
            continue;
        }
        let Some(found) = format.read(&values.values) else { continue };
        if let Some(trace_id) = found.trace_id {
            let context = TraceContext { trace_id, parent_id: found.parent_id, flags: found.flags };
            match &out.context {
                None => (out.context, out.format) = (Some(context), Some(format)),
                Some(first) if !first.is_of_trace(&context) => {
                    out.differs = true;
                    continue;
                }
                Some(_) => {}
            }
        }
        out.decision = out.decision.or(found.decision);
    }
    if let Some(context) = &mut out.context
        && out.format != Some(Format::TraceContext)
        && out.decision == Some(true)
    {
        context.flags |= SAMPLED;
    }
    out
}
