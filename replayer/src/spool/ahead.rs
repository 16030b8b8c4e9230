//! Reading ahead: the sessions decompressed and decoded on a thread of their own, in the order of the files.
//!
//! Not here: which exchanges are sent (`choose.rs`, which takes the batches).

use std::sync::mpsc::SyncSender;

use formats::model::{Exchange, Message};
use formats::session::{Event, Session, SessionError, Wanted};

/// Batches on their way to those who choose.
pub(super) const BATCHES_MAX: usize = 4;
/// Events of one session that are handed over at once.
const EVENTS_MAX: usize = 128;
/// … or so many bytes of heads and bodies, and what the last exchange has more. Few large exchanges are handed over as
/// soon as they are there, so that what is on its way is bounded also in bytes.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Events of the session with this number; each session has at least one batch.
pub(super) struct Batch {
    pub(super) session: u32,
    /// Exchanges that were read before.
    pub(super) before: u64,
    pub(super) events: Vec<Result<Event, SessionError>>,
}

/// Reads what is wanted of each session up to the first error, and hands one batch to each of `out` in turn, unless one of
/// them does not listen any more.
pub(super) fn read<'a>(sessions: impl IntoIterator<Item = (&'a Session, Wanted)>, out: &[SyncSender<Batch>]) {
    let (mut turns, mut before) = (out.iter().cycle(), 0);
    let mut hand_over = |batch| turns.next().is_some_and(|out| out.send(batch).is_ok());
    for (session, (from, wanted)) in (0..).zip(sessions) {
        let (mut events, mut bytes, mut exchanges) = (Vec::with_capacity(EVENTS_MAX), 0, 0);
        for event in from.wanted(wanted) {
            let is_last = event.is_err();
            if let Ok(Event::Exchange(exchange)) = &event {
                bytes += exchange_bytes(exchange);
                exchanges += 1;
            }
            events.push(event);
            if is_last || events.len() >= EVENTS_MAX || bytes >= BATCH_BYTES_MAX {
                let events = std::mem::replace(&mut events, Vec::with_capacity(EVENTS_MAX));
                if !hand_over(Batch { session, before, events }) || is_last {
                    return;
                }
                before += exchanges;
                (bytes, exchanges) = (0, 0);
            }
        }
        if !hand_over(Batch { session, before, events }) {
            return;
        }
        before += exchanges;
    }
}

/// Bytes of a block that an exchange keeps in memory.
fn exchange_bytes(exchange: &Exchange) -> usize {
    let message = |message: &Message| message.head.len() + message.body.bytes.len() + message.trailers.len();
    message(&exchange.request) + exchange.response.as_ref().map_or(0, message)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use formats::model::{Body, Exchange, Framing, Message};
    use formats::session::{SessionHeader, SessionWriter, WriterOptions};

    use super::*;

    fn exchange(body_bytes: usize) -> Exchange {
        let body = Body { bytes: vec![b'x'; body_bytes].into(), total_len: body_bytes as u64, ..Body::default() };
        Exchange {
            connection: 1,
            request: Message { body, framing: Framing::Length, ..Message::default() },
            ..Exchange::default()
        }
    }

    /// How many exchanges are in each batch of a session with bodies of these lengths, read twice, and the number of the
    /// session; in turn from two that listen.
    fn batches(bodies: &[usize]) -> Vec<(u32, usize)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session");
        let options = WriterOptions { sync: false, ..WriterOptions::default() };
        let mut writer = SessionWriter::create(&path, SessionHeader::default(), options).unwrap();
        for body_bytes in bodies {
            writer.append(&mut exchange(*body_bytes)).unwrap();
        }
        writer.finish().unwrap();
        let session = Session::open(&path).unwrap();
        let (out, listening): (Vec<_>, Vec<_>) = (0..2).map(|_| sync_channel(100)).unzip();
        read([(&session, Wanted::default()), (&session, Wanted::default())], &out);
        drop(out);
        let is_exchange = |event: &Result<Event, SessionError>| matches!(event, Ok(Event::Exchange(_)));
        let (mut all, mut before) = (Vec::new(), 0);
        for batch in listening.iter().cycle().map_while(|one| one.recv().ok()) {
            let exchanges = batch.events.iter().filter(|event| is_exchange(event)).count();
            assert_eq!(batch.before, before);
            before += exchanges as u64;
            all.push((batch.session, exchanges));
        }
        all
    }

    #[test]
    fn batches_end_at_so_many_events_or_bytes_and_with_their_session() {
        let check = |bodies: &[usize], expected: &[usize]| {
            let both = [0, 1].into_iter().flat_map(|session| expected.iter().map(move |count| (session, *count)));
            assert_eq!(batches(bodies), both.collect::<Vec<_>>());
        };
        // The index comes last.
        check(&[], &[0]);
        check(&[1; EVENTS_MAX - 1], &[EVENTS_MAX - 1, 0]);
        check(&[1; EVENTS_MAX], &[EVENTS_MAX, 0]);
        check(&[1; EVENTS_MAX + 1], &[EVENTS_MAX, 1]);
        check(&[BATCH_BYTES_MAX - 1, 1, 1], &[2, 1]);
        check(&[BATCH_BYTES_MAX, 1, 1], &[1, 2]);
        check(&[3 * BATCH_BYTES_MAX, 1], &[1, 1]);
    }
}
