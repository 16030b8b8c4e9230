//! hyper's view of bytes: its server and its client over a connection in memory, polled by hand.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};

use super::{Seen, sorted};

/// The requests that a server reads to their ends.
pub(super) fn requests(bytes: &[u8]) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            if let Some((body, trailers)) = content(body).await {
                let start = [parts.method.as_str().as_bytes(), b" ", parts.uri.to_string().as_bytes()].concat();
                seen.borrow_mut().push(Seen { start, fields: fields(&parts.headers), body, trailers });
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = Peer { bytes, at: 0, is_open: true, reader: None };
    let server = hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(connection, service);
    // How it ends does not matter: what was read, was.
    let _ = run(pin!(server));
    seen.take()
}

/// The final response that a client reads to its end.
pub(super) fn response(method: &str, bytes: &[u8]) -> Option<Seen> {
    // Nothing answers before there is a request.
    let connection = Peer { bytes, at: 0, is_open: false, reader: None };
    let (mut sender, connection) = run(pin!(hyper::client::conn::http1::handshake(connection)))?.ok()?;
    let request = Request::builder().method(method).uri("/").header("host", "x").body(Empty::<Bytes>::new()).ok()?;
    let both = async {
        let read = async {
            let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
            let (body, trailers) = content(body).await?;
            let start = parts.status.as_str().as_bytes().to_vec();
            Some(Seen { start, fields: fields(&parts.headers), body, trailers })
        };
        let (mut read, mut connection) = (pin!(read), pin!(connection));
        let mut is_over = false;
        std::future::poll_fn(|ctx| {
            if let Poll::Ready(seen) = read.as_mut().poll(ctx) {
                return Poll::Ready(seen);
            }
            if !is_over && connection.as_mut().poll(ctx).is_ready() {
                is_over = true;
                ctx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    };
    run(pin!(both))?
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

async fn content(body: Incoming) -> Option<(Vec<u8>, Fields)> {
    let collected = body.collect().await.ok()?;
    let trailers = collected.trailers().map(fields).unwrap_or_default();
    Some((collected.to_bytes().to_vec(), trailers))
}

fn fields(map: &HeaderMap) -> Fields {
    sorted(map.iter().map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())))
}

/// Polls as long as it wants to be; `None` when it would wait for ever.
fn run<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
    }
    None
}

/// The other end: sends `bytes`, then its end, and takes everything.
struct Peer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether it sends yet.
    is_open: bool,
    reader: Option<Waker>,
}

impl Read for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_open {
            self.reader = Some(ctx.waker().clone());
            return Poll::Pending;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let now = rest.get(..rest.len().min(buffer.remaining())).unwrap_or_default();
        buffer.put_slice(now);
        self.at += now.len();
        Poll::Ready(Ok(()))
    }
}

impl Write for Peer<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_open = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
