//! A line of the request log as the outcome that was counted when it was written.

use bytes::Bytes;
use formats::model::ClientKey;
use formats::wire::ResponseTo;

use super::lines::Line;
use crate::contexts::Fresh;
use crate::job::{Budgeted, ErrorKind, Facts, Job, Progress, Shed};

/// A request of which nothing is known yet, to be filled line by line: making one costs more than filling it.
pub(crate) fn blank() -> Job {
    let facts = Facts {
        position: 0,
        session: 0,
        seq: 0,
        client: ClientKey::default(),
        copy: 0,
        endpoint: 0,
        status: None,
        response_ns: None,
        trace: None,
    };
    Job {
        facts,
        due_ns: 0,
        target: 0,
        slot: 0,
        next_in_slot_ns: None,
        pipelined: false,
        life: 0,
        life_ends_ns: u64::MAX,
        number: 0,
        recorded_end_ns: u64::MAX,
        after: None,
        head: Vec::new(),
        body: Bytes::new(),
        opened: None,
        expects_continue: false,
        to: ResponseTo::Other,
        // Whether its span was exported, the log does not say.
        fresh: Fresh { trace_id: [0; 16], span_id: [0; 8], parent_span_id: None, is_sampled: false },
        budgeted: Budgeted::Not,
        progress: Progress::default(),
    }
}

impl Line<'_> {
    /// The latest of its instants.
    pub(super) fn latest_ns(&self) -> u64 {
        let instants = [self.done_ns, self.dispatched_ns, self.written_ns, self.first_byte_ns];
        instants.into_iter().flatten().chain([self.due_ns, self.released_ns]).max().unwrap_or(0)
    }

    /// Writes what the line says over what the request says; `endpoint` is its index.
    pub(crate) fn fill(&self, endpoint: u32, job: &mut Job) {
        (job.facts.seq, job.facts.session, job.facts.copy) = (self.seq, self.session, self.copy);
        (job.facts.endpoint, job.due_ns) = (endpoint, self.due_ns);
        job.fresh.trace_id = bytes(self.trace_id.as_deref());
        job.fresh.span_id = bytes(self.span_id.as_deref());
        job.progress = Progress {
            released_ns: self.released_ns,
            held_by_seq: self.held_by_seq,
            busy_ns: self.busy_ns,
            dispatched_ns: self.dispatched_ns,
            written_ns: self.written_ns,
            first_byte_ns: self.first_byte_ns,
            done_ns: self.done_ns.unwrap_or(self.released_ns),
            status: self.status,
            // A word of a later version is a failure all the same.
            error: self.error.as_deref().map(|word| ErrorKind::from_name(word).unwrap_or(ErrorKind::Io)),
            shed: self.shed.as_deref().map(|word| Shed::from_name(word).unwrap_or(Shed::Stopped)),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            ..Progress::default()
        };
    }
}

/// Hex digits as bytes; zeros where they are none.
fn bytes<const N: usize>(hex: Option<&str>) -> [u8; N] {
    let mut out = [0; N];
    let Some(hex) = hex.map(str::as_bytes).filter(|hex| hex.len() == 2 * N) else { return out };
    for (byte, pair) in out.iter_mut().zip(hex.chunks(2)) {
        let digits = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        *byte = digits.unwrap_or(0);
    }
    out
}
