//! One request in a page: its facts, then its bytes. Written and read by this process only, so it has no version.

use std::io;

use bytes::{Buf, BufMut, Bytes, TryGetError};
use formats::trace::TraceContext;
use formats::wire::ResponseTo;

use super::damaged;
use crate::rewrite::{Mark, Placeholder, Template};

/// No instant.
const NONE: u64 = u64::MAX;
/// Where, from the start of a record, the instant of the next request on the same connection stands.
pub(super) const NEXT_AT: usize = 4;

const HAS_TRACE: u8 = 1;
const FIRST_IN_TRACE: u8 = 2;
const HAS_AFTER: u8 = 4;
const EXPECTS_CONTINUE: u8 = 8;
const PIPELINED: u8 = 16;
const TO_HEAD: u8 = 32;
const SEALED: u8 = 64;
const FIRST_ON_CONNECTION: u8 = 128;
/// Stands for no decision about a trace, which is 0 or 1 otherwise.
const UNDECIDED: u8 = 2;
/// Bytes of a mark.
const MARK_BYTES: usize = 13;

/// A recorded request, ready to be sent. Instants are recording time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// First byte of the request.
    pub at_ns: u64,
    /// First byte of the next request of the same client on the same connection to the same target.
    pub next_ns: Option<u64>,
    /// Last byte of the answer, if it came whole.
    pub end_ns: Option<u64>,
    /// Number of the session.
    pub session: u32,
    /// Sequence number in it.
    pub seq: u64,
    /// Its connection within the session.
    pub connection: u64,
    /// Its number among the requests of its client.
    pub number: u32,
    /// The answer that it may have to wait for: number, sequence number and end.
    pub after: Option<(u32, u64, u64)>,
    /// Index of its endpoint.
    pub endpoint: u32,
    /// The recorded status, 0 if there was none.
    pub status: u16,
    /// The recorded trace context.
    pub trace: Option<TraceContext>,
    /// Whether the recorded caller recorded it, if that was said.
    pub trace_decision: Option<bool>,
    /// Which set of remembered traces it belongs to (see `build.rs`).
    pub trace_generation: u32,
    /// Whether no earlier request has the same recorded trace.
    pub first_in_trace: bool,
    /// Whether it is the first request of the same client on its connection to the same target.
    pub first_on_connection: bool,
    /// It was sent before the answer to the one before it had ended: that of the same client on the same connection to the
    /// same target.
    pub pipelined: bool,
    /// What the answer's framing depends on.
    pub to: ResponseTo,
    /// The request, ready but for what differs between copies.
    pub template: Template,
}

