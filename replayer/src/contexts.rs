//! A fresh W3C trace context for every request (Trace Context level 2), grouped as the recorded ones were.
//!
//! Identifiers are SHA-256 under a random key of the run: as good as random, and the requests of a recorded trace find
//! their common new trace without a table that would grow with the run.

use formats::trace::TraceContext;
use sha2::{Digest, Sha256};

use crate::error::ReplayError;

/// The trace id is random (level 2 §3.2.4.2).
const RANDOM: u8 = 0x02;
/// Sampled.
const SAMPLED: u8 = 0x01;

/// Which traces are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Those whose 56 random bits are below this, of 2⁵⁶: all of them at 2⁵⁶, none at 0.
    Below(u64),
    /// Those that were sampled in the recording; requests without a recorded context are not.
    Recorded,
}

impl Sampling {
    /// Every trace.
    pub const ALL: Self = Self::Below(1 << 56);
}

impl std::str::FromStr for Sampling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "recorded" {
            return Ok(Self::Recorded);
        }
        let bad = || format!("`{text}` is no share of traces; write a number from 0 to 1, as in 0.01, or `recorded`");
        let share: f64 = text.parse().map_err(|_| bad())?;
        if !(0.0..=1.0).contains(&share) {
            return Err(bad());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^56")]
        let below = (share * (1_u64 << 56) as f64) as u64;
        Ok(Self::Below(below))
    }
}

/// The contexts of one run.
#[derive(Clone)]
pub struct Contexts {
    key: [u8; 32],
    run_id: String,
    /// What follows the context in every head: the field lines that mark a replay, and the empty line.
    marks: Vec<u8>,
    sampling: Sampling,
}

/// The context of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fresh {
    /// The new trace.
    pub trace_id: [u8; 16],
    /// The client span, which is the parent id on the wire.
    pub span_id: [u8; 8],
    /// The client span of the first request of the same recorded trace, for the others.
    pub parent_span_id: Option<[u8; 8]>,
    /// Whether its trace is sampled.
    pub is_sampled: bool,
}

/// What a request takes over from its recording.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Position of the request in the plan.
    pub position: u64,
    /// Which life of the client.
    pub copy: u32,
    /// The recorded context, if it had one.
    pub recorded: Option<TraceContext>,
    /// Sets of remembered traces before this request's: a trace that was forgotten begins a new group.
    pub generation: u32,
    /// Whether it is the first of its recorded trace.
    pub first_in_trace: bool,
}

