//! Where the copies of what passed are: many small ones in a block that is allocated once.
//!
//! A copy is made by one thread and let go by another. With an allocation for each, the one that passes traffic would find
//! its allocator's caches empty every time, and take its lock against the one that frees.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

const BLOCK_BYTES: usize = 32 * 1024;
/// Anything larger has an allocation of its own: at most an eighth of a block stays unused.
const SMALL_BYTES_MAX: usize = BLOCK_BYTES / 8;

thread_local! {
    static BLOCK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Copies bytes. A block is used again or freed when all of its copies are gone, and the queue lets them go in the order in
/// which they came: besides what waits in it, a thread holds two blocks at most.
pub(super) fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() > SMALL_BYTES_MAX {
        return Bytes::copy_from_slice(bytes);
    }
    BLOCK.with_borrow_mut(|block| {
        if block.capacity() < bytes.len() && !block.try_reclaim(BLOCK_BYTES) {
            *block = BytesMut::with_capacity(BLOCK_BYTES);
        }
        block.extend_from_slice(bytes);
        block.split().freeze()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_copies_share_blocks_and_large_ones_do_not() {
        let piece = [7; SMALL_BYTES_MAX];
        let copies: Vec<Bytes> = (0..9).map(|_| copy(&piece)).collect();
        let distance = |a: &Bytes, b: &Bytes| b.as_ptr().addr().wrapping_sub(a.as_ptr().addr());
        let follows = |at: usize| distance(&copies[at], &copies[at + 1]) == SMALL_BYTES_MAX;
        assert_eq!((0..8).map(follows).collect::<Vec<_>>(), [true, true, true, true, true, true, true, false]);
        let large = copy(&[8; SMALL_BYTES_MAX + 1]);
        let after = copy(b"abc");
        assert_eq!(distance(&copies[8], &after), SMALL_BYTES_MAX);
        assert!(large.is_unique() && copies.iter().all(|copy| copy[..] == piece) && after[..] == *b"abc");
    }

    #[test]
    fn a_block_whose_copies_are_gone_is_used_again() {
        let first = copy(&[1; SMALL_BYTES_MAX]).as_ptr();
        let places: Vec<_> = (0..8).map(|_| copy(&[2; SMALL_BYTES_MAX]).as_ptr()).collect();
        assert_eq!(places.last(), Some(&first));
    }
}
