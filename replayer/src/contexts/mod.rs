//! A fresh trace context for every request, grouped as the recorded ones were, in the formats that were chosen.
//!
//! Identifiers are SHA-256 under a random key of the run: as good as random, and the requests of a recorded trace find
//! their common new trace without a table that would grow with the run. `propagators` says which formats there are and what
//! ids they carry, `fields` writes them, `sampling` decides. Reading contexts is in `formats::trace`.

mod fields;
mod propagators;
mod sampling;

use std::time::SystemTime;

use formats::trace::TraceContext;
use sha2::{Digest, Sha256};

use crate::error::ReplayError;
use fields::Fields;
use propagators::IdForm;
pub use propagators::{Propagator, Propagators, PropagatorsError, TraceIdBits, Wire};
pub use sampling::Sampling;

/// The contexts of one run.
#[derive(Clone)]
pub struct Contexts {
    key: [u8; 32],
    run_id: String,
    fields: Fields,
    ids: IdForm,
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
    /// Whether its caller recorded it, if that was said.
    pub decision: Option<bool>,
    /// Sets of remembered traces before this request's: a trace that was forgotten begins a new group.
    pub generation: u32,
    /// Whether it is the first of its recorded trace.
    pub first_in_trace: bool,
}

impl Contexts {
    /// A new run with random identifiers, whose contexts are written for OpenTelemetry's default propagators.
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
        let run_id = hex(&run);
        let wire = Wire { propagators: Propagators::default(), is_short: false };
        let fields = Fields::of(&wire, &run_id);
        Ok(Self { key, run_id, fields, ids: IdForm::default(), sampling: Sampling::ALL })
    }

    /// The same run with other traces sampled.
    #[must_use]
    pub fn sampled(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// The same run with its contexts written for these propagators. Ids that begin with the time have that at which the
    /// run `begins`, all of them: the requests of a recorded trace share an id wherever they stand in the run.
    #[must_use]
    pub fn written_for(self, wire: &Wire, begins: SystemTime) -> Self {
        let begins = begins.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { fields: Fields::of(wire, &self.run_id), ids: wire.ids(begins), ..self }
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
            let is_sampled = self.sampling.takes(&own.0, origin);
            return Fresh { trace_id: own.0, span_id: own.1, parent_span_id: None, is_sampled };
        };
        let (group, copy) = (recorded.group(), origin.copy.to_le_bytes());
        let (trace_id, first) = self.draw(&[b"trace", &group, &copy]);
        let first = match origin.generation {
            0 => first,
            later => self.draw(&[b"trace", &group, &copy, &later.to_le_bytes()]).1,
        };
        let is_sampled = self.sampling.takes(&trace_id, origin);
        match origin.first_in_trace {
            true => Fresh { trace_id, span_id: first, parent_span_id: None, is_sampled },
            false => Fresh { trace_id, span_id: own.1, parent_span_id: Some(first), is_sampled },
        }
    }

    /// Most bytes that [`Self::append_fields`] appends.
    #[must_use]
    pub fn fields_len_max(&self) -> usize {
        self.fields.len_max()
    }

    /// Appends the field lines that carry the context and the marks of a replay, and the empty line that ends the head.
    /// Allocates nothing where there is room for [`Self::fields_len_max`] bytes.
    pub fn append_fields(&self, fresh: &Fresh, out: &mut Vec<u8>) {
        self.fields.append(fresh, out);
    }

    fn draw(&self, parts: &[&[u8]]) -> ([u8; 16], [u8; 8]) {
        let mut hash = Sha256::new();
        hash.update(self.key);
        parts.iter().for_each(|part| hash.update(part));
        let bytes: [u8; 32] = hash.finalize().into();
        let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
        trace_id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        span_id.iter_mut().zip(bytes.into_iter().skip(16)).for_each(|(to, from)| *to = from);
        match self.ids {
            IdForm::Random => {}
            IdForm::Short => trace_id.iter_mut().take(8).for_each(|byte| *byte = 0),
            IdForm::Timed(seconds) => trace_id.iter_mut().zip(seconds.to_be_bytes()).for_each(|(to, from)| *to = from),
        }
        // All zeros is the one value that is no id, also as the half that formats of 64 bits carry.
        for id in [trace_id.split_at_mut(8).1, &mut span_id[..]] {
            if let (true, Some(last)) = (id.iter().all(|byte| *byte == 0), id.last_mut()) {
                *last = 1;
            }
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
    out.extend(bytes.iter().flat_map(|byte| digits(*byte)));
}

/// Fills twice as many bytes with lower-case hex.
fn hex_into(bytes: &[u8], out: &mut [u8]) {
    for (byte, place) in bytes.iter().zip(out.as_chunks_mut::<2>().0) {
        *place = digits(*byte);
    }
}

const fn digits(byte: u8) -> [u8; 2] {
    const fn digit(value: u8) -> u8 {
        if value < 10 { b'0' + value } else { b'a' - 10 + value }
    }
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests;
