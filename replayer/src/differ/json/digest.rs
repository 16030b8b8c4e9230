//! A hash of what a value says, however it is written: values that say the same have the same.

use std::hash::BuildHasher as _;

use super::scan::{self, Bad, Next, Type};
use super::{name, part, scalars};

/// Where the value ends, and its hash.
pub(super) fn digest(text: &[u8], at: usize, depth: usize) -> Result<(usize, u64), Bad> {
    let hasher = foldhash::fast::FixedState::default();
    let kind = Type::of(text, at)?;
    if kind.is_scalar() {
        let end = scan::scalar(text, at)?;
        let value = part(text, at, end);
        let hash = match kind {
            Type::Text => hasher.hash_one(&*name(value)),
            Type::Number => scalars::hash_number(value, &hasher),
            _ => hasher.hash_one(value),
        };
        return Ok((end, hash));
    }
    if depth >= scan::DEPTH_MAX {
        return Err(scan::too_deep(at));
    }
    let (mut at, mut first, mut hash) = (at + 1, true, u64::from(kind == Type::Object));
    loop {
        let next = if kind == Type::Object { scan::member(text, at, first)? } else { scan::element(text, at, first)? };
        let (key, key_end, value) = match next {
            Next::End(end) => return Ok((end, hash)),
            Next::Value { key, key_end, at } => (key, key_end, at),
        };
        let (end, child) = digest(text, value, depth + 1)?;
        hash = match kind {
            // In whatever order.
            Type::Object => hash.wrapping_add(hasher.hash_one((&*name(part(text, key, key_end)), child))),
            _ => hasher.hash_one((hash, child)),
        };
        (at, first) = (end, false);
    }
}
