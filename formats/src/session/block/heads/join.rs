//! How a reader puts heads together, and the parts of bodies that have templates.

use bytes::{Bytes, BytesMut};

use super::super::values::{Latest, ValueColumns};
use super::super::{HEAD_BYTES_MAX, TABLE_ENTRIES_MAX};
use super::{Decimal, Hole};
use crate::session::number;

/// The templates of a block, of heads and of bodies, and what fills them in.
pub(in super::super) struct HeadReader {
    /// Each: literals and holes.
    templates: Vec<Vec<(Bytes, Hole)>>,
    /// For requests and for responses: the latest template of each client.
    latest: [Latest; 2],
    arena: BytesMut,
}

impl HeadReader {
    pub(in super::super) fn new(column: &Bytes) -> Option<Self> {
        let mut templates = Vec::new();
        let mut rest = &column[..];
        let mut left = TABLE_ENTRIES_MAX;
        while !rest.is_empty() {
            let mut parts = Vec::new();
            loop {
                left = left.checked_sub(1)?;
                let len = number::take(&mut rest)?;
                let literal = column.slice_ref(number::take_bytes(&mut rest, len)?);
                let hole = match number::take(&mut rest)? {
                    0 => Hole::None,
                    1 => Hole::Length,
                    n => Hole::Value(usize::try_from(n - 2).ok()?),
                };
                parts.push((literal, hole));
                if hole == Hole::None {
                    break;
                }
            }
            parts.shrink_to_fit();
            templates.push(parts);
        }
        Some(Self { templates, latest: Default::default(), arena: BytesMut::new() })
    }

    /// The next head of a request (`slot` 0) or response (1), of the client's latest template where `number` is 0.
    pub(in super::super) fn take_latest(
        &mut self,
        slot: usize,
        number: usize,
        client: usize,
        length: u64,
        values: &mut ValueColumns,
    ) -> Result<Bytes, String> {
        let latest = self.latest.get_mut(slot).ok_or("there are only requests and responses")?;
        let template = match number.checked_sub(1) {
            Some(template) => {
                latest.set(client, template);
                template
            }
            None => latest.get(client).ok_or("a template that no head before told")?,
        };
        self.take(template, client, Some(length), values)
    }

    /// The next head of a template; `length` is that of the message, where a hole may be it.
    pub(in super::super) fn take(
        &mut self,
        template: usize,
        client: usize,
        length: Option<u64>,
        values: &mut ValueColumns,
    ) -> Result<Bytes, String> {
        let parts = self.templates.get(template).ok_or_else(|| format!("there is no template {template}"))?;
        if self.arena.capacity() < ARENA_BYTES / 8 {
            self.arena.reserve(ARENA_BYTES);
        }
        for (literal, hole) in parts {
            self.arena.extend_from_slice(literal);
            match hole {
                Hole::None => {}
                Hole::Length => {
                    let length = length.ok_or("a template has a length where there is none")?;
                    self.arena.extend_from_slice(Decimal::of(length).text());
                }
                Hole::Value(column) => {
                    self.arena.extend_from_slice(values.take(*column, client)?);
                }
            }
            if self.arena.len() > HEAD_BYTES_MAX {
                return Err(format!("a head is longer than {HEAD_BYTES_MAX} bytes"));
            }
        }
        Ok(self.arena.split().freeze())
    }

    /// Appends the next part of a body by its template, up to `end` at most.
    pub(in super::super) fn join_body(
        &self,
        template: usize,
        end: usize,
        values: &mut ValueColumns,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        for (literal, hole) in self.templates.get(template)? {
            // Compared before memory is taken.
            let mut append = |bytes: &[u8]| (bytes.len() <= end - out.len()).then(|| out.extend_from_slice(bytes));
            append(literal)?;
            match hole {
                Hole::None => {}
                Hole::Length => return None,
                Hole::Value(column) => append(values.take(*column, BODIES).ok()?)?,
            }
        }
        Some(())
    }
}

/// Bodies belong to no client. They ask before any does, and what they asked last is then forgotten.
const BODIES: usize = 0;
/// Heads are put together in rooms of this size, so that each does not need its own.
const ARENA_BYTES: usize = 64 << 10;
