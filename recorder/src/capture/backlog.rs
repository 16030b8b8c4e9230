//! Exchanges on their way from the reader to the store. Bounded in bytes; what gives way first is fixed: above half of the
//! room bodies are left out, without room the exchange is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use formats::model::{Exchange, Message, Piece};
use parking_lot::Mutex;

/// Bytes of an exchange in memory besides what it was made of.
const EXCHANGE_BYTES: usize = 512;

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Whole,
    Heads,
    Nothing,
}

/// The queue. The lock is taken once for a batch, never for an exchange.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: Mutex<Vec<Exchange>>,
    bytes: AtomicUsize,
    bytes_max: usize,
    closed: AtomicBool,
}

impl Backlog {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { waiting: Mutex::new(Vec::new()), bytes: AtomicUsize::new(0), bytes_max, closed: AtomicBool::new(false) }
    }

    /// Says how much of an exchange there is room for, and takes that room; [`Self::release`] gives it back.
    pub(super) fn admit(&self, heads_bytes: usize, bodies_bytes: usize) -> Room {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let with_bodies = bytes.saturating_add(heads_bytes).saturating_add(bodies_bytes);
        let (room, taken) = if bodies_bytes == 0 && with_bodies <= self.bytes_max || with_bodies <= self.bytes_max / 2 {
            (Room::Whole, heads_bytes + bodies_bytes)
        } else if bytes.saturating_add(heads_bytes) <= self.bytes_max {
            (Room::Heads, heads_bytes)
        } else {
            (Room::Nothing, 0)
        };
        self.bytes.fetch_add(taken, Ordering::Relaxed);
        room
    }

    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of the exchanges that wait, or that the store has in its hands.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn put(&self, batch: &mut Vec<Exchange>) {
        if !batch.is_empty() {
            self.waiting.lock().append(batch);
        }
    }

    /// Takes everything that waits; `into` is empty, and its memory is used again.
    pub(super) fn take(&self, into: &mut Vec<Exchange>) {
        std::mem::swap(&mut *self.waiting.lock(), into);
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Bytes of everything but the bodies.
pub(super) fn heads_bytes(exchange: &Exchange) -> usize {
    let of_pieces = |pieces: &[Piece]| size_of_val(pieces);
    let of = |message: &Message| {
        let lengths = message.body.chunks.len() * 8 + of_pieces(&message.pieces);
        message.head.len() + message.trailers.len() + lengths
    };
    let tunnel = exchange.tunnel.as_ref();
    EXCHANGE_BYTES
        + of(&exchange.request)
        + exchange.response.as_ref().map_or(0, of)
        + tunnel.map_or(0, |tunnel| of_pieces(&tunnel.to_upstream.pieces) + of_pieces(&tunnel.to_client.pieces))
        + exchange.informational.iter().map(bytes::Bytes::len).sum::<usize>()
}

/// Bytes of the bodies that are kept.
pub(super) fn bodies_bytes(exchange: &Exchange) -> usize {
    exchange.request.body.bytes.len() + exchange.response.as_ref().map_or(0, |response| response.body.bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::model::{Flow, Tunnel};

    #[test]
    fn bodies_give_way_first_then_exchanges() {
        let backlog = Backlog::new(100);
        let admitted = |heads, bodies| backlog.admit(heads, bodies);
        assert_eq!(admitted(10, 40), Room::Whole); // exactly half
        assert_eq!(admitted(10, 1), Room::Heads);
        assert_eq!(admitted(40, 0), Room::Whole); // nothing to leave out, and exactly all the room
        assert_eq!(admitted(1, 0), Room::Nothing);
        assert_eq!(backlog.bytes(), 100);
        backlog.release(100);
        assert_eq!(admitted(10, 41), Room::Heads); // one more than half
        assert_eq!(backlog.bytes(), 10);
    }

    #[test]
    fn the_pieces_of_a_stream_take_room() {
        let mut exchange = Exchange::default();
        let bare = heads_bytes(&exchange);
        let pieces = vec![Piece { at_ns: 1, len: 1 }; 10];
        exchange.response = Some(Message { pieces: pieces.clone(), ..Message::default() });
        let flow = Flow { pieces, ..Flow::default() };
        exchange.tunnel = Some(Tunnel { to_upstream: flow.clone(), to_client: flow });
        assert_eq!(heads_bytes(&exchange) - bare, 30 * size_of::<Piece>());
    }
}
