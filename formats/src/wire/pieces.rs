//! Telling the pieces of a stream apart by the pauses between them.

use crate::model::{PIECES_MAX, Piece};

/// A pause of this many nanoseconds sets two pieces apart.
pub const PIECE_PAUSE_NS: u64 = 10_000_000;

/// The pieces of a body or flow so far.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// All but the one that goes on.
    ended: Vec<Piece>,
    last: Option<Piece>,
    last_byte_ns: u64,
    /// Whether every arrival is a piece, whatever the pause.
    every: bool,
}

impl Pieces {
    /// Makes every arrival a piece.
    pub(super) fn every_arrival(&mut self) {
        self.every = true;
    }

    /// Content arrived. Bytes with the same instant are one arrival.
    pub(super) fn arrive(&mut self, at_ns: u64, len: u64) {
        let pause_ns = at_ns.saturating_sub(self.last_byte_ns);
        let is_next = if self.every { pause_ns > 0 } else { pause_ns >= PIECE_PAUSE_NS };
        self.last_byte_ns = at_ns;
        match &mut self.last {
            Some(last) if is_next && self.ended.len() + 1 < PIECES_MAX => {
                self.ended.push(*last);
                *last = Piece { at_ns, len };
            }
            Some(last) => last.len = last.len.saturating_add(len),
            None => self.last = Some(Piece { at_ns, len }),
        }
    }

    /// Bytes of memory.
    pub(super) fn held_bytes(&self) -> usize {
        self.ended.len() * size_of::<Piece>()
    }

    /// All of them; none when there was no pause to tell them apart.
    pub(super) fn finish(self) -> Vec<Piece> {
        let mut all = self.ended;
        if !all.is_empty() || self.every {
            all.extend(self.last);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(every: bool, arrivals: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut pieces = Pieces { every, ..Pieces::default() };
        arrivals.iter().for_each(|(at_ns, len)| pieces.arrive(*at_ns, *len));
        pieces.finish().iter().map(|piece| (piece.at_ns, piece.len)).collect()
    }

    #[test]
    fn a_pause_of_ten_milliseconds_sets_pieces_apart_and_one_nanosecond_less_does_not() {
        let check = |every: bool, arrivals: &[(u64, u64)], expected: &[(u64, u64)]| {
            assert_eq!(pieces(every, arrivals), expected, "{arrivals:?}");
        };
        check(false, &[], &[]);
        check(false, &[(0, 5)], &[]);
        check(false, &[(5, 5), (5 + PIECE_PAUSE_NS - 1, 1)], &[]);
        check(false, &[(5, 5), (5 + PIECE_PAUSE_NS, 1)], &[(5, 5), (5 + PIECE_PAUSE_NS, 1)]);
        // It is the pause that counts, not the time since the piece began.
        let steady: Vec<_> = (0..100).map(|n| (n * (PIECE_PAUSE_NS - 1), 1)).collect();
        check(false, &steady, &[]);
        check(true, &[], &[]);
        check(true, &[(7, 2)], &[(7, 2)]);
        check(true, &[(7, 2), (7, 3), (8, 1)], &[(7, 5), (8, 1)]);
    }

    #[test]
    fn what_comes_after_the_last_piece_that_is_kept_is_in_it() {
        let max = PIECES_MAX as u64;
        let arrivals: Vec<_> = (1..=max).map(|n| (n, 1)).collect();
        assert_eq!(pieces(true, &arrivals).len(), PIECES_MAX);
        let more = pieces(true, &[&arrivals[..], &[(max + 1, 5), (max + 2, 6)]].concat());
        assert_eq!((more.len(), more.last()), (PIECES_MAX, Some(&(max, 12))));
    }
}