impl Contexts {
    /// A new run with random identifiers.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self, ReplayError> {
        let mut key = [0; 32];
        let mut run = [0; 8];
        let random = |bytes: &mut [u8]| {
            getrandom::fill(bytes).map_err(|error| ReplayError::System {
                doing: "draw random numbers",
                source: std::io::Error::other(error),
            })
        };
        random(&mut key)?;
        random(&mut run)?;
        let (run_id, tracestate) = (hex(&run), formats::trace::REPLAY_TRACESTATE_KEY);
        let marks = format!(
            "\r\ntracestate: {tracestate}={run_id}\r\nbaggage: synthetic_request=true,reenact.run_id={run_id}\r\n\r\n"
        );
        Ok(Self { key, marks: marks.into_bytes(), run_id, sampling: Sampling::ALL })
    }

    /// The same run with other traces sampled.
    #[must_use]
    pub fn sampled(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// 16 hex digits.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The trace and span of the run itself.
    #[must_use]
    pub fn of_run(&self) -> ([u8; 16], [u8; 8]) {
        self.draw(&[b"run"])
    }

    /// The context of one request.
    #[must_use]
    pub fn of(&self, origin: &Origin) -> Fresh {
        let own = self.draw(&[b"request", &origin.position.to_le_bytes()]);
        let Some(recorded) = &origin.recorded else {
            let is_sampled = self.is_sampled(&own.0, None);
            return Fresh { trace_id: own.0, span_id: own.1, parent_span_id: None, is_sampled };
        };
        let copy = origin.copy.to_le_bytes();
        let (trace_id, first) = self.draw(&[b"trace", &recorded.trace_id, &copy]);
        let first = match origin.generation {
            0 => first,
            later => self.draw(&[b"trace", &recorded.trace_id, &copy, &later.to_le_bytes()]).1,
        };
        let is_sampled = self.is_sampled(&trace_id, Some(recorded));
        match origin.first_in_trace {
            true => Fresh { trace_id, span_id: first, parent_span_id: None, is_sampled },
            false => Fresh { trace_id, span_id: own.1, parent_span_id: Some(first), is_sampled },
        }
    }

    fn is_sampled(&self, trace_id: &[u8; 16], recorded: Option<&TraceContext>) -> bool {
        match self.sampling {
            Sampling::Below(below) => {
                let [.., a, b, c, d, e, f, g] = *trace_id;
                u64::from_be_bytes([0, a, b, c, d, e, f, g]) < below
            }
            Sampling::Recorded => recorded.is_some_and(TraceContext::is_sampled),
        }
    }

    /// Most bytes that [`Self::append_fields`] appends.
    #[must_use]
    pub fn fields_len_max(&self) -> usize {
        "traceparent: ".len() + 55 + self.marks.len()
    }

    /// Appends the field lines that carry the context and the marks of a replay, and the empty line that ends the head.
    pub fn append_fields(&self, fresh: &Fresh, out: &mut Vec<u8>) {
        // As `TraceContext` writes itself, without the machinery of formatting: this is done for each request.
        out.extend_from_slice(b"traceparent: 00-");
        append_hex(&fresh.trace_id, out);
        out.push(b'-');
        append_hex(&fresh.span_id, out);
        out.push(b'-');
        append_hex(&[RANDOM | if fresh.is_sampled { SAMPLED } else { 0 }], out);
        out.extend_from_slice(&self.marks);
    }

    fn draw(&self, parts: &[&[u8]]) -> ([u8; 16], [u8; 8]) {
        let mut hash = Sha256::new();
        hash.update(self.key);
        parts.iter().for_each(|part| hash.update(part));
        let bytes: [u8; 32] = hash.finalize().into();
        let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
        trace_id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        span_id.iter_mut().zip(bytes.into_iter().skip(16)).for_each(|(to, from)| *to = from);
        // All zeros is the one value that is no id.
        if let Some(last) = span_id.last_mut().filter(|last| **last == 0) {
            *last = 1;
        }
        if let Some(last) = trace_id.last_mut().filter(|last| **last == 0) {
            *last = 1;
        }
        (trace_id, span_id)
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    append_hex(bytes, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends lower-case hex.
pub(crate) fn append_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(position: u64, copy: u32, trace: Option<u8>, first_in_trace: bool) -> Origin {
        let recorded = trace.map(|byte| TraceContext { trace_id: [byte; 16], parent_id: [1; 8], flags: 1 });
        Origin { position, copy, recorded, generation: 0, first_in_trace }
    }

    #[test]
    fn requests_of_a_recorded_trace_share_the_new_one_within_a_copy() {
        let contexts = Contexts::random().unwrap();
        let first = contexts.of(&origin(1, 0, Some(7), true));
        let second = contexts.of(&origin(2, 0, Some(7), false));
        let other_copy = contexts.of(&origin(3, 1, Some(7), true));
        let other_trace = contexts.of(&origin(4, 0, Some(8), true));
        assert_eq!((second.trace_id, second.parent_span_id), (first.trace_id, Some(first.span_id)));
        assert_ne!(second.span_id, first.span_id);
        assert_ne!(other_copy.trace_id, first.trace_id);
        assert_ne!(other_trace.trace_id, first.trace_id);
        assert_ne!(first.trace_id, [7; 16]);
    }

    #[test]
    fn every_request_and_every_run_differs() {
        let (a, b) = (Contexts::random().unwrap(), Contexts::random().unwrap());
        let ids: std::collections::HashSet<_> = (0..1000)
            .flat_map(|at| [a.of(&origin(at, 0, None, false)), b.of(&origin(at, 0, None, false))])
            .map(|f| f.trace_id)
            .collect();
        assert_eq!(ids.len(), 2000);
        assert_ne!(a.run_id(), b.run_id());
    }

    #[test]
    fn a_share_of_traces_is_sampled_whole() {
        let sampled = |sampling: &str, flags: u8| {
            let contexts = Contexts::random().unwrap().sampled(sampling.parse().unwrap());
            (0..4_000)
                .filter(|at| {
                    let mut one = origin(*at, 0, (at % 2 == 0).then_some(7), false);
                    one.recorded = one.recorded.map(|trace| TraceContext { flags, ..trace });
                    contexts.of(&one).is_sampled
                })
                .count()
        };
        assert_eq!((sampled("1", 0), sampled("0", 1)), (4_000, 0));
        assert_eq!((sampled("recorded", 1), sampled("recorded", 2)), (2_000, 0));
        // Half of the requests share one trace, which is sampled whole or not at all.
        let some = sampled("0.25", 0) % 2_000;
        assert!((400..600).contains(&some), "{some}");
        for bad in ["", "1.1", "-0.1", "NaN", "all"] {
            assert!(bad.parse::<Sampling>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_fields_are_valid_and_mark_a_replay() {
        let contexts = Contexts::random().unwrap();
        let fresh = contexts.of(&origin(1, 0, None, false));
        let mut head = b"GET / HTTP/1.1\r\n".to_vec();
        contexts.append_fields(&fresh, &mut head);
        let parsed = formats::trace::recorded(&head).unwrap();
        assert_eq!((parsed.trace_id, parsed.parent_id, parsed.flags), (fresh.trace_id, fresh.span_id, 3));
        assert!(formats::trace::is_replay(&head));
        assert!(head.ends_with(b"\r\n\r\n"));
    }
}