impl Record {
    /// From its first byte to the answer's last, if that came whole.
    pub(super) fn response_ns(&self) -> Option<u64> {
        self.end_ns.map(|end| end.saturating_sub(self.at_ns))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u32_le(0);
        out.put_u64_le(self.next_ns.unwrap_or(NONE));
        out.put_u64_le(self.at_ns);
        out.put_u64_le(self.end_ns.unwrap_or(NONE));
        out.put_u64_le(self.seq);
        out.put_u64_le(self.connection);
        for word in [self.session, self.number, self.endpoint, self.trace_generation] {
            out.put_u32_le(word);
        }
        out.put_u16_le(self.template.target);
        out.put_u16_le(self.status);
        let flags = [
            (self.trace.is_some(), HAS_TRACE),
            (self.first_in_trace, FIRST_IN_TRACE),
            (self.after.is_some(), HAS_AFTER),
            (self.template.expects_continue, EXPECTS_CONTINUE),
            (self.pipelined, PIPELINED),
            (self.to == ResponseTo::Head, TO_HEAD),
            (self.template.sealed, SEALED),
            (self.first_on_connection, FIRST_ON_CONNECTION),
        ];
        out.put_u8(flags.iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag));
        out.put_u8(self.trace_decision.map_or(UNDECIDED, u8::from));
        if let Some(trace) = &self.trace {
            out.put_slice(&trace.trace_id);
            out.put_slice(&trace.parent_id);
            out.put_u8(trace.flags);
        }
        if let Some((number, seq, end_ns)) = self.after {
            out.put_u32_le(number);
            out.put_u64_le(seq);
            out.put_u64_le(end_ns);
        }
        let template = &self.template;
        for marks in [&template.head_marks, &template.body_marks] {
            out.put_u32_le(u32::try_from(marks.len()).unwrap_or(u32::MAX));
            marks.iter().for_each(|mark| write_mark(mark, out));
        }
        for part in [&template.head, &template.body] {
            out.put_u32_le(u32::try_from(part.len()).unwrap_or(u32::MAX));
        }
        out.put_slice(&template.head);
        out.put_slice(&template.body);
        let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
        out.iter_mut().skip(start).zip(length.to_le_bytes()).for_each(|(to, from)| *to = from);
    }

    /// Takes the record at the front of a page; `None` at the page's end.
    ///
    /// # Errors
    /// When what is left is no record: the file was changed.
    pub fn take(page: &mut Bytes) -> io::Result<Option<Self>> {
        if page.is_empty() {
            return Ok(None);
        }
        let length = page.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
        if page.len() < length || length < NEXT_AT {
            return Err(damaged("a request does not end where it should"));
        }
        let mut rest = page.split_to(length);
        rest.advance(NEXT_AT);
        match Self::read(&mut rest) {
            Ok(record) if rest.is_empty() => Ok(Some(record)),
            _ => Err(damaged("what should be a request is none")),
        }
    }

    fn read(rest: &mut Bytes) -> Result<Self, TryGetError> {
        let some = |ns: u64| Some(ns).filter(|ns| *ns != NONE);
        let next_ns = some(rest.try_get_u64_le()?);
        let at_ns = rest.try_get_u64_le()?;
        let end_ns = some(rest.try_get_u64_le()?);
        let (seq, connection) = (rest.try_get_u64_le()?, rest.try_get_u64_le()?);
        let (session, number) = (rest.try_get_u32_le()?, rest.try_get_u32_le()?);
        let (endpoint, trace_generation) = (rest.try_get_u32_le()?, rest.try_get_u32_le()?);
        let (target, status) = (rest.try_get_u16_le()?, rest.try_get_u16_le()?);
        let flags = rest.try_get_u8()?;
        let has = |flag| flags & flag != 0;
        let trace_decision = Some(rest.try_get_u8()?).filter(|decision| *decision < UNDECIDED).map(|one| one == 1);
        let trace = if has(HAS_TRACE) {
            let (mut trace_id, mut parent_id) = ([0; 16], [0; 8]);
            rest.try_copy_to_slice(&mut trace_id)?;
            rest.try_copy_to_slice(&mut parent_id)?;
            Some(TraceContext { trace_id, parent_id, flags: rest.try_get_u8()? })
        } else {
            None
        };
        let after = if has(HAS_AFTER) {
            Some((rest.try_get_u32_le()?, rest.try_get_u64_le()?, rest.try_get_u64_le()?))
        } else {
            None
        };
        let (head_marks, body_marks) = (read_marks(rest)?, read_marks(rest)?);
        let lengths = [rest.try_get_u32_le()?, rest.try_get_u32_le()?];
        let [head_len, body_len] = lengths.map(|length| length as usize);
        let (requested, available) = (head_len.saturating_add(body_len), rest.len());
        if requested > available {
            return Err(TryGetError { requested, available });
        }
        let (head, body) = (rest.split_to(head_len), rest.split_to(body_len));
        let expects_continue = has(EXPECTS_CONTINUE);
        let template = Template { target, head, head_marks, body, body_marks, expects_continue, sealed: has(SEALED) };
        Ok(Self {
            at_ns,
            next_ns,
            end_ns,
            session,
            seq,
            connection,
            number,
            after,
            endpoint,
            status,
            trace,
            trace_decision,
            trace_generation,
            first_in_trace: has(FIRST_IN_TRACE),
            first_on_connection: has(FIRST_ON_CONNECTION),
            pipelined: has(PIPELINED),
            to: if has(TO_HEAD) { ResponseTo::Head } else { ResponseTo::Other },
            template,
        })
    }
}

