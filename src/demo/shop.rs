//! The demo's target: a small shop on hyper, with pages of many sizes, a slow search, carts, a checkout that fails now and
//! then, and its own OpenTelemetry spans.
//!
//! It knows nothing of the recorder and the replayer, and shares no code with them: what it answers and exports is evidence
//! from outside. `service` is the life of a request, `catalogue` and `carts` what is sold, `spans` and `export` what is told
//! about it. Nothing here is kept on disk.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep_until, timeout_at};

use self::export::Export;
use self::service::Service;
use self::spans::Tracer;
use crate::demo::clock::now;

mod carts;
mod catalogue;
mod export;
mod service;
mod spans;
mod trace_context;

#[cfg(test)]
mod tests;

/// After this, a connection that says nothing is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a failed accept (out of file descriptors, as a rule) keeps the next one waiting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long requests under way are waited for at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the last spans may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// A running shop. Dropping it ends it without the last spans; [`Shop::stop`] is the orderly end.
pub(crate) struct Shop {
    address: SocketAddr,
    service: Arc<Service>,
    stopping: watch::Sender<bool>,
    accepting: JoinHandle<u64>,
    exporting: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What the shop did in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShopSummary {
    /// Requests answered, with whatever status.
    pub(crate) requests: u64,
    /// Spans that a receiver took.
    pub(crate) spans_exported: u64,
    /// Spans that were made and never arrived: the queue was full, the receiver failed, or the end came first.
    pub(crate) spans_dropped: u64,
    /// Connections closed at once, since there were too many.
    pub(crate) connections_refused: u64,
    /// Carts forgotten, since there were too many.
    pub(crate) carts_evicted: u64,
}

/// Why the shop did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    #[error("the shop cannot listen on a loopback port")]
    Listen(#[source] std::io::Error),
    #[error("the shop cannot export spans to {address}")]
    Exporter { address: SocketAddr, source: opentelemetry_otlp::ExporterBuildError },
}

/// The shop's bounds, apart so that tests can reach them.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections at once; what comes beyond is closed and counted.
    connections_max: usize,
    /// Carts at once; the oldest is forgotten and counted.
    carts_max: usize,
    /// A longer request body is answered with 413.
    body_bytes_max: usize,
    /// Spans that wait for the exporter; what comes beyond is dropped and counted.
    queue_spans_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 1024, carts_max: 10_000, body_bytes_max: 4096, queue_spans_max: 16_384 }
    }
}

impl Shop {
    /// Opens the shop on a free port of 127.0.0.1 and exports its spans to an OTLP/gRPC receiver, if one is given.
    ///
    /// # Errors
    /// When it cannot listen, or the `OTEL_*` environment asks for an exporter that cannot be built.
    pub(crate) async fn start(otlp: Option<SocketAddr>) -> Result<Self, ShopError> {
        Self::start_with(otlp, Limits::default()).await
    }

    async fn start_with(otlp: Option<SocketAddr>, limits: Limits) -> Result<Self, ShopError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ShopError::Listen)?;
        let address = listener.local_addr().map_err(ShopError::Listen)?;

        let (queue, export) = match otlp {
            Some(receiver) => {
                let (queue, export) = Export::new(receiver, limits.queue_spans_max)
                    .map_err(|source| ShopError::Exporter { address: receiver, source })?;
                (Some(queue), Some(export))
            }
            None => (None, None),
        };
        let service = Arc::new(Service::new(Tracer::new(queue, address), &limits));
        let exporting = export.map(|export| {
            let (flush, flushed) = oneshot::channel();
            (flush, tokio::spawn(export.run(flushed)))
        });

        let (stopping, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&service), limits.connections_max, stopped));
        Ok(Self { address, service, stopping, accepting, exporting })
    }

    /// Where the shop is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets the requests under way end, sends the last spans; each within a deadline.
    pub(crate) async fn stop(self) -> ShopSummary {
        // Without a receiver the tasks have ended already.
        let _ = self.stopping.send(true);
        let connections_refused = self.accepting.await.unwrap_or_default();
        if let Some((flush, mut exporting)) = self.exporting {
            let _ = flush.send(());
            if timeout_at(now() + FLUSH_TIMEOUT, &mut exporting).await.is_err() {
                exporting.abort();
            }
        }
        let (spans_made, spans_exported) = self.service.tracer().counts();
        ShopSummary {
            requests: self.service.requests(),
            spans_exported,
            spans_dropped: spans_made.saturating_sub(spans_exported),
            connections_refused,
            carts_evicted: self.service.carts_evicted(),
        }
    }
}

/// Takes connections until the end, then waits for them; returns how many it refused.
async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    connections_max: usize,
    mut stopping: watch::Receiver<bool>,
) -> u64 {
    let mut connections = JoinSet::new();
    let mut refused = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < connections_max => {
                    connections.spawn(serve(stream, Arc::clone(&service), stopping.clone()));
                }
                Ok(_) => refused += 1,
                Err(_) => sleep_until(now() + ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stopping.changed() => break,
        }
    }
    drop(listener);
    let deadline = now() + DRAIN_TIMEOUT;
    while let Ok(Some(_)) = timeout_at(deadline, connections.join_next()).await {}
    // What is left is aborted with the set.
    refused
}

/// One connection, with as many requests as its client likes.
async fn serve(stream: TcpStream, service: Arc<Service>, mut stopping: watch::Receiver<bool>) {
    // Answers are small and written at once: waiting to fill a segment would only add latency. A socket that refuses this
    // is as good as closed, and the connection below will say so.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    // How a connection ended is its client's affair: every request that was read has been counted by its answer.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
