//! Bodies that later blocks of a segment may borrow, as a reader remembers them.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;

use super::block::{BORROWED_BYTES_MAX, BlockReader, Lent};
use super::frame::{Scanner, kind};
use super::packed;

/// The kept bodies of the blocks that were read last.
#[derive(Default)]
pub(super) struct Kept {
    /// By the first sequence number of the block.
    blocks: VecDeque<(u64, Vec<Bytes>)>,
    bytes: u64,
}

impl Kept {
    /// Gives the block at `at` what it borrows, and remembers what it keeps. What is not remembered is read again, from
    /// where it was written; if something else is there now, the body is lost.
    pub(super) fn lend(
        &mut self,
        first_seq: u64,
        at: u64,
        block: &mut BlockReader,
        scanner: &mut Scanner,
    ) -> io::Result<()> {
        let mut lent = Vec::new();
        for wanted in block.lent() {
            // References go backwards only, or a block could ask for itself.
            if wanted.first_seq >= first_seq {
                lent.push(None);
                continue;
            }
            if wanted.offset < at && !self.blocks.iter().any(|(seq, _)| *seq == wanted.first_seq) {
                self.read_again(wanted, scanner)?;
            }
            let found = self.blocks.iter().rev().find(|(seq, _)| *seq == wanted.first_seq);
            let body = found.and_then(|(_, kept)| kept.get(usize::try_from(wanted.kept).ok()?).cloned());
            lent.push(body.filter(|body| body.len() as u64 == wanted.len));
        }
        block.set_borrowed(lent.into_iter());
        self.keep(first_seq, block);
        Ok(())
    }

    /// A block that is lost keeps nothing; that is remembered, too.
    fn read_again(&mut self, wanted: &Lent, scanner: &mut Scanner) -> io::Result<()> {
        let payload = scanner.payload_at(wanted.offset, kind::BLOCK)?;
        match payload.and_then(|payload| packed::open(&payload).ok()) {
            Some((block, entry)) if entry.first_seq == wanted.first_seq => self.keep(entry.first_seq, &block),
            _ => self.blocks.push_back((wanted.first_seq, Vec::new())),
        }
        Ok(())
    }

    fn keep(&mut self, first_seq: u64, block: &BlockReader) {
        // Copies, since a part of a block would hold all of it.
        let kept: Vec<Bytes> = block.kept().map(|body| Bytes::copy_from_slice(&body)).collect();
        if kept.is_empty() {
            return;
        }
        let bytes = |kept: &[Bytes]| kept.iter().map(|body| body.len() as u64).sum::<u64>();
        self.bytes += bytes(&kept);
        self.blocks.push_back((first_seq, kept));
        while let Some((_, oldest)) = self.blocks.front()
            && self.bytes - bytes(oldest) >= BORROWED_BYTES_MAX
        {
            self.bytes -= bytes(oldest);
            self.blocks.pop_front();
        }
    }
}
