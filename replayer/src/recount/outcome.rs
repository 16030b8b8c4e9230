//! A line of the request log as the outcome that was counted when it was written.

use bytes::Bytes;
use formats::model::ClientKey;
use formats::wire::ResponseTo;

use crate::contexts::Fresh;
use crate::job::{Budgeted, ErrorKind, Facts, Job, Progress, Shed};
use crate::request_log::Line;

/// A request of which nothing is known yet, to be filled line by line: making one costs more than filling it.
pub(super) fn blank() -> Job {
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
        authorized: None,
        expects_continue: false,
        to: ResponseTo::Other,
        // Whether its span was exported, the log does not say.
        fresh: Fresh { trace_id: [0; 16], span_id: [0; 8], parent_span_id: None, is_sampled: false },
        budgeted: Budgeted::Not,
        progress: Progress::default(),
        room: None,
    }
}

/// What a line says, without anything that has to be looked up or taken apart any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    session: u32,
    seq: u64,
    copy: u32,
    endpoint: u32,
    pub(super) due_ns: u64,
    released_ns: u64,
    held_by_seq: Option<u64>,
    busy_ns: u64,
    connect_ns: u64,
    dispatched_ns: Option<u64>,
    written_ns: Option<u64>,
    first_byte_ns: Option<u64>,
    done_ns: u64,
    status: Option<u16>,
    error: Option<ErrorKind>,
    shed: Option<Shed>,
    bytes_in: u64,
    bytes_out: u64,
    trace_id: [u8; 16],
    span_id: [u8; 8],
}

impl Outcome {
    /// `endpoint` is the index of the line's.
    pub(super) fn of(line: &Line<'_>, endpoint: u32) -> Self {
        Self {
            session: line.session,
            seq: line.seq,
            copy: line.copy,
            endpoint,
            due_ns: line.due_ns,
            released_ns: line.released_ns,
            held_by_seq: line.held_by_seq,
            busy_ns: line.busy_ns,
            connect_ns: line.connect_ns,
            dispatched_ns: line.dispatched_ns,
            written_ns: line.written_ns,
            first_byte_ns: line.first_byte_ns,
            done_ns: line.done_ns.unwrap_or(line.released_ns),
            status: line.status,
            // A word of a later version is a failure all the same.
            error: line.error.as_deref().map(|word| ErrorKind::from_name(word).unwrap_or(ErrorKind::Io)),
            shed: line.shed.as_deref().map(|word| Shed::from_name(word).unwrap_or(Shed::Stopped)),
            bytes_in: line.bytes_in,
            bytes_out: line.bytes_out,
            trace_id: bytes(line.trace_id.as_deref()),
            span_id: bytes(line.span_id.as_deref()),
        }
    }

    /// Writes it over what the request says.
    pub(super) fn fill(&self, job: &mut Job) {
        (job.facts.seq, job.facts.session, job.facts.copy) = (self.seq, self.session, self.copy);
        (job.facts.endpoint, job.due_ns) = (self.endpoint, self.due_ns);
        (job.fresh.trace_id, job.fresh.span_id) = (self.trace_id, self.span_id);
        job.progress = Progress {
            released_ns: self.released_ns,
            held_by_seq: self.held_by_seq,
            busy_ns: self.busy_ns,
            connect_ns: self.connect_ns,
            dispatched_ns: self.dispatched_ns,
            written_ns: self.written_ns,
            first_byte_ns: self.first_byte_ns,
            done_ns: self.done_ns,
            status: self.status,
            error: self.error,
            shed: self.shed,
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
    for (byte, pair) in out.iter_mut().zip(hex.as_chunks::<2>().0) {
        let [high, low] = pair.map(digit);
        *byte = if high | low < 16 { high << 4 | low } else { 0 };
    }
    out
}

/// What a hex digit stands for; of anything else more than that.
fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => u8::MAX,
    }
}
