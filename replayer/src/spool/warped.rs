//! Exchanges of clients that are warped, kept until all of them are known and their copies can be drawn.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BufMut, TryGetError};

use super::limit::{Limit, SpillError};
use super::open::Before;
use super::store::Store;

/// Bytes of one.
const BYTES: u32 = 62;
/// Read at once.
const READ: u32 = 1_024;
/// No response time, no request before it.
const NONE: u64 = u64::MAX;

/// One exchange, alone in its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Warped {
    pub(super) at_ns: u64,
    /// How long before it the request before it on its connection was, and the end of that one's answer; `None` for the first
    /// request of a connection.
    pub(super) before: Option<Before>,
    pub(super) page_at: u64,
    pub(super) page_len: u32,
    /// Of the request, as it was made ready.
    pub(super) sent_len: u32,
    pub(super) client: u32,
    pub(super) ordinal: u32,
    pub(super) endpoint: u32,
    pub(super) target: u16,
    pub(super) response_ns: Option<u64>,
}

/// All of them, in the order in which they came.
pub(super) struct WarpedList {
    store: Store,
    line: Vec<u8>,
}

impl WarpedList {
    pub(super) fn new(limit: &Arc<Limit>) -> Self {
        Self { store: Store::new(limit, true), line: Vec::new() }
    }

    pub(super) fn push(&mut self, one: &Warped) -> Result<(), SpillError> {
        let line = &mut self.line;
        line.clear();
        line.put_u64_le(one.at_ns);
        line.put_u64_le(one.page_at);
        line.put_u64_le(one.response_ns.unwrap_or(NONE));
        line.put_u64_le(one.before.map_or(NONE, |before| before.due_ns));
        line.put_u64_le(one.before.map_or(NONE, |before| before.end_ns));
        for word in [one.page_len, one.sent_len, one.client, one.ordinal, one.endpoint] {
            line.put_u32_le(word);
        }
        line.put_u16_le(one.target);
        self.store.append(line).map(|_| ())
    }

    /// Shows each of them.
    pub(super) fn each(mut self, mut show: impl FnMut(Warped) -> Result<(), SpillError>) -> Result<(), SpillError> {
        self.store.complete()?;
        let mut at = 0;
        while at < self.store.len() {
            let left = self.store.len() - at;
            let mut some = self.store.read(at, u32::try_from(left).unwrap_or(u32::MAX).min(BYTES * READ))?;
            at += some.len() as u64;
            while some.has_remaining() {
                show(read(&mut some).map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?)?;
            }
        }
        Ok(())
    }
}

fn read(from: &mut impl Buf) -> Result<Warped, TryGetError> {
    let some = |ns: u64| Some(ns).filter(|ns| *ns != NONE);
    Ok(Warped {
        at_ns: from.try_get_u64_le()?,
        page_at: from.try_get_u64_le()?,
        response_ns: some(from.try_get_u64_le()?),
        before: {
            let (due_ns, end_ns) = (some(from.try_get_u64_le()?), some(from.try_get_u64_le()?));
            due_ns.zip(end_ns).map(|(due_ns, end_ns)| Before { due_ns, end_ns })
        },
        page_len: from.try_get_u32_le()?,
        sent_len: from.try_get_u32_le()?,
        client: from.try_get_u32_le()?,
        ordinal: from.try_get_u32_le()?,
        endpoint: from.try_get_u32_le()?,
        target: from.try_get_u16_le()?,
    })
}
