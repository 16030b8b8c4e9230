//! The field lines of a context, compiled once for a run: text with gaps, and what goes into each gap. Writing them for a
//! request copies bytes and does nothing else.

use formats::trace::{REPLAY_BAGGAGE_KEY, REPLAY_TRACESTATE_KEY};

use super::propagators::{Propagator, Wire};
use super::{Fresh, hex_into};

/// The trace id is random (W3C Trace Context level 2, "Random Trace ID Flag"): at least its last 7 bytes are, however long
/// the id is and also where it begins with the time.
const RANDOM: u8 = 0x02;
/// Sampled.
const SAMPLED: u8 = 0x01;

/// A part of the field lines.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    /// The trace id: 32 digits …
    Trace,
    /// … its lower half, of ids that have no more …
    TraceLow,
    /// … its first 8 digits, and the 24 others.
    TraceTime,
    TraceRest,
    Span,
    /// Those of `traceparent`, two digits.
    Flags,
    /// `1` or `0`
    SampledDigit,
    /// `true` or `false`
    SampledWord,
}

/// Field lines with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pieces: Vec<Piece>,
    len_max: usize,
}

impl Fields {
    /// The lines of the propagators, the marks of the run, and the empty line that ends the head.
    ///
    /// The `tracestate` member is there whatever was chosen, since a recorder must know a replay by something: without a
    /// `traceparent` beside it W3C's readers have to ignore it, so that nothing at the target depends on it.
    pub(super) fn of(wire: &Wire, run_id: &str) -> Self {
        let mut fields = Self { pieces: Vec::new(), len_max: 0 };
        let trace = if wire.is_short { Piece::TraceLow } else { Piece::Trace };
        if wire.propagators.has(Propagator::TraceContext) {
            fields.line("traceparent: 00-", [Piece::Trace, text("-"), Piece::Span, text("-"), Piece::Flags]);
        }
        fields.line(&format!("tracestate: {REPLAY_TRACESTATE_KEY}={run_id}"), []);
        for propagator in Propagator::ALL.into_iter().filter(|one| wire.propagators.has(*one)) {
            match propagator {
                Propagator::TraceContext => {}
                Propagator::Baggage => {
                    fields.line(&format!("baggage: synthetic_request=true,{REPLAY_BAGGAGE_KEY}={run_id}"), []);
                }
                Propagator::B3 => {
                    fields.line("b3: ", [trace.clone(), text("-"), Piece::Span, text("-"), Piece::SampledDigit]);
                }
                Propagator::B3Multi => {
                    fields.line("X-B3-TraceId: ", [trace.clone()]);
                    fields.line("X-B3-SpanId: ", [Piece::Span]);
                    fields.line("X-B3-Sampled: ", [Piece::SampledDigit]);
                }
                Propagator::Jaeger => {
                    // The parent's place is there and says nothing: it is deprecated.
                    let parts = [trace.clone(), text(":"), Piece::Span, text(":0:"), Piece::SampledDigit];
                    fields.line("uber-trace-id: ", parts);
                }
                Propagator::XRay => {
                    let root = [Piece::TraceTime, text("-"), Piece::TraceRest];
                    let rest = [text(";Parent="), Piece::Span, text(";Sampled="), Piece::SampledDigit];
                    fields.line("X-Amzn-Trace-Id: Root=1-", root.into_iter().chain(rest));
                }
                Propagator::OtTrace => {
                    fields.line("ot-tracer-traceid: ", [Piece::TraceLow]);
                    fields.line("ot-tracer-spanid: ", [Piece::Span]);
                    fields.line("ot-tracer-sampled: ", [Piece::SampledWord]);
                }
            }
        }
        fields.push(text("\r\n"));
        fields
    }

    fn line(&mut self, start: &str, parts: impl IntoIterator<Item = Piece>) {
        self.push(text(start));
        parts.into_iter().for_each(|part| self.push(part));
        self.push(text("\r\n"));
    }

    fn push(&mut self, piece: Piece) {
        self.len_max += match &piece {
            Piece::Text(text) => text.len(),
            Piece::Trace => 32,
            Piece::TraceLow | Piece::Span => 16,
            Piece::TraceTime => 8,
            Piece::TraceRest => 24,
            Piece::Flags => 2,
            Piece::SampledDigit => 1,
            Piece::SampledWord => "false".len(),
        };
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.extend_from_slice(&text),
            (_, piece) => self.pieces.push(piece),
        }
    }

    /// Most bytes that [`Self::append`] appends.
    pub(super) const fn len_max(&self) -> usize {
        self.len_max
    }

    pub(super) fn append(&self, fresh: &Fresh, out: &mut Vec<u8>) {
        let (mut trace, mut span) = ([0; 32], [0; 16]);
        hex_into(&fresh.trace_id, &mut trace);
        hex_into(&fresh.span_id, &mut span);
        let ([time, rest @ ..], [_, low]) = (trace.as_chunks::<8>().0, trace.as_chunks::<16>().0) else { return };
        let digit = if fresh.is_sampled { b'1' } else { b'0' };
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Trace => out.extend_from_slice(&trace),
                Piece::TraceLow => out.extend_from_slice(low),
                Piece::TraceTime => out.extend_from_slice(time),
                Piece::TraceRest => out.extend_from_slice(rest.as_flattened()),
                Piece::Span => out.extend_from_slice(&span),
                Piece::Flags => {
                    out.extend_from_slice(&[b'0', b'0' | RANDOM | if fresh.is_sampled { SAMPLED } else { 0 }])
                }
                Piece::SampledDigit => out.push(digit),
                Piece::SampledWord => out.extend_from_slice(if fresh.is_sampled { b"true" } else { b"false" }),
            }
        }
    }
}

fn text(text: &str) -> Piece {
    Piece::Text(text.as_bytes().to_vec())
}
