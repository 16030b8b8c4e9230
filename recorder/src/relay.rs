//! One client connection: its bytes to the upstream and back, both directions at once, each with its own backpressure.
//!
//! The relay parses nothing and changes nothing. A direction reads into a buffer that all connections of a thread share,
//! shows the bytes to the tap, and writes them on at once; only what the other side does not take right away is kept, and
//! until it is gone nothing more is read. An idle connection therefore holds no buffer of ours.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use formats::wire::{Direction, Ending};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::latency::Latencies;
use crate::tap::ConnectionTap;

/// As large as pingora's own read buffer, so that reads go past it without another copy.
const READ_BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER_BYTES]);
}

/// Gives the buffer that all connections of this thread read into.
pub(crate) fn with_read_buffer<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    READ_BUFFER.with_borrow_mut(|buffer| work(buffer))
}

/// What bytes pass over: a socket, or TLS over one.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// How a relay ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RelayEnd {
    /// Both sides are done.
    Over,
    /// The peer that sends this direction reset its connection, or is out of reach: the other one is to be reset, too, since an orderly end
    /// would make a whole answer of half of one.
    Reset(Direction),
    /// No byte moved for as long as that may be.
    Idle,
}

/// Passes bytes both ways until both directions are over, or no byte moved for `idle_max`.
pub(crate) async fn relay<C: Duplex, U: Duplex>(
    client: &mut C,
    upstream: &mut U,
    tap: Option<&ConnectionTap>,
    passed: &Passed,
    idle_max: Option<Duration>,
) -> RelayEnd {
    let mut requests = Pump::new(Direction::Request);
    let mut responses = Pump::new(Direction::Response);
    // Boxed: rarely looked at, and a connection that waits is to be small.
    let mut idle = idle_max.map(|longest| Box::new(Idle::new(longest)));
    std::future::poll_fn(|cx| {
        let up = requests.poll(cx, client, upstream, tap, passed, responses.receiver_reset);
        let down = responses.poll(cx, upstream, client, tap, passed, requests.receiver_reset);
        match (up, down) {
            // A peer that reset its connection takes nothing more either: the other direction has nowhere to go.
            (Over::Reset, _) | (_, Over::Reset) | (Over::Yes, Over::Yes) => Poll::Ready(end(&requests, &responses)),
            _ => match &mut idle {
                Some(idle) => idle.poll(cx, requests.moved_at.max(responses.moved_at)).map(|()| RelayEnd::Idle),
                None => Poll::Pending,
            },
        }
    })
    .await
}

fn end(requests: &Pump, responses: &Pump) -> RelayEnd {
    if requests.sender_reset || responses.receiver_reset {
        RelayEnd::Reset(Direction::Request)
    } else if responses.sender_reset || requests.receiver_reset {
        RelayEnd::Reset(Direction::Response)
    } else {
        RelayEnd::Over
    }
}

/// Fires when nothing moved for so long. The timer is set again only when it fires, not with every byte.
struct Idle {
    longest: Duration,
    began: Instant,
    timer: Pin<Box<Sleep>>,
    /// Whom the timer wakes. It is asked again only when it has fired, or for somebody else.
    wakes: Option<Waker>,
}

impl Idle {
    fn new(longest: Duration) -> Self {
        let began = Instant::now();
        Self { longest, began, timer: Box::pin(tokio::time::sleep_until(began + longest)), wakes: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>, moved_at: Option<Instant>) -> Poll<()> {
        if !self.timer.is_elapsed() && self.wakes.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let due = moved_at.unwrap_or(self.began) + self.longest;
            if due <= self.timer.deadline() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
        self.wakes = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Bytes that passed, counted as they are read.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) requests: std::sync::atomic::AtomicU64,
    pub(crate) responses: std::sync::atomic::AtomicU64,
    /// From the end of a read until the other side has taken all of it.
    pub(crate) latencies: Latencies,
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
    /// When what is not taken yet was read.
    read_at: Option<Instant>,
    /// When bytes were last read or written.
    moved_at: Option<Instant>,
    /// The sender is done, and how.
    ended: Option<Ending>,
    /// TCP said so, while reading; an error of TLS is none.
    sender_reset: bool,
    /// TCP said so, while writing.
    receiver_reset: bool,
    over: Over,
}

impl Pump {
    fn new(from: Direction) -> Self {
        Self {
            from,
            pending: Vec::new(),
            taken: 0,
            flush: false,
            read_at: None,
            moved_at: None,
            ended: None,
            sender_reset: false,
            receiver_reset: false,
            over: Over::No,
        }
    }

    fn poll<R: Duplex, W: Duplex>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        tap: Option<&ConnectionTap>,
        passed: &Passed,
        sender_is_gone: bool,
    ) -> Over {
        if self.over == Over::No
            && let Poll::Ready(result) = self.step(cx, reader, writer, tap, passed, sender_is_gone)
        {
            self.pending = Vec::new();
            self.receiver_reset = result.as_ref().err().is_some_and(is_reset);
            self.over = match (result, self.ended) {
                (Ok(()), Some(Ending::Reset)) => Over::Reset,
                // The receiver is gone: what it sent before may still be on its way through the other direction.
                _ => Over::Yes,
            };
        }
        self.over
    }

    /// Ready when the direction is over; an error is the receiver's.
    fn step<R: Duplex, W: Duplex>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        tap: Option<&ConnectionTap>,
        passed: &Passed,
        sender_is_gone: bool,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.write_pending(cx, writer, passed))?;
            if let Some(how) = self.ended {
                if how == Ending::Eof {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                }
                return Poll::Ready(Ok(()));
            }
            ready!(self.read_and_write(cx, reader, writer, tap, passed, sender_is_gone))?;
        }
    }

    fn write_pending<W: Duplex>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        passed: &Passed,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *writer).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => {
                    self.moved_at = Some(Instant::now());
                    self.taken += taken;
                }
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
        if let Some(read_at) = self.read_at.take() {
            passed.latencies.add(u64::try_from(read_at.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        Poll::Ready(Ok(()))
    }

    fn read_and_write<R: Duplex, W: Duplex>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        tap: Option<&ConnectionTap>,
        passed: &Passed,
        sender_is_gone: bool,
    ) -> Poll<io::Result<()>> {
        with_read_buffer(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let result = ready!(Pin::new(&mut *reader).poll_read(cx, &mut read));
            let mut bytes = read.filled();
            if result.is_err() || bytes.is_empty() {
                // A socket tells of a reset once: if writing to it was told, reading gets an end.
                self.sender_reset = sender_is_gone || result.as_ref().err().is_some_and(is_reset);
                let how = if result.is_err() || sender_is_gone { Ending::Reset } else { Ending::Eof };
                self.ended = Some(how);
                if let Some(tap) = tap {
                    tap.ended(self.from, how);
                }
                return Poll::Ready(Ok(()));
            }
            let now = Instant::now();
            (self.read_at, self.moved_at) = (Some(now), Some(now));
            if let Some(tap) = tap {
                tap.bytes_read(self.from, now.into_std(), bytes);
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

/// Whether TCP says that the connection is no more: that the peer reset it, at first and when it is written to once more, or
/// that the peer cannot be reached for so long that the system gave it up.
fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(error.kind(), ConnectionReset | BrokenPipe | TimedOut | HostUnreachable | NetworkUnreachable)
}

#[cfg(test)]
mod tests;
