//! Writing to a backend in pieces. In the middle of a system call a thread is not interrupted by kernels without preemption,
//! be it for one with a real-time priority: a batch of spans in one write kept the sending thread from its due instants for
//! up to half a millisecond (`docs/adr/0005`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use tower_service::Service;

/// Bytes in one write: some ten microseconds on loopback, and a whole frame of HTTP/2 or record of TLS.
const PIECE_BYTES: usize = 16 * 1024 + 512;

/// Makes connections that write in pieces.
#[derive(Clone)]
pub(super) struct InPieces(pub(super) HttpConnector);

type Made = <HttpConnector as Service<Uri>>::Response;

impl Service<Uri> for InPieces {
    type Response = Pieces<Made>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let made = self.0.call(to);
        Box::pin(async move { Ok(Pieces(made.await?)) })
    }
}

/// A connection that writes in pieces.
pub(super) struct Pieces<T>(T);

impl<T: Connection> Connection for Pieces<T> {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl<T: Read + Unpin> Read for Pieces<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Pieces<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, piece(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut room = PIECE_BYTES;
        let fits = |part: &&IoSlice<'_>| room.checked_sub(part.len()).map(|rest| room = rest).is_some();
        let whole = parts.iter().take_while(fits).count();
        match parts.get(..whole) {
            // To write nothing is to say that nothing can be written.
            Some(whole) if whole.iter().any(|part| !part.is_empty()) => {
                Pin::new(&mut self.0).poll_write_vectored(context, whole)
            }
            _ => self.poll_write(context, parts.get(whole).map_or(&[], |part| part)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

fn piece(bytes: &[u8]) -> &[u8] {
    bytes.get(..bytes.len().min(PIECE_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything, and notes how much at once.
    #[derive(Default)]
    struct Notes(Vec<usize>);

    impl Write for Notes {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.push(bytes.len());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.poll_write(context, &vec![0; parts.iter().map(|part| part.len()).sum()])
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn no_write_is_longer_than_a_piece_and_none_is_of_nothing() {
        let writes = |lengths: &[usize]| {
            let bytes: Vec<Vec<u8>> = lengths.iter().map(|length| vec![1; *length]).collect();
            let mut parts: Vec<IoSlice<'_>> = bytes.iter().map(|part| IoSlice::new(part)).collect();
            let (mut left, mut pieces) = (&mut parts[..], Pieces(Notes::default()));
            while left.iter().any(|part| !part.is_empty()) {
                let written =
                    Pin::new(&mut pieces).poll_write_vectored(&mut Context::from_waker(std::task::Waker::noop()), left);
                let Poll::Ready(Ok(written)) = written else { panic!("{written:?}") };
                IoSlice::advance_slices(&mut left, written);
            }
            pieces.0.0
        };
        const P: usize = PIECE_BYTES;
        assert_eq!(writes(&[9, P - 9]), [P]);
        assert_eq!(writes(&[9, P, 5]), [9, P, 5]);
        assert_eq!(writes(&[0, P + 1]), [P, 1]);
        assert_eq!(writes(&[0, 0, 3 * P, 0, 7]), [P, P, P, 7]);
        assert_eq!(writes(&[P + 2]), [P, 2]);
    }
}