/// A place as 4 bytes, what as 1, and a number that some kinds have as 8.
fn write_mark(mark: &Mark, out: &mut Vec<u8>) {
    let (what, number) = match mark.what {
        Placeholder::Copy => (0, 0),
        Placeholder::Client => (1, 0),
        Placeholder::Seq => (2, 0),
        Placeholder::Authorization => (3, 0),
        Placeholder::Credential(column) => (4, u64::from(column)),
        Placeholder::ContentLength => (5, 0),
        Placeholder::ChunkSize { fixed } => (6, fixed),
        Placeholder::Sealed { len } => (7, u64::from(len)),
    };
    out.put_u32_le(u32::try_from(mark.at).unwrap_or(u32::MAX));
    out.put_u8(what);
    out.put_u64_le(number);
}

fn read_marks(rest: &mut Bytes) -> Result<Vec<Mark>, TryGetError> {
    let count = rest.try_get_u32_le()?;
    let mut marks = Vec::with_capacity((count as usize).min(rest.len() / MARK_BYTES));
    for _ in 0..count {
        let at = rest.try_get_u32_le()? as usize;
        let (what, number) = (rest.try_get_u8()?, rest.try_get_u64_le()?);
        let what = match what {
            0 => Placeholder::Copy,
            1 => Placeholder::Client,
            2 => Placeholder::Seq,
            3 => Placeholder::Authorization,
            4 => Placeholder::Credential(u16::try_from(number).unwrap_or(u16::MAX)),
            5 => Placeholder::ContentLength,
            7 => Placeholder::Sealed { len: u32::try_from(number).unwrap_or(u32::MAX) },
            _ => Placeholder::ChunkSize { fixed: number },
        };
        marks.push(Mark { at, what });
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_cut_ones_do_not() {
        let plain = Record {
            at_ns: 7,
            next_ns: None,
            end_ns: Some(9),
            session: 1,
            seq: 2,
            connection: 3,
            number: 4,
            after: None,
            endpoint: 5,
            status: 200,
            trace: None,
            trace_decision: None,
            trace_generation: 8,
            first_in_trace: false,
            first_on_connection: false,
            pipelined: false,
            to: ResponseTo::Other,
            template: Template { target: 6, head: Bytes::from_static(b"GET / HTTP/1.1\r\n"), ..Template::default() },
        };
        let full = Record {
            next_ns: Some(70),
            after: Some((3, 1, 6)),
            trace: Some(TraceContext { trace_id: [1; 16], parent_id: [2; 8], flags: 3 }),
            trace_decision: Some(false),
            first_in_trace: true,
            first_on_connection: true,
            pipelined: true,
            to: ResponseTo::Head,
            template: Template {
                head_marks: vec![
                    Mark { at: 3, what: Placeholder::Copy },
                    Mark { at: 9, what: Placeholder::Credential(7) },
                    Mark { at: 9, what: Placeholder::Sealed { len: 70_000 } },
                ],
                body: Bytes::from_static(b"body"),
                body_marks: vec![Mark { at: 1, what: Placeholder::ChunkSize { fixed: 1 << 40 } }],
                expects_continue: true,
                sealed: true,
                ..plain.template.clone()
            },
            ..plain.clone()
        };
        let mut page = Vec::new();
        plain.write(&mut page);
        let plain_len = page.len();
        full.write(&mut page);
        let mut left = Bytes::from(page.clone());
        let mut take = || Record::take(&mut left).unwrap();
        assert_eq!((take(), take(), take()), (Some(plain), Some(full), None));
        let all = |page: &[u8]| {
            let mut left = Bytes::copy_from_slice(page);
            while Record::take(&mut left)?.is_some() {}
            io::Result::Ok(())
        };
        for cut in (0..page.len()).filter(|cut| *cut != 0 && *cut != plain_len) {
            assert_eq!(all(&page[..cut]).unwrap_err().kind(), io::ErrorKind::InvalidData, "cut at {cut}");
        }
        let zeroed = vec![0; page.len()];
        assert!(all(&zeroed).is_err() && all(&[&page[..], &[0]].concat()).is_err());
        // Lengths inside of a record that lead past its end.
        for at in [28, 24] {
            let mut changed = page.clone();
            changed[page.len() - at] = 0xff;
            assert!(all(&changed).is_err(), "changed {at} bytes before the end");
        }
    }
}
