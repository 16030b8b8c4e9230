//! One client connection: its bytes to the upstream and back, both directions at once, each with its own backpressure.
//!
//! The relay parses nothing and changes nothing. A direction reads into a buffer that all connections of a thread share,
//! shows the bytes to the tap, and writes them on at once; only what the other side does not take right away is kept, and
//! until it is gone nothing more is read. An idle connection therefore holds no buffer of ours.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use formats::wire::{Direction, Ending};
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tap::ConnectionTap;

/// As large as pingora's own read buffer, so that reads go past it without another copy.
const READ_BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER_BYTES]);
}

/// Passes bytes both ways until both directions are over.
pub(crate) async fn relay(mut client: Stream, mut upstream: Stream, tap: Option<&ConnectionTap>, passed: &Passed) {
    let mut requests = Pump::new(Direction::Request);
    let mut responses = Pump::new(Direction::Response);
    std::future::poll_fn(|cx| {
        let up = requests.poll(cx, &mut client, &mut upstream, tap, passed);
        let down = responses.poll(cx, &mut upstream, &mut client, tap, passed);
        match (up, down) {
            // A peer that reset its connection takes nothing more either: the other direction has nowhere to go.
            (Over::Reset, _) | (_, Over::Reset) | (Over::Yes, Over::Yes) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
}

/// Bytes that passed, counted as they are read.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) requests: std::sync::atomic::AtomicU64,
    pub(crate) responses: std::sync::atomic::AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    Yes,
    Reset,
}

/// One direction.
struct Pump {
    from: Direction,
    /// What was read and not taken yet.
    pending: Vec<u8>,
    taken: usize,
    flush: bool,
    /// The sender is done, and how.
    ended: Option<Ending>,
    over: Over,
}

impl Pump {
    fn new(from: Direction) -> Self {
        Self { from, pending: Vec::new(), taken: 0, flush: false, ended: None, over: Over::No }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut Stream,
        writer: &mut Stream,
        tap: Option<&ConnectionTap>,
        passed: &Passed,
    ) -> Over {
        if self.over == Over::No
            && let Poll::Ready(result) = self.step(cx, reader, writer, tap, passed)
        {
            self.pending = Vec::new();
            self.over = match (result, self.ended) {
                (Ok(()), Some(Ending::Reset)) => Over::Reset,
                // The receiver is gone: what it sent before may still be on its way through the other direction.
                _ => Over::Yes,
            };
        }
        self.over
    }

    /// Ready when the direction is over; an error is the receiver's.
    fn step(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut Stream,
        writer: &mut Stream,
        tap: Option<&ConnectionTap>,
        passed: &Passed,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.write_pending(cx, writer))?;
            if let Some(how) = self.ended {
                if how == Ending::Eof {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                }
                return Poll::Ready(Ok(()));
            }
            ready!(self.read_and_write(cx, reader, writer, tap, passed))?;
        }
    }

    fn write_pending(&mut self, cx: &mut Context<'_>, writer: &mut Stream) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *writer).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => self.taken += taken,
            }
        }
        if self.taken > 0 {
            self.pending = Vec::new();
            self.taken = 0;
        }
        if self.flush {
            ready!(Pin::new(&mut *writer).poll_flush(cx))?;
            self.flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn read_and_write(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut Stream,
        writer: &mut Stream,
        tap: Option<&ConnectionTap>,
        passed: &Passed,
    ) -> Poll<io::Result<()>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let result = ready!(Pin::new(&mut *reader).poll_read(cx, &mut read));
            let mut bytes = read.filled();
            if result.is_err() || bytes.is_empty() {
                let how = if result.is_err() { Ending::Reset } else { Ending::Eof };
                self.ended = Some(how);
                if let Some(tap) = tap {
                    tap.ended(self.from, how);
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(tap) = tap {
                tap.bytes(self.from, bytes);
            }
            let counter = if self.from == Direction::Request { &passed.requests } else { &passed.responses };
            counter.fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
            self.flush = true;
            while !bytes.is_empty() {
                match Pin::new(&mut *writer).poll_write(cx, bytes) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(taken)) => bytes = bytes.get(taken..).unwrap_or_default(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.pending = bytes.to_vec();
                        break;
                    }
                }
            }
            Poll::Ready(Ok(()))
        })
    }
}
